"""Operators A of y = A x + σ n, from clean to damaged pictures before the noise; one class a damage."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrestore.errors import InputError, UsageError
from genrestore.restore.api import Image, apply
from genrestore.restore.pictures import Restore
from genrestore.restore.problem import Identity
from genrestore.restore.task import DEJPEG, Request, Task
from genrestore.restore.tiling import Pixels
from genrestore.runtime import Runtime

YCBCR = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
"""Rows: Y, Cb and Cr of R, G and B, as JFIF has them."""
BLOCK = 8
"""Side of the blocks of JPEG."""
MARGIN = 0.15
"""m: share of a step at each end of which results are kept out. Few coefficients lay there, and what rounds
to integers afterwards stays in its step."""
ROUNDING = 0.01
"""Differences of coefficients, of grey levels, up to which float32 takes them for none."""
SCHEDULE = (2.0, 0.75)
"""Noise levels that the prior is told step by step, as multiples of the estimate: that of a strong loss is
too low, and what is too much for a picture its file forbids."""


@dataclass(frozen=True)
class Component:
    """A plane of a JPEG.

    Attributes:
        table: Steps q of its quantisation, 64 by rows.
        down: Rows of the picture that one of its rows stands for, from 1 to 4.
        across: The same of columns.
    """

    table: tuple[int, ...]
    down: int = 1
    across: int = 1

    def whole(self, plane: Tensor) -> Tensor:
        """The blocks of a plane [batch, height, width] of the picture that it holds all of; a view."""
        height, width = plane.shape[1:]
        down, across = self.down * BLOCK, self.across * BLOCK
        return plane[:, : height // down * down, : width // across * across]

    def box(self, plane: Tensor) -> Tensor:
        """The samples of those blocks, each the mean of its pixels, [batch, height, width]."""
        return self.whole(plane).unflatten(1, (-1, self.down)).unflatten(3, (-1, self.across)).mean((2, 4))


@dataclass(frozen=True)
class Jpeg(Identity):
    """Quantisation as JPEG does it.

    Attributes:
        components: Y, Cb, Cr; R, G, B; or Y alone of a grey picture.
        rgb: The file holds R, G, B.
        orientation: EXIF's number, 1 to 8, of how the picture lies in the file.
        multiple: Pixels at a multiple of which tiles must begin: the largest block that a file can have.
        schedule: Noise levels that the prior is told step by step, as multiples of the estimate.

    Raises:
        InputError: A table that has no 64 steps above 0.
    """

    components: tuple[Component, ...]
    rgb: bool = False
    orientation: int = 1
    multiple = 4 * BLOCK
    schedule = SCHEDULE

    def __post_init__(self) -> None:
        if any(len(one.table) != BLOCK**2 or min(one.table) < 1 for one in self.components):
            raise InputError("a quantisation table that has no 64 steps above 0")

    def lying(self, pixels: Pixels) -> Pixels:
        """An upright picture [1, channel, height, width] as it lies in the file; a view."""
        flipped = np.flip(pixels, self._flipped)
        return flipped.swapaxes(2, 3) if self.orientation > 4 else flipped

    def upright(self, pixels: Pixels) -> Pixels:
        """A picture [1, channel, height, width] as it lies in the file turned upright; a view."""
        return np.flip(pixels.swapaxes(2, 3) if self.orientation > 4 else pixels, self._flipped)

    @property
    def _flipped(self) -> tuple[int, ...]:
        """Axes that the orientation turns over, once rows are rows."""
        axes = ((2, (3, 4, 7, 8)), (3, (2, 3, 6, 7)))
        return tuple(axis for axis, turned in axes if self.orientation in turned)

    def constraint(self, damaged: Tensor) -> Quantised:
        """The pictures that are coded as y, [batch, channel, height, width] on the [0, 1] scale, is."""
        return Quantised(self, damaged)

    def planes(self, image: Tensor) -> Tensor:
        """The planes of a picture [batch, channel, height, width] as JPEG has them: Y from -128 to 127."""
        if image.shape[1] == 1 or self.rgb:
            return image * 255 - 128
        planes = torch.einsum("ij,bjhw->bihw", torch.tensor(YCBCR), image) * 255
        planes[:, 0] -= 128
        return planes

    def picture(self, planes: Tensor) -> Tensor:
        """The reverse of `planes`, [batch, channel, height, width]."""
        if planes.shape[1] == 1 or self.rgb:
            return (planes + 128) / 255
        planes = torch.cat([planes[:, :1] + 128, planes[:, 1:]], 1)
        return torch.einsum("ij,bjhw->bihw", torch.linalg.inv(torch.tensor(YCBCR)), planes) / 255


class Quantised:
    """Quantisation as a data term: y tells of every coefficient c the step k q that was next to it.

        D(x; y) = 0  where  |c − k q| ≤ (1/2 − m) q  for every c of  A x = DCT(box(YCbCr(x))),  else ∞

    box is the mean of the pixels that one sample of a plane stands for; 8×8 samples go through the DCT. k is
    found in y itself: where it was not clipped, and q is larger than its rounding, it is the file's own.
    Blocks that the picture's edge cuts, of which the file knew more than the picture shows, are left free.
    Source: Zakhor, "Iterative Procedures for Reduction of Blocking Effects in Transform Image Coding", 1992;
    m after Park and Kim, "Theory and Application of POCS with Narrow Quantization Constraint Set", 1999.

    Args:
        jpeg: How the file was coded.
        damaged: y, [batch, 1 or 3, height, width] on the [0, 1] scale.
    """

    def __init__(self, jpeg: Jpeg, damaged: Tensor) -> None:
        self._jpeg = jpeg
        self._bounds = []
        planes = jpeg.planes(damaged)
        for index, one in enumerate(jpeg.components):
            steps = torch.tensor(one.table, dtype=torch.float32).reshape(BLOCK, BLOCK)
            coded = before_upsampling(one.whole(planes[:, index]), one.down, one.across)
            middle = (dct(coded) / steps).round() * steps
            self._bounds.append((middle - (0.5 - MARGIN) * steps, middle + (0.5 - MARGIN) * steps))

    def value(self, image: Tensor) -> Tensor:
        """D(x; y) of each picture, [batch], for x [batch, channel, height, width] on the [0, 1] scale."""
        changes = self._changes(self._jpeg.planes(image))
        beyond = torch.stack([(one.abs() > ROUNDING).flatten(1).any(1) for one in changes]).any(0)
        return torch.where(beyond, torch.inf, 0.0)

    def prox(self, image: Tensor, tau: float) -> Tensor:  # noqa: ARG002
        """The projection of z, in YCbCr, on the pictures that y allows, whatever τ is.

            z  +  up(IDCT(clip(c, k q − (1/2 − m) q, k q + (1/2 − m) q) − c)),     c = DCT(box(z))

        up repeats a sample for all of its pixels: boxᵀ times their number, so that box(up(d)) = d, and this
        is the orthogonal projection.

        Args:
            image: z, [batch, 1 or 3, height, width] on the [0, 1] scale.
            tau: Of no meaning here: what is forbidden is so at any distance.

        Returns:
            x, same shape and scale.
        """
        planes = self._jpeg.planes(image)
        changes = self._changes(planes)
        for index, (one, change) in enumerate(zip(self._jpeg.components, changes, strict=True)):
            up = inverse_dct(change).repeat_interleave(one.down, 1).repeat_interleave(one.across, 2)
            one.whole(planes[:, index]).add_(up)
        return self._jpeg.picture(planes)

    def _changes(self, planes: Tensor) -> list[Tensor]:
        """Changes that the coefficients of planes [batch, plane, height, width] need, a tensor a plane."""
        found = []
        for index, (one, (low, high)) in enumerate(zip(self._jpeg.components, self._bounds, strict=True)):
            coefficients = dct(one.box(planes[:, index]))
            found.append(coefficients.clamp(low, high) - coefficients)
        return found


@lru_cache
def _cosines() -> Tensor:
    """The orthonormal DCT of 8 values, [frequency, place]."""
    place, frequency = torch.arange(BLOCK), torch.arange(BLOCK)[:, None]
    found = 0.5 * torch.cos(math.pi * (2 * place + 1) * frequency / (2 * BLOCK))
    return torch.cat([found[:1] / math.sqrt(2), found[1:]])


def dct(plane: Tensor) -> Tensor:
    """The DCT of the blocks of planes, as ITU-T T.81, A.3.3 has it; it is orthonormal.

    Args:
        plane: [batch, height, width], sides multiples of 8.

    Returns:
        [batch, row of blocks, column of blocks, 8, 8], any scale.
    """
    batch, height, width = plane.shape
    blocks = plane.reshape(batch, height // BLOCK, BLOCK, width // BLOCK, BLOCK).transpose(2, 3)
    return _cosines() @ blocks @ _cosines().T


def inverse_dct(coefficients: Tensor) -> Tensor:
    """The planes of coefficients [batch, row, column, 8, 8], [batch, height, width]."""
    batch, rows, columns = coefficients.shape[:3]
    blocks = _cosines().T @ coefficients @ _cosines()
    return blocks.transpose(2, 3).reshape(batch, rows * BLOCK, columns * BLOCK)


def before_upsampling(plane: Tensor, down: int, across: int) -> Tensor:
    """The samples of which a decoder made planes [batch, height, width]: the least squares solution.

    Args:
        plane: With `down` times as many rows and `across` times as many columns as samples.
        down: From 1 to 4.
        across: From 1 to 4.

    Returns:
        [batch, height / down, width / across], the same scale.
    """
    if plane.numel() == 0:
        return plane[:, ::down, ::across]
    if down > 1:
        plane = _without(plane.shape[1], down) @ plane
    return plane @ _without(plane.shape[2], across).T if across > 1 else plane


@lru_cache(maxsize=8)
def _without(side: int, factor: int) -> Tensor:
    """The pseudoinverse of libjpeg's upsampling to so many pixels, [samples, pixels].

    Twice as many samples are found by weights of 3/4 and 1/4 of the nearest, other numbers by repetition.
    """
    count = side // factor
    place = torch.arange(count)
    up = torch.zeros(count, factor, count)
    if factor == 2:
        up[place, 0, (place - 1).clamp(min=0)] += 0.25
        up[place, 1, (place + 1).clamp(max=count - 1)] += 0.25
    up[place, :, place] += 0.75 if factor == 2 else 1.0
    return torch.linalg.pinv(up.reshape(side, count))


def dejpeg(
    image: Image,
    *,
    components: Sequence[Component] | None = None,
    strength: float = 1.0,
    turns: int | None = None,
    weights: str = "photo",
    runtime: Runtime | None = None,
) -> Image:
    """Remove what JPEG left, blocks and rings: what `genrestore dejpeg` does, from Python.

    The result is one of the pictures that, coded with the tables of the file, give its own coefficients.

    Args:
        image: A Pillow image that was opened from a JPEG file and not turned or cut since (L or RGB); or a
            picture as `genrestore.denoise` takes it, whose blocks begin at its corner, with its `components`.
        components: How the picture was coded: table and sampling of Y, Cb and Cr, or of grey alone; None: as
            Pillow's image says.
        strength: Result = input + strength · (restored − input), 0 to 1.
        turns: The mean of so many estimates, 1, 2, 4 or 8; None lets the size decide.
        weights: A denoiser: a name in the store or a path.
        runtime: Device, precision and seed; None settles them for this machine.

    Returns:
        The restored picture, of the type and shape given.

    Raises:
        UsageError: An image that does not say how it was coded, or of another kind; a value out of its range.
        WeightsError: The weights are missing, corrupted, or of no denoiser.
        DeviceError: The runtime's device is not available.
    """
    jpeg = coded(image) if components is None else Jpeg(tuple(components))
    task = Task.of(DEJPEG, weights, Request(strength=strength), turns=turns)
    restore = Restore(task, runtime, operator=lambda _: jpeg)

    def restored(pixels: Pixels) -> Pixels:
        if pixels.shape[1] != len(jpeg.components):
            raise UsageError(f"an image of {pixels.shape[1]} channels, coded as {len(jpeg.components)}")
        return restore(pixels).pixels

    return apply(image, restored)


def operator(metadata: Any) -> Jpeg:
    """The operator of a picture, of its file's `files.codecs.metadata.Metadata`.

    Raises:
        InputError: It does not say it; without the file's name.
    """
    if metadata.jpeg is None or not metadata.jpeg.planes:
        raise InputError(
            f"a JPEG of {metadata.mode} or of unusual sampling, whose tables are not of what is restored; "
            "genrestore denoise restores it without them"
        )
    components = tuple(Component(*plane) for plane in metadata.jpeg.planes)
    return Jpeg(components, metadata.jpeg.keep_rgb, metadata.jpeg.orientation)


def coded(image: Any) -> Jpeg:
    """The operator of a Pillow image that was opened from a JPEG file.

    Raises:
        UsageError: It was opened from no JPEG file, or is CMYK.
    """
    layers, tables = getattr(image, "layer", None), getattr(image, "quantization", None)
    if not layers or not tables or image.mode not in ("L", "RGB"):
        raise UsageError(
            "an image that does not say how JPEG coded it: give what PIL.Image.open gave of a grey or RGB "
            "JPEG, or components; denoise needs neither"
        )
    across, down = (max(layer[axis] for layer in layers) for axis in (1, 2))
    names = bytes(layer[0] for layer in layers)
    transform = 1 if "jfif" in image.info else image.info.get("adobe_transform", 0 if names == b"RGB" else 1)
    rgb = image.mode == "RGB" and transform == 0  # the order in which libjpeg asks
    return Jpeg(tuple(Component(tuple(tables[n]), down // v, across // h) for _, h, v, n in layers), rgb)
