"""PNG: what is carried over, chunk by chunk."""

from __future__ import annotations

import io
import struct
import zlib

import imagecodecs
import numpy as np
import pytest

from genrestore.files.codecs import images
from genrestore.files.codecs import png as codec
from tests.files import make

ICCP = b"Display P3\0\0" + zlib.compress(make.ICC)
PHYS = struct.pack(">IIB", 11811, 11811, 1)


def read(png: bytes) -> images.Image:
    return images.read(io.BytesIO(png))


@pytest.mark.parametrize("bits", [8, 16])
def test_chunks_come_back_as_they_were(bits: int) -> None:
    kept = [
        (b"iCCP", ICCP),
        (b"gAMA", struct.pack(">I", 45455)),
        (b"cHRM", bytes(range(32))),
        (b"sBIT", b"\x08\x08\x08"),
        (b"bKGD", bytes(6)),
        (b"pHYs", PHYS),
        (b"eXIf", make.exif()),
        (b"tEXt", b"Author\0Somebody"),
        (b"zTXt", b"Comment\0\0" + zlib.compress(b"long " * 50)),
        (b"iTXt", b"Title\0\0\0de\0\0" + "Überschrift".encode()),
        (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + make.XMP),
        (b"tIME", bytes(7)),
        (b"prVt", b"private, safe to copy"),
    ]
    dropped = [(b"prVT", b"private, unsafe to copy"), (b"caBX", b"signed claim")]
    image = read(make.with_chunks(imagecodecs.png_encode(make.pixels(3, bits)), *kept, *dropped))
    written = make.png_chunks(make.encoded(image, "PNG"))
    assert [found for found in written if found[0] not in (b"IHDR", b"IDAT", b"IEND")] == kept
    assert written[0][0] == b"IHDR"
    assert image.metadata.notes == ("content credentials are left out, since they are about the old picture",)
    assert image.metadata.lost == ("prVT: left out, may not hold true any more",)
    assert image.metadata.dpi == pytest.approx((300, 300), abs=0.01)
    assert image.metadata.icc == make.ICC
    assert image.metadata.xmp == make.XMP


def test_chunks_behind_the_pixels_count_too() -> None:
    png = imagecodecs.png_encode(make.pixels(3))
    late = png[:-12] + make.chunk(b"eXIf", make.exif(6)) + png[-12:]
    image = read(late)
    assert image.pixels.shape == (1, 3, 24, 18), "turned"
    assert image.metadata.exif == read(make.encoded(image, "PNG")).metadata.exif
    assert b"\x12\x01" not in (image.metadata.exif or b"")[:40]


def test_exif_in_the_old_text_form() -> None:
    block = b"Exif\0\0" + make.exif(8)
    text = b"\nexif\n%8d\n" % len(block) + block.hex().encode() + b"\n"
    chunk = (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(text))
    image = read(make.with_chunks(imagecodecs.png_encode(make.pixels(3)), chunk))
    assert image.pixels.shape == (1, 3, 24, 18)
    kinds = [kind for kind, _ in make.png_chunks(make.encoded(image, "PNG"))]
    assert b"eXIf" in kinds
    assert b"zTXt" not in kinds


def test_orientation_in_xmp_is_made_true() -> None:
    stale = make.XMP.replace(b'Orientation="1"', b'Orientation="6"')
    for packed, value in [(b"\0\0", stale), (b"\1\0", zlib.compress(stale))]:
        chunk = (b"iTXt", b"XML:com.adobe.xmp\0" + packed + b"\0\0" + value)
        image = read(make.with_chunks(imagecodecs.png_encode(make.pixels(3)), chunk))
        assert image.metadata.xmp == make.XMP
        assert make.XMP in make.encoded(image, "PNG")


def test_a_transparent_colour_becomes_alpha() -> None:
    array = make.pixels(3)
    chunk = (b"tRNS", struct.pack(">3H", *array[0, 0]))
    image = read(make.with_chunks(imagecodecs.png_encode(array), chunk))
    assert image.alpha is not None
    assert image.alpha[0, 0, 0, 0] == 0
    assert image.metadata.notes == ("the transparent colour became an alpha channel",)
    assert b"tRNS" not in [kind for kind, _ in make.png_chunks(make.encoded(image, "PNG"))]


