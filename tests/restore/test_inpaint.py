"""Inpaint on tiny weights: what is known stays, what is missing follows from it; bad words are refused."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch

import genrestore
from genrestore.errors import InputError, UsageError, WeightsError
from genrestore.models.denoiser import ResidualUNet
from genrestore.models.pyramid import fill
from genrestore.restore.pieces import pieces
from genrestore.restore.priors.denoiser import FIRST, LAST, STEPS, schedule
from genrestore.restore.tiling import Pixels, Tiling, to_float
from genrestore.runtime import Runtime
from tests import tiny
from tests.restore import restorers
from tests.restore.restorers import inpainter as filler

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
    restored = filler(weights, runtime=RUNTIME)(broken(clean, known), known=known)
    assert restored.pixels.dtype == dtype
    assert np.array_equal(restored.pixels[..., known[0, 0]], clean[..., known[0, 0]])
    error = np.abs(restored.pixels.astype(float) - clean)[..., ~known[0, 0]]
    assert error.max() < 0.15 * np.iinfo(dtype).max
    assert restored.noise_level is None
    assert restored.notes == ()


def test_what_the_hole_held_changes_nothing(weights: str) -> None:
    known = hole(ramp())
    results = [
        filler(weights, runtime=RUNTIME)(np.where(known, ramp(), value).astype(np.uint8), known=known).pixels
        for value in (0, 255)
    ]
    assert np.array_equal(*results)


def test_pieces_give_about_what_the_whole_gives(weights: str) -> None:
    clean = ramp(90, 200)
    known = hole(clean, slice(40, 46), slice(5, 195))
    whole = filler(weights, runtime=RUNTIME)(broken(clean, known), known=known).pixels
    cut = filler(weights, runtime=RUNTIME, tiling=Tiling(96, 32))(broken(clean, known), known=known).pixels
    assert np.array_equal(cut[..., known[0, 0]], clean[..., known[0, 0]])
    assert np.abs(whole.astype(int) - cut).max() <= 12


def test_an_empty_mask_copies_and_says_so(weights: str) -> None:
    known = np.ones((1, 1, 40, 60), bool)
    restored = filler(weights, runtime=RUNTIME)(ramp(), known=known)
    assert np.array_equal(restored.pixels, ramp())
    assert restored.notes == ("the mask is empty: nothing was filled",)


def test_a_mask_that_covers_everything_fails(weights: str) -> None:
    with pytest.raises(InputError, match="covers the whole picture"):
        filler(weights, runtime=RUNTIME)(ramp(), known=np.zeros((1, 1, 40, 60), bool))


def test_one_known_pixel_is_enough(weights: str) -> None:
    known = np.zeros((1, 1, 12, 12), bool)
    known[..., 5, 5] = True
    picture = np.full((1, 3, 12, 12), 77, np.uint8)
    assert np.abs(filler(weights, runtime=RUNTIME)(picture, known=known).pixels.astype(int) - 77).max() <= 1


def test_with_a_noise_level_known_pixels_are_denoised_too(weights: str) -> None:
    clean = ramp()
    noise = np.random.default_rng(0).normal(0, 12, clean.shape)
    noisy = (clean + noise).round().clip(0, 255).astype(np.uint8)
    known = hole(clean)
    restored = filler(weights, noise_level=12 / 255, runtime=RUNTIME)(broken(noisy, known), known=known)
    assert restored.noise_level == 12 / 255
    assert restored.notes == ("known pixels were denoised too",)
    before, after = (
        np.square(p.astype(float) - clean)[..., known[0, 0]].mean() for p in (noisy, restored.pixels)
    )
    assert after < 0.5 * before
    again = filler(weights, noise_level=12 / 255, runtime=RUNTIME)(broken(noisy, known), known=known)
    assert np.array_equal(again.pixels, restored.pixels)


def test_feather_goes_from_the_picture_to_the_result_inside_the_hole(weights: str) -> None:
    clean = ramp()
    known = hole(clean)
    damaged = broken(clean, known)
    hard = filler(weights, runtime=RUNTIME)(damaged, known=known).pixels.astype(float)
    soft = filler(weights, feather=3, runtime=RUNTIME)(damaged, known=known).pixels.astype(float)
    assert np.array_equal(soft[..., known[0, 0]], clean[..., known[0, 0]])
    for inside, share in ((0, 0.25), (1, 0.5), (2, 0.75), (3, 1.0)):
        at = (..., 10 + inside, 25)
        assert soft[at] == pytest.approx(255 + share * (hard[at] - 255), abs=1)


def test_progress_ends_at_one(weights: str) -> None:
    clean, told = ramp(90, 200), list[float]()
    known = hole(clean, slice(40, 46), slice(5, 195))
    filler(weights, runtime=RUNTIME, tiling=Tiling(96, 32))(clean, told.append, known)
    assert told == sorted(told)
    assert told[-1] == 1


def test_progress_goes_by_what_a_piece_takes(inpainter: str) -> None:
    """Not by the number of pieces: a speck beside a large hole is soon done."""
    clean, told = ramp(300, 200), list[float]()
    known = hole(clean, slice(2, 5), slice(2, 5)) & hole(clean, slice(180, 290), slice(20, 180))
    costs = [piece.cost for piece in pieces(known, Tiling(512, 16))]
    filler(inpainter, fill="mean", runtime=RUNTIME, tiling=Tiling(512, 16))(clean, told.append, known)
    assert len(costs) == 2
    assert costs[0] / sum(costs) < 0.1
    assert any(share == pytest.approx(costs[0] / sum(costs)) for share in told)


@pytest.mark.parametrize("level", [0.0, 0.01])
def test_few_bits_of_16_are_filled_in_their_own_range(weights: str, level: float) -> None:
    """As if they used them all, with as many times the noise level."""
    known = hole(ramp())
    few = np.random.default_rng(0).integers(0, 4096, (1, 3, *known.shape[-2:])).astype(np.uint16)
    whole = filler(weights, noise_level=16 * level, runtime=RUNTIME)(few << 4, known=known)
    made = filler(weights, noise_level=level, runtime=RUNTIME)(few, known=known)
    assert np.array_equal(made.pixels, ((whole.pixels.astype(int) + 8) >> 4).clip(max=4095))
    assert made.noise_level == (level or None)


def test_the_schedule_stops_at_the_noise_of_the_picture() -> None:
    assert schedule(0.0)[0] == pytest.approx((FIRST, FIRST))
    assert schedule(0.0)[-1] == pytest.approx((LAST, LAST))
    assert len(schedule(0.0)) == STEPS
    assert schedule(0.05)[-1] == pytest.approx((0.05, 0.05))
    assert schedule(0.9)[0] == pytest.approx((0.9, 0.9))


@pytest.mark.parametrize("level", [-0.1, 1.5, float("nan")])
def test_a_noise_level_out_of_range_is_refused(weights: str, level: float) -> None:
    with pytest.raises(UsageError, match="must be from 0 to 1"):
        filler(weights, noise_level=level)


@pytest.mark.parametrize("feather", [-1, 33])
def test_a_feather_out_of_range_is_refused(weights: str, feather: int) -> None:
    with pytest.raises(UsageError, match=f"feather {feather}: must be from 0 to 32"):
        filler(weights, feather=feather)


def test_unknown_weights_are_refused_at_once() -> None:
    with pytest.raises(WeightsError, match="nobody"):
        filler("nobody")


def test_provenance_says_what_made_the_result(weights: str) -> None:
    provenance = filler(weights, noise_level=0.1, feather=2, runtime=RUNTIME).provenance
    assert (provenance["weights"], provenance["sigma"], provenance["feather"]) == ("tiny", 25.5, 2)


def test_the_api_gives_back_what_it_was_given(weights: str) -> None:
    clean = ramp()
    known = hole(clean)
    damaged = np.ascontiguousarray(broken(clean, known)[0].transpose(1, 2, 0))
    mask = ~known[0, 0]
    expected = filler(weights, runtime=RUNTIME)(broken(clean, known), known=known).pixels

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
    mean = filler(denoiser, fill="mean", runtime=RUNTIME)
    filled = mean(broken(clean, known), known=known).pixels
    start = fill(to_float(clean), torch.from_numpy(known).float())
    middle = (0, 0, slice(None), slice(25 + 28, 95 - 28))
    assert np.abs(filled[middle] - 255 * start[middle].numpy()).max() <= 0.51


def test_an_inpainter_fills_at_once_what_a_pyramid_starts_with(inpainter: str) -> None:
    """From all eight sides alike, so a picture that is turned and mirrored gives the same result, turned."""
    clean = np.random.default_rng(0).integers(0, 256, (1, 3, 32, 32), np.uint8)
    known = hole(clean, slice(8, 14), slice(6, 20))
    filled = filler(inpainter, runtime=RUNTIME)(clean, known=known).pixels
    turned, there = (np.ascontiguousarray(each.transpose(0, 1, 3, 2)[..., ::-1]) for each in (clean, known))
    again = filler(inpainter, runtime=RUNTIME)(turned, known=there).pixels
    expected = filled.transpose(0, 1, 3, 2)[..., ::-1].astype(int)
    assert np.abs(again.astype(int) - expected).max() <= 1
    start = 255 * fill(to_float(clean), torch.from_numpy(known).float()).numpy()
    assert np.abs(filled - start)[..., ~known[0, 0]].mean() < 25


def test_an_inpainter_removes_no_noise_of_a_whole_picture(inpainter: str) -> None:
    with pytest.raises(WeightsError, match="are of no denoiser"):
        restorers.denoiser(inpainter, 0.1, runtime=RUNTIME)(ramp())


def scale_of(pixels: Pixels) -> float:
    return np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1.0


def speckled(dtype: type, side: int = 32) -> tuple[Pixels, Pixels]:
    """Squares from black to white with noise of 12 levels, [1, 3, side, side] of the type, and a hole."""
    generator = np.random.default_rng(3)
    coarse = generator.choice([0.0, 0.3, 0.7, 1.0], (1, 3, side // 8, side // 8)).repeat(8, 2).repeat(8, 3)
    noisy = (coarse + 12 / 255 * generator.standard_normal(coarse.shape)).clip(0, 1)
    scale = np.iinfo(dtype).max if issubclass(dtype, np.integer) else 1
    pixels = (noisy * scale).astype(dtype)
    return pixels, hole(pixels, slice(9, 20), slice(5, 16))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("sigma", [6, 20])
def test_known_pixels_are_denoised_beside_a_hole_with_as_much_noise(
    weights: str, dtype: type, sigma: float
) -> None:
    """What was filled gets noise of σ in the file's own scale, from the seed, and is put back afterwards."""
    pixels, known = speckled(dtype)
    scale = scale_of(pixels)
    runtime = Runtime("cpu", "fp32", 1, 7)
    found = filler(weights, noise_level=sigma / 255, runtime=runtime)(pixels, known=known).pixels
    noise = np.random.default_rng(7).standard_normal(pixels.shape, np.float32) * sigma / 255 * scale
    beside = found + noise if scale == 1 else (found + noise).round().clip(0, scale)
    expected = tiny.denoised(np.where(known, pixels, beside).astype(float), sigma / 255 * scale)
    expected = expected if scale == 1 else expected.clip(0, scale)
    difference = np.abs(found - expected)[..., known[0, 0]]
    assert difference.max() <= (1e-6 if scale == 1 else 0.51)


