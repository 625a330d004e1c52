"""A denoiser of a Python program as a prior: what it is handed, and what becomes of what it gives."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import genrestore
from genrestore.errors import UsageError
from genrestore.restore.priors.module import ModulePrior
from genrestore.restore.problem import Problem
from genrestore.runtime import Runtime
from genrestore.weights import store
from tests import tiny

CPU = Runtime("cpu", "fp32", 1, 0)
IMAGE = np.random.default_rng(0).random((24, 40, 3), np.float32)


class Shrinking:
    """Draws a picture to its half brightness, by its noise level; notes what it is asked."""

    def __init__(self) -> None:
        self.asked: list[tuple[tuple[int, ...], float]] = []

    def denoise(self, x: Tensor, sigma: float) -> Tensor:
        self.asked.append((tuple(x.shape), sigma))
        return x + sigma * (0.5 - x)


class Listening(Shrinking):
    def noise_level(self, x: Tensor) -> float:
        return float(x.max()) / 4


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tiny.save_denoiser(tmp_path, "photo")
    monkeypatch.setattr(store, "SHIPPED", tmp_path)


def shrunk(image: np.ndarray, sigma: float) -> np.ndarray:
    return image + sigma * (0.5 - image)


def test_it_is_told_the_level_that_is_given() -> None:
    prior = Shrinking()
    found = genrestore.denoise(IMAGE, noise_level=0.2, turns=1, prior=prior, runtime=CPU)
    assert prior.asked == [((1, 3, 24, 40), pytest.approx(0.2))]
    np.testing.assert_allclose(found, shrunk(IMAGE, 0.2), atol=1e-6)


def test_its_own_estimate_is_taken() -> None:
    prior = Listening()
    found = genrestore.denoise(IMAGE, noise_factor=2.0, turns=1, prior=prior, runtime=CPU)
    np.testing.assert_allclose(found, shrunk(IMAGE, IMAGE.max() / 2), atol=1e-6)


def test_without_one_that_of_photo_is_taken() -> None:
    even = np.full((32, 32, 3), 0.5, np.float32)
    even[::2] += 0.01  # not flat, which is no noise
    prior = Shrinking()
    genrestore.denoise(even, turns=1, prior=prior, runtime=CPU)
    ((_, sigma),) = prior.asked
    assert sigma == pytest.approx(tiny.ESTIMATE, rel=0.05)


def test_grey_comes_as_grey() -> None:
    prior = Shrinking()
    found = genrestore.denoise(IMAGE[..., 0], noise_level=0.5, turns=1, prior=prior, runtime=CPU)
    assert prior.asked[0][0] == (1, 1, 24, 40)
    np.testing.assert_allclose(found, shrunk(IMAGE[..., 0], 0.5), atol=1e-6)


def test_a_module_is_called_and_stays_as_it_is() -> None:
    class Module(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Conv2d(3, 3, 3, padding=1)

        def forward(self, x: Tensor, sigma: float) -> Tensor:
            return x + sigma * self.scale(x)

    module = Module().train()
    strides = module.scale.weight.stride()
    with torch.no_grad():
        wanted = module(torch.from_numpy(IMAGE).permute(2, 0, 1)[None], 0.1)[0].permute(1, 2, 0).numpy()
    found = genrestore.denoise(IMAGE, noise_level=0.1, turns=1, prior=module, runtime=CPU)
    np.testing.assert_allclose(found, wanted, atol=1e-5)
    assert module.scale.weight.stride() == strides
    assert all(one.requires_grad for one in module.parameters())


def test_it_fills_holes_by_plug_and_play() -> None:
    class Flattening:
        def denoise(self, x: Tensor, sigma: float) -> Tensor:
            return x.mean((-2, -1), keepdim=True).expand_as(x) if sigma > 0.05 else x

    mask = np.zeros((24, 40), bool)
    mask[8:12, 8:12] = True
    image = np.where(mask[..., None], np.float32(0), np.float32(0.75)) * np.ones(3, np.float32)
    found = genrestore.inpaint(image, mask, prior=Flattening(), runtime=CPU)
    np.testing.assert_array_equal(found[~mask], image[~mask])
    np.testing.assert_allclose(found[mask], 0.75, atol=0.02)


def test_tiles_overlap_by_what_it_says() -> None:
    class Far(Shrinking):
        overlap: int | None = 64

    wide = np.full((8, 1600), 0.25, np.float32)
    prior = Far()
    genrestore.denoise(wide, noise_level=0.2, turns=1, prior=prior, runtime=CPU)
    widths = [shape[-1] for shape, _ in prior.asked]
    assert sum(widths) == 1600 + 2 * 64 * (len(widths) - 1)
    prior = Far()
    prior.overlap = None
    genrestore.denoise(wide, noise_level=0.2, turns=1, prior=prior, runtime=CPU)
    assert [shape[-1] for shape, _ in prior.asked] == [1600]


@pytest.mark.parametrize(
    ("prior", "message"),
    [
        (3, "a int has no method denoise"),
        (Shrinking, "a type has no method denoise"),
        (lambda x, sigma: x[..., 1:], r"denoise gave shape \[1, 3, 24, 39\] for an image of shape"),
        (lambda x, sigma: None, "denoise gave type NoneType"),
    ],
)
def test_what_is_no_prior(prior: object, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        genrestore.denoise(IMAGE, noise_level=0.1, turns=1, prior=prior, runtime=CPU)  # type: ignore[arg-type]


def test_levels_count_by_their_squares_and_by_the_pixels_that_they_are_of() -> None:
    tiles = [Problem(torch.full((1, 3, rows, 8), 4 * level), 0.0) for rows, level in ((8, 0.1), (24, 0.2))]
    estimate = ModulePrior(Listening(), CPU).noise_level(tiles)
    assert estimate.overall == pytest.approx(((0.1**2 + 3 * 0.2**2) / 4) ** 0.5, rel=1e-5)
    own, level = Shrinking(), torch.zeros(1, 1, 8, 8)
    level[..., :4] = 0.2
    ModulePrior(own, CPU).denoise(torch.zeros(1, 3, 8, 8), level)
    assert own.asked == [((1, 3, 8, 8), pytest.approx(0.2 / 2**0.5))]


def test_an_estimate_that_is_none() -> None:
    class Lost(Shrinking):
        def noise_level(self, x: Tensor) -> float:
            return float("nan")

    with pytest.raises(UsageError, match="noise_level gave"):
        genrestore.denoise(IMAGE, prior=Lost(), runtime=CPU)
