"""Two noise levels, luma's and chroma's: what the denoiser is told, what is taken, and what is said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import genrestore
from genrestore.errors import UsageError
from genrestore.models.denoiser import ResidualUNet
from genrestore.restore.api import load_prior
from genrestore.restore.noise import NoiseProfile, few_values, stuck_share
from genrestore.restore.priors.denoiser import DenoiserPrior, root_mean_square, usual_ensemble
from genrestore.restore.task import Picture
from genrestore.restore.tiled import BT601, mix_luma_chroma
from genrestore.restore.tiling import Pixels
from genrestore.runtime import Runtime
from tests import tiny, two_levels
from tests.restore.restorers import denoiser
from tests.restore.test_denoise import picture

RUNTIME = Runtime("cpu", "fp32", 1, 0)
LUMA, CHROMA = 20 / 255, 8 / 255
BOTH = np.sqrt((LUMA**2 + 2 * CHROMA**2) / 3)


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights that know one level, as those of before."""
    return str(tiny.save_denoiser(tmp_path_factory.mktemp("weights")))


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights that know luma and chroma."""
    return str(two_levels.save_denoiser(tmp_path_factory.mktemp("weights")))


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[Tensor]:
    """The levels that the network is told, [1, levels, height, width]; estimated are `LUMA` and `CHROMA`."""
    seen: list[Tensor] = []

    def estimate(self: DenoiserPrior, image: Tensor) -> Tensor:
        cells = [-(-length // 8) for length in image.shape[-2:]]
        return torch.tensor([LUMA, CHROMA]).log().reshape(1, 2, 1, 1).expand(1, 2, *cells)

    run = DenoiserPrior._run

    def watched(self: DenoiserPrior, network: Any, *inputs: Tensor) -> Tensor:
        seen.extend(inputs[1:])
        return run(self, network, *inputs)

    monkeypatch.setattr(DenoiserPrior, "estimate_log_level", estimate)
    monkeypatch.setattr(DenoiserPrior, "_run", watched)
    return seen


def luma_of(pixels: Pixels) -> Pixels:
    """BT.601, of [1, 3, height, width]; same scale."""
    found: Pixels = np.einsum("c,bchw->bhw", np.array(BT601), pixels.astype(np.float64))
    return found


@pytest.mark.parametrize("turns", [1, 8])
def test_the_denoiser_is_told_the_level_of_luma_and_of_chroma(
    two: str, told: list[Tensor], turns: int
) -> None:
    restored = denoiser(two, turns=turns, runtime=RUNTIME)(picture())
    assert len(told) == turns
    for level in told:
        torch.testing.assert_close(level.mean((0, 2, 3)), torch.tensor([LUMA, CHROMA]))
    assert restored.noise_level == pytest.approx(BOTH)
    assert restored.figures["sigma_luma"] == pytest.approx(LUMA)
    assert restored.figures["sigma_chroma"] == pytest.approx(CHROMA)


@pytest.mark.parametrize("turns", [1, 8])
def test_a_network_that_knows_one_level_is_told_the_root_mean_square(
    one: str, told: list[Tensor], turns: int
) -> None:
    denoiser(one, turns=turns, runtime=RUNTIME)(picture())
    assert len(told) == turns
    for level in told:
        assert level.shape[1] == 1
        assert float(level.mean()) == pytest.approx(BOTH)


def test_the_root_mean_square_is_that_of_r_g_and_b() -> None:
    level = torch.tensor([LUMA, CHROMA]).reshape(1, 2, 1, 1).expand(2, 2, 3, 4)
    torch.testing.assert_close(root_mean_square(level), torch.full((2, 1, 3, 4), float(BOTH)))
    white = torch.full((1, 2, 3, 4), 0.1)
    torch.testing.assert_close(root_mean_square(white), white[:, :1])


def test_twice_the_estimate_is_told_and_said(two: str, told: list[Tensor]) -> None:
    restored = denoiser(two, noise_factor=2, turns=1, runtime=RUNTIME)(picture())
    torch.testing.assert_close(told[0].mean((0, 2, 3)), 2 * torch.tensor([LUMA, CHROMA]))
    assert restored.noise_level == pytest.approx(2 * BOTH)


def test_a_given_level_is_of_both_and_no_factor_changes_it(two: str, told: list[Tensor]) -> None:
    restored = denoiser(two, 0.2, noise_factor=3, turns=1, runtime=RUNTIME)(picture())
    torch.testing.assert_close(told[0], torch.full_like(told[0], 0.2))
    assert restored.figures == {"sigma_luma": pytest.approx(0.2), "sigma_chroma": pytest.approx(0.2)}


def test_several_levels_are_what_each_is_alone(two: str, told: list[Tensor]) -> None:
    task, shares = denoiser(two, turns=1, runtime=RUNTIME), list[float]()
    found = list(task.at_levels(Picture(picture()), (0.5, 1.0, 4.0), shares.append))
    for factor, restored in zip((0.5, 1.0, 4.0), found, strict=True):
        alone = denoiser(two, noise_factor=factor, turns=1, runtime=RUNTIME)(picture())
        assert np.array_equal(restored.pixels, alone.pixels)
        assert restored.noise_level == alone.noise_level == pytest.approx(factor * BOTH)
    assert shares == sorted(shares)
    assert shares[-1] == 1


def test_a_level_is_never_above_half_of_the_range(two: str, told: list[Tensor]) -> None:
    restored = denoiser(two, noise_factor=100, turns=1, runtime=RUNTIME)(picture())
    assert restored.noise_level is not None
    assert restored.noise_level * 255 <= 127.5
    assert float(told[0].max()) == pytest.approx(0.5)


MIXED = [(1.0, 0.0), (0.0, 1.0), (0.5, 0.2), (0.0, 0.0), (1.0, 1.0)]


def damaged_and_restored(colours: float = 0.5) -> tuple[Tensor, Tensor]:
    """A picture on [0, 1] and an estimate that leaves it, [1, 3, 32, 32] each."""
    draw = torch.Generator().manual_seed(0)
    damaged = torch.rand(1, 3, 32, 32, generator=draw)
    return damaged, damaged + colours * torch.randn(1, 3, 32, 32, generator=draw)


@pytest.mark.parametrize(("luma", "chroma"), MIXED)
def test_a_share_of_luma_and_another_of_chroma(luma: float, chroma: float) -> None:
    damaged, restored = damaged_and_restored()
    mixed = mix_luma_chroma(damaged, restored, luma, chroma, bounded=False)
    weights = torch.tensor(BT601).reshape(1, 3, 1, 1)
    grey = [(image * weights).sum(1) for image in (damaged, restored, mixed)]
    torch.testing.assert_close(grey[2], torch.lerp(grey[0], grey[1], luma))
    for plane in (0, 2):
        apart = [image[:, plane] - image[:, 1] for image in (damaged, restored, mixed)]
        torch.testing.assert_close(apart[2], torch.lerp(apart[0], apart[1], chroma), atol=1e-5, rtol=0)
    if luma == chroma:
        torch.testing.assert_close(mixed, restored if luma else damaged)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_without_luma_the_luma_of_the_file_stays(
    two: str, dtype: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where colours would leave the range: the estimates here are wild."""
    draw = torch.Generator().manual_seed(1)

    def wild(self: ResidualUNet, image: Tensor, level: Tensor) -> Tensor:
        return image + 0.8 * torch.randn(image.shape, generator=draw)

    monkeypatch.setattr(ResidualUNet, "forward", wild)
    pixels = picture(64, 64, dtype=dtype)
    pixels[..., :8, :], pixels[..., -8:, :] = 0, np.iinfo(dtype).max
    restored = denoiser(two, 0.1, luma=0, turns=1, runtime=RUNTIME)(pixels).pixels
    assert np.abs(luma_of(restored) - luma_of(pixels)).max() <= 1
    assert np.abs(restored.astype(int) - pixels)[..., 8:-8, :].mean() > 0.05 * np.iinfo(dtype).max


