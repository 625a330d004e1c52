"""What killed runs leave is taken away, and nothing that is being written or is not ours."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
import time
from pathlib import Path

import pytest

from genrestore.files.disk import atomic as temporary
from genrestore.files.disk.atomic import atomic

ATOMIC_THAT_WAITS = """
import sys, time, pathlib
from genrestore.files.disk.atomic import atomic
with atomic(pathlib.Path(sys.argv[1])) as stream:
    stream.write(b"half")
    stream.flush()
    print("ready", flush=True)
    sys.stdin.read()
"""

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no locks there")


@pytest.fixture(autouse=True)
def _forgotten() -> None:
    """Every test sweeps as a new process would."""
    temporary.sweep.cache_clear()


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def left_behind(folder: Path) -> Path:
    """A file as a killed process leaves it: not locked by anyone."""
    path, stream = temporary.create(folder)
    stream.close()
    return path


def age(path: Path, days: float) -> None:
    then = time.time() - days * 24 * 60 * 60
    os.utime(path, (then, then), follow_symlinks=False)


def of_another_machine(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    with monkeypatch.context() as patch:
        patch.setattr(temporary, "_HOST", "0123abcd")
        return left_behind(folder)


def test_a_new_file_can_be_written_read_and_sought_and_is_known_by_its_name(tmp_path: Path) -> None:
    path, stream = temporary.create(tmp_path)
    with stream:
        stream.write(b"0123")
        stream.seek(2)
        assert stream.read() == b"23"
    assert temporary.is_temporary(path)
    assert not temporary.is_temporary(tmp_path / "photo.png")
    assert platform.node() not in path.name


def test_what_was_left_goes_with_the_next_write_and_the_rest_stays(tmp_path: Path) -> None:
    left_behind(tmp_path)
    for name in (".genrestore-mine.tmp", "photo.png", ".genrestore-0123abcd-0123abcd.tmp.png"):
        (tmp_path / name).touch()
        age(tmp_path / name, 100)
    with atomic(tmp_path / "a.png") as stream:
        stream.write(b"new")
    assert names(tmp_path) == [
        ".genrestore-0123abcd-0123abcd.tmp.png",
        ".genrestore-mine.tmp",
        "a.png",
        "photo.png",
    ]


def test_what_another_process_writes_stays_until_it_is_killed(tmp_path: Path) -> None:
    words = [sys.executable, "-c", ATOMIC_THAT_WAITS, str(tmp_path / "theirs.png")]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        (waiting,) = tmp_path.iterdir()
        age(waiting, 100)
        temporary.sweep(tmp_path)
        assert names(tmp_path) == [waiting.name]
        process.kill()
    temporary.sweep.cache_clear()
    temporary.sweep(tmp_path)
    assert names(tmp_path) == []


def test_what_this_process_writes_stays(tmp_path: Path) -> None:
    with atomic(tmp_path / "a.png") as first:
        first.write(b"first")
        temporary.sweep.cache_clear()
        with atomic(tmp_path / "b.png") as second:
            second.write(b"second")
    assert [path.read_bytes() for path in sorted(tmp_path.iterdir())] == [b"first", b"second"]


def test_files_of_another_machine_stay_for_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = of_another_machine(tmp_path, monkeypatch)
    age(path, 0.9)
    temporary.sweep(tmp_path)
    assert path.exists()
    temporary.sweep.cache_clear()
    age(path, 1.1)
    temporary.sweep(tmp_path)
    assert not path.exists()


def test_a_link_a_pipe_and_a_folder_of_such_a_name_stay(tmp_path: Path) -> None:
    (tmp_path / "photo.png").write_bytes(b"photo")
    made = [left_behind(tmp_path) for _ in range(3)]
    for path in made:
        path.unlink()
    made[0].symlink_to("photo.png")
    os.mkfifo(made[1])
    made[2].mkdir()
    before = names(tmp_path)
    temporary.sweep(tmp_path)
    assert names(tmp_path) == before


@pytest.mark.parametrize("error", [OSError(95, "Operation not supported"), OSError(37, "No locks available")])
def test_where_there_are_no_locks_writing_works_and_nothing_is_taken_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def refuse(*_: object) -> None:
        raise error

    left = left_behind(tmp_path)
    monkeypatch.setattr(temporary.fcntl, "flock", refuse)
    with atomic(tmp_path / "a.png") as stream:
        stream.write(b"new")
    assert names(tmp_path) == [left.name, "a.png"]


def test_a_sweep_between_making_and_locking_costs_another_name_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock, taken = temporary._lock, []

    def overtaken(stream: object) -> bool:
        if not taken:
            (path,) = tmp_path.iterdir()
            path.unlink()
            taken.append(path)
        return lock(stream)  # type: ignore[arg-type]

    monkeypatch.setattr(temporary, "_lock", overtaken)
    with atomic(tmp_path / "a.png") as stream:
        stream.write(b"whole")
    assert (names(tmp_path), len(taken)) == (["a.png"], 1)
    assert (tmp_path / "a.png").read_bytes() == b"whole"


def test_a_folder_that_cannot_be_read_is_no_reason_to_fail(tmp_path: Path) -> None:
    temporary.sweep(tmp_path / "nowhere")
