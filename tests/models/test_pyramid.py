"""Filling by a pyramid: invariants, and a picture that can be written down by hand."""

from __future__ import annotations

import pytest
import torch

from genrestore.models.pyramid import doubled, fill, halved


def holes(height: int, width: int, share: float = 0.5) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return (torch.rand(1, 1, height, width, generator=generator) >= share).float()


@pytest.mark.parametrize("size", [(1, 1), (1, 7), (5, 1), (16, 16), (37, 23)])
def test_known_pixels_stay_and_a_flat_picture_is_flat(size: tuple[int, int]) -> None:
    known = holes(*size)
    known[..., 0, 0] = 1
    image = torch.full((1, 3, *size), 0.3)
    filled = fill(torch.where(known > 0, image, torch.nan), known)
    torch.testing.assert_close(filled, image, atol=1e-6, rtol=0)


def test_what_is_filled_lies_between_what_is_known() -> None:
    known = holes(40, 50, 0.9)
    image = torch.rand(1, 3, 40, 50, generator=torch.Generator().manual_seed(1))
    filled = fill(image, known)
    kept = image[(known > 0).expand_as(image)]
    assert torch.equal(filled[(known > 0).expand_as(image)], kept)
    assert kept.min() <= filled.min() <= filled.max() <= kept.max()


def test_two_halves_meet_in_the_middle() -> None:
    image = torch.cat([torch.zeros(1, 1, 64, 24), torch.ones(1, 1, 64, 40)], 3)
    known = torch.ones(1, 1, 64, 64)
    known[..., 16:48] = 0
    line = fill(image, known)[0, 0, 32]
    assert line[17] < 0.3
    assert line[46] > 0.7
    assert (line.diff() >= -0.05).all(), "rises from the dark side to the bright one"


def test_pictures_of_a_batch_do_not_touch_one_another() -> None:
    known = torch.cat([holes(12, 9), holes(12, 9, 0.8)])
    image = torch.rand(2, 3, 12, 9, generator=torch.Generator().manual_seed(2))
    alone = torch.cat([fill(image[i : i + 1], known[i : i + 1]) for i in range(2)])
    torch.testing.assert_close(fill(image, known), alone)


def test_nothing_known_gives_nothing() -> None:
    assert torch.equal(fill(torch.ones(1, 1, 4, 4), torch.zeros(1, 1, 4, 4)), torch.zeros(1, 1, 4, 4))


def test_halving_takes_the_mean_of_what_is_known() -> None:
    image = torch.tensor([[1.0, 3, 7], [5, 100, 100]]).reshape(1, 1, 2, 3)
    known = torch.tensor([[1.0, 1, 0], [1, 0, 0]]).reshape(1, 1, 2, 3)
    small, there = halved(image, known)
    assert there.flatten().tolist() == [1, 0]
    assert small[0, 0, 0].tolist() == [3, 0]


def test_doubling_a_flat_picture_keeps_it() -> None:
    large = doubled(torch.full((1, 3, 4, 5), 0.25), (7, 10))
    torch.testing.assert_close(large, torch.full((1, 3, 7, 10), 0.25))
