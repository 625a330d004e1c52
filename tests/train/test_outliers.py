"""Out-of-class images for a training, and how far their latents are from the class's."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genrestore.train import distributed, kinds
from genrestore.train.data.dataset import Folder, Reading, load_images
from genrestore.train.data.named import Library
from genrestore.train.data.out_of_class import KINDS, out_of_class
from genrestore.train.kinds.autoencoder import REMEMBERED, AutoencoderTraining, LatentMemory
from tests.train import covering, toy


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
    assert found.tolist() == pytest.approx([0, 0.2, 0.3], abs=1e-4)
    (slope,) = torch.autograd.grad(found.sum(), others)
    assert torch.allclose(slope, torch.tensor([[0.0, 0], [0, 1], [-1, 0]]), atol=1e-4)


def test_the_last_latents_are_kept_and_the_oldest_forgotten() -> None:
    memory = LatentMemory(2)
    own = torch.rand(10, 2)
    memory.excess_distance(own, own[:0])
    assert torch.equal(memory.latents[-10:], own)
    assert memory.latents.shape == (REMEMBERED, 2)
    assert float(memory.excess_distance(own, own).sum()) == pytest.approx(0, abs=1e-3)
    assert memory.excess_distance(own, own[:0]).shape == (0,)


def test_two_processes_have_the_loss_of_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Out-of-class images are those of the first process: its loss and the other's have one's mean."""
    toy.write_digits(tmp_path, train=20)
    asked = covering.request(tmp_path)
    images = load_images([Folder.parse("mnist")], Reading(1, 28), Library(tmp_path))
    model = kinds.AutoencoderSettings(**{**covering.SMALL, "outliers": 0.5})
    loop = replace(kinds.KINDS["ae"].loop, **asked.loop)

    def loss(indices: range) -> float:
        made = AutoencoderTraining(model, loop, images, images, toy.RUNTIME)
        whole = made.batch(0, range(8))
        part = made.batch(0, indices)
        everyone = made.networks["autoencoder"].encode(whole.images).detach()  # type: ignore[operator]
        monkeypatch.setattr(distributed, "gather", lambda rows: everyone)
        return float(made.step(part)["outliers"])

    alone = loss(range(8))
    monkeypatch.setattr(distributed, "world_size", lambda: 2)
    monkeypatch.setattr(distributed, "average_gradients", lambda parameters: None)
    first, second = loss(range(4)), loss(range(4, 8))
    assert second == 0
    assert (first + second) / 2 == pytest.approx(alone, rel=1e-4)
    assert alone > 1e-4
