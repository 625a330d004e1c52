"""Building blocks that several networks share."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidualBlock(nn.Module):
    """x + conv(relu(conv(x))): two 3×3 convolutions around one non-linearity, no normalisation.

    Source: Zhang et al., "Plug-and-Play Image Restoration with Deep Denoiser Prior", 2021, figure 1.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        for parameter in self.second.parameters():
            nn.init.zeros_(parameter)  # starts as the identity

    def forward(self, features: Tensor) -> Tensor:
        """Features [batch, width, height, width of the picture] to features of the same shape."""
        hidden = functional.relu(self.first(features), inplace=True)
        return self.second(hidden).add_(features)


def keep_scale(layer: nn.Module) -> None:
    """Give a convolution or a linear layer weights that keep the scale of a signal; those at zero stay there.

    Source: He et al., "Delving Deep into Rectifiers", 2015, equation 10.
    """
    if isinstance(layer, nn.Conv2d | nn.Linear) and bool(layer.weight.any()):
        nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def pad_to_multiple(image: Tensor, multiple: int) -> Tensor:
    """Repeat the last row and column until both sides are multiples of `multiple`.

    Args:
        image: [batch, channel, height, width], any range.

    Returns:
        [batch, channel, height', width'] with the image in the top left corner; same range.
    """
    bottom = -image.shape[-2] % multiple
    right = -image.shape[-1] % multiple
    if not torch.compiler.is_exporting() and bottom == 0 and right == 0:
        return image  # an exported network takes any size, and has no such branch
    return functional.pad(image, (0, right, 0, bottom), mode="replicate")


def as_noise_map(noise_level: Tensor, image: Tensor, levels: int = 1) -> Tensor:
    """Bring a noise level to one value a pixel and plane.

    Args:
        noise_level: σ on the [0, 1] scale: a scalar, [batch], or [batch, 1 or levels, 1 or height,
            1 or width].
        image: [batch, channel, height, width]; gives the shape.
        levels: Planes wanted; one level goes for all of them.

    Returns:
        [batch, levels, height, width], σ on the [0, 1] scale.
    """
    if noise_level.ndim < 4:
        noise_level = noise_level.reshape(-1, 1, 1, 1)
    return noise_level.to(image).expand(image.shape[0], levels, *image.shape[-2:])
