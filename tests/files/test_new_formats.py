"""AVIF, JPEG XL, HEIC and camera RAW: pixels, metadata and turns, held against other libraries."""

from __future__ import annotations

import io
import os
import struct
from dataclasses import replace
from typing import Any

import imagecodecs
import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms

from genrestore.errors import InputError
from genrestore.files.codecs import avif as avif_codec
from genrestore.files.codecs import containers, exif, heif, icc, images, jxl_header, metadata
from genrestore.files.codecs.formats import Develop
from genrestore.files.codecs.images import Image, Metadata
from tests.files import make


def picture(array: np.ndarray, **known: Any) -> Image:
    from genrestore.files.codecs.images import from_buffer

    return from_buffer(array.copy(), Metadata("PNG", "?", **known))


def avif(array: np.ndarray, bits: int = 8, **options: Any) -> bytes:
    return bytes(imagecodecs.avif_encode(array, level=100, bitspersample=bits, **options))


def full(array: np.ndarray, bits: int) -> np.ndarray:
    return np.rint(array / (2**bits - 1) * 65535).astype(np.uint16)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("bits", [8, 10, 12])
def test_a_lossless_avif_comes_back_to_the_bit(bits: int, channels: int) -> None:
    array = make.pixels(channels, 16 if bits > 8 else 8) >> (16 - bits if bits > 8 else 0)
    image = images.read(io.BytesIO(avif(array, bits, matrix=0 if channels > 2 else 6)))
    expected = array if bits == 8 else full(array, bits)
    assert np.array_equal(make.interleaved(image), expected)
    assert image.metadata.bits == (0 if bits == 8 else bits)
    image.metadata = replace(image.metadata, lossless=True)
    stream = io.BytesIO()
    assert images.encode(image, stream, "AVIF") == ()
    again = imagecodecs.avif_decode(stream.getvalue())
    assert np.array_equal(again, array)


def test_16_bits_become_12_and_it_is_said() -> None:
    array = make.pixels(3, 16)
    stream = io.BytesIO()
    notes = images.encode(picture(array, lossless=True), stream, "AVIF")
    assert notes == ("AVIF has 12 bits: 16-bit values are rounded",)
    found = imagecodecs.avif_decode(stream.getvalue())
    assert np.array_equal(found, np.rint(array / 65535 * 4095))


def test_a_lossy_avif_says_so_and_is_near() -> None:
    array = make.smooth(3, 64, 64)
    stream = io.BytesIO()
    assert images.encode(picture(array), stream, "AVIF") == ("lossy AVIF, written with quality 90",)
    found = np.asarray(Pillow.open(stream)).astype(int)
    assert np.abs(found - array).max() < 12


@pytest.mark.parametrize("kept", [(), ("exif",), ("xmp",), ("icc",), ("exif", "xmp", "icc")])
def test_metadata_of_an_avif_is_what_pillow_finds(kept: tuple[str, ...]) -> None:
    every = {"exif": make.exif(), "xmp": make.XMP, "icc": make.ICC}
    known = {name: every[name] for name in kept}
    content = make.encoded(picture(make.smooth(4), **known), "AVIF", {"tool": "genrestore", "seed": 0})
    with Pillow.open(io.BytesIO(content)) as opened:
        opened.load()
        found = {name: opened.info.get({"icc": "icc_profile"}.get(name, name)) for name in every}
        assert np.abs(np.asarray(opened).astype(int) - make.smooth(4)).max() < 40
    assert found == {name: known.get(name) for name in every}
    image = images.read(io.BytesIO(content))
    ours = {name: getattr(image.metadata, name) for name in every}
    assert ours == {name: known.get(name) for name in every}
    assert image.metadata.lost == ()
    packed = metadata.provenance_in_boxes(io.BytesIO(content))
    assert packed is not None
    assert metadata.unpack_provenance(packed) == {"tool": "genrestore", "seed": 0}


@pytest.mark.parametrize("orientation", range(1, 9))
def test_an_avif_by_pillow_is_turned_upright_and_its_metadata_read(orientation: int) -> None:
    array, stream = make.smooth(3), io.BytesIO()
    block = b"Exif\0\0" + make.exif(orientation)
    Pillow.fromarray(array).save(stream, "AVIF", quality=100, exif=block, xmp=make.XMP, icc_profile=make.ICC)
    image = images.read(io.BytesIO(stream.getvalue()))
    turned = np.asarray(Pillow.fromarray(array).transpose(TURNS[orientation]) if orientation > 1 else array)
    assert image.pixels.shape[2:] == turned.shape[:2]
    assert np.abs(make.interleaved(image).astype(int) - turned).max() < 12
    assert image.metadata.exif is not None
    assert exif.orientation(image.metadata.exif) is None
    assert (image.metadata.icc, image.metadata.xmp) == (make.ICC, make.XMP)


def clap(*numbers: int) -> bytes:
    """A crop of width, height, and how far its middle is off the picture's, each over two."""
    return struct.pack(">iIiIiIiI", *(part for number in numbers for part in (number, 2)))


@pytest.mark.parametrize(
    ("crop", "shown"),
    [
        (clap(40, 32, 0, 0), np.s_[8:24, 14:34]),
        (clap(42, 30, -5, 3), np.s_[10:25, 11:32]),
    ],
)
def test_a_cropped_avif_is_what_it_shows_and_what_is_hidden_is_said(
    monkeypatch: pytest.MonkeyPatch, crop: bytes, shown: tuple[slice, slice]
) -> None:
    array, usual = make.smooth(3), heif.read

    def cropped(data: bytes) -> heif.Heif:
        found = usual(data)
        found.own.properties.append((b"clap", crop))
        return found

    monkeypatch.setattr(heif, "read", cropped)
    image = images.read(io.BytesIO(avif(array, matrix=0)))
    np.testing.assert_array_equal(make.interleaved(image), array[shown])
    assert image.metadata.lost == ("what its crop hides of its 48 x 32 pixels is left out",)


@pytest.mark.parametrize("crop", [b"", clap(41, 31, 0, 0)[:31], clap(4000, 30, 0, 0), bytes(32)])
def test_a_crop_that_is_not_in_its_picture_is_damage(crop: bytes) -> None:
    found = heif.read(avif(make.smooth(3)))
    found.own.properties.append((b"clap", crop))
    with pytest.raises(InputError, match="its crop"):
        avif_codec._shown(found)


TURNS = {
    2: Pillow.Transpose.FLIP_LEFT_RIGHT,
    3: Pillow.Transpose.ROTATE_180,
    4: Pillow.Transpose.FLIP_TOP_BOTTOM,
    5: Pillow.Transpose.TRANSPOSE,
    6: Pillow.Transpose.ROTATE_270,
    7: Pillow.Transpose.TRANSVERSE,
    8: Pillow.Transpose.ROTATE_90,
}
"""What turns a picture upright, by EXIF's number."""


@pytest.mark.parametrize("numbers", [(12, 13), (9, 16), (1, 8)])
def test_numbers_of_colours_come_back_and_become_a_profile_elsewhere(numbers: tuple[int, int]) -> None:
    content = avif(make.smooth(3), primaries=numbers[0], transfer=numbers[1], matrix=6)
    image = images.read(io.BytesIO(content))
    assert image.metadata.cicp == numbers
    assert (numbers[1] == 16) == (image.metadata.notes != ())
    again = images.read(io.BytesIO(make.encoded(image, "AVIF")))
    assert again.metadata.cicp == numbers
    with Pillow.open(io.BytesIO(make.encoded(image, "JPEG"))) as opened:
        assert opened.info["icc_profile"] == icc.of_cicp(*numbers)


def test_srgb_by_numbers_needs_no_profile() -> None:
    for primaries, transfer in ((1, 13), (1, 1), (2, 2), (12, 2), (77, 13)):
        assert icc.of_cicp(primaries, transfer) is None


def test_a_made_profile_is_that_of_display_p3() -> None:
    """Little CMS takes 200, 100, 50 of P3 to what the formulas of CSS Color 4, section 10, give."""
    made = icc.of_cicp(12, 13)
    assert made is not None
    profile, srgb = ImageCms.ImageCmsProfile(io.BytesIO(made)), ImageCms.createProfile("sRGB")
    transform = ImageCms.buildTransform(profile, srgb, "RGB", "RGB")
    found = ImageCms.applyTransform(Pillow.new("RGB", (1, 1), (200, 100, 50)), transform)
    assert found.getpixel((0, 0)) == pytest.approx((215, 93, 31), abs=1)
    assert icc.is_linear(icc.of_cicp(9, 8))
    assert not icc.is_linear(made)


def test_a_sequence_is_refused_as_an_animation() -> None:
    stream = io.BytesIO()
    frames = [Pillow.fromarray(make.smooth(3) // (k + 1)) for k in range(3)]
    frames[0].save(stream, "AVIF", save_all=True, append_images=frames[1:])
    with pytest.raises(InputError, match="more than one picture"):
        images.read(io.BytesIO(stream.getvalue()))


@pytest.mark.parametrize("bits", [8, 10, 12])
def test_a_heic_is_what_its_library_decodes(bits: int) -> None:
    import pillow_heif

    array = make.smooth(3, 128, 192).astype(np.uint16)
    content = make.heic(array.astype(np.uint8) if bits == 8 else array << 8)
    if bits == 12:
        pillow_heif.options.SAVE_HDR_TO_12_BIT = True
        try:
            content = make.heic(array << 8)
        finally:
            pillow_heif.options.SAVE_HDR_TO_12_BIT = False
    image = images.read(io.BytesIO(content))
    theirs = np.asarray(pillow_heif.open_heif(content, convert_hdr_to_8bit=False))
    expected = theirs if bits == 8 else full(theirs >> (16 - bits), bits)
    assert np.array_equal(make.interleaved(image), expected)
    assert image.metadata.bits == (0 if bits == 8 else bits)
    assert np.abs(expected / (1 if bits == 8 else 257) - array).max() < 30


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_heic_is_upright_with_its_metadata(orientation: int) -> None:
    array = make.smooth(3, 128, 192)
    content = make.heic(array, exif=b"Exif\0\0" + make.exif(orientation), xmp=make.XMP)
    image = images.read(io.BytesIO(content))
    turned = np.asarray(Pillow.fromarray(array).transpose(TURNS[orientation]) if orientation > 1 else array)
    assert np.abs(make.interleaved(image).astype(int) - turned).max() < 30
    assert image.metadata.exif is not None
    assert exif.orientation(image.metadata.exif) is None
    assert image.metadata.xmp == make.XMP


def test_places_outside_of_a_file_are_refused() -> None:
    content = make.heic(make.smooth(3, 128, 192))
    with pytest.raises(InputError, match=r"truncated or damaged HEIC \((a box reaches|a part of its pixels)"):
        images.read(io.BytesIO(content[:-10]))


def test_pictures_beside_the_one_that_is_shown_are_said() -> None:
    found = heif.Heif(b"", 1)
    gain_map = b"\0\0\0\0urn:com:apple:photo:2020:aux:hdrgainmap\0"
    found.items = {
        1: heif.Item(b"hvc1"),
        2: heif.Item(b"hvc1", properties=[(b"auxC", gain_map)]),
        3: heif.Item(b"hvc1"),
        4: heif.Item(b"hvc1", properties=[(b"auxC", b"\0\0\0\0" + heif.ALPHA[0])]),
        5: heif.Item(b"hvc1"),
    }
    found.references = [(b"auxl", 2, (1,)), (b"thmb", 3, (1,)), (b"auxl", 4, (1,))]
    assert list(found.lost()) == [
        "its gain map in the file is left out",
        "further pictures in the file are left out",
    ]


def test_raw_is_developed_plainly() -> None:
    """A ramp of linear light, through a mosaic, on the curve of sRGB with neutral white."""
    y, _ = np.mgrid[0:64, 0:96] / 64
    light = np.repeat((0.05 + 0.45 * y)[..., None], 3, axis=2)
    content = make.dng(make.mosaic(light))
    image = images.read(io.BytesIO(content), develop=Develop(1.0))
    found = make.interleaved(image)[8:-8, 8:-8] / 65535
    light = light[8:-8, 8:-8]
    expected = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(found - expected).max() < 0.02
    brighter = make.interleaved(images.read(io.BytesIO(content), develop=Develop(1.8)))
    assert brighter.mean() > 1.2 * make.interleaved(image).mean()


def test_raw_is_upright_has_what_its_camera_said_and_can_be_half_as_large() -> None:
    content = make.dng(make.mosaic(), 6)
    image = images.read(io.BytesIO(content))
    assert image.pixels.shape == (1, 3, 96, 64)
    assert image.pixels.dtype == np.uint16
    assert image.metadata.exif is not None
    fields = {field.tag: field.raw for field in exif.read_fields(image.metadata.exif)}
    assert fields == {271: b"Maker\0", 272: b"Model\0", 305: b"Software of the camera\0"}
    assert images.read(io.BytesIO(content), develop=Develop(half=True)).pixels.shape == (1, 3, 48, 32)


def test_fields_of_other_cameras_are_found() -> None:
    from genrestore.files.codecs import raw

    block = make.exif()
    found = raw._exif(b"MMOR" + block[4:])
    assert found is not None
    assert {field.tag for field in exif.read_fields(found)} == {271, 305, exif.EXIF_IFD, exif.GPS_IFD}
    stream = io.BytesIO()
    Pillow.fromarray(make.smooth(3)).save(stream, "JPEG", exif=b"Exif\0\0" + block)
    fuji = b"FUJIFILMCCD-RAW ".ljust(84, b"\0") + struct.pack(">I", 200)
    found = raw._exif(fuji.ljust(200, b"\0") + stream.getvalue())
    assert found is not None
    assert exif.read_fields(found)[0].raw == b"Maker\0"
    inside = heif.box(b"uuid", raw._CANON, heif.box(b"CMT1", block), heif.box(b"CMT2", block))
    found = raw._exif(heif.box(b"ftyp", b"crx ", bytes(4)) + heif.box(b"moov", inside))
    assert found is not None
    assert {field.tag for field in exif.read_fields(found)} >= {271, exif.EXIF_IFD}


def test_a_raw_without_its_last_rows_is_refused() -> None:
    grid = make.mosaic()
    grid[-20:] = make.BLACK
    with pytest.raises(InputError, match="its last rows are empty"):
        images.read(io.BytesIO(make.dng(grid)))


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("numbers", [None, (12, 13), (9, 16), (1, 8)])
def test_a_lossless_jpeg_xl_comes_back_to_the_bit(
    kind: str, channels: int, numbers: tuple[int, int] | None
) -> None:
    array = make.pixels(channels, 16 if kind == "u2" else 8)
    if kind == "f4":
        array = (array / 100 - 0.5).astype("f4")
    known = {"exif": make.exif(), "xmp": make.XMP, "lossless": True, "cicp": numbers}
    image = picture(array, icc=icc.of_cicp(*numbers) if numbers else None, **known)
    content = make.encoded(image, "JPEG XL", {"tool": "genrestore", "seed": 0})
    assert np.array_equal(imagecodecs.jpegxl_decode(content), array)
    again = images.read(io.BytesIO(content))
    assert np.array_equal(make.interleaved(again), array)
    found = again.metadata
    assert (found.exif, found.xmp, found.lossless, found.lost) == (make.exif(), make.XMP, True, ())
    grey = {(12, 13): None, (9, 16): (1, 16)}  # grey has a curve, and no primaries
    assert found.cicp == (grey.get(numbers, numbers) if channels < 3 and numbers else numbers)
    packed = metadata.provenance_in_boxes(io.BytesIO(content))
    assert packed is not None
    assert metadata.unpack_provenance(packed) == {"tool": "genrestore", "seed": 0}


@pytest.mark.parametrize("bits", [10, 12, 14])
def test_a_jpeg_xl_of_few_bits_is_spread_over_all(bits: int) -> None:
    array = make.pixels(3, 16) >> (16 - bits)
    content = bytes(imagecodecs.jpegxl_encode(array, lossless=True, bitspersample=bits))
    image = images.read(io.BytesIO(content))
    assert np.array_equal(make.interleaved(image), full(array, bits))
    assert image.metadata.bits == bits


@pytest.mark.parametrize("kind", ["u1", "u2"])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_lossy_jpeg_xl_is_near_in_srgb(kind: str, channels: int) -> None:
    array = make.smooth(channels, 64, 64).astype(kind) * (257 if kind == "u2" else 1)
    stream = io.BytesIO()
    notes = images.encode(picture(array, icc=make.ICC), stream, "JPEG XL")
    assert notes == ("lossy JPEG XL, written with distance 1",)
    again = images.read(io.BytesIO(stream.getvalue()))
    assert (again.metadata.cicp, again.metadata.icc, again.metadata.lossless) == (None, None, False)
    assert again.pixels.dtype == array.dtype
    away = np.abs(make.interleaved(again).astype(float) - array) / np.iinfo(kind).max
    assert away.mean() < 0.01
    assert away.max() < 0.12


def test_display_p3_is_told_by_its_profile_and_other_profiles_are_refused() -> None:
    array = make.smooth(3, 64, 64)
    stream = io.BytesIO()
    notes = images.encode(picture(array, icc=icc.of_cicp(12, 13)), stream, "JPEG XL")
    assert notes == ("lossless JPEG XL, since its colours or numbers are not written with loss",)
    again = images.read(io.BytesIO(stream.getvalue()))
    assert again.metadata.cicp == (12, 13)
    assert np.array_equal(make.interleaved(again), array)
    for other in (icc.of_cicp(1, 4), b"no profile at all".ljust(200)):
        with pytest.raises(InputError, match="JPEG XL: this colour profile cannot be written; write PNG"):
            images.encode(picture(array, icc=other), io.BytesIO(), "JPEG XL")


ADOBE = ((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), (0.3127, 0.3290)
GAMMA = 4_545_000
"""Ten million times the power that values are of light."""


def custom(*, grey: bool = False, gamma: int = GAMMA) -> tuple[int, int]:
    """What says Adobe RGB's primaries, or grey, and a gamma in the header of a JPEG XL."""
    fields = [(0, 2), (int(grey), 2), (1, 2)]
    if not grey:
        fields.append((2, 6))
        for value in (round(2e6 * value) for place in ADOBE[0] for value in place):
            way = 0 if value < 1 << 19 else 1 if value < 1 << 20 else 2
            offset, count = ((0, 19), (1 << 19, 19), (1 << 20, 20))[way]
            fields += [(way, 2), (value - offset, count)]
    number = size = 0
    for value, count in (*fields, (1, 1), (gamma, 24), (1, 2)):
        number, size = number | value << size, size + count
    return number, size


@pytest.mark.parametrize("channels", [1, 3])
def test_custom_colours_of_a_jpeg_xl_become_a_profile_and_come_back(channels: int) -> None:
    array, words = make.pixels(channels), custom(grey=channels == 1)
    plain = bytes(imagecodecs.jpegxl_encode(array, lossless=True, usecontainer=False))
    image = images.read(io.BytesIO(jxl_header.recoloured(plain, words)))
    assert image.metadata.lost == ()
    curve, name = icc.power(1e7 / GAMMA), "colours of a JPEG XL"
    grey = icc.grey_profile(curve, name)
    assert image.metadata.icc == (grey if channels == 1 else icc.matrix_profile(*ADOBE, curve, name))
    ImageCms.ImageCmsProfile(io.BytesIO(image.metadata.icc))
    for format in ("JPEG XL", "PNG", "TIFF"):
        again = make.again(image, format)
        assert again.metadata.icc == image.metadata.icc
        assert np.array_equal(make.interleaved(again), array)
    again = make.again(image, "JPEG XL")
    assert again.metadata.jxl == words


def test_libjxl_decodes_what_is_lossy_to_its_custom_colours() -> None:
    array = make.smooth(3, 64, 64)
    light = np.rint(65535 * icc.linear(array.astype(np.float32) / 255)).astype(np.uint16)
    lossy = bytes(imagecodecs.jpegxl_encode(light, lossless=False, distance=0.2, usecontainer=False))
    image = images.read(io.BytesIO(jxl_header.recoloured(lossy, custom())))
    made = ImageCms.ImageCmsProfile(io.BytesIO(image.metadata.icc or b""))
    expected = ImageCms.profileToProfile(Pillow.fromarray(array), ImageCms.createProfile("sRGB"), made)
    away = np.abs(make.interleaved(image) / 257 - np.asarray(expected))
    assert away.mean() < 1
    assert np.array_equal(make.interleaved(make.again(image, "JPEG XL")), make.interleaved(image))


@pytest.mark.parametrize("green", [None, (0.3, 0.0), (0.64, 0.33)])
def test_colours_of_a_jpeg_xl_that_make_no_profile_are_said(green: tuple[float, float] | None) -> None:
    from genrestore.files.codecs import jxl

    header = jxl_header.Header(lossy=False, cicp=None)
    if green is not None:
        header.space = jxl_header.Space((ADOBE[0][0], green, ADOBE[0][2]), ADOBE[1], 0, 2.2, grey=False)
    found = jxl._describe(header, {}, "JPEG XL", (), ())
    assert (found.icc, found.jxl) == (None, None)
    expected = "its colour profile cannot be read here and is left out: colours may look different"
    assert found.lost == (expected,)


def test_metadata_of_a_jpeg_xl_may_be_compressed_and_its_gain_map_is_said() -> None:
    content = make.encoded(picture(make.smooth(3)), "JPEG XL")
    packed = bytes(imagecodecs.brotli_encode(bytes(4) + make.exif()))
    more = heif.box(b"brob", b"Exif", packed) + heif.box(b"xml ", make.XMP) + heif.box(b"jhgm", bytes(9))
    found = images.read(io.BytesIO(content + more)).metadata
    assert (found.exif, found.xmp) == (make.exif(), make.XMP)
    assert found.lost == ("its gain map in the file is left out",)


def test_a_jpeg_xl_in_parts_is_read() -> None:
    stream = bytes(imagecodecs.jpegxl_encode(make.pixels(3), lossless=True, usecontainer=False))
    halves = (stream[:99], stream[99:])
    parts = [heif.box(b"jxlp", struct.pack(">I", at | at << 31), half) for at, half in enumerate(halves)]
    start = make.encoded(picture(make.smooth(3)), "JPEG XL")[:32]
    image = images.read(io.BytesIO(start + b"".join(parts)))
    assert np.array_equal(make.interleaved(image), make.pixels(3))


def test_a_jpeg_xl_is_refused_by_its_header() -> None:
    content = bytearray(
        imagecodecs.jpegxl_encode(make.pixels(3, 8, 1001, 1003), lossless=True, usecontainer=False)
    )
    image = images.read(io.BytesIO(content))
    assert image.pixels.shape == (1, 3, 1001, 1003)
    with pytest.raises(InputError, match="1003 x 1001 pixels are more than --max-pixels 1000"):
        images.read(io.BytesIO(content), max_pixels=1000)


def test_libraw_says_nothing_of_damage_and_words_of_others_are_kept(
    capfd: pytest.CaptureFixture[str],
) -> None:
    from genrestore.files.codecs import raw

    content = make.dng(make.mosaic())
    with pytest.raises(InputError, match="truncated or damaged camera RAW"):
        images.read(io.BytesIO(content[: len(content) // 2]), develop=Develop(1.0))
    with containers.quiet(raw._WORDS):
        os.write(2, b"unknown file: data corrupted at 1378\nanother thread\n")
    assert capfd.readouterr().err == "another thread\n"
