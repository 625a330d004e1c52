"""The denoiser as a prior: D(y, σ), and how much noise it sees."""

from __future__ import annotations

from threading import Lock

import torch
from torch import Tensor

from genrestore.models.blocks import as_noise_map, pad_to_multiple
from genrestore.models.denoiser import ResidualUNet
from genrestore.models.noise_estimator import NoiseEstimator
from genrestore.runtime import Runtime
from genrestore.weights.load import Loaded

NETWORKS: dict[str, type[torch.nn.Module]] = {"denoiser": ResidualUNet, "estimator": NoiseEstimator}
"""The roles that a denoiser's file must fill, and by what."""


class DenoiserPrior:
    """A network that removes Gaussian or camera noise, with an estimator of its level.

    For pure noise one pass is the estimate; in plug-and-play restoration it stands for the proximal step of
    the prior. Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021.

    Several threads may call it at once.

    Args:
        loaded: Networks "denoiser" and "estimator".
        runtime: Device and precision.

    Raises:
        ValueError: Networks that are missing, of another class, or not for RGB.

    Attributes:
        channels: Channels of the images that the networks take.
        runtime: Device and precision.
        overflows: Calls whose half precision overflowed, so that they were done again in float32.
    """

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        _check(loaded)
        self.runtime = runtime
        self.overflows = 0
        self._counting = Lock()
        self.channels = loaded.header.channels
        self._denoiser = loaded.networks["denoiser"].to(memory_format=torch.channels_last)
        self._multiple = int(loaded.networks["denoiser"].multiple)  # type: ignore[arg-type]
        self._estimator = loaded.networks["estimator"].to(memory_format=torch.channels_last)

    def denoise(self, image: Tensor, noise_level: Tensor) -> Tensor:
        """Remove noise of a known level.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.
            noise_level: σ on the [0, 1] scale: a scalar, [batch], or a map [batch, 1, height, width].

        Returns:
            The estimate, same shape, on the CPU if `image` was; about [0, 1], not clipped.
        """
        return self._run(self._denoiser, image, noise_level)

    def denoise_both_ways(self, image: Tensor, noise_level: Tensor) -> Tensor:
        """Remove noise better and in twice the time: the mean of the estimates upright and upside down.

            x̂  =  ½ (D(y, σ) + Uᵀ D(U y, U σ)),     U a turn by 180°

        The image is made as large as the network does it before it is turned, so that both ways the same
        pixels are halved together, in a tile as in the whole.
        Source: Timofte et al., "Seven Ways to Improve Example-Based Single Image Super Resolution", 2016,
        section 3.4 (enhanced prediction).

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.
            noise_level: As `denoise` takes it.

        Returns:
            The estimate, same shape; about [0, 1], not clipped.
        """
        height, width = image.shape[-2:]
        whole, level = (
            pad_to_multiple(plane, self._multiple) for plane in (image, as_noise_map(noise_level, image))
        )
        upright = self.denoise(whole, level)
        upside_down = self.denoise(whole.flip(2, 3), level.flip(2, 3)).flip(2, 3)
        return (upright + upside_down)[..., :height, :width] / 2

    def estimate_log_level(self, image: Tensor) -> Tensor:
        """The natural logarithm of the noise level at an eighth of the resolution.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.

        Returns:
            log σ, σ on the [0, 1] scale, [batch, 1, ⌈height / 8⌉, ⌈width / 8⌉].
        """
        return self._run(self._estimator.log_level, image)  # type: ignore[arg-type]

    @torch.inference_mode()
    def _run(self, network: torch.nn.Module, *inputs: Tensor) -> Tensor:
        device = inputs[0].device
        moved = [tensor.to(self.runtime.device) for tensor in inputs]
        moved[0] = moved[0].contiguous(memory_format=torch.channels_last)
        with self.runtime.autocast():
            output: Tensor = network(*moved)
        if self.runtime.precision != "fp32" and not bool(output.isfinite().all()):
            with self._counting:
                self.overflows += 1
            output = network(*moved)
        return output.float().to(device)


def _check(loaded: Loaded) -> None:
    """Whether these are the networks that are called here, on RGB."""
    for role, network in NETWORKS.items():
        if not isinstance(loaded.networks.get(role), network):
            raise ValueError(f"no network '{role}' of the class {network.__name__}")
        if loaded.header.networks[role].arguments.get("channels", 3) != 3:
            raise ValueError(f"its network '{role}' is not for 3 channels")
