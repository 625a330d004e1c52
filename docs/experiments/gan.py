"""Make a report's pictures and tables on generator priors anew, and ours beside them.

python docs/experiments/gan.py --data FOLDER [--only digits|faces ...] [--losses] [--fours] [--quick]

Writes what docs/experiments/gan.md holds between its marks, and its pictures. `--losses` makes only the
trainings with three losses, digits at two ratios and faces at one, for hours; runs are kept under --keep.
`--fours` makes only the table of 4s and 9s. `--quick` takes minutes, and leaves the documentation as it is.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import reports
import torch
from bench import QUICK, Bench, command, mean, watched
from digits import FACES, WEAK, chosen, digits, faces, noisy, root, scores, task
from matplotlib.figure import Figure
from pictures import Pixels, find, square_hole
from reports import STEPS, classifier, probabilities, search, strip
from torch import Tensor

from genrestore.restore.pictures import Restore
from genrestore.restore.settings import LatentSearch
from genrestore.restore.task import DENOISE, INPAINT, INVERT, Picture, Request, Task
from genrestore.train.loop.run import save_grid

TASKS, LOSSES = ("invert", "denoise", "inpaint"), ("l2", "l1")
CLASSES = {"digits": ("Digits", "mnist-gan", 20), "faces": ("Colour faces", "faces-rgb-gan", 20)}
"""Heading, weights and number of images."""
OUR_STEPS, THEIR_STEPS = (0, 5, 20, 60), (0, 50, 200, 1000)
"""What a strip shows besides the last."""
FOURS, CASES = 60, 4
"""Test digits 4 that are searched for the report's case, and how many cases are shown."""
SHOWN = 36
"""Samples of a trained generator."""
ADVERSARIAL = ("non-saturating", "saturating", "l2")
"""Losses of the trainings that are compared."""
PLAYERS = ("discriminator", "generator")


