"""Pictures that Pillow decodes (BMP, GIF, PPM; for their codecs JPEG and WebP), and colours."""

from __future__ import annotations

import io
import struct
from dataclasses import replace
from importlib import import_module
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import ends, exif
from genrestore.files.codecs.containers import Data, view
from genrestore.files.codecs.formats import SEVERAL_PICTURES, check_size
from genrestore.files.codecs.images import Array, Image, from_buffer
from genrestore.files.codecs.metadata import PROFILE_LOST, Metadata, Sides, orientation, upright

if TYPE_CHECKING:
    from PIL.Image import Image as PillowImage
    from PIL.ImageFile import ImageFile

_STRIP_PIXELS = 2**22
_DIRECT = ("L", "LA", "RGB", "RGBA")
_FULL_16 = 65535
_VERSION_5, _EMBEDDED, _LINKED = 124, b"DEBM", b"KNIL"
"""Bytes of a BMP's header that has a profile, and its kinds."""
_COMMENT_LOST = "its comment is left out"


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode the one picture of a BMP, GIF or PPM; see `formats.Codec`."""
    opened = open_as(stream, format, max_pixels)
    described, turned = describe(opened, format)
    check_frames(opened, format)
    with view(stream) as data:
        lost = ends.left_out(data, format)
        if format == "BMP":
            opened.info["icc_profile"], notes = _profile_of_bmp(data)
            lost = (*lost, *notes)
    if format == "GIF" and opened.info.get("comment"):
        lost = (*lost, _COMMENT_LOST)
    return decode(opened, replace(described, lost=lost), turned)


def _profile_of_bmp(data: Data) -> tuple[bytes | None, tuple[str, ...]]:
    """The colour profile that a header of version 5 states, and a note where it is lost."""
    kind = bytes(data[70:74])
    if int.from_bytes(data[14:18], "little") < _VERSION_5 or kind not in (_EMBEDDED, _LINKED):
        return None, ()
    place, length = struct.unpack("<II", bytes(data[126:134]).ljust(8, b"\0"))
    found = bytes(data[14 + place : 14 + place + length])
    is_whole = kind == _EMBEDDED and len(found) == length and found[36:40] == b"acsp"
    return (found, ()) if is_whole else (None, (PROFILE_LOST,))


def open_as(stream: BinaryIO, format: str, max_pixels: int) -> ImageFile:
    """Return Pillow's reader of one known format, its header read and its size checked.

    Not `PIL.Image.open`: that guesses the format, and warns of large pictures by a setting of the process.

    Raises:
        InputError: The header cannot be read, or states too many pixels.
    """
    import PIL.Image

    try:
        import_module(f"PIL.{'WebP' if format == 'WEBP' else format.title()}ImagePlugin")
        stream.seek(0)
        opened: ImageFile = PIL.Image.OPEN[format][0](stream, "")
    except (KeyError, ImportError) as error:
        raise InputError(f"{format} is not read by the Pillow installed here") from error
    except PIL.Image.DecompressionBombError as error:
        raise InputError(f"too large for Pillow ({error}); convert it to PNG or TIFF first") from error
    except Exception as error:  # Pillow's readers raise SyntaxError, struct.error, IndexError and more
        raise InputError(f"truncated or damaged {format} ({error})") from error
    check_size(*opened.size, max_pixels)
    return opened


def check_frames(opened: ImageFile, format: str) -> None:
    """Refuse animations, and what is too damaged to tell, by an InputError."""
    try:
        count = int(getattr(opened, "n_frames", 1))
    except Exception as error:  # counting the frames of a damaged GIF reads it all
        raise InputError(f"truncated or damaged {format} ({error})") from error
    if count > 1:
        raise InputError(SEVERAL_PICTURES)


def describe(opened: ImageFile, format: str) -> tuple[Metadata, int]:
    """Return the metadata of an opened file once it is upright, and EXIF's number of how it is turned."""
    found, turned = stated(opened, format)
    return upright(found, turned), turned


def stated(opened: ImageFile, format: str) -> tuple[Metadata, int]:
    """Return the metadata of an opened file as it lies, and EXIF's number of how it is turned."""
    block = exif.without_prefix(opened.info.get("exif"))
    packet = opened.info.get("xmp") or None
    turned = orientation(block, packet)
    dpi, aspect = _resolution(opened, block)
    return Metadata(format, "", exif=block, xmp=packet, dpi=dpi, aspect=aspect), turned


def decode(opened: ImageFile, described: Metadata, turned: int) -> Image:
    """Decode a file that was opened and described, and convert what is neither grey nor RGB.

    Raises:
        InputError: Truncated or damaged, or a pixel type that would lose precision.
    """
    _check_precision(opened)
    mode, icc, notes = opened.mode, opened.info.get("icc_profile") or None, described.notes
    picture: PillowImage = opened
    try:
        opened.load()
    except MemoryError:
        raise
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error and more
        raise InputError(f"truncated or damaged {opened.format} ({error})") from error
    if mode == "I" or mode.startswith("I;16"):
        mode, buffer = "I;16", np.asarray(opened).clip(0, _FULL_16).astype(np.uint16)
    else:
        if mode not in _DIRECT or (mode == "L" and "transparency" in opened.info):
            picture, icc, note = _convert(opened, icc)
            notes = (*notes, note)
        buffer = _strips(picture)
    return from_buffer(buffer, replace(described, mode=mode, icc=icc, notes=notes), turned)


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
    """Copy Pillow's pixels to one array in strips: the whole is never held three times."""
    width, height = picture.size
    bands = len(picture.getbands())
    buffer = np.empty((height, width, bands) if bands > 1 else (height, width), np.uint8)
    rows = max(1, _STRIP_PIXELS // width)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        buffer[top:bottom] = np.asarray(picture.crop((0, top, width, bottom)))
    return buffer


def _convert(opened: ImageFile, icc: bytes | None) -> tuple[PillowImage, bytes | None, str]:
    """Convert to grey or RGB, with or without alpha; also returns the profile and a note."""
    mode = opened.mode
    if mode == "1":
        return opened.convert("L"), icc, "1-bit grey converted to 8-bit grey"
    if mode in ("L", "P", "PA"):  # Pillow takes a palette of greys for grey
        target = "L" if mode == "L" else "RGB"
        target += "A" if mode == "PA" or "transparency" in opened.info else ""
        return opened.convert(target), icc, f"palette converted to {target}"
    if mode == "CMYK":
        return cmyk_to_rgb(opened, icc)
    target = {"La": "LA", "RGBa": "RGBA"}.get(mode, "RGB")
    try:
        return opened.convert(target), icc if target != "RGB" else None, f"{mode} converted to {target}"
    except ValueError as error:
        raise InputError(f"pixels of mode {mode} cannot be converted to RGB") from error


def from_array(buffer: Array, mode: str) -> PillowImage:
    """Make Pillow's picture of a mode from an array [height, width, channel] of uint8."""
    import PIL.Image

    height, width = buffer.shape[:2]
    return PIL.Image.frombytes(mode, (width, height), np.ascontiguousarray(buffer).tobytes())


def cmyk_to_rgb(picture: PillowImage, icc: bytes | None) -> tuple[PillowImage, bytes | None, str]:
    """Convert to sRGB by the file's own profile if that can be used, else by the plain formula.

    Returns the picture, its new profile, and a note for the user.
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
