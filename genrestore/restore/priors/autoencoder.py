"""Autoencoder prior R(x) = ‖AE(x) − x‖²: images of one class are those that the autoencoder gives back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.models.autoencoder import Autoencoder
from genrestore.models.restorer import STRONGEST, Restorer
from genrestore.restore.data_terms import DATA_TERMS, LEAST_NOISE, PixelTerm, masked
from genrestore.restore.priors.one_size import SAMPLES, OneSizePrior, check_alike
from genrestore.restore.problem import (
    UNWATCHED,
    OnStep,
    Problem,
    Solution,
    Step,
    Tally,
    Watch,
    padded,
    shares,
)
from genrestore.restore.settings import BATCH, AutoencoderSettings
from genrestore.restore.solvers.adam import Discrepancy, descend_by_adam, descend_until_near, minimise
from genrestore.runtime import Runtime
from genrestore.weights.load import Loaded

SEARCH_STEPS, FINAL_STEPS = 80, 20
"""Steps of the search over latents, and of one that begins at a restorer's latent."""
SEARCH_RATE = 0.2
"""Its first step size, on the latent's standard coordinates."""
PIXEL_STEP, USUAL_STEPS = 2, 20
"""Duration of a step on pixels, in steps over latents, and how many a noisy picture needs, both about."""
SHIFTS = ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1))
"""Rows and columns by which the window on a picture is moved."""


