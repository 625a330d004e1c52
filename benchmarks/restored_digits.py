"""Digits with noise and with holes, restored by autoencoders and by others; and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

import baselines
import mnist
import numpy as np
import torch
from latents import COVERING, LARGE, encoder, weights
from pictures import Pixels, mean
from report import Row, Section, watched
from settings import Bench

from genrestore.restore.settings import DenoiseSettings
from genrestore.restore.tasks import Denoise, DenoiseOneClass, InpaintOneClass

STRONG, WEAK = 63.75, 12.75
"""σ in grey levels: 0.5 and 0.1 on the scale from −1 to 1."""
OVER_BEST = {COVERING: (1.5, 2.5), LARGE: (3.5, 5.0)}
"""Decibels over the best of the others at strong noise: must and aim."""
OVER_INPUT = {COVERING: (0.0, None), LARGE: (1.5, 3.0)}
"""Decibels over the input at weak noise: must and aim."""
MEANS = (0.4, 0.6, 0.8, 1.0, 1.2)
"""h of non-local means, in σ: the best counts."""
RECIPE_DIGITS, RECIPE_STEPS, RATES = 20, 1000, (0.1, 0.01, 0.001)
RECIPE_WEIGHT = 4.0
"""λ on images in [0, 1]: 1 on [−1, 1]."""
SIDE = 8


@lru_cache(maxsize=4)
def task(chosen: str, sigma: float) -> DenoiseOneClass:
    """The restoration that the command line uses, loaded once; sigma in grey levels."""
    return DenoiseOneClass(chosen, noise_level=sigma / 255)


def ours(chosen: str, sigma: float, damaged: Pixels) -> Pixels:
    """Restored digits of damaged ones, uint8 [image, 1, 28, 28]."""
    found = task(chosen, sigma).together([one[None] for one in damaged])
    return np.concatenate([one.pixels for one in found])


def others(bench: Bench, damaged: Pixels, clean: Pixels, sigma: float) -> dict[str, float]:
    """Mean PSNR of each method that is not ours on damaged digits, uint8 [image, 1, 28, 28]."""
    found = {}
    for name in (COVERING, LARGE):
        network = encoder(bench, name)
        if network is not None:
            restored = 255 * network.reconstruct(torch.from_numpy(damaged)).numpy()
            found[f"AE(y), {name}"] = mean(mnist.scores(restored, clean))
    photo = Denoise("photo", DenoiseSettings(sigma / 255))
    photographs = np.concatenate([photo(one[None]).pixels for one in damaged])
    found["photo"] = mean(mnist.scores(photographs, clean))

    def block_matching() -> float:
        return _mapped(lambda one: baselines.bm3d(one, sigma), damaged, clean, "BM3D")

    def means() -> float:
        return max(_mapped(lambda one, h=h: _means(one, sigma, h), damaged, clean, "NLM") for h in MEANS)

    for name, measure in (("BM3D", block_matching), ("NLM", means)):
        found[name] = bench.memory.get(f"{name}, {len(damaged)} digits, {sigma:g}", measure)
    bench.memory.save()
    return found


def _mapped(method: Callable[[Pixels], Pixels], damaged: Pixels, clean: Pixels, text: str) -> float:
    results = [255 * method(one.transpose(1, 2, 0)).transpose(2, 0, 1) for one in watched(damaged, text)]
    return mean(mnist.scores(np.stack(results), clean))


def _means(image: Pixels, sigma: float, h: float) -> Pixels:
    """scikit-image's non-local means of [height, width, 1] of uint8: the same on the [0, 1] scale."""
    from skimage.restoration import denoise_nl_means

    level = sigma / 255
    return np.asarray(
        denoise_nl_means(
            image[..., 0] / 255.0, patch_size=5, patch_distance=9, h=h * level, sigma=level, fast_mode=False
        )
    )[..., None]


def strong_section(bench: Bench) -> Section:
    """Noise of σ 63.75 in 8-bit files."""
    clean = mnist.chosen(bench)
    damaged = mnist.noisy(clean, STRONG)
    beside = others(bench, damaged, clean, STRONG)
    best = max(beside.values())
    section = Section("strong", f"{len(clean)} digits with noise of σ {STRONG}, 8-bit files")
    for name, (must, aim) in OVER_BEST.items():
        value = mean(mnist.scores(ours(weights(bench, name), STRONG, damaged), clean))
        section.rows.append(Row(name, value, best + must, best + aim, beside=beside))
    section.notes.append(f"The files themselves: {mean(mnist.scores(damaged, clean)):.2f} dB.")
    return section


