"""Whole or not at all."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from genrestore.errors import InputError
from genrestore.files.codecs import formats
from genrestore.files.disk.atomic import atomic, check_writable
from genrestore.files.plan import sources
from genrestore.files.plan.jobs import OutputOptions


def listing(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_appears_whole_and_can_be_read_and_sought(tmp_path: Path) -> None:
    path = tmp_path / "new" / "deep" / "a.bin"
    with atomic(path) as stream:
        stream.write(b"0123")
        stream.seek(1)
        stream.write(b"x")
        stream.seek(0)
        assert stream.read() == b"0x23"
        assert not path.exists()
    assert path.read_bytes() == b"0x23"
    assert listing(path.parent) == ["a.bin"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_a_failure_leaves_nothing_and_keeps_the_old(tmp_path: Path, error: type[BaseException]) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def fail() -> None:
        with atomic(path) as stream:
            stream.write(b"new")
            raise error

    with pytest.raises(error):
        fail()
    assert path.read_bytes() == b"old"
    assert listing(tmp_path) == ["a.bin"]


def test_permissions_are_those_of_a_usual_file(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        with atomic(tmp_path / "a"):
            pass
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640
        (tmp_path / "a").chmod(0o604)
        with atomic(tmp_path / "a") as stream:
            stream.write(b"new")
        assert (tmp_path / "a").stat().st_mode & 0o777 == 0o604
    finally:
        os.umask(before)


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to("real")
    with atomic(tmp_path / "link") as stream:
        stream.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_what_came_meanwhile_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"

    def race() -> None:
        with atomic(path, overwrite=False) as stream:
            stream.write(b"ours")
            path.write_bytes(b"theirs")

    with pytest.raises(InputError, match=r"a\.bin: exists already"):
        race()
    assert path.read_bytes() == b"theirs"
    assert listing(tmp_path) == ["a.bin"]
    with atomic(tmp_path / "b.bin", overwrite=False) as stream:
        stream.write(b"ours")
    assert (tmp_path / "b.bin").read_bytes() == b"ours"


def test_without_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    with atomic(tmp_path / "a", overwrite=False) as stream:
        stream.write(b"ours")
    assert (tmp_path / "a").read_bytes() == b"ours"
    with pytest.raises(InputError, match="exists already"), atomic(tmp_path / "a", overwrite=False):
        pass


def test_where_it_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_bytes(b"")
    below = tmp_path / "file" / "a.png"
    for path in (below, below / "deeper.png"):
        message = rf"{path.name}: cannot be written, .*file is not a folder$"
        with pytest.raises(InputError, match=message), atomic(path, overwrite=False):
            pass
    with pytest.raises(InputError, match=r"a\.png: cannot be written, .*file is not a folder"):
        check_writable(below)
    with pytest.raises(InputError, match=r"cannot be written \(File name too long\)"):
        check_writable(tmp_path / ("x" * 300) / "a.png")
    check_writable(tmp_path / "new" / "a.png")
    assert listing(tmp_path) == ["file"]
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InputError, match="no permission for the folder"):
        check_writable(tmp_path / "a.png")


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    path = tmp_path / "a.png"
    message = r"a\.png: cannot be written \(No space left on device\)"
    with pytest.raises(InputError, match=message), atomic(path) as stream:
        stream.write(b"x")
    assert listing(tmp_path) == []


def test_kill_9_leaves_nothing_that_looks_like_a_picture(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    code = (
        "import sys, time, pathlib; from genrestore.files.disk.atomic import atomic\n"
        "with atomic(pathlib.Path(sys.argv[1])) as stream:\n"
        "    stream.write(b'half'); stream.flush(); print('ready', flush=True); time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(path)], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert path.read_bytes() == b"old"
    left = [name for name in listing(tmp_path) if name != "a.png"]
    assert len(left) == 1
    assert Path(left[0]).suffix.lower() not in formats.IMAGE_SUFFIXES
    assert [found.source for found in sources.tree(tmp_path, OutputOptions())] == [path]
