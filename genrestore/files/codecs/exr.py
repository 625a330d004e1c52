"""OpenEXR, linear light in floating point, by the package OpenEXR, which is an extra.

Its attributes and its further channels (depth, masks) are carried as they are.
"""

from __future__ import annotations

import io
import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import icc, metadata
from genrestore.files.codecs.containers import quiet
from genrestore.files.codecs.formats import SEVERAL_PICTURES, check_size, library
from genrestore.files.codecs.images import Array, Image, white
from genrestore.files.codecs.metadata import Metadata

NAME = "OpenEXR"
_SRGB = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)
"""Chromaticities of a file that names none: x and y of red, green, blue and white."""
_GREY, _COLOURS, _ALPHA = ("Y",), ("R", "G", "B"), "A"
_WORDS = b"<Python Stream>:"
_DEEP, _PARTS = 1 << 11, 1 << 12
"""Bits of the version."""
_MOST_WORD, _MOST_CHANNELS, _MOST_SIDE = 255, 64, 2**14
"""The longest name in bytes, the most channels, and the largest side of a tile."""
_ROWS = 256
"""Rows that are decoded at once: as many as a compression holds together. All at once would take the memory
of a second picture, and the time to get it."""
_STRUCTURE = frozenset(("channels", "dataWindow", "displayWindow", "type", "tiles", "version", "chunkCount"))
"""Attributes that say how pixels are stored."""
_USUAL = frozenset(
    ("compression", "lineOrder", "pixelAspectRatio", "screenWindowCenter", "screenWindowWidth", "xDensity")
)
"""Attributes that say nothing of the photograph itself."""


@dataclass(frozen=True, eq=False)
class Parts:
    """Contents of an OpenEXR file besides the picture.

    Attributes:
        attributes: By name, as the library has them.
        channels: Further channels by name, [height, width] each.
        window: First column and row of the pixels, and of the last; places in a larger picture.
        display: The same of the whole picture.
    """

    attributes: Mapping[str, Any]
    channels: Mapping[str, Array]
    window: tuple[int, int, int, int]
    display: tuple[int, int, int, int]


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode the one picture of an OpenEXR file; see `formats.Codec`."""
    exr, whole = library(format), _Whole(stream.read())
    _check_header(whole.getvalue(), format, max_pixels)
    try:
        with quiet(_WORDS):
            described = exr.File(whole, header_only=True)
            whole.seek(0)
            file = exr.InputFile(whole)
            header, window = file.header(), _window(file.header()["dataWindow"])
            names = _names(header["channels"])
            further = [name for name in header["channels"] if name not in names]
            buffer, others = _planes(file, names, further, window)
            attributes = dict(described.header())
    except (InputError, MemoryError):
        raise
    except Exception as error:  # of several types, by the library's part that met the damage
        raise InputError(f"truncated or damaged {format} ({str(error).splitlines()[0]})") from error
    if whole.is_short:
        raise InputError(f"truncated or damaged {format} (it ends too early)")
    own = {name: value for name, value in attributes.items() if name not in _STRUCTURE}
    parts = Parts(MappingProxyType(own), MappingProxyType(others), window, _window(header["displayWindow"]))
    alpha = buffer[:, -1:] if names[-1] == _ALPHA else None
    pixels = buffer if alpha is None else buffer[:, :-1]
    return Image(pixels, alpha, _describe(format, parts, grey=pixels.shape[1] == 1))


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to OpenEXR; returns notes.

    Raises:
        InputError: The package is not installed, or a colour profile whose light is not known.
    """
    exr, found, notes = library(NAME), image.metadata, list[str]()
    light, alpha = image.pixels, image.alpha
    if found.format != NAME:
        light, alpha, notes = _as_light(image)
    own = found.exr or Parts({}, {}, _full(light), _full(light))
    header: dict[str, Any] = {"compression": exr.ZIP_COMPRESSION, "type": exr.scanlineimage}
    header |= {name: value for name, value in own.attributes.items() if name != metadata.TOOL}
    header |= {"dataWindow": _as_box(own.window), "displayWindow": _as_box(own.display)}
    if found.exr is None and found.dpi:
        across, down = found.dpi
        header |= {"xDensity": float(across), "pixelAspectRatio": float(down / across)}
    if provenance is not None:
        header[metadata.TOOL] = metadata.pack_provenance(provenance).decode()
    names = _COLOURS if light.shape[1] == 3 else _GREY
    channels = dict(zip(names, map(np.ascontiguousarray, light[0]), strict=True))
    if alpha is not None:
        channels[_ALPHA] = np.ascontiguousarray(alpha[0, 0])
    made = io.BytesIO()
    try:
        with quiet(_WORDS):
            exr.File(header, {**channels, **own.channels}).write(made)
    except Exception as error:
        raise InputError(f"{NAME} cannot be written ({str(error).splitlines()[0]})") from error
    stream.write(made.getbuffer())
    return tuple(notes)


