"""Training of a restorer for an autoencoder that stays as it is: from damaged images to clean ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from genrestore.models.autoencoder import Autoencoder
from genrestore.models.restorer import STRONGEST, Restorer
from genrestore.train.data import holes
from genrestore.train.data.draws import mix, sample_generator, uniform
from genrestore.train.kinds import RestorerSettings, losses
from genrestore.train.kinds.base import AT_ONCE, ClassTraining, stack
from genrestore.weights.header import NetworkSpec

WITH_HOLES = 1 / 3
"""Share of the images that have missing pixels."""
CLEAN = 0.7
"""Share of those whose known pixels have no noise."""
LEVELS = {"strong": 63.75 / 255, "weak": 12.75 / 255}
"""σ of the noise that validation has."""
MISSING = 0.5
"""Share of the pixels that validation takes away."""
SHOWN = 8


class Batch(NamedTuple):
    """A damaged image, or a batch of them.

    Attributes:
        clean: [..., channel, size, size] in [0, 1].
        damaged: The same with noise as an 8-bit file has it, the same shape and range.
        known: 1 where a pixel is known, 0 where it is missing, [..., 1, size, size].
        level: σ on the [0, 1] scale, [...].
    """

    clean: Tensor
    damaged: Tensor
    known: Tensor
    level: Tensor


class RestorerTraining(ClassTraining[RestorerSettings, Batch]):
    """Training of a restorer (R, C) for an autoencoder's decoder G.

        E √ mean (x̂ − x)²  +  E √ mean (G(a) − x)²,     a, f = R(y, M, σ),  x̂ = C(f, G(a))

    y is x with noise of σ up to `STRONGEST`, clipped and rounded to 8 bits, or with missing pixels, or with
    both.
    """

    PRIOR, COMMAND = "autoencoder", "ae"
    LEARNING: ClassVar = {"restorer": ("restorer",)}

    def specs(self) -> dict[str, NetworkSpec]:
        """The autoencoder that it follows, and the restorer."""
        assert self.before is not None
        autoencoder = self.before.header.networks["autoencoder"]
        same = {name: autoencoder.arguments[name] for name in ("size", "channels", "latent")}
        return {
            "autoencoder": autoencoder,
            "restorer": NetworkSpec("restorer", {**same, "width": self.settings.width}),
        }

    def record(self) -> dict[str, Any]:
        """The settings, and the record of the autoencoder, as "autoencoder"."""
        assert self.before is not None
        before = self.before.header.training
        return {**super().record(), "autoencoder": before, "error_99": before.get("error_99")}

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """Images of one step, each damaged."""
        draws = [sample_generator(self.loop.seed, step, index) for index in indices]
        clean = self.take(step, indices)
        return stack([damage(image, generator) for image, generator in zip(clean, draws, strict=True)])

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Update by "restored" and "made" (by the decoder alone)."""
        clean, *seen = self.on_device(*batch)
        with self.runtime.autocast():
            decoded, restored = _restored(self.networks, *seen)
        restored, decoded = (losses.root_mean_square(one.float(), clean) for one in (restored, decoded))
        return self.learn({"restored": restored, "made": decoded})

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """PSNR of images kept out that were damaged, always by the same draws.

        Returns:
            "strong" and "weak" (noise of `LEVELS`), "missing" (half of the pixels; known ones put back), in
            dB, and their mean "score".
        """
        clean = self.validation.float() / 255
        generator = torch.Generator().manual_seed(mix(self.loop.seed, -3))
        whole = torch.ones_like(clean[:, :1])
        scores = {}
        for name, sigma in LEVELS.items():
            level = torch.full((len(clean),), sigma)
            scores[name] = self._score(networks, Batch(clean, noisy(clean, level, generator), whole, level))
        known = (torch.rand(whole.shape, generator=generator) >= MISSING).float()
        scores["missing"] = self._score(networks, Batch(clean, clean, known, torch.zeros(len(clean))))
        return {**scores, "score": sum(scores.values()) / len(scores)}

    def _score(self, networks: Mapping[str, nn.Module], batch: Batch) -> float:
        errors = []
        for parts in zip(*(value.split(AT_ONCE) for value in batch), strict=True):
            clean, damaged, known, level = self.on_device(*parts)
            _, restored = _restored(networks, damaged, known, level)
            if not bool(level.any()):
                restored = torch.where(known > 0, damaged, restored)
            errors.append(losses.errors(restored.clamp(0, 1), clean))
        return losses.mean_psnr(torch.cat(errors))

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Up to 8 images kept out, each damaged, as the decoder alone makes it, restored, and clean.

        Returns:
            [batch, channel, size, size] in [0, 1].
        """
        images = self.validation[:SHOWN].float() / 255
        draws = [sample_generator(self.loop.seed, -3, index) for index in range(len(images))]
        batch = stack([damage(image, draw) for image, draw in zip(images, draws, strict=True)])
        clean, damaged, known, level = self.on_device(*batch)
        decoded, restored = _restored(networks, damaged, known, level)
        return torch.stack([damaged * known, decoded, restored.clamp(0, 1), clean], 1).flatten(0, 1).cpu()


def damage(clean: Tensor, generator: torch.Generator) -> Batch:
    """Damage an image [channel, size, size] in [0, 1] at random; every draw is the generator's."""
    size, level = clean.shape[-1], STRONGEST * torch.rand((), generator=generator)
    known = torch.ones(1, size, size)
    if uniform(generator) < WITH_HOLES:
        known = holes.draw(size, generator)
        level = level * (uniform(generator) >= CLEAN)
    return Batch(clean, noisy(clean[None], level[None], generator)[0], known, level)


def noisy(clean: Tensor, level: Tensor, generator: torch.Generator) -> Tensor:
    """Images [batch, channel, size, size] in [0, 1] with noise of σ [batch], as 8-bit files hold them."""
    noise = level[:, None, None, None] * torch.randn(clean.shape, generator=generator)
    return (255 * (clean + noise)).round().clamp(0, 255) / 255


def _restored(
    networks: Mapping[str, nn.Module], damaged: Tensor, known: Tensor, level: Tensor
) -> tuple[Tensor, Tensor]:
    """G(a) and x̂ of damaged images [batch, channel, size, size]."""
    autoencoder, restorer = networks["autoencoder"], networks["restorer"]
    assert isinstance(autoencoder, Autoencoder)
    assert isinstance(restorer, Restorer)
    coordinates, features = restorer.look(damaged, known, level)
    decoded = autoencoder.decode(autoencoder.from_standard(coordinates))
    return decoded, restorer.correct(features, decoded)
