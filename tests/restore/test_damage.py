"""What is known of damaged pictures of one class, and what the priors make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genrestore.restore.clipped import LEAST_NOISE, Clipped, expected_square
from genrestore.restore.data_terms import L1, L2
from genrestore.restore.descent import Descended
from genrestore.restore.descent_settings import Descent, LatentSearch
from genrestore.restore.priors import AutoencoderPrior, load_prior
from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.restore.tasks import autoencoding, generating
from genrestore.restore.tasks.damage import Damage, noise_level_around
from genrestore.runtime import Runtime
from tests import tiny

RUNTIME = Runtime("cpu", "fp32", 1, 0)


def picture(seed: int = 0) -> Tensor:
    return torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(seed))


def half_known() -> Tensor:
    known = torch.ones(2, 1, 28, 28)
    known[..., 14:] = 0
    return known


@pytest.mark.parametrize(
    ("loss", "clipped", "kind"),
    [("l2", False, L2), ("l2", True, Clipped), ("l1", False, L1), ("l1", True, L1)],
)
def test_what_the_prior_misses_counts_as_more_noise(loss: str, clipped: bool, kind: type) -> None:
    """√(σ² + e²): 0.3 and 0.4 are 0.5."""
    term: Any = Damage(picture(), 0.3, clipped, half_known()).term(loss, 0.4)
    assert isinstance(term, kind)
    assert term.noise_level == pytest.approx(0.5)
    assert torch.equal(term.known, half_known())
    assert Damage(picture(), 0.3, clipped).term(loss).noise_level == pytest.approx(0.3)
    assert Damage(picture(), 0.0, clipped).term(loss).noise_level == LEAST_NOISE


def test_known_pixels_are_put_back_and_holes_filled_from_around_them() -> None:
    damage = Damage(picture(), 0.0, clipped=True, known=half_known())
    there = damage.with_known(2 * torch.ones(2, 1, 28, 28))
    assert torch.equal(there[..., :14], picture()[..., :14])
    assert torch.equal(there[..., 14:], torch.ones(2, 1, 28, 14))
    flat = torch.where(half_known() > 0, 0.4, 0.9)
    filled = Damage(flat, 0.0, clipped=True, known=half_known()).filled()
    assert torch.allclose(filled, torch.full_like(filled, 0.4))


@pytest.mark.parametrize("known", [None, half_known()])
def test_the_distance_is_what_is_left_beyond_the_noise_and_its_chances(known: Tensor | None) -> None:
    sigma, count = 0.1, 784 if known is None else 392
    nearest = torch.full((2, 1, 28, 28), 0.5)
    damaged = nearest + torch.tensor([0.3, 0.105]).reshape(2, 1, 1, 1)
    damaged[..., 14:] += 0 if known is None else 0.2  # in the hole nobody looks
    found = Damage(damaged, sigma, clipped=False, known=known).beyond_noise(nearest)
    chance = 3 * (2.5 * sigma**4 / count) ** 0.5
    expected = [max(0.0, square - sigma**2 - chance) ** 0.5 for square in (0.3**2, 0.105**2)]
    assert found.tolist() == pytest.approx(expected, rel=1e-4)
    assert (expected[0] > 0, expected[1]) == (True, 0)


@pytest.mark.parametrize("level", [0.03, 0.25])
def test_the_noise_level_is_what_explains_the_difference_less_half_of_the_priors_own(level: float) -> None:
    """The mean square of clipped noise of this level, and the prior's (0.2 / 2)², are found as this level."""
    clean, own = picture()[:1], 0.2
    square = float(expected_square(clean, level).mean()) + (own / 2) ** 2
    damaged = clean + square**0.5 * torch.where(torch.arange(784).reshape(1, 1, 28, 28) % 2 > 0, 1, -1)
    assert noise_level_around(clean, damaged, own) == pytest.approx(level, rel=1e-3)


def test_a_generators_search_reckons_with_half_of_its_own_distance(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior = load_prior(str(tiny.save_generator(tmp_path)), RUNTIME)
    assert isinstance(prior, GeneratorPrior)
    told: list[Any] = []
    find = generating.find

    def watched(prior: Any, term: Any, start: Tensor, how: Any, **more: Any) -> Any:
        told.append((term, start, how, more["damaged"], more["noise"]))
        return find(prior, term, start, how, **more)

    monkeypatch.setattr(generating, "find", watched)
    how = LatentSearch(steps=2, restarts=2)
    damage = Damage(picture(), 0.1, clipped=False)
    generating.solve(prior, damage, how)
    generating.solve(prior, Damage(picture(), 0.1, clipped=False, known=half_known()), how)
    level = (0.1**2 + (prior.own_distance / 2) ** 2) ** 0.5
    assert [one[0].noise_level for one in told] == pytest.approx([level, level])
    assert torch.equal(told[0][1], damage.filled())
    assert [one[2:] for one in told] == [(how, True, 0.1), (how, True, 0.0)]


def autoencoder(folder: Path) -> AutoencoderPrior:
    prior = load_prior(str(tiny.save_autoencoder(folder)), RUNTIME)
    assert isinstance(prior, AutoencoderPrior)
    return prior


@pytest.mark.parametrize("given", [None, 2.0])
def test_the_report_s_weight_of_1_is_4_on_our_range(tmp_path: Path, given: float | None) -> None:
    """‖2 AE(x) − 2x‖² on [−1, 1] is 4 ‖AE(x) − x‖²; every step is told with both terms."""
    prior, steps = autoencoder(tmp_path), list[Descended]()
    how = Descent() if given is None else Descent(prior_weight=given)
    autoencoding.solve(prior, Damage(picture(), 0.2, clipped=False), how, on_step=steps.append)
    assert len(steps) > 2
    for step in steps:
        image, wide = step.value[:2], 2 * step.value[:2] - 1
        again = 2 * prior.reconstruct(image) - 1
        distance = (again - wide).square().sum((1, 2, 3))
        assert torch.allclose(step.energies[1][:2], distance * (given or 4) / 4, rtol=1e-4)
        squares = (image - picture()).square().sum((1, 2, 3)) / (2 * 0.2**2)
        assert torch.allclose(step.energies[0][:2], squares, rtol=1e-4)


def test_a_step_on_pixels_goes_along_the_slope_of_both_terms(tmp_path: Path) -> None:
    """x ← clip(x − η ∇(D + λ R)), η a share of 1 / (1/σ² + 2λ)."""
    prior, steps = autoencoder(tmp_path), list[Descended]()
    how, sigma = Descent(step_size=0.3, prior_weight=3.0), 0.2
    autoencoding.solve(prior, Damage(picture(), sigma, clipped=False), how, on_step=steps.append)
    before = steps[0].value.detach().requires_grad_()
    misses = (prior.reconstruct(before) - before).square().sum()
    data = (before[:2] - picture()).square().sum() / (2 * sigma**2)
    (slope,) = torch.autograd.grad(data + 3 * misses, before)
    expected = before - 0.3 / (1 / sigma**2 + 2 * 3) * slope
    assert torch.allclose(steps[1].value[:2], expected[:2].clamp(0, 1), atol=1e-5)