class AutoencoderPrior(OneSizePrior[AutoencoderSettings]):
    """R(x) = ‖AE(x) − x‖²: 0 where the autoencoder gives x back.

    Sources: Bigdeli and Zwicker, "Image Restoration using Autoencoding Priors", 2017.

    Args:
        loaded: Network "autoencoder", and where there is one "restorer".
        runtime: Device and seed.

    Raises:
        ValueError: A network that is missing, of another class, or not made for the other one.
    """

    network: Autoencoder
    usual = AutoencoderSettings()

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        network = loaded.networks.get("autoencoder")
        if not isinstance(network, Autoencoder):
            raise ValueError("no network 'autoencoder' of the class Autoencoder")
        restorer = loaded.networks.get("restorer")
        if restorer is not None:
            if not isinstance(restorer, Restorer):
                raise ValueError("its network 'restorer' is not of the class Restorer")
            check_alike(network, restorer, "'autoencoder' and 'restorer'")
        self.network, self._restorer = network, restorer
        super().__init__(loaded, runtime, network.size, network.channels)

    def solve(self, problem: Problem, settings: AutoencoderSettings, watch: Watch = UNWATCHED) -> Solution:
        """Restore pictures of the prior's size.

            F(x) = D(x; y) + λ ‖AE(x) − x‖²

            z* = argmin_z D(G(z); y) − log p(z),  from E(y) or what the restorer says
            x* = argmin_x F(x),  from G(z*) or the restorer's x̂, until x is near enough to y (`Discrepancy`)

        p is the normal distribution of the class's latents: what noise hides comes from it. The noise is not
        small, so the encoder's answer to y is only a beginning. G(z*) has none of it, and misses what the
        autoencoder cannot say; on the way from there to y it gets that back, and after it noise. A restorer
        learned how much of y to believe: what it leaves is hardly more than noise, and the way is short.
        Where there is no noise it ends at once: R alone would only take the hole back to what the autoencoder
        can say.

        Args:
            problem: The pictures, at most `BATCH`.
            settings: Weights and steps.
            watch: Is told every step with all `BATCH` pictures: over latents, with −log p(z) as its prior,
                the restorer's estimate, and on pixels; and the finished share, which leaps to 1 where the
                way is short.
        """
        if settings.recipe is not None:
            return self._by_recipe(problem, settings, watch)
        count, sigma = len(problem.damaged), problem.sigma
        problem = problem.padded()
        term = problem.term(settings.loss)
        begin, restored = self._begin(problem)
        steps = SEARCH_STEPS if restored is None else FINAL_STEPS
        constraint = sigma == 0
        works = [steps, PIXEL_STEP * _expected_steps(settings.steps, constraint, restored is None)]
        searching, descending = shares(watch.progress, works)
        nearest = self._nearest(term, begin, steps, Watch(searching, watch.step))
        first = nearest if restored is None else restored
        if restored is not None and watch.step is not None:
            energies = {"data": term.value(first), "prior": settings.prior_weight * self.value(first)}
            watch.step(Step(steps + 1, first, energies, stage="restorer"))
            steps += 1
        level = max(sigma, LEAST_NOISE)
        reached = Discrepancy(problem.damaged, first, level, problem.clipped, problem.known).reached
        if constraint:
            reached = _never if restored is None else _at_once
        image = descend_until_near(
            term.value,
            self.value,
            problem.with_known(first) if constraint else first,
            weight=settings.prior_weight,
            steps=settings.steps,
            step_size=_step_size(settings, None if constraint else level),
            reached=_counted(reached, Tally(descending, works[1] / PIXEL_STEP)),
            constrain=problem.with_known if constraint else _clipped,
            on_step=_after(steps + 1, watch.step),
        )
        descending(1.0)
        distance = problem.beyond_noise(nearest)
        return Solution(image[:count], nearest[:count], distance[:count], self.own_distance)

    def _by_recipe(self, problem: Problem, settings: AutoencoderSettings, watch: Watch) -> Solution:
        """Restore as a report has it, with neither restorer nor end: Adam on x, from x = M y.

            ‖M (x − y)‖² / 2σ² + λ ‖AE(x) − x‖²

        Plain squares, whatever was clipped. Where there is no noise, σ is half a grey level, and known pixels
        are put back at the end.
        """
        count, problem = len(problem.damaged), problem.padded()
        level = max(problem.sigma, LEAST_NOISE)
        image = descend_by_adam(
            DATA_TERMS[settings.loss](problem.damaged, level, problem.known).value,
            self.value,
            masked(problem.damaged, problem.known),
            weight=settings.prior_weight,
            steps=settings.steps,
            rate=settings.rate or 0.0,
            watch=watch,
        ).clamp(0, 1)
        if problem.sigma == 0:
            image = problem.with_known(image)
        with torch.no_grad():
            nearest = self.reconstruct(image)
        distance = problem.beyond_noise(nearest)
        return Solution(image[:count], nearest[:count], distance[:count], self.own_distance)

    def value(self, image: Tensor) -> Tensor:
        """R(x) = ‖AE(x) − x‖² of each picture [batch, channel, size, size] in [0, 1]: [batch]."""
        return (self.network(image) - image).square().flatten(1).sum(1)

    def reconstruct(self, image: Tensor) -> Tensor:
        """AE(x) of [batch, channel, size, size] in [0, 1]; the same shape and range."""
        reconstruction: Tensor = self.network(image)
        return reconstruction

    def decode(self, coordinates: Tensor) -> Tensor:
        """G(z) of standard coordinates [batch, latent]: [batch, channel, size, size] in [0, 1]."""
        return self.network.decode(self.network.from_standard(coordinates))

    def coordinates(self, image: Tensor) -> Tensor:
        """Standard coordinates of E(x), x [batch, channel, size, size] in [0, 1]: [batch, latent]."""
        return self.network.standard(self.network.encode(image))

    def restores(self, noise_level: float) -> bool:
        """True where there is a restorer for noise of this σ on the [0, 1] scale."""
        return self._restorer is not None and noise_level <= STRONGEST

    @torch.no_grad()
    def restored(self, damaged: Tensor, known: Tensor | None, noise_level: float) -> tuple[Tensor, Tensor]:
        """The restorer's latent and estimate of damaged pictures; only where `restores`.

        The latent is that of the picture as it is, the estimate the mean over pictures moved by a pixel.

        Args:
            damaged: y, [batch, channel, size, size] on the [0, 1] scale.
            known: 1 where a pixel is known, [batch, 1, size, size]; None: every pixel.
            noise_level: σ on the [0, 1] scale.

        Returns:
            Standard coordinates of the latent, [batch, latent]; the estimate, of y's shape, in [0, 1].
        """
        image = damaged.clamp(0, 1)
        there = torch.ones_like(image[:, :1]) if known is None else known
        coordinates, _ = self._see(image, there, noise_level)
        estimate = cycle_spinning(lambda y, m: self._see(y, m, noise_level)[1], image, there)
        return coordinates, estimate.clamp(0, 1)

    def _see(self, image: Tensor, known: Tensor, noise_level: float) -> tuple[Tensor, Tensor]:
        """The restorer's coordinates and estimate of one look, as `restored` gives them."""
        assert self._restorer is not None
        level = torch.full_like(image[:, 0, 0, 0], noise_level)
        coordinates, features = self._restorer.look(image, known, level)
        estimate: Tensor = self._restorer.correct(features, self.decode(coordinates))
        return coordinates, estimate

    def distance(self, image: Tensor) -> Tensor:
        """√ mean (AE(x) − x)² of each picture [batch, channel, size, size] in [0, 1]: [batch]."""
        return (self.value(image) / image[0].numel()).sqrt()

    def own_distances(self, generator: torch.Generator) -> Tensor:
        """RMS distances of G(z) with the class's z, [image]."""
        draws = torch.randn(SAMPLES, self.network.latent, generator=generator)
        samples = [self.decode(some.to(self.runtime.device)) for some in draws.split(BATCH)]
        return torch.cat([self.distance(image) for image in samples])

    def clean(self, image: Tensor) -> Tensor:
        """AE(y) of one picture [1, channel, size, size] in [0, 1]."""
        with torch.inference_mode():
            return self.reconstruct(padded(image))[:1]

    def _begin(self, problem: Problem) -> tuple[Tensor, Tensor | None]:
        """Standard coordinates to search from, and the restorer's estimate if there is one of such damage."""
        if self.restores(problem.sigma):
            return self.restored(problem.damaged, problem.known, problem.sigma)
        with torch.no_grad():
            begin = self.coordinates(problem.filled())
            usual = begin.shape[1] ** 0.5 / begin.norm(
                dim=1, keepdim=True
            )  # farther out is none of the class
            return begin * usual.clamp(max=1), None

    def _nearest(self, term: PixelTerm, begin: Tensor, steps: int, watch: Watch) -> Tensor:
        """G(z*), the likeliest image of the decoder; −log p(z) is ½ ‖a‖² in standard coordinates."""

        def note(done: int, coordinates: Tensor) -> None:
            watch.progress(done / steps)
            if watch.step is not None:
                with torch.no_grad():
                    image = self.decode(coordinates)
                    energies = {"data": term.value(image), "prior": 0.5 * coordinates.square().sum(1)}
                watch.step(Step(done, image, energies, stage="latent"))

        def energy(coordinates: Tensor) -> Tensor:
            return term.value(self.decode(coordinates)) + 0.5 * coordinates.square().sum(1)

        found = minimise(energy, begin, steps=steps, step_size=SEARCH_RATE, on_step=note)
        with torch.no_grad():
            return self.decode(found)


