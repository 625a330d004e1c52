"""The table of picture formats: names, suffixes, first bytes, codecs, and what each can hold."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, cast

from genrestore.errors import InputError

if TYPE_CHECKING:
    from genrestore.files.codecs.images import Image
    from genrestore.files.codecs.metadata import Provenance

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
        library: Package that its codec needs and that an extra of genrestore brings, or "".
        extra: Name of that extra.
        result: The format of results, of one that is not written.
        deep: Regular expression of the first bytes of files of more than 8 bits, whose results are TIFF.
        advice: To users of a format that is not read.
        alpha: Holds transparency.
        further: Holds a channel that is no colour and no alpha.
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
    library: str = ""
    extra: str = ""
    result: str = "PNG"
    deep: bytes = b""
    advice: str = ""
    alpha: bool = True
    further: bool = False
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
        """The message for a format that is not read, or not without an extra."""
        if self.extra:
            used = "read and written" if self.written else "read"
            return f"{self.name} is {used} with an extra: pip install 'genrestore[{self.extra}]'"
        usual = f"convert it first, for example: magick in{self.suffixes.split()[0]} out.png"
        return f"{self.name} is not read; {self.advice or usual}"


_RAW = Format(
    "camera RAW",
    ".3fr .arw .cr2 .cr3 .crw .dng .erf .fff .iiq .kdc .mef .mos .mrw .nef .nrw .orf .pef .raf .raw .rw2 "
    ".rwl .sr2 .srf .srw .x3f",
    rb"FUJIFILMCCD-RAW|FOVb|IIRO|IIRS|MMOR|IIU\0|II\x1a\0\0\0HEAPCCDR|.{4}ftypcrx ",
    "raw",
    library="rawpy",
    extra="raw",
    result="TIFF",
)
RAW = _RAW.name


@dataclass(frozen=True)
class Develop:
    """The user's words on how camera RAW is developed.

    Attributes:
        brightness: Light is multiplied by it; None: so that the brightest 0.1 % are white.
        half: Each four pixels of the sensor make one.
    """

    brightness: float | None = None
    half: bool = False


class CameraRaw(InputError):
    """A file that begins as a TIFF and is camera RAW."""


_JPEG_2000, _JP2_START = ".jp2 .j2k .j2c .jpc .jpf .jpx .jpm", rb"\0\0\0\x0cjP  \r\n\x87\n|\xff\x4f\xff\x51"
_HEIC_START = rb".{4}ftyp(hei[cxms]|hev[cx]|mif1|msf1)"
FORMATS = (
    Format("PNG", ".png", rb"\x89PNG\r\n\x1a\n", "png", True),
    Format(
        "JPEG", ".jpg .jpeg .jpe .jfif", rb"\xff\xd8\xff", "jpeg", True, ".mpo",
        alpha=False, bits=8, lossy=True, side=65500, block=65533,
    ),
    Format("TIFF", ".tif .tiff", rb"II[*+]\0|MM\0[*+]", "tiff", True, further=True, floating=True),
    Format(
        "WEBP", ".webp", rb"RIFF....WEBP", "webp", True,
        bits=8, grey=False, lossy=True, resolution=False, side=16383,
    ),
    Format("BMP", ".bmp", rb"BM.{12}[\x0c\x10\x28\x34\x38\x40\x6c\x7c]\0\0\0", "pillow"),
    Format("GIF", ".gif", rb"GIF8[79]a", "pillow"),
    Format("PPM", ".ppm .pgm .pbm .pnm", rb"P[1-6]\s", "pillow"),
    Format(
        "AVIF", ".avif", rb".{4}ftyp.*avi[fs]", "avif", True,
        bits=12, lossy=True, resolution=False, side=65536,
    ),
    Format(
        "JPEG XL", ".jxl", rb"\xff\x0a|\0\0\0\x0cJXL \r\n\x87\n", "jxl", True,
        floating=True, lossy=True, resolution=False,
    ),
    Format(
        "HEIC", ".heic .heif .hif", _HEIC_START, "heic",
        lossy=True, library="pillow_heif", extra="heic", result="JPEG", deep=rb".{4}ftyp(hei[xm]|hevx)",
    ),
    _RAW,
    Format(
        "OpenEXR", ".exr", rb"v/1\x01", "exr", True,
        library="OpenEXR", extra="exr", bits=32, floating=True, is_linear=True,
    ),
    Format("JPEG 2000", _JPEG_2000, _JP2_START),
    Format("JPEG XR", ".jxr .wdp .hdp", rb"II\xbc"),
    Format("Photoshop", ".psd .psb", rb"8BPS"),
    Format("GIMP", ".xcf", rb"gimp xcf"),
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
WORDS = tuple(
    one.name.lower() if f".{one.name.lower()}" in one.suffixes.split() else one.suffixes.split()[0][1:]
    for one in _READ
    if one.written
)
"""Values of --format."""
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


def of_content(header: bytes, suffix: str = "") -> str | None:
    """Return the format that the first `HEADER_BYTES` bytes of a file show, or None.

    With the suffix of camera RAW, which mostly begins as a TIFF, a file is taken for it.
    """
    found = next((one.name for one in _READ if one.begins(header)), None)
    return RAW if found in (None, "TIFF") and suffix.lower() in _RAW.suffixes.split() else found


def result_of(format: str, header: bytes = b"") -> str:
    """Return the format of results, of a file of a format that is read, with its first bytes."""
    known = BY_NAME[format]
    deep = known.deep and re.match(known.deep, header, re.DOTALL)
    return format if known.written else "TIFF" if deep else known.result


def has_library(format: str) -> bool:
    """Tell whether the extra that reading a format needs is installed."""
    from importlib.util import find_spec

    library = BY_NAME[format].library
    return not library or find_spec(library) is not None


def library(format: str) -> Any:
    """Import the package of a format's extra.

    Raises:
        InputError: It is not installed; with what installs it.
    """
    known = BY_NAME[format]
    try:
        return import_module(known.library)
    except ImportError as error:
        raise InputError(known.refusal) from error


def unreadable_kind(suffix: str, header: bytes) -> str | None:
    """Return the message for a picture of a kind that is not read (Photoshop, ...), or None.

    Args:
        suffix: The file's suffix with its dot, in any case; may be empty.
        header: The first `HEADER_BYTES` bytes.
    """
    if of_content(header, suffix) is not None:
        return None
    named = _REFUSED_SUFFIXES.get(suffix.lower())
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
