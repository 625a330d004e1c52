"""Pieces of large pictures with holes: together they are the holes, and no more than what is around them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from genrestore.restore.pieces import as_tensor, depth, pieces
from genrestore.restore.tiling import Tiling

TILING = Tiling(96, 16)


def known_with(*holes: tuple[slice, slice], size: tuple[int, int] = (300, 400)) -> np.ndarray:
    known = np.ones((1, 1, *size), bool)
    for rows, columns in holes:
        known[..., rows, columns] = False
    return known


def test_every_missing_pixel_is_filled_once() -> None:
    known = np.random.default_rng(0).random((1, 1, 150, 170)) > 0.01
    count = np.zeros(known.shape, int)
    for piece in pieces(known, TILING):
        count[(..., *piece.fill)] += ~known[(..., *piece.fill)]
    assert np.array_equal(count, ~known)


def test_a_piece_is_its_hole_and_the_surroundings() -> None:
    known = known_with((slice(100, 103), slice(200, 240)))
    found = list(pieces(known, Tiling(512, 16)))
    assert [piece.fill for piece in found] == [(slice(100, 103), slice(200, 240))]
    assert [piece.read for piece in found] == [(slice(84, 119), slice(184, 256))]


def test_at_the_edge_of_the_picture_the_surroundings_end() -> None:
    (piece,) = pieces(known_with((slice(0, 2), slice(397, 400))), Tiling(512, 16))
    assert piece.read == (slice(0, 18), slice(381, 400))


def test_the_cost_follows_the_holes() -> None:
    known = known_with((slice(5, 9), slice(5, 9)), (slice(290, 294), slice(390, 394)))
    read = [rows.stop - rows.start for rows, _ in (piece.read for piece in pieces(known, TILING))]
    assert len(read) == 2
    assert max(read) <= 4 + 2 * 16


def test_specks_and_lines_are_looked_at_alone() -> None:
    places = (10, 20), (60, 330), (150, 200), (210, 40), (290, 380)
    specks = [(slice(y, y + 4), slice(x, x + 4)) for y, x in places]
    known, alone = known_with(*specks), 36 * 36
    assert sum(piece.area for piece in pieces(known, Tiling(512, 16))) <= 5 * alone
    assert sorted(piece.fill for piece in pieces(known, Tiling(512, 16))) == sorted(specks)  # none is cut
    line = known_with(size=(300, 300))
    line[0, 0, np.arange(300), np.arange(300)] = False
    assert sum(piece.area for piece in pieces(line, Tiling(512, 16))) < 300**2 / 2


def test_holes_that_are_close_are_looked_at_together() -> None:
    known = np.random.default_rng(0).random((1, 1, 300, 400)) > 0.02
    (piece,) = pieces(known, Tiling(512, 16))
    assert piece.area == known.size


def test_depth_counts_from_the_edge_of_the_hole() -> None:
    known = as_tensor(known_with((slice(2, 7), slice(2, 7)), size=(9, 9)))
    assert depth(known, 5)[0, 0, 4].tolist() == [0, 0, 1, 2, 3, 2, 1, 0, 0]
    assert depth(known, 1)[0, 0, 4].tolist() == [0, 0, 1, 2, 2, 2, 1, 0, 0]
    assert torch.equal(depth(known, 0), 1 - known)


@pytest.mark.parametrize("overlap", [0, 1, 16])
@pytest.mark.parametrize("size", [(1, 1), (1, 200), (97, 1), (100, 90)])
def test_any_size_and_overlap(size: tuple[int, int], overlap: int) -> None:
    known = np.zeros((1, 1, *size), bool)
    found = pieces(known, Tiling(64 + 2 * overlap, overlap))
    assert sum((~known[(..., *piece.fill)]).sum() for piece in found) == known.size
