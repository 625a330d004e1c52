"""``genrestore invert --self-test``: whether a generator's own images can be found again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from genrestore.cli import report

if TYPE_CHECKING:
    from genrestore.cli.options import Machine
    from genrestore.restore.task import Task

ENOUGH = 35.0
"""Decibels that half of the images must reach."""
SCHEMA = 1
"""Version of the JSON record; a new field keeps it, a changed or missing one raises it."""


def run(task: Task, machine: Machine, count: int, *, json: bool, quiet: bool) -> int:
    """Invert images of the generator's own, and say how near they came: figures on stdout with `json`.

    Returns:
        The exit code: 1 if half of them come no nearer than `ENOUGH`.
    """
    from genrestore.restore.priors.generator import GeneratorPrior
    from genrestore.weights.load import load_chosen

    assert task.chosen is not None
    prior = GeneratorPrior(load_chosen(task.chosen, machine.runtime), machine.runtime)
    started = time.perf_counter()
    with report.bar(f"{count} images of its own", wanted=not quiet) as on_progress:
        found = sorted(prior.self_test(count, task.settings, on_progress or _ignore))
    seconds = time.perf_counter() - started
    middle = (found[(count - 1) // 2] + found[count // 2]) / 2
    near = sum(value >= ENOUGH for value in found)
    passed = middle >= ENOUGH
    if json:
        record = {
            "schema": SCHEMA,
            "images": count,
            "median_psnr": round(middle, 2),
            "least_psnr": round(found[0], 2),
            "near": near,
            "passed": passed,
            "seconds": round(seconds, 3),
        }
        report.say_json(record)
    if not (quiet and passed):
        report.write(
            f"self-test {'passed' if passed else 'failed'}: {count} images of its own, "
            f"median {middle:.1f} dB, least {found[0]:.1f} dB, {near} at {ENOUGH:.0f} dB or more  "
            f"{seconds:.1f} s"
        )
    return int(not passed)


def _ignore(_: float) -> None:
    """Nobody looks at a bar."""
