"""Who may read what is written: never more than might read the input, at no moment."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from genrestore.files.disk.atomic import atomic
from genrestore.files.plan.jobs import comparison_path
from tests.files import make, test_batch

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="modes of files")


@pytest.fixture(autouse=True)
def usual(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty current folder, and new files that everyone may read."""
    monkeypatch.chdir(tmp_path)
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def written(path: Path, source: Path | None = None) -> int:
    """The mode that a file gets."""
    with atomic(path, source=source) as stream:
        assert stat.S_IMODE(os.fstat(stream.fileno()).st_mode) == 0o600
        stream.write(b"new")
    return mode(path)


@pytest.mark.parametrize("existing", [None, 0o600, 0o644, 0o666])
@pytest.mark.parametrize(
    ("of_source", "expected"), [(0o600, 0o600), (0o640, 0o640), (0o444, 0o644), (0o604, 0o604)]
)
def test_a_result_is_never_more_open_than_its_input(
    of_source: int, expected: int, existing: int | None
) -> None:
    source, result = Path("in"), Path("out")
    source.write_bytes(b"private")
    source.chmod(of_source)
    if existing is not None:
        result.write_bytes(b"old")
        result.chmod(existing)
    found = written(result, source)
    assert found & 0o077 == of_source & 0o077 & (0o044 if existing is None else existing)
    assert found == expected or existing is not None


@pytest.mark.parametrize("kept", [0o600, 0o640, 0o664, 0o400])
def test_what_is_replaced_keeps_its_mode(kept: int) -> None:
    path = Path("a")
    path.write_bytes(b"old")
    path.chmod(kept)
    assert written(path) == kept
    assert written(path, path) == kept


def test_the_umask_is_what_it_was() -> None:
    os.umask(0o027)
    assert written(Path("a")) == 0o640
    assert os.umask(0o027) == 0o027


def test_a_pipe_or_a_missing_source_says_nothing() -> None:
    os.mkfifo("pipe", 0o600)
    assert written(Path("a"), Path("pipe")) == written(Path("b"), Path("missing")) == 0o644


def test_in_place_keeps_attributes_and_another_name_does_not_get_them() -> None:
    path = Path("a")
    path.write_bytes(b"old")
    try:
        os.setxattr(path, "user.comment", b"mine")
    except OSError:
        pytest.skip("a file system without attributes")
    path.chmod(0o640)
    assert written(path, path) == 0o640
    assert os.getxattr(path, "user.comment") == b"mine"
    written(Path("b"), path)
    assert os.listxattr("b") == []


def test_in_place_keeps_the_owner() -> None:
    path = Path("a")
    path.write_bytes(b"old")
    try:
        os.chown(path, 12345, 23456)
    except OSError:
        pytest.skip("only root may give files away")
    path.chmod(0o2640)
    assert written(path, path) == 0o2640
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


def test_where_the_group_cannot_be_kept_it_gets_no_more_than_everyone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    path = Path("a")
    path.write_bytes(b"old")
    try:
        os.chown(path, -1, 23456)
    except OSError:
        pytest.skip("only root may give files away")
    path.chmod(0o664)
    monkeypatch.setattr(os, "fchown", refuse)
    assert written(path, path) == 0o644


def test_everything_that_is_made_of_a_private_picture_is_private() -> None:
    source = make.save(Path("in.png"), make.smooth(3))
    source.chmod(0o600)
    (outcome,) = test_batch.run(test_batch.jobs("in.png", output="out.png", compare=True), compare=True)
    assert outcome.status == "done", outcome.error
    assert mode(Path("out.png")) == mode(comparison_path(Path("out.png"))) == 0o600
