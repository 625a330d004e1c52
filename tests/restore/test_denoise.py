"""Denoise on tiny weights whose result is known: details of every 2×2 block shrink by the noise level."""

from __future__ import annotations

import numpy as np
import PIL.Image
import pytest
import torch

import genrestore
from genrestore.errors import UsageError, WeightsError
from genrestore.models.denoiser import ResidualUNet
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.tiling import Pixels, Tiling
from genrestore.runtime import Runtime
from tests import tiny
from tests.restore.restorers import denoiser

RUNTIME = Runtime("cpu", "fp32", 1, 0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_denoiser(tmp_path_factory.mktemp("weights")))


def picture(height: int = 24, width: int = 30, channels: int = 3, dtype: type = np.uint8) -> Pixels:
    generator = np.random.default_rng(0)
    return generator.integers(0, np.iinfo(dtype).max + 1, (1, channels, height, width), dtype=dtype)


LEVEL = 0.1


def denoised(pixels: Pixels, level: float = LEVEL) -> Pixels:
    """What the tiny denoiser makes of an array [1, channel, height, width], not rounded."""
    scale = np.iinfo(pixels.dtype).max if np.issubdtype(pixels.dtype, np.integer) else 1
    made: Pixels = tiny.denoised(pixels.astype(np.float64), level * scale)
    return made


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
def test_every_pixel_becomes_what_the_network_says(weights: str, channels: int, dtype: type) -> None:
    pixels = picture(channels=channels, dtype=dtype)
    restored = denoiser(weights, LEVEL, runtime=RUNTIME)(pixels)
    assert restored.pixels.dtype == dtype
    assert np.abs(restored.pixels - denoised(pixels)).max() <= 0.51
    assert restored.noise_level == pytest.approx(LEVEL)


@pytest.mark.parametrize(
    ("sigma", "side", "turns", "calls"),
    [
        (0.02, 1026, None, 1),
        (0.5, 1026, None, 1),
        (0.02, 724, None, 2),
        (0.5, 512, None, 4),
        (0.02, 362, None, 8),
        (0.02, 362, 1, 1),
        (0.02, 1026, 4, 4),
    ],
)
def test_a_picture_is_turned_in_as_many_ways_as_a_megapixel_allows(
    weights: str, sigma: float, side: int, turns: int | None, calls: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[torch.Tensor] = []

    def counted(self: ResidualUNet, image: torch.Tensor, noise_level: torch.Tensor) -> torch.Tensor:
        seen.append(image)
        return image

    monkeypatch.setattr(ResidualUNet, "forward", counted)
    task = denoiser(weights, sigma, turns=turns, runtime=RUNTIME, tiling=Tiling(2048, 8))
    task(np.zeros((1, 1, side, side), np.uint8))
    assert len(seen) == calls


def test_a_number_of_turns_that_there_is_not_is_refused(weights: str) -> None:
    with pytest.raises(UsageError, match="turns 3: must be one of 1, 2, 4, 8"):
        denoiser(weights, turns=3)


@pytest.mark.parametrize("grey", [60, 200])
def test_without_a_noise_level_it_is_estimated(weights: str, grey: int) -> None:
    restored = denoiser(weights, runtime=RUNTIME)(np.full((1, 3, 24, 32), grey, np.uint8))
    assert restored.noise_level == pytest.approx(tiny.estimated(grey / 255), rel=1e-3)
    assert restored.notes == ()


@pytest.mark.parametrize("turns", [1, 8])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_each_brightness_loses_the_noise_that_it_has(weights: str, dtype: type, turns: int) -> None:
    """A board of ±40 levels, left dark and right bright: less of it goes where there is less noise."""
    pixels = np.full((1, 3, 160, 320), 60.0)
    pixels[..., 160:] = 190
    pixels += 80 * (np.indices((160, 320)).sum(0) % 2) - 40
    scale = np.iinfo(dtype).max / 255 if issubclass(dtype, np.integer) else 1 / 255
    restored = denoiser(weights, turns=turns, runtime=RUNTIME)((pixels * scale).astype(dtype))
    lost = 40 - np.abs(restored.pixels / scale - tiny.block_means(pixels))
    for side, grey in ((lost[..., 16:144], 60), (lost[..., 176:304], 190)):
        assert side.mean() == pytest.approx(255 * tiny.estimated(grey / 255), rel=0.1)
        assert np.ptp(side) <= 1


def test_little_noise_is_said(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        DenoiserPrior, "estimate_log_level", lambda self, tile: torch.full((1, 2, 3, 4), -7.0)
    )
    assert denoiser(weights, runtime=RUNTIME)(picture()).notes == ("little noise found",)


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (97, 53)])
def test_any_size_comes_back(weights: str, size: tuple[int, int]) -> None:
    task = denoiser(weights, runtime=RUNTIME, tiling=Tiling(32, 8))
    assert task(picture(*size)).pixels.shape == (1, 3, *size)


