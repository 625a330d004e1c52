"""The denoiser as a prior: D(y, σ), and how much noise it sees."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from genrestore.models.denoiser import ResidualUNet
from genrestore.models.noise_estimator import NoiseEstimator
from genrestore.restore.priors.unet import UNetPrior


class DenoiserPrior(UNetPrior):
    """A network that removes Gaussian or camera noise, with an estimator of its level.

    For pure noise one pass is the estimate; in plug-and-play restoration it stands for the proximal step of
    the prior. Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021.
    """

    ROLES: ClassVar[dict[str, type[torch.nn.Module]]] = {
        "denoiser": ResidualUNet,
        "estimator": NoiseEstimator,
    }

    def estimate_log_level(self, image: Tensor) -> Tensor:
        """The natural logarithm of the noise level at an eighth of the resolution.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32.

        Returns:
            log σ of luma and chroma, σ on the [0, 1] scale, [batch, 2, ⌈height / 8⌉, ⌈width / 8⌉]; twice the
            same of an estimator that knows one level.
        """
        estimate: Tensor = self._run(self._networks["estimator"].log_level, image)  # type: ignore[arg-type]
        return estimate.expand(-1, 2, -1, -1)
