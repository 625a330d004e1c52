"""Pictures of latents: scatter plots of their coordinates, and what an autoencoder makes of outliers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from genrestore import plotting
from genrestore.errors import shown

MOST_AXES = 12
"""Coordinates whose pairs still fit into one grid."""
MANY = 2000
"""More points than this are drawn as pixels in a vector picture."""
MARKERS = "^sDPX*vph<>d"


@dataclass(frozen=True)
class Cloud:
    """The latents of the data.

    Attributes:
        points: [image, axis].
        labels: Class of each image, an index into `classes`; empty without classes.
        classes: Names of the classes.
    """

    points: Tensor
    labels: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Marked:
    """Points that are marked beside the data.

    Attributes:
        name: What they are.
        points: [image, axis].
    """

    name: str
    points: Tensor


def project(latent: Tensor, others: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
    """Principal components of the data: its latents and others on the two axes of largest variance.

    Args:
        latent: [image, latent].
        others: [image, latent] each.

    Returns:
        [image, 2], and the others likewise.
    """
    mean = latent.mean(0)
    _, _, axes = torch.linalg.svd(latent - mean, full_matrices=False)
    return (latent - mean) @ axes[:2].T, [(other - mean) @ axes[:2].T for other in others]


def plot(cloud: Cloud, marked: Sequence[Marked], names: Sequence[str], *, whole: bool = False) -> Any:
    """One panel for two axes, a grid of all pairs for more.

    Args:
        cloud: The data; its points have as many axes as there are names.
        marked: Outliers, edged in black.
        names: Of the axes.
        whole: Let every axis go from 0 to 1, so that a cloud that fills little of it looks like that.

    Returns:
        A matplotlib figure.
    """
    last = len(names) - 1
    inches = 7.0 if last == 1 else 2.0 * last
    figure = plotting.figure(inches + 1.6, inches)
    panels = figure.subplots(last, last, squeeze=False)
    for row in range(last):
        for column in range(last):
            axes = panels[row, column]
            if column > row:
                axes.set_axis_off()
                continue
            _panel(axes, cloud, marked, (column, row + 1), size=9.0 if last == 1 else 2.0)
            if whole:
                axes.set(xlim=(0, 1), ylim=(0, 1))
            if row == last - 1:
                axes.set_xlabel(names[column])
            if column == 0:
                axes.set_ylabel(names[row + 1])
    labels = [*cloud.classes, *(one.name for one in marked)]
    if labels:
        drawn = panels[0, 0].collections[-len(labels) :]
        legend = figure.legend(
            drawn,
            [str(number) for number in range(len(drawn))],
            loc="outside right upper",
            markerscale=1.5 if last == 1 else 3.0,
        )
        for text, label in zip(legend.get_texts(), labels, strict=True):
            text.set(text=shown(label), parse_math=False)
    return figure


def _panel(axes: Any, cloud: Cloud, marked: Sequence[Marked], pair: tuple[int, int], size: float) -> None:
    """One scatter plot of two axes."""
    points = cloud.points[:, pair].numpy()
    labels = torch.tensor(cloud.labels or [0] * len(points)).numpy()
    for number, colour in enumerate(_colours(cloud)):
        chosen = points[labels == number]
        axes.scatter(
            *chosen.T,
            s=size,
            color=colour,
            linewidths=0,
            alpha=0.6,
            rasterized=len(points) > MANY,
        )
    for number, outlier in enumerate(marked):
        axes.scatter(
            *outlier.points[:, pair].numpy().T,
            s=6 * size,
            color="white",
            edgecolors="black",
            marker=MARKERS[number % len(MARKERS)],
            zorder=3,
        )


def _colours(cloud: Cloud) -> list[Any]:
    """tab10 up to ten classes, the report's colours; a wider range beyond."""
    from matplotlib import colormaps

    count = max(1, len(cloud.classes))
    if count <= 10:
        return [colormaps["tab10"](number) for number in range(count)]
    return [colormaps["turbo"](number / (count - 1)) for number in range(count)]


def table(rows: Sequence[tuple[str, Tensor]], columns: Sequence[str]) -> Any:
    """Images in rows under headings.

    Args:
        rows: Name and images [column, channel, height, width] in [0, 1] of each row.
        columns: Headings.

    Returns:
        A matplotlib figure.
    """
    figure = plotting.figure(1.5 * len(columns) + 1.2, 1.5 * len(rows) + 0.4)
    panels = figure.subplots(len(rows), len(columns), squeeze=False)
    for row, (name, images) in enumerate(rows):
        for column, image in enumerate(images):
            axes = panels[row, column]
            axes.imshow(image.permute(1, 2, 0).squeeze(-1).clamp(0, 1).numpy(), cmap="gray", vmin=0, vmax=1)
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(columns[column], fontsize=9)
        panels[row, 0].set_ylabel(shown(name), fontsize=9, parse_math=False)
    return figure
