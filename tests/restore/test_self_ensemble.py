from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genrestore.restore.priors.autoencoder import SHIFTS, cycle_spinning
from genrestore.restore.priors.denoiser import SYMMETRIES, self_ensemble
from genrestore.restore.settings import COUNTS


@pytest.mark.parametrize("turns", COUNTS)
def test_what_does_not_care_for_turns_stays(turns: int) -> None:
    image = torch.rand(1, 3, 4, 6)
    torch.testing.assert_close(self_ensemble(turns, lambda seen: seen + 1, image), image + 1)


def test_all_eight_ways_are_seen_with_what_belongs_to_them() -> None:
    image = torch.arange(4.0).reshape(1, 1, 2, 2)
    seen = set()

    def network(transformed: torch.Tensor, level: torch.Tensor, nothing: None) -> torch.Tensor:
        assert torch.equal(transformed, level / 10)
        assert nothing is None
        seen.add(tuple(transformed.flatten().tolist()))
        return transformed

    self_ensemble(8, network, image, image * 10, None)
    assert len(seen) == len(SYMMETRIES) == 8


def test_the_mean_is_that_of_estimates_turned_back() -> None:
    image = torch.rand(1, 1, 4, 4)

    def first_column(seen: torch.Tensor) -> torch.Tensor:
        return torch.cat([seen[..., :1], torch.zeros_like(seen[..., 1:])], dim=3)

    expected = torch.zeros_like(image)
    expected[..., 0] += image[..., 0]
    expected[..., -1] += image[..., -1]
    expected[..., 0, :] += image[..., 0, :]
    expected[..., -1, :] += image[..., -1, :]
    torch.testing.assert_close(self_ensemble(8, first_column, image), expected / 4)


def everything(image: Tensor) -> Tensor:
    return torch.ones_like(image[:, :1])


def test_what_moves_with_the_picture_stays_as_it_is() -> None:
    image = torch.rand(2, 3, 6, 9)
    assert torch.allclose(cycle_spinning(lambda y, _: 2 * y, image, everything(image)), 2 * image)


def test_what_stays_in_place_is_spread_over_the_shifts() -> None:
    image, dot = torch.zeros(1, 1, 7, 7), torch.zeros(1, 1, 7, 7)
    dot[..., 3, 3] = 1
    spread = cycle_spinning(lambda y, _: dot.expand_as(y), image, everything(image))
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

    cycle_spinning(network, image, known)
    for (down, right), (moved, there) in zip(SHIFTS, seen, strict=True):
        assert torch.equal(moved[..., 1:4, 1:4], image[..., 1 + down : 4 + down, 1 + right : 4 + right])
        assert torch.equal(there[..., 1:4, 1:4], known[..., 1 + down : 4 + down, 1 + right : 4 + right])
    moved, there = seen[SHIFTS.index((1, 0))]
    assert torch.equal(moved[..., -1, :], image[..., -1, :])  # goes on as it ends
    assert torch.equal(there[..., -1, :], known[..., -1, :])


def test_the_first_two_are_half_a_turn_apart_and_the_next_two_their_mirror_images() -> None:
    image, seen = torch.arange(6.0).reshape(1, 1, 2, 3), list[Tensor]()
    self_ensemble(4, lambda one: (seen.append(one), one)[1], image)
    half = image.rot90(2, (2, 3))
    for found, expected in zip(seen, (image, half, image.mT, half.mT), strict=True):
        assert torch.equal(found, expected)
