"""Training samples: the noise that was asked for, and nothing else."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from genrestore.train.data.degradation import (
    MARGIN,
    degrade,
    guided_filter,
    local_level,
    luminance,
    process,
    soften,
)
from genrestore.train.settings import Mixture

GAUSSIAN = Mixture(
    camera=0, correlated=0, jpeg=0, impulses=0, rounded=0, grey=0, processed=0, aligned=0, soft=0
)


def patch(side: int = 64) -> torch.Tensor:
    return torch.rand(3, side + MARGIN, side + MARGIN, generator=generator(99))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(5))
def test_gaussian_noise_has_the_level_that_is_stated(seed: int) -> None:
    sample = degrade(patch(128), GAUSSIAN, generator(seed))
    assert sample.noisy.shape == sample.clean.shape == (3, 128, 128)
    assert sample.level.shape == (2, 128, 128)
    assert float((sample.noisy - sample.clean).std()) == pytest.approx(float(sample.level.mean()), rel=0.02)
    assert sample.white


def test_the_clean_patch_is_a_piece_of_what_was_given() -> None:
    whole = patch(16)
    sample = degrade(whole, GAUSSIAN, generator())
    pieces = whole.unfold(1, 16, 1).unfold(2, 16, 1)
    assert any(
        torch.equal(sample.clean, pieces[:, top, left])
        for top in range(MARGIN + 1)
        for left in range(MARGIN + 1)
    )


def finest(image: torch.Tensor) -> float:
    """Energy above a quarter of the sampling frequency."""
    waves = torch.fft.fft2(image).abs().square()
    rows, columns = (torch.fft.fftfreq(side).square() for side in image.shape[-2:])
    return float(waves[:, (rows[:, None] + columns[None]).sqrt() > 0.25].mean())


@pytest.mark.parametrize("seed", range(6))
def test_a_soft_scene_has_little_that_is_fine(seed: int) -> None:
    sharp = patch()
    soft = soften(sharp, generator(seed))
    assert soft.shape == sharp.shape
    assert 0 <= float(soft.min()) <= float(soft.max()) <= 1
    assert finest(soft) < 0.5 * finest(sharp)


@pytest.mark.parametrize(("kind", "share"), [("white", 0.25), ("correlated", 1.0), ("jpeg", 0.25)])
def test_scenes_are_soft_as_often_as_is_said(kind: str, share: float) -> None:
    """A soft scene differs in the clean picture, which the damage alone would leave as it is."""
    soft = 0
    for seed in range(40):
        sample = degrade(patch(), replace(KINDS[kind], soft=1), generator(seed))
        soft += finest(sample.clean) < 0.5 * finest(patch())
    assert soft == pytest.approx(40 * share, abs=0 if share == 1 else 6)


def test_the_guided_filter_takes_texture_and_keeps_edges() -> None:
    step = torch.zeros(3, 48, 48)
    step[..., 24:] = 0.8
    texture = 0.02 * torch.randn(step.shape, generator=generator())
    filtered = guided_filter(step + texture, radius=4, limit=0.01)
    assert float((filtered - step)[..., :18].std()) < 0.25 * float(texture.std())
    assert float((filtered - step).abs()[..., 23:25].max()) < 0.1


def test_a_camera_s_processing_leaves_more_noise_at_edges_than_on_surfaces() -> None:
    clean = torch.full((3, 64, 64), 0.2)
    clean[..., 32:] = 0.7
    surface, edge = [], []
    for seed in range(12):
        noisy = clean + 0.03 * torch.randn(clean.shape, generator=generator(seed))
        noisy, processed = process(noisy, clean, generator(seed + 100))
        surface.append(float((noisy - processed)[..., 8:24].std()))
        edge.append(float((noisy - processed)[..., 31:33].std()))
    assert sum(surface) < 0.9 * sum(edge)


def test_the_clean_picture_is_the_mean_of_the_processed_noisy_ones() -> None:
    clean = patch(48) * 0.1 + 0.4
    noises = [0.05 * torch.randn(clean.shape, generator=generator(seed)) for seed in range(60)]
    found = [process(clean + noise, clean, generator(7)) for noise in noises]
    mean = torch.stack([noisy for noisy, _ in found]).mean(0)
    assert float((mean - found[0][1]).std()) < 0.4 * float((clean - found[0][1]).std())


@pytest.mark.parametrize("aligned", [0, 1])
def test_blocks_begin_at_the_corner_where_that_is_said(aligned: int) -> None:
    """Differences between neighbours are largest across the edges of blocks."""
    steps = torch.zeros(8)
    for seed in range(24):
        sample = degrade(patch() * 0.1 + 0.4, replace(GAUSSIAN, jpeg=1, aligned=aligned), generator(seed))
        steps += sample.noisy[:, :56, :57].diff(dim=2).abs().mean((0, 1)).reshape(7, 8).mean(0)
    inside = steps[:7]
    edges_stand_out = bool(steps[7] > inside.mean() + 4 * inside.std())
    assert edges_stand_out == bool(aligned)


def test_rounded_noise_is_what_a_file_holds() -> None:
    sample = degrade(patch(), replace(GAUSSIAN, rounded=1), generator(3))
    levels = sample.noisy * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    assert 0 <= float(sample.noisy.min()) <= float(sample.noisy.max()) <= 1


KINDS = {
    "white": GAUSSIAN,
    "camera": replace(GAUSSIAN, camera=1),
    "correlated": replace(GAUSSIAN, correlated=1),
    "jpeg": replace(GAUSSIAN, jpeg=1),
}


@pytest.mark.parametrize("kind", KINDS)
def test_grey_samples_have_equal_channels_and_one_level_twice(kind: str) -> None:
    for impulses in (0, 1):
        mixture = replace(KINDS[kind], grey=1, impulses=impulses, rounded=impulses)
        sample = degrade(patch(), mixture, generator(1))
        for image in (sample.noisy, sample.clean, sample.level):
            torch.testing.assert_close(image[0], image[-1])
        assert sample.white == (kind == "white")


def test_a_camera_s_noise_is_not_white() -> None:
    sample = degrade(patch(), Mixture(camera=1), generator())
    assert not sample.white
    assert sample.noisy.shape == (3, 64, 64)


def test_a_seed_gives_one_sample() -> None:
    samples = [degrade(patch(), Mixture(), generator(seed)) for seed in (5, 5, 6)]
    assert torch.equal(samples[0].noisy, samples[1].noisy)
    assert not torch.equal(samples[0].noisy, samples[2].noisy)


def test_the_local_level_of_even_noise_is_its_standard_deviation() -> None:
    noise = 0.1 * torch.randn(3, 200, 200, generator=generator())
    level = local_level(noise)
    assert level.shape == (2, 200, 200)
    for plane in level:
        assert float(plane.mean()) == pytest.approx(0.1, rel=0.02)
        assert float(plane.std()) < 0.01


def test_the_local_level_follows_the_noise() -> None:
    noise = torch.zeros(3, 80, 80)
    noise[:, :, 40:] = 0.2
    level = local_level(noise)
    assert float(level[0, 40, 10]) == 0
    assert float(level[0, 40, 70]) == pytest.approx(0.2)


def test_the_local_level_of_grey_noise_is_its_standard_deviation_twice() -> None:
    noise = 0.1 * torch.randn(1, 200, 200, generator=generator())
    level = local_level(noise.expand(3, -1, -1))
    assert torch.equal(level[0], level[1])
    assert float(level.square().mean()) == pytest.approx(float(noise.square().mean()), rel=0.02)


def test_the_local_level_of_noise_of_luma_and_of_chroma_are_told_apart() -> None:
    """All planes up and down together, in colour: a hue that is a hair off keeps it from being grey."""
    plane = 0.1 * torch.randn(1, 200, 200, generator=generator())
    luma, chroma = local_level(torch.cat([plane, plane, plane * (1 + 1e-4)]))
    assert float(luma.mean()) == pytest.approx(0.1 * 3**0.5, rel=0.02)
    assert float(chroma.max()) < 1e-4
    luma, chroma = local_level(torch.cat([plane, -plane, 0 * plane]))
    assert float(luma.max()) == pytest.approx(0, abs=1e-6)
    assert float(chroma.mean()) == pytest.approx(0.1, rel=0.02)


def test_a_sample_of_jpeg_alone_is_what_a_file_holds_of_the_clean_one() -> None:
    for seed in range(6):
        sample = degrade(smooth(), KINDS["jpeg"], generator(seed))
        levels = sample.noisy * 255
        torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
        error = (sample.noisy - sample.clean).abs()
        assert 0 < float(error.mean()) < 0.03
        assert not sample.white


def smooth() -> torch.Tensor:
    """A patch of colours that change slowly, in steps of grey levels; [3, 80, 80] in [0, 1]."""
    row = torch.linspace(0, 3, 64 + MARGIN)
    planes = [torch.sin(row[:, None] + shift) * torch.cos(row[None] - shift) for shift in (0.0, 1.0, 2.0)]
    return (127.5 + 100 * torch.stack(planes)).round() / 255


def test_jpeg_s_blocks_begin_anywhere() -> None:
    """The column between pixels where the error jumps most differs from sample to sample."""
    edges = set()
    for seed in range(8):
        sample = degrade(smooth(), KINDS["jpeg"], generator(seed))
        error = sample.noisy - sample.clean
        steps = (error[..., 1:] - error[..., :-1]).square().mean((0, 1))
        edges.add(int(torch.stack([steps[column::8].mean() for column in range(8)]).argmax()))
    assert len(edges) > 2


@pytest.mark.parametrize("kind", KINDS)
def test_stuck_pixels_are_few_and_not_in_the_level(kind: str) -> None:
    """Far from their surroundings, alone, and the noise level is that of the others."""
    mixture, far = replace(KINDS[kind], rounded=1, impulses=1), []
    for seed in range(12):
        stuck = degrade(smooth(), mixture, generator(seed))
        distance = (stuck.noisy - stuck.clean).abs().amax(0)
        far.append(float((distance > 6 * stuck.level.amax(0) + 0.2).float().mean()))
        assert float(stuck.level.max()) < 0.5
    assert 1e-4 < sum(far) / len(far) < 0.04


@pytest.mark.parametrize("kind", KINDS)
def test_stuck_pixels_change_neither_the_level_nor_the_clean_picture(kind: str) -> None:
    whole, stuck = (
        degrade(smooth(), replace(KINDS[kind], rounded=1, impulses=share), generator(5)) for share in (0, 1)
    )
    assert torch.equal(stuck.level, whole.level)
    assert torch.equal(stuck.clean, whole.clean)
    assert not torch.equal(stuck.noisy, whole.noisy)


def test_brightness_is_most_of_all_green_and_least_blue() -> None:
    """ITU-R BT.601, in all three channels."""
    colours = torch.eye(3)[:, :, None]  # a red, a green and a blue pixel
    expected = torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1).expand(3, 3, 1)
    assert torch.allclose(luminance(colours), expected)


def test_a_grey_camera_sample_is_the_brightness_of_the_coloured_one() -> None:
    mixtures = [Mixture(camera=1, impulses=0, grey=share) for share in (1, 0)]
    grey, coloured = (degrade(patch(), mixture, generator(4)) for mixture in mixtures)
    torch.testing.assert_close(grey.noisy, luminance(coloured.noisy))
    torch.testing.assert_close(grey.clean, luminance(coloured.clean))


@pytest.mark.parametrize("kind", KINDS)
def test_the_level_is_that_of_the_noise_in_the_sample(kind: str) -> None:
    """σ² = (σ_L² + 2 σ_C²) / 3 over R, G and B."""
    for seed in range(6):
        sample = degrade(patch(128), replace(KINDS[kind], rounded=0, impulses=0, grey=0), generator(seed))
        square = float((sample.noisy - sample.clean).square().mean())
        luma, chroma = sample.level.square().mean((1, 2)).tolist()
        assert (luma + 2 * chroma) / 3 == pytest.approx(square, rel=0.3, abs=1e-9)
