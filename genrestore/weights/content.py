"""The bytes of a weights file: header and tensors together, under one sha256. Needs no torch."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save as to_safetensors

from genrestore.errors import WeightsError
from genrestore.weights.header import (
    KEY,
    MAX_HEADER,
    Header,
    canonical,
    damaged,
    parse,
    parse_of,
    read_header,
    read_text,
    reason,
)

if TYPE_CHECKING:
    from torch import Tensor

Array = np.ndarray[Any, Any]

EXPONENTS: dict[str, tuple[str, int]] = {
    "F16": ("<u2", 0x7C00),
    "BF16": ("<u2", 0x7F80),
    "F32": ("<u4", 0x7F800000),
}
"""Floating types of networks: how to look at their bits, and the bits that are all 1 in NaN and Inf."""
INTEGERS = ("BOOL", "U8", "I8", "I16", "I32", "I64")


@dataclass(frozen=True)
class Stored:
    """One tensor as it lies in the file.

    Attributes:
        name: "ROLE.KEY".
        dtype: A type of safetensors: one of `EXPONENTS` or `INTEGERS`.
        shape: Its sizes.
        data: Its values, little-endian, last dimension fastest.
    """

    name: str
    dtype: str
    shape: tuple[int, ...]
    data: bytes


@dataclass(frozen=True)
class Content:
    """A weights file that was read and found sound.

    Attributes:
        header: Of the file.
        tensors: By name.
        raw: The whole file.
    """

    header: Header
    tensors: dict[str, Stored]
    raw: bytes


def fingerprint(header: Header, tensors: Sequence[Stored]) -> str:
    """The sha256, in hexadecimal, over a header (but for its own sha256) and tensors, sorted by name.

    Canonical JSON of the header, then for each tensor that of [name, type, shape] and its bytes; a line feed
    after each JSON. No two contents have the same bytes, since the type and the shape give the length.
    """
    fields = replace(header, sha256="")
    digest = hashlib.sha256(fields.to_text().encode() + b"\n")
    for tensor in sorted(tensors, key=lambda tensor: tensor.name):
        digest.update(canonical([tensor.name, tensor.dtype, tensor.shape]).encode() + b"\n")
        digest.update(tensor.data)
    return digest.hexdigest()


def read(path: Path) -> Content:
    """Read a whole file and check its sha256, and that every value is finite.

    Raises:
        WeightsError: No such file, not a weights file of genrestore, or a damaged one.
    """
    read_header(path)  # what is not ours is not read as a whole
    try:
        check_fits(path)
        return check(path.read_bytes(), path)
    except OSError as error:
        raise WeightsError(f"{path}: cannot be read ({reason(error)})") from error
    except MemoryError as error:
        raise WeightsError(f"{path}: needs more memory than there is") from error


def check_fits(path: Path) -> None:
    """Refuse a file that is larger than the machine's memory.

    Raises:
        WeightsError: It is.
        OSError: It cannot be looked at.
    """
    if path.stat().st_size > memory():
        raise WeightsError(f"{path}: needs more memory than there is")


def memory() -> float:
    """Bytes of memory that the machine has; infinite where it does not tell."""
    try:
        return float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    except (AttributeError, ValueError, OSError):
        return math.inf


def check(raw: bytes, path: Path) -> Content:
    """Take a file's bytes apart and check them.

    Args:
        raw: The whole file.
        path: The file, for messages.

    Raises:
        WeightsError: Not a weights file of genrestore, or a damaged one.
    """
    header = parse_of(path, read_text(io.BytesIO(raw), path))
    try:
        tensors = _take_apart(raw)
    except SafetensorError as error:
        raise damaged(path, reason(error)) from error
    found = fingerprint(header, tensors)
    if found != header.sha256:
        raise damaged(path, f"its sha256 is {found[:12]}…, but its header says {header.sha256[:12]}…")
    try:
        _check_tensors(header, tensors)
    except ValueError as error:
        raise damaged(path, str(error)) from error
    return Content(header, {tensor.name: tensor for tensor in tensors}, raw)


def build(path: Path, header: Header, values: Mapping[str, Array | Tensor], half: bool) -> Content:
    """Make the bytes of a weights file; what could not be read again is refused.

    Args:
        path: The file, for messages.
        header: Its sha256 is computed anew.
        values: Name "ROLE.KEY" to a numpy array or torch tensor of any shape.
        half: Store floating point as float16.

    Raises:
        WeightsError: A header or tensor that a weights file cannot hold, NaN or an infinity among the values.
    """
    try:
        arrays = {name: _array(value, half) for name, value in values.items()}
        tensors = _take_apart(to_safetensors(arrays))
        _check_tensors(header, tensors)
        signed = parse(replace(header, sha256=fingerprint(header, tensors)).to_text())
        raw = to_safetensors(arrays, {KEY: signed.to_text()})
        if int.from_bytes(raw[:8], "little") > MAX_HEADER:
            raise ValueError(f"its header is longer than {MAX_HEADER} bytes")
    except (SafetensorError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise WeightsError(f"{path}: not saved: {error}") from error
    return Content(signed, {tensor.name: tensor for tensor in tensors}, raw)


def _array(value: Array | Tensor, half: bool) -> Array:
    """A copy as a numpy array, in C order, of the same shape; torch's bfloat16 becomes float32."""
    if not isinstance(value, np.ndarray):
        value = value.detach().cpu()
        value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
    dtype = np.float16 if half and np.issubdtype(value.dtype, np.floating) else value.dtype
    with np.errstate(over="ignore"):  # what becomes infinite is refused
        return np.array(value, dtype=dtype, order="C")


def _take_apart(raw: bytes) -> list[Stored]:
    return [
        Stored(name, tensor["dtype"], tuple(tensor["shape"]), bytes(tensor["data"]))
        for name, tensor in deserialize(raw)
    ]


def _check_tensors(header: Header, tensors: Sequence[Stored]) -> None:
    for tensor in tensors:
        role, dot, _key = tensor.name.partition(".")
        if not dot or role not in header.networks:
            networks = ", ".join(header.networks)
            raise ValueError(f"tensor {tensor.name!r} belongs to none of the networks ({networks})")
        if tensor.dtype in INTEGERS:
            continue
        if tensor.dtype not in EXPONENTS:
            known = ", ".join([*EXPONENTS, *INTEGERS])
            raise ValueError(f"tensor {tensor.name!r} is of type {tensor.dtype}, not one of {known}")
        kind, exponent = EXPONENTS[tensor.dtype]
        if np.any(np.frombuffer(tensor.data, kind) & exponent == exponent):
            raise ValueError(f"tensor {tensor.name!r} holds NaN or infinite values")
