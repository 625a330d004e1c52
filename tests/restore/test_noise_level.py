"""The noise level function: medians by brightness, from an estimator whose answers are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from genrestore.restore.noise_level import BINS, NoiseProfile, brightness, profile
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
