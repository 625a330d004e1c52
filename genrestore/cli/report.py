"""Reports: stderr for the eye, JSON lines for machines, the final exit code."""

from __future__ import annotations

import json as _json
import math
import os
import sys
from collections import Counter
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TextIO

import typer

from genrestore import __version__
from genrestore.cli import Raising
from genrestore.cli.options import to_grey_levels
from genrestore.errors import GenrestoreError, InputError, Interrupted, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path
    from types import TracebackType

    from genrestore.cli.report_page import Page
    from genrestore.files.plan.jobs import Job
    from genrestore.files.work.batch import Outcome

SCHEMA = 1
"""Version of the JSON records; a new field keeps it, a changed or missing one raises it."""

JSONValue = str | int | float | bool | None
FIGURES = ("distance", "own_distance", "starts")
"""Of priors of one class: null where there is none."""

LEVELS = ("sigma_luma", "sigma_chroma")
"""Of denoisers, the noise level of luma and of chroma: null where there is none."""


@dataclass(frozen=True)
class Scores:
    """Figures of a written file against its clean reference.

    Attributes:
        psnr: In decibels at peak 255; infinite where both are equal.
        ssim: From −1 to 1; NaN for pictures smaller than its window.
        notes: What the user is told of the comparison, one sentence each.
        gain: Decibels that the result is nearer to it than the input; None where that is not asked for.
    """

    psnr: float
    ssim: float
    notes: tuple[str, ...] = ()
    gain: float | None = None

    def __str__(self) -> str:
        """The figures in words, with their range."""
        ssim = "" if math.isnan(self.ssim) else f"  SSIM {self.ssim:.4f}"
        return f"PSNR {self.psnr:.2f} dB{ssim} (8-bit range)"


def one_line(text: str) -> str:
    """Text with its control characters and undecodable bytes escaped, so that it is one line anywhere."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text
    )


def printable(text: str) -> str:
    """Text as one line, with escapes for what stdout's encoding does not have."""
    encoding = sys.stdout.encoding or "utf-8"
    return one_line(text).encode(encoding, "backslashreplace").decode(encoding)


def say_json(record: Mapping[str, Any]) -> None:
    """Say a JSON object on stdout."""
    typer.echo(_json.dumps(record, allow_nan=False))


def problem(error: GenrestoreError) -> None:
    """Say in one line on stderr what went wrong."""
    kind = "" if isinstance(error, Interrupted) else "error: "
    write(f"genrestore: {kind}{one_line(str(error))}")


@contextmanager
def json_lines(
    json: bool, json_file: Path | None, jobs: Sequence[Job], *, overwrite: bool
) -> Iterator[TextIO | None]:
    """The stream of JSON records: the file if one is given, else stdout if asked for, else nowhere.

    Raises:
        UsageError: The file exists, is one of the pictures, or cannot be made.
        GenrestoreError: It cannot be written to its end.
    """
    if json_file is None:
        yield sys.stdout if json else None
        return
    if json_file.is_file() and not overwrite:
        raise UsageError(f"--json-file {json_file} exists; replace it with --overwrite, or name another")
    pictures = {
        os.path.realpath(path) for job in jobs for path in (job.source, job.target) if path is not None
    }
    if os.path.realpath(json_file) in pictures:
        raise UsageError(f"--json-file {json_file} is one of the pictures; name another")
    try:
        stream = json_file.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"--json-file {json_file}: {error.strerror}") from error
    try:
        with stream:
            yield stream
    except OSError as error:  # of the pictures none comes this far
        raise GenrestoreError(f"--json-file {json_file}: cannot be written ({error.strerror})") from error
    finally:
        if json_file.is_file() and json_file.stat().st_size == 0:  # the work never began
            json_file.unlink()


