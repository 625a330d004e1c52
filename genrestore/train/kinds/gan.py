"""Training of a generator against a discriminator, with differentiable augmentation and a collapse alarm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import get_total_norm
from torch.optim import Optimizer

from genrestore.models.dcgan import Discriminator
from genrestore.train import distributed, optimisers
from genrestore.train.data.dataset import ImageSet
from genrestore.train.data.draws import mix
from genrestore.train.kinds import GanSettings, losses
from genrestore.train.kinds.base import ClassTraining, Diverged, evenly
from genrestore.weights.header import NetworkSpec

LAZY = 16
"""The gradient penalty is computed at every so many steps and counts so many times
(Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, section 3.1)."""
COMPARED = 2048
"""At most so many images kept out are compared with as many samples."""
SHOWN = 64
"""Samples of fixed latents in a picture."""
SHIFT = 1 / 8
"""Of the side: the farthest that augmentation moves an image."""
HOLE = 1 / 2
"""Of the side: the square that augmentation cuts out."""
CERTAIN = 0.01
"""A discriminator whose loss is below is right and sure of it: all of `losses.ADVERSARIAL` are 0 there."""
PATIENCE = 300
"""Steps in a row; a healthy training may be like that for a hundred, and come back."""
EVERY = 50
"""Steps between looks, since a look waits for the GPU."""


class Batch(NamedTuple):
    """Samples of one step.

    Attributes:
        images: For each update of the discriminator, [updates, batch, channel, size, size] in [0, 1].
        latents: For each of them, the last for the generator's update too, [updates, batch, latent], N(0, I).
        penalised: Whether the gradient penalty is due, a scalar.
    """

    images: Tensor
    latents: Tensor
    penalised: Tensor


class GanTraining(ClassTraining[GanSettings, Batch]):
    """Training of a generator G and a discriminator D in turn.

    With a weight w of reconstruction, the generator's loss has besides

        w E ‖G(√d E(x) / ‖E(x)‖) − x‖² / pixels

    of real images x and an encoder E that learns with it: G then reaches what the data hold, and not only
    what deceives D. The latent is of the length that N(0, I) in d dimensions has. Source: Larsen et al.,
    "Autoencoding beyond pixels using a learned similarity metric", 2016; pixels in place of the
    discriminator's features, and the sphere (Bojanowski et al., "Optimizing the Latent Space of Generative
    Networks", 2018) in place of a divergence.
    """

    PRIOR, COMMAND = "generator", "gan"
    LEARNING: ClassVar = {"generator": ("generator",), "discriminator": ("discriminator",)}

    def prepare(self, images: ImageSet, validation: ImageSet) -> None:
        """Keep the images, and some of those kept out."""
        super().prepare(images, validation)
        self.validation = evenly(self.validation, COMPARED)
        self.alarm = Alarm()

    def specs(self) -> dict[str, NetworkSpec]:
        """The generator, and the encoder that learns beside it; the discriminator stays in the checkpoint."""
        chosen = self.settings
        shape = {"latent": chosen.latent_dim, "channels": chosen.channels, "size": chosen.size}
        specs = {"generator": NetworkSpec("dcgan-generator", {**shape, "width": chosen.width})}
        if chosen.reconstruction:
            specs["encoder"] = NetworkSpec("latent-encoder", {**shape, "width": chosen.encoder_width})
        return specs

    @property
    def learning(self) -> dict[str, dict[str, nn.Module]]:
        """The two players; the encoder learns with the generator."""
        players = super().learning
        if self.settings.reconstruction:
            players["generator"]["encoder"] = self.networks["encoder"]
        return players

    def build(self) -> dict[str, nn.Module]:
        """Both networks."""
        chosen, networks = self.settings, super().build()
        shape = (chosen.channels, chosen.size, chosen.width)
        networks["discriminator"] = Discriminator(*shape, chosen.d_norm == "spectral", chosen.d_deeper)
        return networks

    def optimiser(self, name: str, networks: Mapping[str, nn.Module]) -> Optimizer:
        """Optimiser of one network; the discriminator has a rate of its own."""
        rate = self.loop.learning_rate * (self.settings.d_rate if name == "discriminator" else 1)
        loop = replace(self.loop, learning_rate=rate)
        return optimisers.make(networks, loop, (self.settings.momentum, 0.999))

    def batch(self, step: int, indices: Sequence[int]) -> Batch:
        """Images and latents of one step, for every update of the discriminator."""
        updates, size, seed = self.settings.d_steps, self.loop.batch_size, self.loop.seed
        first = step * updates * size
        places = [first + update * size + index for update in range(updates) for index in indices]
        images = self.images.take(places).unflatten(0, (updates, -1))
        draws = torch.Generator().manual_seed(mix(seed, step, -1))
        latents = torch.randn(updates, size, self.settings.latent_dim, generator=draws)
        if self.settings.mirror:
            mirrored = torch.rand(updates, size, generator=draws)[:, list(indices)] < 0.5
            images = torch.where(mirrored[..., None, None, None], images.flip(-1), images)
        penalised = torch.tensor(self.settings.r1 > 0 and step % LAZY == 0)
        return Batch(images, latents[:, list(indices)], penalised)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Update the discriminator, as often as asked for, and then the generator once.

        Returns:
            "discriminator" and "generator", their losses, the first as a mean over its updates and without
            penalty, the second without reconstruction; the norm of the generator's gradient; and
            "reconstruction", the mean squared error, where it counts.

        Raises:
            Diverged: The discriminator is certain, and has been for long.
        """
        images, latents = self.on_device(batch.images, batch.latents)
        last, parts = len(images) - 1, []
        for update, (real, latent) in enumerate(zip(images, latents, strict=True)):
            with self.runtime.autocast(), torch.set_grad_enabled(update == last):
                fake, again = self._made(latent, real if update == last else None)
            parts.append(self._discriminate(real, fake.detach(), bool(batch.penalised)))
        error = None if again is None else losses.mean_square(again, real)
        found = {"discriminator": torch.stack(parts).mean(), **self._generate(fake, error)}
        self.alarm.watch(found["discriminator"], found["generator_gradient"])
        return found

    def _made(self, latent: Tensor, real: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """G(z), and what becomes of real images where that counts, in one batch: their statistics are one."""
        generator = self.networks["generator"]
        if real is None or not self.settings.reconstruction:
            return generator(latent), None
        code = self.networks["encoder"](real.contiguous(memory_format=torch.channels_last))
        code = code * (code.shape[1] ** 0.5 / code.norm(dim=1, keepdim=True).clamp_min(1e-6))
        fake, again = generator(torch.cat([latent, code])).split([len(latent), len(real)])
        return fake, again

    def _discriminate(self, images: Tensor, fake: Tensor, penalised: bool) -> Tensor:
        """One update of the discriminator; its loss, a scalar, without penalty."""
        discriminator = self.networks["discriminator"]
        with self.runtime.autocast():
            logits = [discriminator(self._augment(some)) for some in (images, fake)]
        loss = losses.ADVERSARIAL[self.settings.loss].discriminator(*logits)
        total = loss
        if penalised:
            inputs = self._augment(images).requires_grad_()
            penalty = losses.gradient_penalty(discriminator(inputs), inputs)
            total = loss + LAZY * self.settings.r1 / 2 * penalty
        self.descend(total, "discriminator")
        return loss.detach()

    def _generate(self, fake: Tensor, error: Tensor | None = None) -> dict[str, Tensor]:
        """One update of the generator, which drew these images as it is now, by them and an error."""
        generator, discriminator = self.networks["generator"], self.networks["discriminator"]
        discriminator.requires_grad_(False)
        with self.runtime.autocast():
            logits = discriminator(self._augment(fake))
        loss = losses.ADVERSARIAL[self.settings.loss].generator(logits)
        self.descend(loss if error is None else loss + self.settings.reconstruction * error, "generator")
        discriminator.requires_grad_(True)
        gradients = [parameter.grad for parameter in generator.parameters() if parameter.grad is not None]
        also = {} if error is None else {"reconstruction": error.detach()}
        return {"generator": loss.detach(), "generator_gradient": get_total_norm(gradients), **also}

    def _augment(self, images: Tensor) -> Tensor:
        for name in self.settings.augment:
            images = AUGMENTATIONS[name](images)
        return images.contiguous(memory_format=torch.channels_last)

    @torch.no_grad()
    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        """Distance of samples from images kept out.

        Returns:
            "score", minus `losses.multi_scale_wasserstein`; and "diversity", the standard deviation of a
            pixel over the samples, relative to that over the images.
        """
        real = self.validation.float() / 255
        fake = torch.cat([part.cpu() for part in self._sample(networks["generator"], len(real))])
        score = -float(losses.multi_scale_wasserstein(fake, real, torch.Generator().manual_seed(0)))
        spread = [float(images.std(0).mean()) for images in (fake, real)] if len(real) > 1 else [1.0, 1.0]
        return {"diversity": spread[0] / max(spread[1], 1e-9), "score": score}

    @torch.no_grad()
    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        """Images of the same latents every time: [batch, channel, size, size] in [0, 1]."""
        return torch.cat(self._sample(networks["generator"], SHOWN)).cpu()

    def _sample(self, generator: nn.Module, count: int) -> list[Tensor]:
        draws = torch.Generator().manual_seed(mix(self.loop.seed, -3))
        latents = torch.randn(count, self.settings.latent_dim, generator=draws)
        return [generator(part.to(self.runtime.device)) for part in latents.split(256)]


class Alarm:
    """Alarm for a generator that has nothing left to learn from.

    It rings when the discriminator has been certain for `PATIENCE` steps in a row. The count is of this
    process and starts anew with it.
    """

    def __init__(self) -> None:
        self._steps = 0
        self._certain = torch.zeros(())

    def watch(self, loss: Tensor, gradient: Tensor) -> None:
        """Take in one step.

        Args:
            loss: The discriminator's, a scalar.
            gradient: Norm of the generator's gradient, a scalar.

        Raises:
            Diverged: It is time to stop, in every process.
        """
        self._steps += 1
        certain = self._certain.to(loss.device)
        self._certain = torch.where(loss < CERTAIN, certain + 1, torch.zeros_like(certain))
        if self._steps % EVERY:
            return
        count = int(self._certain)
        (stop,) = distributed.any_rank(count >= PATIENCE)
        if stop:
            raise Diverged(
                f"the training has collapsed: for {count} steps the discriminator has recognised every image "
                f"(its loss is {float(loss):.2g}), and the generator's gradient is {float(gradient):.2g}"
            )


def translate(image: Tensor) -> Tensor:
    """Move each image [batch, channel, size, size] by up to `SHIFT` of its side; what comes in is black."""
    size, farthest = image.shape[-1], round(image.shape[-1] * SHIFT)
    padded = functional.pad(image, (farthest,) * 4)
    starts = torch.randint(0, 2 * farthest + 1, (2, len(image), 1))
    rows, columns = (start + torch.arange(size) for start in starts.to(image.device))
    each = torch.arange(len(image), device=image.device)[:, None, None]
    return padded.permute(0, 2, 3, 1)[each, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def cut_out(image: Tensor) -> Tensor:
    """Grey a square of `HOLE` of the side in each image [batch, channel, size, size], partly outside too."""
    size = image.shape[-1]
    half = size * HOLE / 2
    centre = torch.rand(2, len(image), 1).to(image.device) * size
    position = torch.arange(size, device=image.device) + 0.5
    rows, columns = ((position - one).abs() < half for one in centre)
    hole = (rows[:, None, :, None] & columns[:, None, None, :]).to(image)
    return image + hole * (0.5 - image)


def recolour(image: Tensor) -> Tensor:
    """Change brightness by up to ½, contrast by ½ to 1½ and saturation by 0 to 2 times.

    Args:
        image: [batch, channel, size, size] in [0, 1].

    Returns:
        The same shape; leaves [0, 1].
    """
    brightness, contrast, saturation = torch.rand(3, len(image), 1, 1, 1).to(image.device)
    image = image + (brightness - 0.5)
    if image.shape[1] > 1:
        grey = image.mean(1, keepdim=True)
        image = grey + 2 * saturation * (image - grey)
    mean = image.mean((1, 2, 3), keepdim=True)
    return mean + (contrast + 0.5) * (image - mean)


AUGMENTATIONS = {"translate": translate, "cut-out": cut_out, "recolour": recolour}
"""Differentiable augmentations of real and made images, so that few images cannot be learned by heart.

Each draws from torch's global generator, which the loop seeds every step. Source: Zhao et al.,
"Differentiable Augmentation for Data-Efficient GAN Training", 2020.
"""
