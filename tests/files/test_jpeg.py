"""JPEG: written as the source was compressed."""

from __future__ import annotations

import io
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL.JpegImagePlugin import get_sampling

from genrestore.errors import InputError
from genrestore.files.codecs import images
from tests.files import make


def written(image: images.Image, provenance: dict[str, Any] | None = None) -> Pillow.Image:
    return Pillow.open(io.BytesIO(make.encoded(image, "JPEG", provenance)))


@pytest.mark.parametrize("progressive", [False, True])
@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [30, 75, 92, 100])
def test_tables_subsampling_and_scans(
    tmp_path: Path, quality: int, subsampling: int, progressive: bool
) -> None:
    path = tmp_path / "a.jpg"
    make.save(path, make.smooth(3), quality=quality, subsampling=subsampling, progressive=progressive)
    with Pillow.open(path) as source:
        result = written(images.read(path))
        assert result.quantization == source.quantization
        assert get_sampling(result) == get_sampling(source) == subsampling
        assert ("progressive" in result.info) == progressive


@pytest.mark.parametrize(("subsampling", "down", "across"), [(0, 1, 1), (1, 1, 2), (2, 2, 2)])
def test_each_component_has_its_own_table_and_share_of_the_samples(
    tmp_path: Path, subsampling: int, down: int, across: int
) -> None:
    luma, chroma = (tuple(range(start, start + 64)) for start in (1, 101))
    tables = [list(luma), list(chroma)]
    path = make.save(tmp_path / "a.jpg", make.smooth(3), qtables=tables, subsampling=subsampling)
    jpeg = images.read(path).metadata.jpeg
    assert jpeg is not None
    assert jpeg.planes == ((luma, 1, 1), (chroma, down, across), (chroma, down, across))


@pytest.mark.parametrize("shares", [0x00, 0x01, 0x10])
def test_a_component_without_samples_is_read_or_refused(tmp_path: Path, shares: int) -> None:
    content = bytearray(make.save(tmp_path / "a.jpg", make.smooth(3)).read_bytes())
    content[content.index(b"\xff\xc0") + 14] = shares  # how many of its second component a block has
    try:
        jpeg = images.read(io.BytesIO(bytes(content))).metadata.jpeg
    except InputError:
        return
    assert jpeg is not None
    assert jpeg.planes == ()


def test_a_second_pass_changes_next_to_nothing(tmp_path: Path) -> None:
    path = make.save(tmp_path / "a.jpg", make.smooth(3), quality=85)
    first = images.read(path)
    second = make.again(first, "JPEG")
    assert np.abs(second.pixels.astype(int) - first.pixels).max() <= 2


def test_grey_stays_grey(tmp_path: Path) -> None:
    path = make.save(tmp_path / "a.jpg", make.smooth(1), quality=60)
    image = images.read(path)
    assert image.pixels.shape == (1, 1, 32, 48)
    assert written(image).mode == "L"


def test_colours_stored_as_rgb_stay_so(tmp_path: Path) -> None:
    path = make.save(tmp_path / "a.jpg", make.smooth(3), quality=95, keep_rgb=True, subsampling=0)
    image = images.read(path)
    assert image.metadata.jpeg is not None
    assert image.metadata.jpeg.keep_rgb
    assert np.abs(make.interleaved(make.again(image, "JPEG")).astype(int) - make.smooth(3)).max() < 12


@pytest.mark.parametrize(
    ("markers", "rgb"), [("", True), ("Adobe", True), ("JFIF", False), ("JFIF Adobe", False)]
)
def test_what_holds_rgb_is_asked_as_libjpeg_asks(tmp_path: Path, markers: str, rgb: bool) -> None:
    whole = make.save(
        tmp_path / "a.jpg", make.smooth(3), quality=95, keep_rgb=True, subsampling=0
    ).read_bytes()
    adobe, rest = whole[2:18], whole[18:]
    assert adobe[4:9] == b"Adobe"
    jfif = b"\xff\xe0" + struct.pack(">H5sHBHHBB", 16, b"JFIF", 0x101, 0, 1, 1, 0, 0)
    path = tmp_path / "b.jpg"
    path.write_bytes(whole[:2] + jfif * ("JFIF" in markers) + adobe * ("Adobe" in markers) + rest)
    image = images.read(path)
    assert image.metadata.jpeg is not None
    assert image.metadata.jpeg.keep_rgb == rgb
    apart = np.abs(make.interleaved(image).astype(int) - make.smooth(3)).max()
    assert (apart < 12) == rgb  # libjpeg's colours


@pytest.mark.parametrize("subsampling", [(1, 1), (2, 2)])
def test_rgb_with_a_resolution_comes_back_in_its_colours(
    tmp_path: Path, subsampling: tuple[int, int]
) -> None:
    """JFIF's header would hold the resolution, and say YCbCr; EXIF holds it too."""
    exif = Pillow.Exif()
    exif[282], exif[283], exif[296] = 300, 300, 2
    options = {"quality": 95, "exif": exif.tobytes()}
    if subsampling == (1, 1):
        path = make.save(tmp_path / "a.jpg", make.smooth(3), keep_rgb=True, subsampling=0, **options)
    else:  # of which the parts alone are at hand: YCbCr's, renamed
        path = make.save(tmp_path / "a.jpg", make.smooth(3), subsampling=2, **options)
        data = bytearray(path.read_bytes())
        frame, scan = data.index(b"\xff\xc0"), data.index(b"\xff\xda")
        for place, name in enumerate(b"RGB"):
            data[frame + 10 + 3 * place] = data[scan + 5 + 2 * place] = name
        path.write_bytes(data[:2] + data[20:])
    image = images.read(path)
    assert image.metadata.jpeg is not None
    assert image.metadata.jpeg.keep_rgb
    again = make.again(image, "JPEG")
    assert np.abs(make.interleaved(again).astype(int) - make.interleaved(image)).max() < 12
    assert again.metadata.dpi == (300, 300)


