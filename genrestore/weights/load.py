"""Header and tensors to networks that are ready to run."""

from __future__ import annotations

import reprlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load as from_safetensors
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from genrestore.errors import WeightsError
from genrestore.models import NETWORKS
from genrestore.runtime import Runtime
from genrestore.weights import community, content, store
from genrestore.weights.header import KINDS, Header, NetworkSpec, damaged, first_line

SPARE = 1000
"""Tensors that a network may have more than a file, so that what the file lacks can be named."""


@dataclass(frozen=True)
class Loaded:
    """Weights, ready to run.

    Attributes:
        header: Of their file.
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
    return load_chosen(store.choose(weights), runtime)


def load_chosen(chosen: store.Choice, runtime: Runtime) -> Loaded:
    """`load` for weights that were chosen, whose header is not read again."""
    loaded = load_file(chosen.path)
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
        if spec.is_community:
            networks[role] = community.build(spec, values, path)
            continue
        with _no_more_than(SPARE + len(values)):
            empty = _build(spec, path, "meta")
        _check(values, empty, role, path)
        _check_images(found.header, empty, role, path)
        network = _build(spec, path, "cpu")
        network.load_state_dict(values)
        networks[role] = network.eval().requires_grad_(False)
    return Loaded(found.header, networks)


@contextmanager
def _no_more_than(count: int) -> Iterator[None]:
    """Stop the building of a network that has more parameters than this: no file holds so many.

    Its arguments come from anywhere, and a number of blocks may be one for which building never ends.
    """
    built = 0

    def register(*_: object) -> None:
        nonlocal built
        built += 1
        if built > count:
            raise ValueError(f"more than {count} tensors, which the file does not hold")

    handle = register_module_parameter_registration_hook(register)
    try:
        yield
    finally:
        handle.remove()


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
        raise damaged(
            path, f"{spec.name} cannot be built from {reprlib.repr(spec.arguments)} ({first_line(error)})"
        ) from error


def _check_images(header: Header, network: nn.Module, role: str, path: Path) -> None:
    """Refuse a header whose images are not those of a network that is made for one size of them."""
    size, channels = getattr(network, "size", None), getattr(network, "channels", None)
    if KINDS[header.kind] and size and (size, channels) != (header.size, header.channels):
        raise damaged(
            path,
            f"its header says images of size {header.size} with {header.channels} channels, its {role} is "
            f"for size {size} with {channels}",
        )


def _check(values: dict[str, Tensor], network: nn.Module, role: str, path: Path) -> None:
    """Refuse tensors that are not those of the network, by name, shape and type."""
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
