"""What two reports ask of priors: latents that cover their cube, samples like the data, and their searches.

python docs/experiments/reports.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import numpy as np
import torch
from bench import Bench, main, mean, over, watched
from digits import (
    COVERING,
    FACES,
    GENERATOR,
    LARGE,
    SIDE,
    STRONG,
    chosen,
    digits,
    encoder,
    faces,
    noisy,
    scores,
    task,
    together,
)
from pictures import Pixels, square_hole
from PIL import Image, ImageDraw
from tables import Row, Section
from torch import Tensor, nn
from torch.nn import functional

from genrestore.errors import WeightsError
from genrestore.restore.pictures import Restore
from genrestore.restore.settings import PLAIN, LatentSearch
from genrestore.restore.task import DENOISE, INPAINT, INVERT, Picture, Request, Task
from genrestore.runtime import Runtime
from genrestore.study import coverage, latents, study
from genrestore.train.loop.run import save_grid
from genrestore.weights import load, store
from genrestore.weights.header import read_header

PLACE = Path(__file__).parent
"""Where pages and pictures are written."""
RATES = (0.1, 0.01, 0.001)
"""Of Adam from the damaged image; the best counts."""
STEPS = 5000
"""Of the search for z."""
SURE = 0.9
"""Probability from which on the classifier calls an image a digit."""
RECIPE, SAMPLES = "mnist-gan-report", 10_000
"""A generator by the report's recipe, measured where the store has it; samples of a generator."""
ADVERSARIAL = "faces-rgb-gan-adversarial"
"""A generator of colour faces that no encoder learned beside, measured where the store has it."""
HOLES = 60
"""Digits with a hole."""
TIMED, FEW, TENTH = 20, 32, 100
"""Images of a descent, half a minute each, and of a search for z, two full batches; steps that are timed."""


SHORT = replace(PLAIN, restarts=1, steps=60)
"""A search that comes about as near as the recipe's."""


def apart(folder: Path, page: str) -> None:
    """Let a quick run write into a folder, with a copy of the page: the documentation keeps its figures."""
    global PLACE
    shutil.copy(PLACE / page, folder)
    PLACE = folder


def fill(page: str | Path, parts: dict[str, list[str]]) -> None:
    """Write lines into a page, between its marks `<!-- made: NAME -->` and `<!-- end -->`.

    Raises:
        ValueError: The page has no such mark.
    """
    path = PLACE / page
    text = path.read_text(encoding="utf-8")
    for name, lines in parts.items():
        before, mark, rest = text.partition(f"<!-- made: {name} -->\n")
        if not mark:
            raise ValueError(f"{path}: has no mark 'made: {name}'")
        joined = "\n".join(lines).rstrip()
        text = f"{before}{mark}\n{joined}\n\n<!-- end -->{rest.partition('<!-- end -->')[2]}"
    path.write_text(text, encoding="utf-8")


def strip(path: Path, columns: list[Pixels], count: int = 5, heads: Sequence[str] = ()) -> None:
    """Write images [image, channel, height, width] in [0, 1] as a grid, the first ones of each column.

    Digits are shown three times as large; heads, if there are any, stand over the columns.
    """
    images = np.stack([one[:count] for one in columns], 1)
    save_grid(path, torch.from_numpy(images.reshape(-1, *images.shape[2:])).float(), columns=len(columns))
    headed(path, heads, 3 if images.shape[-1] == 28 else 1)


def headed(path: Path, heads: Sequence[str], scale: int) -> None:
    """Enlarge a picture of columns, and write over each what it shows."""
    with Image.open(path) as picture:
        large = picture.resize([scale * side for side in picture.size], Image.Resampling.NEAREST)
    top = 14 if heads else 0
    whole = Image.new("RGB", (large.width, large.height + top), "white")
    whole.paste(large, (0, top))
    for place, head in enumerate(heads):
        middle = (place + 0.5) * large.width / len(heads)
        ImageDraw.Draw(whole).text((middle, 1), head, fill="black", anchor="ma", font_size=11)
    whole.save(path, optimize=True)


