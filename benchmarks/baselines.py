"""What others give: (C)BM3D, non-local means, a median filter; and what fills holes."""

from __future__ import annotations

import json
import multiprocessing
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from pictures import Pixels, psnr, unit
from report import watched

GRID_H = (1.0, 2.0, 3.0, 4.5, 6.0, 8.0, 11.0, 15.0, 20.0)
GRID_COLOUR = (1.0, 3.0, 6.0, 10.0, 16.0, 25.0, 40.0)
FINALISTS = 4
"""Cells of the grid, best on the subset, that are measured on every picture."""


def bm3d(noisy: Pixels, sigma: float) -> Pixels:
    """BM3D or CBM3D (Dabov et al., 2007) from the authors' package, "np" profile, opponent colours.

    Args:
        noisy: [height, width, 1 or 3], uint8 or floating point.
        sigma: Noise level in 8-bit grey levels.

    Returns:
        [height, width, 1 or 3] on the [0, 1] scale.
    """
    import bm3d as package

    if noisy.shape[2] == 1:
        return np.asarray(package.bm3d(unit(noisy[..., 0]), sigma / 255))[..., None]
    return np.asarray(package.bm3d_rgb(unit(noisy), sigma / 255))


def opencv_means(noisy: Pixels, h: float, h_colour: float) -> Pixels:
    """OpenCV's fastNlMeansDenoisingColored with its default windows; uint8 RGB [height, width, 3]."""
    turned = np.ascontiguousarray(noisy[..., ::-1])
    return cv2.fastNlMeansDenoisingColored(turned, None, h, h_colour, 7, 21)[..., ::-1]


def skimage_means(noisy: Pixels, sigma: float) -> Pixels:
    """scikit-image's denoise_nl_means, fast mode, with its guide's settings.

    Args:
        noisy: [height, width, 3], uint8 or floating point.
        sigma: Noise level in 8-bit grey levels.

    Returns:
        [height, width, 3] on the [0, 1] scale.
    """
    from skimage.restoration import denoise_nl_means

    level = sigma / 255
    return np.asarray(
        denoise_nl_means(
            unit(noisy),
            patch_size=5,
            patch_distance=6,
            h=0.6 * level,
            sigma=level,
            fast_mode=True,
            channel_axis=-1,
        )
    )


def telea(image: Pixels, known: Pixels) -> Pixels:
    """OpenCV's INPAINT_TELEA, radius 3.

    Args:
        image: uint8 [height, width, 1 or 3].
        known: bool [height, width].

    Returns:
        The same shape and type.
    """
    return cv2.inpaint(image, (~known).astype(np.uint8), 3, cv2.INPAINT_TELEA).reshape(image.shape)


def navier_stokes(image: Pixels, known: Pixels) -> Pixels:
    """OpenCV's INPAINT_NS, radius 3; as `telea`, [height, width, 1 or 3]."""
    return cv2.inpaint(image, (~known).astype(np.uint8), 3, cv2.INPAINT_NS).reshape(image.shape)


def biharmonic(image: Pixels, known: Pixels) -> Pixels:
    """scikit-image's inpaint_biharmonic.

    Args:
        image: uint8 [height, width, 1 or 3].
        known: bool [height, width].

    Returns:
        [height, width, 1 or 3] on the [0, 1] scale.
    """
    from skimage.restoration import inpaint_biharmonic

    return np.asarray(inpaint_biharmonic(unit(image), ~known, channel_axis=-1))


def skimage_sigma(noisy: Pixels) -> float:
    """scikit-image's wavelet estimate of the noise level of [height, width, 3], in 8-bit grey levels."""
    from skimage.restoration import estimate_sigma

    level: float = estimate_sigma(  # type: ignore[no-untyped-call]
        unit(noisy), channel_axis=-1, average_sigmas=True
    )
    return 255 * level


def median(noisy: Pixels) -> Pixels:
    """A 3×3 median filter; [height, width, 3] of uint8 or float32."""
    return cv2.medianBlur(np.ascontiguousarray(noisy), 3)


