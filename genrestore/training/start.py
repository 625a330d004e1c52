"""Networks that start from weights that are there, and may have more blocks than those."""

from __future__ import annotations

from typing import Any

from genrestore.errors import UsageError
from genrestore.runtime import Runtime
from genrestore.training.protocol import Observer, Training
from genrestore.weights import load
from genrestore.weights.header import NetworkSpec


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
        there, here = loaded.header.networks[name], wanted[name]
        if _is_within(there, here):
            network.load_state_dict(loaded.networks[name].state_dict(), strict=there == here)
        elif follows:
            observer.note(f"--init-from {weights}: has another {name}, which starts anew")
        else:
            raise UsageError(
                f"--init-from {weights}: its {name} is {there.name} {there.arguments}, but "
                f"{here.name} {here.arguments} is asked for"
            )


def _is_within(there: NetworkSpec, here: NetworkSpec) -> bool:
    """Whether all of a network is in another: they are the same, or the other has more blocks at a scale."""
    if there == here:
        return True
    before, after = (spec.arguments.get("blocks") for spec in (there, here))
    if not (isinstance(before, list) and isinstance(after, list) and len(before) == len(after)):
        return False
    deeper = NetworkSpec(there.name, {**there.arguments, "blocks": after})
    return deeper == here and all(few <= many for few, many in zip(before, after, strict=True))
