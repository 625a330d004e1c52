"""Measure what a folder of small pictures costs beside the network; see benchmarks/README.md.

python benchmarks/folder.py [--quick]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from machine import SIGMA, core_seconds, mirrored
from noise import draw
from pictures import Pixels, to_bytes, unit
from PIL import Image
from readme import keep, write_table
from report import Row, Section, terminal, watched, wide_console
from versions import run_facts

from genrestore.files.codecs import images
from genrestore.files.plan import outputs
from genrestore.files.plan.jobs import OutputOptions
from genrestore.files.work import batch
from genrestore.restore.settings import DenoiseSettings
from genrestore.restore.tasks import Denoise

HEIGHT, WIDTH = 336, 448
COUNT, ROUNDS, QUICK = 200, 3, 20
FORMATS = {"JPEG": (".jpg", 1.15), "PNG": (".png", 1.4)}
"""Suffix, and how many times the network's own time a folder may take."""
RESULTS = Path(__file__).parent / "results" / "folder.json"


def parse(words: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description="Measure folders; see benchmarks/README.md.")
    parser.add_argument("--weights", default="photo", help="a name or a file (default: photo)")
    parser.add_argument("--count", type=int, default=COUNT, metavar="N", help=f"pictures ({COUNT})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, metavar="N", help=f"rounds ({ROUNDS})")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} pictures, one round, nothing kept")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where results go (full runs: results/)")
    options = parser.parse_args(words)
    if options.quick:
        options.count, options.rounds = QUICK, 1
    if min(options.count, options.rounds) < 1:
        parser.error("--count and --rounds must be at least 1")
    return options


def make_pictures(folder: Path, suffix: str, count: int) -> None:
    """Write pictures of 0.15 megapixels: the example photograph, each moved on and with noise of its own."""
    folder.mkdir(parents=True)
    scene = mirrored(HEIGHT, WIDTH)
    for index in range(count):
        moved = np.roll(scene, 7 * index, axis=(0, 1))
        noisy = to_bytes(unit(moved) + SIGMA / 255 * draw(moved.shape, index))
        Image.fromarray(noisy).save(folder / f"{index:04}{suffix}", quality=95)


def run_network(task: Denoise, pictures: list[Pixels]) -> None:
    """Restore decoded pictures, [1, channel, height, width] each, and keep nothing."""
    for pixels in pictures:
        task(pixels)


def run_folder(task: Denoise, folder: Path) -> None:
    """Everything that `genrestore denoise FOLDER -o OUTPUT` does once it is loaded: plan, batch, provenance.

    Raises:
        RuntimeError: A picture failed.
    """
    wanted = OutputOptions(f"{folder}-out/", overwrite=True)
    jobs = outputs.plan([str(folder)], wanted)
    options = batch.BatchOptions.of(wanted, {"tool": "genrestore", **task.provenance})
    for outcome in batch.run(jobs, task, options, lambda _job, _fraction: None):
        if outcome.status != "done":
            raise RuntimeError(outcome.error)


def folder_section(task: Denoise, scratch: Path, format: str, count: int, rounds: int) -> Section:
    """One format: the network alone and the whole folder, turn by turn."""
    suffix, must = FORMATS[format]
    folder = scratch / format
    make_pictures(folder, suffix, count)
    pictures = [images.read(path).pixels for path in sorted(folder.iterdir())]
    runs: dict[str, Callable[[], None]] = {
        "network": partial(run_network, task, pictures),
        "folder": partial(run_folder, task, folder),
    }
    run_network(task, pictures[:3])  # the weights are loaded, and the code is warm
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cores: dict[str, list[float]] = {name: [] for name in runs}
    for _ in watched(range(rounds), format):
        for name, run in runs.items():
            start, used = time.perf_counter(), core_seconds()
            run()
            wall[name].append(time.perf_counter() - start)
            cores[name].append(core_seconds() - used)
    return _section(format, must, count, wall, cores)


def _section(
    format: str, must: float, count: int, wall: dict[str, list[float]], cores: dict[str, list[float]]
) -> Section:
    def ratio(times: dict[str, list[float]]) -> float:
        return statistics.median(a / b for a, b in zip(times["folder"], times["network"], strict=True))

    section = Section(format.lower(), f"A folder of {count} {format} files of {WIDTH} x {HEIGHT}")
    section.notes.append(
        f"Medians of {len(wall['folder'])} interleaved rounds in one process, start-up excluded; σ not given "
        "and the network asked once (--turns 1)."
    )
    section.rows = [Row("time, of the network alone", ratio(wall), must, None, "×", more=False)]
    section.rows += [
        Row(what, statistics.median(wall[name]) / count, None, None, "s", more=False)
        for name, what in (("network", "network alone, a picture"), ("folder", "whole folder, a picture"))
    ]
    section.rows.append(Row("core seconds, of the network's", ratio(cores), unit="×", more=False))
    section.more = {"seconds": wall, "core seconds": cores}
    return section


def main() -> int:
    """Measure both formats; 1 if one misses what it must reach."""
    options = parse(sys.argv[1:])
    whole = options.count == COUNT and options.rounds >= ROUNDS
    results = options.json or (RESULTS if whole else None)
    task = Denoise(options.weights, DenoiseSettings(turns=1))
    console, missed = wide_console(), 0
    with tempfile.TemporaryDirectory() as scratch:
        for format in FORMATS:
            start = time.perf_counter()
            section = folder_section(task, Path(scratch), format, options.count, options.rounds)
            console.print(terminal(section))
            missed += sum(row.mark == "below" for row in section.rows)
            if results is not None:
                facts = run_facts(options.weights, time.perf_counter() - start)
                values = {**section.as_json(), "run": facts}
                keep(results, section.name, values, [known.lower() for known in FORMATS])
                write_table(results)
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
