"""The app's error boundary, help and version."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from genrestore import __version__, errors
from genrestore.cli import app as cli
from tests.cli.conftest import Run


def app_that(act: Callable[[], None]) -> Callable[..., Result]:
    """An app with the boundary and one command, which acts."""
    app = typer.Typer(cls=cli.ErrorBoundary, pretty_exceptions_enable=False)
    inner = typer.Typer()

    @app.command()
    def go(number: int = 1) -> None:
        act()

    @inner.command()
    def deep() -> None:
        act()

    app.add_typer(inner, name="inner")

    def invoke(*words: str) -> Result:
        return CliRunner().invoke(app, list(words), prog_name="genrestore")

    return invoke


def raising(error: BaseException) -> Callable[..., Result]:
    def act() -> None:
        raise error

    return app_that(act)


FAMILY = {
    errors.GenrestoreError: 1,
    errors.InputError: 1,
    errors.UsageError: 2,
    errors.NoInputError: 3,
    errors.DeviceError: 4,
    errors.WeightsError: 5,
}


@pytest.mark.parametrize(("kind", "code"), FAMILY.items(), ids=lambda value: getattr(value, "__name__", None))
@pytest.mark.parametrize("words", [["go"], ["inner", "deep"]], ids=" ".join)
def test_an_error_is_one_line_and_its_exit_code(
    kind: type[errors.GenrestoreError], code: int, words: list[str]
) -> None:
    result = raising(kind("photo.png: no such\nfile"))(*words)
    assert result.stderr == "genrestore: error: photo.png: no such\\nfile\n"
    assert (result.stdout, result.exit_code) == ("", code)


@pytest.mark.parametrize("words", [["go"], ["inner", "deep"]], ids=" ".join)
def test_interrupted(words: list[str]) -> None:
    result = raising(KeyboardInterrupt())(*words)
    assert (result.stderr, result.exit_code) == ("genrestore: interrupted\n", 130)


def test_interrupted_says_what_is_done() -> None:
    result = raising(errors.Interrupted("interrupted: 2 done, 3 left"))("go")
    assert (result.stderr, result.exit_code) == ("genrestore: interrupted: 2 done, 3 left\n", 130)


def test_a_termination_is_an_interruption() -> None:
    before = signal.getsignal(signal.SIGTERM)
    result = app_that(lambda: signal.raise_signal(signal.SIGTERM))("go")
    assert (result.stderr, result.exit_code) == ("genrestore: interrupted\n", 130)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_closed_pipe_is_quiet() -> None:
    result = raising(BrokenPipeError())("go")
    assert (result.stdout, result.stderr, result.exit_code) == ("", "", 1)


def test_an_unexpected_error_keeps_its_traceback_and_says_where_to_report() -> None:
    result = raising(ZeroDivisionError("by zero"))("go")
    lines = result.stderr.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "ZeroDivisionError: by zero" in lines
    assert "unexpected ZeroDivisionError; please report it" in lines[-1]
    assert result.exit_code == 1


@pytest.mark.parametrize("code", [0, 1, 7])
def test_an_exit_is_left_alone(code: int) -> None:
    result = raising(typer.Exit(code))("go")
    assert (result.stderr, result.exit_code) == ("", code)


WRONG_WORDS = {
    "sharpen photo.png": "No such command 'sharpen'.*see genrestore --help",
    "denoise --sharp 3 photo.png": "No such option: --sharp.*see genrestore denoise --help",
    "denoise photo.png --device tpu": "'--device'.*: 'tpu' is not one of 'auto', 'cpu', 'cuda', 'mps'",
    "denoise photo.png --output": "'--output' requires an argument",
    "denoise -q": "no input: name files, folders, - for stdin, or --files-from LIST",
    "--colour": "No such option: --colour",
}


@pytest.mark.parametrize(("words", "message"), WRONG_WORDS.items())
def test_wrong_words_are_one_line(run: Run, words: str, message: str) -> None:
    result = run(*words.split())
    assert re.fullmatch(f"genrestore: error: .*{message}.*\n", result.stderr), result.stderr
    assert (result.stdout, result.exit_code) == ("", 2)


def test_version(run: Run) -> None:
    result = run("--version")
    assert (result.stdout, result.stderr, result.exit_code) == (f"genrestore {__version__}\n", "", 0)


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["denoise", "--help"]], ids=" ".join)
def test_help_lists_the_exit_codes(run: Run, words: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == 0
    for code in (*FAMILY.values(), 0, 130):
        assert re.search(rf"(^|\s){code}\s", result.stdout)


def test_help_lists_every_command_with_words(run: Run) -> None:
    shown = run("--help").stdout
    for command in ("denoise", "doctor", "evaluate", "train", "weights"):
        assert f"\n  {command} " in shown


@pytest.mark.parametrize("words", [[], ["denoise"]], ids=" ".join)
def test_no_words_show_the_help(run: Run, words: list[str]) -> None:
    result = run(*words)
    assert result.exit_code == 2
    assert "Usage: genrestore" in result.output
    assert "error:" not in result.stderr


def test_an_interruption_that_a_library_turned_into_its_own_error_is_one() -> None:
    def go() -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        except KeyboardInterrupt:
            raise ImportError("cannot load module more than once") from None

    result = app_that(go)("go")
    assert (result.stderr, result.exit_code) == ("genrestore: interrupted\n", 130)


def test_a_file_that_the_system_refuses_is_one_line() -> None:
    result = raising(PermissionError(13, "Permission denied", "/srv/runs"))("go")
    assert (result.stderr, result.exit_code) == ("genrestore: error: /srv/runs: Permission denied\n", 1)


def test_a_folder_that_is_gone_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    said = "genrestore: error: the folder that this runs in is gone; change to one that exists\n"
    result = app_that(lambda: None)("go")
    assert (result.stderr, result.exit_code) == (said, 1)


LACKS = [
    MemoryError(),
    OSError(12, "Cannot allocate memory"),
    ImportError("libtorch_cpu.so: failed to map segment from shared object"),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes"),
]


@pytest.mark.parametrize("error", LACKS, ids=lambda error: type(error).__name__)
def test_a_lack_of_memory_is_one_line_whoever_says_it(error: Exception) -> None:
    result = raising(error)("go")
    said = "genrestore: error: not enough memory; give the process more, or a smaller task\n"
    assert (result.stderr, result.exit_code) == (said, 1)
