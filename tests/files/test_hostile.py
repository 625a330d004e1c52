"""Pictures made to do harm: refused in one line, before they take memory or time."""

from __future__ import annotations

import io
import lzma
import re
import struct
import warnings
import zlib
from collections.abc import Callable
from contextlib import suppress

import imagecodecs
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from genrestore.errors import InputError
from genrestore.files.codecs import images
from tests import damage
from tests.files import make

ZEROS = bytes(2**24)
PIXELS = zlib.compress(b"\0" * (1 + 3 * 4) * 4)
TIFF_DEFLATE, TIFF_LZW, TIFF_LZMA, TIFF_ZSTD, TIFF_PACKBITS = 8, 5, 34925, 50000, 32773


def refusal(content: bytes, max_pixels: int = images.DEFAULT_MAX_PIXELS) -> str:
    """The one line with which a file is refused."""
    with pytest.raises(InputError) as caught:
        images.read(io.BytesIO(content), max_pixels=max_pixels)
    message = str(caught.value)
    assert message.isprintable()
    return message.removeprefix("standard input: ")


def png(width: int, height: int, *chunks: tuple[bytes, bytes], colour: int = 2, bits: int = 8) -> bytes:
    """A PNG of any chunks between its header and its end."""
    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    every = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    return damage.PNG_SIGNATURE + b"".join(make.chunk(*each) for each in every)


def tiff(width: int, height: int, data: bytes, compression: int = 1, **changes: int) -> bytes:
    """A grey TIFF of one strip, little-endian; `changes` by the names of fields."""
    numbers = {
        "samples": 277,
        "rows": 278,
        "count": 279,
        "depth": 32997,
        "tile_width": 322,
        "tile_height": 323,
    }
    fields = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 277: 1, 278: height, 279: len(data)}
    fields |= {numbers[name]: value for name, value in changes.items() if name in numbers}
    fields[273] = 8 + 2 + 12 * (len(fields) + 1) + 4
    entries = [struct.pack("<HHII", tag, 4, 1, fields[tag]) for tag in sorted(fields)]
    next_ifd = struct.pack("<I", changes.get("next_ifd", 0))
    return b"II*\0\x08\0\0\0" + struct.pack("<H", len(entries)) + b"".join(entries) + next_ifd + data


def by_pillow(format: str, **options: object) -> bytearray:
    stream = io.BytesIO()
    Pillow.fromarray(make.smooth(3, 16, 16)).save(stream, format, **options)
    return bytearray(stream.getvalue())


def jpeg(width: int, height: int) -> bytes:
    """A JPEG of 16 x 16 pixels whose header states another size."""
    content = by_pillow("JPEG")
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content)


def webp(width: int, height: int) -> bytes:
    content = by_pillow("WEBP", lossless=True)
    content[21:25] = struct.pack("<I", (width - 1) | (height - 1) << 14)
    return bytes(content)


def avif(width: int, height: int) -> bytes:
    content = by_pillow("AVIF")
    at = content.index(b"ispe")
    content[at + 8 : at + 16] = struct.pack(">II", width, height)
    return bytes(content)


def bmp(width: int, height: int, bits: int = 24, compression: int = 0) -> bytes:
    about = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 154, 0, 0, 54) + about + bytes(99)


def gif(width: int, height: int, frame: tuple[int, int], count: int = 1) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + count * (b",\0\0\0\0" + struct.pack("<HH", *frame) + b"\0\x02\x02\x4c\x01\0") + b";"


def big(format: str, channels: int = 1) -> bytes:
    """A picture of 600 x 500 pixels, without a word on its colours outside of it."""
    stream = io.BytesIO()
    Pillow.fromarray(make.smooth(channels, 500, 600)).save(stream, format)
    return stream.getvalue()


def jpeg_of(side: int) -> bytes:
    """A grey JPEG of 16 x 16 pixels whose header states another size."""
    stream = io.BytesIO()
    Pillow.fromarray(make.smooth(1, 16, 16)).save(stream, "JPEG")
    content = bytearray(stream.getvalue())
    at = content.index(b"\xff\xc0")
    content[at + 5 : at + 9] = struct.pack(">HH", side, side)
    return bytes(content)


