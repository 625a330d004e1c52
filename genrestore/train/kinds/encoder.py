"""Training of an encoder for a generator that stays as it is: the latent that an inversion starts from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn

from genrestore.train.data.draws import mix
from genrestore.train.kinds import EncoderSettings, losses
from genrestore.train.kinds.base import ClassTraining
from genrestore.weights.header import NetworkSpec

IMAGE_WEIGHT = 10.0
"""Loss = latents + `IMAGE_WEIGHT` · images: squares of latents are near 1, of pixels near a tenth."""
SHOWN = 16


class Batch(NamedTuple):
    """Samples of one step.

    Attributes:
        images: Real ones, [batch, channel, size, size] in [0, 1].
        latent: Of as many images that the generator makes, [batch, latent], N(0, I).
    """

    images: Tensor
    latent: Tensor


class EncoderTraining(ClassTraining[EncoderSettings, Batch]):
    """Training of an encoder E for a generator G.

        E ‖E(G(z)) − z‖² / d  +  w ( E ‖G(E(x)) − x‖² + E ‖G(E(G(z))) − G(z)‖² ) / pixels,     z ~ N(0, I)

    The generator's own images tell the latent, and there are as many as one likes; real ones x, which no
    latent gives exactly, are learned from by what becomes of them.
    """

    PRIOR, COMMAND = "generator", "gan"
    LEARNING: ClassVar = {"encoder": ("encoder",)}

    def specs(self) -> dict[str, NetworkSpec]:
        """The generator that it follows, and the encoder, of the same arguments but for the width."""
        assert self.before is not None
        generator = self.before.header.networks["generator"]
        arguments = {**generator.arguments, "width": self.settings.width}
        return {"generator": generator, "encoder": NetworkSpec("latent-encoder", arguments)}

    def build(self) -> dict[str, nn.Module]:
        """Both networks; the encoder goes on from one that learned beside the generator."""
        self.factors |= {"own": IMAGE_WEIGHT, "real": IMAGE_WEIGHT}
        networks = super().build()
        assert self.before is not None
        if first := self.before.networks.get("encoder"):
            networks["encoder"].load_state_dict(first.state_dict())
        return networks

    @property
    def latent(self) -> int:
        """Numbers in a latent."""
        return int(self.specs()["generator"].arguments["latent"])

    def record(self) -> dict[str, Any]:
        """The settings, the record of the generator, and the error of G(E(x)) as "error_99"."""
        assert self.before is not None
        return {
            **super().record(),
            "generator": self.before.header.training,
            "error_99": self.error_99,
        }

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """Images and latents of one step."""
        draws = torch.Generator().manual_seed(mix(self.loop.seed, step, -1))
        latent = torch.randn(self.loop.batch_size, self.latent, generator=draws)
        return Batch(self.take(step, indices), latent[list(indices)])

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Update by "latent", "own" (the generator's images) and "real", squares."""
        generator, encoder = self.networks["generator"], self.networks["encoder"]
        real, latent = self.on_device(*batch)
        with self.runtime.autocast():
            with torch.no_grad():
                fake = generator(latent)
            found = encoder(torch.cat([fake, real]).contiguous(memory_format=torch.channels_last))
            again = generator(found)
        count = len(fake)
        parts = {
            "latent": (found[:count], latent),
            "own": (again[:count], fake),
            "real": (again[count:], real),
        }
        return self.learn({name: losses.mean_square(*pair) for name, pair in parts.items()})

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """Mean PSNR of G(E(x)) of images kept out, in dB, as "score"."""
        clean = self.parts(self.validation)
        return self.figures([losses.errors(_reconstructed(networks, part), part) for part in clean])

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Up to 16 images kept out, each with what becomes of it, and as many of the generator's own.

        Returns:
            [batch, channel, size, size] in [0, 1].
        """
        real = self.validation[:SHOWN].float() / 255
        draws = torch.Generator().manual_seed(mix(self.loop.seed, -3))
        real, latent = self.on_device(real, torch.randn(len(real), self.latent, generator=draws))
        clean = torch.cat([real, networks["generator"](latent)])
        return torch.stack([clean, _reconstructed(networks, clean)], 1).flatten(0, 1).cpu()


def _reconstructed(networks: Mapping[str, nn.Module], images: Tensor) -> Tensor:
    """G(E(x)) of images [batch, channel, size, size] in [0, 1]."""
    result: Tensor = networks["generator"](networks["encoder"](images))
    return result
