"""Inpaint on tiny weights: what is known stays, what is missing follows from it; bad words are refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import PIL.Image
import pytest
import torch

import genrestore
from genrestore.errors import InputError, UsageError, WeightsError
from genrestore.models.pyramid import fill
from genrestore.restore.tasks import Denoise, Inpaint
from genrestore.restore.tasks.fill_step_by_step import FIRST, LAST, STEPS, schedule
from genrestore.restore.tiling import Pixels, Tiling, to_float
from genrestore.runtime import Runtime
from tests import tiny

RUNTIME = Runtime("cpu", "fp32", 1, 0)


SAVE = {"denoiser": tiny.save_denoiser, "inpainter": tiny.save_inpainter}


@pytest.fixture(scope="module", params=SAVE)
def weights(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Of each kind that fills photographs."""
    return str(SAVE[request.param](tmp_path_factory.mktemp("weights")))


@pytest.fixture(scope="module")
def denoiser(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_denoiser(tmp_path_factory.mktemp("weights")))


@pytest.fixture(scope="module")
def inpainter(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_inpainter(tmp_path_factory.mktemp("weights")))


def ramp(height: int = 40, width: int = 60, channels: int = 3, dtype: type = np.uint8) -> Pixels:
    """A smooth picture in steps of 2×2 pixels, which the tiny denoiser leaves alone.

    [1, channel, height, width], over most of the type's range.
    """
    y, x = np.mgrid[0:height, 0:width] // 2 * 2
    planes = np.stack([x / width, y / height, (x + y) / (width + height)])[:channels]
    return (planes * 0.9 * np.iinfo(dtype).max).astype(dtype)[None]


def hole(pixels: Pixels, rows: slice = slice(10, 20), columns: slice = slice(20, 32)) -> Pixels:
    known = np.ones((1, 1, *pixels.shape[-2:]), bool)
    known[..., rows, columns] = False
    return known


