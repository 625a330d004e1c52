"""Make a report's plots and tables on autoencoder priors anew, and ours beside them.

python docs/experiments/autoencoder.py --data FOLDER [--epochs SHARE] [--iterations FEW MANY] [--only NAME]
    [--holes] [--long SEED ...]

Writes what docs/experiments/autoencoder.md holds between its marks, and its pictures; autoencoders are kept
under --keep. An hour on one core; `--epochs 1` trains as long as the report did, for a day; `--long 0` gives
`moments` alone the report's hundred epochs, for hours; `--quick` takes minutes, and leaves the
documentation as it is.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import reports
from bench import Bench, command, mean, watched
from digits import SIDE, STRONG, WEAK, chosen, noisy, root, scores, together
from pictures import Pixels, square_hole
from PIL import Image
from reports import descent, strip

from genrestore.restore.task import DENOISE, INPAINT
from genrestore.weights import store
from genrestore.weights.header import read_header

COVERS = ("none", "moments", "moments-with-mean", "moments-within", "kl-within", "kl-batch")
TITLES = {
    **{cover: cover for cover in COVERS},
    "none": "plain",
    "plain-100": "plain, latent 100",
    "mnist-ae": "ours, mnist-ae",
    "mnist-ae-100": "ours, mnist-ae-100",
}
"""Autoencoders, those of the report by its recipe, and their headings."""
COMPARED = ("none", "plain-100")
"""Of the report's, those whose denoising is compared at every rate and with both losses."""
COUNTED, FILLED, MIDDLE = 8, 20, 0.01
"""Digits in the table of denoising, and in that of holes; the rate that pictures show."""
EXACT = 0.5
"""σ in grey levels that the recipe reckons with where there is no noise."""
LONG = "moments"
"""The loss that the report found to cover the cube, after a hundred epochs."""
LATENTS = (
    "| autoencoder | PSNR, dB | mean | variance | kurtosis | cells | distance to uniform | inside, % |",
    "|---|---:|---|---|---|---:|---:|---|",
)
"""Head of a table of autoencoders."""
WIDEST, COLOURS = 560, 256
"""Pixels that a picture of the page is wide, and its colours, at most."""


def train(name: str, bench: Bench, target: Path, share: float, seed: int = 0) -> str:
    """Weights of an autoencoder: ours by name, the report's trained by its recipe unless it is there."""
    if name.startswith("mnist-"):
        return name
    if not target.exists():
        words = ["train", "ae", "--data", "mnist", "--data-root", root(bench), "--name", name, "--quiet"]
        words += ["--recipe", "report", "--latent-dim", 100 if name == "plain-100" else 10]
        words += ["--cover", name] if name in COVERS[1:] else []
        words += ["--output", target, "--run-dir", target.with_suffix(""), "--overwrite"]
        epochs = share * (100 if name in COVERS[1:] else 50)
        subprocess.run(command(*words, "--seed", seed, "--epochs", f"{epochs:g}"), check=True)
    return str(target)


