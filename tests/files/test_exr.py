"""OpenEXR: light, alpha, attributes and further channels come back, and other formats are told of them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageCms
from typer.testing import CliRunner

from genrestore.cli.app import app
from genrestore.errors import InputError
from genrestore.files.codecs import exr, formats, icc, images
from genrestore.files.work.scale import Scale
from tests import tiny
from tests.files import make

library = pytest.importorskip("OpenEXR", reason="the extra exr is not installed")
WIDE = (0.68, 0.32, 0.265, 0.69, 0.15, 0.06, 0.3127, 0.329)
SHAPE = (20, 30)


def planes(kind: type = np.float32) -> dict[str, np.ndarray]:
    """Light from −0.5 to 2.5, and an alpha."""
    draw = np.random.default_rng(0)
    made = {name: (3 * draw.random(SHAPE) - 0.5).astype(kind) for name in "RGB"}
    return {**made, "A": draw.random(SHAPE).astype(kind)}


def file(channels: dict[str, Any], **attributes: Any) -> bytes:
    stream = io.BytesIO()
    header = {"compression": library.PIZ_COMPRESSION, "type": library.scanlineimage, **attributes}
    library.File(header, dict(channels)).write(stream)
    return stream.getvalue()


def read(content: bytes) -> images.Image:
    return images.read(io.BytesIO(content))


def box(left: int, top: int, right: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
    return np.array([left, top], np.int32), np.array([right, bottom], np.int32)


@pytest.mark.parametrize("kind", [np.float16, np.float32])
def test_all_of_a_file_comes_back(kind: type) -> None:
    depth = np.arange(600, dtype=np.float32).reshape(SHAPE)
    content = file(
        planes(kind) | {"Z": depth, "id": depth.astype(np.uint32)},
        owner="me",
        chromaticities=WIDE,
        xDensity=72.0,
        dataWindow=box(5, 7, 34, 26),
        displayWindow=box(0, 0, 99, 49),
    )
    image = read(content)
    assert image.pixels.dtype == kind
    for plane, name in zip(image.pixels[0], "RGB", strict=True):
        np.testing.assert_array_equal(plane, planes(kind)[name])
    assert image.alpha is not None
    np.testing.assert_array_equal(image.alpha[0, 0], planes(kind)["A"])
    again = library.File(io.BytesIO(make.encoded(image, "OpenEXR")), separate_channels=True)
    before = library.File(io.BytesIO(content), separate_channels=True)
    assert again.channels().keys() == before.channels().keys()
    for name, channel in before.channels().items():
        np.testing.assert_array_equal(again.channels()[name].pixels, channel.pixels)
        assert again.channels()[name].pixels.dtype == channel.pixels.dtype
    assert {**again.header(), "channels": 0}.__repr__() == {**before.header(), "channels": 0}.__repr__()


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("compression", ["NO", "ZIP", "PIZ", "DWAB"])
def test_a_file_of_more_rows_than_are_decoded_at_once(compression: str, order: int) -> None:
    height, width = 2 * exr._ROWS + 37, 24
    draw = np.random.default_rng(0)
    made = {name: draw.random((height, width)).astype(np.float32) for name in "RGB"}
    content = file(
        made | {"Z": draw.random((height, width)).astype(np.float16)},
        compression=getattr(library, f"{compression}_COMPRESSION"),
        lineOrder=library.LineOrder(order),
        dataWindow=box(-3, -9, width - 4, height - 10),
    )
    theirs = library.File(io.BytesIO(content), separate_channels=True).channels()
    image = read(content)
    for plane, name in zip(image.pixels[0], "RGB", strict=True):
        np.testing.assert_array_equal(plane, theirs[name].pixels)
    assert image.metadata.exr is not None
    np.testing.assert_array_equal(image.metadata.exr.channels["Z"], theirs["Z"].pixels)


def test_what_another_format_has_no_place_for_is_said() -> None:
    image = read(file(planes() | {"Z": planes()["A"]}, owner="me"))
    notes = images.encode(image, io.BytesIO(), "TIFF")
    assert notes == ("TIFF has no place for channels Z, attributes owner: left out",)


def test_light_becomes_a_profile_elsewhere_and_alpha_is_divided_out() -> None:
    found = read(make.encoded(read(file(planes(), chromaticities=WIDE)), "TIFF"))
    assert icc.is_linear(found.metadata.icc)
    assert icc.colours(found.metadata.icc) is not None
    wanted = planes()["R"] / planes()["A"]
    np.testing.assert_allclose(found.pixels[0, 0], wanted, rtol=1e-5)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "AVIF", "JPEG XL"])
def test_light_of_grey_becomes_a_profile_elsewhere(format: str) -> None:
    light = np.full(SHAPE, 0.2, np.float32)
    content = make.encoded(read(file({"Y": light})), format)
    found = read(content)
    assert found.pixels.shape == (1, 1, *SHAPE)
    assert found.metadata.icc is not None
    assert icc.is_linear(found.metadata.icc) or found.metadata.cicp == (1, 8)
    back = read(make.encoded(found, "OpenEXR"))
    np.testing.assert_allclose(back.pixels[0, 0], light, atol=0.003)
    if format == "JPEG":  # LittleCMS takes 20 % of the light for what it is on sRGB's curve
        with Pillow.open(io.BytesIO(content)) as opened:
            given = ImageCms.ImageCmsProfile(io.BytesIO(opened.info["icc_profile"]))
            shown = ImageCms.profileToProfile(opened, given, ImageCms.createProfile("sRGB"), outputMode="RGB")
        assert abs(shown.getpixel((0, 0))[0] - 124) <= 1


def test_light_of_grey_without_a_grey_mode_is_said() -> None:
    notes = images.encode(read(file({"Y": planes()["R"]})), io.BytesIO(), "WEBP")
    assert "the profile of grey is left out, since WebP has no grey mode" in notes


def test_it_is_restored_on_srgbs_curve() -> None:
    scale = Scale.of(read(file(planes())))
    assert scale is not None
    assert scale.is_linear


@pytest.mark.parametrize("bits", [8, 16])
def test_other_formats_become_light(bits: int) -> None:
    source = make.plain(make.pixels(4, bits))
    stream = io.BytesIO()
    notes = images.encode(source, stream, "OpenEXR")
    assert any("linear light" in note for note in notes)
    found = library.File(io.BytesIO(stream.getvalue()), separate_channels=True).channels()
    full = 2**bits - 1
    assert source.alpha is not None
    alpha = source.alpha[0, 0] / full
    light = icc.linear((source.pixels[0, 0] / full).astype(np.float32)) * alpha
    np.testing.assert_allclose(found["R"].pixels, light, atol=5e-4 if bits == 8 else 1e-6)
    np.testing.assert_allclose(found["A"].pixels, alpha, atol=5e-4 if bits == 8 else 1e-6)


def test_wide_colours_become_those_of_srgb() -> None:
    p3 = icc.of_cicp(12, 13)
    green = np.zeros((1, 3, 4, 4), np.float32)
    green[:, 1] = 1
    source = images.Image(green, None, images.Metadata("TIFF", "?", icc=p3))
    found = read(make.encoded(source, "OpenEXR")).pixels[0, :, 0, 0]
    np.testing.assert_allclose(found, [-0.2249, 1.0421, -0.0786], atol=2e-3)  # Display P3's green in sRGB


def test_both_resolutions_come_back() -> None:
    source = images.Image(
        np.ones((1, 3, 4, 4), np.float32), None, images.Metadata("TIFF", "?", dpi=(72, 144))
    )
    content = make.encoded(source, "OpenEXR")
    header = library.File(io.BytesIO(content), separate_channels=True).header()
    assert (header["xDensity"], header["pixelAspectRatio"]) == (72, 2)
    assert read(content).metadata.dpi == (72, 144)


def test_provenance() -> None:
    stream = io.BytesIO()
    images.encode(read(file(planes())), stream, "OpenEXR", provenance={"tool": "genrestore"})
    stream.seek(0)
    assert exr.read_provenance(stream) == b'{"tool":"genrestore"}'
    assert exr.read_provenance(io.BytesIO(b"nothing")) is None


class TestRefused:
    @pytest.mark.parametrize("compression", ["NO", "ZIP", "PIZ", "DWAA"])
    def test_wherever_it_ends(self, compression: str, capfd: pytest.CaptureFixture[str]) -> None:
        content = file(planes(), compression=getattr(library, f"{compression}_COMPRESSION"))
        for length in (4, 40, 300, 400, len(content) // 2, len(content) - 1):
            with pytest.raises(InputError, match="truncated or damaged OpenEXR"):
                read(content[:length])
        assert capfd.readouterr() == ("", "")

    @pytest.mark.parametrize(
        ("channels", "message"),
        [
            ({"Z": planes()["R"]}, r"OpenEXR without channels R, G, B or Y alone \(Z\)"),
            (dict.fromkeys("RGB", np.ones(SHAPE, np.uint32)), "OpenEXR of integers"),
            ({"left": planes()["R"], "G": planes()["G"]}, "without channels"),
        ],
    )
    def test_channels_that_are_no_picture(self, channels: dict[str, np.ndarray], message: str) -> None:
        with pytest.raises(InputError, match=message):
            read(file(channels))

    def test_more_pixels_than_are_trusted(self) -> None:
        with pytest.raises(InputError, match="30 x 20 pixels are more than --max-pixels 100"):
            images.read(io.BytesIO(file(planes())), max_pixels=100)

    def test_parts(self) -> None:
        stream = io.BytesIO()
        parts = [library.Part({}, {name: planes()["R"]}, name) for name in ("R", "Z")]
        library.File(parts).write(stream)
        with pytest.raises(InputError, match="more than one picture"):
            read(stream.getvalue())

    def test_a_profile_of_tables(self) -> None:
        source = images.Image(
            np.ones((1, 3, 4, 4), np.float32), None, images.Metadata("TIFF", "?", icc=b"\0" * 200)
        )
        with pytest.raises(InputError, match="cannot be brought to linear light; write TIFF"):
            images.encode(source, io.BytesIO(), "OpenEXR")


def test_without_the_extra_it_is_said_before_the_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a.png").write_bytes(make.encoded(make.plain(make.pixels(3)), "PNG"))
    monkeypatch.setattr("genrestore.files.codecs.formats.has_library", lambda name: name != "OpenEXR")
    monkeypatch.setattr("genrestore.cli.words.has_library", formats.has_library)
    for words in (["-o", "a.exr"], ["--format", "exr"]):
        done = CliRunner().invoke(app, ["denoise", "a.png", *words])
        assert done.exit_code == 2
        assert "OpenEXR is read and written with an extra: pip install 'genrestore[exr]'" in done.stderr


def test_a_file_is_denoised_and_what_lies_outside_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    weights = tiny.save_denoiser(tmp_path)
    light = {name: np.full((32, 32), 0.2, np.float16) for name in "RGB"}
    light["G"][4, 4], light["B"][20, 20] = 40.0, -2.0
    light["R"][::2, ::2] += np.float16(0.03)
    Path("a.exr").write_bytes(file(light, owner="me"))
    done = CliRunner().invoke(app, ["denoise", "a.exr", "--sigma", "20", "--weights", str(weights)])
    assert done.exit_code == 0, done.stderr
    found = library.File("a.denoised.exr", separate_channels=True)
    assert found.header()["owner"] == "me"
    channels = {name: one.pixels for name, one in found.channels().items()}
    assert channels["G"].dtype == np.float16
    assert channels["G"][4, 4] > 35
    assert channels["B"][20, 20] < -1.5
    assert channels["R"][24:, 24:].std() < 0.5 * light["R"][24:, 24:].std()


@pytest.mark.parametrize("word", [b"owner", b"string", b"me"])
def test_words_that_are_no_text(word: bytes) -> None:
    """The library itself does not survive them."""
    content = file(planes(), owner="me")
    damaged = content.replace(word + b"\0" if word != b"me" else b"\2\0\0\0me", b"\xff" * 6)
    with pytest.raises(InputError, match="truncated or damaged OpenEXR"):
        read(damaged)
    with pytest.raises(InputError, match="truncated or damaged OpenEXR"):
        read(content.replace(b"B\0\2\0\0\0", b"\x80\0\2\0\0\0"))
