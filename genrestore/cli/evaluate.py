"""``genrestore evaluate``: how near results are to clean pictures."""

from __future__ import annotations

import json as _json
import math
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

import typer

from genrestore.cli import options, reference, report, screen
from genrestore.cli.pairs import Pair, left_over, plan
from genrestore.cli.report import Scores
from genrestore.errors import InputError, shown
from genrestore.files.plan.sources import NamedPictures, several

SCHEMA = 1
"""Version of the JSON records; a new field keeps it, a changed or missing one raises it."""
EXAMPLES = 3
"""Names that are shown of many."""

Results = Annotated[
    str,
    typer.Argument(
        metavar="RESULTS",
        parser=options.expand,
        show_default=False,
        help="A restored picture, or a folder of them.",
    ),
]
Clean = Annotated[
    str,
    typer.Argument(
        metavar="CLEAN",
        parser=options.expand,
        show_default=False,
        help="The clean picture, or a folder of them by name: STEM.denoised.png belongs to STEM.*.",
    ),
]
Recursive = Annotated[
    bool,
    typer.Option(
        "--recursive",
        "-r",
        metavar="",
        help="Go into the folders of both folders; results/a/b.png belongs to clean/a/b.*.",
    ),
]


def evaluate(
    results: Results,
    clean: Clean,
    recursive: Recursive = False,
    max_pixels: options.MaxPixels = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Compare results with clean pictures: PSNR and SSIM of every file, and their mean.

    Files are paired by name, with or without [bold].denoised[/bold]. The figures are those of the 8-bit
    range (peak 255), of 16-bit pictures too, over the whole picture and all channels; alpha is left out.
    """
    clean_pictures = NamedPictures(Path(clean), "CLEAN", recursive=recursive)
    pairs = plan(Path(results), clean_pictures, recursive=recursive)
    tally = Tally(as_json=json, quiet=quiet)
    for pair in pairs:
        tally.add(pair, *judge(pair, clean_pictures, max_pixels))
    if len(pairs) > 1 or json:
        tally.sum_up(left_over(pairs, clean_pictures))
    raise typer.Exit(int(tally.counts["failed"] > 0))


def judge(pair: Pair, clean: NamedPictures, max_pixels: int | None) -> tuple[Scores | None, str | None]:
    """The figures of a pair, or why there are none."""
    if pair.skipped or pair.problem:
        return None, pair.skipped or pair.problem
    name = shown(pair.result)
    if not pair.alike:
        where = shown(clean.place / pair.inside)
        return None, f"{name}: no picture in {where} is named like it"
    if len(pair.alike) > 1:
        return None, f"{name}: {several(shown(pair.result.name), pair.alike)}"
    try:
        return reference.compare(pair.result, pair.alike[0], max_pixels), None
    except (InputError, OSError) as error:
        return None, str(error)
    except MemoryError:
        return None, f"{name}: not enough memory to compare this picture"


@dataclass
class Tally:
    """Says what becomes of every pair: figures on stdout, the rest on stderr.

    Attributes:
        as_json: One JSON object a file on stdout, and one for the sum.
        quiet: Leave out what is neither a figure nor a failure.
    """

    as_json: bool
    quiet: bool
    counts: Counter[str] = field(default_factory=Counter)
    scores: list[Scores] = field(default_factory=list)

    def add(self, pair: Pair, scores: Scores | None, reason: str | None) -> None:
        """Say one pair's figures, or why there are none."""
        status: Literal["done", "skipped", "failed"] = "skipped" if pair.skipped else "failed"
        if scores is not None:
            status = "done"
            self.scores.append(scores)
        self.counts[status] += 1
        name = shown(pair.result)
        if scores is None and (status == "failed" or not self.quiet):
            screen.write(report.one_line(f"{name}  {status}: {(reason or '').removeprefix(f'{name}: ')}"))
        if self.as_json:
            typer.echo(_json.dumps(record(pair, status, scores, reason), allow_nan=False))
        elif scores is not None:
            notes = f"  ({'; '.join(scores.notes)})" if scores.notes else ""
            typer.echo(report.printable(f"{name}  {scores}{notes}"))

    def sum_up(self, without_result: list[Path]) -> None:
        """Say the means, and what they leave out."""
        mean = mean_of(self.scores)
        if self.as_json:
            typer.echo(_json.dumps(self._summary(mean, len(without_result)), allow_nan=False))
        elif self.scores:
            notes = f"  ({'; '.join(mean.notes)})" if mean.notes else ""
            typer.echo(report.printable(f"mean of {len(self.scores)}  {mean}{notes}"))
        if without_result and not self.quiet:
            names = ", ".join(shown(path) for path in without_result[:EXAMPLES])
            more = ", ..." if len(without_result) > EXAMPLES else ""
            screen.write(
                report.one_line(f"clean pictures without a result: {len(without_result)} ({names}{more})")
            )
        if self.counts["failed"] or not self.quiet:
            screen.write(report.summary(self.counts))

    def _summary(self, mean: Scores, without_result: int) -> dict[str, report.JSONValue | list[str]]:
        return {
            "schema": SCHEMA,
            "record": "summary",
            "done": self.counts["done"],
            "skipped": self.counts["skipped"],
            "failed": self.counts["failed"],
            "psnr": report.finite(mean.psnr),
            "ssim": report.finite(mean.ssim),
            "data_range": int(reference.PEAK),
            "clean_without_result": without_result,
            "notes": list(mean.notes),
        }


def mean_of(scores: list[Scores]) -> Scores:
    """The mean PSNR in decibels and the mean SSIM, with a note of the pictures that have none to add.

    Equal pictures have an infinite PSNR, and pictures smaller than its window no SSIM: both are left out of
    that mean, unless there are no others.
    """
    psnr = [one.psnr for one in scores if math.isfinite(one.psnr)]
    ssim = [one.ssim for one in scores if math.isfinite(one.ssim)]
    notes = []
    if 0 < len(psnr) < len(scores):
        notes.append(f"PSNR without {len(scores) - len(psnr)} equal to the clean picture")
    if 0 < len(ssim) < len(scores):
        notes.append(f"SSIM without {len(scores) - len(ssim)} smaller than its window")
    return Scores(
        sum(psnr) / len(psnr) if psnr else math.inf, sum(ssim) / len(ssim) if ssim else math.nan, tuple(notes)
    )


def record(
    pair: Pair, status: str, scores: Scores | None, reason: str | None
) -> dict[str, report.JSONValue | list[str]]:
    """One result as a JSON object; what does not apply is null, as is the infinite PSNR of equal pictures."""
    return {
        "schema": SCHEMA,
        "record": "file",
        "result": str(pair.result),
        "clean": str(pair.alike[0]) if len(pair.alike) == 1 else None,
        "status": status,
        "psnr": None if scores is None else report.finite(scores.psnr),
        "ssim": None if scores is None else report.finite(scores.ssim),
        "data_range": int(reference.PEAK),
        "equal": None if scores is None else math.isinf(scores.psnr),
        "notes": [] if scores is None else list(scores.notes),
        "error": reason,
    }
