"""Header and tensors to networks that are ready to run."""

from __future__ import annotations

import reprlib
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load as from_safetensors
from torch import Tensor, nn

from genrestore.errors import WeightsError
from genrestore.models import NETWORKS
from genrestore.runtime import Runtime
from genrestore.weights import content, store
from genrestore.weights.header import Header, NetworkSpec, damaged


@dataclass(frozen=True)
class Loaded:
    """Weights, ready to run.

    Attributes:
        header: What their file says of itself.
        networks: Role to network: in eval mode, on the runtime's device, float32, without gradients of its
            parameters.
    """

    header: Header
    networks: dict[str, nn.Module]


def load(weights: str, runtime: Runtime) -> Loaded:
    """Build the networks of a weights file and fill them.

    Args:
        weights: A name in the store or a path.
        runtime: Gives the device.

    Raises:
        WeightsError: No such weights, not genrestore's, damaged, or of a network that is not known here.
    """
    loaded = load_file(store.resolve(weights))
    for network in loaded.networks.values():
        network.to(runtime.device)
    return loaded


def load_file(path: Path) -> Loaded:
    """`load` for a path, on the CPU; also the whole check that `genrestore weights verify` makes.

    Raises:
        WeightsError: See `load`.
    """
    found = content.read(path)
    tensors = from_safetensors(found.raw)
    networks = {}
    for role, spec in found.header.networks.items():
        own = {name.partition(".")[2]: name for name in tensors if name.partition(".")[0] == role}
        values = {key: tensors[name] for key, name in own.items()}
        _check(values, _build(spec, path, "meta"), role, path)
        network = _build(spec, path, "cpu")
        network.load_state_dict(values)
        networks[role] = network.eval().requires_grad_(False)
    return Loaded(found.header, networks)


def _build(spec: NetworkSpec, path: Path, device: str) -> nn.Module:
    """The network with its first values; on "meta" it takes no memory, however large its arguments."""
    if spec.name not in NETWORKS:
        known = ", ".join(sorted(NETWORKS))
        raise WeightsError(
            f"{path}: needs a network {reprlib.repr(spec.name)}, and this genrestore has only {known}; "
            "update genrestore"
        )
    try:
        with torch.random.fork_rng(devices=[]), torch.device(device):
            return NETWORKS[spec.name](**spec.arguments).float()
    except Exception as error:  # whatever a constructor raises at arguments that are not meant for it
        first = (str(error).splitlines() or [type(error).__name__])[0]
        raise damaged(
            path, f"{spec.name} cannot be built from {reprlib.repr(spec.arguments)} ({first})"
        ) from error


def _check(values: dict[str, Tensor], network: nn.Module, role: str, path: Path) -> None:
    """Tensors of any shape must be those of the network, by name, shape and type."""
    expected = network.state_dict()
    missing, extra = sorted(expected.keys() - values.keys()), sorted(values.keys() - expected.keys())
    if missing:
        raise damaged(
            path, f"it lacks {len(missing)} tensors of its {role}, the first is '{role}.{missing[0]}'"
        )
    if extra:
        raise damaged(
            path, f"its {role} has no place for {len(extra)} tensors, the first is '{role}.{extra[0]}'"
        )
    for key, like in expected.items():
        value = values[key]
        if value.shape != like.shape:
            raise damaged(
                path, f"tensor '{role}.{key}' is of shape {list(value.shape)}, {list(like.shape)} expected"
            )
        if value.dtype != like.dtype and not (value.is_floating_point() and like.is_floating_point()):
            raise damaged(path, f"tensor '{role}.{key}' holds {value.dtype}, {like.dtype} expected")
