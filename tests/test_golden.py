"""Golden values of the shipped weights: what every prior makes of small drawings, through the command line.

A change that moves one of them has changed what users get. Weights that were trained anew do: then
`python -m tests.test_golden photo photo-inpaint` prints the rows of these weights as they are now, to be put
into `GOLDEN` by hand, and the change says why they moved.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

Picture = np.ndarray
"""[height, width] or [height, width, 3], float on the [0, 1] scale."""

PSNR, LEVEL = 0.02, 0.1
"""How far a row may be off: in dB, and in grey levels."""


@dataclass(frozen=True)
class Row:
    """One command and what comes of it.

    Attributes:
        weights: A shipped name, or "dip".
        words: The command and its options; "holed" is followed by what is missing.
        picture: A key of `PICTURES`.
        noise: σ in grey levels that the picture gets.
        hole: A key of `HOLES`, or none.
        psnr: Of the written file against the drawing, in dB.
        level: The noise level that is told, in grey levels; None where none is.
        slack: How far the PSNR may be off, in dB; more where a search ends early: processors round apart.
    """

    weights: str
    words: str
    picture: str
    noise: float
    hole: str
    psnr: float
    level: float | None
    slack: float = PSNR


GOLDEN = [
    Row("photo", "denoise", "scene", 15, "", 31.880, 17.11),
    Row("photo", "denoise --sigma 40", "scene", 40, "", 27.198, 40.0),
    Row("photo", "denoise --strength 0.6 --turns 2", "grey 16 bit", 25, "", 26.125, 24.67),
    Row("photo", "inpaint", "scene", 0, "writing", 32.021, None),
    Row("photo-inpaint", "inpaint", "scene", 0, "writing", 32.885, None),
    Row("photo-inpaint", "inpaint", "grey 16 bit", 0, "scattered", 35.322, None),
    Row("photo-inpaint", "inpaint --sigma 12 --feather 2 --fill mean", "scene", 12, "square", 25.547, 12.0),
    Row("mnist-ae", "denoise", "digit", 40, "", 29.864, 39.89),
    Row("mnist-ae", "denoise --sigma 63.75", "digit", 63.75, "", 26.224, 63.75),
    Row("mnist-ae", "denoise --sigma 40 --loss l1", "digit", 40, "", 29.864, 40.0),
    Row("mnist-ae", "inpaint", "digit", 0, "square", 34.216, None),
    Row("mnist-ae", "inpaint --sigma 12.75", "digit", 12.75, "scattered", 26.979, 12.75),
    Row("mnist-ae-100", "denoise", "digit", 40, "", 29.926, 32.98),
    Row("mnist-ae-100", "denoise --sigma 63.75", "digit", 63.75, "", 27.234, 63.75),
    Row("mnist-ae-100", "inpaint", "digit", 0, "square", 37.745, None),
    Row("mnist-gan", "denoise --steps 15 --restarts 1", "digit", 63.75, "", 21.80, 42.63, 0.08),
    Row(
        "mnist-gan",
        "denoise --sigma 40 --steps 15 --restarts 2 --no-refine",
        "digit",
        40,
        "",
        28.50,
        40.0,
        0.08,
    ),
    Row("mnist-gan", "inpaint --steps 15 --restarts 1", "digit", 0, "square", 30.128, None),
    Row("mnist-gan", "invert --steps 15 --restarts 2", "digit", 0, "", 31.246, None),
    Row("mnist-gan", "invert --recipe report --steps 30", "digit", 0, "", 12.091, None),
    Row("faces-gan", "denoise --sigma 20 --steps 10 --restarts 1", "face", 20, "", 29.273, 20.0),
    Row("faces-gan", "inpaint --steps 10 --restarts 1", "face", 0, "square", 33.315, None),
    Row("faces-gan", "invert --steps 10 --restarts 1", "face", 0, "", 24.808, None),
    Row("faces-rgb-gan", "denoise --sigma 30 --steps 10 --restarts 1", "coloured face", 30, "", 29.859, 30.0),
    Row("faces-rgb-gan", "inpaint --steps 10 --restarts 1", "coloured face", 0, "square", 32.251, None),
    Row("faces-rgb-gan", "invert --steps 10 --restarts 1", "coloured face", 0, "", 29.437, None),
    Row("dip", "denoise --prior dip --steps 60", "digit", 20, "", 20.153, None),
    Row("dip", "inpaint --prior dip --steps 60", "digit", 0, "square", 26.863, None),
]


def scene() -> Picture:
    """A sky, a hill, a sun, a fence and grass: smooth, sharp, and fine, 96×128 in colour."""
    row, column = np.mgrid[:96, :128].astype(float)
    sky = np.stack([0.35 + row / 240, 0.5 + row / 240, 0.9 - row / 480], -1)
    green = 0.25 + 0.1 * np.sin(column / 2.3 + np.sin(row / 3)) * np.sin(row / 1.7)
    grass = np.stack([0.8 * green, 1.6 * green, 0.6 * green], -1)
    ground = row > 55 + 10 * np.sin(column / 25)
    picture = np.where(ground[..., None], grass, sky)
    sun = np.hypot(row - 25, column - 95) < 12
    picture[sun] = 0.98, 0.9, 0.55
    fence = (column % 16 < 3) & (row > 45) & (row < 80) | (abs(row - 60) < 2)
    picture[fence] = 0.55, 0.35, 0.2
    return picture


def strokes(size: int, lines: list[tuple[float, ...]], width: float) -> Picture:
    """Lines from (row, column) to (row, column), all in shares of the size, with soft edges; 0 to 1."""
    row, column = np.mgrid[:size, :size] + 0.5
    distance = np.full((size, size), np.inf)
    for top, left, bottom, right in np.array(lines) * size:
        down, along = bottom - top, right - left
        share = ((row - top) * down + (column - left) * along) / (down**2 + along**2)
        share = share.clip(0, 1)
        distance = np.minimum(distance, np.hypot(row - top - share * down, column - left - share * along))
    return (width * size - distance + 0.5).clip(0, 1)


def digit() -> Picture:
    """A seven, white on black, 28×28."""
    return strokes(28, [(0.25, 0.28, 0.25, 0.7), (0.25, 0.7, 0.78, 0.42)], 0.05)


def face() -> Picture:
    """An oval with hair, eyes, nose and mouth, 64×64."""
    row, column = (np.mgrid[:64, :64] + 0.5) / 64
    oval = 1 / (1 + np.exp(40 * (np.hypot((row - 0.52) / 0.42, (column - 0.5) / 0.31) - 1)))
    hair = 1 / (1 + np.exp(40 * (row - 0.25 - 0.3 * (column - 0.5) ** 2)))
    shade = 0.72 - 0.25 * (column - 0.35) ** 2 - 0.1 * row
    picture = 0.35 + 0.1 * row
    picture = picture + oval * (shade - picture)
    picture = picture + 0.9 * oval * hair * (0.15 - picture)
    eyes = strokes(64, [(0.45, 0.33, 0.45, 0.41), (0.45, 0.59, 0.45, 0.67)], 0.022)
    mouth = strokes(64, [(0.73, 0.42, 0.75, 0.5), (0.75, 0.5, 0.73, 0.58)], 0.018)
    nose = strokes(64, [(0.5, 0.5, 0.62, 0.47)], 0.012)
    return picture * (1 - 0.75 * eyes) * (1 - 0.5 * mouth) * (1 - 0.25 * nose)


PICTURES: dict[str, Callable[[], Picture]] = {
    "scene": scene,
    "grey 16 bit": lambda: scene()[:80, :72] @ np.array([0.299, 0.587, 0.114]),
    "digit": digit,
    "face": face,
    "coloured face": lambda: (face()[..., None] * np.array([1.0, 0.8, 0.68])).clip(0, 1),
}


def writing(height: int, width: int) -> Picture:
    row, column = np.mgrid[:height, :width]
    return (abs((row + 3 * np.sin(column / 3)) % 24 - 12) < 2).astype(float)


def scattered(height: int, width: int) -> Picture:
    return (np.random.default_rng(2).random((height, width)) < 0.5).astype(float)


def square(height: int, width: int) -> Picture:
    missing = np.zeros((height, width))
    missing[height * 3 // 8 : height * 5 // 8, width * 3 // 8 : width * 5 // 8] = 1
    return missing


HOLES = {"writing": writing, "scattered": scattered, "square": square}


def save(path: Path, picture: Picture, deep: bool) -> None:
    """Write a picture as a PNG of 8 or, grey only, 16 bits."""
    scale, kind = (65535, np.uint16) if deep else (255, np.uint8)
    Image.fromarray((picture.clip(0, 1) * scale).round().astype(kind)).save(path)


def measured(row: Row, folder: Path) -> tuple[float, float | None]:
    """PSNR in dB and noise level in grey levels of a row, as the command tells them."""
    from genrestore.cli.app import app

    clean, deep = PICTURES[row.picture](), "16 bit" in row.picture
    damaged = clean + row.noise / 255 * np.random.default_rng(1).standard_normal(clean.shape)
    save(folder / "clean.png", clean, deep)
    command, *options = row.words.split()
    words = [command, str(folder / "damaged.png"), "-o", str(folder / "restored.png"), *options]
    if row.hole:
        missing = HOLES[row.hole](*clean.shape[:2])
        damaged = np.where(missing.reshape(*clean.shape[:2], *[1] * (clean.ndim - 2)) > 0, 0.5, damaged)
        save(folder / "mask.png", missing, deep=False)
        words += ["--mask", str(folder / "mask.png")]
    save(folder / "damaged.png", damaged, deep)
    if row.weights != "dip":
        words += ["--weights", row.weights]
    if command != "invert":
        words += ["--precision", "fp32"]
    words += ["--device", "cpu", "--threads", "1", "--overwrite", "--json"]
    done = CliRunner().invoke(app, [*words, "--reference", str(folder / "clean.png")])
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    return record["psnr"], record["sigma"]


def name(row: Row) -> str:
    return "-".join(part for part in (row.weights, row.words, row.picture, row.hole) if part)


@pytest.mark.slow
@pytest.mark.parametrize("row", GOLDEN, ids=name)
def test_golden(row: Row, tmp_path: Path) -> None:
    psnr, level = measured(row, tmp_path)
    assert psnr == pytest.approx(row.psnr, abs=row.slack)
    assert level == (None if row.level is None else pytest.approx(row.level, abs=LEVEL))


if __name__ == "__main__":
    os.environ["GENRESTORE_HOME"] = tempfile.mkdtemp()
    for each in GOLDEN:
        if len(sys.argv) < 2 or each.weights in sys.argv[1:]:
            with tempfile.TemporaryDirectory() as place:
                psnr, level = measured(each, Path(place))
            told = None if level is None else round(level, 2)
            parts = (each.weights, each.words, each.picture)
            quoted = ", ".join(f'"{part}"' for part in parts)
            print(f'    Row({quoted}, {each.noise:g}, "{each.hole}", {psnr:.3f}, {told}),', flush=True)
