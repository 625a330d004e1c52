"""The console script, before and after the app is there."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genrestore import cli


def at_import(module: str, number: int, *words: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the console script, and send it a signal when it looks for a module."""
    code = f"""
import os, sys
from genrestore import cli

class Ending:
    def find_spec(self, name, *_):
        if name == {module!r}:
            os.kill(os.getpid(), {int(number)})

sys.meta_path.insert(0, Ending())
sys.argv = ["genrestore", *{[str(word) for word in words]!r}]
cli.main()
"""
    return subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


VERSION, DENOISE = ["--version"], ["denoise", "photo.png"]


@pytest.mark.parametrize(
    ("module", "words", "number"),
    [
        *(("genrestore.cli.app", VERSION, number) for number in cli.SIGNALS),
        ("typer", VERSION, signal.SIGINT),
        ("numpy", DENOISE, signal.SIGTERM),
        ("torch._C", [*DENOISE, "--device", "cuda"], signal.SIGINT),
    ],
)
def test_a_signal_ends_it_in_one_line_whatever_is_being_loaded(
    module: str, words: list[str], number: int, photo: Path
) -> None:
    done = at_import(module, number, *words)
    assert (done.stderr, done.returncode) == ("genrestore: interrupted\n", 130)
    assert photo.exists()


def test_what_ignores_a_signal_goes_on_ignoring_it() -> None:
    code = f"import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN); {_SCRIPT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0
    assert done.stdout.startswith("genrestore ")


_SCRIPT = """
import os, sys
from genrestore import cli
sys.argv = ["genrestore", "--version"]
cli._end_at_once()
os.kill(os.getpid(), signal.SIGHUP)
cli.main()
"""


def test_the_script_is_the_app() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "genrestore", "--version"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("genrestore ")
