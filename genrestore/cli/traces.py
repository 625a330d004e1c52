"""``--trace``: what a search does, as a table of its steps and pictures now and then."""

from __future__ import annotations

import csv
import io
import math
import os
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrestore.errors import UsageError, shown

if TYPE_CHECKING:
    from genrestore.files.plan.jobs import Job
    from genrestore.files.work.stages import Picture
    from genrestore.restore.problem import Step, Trace
    from genrestore.restore.task import Task
    from genrestore.restore.trace import Steps

PICTURES = 20
"""Pictures of a whole search, about."""


def of(task: Task, folder: Path) -> Trace:
    """A trace of the searches of a task, into a folder."""
    return EachPicture(folder) if task.prior.one_class else StepsAsTheyCome(folder, task.settings.steps)


def check_places(folder: Path, jobs: Sequence[Job], written: Sequence[Path]) -> None:
    """Refuse a folder of traces where the trace of a picture and a file are in each other's way.

    Raises:
        UsageError: A file is there, or will be written there.
    """
    names = Counter[str]()
    files = {os.path.realpath(path) for path in written}
    for job in jobs:
        place = folder / _named(job.source, names)
        if os.path.realpath(place) in files or os.path.isfile(place):  # noqa: PTH113 -- never raises
            raise UsageError(
                f"--trace {shown(folder)}: {shown(place)} is a file or will be one, and the trace of "
                f"{job.name} goes there; name another folder"
            )


def _named(source: Path | None, names: Counter[str]) -> str:
    """The name of a picture's folder; `names` counts the pictures of each name."""
    name = "stdin" if source is None else source.name
    names[name] += 1
    return name if names[name] == 1 else f"{name}-{names[name]}"


class StepsAsTheyCome:
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

    def end(self, picture: Picture) -> None:
        """Nothing is left to be written."""

    def step(self, picture: Picture, piece: int, step: Step) -> None:  # noqa: ARG002
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
            table.write(
                f"{head}{piece},{step.index},{float(step.energies['held_out'][0]):.6g},{seconds:.2f}\n"
            )
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


class EachPicture:
    """Writes the trace of each picture into a folder of its name; a second one of it is NAME-2.

    Args:
        folder: Of all traces.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = Counter[str]()
        self._begun: dict[int, Steps] = {}

    def step(self, picture: Picture, piece: int, step: Step) -> None:  # noqa: ARG002
        """Note a step of a picture."""
        from genrestore.restore.trace import Steps

        self._begun.setdefault(id(picture), Steps()).add(step)

    def end(self, picture: Picture) -> None:
        """Write what was searched for."""
        source = picture.job.source
        place = _named(source, self._names)
        if trace := self._begun.pop(id(picture), None):
            write(self._folder / place, trace, _damaged(picture), source)


def _damaged(picture: Picture) -> Any:
    """A picture as a tensor [channel, height, width] in [0, 1], black where nothing is known."""
    import torch

    from genrestore.restore.tiling import to_float

    image = to_float(picture.pixels)
    if picture.known is not None:
        image = torch.where(torch.from_numpy(picture.known), image, 0.0)
    return image[0]


def write(folder: Path, trace: Steps, damaged: Any, source: Path | None = None) -> None:
    """Write trace.csv, terms.png, strip.png and the estimates of chosen steps into a folder.

    Args:
        folder: Made if it is missing.
        trace: The steps.
        damaged: A tensor [channel, height, width] in [0, 1].
        source: The input: what is written is never open to more than it is.
    """
    from PIL import Image

    from genrestore.files.disk.atomic import atomic
    from genrestore.restore import trace as drawing

    text = io.StringIO(newline="")
    names = ["step", "data", "prior", "sum"]
    if any(row["stage"] for row in trace.rows):
        names.insert(0, "stage")
    writer = csv.DictWriter(text, names, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(trace.rows)
    with atomic(folder / "trace.csv", source=source) as stream:
        stream.write(text.getvalue().encode())
    for name, figure in (("terms", drawing.plot(trace)), ("strip", drawing.strip(trace, damaged))):
        with atomic(folder / f"{name}.png", source=source) as stream:
            figure.savefig(stream, format="png", dpi=120)
    for step in trace.chosen():
        pixels = trace.images[step].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).squeeze(-1).numpy()
        with atomic(folder / f"step-{step:04d}.png", source=source) as stream:
            Image.fromarray(pixels).save(stream, format="PNG")