def test_without_chroma_the_colours_stay(two: str) -> None:
    pixels = picture() // 2 + 64
    restored = denoiser(two, 0.3, chroma=0, runtime=RUNTIME)(pixels).pixels.astype(int)
    assert np.abs(restored - pixels).max() > 20
    for plane in (0, 2):
        before = pixels[:, plane].astype(int) - pixels[:, 1]
        assert np.abs(restored[:, plane] - restored[:, 1] - before).max() <= 1


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_one_share_of_both_is_a_strength(two: str, share: float) -> None:
    both = denoiser(two, 0.3, luma=share, chroma=share, runtime=RUNTIME)(picture())
    strong = denoiser(two, 0.3, strength=share, runtime=RUNTIME)(picture())
    assert np.array_equal(both.pixels, strong.pixels)
    less = denoiser(two, 0.3, strength=share, luma=0.5, runtime=RUNTIME)(picture())
    assert np.array_equal(less.pixels, picture()) == (share == 0)


def test_a_grey_picture_has_no_colour_noise_and_that_is_said(two: str) -> None:
    pixels = picture(channels=1)
    restored = denoiser(two, 0.3, chroma=0, runtime=RUNTIME)(pixels)
    whole = denoiser(two, 0.3, runtime=RUNTIME)(pixels)
    assert restored.notes == ("a grey picture has no colour noise: chroma does nothing",)
    assert whole.notes == ()
    assert np.array_equal(restored.pixels, whole.pixels)
    luma = denoiser(two, 0.3, luma=0.5, runtime=RUNTIME)(pixels)
    half = denoiser(two, 0.3, strength=0.5, runtime=RUNTIME)(pixels)
    assert np.array_equal(luma.pixels, half.pixels)


def test_weights_of_one_level_act_on_the_result_and_that_is_said(one: str, two: str) -> None:
    said = "these weights know one noise level: luma and chroma act on the result"
    restored = denoiser(one, 0.3, luma=0, runtime=RUNTIME)(picture())
    assert restored.notes == (said,)
    assert denoiser(one, 0.3, runtime=RUNTIME)(picture()).notes == ()
    assert denoiser(two, 0.3, luma=0, runtime=RUNTIME)(picture()).notes == ()
    assert np.abs(luma_of(restored.pixels) - luma_of(picture())).max() <= 1


def test_a_picture_of_12_bits_in_16_is_restored_as_if_it_used_them_all(two: str, told: list[Tensor]) -> None:
    few = picture(dtype=np.uint16) >> 4
    whole = denoiser(two, turns=1, runtime=RUNTIME)(few << 4)
    restored = denoiser(two, turns=1, runtime=RUNTIME)(few)
    assert torch.equal(told[0], told[1])
    assert np.array_equal(restored.pixels, (whole.pixels.astype(int) + 8) >> 4)
    assert restored.noise_level == pytest.approx(BOTH / 16)
    assert restored.figures["sigma_luma"] == pytest.approx(LUMA / 16)
    given = denoiser(two, 0.01, turns=1, runtime=RUNTIME)(few)
    torch.testing.assert_close(told[2], torch.full_like(told[2], 0.16))
    assert given.noise_level == pytest.approx(0.01)