@dataclass
class Memory:
    """Figures of baselines by a name of what was measured; they depend on no weights of ours.

    Attributes:
        path: A JSON file to read them from and keep them in; None measures all anew.
        values: Decibels by name.
    """

    path: Path | None = None
    values: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.path is not None and self.path.exists():
            self.values = json.loads(self.path.read_text(encoding="utf-8"))

    def get(self, name: str, measure: Callable[[], float]) -> float:
        """The figure of this name, measured if it is not known yet."""
        if name not in self.values:
            self.values[name] = measure()
        return self.values[name]

    def save(self) -> None:
        """Write the figures, if there is a file for them."""
        if self.path is not None:
            self.path.write_text(json.dumps(self.values, indent=0, sort_keys=True), encoding="utf-8")


@dataclass(frozen=True)
class Task:
    """One run of (C)BM3D: `name` says what; the picture, its noise level in grey levels, its truth."""

    name: str
    noisy: Pixels
    sigma: float
    clean: Pixels


@lru_cache(maxsize=1)
def _pool() -> ProcessPoolExecutor:
    """One for the whole run, since its processes are slow to start; not forked, torch has threads."""
    return ProcessPoolExecutor(os.cpu_count(), mp_context=multiprocessing.get_context("spawn"))


def _score(task: Task) -> float:
    return psnr(bm3d(task.noisy, task.sigma), task.clean)


def bm3d_scores(tasks: Iterable[Task], memory: Memory) -> list[float]:
    """PSNR of each task; one process a core, since a colour picture takes some twenty seconds."""
    todo = list(tasks)
    missing = [task for task in todo if task.name not in memory.values]
    if missing:
        found = watched(_pool().map(_score, missing), "(C)BM3D", len(missing))
        for task, value in zip(missing, found, strict=True):
            memory.values[task.name] = value
            memory.save()
    return [memory.values[task.name] for task in todo]


@dataclass(frozen=True)
class Pair:
    """What the grid is searched on: `name`, the noisy picture (uint8) and its truth."""

    name: str
    noisy: Pixels
    clean: Pixels


@dataclass(frozen=True)
class Grid:
    """OpenCV's non-local means at its best.

    Attributes:
        cells: Mean PSNR on the subset of every (h, hColor) that was tried.
        best: The (h, hColor) with the highest mean PSNR on all pictures.
        scores: PSNR of every picture there.
    """

    cells: dict[tuple[float, float], float]
    best: tuple[float, float]
    scores: list[float]


def neighbours(cell: tuple[float, float]) -> list[tuple[float, float]]:
    """The up to eight cells around (h, hColor) in the grid, and itself."""
    rows, columns = (
        values[max(0, values.index(value) - 1) : values.index(value) + 2]
        for values, value in zip((GRID_H, GRID_COLOUR), cell, strict=True)
    )
    return [(h, colour) for h in rows for colour in columns]


def best_means(pairs: list[Pair], few: list[Pair], memory: Memory) -> Grid:
    """Search the grid on `few` pictures, then choose among its best cells on all of them.

    First every second row and column of the grid, then the neighbours of the best cell until none is better.

    Args:
        pairs: Every picture.
        few: The subset for the whole grid.
        memory: Figures already known.
    """

    def score(pair: Pair, cell: tuple[float, float]) -> float:
        name = f"opencv/{pair.name}/{cell[0]:g}/{cell[1]:g}"
        return memory.get(name, lambda: psnr(opencv_means(pair.noisy, *cell), pair.clean))

    cells: dict[tuple[float, float], float] = {}
    todo = [(h, colour) for h in GRID_H[::2] for colour in GRID_COLOUR[::2]]
    while todo:
        for cell in watched(todo, "NLM, grid"):
            cells[cell] = float(np.mean([score(pair, cell) for pair in few]))
        top = max(cells, key=lambda cell: cells[cell])
        todo = [cell for cell in neighbours(top) if cell not in cells]
    finalists = sorted(cells, key=lambda cell: -cells[cell])[:FINALISTS]
    measured = {cell: [score(p, cell) for p in pairs] for cell in watched(finalists, "NLM, best of it")}
    memory.save()
    best = max(measured, key=lambda cell: float(np.mean(measured[cell])))
    return Grid(cells, best, measured[best])
