"""Names to weights files: the user's store, what ships in the package, and paths. Needs no torch."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from platformdirs import user_data_path

from genrestore.errors import GenrestoreError, UsageError, WeightsError
from genrestore.weights.header import Header, read_header, reason

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

SUFFIX = ".safetensors"
SHIPPED = Path(__file__).parent / "shipped"
"""The weights of the package."""
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True)
class Entry:
    """Weights that a name stands for.

    Attributes:
        name: The name.
        path: The file.
        origin: "store" is the user's folder, "shipped" the package.
        hides: The shipped file of the same name, which is not reached by name.
    """

    name: str
    path: Path
    origin: Literal["store", "shipped"]
    hides: Path | None = None


@dataclass(frozen=True)
class Choice:
    """Weights that were chosen: their name is resolved and their header read.

    Attributes:
        name: As the user writes it.
        path: The file.
        header: What it says of itself.
    """

    name: str
    path: Path
    header: Header


def choose(weights: str) -> Choice:
    """Resolve a name or a path, and read the header.

    Raises:
        WeightsError: No such file or name, none of genrestore, or a header that cannot be read.
    """
    path = resolve(weights)
    return Choice(weights, path, read_header(path))


def home() -> Path:
    """The user's folder: GENRESTORE_HOME, or the system's place for a user's data; need not exist."""
    given = os.environ.get("GENRESTORE_HOME")
    return Path(given).expanduser() if given else user_data_path("genrestore", appauthor=False)


def is_path(weights: str) -> bool:
    """True if a value of --weights is a path rather than a name: it has a separator, or the suffix."""
    separators = (os.sep, os.altsep) if os.altsep else (os.sep,)
    return weights.endswith(SUFFIX) or any(separator in weights for separator in separators)


def resolve(weights: str) -> Path:
    """The file that a name or path stands for; not opened.

    Args:
        weights: A path if it has a separator or ends in .safetensors; else a name, looked up in the user's
            store, then among what ships.

    Raises:
        WeightsError: No such file or name; names the known ones.
    """
    if is_path(weights):
        path = existing(Path(weights))
        return path if is_path(str(path)) else path.absolute()  # "./photo" must not become a name
    found = {entry.name: entry.path for entry in entries()}
    if weights in found:
        return found[weights]
    file = (
        f"; for the file of that name give .{os.sep}{weights}" if weights and os.path.lexists(weights) else ""
    )
    raise WeightsError(f"no weights named '{weights}'; known names: {', '.join(found) or 'none'}{file}")


def entries() -> list[Entry]:
    """Entries of all known names, sorted by name; the user's store comes before what ships."""
    own, shipped = _files(home() / "weights"), _files(SHIPPED)
    names = sorted(own.keys() | shipped.keys())
    return [
        Entry(name, own[name], "store", shipped.get(name))
        if name in own
        else Entry(name, shipped[name], "shipped")
        for name in names
    ]


def add(path: Path, name: str, overwrite: bool = False) -> Path:
    """Copy a weights file into the user's store, after its sha256 and values were checked.

    Returns:
        The file in the store.

    Raises:
        UsageError: A name that cannot be one, or that exists and `overwrite` is not given.
        WeightsError: The file is not a weights file of genrestore, or damaged.
        InputError: The store cannot be written.
    """
    from genrestore.weights import content

    target = check_free(name, overwrite)
    checked = content.read(existing(path))
    _write(target, checked.raw, overwrite, path)
    return target


def remove(name: str) -> Path:
    """Delete weights from the user's store.

    Returns:
        The file that was.

    Raises:
        UsageError: A path, or weights that ship with the package.
        WeightsError: No such name; names the known ones.
        GenrestoreError: The file cannot be deleted.
    """
    if is_path(name):
        raise UsageError(
            f"{name}: is a path; give the name of weights in the store, or delete the file yourself"
        )
    path = resolve(name)
    if path.parent == SHIPPED:
        raise UsageError(
            f"'{name}' ships with genrestore and cannot be removed; only weights of your store can"
        )
    try:
        path.unlink()
    except OSError as error:
        raise GenrestoreError(f"{path}: cannot be removed ({reason(error)})") from error
    return path


def save(
    path: Path,
    header: Header,
    tensors: Mapping[str, np.ndarray[Any, Any] | Tensor],
    overwrite: bool = False,
    half: bool = False,
) -> Header:
    """Write a weights file; the file is there as a whole or not at all.

    Args:
        path: The file; its folder is made.
        header: What it says of itself; its sha256 is computed.
        tensors: Name "ROLE.KEY" to values of any shape, numpy or torch.
        overwrite: Replace a file that exists.
        half: Store floating point as float16.

    Returns:
        The header as written, with its sha256.

    Raises:
        UsageError: The file exists.
        WeightsError: A header or tensor that a weights file cannot hold, NaN or an infinity among the values.
        InputError: The file cannot be written.
    """
    from genrestore.weights import content

    built = content.build(path, header, tensors, half)
    _write(path, built.raw, overwrite)
    return built.header


def place(name: str) -> Path:
    """Path of weights of that name in the user's store, existing or not.

    Raises:
        UsageError: Not a name: other signs than letters, digits, '.', '_' and '-', or the suffix of a file.
    """
    if not NAME.fullmatch(name) or name.endswith(SUFFIX):
        raise UsageError(
            f"'{name}' cannot be the name of weights: use up to 100 letters, digits, '.', '_' and '-', "
            f"begin with a letter or digit, and leave out {SUFFIX}"
        )
    return home() / "weights" / f"{name}{SUFFIX}"


def check_free(name: str, overwrite: bool = False) -> Path:
    """Path where weights of that name will lie, if they may.

    Raises:
        UsageError: Not a name, or the store has it and `overwrite` is not given.
    """
    target = place(name)
    check_absent(target, overwrite)
    return target


def check_absent(path: Path, overwrite: bool) -> None:
    """Refuse to replace a file, unless that was asked for.

    Raises:
        UsageError: It exists, and `overwrite` is not given.
    """
    if os.path.lexists(path) and not overwrite:
        raise UsageError(f"{path}: exists; replace it with --overwrite")


def existing(path: Path) -> Path:
    """The path of a file that is there.

    Raises:
        WeightsError: It is not, or no plain file.
    """
    try:
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise WeightsError(f"{path}: no such weights file") from error
    except (OSError, ValueError) as error:
        raise WeightsError(f"{path}: cannot be read ({reason(error)})") from error
    if not stat.S_ISREG(mode):
        raise WeightsError(
            f"{path}: is {'a folder' if stat.S_ISDIR(mode) else 'no plain file'}; give a weights file"
        )
    return path


def _files(folder: Path) -> dict[str, Path]:
    try:
        found = {path.name.removesuffix(SUFFIX): path for path in folder.glob(f"*{SUFFIX}")}
        return {name: path for name, path in found.items() if NAME.fullmatch(name) and path.is_file()}
    except OSError as error:
        raise WeightsError(f"{folder}: cannot be read ({reason(error)})") from error


def _write(path: Path, raw: bytes, overwrite: bool, source: Path | None = None) -> None:
    from genrestore.files.disk.atomic import atomic

    check_absent(path, overwrite)
    with atomic(path, overwrite=overwrite, source=source) as stream:
        stream.write(raw)
