"""Files that came to harm, for hypothesis: a sound file in, a damaged one out."""

from __future__ import annotations

import struct
import zlib

from hypothesis import strategies as st

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
EDGES = [0, 1, 2, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF]
"""Numbers at which sizes and offsets overflow."""


def damages(raw: bytes, head: int) -> st.SearchStrategy[bytes]:
    """Copies of `raw` with bytes changed, put in, taken out or cut off, mostly in the first `head` ones."""
    places = st.integers(0, head) | st.integers(0, len(raw))

    def replaced(place: int, count: int, new: bytes) -> bytes:
        return raw[:place] + new + raw[place + count :]

    flips = st.builds(lambda place, new: replaced(place, 1, new), places, st.binary(min_size=1, max_size=1))
    digits = st.builds(
        lambda place, new: replaced(place, 1, new),
        places,
        st.sampled_from(list(b'0123456789"{}[]:,-.eE\\')).map(lambda sign: bytes([sign])),
    )
    splices = st.builds(replaced, places, st.integers(0, 20), st.binary(max_size=20))
    cuts = st.integers(0, len(raw)).map(lambda place: raw[:place])
    return flips | digits | splices | cuts


def worse(raw: bytes, head: int) -> st.SearchStrategy[bytes]:
    """`damages`, sizes at which numbers overflow, and parts that come twice; one or two of them."""
    numbers = st.sampled_from(EDGES).flatmap(
        lambda value: st.sampled_from(
            [struct.pack(order + code, value & mask) for order in "<>" for code, mask in SIZES]
        )
    )
    places = st.integers(0, min(head, len(raw)))
    overwritten = st.builds(lambda at, new: raw[:at] + new + raw[at + len(new) :], places, numbers)
    twice = st.builds(
        lambda at, count: raw[:at] + raw[at : at + count] + raw[at:], places, st.integers(1, 64)
    )
    once = damages(raw, head) | overwritten | twice
    return once | once.flatmap(lambda damaged: damages(damaged, min(head, len(damaged))))


SIZES = (("H", 0xFFFF), ("I", 0xFFFFFFFF))


def with_true_sums(png: bytes) -> bytes:
    """A PNG whose chunks say the CRC that they have, so that damage is not found out by it alone."""
    at, fixed = len(PNG_SIGNATURE), [png[: len(PNG_SIGNATURE)]]
    while at + 12 <= len(png):
        length = int.from_bytes(png[at : at + 4], "big")
        body = png[at + 4 : at + 8 + length]
        fixed.append(png[at : at + 4] + body + struct.pack(">I", zlib.crc32(body)))
        at += 12 + length
    return b"".join(fixed)
