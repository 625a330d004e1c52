"""Latents that are drawn, and the images that are made of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from genrestore.errors import WeightsError
from genrestore.study.latents import SAMPLED, Sampler, sampler
from genrestore.weights import load
from tests import tiny
from tests.train.toy import RUNTIME

SAVE: dict[str, Callable[[Path], Path]] = {
    "generator": tiny.save_generator,
    "autoencoder": tiny.save_autoencoder,
}


def made(folder: Path, kind: str) -> Sampler:
    return sampler(load.load(str(SAVE[kind](folder)), RUNTIME), kind, RUNTIME)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_latents_are_drawn_from_what_the_network_was_trained_on(tmp_path: Path) -> None:
    normal = made(tmp_path, "generator").draw(20_000, draws())
    uniform = made(tmp_path, "autoencoder").draw(20_000, draws())
    assert (normal.shape[1], uniform.shape[1]) == (3, 2)
    assert torch.allclose(normal.mean(0), torch.zeros(3), atol=0.03)
    assert torch.allclose(normal.var(0), torch.ones(3), atol=0.04)
    assert 0 <= float(uniform.min()) < float(uniform.max()) <= 1
    assert torch.allclose(uniform.var(0), torch.full((2,), 1 / 12), atol=0.003)


@pytest.mark.parametrize("kind", sorted(SAVE))
def test_fewer_latents_are_the_first_of_more(tmp_path: Path, kind: str) -> None:
    one = made(tmp_path, kind)
    for count in (1, 7):
        assert torch.equal(one.draw(count, draws()), one.draw(20, draws())[:count])


@pytest.mark.parametrize("kind", sorted(SAVE))
def test_an_image_does_not_depend_on_what_else_is_made(tmp_path: Path, kind: str) -> None:
    one = made(tmp_path, kind)
    latents = one.draw(SAMPLED + 3, draws())
    together = one.render(latents)
    assert together.shape == (SAMPLED + 3, 1, 28, 28)
    assert together.dtype == torch.uint8
    for index in (0, SAMPLED + 2):
        assert torch.equal(one.render(latents[index : index + 1])[0], together[index])
    assert torch.equal(one.render(latents.flip(0)).flip(0), together)
    network: Any = one.network
    expected = (network.decode if kind == "autoencoder" else network)(latents[:SAMPLED])
    assert torch.equal(together[:SAMPLED], (expected * 255).round().byte())


@pytest.mark.parametrize("kind", sorted(SAVE))
def test_a_way_has_its_ends_and_even_steps(tmp_path: Path, kind: str) -> None:
    one = made(tmp_path, kind)
    first, last = one.draw(2, draws(1)), one.draw(2, draws(2))
    ways = one.between(first, last, 5).unflatten(0, (2, 5))
    torch.testing.assert_close(ways[:, 0], first)
    torch.testing.assert_close(ways[:, -1], last)
    if kind == "autoencoder":
        torch.testing.assert_close(ways[:, 2], (first + last) / 2)
        return
    lengths = ways.norm(dim=-1)
    torch.testing.assert_close(lengths[:, 2], (lengths[:, 0] + lengths[:, -1]) / 2)
    steps = torch.cosine_similarity(ways[:, 1:], ways[:, :-1], dim=-1).acos()
    torch.testing.assert_close(steps, steps[:, :1].expand_as(steps), rtol=1e-3, atol=1e-3)


def test_a_way_to_itself_stays_there(tmp_path: Path) -> None:
    one = made(tmp_path, "generator")
    latent = one.draw(1, draws())
    torch.testing.assert_close(one.between(latent, latent, 4), latent.expand(4, -1), rtol=1e-3, atol=1e-3)


def test_only_an_autoencoder_may_have_latents_of_no_image(tmp_path: Path) -> None:
    assert made(tmp_path, "generator").covers
    assert not made(tmp_path, "autoencoder").covers


def test_weights_of_another_kind_are_refused(tmp_path: Path) -> None:
    loaded = load.load(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    with pytest.raises(WeightsError, match="'photo' are of kind 'denoiser'; samples need a generator or an"):
        sampler(loaded, "photo", RUNTIME)
