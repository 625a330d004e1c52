"""The mosaic of a sensor as an operator: what was measured is put back, and nothing else is touched."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch

from genrestore.files.codecs import icc, images
from genrestore.metrics import psnr
from genrestore.restore import mosaic
from genrestore.restore.mosaic import Mosaic
from genrestore.restore.pictures import Restore
from genrestore.restore.problem import IDENTITY
from genrestore.restore.task import DENOISE, Task
from genrestore.restore.tiling import Tiling
from genrestore.runtime import Runtime
from tests.files import make

RUNTIME = Runtime("cpu", "fp32", 1, 0)
MATRIX = ((1.7, -0.6, -0.1), (-0.2, 1.5, -0.3), (0.05, -0.5, 1.45))
"""That of a camera, about."""
PATTERN = ((1, 2), (0, 1))


def draws(seed: int) -> torch.Tensor:
    return torch.rand(1, 3, 18, 26, generator=torch.Generator().manual_seed(seed))


def seen(image: torch.Tensor) -> np.ndarray:
    """What the camera's red, green and blue are, [height, width, 3], by hand."""
    light = icc.linear(image[0].permute(1, 2, 0).numpy())
    return np.stack([np.linalg.solve(np.array(MATRIX), pixel) for pixel in light.reshape(-1, 3)]).reshape(
        light.shape
    )


def test_the_curve_is_that_of_files_both_ways() -> None:
    values = torch.linspace(-1.5, 1.5, 3001)
    np.testing.assert_allclose(mosaic.linear(values).numpy(), icc.linear(values.numpy()), atol=1e-6)
    np.testing.assert_allclose(mosaic.on_curve(values).numpy(), icc.on_curve(values.numpy()), atol=1e-6)


def test_what_was_measured_is_put_back_and_the_other_colours_of_the_camera_stay() -> None:
    measured, other = draws(0), draws(1)
    term = Mosaic(PATTERN, MATRIX).constraint(measured)
    found = term.prox(other, 1.0)
    truth, before, after = seen(measured), seen(other), seen(found)
    for y in range(2):
        for x in range(2):
            here = np.s_[y::2, x::2]
            own = PATTERN[y][x]
            np.testing.assert_allclose(after[here][..., own], truth[here][..., own], atol=1e-5)
            for colour in {0, 1, 2} - {own}:
                np.testing.assert_allclose(after[here][..., colour], before[here][..., colour], atol=1e-5)
    assert term.value(found).item() == 0
    assert term.value(other).item() == np.inf
    torch.testing.assert_close(term.prox(found, 1.0), found, atol=1e-5, rtol=0)
    assert term.prox(other, 0.0) is other


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_raw_file_tells_where_its_picture_holds_what_was_measured(orientation: int) -> None:
    """Of any way it lies: the colour of each pixel that the mosaic says is the sensor's own value."""
    grid = make.mosaic()
    image = images.read(io.BytesIO(make.dng(grid, orientation)), develop=images.Develop(1.0))
    told = image.metadata.mosaic
    assert told is not None
    turned = images._upright(grid, orientation)
    light = icc.linear(image.pixels[0].astype(np.float32) / 65535)
    camera = np.einsum("ij,jhw->ihw", np.linalg.inv(np.array(told.to_srgb)), light)
    for y in range(2):
        for x in range(2):
            colour = told.pattern[y][x]
            value = (turned[y::2, x::2] - float(make.BLACK)) / (make.WHITE - make.BLACK)
            expected = value / make.AS_SHOT[colour]
            np.testing.assert_allclose(camera[colour, y::2, x::2], expected, atol=1e-3)


def test_a_picture_without_what_was_measured_is_no_mosaic() -> None:
    content = make.dng(make.mosaic())
    half = images.read(io.BytesIO(content), develop=images.Develop(half=True))
    assert half.metadata.mosaic is None
    assert mosaic.operator(half.metadata) is IDENTITY
    grid = np.full((64, 96), make.WHITE, np.uint16)
    grid[-1, -8:] = make.BLACK
    assert images.read(io.BytesIO(make.dng(grid))).metadata.mosaic is None


def noisy(gain: float = 0.004) -> tuple[images.Image, np.ndarray]:
    """A raw picture with a sensor's noise, and what it is of, [1, 3, height, width] on sRGB's curve."""
    y, x = np.mgrid[0:160, 0:176] / 40
    waves = np.stack([np.sin(x * 3 + y), np.cos(x + 2 * y), np.sin(2 * y - x)], -1)
    light = (0.3 + 0.12 * waves + 0.2 * ((x + y) % 2 > 1)[..., None]).clip(0, 1)
    value = (make.mosaic(light) - float(make.BLACK)) / (make.WHITE - make.BLACK)
    value += np.sqrt(gain * value + 0.004**2) * np.random.default_rng(0).standard_normal(value.shape)
    grid = (make.BLACK + value * (make.WHITE - make.BLACK)).clip(0, make.WHITE).round().astype(np.uint16)
    image = images.read(io.BytesIO(make.dng(grid)), develop=images.Develop(1.0))
    return image, icc.on_curve(light.astype(np.float32)).transpose(2, 0, 1)[None]


def test_the_mosaic_helps_and_tiles_show_no_seam() -> None:
    image, clean = noisy()
    task = Task.of(DENOISE, "photo", turns=1)
    operator = mosaic.operator(image.metadata)
    plain = Restore(task, RUNTIME)(image.pixels).pixels / 65535
    whole = Restore(task, RUNTIME, operator=lambda _: operator)(image.pixels).pixels / 65535
    tiling = Tiling(128, 32, 16)
    tiled = Restore(task, RUNTIME, operator=lambda _: operator, tiling=tiling)(image.pixels).pixels / 65535
    scores = [psnr(one, clean, 1.0) for one in (plain, whole)]
    assert scores[1] > scores[0] + 0.5, scores
    assert np.abs(tiled - whole).mean() < 0.5 / 255
