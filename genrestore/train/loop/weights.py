"""Weights that a run starts from, and where its best ones go when it is finished."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from genrestore.errors import UsageError, WeightsError
from genrestore.files.disk.atomic import atomic, check_writable
from genrestore.runtime import Runtime
from genrestore.train.kinds.base import Training
from genrestore.train.loop.loop import Observer
from genrestore.train.loop.run import FOLDERS
from genrestore.weights import load, store
from genrestore.weights.header import NetworkSpec, read_header


def start_from(
    weights: str, training: Training[Any, Any], runtime: Runtime, observer: Observer, *, follows: bool = False
) -> None:
    """Copy networks from existing weights. Blocks that these do not have stay as they were made.

    A `ResidualBlock` is made as the identity, so that a deeper U-Net starts as the same function. One that
    has two noise levels where it had one starts as the same function of their mean, and an
    estimator that tells two tells the same level twice.

    Args:
        weights: Name or path.
        training: Its networks are changed.
        runtime: Device.
        observer: Takes a note of networks that start anew.
        follows: Whether it follows another training of the run: then only what it trains is copied.

    Raises:
        UsageError: None of the networks, or one of other arguments; in what follows it starts anew.
        WeightsError: There are no such weights, or they are damaged.
    """
    loaded = load.load(weights, runtime)
    wanted = training.header().networks
    if not follows and not loaded.networks.keys() & training.networks.keys() & wanted.keys():
        raise UsageError(
            f"--init-from {weights}: a {loaded.header.kind}, which has no {' and no '.join(wanted)}"
        )
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
    """Tell whether a network is a part of another, which is the same or has more blocks or levels."""
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


@dataclass(frozen=True)
class Destination:
    """Place of a run's best weights: the user's store, or a file.

    Attributes:
        name: Of the weights in the store.
        output: The value of --output, if it was given.
        run: The run's folder.
        overwrite: Whether what is there may be replaced, whatever it is.
    """

    name: str
    output: Path | None
    run: Path
    overwrite: bool

    @property
    def path(self) -> Path:
        """Path of the weights.

        Raises:
            UsageError: Not a name for weights.
        """
        own = store.place(self.name)
        return own if self.output is None else self.output

    def check(self, *, resume: bool) -> bool:
        """Refuse before the work what would be refused after it; say whether something will be replaced.

        A run that is resumed needs no word to replace what it has exported itself.

        Raises:
            UsageError: Something is in the way.
            InputError: The place or the run's folder cannot be written.
        """
        shown = str(self.path) if self.output is None else f"--output {self.path}"
        if self.path.is_dir():
            raise UsageError(f"{shown}: is a folder; name a file")
        if self.run.resolve() in self.path.resolve().parents:
            raise UsageError(
                f"{shown}: lies in the run's folder, whose files are the run's; choose another place"
            )
        there = os.path.lexists(self.path)
        if there and not self.overwrite and resume and not self.is_own():
            raise UsageError(
                f"{shown}: exists, and is not of the run that goes on; --overwrite replaces it, "
                "another --output leaves it as it is"
            )
        if there and not self.overwrite and not resume:
            word = "replace it with --overwrite" if self.output is None else "--overwrite replaces it"
            raise UsageError(f"{shown}: exists; {word}")
        check_writable(self.path)
        if not self.run.is_file():  # which the run's folder says better
            check_writable(self.run / "checkpoint.safetensors")
        return there

    def is_own(self) -> bool:
        """Tell whether the weights that are there are the run's: of the same images and settings.

        Convention: the number of steps may be another one, since a run can be extended.
        """
        found = _identity(self.path)
        folders = [self.run, *(self.run / name for name in FOLDERS)]
        return found is not None and any(found == _identity(one / "best.safetensors") for one in folders)

    def export(self, best: Path) -> None:
        """Copy the best weights there.

        Raises:
            UsageError: Something came to be there that must not be replaced.
            WeightsError: The weights are damaged.
            InputError: The place cannot be written.
        """
        replaces = self.overwrite or self.is_own()
        if self.output is None:
            store.add(best, self.name, overwrite=replaces)
            return
        with best.open("rb") as source, atomic(self.path, overwrite=replaces) as stream:
            shutil.copyfileobj(source, stream)


def _identity(weights: Path) -> tuple[Any, ...] | None:
    """Fields that all weights of a run have in common; None where there are no weights."""
    if not weights.is_file():
        return None
    try:
        header = read_header(weights)
    except WeightsError:
        return None
    record = header.training
    loop, data = record.get("loop"), record.get("data")
    if not isinstance(loop, Mapping) or not isinstance(data, Mapping):
        return None
    settings = {name: value for name, value in loop.items() if name != "steps"}
    return header.kind, header.networks, settings, data.get("images"), record.get("precision")
