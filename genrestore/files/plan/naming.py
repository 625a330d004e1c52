"""Which name each result gets."""

from __future__ import annotations

import os
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from genrestore.errors import UsageError
from genrestore.files.codecs import formats
from genrestore.files.codecs.formats import shown
from genrestore.files.plan import folders
from genrestore.files.plan.jobs import STDIO, Job, OutputOptions, Source

_USUAL_NAME_MAX = 255


def name_all(sources: Sequence[Source], options: OutputOptions, single: bool) -> list[Job]:
    """One job a source; a name that two would take goes to the one that keeps its suffix.

    Args:
        sources: In the order of the jobs.
        options: The user's words.
        single: One file was named, so that --output may be a file.

    Raises:
        UsageError: --output cannot be what it would have to be.
    """
    folder = _folder(options, single)
    taken: set[str] = set()
    named: dict[int, Job] = {}
    wanted = {i: _target(s, options, folder) for i, s in enumerate(sources) if s.is_input}
    for index in sorted(wanted, key=lambda i: (_is_renamed(sources[i].path, wanted[i]), i)):
        source, target = sources[index], wanted[index]
        if target is not None and not options.in_place:
            target = _free(target, source.path, options, taken)
        format = options.format if target is None else formats.of_suffix(target)
        problem = None if target is None or options.in_place else _too_long(target, options)
        named[index] = Job(source.path, target, None if options.in_place else format, problem=problem)
    return [named.get(i) or Job(s.path, None, None, s.skipped, s.problem) for i, s in enumerate(sources)]


def _too_long(target: Path, options: OutputOptions) -> str | None:
    """What is said of a result whose name, or that of what is written beside it, its folder cannot hold."""
    folder = target.parent
    while not folders.is_folder(folder) and folder != folder.parent:
        folder = folder.parent
    try:
        most = os.pathconf(folder, "PC_NAME_MAX")
    except (OSError, ValueError, AttributeError):  # a system that does not tell
        most = _USUAL_NAME_MAX
    for path in (target, *options.beside(target)):
        length = len(os.fsencode(path.name))
        if length > most:
            return (
                f"{formats.shown(path)}: a name of {length} bytes, and its folder takes {most}; "
                "name an output with --output, or rename the input"
            )
    return None


def _is_renamed(source: Path | None, target: Path | None) -> bool:
    """Whether the output has another suffix than its input."""
    return source is not None and target is not None and source.suffix != target.suffix


def _folder(options: OutputOptions, single: bool) -> Path | None:
    """The folder that --output means, or None where it is a file, "-" or not given."""
    output = options.output
    if output is None or (output == STDIO and single):
        return None
    if output == STDIO:
        raise UsageError("--output - (standard output) takes one picture; name a folder for several")
    path = Path(output)
    if output.endswith(("/", os.sep)) or folders.is_folder(path):
        return path
    if single:
        _check_file(path, options)
        return None
    if os.path.exists(path) or path.suffix.lower() in formats.IMAGE_SUFFIXES:  # noqa: PTH110 -- never raises
        raise UsageError(f"--output {shown(path)}: a file, and several inputs need a folder")
    return path


def _check_file(path: Path, options: OutputOptions) -> None:
    """Refuse a file's name that does not say what is to be written, or says another thing than an option."""
    format = formats.SUFFIXES.get(path.suffix.lower())
    if format is None:
        what = f"suffix '{path.suffix}' is not written" if path.suffix else "no suffix"
        known = ", ".join(formats.SUFFIXES)
        raise UsageError(f"--output {shown(path)}: {what}; end it in one of {known}, or in / for a folder")
    if options.format not in (None, format):
        raise UsageError(f"--output {shown(path)} is {format}, and --format says {options.format}; give one")
    if options.suffix is not None:
        raise UsageError(f"--suffix names files in a folder, and --output {shown(path)} is a name; give one")


def _target(source: Source, options: OutputOptions, folder: Path | None) -> Path | None:
    if options.output == STDIO or (source.path is None and options.output is None):
        return None
    if folder is not None and source.path is None:
        raise UsageError("--output is a folder, and standard input has no name; name a file")
    if source.path is None or (options.output is not None and folder is None):
        assert options.output is not None
        return Path(options.output)
    if options.in_place:
        return source.path
    stem, suffix = _stem_and_suffix(source.path, options.format)
    name = f"{stem}{_inner(options)}{suffix}"
    return source.path.with_name(name) if folder is None else folder / source.inside / name


def _inner(options: OutputOptions) -> str:
    """What goes between stem and suffix, with its dot, or nothing."""
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
    content = format or folders.content_format(source)
    return stem, formats.suffix_of(content) if content in formats.WRITABLE else ".png"


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
