"""Generators turned round: latents found again, and digits restored through them, against a report's recipe.

The recipe is implemented here once more and plainly: one start from N(0, I), Adam, 5000 steps.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any

import baselines
import mnist
import numpy as np
import torch
from pictures import Pixels, mean, read
from report import Row, Section, watched
from restored_digits import STRONG, WEAK, filled_score
from settings import Bench
from torch import Tensor

from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.restore.tasks import DenoiseOneClass, InpaintOneClass, Invert

FACES = {"faces-gan": ("gray", 100), "faces-rgb-gan": ("color", 50)}
"""Weights of faces, their folder in the data, and how many kept out of training are inverted."""
HELD_OUT = 12
"""One picture in so many was kept out of training."""
DIGITS, OWN, RECIPE = 100, 100, 10
"""Images that are inverted, of the generator's own, and of the recipe's, which takes half a minute each."""
STEPS, TIMED = 5000, 100
"""Of the recipe; and of each image where it is timed one by one."""
RATES = {28: 0.05, 64: 0.005}
"""The report's rates for digits and for faces, by size."""
SIDE = 8


@lru_cache(maxsize=4)
def inverting(weights: str) -> Invert:
    """The inversion that the command line uses, loaded once."""
    return Invert(weights)


def generator(weights: str) -> GeneratorPrior:
    """The prior of weights."""
    prior = inverting(weights).prior
    assert isinstance(prior, GeneratorPrior)
    return prior


