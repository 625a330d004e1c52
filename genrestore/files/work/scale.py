"""The scale on which a picture is restored: its own range, and light as the eye takes it.

Networks know pictures that go from black to white as eyes see them. A picture in floating point, a scan that
uses a fiftieth of its 16 bits, or one of linear light is brought there first. What comes back is the file's
own value and what the restoration changed,

    x = v + S⁻¹(r) − S(v)⁻¹,     S(v) = f((v − low) / (high − low)), clipped

so that what was not changed is as it was to the bit, and what lies outside of the range is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from genrestore.files.codecs import icc
from genrestore.files.codecs.formats import BY_NAME
from genrestore.files.codecs.images import Array, Image, white
from genrestore.files.plan.jobs import Range

LINEAR = "linear light was restored in sRGB's curve, and is linear again"
_OUTSIDE = 0.1
"""Floating point may leave [0, 1] by so much before the rest is set aside: noise around black does."""
_LOW = 0.125
"""Floating point whose largest value is below uses a range of its own; so do 16 bits (`restore.tiled`)."""
_RARE, _FAR = 0.999, 4.0
"""Single values (hot pixels, stars) are no white: those above this quantile and as many times as large."""
_SAMPLES = 2**20
_STRIP = 64
_FULL = 65535


@dataclass(frozen=True)
class Scale:
    """A scale, from the values of a file to those that are restored, and back.

    Attributes:
        low: The file's value of black.
        high: Of white.
        is_linear: The file's values are linear; sRGB's curve lies between.
        colours: The way to sRGB, of a wider space.
        was_given: The user gave the range.
    """

    low: float
    high: float
    is_linear: bool = False
    was_given: bool = False
    colours: icc.Colours | None = None

    @classmethod
    def of(cls, image: Image, given: Range | None = None) -> Scale | None:
        """The scale of a picture; None where its values are restored as they are."""
        pixels, profile, cicp = image.pixels, image.metadata.icc, image.metadata.cicp
        is_linear, wide = BY_NAME[image.metadata.format].is_linear, None
        if profile is not None:
            is_linear = is_linear or icc.is_linear(profile)
            is_hdr = cicp is not None and cicp[1] in icc.HDR  # whose light is far below white
            wide = icc.colours(profile) if pixels.shape[1] == 3 and not is_hdr else None
        if given is not None:
            return cls(given.low, given.high, is_linear, True, wide)
        low, high, is_plain = (
            _own_range(pixels) if pixels.dtype.kind == "f" else (0, white(pixels.dtype), True)
        )
        if is_plain and not is_linear and wide is None:
            return None
        return cls(low, high, is_linear, False, wide)

    def scaled(self, pixels: Array) -> Array:
        """Bring a file's values [1, channel, height, width] to the scale.

        Returns:
            The same shape: uint16 of the full range for integers, which are clipped; else, and of wider
            spaces, float32 that may leave [0, 1].
        """
        integers = pixels.dtype.kind != "f"
        if integers and self.colours is None:
            return self._table[pixels]
        found = np.empty_like(pixels, np.float32)
        for rows in _strips(pixels):
            if self.colours is None:
                found[rows] = self._unit(pixels[rows])
            else:
                values = pixels[rows]
                light = self._light[values] if integers else self.colours.decoded(self._unit(values))
                found[rows] = self.colours.to_srgb(light)
        return found

    def restored(self, pixels: Array, shown: Array, result: Array, known: Array | None = None) -> Array:
        """Bring a result back.

        Args:
            pixels: The file's values, [1, channel, height, width].
            shown: `scaled(pixels)`.
            result: What became of it, of the same type.
            known: Pixels that were known, bool [1, 1, height, width]; others are as in `result`. None: all.

        Returns:
            The shape, type and layout of `pixels`.
        """
        found, floating = np.empty_like(pixels), pixels.dtype.kind == "f"
        # The way to a wider space and back gives integers as they were; only a range that was given clips.
        is_exact = self.colours is not None and not floating and not self.was_given
        for rows in _strips(pixels):
            values = pixels[rows]
            after = self._values(result[rows])
            change = after - (values if is_exact else self._values(shown[rows]))
            moved = np.where(result[rows] == shown[rows], values, values + change)
            if known is not None:
                moved = np.where(known[rows], moved, after)
            found[rows] = moved if floating else np.rint(moved).clip(0, white(pixels.dtype))
        return found

    def notes(self, image: Image, noise_level: float | None) -> tuple[str, ...]:
        """Remarks on a restored picture, for the user; the noise found in the file's own values."""
        notes = [LINEAR] if self.is_linear and self.colours is None else []
        span = self.high - self.low
        if self.was_given or (self.low, self.high) not in ((0, 1), (0, white(image.pixels.dtype))):
            notes.append(f"restored in the range {self.low:g} to {self.high:g}")
            if noise_level is not None and not self.is_linear and self.colours is None:
                notes.append(f"noise of {noise_level * span:.3g} in the file's own values")
        return tuple(notes)

    @cached_property
    def _light(self) -> Array:
        """Linear light of each integer that 16 bits hold, of a wider space, float32 [65536]."""
        assert self.colours is not None
        return self.colours.decoded(self._unit(np.arange(_FULL + 1, dtype=np.float32), outside=0.0))

    @cached_property
    def _table(self) -> Array:
        """The scaled value of each integer that 16 bits hold, uint16 [65536]."""
        unit = self._unit(np.arange(_FULL + 1, dtype=np.float32), outside=0.0)
        return np.rint(unit * _FULL).astype(np.uint16)

    @cached_property
    def _back(self) -> Array:
        """The file's value of each scaled one, float32 [65536]."""
        return self._values(np.linspace(0, 1, _FULL + 1, dtype=np.float32))

    def _unit(self, values: Array, outside: float = _OUTSIDE) -> Array:
        unit = (values.astype(np.float32) - np.float32(self.low)) / np.float32(self.high - self.low)
        unit = np.nan_to_num(unit, posinf=np.inf, neginf=-np.inf)
        curved = self.is_linear and self.colours is None
        return (icc.on_curve(unit) if curved else unit).clip(-outside, 1 + outside)

    def _values(self, unit: Array) -> Array:
        if unit.dtype == np.uint16:
            return self._back[unit]
        if self.colours is not None:
            return self.colours.from_srgb(unit) * np.float32(self.high - self.low) + np.float32(self.low)
        return (icc.linear(unit) if self.is_linear else unit) * np.float32(self.high - self.low) + np.float32(
            self.low
        )


