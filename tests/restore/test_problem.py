"""What is known of damaged pictures of one class, and what the priors make of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from genrestore.restore.api import load_prior
from genrestore.restore.data_terms import L1, L2, LEAST_NOISE, Clipped
from genrestore.restore.noise import expected_square
from genrestore.restore.priors import generator
from genrestore.restore.priors.autoencoder import AutoencoderPrior
from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.restore.priors.one_size import noise_level_around
from genrestore.restore.problem import Problem, Step, Watch
from genrestore.restore.settings import AutoencoderSettings, LatentSearch
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
    term: Any = Problem(picture(), 0.3, half_known(), clipped).term(loss, 0.4)
    assert isinstance(term, kind)
    assert term.noise_level == pytest.approx(0.5)
    assert torch.equal(term.known, half_known())
    assert Problem(picture(), 0.3, clipped=clipped).term(loss).noise_level == pytest.approx(0.3)
    assert Problem(picture(), 0.0, half_known(), clipped).term(loss).noise_level == LEAST_NOISE


def test_known_pixels_are_put_back_and_holes_filled_from_around_them() -> None:
    damage = Problem(picture(), 0.0, half_known(), clipped=True)
    there = damage.with_known(2 * torch.ones(2, 1, 28, 28))
    assert torch.equal(there[..., :14], picture()[..., :14])
    assert torch.equal(there[..., 14:], torch.ones(2, 1, 28, 14))
    flat = torch.where(half_known() > 0, 0.4, 0.9)
    filled = Problem(flat, 0.0, half_known(), clipped=True).filled()
    assert torch.allclose(filled, torch.full_like(filled, 0.4))


@pytest.mark.parametrize("known", [None, half_known()])
def test_the_distance_is_what_is_left_beyond_the_noise_and_its_chances(known: Tensor | None) -> None:
    sigma, count = 0.1, 784 if known is None else 392
    nearest = torch.full((2, 1, 28, 28), 0.5)
    damaged = nearest + torch.tensor([0.3, 0.105]).reshape(2, 1, 1, 1)
    damaged[..., 14:] += 0 if known is None else 0.2  # in the hole nobody looks
    found = Problem(damaged, sigma, known).beyond_noise(nearest)
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
    levels, starts = list[float](), list[Tensor]()
    search = generator.search

    def watched(energy: Any, start: Tensor, **more: Any) -> Any:
        levels.append(energy.term.noise_level)
        starts.append(start)
        return search(energy, start, **more)

    monkeypatch.setattr(generator, "search", watched)
    how = LatentSearch(steps=2, restarts=2)
    problems = [Problem(picture(), 0.1), Problem(picture(), 0.1, half_known()), Problem(picture(), 0.0)]
    for problem in problems:
        prior.solve(problem, how)
    level = (0.1**2 + (prior.own_distance / 2) ** 2) ** 0.5
    assert levels == pytest.approx([level, level, 1.0])
    for problem, start in zip(problems, starts, strict=True):
        assert torch.equal(start[:, 0], prior.encode(problem.filled()))
    free = prior.draw(2, RUNTIME.generator())[1]  # of a noisy picture the second start is a draw
    assert [torch.equal(start[0, 1], free) for start in starts] == [True, False, False]


@pytest.mark.parametrize("known", [None, half_known()])
def test_the_recipe_adds_noise_to_what_has_noise_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, known: Tensor | None
) -> None:
    prior = load_prior(str(tiny.save_generator(tmp_path)), RUNTIME)
    told: list[Any] = []
    search = generator.search_by_adam

    def watched(energy: Any, start: Tensor, **more: Any) -> Any:
        told.append(more["noise"])
        return search(energy, start, **more)

    monkeypatch.setattr(generator, "search_by_adam", watched)
    prior.solve(Problem(picture(), 0.1, known), LatentSearch.report(28, steps=1))
    if known is None:
        assert float(torch.cat([told[0]() for _ in range(20)]).std()) == pytest.approx(0.1, rel=0.1)
    else:
        assert told == [None]


def autoencoder(folder: Path) -> AutoencoderPrior:
    prior = load_prior(str(tiny.save_autoencoder(folder)), RUNTIME)
    assert isinstance(prior, AutoencoderPrior)
    return prior


@pytest.mark.parametrize("given", [None, 2.0])
def test_the_report_s_weight_of_1_is_4_on_our_range(tmp_path: Path, given: float | None) -> None:
    """‖2 AE(x) − 2x‖² on [−1, 1] is 4 ‖AE(x) − x‖²; every step is told with both terms."""
    prior, steps = autoencoder(tmp_path), list[Step]()
    how = AutoencoderSettings() if given is None else AutoencoderSettings(prior_weight=given)
    prior.solve(Problem(picture(), 0.2, clipped=False), how, Watch(step=steps.append))
    pixels = [step for step in steps if step.stage == "pixels"]
    assert len(pixels) > 2
    for step in pixels:
        image, wide = step.image[:2], 2 * step.image[:2] - 1
        again = 2 * prior.reconstruct(image) - 1
        distance = (again - wide).square().sum((1, 2, 3))
        assert torch.allclose(step.energies["prior"][:2], distance * (given or 4) / 4, rtol=1e-4)
        squares = (image - picture()).square().sum((1, 2, 3)) / (2 * 0.2**2)
        assert torch.allclose(step.energies["data"][:2], squares, rtol=1e-4)


def test_a_step_on_pixels_goes_along_the_slope_of_both_terms(tmp_path: Path) -> None:
    """x ← clip(x − η ∇(D + λ R)), η a share of 1 / (1/σ² + 2λ)."""
    prior, steps = autoencoder(tmp_path), list[Step]()
    how, sigma = AutoencoderSettings(step_size=0.3, prior_weight=3.0), 0.2
    prior.solve(Problem(picture(), sigma, clipped=False), how, Watch(step=steps.append))
    steps = [step for step in steps if step.stage == "pixels"]
    before = steps[0].image.detach().requires_grad_()
    misses = (prior.reconstruct(before) - before).square().sum()
    data = (before[:2] - picture()).square().sum() / (2 * sigma**2)
    (slope,) = torch.autograd.grad(data + 3 * misses, before)
    expected = before - 0.3 / (1 / sigma**2 + 2 * 3) * slope
    assert torch.allclose(steps[1].image[:2], expected[:2].clamp(0, 1), atol=1e-5)
