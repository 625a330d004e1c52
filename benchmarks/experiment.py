"""Make the report's plots and tables on autoencoder priors anew, and ours beside them.

python benchmarks/experiment.py --data FOLDER [--epochs SHARE] [--only NAME ...]

Writes docs/experiments/autoencoder.md and its pictures. Autoencoders are kept under --keep.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mnist
import numpy as np
import ours
import torch
from pictures import Pixels, mean
from report import watched
from restored_digits import RATES, STRONG, WEAK, task
from restored_digits import ours as restored
from settings import Bench
from torch import Tensor

from genrestore.weights.header import read_header

PLACE = Path(__file__).parents[1] / "docs" / "experiments"
TEMPLATE = Path(__file__).with_suffix(".md")
SHOWN = 5
"""Digits in a strip of denoising."""
ITERATIONS = (1000, 10_000)


@dataclass(frozen=True)
class Trained:
    """One autoencoder of the experiment.

    Attributes:
        title: Heading.
        words: Of `genrestore train ae`, besides data, name and places.
        epochs: Passes through the images at full length; None where the words say how long.
    """

    title: str
    words: tuple[str, ...]
    epochs: float | None = None


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
    "ours-plain": Trained("ours, plain", ("--latent-dim", "10", "--cover", "none")),
    "ours": Trained("ours, MMD", ("--latent-dim", "10")),
    "ours-sliced": Trained(
        "ours, sliced Wasserstein", ("--latent-dim", "10", "--cover", "sliced-wasserstein")
    ),
    "ours-100": Trained("ours, latent 100", ("--latent-dim", "100", "--cover", "none")),
}
"""What is trained: the report's by its recipe, and ours."""


def train(name: str, bench: Bench, keep: Path, share: float) -> Path:
    """Train one autoencoder, unless it is there; gives its weights."""
    target = keep / f"{name}.safetensors"
    if target.exists():
        return target
    chosen = RUNS[name]
    words = ours.command("train", "ae", "--data", "mnist", "--data-root", mnist.root(bench), "--name", name)
    words += [*chosen.words, "--output", str(target), "--run-dir", str(keep / name), "--overwrite", "--quiet"]
    if chosen.epochs is not None:
        words += ["--epochs", f"{share * chosen.epochs:g}"]
    elif share < 1:
        words += ["--steps", str(max(1, round(8000 * share)))]
    subprocess.run(words, check=True)
    return target


