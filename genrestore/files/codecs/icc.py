"""Colour profiles as bytes: whether their light values are linear (ICC.1:2022, 10.6 and 10.18)."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

_NEAR = 0.005
"""Distance between curves, of 1, at which they are the same: steps of rounded tables lie closer."""
_ALIKE = 0.0005
"""The same where a formula takes the place of a table."""
_SAME = 0.01
"""Distance of a matrix from that of sRGB at which primaries are the same, as profiles round them."""
_PLACES = 64
"""Tags of a profile that are looked through; real ones have some twenty."""
_STEPS = 4096
_NUMBERS = (1, 3, 4, 5, 7)
"""Of parametric curves, by type (ICC.1:2022, table 68)."""


def is_linear(profile: bytes) -> bool:
    """Tell whether a profile's tone curves of red, green and blue, or of grey, are straight lines."""
    found = _light(profile, grey=profile[16:20] == b"GRAY")
    return found is not None and bool(np.abs(found - np.linspace(0, 1, _STEPS)).max() < _NEAR)


@dataclass(frozen=True)
class Colours:
    """A space of three primaries and one tone curve, and the way from it to sRGB and back.

    Attributes:
        matrix: From its linear light to that of sRGB, float32 of shape [3, 3].
        light: Linear light at evenly spaced values from 0 to 1, float32 of shape [values].
    """

    matrix: Array
    light: Array

    def decoded(self, values: Array) -> Array:
        """Linear light of values, float32 of any shape."""
        power = self._power
        if power is None:
            return _along(self._values, self.light, values)
        return linear(values) if power == 0 else np.copysign(np.abs(values) ** np.float32(power), values)

    def to_srgb(self, light: Array) -> Array:
        """Bring linear light, float32 [1, 3, height, width], to sRGB, where it may leave [0, 1]."""
        return on_curve(_turned(self.matrix, light))

    def from_srgb(self, image: Array) -> Array:
        """Bring sRGB, float32 [1, 3, height, width], to values of the space, which may leave [0, 1]."""
        light = _turned(np.linalg.inv(self.matrix).astype(np.float32), linear(image))
        power = self._power
        if power is None:
            return _along(self.light, self._values, light)
        return on_curve(light) if power == 0 else np.copysign(np.abs(light) ** np.float32(1 / power), light)

    @cached_property
    def _power(self) -> float | None:
        """The curve's power; 0: it is that of sRGB, None: it is neither."""
        half = len(self.light) // 2
        power = math.log(max(float(self.light[half]), 1e-6)) / math.log(float(self._values[half]))
        for found, curve in ((0.0, linear(self._values)), (power, self._values**power)):
            if np.abs(curve - self.light).max() < _ALIKE:
                return found
        return None

    @cached_property
    def _values(self) -> Array:
        return np.linspace(0, 1, len(self.light), dtype=np.float32)


def linear_srgb(values: Array, profile: bytes | None) -> Array | None:
    """Bring values of a profile (None: sRGB), [1, channel, height, width], to linear light of sRGB's colours.

    Returns:
        float32 of the same shape; None for a profile of tables.
    """
    if profile is None:
        return linear(values)
    if values.shape[1] == 3 and (space := colours(profile)) is not None:
        return linear(space.to_srgb(space.decoded(values)))
    light = _light(profile, grey=profile[16:20] == b"GRAY")
    return None if light is None else Colours(np.eye(3, dtype=np.float32), light).decoded(values)


def _turned(matrix: Array, light: Array) -> Array:
    """A matrix times each pixel of [1, 3, height, width]."""
    return (matrix @ light.reshape(3, -1)).reshape(light.shape)


