"""Restoration of pictures of one class and one size, several at once, scaled where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from genrestore.models.pyramid import fill
from genrestore.restore.pieces import as_tensor, feathered
from genrestore.restore.prior import Prior
from genrestore.restore.problem import OnProgress, Problem, Solution, Step, Trace, Watch, shares
from genrestore.restore.settings import BATCH
from genrestore.restore.task import Figure, Given, Restored, Task
from genrestore.restore.tiled import DENOISED_TOO, mixed
from genrestore.restore.tiling import Pixels, from_float, is_clipped, to_float

FAR = 1.25
"""Times the distance that 99 of 100 images of the class stay below: a picture farther off is none of it."""
ESTIMATING = 0.5
"""Time of estimating noise levels, as a share of that for removing the noise, about."""
LEAST_KNOWN = 0.1
"""Share of a scaled pixel that is known where it counts as known; the rest is filled from around."""

Key = TypeVar("Key")


@dataclass(frozen=True)
class Resized:
    """A prior of pictures of one class and size at work; see `pictures.Restore` for the attributes."""

    task: Task
    prior: Prior[Any]
    trace: Trace | None

    def restored(
        self, pictures: Mapping[int, Given], on_progress: OnProgress
    ) -> Iterator[tuple[int, Restored]]:
        """Restore pictures by their numbers, `BATCH` of them at once; each number with its result.

        Pictures of one call of the prior have one noise level, are all clipped or none, and all with holes or
        none.
        """
        images = {index: self._image(picture) for index, picture in pictures.items()}
        given = self.task.request.noise_level
        unknown = [index for index, one in pictures.items() if one.known is None and given is None]
        estimating, solving = shares(on_progress, [ESTIMATING if unknown else 0.0, 1.0])
        levels = dict.fromkeys(pictures, given or 0.0)
        for done, index in enumerate(unknown, start=1):
            levels[index] = self._estimated(images[index])
            estimating(done / len(unknown))
        groups = in_batches(
            {
                index: (levels[index], is_clipped(one.pixels), one.known is None)
                for index, one in pictures.items()
            }
        )
        parts = shares(solving, [1.0] * len(groups))
        for ((level, clipped, _), some), tell in zip(groups, parts, strict=True):
            members = [pictures[index] for index in some]
            masks = [self._mask(one.known) for one in members if one.known is not None]
            stack = torch.cat([images[index] for index in some])
            problem = Problem(stack, level, torch.cat(masks) if masks else None, clipped)
            solution = self.prior.solve(problem, self.task.settings, Watch(tell, self._for_each(members)))
            for place, index in enumerate(some):
                if self.trace is not None:
                    self.trace.end(pictures[index])
                yield index, self._result(pictures[index], problem, solution, place)

    def _image(self, picture: Given) -> Tensor:
        """A picture as the prior takes it; scaled, holes are first filled from around them."""
        image = to_float(picture.pixels)
        if picture.known is not None and {*image.shape[2:]} != {self.prior.side}:
            image = fill(image, as_tensor(picture.known))
        return self._fitted(image, self.prior.channels)

    def _mask(self, known: Pixels) -> Tensor:
        """A mask [1, 1, height, width] as the prior takes it: see `LEAST_KNOWN`."""
        return self._fitted(as_tensor(known), 1).ge(LEAST_KNOWN).float()

    def _fitted(self, image: Tensor, channels: int) -> Tensor:
        """A picture [1, channel, height, width] in the prior's size, on its device."""
        side = self.prior.side
        assert side is not None
        return resized(image, channels, side, side).to(self.prior.runtime.device)

    def _estimated(self, image: Tensor) -> float:
        """σ of one picture [1, channel, side, side], on the [0, 1] scale."""
        level = self.prior.noise_level([Problem(image)])
        assert isinstance(level, float)
        return level

    def _for_each(self, members: Sequence[Given]) -> Callable[[Step], None] | None:
        """A callback for a batch that tells of each of its pictures, as a batch of one."""
        trace = self.trace
        if trace is None:
            return None

        def tell(step: Step) -> None:
            for place, picture in enumerate(members):
                trace.step(picture, 0, step.only(place))

        return tell

    def _result(self, picture: Given, problem: Problem, solution: Solution, place: int) -> Restored:
        """One picture of a solution, in its own size and type."""
        request, one = self.task.request, slice(place, place + 1)
        assert solution.nearest is not None
        estimate = (solution.image if request.keep else solution.nearest)[one].cpu()
        image, level = to_float(picture.pixels), problem.sigma
        estimate = resized(estimate, *image.shape[1:])
        notes, is_near, figures = self._judged(solution, place, problem)
        if picture.known is None:
            estimate = mixed(image, estimate, request, bounded=True)
        else:
            estimate = feathered(image, estimate, as_tensor(picture.known), request.feather)
            notes = (*notes, DENOISED_TOO) if level > 0 else notes
        pixels = from_float(estimate, picture.pixels.dtype)
        if picture.known is not None and level == 0 and request.keep:
            pixels = np.where(picture.known, picture.pixels, pixels)
        latent = None if solution.latent is None else solution.latent[one].cpu()
        return Restored(
            noise_level=level or None,
            notes=notes,
            in_domain=is_near,
            figures=figures,
            pixels=pixels,
            latent=latent,
        )

    def _judged(
        self, solution: Solution, place: int, problem: Problem
    ) -> tuple[tuple[str, ...], bool, dict[str, Figure]]:
        """Notes on one picture, whether it is of the class, and distances in grey levels."""
        assert solution.distance is not None
        assert solution.own_distance is not None
        found, own = 255 * float(solution.distance[place]), 255 * solution.own_distance
        is_near = found <= FAR * own
        figures: dict[str, Figure] = {"distance": round(found, 3), "own_distance": round(own, 3)}
        notes: tuple[str, ...] = ()
        if problem.is_whole and solution.starts is not None:
            ends = solution.starts[place]
            ratios: list[float] = (ends / ends.min().clamp(min=1e-12)).sort().values.tolist()
            figures["starts"] = [float(f"{one:.4g}") for one in ratios]
            notes = (_spread(found, ratios),)
        if not is_near:
            beyond = "" if problem.is_whole else " beyond the noise"
            notes += (
                f"far from what the prior knows: it misses this picture by {found:.0f} grey levels{beyond}, "
                f"and 99 of 100 of its own by less than {own:.0f}",
            )
        return notes, is_near, figures


def resized(image: Tensor, channels: int, height: int, width: int) -> Tensor:
    """A picture [1, 1 or 3, ...] as [1, channels, height, width], grey as the mean of the colours."""
    if image.shape[1] != channels:
        image = image.mean(1, keepdim=True).expand(-1, channels, -1, -1)
    if image.shape[2:] == torch.Size((height, width)):
        return image
    return functional.interpolate(
        image, (height, width), mode="bilinear", align_corners=False, antialias=True
    )


def _spread(error: float, ratios: list[float]) -> str:
    """The error in grey levels, and the ends of several starts: their energies over the best's."""
    text = f"error {error:.1f} grey levels"
    if len(ratios) == 1:
        return text
    return f"{text}; {len(ratios)} starts ended at {', '.join(f'{one:.3g}' for one in ratios)} times the best"


def in_batches(kinds: Mapping[int, Key]) -> list[tuple[Key, list[int]]]:
    """Numbers of pictures that are restored at once: those of one kind, `BATCH` at most."""
    members: dict[Key, list[int]] = {}
    for index, kind in kinds.items():
        members.setdefault(kind, []).append(index)
    return [
        (kind, some[start : start + BATCH])
        for kind, some in members.items()
        for start in range(0, len(some), BATCH)
    ]
