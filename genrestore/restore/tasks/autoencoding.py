"""Where an autoencoder meets damaged pictures of its size: a search over latents, then descent on pixels."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from genrestore.restore.clipped import LEAST_NOISE, Clipped, Discrepancy
from genrestore.restore.data_terms import L1, L2
from genrestore.restore.descent import Descended, descend_until_near, minimise
from genrestore.restore.descent_settings import Descent
from genrestore.restore.priors.autoencoder import AutoencoderPrior
from genrestore.restore.priors.padding import padded
from genrestore.restore.progress import OnProgress, Tally, shares
from genrestore.restore.tasks.damage import Damage, Solution, noise_level_around

SEARCH_STEPS, FINAL_STEPS = 80, 20
"""Steps of the search over latents, and of one that begins at what a restorer says."""
SEARCH_RATE = 0.2
"""Its first step size, on the latent's standard coordinates."""
PIXEL_STEP, USUAL_STEPS = 2, 20
"""What a step on pixels takes, in steps over latents, and how many a noisy picture needs, both about."""


def solve(
    prior: AutoencoderPrior,
    damage: Damage,
    descent: Descent,
    *,
    on_step: Callable[[Descended], None] | None = None,
    on_progress: OnProgress | None = None,
) -> Solution:
    """Restore pictures of the prior's size.

        F(x) = D(x; y) + λ ‖AE(x) − x‖²

        z* = argmin_z D(G(z); y) − log p(z),  from E(y) or what the restorer says
        x* = argmin_x F(x),  from G(z*) or the restorer's x̂, until x is near enough to y (`Discrepancy`)

    p is the normal distribution of the class's latents: what noise hides comes from it. The noise is not
    small, so the encoder's answer to y is only a beginning. G(z*) has none of it, and misses what the
    autoencoder cannot say; on the way from there to y it gets that back, and after it noise. A restorer
    learned how much of y to believe: what it leaves is hardly more than noise, and the way is short. Where
    there is no noise it ends at once: R alone would only take the hole back to what the autoencoder can say.

    Args:
        prior: The autoencoder.
        damage: The pictures.
        descent: Weights and steps.
        on_step: Is told the start and every step on pixels, with all `BATCH` pictures.
        on_progress: Is told the finished share, 0 to 1; where the way is short it leaps to 1.
    """
    count = len(damage.damaged)
    damage = damage.padded()
    term = damage.term(descent.loss)
    begin, restored = _begin(prior, damage, descent)
    steps = SEARCH_STEPS if restored is None else FINAL_STEPS
    constraint = damage.noise_level == 0
    works = [steps, PIXEL_STEP * _expected_steps(descent.steps, constraint, restored is None)]
    searching, descending = shares(on_progress, works)
    nearest = _nearest(prior, term, begin, steps, searching)
    first = nearest if restored is None else restored
    level = max(damage.noise_level, LEAST_NOISE)
    reached = Discrepancy(damage.damaged, first, level, damage.clipped, damage.known).reached
    if constraint:
        reached = _never if restored is None else _at_once
    image = descend_until_near(
        term.value,
        prior.value,
        damage.with_known(first) if constraint else first,
        weight=descent.prior_weight,
        steps=descent.steps,
        step_size=_step_size(descent, None if constraint else level),
        reached=_counted(reached, Tally(descending, works[1] / PIXEL_STEP)),
        constrain=damage.with_known if constraint else _clipped,
        on_step=on_step,
    )
    descending(1.0)
    distance = damage.beyond_noise(nearest)
    return Solution(image[:count], nearest[:count], distance[:count])


def estimate_noise_level(prior: AutoencoderPrior, image: Tensor) -> float:
    """σ of one picture of the prior's class around AE(y), by `noise_level_around`.

    Args:
        prior: The autoencoder.
        image: y, [1, channel, size, size] in [0, 1].
    """
    with torch.inference_mode():
        clean = prior.reconstruct(padded(image))[:1]
    return noise_level_around(clean, image, prior.own_distance)


def _begin(prior: AutoencoderPrior, damage: Damage, descent: Descent) -> tuple[Tensor, Tensor | None]:
    """Standard coordinates to search from, and the restorer's estimate if there is one of such damage."""
    if descent.loss == "l2" and prior.restores(damage.noise_level):
        return prior.restored(damage.damaged, damage.known, damage.noise_level)
    with torch.no_grad():
        begin = prior.coordinates(damage.filled())
        usual = begin.shape[1] ** 0.5 / begin.norm(dim=1, keepdim=True)  # farther out is none of the class
        return begin * usual.clamp(max=1), None


def _nearest(
    prior: AutoencoderPrior, term: L1 | L2 | Clipped, begin: Tensor, steps: int, on_progress: OnProgress
) -> Tensor:
    """G(z*): of all that the decoder makes, the likeliest; −log p(z) is ½ ‖a‖² in standard coordinates."""

    def energy(coordinates: Tensor) -> Tensor:
        return term.value(prior.decode(coordinates)) + 0.5 * coordinates.square().sum(1)

    found = minimise(
        energy, begin, steps=steps, step_size=SEARCH_RATE, on_step=lambda done: on_progress(done / steps)
    )
    with torch.no_grad():
        return prior.decode(found)


def _expected_steps(most: int, constraint: bool, is_start_rough: bool) -> int:
    """Steps on pixels, about: without noise they have no end of their own, or none is needed."""
    if constraint:
        return most if is_start_rough else 1
    return min(most, USUAL_STEPS)


def _counted(reached: Callable[[Tensor], Tensor], tally: Tally) -> Callable[[Tensor], Tensor]:
    """What is asked before every step, with a count of how often it was."""

    def ask(image: Tensor) -> Tensor:
        tally.add(1)
        return reached(image)

    return ask


def _step_size(descent: Descent, level: float | None) -> float:
    """A share of the inverse curvature 1/σ² + 2λ, R's own taken as 2; without σ, of 2λ alone."""
    curvature = 2 * descent.prior_weight + (0 if level is None else 1 / level**2)
    return descent.step_size / curvature if curvature else 0.0


def _clipped(image: Tensor) -> Tensor:
    return image.clamp(0, 1)


def _at_once(image: Tensor) -> Tensor:
    return torch.ones(len(image), dtype=torch.bool, device=image.device)


def _never(image: Tensor) -> Tensor:
    return torch.zeros(len(image), dtype=torch.bool, device=image.device)
