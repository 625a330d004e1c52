"""What every section of the benchmark is handed."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from baselines import Memory
from pictures import Picture, load


@dataclass(frozen=True)
class Bench:
    """One run of the benchmark.

    Attributes:
        data: The folder of the test sets, or None where no chosen section needs one.
        weights: A name or a path, as `genrestore denoise --weights` takes it.
        scratch: A folder for files that are written on the way.
        every: Measure every n-th picture.
        slow_every: Measure slow baselines on every n-th picture.
        rounds: Rounds of the timings.
        megapixels: Sizes of the pictures for speed (the first) and memory.
        memory: Figures of baselines.
    """

    data: Path | None
    weights: str
    scratch: Path
    every: int = 1
    slow_every: int = 7
    rounds: int = 3
    megapixels: tuple[int, ...] = (12, 48)
    memory: Memory = field(default_factory=Memory)

    def pictures(self, name: str) -> list[Picture]:
        """A test set, or the part of it that this run measures.

        Raises:
            FileNotFoundError: No data folder was given, or the set is not in it.
        """
        if self.data is None:
            raise FileNotFoundError(f"{name}: give --data FOLDER, see benchmarks/README.md")
        return load(self.data, name, self.every)

    @property
    def measured(self) -> str:
        """The weights: of their name those that this run has trained, if it has."""
        trained = self.scratch / f"{self.weights}.safetensors"
        return str(trained) if trained.exists() else self.weights

    @property
    def few(self) -> int:
        """Slow baselines are measured on indices that are a multiple of this, all of them measured."""
        return math.lcm(self.every, self.slow_every)

    def folder(self, name: str) -> Path:
        """A new folder for files on the way."""
        path = self.scratch / name
        path.mkdir(parents=True)
        return path
