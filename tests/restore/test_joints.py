"""What formulas become together: the weight, the level and the error that each is handed by the others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from genrestore.models.community import CommunityNetwork
from genrestore.models.pyramid import doubled, fill, halved
from genrestore.restore import noise
from genrestore.restore.api import load_prior
from genrestore.restore.edges import with_edges
from genrestore.restore.jpeg import SCHEDULE, Component, Jpeg
from genrestore.restore.marks import Marks, find_marks
from genrestore.restore.priors import autoencoder as autoencoders
from genrestore.restore.priors import denoiser as denoisers
from genrestore.restore.priors import dip as untrained
from genrestore.restore.priors import generator as generators
from genrestore.restore.priors.autoencoder import AutoencoderPrior
from genrestore.restore.priors.community import MaskedPrior
from genrestore.restore.problem import Problem
from genrestore.restore.settings import AutoencoderSettings, DenoiserSettings, DipSettings, LatentSearch
from genrestore.restore.solvers.adam import Discrepancy
from genrestore.restore.task import Request
from genrestore.restore.tiled import mixed
from genrestore.restore.tiling import Tiling
from genrestore.restore.wiener import wiener_filter
from genrestore.runtime import Runtime
from genrestore.weights.header import Header, NetworkSpec
from genrestore.weights.load import Loaded
from tests import tiny
from tests.restore.restorers import denoiser
from tests.restore.test_generator_prior import prior as generator_prior

RUNTIME = Runtime("cpu", "fp32", 1, 0)
WHOLE = 96


def test_all_of_a_picture_says_how_often_its_tiles_are_turned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an estimate would change where a large picture is cut."""
    monkeypatch.setattr(denoisers, "SMALL", 2 * 64 * 64)  # a tile could be turned twice, the picture cannot
    weights = str(tiny.save_denoiser(tmp_path))
    restore = denoiser(weights, 0.1, runtime=RUNTIME, tiling=Tiling(64, 16, 16))
    calls: list[int] = []
    network = restore.prior.network
    monkeypatch.setattr(
        restore.prior, "network", lambda *inputs: (calls.append(inputs[0].shape[-1]), network(*inputs))[1]
    )
    restore(np.zeros((1, 3, WHOLE, WHOLE), np.uint8))
    assert calls == [64, 64, 64, 64]


def test_a_constraint_is_met_after_each_step_of_the_prior(tmp_path: Path) -> None:
    prior: Any = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    draws = torch.Generator().manual_seed(0)
    damaged = 0.4 + 0.2 * torch.rand(1, 3, 32, 32, generator=draws)
    operator = Jpeg(tuple(Component((12,) * 64) for _ in range(3)))
    level = 0.02
    found = prior.solve(Problem(damaged, level, operator=operator), DenoiserSettings(turns=1)).image
    term, expected = operator.constraint(damaged), damaged
    for times in SCHEDULE:
        expected = term.prox(prior.denoise(expected, times * level), 1.0)
    torch.testing.assert_close(found, expected)


@pytest.fixture
def autoencoder(tmp_path: Path) -> AutoencoderPrior:
    prior = load_prior(str(tiny.save_autoencoder(tmp_path)), RUNTIME)
    assert isinstance(prior, AutoencoderPrior)
    return prior


def test_the_weight_of_the_prior_is_the_one_that_is_set(autoencoder: AutoencoderPrior) -> None:
    """Without it nothing but the data draws: every pixel goes the same share of the way from start to y."""
    with torch.no_grad():
        clean = autoencoder.network.decode(torch.tensor([[0.9, 0.1]]))
    damaged = clean + 0.2 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0)).clamp(-1, 1)

    def shares(weight: float) -> Tensor:
        found = autoencoder.solve(Problem(damaged, 0.1), AutoencoderSettings(prior_weight=weight))
        assert found.nearest is not None
        moved, whole = found.image - found.nearest, damaged - found.nearest
        inside = ((found.image > 0.01) & (found.image < 0.99) & (whole.abs() > 0.05)).flatten()
        return (moved / whole).flatten()[inside]

    without = shares(0.0)
    assert without.mean() > 0.05
    assert without.std() < 1e-3
    assert shares(50.0).std() > 1e-3


