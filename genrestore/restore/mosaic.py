"""The mosaic of a camera's sensor: its A, and the data term that it makes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from genrestore.restore.problem import IDENTITY, Identity, Operator

SCHEDULE = (4.0, 0.8)
"""Noise levels that the prior is told step by step, as multiples of the estimate. Pixels side by side share
their noise where colours were filled in, and it passes for texture unless the prior is told of more. That
takes detail too, of which the measured colours bring back what they hold. Found on pictures of the training
set; a third step gains 0.3 dB."""
ROUNDING = 1e-5
"""Differences of linear light up to which float32 takes them for none."""


@dataclass(frozen=True)
class Mosaic(Identity):
    """One colour of three in each pixel, with noise; the other two were filled in.

    Attributes:
        pattern: The channel that was measured, 0 to 2, by rows and columns, repeated over the picture.
        to_srgb: Rows: linear light of sRGB's colours of the camera's red, green and blue.
        multiple: Pixels at a multiple of which tiles must begin.
        schedule: Noise levels that the prior is told step by step, as multiples of the estimate.
    """

    pattern: tuple[tuple[int, ...], ...]
    to_srgb: tuple[tuple[float, ...], ...]
    schedule: ClassVar[tuple[float, ...]] = SCHEDULE

    @property
    def multiple(self) -> int:  # type: ignore[override]
        """Pixels after which the pattern begins again."""
        return len(self.pattern)

    def constraint(self, damaged: Tensor) -> Measured:
        """The pictures of which the sensor measures what y, [batch, 3, height, width] in [0, 1], holds."""
        return Measured(self, damaged)


class Measured:
    """What a sensor measured as a data term.

        D(x; y) = 0  where  m_p · C⁻¹ f(x_p) = m_p · C⁻¹ f(y_p)  in every pixel p,  else ∞

    f goes from sRGB's curve to linear light, C from the camera's colours to sRGB's, and m_p chooses the
    colour that was measured in p. y was filled in between so that it still holds that colour.
    Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021, section 5.4, for
    plug-and-play on mosaics; that two steps do, and that only what lies between them is a constraint, is
    ours.

    Args:
        mosaic: Which colour was measured where.
        damaged: y, [batch, 3, height, width] on the [0, 1] scale.
    """

    def __init__(self, mosaic: Mosaic, damaged: Tensor) -> None:
        self._pattern = mosaic.pattern
        matrix = torch.tensor(mosaic.to_srgb, dtype=torch.float32)
        inverse = torch.linalg.inv(matrix)
        self._parts = torch.einsum("ik,kj->kij", matrix, inverse)
        """C m mᵀ C⁻¹ of each colour: the part of a difference of light that the sensor saw of it."""
        self._inverse, self._light = inverse, linear(damaged)

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, 3, height, width] on the [0, 1] scale."""
        change = self._change(linear(image))
        return torch.where(change.abs().flatten(1).amax(1) > ROUNDING, torch.inf, 0.0)

    def prox(self, image: Tensor, tau: float) -> Tensor:
        """z with the measured colours of y, which is nearest in the camera's own light; at τ = 0 z itself.

            f⁻¹(f(z) + C m mᵀ C⁻¹ (f(y) − f(z)))

        Args:
            image: z, [batch, 3, height, width] on the [0, 1] scale.
            tau: τ; above 0 of no meaning, since what is forbidden is so at any distance.

        Returns:
            x, same shape and scale.
        """
        if tau == 0:
            return image
        light = linear(image)
        return on_curve(light + self._change(light))

    def _change(self, light: Tensor) -> Tensor:
        """What brings linear light, [batch, 3, height, width], to the measured colours; same shape."""
        change, apart = torch.empty_like(light), self._light - light
        down = len(self._pattern)
        for top, row in enumerate(self._pattern):
            for left, colour in enumerate(row):
                here = (..., slice(top, None, down), slice(left, None, len(row)))
                change[here] = torch.einsum("ij,bjhw->bihw", self._parts[colour], apart[here])
        return change


def linear(curve: Tensor) -> Tensor:
    """Linear light of values on sRGB's curve (IEC 61966-2-1), any shape, mirrored below 0."""
    size = curve.abs()
    light = torch.where(size <= 0.04045, size / 12.92, ((size + 0.055) / 1.055) ** 2.4)
    return light.copysign(curve)


def on_curve(light: Tensor) -> Tensor:
    """Reverse `linear`, any shape."""
    size = light.abs()
    curve = torch.where(size <= 0.0031308, size * 12.92, 1.055 * size ** (1 / 2.4) - 0.055)
    return curve.copysign(light)


def operator(metadata: Any) -> Operator:
    """A of a picture, of its file's `files.codecs.metadata.Metadata`; identity if that tells no mosaic."""
    mosaic = metadata.mosaic
    return IDENTITY if mosaic is None else Mosaic(mosaic.pattern, mosaic.to_srgb)
