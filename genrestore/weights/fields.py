"""What each field of a weights file's header may be. A file comes from anywhere, so every type is checked."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Callable, Mapping

FORMAT = 1
"""The format that is written, and the newest that is read; a new or changed field raises it."""
KINDS = ("denoiser", "inpainter", "autoencoder", "generator")
ROLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")
"""A network's role; no dot, since tensors are named "ROLE.KEY"."""
SHA256 = re.compile(r"[0-9a-f]{64}")


class NewerFormat(ValueError):
    """A header of a format that this version does not know."""


def check(header: Mapping[str, object]) -> None:
    """Check names and types of all fields.

    Args:
        header: Read from JSON.

    Raises:
        ValueError: A field that is missing, unknown or of a wrong type; says which.
        NewerFormat: A format above `FORMAT`.
    """
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


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_text(value: object) -> bool:
    return isinstance(value, str)


def _is_object(value: object) -> bool:
    return isinstance(value, dict)


def _is_kind(value: object) -> bool:
    return isinstance(value, str) and value in KINDS


def _is_channels(value: object) -> bool:
    return _is_count(value) and value in (1, 3)


def _is_size(value: object) -> bool:
    return value is None or _is_count(value)


def _is_sha256(value: object) -> bool:
    return isinstance(value, str) and SHA256.fullmatch(value) is not None


def _are_networks(value: object) -> bool:
    if not isinstance(value, dict) or not value:
        return False
    return all(ROLE.fullmatch(role) for role in value) and all(map(_is_network, value.values()))


def _is_network(value: object) -> bool:
    if not isinstance(value, dict) or value.keys() != {"name", "arguments"}:
        return False
    return isinstance(value["name"], str) and isinstance(value["arguments"], dict)


FIELDS: dict[str, tuple[Callable[[object], bool], str]] = {
    "kind": (_is_kind, f"one of {', '.join(KINDS)}"),
    "networks": (_are_networks, "an object of roles, each with a name and arguments"),
    "channels": (_is_channels, "1 or 3"),
    "size": (_is_size, "a number of pixels or null"),
    "training": (_is_object, "an object"),
    "data": (_is_text, "text"),
    "licence": (_is_text, "text"),
    "source": (_is_text, "text"),
    "version": (_is_text, "text"),
    "format": (_is_count, "a whole number from 1"),
    "sha256": (_is_sha256, "a sha256 of 64 hexadecimal digits"),
}
"""Name of each field, what tells whether a value fits, and what is expected, in words."""
