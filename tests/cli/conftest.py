"""Pictures, tiny weights and a runner for the command line's tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from genrestore.cli.app import app
from tests import tiny

Run = Callable[..., Result]


@pytest.fixture(scope="session")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Path of the tiny denoiser's file."""
    return str(tiny.save_denoiser(tmp_path_factory.mktemp("weights")))


@pytest.fixture
def run() -> Run:
    """Run the app on some words, as a user would."""

    def invoke(*words: str | Path, stdin: bytes | None = None) -> Result:
        return CliRunner().invoke(app, [str(word) for word in words], input=stdin, prog_name="genrestore")

    return invoke


@pytest.fixture
def denoise(run: Run, weights: str) -> Run:
    """Run `genrestore denoise` with the tiny weights."""

    settings = ["--weights", weights, "--device", "cpu", "--precision", "fp32"]

    def invoke(*words: str | Path, stdin: bytes | None = None) -> Result:
        return run("denoise", *settings, *words, stdin=stdin)

    return invoke


def clean_pixels(height: int = 24, width: int = 32) -> np.ndarray:
    """A smooth RGB picture, uint8 [height, width, 3]."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([40 + 3 * x, 60 + 4 * y, 200 - 2 * x - y], axis=-1).clip(0, 255).astype(np.uint8)


def noisy_pixels(height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    """`clean_pixels` with noise of 12 grey levels, uint8 [height, width, 3]."""
    noise = np.random.default_rng(seed).normal(0, 12, (height, width, 3))
    return (clean_pixels(height, width) + noise).round().clip(0, 255).astype(np.uint8)


def write(path: Path, pixels: np.ndarray) -> Path:
    """Save pixels [height, width, 3] with Pillow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


@pytest.fixture
def photo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photo.png, noisy, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write(Path("photo.png"), noisy_pixels())