TOO_LARGE = r"65000 x 65000 pixels are more than --max-pixels 250000000; raise --max-pixels"
BOMBS: dict[str, tuple[Callable[[], bytes], str]] = {
    "png": (lambda: png(65000, 65000, (b"IDAT", PIXELS)), TOO_LARGE),
    "jpeg": (lambda: jpeg(65000, 65000), TOO_LARGE),
    "tiff": (lambda: tiff(65000, 65000, bytes(16)), TOO_LARGE),
    "bmp": (lambda: bmp(65000, 65000), TOO_LARGE),
    "heic": (lambda: avif(65000, 65000).replace(b"ftypavif", b"ftypheic"), TOO_LARGE),
    "gif": (lambda: gif(65000, 65000, (1, 1)), TOO_LARGE),
    "ppm": (lambda: b"P6\n65000 65000\n255\n" + bytes(99), TOO_LARGE),
    "webp": (lambda: webp(16384, 16384), "16384 x 16384|too large for Pillow"),
    "avif": (lambda: avif(65000, 65000), TOO_LARGE),
    "a frame larger than its gif": (lambda: gif(1, 1, (65535, 65535)), "too large for Pillow|damaged GIF"),
    "no pixels of a png": (lambda: png(15000, 15000, (b"IDAT", PIXELS)), "damaged PNG"),
    "few pixels of a jpeg": (lambda: jpeg(15000, 15000), r"damaged JPEG \(\d+ bytes for 15000 x 15000"),
    "few pixels of a tiff": (lambda: tiff(15000, 15000, bytes(16)), "damaged TIFF"),
    "a tiff without data": (lambda: tiff(64, 64, b"", TIFF_DEFLATE), "a part of its pixels is missing"),
    "few pixels of a bmp": (lambda: bmp(15000, 15000), "damaged BMP"),
    "few pixels of a packed bmp": (lambda: bmp(15000, 15000, 8, 1), "damaged BMP"),
    "few pixels of a ppm": (lambda: b"P4\n15000 15000\n" + bytes(9), "damaged PPM"),
    "png, packed a thousandfold": (lambda: png(4, 4, (b"IDAT", zlib.compress(bytes(2**27)))), "damaged PNG"),
    "deflate": (lambda: tiff(9, 9, zlib.compress(ZEROS), TIFF_DEFLATE), "damaged TIFF"),
    "zstd": (lambda: tiff(9, 9, imagecodecs.zstd_encode(ZEROS), TIFF_ZSTD), "damaged TIFF"),
    "packbits": (lambda: tiff(9, 9, b"\x81\0" * 2**20, TIFF_PACKBITS), "damaged TIFF"),
    "samples": (lambda: tiff(9, 9, bytes(81), samples=60000), "60000 channels"),
    "depth": (lambda: tiff(9, 9, bytes(81), depth=2**31), "more than one picture"),
    "a jpeg larger than its strip": (lambda: tiff(16, 16, big("JPEG"), 7), r"a strip of 600 x 500 pixels in"),
    "a jpeg smaller than its strip": (lambda: tiff(999, 500, big("JPEG"), 7), r"a strip of 600 x 500 pixels"),
    "a jpeg larger than its tile": (
        lambda: make.tiff_of(16, 16, big("JPEG"), 7, tile=16),
        r"a strip of 600 x 500 pixels in place of 16 x 16",
    ),
    "a webp larger than its strip": (
        lambda: make.tiff_of(16, 16, big("WEBP", 3), 50001, photometric=2, samples=3),
        r"a strip of 600 x 500 pixels in place of 16 x 16",
    ),
    "few bytes of a jpeg in a strip": (lambda: tiff(15000, 15000, jpeg_of(15000), 7), r"\d+ bytes for 15000"),
    "a png in a strip": (lambda: tiff(600, 500, big("PNG"), 34933), "with compression PNG is not read"),
    "a jpeg 2000 in a strip": (
        lambda: tiff(16, 16, big("JPEG2000"), 34712),
        "compression JPEG2000 is not read",
    ),
    "large tiles of a small page": (
        lambda: make.tiff_of(16, 16, bytes(99), 8, tile=15000),
        "tiles of 15000 x 15000 for 16 x 16 pixels",
    ),
    "tiles above the limit": (
        lambda: make.tiff_of(16, 16, bytes(99), 8, tile=65000),
        "65000 x 65000 pixels are",
    ),
    "fewer strips than rows": (lambda: tiff(16, 16, bytes(256), rows=4), "a part of its pixels is missing"),
    "many frames": (lambda: gif(1, 1, (1, 1), 1000), "more than one picture"),
    "no width": (lambda: jpeg(0, 16), "JPEG"),
    "no height": (lambda: jpeg(16, 0), "JPEG"),
    "digits": (lambda: b"P6\n" + b"9" * 10_000 + b" 1\n255\n", "damaged PPM"),
    "no light": (lambda: b"P5\n2 2\n0\n" + bytes(9), "damaged PPM"),
    "words for numbers": (lambda: b"P3\n2 2\n255\n" + b"x " * 12, "damaged PPM"),
}


