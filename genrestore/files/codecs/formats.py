"""The table of picture formats: names, suffixes, first bytes, codecs, and what each can hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from genrestore.errors import InputError

if TYPE_CHECKING:
    from genrestore.files.codecs.metadata import Provenance
    from genrestore.files.codecs.pixels import Image

HEADER_BYTES = 32
SEVERAL_PICTURES = (
    "more than one picture (an animation or pages), and genrestore restores single ones; "
    "split it first, for example: magick in.gif frame-%03d.png"
)


@dataclass(frozen=True)
class Format:
    """A picture format. Its codec is a module of this room, loaded when it is needed.

    Attributes:
        name: As messages and --format say it.
        suffixes: With their dots, separated by spaces; the first is the usual one.
        start: Regular expression of the first bytes, of `HEADER_BYTES` at most; "": known by suffix only.
        codec: Module with `read`, and with `write` and `read_provenance` if it is written; "": not read.
        written: Results can be of this format.
        read_suffixes: Suffixes of variants that are read and not written.
        advice: To users of a format that is not read.
        alpha: Holds transparency.
        extra: Holds a channel that is no colour and no alpha.
        bits: Of a sample, at most.
        floating: Holds floating point.
        is_linear: Its values are linear light.
        grey: Has a grey mode.
        lossy: Changes pixels, unless a file is lossless.
        resolution: Has a place for pixels an inch.
        side: Pixels of width or height, at most.
        block: Bytes of EXIF or XMP with their prefix, at most.
    """

    name: str
    suffixes: str
    start: bytes
    codec: str = ""
    written: bool = False
    read_suffixes: str = ""
    advice: str = ""
    alpha: bool = True
    extra: bool = False
    bits: int = 16
    floating: bool = False
    is_linear: bool = False
    grey: bool = True
    lossy: bool = False
    resolution: bool = True
    side: int = 2**31
    block: int = 2**31

    def begins(self, header: bytes) -> bool:
        """Tell whether a file that begins with `header` is of this format."""
        return bool(self.start) and re.match(self.start, header, re.DOTALL) is not None

    @property
    def label(self) -> str:
        """The name in sentences."""
        return "WebP" if self.name == "WEBP" else self.name

    @property
    def refusal(self) -> str:
        """The message for a format that is not read."""
        usual = f"convert it first, for example: magick in{self.suffixes.split()[0]} out.png"
        return f"{self.name} is not read; {self.advice or usual}"


_RAW = Format(
    "camera RAW",
    ".3fr .arw .cr2 .cr3 .crw .dng .erf .fff .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 "
    ".rwl .sr2 .srf .srw .x3f",
    rb"FUJIFILMCCD-RAW|FOVb|IIRO|IIRS|MMOR|IIU\0|II\x1a\0\0\0HEAPCCDR|.{4}ftypcrx ",
    advice="develop it first, for example: darktable-cli in.raw out.tif",
)
RAW_IS_NOT_READ = _RAW.refusal
_JPEG_2000, _JP2_START = ".jp2 .j2k .j2c .jpc .jpf .jpx .jpm", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"
_HEIC_START = rb".{4}ftyp(hei[cxms]|hev[cx]|mif1|msf1)"
FORMATS = (
    Format("PNG", ".png", rb"\x89PNG\r\n\x1a\n", "png", True),
    Format(
        "JPEG", ".jpg .jpeg .jpe .jfif", rb"\xff\xd8\xff", "jpeg", True, ".mpo",
        alpha=False, bits=8, lossy=True, side=65500, block=65533,
    ),
    Format("TIFF", ".tif .tiff", rb"II[*+]\0|MM\0[*+]", "tiff", True, extra=True, floating=True),
    Format(
        "WEBP", ".webp", rb"RIFF....WEBP", "webp", True,
        bits=8, grey=False, lossy=True, resolution=False, side=16383,
    ),
    Format("BMP", ".bmp", rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "pillow"),
    Format("GIF", ".gif", rb"GIF8[79]a", "pillow"),
    Format("PPM", ".ppm .pgm .pbm .pnm", rb"P[1-6]\s", "pillow"),
    Format("AVIF", ".avif", rb".{4}ftyp.*avi[fs]", "pillow", lossy=True),
    Format("HEIC", ".heic .heif .hif", _HEIC_START,
           advice="convert it first, for example: heif-convert in.heic out.png"),
    _RAW,
    Format("JPEG XL", ".jxl", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n"),
    Format("JPEG 2000", _JPEG_2000, _JP2_START),
    Format("JPEG XR", ".jxr .wdp .hdp", rb"II\xbc"),
    Format("Photoshop", ".psd .psb", rb"8BPS"),
    Format("GIMP", ".xcf", rb"gimp xcf"),
    Format("OpenEXR", ".exr", rb"v/1\x01"),
    Format("Radiance HDR", ".hdr .rgbe", rb"#\?RADIANCE|#\?RGBE"),
    Format("Targa", ".tga", b""),
    Format("PFM", ".pfm", rb"P[Ff]\n"),
    Format("FITS", ".fits .fts", rb"SIMPLE  ="),
    Format("QOI", ".qoi", rb"qoif"),
    Format("DPX", ".dpx", rb"SDPX|XPDS"),
    Format("PCX", ".pcx", b""),
)  # fmt: skip
"""A new format is one line here and its codec; those without a codec are named when they are refused."""
_READ = [one for one in FORMATS if one.codec]
BY_NAME = {one.name: one for one in _READ}
WRITABLE = tuple(one.name for one in _READ if one.written)
READABLE = tuple(BY_NAME)
SUFFIXES = {suffix: one.name for one in _READ if one.written for suffix in one.suffixes.split()}
READ_ONLY_SUFFIXES = {
    suffix: one.name
    for one in _READ
    for suffix in (one.read_suffixes if one.written else one.suffixes).split()
}
IMAGE_SUFFIXES = frozenset(SUFFIXES) | frozenset(READ_ONLY_SUFFIXES)
_REFUSED_SUFFIXES = {suffix: one for one in FORMATS if not one.codec for suffix in one.suffixes.split()}


class Codec(Protocol):
    """The module of a format; `write` and `read_provenance` only where it is written."""

    def read(self, stream: BinaryIO, format: str, max_pixels: int) -> Image:
        """Decode the picture of a stream at its begin, [1, channel, height, width], as `Image` has it.

        Raises:
            InputError: Damaged, truncated, animated, too large, or pixels that cannot be kept; without the
                file's name.
        """

    def write(self, image: Image, stream: BinaryIO, provenance: Provenance | None) -> tuple[str, ...]:
        """Encode a picture that the format can hold to an empty stream; return notes for the user."""

    def read_provenance(self, stream: BinaryIO) -> bytes | None:
        """Return the packed provenance that `write` left, without a look at the pixels."""


def codec(format: str) -> Codec:
    """Load the codec of a format that is read."""
    return cast(Codec, import_module(f"genrestore.files.codecs.{BY_NAME[format].codec}"))


def of_suffix(path: Path) -> str | None:
    """Return the format that a path's suffix names, or None."""
    suffix = path.suffix.lower()
    return SUFFIXES.get(suffix) or READ_ONLY_SUFFIXES.get(suffix)


def suffix_of(format: str) -> str:
    """Return the usual suffix of a format that is read, with its dot."""
    return BY_NAME[format].suffixes.split()[0]


def of_content(header: bytes) -> str | None:
    """Return the format that the first `HEADER_BYTES` bytes of a file show, or None."""
    return next((one.name for one in _READ if one.begins(header)), None)


def unreadable_kind(suffix: str, header: bytes) -> str | None:
    """Return the message for a picture of a kind that is not read (HEIC, camera RAW, ...), or None.

    Args:
        suffix: The file's suffix with its dot, in any case; may be empty.
        header: The first `HEADER_BYTES` bytes.
    """
    content = of_content(header)
    named = _REFUSED_SUFFIXES.get(suffix.lower())
    if content is not None:  # most RAW files begin as a TIFF
        return RAW_IS_NOT_READ if named is _RAW and content == "TIFF" else None
    if suffix.lower() == ".hdr":  # other programs' files end so too
        named = None
    found = next((one for one in FORMATS if not one.codec and one.begins(header)), named)
    return None if found is None else found.refusal


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
