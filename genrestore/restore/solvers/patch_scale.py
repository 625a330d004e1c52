"""Scales of patch matching: a hole, what it is filled from, and the features of their patches."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.models.pyramid import fill

RADIUS, SIDE = 3, 7
"""Of a patch, in pixels."""
FEATURES = 24
"""Principal components of patches that are compared; the rest of a hundred says next to nothing."""
TEXTURE, SPREAD = 6.0, 4
"""Weight of the planes of texture beside colours, and the pixels around over which they are means."""
PLANES = 2
"""Of texture, the last of an image's."""
SOME = 10_000
"""Patches that stand for all."""
RIDGE = 1e-8
"""Added variance of patches, so that those of a flat picture have components too."""


@dataclass(frozen=True)
class Sources:
    """Source of patches.

    Attributes:
        image: [1, channel, height, width], about [0, 1].
        usable: 1 where it may be copied from, [1, 1, height, width].
    """

    image: Tensor
    usable: Tensor

    @property
    def count(self) -> int:
        """Patches in it."""
        return int(whole_patches(self.usable).sum())


@dataclass(frozen=True)
class Scale:
    """A hole and what it is filled from, at one scale.

    Attributes:
        image: With planes of texture, its holes filled somehow, [1, plane, height, width].
        missing: 1 where a pixel is missing, [1, 1, height, width].
        source: [1, plane, its height, its width].
        usable: 1 where it may be copied from, [1, 1, its height, its width].
    """

    image: Tensor
    missing: Tensor
    source: Tensor
    usable: Tensor

    def halved(self) -> Scale:
        """The next coarser scale; a pixel is missing, or not usable, if any of its four is."""
        image, missing, source, unusable = map(even, (self.image, self.missing, self.source, 1 - self.usable))
        mean, most = functional.avg_pool2d, functional.max_pool2d
        return Scale(mean(image, 2), most(missing, 2), mean(source, 2), 1 - most(unusable, 2))

    @cached_property
    def active(self) -> Tensor:
        """Places of the patches that touch the hole, [patch], row by row."""
        return functional.max_pool2d(self.missing, SIDE, 1, RADIUS).flatten().nonzero()[:, 0]

    @cached_property
    def depth(self) -> Tensor:
        """Depth in the hole of the patches that touch it, in pixels, [patch]."""
        depth, left = torch.zeros_like(self.missing), self.missing
        for _ in range(64):
            depth, left = depth + left, eroded(left, 1)
        return depth.flatten()[self.active]

    @cached_property
    def holes(self) -> tuple[Tensor, Tensor]:
        """Rows and columns of the missing pixels, [missing] each."""
        rows, columns = self.missing[0, 0].nonzero().t()
        return rows, columns

    @cached_property
    def valid(self) -> Tensor:
        """True where the patch around a pixel of the source may be copied, bool [pixel]."""
        return whole_patches(self.usable).flatten() > 0

    @cached_property
    def centres(self) -> Tensor:
        """Places of the patches that may be copied, [patch]."""
        return self.valid.nonzero()[:, 0]

    @cached_property
    def some(self) -> Tensor:
        """Sample of the patches that may be copied, evenly spread, [patch]."""
        count = len(self.centres)
        return self.centres[torch.linspace(0, count - 1, min(SOME, count)).long()]

    @cached_property
    def pixels(self) -> Tensor:
        """The source row by row, [pixel, plane]."""
        return self.source[0].flatten(1).t().contiguous()

    @cached_property
    def offsets(self) -> Tensor:
        """Steps from the middle of a patch to each of its pixels in a source row by row, [pixel]."""
        line = torch.arange(-RADIUS, RADIUS + 1)
        return (line[:, None] * self.source.shape[-1] + line).flatten()

    @cached_property
    def components(self) -> Tensor:
        """The principal components of patches of the source, [feature, plane, 7, 7]."""
        patches = self.pixels[self.some[:, None] + self.offsets].flatten(1)
        patches = patches - patches.mean(0)
        _, vectors = torch.linalg.eigh(patches.t() @ patches + RIDGE * torch.eye(patches.shape[1]))
        best = vectors[:, -FEATURES:].t()
        return best.reshape(len(best), SIDE, SIDE, -1).permute(0, 3, 1, 2).contiguous()

    @cached_property
    def features(self) -> Tensor:
        """Features of the patch around each pixel of the source, [pixel, feature]."""
        height, width = self.source.shape[-2:]
        padded = functional.pad(self.source, (RADIUS,) * 4, mode="replicate")
        found = torch.empty(height * width, len(self.components))
        for top in range(0, height, 128):  # in strips, for the sake of memory
            bottom = min(height, top + 128)
            strip = functional.conv2d(padded[..., top : bottom + 2 * RADIUS, :], self.components)
            found[top * width : bottom * width] = strip[0].flatten(1).t()
        return found

    def of_hole(self, image: Tensor) -> Tensor:
        """Features of the patches that touch the hole, [patch, feature], of the image as it is."""
        padded = functional.pad(image, (RADIUS,) * 4, mode="replicate")
        width, rows = image.shape[-1], self.active // image.shape[-1]
        top, bottom = int(rows[0]), int(rows[-1]) + 1
        strip = functional.conv2d(padded[..., top : bottom + 2 * RADIUS, :], self.components)
        return strip[0].flatten(1).t()[self.active - top * width]


def texture(image: Tensor, known: Tensor) -> Tensor:
    """Planes of texture: the mean steepness around each pixel, across and down; filled where none is known.

    Args:
        image: [1, channel, height, width], about [0, 1].
        known: 1 where a pixel is known, [1, 1, height, width].

    Returns:
        [1, 2, height, width], from 0.
    """
    grey = image.mean(1, keepdim=True)
    across, down = (0, 1), (0, 0, 0, 1)
    steps = [
        functional.pad(grey[..., 1:] - grey[..., :-1], across),
        functional.pad(grey[..., 1:, :] - grey[..., :-1, :], down),
    ]
    both = [
        functional.pad(known[..., 1:] * known[..., :-1], across),
        functional.pad(known[..., 1:, :] * known[..., :-1, :], down),
    ]
    there, size = torch.cat(both, 1), 2 * SPREAD + 1
    share = functional.avg_pool2d(there, size, 1, SPREAD)
    total = functional.avg_pool2d(torch.cat(steps, 1).abs() * there, size, 1, SPREAD)
    return fill(total / share.clamp(min=1e-6), (share.amin(1, keepdim=True) > 0.05).float())


def eroded(mask: Tensor, radius: int) -> Tensor:
    """A mask without what lies within a radius of its edge, [1, 1, height, width]; it goes on outside."""
    return -functional.max_pool2d(-mask, 2 * radius + 1, 1, radius)


def whole_patches(usable: Tensor) -> Tensor:
    """1 where the whole patch around a pixel is usable and in the image, [1, 1, height, width]."""
    return eroded(functional.pad(usable, (RADIUS,) * 4), RADIUS)[..., RADIUS:-RADIUS, RADIUS:-RADIUS]


def even(image: Tensor) -> Tensor:
    """An image of even sides, [1, plane, height, width]; the last row and column once more where needed."""
    return functional.pad(image, (0, image.shape[-1] % 2, 0, image.shape[-2] % 2), mode="replicate")