@dataclass
class Report:
    """Says what becomes of every input; use as a context around the work.

    Attributes:
        jobs: What will be worked on, for the total.
        estimated: Whether noise levels were estimated rather than given.
        quiet: Say failures only.
        json_stream: Where the JSON records go, if anywhere.
        score: Compares a written file with its reference, if asked for.
        fail_fast: Ask for no further outcome after the first failure.
        device: Tells which device was computed on, once one was.
        page: Shows each input, and is written at the end, however that comes.
    """

    jobs: Sequence[Job]
    estimated: bool = True
    quiet: bool = False
    json_stream: TextIO | None = None
    score: Callable[[Outcome], Scores] | None = None
    fail_fast: bool = False
    device: Callable[[], str | None] = lambda: None
    page: Page | None = None
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        json_on_screen = self.json_stream is not None and self.json_stream.isatty()
        self._screen = choose(self.jobs, bar=not (self.quiet or json_on_screen))

    def __enter__(self) -> Report:
        self._screen.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the screen, and write the page.

        Raises:
            InputError: The page cannot be written.
            Interrupted: Ctrl-C or SIGTERM came; says how many are done and how many are left.
        """
        self._screen.stop()
        if self.page is not None and self.counts:
            where = self.page.write()
            if not self.quiet:
                write(one_line(f"report -> {where}"))
        if isinstance(error, KeyboardInterrupt):
            left = len(self.jobs) - self.counts.total()
            raise Interrupted(f"interrupted: {self.counts['done']} done, {left} left") from error

    def progress(self, job: Job, fraction: float, others: Sequence[Job] = ()) -> None:
        """Move the bar: `fraction` of this input and of these others, 0 to 1, is through the network."""
        Raising.check()
        self._screen.progress(job, fraction, others)

    def add(self, outcome: Outcome) -> bool:
        """Say an outcome.

        Returns:
            Whether it is the last that is asked for, since it failed.
        """
        status, error, scores = outcome.status, outcome.error, None
        if self.score is not None and status == "done":
            try:
                scores = self.score(outcome)
            except (InputError, OSError) as problem:
                status, error = "failed", f"written, but not compared: {problem}"
        self.counts[status] += 1
        self._screen.finished(outcome.job)
        device = self.device()
        if status == "failed" or not self.quiet:
            text = line(outcome, status, error, scores, self.estimated, device)
            self._screen.line(text, failed=status == "failed")
        if self.json_stream is not None:
            self.json_stream.write(
                _json.dumps(record(outcome, status, error, scores, device), allow_nan=False) + "\n"
            )
            self.json_stream.flush()
        if self.page is not None:
            self.page.add_outcome(outcome, status, error, scores)
        return self.fail_fast and status == "failed"

    def sum_up(self) -> int:
        """Say the sum of several.

        Returns:
            The exit code: 1 if an input failed, else 0.
        """
        if len(self.jobs) != 1 and not self.quiet:
            self._screen.line(summary(self.counts, len(self.jobs) - self.counts.total()))
        return int(self.counts["failed"] > 0)


def line(
    outcome: Outcome,
    status: str,
    error: str | None,
    scores: Scores | None,
    estimated: bool,
    device: str | None = None,
) -> str:
    """One input's outcome in one plain line."""
    source = outcome.job.name
    if status != "done":
        reason = error or outcome.job.skipped or "no reason known"
        return one_line(f"{source}  {status}: {reason.removeprefix(f'{source}: ')}")
    target = "standard output" if outcome.target is None else str(outcome.target)
    parts = list[str]()
    if outcome.findings is not None and outcome.findings.noise_level is not None:
        how = " (estimated)" if estimated else ""
        parts.append(f"noise level {to_grey_levels(outcome.findings.noise_level):.1f}{how}")
    if scores is not None:
        parts.append(str(scores))
    parts.append(f"{outcome.seconds:.1f} s" + (f" on {device}" if device else ""))
    if notes := (*outcome.notes, *(scores.notes if scores else ())):
        parts.append(f"({'; '.join(notes)})")
    if width := columns():  # notes may go over several lines, what is before them is one
        room = (width - len("  ".join(["", " -> ", *parts[: len(parts) - bool(notes)]]))) // 2
        source, target = fitted(source, room), fitted(target, room)
    return one_line("  ".join([f"{source} -> {target}", *parts]))


