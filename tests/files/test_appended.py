"""What stands behind a picture in its file, and what tells of it: kept and true, or left out and said."""

from __future__ import annotations

import hashlib
import io
import re
import struct
import zlib
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image as Pillow

from genrestore.files.codecs import images, metadata, xmp
from genrestore.files.codecs.containers import read_jpeg
from genrestore.files.plan.jobs import comparison_path
from genrestore.files.work import stages
from tests.files import make

FILM = b"\0\0\0\x18ftypmp42" + bytes(range(256)) * 20
CAMERA = 'xmlns:GCamera="http://ns.google.com/photos/1.0/camera/"'
ITEM = 'xmlns:Item="http://ns.google.com/photos/1.0/container/item/"'
HDR = 'xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/"'
MOTION = (
    f'<rdf:Description {CAMERA} GCamera:MotionPhoto="1" GCamera:MicroVideoOffset="{len(FILM)}"/>'.encode()
)
DIRECTORY = (
    f"<rdf:Description {ITEM} {HDR} {CAMERA} hdrgm:Version='1.0' GCamera:MotionPhoto='1'><C:Directory>"
    '<rdf:Seq><rdf:li rdf:parseType="Resource"><C:Item Item:Semantic="Primary"/></rdf:li>'
    '<rdf:li rdf:parseType="Resource"><C:Item Item:Semantic="GainMap" Item:Length="9"/></rdf:li>'
    '<rdf:li rdf:parseType="Resource"><C:Item Item:Semantic="MotionPhoto"/></rdf:li>'
    "</rdf:Seq></C:Directory></rdf:Description>"
).encode()