def told_levels(monkeypatch: pytest.MonkeyPatch) -> list[torch.Tensor]:
    """Fills up with the noise levels that the network is told, call by call."""
    told, forward = list[torch.Tensor](), ResidualUNet.forward

    def heard(self: ResidualUNet, image: torch.Tensor, noise_level: torch.Tensor) -> torch.Tensor:
        told.append(noise_level)
        return forward(self, image, noise_level)

    monkeypatch.setattr(ResidualUNet, "forward", heard)
    return told


@pytest.mark.parametrize("sigma", [0.0, 12 / 255])
def test_an_inpainter_is_told_the_noise_of_what_is_known_and_what_is_missing(
    inpainter: str, monkeypatch: pytest.MonkeyPatch, sigma: float
) -> None:
    """A hole is noise of 1, and of ½ once it was filled, for all ways to turn the picture."""
    pixels, known = speckled(np.uint8)
    told = told_levels(monkeypatch)
    filler(inpainter, noise_level=sigma, runtime=RUNTIME)(pixels, known=known)
    filling = told[:16]  # four ways, four ways, and all eight
    assert len(told) == (17 if sigma else 16)  # the last denoises what is known
    for call, level in enumerate(filling):
        in_hole = 1.0 if call < 4 else 0.5
        values, counts = (each.tolist() for each in level.flatten(1)[0].unique(return_counts=True))
        assert values == pytest.approx([sigma, in_hole])
        assert counts[1] / sum(counts) == pytest.approx(1 - known.mean())
    if sigma:
        assert told[-1].unique().tolist() == pytest.approx([sigma])


