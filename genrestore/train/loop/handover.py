"""Where the best weights of a run go when it is finished, and what may be replaced there."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from genrestore.errors import UsageError, WeightsError
from genrestore.files.disk.atomic import atomic, check_writable
from genrestore.train.loop.run import FOLDERS
from genrestore.weights import store
from genrestore.weights.header import read_header


def target(name: str, output: Path | None) -> Path:
    """Where they go: to `output` if it is given, else under the name into the user's store.

    Raises:
        UsageError: Not a name for weights.
    """
    own = store.place(name)
    return own if output is None else output


def check(place: Path, output: Path | None, run: Path, *, overwrite: bool, resume: bool) -> bool:
    """Refuse before the work what would be refused after it.

    A run that goes on needs no word to replace what it has handed over itself.

    Args:
        place: `target`.
        output: The value of --output, if it was given.
        run: The run's folder.
        overwrite: Whatever is there may be replaced.
        resume: The run goes on.

    Returns:
        Whether something is there that will be replaced.

    Raises:
        UsageError: Something is in the way.
        InputError: The place cannot be written.
    """
    said = f"--output {place}" if output is not None else str(place)
    if place.is_dir():
        raise UsageError(f"{said}: is a folder; name a file")
    there = os.path.lexists(place)
    if there and not overwrite:
        if resume and not is_of(run, place):
            raise UsageError(
                f"{said}: exists, and is not of the run that goes on; --overwrite replaces it, "
                "another --output leaves it as it is"
            )
        if not resume:
            word = "--overwrite replaces it" if output is not None else "replace it with --overwrite"
            raise UsageError(f"{said}: exists; {word}")
    if output is not None:
        check_writable(place)
    return there


def is_of(run: Path, weights: Path) -> bool:
    """Whether a weights file was trained in a run's folder: on the same images, with the same settings.

    Convention: the number of steps may be another one, since a run can be extended.
    """
    found = _identity(weights)
    folders = [run, *(run / name for name in FOLDERS)]
    return found is not None and any(found == _identity(folder / "best.safetensors") for folder in folders)


def hand_over(best: Path, place: Path, name: str, output: Path | None, run: Path, *, overwrite: bool) -> None:
    """Copy the best weights to where they go; the arguments are those of `check`.

    Raises:
        UsageError: Something came to be there that must not be replaced.
        WeightsError: The weights are damaged.
        InputError: The place cannot be written.
    """
    replaces = overwrite or is_of(run, place)
    if output is None:
        store.add(best, name, overwrite=replaces)
        return
    with best.open("rb") as source, atomic(place, overwrite=replaces) as stream:
        shutil.copyfileobj(source, stream)


def _identity(weights: Path) -> tuple[Any, ...] | None:
    """What the weights of one run have in common; None where there are none."""
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
