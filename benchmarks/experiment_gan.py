"""Make the report's pictures and tables on generator priors anew, and ours beside them.

python benchmarks/experiment_gan.py --data FOLDER [--only digits|faces ...] [--losses]

Writes docs/experiments/gan.md and its pictures. Runs of the three losses are kept under --keep.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import adversaries
import generators
import mnist
import numpy as np
import torch
from entry import QUICK
from experiment import PLACE, strip
from inversion import FACES, STEPS, faces, generator, recipe
from pictures import Pixels, mean
from report import watched
from settings import Bench
from torch import Tensor

from genrestore.errors import WeightsError
from genrestore.restore.descent_settings import LatentSearch
from genrestore.restore.tasks import DenoiseOneClass, InpaintOneClass, Invert, Restored
from genrestore.restore.tasks.denoise_one_class import OnTrace
from genrestore.train.loop.run import save_grid

TEMPLATE = Path(__file__).with_suffix(".md")
SIGMA, SIDE = 12.75, 8
TASKS = ("invert", "denoise", "inpaint")
LOSSES = ("l2", "l1")
SHOWN, OUR_STEPS, THEIR_STEPS = 2, (0, 5, 20, 60), (0, 50, 200, 1000)
"""Images in a strip, and the steps that it shows besides the last."""
LAST = 10**9
"""Stands for the last step, whichever it was."""
GRID = 6
"""Rows and columns of samples that are shown of each loss."""
FOURS, CASES = 60, 4
"""Test digits 4 that are searched for the report's case, and how many cases are shown."""


@dataclass(frozen=True)
class Class:
    """What the experiment is made with.

    Attributes:
        title: Heading.
        weights: A name in the store.
        count: Images.
    """

    title: str
    weights: str
    count: int

    def images(self, bench: Bench) -> Pixels:
        """Images that no training saw, uint8 [image, channel, size, size]."""
        if self.weights in FACES:
            return faces(bench, FACES[self.weights][0], self.count * bench.every)
        return mnist.chosen(bench)[: self.count]


CLASSES = {"digits": Class("Digits", "mnist-gan", 6), "faces": Class("Colour faces", "faces-rgb-gan", 4)}


@dataclass
class Way:
    """How a search went.

    Attributes:
        steps: Those that were noted.
        images: G(z) there, [image, channel, size, size] in [0, 1].
        result: What comes of it in the end, in grey levels; the same shape.
    """

    steps: list[int] = field(default_factory=list)
    images: list[Tensor] = field(default_factory=list)
    result: Pixels = field(default_factory=lambda: np.zeros(0))

    def at(self, step: int) -> Pixels:
        """The image noted at a step or the last before it."""
        place = max(place for place, noted in enumerate(self.steps) if noted <= step)
        return np.asarray(self.images[place].numpy())


@dataclass(frozen=True)
class Case:
    """One damage of some images.

    Attributes:
        task: One of `TASKS`.
        clean: uint8 [image, channel, size, size].
        damaged: The same.
        known: bool [image, size, size], or None.
    """

    task: str
    clean: Pixels
    damaged: Pixels
    known: Pixels | None

    @classmethod
    def of(cls, task: str, clean: Pixels) -> Case:
        """Images [image, channel, size, size] of uint8 with the damage of a task."""
        if task == "denoise":
            return cls(task, clean, mnist.noisy(clean, SIGMA), None)
        if task == "invert":
            return cls(task, clean, clean, None)
        size = clean.shape[-1]
        known, first = np.ones((len(clean), size, size), bool), (size - SIDE) // 2
        known[:, first : first + SIDE, first : first + SIDE] = False
        return cls(task, clean, clean * known[:, None], known)

    def whole(self, made: Pixels) -> Pixels:
        """Made images in grey levels, with known pixels put back where there is a hole."""
        return made if self.known is None else np.where(self.known[:, None], self.clean, made)

    def score(self, made: Pixels) -> float:
        """Mean PSNR of images [image, channel, size, size] in grey levels."""
        return mean(mnist.scores(self.whole(made), self.clean))

    def distance(self, image: Tensor, loss: str) -> float:
        """What the search lowers, in grey levels: root mean square, or mean of absolute values.

        Args:
            image: G(z), [image, channel, size, size] in [0, 1].
            loss: "l2" or "l1".
        """
        apart = 255 * image.numpy() - self.damaged.astype(float)
        there = (
            np.ones_like(apart, bool)
            if self.known is None
            else np.broadcast_to(self.known[:, None], apart.shape)
        )
        return float(np.sqrt(np.square(apart[there]).mean()) if loss == "l2" else np.abs(apart[there]).mean())


