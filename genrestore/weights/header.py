"""The header of a weights file: one JSON string in that of safetensors, every type checked. Needs no torch.

It is read before anything else of a file is looked at. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import re
import reprlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from safetensors import SafetensorError, safe_open

from genrestore.errors import WeightsError

FORMAT = 1
"""The format that is written, and the newest that is read; a new or changed field raises it."""
KINDS = {
    "denoiser": False,
    "denoiser-blind": False,
    "inpainter": False,
    "inpainter-blind": False,
    "finder": False,
    "autoencoder": True,
    "generator": True,
}
"""Kinds of priors, and what finds marks; True: their images have one size."""
MARKS = ("dust", "scratches", "hot")
"""Marks that a finder may know: small specks; what is long and thin, hairs too; single pixels."""
FINDER = "photo-marks"
"""The usual finder of marks."""
COMMUNITY = "spandrel/"
"""Begin of the names of other projects' networks, before that of the architecture."""
KEY = "genrestore"
"""The one key of the safetensors metadata that holds our header."""
MAX_HEADER = 2**20
"""Bytes. Also what tells a pickle from safetensors: no pickle's first eight bytes give a smaller length."""
_ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""A network's role; no dot, since tensors are named "ROLE.KEY"."""
_SHA256 = re.compile(r"[0-9a-f]{64}")

_GIVE = "give a weights file made by genrestore"
_ADVICE = (
    "make a .safetensors file of it with torch.load(..., weights_only=True), "
    "in the two lines of docs/networks.md"
)


class NewerFormat(ValueError):
    """A header of a format that this version does not know."""


@dataclass(frozen=True)
class NetworkSpec:
    """Plan of a network.

    Attributes:
        name: Its name in `genrestore.models.NETWORKS`.
        arguments: Arguments of its constructor, as JSON values.
    """

    name: str
    arguments: dict[str, Any]

    @property
    def is_community(self) -> bool:
        """True for a network of another project."""
        return self.name.startswith(COMMUNITY)


@dataclass(frozen=True)
class Header:
    """Header of a weights file.

    Attributes:
        kind: Kind of prior: one of `KINDS`.
        networks: Role ("denoiser", "estimator", ...) to network; tensors are stored as "ROLE.KEY".
        channels: Channels of the images: 1 or 3.
        size: Height and width of the images in pixels, or None for any.
        training: Settings of the training, as JSON values.
        data: Data that it was trained on.
        licence: Terms of use.
        source: Who or what made it.
        version: Version of genrestore that wrote it.
        format: Version of this header.
        sha256: Over the tensors and the other fields (`genrestore.weights.content`); "" before saving.
    """

    kind: str
    networks: dict[str, NetworkSpec]
    channels: int
    size: int | None
    training: dict[str, Any]
    data: str
    licence: str
    source: str
    version: str
    format: int = FORMAT
    sha256: str = ""

    def to_text(self) -> str:
        """Return the canonical JSON of all fields: the same content gives the same text.

        Raises:
            ValueError: A value that JSON does not have, such as NaN.
            TypeError: A value of another type.
        """
        return canonical(asdict(self))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _are_networks(value: object) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(_ROLE.fullmatch(role) for role in value) and all(map(_is_network, value.values()))


def _is_network(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
        return False
    return isinstance(value["name"], str) and isinstance(value["arguments"], dict)


FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "kind": (lambda value: isinstance(value, str) and value in KINDS, f"one of {', '.join(KINDS)}"),
    "networks": (_are_networks, "an object of roles, each with a name and arguments"),
    "channels": (lambda value: _is_count(value) and value in (1, 3), "1 or 3"),
    "size": (lambda value: value is None or _is_count(value), "a number of pixels or null"),
    "training": (lambda value: isinstance(value, dict), "an object"),
    "data": (_is_text, "text"),
    "licence": (_is_text, "text"),
    "source": (_is_text, "text"),
    "version": (_is_text, "text"),
    "format": (_is_count, "a whole number from 1"),
    "sha256": (
        lambda value: isinstance(value, str) and _SHA256.fullmatch(value) is not None,
        "a sha256 of 64 hexadecimal digits",
    ),
}
"""Name of each field, a check of its value, and the expected value in words."""


def _check(header: Mapping[str, object]) -> None:
    """Check names and types of all fields; a ValueError says which is missing, unknown or of a wrong type."""
    found = header.get("format")
    if isinstance(found, int) and found > FORMAT:
        raise NewerFormat(f"written by a newer genrestore (format {found}, this one reads up to {FORMAT})")
    for name in header:
        if name not in FIELDS:
            raise ValueError(f"its header has an unknown field {reprlib.repr(name)}")
    for name, (fits, expected) in FIELDS.items():
        if name not in header:
            raise ValueError(f"its header has no '{name}'")
        if not fits(header[name]):
            raise ValueError(f"'{name}' in its header is {reprlib.repr(header[name])}, not {expected}")


