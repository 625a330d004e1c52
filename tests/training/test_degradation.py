"""Training samples: the noise that was asked for, and nothing else."""

from __future__ import annotations

import pytest
import torch

from genrestore.training.degradation import MARGIN, Mixture, degrade, local_level, luminance

GAUSSIAN = Mixture(camera=0, rounded=0, grey=0)


def patch(side: int = 64) -> torch.Tensor:
    return torch.rand(3, side + MARGIN, side + MARGIN, generator=generator(99))


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("seed", range(5))
def test_gaussian_noise_has_the_level_that_is_stated(seed: int) -> None:
    sample = degrade(patch(128), GAUSSIAN, generator(seed))
    assert sample.noisy.shape == sample.clean.shape == (3, 128, 128)
    assert sample.level.shape == (1, 128, 128)
    assert float((sample.noisy - sample.clean).std()) == pytest.approx(float(sample.level.mean()), rel=0.02)
    assert not sample.camera


def test_the_clean_patch_is_a_piece_of_what_was_given() -> None:
    whole = patch(16)
    sample = degrade(whole, GAUSSIAN, generator())
    pieces = whole.unfold(1, 16, 1).unfold(2, 16, 1)
    assert any(
        torch.equal(sample.clean, pieces[:, top, left])
        for top in range(MARGIN + 1)
        for left in range(MARGIN + 1)
    )


def test_rounded_noise_is_what_a_file_holds() -> None:
    sample = degrade(patch(), Mixture(camera=0, rounded=1, grey=0), generator(3))
    levels = sample.noisy * 255
    torch.testing.assert_close(levels, levels.round(), atol=1e-4, rtol=0)
    assert 0 <= float(sample.noisy.min()) <= float(sample.noisy.max()) <= 1


@pytest.mark.parametrize("camera", [0.0, 1.0])
def test_grey_samples_have_equal_channels(camera: float) -> None:
    sample = degrade(patch(), Mixture(camera=camera, grey=1), generator(1))
    for image in (sample.noisy, sample.clean):
        torch.testing.assert_close(image[0], image[2])


def test_camera_samples_say_so() -> None:
    sample = degrade(patch(), Mixture(camera=1), generator())
    assert sample.camera
    assert sample.noisy.shape == (3, 64, 64)


def test_a_seed_gives_one_sample() -> None:
    samples = [degrade(patch(), Mixture(), generator(seed)) for seed in (5, 5, 6)]
    assert torch.equal(samples[0].noisy, samples[1].noisy)
    assert not torch.equal(samples[0].noisy, samples[2].noisy)


def test_the_local_level_of_even_noise_is_its_standard_deviation() -> None:
    noise = 0.1 * torch.randn(3, 200, 200, generator=generator())
    level = local_level(noise)
    assert level.shape == (1, 200, 200)
    assert float(level.mean()) == pytest.approx(0.1, rel=0.02)
    assert float(level.std()) < 0.01


def test_the_local_level_follows_the_noise() -> None:
    noise = torch.zeros(3, 80, 80)
    noise[:, :, 40:] = 0.2
    level = local_level(noise)
    assert float(level[0, 40, 10]) == 0
    assert float(level[0, 40, 70]) == pytest.approx(0.2)


def test_brightness_is_most_of_all_green_and_least_blue() -> None:
    """ITU-R BT.601, in all three channels."""
    colours = torch.eye(3)[:, :, None]  # a red, a green and a blue pixel
    expected = torch.tensor([0.299, 0.587, 0.114]).reshape(1, 3, 1).expand(3, 3, 1)
    assert torch.allclose(luminance(colours), expected)


def test_a_grey_camera_sample_is_the_brightness_of_the_coloured_one() -> None:
    grey, coloured = (degrade(patch(), Mixture(camera=1, grey=share), generator(4)) for share in (1, 0))
    torch.testing.assert_close(grey.noisy, luminance(coloured.noisy))
    torch.testing.assert_close(grey.clean, luminance(coloured.clean))


@pytest.mark.parametrize(("camera", "tolerance"), [(0.0, 0.05), (1.0, 0.5)])
def test_the_level_is_that_of_the_noise_in_the_sample(camera: float, tolerance: float) -> None:
    for seed in range(6):
        sample = degrade(patch(128), Mixture(camera=camera, rounded=0, grey=0), generator(seed))
        square = float((sample.noisy - sample.clean).square().mean())
        assert float(sample.level.square().mean()) == pytest.approx(square, rel=tolerance, abs=1e-9)
