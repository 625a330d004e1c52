"""What a generator's search minimises, against automatic differentiation and steps written out by hand."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genrestore.restore.api import load_prior
from genrestore.restore.data_terms import L2
from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.restore.solvers.latent_search import STAGES, LatentEnergy, _stages, search, search_by_adam
from genrestore.runtime import Runtime
from tests import tiny
from tests.restore.patterns import latents

RUNTIME = Runtime("cpu", "fp32", 1, 0)
SIGMA = 0.2
PICTURES = torch.tensor([1, 0, 1])
"""Of which picture each of three candidates is."""


@pytest.fixture(scope="module")
def prior(tmp_path_factory: pytest.TempPathFactory) -> GeneratorPrior:
    found = load_prior(str(tiny.save_generator(tmp_path_factory.mktemp("weights"))), RUNTIME)
    assert isinstance(found, GeneratorPrior)
    return found


def damaged() -> Tensor:
    return torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(0))


def known() -> Tensor:
    return (torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(1)) > 0.3).float()


def by_hand(prior: GeneratorPrior, weight: float, latent: Tensor, picture: Tensor) -> Tensor:
    """F of one latent [latent]: ‖M (G(z) − y)‖² / 2σ² + λ ‖z‖² / 2."""
    image = prior.network(latent[None])[0]
    squares = (known()[picture] * (image - damaged()[picture])).square().sum()
    return squares / (2 * SIGMA**2) + weight * latent.square().sum() / 2


def energy(prior: GeneratorPrior, weight: float) -> LatentEnergy:
    return LatentEnergy(prior, L2(damaged(), SIGMA, known()), weight)


@pytest.mark.parametrize("weight", [0.0, 1.0, 50.0])
def test_energy_and_slope_are_those_of_data_and_prior(prior: GeneratorPrior, weight: float) -> None:
    values, slopes = energy(prior, weight).gradient(latents(3), PICTURES)
    for latent, picture, value, slope in zip(latents(3), PICTURES, values, slopes, strict=True):
        point = latent.clone().requires_grad_()
        expected = by_hand(prior, weight, point, picture)
        (gradient,) = torch.autograd.grad(expected, point)
        assert float(value) == pytest.approx(float(expected.detach()), rel=1e-4)
        assert torch.allclose(slope, gradient, rtol=1e-3, atol=1e-3 * float(gradient.abs().max()))


@pytest.mark.parametrize("weight", [0.0, 1.0, 5000.0])
def test_the_curvature_is_gauss_newtons_with_that_of_the_prior(prior: GeneratorPrior, weight: float) -> None:
    found = energy(prior, weight).curvature(latents(3), PICTURES)
    for latent, picture, matrix in zip(latents(3), PICTURES, found, strict=True):
        slopes = torch.autograd.functional.jacobian(lambda z: prior.network(z[None])[0].flatten(), latent)
        slopes = slopes * known()[picture].flatten()[:, None]
        expected = slopes.T @ slopes / SIGMA**2 + weight * torch.eye(3)
        assert torch.allclose(matrix, expected, rtol=1e-3, atol=1e-3 * float(expected.abs().max()))


def test_what_is_found_tells_data_and_prior_apart(prior: GeneratorPrior) -> None:
    starts, going = torch.zeros(3, 1), torch.ones(3)
    found = energy(prior, 3.0).found(latents(3), PICTURES, 7, starts, going)
    for place, (latent, picture) in enumerate(zip(latents(3), PICTURES, strict=True)):
        alone = float(by_hand(prior, 0.0, latent, picture).detach())
        assert float(found.data[place]) == pytest.approx(alone, rel=1e-4)
        assert float(found.prior[place]) == pytest.approx(1.5 * float(latent.square().sum()), rel=1e-4)


@pytest.mark.parametrize("weight", [0.0, 1e4])
def test_the_report_s_search_takes_adams_steps(prior: GeneratorPrior, weight: float) -> None:
    """Adam's first step is η in the direction of each slope; with noise the last z counts."""
    start = latents(2, seed=3)
    noise = torch.full((1, 1, 28, 28), 0.1)
    found = search_by_adam(energy(prior, weight), start, steps=1, rate=0.03, noise=lambda: noise)
    for picture in (0, 1):
        point = start[picture].clone().requires_grad_()
        image = prior.network(point[None])[0] + noise[0]
        squares = (known()[picture] * (image - damaged()[picture])).square().sum() / (2 * SIGMA**2)
        (slope,) = torch.autograd.grad(squares + weight * point.square().sum() / 2, point)
        assert torch.allclose(found.latent[picture], start[picture] - 0.03 * slope.sign(), atol=1e-4)


