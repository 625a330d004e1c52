"""Each data term against its formula in words and a brute-force minimiser that knows nothing of it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from genrestore.restore.data_terms import DATA_TERMS, L1, L2, Anchored, Seamless

DAMAGED = torch.tensor([0.1, 0.9, 0.5, 0.3]).reshape(1, 1, 2, 2)
KNOWN = torch.tensor([1.0, 1.0, 0.0, 1.0]).reshape(1, 1, 2, 2)
IMAGE = torch.tensor([0.4, 0.2, 0.8, 0.31]).reshape(1, 1, 2, 2)
CASES = pytest.mark.parametrize("name", sorted(DATA_TERMS))


def in_words(name: str, image: Tensor, sigma: float, known: Tensor) -> float:
    """The table of docs/priors.md, pixel by pixel."""
    total = 0.0
    triples = zip(image.flatten().tolist(), DAMAGED.flatten().tolist(), known.flatten().tolist(), strict=True)
    for x, y, m in triples:
        total += m * ((x - y) ** 2 / (2 * sigma**2) if name == "l2" else abs(x - y) / sigma)
    return total


@CASES
def test_the_value_is_the_formula(name: str) -> None:
    term = DATA_TERMS[name](DAMAGED, 0.1, KNOWN)
    assert float(term.value(IMAGE)) == pytest.approx(in_words(name, IMAGE, 0.1, KNOWN), rel=1e-5)
    whole = DATA_TERMS[name](DAMAGED, 0.1)
    assert float(whole.value(IMAGE)) == pytest.approx(in_words(name, IMAGE, 0.1, torch.ones(4)), rel=1e-5)


@CASES
@pytest.mark.parametrize(("sigma", "tau"), [(0.1, 0.05), (0.05, 0.2), (0.3, 0.3)])
def test_prox_finds_what_a_search_finds(name: str, sigma: float, tau: float) -> None:
    found = DATA_TERMS[name](DAMAGED, sigma, KNOWN).prox(IMAGE, tau).flatten()
    grid = torch.linspace(-0.5, 1.5, 200001, dtype=torch.float64)
    for index in range(4):
        y, z, m = (float(t.flatten()[index]) for t in (DAMAGED, IMAGE, KNOWN))
        data = (grid - y) ** 2 / (2 * sigma**2) if name == "l2" else (grid - y).abs() / sigma
        best = grid[(m * data + (grid - z) ** 2 / (2 * tau**2)).argmin()]
        assert float(found[index]) == pytest.approx(float(best), abs=2e-5)


@CASES
def test_without_noise_known_pixels_are_a_constraint(name: str) -> None:
    term = DATA_TERMS[name](DAMAGED, 0.0, KNOWN)
    moved = term.prox(IMAGE, 0.01)
    assert torch.equal(moved[KNOWN > 0], DAMAGED[KNOWN > 0])
    assert torch.equal(moved[KNOWN == 0], IMAGE[KNOWN == 0])
    assert float(term.value(moved)) == 0
    assert float(term.value(IMAGE)) == torch.inf


@CASES
def test_what_lies_in_the_hole_counts_for_nothing(name: str) -> None:
    broken = torch.where(KNOWN > 0, DAMAGED, torch.nan)
    term, clean = DATA_TERMS[name](broken, 0.1, KNOWN), DATA_TERMS[name](DAMAGED, 0.1, KNOWN)
    assert torch.equal(term.value(IMAGE), clean.value(IMAGE))
    assert torch.equal(term.prox(IMAGE, 0.2), clean.prox(IMAGE, 0.2))


class TestSeamless:
    known = torch.ones(1, 1, 12, 14)
    known[..., 3:9, 4:10] = 0

    def test_a_shift_of_brightness_is_taken_back_in_the_hole_too(self) -> None:
        truth = torch.rand(1, 3, 12, 14, generator=torch.Generator().manual_seed(0))
        term = Seamless(L2(truth, 0.0, self.known), self.known)
        torch.testing.assert_close(term.prox(truth + 0.2, 0.1), truth, atol=1e-6, rtol=0)

    def test_known_pixels_are_those_of_the_term_and_the_step_is_smooth_in_the_hole(self) -> None:
        term = L2(torch.rand(1, 1, 12, 14), 0.1, self.known)
        image = torch.rand(1, 1, 12, 14)
        moved = Seamless(term, self.known).prox(image, 0.1)
        there = self.known > 0
        assert torch.equal(moved[there], term.prox(image, 0.1)[there])
        step = (term.prox(image, 0.1) - image)[there]
        inside = (moved - image)[~there]
        assert step.min() - 1e-6 <= inside.min() <= inside.max() <= step.max() + 1e-6
        assert float(Seamless(term, self.known).value(image)) == float(term.value(image))


def test_an_anchored_term_is_trusted_where_it_says() -> None:
    anchor = torch.full((1, 1, 2, 2), 0.5)
    trust = torch.tensor([1.0, 0.5, 0.0, 0.25]).reshape(1, 1, 2, 2)
    term = L2(DAMAGED, 0.1)
    moved = Anchored(term, anchor, trust).prox(IMAGE, 0.1)
    expected = [
        0.5 + t * (float(x) - 0.5)
        for t, x in zip(trust.flatten().tolist(), term.prox(IMAGE, 0.1).flatten(), strict=True)
    ]
    assert moved.flatten().tolist() == pytest.approx(expected)
    assert float(Anchored(term, anchor, trust).value(IMAGE)) == float(term.value(IMAGE))


def test_slope_and_curvature_of_squares_are_those_of_the_value() -> None:
    term = L2(DAMAGED, 0.1, KNOWN)
    slope, curvature = term.expand(IMAGE)
    image = IMAGE.clone().requires_grad_()
    (expected,) = torch.autograd.grad(term.value(image).sum(), image)
    assert torch.allclose(slope, expected, rtol=1e-5)
    assert curvature.flatten().tolist() == pytest.approx([100, 100, 0, 100], rel=1e-5)


def test_the_parabola_of_absolute_values_touches_them_and_is_nowhere_below() -> None:
    slope, curvature = (part.flatten() for part in L1(DAMAGED, 0.1).expand(IMAGE))
    grid = torch.linspace(-1, 2, 3001)
    for index in range(4):
        x, y = float(IMAGE.flatten()[index]), float(DAMAGED.flatten()[index])
        if abs(x - y) < 0.5 / 255:
            continue
        at = abs(x - y) / 0.1
        parabola = at + slope[index] * (grid - x) + curvature[index] * (grid - x) ** 2 / 2
        assert bool((parabola - (grid - y).abs() / 0.1 >= -1e-4).all())
        assert float(slope[index]) == pytest.approx((1 if x > y else -1) / 0.1, rel=1e-5)


@CASES
def test_some_pictures_have_the_term_of_their_own(name: str) -> None:
    both = DATA_TERMS[name](torch.cat([DAMAGED, 1 - DAMAGED]), 0.1, torch.cat([KNOWN, 1 - KNOWN]))
    taken = both.take(torch.tensor([1, 0, 1]))
    images = torch.cat([IMAGE] * 3)
    assert torch.equal(taken.value(images), both.value(images[:2])[[1, 0, 1]])
