"""Traces of searches, step by step: numbers, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from genrestore import plotting
from genrestore.restore.solvers.steps import Step

STRIP = 8
"""Estimates in a strip, besides the damaged picture."""


@dataclass
class Steps:
    """Every step of the search for one picture.

    Attributes:
        rows: "step", "data" (D(x; y)), "prior" (λ R(x)) and their "sum" of each step.
        images: The estimate after each, [channel, height, width] in [0, 1].
        stopped: Whether the picture has come to its end.
    """

    rows: list[dict[str, float]] = field(default_factory=list)
    images: list[Tensor] = field(default_factory=list)
    stopped: bool = False

    def add(self, step: Step) -> None:
        """Note a step of one picture; what comes after it has stopped is left out."""
        if self.stopped:
            return
        self.stopped = step.active is not None and not bool(step.active[0])
        data, prior = (float(step.energies[name][0]) for name in ("data", "prior"))
        self.rows.append({"step": step.index, "data": data, "prior": prior, "sum": data + prior})
        self.images.append(step.image[0].cpu())

    def chosen(self) -> list[int]:
        """Steps that show the way: the first, the last, and between them ever rarer ones."""
        last = len(self.rows) - 1
        steps = {round(last ** (place / (STRIP - 1))) for place in range(1, STRIP)} if last > 0 else set()
        return sorted({0, *(step for step in steps if step <= last), last})


def plot(trace: Steps) -> Any:
    """Both terms over the steps, as a matplotlib figure."""
    figure = plotting.figure(6, 4)
    axes = figure.add_subplot()
    steps = [row["step"] for row in trace.rows]
    for name, label in (("data", "D(x; y)"), ("prior", "λ R(x)"), ("sum", "sum")):
        axes.plot(
            steps, [row[name] for row in trace.rows], label=label, marker="." if len(steps) < 30 else ""
        )
    axes.set_xlabel("step")
    axes.grid(alpha=0.3)
    axes.legend()
    return figure


def strip(trace: Steps, damaged: Tensor) -> Any:
    """The damaged picture and estimates on the way, side by side, as a matplotlib figure.

    Args:
        trace: The steps.
        damaged: [channel, height, width] in [0, 1].
    """
    chosen = trace.chosen()
    shown = [("damaged", damaged), *((f"step {step}", trace.images[step]) for step in chosen)]
    figure = plotting.figure(1.4 * len(shown), 1.7)
    for axes, (title, image) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        axes.imshow(image.clamp(0, 1).permute(1, 2, 0).squeeze().numpy(), cmap="gray", vmin=0, vmax=1)
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure
