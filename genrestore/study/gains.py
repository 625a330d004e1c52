"""A picture of what a restoration gained over its inputs, and which pictures do not do as the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from genrestore import plotting

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAR = 3.0
"""Robust standard deviations from the trend beyond which a picture is an outlier."""
MOST_NAMED = 12
MOST_PAIRED = 1000
"""Pictures whose pairs give the slope of the trend; of more an even choice is taken."""
LONGEST_NAME = 28


def trend(before: Sequence[float], gain: Sequence[float]) -> tuple[float, float]:
    """The line that most pictures follow: the median of the slopes of all pairs, which no outlier moves.

    Source: Theil, "A rank-invariant method of linear and polynomial regression analysis", 1950; Sen, 1968.

    Args:
        before: PSNR of each input, in decibels.
        gain: Decibels that each gained.

    Returns:
        Slope and intercept; of fewer than three pictures, a level line.
    """
    x, y = np.asarray(before, np.float64), np.asarray(gain, np.float64)
    chosen = np.linspace(0, len(x) - 1, min(len(x), MOST_PAIRED)).astype(int)
    across = x[chosen, None] - x[chosen]
    up = y[chosen, None] - y[chosen]
    apart = np.triu(np.abs(across) > 1e-6)
    slope = float(np.median(up[apart] / across[apart])) if len(x) > 2 and apart.any() else 0.0
    return slope, float(np.median(y - slope * x))


def outliers(before: Sequence[float], gain: Sequence[float]) -> list[int]:
    """The pictures that do not follow the trend, and those that lost, the farthest first.

    Args:
        before: PSNR of each input, in decibels.
        gain: Decibels that each gained.

    Returns:
        At most `MOST_NAMED` indices.
    """
    slope, intercept = trend(before, gain)
    x, y = np.asarray(before, np.float64), np.asarray(gain, np.float64)
    away = np.abs(y - slope * x - intercept)
    far = away > FAR * 1.4826 * np.median(away)  # of normal errors the median is 1 / 1.4826 deviations
    found: NDArray[Any] = np.flatnonzero((far & (away > 1e-9)) | (y < 0))
    return [int(one) for one in found[np.argsort(-away[found], kind="stable")][:MOST_NAMED]]


def plot(before: Sequence[float], gain: Sequence[float], names: Sequence[str]) -> Any:
    """A scatter plot of gain over the input's PSNR, with the trend and the names of outliers.

    Args:
        before: PSNR of each input, in decibels.
        gain: Decibels that each gained.
        names: Of the pictures.

    Returns:
        A matplotlib figure.
    """
    figure = plotting.figure(8.0, 5.5)
    axes = figure.subplots()
    axes.axhline(0, color="0.6", linewidth=0.8)
    named = outliers(before, gain)
    usual = [index for index in range(len(before)) if index not in set(named)]
    for chosen, colour in ((usual, "tab:blue"), (named, "tab:red")):
        axes.scatter([before[i] for i in chosen], [gain[i] for i in chosen], s=14, color=colour, alpha=0.7)
    if len(before) > 2:
        slope, intercept = trend(before, gain)
        ends = [min(before), max(before)]
        axes.plot(ends, [slope * end + intercept for end in ends], color="tab:blue", linewidth=0.8)
    for index in named:
        name = names[index]
        label = name if len(name) <= LONGEST_NAME else "…" + name[1 - LONGEST_NAME :]
        axes.annotate(
            label.replace("$", r"\$"),
            (before[index], gain[index]),
            xytext=(4, 4),
            textcoords="offset points",
            fontsize=8,
        )
    axes.set_xlabel("PSNR of the input (dB)")
    axes.set_ylabel("gain (dB)")
    axes.set_title(f"{len(before)} pictures, median gain {float(np.median(np.asarray(gain))):+.2f} dB")
    return figure