@pytest.mark.parametrize("sigma", [0.0, 12 / 255])
def test_a_denoiser_is_told_levels_that_fall_to_the_noise_of_what_is_known(
    denoiser: str, monkeypatch: pytest.MonkeyPatch, sigma: float
) -> None:
    pixels, known = speckled(np.uint8)
    told = told_levels(monkeypatch)
    filler(denoiser, noise_level=sigma, runtime=RUNTIME)(pixels, known=known)
    last = max(sigma, 1 / 255)
    expected = [50 / 255 * (last / (50 / 255)) ** (step / 19) for step in range(20)]
    levels = [float(level.flatten()[0]) for level in told]
    assert levels == pytest.approx(expected + ([sigma] if sigma else []))


@pytest.mark.parametrize("sigma", [0.0, 12 / 255])
def test_a_denoiser_is_told_falling_levels_at_half_the_size_first(
    denoiser: str, monkeypatch: pytest.MonkeyPatch, sigma: float
) -> None:
    pixels, known = speckled(np.uint8, 160)
    known[...] = True
    known[..., 40:56, 40:56] = False  # with 32 pixels around it, 80 of them
    told = told_levels(monkeypatch)
    filler(denoiser, noise_level=sigma, runtime=RUNTIME)(pixels, known=known)
    expected = []
    for steps, last in ((12, max(sigma, 4 / 255)), (20, max(sigma, 1 / 255))):
        expected += [50 / 255 * (last / (50 / 255)) ** (step / (steps - 1)) for step in range(steps)]
    assert [float(level.flatten()[0]) for level in told[:32]] == pytest.approx(expected)


