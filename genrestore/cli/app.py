"""The app: its commands, its error boundary and ``--version``."""

from __future__ import annotations

import atexit
import errno
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated, Any, ClassVar, NoReturn

import typer
from typer.main import get_command

from genrestore import __version__
from genrestore.cli import Raising, damage, report, train, weights
from genrestore.cli.commands import Work, of_record
from genrestore.cli.doctor import Doctor
from genrestore.cli.evaluate import Evaluate
from genrestore.cli.help import HelpGroup, Maker
from genrestore.cli.sample import Sample
from genrestore.cli.scatter import Scatter
from genrestore.errors import GenrestoreError, Interrupted, circumstance

EXIT_CODES = """\
[bold]Exit codes[/bold]
  0  every input done, or skipped on purpose
  1  at least one input failed; the others were written
  2  wrong use: options, values, an output that exists
  3  no input matched
  4  device or precision not available
  5  weights missing, corrupted, or of a wrong kind
130  interrupted (Ctrl-C, SIGTERM)"""
CODES = """\
[bold]Exit codes:[/bold] 0 done, 1 an input failed, 2 wrong use, 3 no input, 4 device, 5 weights, \
130 interrupted."""
NOT_TAKEN = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EBADF})
"""Why a stream takes no more bytes; files that are written whole or not at all have errors of their own."""
RECORDS = {**damage.COMMANDS, "evaluate": Evaluate, "scatter": Scatter, "sample": Sample}
_WORDS = "genrestore.words"


class ErrorBoundary(HelpGroup):
    """The outermost group; the one place in which an error becomes a line and an exit code."""

    makers: ClassVar = {
        **{name: of_record(name, record, epilog=CODES) for name, record in RECORDS.items()},
        "doctor": of_record("doctor", Doctor, show_help=False),
        "train": Maker(train.ABOUT, lambda: get_command(train.app)),
        "weights": Maker(weights.ABOUT, lambda: get_command(weights.app)),
    }

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the words before the command's name."""
        ctx.meta[_WORDS] = tuple(args)
        with _one_line_each():
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        """Parse the words after the command's name, and do the command's work.

        Raises:
            typer.Exit: Always, with the exit code.
        """
        with _one_line_each(), Raising():
            os.getcwd()  # noqa: PTH109 -- where it is gone, a library of torch's would end the process
            work: Work = super().invoke(ctx)
            raise typer.Exit(work())


app = typer.Typer(
    cls=ErrorBoundary,
    name="genrestore",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=EXIT_CODES,
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"genrestore {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version.", callback=_show_version, is_eager=True, metavar=""
        ),
    ] = False,
) -> None:
    """Restore photographs with generative priors.

    Examples:
        genrestore denoise photo.jpg
        genrestore inpaint photo.jpg --mask mask.png
        genrestore denoise -r album/ -o clean/ --report page/
    """


def main() -> NoReturn:
    """The console script: run the app on the process's arguments and exit."""
    _occupy_closed_streams()
    try:
        app()
        code = 0
    except SystemExit as exit:
        code = exit.code if isinstance(exit.code, int) else int(exit.code is not None)
    except KeyboardInterrupt:
        code = Interrupted.exit_code
    code = _flushed(code)
    if code == Interrupted.exit_code:
        _leave(code)
    sys.exit(code)


def _leave(code: int) -> NoReturn:
    """End the process where `sys.exit` might not do.

    An interpreter through whose C code a KeyboardInterrupt has gone kills itself with SIGINT at its end.
    """
    atexit._run_exitfuncs()
    with suppress(OSError, AttributeError):
        sys.stderr.flush()
    os._exit(code)


def _flushed(code: int) -> int:
    """Write out what stdout still holds; a reader that is gone is no reason for a traceback."""
    try:
        sys.stdout.flush()
    except OSError:
        _forget_stdout()
        return code or 1
    return code


def _occupy_closed_streams() -> None:
    """Put something in the place of standard streams that came closed, before a picture's file gets there.

    Nothing comes out of stdin then, what is written to stdout fails, and what is said on stderr is lost.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:  # what is opened next takes the lowest number that is free: this one
            os.open(os.devnull, os.O_RDWR if name == "stderr" else os.O_RDONLY)
            setattr(sys, name, os.fdopen(number, "r" if name == "stdin" else "w", closefd=False))


@contextmanager
def _one_line_each() -> Iterator[None]:
    try:
        yield
    except GenrestoreError as error:
        report.problem(error)
        raise typer.Exit(error.exit_code) from error
    except typer.TyperException as error:
        raise typer.Exit(_wrong_words(error)) from error
    except KeyboardInterrupt as error:
        report.problem(Interrupted("interrupted"))
        raise typer.Exit(Interrupted.exit_code) from error
    except BrokenPipeError as error:
        _forget_stdout()
        raise typer.Exit(1) from error
    except (typer.Exit, typer.Abort):
        raise
    except Exception as error:
        if isinstance(error, OSError) and error.errno in NOT_TAKEN and error.filename is None:
            _forget_stdout()
            report.problem(GenrestoreError(f"what was to be said cannot be written: {error.strerror}"))
            raise typer.Exit(1) from error
        if Raising.came:  # and was turned into another error on its way
            report.problem(Interrupted("interrupted"))
            raise typer.Exit(Interrupted.exit_code) from error
        if lack := circumstance(error):
            report.problem(GenrestoreError(lack))
            raise typer.Exit(1) from error
        traceback.print_exc(file=sys.stderr)
        _say_bug(error)
        raise typer.Exit(1) from error


def _say_bug(error: Exception) -> None:
    """Say after the traceback of an unexpected error where to report it."""
    where = next(
        (url.partition(", ")[2] for url in _urls() if url.lower().startswith(("issues,", "repository,"))),
        "the place genrestore came from",
    )
    report.write(
        f"genrestore: error: unexpected {type(error).__name__}; please report it with the lines above and "
        f"'genrestore doctor' to {where}"
    )


def _urls() -> list[str]:
    from importlib.metadata import PackageNotFoundError, metadata

    try:
        return metadata("genrestore").get_all("Project-URL") or []
    except PackageNotFoundError:
        return []


def _wrong_words(error: typer.TyperException) -> int:
    """Say in one line what Typer could not parse; no arguments at all show the help."""
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        typer.echo(error.format_message(), err=True)
        return 2
    hint = f"; see {context.command_path} --help" if context is not None else ""
    if type(error).__name__ == "NoSuchOption" and context is not None:
        files = (word for word in context.meta.get(_WORDS, ()) if word[:1] == "-" and os.path.lexists(word))
        hint = next((f"; for the file of that name write .{os.sep}{file}" for file in files), hint)
    message = " ".join(error.format_message().split()).replace(": Value error, ", ": ").rstrip(".")
    report.problem(GenrestoreError(message + hint))
    return error.exit_code


def _forget_stdout() -> None:
    """Point stdout at nothing, so that the interpreter's last flush has no broken pipe to complain about."""
    try:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except (OSError, ValueError):  # a stand-in without a file descriptor
        return
