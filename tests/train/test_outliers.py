"""Out-of-class images for a training, and how far their latents are from the class's."""

from __future__ import annotations

import pytest
import torch

from genrestore.train.data.out_of_class import KINDS, out_of_class
from genrestore.train.kinds.autoencoder import REMEMBERED, LatentMemory


def image() -> torch.Tensor:
    """A picture with a bright corner, [1, 28, 28]."""
    picture = torch.zeros(1, 28, 28)
    picture[:, 3:9, 2:6] = 1
    return picture


@pytest.mark.parametrize("make", KINDS, ids=lambda make: make.__name__)
def test_every_kind_is_another_picture_of_the_same_shape_and_range(make: object) -> None:
    assert callable(make)
    for channels in (1, 3):
        picture = image().repeat(channels, 1, 1)
        found = make(picture, torch.Generator().manual_seed(0))
        assert found.shape == picture.shape
        assert 0 <= float(found.min()) <= float(found.max()) <= 1
        assert not torch.equal(found, picture)
        assert torch.equal(found, make(picture, torch.Generator().manual_seed(0)))


def test_all_kinds_come_up() -> None:
    draws = [torch.Generator().manual_seed(seed) for seed in range(60)]
    found = torch.stack([out_of_class(image(), one) for one in draws])
    flat = found.flatten(1)
    assert int((flat.std(1) == 0).sum()) > 2  # one grey
    assert int((flat == (1 - image()).flatten()).all(1).sum()) > 2  # negatives
    assert int((flat == image().flip(-1).flatten()).all(1).sum()) > 2  # mirrored


def test_the_distance_counts_beyond_the_class_s_own() -> None:
    memory = LatentMemory(2)
    memory.latents.copy_(torch.tensor([[0.5, 0.5]]).repeat(REMEMBERED, 1))
    own = torch.tensor([[0.5, 0.6], [0.5, 0.8]])  # 0.2 away in the mean
    others = torch.tensor([[0.5, 0.6], [0.5, 0.9], [0.0, 0.5]], requires_grad=True)
    found = memory.excess_distance(own, others)
    assert float(found.detach()) == pytest.approx((0 + 0.2 + 0.3) / 3, abs=1e-4)
    (slope,) = torch.autograd.grad(found, others)
    assert torch.allclose(slope, torch.tensor([[0.0, 0], [0, 1 / 3], [-1 / 3, 0]]), atol=1e-4)


def test_the_last_latents_are_kept_and_the_oldest_forgotten() -> None:
    memory = LatentMemory(2)
    own = torch.rand(10, 2)
    memory.excess_distance(own, own[:0])
    assert torch.equal(memory.latents[-10:], own)
    assert memory.latents.shape == (REMEMBERED, 2)
    assert float(memory.excess_distance(own, own)) == pytest.approx(0, abs=1e-3)
    assert float(memory.excess_distance(own, own[:0])) == 0.0
