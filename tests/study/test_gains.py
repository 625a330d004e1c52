"""Gains over inputs: the trend, and who does not follow it."""

from __future__ import annotations

import numpy as np
import pytest

from genrestore.study import gains


def test_the_trend_is_a_line_that_outliers_do_not_move() -> None:
    before = np.linspace(20, 35, 41)
    gain = 12 - 0.25 * before
    assert gains.trend(before, gain) == (pytest.approx(-0.25), pytest.approx(12))
    gain[:8] += 30
    assert gains.trend(before, gain)[0] == pytest.approx(-0.25)


@pytest.mark.parametrize(("before", "gain", "line"), [([30], [2], (0, 2)), ([20, 30], [1, 2], (0, 1.5))])
def test_few_pictures_have_a_level_trend(before: list[float], gain: list[float], line: object) -> None:
    assert gains.trend(before, gain) == line


def test_pictures_of_one_psnr_have_a_level_trend() -> None:
    assert gains.trend([20.0] * 5, [1.0, 2, 3, 4, 5]) == (0, 3)


def test_many_pictures_take_no_more_memory_than_a_thousand() -> None:
    before = np.linspace(20, 35, 100_000)
    assert gains.trend(before, 1 - 0.1 * before) == (pytest.approx(-0.1), pytest.approx(1))


def test_outliers_are_far_from_the_trend_or_have_lost() -> None:
    generator = np.random.default_rng(0)
    before = generator.uniform(20, 35, 200)
    gain = 12 - 0.25 * before + generator.normal(0, 0.1, 200)
    before[[7, 9]], gain[[7, 9]] = 25, [9.0, -0.5]
    assert set(gains.outliers(before, gain)[:2]) == {7, 9}
    assert len(gains.outliers(before, gain)) < 8
    assert len(gains.outliers(before, gain - 20)) == gains.MOST_NAMED


def test_on_the_trend_nobody_is_named() -> None:
    assert gains.outliers([20.0, 25, 30, 35], [4.0, 3, 2, 1]) == []


def test_the_plot_names_outliers_and_no_one_else() -> None:
    names = [f"{number}.png" for number in range(9)]
    names[3] = "$x^2$ a name that is far longer than a label may be.png"
    gain = [4.0 - 0.1 * number for number in range(9)]
    gain[3] = 9.0
    figure = gains.plot([20.0 + number for number in range(9)], gain, names)
    (axes,) = figure.axes
    assert len(axes.texts) == 1
    assert axes.texts[0].get_text().endswith("a label may be.png")
    assert len(axes.texts[0].get_text()) <= gains.LONGEST_NAME
    figure.canvas.draw()
