"""Make the report's plots and tables on autoencoder priors anew, and ours beside them.

python benchmarks/experiment.py --data FOLDER [--full] [--epochs SHARE] [--iterations FEW MANY] [--only NAME]

Writes docs/experiments/autoencoder.md and its pictures. Autoencoders are kept under --keep. An hour on one
core unless it is told --full, which trains as long as the report did, for a day.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mnist
import numpy as np
import ours
import torch
from latents import COVERING, LARGE
from pictures import Pixels, mean
from report import watched
from restored_digits import RATES, STRONG, WEAK, task
from restored_digits import ours as restored
from settings import Bench
from torch import Tensor

from genrestore.weights import store
from genrestore.weights.header import read_header

PLACE = Path(__file__).parents[1] / "docs" / "experiments"
TEMPLATE = Path(__file__).with_suffix(".md")
SHOWN, COUNTED = 5, 8
"""Digits in a strip of denoising, and in its table."""
ITERATIONS = (1000, 10_000)
"""Of the report's descent, after which pictures are shown and counted."""
SHORT = 0.04
"""Share of the report's epochs, where nothing else is said."""
WIDEST, COLOURS = 560, 256
"""Pixels that a picture of the page is wide, and its colours, at most."""
ENLARGED = 3
"""Times that digits are shown larger than they are."""
MIDDLE = RATES[1]
"""The rate that pictures show, and the only one where rates are not compared."""


@dataclass(frozen=True)
class Trained:
    """One autoencoder of the report.

    Attributes:
        title: Heading.
        words: Of `genrestore train ae`, besides data, name and places.
        epochs: Passes through the images at full length.
    """

    title: str
    words: tuple[str, ...]
    epochs: float


def _report(cover: str) -> Trained:
    words = ("--recipe", "report", "--latent-dim", "10")
    if cover == "none":
        return Trained("plain", words, 50)
    return Trained(cover, (*words, "--cover", cover), 100)


RUNS: dict[str, Trained] = {
    **{
        cover: _report(cover)
        for cover in ("none", "moments", "moments-with-mean", "moments-within", "kl-within", "kl-batch")
    },
    "plain-100": Trained("plain, latent 100", ("--recipe", "report", "--latent-dim", "100"), 50),
}
"""The report's, trained by its recipe."""
OURS = {COVERING: "ours, mnist-ae", LARGE: "ours, mnist-ae-100"}
"""Names of weights that are there, and their headings."""
COMPARED = ("none", "plain-100")
"""Of the report's, those whose denoising is compared at every rate and with both losses."""


def title(name: str) -> str:
    """The heading of an autoencoder."""
    return OURS[name] if name in OURS else RUNS[name].title


def train(name: str, bench: Bench, keep: Path, share: float) -> str:
    """Train one autoencoder of the report, unless it is there; gives its weights, or the name of ours."""
    if name in OURS:
        return name
    target = keep / f"{name}.safetensors"
    if target.exists():
        return str(target)
    chosen = RUNS[name]
    words = ours.command("train", "ae", "--data", "mnist", "--data-root", mnist.root(bench), "--name", name)
    words += [*chosen.words, "--output", str(target), "--run-dir", str(keep / name), "--overwrite", "--quiet"]
    words += ["--epochs", f"{share * chosen.epochs:g}"]
    subprocess.run(words, check=True)
    return str(target)


def scatter(weights: str, name: str, bench: Bench) -> dict[str, Any]:
    """Draw the latents of the test digits with outliers; gives the figures."""
    words = ours.command("scatter", "--weights", weights, "--data", "mnist", "--data-root", mnist.root(bench))
    words += ["-o", str(PLACE / f"{name}.png"), "--outliers", "--overwrite", "--json", "--quiet"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    for picture in (f"{name}.png", f"{name}.table.png"):
        lighten(PLACE / picture)
    return figures


def lighten(path: Path) -> None:
    """Make a picture of the page small, in pixels and in bytes."""
    from PIL import Image

    with Image.open(path) as picture:
        small = picture.convert("RGB")
    small.thumbnail((WIDEST, 4 * WIDEST))
    small.quantize(COLOURS, kmeans=COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)


def row(name: str, weights: str, figures: dict[str, Any]) -> str:
    """A line of the table of autoencoders."""
    training = read_header(store.resolve(weights)).training
    score = training.get("autoencoder", training)["score"]  # a restorer has a score of its own
    means, variances, kurtoses = (figures[moment] for moment in ("mean", "variance", "kurtosis"))
    inside = ", ".join(f"{100 * share:.0f}" for share in figures["outliers"].values())
    cells = [
        title(name),
        f"{score:.2f}",
        *(f"{min(values):.3f} – {max(values):.3f}" for values in (means, variances, kurtoses)),
        f"{figures['occupied_cells']:.3f}",
        f"{figures['sliced_wasserstein']:.3f}",
        inside,
    ]
    return f"| {' | '.join(cells)} |"


def recipe(
    weights: str, damaged: Pixels, sigma: float, way: tuple[str, float], iterations: Sequence[int]
) -> dict[int, Tensor]:
    """The report's descent on all digits at once: the estimates after each number of iterations.

    Args:
        weights: Of an autoencoder.
        damaged: uint8 [image, 1, 28, 28].
        sigma: In grey levels.
        way: "l2" or "l1", and the rate of Adam.
        iterations: After which of them an estimate is taken.

    Returns:
        [image, 1, 28, 28] in [0, 1], by iteration.
    """
    loss, rate = way
    prior, level = task(weights, sigma).prior, sigma / 255
    y = torch.from_numpy(damaged).float() / 255
    x = y.clone().requires_grad_()
    optimiser, found = torch.optim.Adam([x], rate), {}
    for step in range(1, max(iterations) + 1):
        optimiser.zero_grad()
        data = (x - y).square().sum() / (2 * level**2) if loss == "l2" else (x - y).abs().sum() / level
        (data + 4 * prior.value(x).sum()).backward()
        optimiser.step()
        if step in iterations:
            found[step] = x.detach().clamp(0, 1).clone()
    return found


def denoising(weights: str, name: str, bench: Bench, iterations: Sequence[int]) -> list[str]:
    """Lines of the table of denoising, and a strip: damaged, the recipe at both lengths, ours, clean."""
    clean, lines = mnist.chosen(bench)[:COUNTED], []
    every = [*(("l2", rate) for rate in RATES), ("l1", MIDDLE)] if name in COMPARED else [("l2", MIDDLE)]
    for sigma in (WEAK, STRONG):
        damaged = mnist.noisy(clean, sigma)
        before = mean(mnist.scores(damaged, clean))
        shown: dict[int, Tensor] = {}
        for way in watched(every, f"{name}, σ {sigma}"):
            found = recipe(weights, damaged, sigma, way, iterations)
            shown = found if way == ("l2", MIDDLE) else shown
            values = [mean(mnist.scores(255 * found[step].numpy(), clean)) for step in iterations]
            figures = " | ".join(f"{value:.2f}" for value in (before, *values))
            lines.append(f"| {title(name)} | {sigma:g} | {way[0]}, Adam at {way[1]:g} | {figures} |")
        mine = restored(weights, sigma, damaged)
        value = mean(mnist.scores(mine, clean))
        lines.append(f"| {title(name)} | {sigma:g} | **ours** | {before:.2f} | | **{value:.2f}** |")
        rows = [damaged / 255, *(shown[step].numpy() for step in iterations), mine / 255, clean / 255]
        strip(PLACE / f"{name}-{sigma:g}.png", rows)
        enlarge(PLACE / f"{name}-{sigma:g}.png")
    return lines


def strip(path: Path, rows: list[Pixels], count: int = SHOWN) -> None:
    """Write images side by side, a column each of `rows`, the first ones of each below one another.

    Args:
        path: The file.
        rows: [image, channel, height, width] in [0, 1] each.
        count: How many images of each.
    """
    from genrestore.train.loop.run import save_grid

    images = np.stack([one[:count] for one in rows], 1)
    save_grid(path, torch.from_numpy(images.reshape(-1, *images.shape[2:])).float(), columns=len(rows))


def enlarge(path: Path) -> None:
    """Make every pixel of a picture a square that can be seen."""
    from PIL import Image

    with Image.open(path) as picture:
        size = tuple(ENLARGED * side for side in picture.size)
        picture.convert("L").resize(size, Image.Resampling.NEAREST).save(path, optimize=True)


def main() -> None:
    """Train and draw; the page is written anew after each autoencoder."""
    options = parse()
    bench = Bench(options.data, "photo", options.keep)
    PLACE.mkdir(parents=True, exist_ok=True)
    options.keep.mkdir(parents=True, exist_ok=True)
    parts: dict[str, list[str]] = {"TABLE": [], "DENOISING": [], "PICTURES": []}
    for name in options.only or [*RUNS, *OURS]:
        weights = train(name, bench, options.keep, options.epochs)
        parts["TABLE"].append(row(name, weights, scatter(weights, name, bench)))
        parts["PICTURES"].append(f"### {title(name)}\n\n![]({name}.png)\n\n![]({name}.table.png)\n")
        if name in COMPARED or name in OURS:
            parts["DENOISING"] += denoising(weights, name, bench, options.iterations)
            parts["PICTURES"].append(f"![]({name}-{WEAK:g}.png) ![]({name}-{STRONG:g}.png)\n")
        write_page(parts, options.epochs, options.iterations)


def write_page(parts: dict[str, list[str]], share: float, iterations: Sequence[int]) -> None:
    """Fill the template with lines, by their marks, and with how long was trained and descended."""
    few, many = iterations
    words = {"SHARE": f"{share:g}", "FEW": str(few), "MANY": str(many), "COUNTED": str(COUNTED)}
    page = TEMPLATE.read_text(encoding="utf-8")
    for mark, text in {**{mark: "\n".join(lines).rstrip() for mark, lines in parts.items()}, **words}.items():
        page = page.replace(f"<!-- {mark} -->", text)
    (PLACE / "autoencoder.md").write_text(page, encoding="utf-8")


def parse() -> argparse.Namespace:
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST")
    parser.add_argument(
        "--epochs", type=float, default=SHORT, metavar="SHARE", help=f"of the report's epochs ({SHORT:g})"
    )
    parser.add_argument(
        "--iterations",
        type=int,
        nargs=2,
        default=ITERATIONS,
        metavar=("FEW", "MANY"),
        help=f"of the descent ({ITERATIONS[0]} {ITERATIONS[1]})",
    )
    parser.add_argument("--full", action="store_true", help="as many epochs as the report")
    parser.add_argument(
        "--only", action="append", choices=[*RUNS, *OURS], help="only this one; may be repeated"
    )
    parser.add_argument("--keep", type=Path, default=Path("experiment"), help="trained weights (experiment/)")
    options = parser.parse_args()
    if options.full:
        options.epochs = 1.0
    return options


if __name__ == "__main__":
    main()