@pytest.mark.parametrize(("make_it", "message"), BOMBS.values(), ids=BOMBS)
def test_bombs_are_refused(make_it: Callable[[], bytes], message: str) -> None:
    assert re.search(message, refusal(make_it()))


def scans(width: int, height: int, count: int) -> bytes:
    """A progressive JPEG with its last scan as often as is asked for."""
    stream = io.BytesIO()
    Pillow.fromarray(np.zeros((16, 16), np.uint8)).save(stream, "JPEG", progressive=True)
    content = bytearray(stream.getvalue())
    at = content.index(b"\xff\xc2")
    content[at + 5 : at + 9] = struct.pack(">HH", height, width)
    return bytes(content[:-2] + content[content.rindex(b"\xff\xda") : -2] * count + content[-2:])


def test_of_many_scans_only_few_over_many_pixels_are_read() -> None:
    assert refusal(scans(16, 16, 200)) == "damaged JPEG (more than 100 scans)"
    assert images.read(io.BytesIO(scans(16, 16, 80))).pixels.shape == (1, 1, 16, 16)
    content = scans(9000, 9000, 60)
    comment = b"\xff\xfe\xff\xff" + bytes(65533)
    said = refusal(content[:-2] + comment * 4 + content[-2:])
    assert re.match(r"damaged JPEG \(6\d scans of 9000 x 9000 pixels\)", said)


@pytest.mark.parametrize("in_tiff", [False, True])
def test_many_scans_are_bounded_in_strips_too(in_tiff: bool) -> None:
    content = scans(16, 16, 200)
    assert "more than 100 scans" in refusal(tiff(16, 16, content, 7) if in_tiff else content)


HARMLESS: dict[str, Callable[[], bytes]] = {
    "lzma": lambda: tiff(9, 9, lzma.compress(ZEROS), TIFF_LZMA),
    "lzw": lambda: tiff(9, 9, imagecodecs.lzw_encode(ZEROS), TIFF_LZW),
    "a loop of pages": lambda: tiff(9, 9, bytes(81), next_ifd=8),
    "a longer strip than the file": lambda: tiff(9, 9, bytes(81), count=2**32 - 1),
    "no rows a strip": lambda: tiff(9, 9, bytes(81), rows=0),
    "a packed profile": lambda: png(
        4, 4, (b"iCCP", b"x\0\0" + zlib.compress(bytes(2**27))), (b"IDAT", PIXELS)
    ),
    "thousands of empty parts": lambda: png(4, 4, *[(b"IDAT", b"")] * 2000, (b"IDAT", PIXELS)),
    "thousands of texts": lambda: png(4, 4, *[(b"tEXt", b"a\0b")] * 2000, (b"IDAT", PIXELS)),
}


@pytest.mark.parametrize("make_it", HARMLESS.values(), ids=HARMLESS)
def test_what_has_its_pixels_is_read(make_it: Callable[[], bytes]) -> None:
    image = images.read(io.BytesIO(make_it()))
    assert image.pixels.shape[2:] in ((9, 9), (4, 4))
    assert image.metadata.icc is None


def test_of_many_xmp_packets_one_is_unpacked_and_carried() -> None:
    packets = [
        (b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(make.XMP + bytes([n]))) for n in range(9)
    ]
    image = images.read(io.BytesIO(png(4, 4, *packets, (b"IDAT", PIXELS))))
    assert image.metadata.xmp == make.XMP + b"\0"
    assert sum(kind == b"iTXt" for kind, _ in image.metadata.chunks or ()) == 1


@pytest.mark.parametrize("quality", [1, 95])
@pytest.mark.parametrize("progressive", [False, True])
def test_the_emptiest_jpeg_there_is_is_read(progressive: bool, quality: int) -> None:
    stream = io.BytesIO()
    blank = Pillow.fromarray(np.zeros((2000, 2000), np.uint8))
    blank.save(stream, "JPEG", quality=quality, progressive=progressive, optimize=True)
    assert images.read(io.BytesIO(stream.getvalue())).pixels.shape == (1, 1, 2000, 2000)


