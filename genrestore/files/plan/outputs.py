"""The plan: words to jobs, the names of their results, and what forbids them, before any work."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

from genrestore.errors import NoInputError, UsageError, shown
from genrestore.files.codecs import formats
from genrestore.files.plan import skipping
from genrestore.files.plan import sources as inputs_of
from genrestore.files.plan.jobs import STDIO, Job, OutputOptions, Shard
from genrestore.files.plan.sources import is_folder

_USUAL_NAME_MAX = 255


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
    found = list(inputs_of.sources(inputs, options))
    if options.shard is not None:
        found.sort(key=lambda job: os.fspath(job.source or ""))
    if all(job.skipped for job in found):
        own = sum(job.skipped == inputs_of.OWN_OUTPUT for job in found)
        if not (own and options.in_place and options.skip_existing):  # all done before is no lack of inputs
            where = shown(inputs[0]) + (f" and {len(inputs) - 1} more" if len(inputs) > 1 else "")
            hint = f"; {own} outputs of genrestore are left out, name the files to take them" if own else ""
            raise NoInputError(f"{where}: no picture to restore{hint}")
    single = len(inputs) == 1 and not listed and not is_folder(Path(inputs[0]))
    jobs = name_all(found, options, single)
    if not options.in_place:
        _check_targets([job for job in jobs if job.is_open], options)
    if options.shard is not None:
        jobs = _share(jobs, options.shard, in_place=options.in_place)
    if not (options.in_place or options.overwrite):
        _check_free([job for job in jobs if job.is_open], options)
    return jobs


def targets(jobs: Sequence[Job], options: OutputOptions) -> list[Path]:
    """List every file that jobs write; what goes beside the results comes last."""
    results = [job.target for job in jobs if job.target is not None]
    return results + [path for target in results for path in options.beside(target)]


def check_only_read(written: Sequence[Path], read: Sequence[tuple[str, Path]]) -> None:
    """Refuse to write a file that is only read, --overwrite or not; `read` has the option of each.

    Raises:
        UsageError: The first file that is both.
    """
    words = {found: word for word, path in read if (found := identity(path))}
    for path in written:
        if (found := identity(path)) in words and found is not None:
            raise UsageError(f"{shown(path)}: would be written, and {words[found]} reads it; name another")


def check_apart(written: Sequence[Path]) -> None:
    """Refuse to write two things into one file.

    Raises:
        UsageError: The first file that is named twice.
    """
    taken: set[str] = set()
    for path in written:
        real = os.path.realpath(path)
        if real in taken:
            raise UsageError(f"{shown(path)}: two things would be written there; name another")
        taken.add(real)


def identity(path: Path) -> tuple[int, int] | None:
    """Return the identity of a file, whatever its path; None where none is there."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _share(jobs: Sequence[Job], shard: Shard, *, in_place: bool) -> list[Job]:
    """One process's share of the jobs, told from what other shards do not change meanwhile.

    Convention: in place every file counts, since what another shard has done is no input any more, and still
    there; else only inputs count, since what another shard has done may have come to lie among them.
    """
    if in_place:
        return shard.of(jobs)
    closed = [job for job in jobs if not job.is_open] if shard.index == 1 else []
    return closed + shard.of([job for job in jobs if job.is_open])