@lru_cache(maxsize=1)
@torch.enable_grad()  # whoever asks first, it is trained
def classifier(bench: Bench) -> tuple[nn.Sequential, float]:
    """Logits [image, 10] of images [image, 1, 28, 28] in [0, 1], and the share of test digits told right."""
    torch.manual_seed(0)
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 32), (32, 64)):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    layers += [nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 49, 128), nn.ReLU(), nn.Linear(128, 10)]
    network, (images, labels) = nn.Sequential(*layers), digits(bench, train=True)
    batches = 4 * (len(images) // 128)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=batches)
    for _ in watched(range(batches), "classifier"):
        places = torch.randint(len(images), (128,))
        batch = (images[places].float() / 255).roll(torch.randint(-2, 3, (2,)).tolist(), (2, 3))
        optimiser.zero_grad()
        functional.cross_entropy(network(batch), labels[places]).backward()
        optimiser.step()
        schedule.step()
    test, truth = digits(bench)
    right = probabilities(network.eval(), test.float() / 255).argmax(1) == truth
    return network, float(right.float().mean())


@torch.no_grad()
def probabilities(network: nn.Module, images: Tensor) -> Tensor:
    """Of each class, [image, 10], for images [image, 1, 28, 28] in [0, 1]."""
    return torch.cat([network(some).softmax(1) for some in images.split(1000)])


def sure(bench: Bench, images: Tensor) -> float:
    """Percent of images [image, 1, 28, 28] in [0, 1] that the classifier calls a digit with p > `SURE`."""
    found = probabilities(classifier(bench)[0], images).max(1).values
    return 100 * float((found > SURE).float().mean())


@torch.no_grad()
def frechet(bench: Bench, first: Tensor, second: Tensor) -> float:
    """Fréchet distance of images [image, 1, 28, 28] in the features before the classifier's last layer.

        |μ − μ'|² + tr(Σ + Σ' − 2 (Σ Σ')^½)

    Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017, section 3.
    """
    body = classifier(bench)[0][:-1]
    both = [torch.cat([body(some) for some in one.split(1000)]).double() for one in (first, second)]
    apart = (both[0].mean(0) - both[1].mean(0)).square().sum()
    spreads = [one.T.cov() for one in both]
    roots = torch.linalg.eigvals(spreads[0] @ spreads[1]).real.clamp(min=0).sqrt()
    return float(apart + spreads[0].trace() + spreads[1].trace() - 2 * roots.sum())


def latents_section(bench: Bench) -> Section:
    """How test digits fill [0, 1]^d, what uniform latents decode to, and where images of no class fall."""
    section, (images, _), found = Section("Latents of mnist-ae"), digits(bench), encoder(COVERING)
    latent, draws = found.encode(images), torch.Generator().manual_seed(0)
    variance = coverage.statistics(latent)["variance"]
    uniform = found.decode(torch.rand(SAMPLES // bench.every, found.network.latent, generator=draws))
    strange = study.draw_out_of_class(images, seed=0)
    inside = study.describe(study.examine(found, images, strange))["outliers"]
    back = torch.cat([found.reconstruct(some) for some in strange.values()])
    section.rows = [
        Row("accuracy of the classifier", 100 * classifier(bench)[1], 99, unit="%"),
        Row("least variance", float(variance.min()), 0.075, unit="z²"),
        Row("largest variance", float(variance.max()), 0.092, unit="z²", more=False),
        Row("occupied cells", coverage.occupied(latent), 0.995, unit="share"),
        Row("uniform latents that are digits", sure(bench, uniform), None, 90, "%"),
        *(Row(f"{kind}, among the data", 100 * share, 95, unit="%") for kind, share in inside.items()),
        Row("images of no class whose AE(x) is a digit", sure(bench, back), None, 90, "%"),
    ]
    return section


def samples(bench: Bench, weights: str, count: int | None = None) -> Tensor:
    """Samples of a generator, [image, channel, size, size] in [0, 1]; None: as many as are judged."""
    runtime = Runtime.create(precision="fp32")
    sampler = latents.sampler(load.load(weights, runtime), weights, runtime)
    return sampler.render(sampler.draw(count or SAMPLES // bench.every, runtime.generator())).float() / 255


def rarest(bench: Bench, made: Tensor) -> float:
    """Percent of samples [image, 1, 28, 28] in [0, 1] that are of the rarest class, to the classifier."""
    found = probabilities(classifier(bench)[0], made).argmax(1).bincount(minlength=10)
    return 100 * float(found.min()) / len(made)


def samples_section(bench: Bench) -> Section:
    """Fréchet distance and class balance of samples, beside those of a report's recipe."""
    section = Section(f"{SAMPLES // bench.every} samples in the features of a classifier")
    real, floor = (digits(bench, train=train)[0].float() / 255 for train in (False, True))
    made, beside, goals = (
        samples(bench, GENERATOR),
        {"training digits": frechet(bench, floor, real)},
        (None, None),
    )
    try:
        beside["recipe"] = frechet(bench, samples(bench, RECIPE), real)
        goals = (beside["recipe"] / 2, beside["recipe"] / 10)
    except WeightsError:
        section.notes.append(f"Without the recipe: no weights {RECIPE}.")
    distance = frechet(bench, made, real)
    section.rows = [
        Row("Fréchet distance to test digits, mnist-gan", distance, *goals, "", more=False, beside=beside),
        Row("rarest class, mnist-gan", rarest(bench, made), 5, unit="%"),
    ]
    return section


def descent(
    weights: str,
    damaged: Pixels,
    sigma: float,
    rate: float,
    after: list[int],
    loss: str = "l2",
    *,
    known: Pixels | None = None,
) -> dict[int, Tensor]:
    """The report's descent for autoencoders by Adam from M y: ‖M (x − y)‖² / 2σ² + 4 ‖AE(x) − x‖².

    λ = 4 on [0, 1] is 1 on [−1, 1].

    Args:
        weights: Of an autoencoder.
        damaged: uint8 [image, 1, 28, 28].
        sigma: In grey levels.
        rate: Of Adam.
        after: Numbers of steps after which an estimate is taken.
        loss: "l2", or "l1" for ‖M (x − y)‖ / σ.
        known: M, bool [image, 28, 28]; None: every pixel.

    Returns:
        [image, 1, 28, 28] in [0, 1], by number of steps.
    """
    prior, level = task(DENOISE, weights).prior, sigma / 255
    y = torch.from_numpy(damaged).float() / 255
    mask = torch.ones_like(y) if known is None else torch.from_numpy(known)[:, None].float()
    x = (mask * y).requires_grad_()
    optimiser, found = torch.optim.Adam([x], rate), {}
    for step in range(1, max(after) + 1):
        optimiser.zero_grad()
        apart = mask * (x - y)
        data = apart.square().sum() / (2 * level**2) if loss == "l2" else apart.abs().sum() / level
        (data + 4 * prior.value(x).sum()).backward()
        optimiser.step()
        if step in after:
            found[step] = x.detach().clamp(0, 1).clone()
    return found


def search(
    weights: str,
    images: Pixels,
    loss: str = "l2",
    *,
    known: Pixels | None = None,
    sigma: float = 0.0,
    steps: int = STEPS,
    on_step: Callable[[int, Tensor], None] | None = None,
) -> Pixels:
    """The report's search for z on uint8 [image, channel, size, size], in grey levels: one start, Adam.

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
    prior, draws = task(INVERT, weights).prior, torch.Generator().manual_seed(0)
    y = torch.from_numpy(images).float() / 255
    mask = torch.ones_like(y[:, :1]) if known is None else torch.from_numpy(known)[:, None].float()
    z = torch.randn(len(images), prior.latent, generator=draws).requires_grad_()
    optimiser = torch.optim.Adam([z], {28: 0.05, 64: 0.005}[prior.side])
    for step in range(steps):
        optimiser.zero_grad()
        if on_step is not None:
            on_step(step, z.detach())
        made = prior.network(z)
        if sigma:
            made = made + sigma / 255 * torch.randn(y.shape, generator=draws)
        difference = mask * (made - y)
        (difference.square().sum() if loss == "l2" else difference.abs().sum()).backward()
        optimiser.step()
    with torch.no_grad():
        return np.asarray(255 * prior.network(z).numpy())


def descent_section(bench: Bench) -> Section:
    """200 digits with strong noise through autoencoders, and the descent on 20 of them, one at a time."""
    clean = chosen(bench)
    damaged, count = noisy(clean, STRONG), max(1, TIMED // bench.every)
    section = Section(f"{len(clean)} digits with noise of σ {STRONG:g}, beside a report's descent")
    for name in (COVERING, LARGE):
        together(DENOISE, name, damaged[:1], sigma=STRONG)  # loaded
        start = time.perf_counter()
        results = together(DENOISE, name, damaged, sigma=STRONG)
        seconds, best = time.perf_counter() - start, (0.0, 0.0, 0.0)
        for rate in watched(RATES, "descent"):
            start = time.perf_counter()
            found = [descent(name, one[None], STRONG, rate, [1000])[1000] for one in damaged[:count]]
            theirs = mean(scores(255 * torch.cat(found).numpy(), clean[:count]))
            best = max(best, (theirs, (time.perf_counter() - start) / count * len(clean), rate))
        start = time.perf_counter()
        descent(name, damaged, STRONG, best[2], [TENTH])
        batched = (time.perf_counter() - start) * 1000 / TENTH
        quality = mean(scores(results[:count], clean[:count]))
        section.rows += [
            Row(f"{name}: times faster, both in batches", batched / seconds, None, None, "×"),
            Row(f"{name}: times faster, one by one", best[1] / seconds, 20, 100, "×"),
            Row(f"{name}: seconds", seconds, unit="s", more=False, beside={"recipe": best[1]}),
            over(f"{name}: quality on {count}", quality, {f"recipe at {best[2]:g}": best[0]}),
        ]
    return section


def reached(
    bench: Bench,
    weights: str,
    damaged: Pixels,
    clean: Pixels,
    sigma: float = 0.0,
    known: Pixels | None = None,
) -> float:
    """Mean PSNR of the report's search in dB; it takes minutes, so that `--baselines` keeps it."""
    file, steps = read_header(store.resolve(weights)).sha256[:12], STEPS // bench.every

    def measure() -> float:
        made = search(weights, damaged, sigma=sigma, steps=steps, known=known)
        return mean(scores(made if known is None else np.where(known[:, None], clean, made), clean))

    before = mean(scores(damaged, clean))
    name = f"search with {file} of {len(clean)} at {before:.2f} dB, noise {sigma:g}, {steps} steps"
    return float(bench.remembered(name, measure))


def inverted(bench: Bench, weights: str, few: Pixels) -> list[Row]:
    """Images inverted at once, by ours, a shorter one and the report's search: quality, processor time."""
    together(INVERT, weights, few[:1])  # loaded
    search(weights, few, steps=1)
    start = time.process_time()
    found = scores(together(INVERT, weights, few), few)
    seconds, start = time.process_time() - start, time.process_time()
    for one in few:
        search(weights, one[None], steps=STEPS // 50)
    slow, start = 50 * (time.process_time() - start), time.process_time()
    search(weights, few, steps=STEPS // 50)
    batched = 50 * (time.process_time() - start)
    theirs = {"recipe": reached(bench, weights, few, few)}
    short = Restore(Task.of(INVERT, weights, None, SHORT))
    short(few[:1])  # loaded
    start = time.process_time()
    made: list[Any] = short.together([Picture(one[None], None) for one in few])
    used = time.process_time() - start
    quick = mean(scores(np.concatenate([one.pixels for one in made]), few))
    error = float(np.std(found)) / len(found) ** 0.5
    return [
        over(f"{weights}: inversion of {len(few)}", mean(found), theirs, 0.0, 1.0),
        Row(f"{weights}: standard error of that mean", error, more=False),
        over(f"{weights}: the same, short", quick, theirs),
        Row(f"{weights}: short, times faster, both in batches", batched / used, 10, 30, "×"),
        Row(f"{weights}: times faster, both in batches", batched / seconds, 10, 30, "×"),
        Row(f"{weights}: times faster, one by one", slow / seconds, 10, 50, "×"),
    ]


def search_section(bench: Bench) -> Section:
    """Digits inverted, beside the report's search."""
    section = Section("Digits through the latent, beside a report's search")
    section.rows = inverted(bench, GENERATOR, chosen(bench, FEW))
    return section


def search_faces_section(bench: Bench) -> Section:
    """Faces inverted, beside the report's search."""
    section = Section("Faces through the latent, beside a report's search")
    for weights, (folder, _) in watched(list(FACES.items()), "search"):
        section.rows += inverted(bench, weights, faces(bench, folder, FEW))
    return section


def search_noise_section(bench: Bench) -> Section:
    """Digits with strong noise through the latent, beside the report's search with its noise and without."""
    section, few = Section("Noise through the latent, beside a report's search"), chosen(bench, FEW)
    damaged = noisy(few, STRONG)
    theirs = {"recipe": reached(bench, GENERATOR, damaged, few, STRONG)}
    theirs["recipe without its noise"] = reached(bench, GENERATOR, damaged, few)
    strong = mean(scores(together(DENOISE, GENERATOR, damaged, sigma=STRONG), few))
    section.rows = [over(f"{GENERATOR}: noise of σ {STRONG:g} on {len(few)}", strong, theirs, 0.0, 2.0)]
    return section


def holes_section(bench: Bench) -> Section:
    """An 8×8 hole in the middle of 60 digits: PSNR, and how many are still read as what they are."""
    images, labels = digits(bench)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[: HOLES // bench.every]
    clean, labels = images[order].numpy(), labels[order]
    known = np.stack([square_hole(28, 28, side=SIDE)] * len(clean))
    section = Section(f"{len(clean)} digits with an {SIDE}×{SIDE} hole in the middle")
    for name in (GENERATOR, COVERING, LARGE):
        results = together(INPAINT, name, clean * known[:, None], known[:, None])
        found, restored = scores(results, clean), torch.from_numpy(results.clip(0, 255).round()).float() / 255
        right = probabilities(classifier(bench)[0], restored).argmax(1) == labels
        must = (23.5, 24.5, 95, 98) if name == GENERATOR else (None,) * 4
        section.rows += [
            Row(name, mean(found), *must[:2]),
            Row(f"{name}: standard error of that mean", float(np.std(found)) / len(found) ** 0.5, more=False),
            Row(f"{name}: read as what they are", 100 * float(right.float().mean()), *must[2:], unit="%"),
        ]
    return section


def colour_faces_section(bench: Bench) -> Section:
    """Colour faces kept out of training, found again and with a hole, by G(z), beside the report's search."""
    name, clean = "faces-rgb-gan", faces(bench, "color", TIMED)
    known = np.stack([square_hole(64, 64, side=SIDE)] * len(clean))
    holed = clean * known[:, None]
    section = Section(f"{len(clean)} colour faces by G(z), beside a report's search")
    theirs = ADVERSARIAL
    try:
        store.resolve(theirs)
    except WeightsError:
        section.notes, theirs = [f"The recipe searches the same generator: no weights {theirs}."], name
    only = Restore(Task.of(INPAINT, name, Request(0.0, keep=False), LatentSearch(refine=False)))
    pictures = [Picture(one[None], there[None, None]) for one, there in zip(holed, known, strict=True)]
    parts: list[Any] = only.together(pictures)
    made = np.where(known[:, None], clean, np.concatenate([one.pixels for one in parts]))
    for what, found, damaged, mask, goals in (
        ("found again", together(INVERT, name, clean), clean, None, (1.5, 3.0)),
        (f"a hole of {SIDE}×{SIDE}", made, holed, known, (0.5, 1.0)),
    ):
        best = scores(found, clean)
        recipe = reached(bench, theirs, damaged, clean, known=mask)
        section.rows += [
            over(f"{name}: {what}", mean(best), {"recipe": recipe}, *goals),
            Row(f"{name}: {what}, standard error", float(np.std(best)) / len(best) ** 0.5, more=False),
        ]
    return section


SECTIONS = (
    latents_section,
    samples_section,
    descent_section,
    search_section,
    search_faces_section,
    search_noise_section,
    holes_section,
    colour_faces_section,
)

if __name__ == "__main__":
    main("reports", {one.__name__.removesuffix("_section"): one for one in SECTIONS}, GENERATOR)
