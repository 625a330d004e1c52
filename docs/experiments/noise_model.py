"""Compare the noise of real files with what the training draws; see docs/noise.md.

python docs/experiments/noise_model.py --data FOLDER [--draws N] [--plot FILE]

FOLDER holds pairs of noisy and clean pictures, PolyU/ (NAME_real.JPG, NAME_mean.JPG) and Phone/
(NAME_noisy.png, NAME_gt.png), there or under test/. Their noise is measured; no picture is learned from.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import numpy as np
import torch
from matplotlib.figure import Figure
from pictures import Pixels, read
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.nn import functional

from genrestore.train.data.correlated import OPPONENT
from genrestore.train.data.degradation import MARGIN, degrade
from genrestore.train.settings import Mixture

PAIRS = {"PolyU": ("_real.JPG", "_mean.JPG"), "Phone": ("_noisy.png", "_gt.png")}
SIDE = 256
"""Side of the crops in pixels."""
MIXTURE = Mixture(camera=0.46, correlated=0.54, jpeg=0.0, impulses=0.0, grey=0.0)
"""Coloured noise only, in the shares that the training has of it."""
FIGURES = {
    "luma": "luma, grey levels",
    "chroma": "chroma over luma",
    "luma_fine": "luma: finest over third band",
    "chroma_fine": "chroma: finest over third band",
    "bright": "level in bright over that in middle tones",
}


def figures(noisy: Tensor, clean: Tensor) -> dict[str, float]:
    """What tells one camera's noise from another's; the keys of `FIGURES`.

    Args:
        noisy: [3, height, width] in [0, 1].
        clean: The same.
    """
    planes = torch.einsum("ij,jhw->ihw", OPPONENT, noisy - clean)
    luma, chroma = bands(planes[:1]), bands(planes[1:])
    energy = (noisy - clean).square().mean(0)
    brightness = clean.mean(0)
    places = [brightness > 0.6, (brightness > 0.2) & (brightness < 0.5)]
    bright, middle = (float(energy[at].mean()) if int(at.sum()) > 500 else math.nan for at in places)
    return {
        "luma": 255 * float(planes[0].square().mean().sqrt()),
        "chroma": float(planes[1:].square().mean().sqrt() / planes[0].square().mean().sqrt()),
        "luma_fine": luma[0] / luma[2],
        "chroma_fine": chroma[0] / max(chroma[2], 1e-9),
        "bright": math.sqrt(bright / middle) if middle else math.nan,
    }


def bands(planes: Tensor) -> list[float]:
    """Level of white noise that would have as much energy in each of three bands, finest first.

    Args:
        planes: [plane, height, width], any scale.
    """
    white = torch.randn(1, SIDE, SIDE, generator=torch.Generator().manual_seed(0))
    return [math.sqrt(a / b) for a, b in zip(_energies(planes), _energies(white), strict=True)]


def _energies(planes: Tensor) -> list[float]:
    found, rest = [], planes[None]
    for _ in range(3):
        coarse = functional.avg_pool2d(rest, 2)
        shown = functional.interpolate(coarse, rest.shape[-2:], mode="bilinear", align_corners=False)
        found.append(float((rest - shown).square().mean()))
        rest = coarse
    return found


def pairs(data: Path, name: str) -> Iterator[tuple[Tensor, Tensor]]:
    """The middle of every pair of a set, noisy and clean, [3, height, width] in [0, 1]."""
    noisy, clean = PAIRS[name]
    folder = next((path for path in (data / name, data / "test" / name) if path.is_dir()), None)
    if folder is None:
        raise SystemExit(f"docs/experiments/noise_model.py: {data / name}: not found")
    for path in sorted(folder.glob(f"*{noisy}")):
        yield _middle(read(path)), _middle(read(path.with_name(path.name.replace(noisy, clean))))


def _middle(pixels: Pixels) -> Tensor:
    height, width = pixels.shape[:2]
    top, left = max(0, height - SIDE - MARGIN) // 2, max(0, width - SIDE - MARGIN) // 2
    crop = pixels[top : top + SIDE + MARGIN, left : left + SIDE + MARGIN]
    return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))).float() / 255


def drawn(scenes: list[Tensor], count: int) -> list[dict[str, float]]:
    """The figures of as many draws of the training's noise, on these clean pictures."""
    found = []
    for index in range(count):
        generator = torch.Generator().manual_seed(index)
        sample = degrade(scenes[index % len(scenes)], MIXTURE, generator)
        if not sample.white and bool((sample.noisy != sample.clean).any()):
            found.append(figures(sample.noisy, sample.clean))
    return found


def main() -> None:
    """Print the table, and draw the plots if a file is named for them."""
    parser = argparse.ArgumentParser(description="Compare the noise of real files with what training draws.")
    parser.add_argument("--data", type=Path, required=True, help="folder with PolyU/ and Phone/")
    parser.add_argument("--draws", type=int, default=600, metavar="N", help="draws of the model (600)")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="a picture of the plots")
    options = parser.parse_args()
    sets = {name: list(pairs(options.data, name)) for name in PAIRS}
    scenes = [clean for found in sets.values() for _, clean in found if min(clean.shape[1:]) == SIDE + MARGIN]
    model = drawn(scenes, options.draws)
    real = {name: [figures(*pair) for pair in found] for name, found in sets.items()}
    table = Table(title=f"Noise of real files within the spread of {len(model)} draws")
    for heading in ("figure", "set", "least", "median", "most", "model 2 %", "50 %", "98 %", "inside"):
        table.add_column(heading)
    for key, words in FIGURES.items():
        low, middle, high = np.nanquantile([one[key] for one in model], (0.02, 0.5, 0.98))
        for name, found in real.items():
            values = np.array([one[key] for one in found])
            values = values[np.isfinite(values)]
            inside = int(((values >= low) & (values <= high)).sum())
            spread = (values.min(), np.median(values), values.max(), low, middle, high)
            table.add_row(words, name, *(f"{value:.2f}" for value in spread), f"{inside} of {values.size}")
    Console(width=130).print(table)
    if options.plot:
        plot(model, real, options.plot)


def plot(model: list[dict[str, float]], real: dict[str, list[dict[str, float]]], path: Path) -> None:
    """Each figure against the strength of the luma: draws of the model in grey, real files in colour."""
    figure = Figure(figsize=(12, 3.2), layout="constrained")
    for axes, key in zip(figure.subplots(1, 4), list(FIGURES)[1:], strict=True):
        axes.scatter(
            [one["luma"] for one in model], [one[key] for one in model], s=5, color="0.75", label="drawn"
        )
        for name, found in real.items():
            axes.scatter([one["luma"] for one in found], [one[key] for one in found], s=14, label=name)
        axes.set(xscale="log", yscale="log", xlabel=FIGURES["luma"], ylabel=FIGURES[key])
    figure.axes[0].legend()
    figure.savefig(path, dpi=90)


if __name__ == "__main__":
    main()