def test_tiles_give_what_the_whole_gives(weights: str) -> None:
    pixels = picture(90, 110)
    whole = denoiser(weights, runtime=RUNTIME)(pixels).pixels
    tiled = denoiser(weights, runtime=RUNTIME, tiling=Tiling(48, 8))(pixels).pixels
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_strength_moves_from_the_input_to_the_result(weights: str) -> None:
    pixels = picture()
    results = [
        denoiser(weights, LEVEL, strength=strength, runtime=RUNTIME)(pixels).pixels.astype(float)
        for strength in (0.0, 0.25, 0.5, 0.75, 1.0)
    ]
    assert np.array_equal(results[0], pixels)
    distances = [float(np.abs(result - pixels).sum()) for result in results]
    assert distances == sorted(distances)
    for share, result in zip((0.25, 0.5, 0.75), results[1:], strict=False):
        assert np.abs(result - (pixels + share * (denoised(pixels) - pixels))).max() <= 0.51


def test_noise_level_zero_changes_nothing(weights: str) -> None:
    pixels = picture()
    assert np.array_equal(denoiser(weights, 0.0, runtime=RUNTIME)(pixels).pixels, pixels)


def test_the_input_is_not_changed(weights: str) -> None:
    pixels = picture()
    before = pixels.copy()
    denoiser(weights, runtime=RUNTIME)(pixels)
    assert np.array_equal(pixels, before)


def test_bfloat16_is_near_float32(weights: str) -> None:
    pixels = picture()
    half = denoiser(weights, LEVEL, runtime=Runtime("cpu", "bf16", 1, 0))(pixels).pixels
    assert np.abs(half - denoised(pixels)).max() <= 2