def colours(profile: bytes) -> Colours | None:
    """Return the space of a profile of primaries and a curve, if its primaries are others than sRGB's.

    None where that is so, and for profiles of tables, of grey, and with curves that differ.
    """
    if (light := _light(profile)) is None:
        return None
    tags = [_tag(profile, name) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    if any(len(tag) < 20 for tag in tags):
        return None
    own = np.array([struct.unpack(">3i", tag[8:20]) for tag in tags]).T / 65536
    matrix = np.linalg.inv(adapted(*PRIMARIES[1])[0]) @ own
    if np.abs(matrix - np.eye(3)).max() < _SAME or abs(np.linalg.det(matrix)) < _SAME:
        return None
    return Colours(matrix.astype(np.float32), light)


def _along(grid: Array, values: Array, image: Array) -> Array:
    """A curve through points that rise from 0, float32 of any shape: mirrored below, straight on above."""
    far, size = float(values[-1] - values[-2]) / max(float(grid[-1] - grid[-2]), 1e-6), np.abs(image)
    found = np.interp(size, grid, values) + far * np.maximum(size - grid[-1], 0)
    return np.copysign(found, image).astype(np.float32)


def _tag(profile: bytes, name: bytes) -> bytes:
    """The content of a tag; empty where there is none."""
    count = min(int.from_bytes(profile[128:132], "big"), _PLACES)
    for at in range(132, 132 + 12 * count, 12):
        if profile[at : at + 4] == name and len(profile) >= at + 12:
            place, size = struct.unpack(">II", profile[at + 4 : at + 12])
            return profile[place : place + size]
    return b""


def _light(profile: bytes, *, grey: bool = False) -> Array | None:
    """Linear light at `_STEPS` values from 0 to 1, float32; None where curves differ, or there are tables."""
    names = (b"kTRC",) if grey else (b"rTRC", b"gTRC", b"bTRC")
    if len(profile) < 132 or _tag(profile, b"A2B0"):
        return None
    found = [_curve(_tag(profile, name)) for name in names]
    first = found[0]
    if first is None or first[-1] <= 0 or (np.diff(first) < 0).any():
        return None
    same = all(one is not None and np.abs(one - first).max() < _NEAR for one in found)
    return first.astype(np.float32) if same else None


def _curve(tag: bytes) -> Array | None:
    """A tone curve of type curv or para at `_STEPS` values from 0 to 1."""
    x, number = np.linspace(0, 1, _STEPS), int.from_bytes(tag[8:12], "big")
    if tag[:4] == b"curv" and len(tag) >= 12 + 2 * number:
        if number < 2:
            return x if number == 0 else x ** (int.from_bytes(tag[12:14], "big") / 256)
        table = np.frombuffer(tag, ">u2", number, 12) / 65535
        return np.interp(x, np.linspace(0, 1, number), table)
    kind = int.from_bytes(tag[8:10], "big")
    if tag[:4] != b"para" or kind > 4 or len(tag) < 12 + 4 * _NUMBERS[kind]:
        return None
    given = [value / 65536 for value in struct.unpack_from(f">{_NUMBERS[kind]}i", tag, 12)]
    given += [1.0, 1.0, 0.0, 0.0, 0.0, 0.0, 0.0][len(given) :]
    g, a, b, c, d, e, f = given
    if kind in (1, 2):  # d is where the power begins, and c is what is added
        e = f = c
        c, d = 0.0, -b / a if a else 0.0
    return np.where(x >= d, np.maximum(a * x + b, 0) ** g + e, c * x + f)


_PROBE = np.array(
    [[(r, g, b) for r in (20, 90, 200) for g in (30, 120, 220) for b in (10, 128, 250)]], np.uint8
)
"""Colours that differ between profiles by more than rounding does, [1, 27, 3]."""
_USUAL = ((1, 13), (12, 13), (9, 13), (1, 8), (12, 8), (9, 8), (9, 1))
"""Numbers that a profile is held against."""
_D50 = (0.9642, 1.0, 0.8249)
_BRADFORD = ((0.8951, 0.2664, -0.1614), (-0.7502, 1.7135, 0.0367), (0.0389, -0.0685, 1.0296))
_D65 = (0.3127, 0.3290)
PRIMARIES = {
    1: (((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), _D65),
    9: (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), _D65),
    11: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), (0.314, 0.351)),
    12: (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), _D65),
}
"""x and y of red, green, blue and white by number (ITU-T H.273, table 2): BT.709, BT.2020, DCI, P3."""
_SRGB = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
_BT709 = (1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081)
_CURVES: dict[int, tuple[float, ...]] = {
    **dict.fromkeys((1, 6, 14, 15), _BT709), 4: (2.2,), 5: (2.8,), 8: (1.0,), 13: _SRGB
}  # fmt: skip
"""Numbers of parametric curves by number of the transfer (H.273, table 3)."""
SRGB_TRANSFER = 13
HDR = {16: "PQ", 18: "HLG"}
"""Transfers of high dynamic range: white on a page is far below their largest value."""