CHUNKS = [b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"]


@pytest.mark.parametrize("kind", [kind.decode() for kind in CHUNKS])
def test_a_wrong_sum_of_an_essential_chunk_is_damage(kind: str) -> None:
    chunks = [(b"PLTE", bytes(range(6))), (b"tRNS", b"\0"), (b"IDAT", zlib.compress(bytes(5 * 4)))]
    content = bytearray(png(4, 4, *chunks, colour=3))
    assert images.read(io.BytesIO(content)).pixels.shape == (1, 3, 4, 4)
    at = content.index(kind.encode())
    content[at + 4 + int.from_bytes(content[at - 4 : at], "big")] ^= 1
    assert refusal(bytes(content)) == f"truncated or damaged PNG ({kind}: CRC error)"


@pytest.mark.parametrize("kind", ["tEXt", "iCCP", "eXIf", "pHYs"])
def test_a_wrong_sum_of_another_chunk_costs_that_chunk_and_is_said(kind: str) -> None:
    content = bytearray(png(4, 4, (kind.encode(), bytes(9)), (b"IDAT", PIXELS)))
    content[content.index(kind.encode()) + 4] ^= 1
    image = images.read(io.BytesIO(content))
    assert image.metadata.notes == (f"a damaged {kind} chunk is left out",)
    assert kind.encode() not in dict(image.metadata.chunks or ())


def written_by_pillow() -> dict[str, bytes]:
    """A picture in every format that Pillow writes from pixels."""
    Pillow.init()
    found = {}
    for format in sorted(set(Pillow.SAVE) - {"PDF"}):
        for mode in ("RGB", "L", "1", "P"):
            stream = io.BytesIO()
            with warnings.catch_warnings(), suppress(Exception):  # not every format has every mode
                warnings.simplefilter("ignore")
                Pillow.fromarray(make.pixels(3)).convert(mode).save(stream, format)
                found[format] = stream.getvalue()
                break
    return found


WRITTEN = {
    **written_by_pillow(),
    "HEIC": make.heic(make.pixels(3)),
    "camera RAW": make.dng(make.mosaic()),
    "JPEG XL": make.encoded(make.plain(make.pixels(3)), "JPEG XL"),
    "OpenEXR": make.encoded(make.plain(make.pixels(3)), "OpenEXR"),
}
READ = {"AVIF", "BMP", "GIF", "HEIC", "JPEG", "JPEG XL", "MPO", "OpenEXR", "PNG", "PPM"}
READ |= {"TIFF", "WEBP", "camera RAW"}


def test_the_table_holds_every_format_that_is_read() -> None:
    assert set(WRITTEN) >= READ
    assert len(WRITTEN) >= 15


@pytest.mark.parametrize("format", sorted(WRITTEN))
def test_a_truncated_file_of_any_format_is_refused_wherever_it_ends(format: str) -> None:
    content = WRITTEN[format]
    for share in range(16):
        refusal(content[: len(content) * share // 16])


@pytest.mark.parametrize("format", sorted(WRITTEN))
def test_a_whole_file_of_any_format_is_read_or_refused_by_name(format: str) -> None:
    if format == "camera RAW":
        assert images.read(io.BytesIO(WRITTEN[format])).pixels.shape[2:] == make.mosaic().shape
    elif format in READ:
        assert images.read(io.BytesIO(WRITTEN[format])).pixels.shape[2:] == (18, 24)
    else:
        said = refusal(WRITTEN[format])
        usual = ("not a picture that genrestore reads", "truncated or damaged", "more than one")
        assert said.startswith(usual) or " is not read; convert it first" in said


SOUND = [WRITTEN[format] for format in sorted(READ)]
DAMAGED = st.sampled_from(SOUND).flatmap(lambda raw: damage.worse(raw, 400))


@settings(
    max_examples=100, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(DAMAGED, st.booleans())
def test_whatever_is_damaged_is_read_or_refused_in_one_line(damaged: bytes, repaired: bool) -> None:
    if repaired and damaged.startswith(damage.PNG_SIGNATURE):
        damaged = damage.with_true_sums(damaged)
    try:
        said = images.read(io.BytesIO(damaged), max_pixels=10**6).metadata.notes
    except InputError as error:
        said = (str(error),)
    assert all(line.isprintable() for line in said)
