"""Pictures and files for the tests of this room, made by Pillow, tifffile and imagecodecs."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from PIL import Image as Pillow
from PIL import ImageCms
from PIL.TiffImagePlugin import IFDRational

from genrestore.files.codecs import images
from genrestore.files.codecs.images import Image, Metadata

XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Orientation="1"/></rdf:RDF>'
    b"</x:xmpmeta>"
)
ICC = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def pixels(channels: int, bits: int = 8, height: int = 18, width: int = 24, seed: int = 0) -> np.ndarray:
    """Random values of the full range, [height, width] or [height, width, channels]."""
    kind = np.uint8 if bits == 8 else np.uint16
    shape = (height, width) if channels == 1 else (height, width, channels)
    return np.random.default_rng(seed).integers(0, 2**bits, shape, dtype=kind)


def smooth(channels: int, height: int = 32, width: int = 48) -> np.ndarray:
    """A ramp that lossy formats keep well, uint8."""
    y, x = np.mgrid[0:height, 0:width]
    planes = [40 + 3 * x, 60 + 4 * y, 200 - 2 * x - y, 30 + 2 * x + 3 * y]
    stack = np.stack(planes[:channels], axis=-1).clip(0, 255).astype(np.uint8)
    return stack[:, :, 0] if channels == 1 else stack


def exif(orientation: int | None = None, thumbnail: bool = False) -> bytes:
    """An EXIF block by Pillow, without prefix: camera, an exposure, a place and a maker note."""
    made = Pillow.Exif()
    made[271] = "Maker"
    if orientation is not None:
        made[274] = orientation
    made[305] = "Software of the camera"
    made.get_ifd(34665).update({33434: IFDRational(1, 125), 34855: 3200, 37500: b"note" * 10, 40962: 48})
    made.get_ifd(34853).update({1: "N", 2: (52.0, 31.0, 12.0)})
    block = made.tobytes()[6:]
    return with_thumbnail(block) if thumbnail else block


def with_thumbnail(block: bytes) -> bytes:
    """A block with a second IFD that leads to a thumbnail of 40 bytes at its end."""
    order = "<" if block[:2] == b"II" else ">"
    start = struct.unpack_from(order + "I", block, 4)[0]
    link = start + 2 + 12 * struct.unpack_from(order + "H", block, start)[0]
    block += b"\0" * (len(block) % 2)
    at = len(block)
    data_at = at + 2 + 24 + 4
    second = struct.pack(order + "H", 2) + struct.pack(order + "HHII", 513, 4, 1, data_at)
    second += struct.pack(order + "HHII", 514, 4, 1, 40) + bytes(4)
    return (
        block[:link]
        + struct.pack(order + "I", at)
        + block[link + 4 :]
        + second
        + b"\xff\xd8"
        + b"thumbnail." * 4
    )


def touch(*names: str) -> None:
    """Files that hold no picture, each with its own content, and their folders."""
    for name in names:
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_bytes(b"content of " + name.encode())


def save(path: Path, array: np.ndarray, **options: Any) -> Path:
    """Save by Pillow."""
    Pillow.fromarray(array).save(path, **options)
    return path


def chunk(kind: bytes, payload: bytes) -> bytes:
    """One PNG chunk."""
    return struct.pack(">I", len(payload)) + kind + payload + struct.pack(">I", zlib.crc32(kind + payload))


def with_chunks(png: bytes, *chunks: tuple[bytes, bytes]) -> bytes:
    """A PNG with chunks put in after its header."""
    return png[:33] + b"".join(chunk(*each) for each in chunks) + png[33:]


def png_chunks(png: bytes) -> list[tuple[bytes, bytes]]:
    """Type and payload of every chunk."""
    found, at = [], 8
    while at < len(png):
        length, kind = struct.unpack_from(">I4s", png, at)
        found.append((kind, png[at + 8 : at + 8 + length]))
        at += 12 + length
    return found


def tiff_of(
    width: int,
    height: int,
    data: bytes,
    compression: int = 1,
    *,
    photometric: int = 1,
    samples: int = 1,
    bits: int = 8,
    interchange: bool = False,
    palette: bytes = b"",
    tile: int = 0,
) -> bytes:
    """A little-endian TIFF of one strip or tile, before its IFD; `interchange`: as old-style JPEG."""
    at = 8 + len(data) + len(data) % 2
    fields = {256: width, 257: height, 258: bits, 259: compression, 262: photometric, 277: samples}
    if interchange:
        fields |= {513: 8, 514: len(data)}
    elif tile:
        fields |= {322: tile, 323: tile, 324: 8, 325: len(data)}
    else:
        fields |= {273: 8, 278: height, 279: len(data)}
    if palette:
        fields[320] = at
    if samples > 1:
        fields |= {258: at, 284: 1}
    extra = palette or (struct.pack("<H", bits) * samples if samples > 1 else b"")
    entries = b""
    for tag in sorted(fields):
        kind, count = (3, len(extra) // 2) if extra and tag == (320 if palette else 258) else (4, 1)
        entries += struct.pack("<HHII", tag, kind, count, fields[tag])
    ifd = struct.pack("<H", len(fields)) + entries + bytes(4)
    return b"II*\0" + struct.pack("<I", at + len(extra)) + data.ljust(at - 8, b"\0") + extra + ifd


def encoded(image: Image, format: str, provenance: dict[str, Any] | None = None) -> bytes:
    """What `images.encode` writes."""
    stream = io.BytesIO()
    images.encode(image, stream, format, provenance=provenance)
    return stream.getvalue()


def again(image: Image, format: str) -> Image:
    """Written and read again."""
    return images.read(io.BytesIO(encoded(image, format)))


def plain(array: np.ndarray, format: str = "PNG") -> Image:
    """A picture without metadata from [height, width] or [height, width, channel]."""
    from genrestore.files.codecs.images import from_buffer

    return from_buffer(array.copy(), Metadata(format, "?"))


def interleaved(image: Image) -> np.ndarray:
    """[height, width] or [height, width, channel] of a picture, alpha included."""
    planes = image.pixels if image.alpha is None else np.concatenate([image.pixels, image.alpha], axis=1)
    stack = planes[0].transpose(1, 2, 0)
    return stack[:, :, 0] if stack.shape[2] == 1 else stack


def heic(array: np.ndarray, **options: Any) -> bytes:
    """A HEIC by pillow-heif, of [height, width] or [height, width, channel], uint8 or uint16."""
    import pillow_heif

    bits = ";16" if array.dtype == np.uint16 else ""
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[1 if array.ndim == 2 else array.shape[2]] + bits
    stream, size = io.BytesIO(), array.shape[1::-1]
    pillow_heif.encode(mode, size, np.ascontiguousarray(array).tobytes(), stream, quality=-1, **options)
    return stream.getvalue()


BLACK, WHITE = 256, 16383
"""Of the sensor of `dng`."""
AS_SHOT = (0.5, 1.0, 0.7)
"""Red, green and blue of white in its light."""


def mosaic(light: np.ndarray | None = None) -> np.ndarray:
    """A sensor's values, uint16, of linear light [height, width, 3] in [0, 1]; the usual one is a ramp."""
    if light is None:
        y, x = np.mgrid[0:64, 0:96] / 100
        light = np.stack([x, y, 0.5 * x + 0.3 * y], axis=-1) * 0.9 + 0.02
    seen = light * AS_SHOT
    grid = seen[..., 1].copy()
    grid[0::2, 0::2], grid[1::2, 1::2] = seen[0::2, 0::2, 0], seen[1::2, 1::2, 2]
    return (BLACK + grid * (WHITE - BLACK)).clip(0, WHITE).round().astype(np.uint16)


