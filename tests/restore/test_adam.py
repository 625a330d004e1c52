"""Descent on functions whose minima are known."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genrestore.restore.problem import Step, Watch
from genrestore.restore.solvers.adam import descend_by_adam, descend_until_near, minimise

TARGET = torch.tensor([[0.2, 0.9], [0.5, 0.4], [0.7, 0.1]]).reshape(3, 1, 1, 2)


def distance(image: Tensor) -> Tensor:
    """‖x − target‖² of each of up to three items."""
    return (image - TARGET[: len(image)]).square().flatten(1).sum(1)


def roughness(image: Tensor) -> Tensor:
    """(x₁ − x₂)² of each item."""
    return (image[..., 0] - image[..., 1]).square().flatten(1).sum(1)


def never(image: Tensor) -> Tensor:
    return torch.zeros(len(image), dtype=torch.bool)


def test_it_finds_the_minimum_of_every_item() -> None:
    found = minimise(distance, torch.full_like(TARGET, 0.5), steps=200, step_size=0.1)
    assert torch.allclose(found, TARGET, atol=1e-3)


def test_it_is_torch_s_adam_with_a_cosine() -> None:
    point = torch.full_like(TARGET, 0.5).requires_grad_()
    optimiser = torch.optim.Adam([point], 0.005, betas=(0.9, 0.99))
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, 20)
    for _ in range(20):
        optimiser.zero_grad()
        distance(point).sum().backward()
        optimiser.step()
        schedule.step()
    found = minimise(distance, torch.full_like(TARGET, 0.5), steps=20, step_size=0.005)
    assert torch.allclose(found, point.detach(), atol=1e-5)


def test_descent_by_adam_is_torch_s_at_one_rate_and_tells_every_step() -> None:
    point, told = torch.full_like(TARGET, 0.5).requires_grad_(), list[Step]()
    optimiser = torch.optim.Adam([point], 0.2)
    for _ in range(5):
        optimiser.zero_grad()
        (distance(point) + 3 * roughness(point)).sum().backward()
        optimiser.step()
    start = torch.full_like(TARGET, 0.5)
    watch = Watch(step=told.append)
    found = descend_by_adam(distance, roughness, start, weight=3.0, steps=5, rate=0.2, watch=watch)
    assert torch.allclose(found, point.detach(), atol=1e-6)
    assert [step.index for step in told] == list(range(6))
    assert (torch.equal(told[0].image, start), torch.equal(told[-1].image, found)) == (True, True)
    assert torch.equal(told[2].energies["prior"], 3 * roughness(told[2].image))


def test_it_gives_the_best_step_not_the_last() -> None:
    start = TARGET.clone()
    assert torch.equal(minimise(distance, start, steps=1, step_size=1.0), start)


def test_items_do_not_see_one_another() -> None:
    together = minimise(distance, torch.zeros_like(TARGET), steps=15, step_size=0.1)
    alone = minimise(distance, torch.zeros(1, 1, 1, 2), steps=15, step_size=0.1)
    assert torch.equal(together[:1], alone)


def test_descent_finds_the_minimum_of_the_sum() -> None:
    found = descend_until_near(
        distance, roughness, torch.zeros_like(TARGET), weight=2.0, steps=300, step_size=0.1, reached=never
    )
    mean = TARGET.mean(3, keepdim=True)
    expected = mean + (TARGET - mean) / 5  # the minimiser of |x − t|² + 2 (x₁ − x₂)²
    assert torch.allclose(found, expected, atol=1e-4)


def test_each_picture_stops_where_it_is_near_enough() -> None:
    steps: list[Step] = []
    found = descend_until_near(
        distance,
        roughness,
        torch.zeros_like(TARGET),
        weight=0.0,
        steps=100,
        step_size=0.05,
        reached=lambda image: distance(image) <= 0.1,
        on_step=steps.append,
    )
    assert (distance(found) <= 0.1).all()
    assert (distance(found) > 0.07).all()
    assert steps[0].index == 0
    assert torch.equal(steps[0].image, torch.zeros_like(TARGET))
    active = [step.active for step in steps if step.active is not None]
    assert active[0].all()
    assert not active[-1].any()
    assert len({int(sum(each[item] for each in active)) for item in range(3)}) > 1
    assert torch.allclose(steps[-1].energies["data"], distance(found))
    assert len(steps) < 100


def test_a_start_that_is_near_enough_is_the_answer() -> None:
    start = TARGET + 0.01
    found = descend_until_near(
        distance,
        roughness,
        start,
        weight=1.0,
        steps=10,
        step_size=0.1,
        reached=lambda image: distance(image) < 1,
    )
    assert torch.equal(found, start)


@pytest.mark.parametrize("steps", [0, 1])
def test_constraints_hold_after_every_step(steps: int) -> None:
    def first_known(image: Tensor) -> Tensor:
        return torch.cat([torch.full_like(image[..., :1], 0.3), image[..., 1:]], -1)

    found = descend_until_near(
        distance,
        roughness,
        first_known(torch.zeros_like(TARGET)),
        weight=1.0,
        steps=steps,
        step_size=0.1,
        reached=never,
        constrain=first_known,
    )
    assert (found[..., 0] == 0.3).all()
    assert bool((found[..., 1] > 0).all()) == bool(steps)


def test_pictures_stay_between_0_and_1() -> None:
    found = descend_until_near(
        lambda image: -image.flatten(1).sum(1),
        roughness,
        torch.zeros(2, 1, 1, 2),
        weight=0.0,
        steps=5,
        step_size=0.5,
        reached=never,
    )
    assert torch.equal(found, torch.ones(2, 1, 1, 2))