@pytest.mark.parametrize(("sigma", "error"), [(0.1, 0.03), (0.0, 0.0)])
def test_a_search_reckons_with_half_of_what_a_generator_misses(
    monkeypatch: pytest.MonkeyPatch, sigma: float, error: float
) -> None:
    told: list[float] = []
    usual = Problem.term

    def term(self: Problem, loss: str = "l2", error: float = 0.0) -> Any:
        told.append(error)
        return usual(self, loss, error)

    monkeypatch.setattr(Problem, "term", term)
    prior = generator_prior({"error_99": 0.06})
    prior.find(Problem(torch.full((1, 1, 28, 28), 0.5), sigma), LatentSearch(steps=1, restarts=1))
    assert told == [error]


def test_the_noise_of_the_report_has_the_level_of_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Any] = []
    usual = generators.search_by_adam

    def search(*values: Any, **words: Any) -> Any:
        given.append(words["noise"])
        return usual(*values, **words)

    monkeypatch.setattr(generators, "search_by_adam", search)
    settings = LatentSearch.report(28, steps=1)
    for level in (0.25, 0.0):
        generator_prior().find(Problem(torch.full((1, 1, 28, 28), 0.5), level), settings)
    assert float(torch.stack([given[0]() for _ in range(20)]).std()) == pytest.approx(0.25, rel=0.03)
    assert given[1] is None


