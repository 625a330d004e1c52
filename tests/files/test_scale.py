"""Floating point, ranges and linear light: what is restored, and how it comes back."""

from __future__ import annotations

import io
import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image as Pillow

from genrestore.errors import UsageError
from genrestore.files.codecs import icc, images
from genrestore.files.codecs.images import Image, Metadata
from genrestore.files.plan.jobs import Range
from genrestore.files.work import stages
from genrestore.files.work.scale import Scale, low_range_notes
from tests.files import make
from tests.files.test_batch import Inverted, here, jobs, run

__all__ = ["here"]

STRANGE = (-50.0, np.nan, np.inf, -np.inf)


def linear_icc(
    curve: bytes = b"curv" + bytes(8), names: tuple[bytes, ...] = (b"rTRC", b"gTRC", b"bTRC")
) -> bytes:
    """As little of a profile as has tone curves."""
    at = 132 + 12 * len(names)
    tags = b"".join(name + struct.pack(">II", at, len(curve)) for name in names)
    head = bytes(16) + (b"GRAY" if names == (b"kTRC",) else b"RGB ") + bytes(108)
    return head + struct.pack(">I", len(names)) + tags + curve


def floats(kind: str = "f4", low: float = 0.0, high: float = 1.0, channels: int = 3) -> np.ndarray:
    unit = np.random.default_rng(3).random((40, 50, channels)) * (high - low) + low
    return unit.astype(kind)[:, :, 0] if channels == 1 else unit.astype(kind)


def tiff(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    photometric = "rgb" if array.ndim == 3 and array.shape[2] >= 3 else "minisblack"
    tifffile.imwrite(stream, array, photometric=photometric, metadata=None, **options)
    return stream.getvalue()


def picture(array: np.ndarray, profile: bytes | None = None) -> Image:
    pixels = (array if array.ndim == 3 else array[:, :, None]).transpose(2, 0, 1)[None].copy()
    return Image(pixels, None, Metadata("TIFF", "?", icc=profile))


@pytest.mark.parametrize("predictor", [False, True])
@pytest.mark.parametrize("kind", ["f2", "f4", ">f4", "f8"])
def test_floating_point_comes_back_to_the_bit(kind: str, predictor: bool) -> None:
    array = floats(kind, -2, 3)
    array.flat[: len(STRANGE)] = STRANGE
    image = images.read(io.BytesIO(tiff(array, compression="zlib", predictor=predictor)))
    expected = array.astype("f4" if kind == "f8" else kind[-2:])
    assert image.pixels.dtype == expected.dtype
    assert image.metadata.notes == (("64-bit floating point is read with 32 bits",) if kind == "f8" else ())
    again = tifffile.imread(io.BytesIO(make.encoded(image, "TIFF")))
    assert again.dtype == expected.dtype
    assert again.tobytes() == expected.tobytes()


def test_alpha_in_floating_point_is_divided_out_and_kept() -> None:
    array = floats(channels=4)
    array[..., 3] = array[..., 3].round(1)
    array[..., :3] *= array[..., 3:]
    image = images.read(io.BytesIO(tiff(array, extrasamples=["assocalpha"])))
    assert image.alpha is not None
    assert np.array_equal(image.alpha[0, 0], array[..., 3])
    assert np.allclose(image.pixels[0].transpose(1, 2, 0) * array[..., 3:], array[..., :3], atol=1e-6)
    assert np.isfinite(image.pixels).all()


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
def test_other_formats_get_integers_and_it_is_said(format: str) -> None:
    array = np.full((8, 8, 3), 0.5, "f4")
    array[:2], array[-2:] = -1, np.nan
    stream = io.BytesIO()
    notes = images.encode(picture(array), stream, format)
    bits = 16 if format == "PNG" else 8
    assert any(
        note.endswith(f"has no floating point: written in {bits} bits, clipped to 0 and 1") for note in notes
    )
    stream.seek(0)
    found = images.read(stream).pixels
    assert found.dtype == (np.uint16 if bits == 16 else np.uint8)
    full = np.iinfo(found.dtype).max
    assert np.abs(found[0, :, 3].astype(float) / full - 0.5).max() < 0.02
    assert found[0, :, 0].max() <= full // 60
    assert found[0, :, -1].max() <= full // 60


def test_a_picture_in_its_own_range_is_restored_as_the_plain_one() -> None:
    plain = floats()
    wide = plain * 2000 - 500
    scale = Scale.of(picture(wide))
    assert scale is not None
    assert (scale.low, scale.high) == (pytest.approx(-500, abs=5), pytest.approx(1500, abs=5))
    given = Scale.of(picture(wide), Range(-500, 1500))
    assert given is not None
    assert np.allclose(given.scaled(wide), plain, atol=1e-6)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0, 1, None),
        (0.3, 0.9, None),
        (0, 0.02, (0, 0.02)),
        (-0.05, 3, (0, 3)),
        (0, 255, (0, 255)),
        (-4, 4, (-4, 4)),
    ],
)
def test_the_range_of_floating_point(low: float, high: float, expected: tuple[float, float] | None) -> None:
    scale = Scale.of(picture(floats(low=low, high=high)))
    found = None if scale is None else (scale.low, scale.high)
    assert found == (None if expected is None else pytest.approx(expected, rel=0.01))


