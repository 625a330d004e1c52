"""Where an autoencoder meets damaged pictures of its size: a search over latents, then descent on pixels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from genrestore.restore.clipped import LEAST_NOISE, Clipped, Discrepancy, expected_square
from genrestore.restore.data_terms import DATA_TERMS, DataTerm
from genrestore.restore.descent import Descended, descend_until_near, minimise
from genrestore.restore.descent_settings import Descent
from genrestore.restore.priors.autoencoder import BATCH, AutoencoderPrior
from genrestore.restore.pyramid import fill

SEARCH_STEPS = 80
"""Steps of the search over latents."""
SEARCH_RATE = 0.2
"""Its first step size, on the latent's standard coordinates."""
HALVINGS = 20
"""Of the interval that an estimated noise level lies in."""
FAR = 1.25
"""Times what 99 of 100 images of the class stay below: a picture farther from the prior is none of it."""


@dataclass(frozen=True)
class Damage:
    """What is known of damaged pictures.

    Attributes:
        damaged: y, [batch, channel, size, size] on the [0, 1] scale; at most `BATCH` pictures.
        noise_level: σ on the [0, 1] scale; 0 makes known pixels a constraint.
        clipped: Whether y was clipped to [0, 1], as files of integers are.
        known: 1 where a pixel is known, [batch, 1, size, size]; None: every pixel.
    """

    damaged: Tensor
    noise_level: float
    clipped: bool
    known: Tensor | None = None

    def term(self, loss: str) -> DataTerm | Clipped:
        """The data term of this damage; `loss` "l2" of clipped noise is its likelihood."""
        level = max(self.noise_level, LEAST_NOISE)
        if loss == "l2" and self.clipped:
            return Clipped(self.damaged, level, self.known)
        return DATA_TERMS[loss](self.damaged, level, self.known)

    def padded(self) -> Damage:
        """`BATCH` pictures: the first one again in the places that are left."""
        return Damage(
            _padded(self.damaged),
            self.noise_level,
            self.clipped,
            None if self.known is None else _padded(self.known),
        )


@dataclass(frozen=True)
class Solution:
    """Restored pictures.

    Attributes:
        image: x, [batch, channel, size, size] in [0, 1].
        nearest: G(z*), the likeliest image that the decoder makes; the same shape and range.
        distance: How far each picture is from the prior beyond its noise, √ of a mean square, [batch].
    """

    image: Tensor
    nearest: Tensor
    distance: Tensor


def solve(
    prior: AutoencoderPrior,
    damage: Damage,
    descent: Descent,
    *,
    on_step: Callable[[Descended], None] | None = None,
) -> Solution:
    """Restore pictures of the prior's size.

        F(x) = D(x; y) + λ ‖AE(x) − x‖²

        z* = argmin_z D(G(z); y) − log p(z),  from E(y)
        x* = argmin_x F(x),  from G(z*), until x is near enough to y (`Discrepancy`)

    p is the normal distribution of the class's latents: what noise hides comes from it. The noise is not
    small, so the encoder's answer to y is only a beginning. G(z*) has none of it, and misses what the
    autoencoder cannot say; on the way from there to y it gets that back, and after it noise.

    Args:
        prior: The autoencoder.
        damage: The pictures.
        descent: Weights and steps.
        on_step: Is told the start and every step on pixels, with all `BATCH` pictures.
    """
    count = len(damage.damaged)
    damage = damage.padded()
    term = damage.term(descent.loss)
    nearest = _nearest(prior, damage, term)
    constraint = damage.noise_level == 0
    level = max(damage.noise_level, LEAST_NOISE)
    reached = Discrepancy(damage.damaged, nearest, level, damage.clipped, damage.known).reached
    image = descend_until_near(
        term.value,
        prior.value,
        _with_known(damage, nearest) if constraint else nearest,
        weight=descent.prior_weight,
        steps=descent.steps,
        step_size=_step_size(descent, None if constraint else level),
        reached=_never if constraint else reached,
        constrain=partial(_with_known, damage) if constraint else _clipped,
        on_step=on_step,
    )
    distance = _beyond_noise(damage, nearest)
    return Solution(image[:count], nearest[:count], distance[:count])


