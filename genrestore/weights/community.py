"""Other people's weights: tensors of networks that spandrel, an extra, knows, in files of ours."""

from __future__ import annotations

import hashlib
import math
import reprlib
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as from_safetensors
from torch import Tensor, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from genrestore import __version__
from genrestore.errors import UsageError, WeightsError, shown
from genrestore.models.community import CommunityNetwork
from genrestore.weights import content, reach
from genrestore.weights.header import COMMUNITY, Header, NetworkSpec, damaged, first_line, reason

LIBRARY, EXTRA, FURTHER = "spandrel", "community", "spandrel_extra_arches"
"""Package of the networks, the extra that brings it, and one that knows more of them where it is there."""
ROLE = "denoiser"
BESIDE = 64
"""Tiles begin at a multiple of it: networks halve pictures up to six times, or see windows of such sides."""
MOST_BESIDE, MOST_SIDE = 512, 1024
"""A network that needs a larger multiple, or a larger picture, takes pictures as a whole."""

GLOBAL = nn.AdaptiveAvgPool2d, nn.AdaptiveMaxPool2d
"""Parts that look at a whole picture, or a whole tile, at once."""


@dataclass(frozen=True)
class Adopted:
    """Other people's weights, as our file has them.

    Attributes:
        header: What they are.
        tensors: By name, "ROLE.KEY".
    """

    header: Header
    tensors: dict[str, Tensor]


def adopt(path: Path, licence: str | None) -> Adopted:
    """Look at tensors of other people, and say what network they are.

    Args:
        path: A safetensors file without a header of ours.
        licence: Its terms of use, as the user knows them.

    Raises:
        UsageError: No licence.
        WeightsError: The extra is not installed; no safetensors, damaged, of no known architecture, or of a
            network that does not restore.
    """
    library = _library(f"{shown(path)}: other people's weights are taken")
    if not (licence or "").strip():
        raise UsageError(
            f"{shown(path)}: other people's weights: say under which terms they are, "
            "such as --licence MIT, or --licence unknown"
        )
    try:
        content.check_fits(path)
        raw = path.read_bytes()
        tensors = from_safetensors(raw)
    except (OSError, SafetensorError, ValueError, KeyError) as error:
        raise WeightsError(
            f"{path}: not a safetensors file, or damaged ({reason(error)}); get it again"
        ) from error
    name, found = _recognised(library, tensors, path)
    network, kind = _wrapped(found, path)
    arguments = _measured(network)
    sha256 = hashlib.sha256(raw).hexdigest()
    header = Header(
        kind=kind,
        networks={ROLE: NetworkSpec(COMMUNITY + name, arguments)},
        channels=int(found.input_channels),
        size=None,
        training={},
        data="not said",
        licence=str(licence).strip(),
        source=f"{path.name}, sha256 {sha256}",
        version=__version__,
    )
    return Adopted(header, {f"{ROLE}.{key}": value.contiguous() for key, value in tensors.items()})


def build(spec: NetworkSpec, tensors: dict[str, Tensor], path: Path) -> nn.Module:
    """The network of a file of ours that holds other people's tensors, on the CPU.

    Args:
        spec: What the header says of it.
        tensors: Its tensors by their own names.
        path: The file, for messages.

    Raises:
        WeightsError: The extra is not installed, or does not know it; tensors or numbers that are not its.
    """
    library = _library(f"{path}: is of {spec.name}, and other people's weights are read")
    name = spec.name.removeprefix(COMMUNITY)
    if name not in library.MAIN_REGISTRY:
        raise WeightsError(
            f"{path}: needs a network {reprlib.repr(name)}, which this {LIBRARY} does not have; update it"
        )
    try:
        found = _loaded(library.MAIN_REGISTRY[name].architecture, tensors)
        network, _kind = _wrapped(found, path)
        for key, least in {"overlap": 0, "multiple": 1, "memory": 1}.items():
            value = spec.arguments[key]
            if not (
                (isinstance(value, int) and least <= value < 2**40) or (key == "overlap" and value is None)
            ):
                raise ValueError(f"{key} {reprlib.repr(value)}")
            setattr(network, key, value)
    except Exception as error:  # whatever a network raises at tensors that are not meant for it
        if isinstance(error, WeightsError):
            raise
        raise damaged(path, f"{spec.name} cannot be built of its tensors ({first_line(error)})") from error
    return network.eval().requires_grad_(False)


def words(header: Header) -> str:
    """Description of other people's weights."""
    spec = header.networks[ROLE]
    seen = "as a whole" if spec.arguments["overlap"] is None else "in tiles"
    colours = "grey" if header.channels == 1 else "RGB"
    return f"{spec.name.removeprefix(COMMUNITY)} for {colours}, {header.kind}, sees pictures {seen}"


def _library(what: str) -> Any:
    """The package spandrel, with what else knows networks.

    Raises:
        WeightsError: It is not installed; says what would be done with it.
    """
    if find_spec(LIBRARY) is None:
        raise WeightsError(f"{what} with an extra: pip install 'genrestore[{EXTRA}]'")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # they use what torch is about to change
        library = import_module(LIBRARY)
        if find_spec(FURTHER) is not None:
            import_module(FURTHER).install(ignore_duplicates=True)
    return library