def test_an_overflow_in_half_precision_is_done_again(weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    task = denoiser(weights, 0.1, runtime=Runtime("cpu", "bf16", 1, 0))
    network = task.prior.network
    forward = network.forward

    def overflow(image: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = forward(image, level)
        return result * torch.inf if torch.is_autocast_enabled("cpu") else result

    monkeypatch.setattr(network, "forward", overflow)
    restored = task(picture())
    assert restored.notes == ("half precision overflowed, and was done again in float32",)
    assert np.abs(restored.pixels - denoised(picture())).max() <= 0.51
    monkeypatch.undo()
    assert task(picture()).notes == ()


@pytest.mark.parametrize("level", [-0.1, 1.5, float("nan")])
def test_a_noise_level_out_of_range_is_refused(weights: str, level: float) -> None:
    with pytest.raises(UsageError, match="must be from 0 to 1"):
        denoiser(weights, level)


def test_unknown_weights_are_refused_at_once() -> None:
    with pytest.raises(WeightsError, match="nobody"):
        denoiser("nobody")


def test_provenance_says_what_made_the_result(weights: str) -> None:
    provenance = denoiser(weights, 0.1, strength=0.5, runtime=RUNTIME).provenance
    assert provenance["weights"] == "tiny"
    assert len(provenance["weights_sha256"]) == 64
    assert (provenance["sigma"], provenance["strength"]) == (25.5, 0.5)


def test_the_api_gives_back_what_it_was_given(weights: str) -> None:
    pixels = picture()
    rows = np.ascontiguousarray(pixels[0].transpose(1, 2, 0))
    expected = denoiser(weights, 0.1, runtime=RUNTIME)(pixels).pixels

    def restore(image: object) -> object:
        return genrestore.denoise(image, noise_level=0.1, weights=weights, runtime=RUNTIME)

    array, pillow = restore(rows), restore(PIL.Image.fromarray(rows))
    tensor = restore(torch.from_numpy(pixels[0]))
    assert isinstance(array, np.ndarray)
    assert isinstance(pillow, PIL.Image.Image)
    assert isinstance(tensor, torch.Tensor)
    assert np.array_equal(array, expected[0].transpose(1, 2, 0))
    assert np.array_equal(np.asarray(pillow), array)
    assert np.array_equal(tensor.numpy(), expected[0])


def test_the_api_takes_noise_beyond_0_and_1(weights: str) -> None:
    image = torch.randn(2, 3, 8, 8)
    restored = genrestore.denoise(image, noise_level=0.5, weights=weights, runtime=RUNTIME)
    expected = torch.from_numpy(denoised(image.numpy(), 0.5)).float()
    torch.testing.assert_close(restored, expected, atol=1e-5, rtol=0)
    assert restored.shape == image.shape


def test_the_api_takes_half_precision_and_gives_it_back(weights: str) -> None:
    for dtype in (torch.bfloat16, torch.float16):
        image = torch.rand(3, 8, 8).to(dtype)
        restored = genrestore.denoise(image, noise_level=0.5, weights=weights, runtime=RUNTIME)
        expected = torch.from_numpy(denoised(image.float().numpy(), 0.5)).to(dtype)
        torch.testing.assert_close(restored, expected)
    mask = torch.zeros(8, 8, dtype=torch.bfloat16)
    mask[2, 3] = 1
    filled = genrestore.inpaint(image, mask, weights=weights, runtime=RUNTIME)
    assert torch.equal(filled[:, mask == 0], image[:, mask == 0])


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4, 2), np.uint8), "2 channels"),
        (np.zeros((3, 4, 4), np.uint8), r"4 channels.*arrays are \[height, width, channel\]"),
        (np.zeros((4, 4), np.int64), r"int64: must be uint8 \(0 to 255\), .* \(0 to 1\); convert it first"),
        (np.zeros((4, 4), bool), "type bool: must be uint8"),
        (np.zeros((2, 2, 2, 2)), r"\[2, 2, 2, 2\]"),
        (torch.zeros(4, 4), r"\[4, 4\]"),
        (PIL.Image.new("CMYK", (4, 4)), "CMYK"),
        ("photo.png", "type str"),
        (np.zeros((0, 4), np.uint8), "without pixels"),
        (torch.zeros(0, 3, 4, 4), "without pixels"),
        (np.full((4, 4), np.nan, np.float32), "16 NaN or infinite values: .* replace them first"),
        (torch.tensor([[[0.5, torch.inf], [0.1, 0.2]]]), "1 NaN or infinite values"),
        (np.array([[0.0, -np.inf]]), "1 NaN or infinite values"),
        (np.linspace(0, 255, 64).reshape(8, 8), "values from 0 to 255: .* .0, 1. scale; divide .* by 255"),
        (torch.full((3, 8, 8), 200.0, dtype=torch.bfloat16), "values from 200 to 200"),
        (torch.eye(8)[None].to_sparse(), "a sparse tensor: give one that holds its values"),
        (torch.zeros(3, 8, 8, device="meta"), "a meta tensor"),
        (torch.zeros(3, 8, 8, dtype=torch.complex64), "type complex64"),
    ],
)
def test_other_images_are_refused(weights: str, image: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        genrestore.denoise(image, weights=weights, runtime=RUNTIME)
