"""A folder of pictures, runs over it that end badly, and what must hold afterwards."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from genrestore.errors import InputError
from genrestore.files.codecs import formats, images
from genrestore.files.disk import atomic as temporary
from tests.cli.conftest import noisy_pixels, write

GENRESTORE = [sys.executable, "-m", "genrestore"]
DEADLINE = 600
SUFFIXES = (".png", ".jpg", ".tif", ".webp")


def fill(folder: Path, count: int, height: int = 240, width: int = 320) -> None:
    """`count` noisy pictures of every format that is written, half of them in a folder inside."""
    for number in range(count):
        place = folder if number % 2 else folder / "inside"
        write(place / f"{number:04}{SUFFIXES[number % 4]}", noisy_pixels(height, width, seed=number))


def contents(folder: Path) -> dict[str, str]:
    """The sha256 of every visible file, by its path below the folder."""
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in files
        if not path.name.startswith(".")
    }


def left_overs(folder: Path) -> list[Path]:
    """The temporary files of runs that were killed."""
    return [path for path in folder.rglob(".*") if temporary.is_temporary(path)]


def _opens(path: Path) -> bool:
    try:
        images.read(path)
    except InputError:
        return False
    return True


@dataclass
class Place:
    """Inputs that must stay as they are, and a folder for their results.

    Attributes:
        weights: Path of the weights.
        inputs: A folder with pictures.
        results: A folder that need not exist.
    """

    weights: str
    inputs: Path
    results: Path
    before: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        self.before = contents(self.inputs)

    def words(self, *more: str) -> list[str]:
        """`denoise` over the whole folder, without the program's name; `more` comes last."""
        settings = ["--weights", self.weights, "--device", "cpu", "--precision", "fp32", "--threads", "1"]
        return ["denoise", *settings, "-r", str(self.inputs), "-o", f"{self.results}/", *more]

    def start(self, *more: str, **options: Any) -> subprocess.Popen[bytes]:
        """The same as a process; what it says can be read."""
        return subprocess.Popen([*GENRESTORE, *self.words(*more)], stderr=subprocess.PIPE, **options)

    def check(self) -> dict[str, str]:
        """Inputs are bit-identical, every result opens, and nothing else is there; returns the results.

        Raises:
            AssertionError: Something was lost, or is half there.
        """
        assert contents(self.inputs) == self.before, "an input was changed"
        found = contents(self.results)
        assert set(found) <= set(self.before), f"strangers: {sorted(set(found) - set(self.before))}"
        damaged = [name for name in found if not _opens(self.results / name)]
        assert not damaged, f"half written: {damaged}"
        hidden = [path for path in self.results.rglob(".*") if path.is_file()]
        assert hidden == left_overs(self.results)
        assert not [path for path in hidden if path.suffix in formats.IMAGE_SUFFIXES]
        return found

    def check_finished(self) -> dict[str, str]:
        """`check`, and every input has its result, and nothing was left behind."""
        found = self.check()
        assert set(found) == set(self.before), f"missing: {sorted(set(self.before) - set(found))}"
        assert left_overs(self.results) == []
        return found


def read_to_end(process: subprocess.Popen[bytes]) -> tuple[int, list[str]]:
    """The exit code of a process, and the lines that it said from now on."""
    assert process.stderr is not None
    said = process.stderr.read().decode().splitlines()
    return process.wait(DEADLINE), said