def _check_words(inputs: Sequence[str], options: OutputOptions) -> None:
    if not inputs:
        raise NoInputError("no input is named")
    if STDIO in inputs and len(inputs) > 1:
        raise UsageError("- (standard input) stands alone, and cannot be mixed with files")
    to_stdout = options.output == STDIO or (options.output is None and STDIO in inputs)
    not_in_place = {
        "--output": options.output is not None,
        "--suffix": options.suffix is not None,
        "--format": options.format is not None,
    }
    needing_files = {
        "--in-place": options.in_place,
        "--shard": options.shard is not None,
        "--skip-existing": options.skip_existing,
    }
    needing_output = {"--compare": options.compare, "--skip-existing": options.skip_existing}
    for word, given in not_in_place.items():
        if given and options.in_place:
            raise UsageError(f"--in-place and {word} contradict each other; give one")
    if options.drop_extras and not options.in_place:
        raise UsageError("--drop-extras is about replacing inputs; give it with --in-place")
    for word, given in needing_files.items():
        if given and STDIO in inputs:
            raise UsageError(f"{word} needs files, and the input is - (standard input)")
    for word, given in needing_output.items():
        if given and to_stdout:
            raise UsageError(f"{word} needs an output file; name one with {options.word}")
    if options.suffix is not None and to_stdout:
        raise UsageError("--suffix names files, and the output is - (standard output)")
    if options.in_place and options.skip_existing and not options.provenance:
        raise UsageError(
            "--in-place --skip-existing knows what is done by its provenance; leave out --no-provenance"
        )


def _check_targets(jobs: Sequence[Job], options: OutputOptions) -> None:
    """Refuse outputs that are inputs or folders, or are in each other's way."""
    inputs = {found: job for job in jobs if job.source and (found := identity(job.source))}
    written = targets(jobs, options)
    files = set(written)
    for target in written:
        if (found := identity(target)) in inputs and found is not None:
            name = inputs[found].name
            raise UsageError(f"{shown(target)}: the output is the input {name}; --in-place replaces inputs")
        if is_folder(target):
            raise UsageError(f"{shown(target)}: a folder is where this output would go")
        if above := next((folder for folder in target.parents if folder in files), None):
            raise UsageError(f"{shown(target)}: the output {shown(above)} is where its folder would be")


def _check_free(jobs: Sequence[Job], options: OutputOptions) -> None:
    """Refuse to replace what exists; with --skip-existing, only what genrestore did not make."""
    written = targets(jobs, options)
    there = [target for target in written if os.path.lexists(target)]
    way_out = "--overwrite replaces what exists, --skip-existing keeps what is done"
    if options.skip_existing:
        attached = options.attachment
        there = [path for path in there if options.provenance and skipping.is_foreign(path, attached)]
        way_out = f"and {skipping.NOT_OURS}; --overwrite replaces it"
    if there:
        others = f", and {len(there) - 1} more of {len(written)} outputs" if len(there) > 1 else ""
        raise UsageError(f"{shown(there[0])}: exists already{others}; {way_out}")


def name_all(jobs: Sequence[Job], options: OutputOptions, single: bool) -> list[Job]:
    """Give open jobs their targets; a name that two would take goes to the one that keeps its suffix.

    Args:
        jobs: Of `sources.sources`.
        options: The user's words.
        single: One file was named, so that --output may be a file.

    Raises:
        UsageError: --output cannot be what it would have to be.
    """
    folder = _folder(options, single)
    taken: set[str] = set()
    named = list(jobs)
    wanted = {i: _target(job, options, folder) for i, job in enumerate(jobs) if job.is_open}
    for index in sorted(wanted, key=lambda i: (_is_renamed(jobs[i].source, wanted[i]), i)):
        job, target = jobs[index], wanted[index]
        if options.in_place:
            named[index] = replace(job, target=target)
            continue
        if target is not None:
            target = _free(target, job.source, options, taken)
        format = options.format if target is None else formats.of_suffix(target)
        problem = None if target is None else _too_long(target, options)
        named[index] = replace(job, target=target, format=format, problem=problem)
    return named


def _folder(options: OutputOptions, single: bool) -> Path | None:
    """The folder that --output means, or None where it is a file, "-" or not given."""
    output = options.output
    if output is None or (output == STDIO and single):
        return None
    if output == STDIO:
        raise UsageError(f"{options.word} - (standard output) takes one picture; name a folder for several")
    path = Path(output)
    if output.endswith(("/", os.sep)) or is_folder(path):
        return path
    if single:
        _check_file(path, options)
        return None
    if os.path.exists(path) or path.suffix.lower() in formats.IMAGE_SUFFIXES:  # noqa: PTH110 -- never raises
        raise UsageError(f"{options.word} {shown(path)}: a file, and several inputs need a folder")
    return path


