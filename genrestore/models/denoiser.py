"""The denoiser D(y, σ), a U-Net on pixel-unshuffled input, the estimator E(y) of its noise, and their
blocks, which other networks have too.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional


class ResidualUNet(nn.Module):
    """Estimate the clean picture from a noisy one and its noise level.

        D(y, σ) = y − f(y, σ)

    f is a U-Net (Ronneberger 2015) of residual blocks without normalisation, as DRUNet (Zhang et al.,
    DPIR, 2021), but it works on 2×2 pixels folded into channels, as FFDNet (Zhang et al., 2018): a quarter
    of the positions, so a laptop's processor keeps up. The noise level is one more input plane, or two:
    that of luma and that of chroma, which a camera smooths apart.

    Args:
        channels: Channels of the picture; 3 for RGB, and grey pictures are given three times.
        widths: Feature maps at each scale, finest (half resolution) first.
        blocks: Residual blocks at each scale, on the way down and again on the way up; the coarsest
            scale has its number once.
        levels: Planes of noise levels that go in: 1, or 2 for luma and chroma.
    """

    def __init__(
        self,
        channels: int = 3,
        widths: Sequence[int] = (64, 96, 160, 256),
        blocks: Sequence[int] = (2, 1, 1, 2),
        levels: int = 1,
    ) -> None:
        super().__init__()
        if len(widths) != len(blocks) or not widths:
            raise ValueError(f"widths {list(widths)} and blocks {list(blocks)} must have the same length")
        self.multiple = 2 ** len(widths)
        self.levels = levels
        self.head = nn.Conv2d(4 * (channels + levels), widths[0], 3, padding=1)
        self.down = nn.ModuleList(_stage(width, count) for width, count in zip(widths, blocks, strict=True))
        self.shrink = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.grow = nn.ModuleList(
            nn.Conv2d(coarse, 4 * fine, 1) for fine, coarse in zip(widths, widths[1:], strict=False)
        )
        self.up = nn.ModuleList(
            _stage(width, count) for width, count in zip(widths[:-1], blocks[:-1], strict=True)
        )
        self.tail = nn.Conv2d(widths[0], 4 * channels, 3, padding=1)

    def forward(self, image: Tensor, noise_level: Tensor) -> Tensor:
        """Remove the noise.

        Args:
            image: Noisy picture [batch, channel, height, width] in [0, 1] and beyond (noise is not clipped).
            noise_level: σ on the [0, 1] scale: a scalar, [batch], or [batch, 1 or levels, 1 or height,
                1 or width].

        Returns:
            The estimate, same shape; about [0, 1], not clipped.
        """
        height, width = image.shape[-2:]
        stacked = torch.cat([image, as_noise_map(noise_level, image, self.levels)], dim=1)
        stacked = pad_to_multiple(stacked, self.multiple)
        folded = functional.pixel_unshuffle(stacked, 2).to(self.head.weight.dtype)
        features = self.head(folded)
        skips: list[Tensor] = []
        for stage, shrink in zip(self.down, self.shrink, strict=False):
            features = stage(features)
            skips.append(features)
            features = shrink(features)
        features = self.down[-1](features)
        for stage, grow in zip(reversed(self.up), reversed(self.grow), strict=True):
            features = stage(functional.pixel_shuffle(grow(features), 2) + skips.pop())
        residual = functional.pixel_shuffle(self.tail(features), 2)[..., :height, :width]
        return image - residual.to(image.dtype)


def _stage(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(ResidualBlock(width) for _ in range(count)))


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
