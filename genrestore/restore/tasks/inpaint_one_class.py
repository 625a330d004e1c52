"""Fill what is missing from pictures of one class and size, with an autoencoder or a generator."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from genrestore.errors import InputError, UsageError
from genrestore.restore import holes
from genrestore.restore.descent_settings import Descent, LatentSearch
from genrestore.restore.progress import OnProgress, shares
from genrestore.restore.provenance import describe_inpainting
from genrestore.restore.tasks.damage import Damage, Solution
from genrestore.restore.tasks.denoise_one_class import OnTrace, for_each, in_batches
from genrestore.restore.tasks.filling import NOTHING_MISSING, check_feather
from genrestore.restore.tasks.one_class import OneClass, resized
from genrestore.restore.tasks.restored import Restored, check_noise_level
from genrestore.restore.tiling import Pixels, from_float, to_float
from genrestore.runtime import Runtime


class InpaintOneClass(OneClass):
    """Fill missing pixels of pictures of the class and size that an autoencoder or a generator knows.

    Args:
        weights: A name in the store or a path.
        noise_level: σ of the known pixels on the [0, 1] scale; above 0 they are denoised too, at 0 they come
            back as they were.
        feather: Pixels, 0 to 32, over which the result goes into what the picture holds inside the hole.
        runtime: Device and seed; None settles them for this machine.
        descent: How the estimate is found, as `OneClass` takes it.
        resize: Scale pictures of another size to the prior's, and the result back.
        keep: Known pixels come back as they were; False: the result is G(z) alone, the prior's own image that
            fits them best.

    Raises:
        UsageError: A value out of its range.
        WeightsError: The weights are missing, or of another kind.
    """

    def __init__(
        self,
        weights: str,
        *,
        noise_level: float = 0.0,
        feather: int = 0,
        runtime: Runtime | None = None,
        descent: Descent | LatentSearch | None = None,
        resize: bool = False,
        keep: bool = True,
    ) -> None:
        check_noise_level(noise_level)
        check_feather(feather)
        super().__init__(weights, runtime, descent, resize=resize)
        if feather and not keep:
            raise UsageError("--feather: blends into known pixels, and --no-keep keeps none; give one")
        self._noise_level, self._feather, self._keep = noise_level, feather, keep

    @property
    def provenance(self) -> dict[str, Any]:
        """What made the result: weights and options, as JSON values."""
        found = describe_inpainting(self.path, self.header, self._noise_level, self._feather)
        return {**found, **self.descent.described(resize=self.resize), "keep": self._keep}

    def __call__(
        self, pixels: Pixels, on_progress: OnProgress | None = None, known: Pixels | None = None
    ) -> Restored:
        """Fill the missing pixels of one picture.

        Args:
            pixels: [1, channel, height, width]; uint8, uint16, or floating point on the [0, 1] scale.
            on_progress: Is told the finished share, 0 to 1.
            known: Whether a pixel is known, bool [1, 1, height, width]; None: all are.

        Returns:
            The restored picture, of the same shape and type.

        Raises:
            InputError: Every pixel is missing, or a picture of another size or channel count.
        """
        (restored,) = self.together([pixels], [known], on_progress=on_progress)
        return restored

    def together(
        self,
        pictures: Sequence[Pixels],
        known: Sequence[Pixels | None],
        on_trace: OnTrace | None = None,
        on_progress: OnProgress | None = None,
    ) -> list[Restored]:
        """Fill several pictures, as many at once as the network's batch holds.

        Args:
            pictures: [1, channel, height, width] each.
            known: Whether a pixel is known, bool [1, 1, height, width] each; None: all are.
            on_trace: Is told every step of each picture that has a hole, by its index.
            on_progress: Is told the finished share of all, 0 to 1; nothing where no picture has a hole.

        Returns:
            In their order; a picture's result does not depend on the others.

        Raises:
            InputError: As of one picture.
        """
        found: dict[int, Restored] = {}
        holed: dict[int, Pixels] = {}
        for index, (pixels, there) in enumerate(zip(pictures, known, strict=True)):
            self.check(pixels, there)
            if there is None or there.all():
                found[index] = Restored(pixels.copy(), None, (NOTHING_MISSING,))
            else:
                holed[index] = there
        groups = in_batches({index: np.issubdtype(pictures[index].dtype, np.integer) for index in holed})
        for (clipped, some), tell in zip(groups, shares(on_progress, [1.0] * len(groups)), strict=True):
            damage = self._damage([pictures[i] for i in some], [holed[i] for i in some], clipped)
            solution = self.solve(damage, for_each(some, on_trace), tell)
            for place, index in enumerate(some):
                found[index] = self._restored(pictures[index], holed[index], solution, place)
        return [found[index] for index in range(len(pictures))]

    def check(self, pixels: Pixels, known: Pixels | None = None) -> None:
        """Whether a picture can be filled; one without a hole can be of any size.

        Args:
            pixels: [1, channel, height, width].
            known: Whether a pixel is known, bool [1, 1, height, width]; None: all are.

        Raises:
            InputError: Every pixel is missing, or it is of another size or channel count.
        """
        if known is None or known.all():
            return
        if not known.any():
            raise InputError("the mask covers the whole picture, and nothing is known to go by")
        super().check(pixels)

    def _damage(self, pictures: Sequence[Pixels], known: Sequence[Pixels], clipped: bool) -> Damage:
        side, device = self.prior.size, self.prior.runtime.device
        fitted = [resized(holes.as_tensor(there), 1, side, side).ge(1 - 1e-6).float() for there in known]
        images = torch.cat([self.fitted(pixels) for pixels in pictures])
        return Damage(images, self._noise_level, clipped, torch.cat(fitted).to(device))

    def _restored(self, pixels: Pixels, known: Pixels, solution: Solution, place: int) -> Restored:
        estimate = (solution.image if self._keep else solution.nearest)[place : place + 1]
        blended = self._blended(to_float(pixels), estimate.cpu(), holes.as_tensor(known))
        filled = from_float(blended, pixels.dtype)
        notes, in_domain, figures = self.judge(float(solution.distance[place]))
        if self._noise_level > 0:
            notes = (*notes, "known pixels were denoised too")
        elif self._keep:
            filled = np.where(known, pixels, filled)
        return Restored(filled, self._noise_level or None, notes, in_domain, figures)

    def _blended(self, image: Tensor, estimate: Tensor, there: Tensor) -> Tensor:
        """The estimate in the picture's size, [1, channel, height, width], and blended in at its edge."""
        result = resized(estimate, *image.shape[1:])
        if not self._feather:
            return result
        inside = torch.where(there > 0, 1.0, holes.depth(there, self._feather) / (self._feather + 1))
        return torch.lerp(image, result, inside)
