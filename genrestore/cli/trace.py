"""``--trace``: what a search does, as a table of its steps and a picture now and then."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genrestore.restore.solvers import Step

PICTURES = 20
"""Pictures of a whole search, about."""


class Trace:
    """Writes into a folder: trace.csv with a line a step (D of the pixels that were held out, and
    the seconds since the start), and PIECE-STEP.png.

    Args:
        folder: Is made where it is missing.
        steps: The most of a search.
    """

    def __init__(self, folder: Path, steps: int) -> None:
        self._folder = folder
        self._every = math.ceil(steps / PICTURES)
        self._started = time.perf_counter()

    def add(self, piece: int, step: Step) -> None:
        """Write a step of a piece, counted from 0; its image is [1, channel, height, width].

        Raises:
            InputError: The picture cannot be written.
            OSError: The table cannot be.
        """
        self._folder.mkdir(parents=True, exist_ok=True)
        path = self._folder / "trace.csv"
        head = "" if path.exists() else "piece,step,held_out,seconds\n"
        seconds = time.perf_counter() - self._started
        with path.open("a", encoding="utf-8") as table:
            table.write(f"{head}{piece},{step.index},{step.held_out:.6g},{seconds:.2f}\n")
        if step.index % self._every == 0:
            self._write_picture(piece, step)

    def _write_picture(self, piece: int, step: Step) -> None:
        import numpy as np

        from genrestore.files.codecs import images
        from genrestore.files.codecs.metadata import Metadata
        from genrestore.files.disk import atomic

        pixels = (step.image.clamp(0, 1).cpu().numpy() * 255).round().astype(np.uint8)
        picture = images.Image(pixels, None, Metadata("PNG", "L" if pixels.shape[1] == 1 else "RGB"))
        with atomic.atomic(self._folder / f"{piece:03d}-{step.index:06d}.png") as stream:
            images.encode(picture, stream, "PNG")
