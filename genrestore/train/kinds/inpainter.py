"""The training of the prior for holes: a denoiser that is shown missing pixels as noise without bound."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from genrestore.models.denoiser import ResidualUNet
from genrestore.models.missing import shown
from genrestore.runtime import Runtime
from genrestore.train.data import holes
from genrestore.train.data.dataset import ImageSet, at_least, sample_generator
from genrestore.train.data.degradation import luminance
from genrestore.train.data.draws import uniform
from genrestore.train.kinds import losses
from genrestore.train.kinds.denoiser import GRADIENT_LIMIT, check_network, to_patch
from genrestore.train.loop import distributed, optimisers
from genrestore.train.loop.session import Kind
from genrestore.train.loop.settings import LoopSettings, one_of, require
from genrestore.weights.header import Header, NetworkSpec

LARGEST_NOISE = 50 / 255
"""Upper end of σ of known pixels, on the [0, 1] scale."""


@dataclass(frozen=True)
class InpainterSettings:
    """What makes one inpainter differ from another.

    Attributes:
        patch_size: Side of a training patch in pixels.
        widths: Feature maps of the U-Net at each scale, finest first.
        blocks: Residual blocks at each scale.
        loss: What a filled picture is judged by, a key of `losses.RECONSTRUCTION`.
        scattered: Share of the samples that miss single pixels; the others miss writing, scratches or blocks.
        noisy: Share of the samples whose known pixels are noisy.
        grey: Share of the samples turned to grey, replicated to three channels.
        again: Share of the samples that the network sees with an estimate of its own in the holes.
    """

    patch_size: int = 128
    widths: tuple[int, ...] = (64, 96, 160, 256)
    blocks: tuple[int, ...] = (4, 2, 1, 2)
    loss: str = "root-mean-square"
    scattered: float = holes.SCATTERED
    noisy: float = 0.15
    grey: float = 0.3
    again: float = 0.6

    def __post_init__(self) -> None:
        check_network(self.patch_size, self.widths, self.blocks)
        one_of("loss", self.loss, tuple(losses.RECONSTRUCTION))
        for name in ("scattered", "noisy", "grey", "again"):
            require(name, getattr(self, name), 0, 1)


class Sample(NamedTuple):
    """A picture with holes, or a batch of them.

    Attributes:
        damaged: [..., 3, height, width], about [0, 1]; in the holes it is the clean picture, which nobody
            may look at.
        clean: [..., 3, height, width] in [0, 1].
        known: 1 where a pixel is known and 0 where it is missing, [..., 1, height, width].
        level: σ of the known pixels on the [0, 1] scale, [..., 1, 1, 1].
        guesses: How many estimates of the network's own came before, [..., 1, 1, 1].
    """

    damaged: Tensor
    clean: Tensor
    known: Tensor
    level: Tensor
    guesses: Tensor


class InpainterTraining:
    """One training of the inpainter, for `genrestore.train.loop.loop`.

    Args:
        settings: The network and the holes.
        loop: Batch size, optimiser and seed.
        images: Clean photographs to train on.
        validation: Clean photographs kept out.
        runtime: Device and precision.
    """

    def __init__(
        self,
        settings: InpainterSettings,
        loop: LoopSettings,
        images: ImageSet,
        validation: ImageSet,
        runtime: Runtime,
    ) -> None:
        torch.manual_seed(loop.seed)
        self.settings, self.loop, self.runtime = settings, loop, runtime
        self.images, self.validation = images, validation
        network = ResidualUNet(3, settings.widths, settings.blocks)
        network.to(device=runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.networks: dict[str, nn.Module] = {"denoiser": network}
        self.optimisers: dict[str, Optimizer] = {"all": optimisers.make(self.networks, loop)}

    def header(self) -> Header:
        """What the weights file says of itself."""
        from genrestore import __version__

        shape = {"channels": 3, "widths": list(self.settings.widths), "blocks": list(self.settings.blocks)}
        return Header(
            kind="inpainter",
            networks={"denoiser": NetworkSpec("residual-unet", shape)},
            channels=3,
            size=None,
            training=asdict(self.settings),
            data="",
            licence="",
            source="genrestore train inpainter",
            version=__version__,
        )

    def batch(self, step: int, indices: Sequence[int]) -> Sample:
        """The samples of one step; a function of the seed, the step and each sample's index alone.

        Args:
            step: Steps done before this one.
            indices: Places of the samples in the whole batch.
        """
        samples = [self._sample(sample_generator(self.loop.seed, step, index)) for index in indices]
        return Sample(*(torch.stack(tensors) for tensors in zip(*samples, strict=True)))

    def _sample(self, generator: torch.Generator) -> Sample:
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
        """One update.

        Returns:
            The loss: "inpainter".
        """
        batch = Sample(*(tensor.to(self.runtime.device) for tensor in batch))
        restored = self._restore(self.networks["denoiser"], batch)
        loss = losses.RECONSTRUCTION[self.settings.loss](restored, batch.clean)
        optimiser = self.optimisers["all"]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        parameters = list(self.networks["denoiser"].parameters())
        distributed.average_gradients(parameters)
        nn.utils.clip_grad_norm_(parameters, GRADIENT_LIMIT)
        optimiser.step()
        return {"inpainter": loss.detach()}

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
        """The network's estimate, float32 [batch, 3, height, width]."""
        with self.runtime.autocast():
            estimate: Tensor = network(image.contiguous(memory_format=torch.channels_last), level)
        return estimate.float()

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """PSNR in dB on the images kept out, one number a kind of holes, and their mean "score".

        Args:
            networks: "denoiser", averaged weights.
        """
        sums: dict[str, list[float]] = {}
        for index, image in enumerate(self.validation.images):
            for name, sample in _examinations(to_patch(at_least(image, 128)), index):
                restored = self._one(networks, sample).clamp(0, 1)
                error = (restored - sample.clean).square().mean()
                sums.setdefault(name, []).append(-10 * math.log10(max(float(error), 1e-10)))
        numbers = {name: sum(values) / len(values) for name, values in sums.items()}
        return {**numbers, "score": sum(numbers.values()) / len(numbers)}

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Damaged and restored in turn, of up to four images kept out.

        Returns:
            [batch, 3, height, width] in [0, 1].
        """
        pictures = []
        for index, image in enumerate(self.validation.images[:4]):
            for _, sample in _examinations(to_patch(at_least(image, 128), 128), index):
                pictures += [sample.damaged * sample.known, self._one(networks, sample).clamp(0, 1)]
        return torch.stack(pictures)

    def _one(self, networks: Mapping[str, nn.Module], sample: Sample) -> Tensor:
        batch = Sample(*(tensor[None].to(self.runtime.device) for tensor in sample))
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


KIND = Kind("inpainter", InpainterSettings(), InpainterTraining)
"""What `session.run` trains."""
