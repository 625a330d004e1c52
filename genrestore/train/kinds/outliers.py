"""Images of no class, made of those of the class: their latents are to lie among the others all the same."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrestore.train.data.draws import log_uniform, uniform

STRONGEST = 0.5
"""Largest standard deviation of the noise on the [0, 1] scale."""
SLOPE = (1.0, 20.0)
"""Of a shape's edge: from soft to sharp."""
COARSE = (3, 8)
"""Least and largest number of blots along a side."""
THIN = (0.1, 0.6)
"""Half of a line's width, in standard deviations of the field that it runs along."""
RECENT = 4096
"""Latents of the class that are kept to compare with."""


def grey(image: Tensor, draws: torch.Generator) -> Tensor:
    """One grey level everywhere, of the shape of image [channel, size, size]; in [0, 1]."""
    return torch.full_like(image, uniform(draws))


def noise(image: Tensor, draws: torch.Generator) -> Tensor:
    """Noise of any level about any grey, of the shape of image [channel, size, size]; in [0, 1]."""
    level = uniform(draws, 0, STRONGEST)
    return (uniform(draws) + level * torch.randn(image.shape, generator=draws)).clamp(0, 1)


def negative(image: Tensor, draws: torch.Generator) -> Tensor:  # noqa: ARG001
    """1 − x of an image [channel, size, size] in [0, 1]: the same shape and range."""
    return 1 - image


def turned(image: Tensor, draws: torch.Generator) -> Tensor:
    """An image [channel, size, size] mirrored, every other time also turned by a quarter."""
    mirrored = image.flip(-1)
    return mirrored if uniform(draws) < 0.5 else mirrored.transpose(-1, -2)


def shapes(image: Tensor, draws: torch.Generator) -> Tensor:
    """Random blots with soft or sharp edges, of the shape of image [channel, size, size]; in [0, 1]."""
    field = _field(image, draws)
    return (log_uniform(draws, *SLOPE) * field + torch.randn((), generator=draws)).sigmoid()


def lines(image: Tensor, draws: torch.Generator) -> Tensor:
    """Bright lines that run and meet at random, of the shape of image [channel, size, size]; in [0, 1]."""
    field = _field(image, draws)
    return (SLOPE[1] * (uniform(draws, *THIN) - field.abs())).sigmoid()


def doubled(image: Tensor, draws: torch.Generator) -> Tensor:
    """An image [channel, size, size] and itself turned, the brighter of both; in [0, 1]."""
    return torch.maximum(image, turned(image, draws))


OUTLIERS: tuple[Callable[[Tensor, torch.Generator], Tensor], ...] = (
    grey,
    noise,
    negative,
    turned,
    shapes,
    lines,
    doubled,
)
"""What makes an image of no class out of one of the class, [channel, size, size] in [0, 1]."""


def outlier(image: Tensor, draws: torch.Generator) -> Tensor:
    """An image of no class, by one of `OUTLIERS`.

    Args:
        image: Of the class, [channel, size, size] in [0, 1].
        draws: Source of every random draw.

    Returns:
        The same shape and range.
    """
    chosen = int(torch.randint(len(OUTLIERS), (), generator=draws))
    return OUTLIERS[chosen](image, draws)


class Recent(nn.Module):
    """The last latents of the class, kept in checkpoints, so that a run that is resumed goes on alike.

        mean_o max(0, d(o) − m),     d the distance to the nearest of them, m the class's own mean d

    A batch is too small to tell whether a latent lies among those of the class; thousands tell.

    Args:
        latent: Numbers in a latent.
    """

    latents: Tensor

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.register_buffer("latents", torch.rand(RECENT, latent))

    def beyond(self, latents: Tensor, outliers: Tensor) -> Tensor:
        """How much farther images of no class are from the last latents than the class is, in the mean.

        Args:
            latents: Of the class, [batch, latent]; they count among the last ones from now on.
            outliers: Of images of no class, [outlier, latent], through which gradients flow.

        Returns:
            A scalar, 0 where all are among them.
        """
        there, latents = self.latents.clone(), latents.detach()[:RECENT]
        usual = torch.cdist(latents, there).amin(1).mean()
        self.latents.copy_(torch.cat([there[len(latents) :], latents]))
        return (torch.cdist(outliers, there).amin(1) - usual).relu().sum() / max(1, len(outliers))


def _field(image: Tensor, draws: torch.Generator) -> Tensor:
    """A smooth random field of the shape of image [channel, size, size], about N(0, 1) in every pixel."""
    cells = int(torch.randint(COARSE[0], COARSE[1] + 1, (), generator=draws))
    coarse = torch.randn(1, len(image), cells, cells, generator=draws)
    return functional.interpolate(coarse, image.shape[-2:], mode="bicubic", align_corners=False)[0]