@pytest.mark.parametrize("kind", ["RGB", "YCbCr", "L"])
def test_planes_are_coded_with_their_own_tables_whatever_these_are_called(tmp_path: Path, kind: str) -> None:
    """Tables 0, 1 and 2, of which components take other ones than the encoder would give them."""
    fine, coarse = [3] * 64, [80] * 64
    grey = kind == "L"
    options: dict[str, Any] = {"qtables": [fine] if grey else [fine, fine, fine], "subsampling": 0}
    path = make.save(tmp_path / "a.jpg", make.smooth(1 if grey else 3), **options, keep_rgb=kind == "RGB")
    data = bytearray(path.read_bytes())
    frame = data.index(b"\xff\xc0")
    if grey:  # takes table 1, and table 0 is another
        data[frame + 12], data[data.index(b"\xff\xdb") + 4] = 1, 1
        extra = 0
    else:  # takes table 0 for all, and table 1 is another
        for place in range(3):
            data[frame + 12 + 3 * place] = 0
        extra = 1
    after = data.index(b"\xff\xc0")
    data = data[:after] + b"\xff\xdb\0\x43" + bytes([extra, *coarse]) + data[after:]
    path.write_bytes(data)
    image = images.read(path)
    assert image.metadata.jpeg is not None
    assert {each[0] for each in image.metadata.jpeg.planes} == {tuple(fine)}
    again = make.again(image, "JPEG")
    assert again.metadata.jpeg is not None
    assert {each[0] for each in again.metadata.jpeg.planes} == {tuple(fine)}
    assert np.abs(again.pixels.astype(int) - image.pixels).max() <= 4


def test_segments_come_back(tmp_path: Path) -> None:
    iptc = b"Photoshop 3.0\0" + b"8BIM\x04\x04\0\0\0\0\0\x06\x1c\x02\x05\0\x01x"
    extended = b"http://ns.adobe.com/xmp/extension/\0" + bytes(32) + b"<rest/>"
    segments = b"".join(
        struct.pack(">BBH", 0xFF, marker, len(payload) + 2) + payload
        for marker, payload in [(0xED, iptc), (0xE1, extended), (0xFE, b"a comment"), (0xEB, b"signed claim")]
    )
    path = make.save(tmp_path / "a.jpg", make.smooth(3), extra=segments, icc_profile=make.ICC * 60)
    image = images.read(path)
    result = written(image, {"tool": "genrestore"})
    found = [payload for _, payload in result.applist]
    assert iptc in found
    assert extended in found
    assert b"a comment" in found
    assert b"signed claim" not in found, "it would not hold for other pixels"
    assert result.info["icc_profile"] == make.ICC * 60
    result.load()


def test_thumbnail_and_orientation_go_and_maker_notes_stay_where_they_were(tmp_path: Path) -> None:
    block = make.exif(6, thumbnail=True)
    path = make.save(tmp_path / "a.jpg", make.smooth(3), exif=b"Exif\0\0" + block)
    exif = written(images.read(path)).info["exif"][6:]
    assert b"thumbnail" not in exif
    assert exif.index(b"note" * 10) == block.index(b"note" * 10)


@pytest.mark.parametrize(("field", "name"), [("exif", "EXIF"), ("xmp", "XMP")])
def test_what_is_too_large_is_left_out_and_said(field: str, name: str) -> None:
    image = make.plain(make.smooth(3))
    image.metadata = images.Metadata("PNG", "RGB", **{field: b"II*\0" + bytes(70_000)})  # type: ignore[arg-type]
    notes = images.encode(image, io.BytesIO(), "JPEG")
    assert notes == (f"{name} is larger than a JPEG can hold, and left out",)


def test_provenance_is_not_taken_from_other_comments(tmp_path: Path) -> None:
    path = make.save(tmp_path / "a.jpg", make.smooth(3), comment=b"genrestore is a tool")
    assert images.read_provenance(path) is None


def test_tables_of_16_bits_come_back_without_a_line_on_stderr(capfd: pytest.CaptureFixture[str]) -> None:
    stream = io.BytesIO()
    tables = [[300 + n for n in range(64)], [999] * 64]
    Pillow.fromarray(make.smooth(3)).save(stream, "JPEG", qtables=tables, quality=-1, progressive=True)
    image = images.read(io.BytesIO(stream.getvalue()))
    assert image.metadata.jpeg is not None
    plain = replace(image.metadata, jpeg=replace(image.metadata.jpeg, progressive=False))
    data = make.encoded(replace(image, metadata=plain), "JPEG")
    with Pillow.open(io.BytesIO(data)) as opened:
        assert [list(table) for table in opened.quantization.values()] == tables  # type: ignore[attr-defined]
    assert capfd.readouterr() == ("", "")


def test_a_file_that_cannot_grow_is_an_error_and_not_half_a_picture(tmp_path: Path) -> None:
    """As on a full disk; in a process of its own, since limits stay."""
    script = f"""
import resource, sys
import numpy as np
from genrestore.files.codecs import images
from genrestore.files.codecs.metadata import Metadata
from genrestore.files.codecs.images import Image
pixels = np.random.default_rng(0).integers(0, 256, (1, 3, 64, 96), dtype=np.uint8)
resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))
try:
    with open({str(tmp_path / "cut.jpg")!r}, "w+b") as stream:
        images.encode(Image(pixels, None, Metadata("JPEG", "RGB")), stream, "JPEG")
except OSError:
    sys.exit(7)
"""
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 7
