"""Base of every training: networks, optimisers, one update, header, validation; photographs and classes."""

from __future__ import annotations

import math
import operator
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from functools import reduce
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_
from torch.optim import Optimizer

from genrestore.errors import GenrestoreError
from genrestore.models import NETWORKS
from genrestore.runtime import Runtime
from genrestore.train import distributed, optimisers
from genrestore.train.data.dataset import Epochs, ImageSet, Pixels, Reading, at_least
from genrestore.train.data.draws import sample_generator
from genrestore.train.kinds import losses
from genrestore.train.settings import LoopSettings
from genrestore.weights.header import Header, NetworkSpec
from genrestore.weights.load import Loaded

Chosen = TypeVar("Chosen", bound=Any)
Batch = TypeVar("Batch", bound=Any)

REAL_SIDE = 64
"""Side of the training patches that are shown, in pixels."""
AT_ONCE = 500
"""Images of one class that are validated at once."""


class Diverged(GenrestoreError):
    """A loss that is not finite, or a collapse."""


class Training(ABC, Generic[Chosen, Batch]):
    """One kind of training: its networks, its batches and one step.

    A subclass says which networks there are (`specs`), what a batch is, and the parts of its loss.

    Args:
        settings: Its own settings.
        loop: Batch size, optimiser and seed.
        images: Images to train on.
        validation: Images kept out.
        runtime: Device and precision.
        before: Weights of the training that it follows; networks that are not learned are taken from them.

    Attributes:
        networks: By name, kept in checkpoints. Those that the header names are averaged and go into the
            weights; one whose parameters are all frozen stays in evaluation mode.
        optimisers: By name; they start with their largest learning rates, the loop follows the schedule.
        factors: Weights of the parts of the loss that do not count once.
    """

    PRIOR: ClassVar[str]
    """Kind of the weights file."""
    COMMAND: ClassVar[str]
    """Command of `genrestore train` that runs it."""
    LEARNING: ClassVar[Mapping[str, tuple[str, ...]] | None] = None
    """Optimiser → networks that it trains; None: "all" trains all."""
    LIMIT: ClassVar[float] = math.inf
    """Largest norm of a network's gradient."""

    def __init__(
        self,
        settings: Chosen,
        loop: LoopSettings,
        images: ImageSet,
        validation: ImageSet,
        runtime: Runtime,
        before: Loaded | None = None,
    ) -> None:
        self.settings, self.loop, self.runtime, self.before = settings, loop, runtime, before
        self.prepare(images, validation)
        torch.manual_seed(loop.seed)
        self.factors: dict[str, float] = {}
        self.networks: dict[str, nn.Module] = {
            name: network.to(device=runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            for name, network in self.build().items()
        }
        self.optimisers: dict[str, Optimizer] = {
            name: self.optimiser(name, learning) for name, learning in self.learning.items()
        }

    @classmethod
    def reading(cls, settings: Chosen) -> Reading:  # noqa: ARG003
        """Channels and size of the images that are read."""
        return Reading()

    @abstractmethod
    def prepare(self, images: ImageSet, validation: ImageSet) -> None:
        """Keep the images, as batches are made of them."""

    @abstractmethod
    def example(self, generator: torch.Generator) -> Tensor:
        """One training image as it is drawn, [channel, height, width] in [0, 1]."""

    @abstractmethod
    def specs(self) -> dict[str, NetworkSpec]:
        """Networks of the weights file, by name."""

    def build(self) -> dict[str, nn.Module]:
        """Build the networks with first weights; those that are not learned are of the training before."""
        learned = (
            None if self.LEARNING is None else {one for every in self.LEARNING.values() for one in every}
        )
        networks = {}
        for name, spec in self.specs().items():
            if self.before is None or learned is None or name in learned:
                networks[name] = NETWORKS[spec.name](**spec.arguments)
            else:
                networks[name] = self.before.networks[name]
        return networks

    @property
    def learning(self) -> dict[str, dict[str, nn.Module]]:
        """Networks that each optimiser trains."""
        if self.LEARNING is None:
            return {"all": self.networks}
        return {name: {one: self.networks[one] for one in every} for name, every in self.LEARNING.items()}

    def optimiser(self, name: str, networks: Mapping[str, nn.Module]) -> Optimizer:  # noqa: ARG002
        """Optimiser of some networks, with the loop's learning rate."""
        return optimisers.make(networks, self.loop)

    def record(self) -> dict[str, Any]:
        """Record of the training in the weights file, as JSON values."""
        return asdict(self.settings)

    def header(self) -> Header:
        """Header of the weights file; the run adds its settings, step and score to `training`.

        Where a training follows another, origin and terms are those of the other, and "error_99" in
        `training` is of the last validation.
        """
        from genrestore import __version__

        found = Header(
            kind=self.PRIOR,
            networks=self.specs(),
            channels=getattr(self.settings, "channels", 3),
            size=getattr(self.settings, "size", None),
            training=self.record(),
            data="",
            licence="",
            source=f"genrestore train {self.COMMAND}",
            version=__version__,
        )
        if self.before is None:
            return found
        old = self.before.header
        same = {name: getattr(old, name) for name in ("channels", "size", "data", "licence", "source")}
        return replace(found, **same)

    @abstractmethod
    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """Samples of one step: a function of the seed, the step and each sample's index alone, on the CPU.

        It may be called in another process and ahead of time, and must touch neither networks nor GPU.

        Args:
            step: Steps done before this one.
            indices: Places of the samples in the whole batch.
        """

    @abstractmethod
    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the weights once; torch's global random state was seeded before.

        Returns:
            Numbers for the log, scalars; on a GPU they are read only when a row is written.

        Raises:
            Diverged: The training has collapsed.
        """

    def learn(self, parts: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Update along the gradient of the sum of a loss's parts, scalars, each times its factor.

        Returns:
            The parts, and where there are several their weighted sum, "loss".
        """
        terms = [self.factors.get(name, 1.0) * part for name, part in parts.items()]
        loss = reduce(operator.add, terms)
        self.descend(loss, *self.optimisers)
        whole = {"loss": loss.detach()} if len(parts) > 1 else {}
        return {**whole, **{name: part.detach() for name, part in parts.items()}}

    def descend(self, loss: Tensor, name: str) -> None:
        """Step of one optimiser along the gradient of a scalar, averaged over processes and clipped."""
        optimiser, networks = self.optimisers[name], self.learning[name]
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        distributed.average_gradients(one for network in networks.values() for one in network.parameters())
        if math.isfinite(self.LIMIT):
            for network in networks.values():
                clip_grad_norm_(network.parameters(), self.LIMIT)
        optimiser.step()

    def on_device(self, *tensors: Tensor) -> list[Tensor]:
        """Tensors of any shape on the runtime's device."""
        return [tensor.to(self.runtime.device) for tensor in tensors]

    @abstractmethod
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """Measure averaged networks on images kept out; "score" is better when higher."""

    @abstractmethod
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Pictures of the same inputs every time: [batch, channel, height, width] in [0, 1]."""


class PhotoTraining(Training[Chosen, Batch]):
    """Training on random patches of photographs of any size."""

    LIMIT = 0.1
    """About twice the usual norm. Without it a rare batch leads Muon astray for dozens of steps."""

    def prepare(self, images: ImageSet, validation: ImageSet) -> None:
        """Keep the photographs."""
        self.images, self.validation = images, validation

    def example(self, generator: torch.Generator) -> Tensor:
        """A random patch, [3, side, side] in [0, 1]."""
        return self.images.patch(generator, REAL_SIDE)

    @abstractmethod
    def sample(self, generator: torch.Generator) -> Batch:
        """One sample: the tensors of a batch without the batch's axis."""

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """Samples of one step; a function of the seed, the step and each sample's index alone."""
        return stack([self.sample(sample_generator(self.loop.seed, step, index)) for index in indices])

    @abstractmethod
    def examine(
        self, networks: Mapping[str, nn.Module], image: Pixels, index: int
    ) -> Iterator[tuple[str, float]]:
        """PSNR of one image kept out, in dB, by what was done to it."""

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """Mean PSNR in dB on the images kept out, by what was done to them, and the mean of all, "score"."""
        found: dict[str, list[float]] = {}
        for index, image in enumerate(self.validation.images):
            for name, value in self.examine(networks, image, index):
                found.setdefault(name, []).append(value)
        numbers = {name: sum(values) / len(values) for name, values in found.items()}
        return {**numbers, "score": sum(numbers.values()) / len(numbers)}


class ClassTraining(Training[Chosen, Batch]):
    """Training on images of one class and size, epoch after epoch.

    Raises:
        UsageError: Fewer images than a batch.
    """

    error_99: float | None = None

    @classmethod
    def reading(cls, settings: Chosen) -> Reading:
        """Channels and size of the images that are read."""
        return Reading(settings.channels, settings.size)

    def prepare(self, images: ImageSet, validation: ImageSet) -> None:
        """Keep the images to train on and those kept out, [image, channel, size, size], uint8."""
        self.whole, self.images = images, Epochs(images, self.loop.batch_size, self.loop.seed)
        self.validation = validation.stack()

    def example(self, generator: torch.Generator) -> Tensor:
        """A random image, [channel, size, size] in [0, 1]."""
        return self.whole.whole(generator)

    def take(self, step: int, indices: Iterable[int]) -> Tensor:
        """Images of a step, [index, channel, size, size] in [0, 1]: every epoch takes each image once."""
        return self.images.take(step * self.loop.batch_size + index for index in indices)

    def parts(self, images: Tensor) -> Iterator[Tensor]:
        """Images [image, channel, size, size], uint8, on the device and in [0, 1], some at once."""
        for part in images.split(AT_ONCE):
            yield (part.float() / 255).to(self.runtime.device)

    def figures(self, errors: Sequence[Tensor]) -> dict[str, float]:
        """Score of the mean squared errors [image] of parts of the images kept out: mean PSNR in dB.

        Keeps the 99th percentile of their roots as `error_99`: an image of the class stays below it.
        """
        every = torch.cat(list(errors))
        self.error_99 = losses.percentile_99(every)
        return {"score": losses.mean_psnr(every)}


def evenly(images: Tensor, most: int) -> Tensor:
    """At most so many images, [image, ...], of all parts alike: those of a class lie together."""
    return images[:: -(-len(images) // most)]


def stack(samples: Sequence[Batch]) -> Batch:
    """Batch of samples that are named tuples of tensors, each [...] to [sample, ...]."""
    batch: Batch = type(samples[0])(*(torch.stack(parts) for parts in zip(*samples, strict=True)))
    return batch


def to_patch(image: Pixels, side: int = 256) -> Tensor:
    """Middle of an image: uint8 [height, width, 3] to [3, ≤ side, ≤ side] in [0, 1].

    Sides are multiples of 16; an image below 16 pixels is continued by reflection.
    """
    image = at_least(image, 16)
    height, width = (min(side, length) // 16 * 16 for length in image.shape[:2])
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    crop = image[top : top + height, left : left + width].transpose(2, 0, 1)
    return torch.from_numpy(crop.copy()).float() / 255
