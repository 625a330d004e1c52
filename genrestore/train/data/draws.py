"""Random numbers from a generator that is handed in, so that a sample is a function of its seed alone."""

from __future__ import annotations

import hashlib
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


def sample_generator(seed: int, step: int, index: int) -> torch.Generator:
    """Random generator of one sample: the same whoever asks for it, and whenever."""
    return torch.Generator().manual_seed(mix(seed, step, index))


def mix(*numbers: int) -> int:
    """Seed of 63 bits from several numbers, so that neighbours have nothing in common."""
    words = ",".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "little") >> 1
