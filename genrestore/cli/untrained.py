"""``--prior dip``, for every command that restores: its options, what they cannot be given with, its task."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from genrestore.cli import screen
from genrestore.cli.options import expand, parse_whole
from genrestore.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from genrestore.cli.report import JSONValue
    from genrestore.cli.restoring import Machine
    from genrestore.restore.tasks import Untrained

PRIOR = "Prior"
LONG = 20.0
"""Seconds from which on it is worth saying how long it will take."""
MOST_STEPS = 100_000
USUAL_STEPS = 5000


def parse_steps(value: str | int) -> int:
    """A value of --steps.

    Raises:
        UsageError: Not a whole number from 1 to `MOST_STEPS`.
    """
    return parse_whole("--steps", value, 1, MOST_STEPS)


def _path(value: str) -> Path:
    return Path(expand(value))


Prior = Annotated[
    Literal["auto", "dip"],
    typer.Option(
        "--prior",
        rich_help_panel=PRIOR,
        help="auto takes that of the weights; dip fits an untrained network to each picture, in minutes.",
    ),
]
Steps = Annotated[
    int | None,
    typer.Option(
        "--steps",
        metavar="N",
        parser=parse_steps,
        rich_help_panel=PRIOR,
        show_default=False,
        help=f"The most steps of a prior that searches, which stops by itself (dip: {USUAL_STEPS}; "
        "autoencoders: 200; generators: 300).",
    ),
]
Trace = Annotated[
    Path | None,
    typer.Option(
        "--trace",
        metavar="DIR",
        parser=_path,
        rich_help_panel=PRIOR,
        help="Write every step of --prior dip into trace.csv in this folder, and a picture now and then; of "
        "a prior of one class a folder for each input.",
    ),
]


@dataclass(frozen=True)
class Dip:
    """The user's words about --prior dip.

    Attributes:
        steps: The most steps.
        trace: A folder for the trace, or None.
        quiet: Do not say how long it will take.
    """

    steps: int
    trace: Path | None
    quiet: bool

    def made(self, strength: float = 1.0, feather: int = 0) -> dict[str, JSONValue]:
        """What results say of how they were made."""
        from genrestore.restore import provenance

        return provenance.of_untrained(self.steps, strength, feather)

    def task(self, machine: Machine, strength: float = 1.0, feather: int = 0) -> Untrained:
        """What restores; imports torch."""
        from genrestore.cli.trace import Trace
        from genrestore.restore.tasks import Untrained

        return Untrained(
            steps=self.steps,
            strength=strength,
            feather=feather,
            runtime=machine.runtime,
            on_estimate=None if self.quiet else say_duration,
            on_step=None if self.trace is None else Trace(self.trace, self.steps).add,
        )


def words(
    prior: str,
    steps: int | None,
    trace: Path | None,
    inputs: Sequence[str] | None,
    others: Mapping[str, object],
    *,
    quiet: bool,
) -> Dip | None:
    """The words about --prior dip, or None if it is not asked for.

    Args:
        prior: Value of --prior.
        steps: Value of --steps, or None.
        trace: Value of --trace, or None.
        inputs: What was named on the command line.
        others: Values of options that it cannot be given with; what is false was not given.
        quiet: Value of --quiet.

    Raises:
        UsageError: Words that cannot be meant together, or a trace that is there already.
    """
    if prior != "dip":
        for word, given in (("--steps", steps), ("--trace", trace)):
            if given is not None:
                raise UsageError(
                    f"{word} is about priors that search: --prior dip, weights of an autoencoder or generator"
                )
        return None
    for word, value in others.items():
        if value:
            raise UsageError(f"--prior dip and {word} contradict each other; give one")
    if trace is not None:
        if len(inputs or ()) != 1 or Path((inputs or [""])[0]).is_dir():
            raise UsageError("--trace follows one picture; name one file")
        if (trace / "trace.csv").exists():
            raise UsageError(f"--trace {trace}: a trace is there already; name another folder")
    return Dip(USUAL_STEPS if steps is None else steps, trace, quiet)


def say_duration(seconds: float) -> None:
    """Say on stderr how long a picture will take at most, if it is long."""
    if seconds >= LONG:
        amount = f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
        if seconds < 90:
            amount = f"{seconds:.0f} s"
        screen.write(f"--prior dip: at most {amount} for this picture; --steps sets fewer, Ctrl-C stops")