def on_curve(linear: Array) -> Array:
    """Put linear light, float32 of any shape, on sRGB's curve (IEC 61966-2-1), mirrored below 0."""
    light = np.abs(linear)
    with np.errstate(over="ignore"):
        curve = np.float32(1.055) * light ** np.float32(1 / 2.4) - np.float32(0.055)
    curve = np.where(light <= 0.0031308, np.float32(12.92) * light, curve)
    return np.copysign(curve, linear).astype(np.float32, copy=False)


def linear(curve: Array) -> Array:
    """Reverse `on_curve`, any shape."""
    size = np.abs(curve)
    light = ((size + np.float32(0.055)) / np.float32(1.055)) ** np.float32(2.4)
    light = np.where(size <= 0.04045, size / np.float32(12.92), light)
    return np.copysign(light, curve).astype(np.float32, copy=False)


def cicp_of(profile: bytes) -> tuple[int, int] | None:
    """Return the numbers of primaries and transfer (ITU-T H.273) that mean the same as a profile, or None."""
    grey = profile[16:20] == b"GRAY"
    found = _in_lab(profile, grey=grey)
    for numbers in _USUAL if found is not None else ():
        other = _in_lab(of_cicp(*numbers), grey=grey)
        if other is not None and found is not None and np.abs(found - other).max() <= 1:
            return numbers
    return None


def _in_lab(profile: bytes | None, *, grey: bool = False) -> Array | None:
    """Sample colours, or greys, of a profile (None: sRGB) in CIE Lab of 8 bits; None: it cannot be used."""
    from PIL import Image, ImageCms

    try:
        if profile is None:
            source = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
        else:
            source = ImageCms.ImageCmsProfile(BytesIO(profile))
        mode = "L" if source.profile.xcolor_space.strip() == "GRAY" else "RGB"
        picture = Image.fromarray(_PROBE).convert("L" if grey else "RGB").convert(mode)
        lab = ImageCms.createProfile("LAB")
        found = ImageCms.profileToProfile(picture, source, lab, outputMode="LAB")
    except (ImageCms.PyCMSError, OSError, ValueError):
        return None
    return None if found is None else np.asarray(found).view(np.int8).astype(np.int16)


def of_cicp(primaries: int, transfer: int) -> bytes | None:
    """Make the profile of primaries and transfer, by their numbers in ITU-T H.273.

    Returns:
        None for sRGB, and for what is not said or not known, which is taken for it.
    """
    curve = tone(transfer)
    if curve is None or primaries not in PRIMARIES or (primaries == 1 and transfer in (1, 6, 13)):
        return None  # programs take BT.709 in pictures for sRGB, as libavif and browsers do
    return matrix_profile(*PRIMARIES[primaries], curve, f"primaries {primaries}, transfer {transfer}")


def tone(transfer: int) -> bytes | None:
    """Return the tone curve of a transfer, by its number in ITU-T H.273; None where it is not known."""
    if transfer in HDR:
        return _table_of(transfer)
    return _parametric(_CURVES[transfer]) if transfer in _CURVES else None


def hdr_notes(cicp: tuple[int, ...] | None) -> tuple[str, ...]:
    """Return a note on a picture whose values go far beyond white, by the numbers of `of_cicp`."""
    name = None if cicp is None else HDR.get(cicp[1])
    return () if name is None else (f"high dynamic range ({name}), restored in its own values",)


