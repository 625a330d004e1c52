"""What a file says of how it was made: at a bounded price, whatever the file is."""

from __future__ import annotations

import os
import struct
from pathlib import Path

import pytest

from genrestore.files.codecs import images, metadata
from genrestore.files.plan import sources
from tests.files import make

RECORD = b'{"tool":"genrestore"}'
EMPTY = {"PNG": struct.pack(">I4sI", 0, b"teSt", 0), "WEBP": struct.pack("<4sI", b"TEST", 0)}
LONG = {
    "PNG": struct.pack(">I4s", 2**19, b"iTXt") + bytes(2**19 + 4),
    "WEBP": struct.pack("<4sI", b"XMP ", 2**19) + bytes(2**19),
    "JPEG": b"\xff\xfe\xff\xff" + bytes(2**16 - 3),
}
PARTS = [("PNG", EMPTY), ("WEBP", EMPTY), ("PNG", LONG), ("WEBP", LONG), ("JPEG", LONG)]


def with_parts(path: Path, format: str, parts: bytes) -> Path:
    """A file that says it is ours, behind other parts."""
    if format == "PNG":
        text = b"genrestore\0\0\0\0\0" + RECORD
        own = struct.pack(">I4s", len(text), b"iTXt") + text + bytes(4)
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + parts + own)
    elif format == "WEBP":
        own = struct.pack("<4sI", b"GNRS", len(RECORD)) + RECORD
        path.write_bytes(b"RIFF\0\0\0\0WEBP" + parts + own)
    else:
        comment = b"genrestore " + RECORD
        own = b"\xff\xfe" + struct.pack(">H", len(comment) + 2) + comment
        path.write_bytes(b"\xff\xd8" + parts + own)
    return path


def _too_many(part: bytes) -> int:
    return min(metadata.MAX_STEPS // 2, metadata.MAX_READ // len(part)) + 1


@pytest.mark.parametrize(("format", "part"), PARTS)
def test_what_it_costs_is_bounded(tmp_path: Path, format: str, part: dict[str, bytes]) -> None:
    few = with_parts(tmp_path / "few", format, part[format] * 9)
    assert metadata.read_provenance(few) == {"tool": "genrestore"}
    many = with_parts(tmp_path / "many", format, part[format] * _too_many(part[format]))
    assert metadata.read_provenance(many) is None
    assert not metadata.is_ours(many)


def test_a_tiff_costs_what_one_field_costs(tmp_path: Path) -> None:
    """However many fields there are, and however long they say they are; nor is its whole file looked at."""
    path = tmp_path / "a.tif"
    fields = struct.pack("<HHII", 34665, 4, 1, 8) * 30_000 + struct.pack("<HHII", 270, 2, 2**26, 8) * 30_000
    with path.open("wb") as stream:
        stream.write(b"II*\0" + struct.pack("<IH", 8, 65535) + fields)
        stream.truncate(2**40)
    assert metadata.read_provenance(path) is None
    assert sources.reason_to_skip(path) is None


def test_pipes_are_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert metadata.read_provenance(tmp_path / "pipe.png") is None
    assert not metadata.is_ours(tmp_path / "pipe.png")


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_result_that_was_cut_off_still_says_whose_it_is(tmp_path: Path, format: str) -> None:
    path = tmp_path / "a"
    record = {"tool": "genrestore", "note": "long " * 40}
    path.write_bytes(make.encoded(make.plain(make.smooth(3)), format, record))
    assert images.read_provenance(path) == record
    path.write_bytes(path.read_bytes()[:-40])
    assert metadata.is_ours(path)
