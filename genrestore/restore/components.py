"""Connected components of masks, by runs of their rows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from genrestore.restore.tiling import Pixels, Region


@dataclass(frozen=True)
class Components:
    """Parts of a mask that hang together, across corners too.

    Attributes:
        labels: Number of the part that each pixel belongs to, from 1, in the order of their first pixels; 0
            for none; int32 [height, width].
        areas: Rows and columns of each part.
    """

    labels: Pixels
    areas: list[Region]

    def __iter__(self) -> Iterator[tuple[Region, Pixels]]:
        """Rows and columns of each part, and which pixels in them are its own, bool."""
        for number, area in enumerate(self.areas, start=1):
            yield area, self.labels[area] == number

    @classmethod
    def of(cls, mask: Pixels) -> Components:
        """The parts of a mask, bool [height, width]."""
        height, width = mask.shape
        padded = np.zeros((height, width + 2), np.int8)
        padded[:, 1:-1] = mask
        change = np.diff(padded, axis=1)
        (row, start), (_, stop) = np.nonzero(change == 1), np.nonzero(change == -1)
        label = _joined(row, start, stop, width)
        _, label = np.unique(label, return_inverse=True)
        labels = np.zeros(mask.shape, np.int32)
        labels[mask] = np.repeat(label + 1, stop - start)
        count = int(label.max()) + 1 if label.size else 0
        low, high = np.full((2, count), max(height, width)), np.zeros((2, count), np.intp)
        for axis, (first, last) in enumerate(((row, row + 1), (start, stop))):
            np.minimum.at(low[axis], label, first)
            np.maximum.at(high[axis], label, last)
        edges = np.concatenate([low, high]).T.tolist()
        return cls(labels, [(slice(top, bottom), slice(left, right)) for top, left, bottom, right in edges])


def _joined(row: Pixels, start: Pixels, stop: Pixels, width: int) -> Pixels:
    """The least number of a run that hangs together with each run, [run]."""
    line = width + 2
    begins, ends = row * line + start, row * line + stop
    first = np.searchsorted(ends, begins - line, side="left")  # runs above that touch, corners too
    last = np.searchsorted(begins, ends - line, side="right")
    count = np.maximum(last - first, 0)
    below = np.repeat(np.arange(len(row)), count)
    above = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + np.repeat(first, count)
    label = np.arange(len(row))
    while True:
        least = np.minimum(label[below], label[above])
        before = label.copy()
        for ends_of in (label[below], label[above], below, above):
            np.minimum.at(label, ends_of, least)
        while (label[label] != label).any():
            label = label[label]
        if (label == before).all():
            return label