@pytest.mark.parametrize("sigma", [0.0, 20 / 255])
def test_a_denoiser_fills_by_plug_and_play(denoiser: str, sigma: float) -> None:
    """x ← D(x, τ);  known: (τ² y + σ² x) / (τ² + σ²);  in the hole what it tends to there."""
    pixels, known = speckled(np.float32)
    y, there = torch.from_numpy(pixels), torch.from_numpy(known).float()
    x = fill(y, there)
    for step in range(20):
        last = max(sigma, 1 / 255)
        tau = 50 / 255 * (last / (50 / 255)) ** (step / 19)
        z = torch.from_numpy(tiny.denoised(x.numpy(), tau)).float()
        moved = (tau**2 * y + sigma**2 * z) / (tau**2 + sigma**2) - z
        x = z + torch.where(there > 0, moved, fill(moved, there))
    found = filler(denoiser, noise_level=sigma, runtime=RUNTIME)(pixels, known=known).pixels
    assert np.abs(found - x.numpy())[..., ~known[0, 0]].max() < 1e-4


@pytest.mark.parametrize("sigma", [0.0, 20 / 255])
def test_an_inpainter_fills_three_times(inpainter: str, sigma: float) -> None:
    """It sees what is known as it is, and its own last estimate in the hole."""
    pixels, known = speckled(np.float32)
    y, there = torch.from_numpy(pixels), torch.from_numpy(known).float()
    guess, in_hole = fill(y, there).numpy(), 1.0
    for _ in range(3):
        guess = tiny.denoised(np.where(known, pixels, guess), np.where(known, sigma, in_hole))
        in_hole = 0.5
    found = filler(inpainter, noise_level=sigma, runtime=RUNTIME)(pixels, known=known).pixels
    assert np.abs(found - guess)[..., ~known[0, 0]].max() < 0.02  # a turned pyramid is another one by so much
