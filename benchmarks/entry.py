"""What the command line of every benchmark does: options, sections in turn, figures kept."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections.abc import Mapping, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from baselines import Memory
from readme import keep, write_table
from report import Section, terminal, wide_console
from settings import Bench

from genrestore.errors import GenrestoreError

QUICK = 7


@dataclass(frozen=True)
class Benchmark:
    """One benchmark.

    Attributes:
        name: Of its results file, and of the command that is measured.
        sections: Section and the module with its function NAME_section, imported when it is run.
        without_data: Sections that need no test set.
        weights: What is measured if nothing else is named.
    """

    name: str
    sections: Mapping[str, str]
    without_data: Set[str]
    weights: str = "photo"

    @property
    def results(self) -> Path:
        """Where the figures of full runs are kept."""
        return Path(__file__).parent / "results" / f"{self.name}.json"


def parse(benchmark: Benchmark, words: list[str]) -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=f"Measure {benchmark.name}; see benchmarks/README.md.")
    parser.add_argument("--data", type=Path, help="folder with the test sets that benchmarks/README.md names")
    parser.add_argument(
        "--weights", default=benchmark.weights, help=f"a name or a file (default: {benchmark.weights})"
    )
    parser.add_argument(
        "--section", action="append", choices=benchmark.sections, help="only this one; may be repeated"
    )
    parser.add_argument("--quick", action="store_true", help=f"every {QUICK}th picture, smaller large ones")
    parser.add_argument("--every", type=int, default=1, metavar="N", help="measure every N-th picture")
    parser.add_argument(
        "--slow-every", type=int, default=7, metavar="N", help="measure slow baselines on every N-th (7)"
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="rounds of the timings (3)")
    parser.add_argument(
        "--baselines", type=Path, metavar="FILE", help="read figures of baselines from here, and keep them"
    )
    parser.add_argument(
        "--scratch", type=Path, metavar="FOLDER", help="keep what sections write on the way, for other runs"
    )
    parser.add_argument(
        "--json",
        type=Path,
        metavar="FILE",
        help=f"where results go (full runs: {benchmark.results.name} in results/)",
    )
    return parser.parse_args(words)


def settle(options: argparse.Namespace, scratch: Path) -> Bench:
    """The options as what the sections are handed."""
    weights = options.weights
    if Path(weights).suffix == ".safetensors":
        weights = str(Path(weights).resolve())
    bench = Bench(
        data=options.data,
        weights=weights,
        scratch=scratch,
        every=options.every,
        slow_every=options.slow_every,
        rounds=options.rounds,
        memory=Memory(options.baselines),
    )
    return replace(bench, every=QUICK, rounds=1, megapixels=(1, 4)) if options.quick else bench


def run_section(benchmark: Benchmark, name: str, bench: Bench) -> Section:
    """Run one section by its name."""
    section: Section = getattr(importlib.import_module(benchmark.sections[name]), f"{name}_section")(bench)
    return section


def record(section: Section, bench: Bench, seconds: float) -> dict[str, Any]:
    """A section's values with where, when and how they were made."""
    from versions import run_facts

    subsets = {"every": bench.every, "slow_every": bench.slow_every}
    return {**section.as_json(), "run": {**run_facts(bench.measured, seconds), **subsets}}


def main(benchmark: Benchmark) -> int:
    """Run the chosen sections; 1 if a figure misses what it must reach."""
    options = parse(benchmark, sys.argv[1:])
    names = options.section or [
        name for name in benchmark.sections if options.data or name in benchmark.without_data
    ]
    whole = not options.quick and options.every == 1
    results = options.json or (benchmark.results if whole else None)
    console, missed = wide_console(), 0
    with tempfile.TemporaryDirectory() as scratch:
        bench = settle(options, options.scratch or Path(scratch))
        for name in names:
            start = time.perf_counter()
            section = run_section(benchmark, name, bench)
            console.print(terminal(section))
            missed += sum(row.mark == "below" for row in section.rows)
            if results is not None:
                values = record(section, bench, time.perf_counter() - start)
                keep(results, name, values, benchmark.sections)
                write_table(results)
    console.print(
        f"{missed} figures miss what they must reach" if missed else "every figure reaches its must"
    )
    return int(missed > 0)


def run(benchmark: Benchmark) -> None:
    """`main` as a process: its exit code, and one line where data is missing."""
    try:
        sys.exit(main(benchmark))
    except (FileNotFoundError, GenrestoreError) as error:
        sys.exit(f"benchmarks/{benchmark.name}.py: {error}")