def weak_section(bench: Bench) -> Section:
    """Noise of σ 12.75 in 8-bit files."""
    clean = mnist.chosen(bench)
    damaged = mnist.noisy(clean, WEAK)
    before = mean(mnist.scores(damaged, clean))
    beside = {"input": before, **others(bench, damaged, clean, WEAK)}
    section = Section("weak", f"{len(clean)} digits with noise of σ {WEAK}, 8-bit files")
    for name, (must, aim) in OVER_INPUT.items():
        value = mean(mnist.scores(ours(weights(bench, name), WEAK, damaged), clean))
        goal = None if aim is None else before + aim
        section.rows.append(Row(name, value, before + must, goal, beside=beside))
    return section


def holes_section(bench: Bench) -> Section:
    """A square hole, and half of the pixels missing."""
    clean = mnist.chosen(bench)
    section = Section("holes", f"{len(clean)} digits with holes")
    draws = np.random.default_rng(0)
    corners = draws.integers(6, 28 - SIDE - 6 + 1, (len(clean), 2))
    squares = np.ones((len(clean), 28, 28), bool)
    for known, (top, left) in zip(squares, corners, strict=True):
        known[top : top + SIDE, left : left + SIDE] = False
    for hole, masks in (("8×8 hole", squares), ("50 % missing", draws.random(squares.shape) >= 0.5)):
        damaged = clean * masks[:, None]
        beside = {
            "Telea": filled_score(baselines.telea, damaged, masks, clean),
            "biharmonic": filled_score(baselines.biharmonic, damaged, masks, clean),
        }
        for name in (COVERING, LARGE):
            network = encoder(bench, name)
            if network is None:
                continue
            answer = 255 * network.reconstruct(torch.from_numpy(damaged)).numpy()
            beside[f"AE(y), {name}"] = mean(mnist.scores(np.where(masks[:, None], damaged, answer), clean))
        best = max(beside.values())
        for name in (COVERING, LARGE):
            fill = InpaintOneClass(weights(bench, name))
            found = fill.together([one[None] for one in damaged], [known[None, None] for known in masks])
            value = mean(mnist.scores(np.concatenate([one.pixels for one in found]), clean))
            section.rows.append(Row(f"{hole}, {name}", value, best, best + 3, beside=beside))
    section.notes.append("Known pixels are put back into AE(y).")
    return section


def filled_score(
    method: Callable[[Pixels, Pixels], Pixels], damaged: Pixels, masks: Pixels, clean: Pixels
) -> float:
    """Mean PSNR of a method of `baselines` on digits with holes, uint8 [image, 1, 28, 28]."""
    results = []
    for one, known in zip(damaged, masks, strict=True):
        filled = method(np.ascontiguousarray(one.transpose(1, 2, 0)), known).transpose(2, 0, 1)
        results.append(filled * (255.0 if filled.dtype.kind == "f" else 1.0))
    return mean(mnist.scores(np.stack(results), clean))


def speed_section(bench: Bench) -> Section:
    """200 digits, against the report's recipe on 20 of them."""
    clean = mnist.chosen(bench)
    damaged = mnist.noisy(clean, STRONG)
    section = Section("speed", f"Time for {len(clean)} digits with noise of σ {STRONG}")
    for name in (COVERING, LARGE):
        mine, few = weights(bench, name), clean[: max(1, RECIPE_DIGITS // bench.every)]
        task(mine, STRONG).together([damaged[0][None]])  # loaded
        start = time.perf_counter()
        results = ours(mine, STRONG, damaged)
        seconds = time.perf_counter() - start
        recipes = {rate: _recipe(mine, damaged[: len(few)], rate) for rate in watched(RATES, "recipe")}
        values = {rate: mean(mnist.scores(found, few)) for rate, (found, _) in recipes.items()}
        rate = max(RATES, key=lambda one: values[one])
        expected = recipes[rate][1] / len(few) * len(clean)
        section.rows += [
            Row(f"{name}: times faster than the recipe", expected / seconds, 20, 100, "×"),
            Row(f"{name}: seconds", seconds, unit="s", more=False, beside={"recipe": expected}),
            Row(f"{name}: quality", mean(mnist.scores(results[: len(few)], few)), values[rate]),
        ]
        section.notes.append(
            f"{name}: the recipe was best at a rate of {rate:g}; quality on {len(few)} digits."
        )
    return section


def _recipe(chosen: str, damaged: Pixels, rate: float) -> tuple[Pixels, float]:
    """‖x − y‖² / 2σ² + λ ‖AE(x) − x‖² by Adam, one digit at a time: results as grey levels, and seconds."""
    prior = task(chosen, STRONG).prior
    sigma = STRONG / 255
    start, results = time.perf_counter(), []
    for one in damaged:
        y = torch.from_numpy(one[None]).float() / 255
        x = y.clone().requires_grad_()
        optimiser = torch.optim.Adam([x], rate)
        for _ in range(RECIPE_STEPS):
            optimiser.zero_grad()
            loss = (x - y).square().sum() / (2 * sigma**2) + RECIPE_WEIGHT * prior.value(x).sum()
            loss.backward()
            optimiser.step()
        results.append(255 * x.detach().clamp(0, 1).numpy())
    return np.concatenate(results), time.perf_counter() - start