def cycle_spinning(network: Callable[[Tensor, Tensor], Tensor], image: Tensor, known: Tensor) -> Tensor:
    """The mean of a network's estimates of pictures seen through windows moved by `SHIFTS`.

        x̂ = Σ_k S_kᵀ D(S_k y)  /  how many windows show the pixel

    Beyond its edges a picture goes on as it ends there.
    Source: Coifman and Donoho, "Translation-Invariant De-Noising", 1995.

    Args:
        network: Takes pictures and what is known of them, and gives the pictures' shape.
        image: [batch, channel, height, width].
        known: [batch, 1, height, width].

    Returns:
        The picture's shape.
    """
    wide, wide_known = (functional.pad(one, (1, 1, 1, 1), mode="replicate") for one in (image, known))
    total, count = torch.zeros_like(wide), torch.zeros_like(wide)
    height, width = image.shape[2:]
    for down, right in SHIFTS:
        window = (..., slice(1 + down, 1 + down + height), slice(1 + right, 1 + right + width))
        total[window] += network(wide[window], wide_known[window])
        count[window] += 1
    inside = (..., slice(1, 1 + height), slice(1, 1 + width))
    return total[inside] / count[inside]


def _expected_steps(most: int, constraint: bool, is_start_rough: bool) -> int:
    """Steps on pixels, about: without noise they have no end of their own, or none is needed."""
    if constraint:
        return most if is_start_rough else 1
    return min(most, USUAL_STEPS)


def _after(before: int, on_step: OnStep | None) -> OnStep | None:
    """A callback for steps on pixels that come after so many others."""
    if on_step is None:
        return None
    return lambda step: on_step(replace(step, index=before + step.index, stage="pixels"))


def _counted(reached: Callable[[Tensor], Tensor], tally: Tally) -> Callable[[Tensor], Tensor]:
    """A stopping rule that counts how often it is asked: once before every step."""

    def ask(image: Tensor) -> Tensor:
        tally.add(1)
        return reached(image)

    return ask


def _step_size(settings: AutoencoderSettings, level: float | None) -> float:
    """A share of the inverse curvature 1/σ² + 2λ, R's own taken as 2; without σ, of 2λ alone."""
    curvature = 2 * settings.prior_weight + (0 if level is None else 1 / level**2)
    return settings.step_size / curvature if curvature else 0.0


def _clipped(image: Tensor) -> Tensor:
    return image.clamp(0, 1)


def _at_once(image: Tensor) -> Tensor:
    return torch.ones(len(image), dtype=torch.bool, device=image.device)


def _never(image: Tensor) -> Tensor:
    return torch.zeros(len(image), dtype=torch.bool, device=image.device)