def canonical(value: object) -> str:
    """Return JSON with sorted keys, without spaces and in ASCII; equal content gives equal text.

    Raises:
        ValueError: NaN, an infinity, or nesting without end.
        TypeError: A type that JSON does not have.
    """
    plain = json.loads(json.dumps(value, allow_nan=False))  # keys become text before they are sorted
    return json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)


def parse(text: str) -> Header:
    """Read a header from its JSON text, which stands under `KEY`.

    Raises:
        ValueError: No JSON, or a field that is missing, unknown or of a wrong type; says what is wrong.
        NewerFormat: A format above `FORMAT`.
    """
    try:
        value = _loads(text)
        canonical(value)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"its genrestore header is no JSON ({error})") from error
    if not isinstance(value, dict):
        raise ValueError("its genrestore header is no JSON object")
    _check(value)
    specs = {role: NetworkSpec(spec["name"], spec["arguments"]) for role, spec in value["networks"].items()}
    fields = {name: value[name] for name in FIELDS if name != "networks"}
    return Header(networks=specs, **fields)


def parse_of(path: Path, text: str) -> Header:
    """`parse` the text that a file holds.

    Raises:
        WeightsError: What is wrong, with the file's path and what to do.
    """
    try:
        return parse(text)
    except NewerFormat as error:
        raise WeightsError(f"{path}: {error}; update genrestore") from error
    except ValueError as error:
        raise damaged(path, str(error)) from error


def read_header(path: Path) -> Header:
    """Read a file's header only, and check that its layout fits its size; the tensors are not looked at.

    Raises:
        WeightsError: No such file, not a weights file of genrestore, or a damaged one.
    """
    try:
        with path.open("rb") as stream:
            text = read_text(stream, path)
        with safe_open(path, framework="numpy"):
            return parse_of(path, text)
    except FileNotFoundError as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({reason(error)})") from error
    except SafetensorError as error:
        raise damaged(path, reason(error)) from error


def read_text(stream: BinaryIO, path: Path) -> str:
    """Return the JSON text of our header from the beginning of a safetensors file.

    Args:
        stream: The file from its beginning; can seek.
        path: The file, for messages.

    Raises:
        WeightsError: Not safetensors, cut off, or without a header of ours.
    """
    text = _own_text(stream, path)
    if text is None:
        raise WeightsError(
            f"{path}: not genrestore weights: a safetensors file without a header of genrestore; "
            "give a weights file made by genrestore, or make one of it with genrestore weights add"
        )
    return text


def is_ours(path: Path) -> bool:
    """True if a safetensors file has a header of ours, false if it has none.

    Raises:
        WeightsError: No safetensors, or cut off.
    """
    try:
        with path.open("rb") as stream:
            return _own_text(stream, path) is not None
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({reason(error)})") from error


def _own_text(stream: BinaryIO, path: Path) -> str | None:
    """The JSON text of our header, or None of a safetensors file without one; `read_text` has the rest."""
    start = stream.read(8)
    length = int.from_bytes(start, "little")
    if len(start) < 8 or not 2 <= length <= MAX_HEADER:
        raise WeightsError(f"{path}: {_what_it_is(start)}; {_ADVICE if _is_pickle(start) else _GIVE}")
    content = stream.read(length)
    if len(content) < length:
        raise damaged(path, f"it is cut off: {len(content)} of {length} bytes of its header are there")
    try:
        layout = _loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: not a safetensors file, or damaged ({error})") from error
    metadata = layout.get("__metadata__") if isinstance(layout, dict) else None
    text = metadata.get(KEY) if isinstance(metadata, dict) else None
    return text if isinstance(text, str) else None


def damaged(path: Path, what: str) -> WeightsError:
    """Make the error for a file that was ours and is broken."""
    return WeightsError(f"{path}: damaged weights file: {what}; get the file again")


def reason(error: Exception) -> str:
    """Return the message of the system or the library, without what does not help."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return str(error).removeprefix("Error while deserializing").removeprefix(" header").removeprefix(": ")


def first_line(error: Exception) -> str:
    """Return the first line of what an error says, or its type where it says nothing."""
    return (str(error).splitlines() or [type(error).__name__])[0]


def _is_pickle(start: bytes) -> bool:
    return start.startswith((b"PK\x03\x04", *(bytes((0x80, protocol)) for protocol in range(6))))


def _what_it_is(start: bytes) -> str:
    if not start:
        return "is empty"
    if start.startswith(b"PK\x03\x04"):
        return "not genrestore weights: a zip archive (a .pt file of torch.save?), which may hold a pickle"
    if _is_pickle(start):
        return "not genrestore weights: a pickle (a .pt or .pkl file), which can run code and is never loaded"
    return "not genrestore weights: no safetensors file, or its header is damaged"


def _loads(text: str) -> Any:
    def refuse(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not a number")

    return json.loads(text, parse_constant=refuse)
