"""``genrestore evaluate``: how near results are to clean pictures."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import typer

from genrestore.cli import figures, reference, report
from genrestore.cli.commands import Record
from genrestore.cli.options import SCREEN
from genrestore.cli.pairs import Pair, left_over, plan
from genrestore.cli.report import Scores
from genrestore.errors import InputError, NoInputError, UsageError, shown
from genrestore.files.plan.sources import NamedPictures, several
from genrestore.settings import setting

SCHEMA = 1
"""Version of the JSON records; a new field keeps it, a changed or missing one raises it."""
EXAMPLES = 3
"""Names that are shown of many."""


@dataclass(frozen=True, kw_only=True)
class Evaluate(Record):
    """Compare results with clean pictures: PSNR and SSIM of every file, and their mean.

    Examples:
        genrestore evaluate photo.denoised.png clean.png
        genrestore evaluate results/ clean/ --json
        genrestore evaluate results/ clean/ --inputs noisy/ --plot gain.svg

    Files are paired by name, with or without [bold].denoised[/bold]. The figures are those of the 8-bit
    range (peak 255), of 16-bit pictures too, over the whole picture and all channels; alpha is left out.

    Arguments:
        results (RESULTS): A restored picture, or a folder of them.
        clean (CLEAN): The clean picture, or a folder of them by name: STEM.denoised.png belongs to STEM.*.

    Options:
        inputs (PATH): What was restored, a picture or a folder by name: says the gain in decibels of each
            result.
        plot (FILE): With --inputs: draw gain over the input's PSNR, outliers by name; PNG, SVG or PDF.
        recursive (-r): Go into the folders of both folders; results/a/b.png belongs to clean/a/b.*.
    """

    results: Path
    clean: Path
    inputs: Path | None = None
    plot: Path | None = None
    recursive: bool = False
    overwrite: bool = False
    max_pixels: int | None = None
    json: bool = setting(False, "One JSON object a result, and one of all, on stdout.", panel=SCREEN)
    quiet: bool = False

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Say the figures of every pair, and their means."""
        if self.plot is not None:
            if self.inputs is None:
                raise UsageError("--plot draws what was gained: name what was restored with --inputs")
            figures.check_outputs("--plot", [self.plot], overwrite=self.overwrite)
        clean = NamedPictures(self.clean, "CLEAN", recursive=self.recursive)
        inputs = self.inputs
        restored = NamedPictures(inputs, "--inputs", recursive=self.recursive) if inputs else None
        pairs = plan(self.results, clean, recursive=self.recursive)
        tally = Tally(as_json=self.json, quiet=self.quiet)
        for pair in pairs:
            scores, reason = judge(pair, clean, self.max_pixels)
            tally.add(pair, scores, reason, input_psnr(pair, scores, restored, self.max_pixels))
        if len(pairs) > 1 or self.json:
            tally.sum_up(left_over(pairs, clean))
        if self.plot is not None:
            tally.draw(self.plot, overwrite=self.overwrite)
        return int(tally.counts["failed"] > 0)


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


def input_psnr(
    pair: Pair, scores: Scores | None, restored: NamedPictures | None, max_pixels: int | None
) -> float | str | None:
    """The PSNR of what a result was made of, why it is not known, or None where it is not asked for."""
    if restored is None or scores is None:
        return None
    alike = restored.named_like(pair.result, pair.inside)
    if len(alike) != 1:
        return "no input is named like it" if not alike else several(shown(pair.result.name), alike)
    try:
        return reference.compare(alike[0], pair.alike[0], max_pixels).psnr
    except (InputError, OSError, MemoryError) as error:
        return f"input not compared: {error}"


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
    gained: list[tuple[str, float, float]] = field(default_factory=list)
    """Name, PSNR of the input and gain, of the results whose input is known."""

    def add(
        self, pair: Pair, scores: Scores | None, reason: str | None, before: float | str | None = None
    ) -> None:
        """Say one pair's figures, or why there are none; `before` is what `input_psnr` gives."""
        status: Literal["done", "skipped", "failed"] = "skipped" if pair.skipped else "failed"
        if scores is not None:
            status = "done"
            self.scores.append(scores)
        self.counts[status] += 1
        name, gain = shown(pair.result), None
        if scores is not None and isinstance(before, str):
            scores = replace(scores, notes=(*scores.notes, before))
        elif scores is not None and isinstance(before, float) and math.isfinite(scores.psnr - before):
            gain = scores.psnr - before
            self.gained.append((name, before, gain))
        if scores is None and (status == "failed" or not self.quiet):
            report.write(report.one_line(f"{name}  {status}: {(reason or '').removeprefix(f'{name}: ')}"))
        if self.as_json:
            figures = record(pair, status, scores, reason)
            report.say_json({**figures, "gain": None if gain is None else round(gain, 4)})
        elif scores is not None:
            notes = f"  ({'; '.join(scores.notes)})" if scores.notes else ""
            typer.echo(report.printable(f"{name}  {scores}{_gain(gain)}{notes}"))

    def draw(self, path: Path, *, overwrite: bool) -> None:
        """Write the scatter plot of gains.

        Raises:
            NoInputError: No result has one.
        """
        if not self.gained:
            raise NoInputError(
                f"--plot {shown(path)}: no result whose input and clean picture are both known"
            )
        from genrestore.study import gains

        names, before, gain = zip(*self.gained, strict=True)
        figures.write(path, gains.plot(before, gain, names), overwrite=overwrite)
        if not self.quiet:
            report.write(report.one_line(f"-> {shown(path)}"))

    @property
    def _mean_gain(self) -> float | None:
        return sum(gain for _, _, gain in self.gained) / len(self.gained) if self.gained else None

    def sum_up(self, without_result: list[Path]) -> None:
        """Say the means, and what they leave out."""
        mean = mean_of(self.scores)
        if self.as_json:
            report.say_json(self._summary(mean, len(without_result)))
        elif self.scores:
            notes = f"  ({'; '.join(mean.notes)})" if mean.notes else ""
            typer.echo(report.printable(f"mean of {len(self.scores)}  {mean}{_gain(self._mean_gain)}{notes}"))
        if without_result and not self.quiet:
            names = ", ".join(shown(path) for path in without_result[:EXAMPLES])
            more = ", ..." if len(without_result) > EXAMPLES else ""
            report.write(
                report.one_line(f"clean pictures without a result: {len(without_result)} ({names}{more})")
            )
        if self.counts["failed"] or not self.quiet:
            report.write(report.summary(self.counts))

    def _summary(self, mean: Scores, without_result: int) -> dict[str, report.JSONValue | list[str]]:
        return {
            "schema": SCHEMA,
            "record": "summary",
            "done": self.counts["done"],
            "skipped": self.counts["skipped"],
            "failed": self.counts["failed"],
            "psnr": report.finite(mean.psnr),
            "ssim": report.finite(mean.ssim),
            "gain": None if self._mean_gain is None else round(self._mean_gain, 4),
            "data_range": int(reference.PEAK),
            "clean_without_result": without_result,
            "notes": list(mean.notes),
        }


def _gain(gain: float | None) -> str:
    """A gain in words, after the figures of a line; nothing where there is none."""
    return "" if gain is None else f"  gain {gain:+.2f} dB"


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