def scatter(weights: Path, name: str, bench: Bench) -> dict[str, Any]:
    """Draw the latents of the test digits with outliers; gives the figures."""
    words = ours.command("scatter", "--weights", weights, "--data", "mnist", "--data-root", mnist.root(bench))
    words += ["-o", str(PLACE / f"{name}.png"), "--outliers", "--overwrite", "--json", "--quiet"]
    done = subprocess.run(words, check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    return figures


def row(name: str, weights: Path, figures: dict[str, Any]) -> str:
    """A line of the table of autoencoders."""
    score = read_header(weights).training["score"]
    means, variances, kurtoses = (figures[moment] for moment in ("mean", "variance", "kurtosis"))
    inside = ", ".join(f"{100 * share:.0f}" for share in figures["outliers"].values())
    cells = [
        RUNS[name].title,
        f"{score:.2f}",
        *(f"{min(values):.3f} – {max(values):.3f}" for values in (means, variances, kurtoses)),
        f"{figures['occupied_cells']:.3f}",
        f"{figures['sliced_wasserstein']:.3f}",
        inside,
    ]
    return f"| {' | '.join(cells)} |"


def recipe(weights: str, damaged: Pixels, sigma: float, rate: float, loss: str) -> dict[int, Tensor]:
    """The report's descent on all digits at once: the estimates after each of `ITERATIONS`.

    Args:
        weights: Of an autoencoder.
        damaged: uint8 [image, 1, 28, 28].
        sigma: In grey levels.
        rate: Of Adam.
        loss: "l2" or "l1".

    Returns:
        [image, 1, 28, 28] in [0, 1], by iteration.
    """
    prior, level = task(weights, sigma).prior, sigma / 255
    y = torch.from_numpy(damaged).float() / 255
    x = y.clone().requires_grad_()
    optimiser, found = torch.optim.Adam([x], rate), {}
    for step in range(1, max(ITERATIONS) + 1):
        optimiser.zero_grad()
        data = (x - y).square().sum() / (2 * level**2) if loss == "l2" else (x - y).abs().sum() / level
        (data + 4 * prior.value(x).sum()).backward()
        optimiser.step()
        if step in ITERATIONS:
            found[step] = x.detach().clamp(0, 1).clone()
    return found


def denoising(weights: Path, name: str, bench: Bench) -> list[str]:
    """Lines of the table of denoising, and a strip: damaged, the recipe at both lengths, ours, clean."""
    clean, lines = mnist.chosen(bench)[:16], []
    for sigma in (WEAK, STRONG):
        damaged = mnist.noisy(clean, sigma)
        before = mean(mnist.scores(damaged, clean))
        best: dict[int, Tensor] = {}
        for loss in ("l2", "l1"):
            for rate in watched(RATES, f"{name}, σ {sigma}, {loss}"):
                found = recipe(str(weights), damaged, sigma, rate, loss)
                values = [mean(mnist.scores(255 * found[step].numpy(), clean)) for step in ITERATIONS]
                best = found if not best or (loss == "l2" and rate == RATES[1]) else best
                figures = " | ".join(f"{value:.2f}" for value in (before, *values))
                lines.append(f"| {RUNS[name].title} | {sigma:g} | {loss}, Adam at {rate:g} | {figures} |")
        mine = restored(str(weights), sigma, damaged)
        value = mean(mnist.scores(mine, clean))
        figures = f"{before:.2f} | {value:.2f} | {value:.2f}"
        lines.append(f"| {RUNS[name].title} | {sigma:g} | **ours** | {figures} |")
        rows = [damaged / 255, *(best[step].numpy() for step in ITERATIONS), mine / 255, clean / 255]
        strip(PLACE / f"{name}-{sigma:g}.png", rows)
    return lines


def strip(path: Path, rows: list[Pixels], count: int = SHOWN) -> None:
    """Write images side by side, a column each of `rows`, the first ones of each below one another.

    Args:
        path: The file.
        rows: [image, channel, height, width] in [0, 1] each.
        count: How many images of each.
    """
    from genrestore.training.plots import save_grid

    images = np.stack([one[:count] for one in rows], 1)
    save_grid(path, torch.from_numpy(images.reshape(-1, *images.shape[2:])).float(), columns=len(rows))


def main() -> None:
    """Train, draw, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST")
    parser.add_argument("--epochs", type=float, default=1.0, metavar="SHARE", help="of the full length (1)")
    parser.add_argument("--only", action="append", choices=RUNS, help="only this one; may be repeated")
    parser.add_argument("--keep", type=Path, default=Path("experiment"), help="trained weights (experiment/)")
    options = parser.parse_args()
    bench = Bench(options.data, "photo", options.keep)
    PLACE.mkdir(parents=True, exist_ok=True)
    options.keep.mkdir(parents=True, exist_ok=True)
    table, pictures, damaged = [], [], []
    for name in options.only or RUNS:
        weights = train(name, bench, options.keep, options.epochs)
        figures = scatter(weights, name, bench)
        table.append(row(name, weights, figures))
        pictures.append(f"### {RUNS[name].title}\n\n![]({name}.png)\n\n![]({name}.table.png)\n")
        if name in ("none", "moments", "plain-100", "ours", "ours-100"):
            damaged += denoising(weights, name, bench)
    page = TEMPLATE.read_text(encoding="utf-8")
    for mark, lines in (("TABLE", table), ("DENOISING", damaged), ("PICTURES", pictures)):
        page = page.replace(f"<!-- {mark} -->", "\n".join(lines))
    length = "" if options.epochs == 1 else f" at {options.epochs:g} of the full length"
    page = page.replace("<!-- LENGTH -->", length)
    (PLACE / "autoencoder.md").write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
