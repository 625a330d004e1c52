"""Generator prior x = G(z): images of one class are those that a generator makes."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from genrestore.models.dcgan import Generator, LatentEncoder
from genrestore.restore.data_terms import DATA_TERMS, L2, PixelTerm, Seamless
from genrestore.restore.noise import expected_shift, expected_square
from genrestore.restore.priors.one_size import OneSizePrior, by_batches, check_alike
from genrestore.restore.problem import UNWATCHED, OnProgress, Problem, Solution, Watch, shares
from genrestore.restore.settings import BATCH, LatentSearch
from genrestore.restore.solvers.latent_search import Found, LatentEnergy, search, search_by_adam
from genrestore.restore.wiener import wiener_filter
from genrestore.runtime import Runtime
from genrestore.weights.load import Loaded

SAMPLES = 256
"""Images of its own making that the prior is measured by, where nothing else is told."""

QUICK = LatentSearch(steps=40, restarts=1)
"""The search for a picture without its noise, whose level is not known yet."""
UNKNOWN_NOISE = 0.2
"""σ that it reckons with."""

WHOLE_STAGES = ((20, 2), (40, 4))
"""Of the search for a picture without damage, whose starts are near to one another."""
NEAR = 0.6
"""Spread of starts around the encoder's latent, as a share of that of N(0, I)."""
FREE = 2
"""One start in so many is a draw from N(0, I), where there is damage."""

STARTS, OPEN_STARTS = 4, 8
"""Starts of each picture, and where pixels are missing."""
OPEN_DRAWS, OPEN_STEPS = 512, 30
"""Draws from N(0, I), of which those nearest to the known pixels are starts where others are missing; and the
most steps of each of them."""

PASSES = 3
"""Times that what clipping does to the noise is reckoned around the last result."""


