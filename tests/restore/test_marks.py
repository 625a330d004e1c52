"""Marks in arrays: what is found, at every depth and tile, and the growing of a hand's mask."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genrestore import find_marks
from genrestore.errors import UsageError, WeightsError
from genrestore.restore.edges import with_edges
from genrestore.restore.marks import Marks, threshold
from genrestore.restore.tiling import Tiling
from genrestore.runtime import Runtime
from tests import tiny

RUNTIME = Runtime("cpu", "fp32", 1, 0)


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_finder(tmp_path_factory.mktemp("finder")))


def picture() -> np.ndarray:
    """Grey with a speck that is black at its middle only, and one that is never quite black."""
    levels = np.full((60, 80), 120, np.uint8)
    levels[30:35, 30:35], levels[32, 32] = 22, 0
    levels[50:53, 60:63] = 22
    return levels


def test_a_mark_needs_one_certain_pixel_and_has_all_likely_ones(finder: str) -> None:
    """22 of 255 has log odds of 1.1, black has 8: hysteresis; the pixels beside a mark are its edge."""
    found = find_marks(picture(), ("dust",), weights=finder, runtime=RUNTIME)
    wanted = np.zeros((60, 80), bool)
    wanted[29:36, 29:36] = True
    assert np.array_equal(found, wanted)


def test_a_doubtful_mark_is_one_among_many_and_none_in_a_large_picture(finder: str) -> None:
    levels = picture()
    levels[10:13, 10:13] = levels[10:13, 40:43] = 0
    assert find_marks(levels, ("dust",), weights=finder, runtime=RUNTIME)[49:54, 59:64].all()
    large = np.pad(levels, ((0, 1440), (0, 1420)), constant_values=120)
    assert not find_marks(large, ("dust",), weights=finder, runtime=RUNTIME)[49:54, 59:64].any()


@pytest.mark.parametrize(
    ("odds", "megapixels", "wanted"),
    [
        ([], 1.0, 5.5),
        ([-2.0, 1.0], 1.0, 5.5),
        ([5.5], 0.5, 5.5 - 4 * math.log(1.5)),
        ([6.5], 0.5, 5.5 - 4 * math.log(1 + 1 / (1 + math.exp(-2)))),
        ([20.0, 20.0], 1.5, 5.5 - 4 * math.log(2)),
        ([20.0] * 9, 0.1, -1.0),
    ],
)
def test_the_marks_beyond_doubt_lower_the_threshold(
    odds: list[float], megapixels: float, wanted: float
) -> None:
    assert threshold(np.array(odds), round(1e6 * megapixels)) == pytest.approx(wanted, abs=2e-3)


def test_the_log_odds_of_hot_pixels_count_more(tmp_path: Path) -> None:
    """13 of 255 has 3.9, less than 5.5, and 1.85 times that is more."""
    finder = str(tiny.save_finder(tmp_path, hot=True))
    levels = np.full((60, 80), 120, np.uint8)
    levels[40, 40] = 13
    alone = {kind: find_marks(levels, (kind,), weights=finder, runtime=RUNTIME) for kind in ("dust", "hot")}
    assert not alone["dust"].any()
    assert alone["hot"].sum() == 9
    assert np.array_equal(find_marks(levels, ("dust", "hot"), weights=finder, runtime=RUNTIME), alone["hot"])


def test_sensitivity_is_how_much_likelier_marks_are(finder: str) -> None:
    """e⁴ times: the second speck has 1.1 + 4."""
    found = find_marks(picture(), ("dust",), sensitivity=np.e**4, weights=finder, runtime=RUNTIME)
    assert found[50:53, 60:63].all()
    less = find_marks(picture(), ("dust",), sensitivity=np.e**-5, weights=finder, runtime=RUNTIME)
    assert not less.any()


def test_every_kind_of_array_finds_the_same(finder: str) -> None:
    import torch

    levels = picture()
    colour = np.repeat(levels[..., None], 3, 2)
    alike = [
        levels.astype(np.uint16) * 257,
        levels.astype(np.float32) / 255,
        colour,
        Image.fromarray(colour),
        torch.from_numpy(colour.transpose(2, 0, 1).copy()),
    ]
    first = find_marks(levels, ("dust",), weights=finder, runtime=RUNTIME)
    for image in alike:
        assert np.array_equal(find_marks(image, ("dust",), weights=finder, runtime=RUNTIME), first)


def test_few_bits_of_16_are_looked_at_in_their_own_range(finder: str) -> None:
    levels = picture()
    levels[:, :10] = 250
    full = levels.astype(np.uint16) * 257
    first, few = (find_marks(one, ("dust",), weights=finder, runtime=RUNTIME) for one in (full, full >> 4))
    assert first[32, 32]
    assert np.array_equal(first, few)


def test_tiles_find_what_the_whole_does(finder: str) -> None:
    levels = np.tile(picture(), (4, 4))[None, None]
    marks = Marks(("dust", "scratches"), weights=finder, runtime=RUNTIME)
    whole = marks._odds(levels, Tiling(), lambda _: None)
    small = marks._odds(levels, Tiling(size=144, overlap=32), lambda _: None)
    assert np.array_equal(whole, small)


def test_wrong_use(finder: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="marks 'mould': must be of dust, scratches, hot"):
        find_marks(picture(), ("mould",), weights=finder)
    with pytest.raises(UsageError, match="must be of dust"):
        find_marks(picture(), (), weights=finder)
    with pytest.raises(UsageError, match="sensitivity 0: must be above 0"):
        find_marks(picture(), sensitivity=0, weights=finder)
    with pytest.raises(WeightsError, match="of kind 'denoiser', and marks need a finder"):
        find_marks(picture(), weights=str(tiny.save_denoiser(tmp_path)), runtime=RUNTIME)


def soft_square(width: float) -> tuple[np.ndarray, np.ndarray]:
    """A light square over dark ground with an edge so wide, uint8 [1, 3, 96, 96], and its sharp inside."""
    far = np.maximum(*(abs(side) for side in np.mgrid[-48:48, -48:48]))
    share = (1 - (far - 12) / width).clip(0, 1)
    noise = np.random.default_rng(0).normal(0, 3, (3, 96, 96))
    levels = share * np.array([220, 180, 90])[:, None, None] + (1 - share) * 60 + noise
    return levels.clip(0, 255).astype(np.uint8)[None], far


@pytest.mark.parametrize(("width", "reach"), [(1, 0), (2, 1), (4, 3)])
def test_a_hole_grows_over_a_soft_edge(width: int, reach: int) -> None:
    pixels, far = soft_square(width)
    assert np.array_equal(with_edges(pixels, far <= 12), far <= 12 + reach)


def test_a_hole_that_reaches_far_enough_stays_and_so_does_one_in_nothing_else() -> None:
    pixels, far = soft_square(4)
    assert np.array_equal(with_edges(pixels, far <= 17), far <= 17)
    flat = np.full((1, 3, 96, 96), 90, np.uint8)
    assert np.array_equal(with_edges(flat, far <= 12), far <= 12)
    assert with_edges(flat, np.ones((96, 96), bool)).all()


def test_a_hole_grows_over_what_jpeg_made(tmp_path: Path) -> None:
    pixels, far = soft_square(1)
    Image.fromarray(pixels[0].transpose(1, 2, 0)).save(tmp_path / "a.jpg", quality=40, subsampling=2)
    with Image.open(tmp_path / "a.jpg") as opened:
        coded = np.asarray(opened).transpose(2, 0, 1)[None]
    grown = with_edges(coded, far <= 12)
    assert 2 <= int(far[grown].max()) - 12 <= 12
