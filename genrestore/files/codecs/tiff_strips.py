"""The strips and tiles of a TIFF page: refused before they are decoded, unless their pixels are sure.

Sure is what tifffile, libtiff and ImageMagick decode to the same pixels, of which `check` holds the table. A
codec for whole pictures (JPEG, WebP) decodes to the size that its own header says, whatever the page says, so
that header is read first.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from genrestore.errors import InputError
from genrestore.files.codecs import jpeg_markers, webp
from genrestore.files.codecs.formats import check_size

if TYPE_CHECKING:
    import tifffile

WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR = 0, 1, 2, 3, 5, 6
_OLD_JPEG, _JPEG, _WEBP = 6, 7, 50001
_FAX_RLE, _FAX_3, _FAX_4 = 2, 3, 4
_BYTES = frozenset((1, 5, 8, 32946, 32773, 34925, 50000))
"""Compressions of bytes, which know no picture: none, LZW, both Deflates, PackBits, LZMA, Zstandard."""
_JPEG_COLOURS: dict[tuple[int, int], jpeg_markers.Colours] = {
    (WHITE_IS_ZERO, 1): "grey",
    (BLACK_IS_ZERO, 1): "grey",
    (YCBCR, 3): "ycbcr",
    (RGB, 3): "rgb",
    (RGB, 4): "cmyk",  # four components that are left as they are
    (CMYK, 4): "cmyk",
}
_TILE_ROOM = 2**24
"""Pixels that tiles may have beside those of the picture."""
_BT_601 = (0.299, 0.587, 0.114)
_FULL_RANGE = (0, 255, 128, 255, 128, 255)
ADVICE = "convert to 16-bit RGB or grey, for example: magick in.tif -colorspace sRGB -depth 16 out.tif"


def check(page: tifffile.TiffPage, max_pixels: int) -> None:
    """Refuse a page whose pixels are not sure, or whose strips are not of the size that the page says.

    Raises:
        InputError: One line without the file's name.
    """
    if not (_is_sure(page) and _are_plain_colours(page)):
        raise InputError(f"{_kinds(page)} is not read, since programs differ on its pixels; {ADVICE}")
    wide, high = _full_size(page)
    needed = -(-page.imagewidth // wide) * -(-page.imagelength // high)
    if page.is_tiled:
        check_size(wide, high, max(max_pixels, _TILE_ROOM))
        if needed * wide * high > 4 * page.imagewidth * page.imagelength + _TILE_ROOM:
            size = f"{page.imagewidth} x {page.imagelength}"
            raise InputError(f"damaged TIFF (tiles of {wide} x {high} for {size} pixels)")
    if int(page.planarconfig) == 2:
        needed *= page.samplesperpixel
    places, lengths = page.dataoffsets, page.databytecounts
    if min(len(places), len(lengths)) < needed or 0 in lengths or 0 in places:
        raise InputError("truncated or damaged TIFF (a part of its pixels is missing)")
    if int(page.compression) in (_OLD_JPEG, _JPEG, _WEBP):
        for index in range(needed):
            _check_strip(page, index)


def _kinds(page: tifffile.TiffPage) -> str:
    """What a page is, in the specification's words."""
    photometric, compression = (
        str(getattr(each, "name", int(each))) for each in (page.photometric, page.compression)
    )
    planes = "in planes " if int(page.planarconfig) == 2 else ""
    return f"{page.bitspersample}-bit {photometric} {planes}with compression {compression}"


def _is_sure(page: tifffile.TiffPage) -> bool:
    """Whether three decoders agree on such pages."""
    photometric, samples, bits = int(page.photometric), page.samplesperpixel, page.bitspersample
    compression, planes = int(page.compression), int(page.planarconfig) == 2 and page.samplesperpixel > 1
    if int(page.predictor) != 1 and (int(page.predictor) != 2 or bits not in (8, 16)):
        return False
    if photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and samples == 2:
        return photometric == BLACK_IS_ZERO and not planes and bits in (8, 16) and compression in _BYTES
    if compression in _BYTES:
        return True
    if compression in (_FAX_RLE, _FAX_3, _FAX_4):
        grey = photometric in (WHITE_IS_ZERO, BLACK_IS_ZERO) and samples == 1 and bits == 1
        return grey and not (compression == _FAX_RLE and page.is_tiled)
    if compression == _JPEG:
        colours = _JPEG_COLOURS.get((photometric, samples))
        return colours is not None and bits == 8 and (not planes or colours == "cmyk")
    if compression == _OLD_JPEG:
        return photometric == YCBCR and samples == 3 and not planes and len(page.dataoffsets) == 1
    return compression == _WEBP and photometric == RGB and bits == 8 and not planes


def _are_plain_colours(page: tifffile.TiffPage) -> bool:
    """Whether YCbCr is that of BT.601 in full range, and what is separated into inks is so into CMYK."""
    if int(page.photometric) == CMYK:
        return int(page.tags.valueof(332, default=1)) == 1
    if int(page.photometric) != YCBCR or int(page.compression) in (_OLD_JPEG, _JPEG):
        return True
    if page.is_subsampled:
        return False
    coefficients = _ratios(page.tags.valueof(529)) or _BT_601
    reference = _ratios(page.tags.valueof(532)) or _FULL_RANGE
    near = zip((*coefficients, *reference), (*_BT_601, *_FULL_RANGE), strict=False)
    return len(coefficients) == 3 and len(reference) == 6 and all(abs(a - b) < 0.002 for a, b in near)


def _ratios(value: Sequence[int] | None) -> tuple[float, ...]:
    """Rational numbers as tifffile has them, numerator and denominator in turn."""
    if value is None:
        return ()
    return tuple(above / max(below, 1) for above, below in zip(value[::2], value[1::2], strict=False))


def _check_strip(page: tifffile.TiffPage, index: int) -> None:
    """Refuse a strip or tile of a codec for pictures whose own header does not fit the page.

    Raises:
        InputError: Another size, other colours, or more scans than an encoder makes.
    """
    file = page.parent.filehandle
    file.seek(page.dataoffsets[index])
    data = file.read(page.databytecounts[index])
    samples = page.samplesperpixel if int(page.planarconfig) == 1 else 1
    if int(page.compression) == _WEBP:
        width, height = webp.size(data)
        sound = True
    else:
        found = jpeg_markers.read(data)
        jpeg_markers.check_work(found)
        width, height = found.width, found.height
        colours = "grey" if samples == 1 else _JPEG_COLOURS[int(page.photometric), samples]
        sound = found.frame in (jpeg_markers.BASELINE, jpeg_markers.EXTENDED, jpeg_markers.PROGRESSIVE)
        sound = sound and found.precision == 8 and jpeg_markers.colours_are(found, colours)
        if 8 * len(data) < -(-width // 8) * -(-height // 8):
            raise InputError(f"truncated or damaged TIFF ({len(data)} bytes for {width} x {height} pixels)")
    if not sound:
        raise InputError(f"{_kinds(page)} whose strips say otherwise is not read; {ADVICE}")
    wide, full = _full_size(page)
    strips = -(-page.imagelength // full)
    high = full if page.is_tiled else min(full, page.imagelength - index % strips * full)
    if width != wide or height not in (high, full):
        raise InputError(
            f"truncated or damaged TIFF (a strip of {width} x {height} pixels in place of {wide} x {high})"
        )


def _full_size(page: tifffile.TiffPage) -> tuple[int, int]:
    """Width and height of a tile, or of a strip but the last."""
    if page.is_tiled:
        return max(page.tilewidth, 1), max(page.tilelength, 1)
    return page.imagewidth, page.rowsperstrip or page.imagelength
