"""The parts that files are made of: PNG and RIFF chunks, JPEG segments, Photoshop resources, appended data.

They are found without decoding, so that a file can be refused before it takes time or memory.
"""

from __future__ import annotations

import mmap
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from io import BytesIO
from struct import Struct
from typing import BinaryIO, Literal, NamedTuple

from genrestore.errors import InputError

Data = bytes | memoryview | mmap.mmap

_MOST_WORDS = 2**20
"""Bytes that a library may write to stderr before the rest is left out."""


@contextmanager
def view(stream: BinaryIO) -> Iterator[memoryview | mmap.mmap]:
    """Give the bytes of a whole stream, in memory or a file, without a copy.

    Raises:
        OSError, ValueError: The file cannot be mapped, or is empty.
    """
    if isinstance(stream, BytesIO):
        with stream.getbuffer() as buffer:
            yield buffer
    else:
        with closing(mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ)) as mapped:
            yield mapped


class Layout(NamedTuple):
    """A chain of parts, each a head of kind and length before its payload.

    Attributes:
        start: Place of the first part.
        head: The two fields; kind is the one of bytes.
        counted: Bytes of the head that the length counts.
        tail: Bytes behind the payload.
        even: Parts begin at even places.
    """

    start: int
    head: Struct
    counted: int = 0
    tail: int = 0
    even: bool = False


PNG = Layout(8, Struct(">I4s"), tail=4)
RIFF = Layout(12, Struct("<4sI"), even=True)
JPEG = Layout(2, Struct(">2sH"), counted=2)
BOXES = Layout(0, Struct(">I4s"), counted=8)


def parts(stream: BinaryIO, layout: Layout) -> Iterator[tuple[bytes, int]]:
    """Yield kind and payload length of each part, the stream at its payload; reads the heads only."""
    at = layout.start
    while True:
        stream.seek(at)
        head = stream.read(layout.head.size)
        if len(head) < layout.head.size:
            return
        first, second = layout.head.unpack(head)
        kind, length = (first, second) if isinstance(first, bytes) else (second, first)
        length = max(0, length - layout.counted)
        yield kind, length
        at += len(head) + length + layout.tail + (length % 2 if layout.even else 0)


SOI, EOI, SOS, COMMENT = 0xD8, 0xD9, 0xDA, 0xFE
APP0, APP1, APP2, APP11, APP13, APP14 = 0xE0, 0xE1, 0xE2, 0xEB, 0xED, 0xEE
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
MAX_SEGMENTS = 3000
"""Segments of 65,533 bytes; depth and sound in extended XMP take some hundreds."""
MAX_SCANS = 100
"""Scans of a JPEG: encoders write some ten, searching ones up to about sixty."""
MAX_WORK, WORK_A_BYTE = 2_000_000_000, 500
"""Pixels times scans: at least, and for each byte. Each scan goes through all pixels."""
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_ZEROS = re.compile(rb"\0*")
_NEXT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
Colours = Literal["grey", "ycbcr", "rgb", "cmyk"]


class Segment(NamedTuple):
    """A JPEG marker, the place of its 0xFF, and what follows its length."""

    marker: int
    start: int
    payload: bytes


@dataclass(frozen=True)
class Jpeg:
    """The markers of a JPEG.

    Attributes:
        segments: In their order, without the entropy-coded data.
        frame: Marker of the frame header; 0: there is none.
        precision: Bits a sample.
        width: In pixels.
        height: In pixels.
        components: Their identifiers.
        scans: Number of scans.
        end: End of the picture: behind its EOI, or the end of the data if it has none.
    """

    segments: tuple[Segment, ...]
    frame: int
    precision: int
    width: int
    height: int
    components: tuple[int, ...]
    scans: int
    end: int

    def check_work(self) -> None:
        """Refuse a JPEG whose scans together go through more pixels than any encoder needs.

        Raises:
            InputError: Pixels times scans are more than `MAX_WORK` and what the bytes allow.
        """
        work = self.width * self.height * self.scans
        if self.scans > 1 and work > MAX_WORK + WORK_A_BYTE * self.end:
            raise InputError(f"damaged JPEG ({self.scans} scans of {self.width} x {self.height} pixels)")

    def colours_are(self, expected: Colours) -> bool:
        """Tell whether every reader takes the components for these colours, told of them outside or not."""
        adobe = next(
            (each.payload[11] for each in self.segments
             if each.marker == APP14 and each.payload[:5] == b"Adobe" and len(each.payload) > 11),
            None,
        )  # fmt: skip
        is_jfif = any(each.marker == APP0 and each.payload[:5] == b"JFIF\0" for each in self.segments)
        if expected == "grey":
            return len(self.components) == 1
        if expected == "cmyk":
            return len(self.components) == 4 and adobe in (None, 0)
        if len(self.components) != 3:
            return False
        if expected == "rgb":
            return not is_jfif and adobe in (None, 0)
        return adobe == 1 or is_jfif or (adobe is None and self.components != tuple(b"RGB"))


