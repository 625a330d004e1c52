"""Where results go: the plan from words to jobs, made and checked before any work."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from genrestore.errors import NoInputError, UsageError
from genrestore.files import folders, formats
from genrestore.files.atomic import atomic, check_writable
from genrestore.files.formats import shown

__all__ = ["Job", "OutputOptions", "atomic", "check_writable", "comparison_path", "plan"]

STDIO = "-"


@dataclass(frozen=True)
class Job:
    """One input and what becomes of it.

    Attributes:
        source: The input; None is standard input.
        target: The output; None is standard output.
        format: One of `formats.WRITABLE`; None: as the input's.
        skipped: Why there is nothing to do, or None.
    """

    source: Path | None
    target: Path | None
    format: str | None
    skipped: str | None = None

    @property
    def name(self) -> str:
        """The input as it is shown to the user."""
        return "standard input" if self.source is None else shown(self.source)


@dataclass(frozen=True)
class OutputOptions:
    """The user's words about outputs.

    Attributes:
        output: Value of --output: a file, a folder, "-" for standard output, or None for beside the input.
        infix: What goes between stem and suffix beside the input: photo.denoised.png.
        overwrite: Replace outputs that exist; an input is never replaced by it.
        in_place: Replace the inputs themselves.
        compare: A comparison is written beside each output, at `comparison_path`.
    """

    output: str | None = None
    infix: str = "denoised"
    overwrite: bool = False
    in_place: bool = False
    compare: bool = False


@dataclass(frozen=True)
class _Source:
    path: Path | None
    skipped: str | None = None


def plan(inputs: Sequence[str], options: OutputOptions) -> list[Job]:
    """Turn the words of the command line into jobs, in the order in which they are done.

    A named file that is missing stays in the plan and fails on its own later.

    Raises:
        UsageError: Words that cannot be meant, an output that exists, or one that is an input.
        NoInputError: Nothing to restore.
        InputError: A folder cannot be read.
    """
    _check_words(inputs, options)
    sources = list(_sources(inputs))
    if all(source.skipped for source in sources):
        raise NoInputError(_nothing_found(inputs, sources))
    single = len(inputs) == 1 and not folders.is_folder(Path(inputs[0]))
    jobs = _name_all(sources, options, single)
    _check_targets([job for job in jobs if not job.skipped], options)
    return jobs


def comparison_path(target: Path) -> Path:
    """Where the comparison beside an output goes: photo.denoised.compare.png."""
    return target.with_name(f"{target.stem}.compare{target.suffix}")


def _check_words(inputs: Sequence[str], options: OutputOptions) -> None:
    if not inputs:
        raise NoInputError("no input is named")
    if STDIO in inputs and len(inputs) > 1:
        raise UsageError("- (standard input) stands alone, and cannot be mixed with files")
    if options.in_place and options.output is not None:
        raise UsageError("--in-place and --output contradict each other; give one")
    if options.in_place and STDIO in inputs:
        raise UsageError("--in-place needs files, and the input is - (standard input)")
    to_stdout = options.output == STDIO or (options.output is None and STDIO in inputs)
    if to_stdout and options.compare:
        raise UsageError("--compare needs an output file; name one with --output")


def _sources(inputs: Sequence[str]) -> Iterator[_Source]:
    seen: set[str] = set()
    for word in inputs:
        if word == STDIO:
            yield _Source(None)
            continue
        path = Path(word)
        for found, reason in folders.listed(path) if folders.is_folder(path) else [(path, None)]:
            real = os.path.realpath(found)
            yield _Source(found, reason or ("named before" if real in seen else None))
            if not reason:
                seen.add(real)


def _nothing_found(inputs: Sequence[str], sources: Sequence[_Source]) -> str:
    where = shown(inputs[0]) + (f" and {len(inputs) - 1} more" if len(inputs) > 1 else "")
    own = sum(source.skipped == folders.OWN_OUTPUT for source in sources)
    hint = f"; {own} outputs of genrestore are left out, name the files to take them" if own else ""
    return f"{where}: no picture to restore{hint}"


def _name_all(sources: Sequence[_Source], options: OutputOptions, single: bool) -> list[Job]:
    """One job a source; a name that two would take goes to the one that keeps its suffix."""
    folder = _folder(options.output, single)
    taken: set[str] = set()
    named: dict[int, Job] = {}
    wanted = {i: _target(s, options, folder) for i, s in enumerate(sources) if not s.skipped}
    for index in sorted(wanted, key=lambda i: (_is_renamed(sources[i].path, wanted[i]), i)):
        source, target = sources[index], wanted[index]
        if target is not None and not options.in_place:
            target = _free(target, source.path, options, taken)
        format = None if target is None or options.in_place else formats.of_suffix(target)
        named[index] = Job(source.path, target, format)
    return [named.get(i) or Job(s.path, None, None, s.skipped) for i, s in enumerate(sources)]


def _is_renamed(source: Path | None, target: Path | None) -> bool:
    """Whether the output has another suffix than its input."""
    return source is not None and target is not None and source.suffix != target.suffix


def _folder(output: str | None, single: bool) -> Path | None:
    """The folder that --output means, or None where it is a file, "-" or not given.

    Raises:
        UsageError: A file is named where a folder is needed, or a file with a suffix that is not written.
    """
    if output is None or (output == STDIO and single):
        return None
    if output == STDIO:
        raise UsageError("--output - (standard output) takes one picture; name a folder for several")
    path = Path(output)
    if output.endswith(("/", os.sep)) or folders.is_folder(path):
        return path
    known = ", ".join(formats.SUFFIXES)
    if single and formats.SUFFIXES.get(path.suffix.lower()) is None:
        what = f"suffix '{path.suffix}' is not written" if path.suffix else "no suffix"
        raise UsageError(f"--output {shown(path)}: {what}; end it in one of {known}, or in / for a folder")
    if not single and (_identity(path) is not None or path.suffix.lower() in formats.IMAGE_SUFFIXES):
        raise UsageError(f"--output {shown(path)}: a file, and several inputs need a folder")
    return None if single else path


def _target(source: _Source, options: OutputOptions, folder: Path | None) -> Path | None:
    if options.output == STDIO or (source.path is None and options.output is None):
        return None
    if folder is not None and source.path is None:
        raise UsageError("--output is a folder, and standard input has no name; name a file")
    if source.path is None or (options.output is not None and folder is None):
        assert options.output is not None
        return Path(options.output)
    if options.in_place:
        return source.path
    stem, suffix = source.path.stem, source.path.suffix
    if suffix.lower() not in formats.SUFFIXES:
        content = folders.content_format(source.path)
        stem = stem if suffix.lower() in formats.READ_ONLY_SUFFIXES else source.path.name
        suffix = formats.suffix_of(content) if content in formats.WRITABLE else ".png"
    if folder is not None:
        return folder / f"{stem}{suffix}"
    return source.path.with_name(f"{stem}.{options.infix}{suffix}")


def _free(target: Path, source: Path | None, options: OutputOptions, taken: set[str]) -> Path:
    """`target`, or the first name like it that no other job has taken."""
    inner = f".{options.infix}" if options.output is None else ""
    stem = target.name.removesuffix(target.suffix).removesuffix(inner)
    choices = [target]
    if source is not None and _is_renamed(source, target):
        choices.append(target.with_name(f"{stem}{source.suffix}{inner}{target.suffix}"))
    choices += [target.with_name(f"{stem}-{n}{inner}{target.suffix}") for n in range(2, len(taken) + 3)]
    for choice in choices:
        names = [choice, comparison_path(choice)] if options.compare else [choice]
        keys = {os.path.normcase(os.path.realpath(name)) for name in names}
        if not keys & taken:
            taken |= keys
            return choice
    raise UsageError(f"{shown(target)}: no free name")


def _check_targets(jobs: Sequence[Job], options: OutputOptions) -> None:
    """Refuse outputs that are inputs, folders, or there already.

    Raises:
        UsageError: The first of them, and how many there are.
    """
    if options.in_place:
        return
    inputs = {identity: job for job in jobs if job.source and (identity := _identity(job.source))}
    targets = [job.target for job in jobs if job.target is not None]
    if options.compare:
        targets += [comparison_path(target) for target in targets]
    for target in targets:
        if (identity := _identity(target)) in inputs and identity is not None:
            name = inputs[identity].name
            raise UsageError(f"{shown(target)}: the output is the input {name}; --in-place replaces inputs")
        if folders.is_folder(target):
            raise UsageError(f"{shown(target)}: a folder is where this output would go")
    there = [target for target in targets if os.path.lexists(target)]
    if there and not options.overwrite:
        others = f", and {len(there) - 1} more of {len(targets)} outputs" if len(there) > 1 else ""
        raise UsageError(f"{shown(there[0])}: exists already{others}; --overwrite replaces what exists")


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino
