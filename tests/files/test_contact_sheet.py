"""The sheet: which pixels stand where, in every type, and its shape."""

from __future__ import annotations

import numpy as np
import pytest

from genrestore.files.work import contact_sheet
from genrestore.files.work.contact_sheet import (
    GAP,
    GROUND,
    LINE,
    STRENGTHS,
    Panel,
    grid,
    mixed,
    sheet,
    strengths,
)


def panels(height: int, width: int, dtype: type = np.uint8, channels: int = 3) -> np.ndarray:
    generator = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    shape = (2, 1, channels, height, width)
    return generator.integers(top // 2, top + 1, shape, dtype=dtype)


def occurrences(panel: np.ndarray, of: np.ndarray) -> list[tuple[int, int]]:
    """Where a panel stands on a sheet, both [1, channel, height, width]."""
    windows = np.lib.stride_tricks.sliding_window_view(of[0], panel.shape[1:])[0]
    rows, columns = np.nonzero((windows == panel[0]).all((-1, -2, -3)))
    return list(zip(rows.tolist(), columns.tolist(), strict=True))


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 3), (np.uint8, 1), (np.uint16, 3)])
def test_every_strength_stands_once_in_reading_order(dtype: type, channels: int) -> None:
    before, after = panels(6, 9, dtype, channels)
    result = sheet([strengths(before, after)])
    assert (result.dtype, result.shape[:2]) == (dtype, (1, channels))
    places = [occurrences(mixed(before, after, strength), result) for strength in STRENGTHS]
    assert [len(place) for place in places] == [1] * 5
    assert places == sorted(places)
    assert places[0][0][1] == GAP


def test_the_ends_are_input_and_result_and_the_middle_is_between() -> None:
    before, after = panels(4, 4)
    assert np.array_equal(mixed(before, after, 0), before)
    assert np.array_equal(mixed(before, after, 1), after)
    exact = before.astype(float) + 0.25 * (after.astype(float) - before)
    assert np.abs(mixed(before, after, 0.25) - exact).max() <= 0.5


def test_labels_are_lighter_than_the_ground_and_differ() -> None:
    black = np.zeros((1, 1, 30, 120), np.uint16)
    result = sheet([strengths(black, black)])
    assert (result[..., 0, :] == GROUND * 257).all()
    assert result.max() > 200 * 257
    labels = [contact_sheet._label(f"strength {strength:g}", 30) for strength in STRENGTHS]
    assert len({label.tobytes() for label in labels}) == 5


@pytest.mark.parametrize(
    ("size", "columns"), [((192, 256), 3), ((1000, 100), 5), ((60, 400), 1), ((256, 256), 3), ((1, 1), 2)]
)
def test_the_sheet_fits_a_screen(size: tuple[int, int], columns: int) -> None:
    before, after = panels(*size, channels=1)
    result = sheet([strengths(before, after)])
    label = contact_sheet._label("strength 0.75", min(size)).shape[1]
    assert result.shape[-1] == columns * (max(size[1], label) + GAP) + GAP


def test_every_group_begins_a_row() -> None:
    """Three wide panels and then two: nothing of the second group stands beside the first."""
    images = np.random.default_rng(0).integers(128, 256, (5, 1, 1, 120, 160), dtype=np.uint8)
    panels = [Panel(f"sigma {index}", pixels) for index, pixels in enumerate(images)]
    result = sheet([panels[:3], panels[3:]])
    places = [occurrences(panel.pixels, result) for panel in panels]
    assert [len(place) for place in places] == [1] * 5
    rows, columns = zip(*(place[0] for place in places), strict=True)
    assert [place[0] for place in places] == sorted(place[0] for place in places)
    assert rows[3] == rows[4] > rows[2]
    assert columns[3] == columns[0] == GAP
    for top, left in zip(rows, columns, strict=True):
        result[0, :, top : top + 120, left : left + 160] = GROUND
    assert all(
        (result[0, 0, top - 12 : top, left : left + 60] > 200).any()
        for top, left in zip(rows, columns, strict=True)
    )
    assert (result[0, 0, rows[3] - 12 :, columns[4] + 160 :] == GROUND).all()


def test_a_grid_keeps_every_image_and_has_lines_between_them() -> None:
    images = np.random.default_rng(0).integers(1, 256, (5, 3, 4, 6), dtype=np.uint8)
    made = grid(images)
    assert made.shape == (1, 3, 2 * 4 + LINE, 3 * 6 + 2 * LINE)
    assert np.array_equal(made[0, :, :4, 6 + LINE : 12 + LINE], images[1])
    assert np.array_equal(made[0, :, 4 + LINE :, :6], images[3])
    assert int((made != 0).sum()) == images.size


def test_a_grid_of_rows_and_a_grid_of_one() -> None:
    images = np.ones((6, 1, 4, 4), np.uint8)
    assert grid(images, columns=2).shape == (1, 1, 3 * 4 + 2 * LINE, 2 * 4 + LINE)
    assert np.array_equal(grid(images[:1]), images[:1])
