"""Colour profiles as bytes: whether their light values are linear (ICC.1:2022, 10.6 and 10.18)."""

from __future__ import annotations

import struct

import numpy as np

_NEAR = 0.005
"""Distance from a straight line, of 1, at which a curve is one: steps of rounded tables lie closer."""
_PLACES = 64
"""Tags of a profile that are looked through; real ones have some twenty."""
_SOME = 4096


def is_linear(profile: bytes | None) -> bool:
    """Tell whether a profile's tone curves of red, green and blue, or of grey, are straight lines."""
    if profile is None or len(profile) < 132:
        return False
    count = min(int.from_bytes(profile[128:132], "big"), _PLACES)
    tags = [profile[at : at + 12] for at in range(132, 132 + 12 * count, 12)]
    places = {tag[:4]: struct.unpack(">II", tag[4:]) for tag in tags if len(tag) == 12}
    if b"A2B0" in places:  # whose tables count before the curves
        return False
    names = (b"kTRC",) if profile[16:20] == b"GRAY" else (b"rTRC", b"gTRC", b"bTRC")
    if not all(name in places for name in names):
        return False
    return all(_is_line(profile[place : place + size]) for place, size in (places[name] for name in names))


def _is_line(curve: bytes) -> bool:
    """A curve, of type curv or para, gives what it is given."""
    number = int.from_bytes(curve[8:12], "big")
    if curve[:4] == b"para":  # y = x^g, with further numbers in the other types
        return curve[8:10] == b"\0\0" and curve[12:16] == struct.pack(">I", 1 << 16)
    if curve[:4] != b"curv" or number > _SOME * 16:
        return False
    if number < 2:
        return number == 0 or curve[12:14] == b"\1\0"
    table = np.frombuffer(curve, ">u2", min(number, (len(curve) - 12) // 2), 12) / 65535
    return len(table) == number and bool(np.abs(table - np.linspace(0, 1, number)).max() < _NEAR)