def estimate_noise_level(prior: AutoencoderPrior, image: Tensor) -> float:
    """σ of one picture of the prior's class, clipped to the range of its file.

        mean E[(clip(AE(y) + σ n) − AE(y))²] + e² = mean (y − AE(y))²

    e is the error that the autoencoder makes without noise (its 99 % quantile, halved).

    Args:
        prior: The autoencoder.
        image: y, [1, channel, size, size] in [0, 1].

    Returns:
        On the [0, 1] scale, from 1/255.
    """
    with torch.inference_mode():
        clean = prior.reconstruct(_padded(image))[:1]
    found = float((image - clean).square().mean()) - (prior.own_distance / 2) ** 2
    low, high = 1 / 255, 1.0
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        if float(expected_square(clean, middle).mean()) < found:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def is_far(prior: AutoencoderPrior, distance: float) -> bool:
    """Whether a picture at this distance, √ of a mean square, is none of the prior's class."""
    return distance > FAR * prior.own_distance


def _nearest(prior: AutoencoderPrior, damage: Damage, term: DataTerm | Clipped) -> Tensor:
    """G(z*): of all that the decoder makes, the likeliest; −log p(z) is ½ ‖a‖² in standard coordinates."""
    start = damage.damaged.clamp(0, 1)
    if damage.known is not None:
        start = fill(start, damage.known)
    with torch.no_grad():
        begin = prior.coordinates(start)
        usual = begin.shape[1] ** 0.5 / begin.norm(dim=1, keepdim=True)  # farther out is none of the class

    def energy(coordinates: Tensor) -> Tensor:
        return term.value(prior.decode(coordinates)) + 0.5 * coordinates.square().sum(1)

    found = minimise(energy, begin * usual.clamp(max=1), steps=SEARCH_STEPS, step_size=SEARCH_RATE)
    with torch.no_grad():
        return prior.decode(found)


def _beyond_noise(damage: Damage, nearest: Tensor) -> Tensor:
    """√ of what mean (G(z*) − y)² has beyond the noise and its chances, three standard errors, [batch].

    The variance of a clipped (σ n)² is at most 5/2 σ² times its mean; of one that is not, twice.
    """
    expected = torch.full_like(nearest, damage.noise_level**2)
    if damage.clipped and damage.noise_level > 0:
        expected = expected_square(nearest, damage.noise_level)
    squares = (nearest - damage.damaged).square()
    known = torch.ones_like(squares) if damage.known is None else damage.known.expand_as(squares)
    count = known.flatten(1).sum(1).clamp(min=1)
    found, noise = ((known * one).flatten(1).sum(1) / count for one in (squares, expected))
    chance = 3 * (2.5 * damage.noise_level**2 * noise / count).sqrt()
    return (found - noise - chance).clamp(min=0).sqrt()


def _step_size(descent: Descent, level: float | None) -> float:
    """A share of the inverse curvature 1/σ² + 2λ, R's own taken as 2; without σ, of 2λ alone."""
    curvature = 2 * descent.prior_weight + (0 if level is None else 1 / level**2)
    return descent.step_size / curvature if curvature else 0.0


def _padded(stack: Tensor) -> Tensor:
    return torch.cat([stack, stack[:1].expand(BATCH - len(stack), *stack.shape[1:])])


def _with_known(damage: Damage, image: Tensor) -> Tensor:
    inside = image.clamp(0, 1)
    return damage.damaged if damage.known is None else torch.where(damage.known > 0, damage.damaged, inside)


def _clipped(image: Tensor) -> Tensor:
    return image.clamp(0, 1)


def _never(image: Tensor) -> Tensor:
    return torch.zeros(len(image), dtype=torch.bool, device=image.device)
