"""The collapse alarm: what rings it, and what does not."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genrestore.train.kinds.base import Diverged
from genrestore.train.kinds.gan import EVERY, PATIENCE, Alarm

CERTAIN, UNSURE, GRADIENT = torch.tensor(1e-4), torch.tensor(0.05), torch.tensor(1e-5)


def watch(alarm: Alarm, loss: Tensor, steps: int) -> None:
    for _ in range(steps):
        alarm.watch(loss, GRADIENT)


def test_it_rings_after_certainty_without_a_break_and_says_what_happened() -> None:
    alarm = Alarm()
    watch(alarm, CERTAIN, PATIENCE - 1)
    with pytest.raises(Diverged, match=rf"collapsed: for {PATIENCE} steps .*0\.0001.* gradient is 1e-05"):
        watch(alarm, CERTAIN, EVERY)


def test_one_unsure_step_begins_the_count_anew() -> None:
    alarm = Alarm()
    for _ in range(3):
        watch(alarm, CERTAIN, PATIENCE - 2 * EVERY)
        watch(alarm, UNSURE, 1)


def test_the_losses_of_a_healthy_training_never_ring_it() -> None:
    watch(Alarm(), UNSURE, 3 * PATIENCE)