def test_hot_pixels_are_no_white() -> None:
    array = floats(high=0.5)
    array[3, 3] = 10_000
    scale = Scale.of(picture(array))
    assert scale is not None
    assert scale.high == 1


@pytest.mark.parametrize("profile", [None, linear_icc()])
@pytest.mark.parametrize("kind", ["u1", "u2", "f2", "f4"])
def test_what_is_not_changed_is_as_it_was_to_the_bit(kind: str, profile: bytes | None) -> None:
    array = floats("f8", -1, 2)
    if kind.startswith("u"):
        array = (array.clip(0, 1) * np.iinfo(kind).max).astype(kind)
    else:
        array.flat[: len(STRANGE)] = STRANGE
    image = picture(array.astype(kind), profile)
    scale = Scale.of(image, Range(10, 150) if kind.startswith("u") else Range(0.1, 0.9))
    assert scale is not None
    shown = scale.scaled(image.pixels)
    back = scale.restored(image.pixels, shown, shown)
    assert back.dtype == image.pixels.dtype
    assert back.tobytes() == image.pixels.tobytes()


def test_a_change_comes_back_in_the_files_values_and_what_is_outside_is_kept() -> None:
    pixels = np.array([[[[900, 1100, 1250, 3000]]]], np.uint16)
    scale = Scale(1000, 1500)
    shown = scale.scaled(pixels)
    assert shown.dtype == np.uint16
    assert shown[0, 0, 0] == pytest.approx([0, 0.2 * 65535, 0.5 * 65535, 65535], abs=1)
    changed = np.array([[[[0, 0.3 * 65535, 0.4 * 65535, 0.9 * 65535]]]]).astype(np.uint16)
    assert scale.restored(pixels, shown, changed)[0, 0, 0].tolist() == [900, 1150, 1200, 2950]
    holes = np.array([[[[True, True, True, False]]]])
    assert scale.restored(pixels, shown, changed, holes)[0, 0, 0].tolist() == [900, 1150, 1200, 1450]


def test_linear_light_is_restored_on_the_curve_of_srgb() -> None:
    """0.214 is half way to white for eyes (IEC 61966-2-1: ((0.5 + 0.055) / 1.055) ** 2.4)."""
    array = np.array([[0.0, 0.0031308, 0.21404114, 1.0, -0.21404114]], "f4")[..., None]
    scale = Scale.of(picture(array, linear_icc(names=(b"kTRC",))), Range(0, 1))
    assert scale is not None
    shown = scale.scaled(picture(array).pixels)
    assert shown.ravel() == pytest.approx([0, 0.04045, 0.5, 1, -0.1], abs=1e-4)
    changed = np.full_like(shown, 0.5)
    assert scale.restored(picture(array).pixels, shown, changed)[0, 0, 0, :4] == pytest.approx(
        [0.21404114] * 4, abs=1e-5
    )
    whole = (array[:, :4] * 65535).round().astype("u2")
    as_integers = Scale.of(picture(whole, linear_icc(names=(b"kTRC",))))
    assert as_integers is not None
    assert as_integers.scaled(whole).ravel() / 65535 == pytest.approx([0, 0.04045, 0.5, 1], abs=1e-4)


