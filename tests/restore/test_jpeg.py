"""JPEG as an operator: its DCT, what it makes of chroma, and the projection on what a file allows."""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import PIL.Image
import pytest
import torch
from torch import Tensor

import genrestore
from genrestore.errors import InputError, UsageError
from genrestore.restore.jpeg import MARGIN, Component, Jpeg, before_upsampling, coded, dct, inverse_dct
from genrestore.restore.pictures import Restore
from genrestore.restore.task import DEJPEG, Task
from genrestore.restore.tiling import Tiling
from genrestore.runtime import Runtime
from tests import tiny

RUNTIME = Runtime("cpu", "fp32", 1, 0)
SAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2)}


def scene(height: int = 64, width: int = 96) -> PIL.Image.Image:
    """A picture with edges and texture, away from black and white, where decoders clip."""
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / 5 + y / 9), np.cos(x / 11), np.sin(y / 7)], -1)
    noise = np.random.default_rng(0).normal(0, 6, waves.shape)
    return PIL.Image.fromarray((125 + 25 * waves + 20 * (x > y)[..., None] + noise).round().astype(np.uint8))


def saved(picture: PIL.Image.Image, **options: Any) -> bytes:
    stream = io.BytesIO()
    picture.save(stream, "JPEG", **options)
    return stream.getvalue()


def scan(data: bytes) -> bytes:
    """The coded coefficients of a baseline JPEG, and nothing else."""
    return data[data.rindex(b"\xff\xda") :]


def opened(data: bytes) -> Any:
    picture = PIL.Image.open(io.BytesIO(data))
    picture.load()
    return picture


def tensor(picture: Any) -> Tensor:
    pixels = torch.from_numpy(np.asarray(picture, np.float32) / 255)
    return pixels[None, None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)[None]


def image(planes: Tensor) -> PIL.Image.Image:
    pixels = planes[0].permute(1, 2, 0).mul(255).round().clamp(0, 255).to(torch.uint8).numpy()
    return PIL.Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


def by_hand(block: np.ndarray) -> np.ndarray:
    """ITU-T T.81, A.3.3, as it stands there."""
    found = np.zeros((8, 8))
    for v in range(8):
        for u in range(8):
            scale = (0.5**0.5 if u == 0 else 1) * (0.5**0.5 if v == 0 else 1) / 4
            for y in range(8):
                for x in range(8):
                    wave = np.cos((2 * x + 1) * u * np.pi / 16) * np.cos((2 * y + 1) * v * np.pi / 16)
                    found[v, u] += scale * block[y, x] * wave
    return found


def test_the_transform_is_that_of_the_standard_in_every_block() -> None:
    plane = torch.randn(1, 16, 24, generator=torch.Generator().manual_seed(0))
    found = dct(plane)
    assert found.shape == (1, 2, 3, 8, 8)
    np.testing.assert_allclose(found[0, 1, 2], by_hand(plane[0, 8:, 16:].numpy()), atol=1e-5)
    torch.testing.assert_close(inverse_dct(found), plane)


@pytest.mark.parametrize("sampling", SAMPLINGS)
def test_samples_of_chroma_are_found_again_behind_the_decoder(sampling: str) -> None:
    """Flat in luma, so that R, G and B say of chroma what the decoder made of it."""
    down, across = SAMPLINGS[sampling]
    planes = np.array(scene().convert("YCbCr"))
    planes[..., 0] = 128
    flat = PIL.Image.frombytes("YCbCr", scene().size, planes.tobytes()).convert("RGB")
    decoded = opened(saved(flat, quality=95, subsampling=sampling))
    jpeg = coded(decoded)
    samples = before_upsampling(jpeg.planes(tensor(decoded))[:, 1], down, across)
    steps = torch.tensor(jpeg.components[1].table).reshape(8, 8)
    found = dct(samples) / steps
    assert float((found - found.round()).abs().quantile(0.99)) < 0.3


@pytest.mark.parametrize(("levels", "allowed"), [(0.69, True), (-0.69, True), (0.71, False), (-0.71, False)])
def test_the_data_term_ends_0_35_of_a_step_from_the_middle(levels: float, allowed: bool) -> None:
    """The mean of a flat block is its first coefficient / 8: 0.35 of a step of 16 are 0.7 grey levels."""
    flat = torch.full((1, 1, 16, 16), 100 / 255)  # -224 = -14 steps below the middle of the range
    term = Jpeg((Component((16,) * 64),)).constraint(flat)
    assert term.value(flat + levels / 255).item() == (0 if allowed else np.inf)


