"""Holes filled with texture: patches of the picture itself, where a hole is wide."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genrestore.errors import InputError, UsageError
from genrestore.restore.components import Components
from genrestore.restore.pictures import Restore
from genrestore.restore.priors.patches import NOTHING_TO_COPY, PatchesPrior
from genrestore.restore.solvers.patch_match import synthesised
from genrestore.restore.solvers.patch_scale import Sources
from genrestore.restore.solvers.poisson import blended
from genrestore.restore.task import INPAINT, Request, Task
from genrestore.restore.wide import Texture, all_holes, wide_holes
from genrestore.runtime import Runtime

HEIGHT, WIDTH = 150, 170


def bricks(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A wall that repeats every 12 rows and 20 columns, uint8 [1, 3, height, width]."""
    y, x = np.mgrid[:height, :width]
    joint = (y % 12 < 2) | ((x + 10 * (y // 12 % 2)) % 20 < 2)
    tone = 90 + 60 * np.sin(x * 2 * np.pi / 10) * np.cos(y * 2 * np.pi / 6)
    return np.stack([np.where(joint, level, tone + level / 4) for level in (60, 40, 30)])[None].astype(
        np.uint8
    )


def hole(top: int = 50, left: int = 60, size: int = 48) -> np.ndarray:
    known = np.ones((1, 1, HEIGHT, WIDTH), bool)
    known[..., top : top + size, left : left + size] = False
    return known


def restoring(seed: int = 0) -> Restore:
    task = Task.without_weights(INPAINT, "patches", Request(0.0, fill="texture"))
    return Restore(task, Runtime.create("cpu", seed=seed))


def filled(
    picture: np.ndarray, known: np.ndarray, copyable: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    damaged = np.where(known, picture, 0).astype(picture.dtype)
    return restoring(seed)(damaged, known=known, copyable=copyable).pixels


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_what_repeats_is_continued(dtype: type) -> None:
    scale = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[dtype]
    picture, known = (bricks().astype(float) * scale).astype(dtype), hole()

    result = filled(picture, known)

    missing = np.broadcast_to(~known, picture.shape)
    assert result.dtype == dtype
    assert (result[~missing] == picture[~missing]).all()
    error = (result[missing].astype(float) - picture[missing]) / scale
    assert np.sqrt((error**2).mean()) < 6


def test_a_straight_edge_is_continued() -> None:
    noise = np.random.default_rng(1).normal(0, 6, (1, 1, HEIGHT, WIDTH))
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    picture = (np.where(y > 40 + x * 0.4, 60, 180) + noise).clip(0, 255).astype(np.uint8)
    known = hole(top=50, left=60, size=46)

    result = filled(picture, known)[0, 0, 50:96, 60:106]

    place = 50 + (result > 120).sum(0)
    assert np.abs(place - (41 + np.arange(60, 106) * 0.4)).mean() < 2


def test_texture_is_as_strong_as_what_is_around() -> None:
    picture = np.random.default_rng(0).integers(40, 200, (1, 1, HEIGHT, WIDTH)).astype(np.uint8)
    result = filled(picture, hole())
    assert 0.75 < result[..., 52:96, 62:106].std() / picture.std() < 1.25


def test_the_seed_alone_decides_the_draw() -> None:
    picture = np.random.default_rng(0).integers(40, 200, (1, 1, HEIGHT, WIDTH)).astype(np.uint8)
    first, again, other = (filled(picture, hole(), seed=seed) for seed in (1, 1, 2))
    assert (first == again).all()
    assert (first != other).any()


@pytest.mark.parametrize("rough_allowed", [True, False])
def test_it_is_copied_only_from_where_it_may_be(rough_allowed: bool) -> None:
    picture = np.full((1, 1, HEIGHT, WIDTH), 120, np.uint8)
    rough = np.s_[..., :, 110:]
    picture[rough] = np.random.default_rng(0).integers(40, 200, (1, 1, HEIGHT, WIDTH - 110))
    copyable = np.zeros((1, 1, HEIGHT, WIDTH), bool)
    copyable[rough] = True
    allowed = copyable if rough_allowed else ~copyable

    result = filled(picture, hole(left=30), allowed)

    assert (result[..., 55:93, 35:73].std() > 20) == rough_allowed


def test_nothing_to_copy_from_is_one_line() -> None:
    copyable = np.zeros((1, 1, HEIGHT, WIDTH), bool)
    copyable[..., :5, :5] = True
    with pytest.raises(InputError, match=NOTHING_TO_COPY):
        filled(bricks(), hole(), copyable)


def test_where_nothing_is_alike_that_is_said() -> None:
    picture, known = bricks(), np.zeros((1, 1, HEIGHT, WIDTH), bool)
    known[..., :30] = True
    (note,) = restoring()(picture, known=known).notes
    assert note == "the hole 30,0,140,150 has little around it that is alike: look at it closely"
    assert not restoring()(picture, known=hole()).notes


def test_the_start_gives_the_structure() -> None:
    y, _ = np.mgrid[:80, :80]
    picture = torch.from_numpy(np.where(y % 40 < 20, 0.2, 0.8)).float()[None, None].repeat(1, 3, 1, 1)
    known = torch.ones(1, 1, 80, 80)
    known[..., 20:60, 20:60] = 0
    result, unlike = synthesised(picture, known, start=picture)
    assert float((result - picture).abs().max()) < 0.05
    assert unlike < 0.05


def test_sources_may_be_another_picture() -> None:
    known = torch.ones(1, 1, 60, 60)
    known[..., 20:40, 20:40] = 0
    sources = Sources(
        torch.rand(1, 1, 50, 70, generator=torch.Generator().manual_seed(0)), torch.ones(1, 1, 50, 70)
    )
    result, _ = synthesised(torch.full((1, 1, 60, 60), 0.5), known, sources)
    assert float(result[..., 22:38, 22:38].std()) > 0.1


def test_a_seam_vanishes_and_slopes_stay() -> None:
    ramp = torch.linspace(0.1, 0.5, 40).expand(1, 1, 40, 40)
    known = torch.ones(1, 1, 40, 40)
    known[..., 10:20, 10:20] = 0
    places = torch.arange(1600).reshape(40, 40)[10:20, 10:20].flatten()
    result = blended(ramp, known, ramp + 0.05, places)
    assert float((result - ramp).abs().max()) < 0.02


def test_parts_of_a_mask_hang_together_across_corners() -> None:
    mask = np.array([[1, 0, 0, 1], [0, 1, 0, 1], [0, 0, 0, 1], [1, 1, 0, 1]], bool)
    found = Components.of(mask)
    assert found.labels.tolist() == [[1, 0, 0, 2], [0, 1, 0, 2], [0, 0, 0, 2], [3, 3, 0, 2]]
    assert [tuple((side.start, side.stop) for side in area) for area in found.areas] == [
        ((0, 2), (0, 2)),
        ((0, 4), (3, 4)),
        ((3, 4), (0, 2)),
    ]
    spiral = np.ones((9, 9), bool)
    spiral[1:8, 1:8] = False
    spiral[4, 4:9] = True
    assert len(Components.of(spiral).areas) == 1
    assert Components.of(np.zeros((3, 4), bool)).areas == []


def test_only_wide_holes_are_wide() -> None:
    known = hole(size=44)
    known[..., 5:8, :] = False
    known[..., 120:150, 10:40] = False
    assert [each.name for each in wide_holes(known)] == ["60,50,44,44"]
    assert len(all_holes(known)) == 3


@pytest.mark.parametrize(("side", "count"), [(300, 1), (1024, 1), (1100, 4)])
def test_a_hole_is_filled_at_once_wherever_it_lies_unless_it_is_huge(side: int, count: int) -> None:
    known = np.ones((1, 1, 1500, 1500), bool)
    known[..., 300 : 300 + side, 350 : 350 + side] = False
    (hole,) = wide_holes(known)
    parts = [piece for piece, _ in Texture(PatchesPrior(None, Runtime.create("cpu")), known).parts(hole)]
    covered = np.zeros_like(known)
    for piece in parts:
        covered[(..., *piece.fill)] = True
    assert len(parts) == count
    assert (covered == ~known).all()


def test_auto_is_mean_for_what_knows_no_other() -> None:
    assert Task.without_weights(INPAINT, "dip", Request(0.0, fill="auto")).request.fill == "mean"
    assert Task.of(INPAINT, "mnist-ae", Request(0.0, fill="auto")).request.fill == "mean"
    with pytest.raises(UsageError, match="fill texture is not theirs"):
        Task.of(INPAINT, "mnist-ae", Request(0.0, fill="texture"))
    with pytest.raises(UsageError, match="must be one of auto, mean, texture"):
        Request(fill="sharp")
