"""Pictures of a run: the loss over the steps, and grids of images."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from torch import Tensor

from genrestore import plotting
from genrestore.files.disk.atomic import atomic

NOT_PLOTTED = frozenset({"step", "seconds", "images_per_second", "learning_rate"})


def save_losses(path: Path, rows: Sequence[Mapping[str, float]]) -> None:
    """Draw every number of the log over the steps, one panel each, as PNG.

    Args:
        path: The file.
        rows: Rows of the log; each has "step", and the numbers that were measured then.
    """
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in NOT_PLOTTED]
    if not names:
        return
    columns = min(3, len(names))
    lines = -(-len(names) // columns)
    figure = plotting.figure(5 * columns, 3.2 * lines)
    for index, name in enumerate(names):
        axes = figure.add_subplot(lines, columns, index + 1)
        points = [(row["step"], row[name]) for row in rows if name in row]
        axes.plot(
            [step for step, _ in points],
            [value for _, value in points],
            marker="." if len(points) < 30 else "",
        )
        if name.startswith("loss") and all(value > 0 for _, value in points):
            axes.set_yscale("log")
        axes.set_title(name)
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
