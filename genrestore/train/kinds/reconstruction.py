"""How well images come back from a latent: figures of the images kept out."""

from __future__ import annotations

import torch
from torch import Tensor

FARTHEST = 0.99
"""Quantile of the errors on images kept out that is noted: a picture of the class stays below it."""
LEAST_ERROR = 1e-10
"""Mean squared error that counts as none: 100 dB."""


def farthest(errors: Tensor) -> float:
    """The `FARTHEST` quantile of the root mean squared error of an image.

    Args:
        errors: Mean squared error of each image, [images].
    """
    return float(torch.quantile(errors.sqrt(), FARTHEST))


def mean_psnr(errors: Tensor) -> float:
    """The mean over the images of each one's PSNR, in dB at a peak of 1.

    Args:
        errors: Mean squared error of each image, [images].
    """
    return float((-10 * errors.clamp(min=LEAST_ERROR).log10()).mean())
