"""PSNR and SSIM against figures of another library, written down."""

from __future__ import annotations

import math

import numpy as np
import pytest

from genrestore.metrics import Pixels, psnr, ssim


def pictures() -> tuple[Pixels, Pixels]:
    row, column = np.mgrid[:40, :50]
    image = ((np.sin(column / 5) * np.cos(row / 7) + 1) * 127.5).round().astype(np.uint8)
    pattern = (column * 7 + row * 13) % 21 - 10
    return image, np.clip(image.astype(int) + pattern, 0, 255).astype(np.uint8)


def test_psnr_of_ten_grey_levels_is_28_decibels() -> None:
    image = np.full((1, 3, 8, 8), 100, np.uint8)
    assert psnr(image, image + 10) == pytest.approx(28.1308, abs=1e-4)


def test_psnr_does_not_wrap_around() -> None:
    assert psnr(np.zeros((4, 4), np.uint8), np.full((4, 4), 255, np.uint8)) == 0


@pytest.fixture(params=[7, 40, 256])
def strips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of 40 rows in several strips, with a rest, and in one."""
    monkeypatch.setattr("genrestore.metrics.STRIP", request.param)


@pytest.mark.usefixtures("strips")
def test_psnr_agrees_with_scikit_image() -> None:
    # skimage.metrics.peak_signal_noise_ratio(*pictures(), data_range=255), version 0.26.0
    assert psnr(*pictures()) == pytest.approx(32.53239543011544)


@pytest.mark.usefixtures("strips")
def test_ssim_agrees_with_scikit_image() -> None:
    # skimage.metrics.structural_similarity(*pictures(), data_range=255, gaussian_weights=True, sigma=1.5,
    # use_sample_covariance=False, win_size=11), version 0.26.0
    assert ssim(*pictures()) == pytest.approx(0.9573213347905342)


def test_equal_pictures() -> None:
    image, _ = pictures()
    assert psnr(image, image) == math.inf
    assert ssim(image, image) == pytest.approx(1)


def test_the_range_of_16_bits_gives_the_same_figures() -> None:
    image, other = (picture.astype(np.uint16) * 257 for picture in pictures())
    assert psnr(image, other, 65535) == pytest.approx(psnr(*pictures()))
    assert ssim(image, other, 65535) == pytest.approx(ssim(*pictures()))


def test_ssim_is_the_mean_of_the_channels() -> None:
    image, other = pictures()
    both = ssim(np.stack([image, image])[None], np.stack([image, other])[None])
    assert both == pytest.approx((1 + ssim(image, other)) / 2)


def test_a_picture_smaller_than_the_window_has_no_ssim() -> None:
    assert math.isnan(ssim(np.zeros((10, 30)), np.zeros((10, 30))))


def test_other_shapes_are_refused() -> None:
    with pytest.raises(ValueError, match=r"\[4, 4\] against a reference of \[4, 5\]"):
        psnr(np.zeros((4, 4)), np.zeros((4, 5)))