@pytest.mark.parametrize("bits", [1, 2, 4])
def test_grey_of_few_bits_says_so(bits: int) -> None:
    header = struct.pack(">IIBBBBB", 8, 2, bits, 0, 0, 0, 0)
    rows = b"".join(b"\0" + bytes(range(bits)) for _ in range(2))
    png = b"\x89PNG\r\n\x1a\n" + make.chunk(b"IHDR", header) + make.chunk(b"IDAT", zlib.compress(rows))
    image = read(png + make.chunk(b"IEND", b""))
    assert image.pixels.shape == (1, 1, 2, 8)
    assert image.metadata.notes == (f"{bits}-bit grey converted to 8-bit grey",)


def test_an_interlaced_file_by_pillow_is_the_same() -> None:
    # Adam7 with one pixel: every pass but the first is empty.
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 1)
    idat = zlib.compress(b"\0\x01\x02\x03")
    png = (
        b"\x89PNG\r\n\x1a\n"
        + make.chunk(b"IHDR", header)
        + make.chunk(b"IDAT", idat)
        + make.chunk(b"IEND", b"")
    )
    assert make.interleaved(read(png)).tolist() == [[[1, 2, 3]]]


def test_a_text_bomb_does_not_explode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codec, "MAX_TEXT", 2**20)
    bomb = (b"iCCP", b"x\0\0" + zlib.compress(bytes(3 * 2**20)))
    assert read(make.with_chunks(imagecodecs.png_encode(make.pixels(3)), bomb)).metadata.icc is None


def test_rows_of_one_pixel_of_noise_fit() -> None:
    array = np.random.default_rng(0).integers(0, 65536, (4000, 1, 3), dtype=np.uint16)
    assert np.array_equal(make.interleaved(make.again(make.plain(array), "PNG")), array)


def test_a_damaged_text_is_left_out_said_and_printed_nowhere(capfd: pytest.CaptureFixture[str]) -> None:
    png = bytearray(
        make.with_chunks(imagecodecs.png_encode(make.pixels(3)), (b"iTXt", b"Title\0\0\0\0\0hello"))
    )
    png[png.index(b"hello")] ^= 1
    image = read(bytes(png))
    assert image.metadata.notes == ("a damaged iTXt chunk is left out",)
    assert image.metadata.chunks == ()
    strange = make.with_chunks(imagecodecs.png_encode(make.pixels(3)), (b"iCCP", b"x\0\0not compressed"))
    assert read(strange).metadata.icc is None
    assert capfd.readouterr() == ("", "")


def test_a_damaged_chunk_whose_name_is_none_is_said_in_letters_that_can_be_printed() -> None:
    plain = imagecodecs.png_encode(np.zeros((4, 5, 3), np.uint8))
    broken = struct.pack(">I", 2) + b"\0\0CP" + b"xx" + b"\0\0\0\0"
    image = read(plain[:33] + broken + plain[33:])
    assert image.metadata.notes == ("a damaged 0x00004350 chunk is left out",)


PASSES = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
"""Adam7: first column and row of each pass, and the steps from one to the next."""


def interlaced(array: np.ndarray, bits: int) -> bytes:
    """An interlaced PNG of [height, width, channel], its rows not filtered."""
    rows = b""
    for left, top, across, down in PASSES:
        for row in array[top::down, left::across]:
            packed = np.packbits(row) if bits == 1 else row.astype(">u2" if bits == 16 else "u1")
            rows += b"\0" + packed.tobytes() if row.size else b""
    height, width, channels = array.shape
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 1)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(make.chunk(*each) for each in chunks)


@pytest.mark.parametrize("size", [(1, 1), (3, 2), (5, 9), (33, 40)])
@pytest.mark.parametrize(("channels", "bits"), [(1, 1), *[(c, b) for c in (1, 2, 3, 4) for b in (8, 16)]])
def test_interlaced_pictures_are_read_without_a_line_on_stderr(
    channels: int, bits: int, size: tuple[int, int], capfd: pytest.CaptureFixture[str]
) -> None:
    array = (make.pixels(channels, max(bits, 8), *size) & (2**bits - 1)).reshape(*size, channels)
    full = 255 if bits == 1 else 1
    assert np.array_equal(make.interleaved(read(interlaced(array, bits))).reshape(array.shape), array * full)
    assert capfd.readouterr() == ("", "")
