"""What all benchmarks share: the command line, genrestore as its users meet it, and keeping of figures."""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import re
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pictures
import tables
import torch
from pictures import Picture, Pixels
from rich.console import Console
from rich.progress import track
from tables import Row, Section

from genrestore.errors import GenrestoreError
from genrestore.runtime import Runtime
from genrestore.weights import store
from genrestore.weights.header import read_header

Item = TypeVar("Item")
QUICK = 7
RUNS = Path(__file__).with_name("runs")
"""Where full runs keep the figures of every picture; git ignores it."""
LAUNCHER = (
    "import json, resource, subprocess, sys, time\n"
    "start = time.perf_counter()\n"
    "code = subprocess.call(sys.argv[1:], stdout=sys.stderr)\n"
    "used = resource.getrusage(resource.RUSAGE_CHILDREN)\n"
    "print(json.dumps([code, time.perf_counter() - start, used.ru_utime + used.ru_stime, used.ru_maxrss]))\n"
)
"""A process that holds next to nothing: Linux counts what a parent held at the fork as the child's."""


@dataclass(frozen=True)
class Bench:
    """One run of a benchmark: what every section is handed.

    Attributes:
        data: The folder of the test sets.
        weights: A name or a path, as `--weights` takes it.
        scratch: A folder for files that are written on the way.
        every: Measure every n-th picture.
        slow_every: Measure slow baselines on every n-th picture.
        rounds: Rounds of the timings.
        megapixels: Sizes of the pictures for speed (the first) and memory.
        baselines: A file that keeps figures of others between runs.
    """

    data: Path | None
    weights: str
    scratch: Path
    every: int = 1
    slow_every: int = 7
    rounds: int = 3
    megapixels: tuple[int, ...] = (12, 48)
    baselines: Path | None = None

    def pictures(self, name: str) -> list[Picture]:
        """A test set, or the part of it that this run measures."""
        return pictures.load(self.data, name, self.every)

    @property
    def few(self) -> int:
        """Slow baselines are measured on indices that are a multiple of this, all of them measured."""
        return math.lcm(self.every, self.slow_every)

    def folder(self, name: str) -> Path:
        """A new folder for files on the way."""
        path = self.scratch / name
        path.mkdir(parents=True)
        return path

    def remembered(self, name: str, measure: Callable[[], Any]) -> Any:
        """A figure of others, which depends on no weights of ours, measured if the file does not have it."""
        known = json.loads(self.baselines.read_text()) if self.baselines and self.baselines.exists() else {}
        if name not in known:
            known[name] = measure()
            if self.baselines:
                self.baselines.write_text(json.dumps(known, indent=0, sort_keys=True))
        return known[name]


def mean(values: Iterable[float]) -> float:
    """The mean; NaN of nothing."""
    found = list(values)
    return float(np.mean(found)) if found else math.nan


def watched(items: Iterable[Item], text: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a progress bar where stderr is a terminal."""
    screen = Console(stderr=True)
    yield from track(items, text, total, console=screen, transient=True, disable=not screen.is_terminal)


def planar(pixels: Pixels) -> Pixels:
    """[height, width, channel] as the tasks take it, [1, channel, height, width]."""
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))[None]


def command(*words: object) -> list[str]:
    """`genrestore WORDS` with this Python."""
    return [sys.executable, "-m", "genrestore", *map(str, words)]


def cli(*words: object) -> list[dict[str, Any]]:
    """Run genrestore with --json and read its records.

    Raises:
        RuntimeError: It failed, or left out an input; the message is what it said.
    """
    done = subprocess.run([*command(*words), "--json"], capture_output=True, text=True, check=False)
    records = [json.loads(line) for line in done.stdout.splitlines()]
    if done.returncode or any(record.get("status", "done") != "done" for record in records):
        raise RuntimeError(f"{shlex.join(map(str, words))}: exit {done.returncode}\n{done.stderr.strip()}")
    return records


def cost(*words: object) -> tuple[float, float, float]:
    """Seconds, seconds of all cores, and the peak of memory in GB = 10⁹ bytes of genrestore in a process.

    Raises:
        RuntimeError: It failed; the message is what it said.
    """
    launch = [sys.executable, "-S", "-c", LAUNCHER, *command(*words)]
    done = subprocess.run(launch, capture_output=True, text=True, check=True)
    code, seconds, cores, peak = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{shlex.join(map(str, words))}: exit {code}\n{done.stderr.strip()}")
    return seconds, cores, peak / 1e9 * (1 if sys.platform == "darwin" else 1024)


def interleaved(
    runs: Mapping[str, Callable[[], object]], rounds: int
) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Seconds, and those of all cores, of each run in each round: in turn, since machines are shared."""
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cores: dict[str, list[float]] = {name: [] for name in runs}
    for _ in watched(range(rounds), "rounds"):
        for name, run in runs.items():
            start, used = time.perf_counter(), os.times()
            run()
            wall[name].append(time.perf_counter() - start)
            cores[name].append(sum(os.times()[:4]) - sum(used[:4]))
    return wall, cores


def ratio(times: dict[str, list[float]], one: str, other: str) -> float:
    """The median over rounds of how many times longer one took than the other."""
    return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))


