"""Everything that a training needs to go on, in one safetensors file; nothing is pickled."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn
from torch.optim import Optimizer

from genrestore.errors import WeightsError
from genrestore.files.disk.atomic import atomic
from genrestore.train.optimisers import Average

KEY = "genrestore-checkpoint"
FORMAT = 1


@dataclass
class Progress:
    """Progress of a training.

    Attributes:
        step: Steps done.
        score: Best validation score so far, higher is better; None before the first validation.
        score_step: Steps done when it was reached.
        seconds: Time spent in the loop.
    """

    step: int = 0
    score: float | None = None
    score_step: int = 0
    seconds: float = 0.0


@dataclass
class State:
    """State that a checkpoint holds; `load` fills it in place."""

    networks: Mapping[str, nn.Module]
    average: Average
    optimisers: Mapping[str, Optimizer]
    progress: Progress

    def tensors(self) -> Iterator[tuple[str, Tensor]]:
        """Name and tensor of every weight, averaged weight and optimiser moment."""
        for group, networks in (("network", self.networks), ("average", self.average.networks)):
            for name, network in networks.items():
                for key, value in network.state_dict().items():
                    yield f"{group}/{name}/{key}", value
        for name, optimiser in self.optimisers.items():
            for index, moments in optimiser.state_dict()["state"].items():
                for key, value in moments.items():
                    yield f"optimiser/{name}/{index}/{key}", torch.as_tensor(value)


def save(path: Path, state: State, options: Mapping[str, Any]) -> None:
    """Write a checkpoint, replacing the one before only when the new one is complete.

    Args:
        path: The file.
        state: What is kept.
        options: JSON values that say how the run was started; given back by `read`.
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in state.tensors()}
    about = {
        "format": FORMAT,
        "progress": asdict(state.progress),
        "options": options,
        "sha256": _sha256(tensors),
    }
    content = to_bytes(tensors, {KEY: json.dumps(about)})
    with atomic(path) as stream:
        stream.write(content)


def read(path: Path) -> tuple[Progress, dict[str, Any]]:
    """Progress and options of a checkpoint; reads only the header.

    Raises:
        WeightsError: The file is damaged or not a checkpoint.
    """
    about = _about(path)
    return Progress(**about["progress"]), about["options"]


@torch.no_grad()
def load(path: Path, state: State) -> None:
    """Fill networks, average, optimisers and progress from a checkpoint, bit for bit.

    Raises:
        WeightsError: The file is damaged, or made for other networks or optimisers.
    """
    progress, _ = read(path)
    try:
        with safe_open(path, framework="pt") as file:
            stored = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"{path}: the checkpoint is damaged ({error})") from error
    if _about(path)["sha256"] not in (_sha256(stored), None):
        raise WeightsError(
            f"{path}: the checkpoint is damaged (its sha256 is not the one it was written with)"
        )
    for group, networks in (("network", state.networks), ("average", state.average.networks)):
        for name, network in networks.items():
            for key, value in network.state_dict().items():
                value.copy_(_take(stored, f"{group}/{name}/{key}", value, path))
    for name, optimiser in state.optimisers.items():
        _fill_optimiser(optimiser, _moments(stored, name), path)
    if stored:
        raise WeightsError(f"{path}: made for another training; it also holds '{min(stored)}'")
    state.progress = progress


def _about(path: Path) -> dict[str, Any]:
    """The checkpoint's own record, with everything that `read` and `load` need."""
    try:
        with safe_open(path, framework="pt") as file:
            about: dict[str, Any] = json.loads((file.metadata() or {})[KEY])
        Progress(**about["progress"])
        if about["format"] > FORMAT:
            raise WeightsError(f"{path}: a checkpoint of format {about['format']}; update genrestore")
        return {"options": about["options"], "progress": about["progress"], "sha256": about.get("sha256")}
    except (OSError, SafetensorError, KeyError, ValueError, TypeError) as error:
        raise WeightsError(f"{path}: not a checkpoint of genrestore, or damaged ({error})") from error


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    """Hash of every name, shape and byte, in the order of the names."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        digest.update(repr((name, tuple(tensors[name].shape))).encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _take(stored: dict[str, Tensor], name: str, like: Tensor, path: Path) -> Tensor:
    value = stored.pop(name, None)
    if value is None or value.shape != like.shape:
        found = "missing" if value is None else f"of shape {list(value.shape)}"
        raise WeightsError(
            f"{path}: made for another network; '{name}' is {found}, {list(like.shape)} expected"
        )
    return value


def _moments(stored: dict[str, Tensor], name: str) -> dict[int, dict[str, Tensor]]:
    """Take an optimiser's tensors out of `stored`, by the number of the parameter."""
    prefix = f"optimiser/{name}/"
    found: dict[int, dict[str, Tensor]] = {}
    for key in [key for key in stored if key.startswith(prefix)]:
        index, moment = key.removeprefix(prefix).split("/")
        found.setdefault(int(index), {})[moment] = stored.pop(key)
    return found


def _fill_optimiser(optimiser: Optimizer, moments: dict[int, dict[str, Tensor]], path: Path) -> None:
    """Load moments; each gets its parameter's memory layout, so that the next step rounds the same way."""
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    if moments and max(moments) >= len(parameters):
        raise WeightsError(f"{path}: made for another optimiser of {max(moments) + 1} parameters")
    for index, values in moments.items():
        for key, value in values.items():
            if value.shape == parameters[index].shape:
                values[key] = torch.empty_like(parameters[index]).copy_(value)
    state = optimiser.state_dict()
    optimiser.load_state_dict({"state": moments, "param_groups": state["param_groups"]})