def _check_file(path: Path, options: OutputOptions) -> None:
    """Refuse a file's name that does not say what is to be written, or says another thing than an option."""
    format, named = formats.SUFFIXES.get(path.suffix.lower()), f"{options.word} {shown(path)}"
    if format is None or (options.word != "--output" and format != options.format):
        what = f"suffix '{path.suffix}' is not written" if path.suffix else "no suffix"
        suffixes = [one for one, made in formats.SUFFIXES.items() if options.format in (None, made)]
        ends = suffixes[0] if len(suffixes) == 1 else f"one of {', '.join(suffixes)}"
        raise UsageError(f"{named}: {what}; end it in {ends}, or in / for a folder")
    if not formats.has_library(format):
        raise UsageError(f"{named}: {formats.BY_NAME[format].refusal}")
    if options.format not in (None, format):
        raise UsageError(f"{named} is {format}, and --format says {options.format}; give one")
    if options.suffix is not None:
        raise UsageError(f"--suffix names files in a folder, and {named} is a name; give one")


def _target(job: Job, options: OutputOptions, folder: Path | None) -> Path | None:
    """The name that a job's result is to get; None: standard output."""
    source = job.source
    if options.output == STDIO or (source is None and options.output is None):
        return None
    if folder is not None and source is None:
        raise UsageError(f"{options.word} is a folder, and standard input has no name; name a file")
    if source is None or (options.output is not None and folder is None):
        assert options.output is not None
        return Path(options.output)
    if options.in_place:
        return source
    stem, suffix = _stem_and_suffix(source, options.format)
    name = f"{stem}{_inner(options)}{suffix}"
    return source.with_name(name) if folder is None else folder / job.inside / name


def _inner(options: OutputOptions) -> str:
    """The infix between stem and suffix, with its dot, or nothing."""
    infix = options.suffix or (options.infix if options.output is None else None)
    return f".{infix}" if infix else ""


def _stem_and_suffix(source: Path, format: str | None) -> tuple[str, str]:
    """The source's, but with a suffix that is written, and is that of `format` if one is given."""
    stem, suffix = source.stem, source.suffix
    known = formats.SUFFIXES.get(suffix.lower())
    if known is not None and format in (None, known):
        return stem, suffix
    if known is None and suffix.lower() not in formats.READ_ONLY_SUFFIXES:
        stem = source.name
    return stem, formats.suffix_of(format or inputs_of.result_format(source))


def _is_renamed(source: Path | None, target: Path | None) -> bool:
    """The output has another suffix than its input."""
    return source is not None and target is not None and source.suffix != target.suffix


def _free(target: Path, source: Path | None, options: OutputOptions, taken: set[str]) -> Path:
    """`target`, or the first name like it that no other job has taken."""
    inner = _inner(options)
    stem = target.name.removesuffix(target.suffix).removesuffix(inner)
    choices = [target]
    if source is not None and _is_renamed(source, target):
        choices.append(target.with_name(f"{stem}{source.suffix}{inner}{target.suffix}"))
    numbered = (target.with_name(f"{stem}-{n}{inner}{target.suffix}") for n in range(2, len(taken) + 3))
    for choice in chain(choices, numbered):
        names = [choice, *options.beside(choice)]
        keys = {os.path.normcase(os.path.realpath(name)) for name in names}
        if not keys & taken:
            taken |= keys
            return choice
    raise UsageError(f"{shown(target)}: no free name")


def _too_long(target: Path, options: OutputOptions) -> str | None:
    """The message on a result whose name, or that of what goes beside it, its folder cannot hold, or None."""
    folder = target.parent
    while not is_folder(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        most = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # a system that does not tell
        most = _USUAL_NAME_MAX
    for path in (target, *options.beside(target)):
        if (length := len(os.fsencode(path.name))) > most:
            return (
                f"{shown(path)}: a name of {length} bytes, and its folder takes {most}; "
                "name an output with --output, or rename the input"
            )
    return None