def record(
    outcome: Outcome, status: str, error: str | None, scores: Scores | None, device: str | None = None
) -> dict[str, JSONValue | list[float]]:
    """One input's outcome as a JSON object; sigma in grey levels, what does not apply is null."""
    findings = outcome.findings
    level, figures = (None, {}) if findings is None else (findings.noise_level, findings.figures)
    return {
        "schema": SCHEMA,
        "input": _name(outcome.job.source),
        "output": None if status == "skipped" or outcome.error else _name(outcome.target),
        "status": status,
        "seconds": round(outcome.seconds, 3),
        "sigma": None if level is None else round(to_grey_levels(level), 3),
        "psnr": None if scores is None else finite(scores.psnr),
        "ssim": None if scores is None else finite(scores.ssim),
        "in_domain": None if findings is None else findings.in_domain,
        **{name: figures.get(name) for name in FIGURES},
        **{name: _level(figures.get(name)) for name in LEVELS},
        "device": device if status == "done" else None,
        "error": error or outcome.job.skipped,
    }


def _level(found: float | list[float] | None) -> float | None:
    """A noise level on the [0, 1] scale in grey levels, for a JSON record."""
    return round(to_grey_levels(found), 3) if isinstance(found, float) else None


def summary(counts: Counter[str], left: int = 0) -> str:
    """Counts in words, such as "3 done, 1 skipped, 1 failed"; with what was not begun, if any: "2 left"."""
    parts = [f"{counts[status]} {status}" for status in ("done", "skipped", "failed") if counts[status]]
    parts += [f"{left} left"] if left else []
    return ", ".join(parts) or "0 done"


def provenance(command: str, seed: int, parameters: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
    """Notes in an output: this tool, its version, the command, its parameters and the seed."""
    return {"tool": "genrestore", "version": __version__, "command": command, **parameters, "seed": seed}


def _name(path: Path | None) -> str:
    return "-" if path is None else str(path)


def finite(value: float) -> float | None:
    """A figure for a JSON record: four decimals; null for infinity and NaN, which JSON does not have."""
    return round(value, 4) if math.isfinite(value) else None


class Screen:
    """A place for lines and progress: plain ones, without escape codes and carriage returns."""

    def start(self) -> None:
        """Nothing to begin."""

    def stop(self) -> None:
        """Nothing to end."""

    def progress(self, job: Job, fraction: float, others: Sequence[Job] = ()) -> None:
        """Lines only."""

    def finished(self, job: Job) -> None:
        """Lines only."""

    def line(self, text: str, *, failed: bool = False) -> None:  # noqa: ARG002 -- no colours here
        """Say one line."""
        write(text)


def write(text: str) -> None:
    """One plain line on stderr; a stderr that is gone or full is no reason to stop."""
    try:
        print(text, file=sys.stderr, flush=True)  # noqa: T201
    except (OSError, ValueError):
        return


def choose(jobs: Sequence[Job], *, bar: bool) -> Screen:
    """A bar where stderr is a terminal and `bar` is wanted, else plain lines."""
    if not (bar and is_terminal()):
        return Screen()
    from genrestore.cli.live import LiveScreen

    return LiveScreen(jobs)


def bar(name: str, *, wanted: bool) -> AbstractContextManager[Callable[[float], None] | None]:
    """A bar for work that has no inputs, where stderr is a terminal; gives what moves it, or None."""
    if not (wanted and is_terminal()):
        return nullcontext()
    from genrestore.cli import live

    return live.bar(name)


def is_terminal() -> bool:
    """True if stderr is a terminal that can move its cursor."""
    return sys.stderr is not None and sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


def columns() -> int | None:
    """Columns of stderr's terminal; None where it is none, and lines are as long as they are."""
    try:
        return os.get_terminal_size(sys.stderr.fileno()).columns if is_terminal() else None
    except (OSError, ValueError):
        return None


def fitted(path: str, room: int) -> str:
    """A path of at most `room` columns, as far as its file name allows: shortened from the left."""
    if len(path) <= room or os.sep not in path:
        return path
    name = path.rpartition(os.sep)[2]
    return "…" + path[len(path) - max(room - 1, len(name) + 1) :] if len(path) > len(name) + 2 else path