def test_strength_goes_for_luma_and_chroma_alike() -> None:
    damaged, restored = torch.rand(2, 1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    found = mixed(damaged, restored, Request(strength=0.5, luma=0.6, chroma=0.2), bounded=False)
    change = restored - damaged
    luma = torch.einsum("c,bchw->bhw", torch.tensor([0.299, 0.587, 0.114]), change)[:, None]
    torch.testing.assert_close(found, damaged + 0.3 * luma + 0.1 * (change - luma))


def test_what_clipping_hides_is_added_by_and_by(monkeypatch: pytest.MonkeyPatch) -> None:
    """Half way from where it begins to where it is whole, half of it."""
    low, high = noise.STRONG
    level = torch.full((20,), (low + high) / 2).log()
    level[:2] = np.log(8 / 255)
    colour = torch.full((3, 20), 0.5)
    colour[:, :2] = 0.0
    half = noise.before_clipping(level, colour)
    monkeypatch.setattr(noise, "STRONG", (0.0, 1e-6))
    whole = noise.before_clipping(level, colour)
    assert (whole - level)[:2].min() > 0.1
    torch.testing.assert_close(half, (level + whole) / 2)


@pytest.mark.parametrize("scale", [1, 2])
def test_a_hole_is_as_deep_at_every_scale(scale: int) -> None:
    known = torch.ones(1, 1, 80 // scale, 80 // scale)
    known[..., 5 // scale : 75 // scale, 5 // scale : 75 // scale] = 0
    trust = denoisers._term(torch.zeros_like(known), known, 0.0, torch.zeros_like(known), scale).trust
    middle = trust[0, 0, 40 // scale]
    deep = scale * (torch.arange(80 // scale) - 5 // scale + 1)
    first, last = denoisers.DEEP
    expected = ((last - deep) / (last - first)).clamp(0, 1)
    part = slice(5 // scale, 35 // scale)
    torch.testing.assert_close(middle[part], expected[part].float())


def test_at_half_the_size_a_hole_counts_as_deep_as_in_the_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scales, usual = list[tuple[int, int]](), denoisers._term

    def term(image: Tensor, *others: Any) -> Any:
        scales.append((image.shape[-1], others[3] if len(others) > 3 else 1))
        return usual(image, *others)

    monkeypatch.setattr(denoisers, "_term", term)
    monkeypatch.setattr(denoisers, "plug_and_play", lambda term, denoiser, start, *_, **__: start)
    known = torch.ones(1, 1, 80, 80)
    known[..., 20:60, 20:60] = 0
    image = torch.rand(1, 3, 80, 80, generator=torch.Generator().manual_seed(0))
    prior: Any = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    found = prior.solve(Problem(image, 0.0, known), DenoiserSettings()).image
    assert scales == [(40, 2), (80, 1)]
    rough = doubled(fill(*halved(image, known)), (80, 80))  # and what is known corrects it in the hole
    torch.testing.assert_close(found, torch.where(known > 0, image, rough + fill(image - rough, known)))


def test_each_step_of_the_prior_mirrors_the_picture_and_its_result_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prior: Any = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    uneven = torch.arange(16.0).reshape(1, 1, 4, 4)
    monkeypatch.setattr(prior, "denoise", lambda image, level: image * uneven)
    denoise, image = prior._mirrored(), torch.rand(1, 3, 4, 4)
    for axes in ((), (3,), (2,), (2, 3), ()):
        torch.testing.assert_close(denoise(image, 0.1), image * uneven.flip(axes))


def test_a_latent_is_as_likely_as_the_class_has_it(
    autoencoder: AutoencoderPrior, monkeypatch: pytest.MonkeyPatch
) -> None:
    energies: list[Any] = []
    usual = autoencoders.minimise

    def minimise(energy: Any, *values: Any, **words: Any) -> Tensor:
        energies.append(energy)
        return usual(energy, *values, **words)

    monkeypatch.setattr(autoencoders, "minimise", minimise)
    problem = Problem(torch.full((1, 1, 28, 28), 0.3), 0.1)
    autoencoder.solve(problem, AutoencoderSettings(steps=1))
    point = torch.tensor([[0.5, -2.0]]).expand(16, -1)
    data = problem.padded().term().value(autoencoder.decode(point))
    torch.testing.assert_close(energies[0](point) - data, torch.full((16,), 4.25 / 2), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_starts_are_drawn_around_what_the_encoder_says(monkeypatch: pytest.MonkeyPatch, sigma: float) -> None:
    given: list[Tensor] = []
    usual = generators.search

    def search(energy: Any, starts: Tensor, **words: Any) -> Any:
        given.append(starts)
        return usual(energy, starts, **words)

    monkeypatch.setattr(generators, "search", search)
    prior = generator_prior()
    image = torch.full((1, 1, 28, 28), 0.4)
    prior.find(Problem(image, sigma), LatentSearch(steps=1, restarts=8))
    draws, encoded = prior.draw(8, RUNTIME.generator()), prior.encode(image)
    expected = encoded + 0.6 * draws
    expected[0] = encoded[0]
    if sigma:
        expected[1::2] = draws[1::2]
    torch.testing.assert_close(given[0][0], expected)


@pytest.mark.parametrize("sigma", [0.0, 0.2])
def test_only_starts_around_the_encoders_latent_share_its_curvature(
    monkeypatch: pytest.MonkeyPatch, sigma: float
) -> None:
    given: list[bool] = []
    usual = generators.search

    def search(*values: Any, near: bool = False, **words: Any) -> Any:
        given.append(near)
        return usual(*values, near=near, **words)

    monkeypatch.setattr(generators, "search", search)
    generator_prior().find(Problem(torch.full((1, 1, 28, 28), 0.4), sigma), LatentSearch(steps=1))
    assert given == [sigma == 0]


def hole() -> Problem:
    """Two pictures of which the tiny generator makes neither, and whose right halves are missing."""
    damaged = torch.rand(2, 1, 28, 28, generator=torch.Generator().manual_seed(3))
    known = torch.ones(2, 1, 28, 28)
    known[..., 14:] = 0
    return Problem(damaged, 0.0, known)


def test_starts_for_a_hole_are_the_draws_that_fit_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[Tensor] = []
    usual = generators.search

    def search(energy: Any, starts: Tensor, **words: Any) -> Any:
        given.append(starts)
        return usual(energy, starts, **words)

    monkeypatch.setattr(generators, "search", search)
    prior, problem, draws = generator_prior(), hole(), RUNTIME.generator()
    prior.find(problem, LatentSearch(steps=1))
    prior.draw(generators.OPEN_STARTS, draws)
    latents = prior.draw(generators.OPEN_DRAWS, draws)
    made = prior.generate(latents)
    for picture, starts in enumerate(given[0]):
        squares = (made - problem.damaged[picture])[..., :14].square().flatten(1).sum(1)
        nearest = latents[squares.argsort()[: generators.OPEN_STARTS - 1]]
        torch.testing.assert_close(
            starts, torch.cat([prior.encode(problem.filled())[picture, None], nearest])
        )


def test_a_hole_is_the_mean_of_all_that_its_starts_came_to() -> None:
    prior, problem, settings = generator_prior(), hole(), LatentSearch(steps=2, restarts=3)
    found = prior.find(problem, settings)
    assert found.left is not None
    every = torch.stack([prior.generate(latents) for latents in found.left.unbind(1)])
    assert float(every.std(0).mean()) > 1e-3
    solved = prior.solve(problem, settings)
    torch.testing.assert_close(solved.image, generators.refined(problem, every.mean(0)))
    assert solved.nearest is not None
    distances = [(solved.nearest - made).abs().amax((1, 2, 3)) for made in every]
    assert float(torch.stack(distances).amin(0).max()) < 1e-5
    plain = prior.solve(problem, replace(settings, refine=False))
    torch.testing.assert_close(plain.image, solved.nearest)


def test_two_standard_errors_of_chance_are_no_deviation() -> None:
    """One ring by hand: the mean of the picture, a single number."""
    size, mean, power = 8, 0.05, 8**2 * 0.05**2
    noise_power = torch.tensor([power / 20])
    found = wiener_filter(torch.full((1, 1, size, size), mean), noise_power)
    kept = 1 - (1 + 2 * 2**0.5) / 20
    torch.testing.assert_close(found, torch.full_like(found, kept * mean))


def test_smaller_tiles_keep_half_of_what_the_larger_kept() -> None:
    halves = Tiling(768, 32, 16).halved()
    assert halves == Tiling(352 + 2 * 32, 32, 16)


def test_the_middle_of_a_step_of_brightness_has_its_level() -> None:
    log_levels = torch.linspace(-5, -2, 2 * noise.BINS).reshape(2, noise.BINS)
    profile = noise.NoiseProfile(log_levels, 0.1, 0.1)
    for step in (0, 5, noise.BINS - 1):
        image = torch.full((1, 3, 8, 8), (step + 0.5) / noise.BINS)
        torch.testing.assert_close(profile.level(image)[0, :, 0, 0].log(), log_levels[:, step])


def test_a_self_test_finds_images_that_no_start_begins_at(monkeypatch: pytest.MonkeyPatch) -> None:
    prior, made = generator_prior(), list[Tensor]()
    usual = prior.generate
    monkeypatch.setattr(prior, "generate", lambda latent: (made.append(latent), usual(latent))[1])
    prior.self_test(4, LatentSearch(steps=1, restarts=4), lambda _: None)
    assert not torch.equal(made[0], prior.draw(4, RUNTIME.generator()))


def test_a_start_that_misses_little_lets_the_way_end_early() -> None:
    """Its squares are e² / (m + e) at the end, with m = 3 e a quarter of Morozov's."""
    damaged, start = torch.full((1, 1, 8, 8), 0.5), torch.full((1, 1, 8, 8), 0.3)
    rule = Discrepancy(damaged, start, 0.1, clipped=False)
    for distance, reached in ((0.0995, False), (0.051, False), (0.049, True)):
        assert bool(rule.reached(damaged - distance)) is reached


@pytest.mark.parametrize(("level", "expected"), [(0.1, 0.5 / 106), (None, 0.5 / 6)])
def test_a_step_on_pixels_is_a_share_of_the_inverse_curvature(level: float | None, expected: float) -> None:
    settings = AutoencoderSettings(prior_weight=3.0, step_size=0.5)
    assert autoencoders._step_size(settings, level) == pytest.approx(expected)


def test_what_clipping_moves_is_no_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of black half of the noise is left, and its mean, σ / √2π, is taken from the picture."""
    told: list[tuple[Tensor, Tensor]] = []
    usual = generators.wiener_filter

    def without(deviation: Tensor, noise: Tensor) -> Tensor:
        told.append((deviation, noise))
        return usual(deviation, noise)

    monkeypatch.setattr(generators, "wiener_filter", without)
    black, sigma = torch.zeros(1, 1, 8, 8), 0.1
    generators.refined(Problem(black + 0.02, sigma, clipped=True), black)
    deviation, level = told[0]
    shift = sigma / (2 * np.pi) ** 0.5
    torch.testing.assert_close(deviation, black + 0.02 - shift)
    torch.testing.assert_close(level, torch.tensor([sigma**2 / 2 - shift**2]))


def test_some_pixels_are_never_fitted_and_tell_when_to_stop(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[Any] = []

    def fit(term: Any, network: Any, held_out: Any, **words: Any) -> Tensor:
        told.append((term.known, held_out.known, words["patience"]))
        return torch.zeros_like(term.damaged)

    monkeypatch.setattr(untrained, "fit", fit)
    known = torch.ones(1, 1, 64, 64)
    known[..., :16] = 0
    untrained.DipPrior(None, RUNTIME).solve(Problem(torch.zeros(1, 3, 64, 64), 0.0, known), DipSettings(300))
    seen, apart, patience = told[0]
    assert patience == 30
    torch.testing.assert_close(seen + apart, known)
    assert float(apart.sum() / known.sum()) == pytest.approx(0.05, abs=0.015)


def test_a_fitted_picture_is_moved_to_what_is_known_and_its_hole_with_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(untrained, "fit", lambda term, *_, **__: torch.full_like(term.damaged, 0.2))
    known = torch.ones(1, 1, 64, 64)
    known[..., 20:30, 20:30] = 0
    problem = Problem(torch.full((1, 3, 64, 64), 0.7), 0.0, known)
    found = untrained.DipPrior(None, RUNTIME).solve(problem, DipSettings(300)).image
    torch.testing.assert_close(found, problem.damaged)


def test_a_restorer_s_estimate_has_the_pixels_that_are_known_for_certain(tmp_path: Path) -> None:
    """It ends at once, so that no later step puts them back."""
    prior = load_prior(str(tiny.save_autoencoder(tmp_path, restorer={})), RUNTIME)
    known = torch.ones(1, 1, 28, 28)
    known[..., 10:14, 10:14] = 0
    image = torch.rand(1, 1, 28, 28, generator=torch.Generator().manual_seed(0))
    found = prior.solve(Problem(image, 0.0, known), AutoencoderSettings()).image
    assert torch.equal(found[known > 0], image[known > 0])


def test_sensitivity_counts_for_every_pixel_of_a_mark_and_of_kinds_the_likeliest(tmp_path: Path) -> None:
    """Black is dust and white a scratch, with log odds of 8; level 40 has −4.5, which is not likely."""
    finder = str(tiny.save_finder(tmp_path))
    levels = np.full((40, 60), 120, np.uint8)
    levels[10:15, 10:15], levels[12, 12], levels[20:23, 40:43] = 40, 0, 255

    def found(sensitivity: float) -> tuple[int, int]:
        mask = find_marks(levels, ("dust", "scratches"), sensitivity=sensitivity, weights=finder)
        return int(mask[:, :30].sum()), int(mask[:, 30:].sum())

    assert found(1.0) == (9, 25)
    assert found(np.e**2) == (49, 25)


def test_a_finder_sees_no_values_beyond_the_range(tmp_path: Path) -> None:
    marks = Marks(("dust",), weights=str(tiny.save_finder(tmp_path)), runtime=RUNTIME)
    beyond = np.linspace(-0.5, 1.5, 64, dtype=np.float32).reshape(1, 1, 8, 8)
    odds = [marks._odds(pixels, Tiling(), lambda _: None) for pixels in (beyond, beyond.clip(0, 1))]
    assert np.array_equal(*odds)


def test_a_network_for_holes_is_shown_what_is_missing() -> None:
    seen: list[Tensor] = []
    network = CommunityNetwork(
        nn.Identity(), lambda image, mask: (seen.append(mask), image)[1], channels=3, masked=True
    )
    header = Header("inpainter-blind", {"denoiser": NetworkSpec("any", {})}, 3, None, {}, "", "", "", "")
    prior = MaskedPrior(Loaded(header, {"denoiser": network}), RUNTIME)
    known = torch.ones(1, 1, 32, 32)
    known[..., 8:16, 8:16] = 0
    prior.solve(Problem(torch.rand(1, 3, 32, 32), 0.0, known), prior.usual)
    assert torch.equal(seen[0], 1 - known)


def test_noise_is_no_edge_of_a_hole_and_light_that_falls_off_is_none() -> None:
    far = np.maximum(*(abs(side) for side in np.mgrid[-48:48, -48:48]))
    grown = []
    for seed in range(12):  # of noise as strong as this, a ring often has 4 % more by chance
        noise = np.random.default_rng(seed).normal(0, 20, (3, 96, 96))
        pixels = (np.where(far <= 12, 90, 60) + noise).clip(0, 255).astype(np.uint8)[None]
        grown.append(int(far[with_edges(pixels, far <= 12)].max()) - 12)
    assert sum(grown) <= 8
    falling = np.where(far <= 12, 220, 112 - far).astype(np.uint8)[None, None].repeat(3, 1)
    assert np.array_equal(with_edges(falling, far <= 12), far <= 12)
