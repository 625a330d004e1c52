"""Noise and holes, through the latent of a tiny generator."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genrestore
from genrestore.errors import UsageError
from genrestore.metrics import psnr
from genrestore.restore.pictures import Restore
from genrestore.restore.problem import Problem
from genrestore.restore.settings import AutoencoderSettings, LatentSearch
from genrestore.runtime import Runtime
from tests import tiny
from tests.restore import restorers
from tests.restore.patterns import board, noisy, pictures
from tests.restore.restorers import inpainter, inverter, together

RUNTIME = Runtime("cpu", "fp32", 1, 0)
STRONG = 63.75


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_generator(tmp_path_factory.mktemp("weights")))


def denoiser(weights: str, sigma: float = STRONG, **words: Any) -> Restore:
    return restorers.denoiser(weights, **{"noise_level": sigma / 255, "runtime": RUNTIME, **words})


def square() -> Any:
    known = np.ones((1, 1, 28, 28), bool)
    known[..., 10:18, 10:18] = False
    return known


@pytest.mark.parametrize("loss", ["l2", "l1"])
def test_strong_noise_goes_and_the_picture_is_the_generators(weights: str, loss: str) -> None:
    clean = pictures(3)
    damaged = [noisy(one, STRONG, seed) for seed, one in enumerate(clean)]
    restored = together(denoiser(weights, settings=LatentSearch(loss=loss)), damaged)
    for one, before, truth in zip(restored, damaged, clean, strict=True):
        assert psnr(one.pixels, truth) > psnr(before, truth) + 10
        assert (one.in_domain, one.noise_level) == (True, STRONG / 255)


def test_off_the_range_a_picture_that_it_cannot_make_is_not_lost(weights: str) -> None:
    clean = board()
    damaged = noisy(clean, 5.0, 0)
    refined, raw = (
        denoiser(weights, 5.0, settings=LatentSearch(refine=refine, restarts=1))(damaged)
        for refine in (True, False)
    )
    assert psnr(raw.pixels, clean) < psnr(damaged, clean)
    assert psnr(refined.pixels, clean) > psnr(damaged, clean) - 0.1
    assert refined.in_domain is False


@pytest.mark.parametrize("sigma", [12.0, STRONG])
def test_the_noise_level_is_estimated_around_the_generators_picture(weights: str, sigma: float) -> None:
    damaged = noisy(pictures(1)[0], sigma, 2)
    level = denoiser(weights, noise_level=None)(damaged).noise_level
    assert level is not None
    assert 255 * level == pytest.approx(sigma, rel=0.2)


def test_the_recipe_of_the_report_adds_noise_and_ends_farther_from_the_data(weights: str) -> None:
    damaged = [noisy(one, STRONG, seed) for seed, one in enumerate(pictures(4))]
    search = LatentSearch.report(28, steps=200)
    with_noise = together(denoiser(weights, settings=search), damaged)
    plain = together(inverter(weights, runtime=RUNTIME, settings=search), damaged)
    distances = [
        np.mean(
            [np.square(one.pixels - y.astype(float)).mean() for one, y in zip(made, damaged, strict=True)]
        )
        for made in (with_noise, plain)
    ]
    assert distances[0] > distances[1]
    again = denoiser(weights, settings=search)(damaged[3])
    assert np.array_equal(again.pixels, with_noise[3].pixels)


@pytest.mark.parametrize("loss", ["l2", "l1"])
def test_the_recipe_s_objective_is_plain_whatever_the_noise(weights: str, loss: str) -> None:
    """No clipping, no error of the generator, no weight of the noise: D is ½ ‖G(z) − y‖² or ‖G(z) − y‖₁."""
    prior: Any = denoiser(weights).prior
    y = torch.from_numpy(noisy(pictures(1)[0], STRONG, 0)).float() / 255
    problem = Problem(y, STRONG / 255, torch.ones_like(y[:, :1]), clipped=True)  # a mask: no noise is added
    found = prior.find(problem, LatentSearch.report(28, steps=3, loss=loss))
    apart = found.image - y
    expected = apart.square().sum() / 2 if loss == "l2" else apart.abs().sum()
    assert float(found.data) == pytest.approx(float(expected), rel=1e-4)


def test_where_the_generator_says_it_all_refining_takes_little_noise_over(weights: str) -> None:
    clean = pictures(4)
    damaged = [noisy(one, STRONG, seed) for seed, one in enumerate(clean)]
    scores = [
        np.mean([psnr(one.pixels, truth) for one, truth in zip(made, clean, strict=True)])
        for made in (
            together(denoiser(weights, settings=LatentSearch(refine=refine)), damaged)
            for refine in (True, False)
        )
    ]
    assert scores[0] > scores[1] - 1.0


def test_a_hole_is_filled_and_what_is_known_stays(weights: str) -> None:
    known = square()
    for clean in pictures(2):
        damaged = np.where(known, clean, 128).astype(np.uint8)
        restored = inpainter(weights, runtime=RUNTIME)(damaged, known=known)
        assert np.array_equal(restored.pixels[known], clean[known])
        assert np.abs(restored.pixels.astype(int) - clean)[~known].mean() < 3


def test_the_hole_follows_what_the_generator_misses_around_it(weights: str) -> None:
    known, clean = square(), (pictures(1)[0] // 2 + 100).astype(np.uint8)  # brighter than it makes them
    damaged = np.where(known, clean, 0).astype(np.uint8)
    errors = [
        np.abs(
            inpainter(weights, runtime=RUNTIME, settings=LatentSearch(refine=refine))(
                damaged, known=known
            ).pixels.astype(int)
            - clean
        )[~known].mean()
        for refine in (True, False)
    ]
    assert errors[0] < errors[1]


def test_without_keeping_the_result_is_the_generators_own(weights: str) -> None:
    known = square()
    damaged = np.where(known, board(), 0).astype(np.uint8)
    restored = inpainter(weights, runtime=RUNTIME, keep=False)(damaged, known=known)
    assert not np.array_equal(restored.pixels[known], damaged[known])
    made, _ = genrestore.invert(restored.pixels[0, 0], weights=weights, runtime=RUNTIME)
    assert psnr(made[None, None], restored.pixels) > 45


def test_known_pixels_with_noise_are_denoised_too(weights: str) -> None:
    known, clean = square(), pictures(1)[0]
    damaged = np.where(known, noisy(clean, 30.0, 1), 0).astype(np.uint8)
    made = inpainter(weights, runtime=RUNTIME, noise_level=30 / 255)(damaged, known=known)
    assert psnr(made.pixels, clean) > psnr(damaged, clean) + 10
    assert "known pixels were denoised too" in made.notes


def test_python_takes_the_prior_from_the_weights(weights: str) -> None:
    damaged = noisy(pictures(1)[0], STRONG, 3)[0, 0]
    result = genrestore.denoise(damaged, noise_level=STRONG / 255, weights=weights, runtime=RUNTIME)
    assert np.array_equal(result, denoiser(weights)(damaged[None, None]).pixels[0, 0])


def test_settings_of_another_kind_of_prior_are_refused(weights: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="of kind 'generator': its search takes LatentSearch"):
        denoiser(weights, settings=AutoencoderSettings())
    with pytest.raises(UsageError, match="of kind 'autoencoder': its search takes AutoencoderSettings"):
        denoiser(str(tiny.save_autoencoder(tmp_path)), settings=LatentSearch())
    with pytest.raises(UsageError, match="feather: blends into known pixels, and without keep"):
        inpainter(weights, keep=False, feather=3)
