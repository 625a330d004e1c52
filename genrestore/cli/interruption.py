"""Ctrl-C, SIGTERM and SIGHUP during the work: an exception, which is not lost on its way."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from genrestore.cli import SIGNALS, end

_came = False


@contextmanager
def raised() -> Iterator[None]:
    """Let each of the signals raise KeyboardInterrupt, unless someone chose otherwise before (nohup)."""
    global _came
    _came = False
    ours = (signal.SIG_DFL, signal.default_int_handler, end)
    before = {number: signal.getsignal(number) for number in SIGNALS}
    changed = {number: handler for number, handler in before.items() if handler in ours}
    try:
        for number in changed:
            signal.signal(number, _raise)
    except ValueError:  # not in the main thread: the program around us has the signals
        changed = {}
    try:
        yield
    finally:
        for number, handler in changed.items():
            signal.signal(number, handler)


def came() -> bool:
    """True if one of the signals came since `raised` was entered, even if its exception was lost."""
    return _came


def check() -> None:
    """Raise what was lost.

    Raises:
        KeyboardInterrupt: One of the signals came.
    """
    if _came:
        raise KeyboardInterrupt


def _raise(_number: int, _frame: FrameType | None) -> NoReturn:
    global _came
    _came = True
    raise KeyboardInterrupt
