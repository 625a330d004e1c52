"""Traces of searches, step by step: numbers, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from genrestore import plotting
from genrestore.restore.problem import Step

STRIP = 8
"""Estimates in a strip, besides the damaged picture, about."""
ALL, RARER = 32, 1.05
"""Steps of which every image is kept, and then that of the next by this factor."""


@dataclass
class Steps:
    """Steps of the search for one picture.

    Attributes:
        rows: "stage", "step", "data" (D(x; y)), "prior" (λ R(x)) and their "sum" of each step.
        images: Estimates by step, [channel, height, width] in [0, 1]: of each stage the first and the last,
            and ever rarer ones between.
        stopped: Whether the picture has come to its end.
    """

    rows: list[dict[str, Any]] = field(default_factory=list)
    images: dict[int, Tensor] = field(default_factory=dict)
    stopped: bool = False
    _due: float = 0.0
    _keep: bool = True

    def add(self, step: Step) -> None:
        """Note a step of one picture; what comes after it has stopped is left out."""
        if self.stopped:
            return
        self.stopped = step.active is not None and not bool(step.active[0])
        begins = not self.rows or self.rows[-1]["stage"] != step.stage
        if not begins and not self._keep:
            del self.images[self.rows[-1]["step"]]
        self._keep = begins or step.index >= self._due
        if self._keep:
            self._due = step.index + 1 if step.index < ALL else step.index * RARER
        data, prior = (float(step.energies[name][0]) for name in ("data", "prior"))
        numbers = {"step": step.index, "data": data, "prior": prior, "sum": data + prior}
        self.rows.append({"stage": step.stage, **numbers})
        self.images[step.index] = step.image[0].cpu()

    def chosen(self) -> list[int]:
        """Steps that show the way: the first, the last of each stage, and between them ever rarer ones."""
        ends = {row["stage"]: row["step"] for row in self.rows}
        last = self.rows[-1]["step"]
        wanted = {round(last ** (place / (STRIP - 1))) for place in range(1, STRIP)} if last > 0 else set()
        near = {min(self.images, key=lambda kept: abs(kept - step)) for step in wanted}
        return sorted({0, *near, *ends.values()})

    def title(self, step: int) -> str:
        """Label of an estimate: its stage and step; that of a restorer comes of one pass."""
        stage = next(row["stage"] for row in self.rows if row["step"] == step)
        return {"": f"step {step}", "restorer": "restorer,\none pass"}.get(stage, f"{stage},\nstep {step}")


def plot(trace: Steps) -> Any:
    """Both terms over the steps, as a matplotlib figure; lines end where a stage does."""
    figure = plotting.figure(6, 4)
    axes = figure.add_subplot()
    stages = list(dict.fromkeys(row["stage"] for row in trace.rows))
    for name, label, colour in (("data", "D(x; y)", "C0"), ("prior", "λ R(x)", "C1"), ("sum", "sum", "C2")):
        for place, stage in enumerate(stages):
            rows = [row for row in trace.rows if row["stage"] == stage]
            axes.plot(
                [row["step"] for row in rows],
                [row[name] for row in rows],
                color=colour,
                label=None if place else label,
                marker="." if len(rows) < 30 else "",
            )
    for stage in stages[1:]:
        first = next(row["step"] for row in trace.rows if row["stage"] == stage)
        axes.axvline(first - 0.5, color="grey", linewidth=0.5)
        axes.annotate(
            stage, (first, 1), xycoords=("data", "axes fraction"), fontsize=7, rotation=90, va="top"
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
    shown = [("damaged", damaged), *((trace.title(step), trace.images[step]) for step in trace.chosen())]
    figure = plotting.figure(1.4 * len(shown), 1.9)
    for axes, (title, image) in zip(figure.subplots(1, len(shown), squeeze=False)[0], shown, strict=True):
        axes.imshow(image.clamp(0, 1).permute(1, 2, 0).squeeze(-1).numpy(), cmap="gray", vmin=0, vmax=1)
        axes.set_title(title, fontsize=9)
        axes.set_axis_off()
    return figure