def dng(grid: np.ndarray, orientation: int = 1) -> bytes:
    """A DNG of a mosaic of red, green, green and blue, of a camera that sees sRGB's colours."""
    to_camera = np.linalg.inv(
        [[0.41246, 0.35758, 0.18044], [0.21267, 0.71515, 0.07218], [0.01933, 0.11919, 0.95030]]
    )
    matrix = [number for value in to_camera.ravel() for number in (round(value * 10000), 10000)]
    neutral = [number for value in AS_SHOT for number in (round(value * 10000), 10000)]
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        grid,
        photometric=32803,
        compression=None,
        metadata=None,
        software="Software of the camera",
        extratags=[
            (254, 4, 1, 0, True),
            (271, 2, 0, "Maker", True),
            (272, 2, 0, "Model", True),
            (274, 3, 1, orientation, True),
            (33421, 3, 2, (2, 2), True),
            (33422, 1, 4, bytes((0, 1, 1, 2)), True),
            (50706, 1, 4, bytes((1, 4, 0, 0)), True),
            (50708, 2, 0, "Maker Model", True),
            (50714, 4, 1, BLACK, True),
            (50717, 4, 1, WHITE, True),
            (50721, 10, 9, matrix, True),
            (50728, 5, 3, neutral, True),
            (50778, 3, 1, 21, True),
        ],
    )
    return stream.getvalue()
