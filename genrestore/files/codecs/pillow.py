"""What Pillow decodes: JPEG, WebP, BMP, GIF, PPM and AVIF; and its conversions of colours."""

from __future__ import annotations

import io
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import exif, jpeg, jpeg_markers, jpeg_parts, metadata, orientation, webp, xmp
from genrestore.files.codecs.appended import behind, view
from genrestore.files.codecs.formats import SEVERAL_PICTURES, check_size
from genrestore.files.codecs.pixels import Array, Converted, Image, from_buffer

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageFile import ImageFile

_PLUGINS = {
    "JPEG": "JpegImagePlugin",
    "WEBP": "WebPImagePlugin",
    "BMP": "BmpImagePlugin",
    "GIF": "GifImagePlugin",
    "PPM": "PpmImagePlugin",
    "AVIF": "AvifImagePlugin",
}
_STRIP_PIXELS = 2**22
_DIRECT = ("L", "LA", "RGB", "RGBA")
_FULL_16 = 65535
Sides = tuple[float, float]


def open_as(stream: BinaryIO, format: str) -> ImageFile:
    """Pillow's reader of one known format, its header read.

    Not `PIL.Image.open`: that guesses the format, and warns of large pictures by a setting of the process.

    Raises:
        InputError: The header cannot be read.
    """
    import PIL.Image

    try:
        import_module(f"PIL.{_PLUGINS[format]}")
        stream.seek(0)
        opened: ImageFile = PIL.Image.OPEN[format][0](stream, "")
    except (KeyError, ImportError) as error:
        raise InputError(f"{format} is not read by the Pillow installed here") from error
    except PIL.Image.DecompressionBombError as error:
        raise InputError(f"too large for Pillow ({error}); convert it to PNG or TIFF first") from error
    except Exception as error:  # Pillow's readers raise SyntaxError, struct.error, IndexError and more
        raise InputError(f"truncated or damaged {format} ({error})") from error
    return opened


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode the one picture of a file other than PNG and TIFF.

    Raises:
        InputError: Damaged, truncated, animated, too large, or pixels that cannot be kept; without the name.
    """
    opened = open_as(stream, format)
    check_size(*opened.size, max_pixels)
    if format == "JPEG":
        jpeg.check_length(stream.seek(0, io.SEEK_END), *opened.size)
    block = metadata.exif_block(opened.info.get("exif"))
    dpi, aspect = _resolution(opened, block)
    packet = opened.info.get("xmp") or None
    turned = orientation.of(block, None if format == "AVIF" else packet)  # whose own header says how it is
    block, packet = orientation.without(block, packet, turned)
    parts = _parts(stream, format, turned)
    if packet is not None:
        packet = xmp.without_claims(packet, pictures=parts.lost_pictures, film=parts.lost_film)
    notes = (*_check_frames(opened, format), *parts.notes)
    converted = to_buffer(opened, opened.info.get("icc_profile") or None)
    described = metadata.Metadata(
        format=format,
        mode=converted.mode,
        exif=block,
        icc=converted.icc,
        xmp=webp.without_provenance(packet),
        dpi=orientation.turned_sides(dpi, turned),
        aspect=orientation.turned_sides(aspect, turned),
        notes=(*notes, *converted.notes),
        jpeg=jpeg.settings(opened, parts.segments) if format == "JPEG" else None,
        lossless=format == "WEBP" and webp.is_lossless(stream),
        appended=parts.appended,
        lost=parts.lost,
    )
    return from_buffer(converted.buffer, described, turned)


def _resolution(opened: ImageFile, block: bytes | None) -> tuple[Sides | None, Sides | None]:
    """Pixels an inch, or a resolution without a unit; Pillow invents 72 for a JPEG whose EXIF is silent."""
    stated = None if block is None else exif.resolution(block)
    dpi = opened.info.get("dpi")
    if opened.format in ("JPEG", "MPO"):
        across, down = opened.info.get("jfif_density", (0, 0))
        unit = opened.info.get("jfif_unit", 0)
        if unit == 0 and stated is None and min(across, down) > 0 and (across, down) != (1, 1):
            return None, (float(across), float(down))
        if unit not in (1, 2) and stated is None:
            dpi = None
    if not dpi and stated is not None and stated[2] in exif.UNITS_AN_INCH:
        dpi = [value * exif.UNITS_AN_INCH[stated[2]] for value in stated[:2]]
    return ((float(dpi[0]), float(dpi[1])), None) if dpi and min(dpi) > 0 else (None, None)


def to_buffer(opened: ImageFile, icc: bytes | None) -> Converted:
    """Decode, and convert what is neither grey nor RGB.

    Raises:
        InputError: Truncated or damaged, or a pixel type that would lose precision.
    """
    _check_precision(opened)
    mode = opened.mode
    try:
        opened.load()
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error and more
        raise InputError(f"truncated or damaged {opened.format} ({error})") from error
    if mode == "I" or mode.startswith("I;16"):
        grey = np.asarray(opened).clip(0, _FULL_16).astype(np.uint16)
        return Converted(grey, "I;16", icc, ())
    if mode in _DIRECT:
        return Converted(_strips(opened), mode, icc, ())
    picture, icc, note = _convert(opened, icc)
    return Converted(_strips(picture), mode, icc, (note,))


def _parts(stream: BinaryIO, format: str, turned: int) -> jpeg_parts.Parts:
    """What a file holds beside its picture, as far as it can be kept.

    Raises:
        InputError: A JPEG that goes through its pixels far too often.
    """
    if format == "JPEG":
        with view(stream) as data:
            found = jpeg_markers.read(data)
            jpeg_markers.check_work(found)
            return jpeg_parts.of(data, found, turned)
    if format == "WEBP":
        with view(stream) as data:
            length = int.from_bytes(data[4:8], "little")
            appended, lost = behind(data, 8 + length + length % 2)
            return jpeg_parts.Parts(appended=appended, lost=lost)
    return jpeg_parts.Parts()


def _check_frames(opened: ImageFile, format: str) -> tuple[str, ...]:
    """Refuse animations."""
    if format == "JPEG":
        return ()
    try:
        count = int(getattr(opened, "n_frames", 1))
    except Exception as error:  # counting the frames of a damaged GIF reads it all
        raise InputError(f"truncated or damaged {format} ({error})") from error
    if count > 1:
        raise InputError(SEVERAL_PICTURES)
    return ("AVIF is read with 8 bits a channel",) if format == "AVIF" else ()


def _check_precision(opened: ImageFile) -> None:
    """Refuse what Pillow would silently take down to 8 bits, and pixels that are no light values."""
    if opened.mode == "F" or (opened.mode == "I" and opened.format != "PPM"):
        raise InputError(
            "32-bit pixels cannot be kept; convert to 16-bit, for example: magick in.tif -depth 16 out.tif"
        )
    if opened.format == "PPM" and opened.mode == "RGB":
        arguments = opened.tile[0].args
        if isinstance(arguments, tuple) and int(arguments[1]) > 255:
            raise InputError("16-bit colour PPM is not read; convert it, for example: magick in.ppm out.png")


def _strips(picture: PillowImage) -> Array:
    """Pillow's pixels as one array, copied in strips: the whole is never held three times."""
    width, height = picture.size
    bands = len(picture.getbands())
    buffer = np.empty((height, width, bands) if bands > 1 else (height, width), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        buffer[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    return buffer


def _convert(opened: ImageFile, icc: bytes | None) -> tuple[PillowImage, bytes | None, str]:
    """A picture in grey or RGB, with or without alpha, its profile, and what is said of it."""
    mode = opened.mode
    if mode == "1":
        return opened.convert("L"), icc, "1-bit grey converted to 8-bit grey"
    if mode in ("P", "PA"):
        target = "RGBA" if mode == "PA" or "transparency" in opened.info else "RGB"
        return opened.convert(target), icc, f"palette converted to {target}"
    if mode == "CMYK":
        return cmyk_to_rgb(opened, icc)
    target = {"La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")
    try:
        return opened.convert(target), icc if target != "RGB" else None, f"{mode} converted to {target}"
    except ValueError as error:
        raise InputError(f"pixels of mode {mode} cannot be converted to RGB") from error


def from_array(buffer: Array, mode: str) -> PillowImage:
    """An array [height, width, channel] of uint8 as Pillow's picture of that mode."""
    import PIL.Image

    height, width = buffer.shape[:2]
    return PIL.Image.frombytes(mode, (width, height), np.ascontiguousarray(buffer).tobytes())


def ycbcr_to_rgb(buffer: Array) -> Array:
    """uint8 [height, width, 3], from YCbCr to RGB."""
    return np.asarray(from_array(buffer, "YCbCr").convert("RGB")).copy()


def cmyk_to_rgb(picture: PillowImage, icc: bytes | None) -> tuple[PillowImage, bytes | None, str]:
    """By the file's own profile to sRGB if it has one that can be used, else by the plain formula.

    Returns:
        The picture, its new profile, and what is said of it.
    """
    from PIL import ImageCms

    if icc is not None:
        try:
            srgb = ImageCms.createProfile("sRGB")
            source = ImageCms.ImageCmsProfile(io.BytesIO(icc))
            converted = ImageCms.profileToProfile(picture, source, srgb, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError):
            converted = None
        if converted is not None:
            return converted, ImageCms.ImageCmsProfile(srgb).tobytes(), "CMYK converted to RGB by its profile"
    return picture.convert("RGB"), None, "CMYK converted to RGB without a profile: colours are approximate"
