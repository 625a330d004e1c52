"""FFDNet's architecture with random weights: a yardstick for time, not for quality."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


class FFDNet(nn.Module):
    """Colour FFDNet: 12 convolutions 3×3 of 96 maps on 2×2 pixels folded into channels.

    Source: Zhang, Zuo, Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising",
    2018; as released in KAIR, `models/network_ffdnet.py` (in_nc 3, nc 96, nb 12).
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(13, 96, 3, padding=1), nn.ReLU(inplace=True)]
        for _ in range(10):
            layers += [nn.Conv2d(96, 96, 3, padding=1), nn.ReLU(inplace=True)]
        self.model = nn.Sequential(*layers, nn.Conv2d(96, 12, 3, padding=1))

    def forward(self, image: Tensor, noise_level: float) -> Tensor:
        """Float32 [batch, 3, height, width] to the same shape; σ on the [0, 1] scale."""
        height, width = image.shape[-2:]
        even = functional.pad(image, (0, width % 2, 0, height % 2), mode="replicate")
        folded = functional.pixel_unshuffle(even, 2)
        level = folded.new_full((len(folded), 1, *folded.shape[-2:]), noise_level)
        return functional.pixel_shuffle(self.model(torch.cat([folded, level], 1)), 2)[..., :height, :width]
