"""The inpainter as a prior: what is missing, in one pass, from all that is known around it."""

from __future__ import annotations

from torch import Tensor

from genrestore.models.missing import shown
from genrestore.restore.priors.unet import UNetPrior


class InpainterPrior(UNetPrior):
    """A denoiser that has learned what noise without bound looks like: pixels that are missing.

    It gives the mean of what could be in a hole, which is what has the least squared error.
    Source of showing a network both the picture and where it is missing: Pathak et al., "Context Encoders",
    2016; here as a noise level, which FFDNet (Zhang et al., 2018) gives its network as a map.
    """

    def fill(self, image: Tensor, known: Tensor, noise_level: Tensor, guess: Tensor | None = None) -> Tensor:
        """Estimate every pixel of a picture with holes.

        Args:
            image: [batch, 3, height, width], about [0, 1], float32; what it holds in a hole counts
                for nothing.
            known: 1 where a pixel is known and 0 where it is missing, [batch, 1, height, width].
            noise_level: σ of the known pixels on the [0, 1] scale: a scalar, [batch], or a map
                [batch, 1, height, width].
            guess: An estimate to begin with, of the shape of `image`; None where there is none yet.

        Returns:
            The estimate, same shape; about [0, 1], not clipped. Known pixels are estimated too.
        """
        return self.denoise(*shown(image, known, noise_level, guess))
