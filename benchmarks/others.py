"""What others give: (C)BM3D, non-local means, FFDNet's architecture; and what fills holes."""

from __future__ import annotations

import itertools
import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache

import cv2
import numpy as np
import torch
from bench import Bench, mean, watched
from pictures import Pixels, psnr, unit
from torch import Tensor, nn

from genrestore.runtime import Runtime


def bm3d(noisy: Pixels, sigma: float) -> Pixels:
    """BM3D or CBM3D (Dabov et al., 2007) from the authors' package, "np" profile, opponent colours.

    Args:
        noisy: [height, width, 1 or 3], uint8 or floating point.
        sigma: Noise level in 8-bit grey levels.

    Returns:
        [height, width, 1 or 3] on the [0, 1] scale.
    """
    import bm3d as package

    if noisy.shape[2] == 1:
        return np.asarray(package.bm3d(unit(noisy[..., 0]), sigma / 255))[..., None]
    return np.asarray(package.bm3d_rgb(unit(noisy), sigma / 255))


@lru_cache(maxsize=1)
def _pool() -> ProcessPoolExecutor:
    """One process a core, since a colour picture takes some twenty seconds; not forked, torch has threads."""
    return ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn"))


def _score(noisy: Pixels, sigma: float, clean: Pixels) -> float:
    return psnr(bm3d(noisy, sigma), clean)


def bm3d_mean(
    bench: Bench, name: str, noisy: Sequence[Pixels], sigma: float, clean: Sequence[Pixels]
) -> float:
    """Mean PSNR of (C)BM3D over pictures; `name` says what in the file of baselines."""

    def measure() -> float:
        sigmas = [sigma] * len(noisy)
        return mean(watched(_pool().map(_score, noisy, sigmas, clean), f"BM3D, {name}", len(noisy)))

    return float(bench.remembered(f"bm3d/{name}/{sigma}/{len(noisy)}", measure))


def nlm(noisy: Pixels, h: float, h_colour: float) -> Pixels:
    """OpenCV's fastNlMeansDenoisingColored with its default windows; uint8 RGB [height, width, 3]."""
    turned = np.ascontiguousarray(noisy[..., ::-1])
    return cv2.fastNlMeansDenoisingColored(turned, None, h, h_colour, 7, 21)[..., ::-1]


def wavelet_sigma(noisy: Pixels) -> float:
    """scikit-image's wavelet estimate of the noise level of [height, width, 3], in 8-bit grey levels."""
    from skimage.restoration import estimate_sigma

    return 255 * float(estimate_sigma(unit(noisy), channel_axis=-1, average_sigmas=True))


def median(noisy: Pixels) -> Pixels:
    """A 3×3 median filter; [height, width, 3] of uint8 or float32."""
    return cv2.medianBlur(np.ascontiguousarray(noisy), 3)


def telea(image: Pixels, known: Pixels) -> Pixels:
    """OpenCV's INPAINT_TELEA, radius 3, of uint8 [height, width, 1 or 3] and bool [height, width]."""
    return cv2.inpaint(image, (~known).astype(np.uint8), 3, cv2.INPAINT_TELEA).reshape(image.shape)


def navier_stokes(image: Pixels, known: Pixels) -> Pixels:
    """OpenCV's INPAINT_NS, radius 3, of uint8 [height, width, 1 or 3] and bool [height, width]."""
    return cv2.inpaint(image, (~known).astype(np.uint8), 3, cv2.INPAINT_NS).reshape(image.shape)


def biharmonic(image: Pixels, known: Pixels) -> Pixels:
    """scikit-image's inpaint_biharmonic, as `telea`; [height, width, 1 or 3] on the [0, 1] scale."""
    from skimage.restoration import inpaint_biharmonic

    return np.asarray(inpaint_biharmonic(unit(image), ~known, channel_axis=-1))


def ffdnet(memory_format: torch.memory_format) -> Callable[[Tensor], Tensor]:
    """FFDNet's architecture with random weights, a yardstick for time: tiles [1, 3, height, width], float32.

    12 convolutions of 96 maps on 2×2 pixels folded into channels, without the map of the noise level.

    Source: Zhang, Zuo, Zhang, "FFDNet: Toward a Fast and Flexible Solution for CNN-Based Image Denoising",
    2018; as released in KAIR, `models/network_ffdnet.py` (in_nc 3, nc 96, nb 12).
    """
    device, widths = Runtime.create().device, [12, *[96] * 11, 12]
    layers: list[nn.Module] = [nn.PixelUnshuffle(2)]
    for width, following in itertools.pairwise(widths):
        layers += [nn.Conv2d(width, following, 3, padding=1), nn.ReLU(inplace=True)]
    network = nn.Sequential(*layers[:-1], nn.PixelShuffle(2)).eval().to(device, memory_format=memory_format)

    @torch.inference_mode()
    def run(tile: Tensor) -> Tensor:
        return network(tile.to(device).contiguous(memory_format=memory_format)).cpu()

    return run


def timed(run: Callable[[Tensor], Tensor]) -> float:
    """Seconds for a tile of 384×384, the best of three."""
    times, tile = [], torch.zeros(1, 3, 384, 384)
    for _ in range(3):
        start = time.perf_counter()
        run(tile)
        times.append(time.perf_counter() - start)
    return min(times)
