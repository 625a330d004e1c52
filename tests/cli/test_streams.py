"""Standard streams that are full or closed: one line, a true exit code, and never words inside a picture."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from PIL import Image

from tests.faults import DEADLINE, GENRESTORE

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full"),
]

NO_ROOM = "what was to be said cannot be written: No space left on device"


def under_shell(words: str, redirected: str) -> subprocess.CompletedProcess[str]:
    """Run with streams as a shell redirects them."""
    command = f"{' '.join(GENRESTORE)} {words} {redirected}"
    return subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=DEADLINE, check=False
    )


@pytest.mark.parametrize(
    ("words", "stream"),
    [
        ("--help", "> /dev/full"),
        ("--version", ">&-"),
        ("weights list", "> /dev/full"),
        ("evaluate photo.png photo.png", ">&-"),
    ],
)
def test_what_goes_to_stdout_fails_in_one_line(photo: Path, words: str, stream: str) -> None:
    done = under_shell(words, stream)
    assert "Traceback" not in done.stderr
    assert "Exception ignored" not in done.stderr
    assert done.stderr.startswith("genrestore: error: what was to be said cannot be written: ")
    assert (done.stderr.count("\n"), done.returncode) == (1, 1)


def test_the_plan_fails_in_one_line(photo: Path, weights: str) -> None:
    done = under_shell(f"denoise photo.png --dry-run --weights {weights}", "> /dev/full")
    assert (done.stderr, done.returncode) == (f"genrestore: error: {NO_ROOM}\n", 1)


def test_records_that_find_no_room(photo: Path, weights: str) -> None:
    """The picture is there, and the code says that something is missing."""
    done = under_shell(f"denoise photo.png --json-file /dev/full --weights {weights} --threads 1", "")
    expected = "genrestore: error: --json-file /dev/full: cannot be written (No space left on device)"
    assert (done.stderr.splitlines()[-1], done.returncode) == (expected, 1)
    assert "Traceback" not in done.stderr
    with Image.open("photo.denoised.png") as image:
        assert image.size == (32, 24)


@pytest.mark.parametrize(
    ("stream", "reason"), [("> /dev/full", "No space left on device"), (">&-", "Bad file descriptor")]
)
def test_a_picture_that_finds_no_room(photo: Path, weights: str, stream: str, reason: str) -> None:
    done = under_shell(f"denoise photo.png -o - --weights {weights} --threads 1", stream)
    said = f"photo.png  failed: standard output: cannot be written ({reason})\n"
    assert (done.stderr, done.returncode) == (said, 1)


def test_everything_closed(photo: Path, weights: str) -> None:
    """Files that are opened later do not take the place of a stream, and nothing is said into a picture."""
    done = under_shell(f"denoise photo.png --weights {weights} --threads 1", "<&- >&- 2>&-")
    assert (done.stdout, done.stderr, done.returncode) == ("", "", 0)
    with Image.open("photo.denoised.png") as image:
        image.load()


def test_a_closed_stderr_puts_no_words_on_stdout(photo: Path, weights: str) -> None:
    done = under_shell(f"denoise photo.png gone.png -o out --json --weights {weights} --threads 1", "2>&-")
    assert [line[:1] for line in done.stdout.splitlines()] == ["{", "{"]
    assert done.returncode == 1


def test_a_closed_stdin_is_an_empty_one(photo: Path) -> None:
    done = under_shell("denoise - -o out.png", "<&-")
    assert (done.stderr, done.returncode) == ("standard input  failed: empty, 0 bytes\n", 1)
