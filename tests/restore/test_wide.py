"""Wide holes of a picture: which are, in what parts and with what sources each is filled."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch

import genrestore
from genrestore.errors import UsageError
from genrestore.restore import wide
from genrestore.restore.api import _copyable
from genrestore.restore.components import Components
from genrestore.restore.pictures import Restore
from genrestore.restore.pieces import as_tensor
from genrestore.restore.priors.patches import PatchesPrior
from genrestore.restore.problem import UNWATCHED, Problem, Solution
from genrestore.restore.task import INPAINT, Request, Task
from genrestore.restore.tiled import ONLY_WIDE
from genrestore.restore.tiling import Tiling, to_float
from genrestore.restore.wide import Hole, Texture, all_holes, structure, wide_holes
from genrestore.runtime import Runtime
from tests import tiny
from tests.restore.walls import HEIGHT, WIDTH, bricks, filled, hole, restoring


def test_what_is_to_be_avoided_gives_no_gradients_either() -> None:
    """Bright lines beside all that is copied: none of their brightness comes into the hole."""
    draw = np.random.default_rng(1)
    picture = (102 + 13 * draw.standard_normal((1, 1, 120, 120))).clip(0, 255).astype(np.uint8)
    allowed, known = np.ones((1, 1, 120, 120), bool), np.ones((1, 1, 120, 120), bool)
    allowed[..., ::11, :] = False
    known[..., 45:75, 40:70] = False
    clean = picture.copy()
    picture[~allowed] = 255
    picture[..., 41:79, 36:74] = clean[..., 41:79, 36:74]  # none near the hole
    result = filled(picture, known, allowed)
    assert result[~known].max() < clean.max() + 13


def test_allowing_more_to_copy_from_does_no_harm() -> None:
    picture, known = bricks(), hole(60, 70, 20)
    allowed = np.zeros_like(known)
    allowed[..., :30, :30] = True
    alone = filled(picture, known, allowed)
    allowed[..., -10:, -10:] = True
    assert np.array_equal(filled(picture, known, allowed), alone)


def test_sources_far_off_in_two_corners_are_found() -> None:
    """What may be copied lies all around the window that is looked at, and none of it inside."""
    known, allowed = np.ones((1, 1, 420, 420), bool), np.zeros((1, 1, 420, 420), bool)
    known[..., 200:220, 200:220] = False
    for corner in (slice(0, 60), slice(350, 410)):
        allowed[..., corner, corner] = True
    rough = np.random.default_rng(0).integers(80, 160, (1, 1, 420, 420))
    picture = np.where(allowed, rough, 120).astype(np.uint8)
    assert filled(picture, known, allowed)[..., 204:216, 204:216].std() > 10


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
    known = hole(size=18)
    known[..., 5:8, :] = False
    known[..., 120:136, 10:60] = False
    assert [each.name for each in wide_holes(known)] == ["60,50,18,18"]
    assert len(all_holes(known)) == 3


def test_structure_is_the_mean_of_what_is_near_where_the_hole_is_small_enough() -> None:
    class Prior:
        def __init__(self) -> None:
            self.problems: list[Problem] = []

        def solve(self, problem: Problem, settings: str) -> Solution:
            assert settings == "settings"
            self.problems.append(problem)
            return Solution(torch.full_like(problem.damaged, 0.25))

    for size, side in ((20, 20), (48, 24)):  # the second is looked at at half the size
        prior, known = Prior(), as_tensor(hole(60, 60, size))
        guess = structure(prior, "settings")(to_float(bricks()), known)
        (problem,) = prior.problems
        around = 32 + side + 32 if size == side else min(HEIGHT, WIDTH) // 2
        assert problem.known is not None
        assert (problem.known == 0).sum() == side**2
        assert min(problem.known.shape[2:]) == around
        assert (guess[known.expand_as(guess) == 0] - 0.25).abs().max() < (1e-6 if size == side else 0.2)


@pytest.mark.parametrize(("side", "count"), [(300, 1), (1024, 1), (1100, 4)])
def test_a_hole_is_filled_at_once_wherever_it_lies_unless_it_is_huge(side: int, count: int) -> None:
    known = np.ones((1, 1, 1500, 1500), bool)
    known[..., 300 : 300 + side, 350 : 350 + side] = False
    (hole,) = wide_holes(known)
    parts = list(Texture(PatchesPrior(None, Runtime.create("cpu")), known).parts(hole))
    covered = np.zeros_like(known)
    for piece in parts:
        covered[(..., *piece.fill)] = True
    assert len(parts) == count
    assert (covered == ~known).all()


@pytest.mark.parametrize(("side", "margin"), [(60, 128), (200, 200), (400, 300)])
def test_as_much_is_looked_at_as_a_side_has_within_limits(side: int, margin: int) -> None:
    known = np.ones((1, 1, 1100, 900), bool)
    known[..., 350 : 350 + side, 20 : 20 + side] = False
    (hole,) = wide_holes(known)
    (piece,) = Texture(PatchesPrior(None, Runtime.create("cpu")), known).parts(hole)
    assert piece.fill == (slice(350, 350 + side), slice(20, 20 + side))
    assert piece.read == (slice(350 - margin, 350 + side + margin), slice(0, 20 + side + margin))


def test_structure_is_solved_where_the_hole_is_small_enough_and_no_smaller() -> None:
    seen: list[Problem] = []

    class Mean:
        def solve(self, problem: Problem, settings: object) -> Solution:
            seen.append(problem)
            return Solution(torch.full_like(problem.damaged, 0.25))

    known = torch.ones(1, 1, 200, 240)
    known[..., 40:150, 60:200] = 0  # 55 pixels deep: 28 at half the size, 14 at a quarter
    guess = structure(Mean(), None)(torch.rand(1, 3, 200, 240), known)
    assert [tuple(one.damaged.shape) for one in seen] == [(1, 3, 50, 60)]
    torch.testing.assert_close(guess, torch.full((1, 3, 200, 240), 0.25))


def test_auto_is_mean_for_what_knows_no_other() -> None:
    assert Task.without_weights(INPAINT, "dip", Request(0.0, fill="auto")).request.fill == "mean"
    assert Task.of(INPAINT, "mnist-ae", Request(0.0, fill="auto")).request.fill == "mean"
    with pytest.raises(UsageError, match="fill texture is not theirs"):
        Task.of(INPAINT, "mnist-ae", Request(0.0, fill="texture"))
    with pytest.raises(UsageError, match="must be one of auto, mean, texture"):
        Request(fill="sharp")


def test_where_to_copy_from_is_not_left_out_without_a_word(tmp_path: Path) -> None:
    picture, speck = bricks()[0].transpose(1, 2, 0), ~hole(50, 60, 3)[0, 0]
    with pytest.raises(UsageError, match="weights mnist-ae copy none"):
        genrestore.inpaint(picture[:28, :28, 0], speck[:28, :28], source=(0, 0, 9, 9), weights="mnist-ae")
    for source in ((0.0, 0, 9, 9), (0, 0, 9)):
        with pytest.raises(UsageError, match="must be left, top, width and height in whole pixels"):
            genrestore.inpaint(picture, speck, source=source)  # type: ignore[arg-type]
    weights = str(tiny.save_inpainter(tmp_path))
    restore = Restore(Task.of(INPAINT, weights, Request(0.0)), Runtime.create("cpu"))
    known = hole(50, 60, 3)
    assert restore(bricks(), known=known).notes == ()
    assert restore(bricks(), known=known, copyable=known).notes == (ONLY_WIDE,)


def test_python_says_what_is_copied_as_the_command_does() -> None:
    there, ignored = hole(), np.zeros((HEIGHT, WIDTH), np.uint8)
    ignored[:, 40:] = 255
    inside = np.zeros_like(there)
    inside[..., 30:130, 10:90] = True
    assert (_copyable(there, (10, 30, 80, 100), None) == (there & inside)).all()
    assert (_copyable(there, None, ignored) == (there & (ignored == 0))).all()
    assert (_copyable(there, (10, 30, 80, 100), ignored) == (there & inside & (ignored == 0))).all()


class Noting:
    """Stands in for the prior of patches: notes the problems, and fills with half brightness."""

    def __init__(self, distance: float = 0.0) -> None:
        self.problems: list[Problem] = []
        self._distance = torch.tensor([distance])

    def solve(self, problem: Problem, settings: object, watch: object) -> Solution:
        self.problems.append(problem)
        image = torch.where(problem.known > 0, problem.damaged, 0.5)  # type: ignore[operator]
        return Solution(image, distance=self._distance)


def two_holes() -> tuple[np.ndarray, list[Hole]]:
    """Squares of 20 pixels, in rows 40 to 60 and columns 30 and 70."""
    known = hole(40, 30, 20) & hole(40, 70, 20)
    return known, [
        Hole((slice(40, 60), slice(left, left + 20)), np.ones((20, 20), bool)) for left in (30, 70)
    ]


def test_a_hole_is_filled_with_others_out_of_sight_and_known_to_the_next() -> None:
    known, holes = two_holes()
    picture, so_far = bricks(), known.copy()
    before = picture.copy()
    patches: Any = Noting()
    texture = Texture(patches, known)
    for one in holes:
        assert texture.fill(one, picture, so_far, UNWATCHED) is None
    assert so_far.all()
    first, second = patches.problems
    assert torch.equal(first.known == 0, torch.from_numpy(~hole(40, 30, 20)))
    assert torch.equal(second.known == 0, torch.from_numpy(~hole(40, 70, 20)))
    for problem in (first, second):
        assert problem.start is None
        assert torch.equal(problem.sources.usable > 0, torch.from_numpy(known))
        assert torch.equal(problem.damaged[0][:, known[0, 0]], to_float(before)[0][:, known[0, 0]])
    left, right = np.s_[..., 40:60, 30:50], np.s_[..., 40:60, 70:90]
    assert not torch.equal(first.damaged[right], to_float(before)[right])  # what a hole holds is unknown
    assert (second.damaged[left] - 0.5).abs().max() < 0.003
    filled_too = np.broadcast_to(~known, picture.shape)
    assert (picture[filled_too] == 128).all()
    assert (picture[~filled_too] == before[~filled_too]).all()


def test_parts_of_a_huge_hole_are_known_to_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "PARTS", Tiling(32, 8))
    known, patches = hole(40, 30, 60), cast("Any", Noting())
    (one,) = wide_holes(known)
    Texture(patches, known).fill(one, bricks(), known.copy(), UNWATCHED)
    missing = [int((problem.known == 0).sum()) for problem in patches.problems]
    assert missing[0] == 60 * 60
    assert len(missing) > 2
    assert all(after < before for before, after in itertools.pairwise(missing))


def test_a_part_that_sees_nothing_known_waits_for_those_that_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "PARTS", Tiling(32, 8))
    monkeypatch.setattr(wide, "NEAR", 4)
    known, patches = np.ones((1, 1, HEIGHT, WIDTH), bool), cast("Any", Noting())
    known[..., :100, :100] = False
    (one,) = wide_holes(known)
    so_far = known.copy()
    Texture(patches, known).fill(one, bricks(), so_far, UNWATCHED)
    assert so_far.all()
    assert all(bool((problem.known > 0).any()) for problem in patches.problems)


def test_a_feather_is_at_the_edge_of_a_hole_and_not_of_its_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "PARTS", Tiling(32, 8))
    picture, known = np.full((1, 3, HEIGHT, WIDTH), 200, np.uint8), hole(40, 30, 60)
    (one,) = wide_holes(known)
    patches: Any = Noting()
    Texture(patches, known, feather=4).fill(one, picture, known.copy(), UNWATCHED)
    assert len(patches.problems) > 2
    assert (picture[..., 44:96, 34:86] == 128).all()
    assert (picture[..., 40, 30:90] > 180).all()


def test_texture_tells_its_progress_by_area_to_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wide, "PARTS", Tiling(32, 8))
    told = list[float]()
    small = np.ones((1, 1, HEIGHT, WIDTH), bool)
    small[..., 10:20, 10:20] = False
    restoring()(bricks(), told.append, hole() & small)
    assert told == sorted(told)
    assert told[-1] == 1
    assert min(told) < 0.1  # the small hole is the first


def test_specks_elsewhere_change_nothing_of_a_wide_hole_before_its_turn() -> None:
    """Its feather goes over from what it held, not from a mean that a piece around specks put there."""
    alone = hole(50, 60, 24)
    with_specks = alone & hole(48, 58, 1) & hole(75, 85, 1)
    picture = np.full((1, 3, HEIGHT, WIDTH), 100, np.uint8)
    picture[np.broadcast_to(~alone, picture.shape)] = 230

    class Flat:
        overlap = 8

        def denoise(self, image: torch.Tensor, sigma: float) -> torch.Tensor:
            return torch.full_like(image, 100 / 255)

    both = [
        genrestore.inpaint(picture[0].transpose(1, 2, 0), ~known[0, 0], feather=16, prior=Flat())
        for known in (alone, with_specks)
    ]
    assert np.abs(both[0].astype(int) - both[1])[50:74, 60:84].max() <= 1


def test_texture_goes_over_from_what_the_hole_held() -> None:
    picture, known = np.full((1, 1, HEIGHT, WIDTH), 200, np.uint8), hole(40, 30, 20)
    patches: Any = Noting()
    one = Hole((slice(40, 60), slice(30, 50)), np.ones((20, 20), bool))
    Texture(patches, known, feather=4).fill(one, picture, known.copy(), UNWATCHED)
    middle = picture[0, 0, 50, 28:38].tolist()
    assert middle == [
        200,
        200,
        *(round(200 + (128 - 200) * depth / 5) for depth in (1, 2, 3, 4)),
        *[128] * 4,
    ]


def test_texture_is_given_its_structure_and_what_may_be_copied() -> None:
    known, (one, _) = two_holes()
    picture, allowed = bricks(), np.zeros_like(known)
    allowed[..., 45:150, 60:170] = True
    allowed[..., 100:110, 100:120] = False
    patches: Any = Noting()
    texture = Texture(patches, known, allowed, lambda image, known: torch.full_like(image, 0.25))
    texture.fill(one, picture, known.copy(), UNWATCHED)
    (problem,) = patches.problems
    assert torch.equal(problem.start, torch.full((1, 3, HEIGHT, WIDTH), 0.25))
    rows, columns = slice(45, 150), slice(60, 170)
    assert torch.equal(problem.sources.usable > 0, torch.from_numpy((known & allowed)[..., rows, columns]))
    seen, given = (known & allowed)[0, 0, rows, columns], to_float(bricks()[..., rows, columns])
    assert torch.equal(problem.sources.image[0][:, seen], given[0][:, seen])


@pytest.mark.parametrize(("distance", "side", "poor"), [(0.0, 100, False), (0.6, 100, True), (0.0, 12, True)])
def test_a_hole_is_poor_where_little_is_alike_or_little_may_be_copied(
    distance: float, side: int, poor: bool
) -> None:
    known, (one, _) = two_holes()
    allowed = np.zeros_like(known)
    allowed[..., 50 : 50 + side, 60 : 60 + side] = True
    patches: Any = Noting(distance)
    note = Texture(patches, known, allowed).fill(one, bricks(), known.copy(), UNWATCHED)
    assert (note == "the hole 30,40,20,20 has little around it that is alike: look at it closely") == poor
