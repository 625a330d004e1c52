"""Random numbers from a generator that is handed in, so that a sample is a function of its seed alone."""

from __future__ import annotations

import math

import torch


def uniform(generator: torch.Generator, low: float = 0.0, high: float = 1.0) -> float:
    """One uniform draw from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def log_uniform(generator: torch.Generator, low: float, high: float) -> float:
    """One draw from [low, high) whose logarithm is uniform."""
    return math.exp(uniform(generator, math.log(low), math.log(high)))


def chance(generator: torch.Generator, probability: float) -> bool:
    """True with this probability."""
    return uniform(generator) < probability
