"""The camera model: properties that the physics asks for."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from genrestore.train.data.camera import (
    DEMOSAICKERS,
    CameraSettings,
    bayer_planes,
    draw_quality,
    draw_settings,
    photograph,
    save_and_open,
)

PATTERNS = [(0, 0), (0, 1), (1, 0), (1, 1)]
SILENT = CameraSettings(gain=0, read=0, pattern=None, quality=None)


def scene(height: int = 48, width: int = 64) -> Tensor:
    """Smooth colours from 0.2 to 0.8."""
    row = torch.linspace(0, 3, height)[:, None]
    column = torch.linspace(0, 4, width)[None]
    planes = [torch.sin(row + shift) * torch.cos(column - shift) for shift in (0.0, 1.0, 2.0)]
    return 0.5 + 0.3 * torch.stack(planes)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize(
    "settings",
    [
        SILENT,
        CameraSettings(gain=0, read=0, pattern=None, quality=None, colour_mix=0.4),
        CameraSettings(gain=0, read=0, pattern=None, quality=None, contrast=0.8, gamma=2.2),
        CameraSettings(gain=0, read=0, pattern=None, quality=None, white_balance=(2.0, 1.5)),
    ],
)
def test_without_noise_and_mosaic_the_scene_comes_back(settings: CameraSettings) -> None:
    noisy, clean = photograph(scene(), settings, generator())
    torch.testing.assert_close(clean, scene(), atol=0.01, rtol=0)
    assert (noisy - clean).abs().max() <= 0.5 / 255 + 1e-6


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_sensor_sees_one_colour_a_pixel_and_green_twice(pattern: tuple[int, int]) -> None:
    planes = bayer_planes(torch.ones(3, 8, 8), pattern)
    assert torch.equal(planes.sum(0), torch.ones(8, 8))
    assert planes.sum((1, 2)).tolist() == [16, 32, 16]
    assert planes[0, pattern[0], pattern[1]] == 1


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("name", sorted(DEMOSAICKERS))
def test_a_flat_colour_survives_demosaicking(name: str, pattern: tuple[int, int]) -> None:
    colour = torch.tensor([0.2, 0.5, 0.9]).reshape(3, 1, 1).expand(3, 12, 14)
    torch.testing.assert_close(DEMOSAICKERS[name](colour, pattern), colour)


@pytest.mark.parametrize("name", sorted(DEMOSAICKERS))
def test_known_colours_are_kept(name: str) -> None:
    light = torch.rand(3, 12, 12, generator=generator())
    planes = bayer_planes(light, (0, 0))
    result = DEMOSAICKERS[name](light, (0, 0))
    torch.testing.assert_close(result[planes > 0], planes[planes > 0])


def test_the_variance_grows_with_the_light() -> None:
    linear = CameraSettings(gain=0.01, read=0.02, pattern=None, quality=None, gamma=1.0)
    for light in (0.1, 0.4, 0.6):
        noisy, clean = photograph(torch.full((3, 200, 200), light), linear, generator())
        expected = 0.01 * light + 0.02**2
        assert float((noisy - clean).var()) == pytest.approx(expected, rel=0.03)


def test_smoothed_noise_is_as_strong_and_neighbours_are_alike() -> None:
    flat = torch.full((3, 96, 96), 0.4)
    plain = CameraSettings(pattern=None, quality=None)
    smooth = CameraSettings(pattern=None, quality=None, luma_blur=1.5, chroma_blur=2.0)
    noises = []
    for settings in (plain, smooth):
        noisy, clean = photograph(flat, settings, generator())
        noises.append(noisy - clean)
    first, second = noises
    assert float(second.std()) == pytest.approx(float(first.std()), rel=0.05)
    assert abs(float((first[..., 1:] * first[..., :-1]).mean() / first.var())) < 0.05
    assert float((second[..., 1:] * second[..., :-1]).mean() / second.var()) > 0.7


def test_a_change_of_size_keeps_the_shape() -> None:
    noisy, clean = photograph(scene(), CameraSettings(scale=0.6), generator())
    assert noisy.shape == clean.shape == (3, 48, 64)


def test_less_exposure_is_a_darker_picture_with_less_light_and_its_noise() -> None:
    linear = CameraSettings(gain=0.01, read=0.0, pattern=None, quality=None, gamma=1.0, exposure=0.25)
    noisy, clean = photograph(torch.full((3, 200, 200), 0.8), linear, generator())
    torch.testing.assert_close(clean, torch.full_like(clean, 0.2))
    assert float((noisy - clean).var()) == pytest.approx(0.01 * 0.2, rel=0.03)


def test_a_quarter_of_the_light_is_half_as_bright_through_a_square_root() -> None:
    _, clean = photograph(scene(), replace(SILENT, gamma=2.0, exposure=0.25), generator())
    torch.testing.assert_close(clean, scene() / 2, atol=1e-4, rtol=0)


@pytest.mark.parametrize("blurs", [(0.0, 2.0), (2.0, 0.0), (1.0, 3.0)])
def test_brightness_and_colour_of_noise_are_smoothed_each_by_its_own_width(
    blurs: tuple[float, float],
) -> None:
    luma_blur, chroma_blur = blurs
    settings = CameraSettings(
        gain=0, read=0.01, pattern=None, quality=None, gamma=1.0, luma_blur=luma_blur, chroma_blur=chroma_blur
    )
    noisy, clean = photograph(torch.full((3, 128, 128), 0.5), settings, generator())
    noise = noisy - clean
    luma = noise.mean(0, keepdim=True)
    for plane, blur in ((luma, luma_blur), (noise - luma, chroma_blur)):
        together = float((plane[..., 1:] * plane[..., :-1]).mean() / plane.square().mean())
        expected = math.exp(-1 / (4 * blur**2)) if blur else 0.0  # of a Gaussian filter's noise
        assert together == pytest.approx(expected, abs=0.06)


def test_sharpening_makes_edges_steeper_and_noise_stronger() -> None:
    step = torch.full((3, 64, 64), 0.3)
    step[..., 32:] = 0.6
    plain = CameraSettings(gain=0.001, read=0.01, pattern=None, quality=None, gamma=1.0)
    sharp = replace(plain, sharpening=1.0)
    (noisy, clean), (noisier, clearer) = (photograph(step, one, generator()) for one in (plain, sharp))
    assert float(clearer.max()) > 0.6 + 0.02  # it overshoots beside the edge
    assert float(clearer.min()) < 0.3 - 0.02
    torch.testing.assert_close(clearer[..., :24], clean[..., :24], atol=1e-4, rtol=0)
    before, after = (noisy - clean)[..., :24], (noisier - clearer)[..., :24]
    blurred = float(before.var()) * (1 / (4 * torch.pi))  # of white noise, a Gaussian of σ 1 leaves so much
    centre = float(before.var()) / (2 * torch.pi)
    expected = 4 * float(before.var()) - 4 * centre + blurred
    assert float(after.var()) == pytest.approx(expected, rel=0.15)


@pytest.mark.parametrize("scale", [0.6, 1.5])
def test_enlarged_noise_is_coarse_and_shrunken_noise_is_weak(scale: float) -> None:
    flat, noises = torch.full((3, 96, 96), 0.4), []
    for settings in (CameraSettings(pattern=None, quality=None, scale=one) for one in (1.0, scale)):
        noisy, clean = photograph(flat, settings, generator())
        assert noisy.shape == clean.shape == flat.shape
        torch.testing.assert_close(clean, torch.full_like(clean, float(clean[0, 0, 0])), atol=1e-4, rtol=0)
        noises.append(noisy - clean)
    before, after = noises
    assert float(after.std()) < 0.85 * float(before.std())
    together = float((after[..., 1:] * after[..., :-1]).mean() / after.var())
    assert (together > 0.35) == (scale > 1)


def test_an_enlarged_picture_is_the_middle_of_the_scene() -> None:
    line = torch.full((3, 48, 64), 0.2)
    line[..., 32:] = 0.8
    _, clean = photograph(line, replace(SILENT, scale=1.5), generator())
    rise = clean[0, 24]
    assert float(rise[:30].max()) < 0.25
    assert float(rise[34:].min()) > 0.75


def test_a_file_saved_twice_is_the_second_jpeg_of_the_first() -> None:
    once = replace(SILENT, quality=60, subsampling=2)
    first, clean = photograph(scene(), once, generator())
    twice, same = photograph(scene(), replace(once, again=30), generator())
    assert torch.equal(clean, same)
    assert torch.equal(twice, save_and_open(first, 30, 2))
    assert not torch.equal(twice, first)


def test_qualities_reach_from_poor_to_fine_and_lean_to_fine() -> None:
    draw = generator()
    for finest, lean, middle in ((100, 2.5, 84), (96, 1.2, 59)):
        drawn = sorted(draw_quality(draw, finest, lean) for _ in range(2000))
        assert (drawn[0], drawn[-1]) == (pytest.approx(12, abs=2), finest)
        assert drawn[1000] == pytest.approx(middle, abs=4)


def test_eight_bits_round_and_clip() -> None:
    image = torch.tensor([-0.2, 0.1001, 1.4]).reshape(3, 1, 1)
    assert (save_and_open(image, None, 0) * 255).ravel().tolist() == [0, 26, 255]


def test_jpeg_is_near_the_picture_and_differs() -> None:
    opened = save_and_open(scene(), 95, 0)
    assert opened.shape == (3, 48, 64)
    assert 0 < float((opened - scene()).abs().mean()) < 2 / 255


def test_a_seed_gives_one_camera_and_one_picture() -> None:
    settings = [draw_settings(generator(seed)) for seed in (1, 1, 2)]
    assert settings[0] == settings[1] != settings[2]
    first, second = (photograph(scene(), settings[0], generator(3))[0] for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize("seed", range(12))
def test_any_camera_gives_a_picture(seed: int) -> None:
    draw = generator(seed)
    for image in photograph(scene(80, 80), draw_settings(draw), draw):
        assert image.shape == (3, 80, 80)
        assert 0 <= float(image.min()) <= float(image.max()) <= 1
