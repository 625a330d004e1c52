"""Clipped noise against simulation and another library."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import norm

from genrestore.restore.data_terms import Clipped
from genrestore.restore.noise import expected_shift, expected_square
from genrestore.restore.solvers.adam import Discrepancy

SIGMA = 63.75 / 255


@pytest.mark.parametrize("sigma", [0.05, SIGMA])
@pytest.mark.parametrize("level", [0.0, 0.03, 0.4, 0.97, 1.0])
def test_the_expected_square_is_that_of_a_simulation(level: float, sigma: float) -> None:
    draws = np.random.default_rng(0).normal(0, sigma, 400_000)
    simulated = float(np.mean((np.clip(level + draws, 0, 1) - level) ** 2))
    found = float(expected_square(torch.tensor(level, dtype=torch.float64), sigma))
    assert found == pytest.approx(simulated, rel=0.01)


def test_half_of_the_noise_is_left_on_black_and_all_of_it_in_the_middle() -> None:
    black, middle = expected_square(torch.tensor([0.0, 0.5], dtype=torch.float64), 0.05).tolist()
    assert black == pytest.approx(0.05**2 / 2, rel=1e-6)
    assert middle == pytest.approx(0.05**2, rel=1e-6)


def test_the_data_term_is_the_likelihood_of_another_library() -> None:
    image = torch.tensor([0.1, 0.2, 0.9, 0.6], dtype=torch.float64).reshape(1, 1, 2, 2)
    damaged = torch.tensor([0.0, 0.5, 1.0, 0.7], dtype=torch.float64).reshape(1, 1, 2, 2)
    expected = (
        -norm.logcdf(-0.1 / SIGMA)
        + 0.3**2 / (2 * SIGMA**2)
        - norm.logcdf((0.9 - 1) / SIGMA)
        + 0.1**2 / (2 * SIGMA**2)
    )
    assert float(Clipped(damaged, SIGMA).value(image)) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("level", [0.0, 0.1, 1.0])
def test_its_slope_is_zero_in_the_mean_at_the_truth_where_that_of_squares_is_not(level: float) -> None:
    generator = torch.Generator().manual_seed(0)
    truth = torch.full((1, 1, 400, 400), level, dtype=torch.float64, requires_grad=True)
    noise = torch.randn(truth.shape, generator=generator, dtype=torch.float64)
    damaged = (truth.detach() + SIGMA * noise).clamp(0, 1)
    (slope,) = torch.autograd.grad(Clipped(damaged, SIGMA).value(truth).sum(), truth)
    squares = (truth.detach() - damaged) / SIGMA**2
    error = float(slope.std()) / 400
    assert abs(float(slope.mean())) < 4 * error
    assert abs(float(squares.mean())) > 20 * error


def test_missing_pixels_count_for_nothing() -> None:
    known = torch.tensor([[1.0, 0.0]]).reshape(1, 1, 1, 2)
    damaged = torch.tensor([[0.3, 0.9]]).reshape(1, 1, 1, 2)
    term = Clipped(damaged, 0.1, known)
    first, second = (torch.tensor([0.5, value]).reshape(1, 1, 1, 2) for value in (0.0, 1.0))
    assert float(term.value(first)) == float(term.value(second)) == pytest.approx(2.0)
    exact = torch.full_like(damaged, 0.3)
    discrepancy = Discrepancy(damaged, exact, 0.2, clipped=False, known=known)
    assert discrepancy.reached(torch.tensor([0.49, 0.0]).reshape(1, 1, 1, 2)).tolist() == [True]
    assert discrepancy.reached(torch.tensor([0.51, 0.9]).reshape(1, 1, 1, 2)).tolist() == [False]


def noisy_squares() -> tuple[torch.Tensor, torch.Tensor]:
    """200 noisy copies of a black and white picture, and the picture, [200, 1, 28, 28]."""
    generator = torch.Generator().manual_seed(1)
    truth = (torch.rand(1, 1, 28, 28, generator=generator) > 0.8).float().expand(200, -1, -1, -1)
    return (truth + SIGMA * torch.randn(truth.shape, generator=generator)).clamp(0, 1), truth


def test_the_truth_is_as_near_as_the_noise_explains_and_others_are_not() -> None:
    damaged, truth = noisy_squares()
    clipped = Discrepancy(damaged, damaged, SIGMA, clipped=True)  # a start that leaves nothing to explain
    assert 0.4 < float(clipped.reached(truth).float().mean()) < 0.6
    assert clipped.reached(damaged).all()
    assert not clipped.reached((truth - 0.3).abs()).any()
    unclipped = Discrepancy(damaged, damaged, SIGMA, clipped=False)
    assert unclipped.reached(truth).all()  # σ² is too much for clipped noise


@pytest.mark.parametrize("missed", [0.15, 0.4])
def test_on_the_way_to_the_data_it_stops_where_the_error_is_least(missed: float) -> None:
    generator = torch.Generator().manual_seed(2)
    truth = torch.rand(200, 1, 28, 28, generator=generator)
    damaged = truth + SIGMA * torch.randn(truth.shape, generator=generator)
    start = truth + missed * torch.randn(truth.shape, generator=generator)
    discrepancy = Discrepancy(damaged, start, SIGMA, clipped=False)
    shares = torch.arange(0, 1.001, 0.01)
    way = [start + share * (damaged - start) for share in shares]
    errors = torch.stack([(image - truth).square().mean((1, 2, 3)) for image in way])
    reached = torch.stack([discrepancy.reached(image) for image in way])
    assert reached[-1].all()
    chosen = errors[reached.float().argmax(0), torch.arange(200)]
    assert float(chosen.mean()) < 1.03 * float(errors.min(0).values.mean())
    assert float(chosen.mean()) < float(errors[0].mean())


@pytest.mark.parametrize("sigma", [0.05, SIGMA])
@pytest.mark.parametrize("level", [0.0, 0.03, 0.4, 0.97, 1.0])
def test_the_expected_shift_is_that_of_a_simulation(level: float, sigma: float) -> None:
    draws = np.random.default_rng(0).normal(0, sigma, 400_000)
    simulated = float(np.mean(np.clip(level + draws, 0, 1) - level))
    found = float(expected_shift(torch.tensor(level, dtype=torch.float64), sigma))
    assert found == pytest.approx(simulated, abs=sigma / 200)


@pytest.mark.parametrize("level", [0.0, 1.0, 0.4])
def test_slope_and_curvature_are_those_of_the_likelihood(level: float) -> None:
    image = torch.linspace(0, 1, 9, dtype=torch.float64).reshape(1, 1, 3, 3).requires_grad_()
    term = Clipped(torch.full((1, 1, 3, 3), level, dtype=torch.float64), SIGMA)
    (first,) = torch.autograd.grad(term.value(image).sum(), image, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), image)
    slope, curvature = term.expand(image.detach())
    assert torch.allclose(slope, first.detach(), rtol=1e-6)
    assert torch.allclose(curvature, second, rtol=1e-5, atol=1e-9)


def test_the_slope_is_finite_far_outside_too() -> None:
    black = Clipped(torch.zeros(1, 1, 1, 2), 0.5 / 255)
    slope, curvature = black.expand(torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2))
    assert float(slope[..., 0]) == pytest.approx(1 / (0.5 / 255) ** 2, rel=0.01)
    assert bool(curvature.isfinite().all())