def adapted(
    colours: tuple[tuple[float, float], ...], white: tuple[float, float]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the matrix of a space of light, from it to XYZ of D50, and how white was adapted.

    Args:
        colours: x and y of red, green and blue.
        white: x and y of white.

    Returns:
        Both of shape [3, 3]; the second is Bradford's.
    """
    xyz = np.array([_xyz(*each) for each in colours]).T
    source, cone = np.array(_xyz(*white)), np.array(_BRADFORD)
    adapt = np.linalg.inv(cone) @ np.diag((cone @ _D50) / (cone @ source)) @ cone
    return adapt @ (xyz * np.linalg.solve(xyz, source)), adapt


def matrix_profile(
    colours: tuple[tuple[float, float], ...], white: tuple[float, float], curve: bytes, name: str
) -> bytes:
    """Make the profile of primaries and white, x and y each, and of one tone curve of `power`."""
    matrix, adapt = adapted(colours, white)
    columns = matrix.T
    tags = {
        **_common(name),
        b"chad": _fixed(b"sf32", adapt.ravel()),
        **{
            key: _fixed(b"XYZ ", column)
            for key, column in zip((b"rXYZ", b"gXYZ", b"bXYZ"), columns, strict=True)
        },
        **dict.fromkeys((b"rTRC", b"gTRC", b"bTRC"), curve),
    }
    return _profile(b"RGB ", tags)


def grey_profile(curve: bytes, name: str) -> bytes:
    """Make the profile of grey with a tone curve."""
    return _profile(b"GRAY", {**_common(name), b"kTRC": curve})


def _common(name: str) -> dict[bytes, bytes]:
    """The tags of every profile: its name and its white."""
    text = name.encode("utf-16-be")
    words = b"mluc" + struct.pack(">IIIHHII", 0, 1, 12, 0x656E, 0x5553, len(text), 28) + text
    return {b"desc": words, b"cprt": words, b"wtpt": _fixed(b"XYZ ", _D50)}


def _profile(space: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A profile of version 4 of a display."""
    places: dict[bytes, int] = {}
    body = b""
    for payload in tags.values():
        if payload not in places:
            places[payload] = 132 + 12 * len(tags) + len(body)
            body += payload + bytes(-len(payload) % 4)
    index = b"".join(key + struct.pack(">II", places[tag], len(tag)) for key, tag in tags.items())
    head = bytearray(128)
    struct.pack_into(
        ">I4sI4s4s4s", head, 0, 132 + len(index) + len(body), b"", 0x04300000, b"mntr", space, b"XYZ "
    )
    head[36:40], head[68:80] = b"acsp", _fixed(b"", _D50)[4:]
    return bytes(head) + struct.pack(">I", len(tags)) + index + body


def _xyz(x: float, y: float) -> tuple[float, float, float]:
    return x / y, 1.0, (1 - x - y) / y


def _fixed(kind: bytes, values: Iterable[float]) -> bytes:
    """Numbers of 16 bits before and behind the point, behind a type and four zeros."""
    return kind + bytes(4) + b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)


def power(value: float | None) -> bytes:
    """Return the tone curve of a power; None: that of sRGB."""
    return _parametric(_SRGB if value is None else (value,))


def _parametric(numbers: tuple[float, ...]) -> bytes:
    kind = 0 if len(numbers) == 1 else 3
    return b"para" + struct.pack(">IHH", 0, kind, 0) + _fixed(b"", numbers)[4:]


def _table_of(transfer: int) -> bytes:
    """The curve of PQ (SMPTE ST 2084) or of HLG (ARIB STD-B67, without its system gamma)."""
    code = np.linspace(0, 1, 1024)
    if HDR[transfer] == "PQ":
        m1, m2, c1, c2, c3 = 1305 / 8192, 2523 / 32, 107 / 128, 2413 / 128, 2392 / 128
        root = code ** (1 / m2)
        light = (np.maximum(root - c1, 0) / (c2 - c3 * root)) ** (1 / m1)
    else:
        a, b, c = 0.17883277, 0.28466892, 0.55991073
        light = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    values = np.rint(light.clip(0, 1) * 65535).astype(">u2")
    return b"curv" + struct.pack(">II", 0, len(values)) + values.tobytes()