def low_range_notes(pixels: Array, noise_level: float | None) -> tuple[str, ...]:
    """Say the noise found in [1, channel, height, width] of 16 bits that uses few of them, in its values."""
    if noise_level is None or pixels.dtype != np.uint16 or pixels.max() >= _LOW * _FULL:
        return ()
    return (f"noise of {noise_level * _FULL:.3g} in the file's own values",)


def _own_range(pixels: Array) -> tuple[float, float, bool]:
    """Black and white of floating point [1, channel, height, width], and if all of it is in 0 to 1."""
    flat = pixels.ravel(order="K")
    some = flat[:: max(1, flat.size // _SAMPLES)].astype(np.float32)
    some = some[np.isfinite(some)]
    if not some.size:
        return 0.0, 1.0, False
    least, rare, usual = (float(value) for value in np.quantile(some, (1 - _RARE, _RARE, 0.5)))
    lowest, largest = float(np.nanmin(flat)), float(np.nanmax(flat))
    is_inside = lowest >= 0 and largest <= 1 and not np.isnan(flat).any()
    if is_inside and (largest >= _LOW or largest == 0):
        return 0.0, 1.0, True
    high = rare if largest > max(_FAR * rare, usual) else largest
    high = 1.0 if _LOW <= high <= 1 else high
    low = least if least < -_OUTSIDE * abs(high) else 0.0
    return (low, high, False) if high > low else (low, low + 1, False)


def _strips(pixels: Array) -> list[tuple[slice, ...]]:
    """The rows of a picture [1, channel, height, width] in strips, so that little is held at once."""
    whole = slice(None)
    return [(whole, whole, slice(at, at + _STRIP)) for at in range(0, pixels.shape[2], _STRIP)]
