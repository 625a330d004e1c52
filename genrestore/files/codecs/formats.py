"""Which picture formats there are: suffixes, the first bytes, and what to say of those that are not read."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path

from genrestore.errors import InputError

WRITABLE = ("PNG", "JPEG", "TIFF", "WEBP")
READABLE = (*WRITABLE, "BMP", "GIF", "PPM", "AVIF")

# The first suffix of a format is the one that a file without a suffix gets.
SUFFIXES: dict[str, str] = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jpe": "JPEG",
    ".jfif": "JPEG",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".webp": "WEBP",
}
READ_ONLY_SUFFIXES: dict[str, str] = {
    ".bmp": "BMP",
    ".gif": "GIF",
    ".ppm": "PPM",
    ".pgm": "PPM",
    ".pbm": "PPM",
    ".pnm": "PPM",
    ".avif": "AVIF",
    ".mpo": "JPEG",
}
IMAGE_SUFFIXES = frozenset(SUFFIXES) | frozenset(READ_ONLY_SUFFIXES)

HEIC_SUFFIXES = frozenset({".heic", ".heif", ".hif"})
RAW_IS_NOT_READ = "camera RAW is not read; develop it first, for example: darktable-cli in.raw out.tif"
RAW_SUFFIXES = {".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".fff", ".iiq", ".kdc", ".mef"}
RAW_SUFFIXES |= {".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl", ".sr2"}
RAW_SUFFIXES |= {".srf", ".srw", ".x3f"}
UNREAD: dict[str, tuple[tuple[str, ...], tuple[bytes, ...]]] = {
    "JPEG XL": ((".jxl",), (b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n")),
    "JPEG 2000": (
        (".jp2", ".j2k", ".j2c", ".jpc", ".jpf", ".jpx", ".jpm"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"),
    ),
    "JPEG XR": ((".jxr", ".wdp", ".hdp"), (b"II\xbc",)),
    "Photoshop": ((".psd", ".psb"), (b"8BPS",)),
    "GIMP": ((".xcf",), (b"gimp xcf",)),
    "OpenEXR": ((".exr",), (b"v/1\x01",)),
    "Radiance HDR": ((".hdr", ".rgbe"), (b"#?RADIANCE", b"#?RGBE")),
    "Targa": ((".tga",), ()),
    "PFM": ((".pfm",), (b"PF\n", b"Pf\n")),
    "FITS": ((".fits", ".fts"), (b"SIMPLE  =",)),
    "QOI": ((".qoi",), (b"qoif",)),
    "DPX": ((".dpx",), (b"SDPX", b"XPDS")),
    "PCX": ((".pcx",), ()),
}
"""Pictures that are not read: their suffixes, and how their files begin. Other files are named .hdr too."""
_RAW_BEGINNINGS = (b"FUJIFILMCCD-RAW", b"FOVb", b"IIRO", b"IIRS", b"MMOR", b"IIU\0", b"II\x1a\0\0\0HEAPCCDR")
HEADER_BYTES = 32
SEVERAL_PICTURES = (
    "more than one picture (an animation or pages), and genrestore restores single ones; "
    "split it first, for example: magick in.gif frame-%03d.png"
)
_HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})


def shown(path: str | os.PathLike[str]) -> str:
    """A path as one printable line: control characters and bytes that are no UTF-8 are escaped."""
    text = os.fspath(path)
    return "".join(
        character.encode("unicode_escape", "backslashreplace").decode("ascii")
        if unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp")
        else character
        for character in text
    )


def of_suffix(path: Path) -> str | None:
    """The format that a path's suffix names, or None."""
    suffix = path.suffix.lower()
    return SUFFIXES.get(suffix) or READ_ONLY_SUFFIXES.get(suffix)


def suffix_of(format: str) -> str:
    """The usual suffix of a writable format, with its dot."""
    return next(suffix for suffix, name in SUFFIXES.items() if name == format)


def of_content(header: bytes) -> str | None:
    """The format that the first `HEADER_BYTES` bytes of a file show, or None."""
    if header.startswith(b"\x89PNG\r\n\x1a\n"):
        return "PNG"
    if header.startswith(b"\xff\xd8\xff"):
        return "JPEG"
    if header[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "TIFF"
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return "WEBP"
    if header[:6] in (b"GIF87a", b"GIF89a"):
        return "GIF"
    if header[:2] == b"BM" and len(header) >= 18 and header[14:18] in _BMP_HEADER_SIZES:
        return "BMP"
    if header[:1] == b"P" and header[1:2] in b"123456" and header[2:3].isspace():
        return "PPM"
    if header[4:8] == b"ftyp" and (b"avif" in header[8:] or b"avis" in header[8:]):
        return "AVIF"
    return None


_BMP_HEADER_SIZES = frozenset(size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124))


def unreadable_kind(suffix: str, header: bytes) -> str | None:
    """What to say of pictures that are not read (HEIC, camera RAW and others); None for everything else.

    Args:
        suffix: The file's suffix with its dot, in any case; may be empty.
        header: The first `HEADER_BYTES` bytes.
    """
    content, suffix = of_content(header), suffix.lower()
    if suffix in RAW_SUFFIXES and content in (None, "TIFF"):
        return RAW_IS_NOT_READ
    if content is not None:
        return None
    if (header[4:8] == b"ftyp" and header[8:12] in _HEIC_BRANDS) or suffix in HEIC_SUFFIXES:
        return "HEIC is not read; convert it first, for example: heif-convert in.heic out.png"
    if header.startswith(_RAW_BEGINNINGS) or header[4:12] == b"ftypcrx ":
        return RAW_IS_NOT_READ
    by_content = (name for name, (_, starts) in UNREAD.items() if starts and header.startswith(starts))
    by_suffix = (name for name, (suffixes, _) in UNREAD.items() if suffix in suffixes and suffix != ".hdr")
    name = next(by_content, None) or next(by_suffix, None)
    if name is None:
        return None
    usual = UNREAD[name][0][0]
    return f"{name} is not read; convert it first, for example: magick in{usual} out.png"


def check_size(width: int, height: int, max_pixels: int) -> None:
    """Refuse a picture by the size that its header states, before anything is decoded.

    Raises:
        InputError: No pixels, or more than `max_pixels`; without the file's name.
    """
    if width < 1 or height < 1:
        raise InputError(f"{width} x {height} pixels: nothing to restore")
    if width * height > max_pixels:
        raise InputError(
            f"{width} x {height} pixels are more than --max-pixels {max_pixels}; "
            "raise --max-pixels if this file is to be trusted"
        )
