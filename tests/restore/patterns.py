"""Pictures that the tiny generator of tests/tiny.py makes."""

from __future__ import annotations

import numpy as np
import torch

from genrestore.restore.tiling import Pixels
from tests import tiny


def latents(count: int, seed: int = 1) -> torch.Tensor:
    """z from N(0, I), [count, 3]."""
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def pictures(count: int, seed: int = 1) -> list[Pixels]:
    """G(z) of `latents`, uint8 [1, 1, 28, 28] each."""
    with torch.no_grad():
        images = tiny.random_generator()(latents(count, seed))
    return [(255 * image[None]).round().byte().numpy() for image in images]


def noisy(pixels: Pixels, sigma: float, seed: int) -> Pixels:
    """With noise of σ in grey levels, as a file holds it."""
    noise = sigma * np.random.default_rng(seed).standard_normal(pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def board() -> Pixels:
    """Squares, which the generator cannot make: uint8 [1, 1, 28, 28]."""
    return (np.indices((28, 28)).sum(0) // 7 % 2 * 255).astype(np.uint8)[None, None]