def row(title: str, weights: str, bench: Bench, picture: str) -> str:
    """Draw the latents of the test digits with outliers; a line of the table of autoencoders."""
    words = ["scatter", "--weights", weights, "--data", "mnist", "--data-root", root(bench), "--outliers"]
    words += ["-o", reports.PLACE / f"{picture}.png", "--overwrite", "--json", "--quiet"]
    done = subprocess.run(command(*words), check=True, capture_output=True, text=True)
    figures: dict[str, Any] = json.loads(done.stdout)
    for path in (reports.PLACE / f"{picture}.png", reports.PLACE / f"{picture}.table.png"):
        with Image.open(path) as picture:
            small = picture.convert("RGB")
        small.thumbnail((WIDEST, 4 * WIDEST))
        small.quantize(COLOURS, kmeans=COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    training = read_header(store.resolve(weights)).training
    score = training.get("autoencoder", training)["score"]  # a restorer has a score of its own
    spans = [
        f"{min(figures[what]):.3f} – {max(figures[what]):.3f}" for what in ("mean", "variance", "kurtosis")
    ]
    inside = ", ".join(f"{100 * share:.0f}" for share in figures["outliers"].values())
    places = [f"{figures[what]:.3f}" for what in ("occupied_cells", "sliced_wasserstein")]
    return f"| {' | '.join([title, f'{score:.2f}', *spans, *places, inside])} |"


def long(seeds: list[int], bench: Bench, keep: Path, share: float) -> list[str]:
    """Lines on `moments` after all of the report's epochs, by seed, and the pictures of the first seed."""
    lines = list(LATENTS)
    for number, seed in enumerate(seeds):
        weights = train(LONG, bench, keep / f"{LONG}-{seed}.safetensors", share, seed)
        picture = f"{LONG}-long" if number == 0 else str((keep / f"{LONG}-{seed}").resolve())
        lines.append(row(f"{LONG}, seed {seed}", weights, bench, picture))
    return [*lines, f"\n![]({LONG}-long.png)\n\n![]({LONG}-long.table.png)"]


def denoising(name: str, weights: str, bench: Bench, after: list[int]) -> list[str]:
    """Lines of the table of denoising, and a strip: damaged, the descent at both lengths, ours, clean."""
    clean, lines = chosen(bench)[:COUNTED], []
    ways = [(MIDDLE, "l2")]
    if name in COMPARED:
        ways = [*((rate, "l2") for rate in reports.RATES), (MIDDLE, "l1")]
    for sigma in (WEAK, STRONG):
        damaged, title = noisy(clean, sigma), f"| {TITLES[name]} | {sigma:g}"
        before = f"{mean(scores(damaged, clean)):.2f}"
        for rate, loss in watched(ways, f"{name}, σ {sigma}"):
            found = descent(weights, damaged, sigma, rate, after, loss)
            values = [f"{mean(scores(255 * one.numpy(), clean)):.2f}" for one in found.values()]
            lines.append(f"{title} | {loss}, Adam at {rate:g} | {before} | {' | '.join(values)} |")
            if (rate, loss) == (MIDDLE, "l2"):
                shown = [one.numpy() for one in found.values()]
        ours = together(DENOISE, weights, damaged, sigma=sigma)
        lines.append(f"{title} | **ours** | {before} | | **{mean(scores(ours, clean)):.2f}** |")
        path = reports.PLACE / f"{name}-{sigma:g}.png"
        heads = ["damaged", *(f"{count} steps" for count in after), "ours", "clean"]
        strip(path, [damaged / 255, *shown, ours / 255, clean / 255], heads=heads)
    return lines


def filling(name: str, weights: str, bench: Bench, after: list[int]) -> str:
    """A line of the table of holes, and a strip: damaged, the descent at both lengths, ours, clean."""
    clean = chosen(bench, FILLED)
    known = np.stack([square_hole(28, 28, side=SIDE)] * len(clean))
    damaged = clean * known[:, None]

    def cell(made: Pixels) -> str:
        found = scores(made, clean)
        return f"{mean(found):.2f} ± {np.std(found) / (len(found) - 1) ** 0.5:.2f}"

    steps = descent(weights, damaged, EXACT, MIDDLE, after, known=known)
    made = [np.where(known[:, None], clean, 255 * one.numpy()) for one in steps.values()]
    made.append(together(INPAINT, weights, damaged, known[:, None]))
    heads = ["damaged", *(f"{count} steps" for count in after), "ours", "clean"]
    columns = [one / 255 for one in (damaged, *made, clean)]
    strip(reports.PLACE / f"{name}-hole.png", columns, heads=heads)
    return f"| {' | '.join([TITLES[name], *map(cell, (damaged, *made))])} |"


def main() -> None:
    """Train and draw; the page is written anew after each autoencoder."""
    parser = argparse.ArgumentParser(description="Make a report on autoencoder priors anew.")
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST")
    parser.add_argument("--epochs", type=float, default=0.04, metavar="SHARE", help="of the report's (0.04)")
    parser.add_argument("--iterations", type=int, nargs=2, default=[1000, 10_000], metavar=("FEW", "MANY"))
    parser.add_argument("--only", action="append", choices=list(TITLES), help="may be repeated")
    parser.add_argument("--holes", action="store_true", help="only the table of holes")
    parser.add_argument("--long", type=int, nargs="+", metavar="SEED", help="only `moments`, all its epochs")
    parser.add_argument("--quick", action="store_true", help="few steps, into --keep")
    parser.add_argument("--keep", type=Path, default=Path("experiment"), help="weights (experiment/)")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.quick:
        reports.apart(options.keep, "autoencoder.md")
        options.epochs, options.iterations = 0.0004, [5, 10]
    bench, (few, many) = Bench(options.data, "photo", options.keep), options.iterations
    if options.long:
        share = options.epochs if options.quick else 1
        reports.fill("autoencoder.md", {"long": long(options.long, bench, options.keep, share)})
        return
    latents = list(LATENTS)
    noise = [
        f"| autoencoder | σ | by | before | after {few} | after {many} |",
        "|---|---:|---|---:|---:|---:|",
    ]
    holes = [f"| autoencoder | before | after {few} | after {many} | ours |", "|---|---:|---:|---:|---:|"]
    pictures, gaps = [], []
    for name in options.only or TITLES:
        restores = name in COMPARED or name.startswith("mnist-")
        if options.holes and not restores:
            continue
        weights = train(name, bench, options.keep / f"{name}.safetensors", options.epochs)
        if restores:
            holes.append(filling(name, weights, bench, options.iterations))
            gaps.append(f"{TITLES[name]}:\n\n![]({name}-hole.png)\n")
        if options.holes:
            reports.fill("autoencoder.md", {"holes": [*holes, "", *gaps]})
            continue
        latents.append(row(TITLES[name], weights, bench, name))
        pictures.append(f"### {TITLES[name]}\n\n![]({name}.png)\n\n![]({name}.table.png)\n")
        if restores:
            noise += denoising(name, weights, bench, options.iterations)
            pictures.append(f"![]({name}-{WEAK:g}.png) ![]({name}-{STRONG:g}.png)\n")
        share = [f"Made with {options.epochs:g} of the report's epochs."]
        parts = {"share": share, "latents": latents, "denoising": noise, "pictures": pictures}
        parts["holes"] = [*holes, "", *gaps]
        reports.fill("autoencoder.md", parts)


if __name__ == "__main__":
    main()
