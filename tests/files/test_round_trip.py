"""A photograph comes back as it was: any mode, depth, size and format into any other."""

from __future__ import annotations

import io
import zlib
from collections.abc import Set
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from genrestore.files.codecs import images
from tests.files import make

EXIF, ICC, XMP, DPI = "exif", "icc", "xmp", "dpi"
RESOLUTION = 300
CARRIES = {
    "PNG": {EXIF, ICC, XMP, DPI},
    "JPEG": {EXIF, ICC, XMP, DPI},
    "WEBP": {EXIF, ICC, XMP},
    "TIFF": {ICC, XMP, DPI},
}
"""What each format holds byte for byte; a TIFF has EXIF as fields, which other tests look at."""

CHANNELS = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4}
DIRECT = [f"{mode}{depth}" for mode in CHANNELS for depth in ("", ";16")]
SOURCES: list[tuple[str, str]] = [
    *[(format, mode) for format in ("PNG", "TIFF") for mode in DIRECT],
    *[(format, mode) for format in ("PNG", "TIFF", "BMP", "GIF") for mode in ("1", "P")],
    *[("JPEG", mode) for mode in ("L", "RGB")],
    *[("WEBP", mode) for mode in ("RGB", "RGBA")],
    *[("BMP", mode) for mode in ("L", "RGB")],
    *[("PPM", mode) for mode in ("1", "L", "RGB", "L;16")],
]
"""Format and mode of what is read."""


def channels_and_bits(mode: str) -> tuple[int, int]:
    plain, _, depth = mode.partition(";")
    return CHANNELS[plain], 16 if depth else 8


def png(array: np.ndarray, mode: str, kept: Set[str]) -> bytes:
    content = by_pillow("PNG", array, mode, set()) if mode in ("1", "P") else imagecodecs.png_encode(array)
    pixels_an_metre = round(RESOLUTION / 0.0254).to_bytes(4, "big")
    chunks = {
        ICC: (b"iCCP", b"profile\0\0" + zlib.compress(make.ICC)),
        EXIF: (b"eXIf", make.exif()),
        XMP: (b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + make.XMP),
        DPI: (b"pHYs", pixels_an_metre * 2 + b"\1"),
    }
    return make.with_chunks(content, *(chunk for name, chunk in chunks.items() if name in kept))


def tiff(array: np.ndarray, mode: str, kept: Set[str]) -> bytes:
    if mode in ("1", "P"):
        return by_pillow("TIFF", array, mode, set())
    count, _ = channels_and_bits(mode)
    stream = io.BytesIO()
    tifffile.imwrite(
        stream,
        array,
        photometric="rgb" if count >= 3 else "minisblack",
        planarconfig="contig" if count > 1 else None,
        extrasamples=["unassalpha"] if count in (2, 4) else None,
        iccprofile=make.ICC if ICC in kept else None,
        resolution=(RESOLUTION, RESOLUTION) if DPI in kept else None,
        resolutionunit=2 if DPI in kept else None,
        extratags=[(700, 1, len(make.XMP), make.XMP, True)] if XMP in kept else [],
        metadata=None,
        software=False,
    )
    return stream.getvalue()


def by_pillow(format: str, array: np.ndarray, mode: str, kept: Set[str]) -> bytes:
    values = {
        EXIF: {"exif": b"Exif\0\0" + make.exif()},
        ICC: {"icc_profile": make.ICC},
        XMP: {"xmp": make.XMP},
        DPI: {"dpi": (RESOLUTION, RESOLUTION)},
    }
    options: dict[str, Any] = {"lossless": True, "exact": True} if format == "WEBP" else {}
    for name in kept:
        options |= values[name]
    stream = io.BytesIO()
    if mode == "L;16":
        return b"P5\n%d %d\n65535\n" % array.shape[::-1] + array.astype(">u2").tobytes()
    picture = Pillow.fromarray(array)
    picture = picture.quantize(7) if mode == "P" else picture.convert(mode)
    picture.save(stream, format, **options)
    return stream.getvalue()


def written(format: str, mode: str, size: tuple[int, int], kept: Set[str], seed: int) -> bytes:
    """A file by another library."""
    count, bits = (3, 8) if mode in ("1", "P") else channels_and_bits(mode)
    array = make.pixels(count, bits, *size, seed=seed)
    if format == "PNG":
        return png(array, mode, kept)
    return tiff(array, mode, kept) if format == "TIFF" else by_pillow(format, array, mode, kept)


def by_others(content: bytes, format: str, mode: str) -> np.ndarray:
    """The pixels of a file as another library has them, [height, width] or [height, width, channel]."""
    if format == "PNG" and mode in DIRECT:
        return imagecodecs.png_decode(content)
    if format == "TIFF" and mode in DIRECT:
        return tifffile.imread(io.BytesIO(content))
    with Pillow.open(io.BytesIO(content)) as opened:
        if mode == "L;16":
            return np.asarray(opened).astype(np.uint16)
        return np.asarray(opened.convert({"1": "L", "P": "RGB"}.get(mode, mode)))


