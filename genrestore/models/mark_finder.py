"""The finder of marks: what lies on a picture and does not belong to it."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn
from torch.nn import functional

from genrestore.models.denoiser import ResidualUNet

AROUND, CONTRAST = 31, 4.0
"""Side in pixels of what a pixel is compared with, and how many times as much the difference is shown."""
RARE = -4.5
"""Log odds of a mark before anything is learned: one pixel of ninety."""


class MarkFinder(nn.Module):
    """Estimate for every pixel whether it belongs to a mark, one plane a kind of marks.

    What the U-Net of the denoiser would take away is read as log odds; it is shown the contrast of each pixel
    to what is around it, and its colour in the place of noise levels, since a mark is about grey:

        log p / (1 − p) = f(4 (y − ȳ), y)

    Source of finding specks in scans by a U-Net that was shown drawn ones: Ivanova et al., "Simulating
    analogue film damage to analyse and improve artefact restoration on high-resolution scans", 2023.

    Args:
        kinds: Kinds of marks, at most three: a plane each of RGB.
        widths: Feature maps at each scale, finest (half resolution) first.
        blocks: Residual blocks at each scale.
    """

    def __init__(
        self,
        kinds: Sequence[str],
        widths: Sequence[int] = (24, 32, 48, 64),
        blocks: Sequence[int] = (2, 2, 3, 3),
    ) -> None:
        super().__init__()
        if not 1 <= len(kinds) <= 3:
            raise ValueError(f"kinds {list(kinds)}: one to three")
        self.kinds = tuple(kinds)
        self.unet = ResidualUNet(3, widths, blocks, levels=3)
        self.multiple = self.unet.multiple
        nn.init.constant_(self.unet.tail.get_parameter("bias"), RARE)

    def forward(self, image: Tensor) -> Tensor:
        """Find marks.

        Args:
            image: [batch, 3, height, width] in [0, 1]; a grey picture three times.

        Returns:
            Log odds that a pixel is of a mark of each kind, float32 [batch, kinds, height, width].
        """
        around = image
        for side, margin in (((AROUND, 1), (AROUND // 2, 0)), ((1, AROUND), (0, AROUND // 2))):
            around = functional.avg_pool2d(around, side, 1, margin, count_include_pad=False)
        contrast = CONTRAST * (image - around)
        return (contrast - self.unet(contrast, image))[:, : len(self.kinds)].float()
