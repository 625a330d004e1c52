"""TIFF: layouts, compressions and fields."""

from __future__ import annotations

import io
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from genrestore.errors import InputError
from genrestore.files.codecs import images, tiff
from tests.files import make


def page(data: bytes) -> tifffile.TiffPage:
    return tifffile.TiffFile(io.BytesIO(data)).pages.first


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize(
    ("compression", "kept"),
    [(None, 1), ("lzw", 5), ("packbits", 32773), ("zlib", 8), (32946, 8), ("zstd", 50000), ("lzma", 34925)],
)
def test_compression_is_kept(tmp_path: Path, compression: str | int | None, kept: int, bits: int) -> None:
    array = make.pixels(3, bits)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, photometric="rgb", compression=compression)
    data = make.encoded(images.read(path), "TIFF")
    assert page(data).compression == kept
    assert np.array_equal(tifffile.imread(io.BytesIO(data)), array)


@pytest.mark.parametrize("byteorder", ["<", ">"])
@pytest.mark.parametrize("layout", ["planar", "tiled", "big", "strips"])
def test_layouts(tmp_path: Path, layout: str, byteorder: str) -> None:
    array = make.pixels(3, 16, 40, 50)
    path = tmp_path / "a.tif"
    options = {
        "planar": {"planarconfig": "separate"},
        "tiled": {"tile": (16, 16)},
        "big": {},
        "strips": {"rowsperstrip": 7},
    }[layout]
    stored = np.moveaxis(array, -1, 0) if layout == "planar" else array
    tifffile.imwrite(
        path,
        stored,
        photometric="rgb",
        bigtiff=layout == "big",
        byteorder=byteorder,
        compression="zlib",
        **options,
    )
    image = images.read(path)
    assert np.array_equal(make.interleaved(image), array)
    assert np.array_equal(tifffile.imread(io.BytesIO(make.encoded(image, "TIFF"))), array)


@pytest.mark.parametrize("bits", [8, 16])
def test_white_is_zero(tmp_path: Path, bits: int) -> None:
    array = make.pixels(1, bits)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, photometric="miniswhite")
    image = images.read(path)
    assert np.array_equal(make.interleaved(image), 2**bits - 1 - array.astype(int))
    assert page(make.encoded(image, "TIFF")).photometric == 1


SURE = [
    *[("1", compression) for compression in ("tiff_ccitt", "group3", "group4")],
    *[
        (mode, compression)
        for mode in ("1", "L", "P", "RGB", "RGBA", "CMYK", "YCbCr")
        for compression in ("tiff_lzw", "packbits", "tiff_adobe_deflate", "tiff_deflate", "lzma", "zstd")
    ],
    *[(mode, "jpeg") for mode in ("L", "RGB", "YCbCr", "CMYK")],
]


@pytest.mark.parametrize(("mode", "compression"), SURE)
def test_pixels_are_those_that_libtiff_reads(tmp_path: Path, mode: str, compression: str) -> None:
    path = tmp_path / "a.tif"
    picture = Pillow.fromarray(make.smooth(3))
    picture = picture.quantize(16) if mode == "P" else picture.convert(mode)
    picture.save(path, compression=compression)
    image = images.read(path)
    alpha = () if image.alpha is None else ("RGBA",)
    with Pillow.open(path) as opened:
        expected = np.asarray(opened.convert("L" if mode in ("1", "L") else (*alpha, "RGB")[0])).astype(int)
    assert np.abs(make.interleaved(image) - expected).max() <= 2


@pytest.mark.parametrize("samples", [3, 4])
def test_webp_in_strips_and_tiles(samples: int) -> None:
    array = make.pixels(samples, 8, 40, 50)
    for layout in ({"rowsperstrip": 16}, {"tile": (16, 32)}):
        stream = io.BytesIO()
        options = {"compression": "webp", "compressionargs": {"lossless": True, "level": 100}}
        tifffile.imwrite(stream, array, photometric="rgb", **options, **layout)
        assert np.array_equal(make.interleaved(images.read(io.BytesIO(stream.getvalue()))), array)


