"""The noise estimator E(y): the noise level at every place of a picture."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrestore.models.blocks import ResidualBlock, pad_to_multiple


class NoiseEstimator(nn.Module):
    """Estimate the root mean square of the noise around every pixel from the noisy picture alone.

    A small convolutional network, most of it at quarter resolution, in the place of the noise estimation
    subnetwork of CBDNet (Guo et al., 2019). It gives log σ, so that a relative error counts the same at
    every level. It is local: a tile of a large picture gets what the whole picture would get there.

    Args:
        channels: Channels of the picture.
        fine_width: Feature maps at half resolution.
        width: Feature maps at quarter resolution.
        blocks: Residual blocks at quarter resolution.
        levels: Noise levels that come out: 1, or 2 for luma and chroma.
    """

    def __init__(
        self, channels: int = 3, fine_width: int = 16, width: int = 48, blocks: int = 2, levels: int = 1
    ) -> None:
        super().__init__()
        self.multiple = 8
        self.head = nn.Conv2d(4 * channels, fine_width, 3, padding=1)
        self.shrink = nn.Conv2d(fine_width, width, 3, stride=2, padding=1)
        self.body = nn.Sequential(*(ResidualBlock(width) for _ in range(blocks)))
        self.tail = nn.Conv2d(width, levels, 3, stride=2, padding=1)
        nn.init.constant_(self.tail.get_parameter("bias"), -3.0)  # 13 grey levels

    def log_level(self, image: Tensor) -> Tensor:
        """log σ at an eighth of the resolution.

        Args:
            image: Noisy picture [batch, channel, height, width] in [0, 1] and beyond.

        Returns:
            Natural logarithm of σ (on the [0, 1] scale), [batch, levels, ⌈height / 8⌉, ⌈width / 8⌉].
        """
        folded = functional.pixel_unshuffle(pad_to_multiple(image, self.multiple), 2)
        features = functional.relu(self.head(folded.to(self.head.weight.dtype)))
        features = self.body(functional.relu(self.shrink(features)))
        level: Tensor = self.tail(functional.relu(features))
        return level.float()

    def forward(self, image: Tensor) -> Tensor:
        """The noise level at every pixel.

        Args:
            image: Noisy picture [batch, channel, height, width] in [0, 1] and beyond.

        Returns:
            σ on the [0, 1] scale, [batch, levels, height, width].
        """
        return spread(self.log_level(image), image.shape[-2:])


def spread(log_level: Tensor, shape: Sequence[int]) -> Tensor:
    """Noise level at every pixel from its logarithm at an eighth of the resolution.

    Args:
        log_level: Natural logarithm of σ on the [0, 1] scale, [batch, levels, ⌈height / 8⌉, ⌈width / 8⌉].
        shape: Height and width wanted.

    Returns:
        σ on the [0, 1] scale, [batch, levels, height, width].
    """
    fine = functional.interpolate(log_level.float(), scale_factor=8, mode="bilinear", align_corners=False)
    return torch.exp(fine[..., : shape[0], : shape[1]])
