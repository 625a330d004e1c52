"""EXIF blocks: what goes, what stays, and what a hostile one does."""

from __future__ import annotations

import io
import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags
from PIL import Image as Pillow

from genrestore.files.codecs import exif
from tests.files import make


def by_pillow(block: bytes) -> Pillow.Exif:
    found = Pillow.Exif()
    found.load(block)
    return found


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_read_and_removed(orientation: int) -> None:
    block = make.exif(orientation)
    assert exif.orientation(block) == orientation
    upright = exif.upright(block)
    assert exif.orientation(upright) is None
    assert 274 not in by_pillow(upright)
    assert by_pillow(upright)[271] == "Maker"
    assert len(upright) == len(block)


def test_a_block_without_anything_stale_is_not_touched() -> None:
    assert exif.upright(make.exif()) == make.exif()


def test_the_thumbnail_goes() -> None:
    block = make.exif(3, thumbnail=True)
    assert by_pillow(block).get_ifd(ExifTags.IFD.IFD1)[514] == 40
    upright = exif.upright(block)
    assert b"thumbnail" not in upright
    assert by_pillow(upright).get_ifd(ExifTags.IFD.IFD1) == {}
    assert by_pillow(upright).get_ifd(34665)[37500] == b"note" * 10


def test_a_thumbnail_in_the_middle_is_wiped_in_place() -> None:
    block = make.exif(thumbnail=True) + b"maker note behind it"
    upright = exif.upright(block)
    assert b"thumbnail" not in upright
    assert upright.endswith(b"maker note behind it")
    assert len(upright) == len(block)


def test_a_preview_in_a_maker_note_goes_and_nothing_moves() -> None:
    stream = io.BytesIO()
    Pillow.fromarray(make.smooth(3)).save(stream, "JPEG")
    note = b"Nikon\0" + stream.getvalue() + b"behind it"
    below = (exif.Field(37500, 7, len(note), note),)
    block = exif.write_block([exif.Field(34665, 4, 1, b"", below)], "<")
    found = exif.upright(block)
    assert len(found) == len(block)
    assert by_pillow(found).get_ifd(34665)[37500] == b"Nikon\0" + bytes(len(stream.getvalue())) + b"behind it"
    cut = block.replace(b"\xff\xd9", b"\xff\x00")
    assert exif.upright(cut) == cut


def test_a_thumbnail_that_is_not_compressed_goes() -> None:
    block = make.exif(thumbnail=True)
    at = block.index(struct.pack("<HH" if block[:2] == b"II" else ">HH", 513, 4))
    order = "<" if block[:2] == b"II" else ">"
    plain = block[:at] + struct.pack(order + "H", 273) + block[at + 2 :]
    plain = plain[: at + 12] + struct.pack(order + "H", 279) + plain[at + 14 :]
    assert b"thumbnail" not in exif.upright(plain)


@pytest.mark.parametrize("order", ["<", ">"])
def test_fields_are_moved_as_they_are(order: exif.ByteOrder) -> None:
    below = (exif.Field(37500, 7, 9, b"mynote123"), exif.Field(33434, 5, 1, struct.pack(order + "II", 1, 60)))
    fields = (
        exif.Field(271, 2, 4, b"abc\0"),
        exif.Field(305, 2, 9, b"software\0"),
        exif.Field(34665, 4, 1, b"", below),
    )
    block = exif.write_block(fields, order)
    found = exif.read_fields(block)
    assert {field.tag for field in found} == {271, 305, 34665}
    assert sorted(found[2].children or (), key=lambda field: -field.tag) == list(below)
    assert by_pillow(block).get_ifd(34665)[33434] == pytest.approx(1 / 60)


def test_an_ifd_that_points_to_itself() -> None:
    block = b"II*\0" + struct.pack("<I", 8) + struct.pack("<HHHII", 1, 34665, 4, 1, 8) + bytes(4)
    assert exif.read_fields(block)[0].children == ()


@given(st.binary(max_size=300), st.sampled_from([b"II*\0\x08\0\0\0", b"MM\0*\0\0\0\x08", b""]))
@settings(max_examples=100, deadline=None)
def test_junk_is_left_as_it_is_or_refused(junk: bytes, head: bytes) -> None:
    block = head + junk
    assert len(exif.upright(block)) <= len(block)
    assert (exif.orientation(block) or 1) in range(1, 9)
    try:
        fields = exif.read_fields(block)
    except exif.BadBlock:
        return
    assert len(exif.read_fields(exif.write_block(fields, exif.byte_order(block)))) == len(fields)
