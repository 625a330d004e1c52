"""``--trace`` of a prior of one class: how the search for each picture went, a folder for each input."""

from __future__ import annotations

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrestore.errors import InputError, UsageError
from genrestore.files.formats import shown

if TYPE_CHECKING:
    from genrestore.files.batch import BatchOptions
    from genrestore.files.jobs import Job
    from genrestore.files.pixels import Array
    from genrestore.restore.tasks import DenoiseOneClass, InpaintOneClass, Invert, Restored
    from genrestore.restore.trace import Trace

Named = tuple[str, "Array"]


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


def upcoming(jobs: Sequence[Job], settings: BatchOptions) -> Iterator[Named]:
    """Name and pixels [1, channel, height, width] of every input that is still to be done and can be read."""
    from genrestore.files import batch, images

    for job in jobs:
        if job.source is None or job.skipped or job.problem or batch.examine(job, settings).done is not None:
            continue
        with suppress(InputError, OSError, MemoryError):
            yield job.source.name, images.read(job.source, max_pixels=settings.max_pixels).pixels


def together(
    task: DenoiseOneClass | Invert, pictures: Sequence[Named], folder: Path, names: Counter[str]
) -> list[Any]:
    """Restore pictures and write each trace into a folder of its name; a second one of it is NAME-2.

    Args:
        task: What restores.
        pictures: Names, and pixels [1, channel, height, width].
        folder: Of all traces.
        names: How often each name was there already.
    """
    from genrestore.restore.tiling import to_float
    from genrestore.restore.trace import Trace

    traces = [Trace() for _ in pictures]
    found = task.together([pixels for _, pixels in pictures], lambda index, step: traces[index].add(step))
    for (name, pixels), trace in zip(pictures, traces, strict=True):
        _write(folder, name, names, trace, to_float(pixels)[0])
    return found


def filling(
    make: Callable[[], InpaintOneClass], jobs: Sequence[Job], settings: BatchOptions, folder: Path
) -> Callable[[], Callable[..., Restored]]:
    """What makes a filling of holes that writes each trace into a folder of its name.

    Args:
        make: Gives the task; loads torch.
        jobs: Of the batch: their pictures tell how what is filled is called.
        settings: How it is run.
        folder: Of all traces.
    """

    def made() -> Callable[..., Restored]:
        import torch

        from genrestore.restore.tiling import to_float
        from genrestore.restore.trace import Trace

        task, names, called = make(), Counter[str](), _Called(upcoming(jobs, settings))

        def fill(pixels: Array, on_progress: Callable[[float], None] | None, known: Array) -> Restored:
            trace = Trace()
            found = task(pixels, on_progress, known, on_step=trace.add)
            damaged = torch.where(torch.from_numpy(known), to_float(pixels), 0.0)[0]
            _write(folder, called.of(pixels), names, trace, damaged)
            return found

        return fill

    return made


class _Called:
    """Names of pictures, by their pixels."""

    def __init__(self, coming: Iterator[Named]) -> None:
        self._coming = coming
        self._names: defaultdict[bytes, list[str]] = defaultdict(list)

    def of(self, pixels: Array) -> str:
        """The name of a picture, [1, channel, height, width]; nothing for one that is not among them."""
        key = pixels.tobytes()
        while not self._names[key]:
            name, others = next(self._coming, ("", None))
            if others is None:
                return ""
            self._names[others.tobytes()].append(name)
        return self._names[key].pop(0)


def _write(folder: Path, name: str, names: Counter[str], trace: Trace, damaged: Any) -> None:
    """Write a trace, if anything was searched for: nothing is at strength or noise level 0."""
    name = name or "stdin"
    names[name] += 1
    if trace.rows:
        place = name if names[name] == 1 else f"{name}-{names[name]}"
        write(folder / place, trace, damaged)


def write(folder: Path, trace: Trace, damaged: Any) -> None:
    """Write trace.csv, terms.png, strip.png and the estimates of chosen steps into a folder.

    Args:
        folder: Made if it is missing.
        trace: The steps.
        damaged: A tensor [channel, height, width] in [0, 1].
    """
    from PIL import Image

    from genrestore.files.atomic import atomic
    from genrestore.restore import trace as drawing

    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, ["step", "data", "prior", "sum"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(trace.rows)
    with atomic(folder / "trace.csv") as stream:
        stream.write(text.getvalue().encode())
    for name, figure in (("terms", drawing.plot(trace)), ("strip", drawing.strip(trace, damaged))):
        with atomic(folder / f"{name}.png") as stream:
            figure.savefig(stream, format="png", dpi=120)
    for step in trace.chosen():
        pixels = trace.images[step].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy().squeeze()
        with atomic(folder / f"step-{step:04d}.png") as stream:
            Image.fromarray(pixels).save(stream, format="PNG")