def metadata_of(content: bytes, format: str) -> dict[str, Any]:
    """EXIF, profile and XMP as bytes and the resolution, as another library finds them."""
    if format == "TIFF":
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            tags = file.pages.first.tags
            dpi = file.pages.first.resolution if tags.valueof(296) == 2 else None
            return {ICC: tags.valueof(34675), XMP: tags.valueof(700), DPI: dpi}
    with Pillow.open(io.BytesIO(content)) as opened:
        opened.load()
        xmp = opened.info.get("xmp") or opened.info.get("XML:com.adobe.xmp")
        return {
            EXIF: opened.info.get("exif", b"").removeprefix(b"Exif\0\0") or None,
            ICC: opened.info.get("icc_profile"),
            XMP: xmp.encode() if isinstance(xmp, str) else xmp,
            DPI: opened.info.get("dpi"),
        }


def planes(array: np.ndarray) -> int:
    return 1 if array.ndim == 2 else array.shape[2]


def check_pixels(array: np.ndarray, mode: str, content: bytes, target: str) -> None:
    """To the bit where the target can, else in kind: grey stays grey, and alpha is never changed."""
    if target in ("PNG", "TIFF"):
        found = by_others(content, target, "RGB")
        assert found.dtype == array.dtype, "the depth was changed"
        assert np.array_equal(found.reshape(array.shape), array)
        return
    with Pillow.open(io.BytesIO(content)) as opened:
        assert opened.size == array.shape[1::-1]
        if target == "JPEG":
            assert opened.mode == ("L" if planes(array) < 3 else "RGB")
        else:
            assert opened.mode == ("RGB" if planes(array) in (1, 3) else "RGBA")
            if planes(array) in (2, 4):
                full = np.iinfo(array.dtype).max
                alpha = (array[..., -1].astype(np.uint32) * 255 + full // 2) // full
                assert np.array_equal(np.asarray(opened)[..., -1], alpha)


@settings(
    max_examples=80, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(
    source=st.sampled_from(SOURCES),
    target=st.sampled_from(sorted(CARRIES)),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    kept=st.frozensets(st.sampled_from([EXIF, ICC, XMP, DPI])),
    seed=st.integers(0, 99),
)
def test_comes_back_as_it_was(
    source: tuple[str, str], target: str, size: tuple[int, int], kept: frozenset[str], seed: int
) -> None:
    format, mode = source
    held = kept & CARRIES.get(format, set()) if mode not in ("1", "P") or format == "PNG" else frozenset()
    content = written(format, mode, size, held, seed)
    expected = by_others(content, format, mode)
    image = images.read(io.BytesIO(content))
    assert np.array_equal(make.interleaved(image).reshape(expected.shape), expected)
    result = make.encoded(image, target)
    check_pixels(expected, mode, result, target)
    found = metadata_of(result, target)
    for name, value in {EXIF: make.exif(), ICC: make.ICC, XMP: make.XMP}.items():
        if name in held & CARRIES[target]:
            assert found[name] == value
        elif name not in held:
            assert not found.get(name), f"{name} came from nowhere"
    if DPI in held & CARRIES[target]:
        assert found[DPI] == pytest.approx((RESOLUTION, RESOLUTION), abs=0.02)


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(mode=st.sampled_from(["RGB", "RGBA"]), size=st.tuples(st.integers(1, 40), st.integers(1, 40)))
def test_a_lossless_webp_stays_lossless(mode: str, size: tuple[int, int]) -> None:
    content = written("WEBP", mode, size, frozenset(), 0)
    again = make.encoded(images.read(io.BytesIO(content)), "WEBP")
    assert np.array_equal(by_others(again, "WEBP", mode), by_others(content, "WEBP", mode))


@settings(max_examples=20, deadline=None, derandomize=True, database=None)
@given(
    mode=st.sampled_from(["L", "RGB"]),
    quality=st.integers(5, 100),
    subsampling=st.sampled_from([0, 1, 2]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
)
def test_a_jpeg_keeps_its_tables_and_its_subsampling(
    mode: str, quality: int, subsampling: int, size: tuple[int, int]
) -> None:
    stream = io.BytesIO()
    array = make.smooth(CHANNELS[mode], *size)
    chroma = {"subsampling": subsampling} if mode == "RGB" else {}
    Pillow.fromarray(array).save(stream, "JPEG", quality=quality, **chroma)
    again = make.encoded(images.read(io.BytesIO(stream.getvalue())), "JPEG")
    with Pillow.open(stream) as before, Pillow.open(io.BytesIO(again)) as after:
        assert (after.quantization, after.layer) == (before.quantization, before.layer)  # type: ignore[attr-defined]
        assert (after.mode, after.size) == (before.mode, before.size)
