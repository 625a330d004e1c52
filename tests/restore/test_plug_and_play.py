"""Plug-and-play where the minimiser is known in closed form: a Gaussian prior."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genrestore.restore.data_terms import L2
from genrestore.restore.problem import Step
from genrestore.restore.solvers.plug_and_play import falling, plug_and_play


def towards_grey(image: Tensor, sigma: float) -> Tensor:
    """The best denoiser of pixels that are normal around 0.5 with deviation 0.2: Wiener's."""
    return 0.5 + (image - 0.5) * 0.2**2 / (0.2**2 + sigma**2)


def test_it_finds_the_minimum_of_the_equation() -> None:
    """D + R = (x − y)²/2s² + (x − 0.5)²/2·0.2²: splitting by τ = σ → 0 meets the mean of both by weight."""
    damaged = torch.tensor([0.9, 0.1, 0.6]).reshape(1, 1, 1, 3)
    noise, step = 0.1, 0.02
    found = plug_and_play(L2(damaged, noise), towards_grey, damaged, [(step, step)] * 4000)
    weight = 0.2**2 / (0.2**2 + noise**2)
    torch.testing.assert_close(found, weight * damaged + (1 - weight) * 0.5, atol=2e-3, rtol=0)


def test_known_pixels_come_back_and_missing_ones_follow_the_prior() -> None:
    damaged = torch.tensor([0.9, 0.1]).reshape(1, 1, 1, 2)
    known = torch.tensor([1.0, 0.0]).reshape(1, 1, 1, 2)
    found = plug_and_play(L2(damaged, 0.0, known), towards_grey, damaged, [(0.2, 0.2)] * 40)
    assert float(found[..., 0]) == float(damaged[..., 0])
    assert abs(float(found[..., 1]) - 0.5) < 1e-3


def test_every_step_is_told_in_order() -> None:
    told: list[Step] = []
    start = torch.zeros(1, 1, 1, 2)
    last = plug_and_play(L2(start, 0.1), towards_grey, start, [(0.3, 0.2), (0.1, 0.1)], on_step=told.append)
    assert [step.index for step in told] == [0, 1]
    assert told[-1].image is last


def test_each_level_is_the_same_share_of_the_one_before() -> None:
    levels = falling(0.4, 0.05, 4)
    assert levels == pytest.approx([0.4, 0.2, 0.1, 0.05])
    assert falling(0.2, 0.1, 1) == (0.1,)
    assert falling(0.1, 0.1, 3) == pytest.approx([0.1] * 3)


@pytest.mark.parametrize("words", [(0.1, 0.2, 3), (0.1, 0.0, 3), (0.2, 0.1, 0), (1.5, 0.1, 3)])
def test_other_numbers_are_refused(words: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match=f"{words[2]} noise levels from {words[0]} to {words[1]}"):
        falling(*words)
