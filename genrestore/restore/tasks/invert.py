"""Invert: which latent makes the image of a generator that is nearest to a picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor

from genrestore.restore import arrays
from genrestore.restore.data_terms import DATA_TERMS
from genrestore.restore.descent_settings import LatentSearch
from genrestore.restore.inversion import PLAIN, header_of
from genrestore.restore.latent_search import Found
from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.restore.priors.padding import BATCH
from genrestore.restore.progress import OnProgress, shares
from genrestore.restore.tasks.denoise_one_class import OnTrace, for_each
from genrestore.restore.tasks.generating import OnStep, find
from genrestore.restore.tasks.one_class import OneClass, resized
from genrestore.restore.tasks.restored import Restored
from genrestore.restore.tiling import Pixels, from_float
from genrestore.runtime import Runtime
from genrestore.weights import store

Image = TypeVar("Image")


@dataclass(frozen=True, kw_only=True)
class Inverted(Restored):
    """An inverted picture; its pixels are G(z).

    Attributes:
        latent: z, [1, latent].
        error: √ mean (G(z) − x)² on the [0, 1] scale.
        sha256: Of the weights, whose generator z belongs to.
    """

    latent: Tensor
    error: float
    sha256: str


class Invert(OneClass):
    """Find the latents of pictures of the class and size that a generator makes.

        z* = argmin_z ‖G(z) − x‖,     from E(x) and from draws of N(0, I)

    Args:
        weights: A name in the store or a path.
        runtime: Device and seed; None settles them for this machine.
        search: How the latent is found; None: by squares, with no weight on ‖z‖².
        resize: Scale pictures of another size to the generator's, and the result back.

    Raises:
        UsageError: A value out of its range.
        WeightsError: The weights are missing, or of no generator.
    """

    def __init__(
        self,
        weights: str,
        *,
        runtime: Runtime | None = None,
        search: LatentSearch | None = None,
        resize: bool = False,
    ) -> None:
        header_of(store.resolve(weights), weights)
        super().__init__(weights, runtime, None, resize=resize)
        self.search = search or PLAIN

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the result: weights and options, as JSON values."""
        about = {"weights": self.path.stem, "weights_sha256": self.header.sha256}
        return {**about, **self.search.described(resize=self.resize)}

    def __call__(self, pixels: Pixels, on_progress: OnProgress | None = None) -> Inverted:
        """Invert one picture.

        Args:
            pixels: [1, channel, height, width]; uint8, uint16, or floating point on the [0, 1] scale.
            on_progress: Is told the finished share, 0 to 1.

        Raises:
            InputError: A picture of another size or channel count.
        """
        (inverted,) = self.together([pixels], on_progress=on_progress)
        return inverted

    def together(
        self,
        pictures: Sequence[Pixels],
        on_trace: OnTrace | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Inverted]:
        """Invert pictures, several at once; the result of each does not depend on the others.

        Args:
            pictures: [1, channel, height, width] each.
            on_trace: Is told every step of each picture, by its index.
            on_progress: Is told the finished share of all, 0 to 1.

        Raises:
            InputError: A picture of another size or channel count.
        """
        for pixels in pictures:
            self.check(pixels)
        found: list[Inverted] = []
        starts = range(0, len(pictures), BATCH)
        for start, tell in zip(starts, shares(on_progress, [1.0] * len(starts)), strict=True):
            some = pictures[start : start + BATCH]
            images = torch.cat([self.fitted(pixels) for pixels in some])
            end = self.latents(images, for_each(range(start, start + len(some)), on_trace), tell)
            for place, pixels in enumerate(some):
                only = slice(place, place + 1)
                found.append(self._inverted(pixels, images[only], end.image[only], end, place))
        return found

    @torch.no_grad()
    def latents(
        self, images: Tensor, on_step: OnStep | None = None, on_progress: OnProgress | None = None
    ) -> Found:
        """Where the search for images [batch, channel, size, size] on [0, 1] ends."""
        assert isinstance(self.prior, GeneratorPrior)  # as the kind says
        term = DATA_TERMS[self.search.loss](images, 1.0)
        start = images.clamp(0, 1)
        return find(self.prior, term, start, self.search, on_step=on_step, on_progress=on_progress)

    @torch.no_grad()
    def self_test(self, count: int, on_progress: OnProgress | None = None) -> list[float]:
        """PSNR in dB, at most 120, of images of the generator's own, each found again."""
        assert isinstance(self.prior, GeneratorPrior)
        generator = torch.Generator().manual_seed(self.prior.runtime.seed + 1)  # not that of the starts
        found: list[float] = []
        batches = self.prior.draw(count, generator).split(BATCH)
        for latents, tell in zip(batches, shares(on_progress, [len(one) for one in batches]), strict=True):
            images = self.prior.generate(latents)
            made = self.latents(images, on_progress=tell).image
            errors = (made - images).square().flatten(1).mean(1).clamp(min=1e-12)
            found += (-10 * errors.log10()).tolist()
        return found

    def _inverted(self, pixels: Pixels, image: Tensor, made: Tensor, end: Found, place: int) -> Inverted:
        error = float((made - image).square().mean().sqrt())
        notes, in_domain, figures = self.judge(error, beyond="")
        ends = end.starts[place]
        ratios: list[float] = (ends / ends.min().clamp(min=1e-12)).sort().values.tolist()
        return Inverted(
            from_float(resized(made.cpu(), *pixels.shape[1:]), pixels.dtype),
            None,
            (_spread(error, ratios), *notes),
            in_domain,
            {**figures, "starts": [float(f"{one:.4g}") for one in ratios]},
            latent=end.latent[place : place + 1].cpu(),
            error=error,
            sha256=self.header.sha256,
        )


def _spread(error: float, ratios: list[float]) -> str:
    """The error in grey levels, and how far apart several starts ended: their objectives over the best's."""
    said = f"error {255 * error:.1f} grey levels"
    if len(ratios) == 1:
        return said
    return f"{said}; {len(ratios)} starts ended at {', '.join(f'{one:.3g}' for one in ratios)} times the best"


def invert(
    image: Image,
    *,
    weights: str,
    search: LatentSearch | None = None,
    runtime: Runtime | None = None,
) -> tuple[Image, Tensor]:
    """Find the latent of a picture: what `genrestore invert` does, from Python.

    Args:
        image: A Pillow image, numpy array or torch tensor, as `genrestore.denoise` takes it, of the size and
            channels of the generator's images.
        weights: A generator: a name in the store or a path.
        search: How the latent is found; None: by squares, from four starts.
        runtime: Device and seed; None settles them for this machine.

    Returns:
        G(z), of the type and shape given, and z, [batch, latent], on the CPU.

    Raises:
        UsageError: An image of another kind.
        InputError: An image of another size or channel count.
        WeightsError: The weights are missing, or of no generator.
    """
    task, latents = Invert(weights, runtime=runtime, search=search), []

    def made(pixels: Pixels) -> Pixels:
        inverted = task(pixels)
        latents.append(inverted.latent)
        return inverted.pixels

    result = arrays.apply(image, made)
    return result, torch.cat(latents)
