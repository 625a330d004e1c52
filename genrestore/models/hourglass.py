"""The hourglass with skip connections whose structure alone is a prior."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from genrestore.models.denoiser import pad_to_multiple


class Hourglass(nn.Module):
    """A picture out of noise: down to a small size and up again, with thin connections across.

    It learns smooth and repeated structure long before noise, which is why it restores without ever having
    seen another picture. Source: Ulyanov et al., "Deep Image Prior", 2018, figure 21; here the finest scales
    are narrower than the 128 maps there, since most of the time is spent in them.

    Args:
        channels: Channels of the picture, 1 or 3.
        inputs: Planes of noise that go in.
        widths: Feature maps at half, quarter, ... resolution; the size is halved as often.
        skips: Feature maps that go across at each scale.
    """

    def __init__(
        self,
        channels: int = 3,
        inputs: int = 32,
        widths: Sequence[int] = (32, 64, 128, 128, 128),
        skips: int = 4,
    ) -> None:
        super().__init__()
        if not widths:
            raise ValueError("an hourglass needs one scale at least")
        before = [inputs, *widths[:-1]]
        self.multiple = 2 ** len(widths)
        self.down = nn.ModuleList(
            nn.Sequential(*_layer(fine, width, stride=2), *_layer(width, width))
            for fine, width in zip(before, widths, strict=True)
        )
        self.across = nn.ModuleList(nn.Sequential(*_layer(fine, skips, size=1)) for fine in before)
        below = [*widths[1:], widths[-1]]
        self.up = nn.ModuleList(
            nn.Sequential(
                nn.BatchNorm2d(coarse + skips),
                *_layer(coarse + skips, width),
                *_layer(width, width, size=1),
            )
            for coarse, width in zip(below, widths, strict=True)
        )
        self.tail = nn.Conv2d(widths[0], channels, 1)

    def forward(self, noise: Tensor) -> Tensor:
        """The picture that the weights make of noise.

        Args:
            noise: [batch, inputs, height, width], any range; each side at least twice `multiple`.

        Returns:
            [batch, channels, height, width] in [0, 1].
        """
        height, width = noise.shape[-2:]
        features = pad_to_multiple(noise, self.multiple)
        crossed = []
        for down, across in zip(self.down, self.across, strict=True):
            crossed.append(across(features))
            features = down(features)
        for up in reversed(self.up):
            features = functional.interpolate(features, scale_factor=2, mode="bilinear", align_corners=False)
            if features.requires_grad:
                features.register_hook(_in_one_piece)
            features = up(torch.cat([crossed.pop(), features], dim=1))
        return torch.sigmoid(self.tail(features).float())[..., :height, :width]


class EdgePad(nn.Module):
    """Repeat the outermost pixels, `width` of them on each side, in the type of what comes in.

    A convolution with `padding_mode="replicate"` does the same, but under autocast in float32 and back.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.width = width

    def forward(self, features: Tensor) -> Tensor:
        """[batch, any, height, width of the picture] to as much, larger by twice `width` each way."""
        with torch.autocast(features.device.type, enabled=False):
            return functional.pad(features, [self.width] * 4, mode="replicate")


def _layer(before: int, after: int, size: int = 3, stride: int = 1) -> list[nn.Module]:
    """A convolution with normalisation and a leaky non-linearity."""
    convolution = nn.Conv2d(before, after, size, stride=stride)
    padded = [EdgePad(size // 2), convolution] if size > 1 else [convolution]
    return [*padded, nn.BatchNorm2d(after), nn.LeakyReLU(0.2, inplace=True)]


def _in_one_piece(gradient: Tensor) -> Tensor:
    """A gradient that is part of a concatenation's, copied: torch enlarges slowly backwards from a part."""
    return gradient.contiguous(memory_format=torch.channels_last)
