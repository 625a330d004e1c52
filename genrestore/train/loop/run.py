"""Folder of one training run, and everything that is written into it; only process 0 writes."""

from __future__ import annotations

import csv
import io
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor

from genrestore import plotting
from genrestore.errors import UsageError
from genrestore.files.disk.atomic import atomic, is_temporary
from genrestore.train import distributed
from genrestore.train.data.dataset import Folder
from genrestore.train.kinds.base import Diverged, Training
from genrestore.train.loop import checkpoint
from genrestore.train.settings import FREE
from genrestore.weights import store
from genrestore.weights.header import read_header

if sys.platform != "win32":
    import fcntl

FILES = (
    "checkpoint.safetensors",
    "best.safetensors",
    "last.safetensors",
    "metrics.csv",
    "loss.png",
    "reals.png",
)
FOLDERS = ("samples", "encoder", "restorer")
"""Of pictures; and of the run that follows: a generator's encoder, an autoencoder's restorer."""
PATIENCE = 6.0
"""Seconds in which the processes that prepared batches for a training that was killed end too."""
NOT_PLOTTED = frozenset({"step", "seconds", "images_per_second", "learning_rate"})
PANELS = (
    ("loss", "reconstruction", "coverage", "outliers"),
    ("loss", "restored", "made"),
    ("loss", "latent", "own", "real"),
    ("discriminator", "generator"),
)
"""Numbers that are drawn in one panel where the log has them."""
PRIVATE = ("data_root", "download")
"""Options of the data that weights do not tell."""


class RunFolder:
    """Folder of a run's checkpoint, weights, log and pictures.

    Args:
        path: The folder; made when something is written.
        options: JSON values that every checkpoint keeps: how the run was started.

    Attributes:
        checkpoint: All that is needed to go on.
        best: Weights of the best validation score, float16, averaged.
        last: Weights of the last checkpoint, float16, averaged.
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self.options = dict(options)
        self.checkpoint = path / "checkpoint.safetensors"
        self.best = path / "best.safetensors"
        self.last = path / "last.safetensors"
        self._metrics = path / "metrics.csv"
        self._rows: list[dict[str, float]] = []

    def check(self, overwrite: bool) -> None:
        """Refuse a folder in which no new run may be written.

        Raises:
            UsageError: A run is there and `overwrite` is not set, or the folder holds something else.
        """
        if not self.path.exists():
            return
        if not self.path.is_dir():
            raise UsageError(f"--run-dir {self.path}: is a file; a folder is needed")
        found = {entry.name for entry in self.path.iterdir() if not is_temporary(entry)}
        foreign = found - {*FILES, *FOLDERS}
        if foreign:
            raise UsageError(
                f"--run-dir {self.path}: holds '{min(foreign)}', which no run wrote; choose another folder"
            )
        if found and not overwrite:
            raise UsageError(
                f"--run-dir {self.path}: a run is there; --resume goes on with it, --overwrite replaces it"
            )

    @contextmanager
    def held(self) -> Iterator[None]:
        """Keep other trainings out of the folder for a time; makes the folder.

        Raises:
            UsageError: Another training is going on there.
        """
        if distributed.rank() != 0 or sys.platform == "win32":
            yield
            return
        self.path.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            self._wait_for(descriptor)
            yield
        finally:
            os.close(descriptor)

    def _wait_for(self, descriptor: int) -> None:
        until = time.monotonic() + PATIENCE
        while not _lock(descriptor):
            if time.monotonic() > until:
                raise UsageError(
                    f"--run-dir {self.path}: another training is going on there; wait for it, "
                    "or choose another folder"
                )
            time.sleep(0.1)

    def clear(self) -> None:
        """Remove what a run before has written."""
        if distributed.rank() != 0:
            return
        self.path.mkdir(parents=True, exist_ok=True)
        for name in FILES:
            (self.path / name).unlink(missing_ok=True)
        for entry in self.path.iterdir():
            if is_temporary(entry):
                entry.unlink(missing_ok=True)
        for name in FOLDERS:
            shutil.rmtree(self.path / name, ignore_errors=True)

    def log(self, row: Mapping[str, float]) -> None:
        """Append a row to metrics.csv and draw loss.png anew when the row holds a validation."""
        if distributed.rank() != 0:
            return
        known = list(dict.fromkeys(name for before in self._rows for name in before))
        self._rows.append(dict(row))
        if self._rows[1:] and set(row) <= set(known):
            with self._metrics.open("a", newline="", encoding="utf-8") as stream:
                csv.DictWriter(stream, known, lineterminator="\n").writerow(row)
        else:
            self._write_rows()
        if "score" in row:
            save_losses(self.path / "loss.png", self._rows)

    def forget_after(self, step: int) -> None:
        """Read metrics.csv and drop the rows of steps that will be done again."""
        if distributed.rank() != 0 or not self._metrics.exists():
            return
        with self._metrics.open(newline="", encoding="utf-8", errors="replace") as stream:
            self._rows = [_numbers(row) for row in csv.DictReader(stream, restkey="step")]
        self._rows = [row for row in self._rows if row.get("step", step + 1) <= step]
        self._write_rows()

    def lacks_score(self, step: int) -> bool:
        """Tell whether the log has no validation at a step; False in all processes but the first."""
        return distributed.rank() == 0 and not any(
            row["step"] == step and "score" in row for row in self._rows
        )

    def save_samples(self, step: int, training: Training[Any, Any], state: checkpoint.State) -> None:
        """Write the sample pictures of a step to samples/STEP.png."""
        if distributed.rank() == 0:
            folder = self.path / "samples"
            folder.mkdir(parents=True, exist_ok=True)
            save_grid(folder / f"{step:08d}.png", training.samples(state.average.networks))

    def save_reals(self, images: Tensor) -> None:
        """Write training images, [batch, channel, height, width] in [0, 1], to reals.png."""
        if distributed.rank() == 0:
            save_grid(self.path / "reals.png", images)

    def save_best(self, training: Training[Any, Any], state: checkpoint.State) -> None:
        """Write the averaged weights as the best so far."""
        self._save_weights(self.best, training, state)

    def tell(self) -> None:
        """Put what is said of origin and terms by now into the best weights, however old these are."""
        header, about = read_header(self.best), self.options.get("about", {})
        if any(getattr(header, name) != text for name, text in about.items()):
            store.save(self.best, replace(header, **about), load_file(self.best), overwrite=True)

    def save(self, training: Training[Any, Any], state: checkpoint.State) -> None:
        """Write the averaged weights as the last, and then the checkpoint.

        Raises:
            Diverged: A weight is not finite; the checkpoint before stays.
        """
        if distributed.rank() != 0:
            return
        for name, value in state.tensors():
            if value.is_floating_point() and not bool(value.isfinite().all()):
                raise Diverged(f"{name} is not finite at step {state.progress.step}")
        self._save_weights(self.last, training, state)
        checkpoint.save(self.checkpoint, state, self.options)

    def _save_weights(self, path: Path, training: Training[Any, Any], state: checkpoint.State) -> None:
        if distributed.rank() != 0:
            return
        header = training.header()
        record: dict[str, Any] = {**header.training, **_public(self.options), "step": state.progress.step}
        if path == self.best:
            record["score"] = state.progress.score
        tensors = {
            f"{name}.{key}": value
            for name, network in state.average.networks.items()
            for key, value in network.state_dict().items()
        }
        about = self.options.get("about", {})
        store.save(path, replace(header, training=record, **about), tensors, overwrite=True, half=True)

    def _write_rows(self) -> None:
        names = list(dict.fromkeys(name for row in self._rows for name in row))
        text = io.StringIO(newline="")
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self._rows)
        with atomic(self._metrics) as stream:
            stream.write(text.getvalue().encode())


def _lock(descriptor: int) -> bool:
    """Lock what is open unless somebody else has; true as well where there are no locks."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _public(options: Mapping[str, Any]) -> dict[str, Any]:
    """Options that weights tell of their run: settings and the names of folders, no paths."""
    data = {name: value for name, value in options.get("data", {}).items() if name not in PRIVATE}
    for key in ("data", "validate_data"):
        data[key] = [_name(Folder.parse(words)) for words in data.get(key, [])]
    start = options.get("init_from")
    return {
        "loop": {name: value for name, value in options.get("loop", {}).items() if name not in FREE},
        "data": data,
        "init_from": Path(start).name if start else None,
        "precision": options.get("precision"),
    }