@dataclass(frozen=True)
class Comparison:
    """How generators of a class are trained to compare losses: by the recipe, but in few and small steps."""

    steps: int
    batch: int
    ratios: tuple[int, ...]
    """Steps of the discriminator to one of the generator."""
    data: Callable[[Bench], list[Any]]
    """Options of the command that say what is learned from."""
    judged: dict[str, Callable[[Bench, Tensor, float], str]]
    """Columns that judge samples [image, channel, size, size] in [0, 1], or go by the training's score."""
    samples: int | None
    """How many of these; None: as many as the classifier judges."""

    def train(self, bench: Bench, folder: Path, loss: str, ratio: int) -> None:
        """Train a generator in a folder, unless its weights are there already.

        Raises:
            RuntimeError: It failed, and not by the alarm.
        """
        steps = self.steps if bench.every == 1 else 20
        words = ["train", "gan", *self.data(bench), "--recipe", "report", "--quiet", "--seed", 0]
        words += ["--name", folder.name, "--steps", steps, "--batch-size", self.batch]
        words += ["--encoder-steps", 0, "--loss", loss, "--d-steps", ratio]
        words += ["--log-every", max(1, steps // 50), "--validate-every", steps]
        words += ["--output", folder.with_suffix(".safetensors"), "--run-dir", folder, "--overwrite"]
        if not folder.with_suffix(".safetensors").exists():
            done = subprocess.run(command(*words), check=False, capture_output=True, text=True)
            if done.returncode and "has collapsed" not in done.stderr:
                raise RuntimeError(f"{folder.name}: {done.stderr.strip()}")


COMPARISONS = {
    "digits": Comparison(
        steps=1500,
        batch=64,
        ratios=(1, 3),
        data=lambda bench: ["--data", "mnist", "--data-root", root(bench)],
        judged={
            "Fréchet distance": lambda bench, made, _: (
                f"{reports.frechet(bench, made, digits(bench)[0].float() / 255):.1f}"
            ),
            "rarest class": lambda bench, made, _: f"{reports.rarest(bench, made):.1f} %",
        },
        samples=None,
    ),
    "faces": Comparison(
        steps=600,
        batch=32,
        ratios=(3,),
        data=lambda bench: [
            *("--data", find(bench.data, "faces64/color"), "--size", 64, "--channels", 3),
            *("--holdout-every", 12, "--width", 32),
        ],
        judged={"distance of samples": lambda _, __, score: f"{-score:.3f}"},
        samples=SHOWN,
    ),
}


@dataclass
class Way:
    """How a search went: steps that were noted, G(z) there in [0, 1], and the result in grey levels."""

    steps: list[int] = field(default_factory=list)
    images: list[Tensor] = field(default_factory=list)
    result: Pixels = field(default_factory=lambda: np.zeros(0))

    def at(self, step: int) -> Pixels:
        """The image noted at a step or the last before it, [image, channel, size, size]."""
        place = max(place for place, noted in enumerate(self.steps) if noted <= step)
        return np.asarray(self.images[place].numpy())


@dataclass(frozen=True)
class Case:
    """One damage of some images: uint8 [image, channel, size, size], and bool [image, size, size] or None."""

    task: str
    clean: Pixels
    damaged: Pixels
    known: Pixels | None

    @classmethod
    def of(cls, task: str, clean: Pixels) -> Case:
        """Images with the damage of a task."""
        if task != "inpaint":
            return cls(task, clean, noisy(clean, WEAK) if task == "denoise" else clean, None)
        known = np.stack([square_hole(*clean.shape[-2:], side=8)] * len(clean))
        return cls(task, clean, clean * known[:, None], known)

    def whole(self, made: Pixels) -> Pixels:
        """Made images in grey levels, with known pixels put back where there is a hole."""
        return made if self.known is None else np.where(self.known[:, None], self.clean, made)

    def score(self, made: Pixels) -> str:
        """Mean PSNR of images [image, channel, size, size] in grey levels, and the spread of that mean."""
        found = scores(self.whole(made), self.clean)
        spread = np.std(found) / max(1, len(found) - 1) ** 0.5
        return f"{mean(found):.2f} ± {spread:.2f}"

    def distance(self, image: Tensor, loss: str) -> float:
        """Root mean square or mean absolute difference in grey levels of G(z) from the known pixels of y."""
        apart = 255 * image.numpy() - self.damaged.astype(float)
        known = np.ones(len(apart), bool)[:, None, None] if self.known is None else self.known
        there = apart[np.broadcast_to(known[:, None], apart.shape)]
        return float(np.sqrt(np.square(there).mean()) if loss == "l2" else np.abs(there).mean())


def theirs(weights: str, case: Case, loss: str, steps: int, *, noise: bool) -> Way:
    """The report's search, with its fresh noise at every step or without."""
    way, prior = Way(), task(INVERT, weights).prior
    noted = {*THEIR_STEPS, *np.unique(np.geomspace(1, steps - 1, 60).round().astype(int)).tolist()}

    def note(step: int, z: Tensor) -> None:
        if step in noted:
            way.steps.append(step)
            way.images.append(prior.generate(z))

    sigma = WEAK if noise else 0.0
    way.result = search(weights, case.damaged, loss, known=case.known, sigma=sigma, steps=steps, on_step=note)
    return way


class Steps:
    """Images after each step of the searches, a list a picture."""

    def __init__(self, pictures: list[Picture]) -> None:
        self.images: dict[int, list[Tensor]] = {id(picture): [] for picture in pictures}

    def step(self, picture: Any, piece: int, step: Any) -> None:  # noqa: ARG002
        """Keep a step's image."""
        self.images[id(picture)].append(step.image[0].cpu())

    def end(self, picture: Any) -> None:
        """Do nothing at the end."""


def ours(weights: str, case: Case, how: LatentSearch) -> Way:
    """What the command of the task makes, and its steps."""
    if case.task == "invert":
        asked = Task.of(INVERT, weights, None, replace(how, prior_weight=0.0, refine=False))
    elif case.task == "denoise":
        asked = Task.of(DENOISE, weights, Request(WEAK / 255), how)
    else:
        asked = Task.of(INPAINT, weights, Request(0.0, keep=how.refine), how)
    known = [None] * len(case.damaged) if case.known is None else [one[None, None] for one in case.known]
    pictures = [Picture(one[None], there) for one, there in zip(case.damaged, known, strict=True)]
    steps = Steps(pictures)
    found: list[Any] = Restore(asked, trace=steps).together(pictures)
    ways = [steps.images[id(picture)] for picture in pictures]
    count = max(map(len, ways))
    images = [torch.stack([way[min(step, len(way) - 1)] for way in ways]) for step in range(count)]
    return Way(list(range(count)), images, np.concatenate([one.pixels for one in found]))


def usual(bench: Bench, **settings: Any) -> LatentSearch:
    """Our usual search; shorter for a quick look."""
    how = LatentSearch(**settings)
    return replace(how, steps=how.steps // bench.every)


def searches(name: str, bench: Bench) -> tuple[list[str], list[str]]:
    """Lines of the table of a class, and its pictures as Markdown."""
    title, weights, count = CLASSES[name]
    clean = faces(bench, FACES[weights][0], count) if weights in FACES else chosen(bench, count)
    lines, pictures, curves = [], list[str](), dict[str, dict[str, tuple[list[int], list[float]]]]()
    for of, loss in watched([(of, loss) for of in TASKS for loss in LOSSES], name):
        case, steps = Case.of(of, clean), STEPS // bench.every**2
        plain = theirs(weights, case, loss, steps, noise=False)
        written = theirs(weights, case, loss, steps, noise=True) if of == "denoise" else plain
        mine = ours(weights, case, usual(bench, loss=loss))
        cells = [case.score(way.result) for way in (written, plain)] + [case.score(255 * mine.at(10**9))]
        ends = ("–", "–") if of == "invert" else (case.score(case.damaged), case.score(mine.result))
        lines.append(f"| {title} | {of} | {loss.upper()} | {' | '.join([ends[0], *cells, ends[1]])} |")
        for who, way in (("recipe", written), ("ours", mine)):
            values = [case.distance(image, loss) for image in way.images]
            curves.setdefault(of, {})[f"{who}, {loss.upper()}"] = (way.steps, values)
        pictures.append(strips(name, case, loss, written, mine))
    plot(reports.PLACE / f"gan-{name}-losses.png", curves)
    return lines, [f"### {title}\n\n![](gan-{name}-losses.png)\n", *pictures]


def strips(name: str, case: Case, loss: str, recipe: Way, mine: Way) -> str:
    """Write the images over the steps, two lines an image; gives the Markdown that shows them."""
    lines = []
    for way, steps in ((recipe, THEIR_STEPS), (mine, OUR_STEPS)):
        shown = [way.at(step) for step in (*steps, 10**9)]
        lines.append([case.damaged / 255, *shown, case.whole(way.result) / 255, case.clean / 255])
    rows = [[column[index] for column in line] for index in range(min(2, len(case.clean))) for line in lines]
    path = reports.PLACE / f"gan-{name}-{case.task}-{loss}.png"
    heads = ["damaged", *(f"{a} | {b}" for a, b in zip(THEIR_STEPS, OUR_STEPS, strict=True))]
    columns = [np.stack(column) for column in zip(*rows, strict=True)]
    strip(path, columns, count=len(rows), heads=[*heads, "G(z)", "result", "clean"])
    return f"{case.task}, {loss.upper()}:\n\n![]({path.name})\n"


def plot(path: Path, panels: dict[str, dict[str, tuple[list[int], list[float]]]]) -> None:
    """Draw lines over steps, a panel each, on logarithmic axes where there are several."""
    several = len(panels) > 1
    figure = Figure(figsize=(9, 3) if several else (3.6, 2.6), layout="constrained")
    for axes, (title, lines) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for label, (steps, values) in lines.items():
            style = "--" if label.startswith("recipe") else "-"
            axes.plot([step + several for step in steps], values, style, label=label, linewidth=1)
        axes.set(title=title, xlabel="step")
        if several:
            axes.set(xscale="log", yscale="log")
        axes.grid(alpha=0.3)
    if several:
        figure.axes[0].set_ylabel("grey levels")
    figure.axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=80)


def fours(bench: Bench) -> list[str]:
    """The report's case, 4s that come back as 9s: lines of a table, and Markdown that shows some."""
    (network, accuracy), (images, labels) = classifier(bench), digits(bench)

    def read(some: Pixels) -> Pixels:
        rounded = torch.from_numpy(some.clip(0, 255).round()).float() / 255
        return np.asarray(probabilities(network, rounded).argmax(1).numpy())

    clean = images[labels == 4][: FOURS // bench.every].numpy()
    clean, lines, pictures = (
        clean[read(clean) == 4],
        ["| task | by | 4 | 9 | others |", "|---|---|---:|---:|---:|"],
        [],
    )
    for of in TASKS:
        case, weights = Case.of(of, clean), CLASSES["digits"][1]
        recipe = theirs(weights, case, "l2", STEPS // bench.every**2, noise=of == "denoise")
        mine = ours(weights, case, usual(bench, refine=of == "inpaint"))  # a hole is the mean over starts
        for who, way in (("recipe", recipe), ("ours", mine)):
            made = case.whole(way.result)
            after = read(made)
            counts = [(after == 4).sum(), (after == 9).sum(), ((after != 4) & (after != 9)).sum()]
            lines.append(f"| {of} | {who} | {' | '.join(map(str, counts))} |")
            turned = np.flatnonzero(after == 9)[:CASES]
            if len(turned):
                path = reports.PLACE / f"gan-fours-{of}-{who}.png"
                strip(path, [one[turned] / 255 for one in (clean, case.damaged, made)], count=len(turned))
                pictures.append(f"{of}, {who}:\n\n![]({path.name})\n")
    pictures.insert(
        0,
        "Columns: original, damaged, what came back.\n"
        if pictures
        else "None came back as a 9, of ours or the recipe's.\n",
    )
    return [*lines, f"\nThe classifier is right on {100 * accuracy:.1f} % of all test digits.\n", *pictures]


def games(bench: Bench, of: str) -> dict[str, list[str]]:
    """Train with the three losses, and the page's parts on it: a table, and what shows each run."""
    how, start = COMPARISONS[of], "" if of == "digits" else f"{of}-"
    heads = ["loss", "ratio", "discriminator's", "generator's", *how.judged]
    lines, pictures = [f"| {' | '.join(heads)} |", f"|---|---{'|---:' * (len(heads) - 2)}|"], []
    for loss, ratio in ((loss, ratio) for loss in ADVERSARIAL for ratio in how.ratios):
        folder = bench.scratch / f"{start}{loss}-{ratio}"
        how.train(bench, folder, loss, ratio)
        with (folder / "metrics.csv").open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        weights, place = folder.with_suffix(".safetensors"), f"gan-loss-{folder.name}"
        points = {one: [(int(row["step"]), float(row[one])) for row in rows if row[one]] for one in PLAYERS}
        curves = {one: (*map(list, zip(*noted, strict=True)),) for one, noted in points.items()}
        plot(reports.PLACE / f"{place}-plot.png", {"": curves})
        shown, judged = f"![]({place}-plot.png)", ["–"] * len(how.judged)
        stopped = "" if weights.exists() else f", stopped after {rows[-1]['step']} steps"
        if weights.exists():  # the alarm leaves none
            made = reports.samples(bench, str(weights), how.samples)
            judged = [cell(bench, made, float(rows[-1]["score"])) for cell in how.judged.values()]
            save_grid(reports.PLACE / f"{place}.png", made[:SHOWN], columns=6)
            shown += f" ![]({place}.png)"
        last = [f"{float(rows[-1][player]):.2f}" for player in PLAYERS]
        lines.append(f"| {loss} | 1:{ratio}{stopped} | {' | '.join([*last, *judged])} |")
        pictures.append(f"### {loss}, 1:{ratio}\n\n{shown}\n")
    return {f"losses of {of}": lines, f"games of {of}": pictures}


def main() -> None:
    """Measure, draw, and write the page."""
    parser = argparse.ArgumentParser(description="Make a report on generator priors anew.")
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST and faces64/color/")
    parser.add_argument("--only", action="append", choices=list(CLASSES), help="may be repeated")
    parser.add_argument("--quick", action="store_true", help="few images and steps, into --keep")
    parser.add_argument("--losses", action="store_true", help="only the trainings with three losses: hours")
    parser.add_argument("--fours", action="store_true", help="only the table of 4s and 9s")
    parser.add_argument("--keep", type=Path, default=Path("experiment"), help="runs (experiment/)")
    options = parser.parse_args()
    options.keep.mkdir(parents=True, exist_ok=True)
    if options.quick:
        reports.apart(options.keep, "gan.md")
    bench = Bench(options.data, "mnist-gan", options.keep.resolve(), every=QUICK if options.quick else 1)
    if options.losses:
        for of in options.only or CLASSES:
            reports.fill("gan.md", games(bench, of))
        return
    parts = {"fours": fours(bench)}
    if options.fours:
        reports.fill("gan.md", parts)
        return
    table = [
        "| images | task | loss | damaged | recipe as written | recipe, plain | ours, G(z) | refined |",
        "|---|---|---|---:|---:|---:|---:|---:|",
    ]
    pictures: list[str] = []
    for name in options.only or CLASSES:
        lines, shown = searches(name, bench)
        table += lines
        pictures += shown
    parts |= {"table": table, "pictures": pictures}
    reports.fill("gan.md", parts)


if __name__ == "__main__":
    main()
