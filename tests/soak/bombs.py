"""Small files that pretend to be large ones: refused or read in bounded time and memory."""

from __future__ import annotations

import io
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

from genrestore.files.codecs import images, metadata
from tests import damage
from tests.soak import mutants
from tests.soak.checks import Checks

SIDES = [1, 500, 30_000, 70_000, 2**31 - 1, 2**32 - 1]


def chunk(kind: bytes, payload: bytes) -> bytes:
    """A chunk of a PNG with a true sum."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def png(draw: random.Random) -> bytes:
    """A large picture of zeros, texts that unpack to much, or chunks without end."""
    width, height = draw.choice(SIDES), draw.choice(SIDES)
    head = struct.pack(">IIBBBBB", width, height, draw.choice([1, 8, 16]), draw.choice([0, 2, 3, 6]), 0, 0, 0)
    zeros = zlib.compress(bytes(draw.choice([10, 10**7, 10**8])), 9)
    texts = chunk(b"zTXt", b"Raw profile type exif\0\0" + zeros) * draw.choice([0, 1, 40])
    icc = chunk(b"iCCP", b"icc\0\0" + zeros) * draw.choice([0, 1])
    empty = chunk(b"teSt", b"") * draw.choice([0, 50_000])
    pixels = chunk(b"IDAT", zeros)
    return damage.PNG_SIGNATURE + chunk(b"IHDR", head) + icc + texts + empty + pixels + chunk(b"IEND", b"")


def tiff(draw: random.Random) -> bytes:
    """A picture of any size in one strip of few bytes, or IFDs that lead to each other."""
    order = draw.choice("<>")
    mark = b"II*\0" if order == "<" else b"MM\0*"
    width, height = draw.choice(SIDES), draw.choice(SIDES)
    packed = zlib.compress(bytes(draw.choice([10, 10**7, 10**8])), 9)
    fields = {
        256: width, 257: height, 258: 8, 259: draw.choice([1, 5, 7, 8, 32773, 34712, 50001]),
        262: draw.choice([1, 2]), 273: 1000, 277: 1, 278: height, 279: len(packed),
    }  # fmt: skip
    tags = [(tag, 4, 1, value) for tag, value in fields.items()]
    tags += [(34665, 4, 1, 8)] * draw.choice([0, 1, 60])
    tags += [(330, 4, 2**20, 8)] * draw.choice([0, 1])
    head = mark + struct.pack(order + "IH", 8, len(tags))
    head += b"".join(struct.pack(order + "HHII", *tag) for tag in sorted(tags))
    return (head + struct.pack(order + "I", draw.choice([0, 8]))).ljust(1000, b"\0") + packed


def jpeg(draw: random.Random) -> bytes:
    """A JPEG with another size in its header, with scans again and again, or with many segments."""
    from PIL import Image

    stream = io.BytesIO()
    Image.new("RGB", (64, 64)).save(stream, "JPEG", progressive=draw.random() < 0.5)
    raw = stream.getvalue()
    at = max(raw.find(b"\xff\xc0"), raw.find(b"\xff\xc2"))
    if draw.random() < 0.6:
        raw = raw[: at + 5] + struct.pack(">HH", *draw.choices([1, 9000, 65535], k=2)) + raw[at + 9 :]
    scan = raw.find(b"\xff\xda")
    again = raw[scan:-2] * draw.choice([1, 1, 300])
    more = draw.choice([b"", b"\xff\xfe\xff\xff" + bytes(65533)]) * draw.choice([1, 100])
    return raw[:2] + more + raw[2:scan] + again + raw[-2:]


def webp(draw: random.Random) -> bytes:
    """A header of any size, and chunks without end."""
    size = struct.pack("<I", draw.choice([1, 16383, 2**24 - 1]))[:3]
    head = b"VP8X" + struct.pack("<I", 10) + bytes([draw.randrange(64), 0, 0, 0]) + size * 2
    more = (b"TEST" + struct.pack("<I", draw.choice([0, 2**32 - 1]))) * draw.choice([0, 60_000])
    return b"RIFF" + struct.pack("<I", len(head) + len(more) + 4) + b"WEBP" + head + more


def gif_or_ppm(draw: random.Random) -> bytes:
    """A header of any size in front of nothing."""
    width, height = draw.choice([1, 65535]), draw.choice([1, 65535])
    if draw.random() < 0.5:
        return b"GIF89a" + struct.pack("<HH", width, height) + b"\xf7\0\0" + bytes(800) + b";"
    return b"P6 %d %d 255\n" % (width * draw.choice([1, 10**5]), height) + bytes(100)


KINDS: dict[str, Callable[[random.Random], bytes]] = {
    "PNG bombs": png,
    "TIFF bombs": tiff,
    "JPEG bombs": jpeg,
    "WebP bombs": webp,
    "GIF and PPM bombs": gif_or_ppm,
}


def read(data: bytes, folder: Path) -> None:
    """Read a bomb as a picture, with the limit of pixels that there is by default."""
    path = folder / "bomb"
    path.write_bytes(data)
    metadata.read_provenance(path)
    images.read(path)


def run(checks: Checks, seed: int, count: int) -> None:
    """So many bombs of each kind."""
    for name, make in KINDS.items():
        mutants.try_all(checks, name, count, make, read, seed)
