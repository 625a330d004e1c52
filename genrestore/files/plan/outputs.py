"""Where results go: the plan from words to jobs, made and checked before any work."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from genrestore.errors import NoInputError, UsageError
from genrestore.files.codecs.formats import shown
from genrestore.files.disk.atomic import atomic, check_writable
from genrestore.files.plan import folders, naming, skipping, trees
from genrestore.files.plan.jobs import STDIO, Job, OutputOptions, Source, comparison_path
from genrestore.files.plan.shards import Shard

__all__ = [
    "Job",
    "OutputOptions",
    "atomic",
    "check_only_read",
    "check_writable",
    "comparison_path",
    "plan",
    "targets",
]


def plan(inputs: Sequence[str], options: OutputOptions, *, listed: bool = False) -> list[Job]:
    """Turn the words of the command line into jobs, in the order in which they are done.

    A named file that is missing stays in the plan and fails on its own later. With `options.shard` the plan
    is made for all inputs, in the order of their paths, and then shared out: what other shards have done
    meanwhile changes neither names nor shares. What is no input is told by the first shard.

    Args:
        inputs: Files, folders, or "-" for standard input.
        options: The user's words.
        listed: They came in a list, so that one is not told from several: --output is a folder in any case.

    Raises:
        UsageError: Words that cannot be meant, an output that exists, or one that is an input.
        NoInputError: Nothing to restore.
    """
    _check_words(inputs, options)
    found = list(trees.sources(inputs, options))
    if options.shard is not None:
        found.sort(key=lambda source: os.fspath(source.path or ""))
    if all(source.skipped for source in found) and not _is_done_in_place(found, options):
        raise NoInputError(_nothing_found(inputs, found))
    single = len(inputs) == 1 and not listed and not folders.is_folder(Path(inputs[0]))
    jobs = naming.name_all(found, options, single)
    if not options.in_place:
        _check_targets([job for job in jobs if job.is_open], options)
    if options.shard is not None:
        jobs = _share(jobs, options.shard, in_place=options.in_place)
    if not (options.in_place or options.overwrite):
        _check_free([job for job in jobs if job.is_open], options)
    return jobs


def _share(jobs: Sequence[Job], shard: Shard, *, in_place: bool) -> list[Job]:
    """One process's share of the jobs, told from what other shards do not change meanwhile.

    Convention: in place every file counts, since what another shard has done is no input any more, and still
    there; else only inputs count, since what another shard has done may have come to lie among them.
    """
    if in_place:
        return shard.of(jobs)
    told = [job for job in jobs if not job.is_open] if shard.index == 1 else []
    return told + shard.of([job for job in jobs if job.is_open])


def _is_done_in_place(found: Sequence[Source], options: OutputOptions) -> bool:
    """Whether inputs were restored in place before, and are to be left alone, which is no lack of inputs."""
    own = any(source.skipped == folders.OWN_OUTPUT for source in found)
    return own and options.in_place and options.skip_existing


def targets(jobs: Sequence[Job], options: OutputOptions) -> list[Path]:
    """Every file that jobs write; what goes beside the results comes last."""
    results = [job.target for job in jobs if job.target is not None]
    return results + [path for target in results for path in options.beside(target)]


def check_only_read(written: Sequence[Path], read: Sequence[tuple[str, Path]]) -> None:
    """Refuse to write where something stands that is only read, --overwrite or not.

    Args:
        written: Every file that will be written.
        read: What is read besides the inputs: how the user said so, and the file.

    Raises:
        UsageError: The first file that is both.
    """
    words = {found: word for word, path in read if (found := identity(path))}
    for path in written:
        if (found := identity(path)) in words and found is not None:
            raise UsageError(f"{shown(path)}: would be written, and {words[found]} reads it; name another")


def _check_words(inputs: Sequence[str], options: OutputOptions) -> None:
    if not inputs:
        raise NoInputError("no input is named")
    if STDIO in inputs and len(inputs) > 1:
        raise UsageError("- (standard input) stands alone, and cannot be mixed with files")
    for word, contradicted in _contradictions(options):
        if contradicted:
            raise UsageError(f"--in-place and {word} contradict each other; give one")
    if options.drop_extras and not options.in_place:
        raise UsageError("--drop-extras is about replacing inputs; give it with --in-place")
    to_stdout = options.output == STDIO or (options.output is None and STDIO in inputs)
    for word, given in _needing_files(options):
        if given and STDIO in inputs:
            raise UsageError(f"{word} needs files, and the input is - (standard input)")
    for word, given in (("--compare", options.compare), ("--skip-existing", options.skip_existing)):
        if given and to_stdout:
            raise UsageError(f"{word} needs an output file; name one with --output")
    if options.suffix is not None and to_stdout:
        raise UsageError("--suffix names files, and the output is - (standard output)")
    if options.in_place and options.skip_existing and not options.provenance:
        raise UsageError(
            "--in-place --skip-existing knows what is done by its provenance; leave out --no-provenance"
        )


def _contradictions(options: OutputOptions) -> Iterator[tuple[str, bool]]:
    """What --in-place cannot be given with, and whether it was."""
    yield "--output", options.in_place and options.output is not None
    yield "--suffix", options.in_place and options.suffix is not None
    yield "--format", options.in_place and options.format is not None


def _needing_files(options: OutputOptions) -> Iterator[tuple[str, bool]]:
    """What cannot be given with standard input, and whether it was."""
    yield "--in-place", options.in_place
    yield "--shard", options.shard is not None
    yield "--skip-existing", options.skip_existing


def _nothing_found(inputs: Sequence[str], found: Sequence[Source]) -> str:
    where = shown(inputs[0]) + (f" and {len(inputs) - 1} more" if len(inputs) > 1 else "")
    own = sum(source.skipped == folders.OWN_OUTPUT for source in found)
    hint = f"; {own} outputs of genrestore are left out, name the files to take them" if own else ""
    return f"{where}: no picture to restore{hint}"


def _check_targets(jobs: Sequence[Job], options: OutputOptions) -> None:
    """Refuse outputs that are inputs or folders, or are in each other's way.

    Raises:
        UsageError: The first of them.
    """
    inputs = {found: job for job in jobs if job.source and (found := identity(job.source))}
    written = targets(jobs, options)
    files = set(written)
    for target in written:
        if (found := identity(target)) in inputs and found is not None:
            name = inputs[found].name
            raise UsageError(f"{shown(target)}: the output is the input {name}; --in-place replaces inputs")
        if folders.is_folder(target):
            raise UsageError(f"{shown(target)}: a folder is where this output would go")
        if above := next((folder for folder in target.parents if folder in files), None):
            raise UsageError(f"{shown(target)}: the output {shown(above)} is where its folder would be")


def _check_free(jobs: Sequence[Job], options: OutputOptions) -> None:
    """Refuse to replace what exists; with --skip-existing, only what genrestore did not make.

    Raises:
        UsageError: The first of them, and how many there are.
    """
    written = targets(jobs, options)
    there = [target for target in written if os.path.lexists(target)]
    way_out = "--overwrite replaces what exists, --skip-existing keeps what is done"
    if options.skip_existing:
        there = [
            path for path in there if options.provenance and skipping.is_foreign(path, options.attachment)
        ]
        way_out = f"and {skipping.NOT_OURS}; --overwrite replaces it"
    if there:
        others = f", and {len(there) - 1} more of {len(written)} outputs" if len(there) > 1 else ""
        raise UsageError(f"{shown(there[0])}: exists already{others}; {way_out}")


def identity(path: Path) -> tuple[int, int] | None:
    """What tells whether two paths are one file; None where none is there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