def read_provenance(stream: BinaryIO) -> bytes | None:
    """Return the provenance of `write`, packed."""
    try:
        exr = library(NAME)
        with quiet(_WORDS):
            found = exr.File(stream, header_only=True).header().get(metadata.TOOL)
    except Exception:  # noqa: BLE001 -- a file that is no OpenEXR, or without the library
        return None
    return found.encode() if isinstance(found, str) else None


def straight(image: Image) -> Image:
    """A picture of OpenEXR, whose colours are multiplied by alpha, as other formats have it."""
    if image.metadata.format != NAME or image.alpha is None:
        return image
    with np.errstate(divide="ignore", invalid="ignore"):
        divided = image.pixels / np.where(image.alpha > 0, image.alpha, 1)
    return replace(image, pixels=divided.astype(image.pixels.dtype))


class _Whole(io.BytesIO):
    """A file in memory that notes whether more was asked of it than it holds."""

    is_short = False

    def read(self, size: int | None = -1) -> bytes:
        """Read, and note what was missing."""
        found = super().read(size)
        self.is_short |= size is not None and size >= 0 and len(found) < size
        return found


def _check_header(data: bytes, format: str, max_pixels: int) -> None:
    """Refuse what the library does not survive, or takes memory for before it looks on.

    Raises:
        InputError: Words that are no text, sizes that are not those of the file, several pictures, or pixels
            of several depths.
    """
    flags, at = int.from_bytes(data[4:8], "little"), 8
    if flags & (_DEEP | _PARTS):
        raise InputError(SEVERAL_PICTURES if flags & _PARTS else f"{format} of several depths is not read")
    try:
        while data[at] != 0:
            name, kind, _ = data[at : at + 2 * _MOST_WORD + 2].split(b"\0", 2)
            start = at + len(name) + len(kind) + 2
            size = int.from_bytes(data[start : start + 4], "little")
            value, at = data[start + 4 : start + 4 + size], start + 4 + size
            if at >= len(data):
                raise ValueError("it is cut off")
            _check_attribute(name, kind, value, max_pixels)
    except (IndexError, ValueError, struct.error) as error:
        raise InputError(f"truncated or damaged {format} (its header: {error})") from error


def _check_attribute(name: bytes, kind: bytes, value: bytes, max_pixels: int) -> None:
    """Refuse an attribute of the header; the errors of `_check_header`, and ValueError of damage."""
    words = [name, kind]
    if kind == b"chlist":
        words += _channel_names(value)
        if len(words) > _MOST_CHANNELS:
            raise InputError(f"{NAME} of more than {_MOST_CHANNELS} channels; take out those of the picture")
    elif kind in (b"string", b"stringvector"):
        value.decode()
    elif name == b"dataWindow":
        left, top, right, bottom = struct.unpack("<4i", value)
        check_size(right - left + 1, bottom - top + 1, max_pixels)
    elif name == b"tiles" and max(struct.unpack("<2I", value[:8])) > _MOST_SIDE:
        raise ValueError("its tiles are too large")
    if not all(word and word.decode("ascii").isprintable() for word in words):
        raise ValueError("a word that is no text")


def _channel_names(value: bytes) -> list[bytes]:
    """The names in a list of channels; each has 16 bytes more."""
    names = []
    while value[:1] != b"\0":
        name, _, rest = value.partition(b"\0")
        names.append(name)
        value = rest[16:]
        if not value:
            raise ValueError("a list of channels without an end")
    return names


def _names(channels: Mapping[str, Any]) -> tuple[str, ...]:
    """The channels of the picture: red, green and blue or grey, and alpha if there is one."""
    colours = next((names for names in (_COLOURS, _GREY) if set(names) <= set(channels)), None)
    if colours is None or {"RY", "BY"} & set(channels):
        raise InputError(f"{NAME} without channels R, G, B or Y alone ({', '.join(list(channels)[:6])})")
    names = (*colours, _ALPHA) if _ALPHA in channels else colours
    kinds = {str(channels[name].type) for name in names}
    if "UINT" in kinds:
        raise InputError(f"{NAME} of integers, and pictures are floating point; convert it first")
    return names


