"""Training of the prior for holes: a denoiser that is shown missing pixels as noise without bound."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import torch
from torch import Tensor, nn

from genrestore.models.missing import shown
from genrestore.train.data import holes
from genrestore.train.data.dataset import Pixels, at_least
from genrestore.train.data.degradation import luminance
from genrestore.train.data.draws import uniform
from genrestore.train.kinds import InpainterSettings, losses
from genrestore.train.kinds.base import PhotoTraining, to_patch
from genrestore.weights.header import NetworkSpec

LARGEST_NOISE = 50 / 255
"""Upper end of σ of known pixels, on the [0, 1] scale."""


class Sample(NamedTuple):
    """A picture with holes, or a batch of them.

    Attributes:
        damaged: [..., 3, height, width], about [0, 1]; in the holes it is the clean picture, which nobody
            may look at.
        clean: [..., 3, height, width] in [0, 1].
        known: 1 where a pixel is known and 0 where it is missing, [..., 1, height, width].
        level: σ of the known pixels on the [0, 1] scale, [..., 1, 1, 1].
        guesses: Number of estimates of the network's own that came before, [..., 1, 1, 1].
    """

    damaged: Tensor
    clean: Tensor
    known: Tensor
    level: Tensor
    guesses: Tensor


class InpainterTraining(PhotoTraining[InpainterSettings, Sample]):
    """Training of an inpainter on patches with holes."""

    PRIOR = COMMAND = "inpainter"

    def specs(self) -> dict[str, NetworkSpec]:
        """The U-Net."""
        shape = {"widths": list(self.settings.widths), "blocks": list(self.settings.blocks)}
        return {"denoiser": NetworkSpec("residual-unet", {"channels": 3, **shape})}

    def sample(self, generator: torch.Generator) -> Sample:
        """A patch with holes, noisy or not."""
        clean = self.images.patch(generator, self.settings.patch_size)
        grey = uniform(generator) < self.settings.grey
        clean = luminance(clean) if grey else clean
        noisy = uniform(generator) < self.settings.noisy
        level = torch.tensor(uniform(generator, 0, LARGEST_NOISE) if noisy else 0.0).reshape(1, 1, 1)
        noise = torch.randn(clean[:1].shape if grey else clean.shape, generator=generator)
        known = holes.draw(self.settings.patch_size, generator, self.settings.scattered)
        guesses = torch.tensor(self._guesses(generator)).reshape(1, 1, 1)
        return Sample(clean + level * noise, clean, known, level, guesses)

    def _guesses(self, generator: torch.Generator) -> int:
        """None, one, or, for two in five of those that have any, two."""
        if uniform(generator) >= self.settings.again:
            return 0
        return 1 if uniform(generator) < 0.6 else 2

    def step(self, batch: Sample) -> dict[str, Tensor]:
        """Update by the loss "inpainter"."""
        batch = Sample(*self.on_device(*batch))
        restored = self._restore(self.networks["denoiser"], batch)
        return self.learn({"inpainter": losses.RECONSTRUCTION[self.settings.loss](restored, batch.clean)})

    def _restore(self, network: nn.Module, batch: Sample) -> Tensor:
        """[batch, 3, height, width]; pixels that are known without noise are as they were."""
        filled, level = shown(batch.damaged, batch.known, batch.level)
        for number in range(int(batch.guesses.max())):
            again = batch.guesses.flatten() > number
            with torch.no_grad():
                guess = self._call(network, filled[again], level[again])
            filled[again], level[again] = shown(
                batch.damaged[again], batch.known[again], batch.level[again], guess
            )
        return torch.where(level > 0, self._call(network, filled, level), filled)

    def _call(self, network: nn.Module, image: Tensor, level: Tensor) -> Tensor:
        """Estimate of the network, float32 [batch, 3, height, width]."""
        with self.runtime.autocast():
            estimate: Tensor = network(image.contiguous(memory_format=torch.channels_last), level)
        return estimate.float()

    def examine(
        self, networks: Mapping[str, nn.Module], image: Pixels, index: int
    ) -> Iterator[tuple[str, float]]:
        """PSNR in dB of one image, one number a kind of holes."""
        for name, sample in _examinations(to_patch(at_least(image, 128)), index):
            yield name, losses.psnr(self._one(networks, sample).clamp(0, 1), sample.clean)

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Damaged and restored in turn, of four images kept out: [batch, 3, height, width] in [0, 1]."""
        pictures = []
        for index, image in enumerate(self.validation.images[:4]):
            for _, sample in _examinations(to_patch(at_least(image, 128), 128), index):
                pictures += [sample.damaged * sample.known, self._one(networks, sample).clamp(0, 1)]
        return torch.stack(pictures)

    def _one(self, networks: Mapping[str, nn.Module], sample: Sample) -> Tensor:
        batch = Sample(*self.on_device(*(tensor[None] for tensor in sample)))
        return self._restore(networks["denoiser"], batch)[0].cpu()


def _examinations(clean: Tensor, index: int) -> Iterator[tuple[str, Sample]]:
    """The same holes at every validation: half and four fifths of the pixels, writing, a square."""
    generator = torch.Generator().manual_seed(index)
    height, width = clean.shape[-2:]
    draws = torch.rand(1, height, width, generator=generator)
    square = torch.ones(1, height, width)
    square[:, height // 2 - 32 : height // 2 + 32, width // 2 - 32 : width // 2 + 32] = 0
    writing = holes.writing(max(height, width), generator)[:, :height, :width]
    for name, known in {"50": draws >= 0.5, "80": draws >= 0.8, "writing": writing, "square": square}.items():
        yield name, Sample(clean, clean, known.float(), torch.zeros(1, 1, 1), torch.full((1, 1, 1), 2))