def test_without_stages_all_starts_take_all_steps(prior: GeneratorPrior) -> None:
    made, starts = energy(prior, 1.0), latents(8, seed=5).view(2, 4, -1)
    every = search(made, starts, steps=70, stages=())
    usual = search(made, starts, steps=70)
    assert every.left is not None
    assert usual.left is not None
    assert (every.left.shape, usual.left.shape) == ((2, 4, 3), (2, 1, 3))
    for place in range(4):
        alone = search(made, starts[:, place : place + 1], steps=70)
        torch.testing.assert_close(every.left[:, place], alone.latent, rtol=1e-3, atol=1e-3)
    best = every.starts.argmin(1)
    torch.testing.assert_close(every.latent, every.left[torch.arange(2), best])


@pytest.mark.parametrize("near", [True, False])
def test_starts_that_lie_near_the_first_begin_with_its_curvature(prior: GeneratorPrior, near: bool) -> None:
    asked = list[Tensor]()

    class Asked(LatentEnergy):
        def curvature(self, latent: Tensor, pictures: Tensor) -> Tensor:
            asked.append(latent)
            return super().curvature(latent, pictures)

    first, starts = latents(2, seed=6), latents(6, seed=7).view(2, 3, -1)
    starts[:, 0] = first
    made = Asked(prior, L2(damaged(), SIGMA, known()), 1.0)
    found = search(made, starts, steps=1, stages=(), near=near)
    torch.testing.assert_close(torch.cat(asked), first if near else starts.flatten(0, 1))
    assert found.left is not None
    for picture in (0, 1):
        where, row = starts[picture, 2:], torch.tensor([picture])
        matrix = made.curvature(first[picture, None] if near else where, row)[0]
        damped = matrix + (0.3 if near else 1e-2) * matrix.diagonal().mean() * torch.eye(3)
        value, slope = made.gradient(where, row)
        there = where - torch.linalg.solve(damped, slope[0])
        falls = made.gradient(there, row)[0] < value
        torch.testing.assert_close(found.left[picture, 2:], there if falls else where, rtol=1e-3, atol=1e-4)


def test_a_search_from_near_starts_ends_where_a_step_gains_next_to_nothing(prior: GeneratorPrior) -> None:
    made, starts = energy(prior, 1.0), latents(2, seed=6)[:, None]
    near, far = (search(made, starts, steps=300, stages=(), near=near) for near in (True, False))
    assert near.index < far.index
    torch.testing.assert_close(near.starts, far.starts, rtol=1e-2, atol=0)


def test_the_starts_that_fit_best_go_on(prior: GeneratorPrior) -> None:
    """Without a step, so that the energies are those of the starts; each picture has its own best."""
    starts = torch.stack([latents(6), 2 * latents(6).flip(0)])
    values = torch.tensor(
        [[by_hand(prior, 1.0, z, torch.tensor(picture)) for z in some] for picture, some in enumerate(starts)]
    )
    found = search(energy(prior, 1.0), starts, steps=0)
    torch.testing.assert_close(found.latent, starts[torch.arange(2), values.argmin(1)])
    two = search(energy(prior, 1.0), starts, steps=0, stages=((0, 3),))
    torch.testing.assert_close(two.latent, found.latent)
    torch.testing.assert_close(two.starts, values, rtol=1e-4, atol=1e-3)


def test_half_of_the_starts_go_on_and_then_a_quarter() -> None:
    assert _stages(8, 300, STAGES) == [(60, 4), (60, 2), (180, 1)]
    assert _stages(8, 70, STAGES) == [(60, 4), (10, 2), (0, 1)]
