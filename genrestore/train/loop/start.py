"""Networks that start from weights that are there, and may have more blocks or noise levels than those."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from genrestore.errors import UsageError
from genrestore.runtime import Runtime
from genrestore.train.loop.protocol import Observer, Training
from genrestore.weights import load
from genrestore.weights.header import NetworkSpec


def start_from(
    weights: str, training: Training[Any], runtime: Runtime, observer: Observer, *, follows: bool = False
) -> None:
    """Copy networks from existing weights. Blocks that these do not have stay as they were made.

    A `ResidualBlock` is made as the identity, so that a deeper U-Net starts as the same function. One that
    is told two noise levels where it was told one starts as the same function of their mean, and an
    estimator that tells two tells the same level twice.

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
            state = loaded.networks[name].state_dict()
            if _levels(there) < _levels(here):
                state = _with_two_levels(there.name, state)
            network.load_state_dict(state, strict=there == here)
        elif follows:
            observer.note(f"--init-from {weights}: has another {name}, which starts anew")
        else:
            raise UsageError(
                f"--init-from {weights}: its {name} is {there.name} {there.arguments}, but "
                f"{here.name} {here.arguments} is asked for"
            )


def _is_within(there: NetworkSpec, here: NetworkSpec) -> bool:
    """Whether all of a network is in another: they are the same, or the other has more blocks or levels."""
    before, after = (spec.arguments.get("blocks") for spec in (there, here))
    if isinstance(before, list) and isinstance(after, list):
        fits = len(before) == len(after) and all(few <= many for few, many in zip(before, after, strict=True))
    else:
        fits = before == after
    return fits and _levels(there) <= _levels(here) and _rest(there) == _rest(here)


def _rest(spec: NetworkSpec) -> tuple[str, dict[str, Any]]:
    return spec.name, {key: spec.arguments[key] for key in spec.arguments if key not in ("blocks", "levels")}


def _levels(spec: NetworkSpec) -> int:
    return int(spec.arguments.get("levels", 1))


def _with_two_levels(network: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Weights for two noise levels from those for one: of a U-Net's first layer, or an estimator's last."""
    if network == "residual-unet":
        weight = state["head.weight"]
        level = weight[:, -4:] / 2  # 2×2 pixels are folded into channels
        return {**state, "head.weight": torch.cat([weight[:, :-4], level, level], 1)}
    twice = {name: state[name].repeat_interleave(2, 0) for name in ("tail.weight", "tail.bias")}
    return {**state, **twice}
