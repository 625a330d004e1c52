"""The command line as a process: pipes, signals, streams that are closed."""

from __future__ import annotations

import io
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

GENRESTORE = [sys.executable, "-m", "genrestore"]
DEADLINE = 600
"""Seconds after which a process counts as hanging; far more than a busy machine needs."""

pytestmark = pytest.mark.slow


def denoise(weights: str, *words: str | Path) -> list[str]:
    return [
        *GENRESTORE,
        "denoise",
        "--weights",
        weights,
        "--device",
        "cpu",
        "--threads",
        "1",
        *map(str, words),
    ]


def finished(words: list[str], stdin: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(words, input=stdin, capture_output=True, timeout=DEADLINE, check=False)


def test_two_piped_together(photo: Path, weights: str) -> None:
    with photo.open("rb") as source:
        first = subprocess.Popen(denoise(weights, "-", "-o", "-"), stdin=source, stdout=subprocess.PIPE)
        second = subprocess.run(
            denoise(weights, "-", "-o", "-"),
            stdin=first.stdout,
            capture_output=True,
            timeout=DEADLINE,
            check=False,
        )
    assert first.stdout is not None
    first.stdout.close()
    assert (first.wait(DEADLINE), second.returncode) == (0, 0)
    with Image.open(io.BytesIO(second.stdout)) as image:
        assert (image.format, image.size) == ("PNG", (32, 24))


@pytest.mark.parametrize("words", [["-o", "-"], ["--json"]], ids=" ".join)
def test_a_reader_that_leaves_gives_no_traceback(photo: Path, weights: str, words: list[str]) -> None:
    """Like `| head -c 0`: the other end of stdout is closed before anything comes."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        denoise(weights, photo, *words), stdout=writing, stderr=subprocess.PIPE, timeout=DEADLINE, check=False
    )
    os.close(writing)
    assert b"Traceback" not in done.stderr
    assert b"Exception ignored" not in done.stderr
    assert done.returncode == 1


def test_help_into_a_closed_pipe() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [*GENRESTORE, "--help"], stdout=writing, stderr=subprocess.PIPE, timeout=DEADLINE, check=False
    )
    os.close(writing)
    assert (done.stderr, done.returncode) == (b"", 1)


def test_redirected_stderr_has_plain_lines(
    photo: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    done = finished(denoise(weights, photo))
    assert done.returncode == 0
    assert b"\x1b" not in done.stderr
    assert b"\r" not in done.stderr
    assert done.stderr.count(b"\n") == 1


INTERRUPTED_BY_TORCH = """
import signal, sys

class Finder:
    def find_spec(self, name, path, target=None):
        if name == "torch":
            signal.raise_signal(signal.SIGTERM)

sys.meta_path.insert(0, Finder())
from genrestore.cli.app import main
main()
"""


def test_an_interruption_while_torch_is_loaded(photo: Path, weights: str) -> None:
    words = denoise(weights, photo)[len(GENRESTORE) :]
    done = finished([sys.executable, "-c", INTERRUPTED_BY_TORCH, *words])
    assert (done.stderr, done.returncode) == (b"genrestore: interrupted: 0 done, 1 left\n", 130)


def on_a_terminal(words: list[str], columns: int = 80) -> tuple[int, str]:
    """Run with stdin, stdout and stderr on a pseudo-terminal; exit code and screen."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm-256color"}
    process = subprocess.Popen(words, stdin=theirs, stdout=theirs, stderr=theirs, env=environment)
    os.close(theirs)
    screen = b""
    while True:
        try:
            read = os.read(ours, 65536)
        except OSError:
            break
        if not read:
            break
        screen += read
    os.close(ours)
    return process.wait(DEADLINE), screen.decode()


def test_a_terminal_on_stdin_shows_the_help(photo: Path, weights: str) -> None:
    code, screen = on_a_terminal(denoise(weights, "-"))
    assert code == 2
    assert "Usage:" in screen
    assert screen.rstrip().endswith("genrestore: error: -: stdin is a terminal; pipe a picture into it")


def test_pixels_are_not_sent_to_a_terminal(photo: Path, weights: str) -> None:
    code, screen = on_a_terminal(denoise(weights, photo, "-o", "-"))
    assert (code, "PNG" in screen) == (2, False)
    assert "stdout is a terminal" in screen


def test_a_terminal_sees_a_bar_and_keeps_the_line(photo: Path, weights: str) -> None:
    code, screen = on_a_terminal(denoise(weights, photo), columns=60)
    assert code == 0
    assert "\x1b[" in screen
    assert "photo.png -> photo.denoised.png" in screen


def test_json_on_a_terminal_is_not_mixed_with_a_bar(photo: Path, weights: str) -> None:
    code, screen = on_a_terminal(denoise(weights, "--json", photo))
    assert (code, "\x1b[" in screen) == (0, False)


def test_planning_errors_need_no_torch(photo: Path) -> None:
    code = """
import sys
sys.argv = ["genrestore", *sys.argv[1:]]
from genrestore.cli.app import main
try:
    main()
except SystemExit as end:
    print(end.code, "torch" in sys.modules)
"""
    cases = {
        "2": ["denoise", str(photo), "-o", str(photo)],
        "3": ["denoise", "."],
        "5": ["denoise", "photo.png"],
    }
    cases["3"][1] = "empty"
    cases["5"] += ["--weights", "unknown"]
    Path("empty").mkdir()
    for expected, words in cases.items():
        done = subprocess.run(
            [sys.executable, "-c", code, *words],
            capture_output=True,
            text=True,
            timeout=DEADLINE,
            check=False,
        )
        assert done.stdout.split() == [expected, "False"], done.stderr


def test_names_of_any_bytes(photo: Path, weights: str) -> None:
    name = os.fsdecode(b"a b\n\xff'.png")
    photo.rename(name)
    done = finished(denoise(weights, name, "--json"))
    assert done.returncode == 0, done.stderr
    assert done.stderr.count(b"\n") == 1
    assert Path(os.fsdecode(b"a b\n\xff'.denoised.png")).exists()
    assert done.stdout.count(b"\n") == 1
