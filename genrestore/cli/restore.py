"""The stages of every command that restores: from the user's words to a plan, and what it shows."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import fields, replace
from inspect import Parameter
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

import typer

from genrestore.cli import reference as references
from genrestore.cli import report, traces
from genrestore.cli.commands import parameter
from genrestore.cli.options import PRIOR, SEARCH
from genrestore.errors import UsageError, shown
from genrestore.files.plan.jobs import STDIO
from genrestore.restore.settings import PRIORS
from genrestore.restore.task import Task
from genrestore.settings import Option, options, spelled

if TYPE_CHECKING:
    from genrestore.cli.report_page import Page
    from genrestore.cli.words import Words
    from genrestore.files.plan.jobs import Job, OutputOptions
    from genrestore.files.work.batch import BatchOptions
    from genrestore.restore.pictures import Restore
    from genrestore.restore.task import Task

SEARCHING = "is about priors that search: --prior dip, weights of an autoencoder or generator"
LONG = 20.0
"""Seconds from which on it is worth saying how long it will take."""


def page_of(words: Words) -> Page | None:
    """The page that --report asks for, before any work.

    Raises:
        UsageError: Its folder holds something, and no page of ours.
    """
    if words.report is None:
        return None
    from genrestore.cli.report_page import Page

    return Page(words.report, sys.argv[1:], words.max_pixels)


def planned(
    words: Words, named: Sequence[str], wanted: OutputOptions
) -> tuple[list[Job], references.Scorer | None]:
    """The jobs of the words, and what compares their results.

    Raises:
        UsageError: Words that cannot be meant.
        NoInputError: Nothing to restore.
    """
    from genrestore.files.plan import outputs

    jobs = words.assigned(outputs.plan(named, wanted, listed=words.files_from is not None))
    score = None
    if words.reference is not None:
        score = references.scorer(words.reference, jobs, gains=words.report is not None)
    written = outputs.targets(jobs, wanted) + words.also_written(jobs)
    outputs.check_only_read(written, list(_only_read(words.files_from, jobs, score)))
    outputs.check_apart(written)
    if words.trace is not None and words.prior == "auto":
        traces.check_places(words.trace, [job for job in jobs if job.is_open], written)
    return jobs, score


def _only_read(
    files_from: str | None, jobs: Sequence[Job], score: references.Scorer | None
) -> Iterator[tuple[str, Path]]:
    """Files that are read besides the inputs, with the option that names each."""
    if files_from is not None and files_from != STDIO:
        yield "--files-from", Path(files_from)
    for job in jobs:
        if job.mask is not None:
            yield "--mask", job.mask
        if job.avoid is not None:
            yield "--avoid", job.avoid
    for clean in score.clean.values() if score else ():
        yield "--reference", clean


def batch_options(words: Words, wanted: OutputOptions, jobs: Sequence[Job], task: Task) -> BatchOptions:
    """The options of the batch of a task."""
    from genrestore.files.work import batch

    provenance = report.provenance(words.damage.name, words.seed, {**task.provenance, **words.provenance})
    settings: BatchOptions = words.of_batch(batch.BatchOptions.of(wanted, provenance, words.max_pixels), jobs)
    return settings


def restoring(words: Words, task: Task) -> Restore:
    """The restoring of a task; imports torch."""
    from genrestore.restore.pictures import Restore

    trace = None if words.trace is None else traces.of(task, words.trace)
    say_estimate = _ignore if words.quiet else say_duration
    return Restore(task, words.runtime, trace=trace, estimate=say_estimate, operator=words.operator)


def _ignore(_: float) -> None:
    """Nobody wants to know."""


def say_duration(seconds: float) -> None:
    """Say on stderr how long a picture will take at most, if it is long."""
    if seconds >= LONG:
        amount = f"{seconds / 60:.0f} minutes" if seconds < 5400 else f"{seconds / 3600:.1f} hours"
        if seconds < 90:
            amount = f"{seconds:.0f} s"
        report.write(f"--prior dip: at most {amount} for this picture; --steps sets fewer, Ctrl-C stops")


def is_work_left(jobs: Sequence[Job], skip_existing: bool) -> bool:
    """True if something will surely be restored; told from names alone, since it is asked of everything."""
    todo = [job.target for job in jobs if job.is_open]
    return any(not skip_existing or target is None or not os.path.lexists(target) for target in todo)


def show_plan(jobs: Sequence[Job], settings: BatchOptions, *, quiet: bool) -> int:
    """Say `input -> output` of every job, one a line; what would be skipped is said on stderr.

    Returns:
        The exit code: 1 if an input has failed already, else 0.
    """
    from genrestore.files.work import batch

    failed = False
    for job in jobs:
        existing = batch.examine(job, settings) if job.is_open else None
        skipped, problem = job.skipped, job.problem
        if existing is not None:
            skipped, problem = existing.done, batch.in_the_way(job, existing, settings)
        failed = failed or problem is not None
        if problem is not None:
            report.write(report.one_line(f"{job.name}  failed: {problem.removeprefix(f'{job.name}: ')}"))
        elif skipped is None:
            source, target = ("-" if path is None else str(path) for path in (job.source, job.target))
            typer.echo(report.printable(f"{source} -> {target}"))
        elif not quiet:
            report.write(report.one_line(f"{job.name}  skipped: {skipped}"))
    return int(failed)


def search_options(kinds: tuple[str, ...], without: tuple[str, ...]) -> Iterator[Parameter]:
    """The settings of some kinds of priors as parameters of a command; None where one is left out."""
    for name, (option, owners) in _settings_of(kinds).items():
        if name not in without:
            one_class = all(PRIORS[kind].one_class for kind in owners)
            panel = SEARCH if one_class else PRIOR if "dip" in owners else ""
            option = replace(option, panel=panel, help=option.help + _defaults(name, owners))
            hint = get_type_hints(PRIORS[owners[0]].settings)[name]
            yield parameter(name, hint | None, option, None)


def _settings_of(kinds: tuple[str, ...]) -> dict[str, tuple[Option, list[str]]]:
    """Settings of some kinds of priors by name: its option, and the kinds that have it."""
    found: dict[str, tuple[Option, list[str]]] = {}
    for kind in kinds:
        for name, option in options(PRIORS[kind].settings).items():
            found.setdefault(name, (option, []))[1].append(kind)
    return found


def _defaults(name: str, kinds: list[str]) -> str:
    """The usual values of a setting, in words."""
    usual = {kind: getattr(PRIORS[kind].settings, name) for kind in kinds}
    values = set(usual.values())
    if any(value is None or isinstance(value, bool) for value in values):
        return ""
    if len(values) == 1:
        return f" ({values.pop()})."
    each = [f"{kind if kind == 'dip' else f'{kind}s'}: {value}" for kind, value in usual.items()]
    return f" ({'; '.join(each)})."


def task_of(words: Words, *, has_weights: bool) -> Task:
    """The task of a command's words.

    Args:
        words: The words.
        has_weights: Whether --weights was given.

    Raises:
        UsageError: A value that cannot be meant, or that the prior has no use for.
        WeightsError: The weights are missing, or of a kind that the command does not take.
    """
    if words.prior != "auto":
        kind = words.prior
        _refuse_foreign(words, kind)
        _check_alone(words, has_weights=has_weights)
        return Task.without_weights(words.damage, kind, words.request(False), _settings(words, kind, None))
    chosen, kind = words.chosen, words.chosen.header.kind
    if kind not in words.damage.kinds:
        return Task.of(words.damage, chosen)  # refuses
    one_class = PRIORS[kind].one_class
    if one_class:
        for name, usual in words.whole.items():
            if words.value(name) != usual:
                word = "from" if name == "source" else name
                raise UsageError(f"--{word}: weights '{words.weights}' restore whole pictures; leave it out")
    _refuse_foreign(words, kind)
    if one_class:
        check_trace(words.trace, overwrite=words.overwrite)
    elif words.trace is not None:
        raise UsageError(f"--trace {SEARCHING}")
    settings = _settings(words, kind, chosen.header.size)
    return Task.of(words.damage, chosen, words.request(one_class), settings)


def _settings(words: Words, kind: str, size: int | None) -> Any:
    """The settings of a prior, of the options that were given.

    Raises:
        UsageError: Some contradict each other.
    """
    usual = words.damage.usual(kind)
    own = {one.name: words.value(one.name) for one in fields(usual)}
    given: dict[str, Any] = {name: value for name, value in own.items() if value is not None}
    if "recipe" not in given:
        if "rate" in given:
            raise UsageError("--lr: is about Adam, which --recipe report searches with; the usual needs none")
        return replace(usual, **given)
    for name, value in type(usual).OF_RECIPE.items():
        if name in given and given.pop(name) != value:
            word = _as_given(words, name, options(type(usual))[name])
            raise UsageError(f"{word} and --recipe report contradict each other; give one")
    given.pop("recipe")
    return type(usual).report(size, **given)


def _refuse_foreign(words: Words, kind: str) -> None:
    """Refuse options that a kind of prior has no use for.

    Raises:
        UsageError: The first of them.
    """
    one_class = [name for name, each in PRIORS.items() if each.one_class]
    takes = {
        name: (_as_given(words, name, option), kinds)
        for name, (option, kinds) in _settings_of(tuple(PRIORS)).items()
        if words.value(name) is not None
    }
    takes |= {name: (spelled(name), one_class) for name in ("resize", "no_keep") if words.value(name)}
    for name, (named, kinds) in takes.items():
        if kind in kinds or name in words.alone:
            continue
        if name == "steps":
            raise UsageError(f"--steps {SEARCHING}")
        wanted = " or ".join(_with_article(one) for one in kinds)
        own = f"of {_with_article(kind)}" if kind in one_class else "of none"
        raise UsageError(f"{named}: is for weights of {wanted}, and '{words.weights}' are {own}")


def _as_given(words: Words, name: str, option: Option) -> str:
    """A setting as it was written, of which a switch has two ways."""
    on = spelled(name, option)
    return f"--no-{on[2:]}" if words.value(name) is False else on


def _with_article(kind: str) -> str:
    return f"{'an' if kind[0] in 'aeiou' else 'a'} {kind}"


def _check_alone(words: Words, *, has_weights: bool) -> None:
    """Refuse what a prior without weights cannot be given with.

    Raises:
        UsageError: The first of it, or a trace that is there already.
    """
    given = {"weights": has_weights}
    given |= {name: words.value(name) not in (None, words.whole.get(name, 0.0)) for name in words.alone}
    if words.prior == "patches":
        given |= {"fill": words.value("fill") == "mean", "source": False, "avoid": False}
    for name, is_given in given.items():
        if is_given:
            word = "from" if name == "source" else name
            raise UsageError(f"--prior {words.prior} and --{word} contradict each other; give one")
    if words.trace is not None and words.prior != "dip":
        raise UsageError(f"--trace {SEARCHING}")
    if words.trace is not None:
        named = list(words.inputs or ())
        if words.files_from is not None or len(named) != 1 or Path(named[0]).is_dir():
            raise UsageError("--trace follows one picture; name one file")
        check_trace(words.trace, overwrite=True)  # other files may lie there
        if (words.trace / "trace.csv").exists():
            raise UsageError(f"--trace {words.trace}: a trace is there already; name another folder")


def check_trace(folder: Path | None, *, overwrite: bool) -> None:
    """Refuse before the work a folder of traces that would be written over.

    Raises:
        UsageError: It holds something already, or is a file.
    """
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"--trace {shown(folder)}: is a file; name a folder")
    if any(folder.iterdir()) and not overwrite:
        raise UsageError(f"--trace {shown(folder)}: is not empty; name another folder, or --overwrite")