def _recognised(library: Any, tensors: dict[str, Tensor], path: Path) -> tuple[str, Any]:
    """The name of the architecture of tensors, and spandrel's descriptor of the network.

    Raises:
        WeightsError: There is none.
    """
    problems = ["" if tensors else "it holds no tensors"]
    problems += [f"'{name}' is empty" for name, one in tensors.items() if one.numel() == 0][:1]
    problems += [f"'{name}' holds {one.dtype}" for name, one in tensors.items() if one.is_complex()][:1]
    plain = library.canonicalize_state_dict(tensors)
    for one in [] if any(problems) else library.MAIN_REGISTRY.architectures("detection"):
        found = _tried(one, plain, tensors)
        if not isinstance(found, Exception):
            return str(one.architecture.id), found
        problems.append(str(found))
    why = next(filter(None, problems), "")
    raise WeightsError(
        f"{path}: tensors of no architecture that {LIBRARY} knows{f' ({why})' if why else ''}; "
        "docs/networks.md names those it does"
    )


def _tried(support: Any, plain: dict[str, Tensor], tensors: dict[str, Tensor]) -> Any:
    """The descriptor of a network if tensors are of this architecture, or what speaks against it."""
    name = support.architecture.id
    try:
        return _loaded(support.architecture, tensors) if support.detect(plain) else ValueError()
    except Exception as error:  # noqa: BLE001 -- tensors of anything at all
        return ValueError(f"not {name}: {first_line(error)}")


def _loaded(architecture: Any, tensors: dict[str, Tensor]) -> Any:
    """Spandrel's descriptor of the network that tensors fill; raises whatever its constructor does."""
    plain = import_module(LIBRARY).canonicalize_state_dict(dict(tensors))
    floats = {key: one.float() if one.is_floating_point() else one for key, one in plain.items()}
    size = sum(one.numel() for one in floats.values())
    with torch.random.fork_rng(devices=[]), _no_larger_than(size), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # other people's networks use what torch is about to change
        return architecture.load(floats)


@contextmanager
def _no_larger_than(size: int) -> Iterator[None]:
    """Stop the building of a network with more parameters than this, which no tensors of the file fill."""
    built = 0

    def register(_module: object, _name: str, parameter: Tensor) -> None:
        nonlocal built
        built += parameter.numel()
        if built > 2 * size:
            raise ValueError("more parameters than the file holds")

    handle = register_module_parameter_registration_hook(register)
    try:
        yield
    finally:
        handle.remove()


def _wrapped(found: Any, path: Path) -> tuple[CommunityNetwork, str]:
    """The network that a descriptor of spandrel is of, as we call it, and the kind of its prior.

    Raises:
        WeightsError: It does not restore a picture at its size.
    """
    name, masked = found.architecture.name, found.purpose == "Inpainting"
    if found.purpose not in ("Restoration", "Inpainting") or found.scale != 1:
        what = f"makes pictures {found.scale} times as large" if found.scale != 1 else "makes faces anew"
        raise WeightsError(
            f"{path}: {name} {what} (super-resolution); genrestore restores pictures at their own size"
        )
    channels = int(found.input_channels)
    if channels not in (1, 3) or found.output_channels != channels:
        raise WeightsError(
            f"{path}: {name} takes {channels} channels and gives {found.output_channels}; "
            "genrestore restores pictures of 1 or 3"
        )
    takes_level = name == "DRUNet" or getattr(found.model, "mode", "") == "FDnCNN"
    size = found.size_requirements
    network = CommunityNetwork(
        found.model,
        _with_level(found.model) if takes_level else found,
        channels=channels,
        takes_level=takes_level,
        masked=masked,
        sides=(max(1, size.minimum), size.multiple_of, size.square),
    )
    return network.eval().requires_grad_(
        False
    ), "inpainter-blind" if masked else "denoiser" if takes_level else ("denoiser-blind")


def _with_level(network: nn.Module) -> Any:
    """The call of a network that sees its noise level as a further channel, which spandrel makes up."""
    return lambda image, level: network(torch.cat([image, level], 1))


def _measured(network: CommunityNetwork) -> dict[str, Any]:
    """Overlap, multiple and memory of a network, as arguments in the header."""
    least, multiple, _square = network.sides
    windows = [side for one in network.modules() for side in _windows(one)]
    odd = any(side & (side - 1) for side in windows)
    beside = math.lcm(8 if odd else BESIDE, multiple, *windows)
    network.multiple = beside
    overlap = None
    local = not any(isinstance(one, GLOBAL) for one in network.modules())
    if local and not network.masked and beside <= MOST_BESIDE and least <= MOST_SIDE:
        overlap = reach.overlap(network, beside)
    side = max(BESIDE, math.ceil(least / multiple) * multiple)
    return {
        "overlap": overlap,
        "multiple": beside if overlap else multiple,
        "memory": reach.memory(network, side),
    }


def _windows(module: nn.Module) -> list[int]:
    """Sides of the windows that a part of a network cuts pictures into."""
    found = getattr(module, "window_size", None)
    sides = found if isinstance(found, (list, tuple)) else [found]
    return [side for side in sides if isinstance(side, int) and 1 < side <= MOST_BESIDE]
