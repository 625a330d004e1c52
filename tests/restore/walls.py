"""A wall of bricks with a hole, and what fills it with patches."""

from __future__ import annotations

import numpy as np

from genrestore.restore.pictures import Restore
from genrestore.restore.task import INPAINT, Request, Task
from genrestore.runtime import Runtime

HEIGHT, WIDTH = 150, 170


def bricks(height: int = HEIGHT, width: int = WIDTH) -> np.ndarray:
    """A wall that repeats every 12 rows and 20 columns, uint8 [1, 3, height, width]."""
    y, x = np.mgrid[:height, :width]
    joint = (y % 12 < 2) | ((x + 10 * (y // 12 % 2)) % 20 < 2)
    tone = 90 + 60 * np.sin(x * 2 * np.pi / 10) * np.cos(y * 2 * np.pi / 6)
    return np.stack([np.where(joint, level, tone + level / 4) for level in (60, 40, 30)])[None].astype(
        np.uint8
    )


def hole(top: int = 50, left: int = 60, size: int = 48) -> np.ndarray:
    known = np.ones((1, 1, HEIGHT, WIDTH), bool)
    known[..., top : top + size, left : left + size] = False
    return known


def restoring(seed: int = 0) -> Restore:
    task = Task.without_weights(INPAINT, "patches", Request(0.0, fill="texture"))
    return Restore(task, Runtime.create("cpu", seed=seed))


def filled(
    picture: np.ndarray, known: np.ndarray, copyable: np.ndarray | None = None, seed: int = 0
) -> np.ndarray:
    damaged = np.where(known, picture, 0).astype(picture.dtype)
    return restoring(seed)(damaged, known=known, copyable=copyable).pixels
