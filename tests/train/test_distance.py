"""The distance between made and real images."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from genrestore.study.coverage import sliced_distance
from genrestore.train.kinds.losses import multi_scale_wasserstein as multi_scale


def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def textures(count: int, seed: int, size: int = 32) -> torch.Tensor:
    """Smooth noise, [count, 1, size, size] in [0, 1]."""
    noise = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed))
    return functional.avg_pool2d(noise, 3, stride=1, padding=1)


def test_in_one_dimension_it_is_the_distance_of_sorted_values() -> None:
    first, second = torch.tensor([[3.0], [1.0], [2.0]]), torch.tensor([[2.0], [3.0], [6.0]])
    assert float(sliced_distance(first, second, draws())) == pytest.approx((1 + 1 + 9) / 3)


def test_a_shift_in_many_dimensions_counts_by_its_mean_square() -> None:
    first = torch.randn(2000, 20, generator=draws())
    shift = torch.ones(20)
    found = float(sliced_distance(first + shift, first, draws()))
    assert found == pytest.approx(1.0, rel=0.25)  # E (θ · shift)² = |shift|² / 20


@pytest.mark.parametrize("size", [28, 32, 64])
def test_a_set_has_no_distance_from_itself(size: int) -> None:
    images = textures(20, 0, size)
    assert float(multi_scale(images, images, draws())) == 0


def test_others_of_the_same_kind_are_nearer_than_blurred_noisy_or_fewer_ones() -> None:
    real, others = textures(200, 0), textures(200, 1)
    near = float(multi_scale(others, real, draws()))
    blurred = functional.avg_pool2d(others, 3, stride=1, padding=1)
    noisy = others + 0.1 * torch.randn(others.shape, generator=draws())
    collapsed = others[:1].expand_as(others)
    for worse in (blurred, noisy, collapsed):
        assert float(multi_scale(worse, real, draws())) > 2 * near
