"""Training of a finder of marks, on drawn ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from genrestore.train.data import marks
from genrestore.train.data.camera import draw_settings, photograph_with_stuck_pixels, save_and_open
from genrestore.train.data.dataset import Pixels, at_least
from genrestore.train.data.degradation import luminance, soften
from genrestore.train.data.draws import chance, log_uniform, sample_generator, uniform
from genrestore.train.kinds import FinderSettings
from genrestore.train.kinds.base import PhotoTraining, to_patch
from genrestore.weights.header import MARKS, NetworkSpec

SEEN = (2.0, 4 / 255)
"""A mark is one where it changes a pixel by so many times the noise, and so much on the [0, 1] scale."""
NOISE = (1 / 255, 20 / 255)
"""Of σ of noisy samples, on the [0, 1] scale."""
GAIN = (1e-5, 4e-3)
"""Of a sensor's shot noise: variance a unit of light, full scale 1; its read noise is as large a number."""
HOT = MARKS.index("hot")


class Sample(NamedTuple):
    """A picture with marks, or a batch of them.

    Attributes:
        picture: [..., 3, height, width] in [0, 1].
        is_mark: 1 where a mark of each kind is seen, [..., 3, height, width].
        counts: 1 where that is certain, 0 where a mark changes too little to be seen; the same shape.
    """

    picture: Tensor
    is_mark: Tensor
    counts: Tensor


class Shot(NamedTuple):
    """A picture before its file is written.

    Attributes:
        before: Without marks, [3, height, width].
        picture: With them.
        covered: Above 0 where a mark of each kind lies, seen or not, [3, height, width].
        level: σ of the noise, on the [0, 1] scale.
        grain: Noise that is still to be added to both.
    """

    before: Tensor
    picture: Tensor
    covered: Tensor
    level: float
    grain: Tensor


class FinderTraining(PhotoTraining[FinderSettings, Sample]):
    """Training of a finder on patches with marks and without."""

    PRIOR = COMMAND = "finder"

    def specs(self) -> dict[str, NetworkSpec]:
        """The finder."""
        shape = {"widths": list(self.settings.widths), "blocks": list(self.settings.blocks)}
        return {"finder": NetworkSpec("mark-finder", {"kinds": list(MARKS), **shape})}

    def sample(self, generator: torch.Generator) -> Sample:
        """A patch with marks or without, noisy or not, coded or not."""
        clean = self.images.patch(generator, self.settings.patch_size)
        return self._marked(clean, generator, chance(generator, self.settings.marked))

    def _marked(self, clean: Tensor, generator: torch.Generator, marked: bool) -> Sample:
        clean = soften(clean, generator) if chance(generator, self.settings.soft) else clean
        grey = chance(generator, self.settings.grey)
        expose = _by_a_sensor if chance(generator, self.settings.sensor) else self._drawn_over
        shot = expose(clean, generator, marked)
        change = (shot.picture - shot.before).abs().amax(0, keepdim=True)
        seen = change >= max(SEEN[0] * shot.level, SEEN[1])
        picture = (shot.picture + shot.grain).clamp(0, 1)
        picture = luminance(picture) if grey else picture
        if chance(generator, self.settings.coded):
            picture = save_and_open(picture, int(uniform(generator, 75, 98)), 0)
        is_mark = (shot.covered > 0) & seen
        return Sample(picture, is_mark.float(), (is_mark | (shot.covered == 0)).float())

    def _drawn_over(self, clean: Tensor, generator: torch.Generator, marked: bool) -> Shot:
        """Marks of every kind drawn over a picture, its noise under them or over all."""
        noisy = chance(generator, self.settings.noisy)
        level = log_uniform(generator, *NOISE) if noisy else 0.0
        before, grain = clean, torch.randn(clean.shape, generator=generator) * level
        if noisy and chance(generator, 0.4):  # of the film, under the marks
            before, grain = clean + grain, torch.zeros_like(clean)
        picture, covered = marks.put(before, generator) if marked else (before, torch.zeros_like(clean))
        return Shot(before, picture, covered, level, grain)

    def step(self, batch: Sample) -> dict[str, Tensor]:
        """Update by the cross-entropy of pixels."""
        batch = Sample(*self.on_device(*batch))
        loss = cross_entropy(self._odds(self.networks["finder"], batch.picture), batch.is_mark, batch.counts)
        return self.learn({"cross_entropy": loss})

    def _odds(self, network: nn.Module, picture: Tensor) -> Tensor:
        """Log odds of marks, float32 [batch, 3, height, width]."""
        with self.runtime.autocast():
            odds: Tensor = network(picture.contiguous(memory_format=torch.channels_last))
        return odds.float()

    def examine(
        self, networks: Mapping[str, nn.Module], image: Pixels, index: int
    ) -> Iterator[tuple[str, float]]:
        """Cross-entropy of one image in dB, with marks and without: more is better."""
        for name, marked in (("marked", True), ("clean", False)):
            sample = self._examination(image, index, marked=marked)
            odds = self._odds(networks["finder"], sample.picture[None].to(self.runtime.device))[0].cpu()
            yield name, float(-10 * cross_entropy(odds, sample.is_mark, sample.counts).clamp(1e-7).log10())

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Pictures with marks, and what is found, in turn: [batch, 3, height, width] in [0, 1]."""
        pictures = []
        for index, image in enumerate(self.validation.images[:8]):
            sample = self._examination(image, index, marked=True, side=128)
            odds = self._odds(networks["finder"], sample.picture[None].to(self.runtime.device))[0].cpu()
            pictures += [sample.picture, odds.sigmoid()]
        return torch.stack(pictures)

    def _examination(self, image: Pixels, index: int, *, marked: bool, side: int = 256) -> Sample:
        """The same marks at every validation, on the largest square in the middle."""
        patch = to_patch(at_least(image, 128), side)
        square = patch[:, : min(patch.shape[1:]), : min(patch.shape[1:])]
        return self._marked(square, sample_generator(0, 0, index), marked)


def _by_a_sensor(clean: Tensor, generator: torch.Generator, marked: bool) -> Shot:
    """A photograph by a camera with stuck pixels, which its demosaicking has spread, or without."""
    gain = log_uniform(generator, *GAIN)
    sensor = replace(draw_settings(generator), gain=gain, read=gain)
    before, picture, level = photograph_with_stuck_pixels(clean, sensor, generator)
    none = torch.zeros_like(clean)
    if not marked:
        return Shot(before, before, none, level, none)
    covered = none.clone()
    covered[HOT] = (picture - before).abs().amax(0)
    return Shot(before, picture, covered, level, none)
