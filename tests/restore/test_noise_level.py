"""The noise level function: medians by brightness, from an estimator whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from genrestore.restore.noise_level import BINS, NoiseProfile, before_clipping, brightness, profile
from genrestore.restore.tiling import Pixels, Tiling
from genrestore.runtime import Runtime

LEVELS = {False: 5 / 255, True: 20 / 255}
"""What `Oracle` says of dark and of bright cells."""


class Oracle:
    """An estimator that knows: dark places have little noise, bright ones more; one cell is far off."""

    runtime = Runtime("cpu", "fp32", 1, 0)
    channels = 3

    def estimate_log_level(self, image: Tensor) -> Tensor:
        bright = brightness(image) > 0.5
        level = torch.where(bright, math.log(LEVELS[True]), math.log(LEVELS[False]))
        level[..., 0, 0] = 0.0
        return level


def halves(height: int = 160, width: int = 320) -> Pixels:
    """Left half dark, right half bright, uint8 [1, 3, height, width]."""
    pixels = np.full((1, 3, height, width), 60, np.uint8)
    pixels[..., width // 2 :] = 200
    return pixels


@pytest.mark.parametrize("tiling", [Tiling(), Tiling(96, 8)])
def test_each_brightness_gets_its_level(tiling: Tiling) -> None:
    found = profile(halves(), Oracle(), tiling)  # type: ignore[arg-type]
    level = found.level(torch.from_numpy(halves()).float() / 255)[0, 0]
    assert level.shape == (160, 320)
    assert float(level[80, 40]) == pytest.approx(LEVELS[False], rel=0.15)
    assert float(level[80, 280]) == pytest.approx(LEVELS[True], rel=0.15)


def test_the_whole_is_the_root_mean_square() -> None:
    found = profile(halves(), Oracle(), Tiling())  # type: ignore[arg-type]
    expected = math.sqrt((LEVELS[False] ** 2 + LEVELS[True] ** 2) / 2)
    assert found.overall == pytest.approx(expected, rel=0.1)


def test_one_level_everywhere_gives_that_level() -> None:
    found = NoiseProfile(torch.full((BINS,), 0.1).log(), 0.1)
    level = found.level(torch.rand(1, 3, 21, 34))
    torch.testing.assert_close(level, torch.full((1, 1, 21, 34), 0.1))


def test_brightness_is_the_mean_of_cells() -> None:
    image = torch.zeros(1, 3, 8, 16)
    image[..., 8:] = 0.6
    assert brightness(image).flatten().tolist() == pytest.approx([0.0, 0.6])
    assert brightness(torch.ones(1, 1, 9, 1)).flatten().tolist() == [1.0, 1.0]


class Textured(Oracle):
    """An estimator that takes texture, in all columns of cells but the first few, for noise."""

    def __init__(self, quiet: int, texture: float) -> None:
        self.quiet, self.texture = quiet, texture

    def estimate_log_level(self, image: Tensor) -> Tensor:
        level = torch.full_like(brightness(image), math.log(self.texture))
        level[..., : self.quiet] = math.log(LEVELS[False])
        return level


@pytest.mark.parametrize(
    ("texture", "expected"),
    [(1.5 * LEVELS[False], 1.5 * LEVELS[False]), (4 * LEVELS[False], math.exp(0.6) * LEVELS[False])],
)
def test_texture_lifts_the_level_of_quiet_places_by_so_much_and_no_more(
    texture: float, expected: float
) -> None:
    grey = np.full((1, 3, 160, 320), 100, np.uint8)
    found = profile(grey, Textured(8, texture), Tiling())  # type: ignore[arg-type]
    assert found.overall == pytest.approx(expected, rel=1e-4)


def clipped_noise(sigma: float) -> tuple[Tensor, Tensor]:
    """What clipping leaves of noise around flat grey from black to white: its log level and mean colour.

    Many draws in the place of a formula; [cells] and [3, cells].
    """
    clean = torch.linspace(0, 1, 21)[:, None]
    noise = sigma * torch.randn(21, 20_000, generator=torch.Generator().manual_seed(0))
    damaged = (clean + noise).clamp(0, 1)
    log_level = (damaged - clean).square().mean(1).log() / 2
    return log_level, damaged.mean(1).expand(3, -1)


@pytest.mark.parametrize("sigma", [35 / 255, 50 / 255])
def test_strong_noise_has_one_level_before_clipping(sigma: float) -> None:
    seen, colour = clipped_noise(sigma)
    found = before_clipping(seen, colour).exp()
    assert float(seen.exp().min()) < 0.75 * sigma
    assert float(found.min()) > 0.84 * sigma
    assert float(found.max()) < 1.03 * sigma


def test_levels_that_a_camera_may_have_stay_as_they_are() -> None:
    seen, colour = clipped_noise(18 / 255)
    assert torch.equal(before_clipping(seen, colour), seen)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_only_files_of_integers_were_clipped(dtype: type) -> None:
    """Left half black with 32 levels left of noise of 45, right half grey."""
    scale = np.iinfo(dtype).max if issubclass(dtype, np.integer) else 1
    pixels = np.zeros((1, 3, 160, 320), dtype)
    pixels[..., 128:] = scale // 2 if scale > 1 else 0.5

    class Dark(Oracle):
        def estimate_log_level(self, image: Tensor) -> Tensor:
            return torch.where(brightness(image) > 0.2, math.log(45 / 255), math.log(32 / 255))

    found = profile(pixels, Dark(), Tiling())  # type: ignore[arg-type]
    black = float(found.log_levels[0].exp()) * 255
    assert black == pytest.approx(32 if dtype is np.float32 else 45, rel=0.05)
