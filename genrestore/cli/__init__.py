"""The command line: words in, words out; computes nothing."""

from __future__ import annotations

import atexit
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes half of the time until signals are handled
    from types import FrameType
    from typing import NoReturn

SIGNALS = [getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that end a run: Ctrl-C, a polite kill, a terminal that is closed."""


def main() -> NoReturn:
    """The console script; a signal ends it in one line even while the app is still being loaded."""
    _end_at_once()
    try:
        from genrestore.cli import app
        from genrestore.runtime import settle_threads
    except (MemoryError, ImportError, OSError) as error:
        from genrestore.errors import circumstance

        if (lack := circumstance(error)) is None:
            raise
        raise SystemExit(f"genrestore: error: {lack}") from error
    settle_threads()
    app.main()


def end(_number: int, _frame: FrameType | None) -> NoReturn:
    """Handle a signal where no work is being done.

    An exception would not do: some of what runs while libraries are imported turns it into one of its own.
    """
    try:
        os.write(2, b"genrestore: interrupted\n")
    finally:
        os._exit(130)


def _end_at_once() -> None:
    """Let the signals end the process, unless someone chose otherwise before (nohup)."""
    try:
        for number in SIGNALS:
            if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
                signal.signal(number, end)
    except ValueError:  # not in the main thread: the program around us has the signals
        return
    atexit.register(_is_over)  # as the first, so that it is called as the last


def _is_over() -> None:
    """Let a signal change nothing any more: all is done and said, and only the interpreter is taken down.

    That gives the signals back to the system first, and the exit code would then be the signal's.
    """
    for number in SIGNALS:
        if signal.getsignal(number) is end:
            signal.signal(number, signal.SIG_IGN)


class Raising:
    """A part of the work in which signals raise KeyboardInterrupt, unless someone chose otherwise (nohup)."""

    came = False
    """True if one of the signals came since it was entered last, even if its exception was lost."""

    def __enter__(self) -> None:
        ours = (signal.SIG_DFL, signal.default_int_handler, end)
        Raising.came = False
        self._changed = {one: signal.getsignal(one) for one in SIGNALS if signal.getsignal(one) in ours}
        try:
            for number in self._changed:
                signal.signal(number, self._raise)
        except ValueError:  # not in the main thread: the program around us has the signals
            self._changed = {}

    def __exit__(self, *_: object) -> None:
        for number, handler in self._changed.items():
            signal.signal(number, handler)

    @classmethod
    def check(cls) -> None:
        """Raise what was lost.

        Raises:
            KeyboardInterrupt: One of the signals came.
        """
        if cls.came:
            raise KeyboardInterrupt

    @classmethod
    def _raise(cls, _number: int, _frame: FrameType | None) -> NoReturn:
        cls.came = True
        raise KeyboardInterrupt