@pytest.mark.parametrize(
    "options",
    [
        {"subsampling": "4:4:4"},
        {"subsampling": "4:2:2"},
        {"subsampling": "4:2:0"},
        {"subsampling": "4:2:0", "qtables": [[9] * 64, [20] * 64]},
        {"keep_rgb": True},
        "grey",
    ],
    ids=str,
)
def test_a_projected_picture_is_coded_as_the_file_is(options: Any) -> None:
    source = scene().convert("L") if options == "grey" else scene()
    options = {"quality": 30} | ({} if options == "grey" else options)
    data = saved(source, **options)
    decoded = opened(data)
    other = tensor(decoded).flip(3)  # any other picture
    term = coded(decoded).constraint(tensor(decoded))
    projected = term.prox(other, 1.0)
    assert term.value(other).item() == np.inf
    assert term.value(projected).item() == 0
    within = other.lerp(tensor(decoded), 0.8)  # whose projection stays away from black and white
    assert scan(saved(image(term.prox(within, 1.0)), **options)) == scan(data)
    assert scan(saved(image(within), **options)) != scan(data)


def test_steps_of_sharp_chroma_are_those_of_the_file() -> None:
    """A mean over the pixels of a sample would say others: the decoder has drawn them smooth."""
    colours = np.random.default_rng(1).integers(90, 165, (32, 48, 3)).astype(np.uint8)
    options: dict[str, Any] = {"qtables": [[9] * 64, [20] * 64], "subsampling": "4:2:0"}
    source = PIL.Image.fromarray(colours).resize((96, 64), PIL.Image.Resampling.NEAREST)
    data = saved(source, **options)
    decoded = opened(data)
    within = tensor(decoded).flip(3).lerp(tensor(decoded), 0.8)
    projected = coded(decoded).constraint(tensor(decoded)).prox(within, 1.0)
    assert scan(saved(image(projected), **options)) == scan(data)


@pytest.mark.parametrize("sampling", ["411", "440"])
def test_unusual_samplings_are_coded_again_as_they_were(sampling: str) -> None:
    def code(pixels: np.ndarray) -> bytes:
        coded: bytes = imagecodecs.jpeg8_encode(pixels, level=30, subsampling=sampling)
        return coded

    data = code(np.asarray(scene(64, 128)))
    decoded = opened(data)
    within = tensor(decoded).flip(3).lerp(tensor(decoded), 0.8)
    projected = coded(decoded).constraint(tensor(decoded)).prox(within, 1.0)
    assert scan(code(np.asarray(image(projected)))) == scan(data)
    assert scan(code(np.asarray(image(within)))) != scan(data)


def test_the_projection_is_the_nearest_picture_and_changes_none_that_is_allowed() -> None:
    """Of one plane at full size, in which the DCT keeps distances."""
    table = tuple(range(10, 74))
    jpeg = Jpeg((Component(table),))
    damaged, other = torch.rand(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))[:, None]
    term = jpeg.constraint(damaged)
    steps = np.reshape(table, (8, 8))
    middle = np.round(by_hand((damaged[0, 0] * 255 - 128).numpy()) / steps) * steps
    asked = by_hand((other[0, 0] * 255 - 128).numpy())
    half = (0.5 - MARGIN) * steps
    wanted = np.clip(asked, middle - half, middle + half)
    projected = term.prox(other, 0.1)
    np.testing.assert_allclose(by_hand((projected[0, 0] * 255 - 128).numpy()), wanted, atol=1e-3)
    torch.testing.assert_close(term.prox(projected, 7.0), projected, atol=1e-5, rtol=0)


def test_reduced_chroma_moves_by_as_little_as_its_samples_must() -> None:
    """The change of a sample is that of all of its pixels: the projection keeps what is finer."""
    jpeg = Jpeg((Component((1,) * 64), Component((8,) * 64, 2, 2), Component((8,) * 64, 2, 2)))
    damaged, other = torch.rand(2, 1, 3, 16, 32, generator=torch.Generator().manual_seed(0)) * 0.2 + 0.4
    change = jpeg.planes(jpeg.constraint(damaged).prox(other, 1.0))[:, 1] - jpeg.planes(other)[:, 1]
    squares = change.reshape(1, 8, 2, 16, 2)
    torch.testing.assert_close(
        squares, squares.mean((2, 4), keepdim=True).expand_as(squares), atol=1e-3, rtol=0
    )
    assert change.abs().max() > 1


