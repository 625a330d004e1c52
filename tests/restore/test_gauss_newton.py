"""Damped Gauss–Newton steps, against minima that are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genrestore.restore.gauss_newton import Candidates, levenberg_marquardt

NOBODY = torch.zeros(3, dtype=torch.long)


def residuals(latent: Tensor) -> Tensor:
    """Rosenbrock's: 10 (v − u²) and 1 − u, [item, 2]; both 0 at (1, 1)."""
    u, v = latent.T
    return torch.stack([10 * (v - u**2), 1 - u], 1)


def energy(latent: Tensor, pictures: Tensor) -> Tensor:
    return residuals(latent).square().sum(1) / 2


def model(latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    u = latent[:, 0]
    zero, one = torch.zeros_like(u), torch.ones_like(u)
    jacobian = torch.stack([torch.stack([-20 * u, 10 * one], 1), torch.stack([-one, zero], 1)], 1)
    slope = (jacobian.transpose(1, 2) @ residuals(latent)[..., None])[..., 0]
    return slope, jacobian.transpose(1, 2) @ jacobian


def begin(*starts: list[float]) -> Candidates:
    return Candidates.begin(energy, torch.tensor(starts, dtype=torch.float64), NOBODY[: len(starts)])


def test_a_narrow_valley_is_followed_to_its_end() -> None:
    end = levenberg_marquardt(energy, model, begin([-1.2, 1.0], [3.0, -4.0], [0.0, 0.0]), steps=60)
    assert torch.allclose(end.latent, torch.ones(3, 2, dtype=torch.float64), atol=1e-6)


def test_one_undamped_step_solves_what_is_linear() -> None:
    matrix = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 1.0]], dtype=torch.float64)
    aim = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)

    def squares(latent: Tensor, pictures: Tensor) -> Tensor:
        return (latent @ matrix.T - aim).square().sum(1) / 2

    def exact(latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        curvature = (matrix.T @ matrix).expand(len(latent), 2, 2)
        return (latent @ matrix.T - aim) @ matrix, curvature

    state = Candidates.begin(squares, torch.zeros(1, 2, dtype=torch.float64), NOBODY[:1])
    state.damping *= 1e-9
    end = levenberg_marquardt(squares, exact, state, steps=1)
    assert torch.allclose(end.latent[0], torch.linalg.lstsq(matrix, aim).solution, atol=1e-6)


def test_no_step_goes_up_and_none_is_asked_for_twice() -> None:
    energies, asked = [], []

    def counted(latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        asked.append(len(latent))
        return model(latent, pictures)

    levenberg_marquardt(
        energy,
        counted,
        begin([-1.2, 1.0]),
        steps=40,
        on_step=lambda state: energies.append(float(state.energy)),
    )
    assert all(later <= earlier for earlier, later in zip(energies, energies[1:], strict=False))
    failed = sum(later == earlier for earlier, later in zip(energies, energies[1:], strict=False))
    assert failed > 0
    assert sum(asked) <= len(energies) - failed + 1


def test_a_candidate_does_not_see_the_others_and_rests_at_its_end() -> None:
    starts = ([-1.2, 1.0], [3.0, -4.0], [1.0, 1.0])
    together = levenberg_marquardt(energy, model, begin(*starts), steps=12)
    for place, start in enumerate(starts):
        alone = levenberg_marquardt(energy, model, begin(start), steps=12)
        assert torch.equal(alone.latent[0], together.latent[place])
    resting = levenberg_marquardt(energy, model, begin([1.0, 1.0]), steps=200)
    assert not bool(resting.active[0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_where_the_energy_is_no_number_nothing_moves(bad: float) -> None:
    def broken(latent: Tensor, pictures: Tensor) -> Tensor:
        return torch.where(latent.abs().sum(1) > 2.3, bad, energy(latent, pictures))

    start = Candidates.begin(broken, torch.tensor([[-1.2, 1.0]], dtype=torch.float64), NOBODY[:1])
    end = levenberg_marquardt(broken, model, start, steps=30)
    assert bool(end.energy.isfinite()[0])
    assert float(end.energy) <= float(start.energy)
