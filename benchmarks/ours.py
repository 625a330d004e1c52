"""genrestore as its users meet it: from Python, and through the command line in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from pictures import Pixels

from genrestore.restore.settings import DenoiseSettings
from genrestore.restore.tasks import Denoise, Inpaint, Untrained
from genrestore.restore.tasks.untrained import STEPS

LAUNCHER = (
    "import json, resource, subprocess, sys, time\n"
    "start = time.perf_counter()\n"
    "code = subprocess.call(sys.argv[2:], stdout=sys.stderr)\n"
    "seconds = time.perf_counter() - start\n"
    "usage = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    "figures = [code, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss]\n"
    "open(sys.argv[1], 'w').write(json.dumps(figures))\n"
)
"""A process that holds next to nothing: Linux counts what a parent held at the fork as the child's."""


@lru_cache(maxsize=16)
def task(weights: str, sigma: float | None) -> Denoise:
    """The restoration that the command line uses, loaded once; sigma in grey levels or None."""
    return Denoise(weights, DenoiseSettings(None if sigma is None else sigma / 255))


def restore(image: Pixels, weights: str, sigma: float | None = None) -> tuple[Pixels, float]:
    """Denoise in this process.

    Args:
        image: [height, width, 1 or 3], uint8 or floating point on the [0, 1] scale.
        weights: A name or a path.
        sigma: Noise level in 8-bit grey levels; None estimates it.

    Returns:
        The result, of the same shape and type, and the level used in grey levels.
    """
    pixels = np.ascontiguousarray(image.transpose(2, 0, 1))[None]
    restored = task(weights, sigma)(pixels)
    return restored.pixels[0].transpose(1, 2, 0), 255 * float(restored.noise_level or 0)


@lru_cache(maxsize=4)
def filling(weights: str) -> Inpaint:
    """The inpainting that the command line uses, loaded once."""
    return Inpaint(weights)


def fill(image: Pixels, known: Pixels, weights: str) -> Pixels:
    """Inpaint in this process.

    Args:
        image: [height, width, 1 or 3], uint8.
        known: bool [height, width].
        weights: A name or a path.

    Returns:
        The same shape and type.
    """
    pixels = np.ascontiguousarray(image.transpose(2, 0, 1))[None]
    return filling(weights)(pixels, known=known[None, None]).pixels[0].transpose(1, 2, 0)


def fill_untrained(image: Pixels, known: Pixels, steps: int | None = None) -> tuple[Pixels, list[float]]:
    """The same by --prior dip, [height, width, 1 or 3], in at most so many steps; and when each was done."""
    times: list[float] = []
    task = Untrained(steps=steps or STEPS, on_step=lambda *_: times.append(time.perf_counter()))
    pixels = np.ascontiguousarray(image.transpose(2, 0, 1))[None]
    return task(pixels, known=known[None, None]).pixels[0].transpose(1, 2, 0), times


def command(*words: str | Path) -> list[str]:
    """`genrestore WORDS` with this Python."""
    return [sys.executable, "-m", "genrestore", *map(str, words)]


def run(words: list[str]) -> list[dict[str, Any]]:
    """Run a command with --json and read its records.

    Raises:
        RuntimeError: It failed, or left out an input; the message is what it said.
    """
    done = subprocess.run([*words, "--json"], capture_output=True, text=True, check=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or not records or any(record["status"] != "done" for record in records):
        raise RuntimeError(f"{' '.join(words)}: exit {done.returncode}\n{done.stderr.strip()}")
    return records


def denoise_files(source: Path, output: Path, weights: str, sigma: float | None = None) -> dict[str, float]:
    """`genrestore denoise SOURCE -o OUTPUT`: the noise level of each input by its stem, in grey levels."""
    words = command("denoise", source, "-o", output, "--weights", weights)
    records = run(words + ([] if sigma is None else ["--sigma", f"{sigma:g}"]))
    return {Path(record["input"]).stem: float(record["sigma"]) for record in records}


@dataclass(frozen=True)
class Cost:
    """What a command took.

    Attributes:
        seconds: On the clock.
        cpu_seconds: On all cores together.
        peak: Largest resident memory in bytes.
    """

    seconds: float
    cpu_seconds: float
    peak: int


def cost(words: list[str], scratch: Path) -> Cost:
    """Run a command in a fresh process and measure it.

    Args:
        words: The command.
        scratch: A folder for the figures.

    Raises:
        RuntimeError: It failed; the message is what it said.
    """
    figures = scratch / f"cost-{time.monotonic_ns()}.json"
    launch = [sys.executable, "-S", "-c", LAUNCHER, str(figures), *words]
    done = subprocess.run(launch, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: {done.stderr.strip()}")
    code, seconds, cpu_seconds, peak = json.loads(figures.read_text())
    if code:
        raise RuntimeError(f"{' '.join(words)}: exit {code}\n{done.stderr.strip()}")
    return Cost(seconds, cpu_seconds, peak if sys.platform == "darwin" else peak * 1024)