def test_white_of_12_bits_stays_white(two: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An estimate that is brighter than white is white, in the file's own bits."""
    monkeypatch.setattr(ResidualUNet, "forward", lambda self, image, level: image + 0.01)
    pixels = np.full((1, 3, 8, 8), 4095, np.uint16)
    restored = denoiser(two, 0.01, runtime=RUNTIME)(pixels)
    assert np.array_equal(restored.pixels, pixels)


@pytest.mark.parametrize(("largest", "gain"), [(8191, 8), (8192, 1), (65535, 1), (1023, 64)])
def test_only_pictures_of_few_bits_are_shifted(two: str, told: list[Tensor], largest: int, gain: int) -> None:
    pixels = np.zeros((1, 1, 16, 16), np.uint16)
    pixels[..., 3, 3] = largest
    restored = denoiser(two, turns=1, runtime=RUNTIME)(pixels)
    assert restored.noise_level == pytest.approx(BOTH / gain)


def test_a_picture_of_few_values_is_told_so(two: str, told: list[Tensor]) -> None:
    draw = np.random.default_rng(0)
    dither = (draw.integers(0, 2, (1, 1, 24, 24)) * 255).astype(np.uint8)
    task = denoiser(two, runtime=RUNTIME)
    assert task(dither).notes == ("it has only 2 values, and their pattern looks like noise",)
    assert denoiser(two, 0.1, runtime=RUNTIME)(dither).notes == ()
    assert task(picture(channels=1)).notes == ()
    assert task(np.full((1, 1, 24, 24), 90, np.uint8)).notes == ()
    assert few_values(dither / 255) is None


def test_few_values_are_counted_in_the_whole_picture() -> None:
    pixels = np.zeros((1, 1, 520, 8), np.uint8)
    pixels[..., :4, :] = 200
    assert few_values(pixels) == 2
    pixels[..., -1, -1] = 7
    assert few_values(pixels) is None


@pytest.mark.parametrize(("dtype", "gain"), [(np.uint8, 1), (np.uint16, 1), (np.uint16, 16)])
@pytest.mark.parametrize("value", [0, 1])
def test_many_stuck_pixels_are_told(two: str, told: list[Tensor], dtype: type, gain: int, value: int) -> None:
    """A pixel in fifty at an end of the range, not beside its like; a black or white part says nothing.

    The range is that of the sensor: 12 bits held in 16 too.
    """
    most = np.iinfo(dtype).max // gain
    pixels = np.random.default_rng(0).integers(most // 2, most // 2 + 20, (1, 3, 50, 50)).astype(dtype)
    pixels[..., :, 25:] = most * value
    task = denoiser(two, 0.05 / gain, runtime=RUNTIME)
    assert task(pixels).notes == ()
    pixels[..., 1::5, 2:25:10] = most * value
    assert stuck_share(pixels, 0.0, gain) == pytest.approx(30 / (48 * 48))
    assert stuck_share(pixels, 0.13, gain) == 0
    (note,) = task(pixels).notes
    assert note.startswith("1.3 % of its pixels are stuck at black or white")


def test_stuck_pixels_of_a_large_picture_are_looked_for_in_some_rows() -> None:
    pixels = np.full((1, 1, 1024, 1024), 99, np.uint8)
    pixels[..., np.random.default_rng(0).random((1024, 1024)) < 0.01] = 255
    assert stuck_share(pixels, 0.0) == pytest.approx(0.01, rel=0.1)
    assert stuck_share(pixels / 255, 0.0) == 0


def test_two_values_of_little_noise_are_a_drawing(two: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        DenoiserPrior, "estimate_log_level", lambda self, tile: torch.full((1, 2, 3, 3), -7.0)
    )
    drawing = np.zeros((1, 1, 24, 24), np.uint8)
    drawing[..., 12:] = 255
    assert denoiser(two, runtime=RUNTIME)(drawing).notes == ("little noise found",)


def test_the_usual_ensemble_does_not_depend_on_the_noise() -> None:
    assert [usual_ensemble(side * side) for side in (362, 363, 512, 724, 725, 5000)] == [8, 4, 4, 2, 1, 1]


def test_provenance_names_what_was_asked_for(two: str) -> None:
    made = denoiser(two, noise_factor=2.0, luma=0.5, chroma=0.0).provenance
    assert (made["sigma"], made["noise_factor"], made["luma"], made["chroma"]) == (None, 2.0, 0.5, 0.0)
    assert not {"noise_factor", "luma", "chroma", "turns"} & set(denoiser(two, 0.1).provenance)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"luma": 1.5}, "^luma 1.5: must be from 0 to 1; for more of it, .* 2x the estimate$"),
        ({"chroma": -0.1}, "^chroma -0.1: must be from 0 to 1$"),
        ({"chroma": float("nan")}, "^chroma nan: must be from 0 to 1$"),
        ({"strength": float("nan")}, "^strength nan: must be from 0 to 1$"),
        ({"noise_factor": 0.0}, "^noise_factor 0.0: must be above 0 and at most 100$"),
        ({"noise_factor": float("nan")}, "^noise_factor nan: must be above 0"),
        ({"noise_factor": 101.0}, "^noise_factor 101.0: must be above 0 and at most 100$"),
    ],
)
def test_the_api_refuses_what_cannot_be_meant(two: str, given: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        genrestore.denoise(np.zeros((8, 8, 3), np.uint8), weights=two, **given)  # type: ignore[arg-type]


def test_the_api_takes_the_same_knobs(two: str) -> None:
    image = np.ascontiguousarray(picture()[0].transpose(1, 2, 0))
    found = genrestore.denoise(
        image, noise_factor=2, luma=0.2, chroma=0.7, strength=0.5, turns=1, weights=two, runtime=RUNTIME
    )
    knobs = {"noise_factor": 2, "strength": 0.5, "luma": 0.2, "chroma": 0.7, "turns": 1}
    expected = denoiser(two, runtime=RUNTIME, **knobs)(picture()).pixels
    assert np.array_equal(found, expected[0].transpose(1, 2, 0))


@pytest.mark.parametrize("given", [{"luma": 0.5}, {"chroma": 0.5}, {"noise_factor": 2.0}, {"turns": 2}])
def test_weights_of_one_class_have_no_such_knobs(tmp_path: Path, given: dict[str, Any]) -> None:
    weights = str(tiny.save_autoencoder(tmp_path))
    with pytest.raises(UsageError, match="of one class: leave out luma, chroma, noise_factor and turns"):
        genrestore.denoise(np.zeros((28, 28), np.uint8), weights=weights, runtime=RUNTIME, **given)


def test_a_prior_tells_how_many_levels_it_knows(one: str, two: str) -> None:
    priors: list[Any] = [load_prior(path, RUNTIME) for path in (one, two)]
    assert [prior.levels for prior in priors] == [1, 2]
    level = NoiseProfile.even(0.1).level(torch.rand(1, 3, 16, 16))
    image = torch.rand(1, 3, 16, 16)
    same = [prior.denoise(image, level) for prior in priors]
    torch.testing.assert_close(same[0], same[1])
    for prior in priors:
        assert prior.estimate_log_level(image).shape == (1, 2, 2, 2)
