"""``--trace`` of a prior of one class: how the search for each picture went, a folder for each input."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrestore.errors import UsageError, shown

if TYPE_CHECKING:
    from genrestore.files.plan.jobs import Job
    from genrestore.restore.ahead import Asked
    from genrestore.restore.descent import Descended
    from genrestore.restore.trace import Trace


def check(folder: Path | None, *, overwrite: bool) -> None:
    """Refuse before the work a folder of traces that would be written over.

    Raises:
        UsageError: It holds something already, or is a file.
    """
    if folder is None or not folder.exists():
        return
    if not folder.is_dir():
        raise UsageError(f"--trace {shown(folder)}: is a file; name a folder")
    if any(folder.iterdir()) and not overwrite:
        raise UsageError(f"--trace {shown(folder)}: is not empty; name another folder, or --overwrite")


class Traces:
    """Writes the trace of each picture into a folder of its name; a second one of it is NAME-2.

    Args:
        folder: Of all traces.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._names = Counter[str]()
        self._begun: list[tuple[Asked[Job], Trace]] = []

    def begin(self, pictures: Sequence[Asked[Job]]) -> Callable[[int, Descended], None]:
        """What is told each step of these pictures, by their indices, until they are written."""
        from genrestore.restore.trace import Trace

        traces = [Trace() for _ in pictures]
        self._begun = list(zip(pictures, traces, strict=True))
        return lambda index, step: traces[index].add(step)

    def write(self) -> None:
        """Write what was searched for: nothing is at strength or noise level 0, or without a hole."""
        for picture, trace in self._begun:
            source = None if picture.label is None else picture.label.source
            name = "stdin" if source is None else source.name
            self._names[name] += 1
            if trace.rows:
                place = name if self._names[name] == 1 else f"{name}-{self._names[name]}"
                write(self._folder / place, trace, _damaged(picture), source)
        self._begun = []


def _damaged(picture: Asked[Job]) -> Any:
    """A picture as a tensor [channel, height, width] in [0, 1], black where nothing is known."""
    import torch

    from genrestore.restore.tiling import to_float

    image = to_float(picture.pixels)
    if picture.known is not None:
        image = torch.where(torch.from_numpy(picture.known), image, 0.0)
    return image[0]


def write(folder: Path, trace: Trace, damaged: Any, source: Path | None = None) -> None:
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
    writer = csv.DictWriter(text, ["step", "data", "prior", "sum"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(trace.rows)
    with atomic(folder / "trace.csv", source=source) as stream:
        stream.write(text.getvalue().encode())
    for name, figure in (("terms", drawing.plot(trace)), ("strip", drawing.strip(trace, damaged))):
        with atomic(folder / f"{name}.png", source=source) as stream:
            figure.savefig(stream, format="png", dpi=120)
    for step in trace.chosen():
        pixels = trace.images[step].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy().squeeze()
        with atomic(folder / f"step-{step:04d}.png", source=source) as stream:
            Image.fromarray(pixels).save(stream, format="PNG")
