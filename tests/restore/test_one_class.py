"""Pictures of one class, restored by an autoencoder that is known by hand."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genrestore
from genrestore.errors import InputError, UsageError
from genrestore.metrics import psnr
from genrestore.restore.pictures import Restore
from genrestore.restore.settings import AutoencoderSettings
from genrestore.restore.task import Picture
from genrestore.restore.tiling import Pixels
from genrestore.runtime import Runtime
from tests import tiny
from tests.restore.restorers import denoiser, inpainter, together, watched

RUNTIME = Runtime("cpu", "fp32", 1, 0)
SIGMA = 63.75 / 255


@pytest.fixture
def weights(tmp_path: Path) -> str:
    return str(tiny.save_autoencoder(tmp_path))


def clean_pictures() -> list[Pixels]:
    """Images of the class, [1, 1, 28, 28] of uint8 each: each half bright or dark, the middle dark."""
    network: Any = tiny.block_autoencoder()
    with torch.no_grad():
        images = network.decode(torch.tensor([[0.0, 1], [1, 0], [1, 1], [0, 0], [0.9, 0.1]]))
    return [(255 * image[None]).round().byte().numpy() for image in images]


def noisy(pixels: Pixels, seed: int) -> Pixels:
    noise = 255 * SIGMA * np.random.default_rng(seed).standard_normal(pixels.shape)
    return (pixels + noise).round().clip(0, 255).astype(np.uint8)


def task(weights: str, **words: Any) -> Restore:
    return denoiser(weights, runtime=RUNTIME, **{"noise_level": SIGMA, **words})


def test_noise_is_removed_and_the_pictures_are_of_the_class(weights: str) -> None:
    damaged = [noisy(clean, seed) for seed, clean in enumerate(clean_pictures())]
    for given, clean, restored in zip(
        damaged, clean_pictures(), together(task(weights), damaged), strict=True
    ):
        assert psnr(restored.pixels, clean) > psnr(given, clean) + 6
        assert (restored.pixels.dtype, restored.pixels.shape) == (given.dtype, given.shape)
        assert (restored.in_domain, restored.notes, restored.noise_level) == (True, (), SIGMA)


def test_the_way_from_the_prior_ends_where_the_noise_explains_the_rest(weights: str) -> None:
    damaged = [noisy(clean, seed) for seed, clean in enumerate(clean_pictures())]
    _, seen = watched(partial(task, weights), damaged)
    rows = seen.rows
    assert seen.ended == [0, 1, 2, 3, 4]
    assert sorted(rows) == [0, 1, 2, 3, 4]
    for index, steps in rows.items():
        assert [step.index for step in steps] == list(range(len(steps)))
        assert len(steps) < 200
        image = torch.from_numpy(damaged[index]) / 255
        assert [step.stage for step in steps] == ["latent"] * 81 + ["pixels"] * (len(steps) - 81)
        distances = [float((step.image - image).square().mean()) for step in steps[81:]]
        assert all(later <= earlier + 1e-6 for earlier, later in zip(distances, distances[1:], strict=False))


@pytest.mark.parametrize("loss", ["l2", "l1"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16, np.float32])
def test_every_loss_and_kind_of_numbers(weights: str, loss: str, kind: Any) -> None:
    clean = clean_pictures()[0]
    scale = {np.uint8: 1, np.uint16: 257, np.float32: 1 / 255}[kind]
    noise = 255 * SIGMA * np.random.default_rng(0).standard_normal(clean.shape)
    damaged = clean + noise if kind is np.float32 else noisy(clean, 0).astype(float)
    damaged = (damaged * scale).astype(kind)
    restored = task(weights, settings=AutoencoderSettings(loss=loss))(damaged)
    assert restored.pixels.dtype == kind
    assert psnr(restored.pixels / scale, clean) > psnr(damaged / scale, clean) + 5


def test_a_result_is_the_same_alone_together_and_in_reversed_order(weights: str) -> None:
    damaged = [noisy(clean, seed) for seed, clean in enumerate(clean_pictures() * 4)]  # more than one batch
    at_once = together(task(weights), damaged)
    backwards = together(task(weights), damaged[::-1])[::-1]
    for number, pixels in enumerate(damaged):
        assert np.array_equal(at_once[number].pixels, backwards[number].pixels)
        if number % 6 == 0:
            assert np.array_equal(at_once[number].pixels, task(weights)(pixels).pixels)


def test_another_size_fails_with_both_sizes_unless_it_is_scaled(weights: str) -> None:
    photo = np.full((1, 3, 40, 60), 200, np.uint8)
    message = r"60x40 RGB, and these weights restore 28x28 grey: resize .* or the weights photo"
    with pytest.raises(InputError, match=message):
        task(weights)(photo)
    restored = task(weights, resize=True)(photo)
    assert restored.pixels.shape == photo.shape
    assert np.array_equal(restored.pixels[:, 0], restored.pixels[:, 1])  # grey, as the prior is


def test_a_picture_of_another_kind_is_called_far(weights: str) -> None:
    board = (np.indices((28, 28)).sum(0) // 4 % 2 * 255).astype(np.uint8)[None, None]
    restored = task(weights)(noisy(board, 0))
    assert restored.in_domain is False
    assert "far from what the prior knows" in restored.notes[0]
    assert "99 of 100 of its own by less than 13" in restored.notes[0]  # 0.05 of 255


def starts(weights: str, damaged: Pixels, **settings: Any) -> tuple[torch.Tensor, Pixels]:
    """Where the descent begins, and the result."""
    restored, seen = watched(partial(task, weights, **settings), [damaged])
    start = next(step.image for step in seen.rows[0] if step.stage == "pixels")
    return start, restored[0].pixels


def test_the_descent_begins_at_what_the_restorer_says(weights: str, tmp_path: Path) -> None:
    with_restorer = str(tiny.save_autoencoder(tmp_path, "with", restorer={}))
    damaged = noisy(clean_pictures()[4], 0)
    start, result = starts(with_restorer, damaged)
    other, _ = starts(weights, damaged)
    prior: Any = task(with_restorer).prior
    expected = prior.restored(torch.from_numpy(damaged) / 255, None, SIGMA)[1]
    assert torch.allclose(start, expected, atol=1e-5)
    assert not torch.allclose(start, other, atol=1e-3)
    assert psnr(result, clean_pictures()[4]) > psnr(damaged, clean_pictures()[4]) + 6


def test_a_hole_without_noise_is_what_the_restorer_says(tmp_path: Path) -> None:
    path = str(tiny.save_autoencoder(tmp_path, "with", restorer={}))
    known = known_square()
    damaged = np.where(known, clean_pictures()[4], 0).astype(np.uint8)
    fill = inpainter(path, runtime=RUNTIME)
    prior: Any = fill.prior
    _, expected = prior.restored(torch.from_numpy(damaged) / 255, torch.from_numpy(known).float(), 0.0)
    restored = fill(damaged, known=known).pixels
    assert np.array_equal(restored[known], damaged[known])
    hole = (255 * expected).round().byte().numpy()[~known]
    assert np.abs(restored[~known].astype(int) - hole).max() <= 1


def test_what_a_restorer_has_not_learned_it_is_not_asked(weights: str, tmp_path: Path) -> None:
    with_restorer = str(tiny.save_autoencoder(tmp_path, "with", restorer={}))
    damaged, settings = noisy(clean_pictures()[4], 0), {"noise_level": 120 / 255}
    for mine, theirs in zip(
        starts(with_restorer, damaged, **settings), starts(weights, damaged, **settings), strict=True
    ):
        assert np.array_equal(mine, theirs)


@pytest.mark.parametrize("loss", ["l2", "l1"])
def test_every_loss_begins_at_the_restorer_s_estimate(tmp_path: Path, loss: str) -> None:
    path = str(tiny.save_autoencoder(tmp_path, "with", restorer={}))
    damaged, how = noisy(clean_pictures()[4], 0), AutoencoderSettings(loss=loss)
    (restored,), seen = watched(partial(task, path, settings=how), [damaged])
    steps = seen.rows[0]
    estimate = next(step.image for step in steps if step.stage == "restorer")
    assert torch.equal(next(step.image for step in steps if step.stage == "pixels"), estimate)
    _, expected = task(path).prior.restored(torch.from_numpy(damaged) / 255, None, SIGMA)
    assert torch.allclose(estimate, expected, atol=1e-5)
    assert restored.pixels.shape == damaged.shape


@pytest.mark.parametrize(("loss", "known"), [("l2", False), ("l2", True), ("l1", False)])
def test_the_recipe_of_the_report_is_adam_on_the_pixels_of_plain_terms(
    tmp_path: Path, loss: str, known: bool
) -> None:
    path = str(tiny.save_autoencoder(tmp_path, "with", restorer={}))
    damaged, there = noisy(clean_pictures()[4], 0), known_square() if known else None
    how = AutoencoderSettings.report(steps=7, rate=0.03, prior_weight=2.0, loss=loss)
    restore = partial(denoiser if there is None else inpainter, path, runtime=RUNTIME, noise_level=SIGMA)
    (made,) = together(restore(settings=how), [damaged], [there])
    y = torch.from_numpy(damaged).float() / 255
    mask = torch.ones_like(y) if there is None else torch.from_numpy(there).float()
    x = (mask * y).requires_grad_()
    adam = torch.optim.Adam([x], 0.03)
    for _ in range(7):
        adam.zero_grad()
        apart = mask * (x - y)
        data = apart.square().sum() / (2 * SIGMA**2) if loss == "l2" else apart.abs().sum() / SIGMA
        (data + 2 * (restore().prior.reconstruct(x) - x).square().sum()).backward()
        adam.step()
    expected = (255 * x.detach().clamp(0, 1)).round().byte().numpy()
    assert np.abs(made.pixels.astype(int) - expected).max() <= 1


@pytest.mark.parametrize("settings", [{"strength": 0.0}, {"noise_level": 0.0}])
def test_nothing_asked_for_is_nothing_done(weights: str, settings: dict[str, float]) -> None:
    damaged = noisy(clean_pictures()[0], 0)
    assert np.array_equal(task(weights, **settings)(damaged).pixels, damaged)


def test_strength_mixes_the_input_back_in(weights: str) -> None:
    damaged = noisy(clean_pictures()[0], 0)
    whole, some = (task(weights, strength=share)(damaged).pixels.astype(int) for share in (1.0, 0.25))
    assert np.abs(some - (0.25 * whole + 0.75 * damaged)).max() <= 1


@pytest.mark.parametrize("sigma", [0.05, SIGMA])
def test_the_noise_level_is_estimated_where_it_is_not_given(weights: str, sigma: float) -> None:
    clean = clean_pictures()[0]
    noise = 255 * sigma * np.random.default_rng(1).standard_normal(clean.shape)
    damaged = (clean + noise).round().clip(0, 255).astype(np.uint8)
    level = task(weights, noise_level=None)(damaged).noise_level
    assert level == pytest.approx(sigma, rel=0.25)


@pytest.mark.parametrize(("level", "restorer"), [(None, None), (SIGMA, {})])
def test_progress_moves_with_the_search_and_ends_at_all_of_it(
    tmp_path: Path, level: float | None, restorer: dict[str, Any] | None
) -> None:
    path = str(tiny.save_autoencoder(tmp_path, restorer=restorer))
    damaged = [noisy(clean, seed) for seed, clean in enumerate(clean_pictures()[:3])]
    made = inpainter(path, runtime=RUNTIME, noise_level=level or 0.0)
    runs: list[list[float]] = [[], [], []]
    task(path, noise_level=level).together([Picture(one) for one in damaged], runs[0].append)
    made.together([Picture(one, known_square()) for one in damaged], runs[1].append)
    made(damaged[0], runs[2].append, known_square())
    for told in runs:
        assert told == sorted(told)
        assert (len(told) > 9, told[0] < 0.4, told[-1]) == (True, True, 1.0)


def test_python_takes_the_prior_from_the_weights(weights: str) -> None:
    damaged = noisy(clean_pictures()[1], 3)[0, 0]
    result = genrestore.denoise(damaged, noise_level=SIGMA, weights=weights, runtime=RUNTIME)
    assert np.array_equal(result, task(weights)(damaged[None, None]).pixels[0, 0])
    hole = np.zeros((28, 28), bool)
    hole[4:12, 2:10] = True
    filled = genrestore.inpaint(damaged, hole, weights=weights, runtime=RUNTIME)
    assert np.array_equal(filled[~hole], damaged[~hole])


def test_provenance_tells_of_the_search(weights: str) -> None:
    made = task(weights, settings=AutoencoderSettings(prior_weight=2.0), resize=True).provenance
    assert (made["prior_weight"], made["resize"], made["sigma"], made["steps"]) == (2.0, True, 63.75, 200)


def known_square() -> Pixels:
    known = np.ones((1, 1, 28, 28), bool)
    known[..., 6:14, 2:10] = False
    return known


def test_a_hole_is_filled_and_what_is_known_stays(weights: str) -> None:
    known, pictures = known_square(), clean_pictures()
    damaged = [np.where(known, clean, 128).astype(np.uint8) for clean in pictures]
    made = together(inpainter(weights, runtime=RUNTIME), damaged, [known] * len(damaged))
    for clean, restored in zip(pictures, made, strict=True):
        assert np.array_equal(restored.pixels[known], clean[known])
        assert np.abs(restored.pixels.astype(int) - clean).max() < 20
        assert restored.in_domain


def test_what_is_known_of_a_picture_of_another_size_stays_too(weights: str) -> None:
    draws = np.random.default_rng(0)
    picture, known = draws.integers(0, 256, (1, 3, 40, 56)).astype(np.uint8), np.ones((1, 1, 40, 56), bool)
    known[..., 10:20, 30:44] = False
    made = inpainter(weights, runtime=RUNTIME, resize=True)(picture, known=known).pixels
    everywhere = np.broadcast_to(known, picture.shape)
    assert np.array_equal(made[everywhere], picture[everywhere])
    assert not np.array_equal(made, picture)


def test_scattered_holes_of_a_larger_picture_leave_it_known(weights: str) -> None:
    """No scaled pixel is wholly known there, and what is around says what the picture is."""
    clean = clean_pictures()[0].repeat(10, 2).repeat(10, 3)
    known = np.ones((1, 1, 280, 280), bool)
    known[..., ::2, ::2] = False
    made = inpainter(weights, runtime=RUNTIME, resize=True)(
        np.where(known, clean, 255 - clean), known=known
    ).pixels
    assert np.abs(made.astype(int) - clean)[~known].mean() < 15


@pytest.mark.parametrize("bright", [True, False])
def test_what_cannot_be_seen_is_what_usually_goes_with_what_can(tmp_path: Path, bright: bool) -> None:
    left = torch.logit(torch.rand(500, 1, generator=torch.Generator().manual_seed(0)), 0.01)
    latents = torch.cat([left, -left], 1).sigmoid()  # where one half is bright, the other one is dark
    weights = str(tiny.save_autoencoder(tmp_path, latent=latents))
    known = np.ones((1, 1, 28, 28), bool)
    known[..., 14:] = False
    clean = clean_pictures()[1 if bright else 0]
    restored = inpainter(weights, runtime=RUNTIME)(np.where(known, clean, 0), known=known)
    right = restored.pixels[..., 18:26].astype(int)
    assert np.abs(right - clean[..., 18:26]).mean() < 40
    assert np.abs(right - clean_pictures()[2 if bright else 3][..., 18:26]).mean() > 120


def test_what_the_hole_holds_counts_for_nothing_without_feather(weights: str) -> None:
    clean, known = clean_pictures()[0], known_square()
    damaged = [np.where(known, clean, fill) for fill in (np.uint8(0), np.uint8(255))]
    results = [
        result
        for feather in (0, 3)
        for result in together(inpainter(weights, runtime=RUNTIME, feather=feather), damaged, [known] * 2)
    ]
    first, second, soft, hard = (result.pixels.astype(int) for result in results)
    assert np.array_equal(first, second)
    assert not np.array_equal(soft, hard)
    assert np.array_equal(soft[known], clean[known])


def test_known_pixels_with_noise_are_denoised_too(weights: str) -> None:
    clean, known = clean_pictures()[1], known_square()
    damaged = np.where(known, noisy(clean, 5), 0).astype(np.uint8)
    restored = inpainter(weights, runtime=RUNTIME, noise_level=SIGMA)(damaged, known=known)
    assert psnr(restored.pixels, clean) > psnr(damaged, clean) + 6
    assert "known pixels were denoised too" in restored.notes


def test_masks_that_ask_for_nothing_or_everything(weights: str) -> None:
    clean = clean_pictures()[0]
    made = inpainter(weights, runtime=RUNTIME)
    assert np.array_equal(made(clean, known=np.ones((1, 1, 28, 28), bool)).pixels, clean)
    with pytest.raises(InputError, match="the mask covers the whole picture"):
        made(clean, known=np.zeros((1, 1, 28, 28), bool))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps 0: must be from 1"),
        ({"step_size": 0.0}, "step_size 0.0: must be above 0 and at most 1"),
        ({"prior_weight": float("nan")}, "prior_weight nan: must be from 0"),
        ({"loss": "l3"}, "loss l3: must be one of l2, l1"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AutoencoderSettings(**settings)
