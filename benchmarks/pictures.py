"""The test sets, as arrays [height, width, channel], and how near a result is to the truth."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

Pixels = np.ndarray[Any, Any]

TRUTHS = {"_real.JPG": "_mean.JPG", "_noisy.png": "_gt.png"}
"""How the file of a noisy picture ends, and that of its truth."""

EQUAL = 100.0
"""PSNR that stands for "the same to the bit", so that a mean stays finite."""

LAYOUT = {
    "CBSD68": "68 colour PNG files",
    "Set12": "12 grey PNG files",
    "PolyU": "pairs NAME_real.JPG and NAME_mean.JPG",
    "Phone": "pairs NAME_noisy.png and NAME_gt.png",
}
"""What a data folder holds: a folder each, or the same under test/."""


@dataclass(frozen=True)
class Picture:
    """One picture of a test set.

    Attributes:
        name: File name without its suffix.
        index: Place in the whole sorted set, whatever subset is measured; the seed of its noise.
        clean: The truth, uint8 [height, width, channel], channel 1 or 3.
        noisy: What the camera gave, the same, where the set has it.
        path: The file to be restored; of the clean picture where the set has no noisy one.
    """

    name: str
    index: int
    clean: Pixels
    path: Path
    noisy: Pixels | None = None


def load(data: Path, name: str, every: int) -> list[Picture]:
    """Read a test set.

    Args:
        data: The data folder, see `LAYOUT`.
        name: A key of `LAYOUT`.
        every: 1 for all, 7 for every seventh.

    Returns:
        Pictures sorted by name, each with its index in the whole set.

    Raises:
        FileNotFoundError: The set is not there; the message says what is expected.
    """
    folder = next((path for path in (data / name, data / "test" / name) if path.is_dir()), None)
    paths = sorted(folder.iterdir()) if folder else []
    noisy = [path for path in paths if path.name.endswith(tuple(TRUTHS))]
    paths = noisy or [path for path in paths if path.suffix == ".png"]
    if not paths:
        raise FileNotFoundError(f"{data / name}: not found; give --data FOLDER with {name}/ ({LAYOUT[name]})")
    return [_open(path, index) for index, path in enumerate(paths) if index % every == 0]


def _open(path: Path, index: int) -> Picture:
    ending = next((ending for ending in TRUTHS if path.name.endswith(ending)), None)
    if ending is None:
        return Picture(path.stem, index, read(path), path)
    name = path.name.removesuffix(ending)
    return Picture(name, index, read(path.with_name(name + TRUTHS[ending])), path, read(path))


def subset(pictures: list[Picture], every: int) -> list[Picture]:
    """The pictures whose index is a multiple of `every`: what slow baselines are measured on."""
    return [picture for picture in pictures if picture.index % every == 0]


def read(path: Path) -> Pixels:
    """Read a file as uint8 [height, width, channel], channel 1 or 3."""
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("L" if opened.mode in ("L", "1", "I;16") else "RGB"))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def write(path: Path, pixels: Pixels) -> None:
    """Write uint8 [height, width, channel] losslessly as PNG."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    image.save(path, compress_level=1)


def unit(pixels: Pixels) -> Pixels:
    """uint8 to float64 in [0, 1]; floating point as it is."""
    return pixels.astype(np.float64) / (255.0 if pixels.dtype == np.uint8 else 1.0)


def to_bytes(image: Pixels) -> Pixels:
    """What 8 bits hold of an image on the [0, 1] scale: clipped and rounded to uint8."""
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def psnr(result: Pixels, clean: Pixels) -> float:
    """PSNR at peak 255 over all channels, the result clipped to [0, 1], no border cut off.

    Args:
        result: [height, width, channel], uint8 or floating point on the [0, 1] scale.
        clean: The same shape; either type.

    Returns:
        Decibels, at most `EQUAL`.
    """
    error = float(np.mean((np.clip(unit(result), 0, 1) - unit(clean)) ** 2))
    return min(EQUAL, -10 * math.log10(error)) if error else EQUAL


def mean(values: list[float]) -> float:
    """The mean; NaN of nothing."""
    return float(np.mean(values)) if values else math.nan