def _name(folder: Folder) -> str:
    weight = "" if folder.weight is None else f":{folder.weight:g}"
    return (str(folder.path) if folder.named else folder.path.absolute().name) + weight


def _numbers(row: Mapping[str, Any]) -> dict[str, float]:
    """Numbers of a row as it was written; none of one that a crash cut off or joined with another."""
    try:
        return {name: int(value) if value.isdigit() else float(value) for name, value in row.items() if value}
    except (ValueError, AttributeError):
        return {}


def panels(names: Sequence[str]) -> list[list[str]]:
    """Numbers of the log that are drawn together: a loss with its parts, both players, all others alone."""
    groups = [[name for name in group if name in names] for group in PANELS]
    groups = [group for group in groups if len(group) > 1]
    shared = {name for group in groups for name in group}
    return [*groups, *([name] for name in names if name not in shared)]


def save_losses(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Draw every number of the log over the steps, as PNG: a loss beside its parts, all others alone.

    Args:
        path: The file.
        rows: Rows of the log; each has "step", and the numbers that were measured then.
    """
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in NOT_PLOTTED]
    if not names:
        return
    groups = panels(names)
    columns = min(3, len(groups))
    lines = -(-len(groups) // columns)
    figure = plotting.figure(5 * columns, 3.2 * lines)
    for index, group in enumerate(groups):
        axes, values = figure.add_subplot(lines, columns, index + 1), list[float]()
        for name in group:
            points = [(row["step"], row[name]) for row in rows if name in row]
            values += [value for _, value in points]
            axes.plot(
                [step for step, _ in points],
                [value for _, value in points],
                marker="." if len(points) < 30 else "",
                label=name,
            )
        if group[0] == "loss" and all(value > 0 for value in values):
            axes.set_yscale("log")
        axes.set_title(" and ".join(group) if len(group) == 2 else group[0])
        if len(group) > 1:
            axes.legend()
        axes.set_xlabel("step")
        axes.grid(alpha=0.3)
    content = io.BytesIO()
    figure.savefig(content, format="png", dpi=100)
    with atomic(path) as stream:
        stream.write(content.getvalue())


def save_grid(path: Path, images: Tensor, columns: int | None = None) -> None:
    """Write images side by side as PNG.

    Args:
        path: The file.
        images: [batch, channel, height, width] in [0, 1]; clipped and rounded to 8 bits.
        columns: Images in a row; None makes the grid about square.
    """
    from PIL import Image
    from torchvision.utils import make_grid

    columns = columns or max(1, round(len(images) ** 0.5))
    grid = make_grid(images.detach().float().cpu().clamp(0, 1), nrow=columns, pad_value=1.0)
    pixels = (grid * 255).round().byte().permute(1, 2, 0).numpy()
    with atomic(path) as stream:
        Image.fromarray(pixels).save(stream, format="PNG")
