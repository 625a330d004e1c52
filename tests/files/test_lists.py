"""Lists of names: lines, NUL bytes, and what is no such list."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from genrestore.errors import UsageError
from genrestore.files.plan.sources import read_list

LINES = [
    (b"", []),
    (b"\n\n", []),
    (b"a.png\nb c.png\n", ["a.png", "b c.png"]),
    (b"a.png\nlast without an end", ["a.png", "last without an end"]),
    (b"a.png\r\nb.png\r\n", ["a.png", "b.png"]),
    (b"\xef\xbb\xbfa.png\n", ["a.png"]),
    (b"~/a.png\n*.png\n'q'\n # no remark\n", ["~/a.png", "*.png", "'q'", " # no remark"]),
    (b"-\n-x.png\n", ["./-", "-x.png"]),
    (b"\xff.png\n", [os.fsdecode(b"\xff.png")]),
]


@pytest.mark.parametrize(("data", "names"), LINES)
def test_one_name_a_line(data: bytes, names: list[str]) -> None:
    assert read_list(io.BytesIO(data)) == names


@pytest.mark.parametrize(
    ("data", "names"),
    [(b"", []), (b"a\nb.png\0c.png\0", ["a\nb.png", "c.png"]), (b"a.png\r\0-", ["a.png\r", "./-"])],
)
def test_names_that_end_with_a_nul_byte(data: bytes, names: list[str]) -> None:
    assert read_list(io.BytesIO(data), null=True) == names


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"a.png\0b.png\0", r"^--files-from -: holds NUL bytes; add --null \(-0\)"),
        ("a.png\n".encode("utf-16"), r"^--files-from -: is UTF-16; save the list as UTF-8"),
    ],
)
def test_what_is_no_list_of_lines(data: bytes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        read_list(io.BytesIO(data))


def test_a_file(tmp_path: Path) -> None:
    (tmp_path / "list").write_text("a.png\n")
    assert read_list(tmp_path / "list") == ["a.png"]
    with pytest.raises(
        UsageError, match=r"--files-from .*gone: cannot be read \(No such file or directory\)"
    ):
        read_list(tmp_path / "gone")
