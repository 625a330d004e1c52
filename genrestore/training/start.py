"""Networks that start from weights that are there, and may have more blocks than those."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from genrestore.errors import UsageError
from genrestore.runtime import Runtime
from genrestore.training.protocol import Observer, Training
from genrestore.weights import load
from genrestore.weights.header import NetworkSpec


@torch.no_grad()
def start_from(
    weights: str, training: Training[Any], runtime: Runtime, observer: Observer, *, follows: bool = False
) -> None:
    """Copy networks from existing weights. Blocks that these do not have stay as they were made.

    A `ResidualBlock` is made as the identity, so that a deeper U-Net starts as the same function.

    Args:
        weights: Name or path.
        training: Its networks are changed.
        runtime: Device.
        observer: Is told which networks start anew.
        follows: Whether it follows another training of the run: then only what it trains is copied.

    Raises:
        UsageError: A network of other arguments; in what follows it starts anew.
        WeightsError: There are no such weights, or they are damaged.
    """
    loaded = load.load(weights, runtime)
    wanted = training.header().networks
    for name, network in training.networks.items():
        if follows and name not in training.optimisers:
            continue
        if name not in loaded.networks or name not in wanted:
            observer.note(f"--init-from {weights}: has no {name}, which starts anew")
            continue
        there, here = _plain(loaded.header.networks[name]), _plain(wanted[name])
        if not _goes_on(there, here) and follows:
            observer.note(f"--init-from {weights}: has another {name}, which starts anew")
            continue
        if not _goes_on(there, here):
            raise UsageError(
                f"--init-from {weights}: its {name} is {there.name} {there.arguments}, but "
                f"{here.name} {here.arguments} is asked for"
            )
        network.load_state_dict(loaded.networks[name].state_dict(), strict=there == here)


def _goes_on(there: NetworkSpec, here: NetworkSpec) -> bool:
    """Whether a network can start as another: they are the same, or it only has more blocks at a scale."""
    if there == here:
        return True
    before, after = (spec.arguments.get("blocks") for spec in (there, here))
    if not (isinstance(before, list) and isinstance(after, list) and len(before) == len(after)):
        return False
    deeper = NetworkSpec(there.name, {**there.arguments, "blocks": after})
    return deeper == here and all(few <= many for few, many in zip(before, after, strict=True))


def _plain(spec: NetworkSpec) -> NetworkSpec:
    """With lists in place of tuples, as in a file."""
    arguments: Mapping[str, Any] = spec.arguments
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in arguments.items()}
    return NetworkSpec(spec.name, plain)
