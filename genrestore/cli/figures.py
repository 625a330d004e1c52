"""Figures that a command writes: what forbids them, and the writing."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

from genrestore.errors import UsageError, shown

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

FORMATS = ("png", "svg", "pdf")


def check_outputs(option: str, paths: Sequence[Path | None], *, overwrite: bool) -> None:
    """Refuse before the work what would be refused after it.

    Args:
        option: How the user names the first.
        paths: A figure, and other files beside it; None stands for what was not asked for.
        overwrite: Files that exist may be replaced.

    Raises:
        UsageError: The picture's suffix is unknown, something is there already, or two are one file.
        InputError: A file cannot be written.
    """
    from genrestore.files.disk.atomic import check_writable
    from genrestore.files.plan.outputs import check_apart

    named = [path for path in paths if path is not None]
    if named[0].suffix.lower()[1:] not in FORMATS:
        raise UsageError(
            f"{option} {shown(named[0])}: the name must end in {', '.join('.' + name for name in FORMATS)}"
        )
    for path in named:
        if path.is_dir():
            raise UsageError(f"{shown(path)}: is a folder; name a file")
        if path.exists() and not overwrite:
            raise UsageError(f"{shown(path)}: exists; replace it with --overwrite, or name another")
        check_writable(path)
    check_apart(named)


def write(path: Path, figure: Any, *, overwrite: bool) -> None:
    """Write a matplotlib figure whole or not at all, in the format of the path's suffix."""
    import matplotlib as mpl

    from genrestore.files.disk.atomic import atomic

    format = path.suffix.lower()[1:]
    about = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    content = io.BytesIO()
    with mpl.rc_context({"svg.hashsalt": "genrestore"}):
        figure.savefig(content, format=format, dpi=150, metadata=about[format])
    with atomic(path, overwrite=overwrite) as stream:
        stream.write(content.getvalue())