def recipe(
    weights: str,
    images: Pixels,
    loss: str = "l2",
    *,
    known: Pixels | None = None,
    sigma: float = 0.0,
    steps: int = STEPS,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Pixels:
    """The report's search on uint8 [image, channel, size, size], in grey levels.

    Images do not see one another, so that all of them take a step together, which is faster than one by one.

    Args:
        weights: Of a generator.
        images: What is to be come near to.
        loss: "l2" or "l1".
        known: bool [image, size, size]; None: every pixel.
        sigma: In grey levels: noise added to G(z) at every step, as the report writes its objective.
        steps: Of Adam.
        on_step: Is told every step and z, [image, latent].
    """
    prior, draws = generator(weights), torch.Generator().manual_seed(0)
    y = torch.from_numpy(images).float() / 255
    mask = torch.ones_like(y[:, :1]) if known is None else torch.from_numpy(known)[:, None].float()
    z = torch.randn(len(images), prior.latent, generator=draws).requires_grad_()
    optimiser = torch.optim.Adam([z], RATES[prior.size])
    for step in range(steps):
        optimiser.zero_grad()
        if on_step is not None:
            on_step(step, z.detach())
        made = prior.generator(z)
        if sigma:
            made = made + sigma / 255 * torch.randn(y.shape, generator=draws)
        difference = mask * (made - y)
        (difference.square().sum() if loss == "l2" else difference.abs().sum()).backward()
        optimiser.step()
    with torch.no_grad():
        return np.asarray(255 * prior.generator(z).numpy())


def recipe_score(bench: Bench, weights: str, what: str, images: Pixels, clean: Pixels, **how: Any) -> float:
    """Mean PSNR of the recipe on uint8 [image, channel, size, size], from the baselines' file if it is there.

    Args:
        bench: The run.
        weights: Of a generator.
        what: Name of the damage.
        images: Damaged.
        clean: The truth, put back where pixels are known.
        how: Handed on to `recipe`.
    """
    sha256 = inverting(weights).header.sha256[:12]

    def measure() -> float:
        made = recipe(weights, images, **how)
        if how.get("known") is not None:
            made = np.where(how["known"][:, None], clean, made)
        return mean(mnist.scores(made, clean))

    value = bench.memory.get(f"recipe/{sha256}/{what}/{len(images)}", measure)
    bench.memory.save()
    return value


def seconds_of_recipe(weights: str, images: Pixels) -> float:
    """Processor seconds an image of the recipe as the report has it, one by one: uint8 [image, ...].

    Every step costs the same, so `TIMED` of each image stand for all.
    """
    start = time.process_time()
    for place in range(len(images)):
        recipe(weights, images[place : place + 1], steps=TIMED)
    return (time.process_time() - start) / len(images) * STEPS / TIMED


def digits(bench: Bench) -> Pixels:
    """The test digits that are inverted, uint8 [image, 1, 28, 28]."""
    return mnist.chosen(bench)[: max(1, DIGITS // bench.every)]


def faces(bench: Bench, folder: str, count: int) -> Pixels:
    """Faces that were kept out of training, uint8 [image, channel, 64, 64].

    Raises:
        FileNotFoundError: They are not in the data folder.
    """
    paths = sorted((bench.data / "faces64" / folder).glob("*.jpg")) if bench.data else []
    if not paths:
        raise FileNotFoundError(f"give --data FOLDER with faces64/{folder}/")
    chosen = paths[HELD_OUT - 1 :: HELD_OUT][: max(1, count // bench.every)]
    return np.stack([read(path).transpose(2, 0, 1) for path in chosen])


def against_recipe(bench: Bench, weights: str, images: Pixels, title: str) -> list[Row]:
    """PSNR and time of ours, all images together, and of the recipe on the first of them."""
    task = inverting(weights)
    task(images[:1])  # loaded
    start = time.process_time()
    found = task.together([one[None] for one in images])
    seconds = (time.process_time() - start) / len(images)
    scores = mnist.scores(np.concatenate([one.pixels for one in found]), images)
    few = images[:RECIPE]
    best, slow = recipe_score(bench, weights, "inversion", few, few), seconds_of_recipe(weights, few)
    return [
        Row(f"{title}: PSNR, all {len(images)}", mean(scores)),
        Row(
            f"{title}: PSNR, the recipe's {len(few)}",
            mean(scores[: len(few)]),
            best,
            best + 1,
            beside={"recipe": best},
        ),
        Row(f"{title}: times faster than the recipe", slow / seconds, 10, 50, "×"),
        Row(f"{title}: processor seconds an image", seconds, unit="s", more=False, beside={"recipe": slow}),
    ]


def inversion_section(bench: Bench) -> Section:
    """Test digits."""
    section = Section("inversion", "Test digits inverted")
    section.rows += against_recipe(bench, bench.weights, digits(bench), "digits")
    return section


def faces_section(bench: Bench) -> Section:
    """Faces kept out of training, grey and colour."""
    section = Section("faces", "Faces kept out of training, inverted")
    for weights, (folder, count) in watched(list(FACES.items()), "faces"):
        section.rows += against_recipe(bench, weights, faces(bench, folder, count), Path(weights).stem)
    return section


def own_section(bench: Bench) -> Section:
    """The generator's own samples."""
    section = Section("own", "The generator's own samples, found again")
    found = sorted(inverting(bench.weights).self_test(max(1, OWN // bench.every)))
    section.rows.append(Row(f"median of {len(found)}", float(np.median(found)), 35, 45))
    section.rows.append(Row("least", found[0]))
    return section


def noise_section(bench: Bench) -> Section:
    """Digits with strong and with weak noise, in 8-bit files."""
    clean = digits(bench)
    section = Section("noise", f"{len(clean)} digits with noise, through the latent")
    few = clean[:RECIPE]
    for sigma, must, aim in ((STRONG, 0.0, 2.0), (WEAK, None, None)):
        damaged = mnist.noisy(clean, sigma)
        task = DenoiseOneClass(bench.weights, noise_level=sigma / 255)
        found = task.together([one[None] for one in damaged])
        scores = mnist.scores(np.concatenate([one.pixels for one in found]), clean)
        denoised = [
            255 * baselines.bm3d(one.transpose(1, 2, 0), sigma).transpose(2, 0, 1)
            for one in watched(damaged, "BM3D")
        ]
        beside = {
            "input": mean(mnist.scores(damaged, clean)),
            "BM3D": mean(mnist.scores(np.stack(denoised), clean)),
        }
        section.rows.append(_row(f"σ {sigma:g}", mean(scores), beside, must, aim))
        if sigma == WEAK:  # the page of the experiment has the recipe there
            continue
        theirs = {
            name: recipe_score(
                bench, bench.weights, f"{name}, {sigma}", damaged[: len(few)], few, sigma=added
            )
            for name, added in (("recipe", sigma), ("recipe without its noise", 0.0))
        }
        value = mean(scores[: len(few)])
        section.rows.append(_row(f"σ {sigma:g}, the recipe's {len(few)}", value, theirs, must, aim))
    return section


def holes_section(bench: Bench) -> Section:
    """Digits with a square missing, and with their right half."""
    clean = digits(bench)
    section = Section("holes", f"{len(clean)} digits with a part missing, through the latent")
    square, half = np.ones((2, len(clean), 28, 28), bool)
    square[:, 10 : 10 + SIDE, 10 : 10 + SIDE] = False
    half[:, :, 14:] = False
    few = clean[:RECIPE]
    fill = InpaintOneClass(bench.weights)
    for title, known in (("8×8 hole", square), ("right half missing", half)):
        damaged = clean * known[:, None]
        found = fill.together([one[None] for one in damaged], [one[None, None] for one in known])
        scores = mnist.scores(np.concatenate([one.pixels for one in found]), clean)
        beside = {
            "Telea": filled_score(baselines.telea, damaged, known, clean),
            "biharmonic": filled_score(baselines.biharmonic, damaged, known, clean),
        }
        section.rows.append(_row(title, mean(scores), beside, 0.0, 2.0))
        theirs = {
            "recipe": recipe_score(
                bench, bench.weights, title, damaged[: len(few)], few, known=known[: len(few)]
            )
        }
        value = mean(scores[: len(few)])
        section.rows.append(_row(f"{title}, the recipe's {len(few)}", value, theirs, 0.0, 2.0))
    section.notes.append("Known pixels are put back into the recipe's G(z).")
    return section


def _row(what: str, value: float, beside: dict[str, float], must: float | None, aim: float | None) -> Row:
    """A figure beside others, of which it must be better than the best by so much."""
    best = max(beside.values())
    goals = [None if one is None else best + one for one in (must, aim)]
    return Row(what, value, *goals, beside=beside)
