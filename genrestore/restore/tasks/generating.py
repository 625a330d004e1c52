"""Where a generator meets pictures of its size: a search over latents, then a step off its range."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genrestore.restore.clipped import expected_shift, expected_square
from genrestore.restore.data_terms import L2, PixelTerm, Seamless
from genrestore.restore.descent import Descended
from genrestore.restore.descent_settings import LatentSearch
from genrestore.restore.deviation import without_noise
from genrestore.restore.latent_search import Found, LatentEnergy, search, search_by_adam
from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.restore.progress import OnProgress
from genrestore.restore.tasks.damage import Damage, Solution, noise_level_around

QUICK = LatentSearch(steps=40, restarts=1)
"""The search that tells what a picture may be without its noise, whose level is not known yet."""
UNKNOWN_NOISE = 0.2
"""σ that it takes."""

NEAR = 0.6
"""How far from the encoder's latent the search starts too, as a share of what N(0, I) spreads."""
FREE = 2
"""Where there is damage, one start in so many is a draw from N(0, I)."""

PASSES = 3
"""Times that what clipping does to the noise is reckoned around the last result."""

OnStep = Callable[[Descended], None]


def solve(
    prior: GeneratorPrior,
    damage: Damage,
    how: LatentSearch,
    *,
    on_step: OnStep | None = None,
    on_progress: OnProgress | None = None,
) -> Solution:
    """Restore pictures of the prior's size.

        z* = argmin_z  D(G(z); y) + λ ‖z‖² / 2

    D reckons with noise of √(σ² + e²), e being what the generator usually misses: its half of the distance
    that 99 of 100 images of its class stay below. With `how.refine` the result leaves the generator's range:
    G(z*) + d̂, d̂ what `deviation.without_noise` finds in y − G(z*); where pixels are known exactly, they
    are put back and the hole follows them smoothly (`Seamless`).

    Args:
        prior: The generator.
        damage: The pictures.
        how: The search.
        on_step: Is told the start and every step over latents, with all pictures.
        on_progress: Is told the finished share of the search, 0 to 1.
    """
    term = damage.term(how.loss, prior.own_distance / 2)
    noise = damage.noise_level if damage.known is None else 0.0
    found = find(
        prior,
        term,
        damage.filled(),
        how,
        damaged=True,
        noise=noise,
        on_step=on_step,
        on_progress=on_progress,
    )
    nearest = found.image
    image = refined(damage, nearest) if how.refine else nearest
    return Solution(image.clamp(0, 1), nearest, damage.beyond_noise(nearest))


def find(
    prior: GeneratorPrior,
    term: PixelTerm,
    start: Tensor,
    how: LatentSearch,
    *,
    damaged: bool = False,
    noise: float = 0.0,
    on_step: OnStep | None = None,
    on_progress: OnProgress | None = None,
) -> Found:
    """The latents whose images fit best.

    Args:
        prior: The generator.
        term: D, how well an image fits.
        start: Images that the encoder is asked about, [batch, channel, size, size] in [0, 1].
        how: The search.
        damaged: Whether these images may mislead the encoder: then some starts are free of what it says.
        noise: σ on the [0, 1] scale of what the report's recipe adds to G(z).
        on_step: Is told the start and every step.
        on_progress: Is told the finished share, 0 to 1.
    """
    energy = LatentEnergy(prior, term, how.prior_weight)
    generator = prior.runtime.generator()
    told = None if on_step is None else _as_images(on_step)
    draws = prior.draw(how.restarts, generator)
    if how.recipe is not None:

        def fresh() -> Tensor:
            return noise * torch.randn(1, *start.shape[1:], generator=generator).to(start.device)

        return search_by_adam(
            energy,
            draws.expand(len(start), -1),
            steps=how.steps,
            rate=how.rate or 0.0,
            noise=fresh if noise else None,
            on_step=told,
            on_progress=on_progress,
        )
    with torch.no_grad():
        first = prior.encode(start)[:, None]
    starts = first.expand(-1, how.restarts, -1).clone()
    starts[:, 1:] += NEAR * draws[1:]
    if damaged:
        starts[:, FREE - 1 :: FREE] = draws[FREE - 1 :: FREE]
    return search(energy, starts, steps=how.steps, on_step=told, on_progress=on_progress)


def refined(damage: Damage, nearest: Tensor) -> Tensor:
    """G(z*) and what the pictures have beyond it, without their noise.

    Args:
        damage: The pictures.
        nearest: G(z*), [batch, channel, size, size] in [0, 1].

    Returns:
        The same shape, in [0, 1]; known pixels without noise as they are.
    """
    if damage.noise_level == 0:
        if damage.known is None:
            return damage.damaged.clamp(0, 1)
        return damage.with_known(
            Seamless(L2(damage.damaged, 0.0, damage.known), damage.known).prox(nearest, 1.0)
        )
    image = nearest
    for _ in range(PASSES if damage.clipped else 1):
        expected, shift = torch.full_like(nearest, damage.noise_level**2), torch.zeros_like(nearest)
        if damage.clipped:
            expected = expected_square(image, damage.noise_level)
            shift = expected_shift(image, damage.noise_level)
        deviation = damage.damaged - nearest - shift
        if damage.known is not None:  # in the hole nothing is known but what the prior says
            deviation = torch.where(damage.known > 0, deviation, 0.0)
        noise = (expected - shift.square()).flatten(1).mean(1)
        image = (nearest + without_noise(deviation, noise)).clamp(0, 1)
    return image


def estimate_noise_level(prior: GeneratorPrior, image: Tensor) -> float:
    """σ of one picture of the prior's class around G(z*), by `noise_level_around`.

    Args:
        prior: The generator.
        image: y, [1, channel, size, size] in [0, 1].
    """
    damage = Damage(image, UNKNOWN_NOISE, clipped=True)
    return noise_level_around(solve(prior, damage, QUICK).nearest, image, prior.own_distance)


def _as_images(on_step: OnStep) -> Callable[[Found], None]:
    return lambda found: on_step(
        Descended(found.index, found.image, (found.data, found.prior), found.going > 0)
    )
