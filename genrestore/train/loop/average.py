"""The moving average of weights, which restores better than the weights of the last step."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import nn


class Average:
    """Exponential moving average of networks.

        a  ←  d a + (1 − d) w,     d = min(decay, (1 + n) / (10 + n)) at step n

    so that the first steps are forgotten soon; running statistics of batch normalisation are averaged alike,
    and counters are copied. Source of the ramp: TensorFlow's ExponentialMovingAverage.

    Args:
        networks: The networks in training.
        decay: From 0 (no averaging) to below 1.

    Attributes:
        networks: The averaged networks, in evaluation mode, without gradients.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.networks = {name: copy.deepcopy(network) for name, network in networks.items()}
        for network in self.networks.values():
            network.requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module], step: int) -> None:
        """Take in the weights after step number `step` (from 0) of those networks that are averaged."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step)) if self.decay else 1.0
        for name, network in self.networks.items():
            mine, theirs = network.state_dict(), networks[name].state_dict()
            real = [key for key, value in mine.items() if value.is_floating_point()]
            torch._foreach_lerp_([mine[key] for key in real], [theirs[key] for key in real], weight)
            for key in mine.keys() - set(real):
                mine[key].copy_(theirs[key])