def broken(pixels: Pixels, known: Pixels) -> Pixels:
    """The picture with white in its hole."""
    return np.where(known, pixels, np.iinfo(pixels.dtype).max).astype(pixels.dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_hole_is_filled_from_around_it_and_the_rest_stays_to_the_bit(
    weights: str, channels: int, dtype: type
) -> None:
    clean = ramp(channels=channels, dtype=dtype)
    known = hole(clean)
    restored = Inpaint(weights, runtime=RUNTIME)(broken(clean, known), known=known)
    assert restored.pixels.dtype == dtype
    assert np.array_equal(restored.pixels[..., known[0, 0]], clean[..., known[0, 0]])
    error = np.abs(restored.pixels.astype(float) - clean)[..., ~known[0, 0]]
    assert error.max() < 0.15 * np.iinfo(dtype).max
    assert restored.noise_level is None
    assert restored.notes == ()


def test_what_the_hole_held_changes_nothing(weights: str) -> None:
    known = hole(ramp())
    results = [
        Inpaint(weights, runtime=RUNTIME)(np.where(known, ramp(), value).astype(np.uint8), known=known).pixels
        for value in (0, 255)
    ]
    assert np.array_equal(*results)


def test_pieces_give_about_what_the_whole_gives(weights: str) -> None:
    clean = ramp(90, 200)
    known = hole(clean, slice(40, 46), slice(5, 195))
    whole = Inpaint(weights, runtime=RUNTIME)(broken(clean, known), known=known).pixels
    cut = Inpaint(weights, runtime=RUNTIME, tiling=Tiling(96, 32))(broken(clean, known), known=known).pixels
    assert np.array_equal(cut[..., known[0, 0]], clean[..., known[0, 0]])
    assert np.abs(whole.astype(int) - cut).max() <= 12


def test_an_empty_mask_copies_and_says_so(weights: str) -> None:
    known = np.ones((1, 1, 40, 60), bool)
    restored = Inpaint(weights, runtime=RUNTIME)(ramp(), known=known)
    assert np.array_equal(restored.pixels, ramp())
    assert restored.notes == ("the mask is empty: nothing was filled",)


def test_a_mask_that_covers_everything_fails(weights: str) -> None:
    with pytest.raises(InputError, match="covers the whole picture"):
        Inpaint(weights, runtime=RUNTIME)(ramp(), known=np.zeros((1, 1, 40, 60), bool))


def test_one_known_pixel_is_enough(weights: str) -> None:
    known = np.zeros((1, 1, 12, 12), bool)
    known[..., 5, 5] = True
    picture = np.full((1, 3, 12, 12), 77, np.uint8)
    assert np.abs(Inpaint(weights, runtime=RUNTIME)(picture, known=known).pixels.astype(int) - 77).max() <= 1


def test_with_a_noise_level_known_pixels_are_denoised_too(weights: str) -> None:
    clean = ramp()
    noise = np.random.default_rng(0).normal(0, 12, clean.shape)
    noisy = (clean + noise).round().clip(0, 255).astype(np.uint8)
    known = hole(clean)
    restored = Inpaint(weights, noise_level=12 / 255, runtime=RUNTIME)(broken(noisy, known), known=known)
    assert restored.noise_level == 12 / 255
    assert restored.notes == ("known pixels were denoised too",)
    before, after = (
        np.square(p.astype(float) - clean)[..., known[0, 0]].mean() for p in (noisy, restored.pixels)
    )
    assert after < 0.5 * before
    again = Inpaint(weights, noise_level=12 / 255, runtime=RUNTIME)(broken(noisy, known), known=known)
    assert np.array_equal(again.pixels, restored.pixels)


def test_feather_goes_from_the_picture_to_the_result_inside_the_hole(weights: str) -> None:
    clean = ramp()
    known = hole(clean)
    damaged = broken(clean, known)
    hard = Inpaint(weights, runtime=RUNTIME)(damaged, known=known).pixels.astype(float)
    soft = Inpaint(weights, feather=3, runtime=RUNTIME)(damaged, known=known).pixels.astype(float)
    assert np.array_equal(soft[..., known[0, 0]], clean[..., known[0, 0]])
    for inside, share in ((0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0)):
        at = (..., 10 + inside, 25)
        assert soft[at] == pytest.approx(255 + share * (hard[at] - 255), abs=1)


def test_progress_ends_at_one(weights: str) -> None:
    clean, told = ramp(90, 200), list[float]()
    known = hole(clean, slice(40, 46), slice(5, 195))
    Inpaint(weights, runtime=RUNTIME, tiling=Tiling(96, 32))(clean, told.append, known)
    assert told == sorted(told)
    assert told[-1] == 1


def test_the_schedule_stops_at_the_noise_of_the_picture() -> None:
    assert schedule(0.0)[0] == pytest.approx((FIRST, FIRST))
    assert schedule(0.0)[-1] == pytest.approx((LAST, LAST))
    assert len(schedule(0.0)) == STEPS
    assert schedule(0.05)[-1] == pytest.approx((0.05, 0.05))
    assert schedule(0.9)[0] == pytest.approx((0.9, 0.9))


@pytest.mark.parametrize("level", [-0.1, 1.5, float("nan")])
def test_a_noise_level_out_of_range_is_refused(weights: str, level: float) -> None:
    with pytest.raises(UsageError, match="must be between 0 and 1"):
        Inpaint(weights, noise_level=level)


@pytest.mark.parametrize("feather", [-1, 33])
def test_a_feather_out_of_range_is_refused(weights: str, feather: int) -> None:
    with pytest.raises(UsageError, match=f"feather {feather}: must be from 0 to 32 pixels"):
        Inpaint(weights, feather=feather)


def test_unknown_weights_are_refused_at_once() -> None:
    with pytest.raises(WeightsError, match="nobody"):
        Inpaint("nobody")


def test_provenance_says_what_made_the_result(weights: str) -> None:
    provenance = Inpaint(weights, noise_level=0.1, feather=2, runtime=RUNTIME).provenance
    assert (provenance["weights"], provenance["sigma"], provenance["feather"]) == ("tiny", 25.5, 2)


def test_the_api_gives_back_what_it_was_given(weights: str) -> None:
    clean = ramp()
    known = hole(clean)
    damaged = np.ascontiguousarray(broken(clean, known)[0].transpose(1, 2, 0))
    mask = ~known[0, 0]
    expected = Inpaint(weights, runtime=RUNTIME)(broken(clean, known), known=known).pixels

    def fill(image: object, mask: object) -> object:
        return genrestore.inpaint(image, mask, weights=weights, runtime=RUNTIME)

    array = fill(damaged, mask)
    pillow = fill(PIL.Image.fromarray(damaged), PIL.Image.fromarray((mask * 255).astype(np.uint8)))
    tensor = fill(torch.from_numpy(damaged.transpose(2, 0, 1).copy()), torch.from_numpy(mask))
    assert isinstance(array, np.ndarray)
    assert isinstance(pillow, PIL.Image.Image)
    assert isinstance(tensor, torch.Tensor)
    assert np.array_equal(array, expected[0].transpose(1, 2, 0))
    assert np.array_equal(np.asarray(pillow), array)
    assert np.array_equal(tensor.numpy(), expected[0])


@pytest.mark.parametrize(
    ("mask", "message"),
    [
        (np.zeros((4, 5), bool), "a mask of 5 x 4 pixels for an image of 60 x 40"),
        (np.zeros((40, 60, 3), np.uint8), r"\[40, 60, 3\] and type uint8: must be \[height, width\]"),
        (np.full((40, 60), np.nan), "what is not 0 is missing, NaN is refused"),
    ],
)
def test_other_masks_are_refused(weights: str, mask: Pixels, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        genrestore.inpaint(np.zeros((40, 60), np.uint8), mask, weights=weights, runtime=RUNTIME)


def test_the_middle_of_a_wide_hole_is_the_start(denoiser: str) -> None:
    """Small enough for one scale only, so that the start is the pyramid's."""
    clean = ramp(63, 120, 1)
    known = hole(clean, slice(0, 63), slice(25, 95))
    filled = Inpaint(denoiser, runtime=RUNTIME)(broken(clean, known), known=known).pixels
    start = fill(to_float(clean), torch.from_numpy(known).float())
    middle = (0, 0, slice(None), slice(25 + 28, 95 - 28))
    assert np.abs(filled[middle] - 255 * start[middle].numpy()).max() <= 0.51


def test_an_inpainter_fills_at_once_what_a_pyramid_starts_with(inpainter: str) -> None:
    """From all eight sides alike, so a picture that is turned and mirrored gives the same result, turned."""
    clean = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), np.uint8)
    known = hole(clean, slice(8, 14), slice(6, 20))
    filled = Inpaint(inpainter, runtime=RUNTIME)(clean, known=known).pixels
    turned, there = (np.ascontiguousarray(each.transpose(0, 1, 3, 2)[..., ::-1]) for each in (clean, known))
    again = Inpaint(inpainter, runtime=RUNTIME)(turned, known=there).pixels
    expected = filled.transpose(0, 1, 3, 2)[..., ::-1].astype(int)
    assert np.abs(again.astype(int) - expected).max() <= 1
    start = 255 * fill(to_float(clean), torch.from_numpy(known).float()).numpy()
    assert np.abs(filled - start)[..., ~known[0, 0]].mean() < 25


def test_an_inpainter_removes_no_noise_of_a_whole_picture(inpainter: str) -> None:
    with pytest.raises(WeightsError, match="are of no denoiser"):
        Denoise(inpainter, noise_level=0.1, runtime=RUNTIME)(ramp())


def test_weights_that_fill_no_photographs_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="'halves' are of kind 'autoencoder'; photographs are filled by"):
        Inpaint(str(tiny.save_autoencoder(tmp_path)), runtime=RUNTIME)(ramp(), known=hole(ramp()))