def patched(data: bytes, **values: int) -> bytes:
    """A little-endian TIFF with other short or long values in fields of its first IFD."""
    numbers = {"compression": 259, "photometric": 262, "planar": 284, "predictor": 317, "inks": 332}
    found = bytearray(data)
    start = struct.unpack_from("<I", data, 4)[0]
    for at in range(start + 2, start + 2 + 12 * struct.unpack_from("<H", data, start)[0], 12):
        for name, number in numbers.items():
            if name in values and number == struct.unpack_from("<H", data, at)[0]:
                struct.pack_into("<H", found, at + 8, values.pop(name))
    assert not values
    return bytes(found)


UNSURE: dict[str, tuple[tuple[str, str], dict[str, int]]] = {
    "planes of ycbcr in jpeg": (("YCbCr", "jpeg"), {"planar": 2}),
    "planes of rgb in jpeg": (("RGB", "jpeg"), {"planar": 2, "photometric": 2}),
    "rgb whose jpeg says ycbcr": (("RGB", "jpeg"), {"photometric": 2}),
    "cmyk in webp": (("CMYK", "tiff_lzw"), {"compression": 50001}),
    "colour in fax": (("1", "group3"), {"photometric": 3}),
    "jpeg 2000": (("RGB", "tiff_lzw"), {"compression": 34712}),
    "png": (("RGB", "tiff_lzw"), {"compression": 34933}),
    "jpeg xl": (("RGB", "tiff_lzw"), {"compression": 50002}),
    "lerc": (("L", "tiff_lzw"), {"compression": 34887}),
    "old jpeg in strips": (("RGB", "jpeg"), {"compression": 6}),
}


@pytest.mark.parametrize(("written", "changes"), UNSURE.values(), ids=UNSURE)
def test_what_programs_differ_on_is_refused(written: tuple[str, str], changes: dict[str, int]) -> None:
    mode, compression = written
    stream = io.BytesIO()
    jfif = changes.get("photometric") == 2 and "planar" not in changes
    Pillow.fromarray(make.smooth(3)).convert(mode).save(stream, "TIFF", compression=compression)
    data = stream.getvalue()
    if jfif:
        jpeg = io.BytesIO()
        Pillow.fromarray(make.smooth(3)).save(jpeg, "JPEG")
        data = make.tiff_of(48, 32, jpeg.getvalue(), 7, photometric=2, samples=3)
    elif compression == "jpeg" and changes.get("compression") == 6:
        data = patched(make.tiff_of(48, 32, bytes(99), 7, photometric=6, samples=3), **changes)
    else:
        data = patched(data, **changes)
    with pytest.raises(InputError, match=r"is not read|a JPEG|no start"):
        images.read(io.BytesIO(data))


def test_an_old_style_jpeg_is_converted_once() -> None:
    stream = io.BytesIO()
    Pillow.fromarray(make.smooth(3)).save(stream, "JPEG", quality=95)
    data = make.tiff_of(48, 32, stream.getvalue(), 6, photometric=6, samples=3, interchange=True)
    expected = np.asarray(Pillow.open(stream).convert("RGB")).astype(int)
    assert np.abs(make.interleaved(images.read(io.BytesIO(data))) - expected).max() <= 1


