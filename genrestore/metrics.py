"""Distances of a picture from its reference: PSNR and SSIM."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

Pixels = np.ndarray[Any, Any]
STRIP = 256
"""Rows that are looked at together, so that memory does not grow with the picture."""


def psnr(image: Pixels, reference: Pixels, data_range: float = 255.0) -> float:
    """Peak signal-to-noise ratio.

        PSNR = 10 log₁₀(range² / mean (x − y)²)

    Args:
        image: Any shape; nothing is clipped and no border is cut off.
        reference: The same shape.
        data_range: Distance between black and white: 255 for 8 bits, 65535 for 16 bits, 1 for [0, 1].

    Returns:
        Decibels; infinity for equal pictures.
    """
    _require_same_shape(image, reference)
    error = sum(
        float(np.square(x.astype(np.float64) - y.astype(np.float64)).sum())
        for x, y in _strips(np.atleast_2d(image), np.atleast_2d(reference))
    ) / max(image.size, 1)
    return math.inf if error == 0 else 10 * math.log10(data_range**2 / error)


def ssim(image: Pixels, reference: Pixels, data_range: float = 255.0) -> float:
    """Structural similarity, the mean over channels.

        SSIM = (2 μx μy + C₁)(2 σxy + C₂) / ((μx² + μy² + C₁)(σx² + σy² + C₂))

    with a Gaussian window of σ = 1.5 and 11×11 pixels, K₁ = 0.01, K₂ = 0.03, averaged over the windows that
    lie inside the picture. Source: Wang et al., "Image Quality Assessment", 2004.

    Args:
        image: [..., height, width], both at least 11.
        reference: The same shape.
        data_range: Distance between black and white.

    Returns:
        A number up to 1; 1 for equal pictures, NaN for pictures smaller than the window.
    """
    _require_same_shape(image, reference)
    height, width = image.shape[-2:]
    if min(height, width) < 11:
        return math.nan
    total = sum(
        _sum_of_ssim(x[plane], y[plane], data_range)
        for x, y in _strips(image, reference, overlap=10)
        for plane in np.ndindex(x.shape[:-2])
    )
    return total / (math.prod(image.shape[:-2]) * (height - 10) * (width - 10))


def _strips(image: Pixels, reference: Pixels, overlap: int = 0) -> Iterator[tuple[Pixels, Pixels]]:
    """Rows of both, `STRIP` at a time and `overlap` more of the next."""
    for row in range(0, image.shape[-2] - overlap, STRIP):
        rows = slice(row, row + STRIP + overlap)
        yield image[..., rows, :], reference[..., rows, :]


def _sum_of_ssim(image: Pixels, reference: Pixels, data_range: float) -> float:
    x, y = image.astype(np.float64), reference.astype(np.float64)
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    variance_x = _window_mean(x * x) - mean_x**2
    variance_y = _window_mean(y * y) - mean_y**2
    covariance = _window_mean(x * y) - mean_x * mean_y
    c1, c2 = (0.01 * data_range) ** 2, (0.03 * data_range) ** 2
    likeness = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(np.sum(likeness / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))))


def _window_mean(plane: Pixels) -> Pixels:
    weights = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    weights /= weights.sum()
    height, width = plane.shape
    rows = sum(weight * plane[i : height - 10 + i] for i, weight in enumerate(weights))
    return sum(weight * rows[:, i : width - 10 + i] for i, weight in enumerate(weights))


def _require_same_shape(image: Pixels, reference: Pixels) -> None:
    if image.shape != reference.shape:
        raise ValueError(
            f"an image of shape {list(image.shape)} against a reference of {list(reference.shape)}"
        )
