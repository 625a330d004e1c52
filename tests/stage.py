"""What the commands of the pages name: pictures, folders, lists, and weights of those names, all tiny."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

from tests import tiny
from tests.train import toy

DENOISERS = (
    "photo",
    "mine",
    "first",
    "second",
    "third",
    "deeper",
    "fifth",
    "sixth",
    "long",
    "coarse",
    "adapted",
)
AUTOENCODERS = ("mnist-ae", "mnist-ae-100", "mnist-first")
GENERATORS = ("mnist-gan", "faces-gan", "faces-rgb-gan", "digits", "faces")
EXAMPLES = Path(__file__).parents[1] / "examples"
ANEW = {"docs/commands/weights.md": ["mine"]}
"""Weights that a page adds to the store itself."""


def furnish(folder: Path, home: Path, page: str) -> None:
    """Put everything that a page's commands name into a folder and into the store of a home."""
    store = home / "weights"
    store.mkdir()
    for name in (*DENOISERS, *GENERATORS, *AUTOENCODERS):
        if name not in ANEW.get(page, []):
            kind = tiny.save_denoiser if name in DENOISERS else tiny.save_generator
            (tiny.save_autoencoder if name in AUTOENCODERS else kind)(store, name)
    tiny.save_inpainter(store, "photo-inpaint")
    tiny.save_finder(store, "photo-marks")
    if page == "docs/commands/scatter.md":
        tiny.save_autoencoder(store, "digits")
    (folder / "downloads").mkdir()
    tiny.save_denoiser(folder / "downloads", "mine")
    toy.write_digits(home / "data")
    toy.write_digits(home / "data", "fashion-mnist")
    for place in (
        "photos",
        "drawings",
        "bsds400",
        "cc",
        "web",
        "free",
        "faces/grey",
        "faces/colour",
        "album",
    ):
        toy.fill(folder / place, 6)
    pictures(folder)
    if page == "docs/commands/evaluate.md":
        for seed, name in enumerate(("results", "clean", "noisy")):
            (folder / name).mkdir()
            Image.fromarray(toy.pixels(seed)).save(folder / name / "sea.png")


def pictures(folder: Path) -> None:
    """Write single pictures, masks, and folders of pictures of one class; those of examples/ as they are."""
    for path in EXAMPLES.glob("*.png"):
        shutil.copy(path, folder / "examples")
    draws = np.random.default_rng(0)

    def write(name: str, height: int = 40, width: int = 48, channels: int = 3) -> None:
        shape = (height, width, channels) if channels > 1 else (height, width)
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(draws.integers(0, 256, shape, dtype=np.uint8)).save(path)

    for name in ("photo.jpg", "photo.png"):
        write(name, 780, 360)
    for name in ("noisy.png", "mine.png", "photos/holiday/sea.jpg", "photos/scan.tif"):
        write(name)
    for name in ("digit.png", "face.png", "digits/seven.png", "faces/anna.png"):
        write(name, 28, 28, 1)
    write("cut-out.png", channels=4)
    mask = np.zeros((780, 360), np.uint8)
    mask[10:20, 10:30] = 255
    Image.fromarray(mask).save(folder / "mask.png")
    (folder / "masks").mkdir()
    for path in (folder / "album").iterdir():
        Image.fromarray(mask[:40, :48]).save(folder / "masks" / path.name)
    (folder / "stamp").touch()
    os.utime(folder / "stamp", (0, 0))
    (folder / "list.txt").write_text("photo.png\nnoisy.png\n", encoding="utf-8")