def _planes(
    file: Any, names: tuple[str, ...], further: list[str], window: tuple[int, int, int, int]
) -> tuple[Array, dict[str, Array]]:
    """The channels of the picture, [1, channel, height, width], and further ones, [height, width] each."""
    channels, (left, first, right, last) = file.header()["channels"], window
    every, height, width = [*names, *further], last - first + 1, right - left + 1
    for name in every:
        if (channels[name].xSampling, channels[name].ySampling) != (1, 1):
            raise InputError(f"{NAME} whose channel {name} has fewer pixels; convert it first")
    kinds = {"HALF": np.float16, "FLOAT": np.float32, "UINT": np.uint32}
    types = {name: np.dtype(kinds[str(channels[name].type)]) for name in every}
    buffer = np.empty((1, len(names), height, width), np.result_type(*(types[name] for name in names)))
    others = {name: np.empty((height, width), types[name]) for name in further}
    for top in range(0, height, _ROWS):
        end = min(top + _ROWS, height)
        found = file.channels(every, scanLine1=first + top, scanLine2=first + end - 1)
        for name, content, plane in zip(every, found, [*buffer[0], *others.values()], strict=True):
            plane[top:end] = np.frombuffer(content, types[name]).reshape(end - top, width)
    return buffer, others


def _describe(format: str, parts: Parts, *, grey: bool) -> Metadata:
    """The metadata of a picture; its light is told to other formats by a profile."""
    given = parts.attributes.get("chromaticities") or _SRGB
    xy = [(float(given[at]), float(given[at + 1])) for at in range(0, 8, 2)]
    profile = None
    if grey:
        profile = icc.grey_profile(icc.power(1.0), "linear")
    elif all(math.isfinite(value) and abs(value) < 10 for pair in xy for value in pair) and xy[3][1] > 0:
        profile = icc.matrix_profile(tuple(xy[:3]), xy[3], icc.power(1.0), "linear")
    density = parts.attributes.get("xDensity")
    ratio = parts.attributes.get("pixelAspectRatio", 1.0)
    lost = [f"channels {', '.join(parts.channels)}"] if parts.channels else []
    named = sorted(set(parts.attributes) - _USUAL - {"chromaticities", metadata.TOOL})
    lost += [f"attributes {', '.join(named)}"] if named else []
    lost += ["its place in a larger picture"] if parts.window != parts.display else []
    return Metadata(
        format,
        "F" if grey else "RGB;32F",
        icc=profile,
        dpi=(density, density * ratio) if isinstance(density, float) and density > 0 and ratio > 0 else None,
        only_here=tuple(lost),
        exr=parts,
    )


def _as_light(image: Image) -> tuple[Array, Array | None, list[str]]:
    """Pixels and alpha of another format as OpenEXR has them, and notes on it.

    Raises:
        InputError: A profile whose light is not known.
    """
    found, kind = image.metadata, image.pixels.dtype
    target = kind if kind.kind == "f" else np.dtype(np.float16 if kind == np.uint8 else np.float32)
    notes = [f"{NAME} holds linear light: values are changed to it, and the colour profile is in them"]
    if kind.kind != "f":
        notes.append(f"{8 * kind.itemsize} bits are written as floating point of {8 * target.itemsize} bits")
    unit = image.pixels.astype(np.float32) / np.float32(white(kind))
    light = icc.linear_srgb(unit, found.icc)
    if light is None:
        raise InputError(f"{NAME}: this colour profile cannot be brought to linear light; write TIFF")
    alpha = None
    if image.alpha is not None:
        alpha = (image.alpha.astype(np.float32) / np.float32(white(kind))).astype(target)
        light = light * alpha
        notes.append(f"colours are multiplied by alpha, as {NAME} has them")
    left_out = [word for word, there in (("EXIF", found.exif), ("XMP", found.xmp)) if there]
    if left_out:
        notes.append(f"{NAME} has no place for {' and '.join(left_out)}: left out")
    return light.astype(target), alpha, notes


def _window(box: Any) -> tuple[int, int, int, int]:
    return box.min.x, box.min.y, box.max.x, box.max.y


def _full(pixels: Array) -> tuple[int, int, int, int]:
    return 0, 0, pixels.shape[3] - 1, pixels.shape[2] - 1


def _as_box(window: tuple[int, int, int, int]) -> tuple[Array, Array]:
    return np.array(window[:2], np.int32), np.array(window[2:], np.int32)