def saved(format: str, packet: bytes = b"", orientation: int = 1, size: int = 32) -> bytes:
    stream = io.BytesIO()
    block = b"Exif\0\0" + make.exif(orientation)
    picture = Pillow.fromarray(make.smooth(3, size, 48))
    if format == "PNG":
        picture.save(stream, "PNG")
        return make.with_chunks(stream.getvalue(), (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
    picture.save(stream, format, xmp=packet, exif=block)
    return stream.getvalue()


def mpo(*kinds: int, orientation: int = 1) -> bytes:
    """A JPEG with an index of further pictures of these kinds, by Pillow."""
    stream = io.BytesIO()
    frames = [Pillow.fromarray(make.smooth(3)[: 32 - 4 * n]) for n in range(1 + len(kinds))]
    block = b"Exif\0\0" + make.exif(orientation)
    frames[0].save(stream, "MPO", save_all=True, append_images=frames[1:], exif=block)
    content = bytearray(stream.getvalue())
    at = content.index(b"MPF\0") + 4
    entries = at + 8 + 2 + 12 * 3 + 4
    begin = read_jpeg(bytes(content)).end
    for number, kind in enumerate(kinds, 1):
        end = read_jpeg(bytes(content), begin).end
        struct.pack_into("<III", content, entries + 16 * number, kind, end - begin, begin - at)
        begin = end
    assert struct.unpack_from("<I", content, entries)[0] & 0xFFFFFF == 0x030000
    return bytes(content)


def frames(content: bytes) -> list[bytes]:
    """Every picture that Pillow finds by a JPEG's index, as pixels."""
    with Pillow.open(io.BytesIO(content)) as opened:
        found = []
        for number in range(getattr(opened, "n_frames", 1)):
            opened.seek(number)
            found.append(opened.convert("RGB").tobytes())
        return found


def behind(content: bytes) -> bytes:
    return content[read_jpeg(content).end :]


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("format", ["JPEG", "WEBP", "PNG"])
def test_a_film_behind_the_picture_is_kept_as_it_was(format: str, orientation: int) -> None:
    content = saved(format, MOTION, orientation) + FILM
    image = images.read(io.BytesIO(content))
    assert (image.metadata.notes, image.metadata.lost) == ((), ())
    said = images.encode(image, io.BytesIO(), format)
    assert f"the film behind the picture is kept as it was, {len(FILM)} bytes" in said
    result = make.encoded(image, format, {"tool": "genrestore"})
    assert result.endswith(FILM)
    assert MOTION in result
    with Pillow.open(io.BytesIO(result)) as opened:
        opened.load()
    again = images.read(io.BytesIO(result))
    assert again.metadata.appended == FILM


@pytest.mark.parametrize("format", ["PNG", "TIFF", "WEBP"])
def test_another_format_leaves_it_out_and_says_so_and_claims_nothing(format: str) -> None:
    content = saved("JPEG", DIRECTORY) + saved("JPEG", size=16) + FILM
    stream = io.BytesIO()
    notes = images.encode(images.read(io.BytesIO(content)), stream, format)
    assert any("what stands behind the picture in its file" in note for note in notes)
    for claim in (b"MotionPhoto", b"GainMap", b"hdrgm:Version"):
        assert claim not in stream.getvalue()
    assert b"Primary" in stream.getvalue()


def test_zeros_behind_the_picture_are_not_spoken_of() -> None:
    image = images.read(io.BytesIO(saved("JPEG") + bytes(64)))
    assert image.metadata.appended == bytes(64)
    assert images.encode(image, io.BytesIO(), "JPEG") == ()


def test_further_pictures_are_kept_and_their_index_is_true() -> None:
    content = mpo(0, 0x020002)
    image = images.read(io.BytesIO(content))
    assert image.metadata.notes == ()
    kept = "further pictures behind the picture (gain map, depth) are kept as they were"
    assert images.encode(image, io.BytesIO(), "JPEG") == (kept,)
    image = replace(image, pixels=image.pixels // 2)
    result = make.encoded(image, "JPEG", {"tool": "genrestore"})
    assert behind(result) == behind(content)
    assert frames(result)[1:] == frames(content)[1:]
    assert len(frames(result)) == 3


def test_previews_go_and_the_others_stay() -> None:
    content = mpo(0x010001, 0, 0x010002)
    image = images.read(io.BytesIO(content))
    assert image.metadata.notes[0] == (
        "the previews inside the JPEG are left out, since they show the old picture"
    )
    assert image.metadata.lost == ()
    assert frames(make.encoded(image, "JPEG"))[1:] == [frames(content)[2]]
    alone = images.read(io.BytesIO(mpo(0x010001)))
    assert len(frames(make.encoded(alone, "JPEG"))) == 1
    assert b"MPF\0" not in make.encoded(alone, "JPEG")


@pytest.mark.parametrize("orientation", range(2, 9))
def test_a_picture_with_a_gain_map_stays_turned_as_its_gain_map_is(orientation: int) -> None:
    content = saved("JPEG", DIRECTORY, orientation) + saved("JPEG", size=16) + FILM
    image = images.read(io.BytesIO(content))
    assert image.metadata.lost == ()
    notes = images.encode(image, io.BytesIO(), "JPEG")
    assert any(f"stays turned in the file as it was (Orientation {orientation})" in note for note in notes)
    result = make.encoded(image, "JPEG")
    assert behind(result) == behind(content)
    assert result.count(b"GainMap") == content.count(b"GainMap")
    with Pillow.open(io.BytesIO(content)) as before, Pillow.open(io.BytesIO(result)) as after:
        assert after.size == before.size
        assert after.getexif()[0x0112] == orientation
    again = images.read(io.BytesIO(result))
    assert again.metadata.turned == image.metadata.turned
    assert again.pixels.shape == image.pixels.shape
    assert abs(again.pixels.astype(int) - image.pixels).max() < 12


def test_a_turned_picture_with_an_index_of_others_keeps_it_true() -> None:
    content = mpo(0, orientation=6)
    result = make.encoded(images.read(io.BytesIO(content)), "JPEG")
    assert frames(result)[1:] == frames(content)[1:]
    with Pillow.open(io.BytesIO(result)) as opened:
        assert opened.getexif()[0x0112] == 6


def test_a_turned_picture_is_upright_in_another_format_and_without_others() -> None:
    content = saved("JPEG", orientation=6) + saved("JPEG", size=16)
    result = make.encoded(images.read(io.BytesIO(content)), "PNG")
    with Pillow.open(io.BytesIO(result)) as opened:
        assert opened.size == (32, 48)
        assert 0x0112 not in opened.getexif()
    assert images.read(io.BytesIO(saved("JPEG", orientation=6) + FILM)).metadata.turned is None


def test_a_comparison_holds_nothing_of_what_stands_behind_its_picture(tmp_path: Path) -> None:
    content = saved("JPEG", DIRECTORY, 6) + saved("JPEG", size=16) + FILM
    image = images.read(io.BytesIO(content))
    stages.write_files(image, image.pixels, tmp_path / "a.jpg", "JPEG", None, False)
    assert behind((tmp_path / "a.jpg").read_bytes()) == behind(content)
    beside = comparison_path(tmp_path / "a.jpg").read_bytes()
    assert behind(beside) == b""
    assert b"GainMap" not in beside
    with Pillow.open(io.BytesIO(beside)) as opened:
        assert opened.size == (64, 48)
        assert 0x0112 not in opened.getexif()


def sized(number: int) -> bytes:
    return number.to_bytes(4, "big")


@pytest.mark.parametrize("format", ["BMP", "GIF", "PPM", "AVIF"])
@pytest.mark.parametrize("mode", ["RGB", "L", "1"])
def test_what_stands_behind_a_picture_that_is_only_read_is_said(format: str, mode: str) -> None:
    stream = io.BytesIO()
    Pillow.fromarray(make.smooth(3)).convert(mode).save(stream, format)
    assert images.read(io.BytesIO(stream.getvalue())).metadata.lost == ()
    assert images.read(io.BytesIO(stream.getvalue() + bytes(40))).metadata.lost == ()
    film = sized(8 + len(FILM)) + b"mpvd" + FILM if format == "AVIF" else FILM
    lost = images.read(io.BytesIO(stream.getvalue() + film)).metadata.lost
    assert lost == (f"what stands behind the picture in its file ({len(film)} bytes) is left out",)


def segments(content: bytes) -> list[tuple[int, bytes]]:
    found = read_jpeg(content).segments
    return [(each.marker, each.payload) for each in found if each.marker in (0xFE, *range(0xE1, 0xF0))]


def with_segments(*added: tuple[int, bytes]) -> bytes:
    content = saved("JPEG")
    raw = b"".join(struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload for marker, payload in added)
    return content[:2] + raw + content[2:]


def test_segments_of_a_jpeg_that_nobody_here_knows_come_back() -> None:
    added = [(0xE1, b"FLIR\0\1thermal"), (0xE2, b"FPXR\0x"), (0xE4, b"DJI"), (0xEC, b"Ducky"), (0xEF, b"own")]
    image = images.read(io.BytesIO(with_segments(*added)))
    found = segments(make.encoded(image, "JPEG"))
    assert [each for each in found if each in added] == added
    stream = io.BytesIO()
    said = " ".join(images.encode(image, stream, "PNG"))
    assert (
        said == "PNG has no place for segments APP1, segments APP2, segments APP4, segments APP12, "
        "segments APP15: left out"
    )


def test_credentials_of_the_old_picture_go_and_other_boxes_are_a_loss() -> None:
    image = images.read(io.BytesIO(with_segments((0xEB, b"JP\0\1....jumb c2pa"), (0xEB, b"JP\0\2...."))))
    assert image.metadata.notes == ("content credentials are left out, since they are about the old picture",)
    assert image.metadata.lost == ("boxes in APP11 are left out, since they may not hold true any more",)
    assert all(marker != 0xEB for marker, _ in segments(make.encoded(image, "JPEG")))


def with_part(format: str, kind: bytes, payload: bytes) -> bytes:
    """A file with one more chunk or box."""
    content = make.encoded(make.plain(make.smooth(3)), format, {"tool": "genrestore"})
    if format != "WEBP":
        return content + sized(8 + len(payload)) + kind + payload
    content += kind + len(payload).to_bytes(4, "little") + payload
    return content[:4] + (len(content) - 8).to_bytes(4, "little") + content[8:]


@pytest.mark.parametrize(
    ("format", "kind", "id", "credentials"),
    [
        ("WEBP", b"odd ", b"", b"C2PA"),
        ("JPEG XL", b"odd ", b"", b"jumb"),
        ("JPEG XL", b"uuid", b"id" * 8, b"jumb"),
        ("AVIF", b"uuid", b"id" * 8, b"uuid"),
        ("HEIC", b"uuid", b"id" * 8, b"uuid"),
    ],
)
def test_parts_that_nobody_here_knows_are_a_loss_and_credentials_are_none(
    format: str, kind: bytes, id: bytes, credentials: bytes
) -> None:
    if format == "HEIC":
        content = make.heic(make.smooth(3)) + sized(32) + kind + id + b"unknown!"
        with_credentials = make.heic(make.smooth(3)) + sized(32) + credentials + id + b"jumbc2pa"
    else:
        content = with_part(format, kind, id + b"unknown!")
        with_credentials = with_part(format, credentials, id + b"jumbc2pa")
    found = images.read(io.BytesIO(content))
    assert found.metadata.lost == (f"parts that are not known here are left out: {kind.decode().strip()}",)
    found = images.read(io.BytesIO(with_credentials))
    assert found.metadata.lost == ()
    assert found.metadata.notes == (metadata.CREDENTIALS,)
    if format != "HEIC":
        assert b"c2pa" not in make.encoded(found, format).lower()


@pytest.mark.parametrize("format", ["WEBP", "JPEG XL", "AVIF"])
def test_own_parts_are_no_loss(format: str) -> None:
    image = make.plain(make.smooth(3))
    image.metadata = replace(image.metadata, xmp=make.XMP, exif=make.exif(), icc=make.ICC)
    found = images.read(io.BytesIO(make.encoded(image, format, {"tool": "genrestore"}))).metadata
    assert (found.lost, found.notes) == ((), ())


class TestThumbnails:
    RESOURCES = (
        b"8BIM\x04\x04\0\0\0\0\0\5IPTC!\0"
        + b"8BIM\x04\x0c\3abc\0\0\0\x06thumbs"
        + b"8BIM\x03\xed\0\0\0\0\0\2ok"
    )
    CLEAN = b"8BIM\x04\x04\0\0\0\0\0\5IPTC!\0" + b"8BIM\x03\xed\0\0\0\0\0\2ok"

    def test_of_photoshop_in_one_segment_or_several(self) -> None:
        mark = b"Photoshop 3.0\0"
        for at in (len(self.RESOURCES), 20, 33):
            parts = [self.RESOURCES[:at], self.RESOURCES[at:]]
            image = images.read(io.BytesIO(with_segments(*[(0xED, mark + part) for part in parts if part])))
            assert (0xED, mark + self.CLEAN) in segments(make.encoded(image, "JPEG"))

    def test_of_photoshop_in_a_png(self) -> None:
        key = b"Raw profile type 8bim\0"
        text = b"\n8bim\n%8d\n%s\n" % (len(self.RESOURCES), self.RESOURCES.hex().encode())
        content = make.with_chunks(saved("PNG"), (b"zTXt", key + b"\0" + zlib.compress(text)))
        result = make.encoded(images.read(io.BytesIO(content)), "PNG")
        found = next(payload for kind, payload in make.png_chunks(result) if payload.startswith(key))
        plain = zlib.decompress(found[len(key) + 1 :]).split()
        assert (int(plain[1]), bytes.fromhex(plain[2].decode())) == (len(self.CLEAN), self.CLEAN)

    def test_of_xmp(self) -> None:
        thumbnail = b"<xmp:Thumbnails><rdf:Alt><rdf:li>aGVsbG8=</rdf:li></rdf:Alt></xmp:Thumbnails>"
        packet = make.XMP.replace(
            b"</rdf:RDF>", b"<rdf:Description>" + thumbnail + b"</rdf:Description></rdf:RDF>"
        )
        for format in ("JPEG", "PNG", "WEBP"):
            result = make.encoded(images.read(io.BytesIO(saved(format, packet))), format)
            assert b"aGVsbG8" not in result
            assert b"tiff:Orientation" in result

    def test_of_extended_xmp(self) -> None:
        whole = (
            b"<x><xmp:Thumbnails>" + b"old picture " * 9000 + b"</xmp:Thumbnails>" + b"<d:e>depth</d:e></x>"
        )
        name = hashlib.md5(whole).hexdigest().upper().encode()
        parts = [
            (0xE1, xmp.EXTENSION + name + struct.pack(">II", len(whole), at) + whole[at : at + 60000])
            for at in range(0, len(whole), 60000)
        ]
        image = images.read(io.BytesIO(with_segments(*parts)))
        found = [
            payload for marker, payload in segments(make.encoded(image, "JPEG")) if xmp.EXTENSION in payload
        ]
        clean = b"<x><d:e>depth</d:e></x>"
        assert found == [xmp.EXTENSION + name + struct.pack(">II", len(clean), 0) + clean]


def test_claims_are_taken_away_one_by_one() -> None:
    both = xmp.without_claims(DIRECTORY, pictures=True, film=True)
    assert re.findall(rb'Semantic="(\w+)"', both) == [b"Primary"]
    film = xmp.without_claims(DIRECTORY, pictures=False, film=True)
    assert re.findall(rb'Semantic="(\w+)"', film) == [b"Primary", b"GainMap"]
    assert b"hdrgm:Version" in film
    assert b"MotionPhoto=" not in film
    assert xmp.without_claims(make.XMP, pictures=True, film=True) == make.XMP
