"""Fit a noisy picture by convolutions and by fully connected layers: which finds it before the noise.

python docs/experiments/fully_connected.py [--steps N]

Needs no data. Writes what docs/theory.md holds between its marks, and its plot.
"""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

import numpy as np
import torch
from matplotlib.figure import Figure
from PIL import Image
from reports import PLACE, fill
from torch import Tensor, nn

from genrestore.restore.priors.dip import UntrainedNetwork
from genrestore.runtime import Runtime

PICTURE, CORNER, SIDE = PLACE.parents[1] / "examples/clean.png", (150, 200), 64
"""Of which a square is taken, in grey."""
SIGMA, STEPS = 25 / 255, 400
HIDDEN, LATENT = 512, 256
RATES = {"convolutions": 0.01, "fully connected": 0.001}
"""Of Adam; the second network diverges at the rate of the first."""


class FullyConnected:
    """A picture from fixed noise through three hidden layers, each number joined to every other.

    Args:
        runtime: Seed.
    """

    def __init__(self, runtime: Runtime) -> None:
        torch.manual_seed(runtime.seed)
        layers: list[nn.Module] = []
        for inputs in (LATENT, HIDDEN, HIDDEN):
            layers += [nn.Linear(inputs, HIDDEN), nn.LeakyReLU(0.2)]
        self.network = nn.Sequential(*layers, nn.Linear(HIDDEN, SIDE**2), nn.Sigmoid())
        self.noise = torch.randn(1, LATENT)
        self.parameters = self.network.parameters

    def sample(self) -> Tensor:
        """The picture, [1, 1, side, side] in [0, 1]."""
        made: Tensor = self.network(self.noise)
        return made.unflatten(1, (1, SIDE, SIDE))


def way(
    network: FullyConnected | UntrainedNetwork, noisy: Tensor, clean: Tensor, rate: float, steps: int
) -> list[float]:
    """PSNR in dB against the clean picture after every step of a fit to the noisy one.

    Both pictures are [1, 1, side, side] in [0, 1].
    """
    optimiser, found = torch.optim.Adam(network.parameters(), rate), []
    for _ in range(steps):
        optimiser.zero_grad()
        made = network.sample()
        (made - noisy).square().sum().backward()
        optimiser.step()
        found.append(-10 * math.log10(float((made.detach() - clean).square().mean())))
    return found


def main() -> None:
    """Fit both, draw, and write the page."""
    parser = argparse.ArgumentParser(description="Fit a noisy picture by two kinds of networks.")
    parser.add_argument("--steps", type=int, default=STEPS, help=f"of Adam ({STEPS})")
    steps, runtime = parser.parse_args().steps, Runtime.create("cpu", "fp32")
    top, left = CORNER
    with Image.open(PICTURE) as picture:
        grey = np.asarray(picture.convert("L"), np.float32)[top : top + SIDE, left : left + SIDE] / 255
    clean = torch.from_numpy(grey.copy())[None, None]
    noisy = clean + SIGMA * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    networks = {
        "convolutions": UntrainedNetwork((1, 1, SIDE, SIDE), runtime, jitter=0.0),
        "fully connected": FullyConnected(runtime),
    }
    start = -10 * math.log10(float((noisy - clean).square().mean()))
    lines = ["| network | best | after steps | at the end |", "|---|---:|---:|---:|"]
    figure = Figure(figsize=(4.8, 2.8), layout="constrained")
    axes = figure.subplots()
    for name, network in networks.items():
        found = way(network, noisy, clean, RATES[name], steps)
        lines.append(f"| {name} | {max(found):.2f} dB | {found.index(max(found)) + 1} | {found[-1]:.2f} dB |")
        axes.plot(range(1, steps + 1), found, label=name, linewidth=1)
    axes.axhline(start, color="grey", linestyle="--", linewidth=1, label="the noisy picture")
    axes.set(xlabel="step", ylabel="PSNR, dB", xscale="log")
    axes.legend(fontsize=8)
    axes.grid(alpha=0.3)
    figure.savefig(PLACE / "fully-connected.png", dpi=80)
    lines.append(f"| the noisy picture | {start:.2f} dB | | |")
    fill(PLACE.parent / "theory.md", {"fully connected": lines})


if __name__ == "__main__":
    main()