def theirs(weights: str, case: Case, loss: str, steps: int, *, noise: bool) -> Way:
    """The report's search, with its fresh noise at every step or without."""
    way = Way()
    noted = {*THEIR_STEPS, *np.unique(np.geomspace(1, steps - 1, 60).round().astype(int)).tolist()}

    def note(step: int, z: Tensor) -> None:
        if step in noted:
            way.steps.append(step)
            way.images.append(generator(weights).generate(z))

    sigma = SIGMA if noise else 0.0
    way.result = recipe(weights, case.damaged, loss, known=case.known, sigma=sigma, steps=steps, on_step=note)
    return way


def ours(weights: str, case: Case, search: LatentSearch, on_trace: OnTrace | None = None) -> Pixels:
    """What the command of the task makes: grey levels, [image, channel, size, size]."""
    pictures = [one[None] for one in case.damaged]
    found: Sequence[Restored]
    if case.task == "invert":
        plain = replace(search, prior_weight=0.0, refine=False)
        found = Invert(weights, search=plain).together(pictures, on_trace)
    elif case.task == "denoise":
        task = DenoiseOneClass(weights, noise_level=SIGMA / 255, descent=search)
        found = task.together(pictures, on_trace)
    else:
        assert case.known is not None
        fill = InpaintOneClass(weights, descent=search, keep=search.refine)
        found = fill.together(pictures, [one[None, None] for one in case.known], on_trace)
    return np.concatenate([one.pixels for one in found])


def our_way(weights: str, case: Case, search: LatentSearch) -> Way:
    """The same with its steps."""
    ways: list[list[Tensor]] = [[] for _ in case.damaged]
    result = ours(weights, case, search, lambda index, step: ways[index].append(step.value[0]))
    count = max(map(len, ways))
    images = [torch.stack([way[min(step, len(way) - 1)] for way in ways]) for step in range(count)]
    return Way(list(range(count)), images, result)


def search(bench: Bench, **settings: Any) -> LatentSearch:
    """Our usual search; shorter for a quick look."""
    usual = LatentSearch(**settings)
    return replace(usual, steps=usual.steps // bench.every)


def searches(name: str, bench: Bench) -> tuple[list[str], list[str]]:
    """Lines of the table of a class, and its pictures as Markdown."""
    chosen = CLASSES[name]
    clean, lines, pictures = chosen.images(bench), [], []
    curves: dict[str, dict[str, tuple[list[int], list[float]]]] = {}
    for task, loss in watched([(task, loss) for task in TASKS for loss in LOSSES], name):
        case = Case.of(task, clean)
        steps = STEPS // bench.every**2
        plain = theirs(chosen.weights, case, loss, steps, noise=False)
        written = theirs(chosen.weights, case, loss, steps, noise=True) if task == "denoise" else plain
        mine = our_way(chosen.weights, case, search(bench, loss=loss))
        none = task == "invert"
        cells = [
            "–" if none else f"{mean(mnist.scores(case.damaged, clean)):.2f}",
            *(f"{case.score(way.result):.2f}" for way in (written, plain)),
            f"{case.score(255 * mine.at(LAST)):.2f}",
            "–" if none else f"{case.score(mine.result):.2f}",
        ]
        lines.append(f"| {chosen.title} | {task} | {loss.upper()} | {' | '.join(cells)} |")
        for who, way in (("recipe", written), ("ours", mine)):
            values = [case.distance(image, loss) for image in way.images]
            curves.setdefault(task, {})[f"{who}, {loss.upper()}"] = (way.steps, values)
        pictures.append(strips(name, case, loss, written, mine))
    plot(PLACE / f"gan-{name}-losses.png", curves)
    head = f"### {chosen.title}\n\n![](gan-{name}-losses.png)\n"
    return lines, [head, *pictures]


def strips(name: str, case: Case, loss: str, recipe: Way, mine: Way) -> str:
    """Write the images over the steps, two lines an image; gives the Markdown that shows them."""
    lines = []
    for way, steps in ((recipe, THEIR_STEPS), (mine, OUR_STEPS)):
        last = case.whole(way.result) / 255
        lines.append(
            [case.damaged / 255, *(way.at(step) for step in steps), way.at(LAST), last, case.clean / 255]
        )
    rows = [
        [column[index] for column in line] for index in range(min(SHOWN, len(case.clean))) for line in lines
    ]
    path = PLACE / f"gan-{name}-{case.task}-{loss}.png"
    strip(path, [np.stack(column) for column in zip(*rows, strict=True)], count=len(rows))
    return f"{case.task}, {loss.upper()}:\n\n![]({path.name})\n"


def plot(path: Path, curves: dict[str, dict[str, tuple[list[int], list[float]]]]) -> None:
    """Draw what each search of a class lowers over its steps, a panel each task, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3), layout="constrained")
    for axes, (task, lines) in zip(
        figure.subplots(1, len(curves), squeeze=False)[0], curves.items(), strict=True
    ):
        for label, (steps, values) in lines.items():
            style = "--" if label.startswith("recipe") else "-"
            axes.plot([step + 1 for step in steps], values, style, label=label, linewidth=1)
        axes.set(title=task, xlabel="step", xscale="log", yscale="log")
        axes.grid(alpha=0.3)
    figure.axes[0].set_ylabel("grey levels")
    figure.axes[0].legend(fontsize=7)
    figure.savefig(path, dpi=80)


def fours(bench: Bench) -> tuple[list[str], list[str]]:
    """The report's case, 4s that come back as 9s: lines of a table, and Markdown that shows some."""
    weights, (network, accuracy) = CLASSES["digits"].weights, mnist.classifier(bench)
    images, labels = mnist.digits(bench)
    clean = images[labels == 4][: FOURS // bench.every].numpy()
    clean = clean[verdicts(network, clean) == 4]
    lines, pictures = [], []
    for task in TASKS:
        case = Case.of(task, clean)
        made = ours(weights, case, search(bench, refine=False))
        after = verdicts(network, made)
        counts = [(after == 4).sum(), (after == 9).sum(), ((after != 4) & (after != 9)).sum()]
        lines.append(f"| {task} | {' | '.join(map(str, counts))} |")
        turned = np.flatnonzero(after == 9)[:CASES]
        if len(turned):
            path = PLACE / f"gan-fours-{task}.png"
            strip(path, [one[turned] / 255 for one in (clean, case.damaged, made)], count=len(turned))
            pictures.append(f"{task}:\n\n![]({path.name})\n")
    head = "Columns: original, damaged, G(z).\n" if pictures else "None came back as a 9.\n"
    pictures.insert(0, head)
    lines.append(f"\nThe classifier is right on {100 * accuracy:.1f} % of all test digits.")
    return lines, pictures


def verdicts(network: mnist.Classifier, images: Pixels) -> Pixels:
    """What the classifier reads in images [image, 1, 28, 28] in grey levels: [image]."""
    rounded = torch.from_numpy(images.clip(0, 255).round()).float() / 255
    return np.asarray(mnist.probabilities(network, rounded).argmax(1).numpy())


def losses(bench: Bench, *, train: bool) -> tuple[list[str], list[str]]:
    """The three losses at both ratios: lines of a table, and Markdown; of the runs that are there.

    Args:
        bench: Its scratch folder holds the runs.
        train: Make those that are not there.
    """
    lines, pictures = [], []
    for loss in adversaries.LOSSES:
        for ratio in adversaries.RATIOS:
            name = f"{loss}-{ratio}"
            folder = generators.run_folder(bench, name)
            if train:
                adversaries.play(bench, loss, ratio)
            if not (folder / "metrics.csv").exists():
                continue
            rang, rows = adversaries.played(bench, name)
            made = None if rang else generators.samples(bench, name)
            title = f"{loss} | 1:{ratio}" + (f", stopped after {rows[-1]['step']} steps" if rang else "")
            lines.append(losses_line(bench, title, rows, made))
            place = PLACE / f"gan-loss-{name}"
            plot_game(place.with_name(f"{place.name}-plot.png"), rows)
            shown = f"![]({place.name}-plot.png)"
            if made is not None:
                save_grid(place.with_suffix(".png"), made[: GRID**2], columns=GRID)
                shown += f" ![]({place.name}.png)"
            pictures.append(f"### {loss}, 1:{ratio}\n\n{shown}\n")
    return lines, pictures


def losses_line(bench: Bench, title: str, rows: list[dict[str, str]], made: Tensor | None) -> str:
    """A line of the table of losses.

    Args:
        bench: The run.
        title: Its first cells.
        rows: Of the log.
        made: Samples, [image, 1, 28, 28] in [0, 1], if there are any.
    """
    last = [f"{float(rows[-1][player]):.2f}" for player in ("discriminator", "generator")]
    if made is None:
        return f"| {title} | {' | '.join(last)} | – | – |"
    real = generators.features(bench, mnist.digits(bench)[0].float() / 255)
    distance = generators.frechet(generators.features(bench, made), real)
    rarest = generators.balance(bench, title, made)[0].value
    return f"| {title} | {' | '.join(last)} | {distance:.1f} | {rarest:.1f} % |"


def plot_game(path: Path, rows: list[dict[str, str]]) -> None:
    """Draw both players' losses over the generator's steps, as PNG."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.6, 2.6), layout="constrained")
    axes = figure.add_subplot()
    for player in ("discriminator", "generator"):
        told = [(int(row["step"]), float(row[player])) for row in rows if row.get(player)]
        axes.plot(*zip(*told, strict=True), label=player, linewidth=1)
    axes.set(xlabel="step")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    figure.savefig(path, dpi=80)


QUICK_LOOK = "**A quick look with few images and steps: no figure here counts.** "
NOT_RUN = """Not run for this page: `--losses` trains six generators for 1,500 steps each, which takes over an
hour, and adds their loss plots and samples here."""
LOSSES_HEAD = """| loss | ratio | discriminator's | generator's | Fréchet distance | rarest class |
|---|---|---:|---:|---:|---:|"""


def page(options: argparse.Namespace, bench: Bench) -> str:
    """The page."""
    table, pictures = [], []
    for name in options.only or CLASSES:
        try:
            lines, shown = searches(name, bench)
        except (WeightsError, FileNotFoundError) as error:
            lines, shown = [f"| {CLASSES[name].title} | not run: {error} | | | | | | |"], []
        table += lines
        pictures += shown
    turned, cases = fours(bench)
    game, runs = losses(bench, train=options.losses)
    parts = {
        "LENGTH": [QUICK_LOOK if bench.every > 1 else ""],
        "TABLE": table,
        "PICTURES": pictures,
        "FOURS": turned,
        "CASES": cases,
        "LOSSES": [LOSSES_HEAD, *game] if game else [NOT_RUN],
        "GAMES": runs,
    }
    text = TEMPLATE.read_text(encoding="utf-8")
    for mark, lines in parts.items():
        text = text.replace(f"<!-- {mark} -->", "\n".join(lines))
    return text


def main() -> None:
    """Measure, draw, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder with MNIST and faces64/color/")
    parser.add_argument("--only", action="append", choices=CLASSES, help="only this one; may be repeated")
    parser.add_argument("--quick", action="store_true", help="few images and steps, for a look")
    parser.add_argument("--losses", action="store_true", help="train with the three losses too: over an hour")
    parser.add_argument(
        "--keep", type=Path, default=Path("experiment"), help="runs that are kept (experiment/)"
    )
    options = parser.parse_args()
    PLACE.mkdir(parents=True, exist_ok=True)
    options.keep.mkdir(parents=True, exist_ok=True)
    bench = Bench(options.data, "mnist-gan", options.keep, every=QUICK if options.quick else 1)
    (PLACE / "gan.md").write_text(page(options, bench), encoding="utf-8")


if __name__ == "__main__":
    main()
