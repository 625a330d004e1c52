"""How a picture is turned, whatever says so: every format, source and value; and what is then true."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import imagecodecs
import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from genrestore.files.codecs import exif, images, metadata, xmp
from genrestore.files.codecs.exif import Field
from tests.files import make

ARRAY = make.smooth(3)
T = Pillow.Transpose
TRANSPOSE = {2: T.FLIP_LEFT_RIGHT, 3: T.ROTATE_180, 4: T.FLIP_TOP_BOTTOM, 5: T.TRANSPOSE}
TRANSPOSE |= {6: T.ROTATE_270, 7: T.TRANSVERSE, 8: T.ROTATE_90}
NAMESPACES = (
    'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:exif="http://ns.adobe.com/exif/1.0/"'
)


def block(order: exif.ByteOrder, kind: int, *values: int) -> bytes:
    """EXIF with an Orientation of a TIFF type, as often as there are values, and with sides."""
    code = {1: "B", 3: "H", 4: "I"}[kind]
    fields = [Field(exif.ORIENTATION, kind, 1, struct.pack(order + code, value)) for value in values]
    below = (
        Field(40962, 4, 1, struct.pack(order + "I", 48)),
        Field(40963, 3, 1, struct.pack(order + "H", 32)),
    )
    sides = [
        Field(282, 5, 1, struct.pack(order + "II", 300, 1)),
        Field(283, 5, 1, struct.pack(order + "II", 150, 1)),
    ]
    return exif.write_block(
        [*fields, *sides, Field(296, 3, 1, struct.pack(order + "H", 2)), Field(34665, 4, 1, b"", below)],
        order,
    )


def packet(text: str, prefix: str = "tiff") -> bytes:
    attribute, element = (text, "") if "=" in text else ("", text)
    return (
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF {NAMESPACES}><rdf:Description rdf:about="" '
        f'xmlns:{prefix}="http://ns.adobe.com/tiff/1.0/" {attribute}>{element}'
        "<exif:PixelXDimension>48</exif:PixelXDimension><exif:PixelYDimension>32</exif:PixelYDimension>"
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    ).encode()


Said = tuple[bytes | None, bytes | None]
SOURCES: dict[str, Callable[[int], Said]] = {
    "exif, little-endian": lambda n: (block("<", 3, n), None),
    "exif, big-endian": lambda n: (block(">", 3, n), None),
    "exif, long": lambda n: (block("<", 4, n), None),
    "exif, long, big-endian": lambda n: (block(">", 4, n), None),
    "exif, byte": lambda n: (block(">", 1, n), None),
    "exif, twice": lambda n: (block("<", 3, n, n), None),
    "exif, three times, the first is none": lambda n: (block(">", 3, 0, n, 9), None),
    "xmp, attribute": lambda n: (None, packet(f'tiff:Orientation="{n}"')),
    "xmp, other quotes": lambda n: (None, packet(f"tiff:Orientation = ' {n} '")),
    "xmp, element": lambda n: (None, packet(f"<tiff:Orientation>\n {n} </tiff:Orientation>")),
    "xmp, other prefix": lambda n: (None, packet(f'T:Orientation="{n}"', "T")),
    "xmp, utf-16": lambda n: (None, packet(f'tiff:Orientation="{n}"').decode().encode("utf-16")),
    "exif, and xmp that says another": lambda n: (block("<", 3, n), packet(f'tiff:Orientation="{9 - n}"')),
    "xmp, and exif that says nothing": lambda n: (block("<", 3), packet(f'tiff:Orientation="{n}"')),
    "xmp, and exif that says nonsense": lambda n: (block("<", 3, 77), packet(f'tiff:Orientation="{n}"')),
}


def png(said: Said) -> bytes:
    chunks = [(b"pHYs", struct.pack(">IIB", 11811, 5906, 1))]
    chunks += [] if said[0] is None else [(b"eXIf", said[0])]
    chunks += [] if said[1] is None else [(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + said[1])]
    return make.with_chunks(imagecodecs.png_encode(ARRAY), *chunks)


def raw(name: str, content: bytes) -> bytes:
    return f"\n{name}\n{len(content):8d}\n{content.hex()}\n".encode()


def png_of_imagemagick(said: Said) -> bytes:
    chunks = []
    if said[0] is not None:
        chunks.append(
            (b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(raw("exif", b"Exif\0\0" + said[0])))
        )
    if said[1] is not None:
        chunks.append((b"tEXt", b"Raw profile type xmp\0" + raw("xmp", said[1])))
    return make.with_chunks(imagecodecs.png_encode(ARRAY), *chunks)


def png_with_app1(said: Said) -> bytes:
    contents = [b"Exif\0\0" + said[0]] if said[0] is not None else []
    contents += [b"http://ns.adobe.com/xap/1.0/\0" + said[1]] if said[1] is not None else []
    chunks = [
        (b"zTXt", b"Raw profile type APP1\0\0" + zlib.compress(raw("generic", each))) for each in contents
    ]
    return make.with_chunks(imagecodecs.png_encode(ARRAY), *chunks)


def jpeg(said: Said) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(ARRAY).save(stream, "JPEG", quality=100, subsampling=0, dpi=(300, 150))
    payloads = [b"Exif\0\0" + said[0]] if said[0] is not None else []
    payloads += [b"http://ns.adobe.com/xap/1.0/\0" + said[1]] if said[1] is not None else []
    segments = b"".join(struct.pack(">HH", 0xFFE1, len(each) + 2) + each for each in payloads)
    return stream.getvalue()[:20] + segments + stream.getvalue()[20:]


def webp(said: Said) -> bytes:
    stream = io.BytesIO()
    Pillow.fromarray(ARRAY).save(stream, "WEBP", lossless=True, exif=said[0] or b"", xmp=said[1] or b"")
    return stream.getvalue()


def tiff(said: Said, big: bool = False) -> bytes:
    tags = [] if said[1] is None else [(700, 1, len(said[1]), said[1], True)]
    order: exif.ByteOrder = "<" if said[0] is None else exif.byte_order(said[0])
    for field in () if said[0] is None else exif.read_fields(said[0]):
        if field.tag == exif.ORIENTATION:
            value = int.from_bytes(field.raw, "little" if order == "<" else "big")
            tags.append((274, field.kind, 1, value, True))
    stream = io.BytesIO()
    resolution = {"resolution": (300, 150), "resolutionunit": 2}
    tifffile.imwrite(
        stream,
        ARRAY,
        photometric="rgb",
        byteorder=order,
        bigtiff=big,
        extratags=tags,
        metadata=None,
        **resolution,
    )
    return stream.getvalue()


WRITERS: dict[str, Callable[[Said], bytes]] = {
    "PNG": png,
    "PNG of ImageMagick": png_of_imagemagick,
    "PNG with APP1": png_with_app1,
    "JPEG": jpeg,
    "WebP": webp,
    "TIFF": tiff,
    "BigTIFF": lambda said: tiff(said, big=True),
}


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("format", WRITERS)
def test_a_picture_comes_back_upright_and_nothing_says_that_it_is_turned(format: str, source: str) -> None:
    for value in range(1, 9):
        content = WRITERS[format](SOURCES[source](value))
        if format in ("TIFF", "BigTIFF") and source == "exif, three times, the first is none":
            continue  # tifffile writes a tag once
        stored = Pillow.fromarray(ARRAY)
        if format == "JPEG":
            with Pillow.open(io.BytesIO(content)) as opened:
                stored = opened.convert("RGB")
        upright = np.asarray(stored.transpose(TRANSPOSE[value]) if value > 1 else stored)
        image = images.read(io.BytesIO(content))
        assert np.array_equal(make.interleaved(image), upright), value
        quarter = value in metadata.QUARTER_TURNS
        if image.metadata.dpi is not None:
            assert image.metadata.dpi == pytest.approx((150, 300) if quarter else (300, 150), abs=0.1)
        again = images.read(io.BytesIO(make.encoded(image, image.metadata.format)))
        assert again.pixels.shape == image.pixels.shape
        assert metadata.orientation(again.metadata.exif, again.metadata.xmp) == 1
        with Pillow.open(io.BytesIO(make.encoded(image, image.metadata.format))) as opened:
            assert opened.getexif().get(274, 1) == 1


@pytest.mark.parametrize("value", range(1, 9))
def test_sides_change_places_after_a_quarter_turn_only(value: int) -> None:
    said = (block(">", 3, value), packet(f'tiff:Orientation="{value}"'))
    upright = metadata.upright(metadata.Metadata("PNG", "L", exif=said[0], xmp=said[1]), value)
    found, text = upright.exif, upright.xmp
    assert found is not None
    assert text is not None
    fields = {field.tag: field for field in exif.read_fields(found)}
    below = {field.tag: int.from_bytes(field.raw, "big") for field in fields[34665].children or ()}
    across = struct.unpack(">II", fields[282].raw)[0]
    quarter = value in (5, 6, 7, 8)
    assert (across, below[40962], below[40963]) == ((150, 32, 48) if quarter else (300, 48, 32))
    assert (b"PixelXDimension>32<" in text) == quarter
    assert b'Orientation="1"' in text
    assert (len(found), len(text)) == (len(said[0]), len(said[1]))


def test_a_packet_without_an_orientation_is_not_touched() -> None:
    assert xmp.upright(make.XMP, quarter_turned=True) == make.XMP
    assert xmp.orientation(b"\xff\xfe\0") is None
    odd = b"\0<" * 3 + b"\0"
    assert xmp.upright(odd, quarter_turned=True) == odd


@pytest.mark.parametrize("text", ["0", "9", "12", "45678", "-1", "1.0"])
def test_what_is_no_number_of_a_turn_in_xmp_is_none(text: str) -> None:
    assert xmp.orientation(packet(f'tiff:Orientation="{text}"')) is None
