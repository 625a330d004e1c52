"""Correlated noise: as strong, as coarse and as dependent on brightness as it was asked to be."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genrestore.train.data.correlated import (
    KNOTS,
    OPPONENT,
    CorrelatedNoise,
    Spectrum,
    correlated_noise,
    draw_noise,
)

COARSE = Spectrum(fine=0.2, edge=0.08, order=2)


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def planes(noise: Tensor) -> Tensor:
    """Luma and two planes of chroma of [3, height, width]."""
    return torch.einsum("ij,jhw->ihw", OPPONENT, noise)


def test_luma_and_chroma_are_a_rotation() -> None:
    torch.testing.assert_close(OPPONENT @ OPPONENT.T, torch.eye(3))
    assert torch.allclose(OPPONENT[0], torch.full((3,), 3**-0.5))


@pytest.mark.parametrize("size", [(64, 64), (63, 64), (64, 63), (5, 7), (1, 1), (1, 8)])
@pytest.mark.parametrize("spectrum", [Spectrum(), COARSE, Spectrum(fine=1.3, stretch=1.2)])
def test_a_filter_has_unit_energy(spectrum: Spectrum, size: tuple[int, int]) -> None:
    """By Parseval: white noise through it keeps its mean square, whatever the width."""
    height, width = size
    response = torch.fft.irfft2(spectrum.gains(height, width).to(torch.complex64), s=size)
    assert float(response.square().sum()) == pytest.approx(1, rel=1e-4)


def test_a_filter_falls_as_its_formula_says() -> None:
    side, spectrum = 200, Spectrum(fine=0.3, edge=0.1, order=2)
    gain = spectrum.gains(side, side)
    for frequency in (10, 20, 40, 100):
        expected = 0.3 + 0.7 / (1 + (frequency / side / 0.1) ** 4)
        for found in (gain[0, frequency], gain[frequency, 0]):
            assert float(found / gain[0, 0]) == pytest.approx(expected, rel=1e-4)


def test_a_stretched_filter_is_coarser_along_the_rows() -> None:
    gain = Spectrum(fine=0.1, edge=0.1, stretch=1.5).gains(100, 100)
    assert float(gain[0, 10]) == pytest.approx(
        float(Spectrum(fine=0.1, edge=0.1).gains(100, 100)[0, 15]), rel=0.02
    )
    assert float(gain[0, 10]) < float(gain[10, 0])


@pytest.mark.parametrize("spectrum", [Spectrum(), COARSE])
def test_luma_and_chroma_are_as_strong_as_asked(spectrum: Spectrum) -> None:
    noise = CorrelatedNoise(0.08, 0.03, spectrum, spectrum)
    found = planes(correlated_noise(torch.full((3, 255, 256), 0.4), noise, generator()))
    expected = (0.08, 0.03, 0.03)
    for plane, level in zip(found, expected, strict=True):
        assert float(plane.square().mean().sqrt()) == pytest.approx(level, rel=0.05)
    correlation = torch.corrcoef(found.flatten(1))
    assert float((correlation - torch.eye(3)).abs().max()) < 0.05


def test_noise_has_the_spectrum_that_was_asked_for() -> None:
    """Energy by band of a periodogram, luma coarse and chroma white."""
    noise = CorrelatedNoise(0.05, 0.05, COARSE, Spectrum())
    found = planes(correlated_noise(torch.full((3, 256, 256), 0.5), noise, generator()))
    energy = torch.fft.rfft2(found).abs().square() / found[0].numel() / 0.05**2
    radius = (torch.fft.fftfreq(256)[:, None].square() + torch.fft.rfftfreq(256)[None].square()).sqrt()
    gain = COARSE.gains(256, 256).square()
    for low, high in ((0.0, 0.05), (0.05, 0.1), (0.1, 0.2), (0.2, 0.5)):
        band = (radius > low) & (radius <= high)
        assert float(energy[0][band].mean()) == pytest.approx(float(gain[band].mean()), rel=0.1)
        assert float(energy[1:, band].mean()) == pytest.approx(1, rel=0.1)


def test_noise_follows_its_slope_over_brightness() -> None:
    """At the knots, half-way between two, and beyond the ends."""
    log_strengths = (-1.0, 0.0, 0.5, 0.0, -0.7)
    assert len(log_strengths) == KNOTS
    noise = CorrelatedNoise(0.05, 0.05, log_strengths=log_strengths)
    for brightness, expected in ((0.0, -1), (0.25, 0), (0.375, 0.25), (1.0, -0.7), (-0.1, -1), (1.2, -0.7)):
        found = correlated_noise(torch.full((3, 128, 128), brightness), noise, generator())
        assert float(found.std()) == pytest.approx(0.05 * math.exp(expected), rel=0.03)


def test_a_seed_gives_one_kind_of_noise() -> None:
    kinds = [draw_noise(generator(seed)) for seed in (1, 1, 2)]
    assert kinds[0] == kinds[1] != kinds[2]
    clean = torch.rand(3, 24, 31, generator=generator(9))
    first, second = (correlated_noise(clean, kinds[0], generator(3)) for _ in range(2))
    assert torch.equal(first, second)


def test_what_is_drawn_reaches_from_grey_to_colourful_and_from_white_to_coarse() -> None:
    drawn = [draw_noise(generator(seed)) for seed in range(300)]
    assert all(0.7 / 255 <= one.luma <= 55 / 255 for one in drawn)
    ratios = [one.chroma / one.luma for one in drawn]
    assert min(ratios) == 0
    assert max(ratios) > 1
    for spectra in ([one.luma_spectrum for one in drawn], [one.chroma_spectrum for one in drawn]):
        assert any(one == Spectrum() for one in spectra)
        assert min(one.fine for one in spectra) < 0.15
        assert min(one.edge for one in spectra) < 0.04
    assert 0.15 < sum(one.log_strengths == (0.0,) * KNOTS for one in drawn) / 300 < 0.35
    assert all(one.log_strengths[KNOTS // 2] == 0 for one in drawn)