def test_blocks_that_the_edge_cuts_are_left_free() -> None:
    jpeg = Jpeg((Component((50,) * 64), Component((50,) * 64, 2, 2), Component((50,) * 64, 2, 2)))
    damaged, other = torch.rand(2, 1, 3, 21, 37, generator=torch.Generator().manual_seed(0))
    change = (jpeg.planes(jpeg.constraint(damaged).prox(other, 1.0)) - jpeg.planes(other)).abs()
    luma, chroma = change[0, 0], change[0, 1]
    assert min(luma[:16, :32].max(), chroma[:16, :32].max()) > 1
    assert max(luma[16:].max(), luma[:, 32:].max(), chroma[16:].max(), chroma[:, 32:].max()) < 1e-3
    small = torch.rand(1, 3, 5, 7)
    torch.testing.assert_close(jpeg.constraint(small).prox(small * 0.5, 1.0), small * 0.5)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_picture_lies_as_in_its_file(orientation: int) -> None:
    from PIL import ImageOps

    lying = scene(16, 24)
    exif = PIL.Image.Exif()
    exif[0x112] = orientation
    stream = io.BytesIO()
    lying.save(stream, "PNG", exif=exif)
    upright = np.asarray(ImageOps.exif_transpose(PIL.Image.open(stream))).transpose(2, 0, 1)[None]
    jpeg = Jpeg((Component((1,) * 64),), orientation=orientation)
    np.testing.assert_array_equal(jpeg.lying(upright)[0].transpose(1, 2, 0), np.asarray(lying))
    np.testing.assert_array_equal(jpeg.upright(jpeg.lying(upright)), upright)


def test_a_table_without_64_steps_is_refused() -> None:
    with pytest.raises(InputError, match="64 steps"):
        Jpeg((Component((1,) * 63),))
    with pytest.raises(InputError, match="64 steps"):
        Jpeg((Component((0,) + (1,) * 63),))


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_denoiser(tmp_path_factory.mktemp("weights")))


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_python_gives_a_picture_that_is_coded_as_the_file_is(weights: str, mode: str) -> None:
    options: dict[str, Any] = {"quality": 60} | ({"subsampling": "4:2:0"} if mode == "RGB" else {})
    data = saved(scene().convert(mode), **options)
    decoded = opened(data)
    denoised = genrestore.denoise(decoded, weights=weights, runtime=RUNTIME)
    assert scan(saved(denoised, **options)) != scan(data)
    restored = genrestore.dejpeg(decoded, weights=weights, runtime=RUNTIME)
    assert (restored.mode, restored.size) == (mode, decoded.size)
    assert np.abs(np.asarray(restored, int) - np.asarray(decoded, int)).mean() > 0.5
    assert scan(saved(restored, **options)) == scan(data)
    array = genrestore.dejpeg(
        np.asarray(decoded), components=coded(decoded).components, weights=weights, runtime=RUNTIME
    )
    np.testing.assert_array_equal(array, np.asarray(restored))


def test_python_takes_planes_named_rgb_for_what_they_are() -> None:
    data = saved(scene(), quality=40, keep_rgb=True)
    assert data[6:11] == b"Adobe"
    unnamed = data[:2] + data[18:]
    assert np.array_equal(np.asarray(opened(unnamed)), np.asarray(opened(data)))
    assert coded(opened(unnamed)) == coded(opened(data))
    assert coded(opened(data)).rgb
    assert not coded(opened(saved(scene(), quality=40))).rgb


def test_tiles_begin_where_blocks_do(weights: str) -> None:
    """They would begin at a multiple of four."""
    options: dict[str, Any] = {"quality": 60, "subsampling": "4:2:0"}
    data = saved(scene(), **options)
    decoded = opened(data)
    operator, pixels = coded(decoded), np.asarray(decoded).transpose(2, 0, 1)[None]
    task = Task.of(DEJPEG, weights)
    restore = Restore(task, RUNTIME, tiling=Tiling(56, 6, 4), operator=lambda _: operator)
    restored = restore(pixels).pixels[0].transpose(1, 2, 0)
    assert scan(saved(PIL.Image.fromarray(restored), **options)) == scan(data)


def test_python_refuses_what_does_not_say_how_it_was_coded(weights: str) -> None:
    data = saved(scene(), quality=30)
    cmyk = opened(saved(scene().convert("CMYK"), quality=30))
    for given in (np.asarray(opened(data)), opened(data).convert("RGB"), cmyk):
        with pytest.raises(UsageError, match="how JPEG coded it"):
            genrestore.dejpeg(given, weights=weights, runtime=RUNTIME)
    with pytest.raises(UsageError, match="1 channels, coded as 3"):
        genrestore.dejpeg(
            np.zeros((16, 16), np.uint8),
            components=coded(opened(data)).components,
            weights=weights,
            runtime=RUNTIME,
        )
