"""The markers of a JPEG: where the picture ends, how large it says it is, how many scans it has.

Read without decoding, so that a file can be refused before it takes time or memory, and so that what stands
behind the picture (a film, a gain map) is found.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from genrestore.errors import InputError
from genrestore.files.codecs.appended import Data

SOI, EOI, SOS, APP0, APP14 = 0xD8, 0xD9, 0xDA, 0xE0, 0xEE
BASELINE, EXTENDED, PROGRESSIVE = 0xC0, 0xC1, 0xC2
MAX_SEGMENTS = 3000
"""Of 65,533 bytes each; depth and sound in extended XMP take some hundreds."""
MAX_SCANS = 100
"""Encoders write some ten scans, searching ones up to about sixty."""
MAX_WORK, WORK_A_BYTE = 2_000_000_000, 500
"""Pixels times scans: at least, and for each byte. Each scan goes through all pixels."""
_FRAMES = frozenset({*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC})
_ALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_NEXT = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")


@dataclass(frozen=True)
class Segment:
    """A marker with its payload.

    Attributes:
        marker: The byte after 0xFF.
        start: Where its 0xFF stands.
        payload: What follows its length.
    """

    marker: int
    start: int
    payload: bytes


@dataclass(frozen=True)
class Structure:
    """What the markers of a JPEG say.

    Attributes:
        segments: In their order, without the entropy-coded data.
        frame: Which kind it is, the marker of its frame header; 0 where there is none.
        precision: Bits a sample.
        width: In pixels.
        height: In pixels.
        components: Their identifiers.
        scans: How many there are.
        end: Where the picture ends: behind its EOI, or at the end of the data if it has none.
    """

    segments: tuple[Segment, ...]
    frame: int
    precision: int
    width: int
    height: int
    components: tuple[int, ...]
    scans: int
    end: int

    @property
    def is_jfif(self) -> bool:
        """Whether a JFIF header says that the colours are YCbCr."""
        return any(each.marker == APP0 and each.payload[:5] == b"JFIF\0" for each in self.segments)

    @property
    def adobe_transform(self) -> int | None:
        """Adobe's word on the colours: 0 as they are, 1 YCbCr, 2 YCCK; None where there is none."""
        found = (each.payload for each in self.segments if each.marker == APP14)
        return next((payload[11] for payload in found if payload[:5] == b"Adobe" and len(payload) > 11), None)


def read(data: Data, start: int = 0) -> Structure:
    """Read the markers of the JPEG that begins at `start`.

    Raises:
        InputError: No JPEG begins there, or a segment reaches outside.
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
        if len(segments) > MAX_SEGMENTS:
            raise InputError(f"damaged JPEG (more than {MAX_SEGMENTS} segments)")
        if marker in _FRAMES and frame == 0 and len(payload) >= 6:
            frame, precision = marker, payload[0]
            height, width = int.from_bytes(payload[1:3], "big"), int.from_bytes(payload[3:5], "big")
            components = tuple(payload[6::3][: payload[5]])
        scans += marker == SOS
        if scans > MAX_SCANS:
            raise InputError(f"damaged JPEG (more than {MAX_SCANS} scans)")
        at += 2 + length
    return Structure(tuple(segments), frame, precision, width, height, components, scans, end)


def check_work(found: Structure) -> None:
    """Refuse a JPEG whose scans together go through more pixels than any encoder needs.

    Raises:
        InputError: Pixels times scans are more than `MAX_WORK` and what the bytes allow.
    """
    work = found.width * found.height * found.scans
    if found.scans > 1 and work > MAX_WORK + WORK_A_BYTE * found.end:
        raise InputError(f"damaged JPEG ({found.scans} scans of {found.width} x {found.height} pixels)")


Colours = Literal["grey", "ycbcr", "rgb", "cmyk"]


def colours_are(found: Structure, expected: Colours) -> bool:
    """Whether every reader takes a JPEG's components for the same colours, told of them outside or not."""
    count, adobe = len(found.components), found.adobe_transform
    if expected == "grey":
        return count == 1
    if expected == "cmyk":
        return count == 4 and adobe in (None, 0)
    if count != 3:
        return False
    if expected == "rgb":
        return not found.is_jfif and adobe in (None, 0)
    return adobe == 1 or found.is_jfif or (adobe is None and found.components != tuple(b"RGB"))