@pytest.mark.parametrize(("bits", "full"), [(10, 1023), (12, 4095), (14, 16383)])
def test_grey_between_8_and_16_bits_is_spread(bits: int, full: int) -> None:
    values = np.array([[0, 1, full // 2, full]])
    packed = np.packbits(((values[..., None] >> np.arange(bits - 1, -1, -1)) & 1).astype(np.uint8)).tobytes()
    image = images.read(io.BytesIO(make.tiff_of(4, 1, packed, bits=bits)))
    assert make.interleaved(image).tolist() == np.round(values * 65535 / full).astype(int).tolist()
    assert image.metadata.notes == (f"{bits}-bit grey converted to 16-bit grey",)


@pytest.mark.parametrize("scale", [1, 257])
@pytest.mark.parametrize("bits", [1, 8])
def test_palettes_of_8_and_16_bits(bits: int, scale: int) -> None:
    table = np.random.default_rng(0).integers(0, 256, (3, 2**bits))
    indices = np.arange(32).reshape(4, 8) % 2**bits
    packed = (np.packbits(indices) if bits == 1 else indices.astype(np.uint8)).tobytes()
    palette = (table * scale).astype("<u2").tobytes()
    data = make.tiff_of(8, 4, packed, bits=bits, photometric=3, palette=palette)
    assert np.array_equal(make.interleaved(images.read(io.BytesIO(data))), table.T[indices])


def test_premultiplied_colours_are_divided_and_alpha_is_kept(tmp_path: Path) -> None:
    array = make.pixels(4, 16)
    array[0, :, 3] = 0
    array[1, :, 3] = 65535
    array[..., :3] = np.minimum(array[..., :3], array[..., 3:])
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, photometric="rgb", extrasamples=["assocalpha"])
    image = images.read(path)
    assert image.alpha is not None
    assert np.array_equal(image.alpha[0, 0], array[..., 3])
    expected = np.round(array[..., :3].astype(float) * 65535 / np.maximum(array[..., 3:], 1))
    seen = array[..., 3] > 0
    assert np.abs(make.interleaved(image)[..., :3].astype(float) - expected)[seen].max() <= 1
    assert page(make.encoded(image, "TIFF")).extrasamples == (2,)


def test_all_fields_of_the_first_ifd_come_back(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    extra = [
        (271, 2, 7, "Camera", True),
        (315, 2, 8, "Someone", True),
        (33723, 7, 5, b"\x1c\x02\x05\0\0", True),
        (34377, 7, 8, b"8BIM\0\0\0\0", True),
        (50000, 12, 2, (1.5, -2.25), True),
        (50001, 5, 1, (22, 7), True),
    ]
    tifffile.imwrite(
        path,
        make.pixels(3, 16),
        photometric="rgb",
        description="a description",
        software="a software",
        datetime="2024:01:02 03:04:05",
        resolution=(118.11, 118.11),
        resolutionunit="CENTIMETER",
        iccprofile=make.ICC,
        extratags=[*extra, (700, 1, len(make.XMP), make.XMP, True)],
        metadata=None,
    )
    image = images.read(path)
    tags = page(make.encoded(image, "TIFF", {"tool": "genrestore"})).tags
    before = page(path.read_bytes()).tags
    for code in (270, 271, 305, 306, 315, 700, 33723, 34377, 34675, 50000, 50001):
        assert tags[code].value == before[code].value, code
        assert tags[code].dtype == before[code].dtype, code
    assert image.metadata.dpi == pytest.approx((300, 300), abs=0.01)


def test_smaller_copies_inside_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    with tifffile.TiffWriter(path) as writer:
        writer.write(make.pixels(3), photometric="rgb", metadata=None)
        writer.write(make.pixels(3)[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    image = images.read(path)
    assert image.pixels.shape == (1, 3, 18, 24)
    assert image.metadata.notes == ("smaller copies of the picture inside the TIFF are left out",)


@pytest.mark.parametrize(
    ("array", "photometric", "message"),
    [
        (np.zeros((4, 4), np.complex64), "minisblack", "64-bit unknown pixels"),
        (np.zeros((4, 4), np.int16), "minisblack", "16-bit signed pixels"),
        (np.zeros((4, 4), np.uint32), "minisblack", "32-bit unsigned pixels"),
        (np.zeros((4, 4, 4), np.uint16), "separated", "16-bit unsigned pixels .SEPARATED. cannot be kept"),
        (np.zeros((2, 4, 4), np.uint8), "minisblack", "more than one picture"),
    ],
)
def test_what_cannot_be_kept_is_refused(
    tmp_path: Path, array: np.ndarray, photometric: str, message: str
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, array, photometric=photometric)
    with pytest.raises(InputError, match=message):
        images.read(path)


@pytest.mark.parametrize("bits", [1, 4])
def test_a_damaged_page_of_few_bits_is_refused(
    tmp_path: Path, bits: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(
        path, make.pixels(1, 8, 64, 64) >> (8 - bits), bitspersample=bits, photometric="minisblack"
    )
    assert images.read(path).metadata.notes == (f"{bits}-bit grey converted to 8-bit grey",)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match="truncated or damaged TIFF"):
        images.read(path)
    assert capfd.readouterr() == ("", "")


def test_a_big_tiff_keeps_orientation_profile_and_xmp(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tags = [(274, 3, 1, 6, True), (700, 1, len(make.XMP), make.XMP, True)]
    array = make.pixels(3, 16)
    tifffile.imwrite(path, array, photometric="rgb", bigtiff=True, iccprofile=make.ICC, extratags=tags)
    image = images.read(path)
    assert np.array_equal(make.interleaved(image), np.rot90(array, -1))
    assert (image.metadata.icc, image.metadata.xmp) == (make.ICC, make.XMP)
    assert image.metadata.notes == ()


@pytest.mark.parametrize("byteorder", ["<", ">"])
def test_fields_of_a_big_tiff_come_back(tmp_path: Path, byteorder: str) -> None:
    path = tmp_path / "a.tif"
    extra = [
        (271, 2, 7, "Camera", True),
        (33550, 12, 3, (0.5, 0.5, 0.0), True),
        (34735, 3, 4, (1, 1, 0, 0), True),
        (50002, 16, 2, (7, 2**31), True),
        (50003, 17, 1, -5, True),
    ]
    tifffile.imwrite(
        path, make.pixels(3, 16), photometric="rgb", bigtiff=True, byteorder=byteorder, extratags=extra
    )
    image = images.read(path)
    tags = page(make.encoded(image, "TIFF", {"tool": "genrestore"})).tags
    assert [tags[code].value for code in (271, 33550, 34735, 50002, 50003)] == [each[3] for each in extra]
    path.write_bytes(make.encoded(image, "TIFF", {"tool": "genrestore"}))
    assert images.read_provenance(path) == {"tool": "genrestore"}


@pytest.mark.parametrize("unit", [1, 2, 3])
@pytest.mark.parametrize("sides", [((4, 1), (4, 1)), ((2, 1), (1, 1)), ((1181100, 10007), (300, 7))])
def test_a_resolution_comes_back_to_the_bit(
    unit: int, sides: tuple[tuple[int, int], tuple[int, int]]
) -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, make.pixels(1), photometric="minisblack", resolution=sides, resolutionunit=unit)
    image = images.read(io.BytesIO(stream.getvalue()))
    before, after = page(stream.getvalue()).tags, page(make.encoded(image, "TIFF")).tags
    assert [after[code].value for code in (282, 283, 296)] == [before[code].value for code in (282, 283, 296)]


@pytest.mark.parametrize(("sides", "whole"), [((4, 4), (4, 4)), ((2, 1), (2, 1)), ((0.5, 1.5), (1, 3))])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF"])
def test_a_resolution_without_a_unit_goes_from_format_to_format(
    format: str, sides: tuple[float, float], whole: tuple[int, int]
) -> None:
    stream = io.BytesIO()
    options = {"photometric": "minisblack", "software": False, "metadata": None}
    tifffile.imwrite(stream, make.pixels(1), resolution=sides, resolutionunit=1, **options)
    image = images.read(io.BytesIO(stream.getvalue()))
    assert (image.metadata.dpi, image.metadata.aspect) == (None, sides)
    found = make.again(image, format).metadata
    assert (found.dpi, found.aspect) == (None, sides if format == "TIFF" else whole)
    assert found.exif is None or format == "TIFF"


@pytest.mark.parametrize("channels", [2, 4])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_sample_of_which_nothing_is_said_is_no_alpha(channels: int, bits: int) -> None:
    array = make.pixels(channels, bits)
    colour = "rgb" if channels == 4 else "minisblack"
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, photometric=colour, planarconfig="contig", extrasamples=["unspecified"])
    image = images.read(io.BytesIO(stream.getvalue()))
    assert image.alpha is None
    again = make.encoded(image, "TIFF")
    assert np.array_equal(tifffile.imread(io.BytesIO(again)), array)
    assert page(again).extrasamples == (0,)
    notes = images.encode(image, io.BytesIO(), "PNG")
    assert notes == ("the channel that the TIFF does not call alpha is left out",)
    assert make.again(image, "PNG").alpha is None


def test_a_smaller_copy_may_stand_first() -> None:
    stream = io.BytesIO()
    array = make.pixels(3)
    with tifffile.TiffWriter(stream) as writer:
        camera, model = (271, 2, 7, "Camera", True), (272, 2, 6, "Model", True)
        writer.write(array[::2, ::2], photometric="rgb", subfiletype=1, extratags=[camera])
        writer.write(array, photometric="rgb", extratags=[model, (274, 3, 1, 6, True)])
    image = images.read(io.BytesIO(stream.getvalue()))
    assert np.array_equal(make.interleaved(image), np.rot90(array, -1))
    assert image.metadata.notes == ("smaller copies of the picture inside the TIFF are left out",)
    assert image.metadata.lost == ()
    tags = page(make.encoded(image, "TIFF")).tags
    assert (tags[271].value, tags[272].value) == ("Camera", "Model")


@pytest.mark.parametrize("big", [False, True])
def test_pages_below_the_picture_are_said(big: bool) -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream, bigtiff=big) as writer:
        writer.write(make.pixels(3), photometric="rgb", subifds=2)
        writer.write(make.pixels(3)[::2, ::2], photometric="rgb", subfiletype=1)
        writer.write(make.pixels(3)[::3, ::3], photometric="rgb", subfiletype=0)
    metadata = images.read(io.BytesIO(stream.getvalue())).metadata
    assert metadata.notes == ("smaller copies of the picture inside the TIFF are left out",)
    assert metadata.lost == ("further pictures and masks inside the TIFF are left out",)


def test_a_mask_beside_the_picture_is_said() -> None:
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(make.pixels(3), photometric="rgb")
        writer.write(make.pixels(1) > 99, photometric="mask", subfiletype=4)
    assert images.read(io.BytesIO(stream.getvalue())).metadata.lost == (
        "further pictures and masks inside the TIFF are left out",
    )


def test_what_shows_the_old_picture_inside_a_tiff_goes() -> None:
    resources = b"8BIM\x04\x0c\0\0\0\0\0\6thumbs" + b"8BIM\x03\xed\0\0\0\0\0\2ok"
    tags = [(34377, 7, len(resources), resources, True), (37724, 7, 6, b"layers", True)]
    stream = io.BytesIO()
    tifffile.imwrite(stream, make.pixels(3), photometric="rgb", extratags=tags)
    image = images.read(io.BytesIO(stream.getvalue()))
    assert image.metadata.lost[0].startswith("Photoshop's layers inside the TIFF are left out")
    found = page(make.encoded(image, "TIFF")).tags
    assert found[34377].value == resources[18:]
    assert 37724 not in found


def test_a_raw_in_disguise(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, make.pixels(3), photometric="rgb", extratags=[(50706, 1, 4, (1, 4, 0, 0), True)])
    with pytest.raises(InputError, match="camera RAW"):
        images.read(path)


def below_a_thumbnail(array: np.ndarray, photometric: str) -> bytes:
    """A TIFF of one page, a smaller copy, with another copy and the picture below it, as cameras write it."""
    stream = io.BytesIO()
    with tifffile.TiffWriter(stream) as writer:
        writer.write(make.pixels(3)[::3, ::3], photometric="rgb", subfiletype=1, subifds=2, metadata=None)
        writer.write(make.pixels(3)[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
        writer.write(array, photometric=photometric, subfiletype=0, metadata=None)
    return stream.getvalue()


def test_a_smaller_copy_above_its_picture_is_not_taken_for_it() -> None:
    expected = r"stands below a smaller copy of it or a mask; take it out first.*in\.tif\[subifd=1\] out\.tif"
    with pytest.raises(InputError, match=expected):
        images.read(io.BytesIO(below_a_thumbnail(make.pixels(3), "rgb")))


@pytest.mark.parametrize("photometric", ["cfa", "linear_raw"])
def test_a_raw_below_its_smaller_copy(photometric: str) -> None:
    array = make.pixels(1 if photometric == "cfa" else 3, 16)
    with pytest.raises(InputError, match="camera RAW"):
        images.read(io.BytesIO(below_a_thumbnail(array, photometric)))


def test_a_smaller_copy_alone_is_a_picture() -> None:
    stream = io.BytesIO()
    tifffile.imwrite(stream, make.pixels(3), photometric="rgb", subfiletype=1)
    assert np.array_equal(make.interleaved(images.read(io.BytesIO(stream.getvalue()))), make.pixels(3))


def test_nothing_is_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, make.pixels(3), photometric="rgb", compression="zlib")
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(InputError, match="truncated or damaged TIFF"):
        images.read(path)
    assert capfd.readouterr() == ("", "")


def test_a_result_that_is_too_large_for_a_tiff_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    image = make.plain(make.smooth(3), "TIFF")
    monkeypatch.setattr(tiff, "MAX_BYTES", image.pixels.nbytes)
    make.encoded(image, "TIFF")
    monkeypatch.setattr(tiff, "MAX_BYTES", image.pixels.nbytes - 1)
    with pytest.raises(InputError, match=r"bytes of pixels: TIFF holds at most .*; write PNG"):
        make.encoded(image, "TIFF")