def facts(weights: str) -> dict[str, str]:
    """Date, weights, machine and versions of a run."""
    runtime, path, cpu = Runtime.create(), store.resolve(weights), Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", cpu.read_text()) if cpu.exists() else None
    device = torch.cuda.get_device_name() if runtime.device == "cuda" else runtime.device
    machine = found[1] if found else platform.processor() or platform.machine()
    return {
        "date": datetime.now(timezone.utc).date().isoformat(),
        "weights": f"{path.stem} {read_header(path).sha256[:12]}",
        "machine": f"{machine}, {torch.get_num_threads()} threads, {device}, {runtime.precision}",
        "versions": f"genrestore {version('genrestore')}, torch {version('torch')}, "
        f"Python {platform.python_version()}",
    }


def _parse(name: str, sections: Iterable[str], weights: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=f"Measure {name}; see benchmarks/README.md.")
    add = parser.add_argument
    add("--data", type=Path, help="folder with the test sets that benchmarks/README.md names")
    add("--weights", default=weights, help=f"a name or a file ({weights})")
    add("--section", action="append", choices=list(sections), help="only this one; may be repeated")
    add("--quick", action="store_true", help=f"every {QUICK}th picture, one round; nothing is kept")
    add("--every", type=int, default=1, metavar="N", help="measure every N-th picture; nothing is kept")
    add("--slow-every", type=int, default=7, metavar="N", help="slow baselines on every N-th (7)")
    add("--rounds", type=int, default=3, metavar="N", help="rounds of the timings (3)")
    add("--baselines", type=Path, metavar="FILE", help="read figures of others from here, and keep them")
    add("--scratch", type=Path, metavar="FOLDER", help="keep what sections write on the way")
    return parser.parse_args()


def main(
    name: str,
    sections: Mapping[str, Callable[[Bench], Section]],
    weights: str,
    without_data: Sequence[str] = (),
) -> None:
    """Run the chosen sections and keep their figures; exit code 1 if one misses what it must reach.

    `weights` are measured if nothing else is named; sections `without_data` need no test set.
    """
    options = _parse(name, sections, weights)
    every, rounds, sizes = options.every, options.rounds, (12, 48)
    if options.quick:
        every, rounds, sizes = QUICK, 1, (1, 4)
    weights = str(Path(options.weights).resolve()) if "." in options.weights else options.weights
    chosen = options.section or [one for one in sections if options.data or one in without_data]
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        scratch = (options.scratch or Path(folder)).resolve()
        bench = Bench(
            options.data, weights, scratch, every, options.slow_every, rounds, sizes, options.baselines
        )
        for one in chosen:
            start = time.perf_counter()
            try:
                section = sections[one](bench)
            except (FileNotFoundError, GenrestoreError) as error:
                sys.exit(f"benchmarks/{name}.py: {error}")
            section.run = facts(weights)
            print(tables.markdown([section]), flush=True)
            missed += sum(row.mark == "✘" for row in section.rows)
            if every == 1:
                keep(name, one, section, list(sections), time.perf_counter() - start)
    print(f"{missed} figures miss what they must reach" if missed else "every figure reaches its must")
    sys.exit(missed > 0)


def keep(name: str, one: str, section: Section, order: Sequence[str], seconds: float) -> None:
    """Put a section into the summary, and its details into runs/NAME.json."""
    results = tables.load()
    found = {**results.get(name, {}), one: section}
    results[name] = {key: found[key] for key in order if key in found}
    tables.save(results)
    RUNS.mkdir(exist_ok=True)
    path = RUNS / f"{name}.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    run = {"command": shlex.join(sys.argv), "seconds": round(seconds, 1), "load": os.getloadavg()}
    known[one] = {**section.summary(), **run, "details": section.details}
    path.write_text(json.dumps(known, indent=1, ensure_ascii=False), encoding="utf-8")


def over(
    what: str, value: float, beside: dict[str, float], must: float | None = 0.0, aim: float | None = None
) -> Row:
    """A figure beside others, of which it must be better than the best by so much."""
    best = max(beside.values())
    goals = [None if one is None else best + one for one in (must, aim)]
    return Row(what, value, *goals, beside=beside)