class GeneratorPrior(OneSizePrior[LatentSearch]):
    """x = G(z) with z from N(0, I): an image is one that the generator makes, or none.

    Source: Bora et al., "Compressed Sensing using Generative Models", 2017.

    Args:
        loaded: Networks "generator", and "encoder", which tells where a search for z begins.
        runtime: Device and seed.

    Raises:
        ValueError: A network that is missing, of another class, or not made for the other one.

    Attributes:
        network: G.
        latent: Numbers in z.
    """

    network: Generator
    usual = LatentSearch()

    def __init__(self, loaded: Loaded, runtime: Runtime) -> None:
        generator, encoder = loaded.networks.get("generator"), loaded.networks.get("encoder")
        if not isinstance(generator, Generator):
            raise ValueError("no network 'generator' of the class Generator")
        if not isinstance(encoder, LatentEncoder):
            raise ValueError("no network 'encoder' of the class LatentEncoder")
        check_alike(generator, encoder, "'generator' and 'encoder'")
        self.network, self._encoder = generator, encoder
        self.latent = generator.latent
        super().__init__(loaded, runtime, generator.size, generator.channels)

    @torch.no_grad()
    def solve(self, problem: Problem, settings: LatentSearch, watch: Watch = UNWATCHED) -> Solution:
        """Restore pictures of the prior's size.

            z* = argmin_z  D(G(z); y) + λ ‖z‖² / 2

        D reckons with noise of √(σ² + e²), e being the usual error of the generator: half of the distance
        that 99 of 100 images of its class stay below. With `settings.refine` the result leaves the
        generator's range: G(z*) + d̂, d̂ the part of y − G(z*) that `wiener.wiener_filter` keeps; where pixels
        are known exactly, they are put back and the hole follows them smoothly (`Seamless`). In the place of
        G(z*) stands there the mean of G(z) over what all starts came to, if pixels are missing. Of a picture
        without damage it is the inversion: z* = argmin_z ‖G(z) − x‖.

        The report's recipe is ‖G(z) + n − y‖ of the known pixels alone, squares or absolute values, with n of
        level σ drawn anew at every step where there is noise and no hole.

        Args:
            problem: The pictures.
            settings: Of the search.
            watch: Is told the start and every step over latents, with all pictures, and the finished share.
        """
        found = self.find(problem, settings, watch)
        image = refined(problem, self._mean(found)) if settings.refine else found.image
        distance = problem.beyond_noise(found.image)
        return Solution(
            image.clamp(0, 1), found.image, distance, self.own_distance, found.latent, found.starts
        )

    def find(self, problem: Problem, settings: LatentSearch, watch: Watch = UNWATCHED) -> Found:
        """The latents whose images fit best, where `solve` searches for them."""
        if settings.recipe is not None:  # plain ‖G(z) + n − y‖, whatever the noise
            term: PixelTerm = DATA_TERMS[settings.loss](problem.damaged, 1.0, problem.known)
        else:
            term = problem.term(settings.loss, 0.0 if problem.is_whole else self.own_distance / 2)
        energy = LatentEnergy(self, term, settings.prior_weight)
        generator = self.runtime.generator()
        is_open = problem.known is not None
        draws = self.draw(settings.restarts or (OPEN_STARTS if is_open else STARTS), generator)
        start = problem.filled()
        if settings.recipe is not None:
            noise = problem.sigma if problem.known is None else 0.0

            def fresh() -> Tensor:
                return noise * torch.randn(1, *start.shape[1:], generator=generator).to(start.device)

            return search_by_adam(
                energy,
                draws.expand(len(start), -1),
                steps=settings.steps,
                rate=settings.rate or 0.0,
                noise=fresh if noise else None,
                watch=watch,
            )
        starts = self.encode(start)[:, None].expand(-1, len(draws), -1).clone()
        if is_open and len(draws) > 1:  # there are many answers, whose mean is the least wrong
            starts[:, 1:] = self._nearest(term, len(start), len(draws) - 1, generator)
            steps = min(settings.steps, OPEN_STEPS)
            return search(energy, starts, steps=steps, stages=(), watch=watch)
        starts[:, 1:] += NEAR * draws[1:]
        if problem.is_whole:
            return search(energy, starts, steps=settings.steps, stages=WHOLE_STAGES, near=True, watch=watch)
        starts[:, FREE - 1 :: FREE] = draws[FREE - 1 :: FREE]  # damage may mislead the encoder
        return search(energy, starts, steps=settings.steps, watch=watch)

    def _nearest(self, term: PixelTerm, pictures: int, count: int, generator: torch.Generator) -> Tensor:
        """The draws z whose G(z) fits each picture best, [picture, count, latent]."""
        latents = self.draw(OPEN_DRAWS, generator)
        rows = torch.arange(pictures, device=latents.device)
        fits = []
        for some in latents.split(BATCH):
            images = self.generate(some).repeat(pictures, 1, 1, 1)
            fits.append(term.take(rows.repeat_interleave(len(some))).value(images).view(pictures, -1))
        return latents[torch.cat(fits, 1).argsort(stable=True, dim=1)[:, :count]]

    def _mean(self, found: Found) -> Tensor:
        """Mean of G(z) over the starts that are left, [picture, channel, size, size] in [0, 1]."""
        if found.left is None or found.left.shape[1] == 1:
            return found.image
        return self.generate(found.left.flatten(0, 1)).unflatten(0, found.left.shape[:2]).mean(1)

    @torch.no_grad()
    def self_test(self, count: int, settings: LatentSearch, on_progress: OnProgress) -> list[float]:
        """PSNR in dB, at most 120, of images of the generator's own, each found again."""
        generator = torch.Generator().manual_seed(self.runtime.seed + 1)  # not that of the starts
        found: list[float] = []
        batches = self.draw(count, generator).split(BATCH)
        for latents, tell in zip(batches, shares(on_progress, [len(one) for one in batches]), strict=True):
            images = self.generate(latents)
            inverted = self.find(Problem(images, 0.0), settings, Watch(tell)).image
            errors = (inverted - images).square().flatten(1).mean(1).clamp(min=1e-12)
            found += (-10 * errors.log10()).tolist()
        return found

    def clean(self, image: Tensor) -> Tensor:
        """G(z*) of a quick search for one picture [1, channel, size, size] in [0, 1]."""
        found = self.solve(Problem(image, UNKNOWN_NOISE, clipped=True), QUICK).nearest
        assert found is not None
        return found

    def generate(self, latent: Tensor) -> Tensor:
        """G(z) of [batch, latent]: [batch, channel, size, size] in [0, 1]."""
        return by_batches(self.network, latent)

    def encode(self, image: Tensor) -> Tensor:
        """E(x), of which G makes about x: [batch, channel, size, size] in [0, 1] to [batch, latent]."""
        return by_batches(self._encoder, image)

    def jacobian(self, latent: Tensor) -> tuple[Tensor, Tensor]:
        """An image and its Jacobian, forward through the network in all directions of z at once.

        Args:
            latent: z, [1, latent].

        Returns:
            G(z), [1, channel, size, size], and ∂G/∂z, [channel · size · size, latent].
        """
        start = latent[:, :, None, None]
        directions = torch.eye(self.latent, device=latent.device)[:, :, None, None]
        value, tangents = jacobian_vector_products(self.network.layers, start, directions)
        image = (value.tanh() + 1) / 2
        return image, (2 * image * (1 - image) * tangents).flatten(1).T

    def draw(self, count: int, generator: torch.Generator) -> Tensor:
        """z from N(0, I), [count, latent], the same on every device."""
        return torch.randn(count, self.latent, generator=generator).to(self.runtime.device)

    def own_distances(self, generator: torch.Generator) -> Tensor:
        """RMS distances √ mean (G(E(x)) − x)² of images of its own making, [image]."""
        samples = self.generate(self.draw(SAMPLES, generator))
        return (self.generate(self.encode(samples)) - samples).square().flatten(1).mean(1).sqrt()


