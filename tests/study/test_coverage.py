"""Coverage against figures by hand, against other libraries, and as something to descend on."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy.stats import kurtosis, wasserstein_distance
from torch import Tensor

from genrestore.study import coverage


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def uniform(count: int, dimension: int, seed: int = 0) -> Tensor:
    return torch.rand(count, dimension, generator=draws(seed))


GROUND = {name: function for name, function in coverage.COVERAGES.items() if name != "none"}
JOINT = ["sliced-wasserstein", "mmd"]


def value(name: str, latent: Tensor, seed: int = 0) -> float:
    return float(coverage.COVERAGES[name](latent, draws(seed)))


@pytest.mark.parametrize("name", sorted(GROUND))
def test_every_coverage_is_a_number_with_a_finite_gradient(name: str) -> None:
    for latent in (uniform(16, 3), torch.full((16, 3), 0.5), torch.zeros(16, 3)):
        points = latent.clone().requires_grad_()
        found = GROUND[name](points, draws())
        assert found.shape == ()
        found.backward()
        assert points.grad is not None
        assert bool(points.grad.isfinite().all())


def test_none_asks_nothing() -> None:
    assert value("none", uniform(4, 2)) == 0


def test_moments_are_those_of_another_library() -> None:
    latent = uniform(50, 4)
    found = coverage.statistics(latent)
    array = latent.double().numpy()
    assert np.allclose(found["variance"], array.var(0), atol=1e-6)
    assert np.allclose(found["kurtosis"], kurtosis(array, fisher=False), atol=1e-4)
    expected = ((array.var(0) - 1 / 12) ** 2 + (kurtosis(array, fisher=False) - 9 / 5) ** 2).mean()
    assert value("moments", latent) == pytest.approx(expected, rel=1e-4)
    with_mean = expected + ((array.mean(0) - 0.5) ** 2).mean()
    assert value("moments-with-mean", latent) == pytest.approx(with_mean, rel=1e-4)


def test_moments_of_an_even_grid_are_those_of_the_uniform_distribution() -> None:
    grid = ((torch.arange(1000) + 0.5) / 1000)[:, None]
    for name in ("moments", "moments-with-mean"):
        assert value(name, grid) == pytest.approx(0, abs=1e-6)
    assert value("moments", grid + 0.2) == pytest.approx(0, abs=1e-6)  # the mean is free
    assert value("moments-with-mean", grid + 0.2) == pytest.approx(0.04, abs=1e-4)


def test_moments_within_do_not_see_the_batch() -> None:
    one = ((torch.arange(10) + 0.5) / 10)[None]
    collapsed = one.expand(32, 10)
    assert value("moments-within", collapsed) == pytest.approx(value("moments-within", one), rel=1e-3)
    assert value("moments-within", collapsed) < 0.01
    assert value("moments", collapsed) > 1


def test_kl_within_by_hand() -> None:
    latent = torch.tensor([[0.2, 0.6], [0.5, 0.5]])
    expected = (0.25 * math.log(0.25 * 2) + 0.75 * math.log(0.75 * 2)) / 2
    assert value("kl-within", latent) == pytest.approx(expected, abs=1e-6)
    assert value("kl-within", torch.full((5, 4), 0.3)) == pytest.approx(0, abs=1e-6)


def test_kl_batch_by_hand() -> None:
    latent = torch.tensor([[0.1, 0.2], [0.3, 0.0]])
    assert value("kl-batch", latent) == pytest.approx(0.4 * math.log(40) + 0.2 * math.log(20), rel=1e-5)


def test_one_coordinate_has_the_squared_distance_of_sorted_samples() -> None:
    latent, reference = torch.tensor([[0.9], [0.1], [0.4]]), torch.rand(3, 1, generator=draws())
    expected = (latent.sort(0).values - reference.sort(0).values).square().mean()
    assert value("sliced-wasserstein", latent) == pytest.approx(float(expected), rel=1e-5)
    apart = wasserstein_distance(latent[:, 0], reference[:, 0])
    assert value("sliced-wasserstein", latent) >= apart**2 - 1e-6


def test_mmd_by_hand() -> None:
    latent = torch.tensor([[0.0], [1.0]])
    points = torch.rand(coverage.REFERENCE, 1, generator=draws()).double().numpy()[:, 0]
    cross = np.abs(latent.double().numpy() - points).mean()
    inner = np.abs(points[:, None] - points).sum() / (len(points) * (len(points) - 1))
    assert value("mmd", latent) == pytest.approx(2 * cross - 1 - inner, abs=1e-3)


@pytest.mark.parametrize("name", JOINT)
def test_joint_distances_tell_the_uniform_distribution_from_others(name: str) -> None:
    even = np.mean([value(name, uniform(64, 3, seed + 100), seed) for seed in range(20)])
    line = uniform(64, 1).expand(64, 3)  # every coordinate uniform, but all the same
    narrow = 0.25 + uniform(64, 3) / 2
    for other in (line, narrow, torch.full((64, 3), 0.5)):
        assert np.mean([value(name, other, seed) for seed in range(20)]) > even + 0.01
    assert value("moments", line) < 0.2  # which moments of single coordinates do not see


def test_the_mean_of_the_mmd_of_uniform_samples_is_zero() -> None:
    values = [value("mmd", uniform(8, 2, seed + 500), seed) for seed in range(300)]
    assert abs(np.mean(values)) < 4 * np.std(values) / math.sqrt(len(values))


@pytest.mark.parametrize("name", JOINT)
def test_descending_spreads_a_crowd(name: str) -> None:
    logits = (0.2 * torch.randn(64, 2, generator=draws(3))).requires_grad_()
    optimiser = torch.optim.Adam([logits], 0.05)
    for step in range(200):
        optimiser.zero_grad()
        GROUND[name](logits.sigmoid(), draws(step)).backward()
        optimiser.step()
    variance = coverage.statistics(logits.detach().sigmoid())["variance"]
    assert ((variance > 0.06) & (variance < 0.11)).all()


def test_occupied_cells_by_hand() -> None:
    latent = torch.tensor([[0.05, 0.05, 0.95], [0.15, 0.05, 0.95], [0.05, 1.0, 0.95]])
    assert coverage.occupied(latent) == pytest.approx((3 + 2 + 2) / 3 / 100)
    assert coverage.occupied(torch.tensor([[0.05], [0.07], [0.95]])) == pytest.approx(0.2)
    assert coverage.occupied(uniform(20000, 2)) == 1.0


def test_the_sliced_distance_to_the_cube_grows_with_its_coordinates() -> None:
    latent = torch.rand(50, 3, generator=torch.Generator().manual_seed(1)).square()
    uniform = torch.rand(latent.shape, generator=(draws := torch.Generator().manual_seed(2)))
    expected = 3 * coverage.sliced_distance(latent, uniform, draws)
    found = coverage.sliced_wasserstein(latent, torch.Generator().manual_seed(2))
    assert float(found) == pytest.approx(float(expected), rel=1e-5)
