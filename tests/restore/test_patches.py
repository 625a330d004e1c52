"""Patches copied into a hole: what repeats goes on, seams vanish, texture is as strong as around."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from genrestore.errors import InputError
from genrestore.restore.priors.patches import NOTHING_TO_COPY
from genrestore.restore.solvers.patch_match import (
    INWARDS,
    _copied,
    _means,
    _origins,
    synthesised,
)
from genrestore.restore.solvers.patch_scale import RADIUS, Scale, Sources
from genrestore.restore.solvers.patch_scale import texture as planes_of_texture
from genrestore.restore.solvers.poisson import SCREEN, blended
from genrestore.restore.tiling import to_float
from tests.restore.walls import HEIGHT, WIDTH, bricks, filled, hole, restoring


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


@pytest.mark.parametrize("colour", [(90, 140, 120), (255, 255, 255), (0, 0, 0)])
def test_a_hole_in_a_flat_picture_is_filled_flat(colour: tuple[int, int, int]) -> None:
    flat = np.broadcast_to(np.array(colour, np.uint8)[None, :, None, None], (1, 3, 96, 96)).copy()
    known = np.ones((1, 1, 96, 96), bool)
    known[..., 36:61, 36:61] = False
    assert np.array_equal(filled(flat, known), flat)


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


def test_blending_is_least_squares_with_the_steeper_side_at_a_seam() -> None:
    draw = torch.Generator().manual_seed(0)
    row, source = torch.rand(7, generator=draw), torch.rand(1, 1, 1, 9, generator=draw)
    known, origin = (
        torch.tensor([1.0, 1, 0, 0, 0, 1, 1]),
        [1, 2, 6],
    )  # a seam between the second and the third
    result = blended(row.view(1, 1, 1, 7), known.view(1, 1, 1, 7), source, torch.tensor(origin))[0, 0, 0]
    own = source.flatten()
    after, before = ([own[place + 1] - own[place] for place in places] for places in (origin, [0, 1, 5]))
    steps = [before[0], *(max(after[at], before[at + 1], key=abs) for at in (0, 1)), after[2]]
    matrix, right = torch.zeros(7, 3), torch.zeros(7)
    for at, step in enumerate(steps):  # x[at + 2] - x[at + 1] = step
        for column, sign in ((at, 1.0), (at - 1, -1.0)):
            if 0 <= column < 3:
                matrix[at, column] = sign
        right[at] = step + (row[1] if at == 0 else 0.0) - (row[5] if at == 3 else 0.0)
    matrix[4:], right[4:] = SCREEN**0.5 * torch.eye(3), SCREEN**0.5 * own[origin]
    torch.testing.assert_close(result[2:5], torch.linalg.lstsq(matrix, right).solution, atol=1e-4, rtol=0)
    assert torch.equal(result[known == 1], row[known == 1])


def votes(missing: torch.Tensor, active: torch.Tensor) -> Any:
    """Patches over each missing pixel: their number, the pixel's place in them, their depth in the hole."""
    known = (missing == 0).nonzero().tolist()
    for y, x in missing.nonzero().tolist():
        found = []
        for number, place in enumerate(active.tolist()):
            row, column = divmod(place, missing.shape[1])
            if max(abs(y - row), abs(x - column)) <= RADIUS:
                deep = min(max(abs(row - down), abs(column - across)) for down, across in known)
                found.append((number, (y - row, x - column), deep))
        yield (y, x), found


def drawn_scale(planes: int, draw: torch.Generator) -> Scale:
    """A scale of 24×24 pixels of noise with a hole of 7×7."""
    image, source = torch.rand(2, 1, planes, 24, 24, generator=draw)
    missing = torch.zeros(1, 1, 24, 24)
    missing[..., 9:16, 8:15] = 1
    return Scale(image, missing, source, torch.ones(1, 1, 24, 24))


def test_patches_nearer_to_the_edge_of_a_hole_count_more() -> None:
    draw = torch.Generator().manual_seed(1)
    scale = drawn_scale(3, draw)
    places = scale.centres[torch.randint(len(scale.centres), (len(scale.active),), generator=draw)]
    distances = 1 + torch.rand(len(places), generator=draw)
    means, origins = _means(scale, places), iter(_origins(scale, places, distances).tolist())
    for (y, x), over in votes(scale.missing[0, 0], scale.active):
        there = [int(places[number]) + down * 24 + across for number, (down, across), _ in over]
        weights = torch.tensor([INWARDS**-deep for *_, deep in over])
        expected = (weights[:, None] * scale.pixels[there]).sum(0) / weights.sum()
        torch.testing.assert_close(means[0, :, y, x], expected, atol=1e-5, rtol=0)
        unlike = [float(distances[number]) * INWARDS**deep for number, _, deep in over]
        assert next(origins) == there[int(np.argmin(unlike))]


def test_colours_are_copied_and_what_they_lack_of_the_texture_around_is_asked_for() -> None:
    draw = torch.Generator().manual_seed(2)
    scale = drawn_scale(5, draw)
    origins = scale.centres[torch.randint(len(scale.centres), (49,), generator=draw)]
    copied, hole = _copied(scale, origins, 0.25)[0], scale.missing[0, 0] > 0
    assert torch.equal(copied[:, ~hole], scale.image[0, :, ~hole])
    assert torch.equal(copied[:3, hole], scale.pixels[origins, :3].t())
    own, around = scale.pixels[origins, 3:].t(), scale.image[0, 3:, hole]
    assert (own > around).any()
    torch.testing.assert_close(copied[3:, hole], torch.where(own > around, own, 0.75 * own + 0.25 * around))


def test_steepness_is_that_of_known_neighbours_alone() -> None:
    across = torch.arange(60.0) / 100
    image, known = (across + 0.5 * across[:, None]).expand(1, 3, 60, 60).clone(), torch.ones(1, 1, 60, 60)
    known[..., 20:40, 25:35] = 0
    image[..., 20:40, 25:35] = 9.0
    planes = planes_of_texture(image, known)
    expected = torch.tensor([0.01, 0.005])[:, None, None].expand(2, 60, 60)
    torch.testing.assert_close(planes[0], expected, atol=1e-5, rtol=0)


def test_where_nothing_is_known_it_ends() -> None:
    """Texture without surroundings, from a source of its own."""
    source = to_float(bricks(60, 60))
    image, known = torch.zeros(1, 3, 30, 30), torch.zeros(1, 1, 30, 30)
    result, _ = synthesised(image, known, Sources(source, torch.ones(1, 1, 60, 60)))
    assert float(result.std()) > 0.1
