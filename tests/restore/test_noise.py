"""The noise level function: medians by brightness, from an estimator whose answers are known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from genrestore.restore import noise as noise_level
from genrestore.restore.noise import BINS, LARGEST, NoiseProfile, before_clipping, brightness
from genrestore.restore.problem import Problem
from genrestore.restore.tiling import Pixels, Tiling, is_clipped, tiles

LEVELS = {False: 5 / 255, True: 20 / 255}
"""What `Oracle` says of dark and of bright cells."""


class Oracle:
    """An estimator that knows: dark places have little noise, bright ones more; one cell is far off."""

    def estimate_log_level(self, image: Tensor) -> Tensor:
        bright = brightness(image) > 0.5
        level = torch.where(bright, math.log(LEVELS[True]), math.log(LEVELS[False]))
        level[..., 0, 0] = 0.0
        return level.expand(-1, 2, -1, -1)


def profile(pixels: Pixels, estimator: Any, tiling: Tiling) -> NoiseProfile:
    """The profile of a picture, cut into tiles."""
    problems = (Problem(tile, clipped=is_clipped(pixels)) for tile in tiles(pixels, tiling))
    return noise_level.profile(problems, estimator.estimate_log_level)


def halves(height: int = 160, width: int = 320) -> Pixels:
    """Left half dark, right half bright, uint8 [1, 3, height, width]."""
    pixels = np.full((1, 3, height, width), 60, np.uint8)
    pixels[..., width // 2 :] = 200
    return pixels


@pytest.mark.parametrize("tiling", [Tiling(), Tiling(96, 8)])
def test_each_brightness_gets_its_level(tiling: Tiling) -> None:
    found = profile(halves(), Oracle(), tiling)
    levels = found.level(torch.from_numpy(halves()).float() / 255)
    assert levels.shape == (1, 2, 160, 320)
    assert torch.equal(levels[:, 0], levels[:, 1])
    level = levels[0, 0]
    assert float(level[80, 40]) == pytest.approx(LEVELS[False], rel=0.15)
    assert float(level[80, 280]) == pytest.approx(LEVELS[True], rel=0.15)


def test_the_whole_is_the_root_mean_square() -> None:
    found = profile(halves(), Oracle(), Tiling())
    expected = math.sqrt((LEVELS[False] ** 2 + LEVELS[True] ** 2) / 2)
    assert found.overall == pytest.approx(expected, rel=0.1)


def test_one_level_everywhere_gives_that_level() -> None:
    found = NoiseProfile.even(0.1)
    assert (found.luma, found.chroma) == (0.1, 0.1)
    assert found.overall == pytest.approx(0.1)
    level = found.level(torch.rand(1, 3, 21, 34))
    torch.testing.assert_close(level, torch.full((1, 2, 21, 34), 0.1))


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
        return level.expand(-1, 2, -1, -1)


@pytest.mark.parametrize(
    ("texture", "expected"),
    [(1.1 * LEVELS[False], 1.1 * LEVELS[False]), (4 * LEVELS[False], math.exp(0.18) * LEVELS[False])],
)
def test_texture_lifts_the_level_of_quiet_places_by_so_much_and_no_more(
    texture: float, expected: float
) -> None:
    grey = np.full((1, 3, 160, 320), 100, np.uint8)
    found = profile(grey, Textured(8, texture), Tiling())
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
            level = torch.where(brightness(image) > 0.2, math.log(45 / 255), math.log(32 / 255))
            return level.expand(-1, 2, -1, -1)

    found = profile(pixels, Dark(), Tiling())
    black = float(found.log_levels[0, 0].exp()) * 255
    assert black == pytest.approx(32 if dtype is np.float32 else 45, rel=0.05)


class Apart(Oracle):
    """An estimator that tells luma and chroma apart, wherever it looks."""

    def __init__(self, luma: float, chroma: float) -> None:
        self.levels = torch.tensor([luma, chroma]).log().reshape(1, 2, 1, 1)

    def estimate_log_level(self, image: Tensor) -> Tensor:
        return self.levels + 0 * brightness(image)


def test_luma_and_chroma_have_levels_of_their_own() -> None:
    found = profile(halves(), Apart(0.06, 0.02), Tiling())
    assert (found.luma, found.chroma) == (pytest.approx(0.06), pytest.approx(0.02))
    assert found.overall == pytest.approx(math.sqrt((0.06**2 + 2 * 0.02**2) / 3))
    level = found.level(torch.rand(1, 3, 16, 24))
    assert level.shape == (1, 2, 16, 24)
    torch.testing.assert_close(level.mean((0, 2, 3)), torch.tensor([0.06, 0.02]))


def test_times_a_level_is_stronger_everywhere_up_to_the_largest() -> None:
    found = NoiseProfile(torch.tensor([[0.1] * BINS, [0.05] * BINS]).log(), 0.1, 0.05)
    image = torch.rand(1, 3, 8, 8)
    for factor, luma in ((2, 0.2), (0.5, 0.05), (5, 0.5), (20, LARGEST)):
        more = found.times(factor)
        assert (more.luma, more.chroma) == (pytest.approx(luma), pytest.approx(luma / 2))
        torch.testing.assert_close(more.level(image), luma / 0.1 * found.level(image))


def test_more_than_the_largest_is_not_made_less() -> None:
    """A level that was given may be above it, and twice as much is not below."""
    assert NoiseProfile.even(0.9).times(4).luma == pytest.approx(0.9)
    assert NoiseProfile.even(0.9).times(0.5).luma == pytest.approx(0.45)


def test_no_level_is_found_above_the_largest() -> None:
    found = profile(halves(), Apart(3.0, 2.0), Tiling())
    assert 255 * max(found.luma, found.chroma, found.overall) <= 127.5 * (1 + 1e-6)
    assert float(found.log_levels.max()) <= math.log(LARGEST) + 1e-6


class Honest(Oracle):
    """An estimator that measures how far the pixels of each cell spread, and never less than a tenth."""

    def estimate_log_level(self, image: Tensor) -> Tensor:
        mean, square = (functional.avg_pool2d(one, 8, ceil_mode=True) for one in (image, image.square()))
        level = (square - mean.square()).clamp(min=0).mean(1, keepdim=True).sqrt()
        return level.clamp(min=0.1 / 255).log().expand(-1, 2, -1, -1)


SIGMA = 20


def grain(clean: Pixels) -> Pixels:
    """A picture with white noise of `SIGMA` grey levels, as a file holds it."""
    noise = np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    return (clean + noise).round().clip(0, 255).astype(np.uint8)


def framed(grey: int, share: float, side: int = 320) -> Pixels:
    """Noise on grey, with a frame of one colour that covers a share of the picture."""
    pixels = grain(np.full((1, 3, side, side), 120.0))
    inner = round(side * math.sqrt(1 - share) / 16) * 8
    frame = np.ones((side, side), bool)
    frame[side // 2 - inner : side // 2 + inner, side // 2 - inner : side // 2 + inner] = False
    pixels[..., frame] = grey
    return pixels


def clipped_sky(grey: float, share: float) -> Pixels:
    """Noise on a picture whose upper part is a sky at an end of the range."""
    clean = np.full((1, 3, 320, 320), 120.0)
    clean[..., : round(320 * share), :] = grey
    return grain(clean)


MISLEADING = {
    "no frame": framed(0, 0.0),
    "black frame": framed(0, 0.2),
    "white frame": framed(255, 0.2),
    "grey frame": framed(90, 0.2),
    "cut-out on black": framed(0, 0.75),
    "cut-out on white": framed(255, 0.75),
    "night sky": clipped_sky(0, 0.6),
    "blown sky": clipped_sky(255, 0.6),
    "flat sky": clipped_sky(-200, 0.6),
}


@pytest.mark.parametrize("name", MISLEADING)
@pytest.mark.parametrize("tiling", [Tiling(), Tiling(96, 8)], ids=["whole", "tiles"])
def test_parts_that_say_nothing_of_noise_do_not_pull_its_level(name: str, tiling: Tiling) -> None:
    found = profile(MISLEADING[name], Honest(), tiling)
    assert 255 * found.overall == pytest.approx(SIGMA, rel=0.07)


def test_a_screen_of_one_colour_with_some_edges_is_clean() -> None:
    """Where most cells are flat, they say that there is no noise."""
    pixels = np.full((1, 3, 320, 320), 128, np.uint8)
    letters = pixels[..., 80:176, :]
    letters += (60 * (np.indices(letters.shape).sum(0) % 2)).astype(np.uint8) - 30
    found = profile(pixels, Honest(), Tiling())
    assert 255 * found.overall < 1


def test_where_hardly_a_cell_tells_all_are_listened_to() -> None:
    """A picture that is clipped nearly everywhere still has a level, and no number that is none."""
    for grey in (0, 255):
        found = profile(np.full((1, 3, 64, 64), grey, np.uint8), Honest(), Tiling())
        assert 255 * found.overall < 1