def refined(problem: Problem, nearest: Tensor) -> Tensor:
    """G(z*) and the part of the pictures beyond it, without their noise.

    Args:
        problem: The pictures.
        nearest: G(z*), [batch, channel, size, size] in [0, 1].

    Returns:
        The same shape, in [0, 1]; known pixels without noise as they are.
    """
    sigma = problem.sigma
    if sigma == 0:
        if problem.known is None:
            return problem.damaged.clamp(0, 1)
        return problem.with_known(
            Seamless(L2(problem.damaged, 0.0, problem.known), problem.known).prox(nearest, 1.0)
        )
    image = nearest
    for _ in range(PASSES if problem.clipped else 1):
        expected, shift = torch.full_like(nearest, sigma**2), torch.zeros_like(nearest)
        if problem.clipped:
            expected = expected_square(image, sigma)
            shift = expected_shift(image, sigma)
        residual = problem.damaged - nearest - shift
        if problem.known is not None:  # in the hole nothing is known but what the prior says
            residual = torch.where(problem.known > 0, residual, 0.0)
        noise = (expected - shift.square()).flatten(1).mean(1)
        image = (nearest + wiener_filter(residual, noise)).clamp(0, 1)
    return image


def jacobian_vector_products(
    layers: Iterable[nn.Module], value: Tensor, tangents: Tensor
) -> tuple[Tensor, Tensor]:
    """Jacobian-vector products: take a value and its tangents forward through layers.

        value → f(value),     tangents → f'(value) · tangents

    For a latent of d numbers that is cheaper than going backwards from every pixel, and the tangents fill
    the layers' batch, so that a whole Jacobian takes about as long as d images.

    Args:
        layers: Convolutions, batch normalisation as in eval mode, and rectifiers.
        value: [1, channel, height, width].
        tangents: [direction, channel, height, width].

    Returns:
        The value after the layers, [1, channel, height, width], and its tangents, [direction, ...].

    Raises:
        TypeError: A layer of another kind.
    """
    tangents = tangents.clone()  # what follows writes in place: they are large
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            tangents.mul_(value > 0)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.running_var is not None
            scale = layer.weight / (layer.running_var + layer.eps).sqrt()
            tangents.mul_(scale[:, None, None])
        elif isinstance(layer, nn.ConvTranspose2d | nn.Conv2d):
            tangents = layer(tangents)
            if layer.bias is not None:
                tangents.sub_(layer.bias[:, None, None])
        else:
            raise TypeError(f"no tangents through a {type(layer).__name__}")
        value = layer(value.clone())  # rectifiers write in place
    return value, tangents
