"""Second-order steps that learn from the slopes they meet, against minima that are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genrestore.restore.solvers.levenberg_marquardt import PATIENCE, Candidates, descend

NOBODY = torch.zeros(3, dtype=torch.long)


def residuals(latent: Tensor) -> Tensor:
    """Rosenbrock's: 10 (v − u²) and 1 − u, [item, 2]; both 0 at (1, 1)."""
    u, v = latent.T
    return torch.stack([10 * (v - u**2), 1 - u], 1)


def jacobian(latent: Tensor) -> Tensor:
    u = latent[:, 0]
    zero, one = torch.zeros_like(u), torch.ones_like(u)
    return torch.stack([torch.stack([-20 * u, 10 * one], 1), torch.stack([-one, zero], 1)], 1)


def slope(latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
    found = residuals(latent)
    return found.square().sum(1) / 2, (jacobian(latent).transpose(1, 2) @ found[..., None])[..., 0]


def curvature(latent: Tensor, pictures: Tensor) -> Tensor:
    return jacobian(latent).transpose(1, 2) @ jacobian(latent)


def begin(*starts: list[float]) -> Candidates:
    return Candidates.begin(slope, torch.tensor(starts, dtype=torch.float64), NOBODY[: len(starts)])


def test_a_narrow_valley_is_followed_to_its_end() -> None:
    end = descend(slope, curvature, begin([-1.2, 1.0], [3.0, -4.0], [0.0, 0.0]), steps=100)
    assert torch.allclose(end.latent, torch.ones(3, 2, dtype=torch.float64), atol=1e-6)


def test_one_undamped_step_solves_what_is_linear() -> None:
    matrix = torch.tensor([[2.0, 1.0], [0.0, 3.0], [1.0, 1.0]], dtype=torch.float64)
    aim = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)

    def squares(latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        found = latent @ matrix.T - aim
        return found.square().sum(1) / 2, found @ matrix

    def exact(latent: Tensor, pictures: Tensor) -> Tensor:
        return (matrix.T @ matrix).expand(len(latent), 2, 2)

    state = Candidates.begin(squares, torch.zeros(1, 2, dtype=torch.float64), NOBODY[:1])
    state.damping *= 1e-9
    end = descend(squares, exact, state, steps=1)
    assert torch.allclose(end.latent[0], torch.linalg.lstsq(matrix, aim).solution, atol=1e-6)


def test_a_curvature_that_is_wrong_is_learned() -> None:
    """A quadratic of ten numbers, curved 1 to 100, of which only the mean curvature is told."""
    scales = torch.logspace(0, 2, 10, dtype=torch.float64)

    def squares(latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return (scales * latent.square()).sum(1) / 2, scales * latent

    def told(latent: Tensor, pictures: Tensor) -> Tensor:
        return (scales.mean() * torch.eye(10, dtype=torch.float64)).expand(len(latent), 10, 10)

    start = torch.ones(1, 10, dtype=torch.float64)
    end = descend(squares, told, Candidates.begin(squares, start, NOBODY[:1]), steps=50)
    assert float(end.energy) < 1e-8
    within = end.curvature[0].diagonal() / scales
    assert float((within.log().abs()).max()) < 0.7  # within a factor of two, from a factor of 27


def test_after_a_step_the_curvature_takes_it_to_the_change_of_the_slope() -> None:
    """H' s = g' − g, as the secant's equation asks, and H' is symmetric."""
    start = begin([-1.2, 1.0], [0.5, 0.4])
    one = descend(slope, curvature, start, steps=1)
    step = one.latent - start.latent
    assert bool((step != 0).any(1).all())  # taken
    change = one.gradient - start.gradient
    seen = (one.curvature @ step[..., None])[..., 0]
    assert torch.allclose(seen, change, rtol=1e-5, atol=1e-6)
    assert torch.allclose(one.curvature, one.curvature.mT)


def test_no_step_goes_up_and_the_curvature_is_asked_for_seldom() -> None:
    energies, asked = [], []

    def counted(latent: Tensor, pictures: Tensor) -> Tensor:
        asked.append(len(latent))
        return curvature(latent, pictures)

    descend(
        slope,
        counted,
        begin([-1.2, 1.0]),
        steps=60,
        on_step=lambda state: energies.append(float(state.energy)),
    )
    assert all(later <= earlier for earlier, later in zip(energies, energies[1:], strict=False))
    assert 1 <= sum(asked) < len(energies) / 4


def test_a_candidate_does_not_see_the_others_and_rests_at_its_end() -> None:
    starts = ([-1.2, 1.0], [3.0, -4.0], [1.0, 1.0])
    together = descend(slope, curvature, begin(*starts), steps=12)
    for place, start in enumerate(starts):
        alone = descend(slope, curvature, begin(start), steps=12)
        assert torch.equal(alone.latent[0], together.latent[place])
    resting = descend(slope, curvature, begin([1.0, 1.0]), steps=200)
    assert not bool(resting.active[0])


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_where_the_energy_is_no_number_nothing_moves(bad: float) -> None:
    def broken(latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        value, slopes = slope(latent, pictures)
        far = latent.abs().sum(1) > 2.3
        return torch.where(far, bad, value), torch.where(far[:, None], bad, slopes)

    start = Candidates.begin(broken, torch.tensor([[-1.2, 1.0]], dtype=torch.float64), NOBODY[:1])
    end = descend(broken, curvature, start, steps=30)
    assert bool(end.energy.isfinite()[0])
    assert bool(end.curvature.isfinite().all())
    assert float(end.energy) <= float(start.energy)


@pytest.mark.parametrize("hessian", [1.0, 1.35, 4.0])
def test_the_damping_follows_nielsen(hessian: float) -> None:
    """μ ← μ max(1/3, 1 − (2ρ − 1)³) of F(z) = z², whose own H is 2: the fall of F, over the one predicted."""

    def square(latent: Tensor, pictures: Tensor) -> tuple[Tensor, Tensor]:
        return latent.square().sum(1), 2 * latent

    start, mu = torch.ones(1, 1, dtype=torch.float64), 0.01
    state = Candidates.begin(square, start, NOBODY[:1], torch.full((1, 1, 1), hessian, dtype=torch.float64))
    end = descend(square, curvature, state, steps=1)
    step = -2 / (hessian * (1 + mu))
    fall = 1 - (1 + step) ** 2
    rho = fall / (-2 * step - hessian * step**2 / 2)
    factor = max(1 / 3, 1 - (2 * rho - 1) ** 3) if fall > 0 else 2.0
    assert float(end.damping) == pytest.approx(mu * factor)


def test_steps_that_gain_less_than_is_asked_for_are_the_end() -> None:
    steps = list[Candidates]()
    descend(slope, curvature, begin([-1.2, 1.0]), steps=100, small=1.1, on_step=steps.append)
    assert len(steps) == PATIENCE
