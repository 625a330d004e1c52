"""Noise of random spectrum and covariance: what the processing in a camera leaves of white noise.

    n = s(brightness) · Cᵀ [σ_L h_L * w₁,  σ_C h_C * w₂,  σ_C h_C * w₃]

w are white, h random low-pass filters of unit energy, C turns R, G, B into luma and chroma, and s is a
random noise level function. The Gaussian part of the degradation model of Zhang et al., "Practical Blind
Image Denoising via Swin-Conv-UNet and Data Synthesis", 2023, has the covariance; spectrum and brightness are
added.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from genrestore.train.data.draws import chance, log_uniform, uniform

OPPONENT = (
    torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [1.0, 1.0, -2.0]])
    / torch.tensor([[3.0], [2.0], [6.0]]).sqrt()
)
"""Orthonormal rows: luma and two planes of chroma. White noise is as strong in each."""

USUAL = 0.6
"""Share of the draws that are of the usual kind: of files of cameras at high sensitivity."""

KNOTS = 5
"""Places on the scale of brightness between which the noise level function is linear in its logarithm."""


@dataclass(frozen=True)
class Spectrum:
    """A radial filter that falls from 1 to `fine`.

        h(f) = [fine + (1 − fine) / (1 + (f / edge)^(2 order))] · exp(−2 π² softness² f²)

    Attributes:
        fine: Gain at the finest frequencies; 1 for white noise.
        edge: Frequency of half the fall, in cycles a pixel.
        order: Steepness.
        stretch: Ratio of horizontal to vertical frequencies.
        softness: σ of a Gaussian blur in pixels, as a lens or a change of size leaves it; 0 for none.
    """

    fine: float = 1.0
    edge: float = 0.2
    order: int = 1
    stretch: float = 1.0
    softness: float = 0.0

    def gains(self, height: int, width: int) -> Tensor:
        """The filter of unit energy on the grid of `torch.fft.rfft2`, [height, width // 2 + 1]."""
        rows = torch.fft.fftfreq(height)[:, None] / self.stretch
        columns = torch.fft.rfftfreq(width)[None] * self.stretch
        square = rows.square() + columns.square()
        gain = self.fine + (1 - self.fine) / (1 + (square / self.edge**2) ** self.order)
        gain = gain * torch.exp(-2 * (math.pi * self.softness) ** 2 * square)
        energy = gain.square()
        mean = (2 * energy.sum() - energy[:, 0].sum() - (energy[:, -1].sum() if width % 2 == 0 else 0)) / (
            height * width
        )
        return gain / mean.sqrt()


@dataclass(frozen=True)
class CorrelatedNoise:
    """One kind of noise.

    Attributes:
        luma: σ of the luma plane, on the [0, 1] scale, where s is 1.
        chroma: σ of each chroma plane.
        luma_spectrum: Filter of the luma.
        chroma_spectrum: Filter of the chroma.
        log_strengths: log s at `KNOTS` brightnesses from 0 to 1.
    """

    luma: float
    chroma: float
    luma_spectrum: Spectrum = Spectrum()
    chroma_spectrum: Spectrum = Spectrum()
    log_strengths: tuple[float, ...] = (0.0,) * KNOTS


def draw_noise(generator: torch.Generator) -> CorrelatedNoise:
    """Draw a kind of noise at random; mostly what cameras usually leave in their files."""
    if chance(generator, USUAL):
        return _draw_usual(generator)
    luma = log_uniform(generator, 0.7 / 255, 55 / 255)
    ratio = 0.0 if chance(generator, 0.08) else log_uniform(generator, 0.04, 1.3)
    return CorrelatedNoise(
        luma=luma,
        chroma=luma * ratio,
        luma_spectrum=_draw_spectrum(generator, 0.1, 1.4),
        chroma_spectrum=_draw_spectrum(generator, 0.02, 1.0),
        log_strengths=_draw_log_strengths(generator),
    )


def _draw_usual(generator: torch.Generator) -> CorrelatedNoise:
    """A few grey levels of fine and middle grain, and less colour, of which hardly any is fine."""
    luma = log_uniform(generator, 2.5 / 255, 16 / 255)
    return CorrelatedNoise(
        luma=luma,
        chroma=luma * log_uniform(generator, 0.15, 0.8),
        luma_spectrum=Spectrum(log_uniform(generator, 0.15, 0.8), log_uniform(generator, 0.08, 0.3)),
        chroma_spectrum=Spectrum(log_uniform(generator, 0.03, 0.3), log_uniform(generator, 0.04, 0.2)),
        log_strengths=_draw_log_strengths(generator),
    )


def _draw_spectrum(generator: torch.Generator, low: float, high: float) -> Spectrum:
    softness = uniform(generator, 0.3, 1.2) if chance(generator, 0.3) else 0.0
    if chance(generator, 0.15):
        return Spectrum(softness=softness)
    return Spectrum(
        fine=log_uniform(generator, low, high),
        edge=log_uniform(generator, 0.03, 0.35),
        order=1 if chance(generator, 0.5) else 2,
        stretch=math.exp(uniform(generator, -0.2, 0.2)) if chance(generator, 0.3) else 1.0,
        softness=softness,
    )


def _draw_log_strengths(generator: torch.Generator) -> tuple[float, ...]:
    """A quarter of the files have as much noise everywhere; in the others it walks, and may end at white."""
    if chance(generator, 0.25):
        return (0.0,) * KNOTS
    steps = 0.4 * torch.randn(KNOTS, generator=generator)
    walk = (steps.cumsum(0) - steps.cumsum(0)[KNOTS // 2]).tolist()
    if chance(generator, 0.5):
        walk[-1] += math.log(uniform(generator, 0.2, 1.0))
    return tuple(walk)


def correlated_noise(clean: Tensor, noise: CorrelatedNoise, generator: torch.Generator) -> Tensor:
    """Noise for a picture.

    Args:
        clean: RGB [3, height, width] in [0, 1].
        noise: Its kind.

    Returns:
        [3, height, width], on the [0, 1] scale.
    """
    height, width = clean.shape[-2:]
    waves = torch.fft.rfft2(torch.randn(clean.shape, generator=generator))
    luma = noise.luma * noise.luma_spectrum.gains(height, width)
    chroma = noise.chroma * noise.chroma_spectrum.gains(height, width)
    planes = torch.fft.irfft2(waves * torch.stack([luma, chroma, chroma]), s=(height, width))
    position = (clean.mean(0).clamp(0, 1) * (KNOTS - 1)).clamp(max=KNOTS - 1 - 1e-4)
    below = position.long()
    knots = torch.tensor(noise.log_strengths)
    strength = torch.lerp(knots[below], knots[below + 1], position - below).exp()
    return torch.einsum("ji,jhw->ihw", OPPONENT, planes) * strength
