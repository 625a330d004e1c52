"""Estimates of pictures that are moved by a pixel, and their mean."""

from __future__ import annotations

import torch
from torch import Tensor

from genrestore.restore.shifts import SHIFTS, mean_over_shifts


def everything(image: Tensor) -> Tensor:
    return torch.ones_like(image[:, :1])


def test_what_moves_with_the_picture_stays_as_it_is() -> None:
    image = torch.rand(2, 3, 6, 9)
    assert torch.allclose(mean_over_shifts(lambda y, _: 2 * y, image, everything(image)), 2 * image)


def test_what_stays_in_place_is_spread_over_the_shifts() -> None:
    image, dot = torch.zeros(1, 1, 7, 7), torch.zeros(1, 1, 7, 7)
    dot[..., 3, 3] = 1
    spread = mean_over_shifts(lambda y, _: dot.expand_as(y), image, everything(image))
    expected = torch.zeros_like(dot)
    for down, right in SHIFTS:
        expected[..., 3 + down, 3 + right] = 1 / len(SHIFTS)
    assert torch.allclose(spread, expected)


def test_what_is_known_moves_with_the_picture() -> None:
    image, known = torch.rand(1, 1, 5, 5), (torch.rand(1, 1, 5, 5) < 0.5).float()
    seen: list[tuple[Tensor, Tensor]] = []

    def network(moved: Tensor, there: Tensor) -> Tensor:
        seen.append((moved, there))
        return moved

    mean_over_shifts(network, image, known)
    for (down, right), (moved, there) in zip(SHIFTS, seen, strict=True):
        assert torch.equal(moved[..., 1:4, 1:4], image[..., 1 + down : 4 + down, 1 + right : 4 + right])
        assert torch.equal(there[..., 1:4, 1:4], known[..., 1 + down : 4 + down, 1 + right : 4 + right])
    moved, there = seen[SHIFTS.index((1, 0))]
    assert torch.equal(moved[..., -1, :], image[..., -1, :])  # goes on as it ends
    assert torch.equal(there[..., -1, :], known[..., -1, :])