@pytest.mark.parametrize(
    ("curve", "expected"),
    [
        (b"curv" + bytes(8), True),
        (b"curv" + bytes(4) + struct.pack(">IH", 1, 256), True),
        (b"curv" + bytes(4) + struct.pack(">IH", 1, 563), False),
        (b"curv" + bytes(4) + struct.pack(">I5H", 5, 0, 16384, 32768, 49151, 65535), True),
        (b"curv" + bytes(4) + struct.pack(">I5H", 5, 0, 3541, 14027, 34789, 65535), False),
        (b"curv" + bytes(4) + struct.pack(">I2H", 5, 0, 65535), False),
        (b"para" + bytes(8) + struct.pack(">I", 65536), True),
        (b"para" + bytes(8) + struct.pack(">I", 144179), False),
        (b"", False),
    ],
)
def test_a_profile_tells_whether_it_is_linear(curve: bytes, expected: bool) -> None:
    assert icc.is_linear(linear_icc(curve)) == expected
    assert icc.is_linear(linear_icc(curve, (b"kTRC",))) == expected


def test_usual_and_damaged_profiles_are_not_linear() -> None:
    assert not icc.is_linear(make.ICC)
    for end in range(len(linear_icc())):
        assert not icc.is_linear(linear_icc(b"para" + bytes(8) + struct.pack(">I", 65536))[:end])


@pytest.mark.parametrize("text", ["", "1", "5,1", "1,1", "a,b", "0,nan", "0,inf", "1,2,3"])
def test_a_range_that_cannot_be_meant_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match=f"--range {text}: must be LOW,HIGH"):
        Range.parse(text)


def test_the_noise_is_said_in_the_files_own_values() -> None:
    image = picture(floats(high=0.5))
    assert Scale(1000, 1500).notes(image, 0.02) == (
        "restored in the range 1000 to 1500",
        "noise of 10 in the file's own values",
    )
    low = (floats() * 1500).astype(np.uint16)
    assert low_range_notes(low, 0.0005) == ("noise of 32.8 in the file's own values",)
    assert low_range_notes(low * 8, 0.0005) == ()
    assert low_range_notes(low, None) == ()


def shifted(by: float) -> Callable[..., Inverted]:
    def restore(pixels: np.ndarray, _: Any) -> Inverted:
        step = by if pixels.dtype.kind == "f" else by * 65535
        return Inverted((pixels + step).astype(pixels.dtype))

    return restore


def test_a_batch_restores_on_the_scale_and_writes_the_files_values(tmp_path: Path) -> None:
    array = floats(low=0, high=100)
    (tmp_path / "a.tif").write_bytes(tiff(array))
    (outcome,) = run(jobs("a.tif"), shifted(0.01))
    assert outcome.notes[:1] == ("restored in the range 0 to 99.9971",)
    assert np.allclose(tifffile.imread("a.denoised.tif"), array + 1, atol=1e-3)


def test_a_batch_takes_the_range_that_is_given(tmp_path: Path) -> None:
    array = (floats(channels=1) * 500 + 1000).astype(np.uint16)
    array[0, 0] = 60_000
    (tmp_path / "a.tif").write_bytes(tiff(array))
    (outcome,) = run(jobs("a.tif"), shifted(-0.01), range=Range(1000, 1500))
    assert outcome.notes[:2] == (
        "restored in the range 1000 to 1500",
        "noise of 50 in the file's own values",
    )
    found = tifffile.imread("a.denoised.tif").astype(int)
    inside = array > 1010
    assert set((found - array)[inside].ravel()) == {-5}
    assert stages.BatchOptions().range is None


def test_a_mask_may_be_in_floating_point() -> None:
    from genrestore.files.work import mask_meaning

    array = np.zeros((8, 8), "f4")
    array[2:4] = 1
    assert np.array_equal(mask_meaning.of(picture(array), invert=False).pixels, array > 0)


