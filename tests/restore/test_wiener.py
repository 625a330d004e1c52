"""What stands out of the noise is kept, the noise is not."""

from __future__ import annotations

import torch
from scipy.fft import dct

from genrestore.restore.wiener import cosines, wiener_filter

SIGMA = 0.1


def noise(seed: int = 0, count: int = 64) -> torch.Tensor:
    return SIGMA * torch.randn(count, 1, 32, 32, generator=torch.Generator().manual_seed(seed))


def level(count: int = 64) -> torch.Tensor:
    return torch.full((count,), SIGMA**2)


def test_the_cosine_transform_is_the_one_of_scipy() -> None:
    samples = torch.randn(5, 28, generator=torch.Generator().manual_seed(1))
    expected = dct(samples.numpy(), norm="ortho", axis=1)
    assert torch.allclose(samples @ cosines(28).T, torch.from_numpy(expected), atol=1e-5)


def test_of_noise_alone_little_is_left() -> None:
    left = wiener_filter(noise(), level())
    assert float(left.square().mean()) < 0.1 * SIGMA**2


def test_without_noise_all_stays() -> None:
    deviation = noise(2, 3)
    assert torch.allclose(wiener_filter(deviation, torch.zeros(3)), deviation, atol=1e-5)


def test_what_is_coarse_stays_and_the_error_is_below_those_of_all_and_nothing() -> None:
    place = torch.arange(32) / 32
    coarse = 0.15 * torch.cos(torch.pi * place)[:, None] * torch.cos(2 * torch.pi * place)[None]
    damaged = coarse.expand(64, 1, 32, 32) + noise(3)
    error = float((wiener_filter(damaged, level()) - coarse).square().mean())
    assert error < 0.3 * SIGMA**2  # that of keeping all
    assert error < 0.6 * float(coarse.square().mean())  # that of keeping nothing


def test_a_picture_does_not_depend_on_the_others() -> None:
    deviation = noise(4, 6)
    together = wiener_filter(deviation, level(6))
    assert torch.allclose(wiener_filter(deviation[2:3], level(1)), together[2:3], atol=1e-7)
