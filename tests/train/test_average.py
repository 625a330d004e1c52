from __future__ import annotations

import pytest
import torch
from torch import nn

from genrestore.train.optimisers import Average


def walk(decay: float, steps: int) -> tuple[float, float]:
    """The average, and the same by its formula, of a weight that is 1, 2, 3, …"""
    network = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(network.weight)
    average, expected = Average({"a": network}, decay), 0.0
    for step in range(steps):
        nn.init.constant_(network.weight, step + 1.0)
        average.update({"a": network}, step)
        d = min(decay, (1 + step) / (10 + step)) if decay else 0.0
        expected = d * expected + (1 - d) * (step + 1)
    return float(next(average.networks["a"].parameters()).detach()), expected


@pytest.mark.parametrize("decay", [0.0, 0.5, 0.999])
def test_the_average_follows_its_formula(decay: float) -> None:
    found, expected = walk(decay, 20)
    assert found == pytest.approx(expected, rel=1e-5)


def test_running_statistics_are_averaged_counters_copied_and_the_networks_stay_apart() -> None:
    network = nn.BatchNorm2d(2)
    average = Average({"a": network}, 0.9)
    network(torch.randn(4, 2, 3, 3, generator=torch.Generator().manual_seed(0)))
    average.update({"a": network, "not averaged": nn.Linear(1, 1)}, 0)
    mine, theirs = average.networks["a"].state_dict(), network.state_dict()
    assert torch.allclose(mine["running_mean"], 0.9 * theirs["running_mean"])  # d is 1/10 at step 0
    assert int(mine["num_batches_tracked"]) == 1
    assert not average.networks["a"].training
    assert all(not parameter.requires_grad for parameter in average.networks["a"].parameters())
    assert all(parameter.requires_grad for parameter in network.parameters())