def read_jpeg(data: Data, start: int = 0) -> Jpeg:
    """Read the markers of the JPEG that begins at `start`.

    Raises:
        InputError: No JPEG begins there, a segment reaches outside, or there are too many.
    """
    if bytes(data[start : start + 2]) != b"\xff\xd8":
        raise InputError("truncated or damaged JPEG (no start)")
    segments: list[Segment] = []
    frame = precision = width = height = scans = 0
    components: tuple[int, ...] = ()
    at, end = start + 2, len(data)
    while (found := _NEXT.search(data, at)) is not None:
        at = found.start()
        marker = data[at + 1]
        if marker == EOI:
            end = at + 2
            break
        if marker in _ALONE:
            at += 2
            continue
        length = int.from_bytes(data[at + 2 : at + 4], "big")
        if length < 2 or at + 2 + length > len(data):
            raise InputError("truncated or damaged JPEG (a segment reaches outside)")
        payload = bytes(data[at + 4 : at + 2 + length])
        segments.append(Segment(marker, at, payload))
        if marker in _FRAMES and frame == 0 and len(payload) >= 6:
            frame, precision = marker, payload[0]
            height, width = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
            components = tuple(payload[6::3][: payload[5]])
        scans += marker == SOS
        for count, most, what in ((len(segments), MAX_SEGMENTS, "segments"), (scans, MAX_SCANS, "scans")):
            if count > most:
                raise InputError(f"damaged JPEG (more than {most} {what})")
        at += 2 + length
    return Jpeg(tuple(segments), frame, precision, width, height, components, scans, end)


def pictures(appended: bytes) -> Iterator[tuple[int, int]]:
    """Find the JPEGs that stand one after the other behind the picture, with the zeros between them."""
    at = 0
    while True:
        begin = _behind_zeros(appended, at)
        if appended[begin : begin + 3] != b"\xff\xd8\xff":
            return
        try:
            end = read_jpeg(appended, begin).end
        except InputError:
            return
        following = _behind_zeros(appended, end)
        at = following if appended[following : following + 3] == b"\xff\xd8\xff" else end
        yield begin, at


def _behind_zeros(data: bytes, at: int) -> int:
    found = _ZEROS.match(data, at)
    return found.end() if found else at


def kept(appended: bytes) -> Iterator[str]:
    """Yield notes on what is kept behind the picture; none on a few zeros."""
    found = list(pictures(appended))
    rest = appended[found[-1][1] if found else 0 :]
    if found:
        yield "further pictures behind the picture (gain map, depth) are kept as they were"
    if rest.strip(b"\0"):
        film = b"ftyp" in rest or b"MotionPhoto_Data" in rest
        what = "the film" if film else "what stands"
        yield f"{what} behind the picture is kept as it was, {len(rest)} bytes"


def without_thumbnails(resources: bytes) -> bytes:
    """Return Photoshop's image resources without the thumbnails; what follows damage stays as it is."""
    kept, at = [], 0
    while resources[at : at + 4] == b"8BIM" and len(resources) >= at + 12:
        number = int.from_bytes(resources[at + 4 : at + 6], "big")
        name = 1 + resources[at + 6]
        sizes_at = at + 6 + name + name % 2
        if sizes_at + 4 > len(resources):
            break
        size = int.from_bytes(resources[sizes_at : sizes_at + 4], "big")
        end = sizes_at + 4 + size + size % 2
        if number not in (1033, 1036):
            kept.append(resources[at:end])
        at = end
    return b"".join(kept) + resources[at:]


@contextmanager
def quiet(start: bytes) -> Iterator[None]:
    """Hold back what is written to stderr, and leave out a library's lines of damage, which is raised too.

    Some write by themselves and cannot be told not to. Words of other threads come a little later.

    Args:
        start: What the library's lines begin with.
    """
    try:
        stderr = os.dup(2)
    except OSError:  # it is closed
        yield
        return
    with tempfile.TemporaryFile() as held:
        os.dup2(held.fileno(), 2)
        try:
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            held.seek(0)
            others = [line for line in held.read(_MOST_WORDS).splitlines(True) if not line.startswith(start)]
            with suppress(OSError):
                os.write(2, b"".join(others))