def test_an_integer_picture_of_the_usual_kind_has_no_scale() -> None:
    assert Scale.of(make.plain(make.pixels(3))) is None
    assert Scale.of(make.plain(make.pixels(3, 16))) is None
    with Pillow.new("RGB", (4, 4)) as _:
        assert Scale.of(picture(make.pixels(3), make.ICC)) is None


SPACES = {
    "Display P3": (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), (0.3127, 0.3290), None),
    "Adobe RGB": (((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), (0.3127, 0.3290), 563 / 256),
    "ProPhoto": (((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), (0.3457, 0.3585), 1.8),
    "linear BT.2020": (((0.708, 0.292), (0.170, 0.797), (0.131, 0.046)), (0.3127, 0.3290), 1.0),
}


def profile_of(name: str) -> bytes:
    colours, white, power = SPACES[name]
    return icc.matrix_profile(colours, white, icc.power(power), name)


@pytest.mark.parametrize("name", SPACES)
def test_a_wide_space_is_shown_as_srgb_as_little_cms_has_it(name: str) -> None:
    from PIL import ImageCms

    array = np.random.default_rng(0).integers(90, 160, (1, 64, 3), np.uint8)
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile_of(name)))
    theirs = ImageCms.profileToProfile(Pillow.fromarray(array), source, ImageCms.createProfile("sRGB"))
    image = picture(array, profile_of(name))
    scale = Scale.of(image)
    assert scale is not None
    shown = scale.scaled(image.pixels)
    assert shown.dtype == np.float32
    inside = np.asarray(theirs)
    sure = (inside > 0) & (inside < 255)
    assert sure.mean() > 0.5
    assert np.abs(shown[0].transpose(1, 2, 0) * 255 - inside)[sure].max() < 1.2


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
@pytest.mark.parametrize("name", SPACES)
def test_a_wide_space_comes_back_to_the_bit_and_its_changes_too(name: str, kind: str) -> None:
    unit = floats("f8", 0.02, 0.98)
    full = np.iinfo(kind).max if kind.startswith("u") else 1
    image = picture((unit * full).astype(kind), profile_of(name))
    scale = Scale.of(image)
    assert scale is not None
    shown = scale.scaled(image.pixels)
    assert scale.restored(image.pixels, shown, shown).tobytes() == image.pixels.tobytes()
    other = picture((unit[::-1] * full).astype(kind)).pixels
    back = scale.restored(image.pixels, shown, scale.scaled(other)).astype(float)
    assert np.abs(back - other).max() <= (1 if full > 1 else 1e-4)


@pytest.mark.parametrize("kind", range(5))
def test_parametric_curves_are_those_of_the_formulas(kind: int) -> None:
    g, a, b, c, d, e, f = 2.4, 0.9, 0.1, 0.08, 0.04, 0.01, 0.002
    x = np.linspace(0, 1, 4096)
    numbers = ((g,), (g, a, b), (g, a, b, c), (g, a, b, c, d), (g, a, b, c, d, e, f))[kind]
    expected = (
        x**g,
        (a * x + b) ** g,
        (a * x + b) ** g + c,
        np.where(x >= d, (a * x + b) ** g, c * x),
        np.where(x >= d, (a * x + b) ** g + e, c * x + f),
    )[kind]
    packed = b"".join(struct.pack(">i", round(value * 65536)) for value in numbers)
    tag = b"para" + struct.pack(">IHH", 0, kind, 0) + packed
    assert icc._curve(tag) == pytest.approx(expected, abs=1e-4)
    assert icc._curve(tag[:-1]) is None


def test_spaces_of_tables_of_srgb_and_of_high_dynamic_range_are_left_alone() -> None:
    assert icc.colours(make.ICC) is None
    assert icc.colours(profile_of("ProPhoto").replace(b"rXYZ", b"A2B0")) is None
    assert icc.colours(profile_of("ProPhoto")[:300]) is None
    image = picture(make.pixels(3), icc.of_cicp(9, 16))
    assert Scale.of(image) is not None
    image.metadata = replace(image.metadata, cicp=(9, 16))
    assert Scale.of(image) is None
