"""U-Net priors: the base of all for photographs, which calls the network in the runtime's precision."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock
from typing import ClassVar

import torch
from torch import Tensor

from genrestore.models.blocks import as_noise_map, pad_to_multiple
from genrestore.models.denoiser import ResidualUNet
from genrestore.restore.noise import NoiseProfile
from genrestore.restore.problem import Prior, Problem, Settings
from genrestore.restore.settings import COUNTS
from genrestore.runtime import Runtime
from genrestore.weights.load import Loaded

SMALL = 1 << 20
"""A picture is turned in as many ways as together have no more pixels than this: what one megapixel takes is
hardly waited for. Two ways gain 0.1 dB, four 0.15 dB and all eight 0.17 dB in white noise; half of it in a
camera's."""


class UNetPrior(Prior[Settings]):
    """The network "denoiser", with what goes for all of its uses.

    Several threads may call it at once.

    Args:
        loaded: Network "denoiser", and what `ROLES` names besides.
        runtime: Device and precision.

    Raises:
        ValueError: Networks that are missing, of another class, or not for RGB.

    """

    ROLES: ClassVar[dict[str, type[torch.nn.Module]]] = {"denoiser": ResidualUNet}
    """The roles that the weights file must fill, and by what."""

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        self._check(loaded)
        self.runtime, self.workers = runtime, runtime.workers
        self._counting = Lock()
        self.channels = loaded.header.channels
        self._networks = {role: self._laid(loaded.networks[role]) for role in self.ROLES}
        self.network = self._networks["denoiser"]
        self._multiple = int(self.network.multiple)  # type: ignore[arg-type]
        self.levels = int(self.network.levels)  # type: ignore[arg-type]

    def level_of(self, problem: Problem) -> Tensor:
        """The noise level of a problem as `denoise` takes it, a scalar or [1, 2, height, width]."""
        level = problem.noise_level
        if isinstance(level, NoiseProfile):
            return level.level(problem.damaged.expand(-1, 3, -1, -1))
        return torch.tensor(level)

    def denoise(self, image: Tensor, noise_level: float | Tensor) -> Tensor:
        """Remove noise of a known level: D(y, σ).

        Gradients flow back to an image or a noise level that asks for them (`requires_grad`).

        Args:
            image: [batch, 1 or 3, height, width], about [0, 1].
            noise_level: σ on the [0, 1] scale: a number, [batch], or a map [batch, 1 or 2, height, width], of
                all or of luma and chroma. A network that knows one level is told the root mean square.

        Returns:
            The estimate, of the shape, type and device of `image`; about [0, 1], not clipped.

        Raises:
            UsageError: An image of another shape or of integers, or a number that is no noise level.
        """
        self.check_image(image, noise_level)
        level = self._as_known(torch.as_tensor(noise_level))
        colour = self._colours(image.float())
        return as_given(self._run(self.network, colour, level), image).to(image.dtype)

    def turnable(self, image: Tensor, noise_level: Tensor) -> tuple[Tensor, Tensor]:
        """An image and its noise level that can be turned together.

        The image is made as large as the network does it before it is turned, so that in all ways the same
        pixels are halved together, in a tile as in the whole.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.
            noise_level: σ on the [0, 1] scale: a scalar, or a map [batch, 1 or 2, height, width].

        Returns:
            The image and a map of its noise level, with rows and columns added at the end.
        """
        level = as_noise_map(self._as_known(noise_level), image, self.levels)
        return pad_to_multiple(image, self._multiple), pad_to_multiple(level, self._multiple)

    def _laid(self, network: torch.nn.Module) -> torch.nn.Module:
        return network.to(memory_format=torch.channels_last)

    def _colours(self, image: Tensor) -> Tensor:
        """An image [batch, 1 or 3, height, width] as the network takes it: RGB."""
        return image.expand(-1, 3, -1, -1)

    def _as_known(self, noise_level: Tensor) -> Tensor:
        """A noise level in as many planes as the network knows, or in one."""
        two = noise_level.ndim == 4 and noise_level.shape[1] > self.levels
        return root_mean_square(noise_level) if two else noise_level

    def _run(self, network: Callable[..., Tensor], *inputs: Tensor) -> Tensor:
        device = inputs[0].device
        with torch.set_grad_enabled(torch.is_grad_enabled() and any(one.requires_grad for one in inputs)):
            moved = [tensor.to(self.runtime.device) for tensor in inputs]
            moved[0] = moved[0].contiguous(memory_format=torch.channels_last)
            with self.runtime.autocast():
                output: Tensor = network(*moved)
            if self.runtime.precision != "fp32" and not bool(output.isfinite().all()):
                with self._counting:
                    self.overflows += 1
                output = network(*moved)
            return output.float().to(device)

    def _check(self, loaded: Loaded) -> None:
        """Refuse networks that are not those that are called here, on RGB."""
        for role, network in self.ROLES.items():
            if not isinstance(loaded.networks.get(role), network):
                raise ValueError(f"no network '{role}' of the class {network.__name__}")
            if loaded.header.networks[role].arguments.get("channels", 3) != 3:
                raise ValueError(f"its network '{role}' is not for 3 channels")


def usual_turns(pixels: int) -> int:
    """The usual number of turns of a picture of so many pixels, height times width: 1, 2, 4 or 8."""
    return max(count for count in COUNTS if count == 1 or count * pixels <= SMALL)


def root_mean_square(level: Tensor) -> Tensor:
    """One noise level of R, G and B for those of luma and chroma: √((σ_L² + 2 σ_C²) / 3).

    Args:
        level: [batch, 2, height, width], any scale.

    Returns:
        [batch, 1, height, width], the same scale.
    """
    return ((level[:, :1].square() + 2 * level[:, 1:].square()) / 3).sqrt()


def as_given(estimate: Tensor, image: Tensor) -> Tensor:
    """An estimate in as many channels as the picture has that it is of: a grey one was given three times.

    Args:
        estimate: [batch, 3, height, width].
        image: [batch, 1 or 3, height, width].

    Returns:
        [batch, 1 or 3, height, width]; of a grey picture the mean of the three.
    """
    return estimate.mean(1, keepdim=True) if image.shape[1] == 1 else estimate
