"""Calls of a network that all have one shape, so that no image depends on how many others there are."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

BATCH = 16
"""Images in every call: fewer are padded."""


def padded(stack: Tensor) -> Tensor:
    """At most `BATCH` items as `BATCH`: the first one again in the places that are left, [batch, ...]."""
    return torch.cat([stack, stack[:1].expand(BATCH - len(stack), *stack.shape[1:])])


def by_batches(network: Callable[[Tensor], Tensor], stack: Tensor) -> Tensor:
    """What a network makes of items [batch, ...], `BATCH` of them at a time: its shape, [batch, ...]."""
    return torch.cat([network(padded(some))[: len(some)] for some in stack.split(BATCH)])
