"""Measure `genrestore inpaint` against its goals and against others; see benchmarks/README.md.

python benchmarks/inpaint.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from multiprocessing import get_context

import numpy as np
import others
import torch
from bench import Bench, cost, main, mean, planar, watched
from pictures import (
    SQUARE,
    Picture,
    Pixels,
    caption_hole,
    large_picture,
    psnr,
    random_hole,
    square_hole,
    text_hole,
    write,
)
from PIL import Image
from tables import Row, Section

from genrestore import metrics
from genrestore.restore.pictures import Restore
from genrestore.restore.settings import DipSettings
from genrestore.restore.task import INPAINT, Request, Task

HOLES: dict[str, Callable[[int, int, int], Pixels]] = {
    "50 % missing": lambda height, width, index: random_hole(height, width, 0.5, index),
    "80 % missing": lambda height, width, index: random_hole(height, width, 0.8, index),
    "text": lambda height, width, _index: text_hole(height, width),
    "64×64 hole": lambda height, width, _index: square_hole(height, width),
}
HALF, MOST, TEXT, HOLE = HOLES
CLASSICS = {"Telea": others.telea, "Navier–Stokes": others.navier_stokes, "biharmonic": others.biharmonic}
GREY = {
    HALF: (33.3, 35.0, 33.3),
    MOST: (27.3, 29.0, 27.0),
    TEXT: (33.0, 34.5, 33.0),
    HOLE: (27.3, 27.8, 26.8),
}
"""Must and aim on Set12, and what plug-and-play with FFDNet reaches."""
COLOUR = {HALF: (1.5, 27.9), MOST: (1.2, 23.5), TEXT: (1.5, 29.0), HOLE: (0.3, 26.9)}
"""Decibels over the best classic on CBSD68, and what plug-and-play with FFDNet reaches."""
PUBLISHED = {
    "02": ("House", 39.16), "08": ("Lena", 36.16), "10": ("Boat", 33.06), "09": ("Barbara", 32.22),
    "03": ("Peppers", 33.05), "12": ("Couple", 32.52), "11": ("Man", 32.20), "01": ("C.man", 29.8),
}  # fmt: skip
"""File of Set12, its name, and the published PSNR of the deep image prior with half the pixels missing."""
NOTE = "† plug-and-play with FFDNet, 30 steps, as it was measured when the goals were set."
STAR = "* as published (Ulyanov et al., 2018), with another draw of the missing pixels."
DIP = "deep image prior*"


@lru_cache(maxsize=4)
def task(weights: str) -> Restore:
    """The inpainting that the command line uses, loaded once."""
    return Restore(Task.of(INPAINT, weights, Request(0.0)))  # the mean has the least squared error


def fill(weights: str, clean: Pixels, known: Pixels) -> Pixels:
    """What becomes of a picture [height, width, 1 or 3] of which pixels are known, bool [height, width]."""
    found = task(weights)(planar(damaged(clean, known)), known=known[None, None])
    return found.pixels[0].transpose(1, 2, 0)


def damaged(clean: Pixels, known: Pixels) -> Pixels:
    """A picture whose missing pixels are 0."""
    return clean * known[..., None].astype(np.uint8)


def score(method: Callable[[Pixels, Pixels], Pixels], clean: Pixels, known: Pixels) -> tuple[float, float]:
    """PSNR, and SSIM in the square in the middle."""
    result = method(damaged(clean, known), known)
    top, left = ((length - SQUARE) // 2 for length in clean.shape[:2])
    inside = np.s_[top : top + SQUARE, left : left + SQUARE]
    levels = 255.0 if result.dtype.kind == "f" else 1.0
    both = [image[inside].transpose(2, 0, 1) * scale for image, scale in ((result, levels), (clean, 1.0))]
    return psnr(result, clean), metrics.ssim(*both)


def compared(
    bench: Bench, name: str, pictures: list[Picture], hole: str
) -> tuple[dict[str, float], dict[str, float]]:
    """Mean PSNR, and SSIM in the square, of ours and of each classic; central 256×256 pixels."""
    found: dict[str, list[tuple[float, float]]] = {}
    for one in watched(pictures, f"{name}, {hole}"):
        top, left = ((length - 256) // 2 for length in one.clean.shape[:2])
        clean = one.clean[top : top + 256, left : left + 256]
        known = HOLES[hole](256, 256, one.index)
        ours = score(lambda _, known, clean=clean: fill(bench.weights, clean, known), clean, known)
        found.setdefault("ours", []).append(ours)
        for classic, method in CLASSICS.items():
            where, measure = f"{name}/{one.name}/{hole}/{classic}", partial(score, method, clean, known)
            found.setdefault(classic, []).append(bench.remembered(where, measure))
    psnrs, ssims = (
        {who: mean(one[place] for one in values) for who, values in found.items()} for place in (0, 1)
    )
    return psnrs, ssims


def grey(bench: Bench) -> Section:
    """Set12, the central 256×256 pixels."""
    section = Section("Set12, grey, central 256×256 pixels", notes=[NOTE])
    for hole, (must, aim, ffdnet) in GREY.items():
        psnrs, ssims = compared(bench, "Set12", bench.pictures("Set12"), hole)
        value, inside = psnrs.pop("ours"), ssims.pop("ours")
        section.rows.append(Row(hole, value, must, aim, beside={**psnrs, "PnP-FFDNet†": ffdnet}))
    section.rows.append(Row("SSIM in the hole", inside, max(ssims.values()), unit="SSIM", beside=ssims))
    return section


def colour(bench: Bench) -> Section:
    """CBSD68, every seventh picture, the central 256×256 pixels."""
    section = Section("CBSD68, colour, every seventh picture, central 256×256 pixels", notes=[NOTE])
    pictures = [one for one in bench.pictures("CBSD68") if one.index % 7 == 0]
    for hole, (margin, ffdnet) in COLOUR.items():
        psnrs, _ = compared(bench, "CBSD68", pictures, hole)
        value, must = psnrs.pop("ours"), max(psnrs.values()) + margin
        section.rows.append(Row(hole, value, must, beside={**psnrs, "PnP-FFDNet†": ffdnet}))
    return section


def classics(bench: Bench) -> Section:
    """Half the pixels of eight whole pictures of Set12, beside the published deep image prior."""
    section = Section("Set12, whole pictures, 50 % missing", notes=[STAR])
    for one in watched([one for one in bench.pictures("Set12") if one.name in PUBLISHED], "classics"):
        name, theirs = PUBLISHED[one.name]
        known = random_hole(*one.clean.shape[:2], 0.5, one.index)
        value = psnr(fill(bench.weights, one.clean, known), one.clean)
        section.rows.append(Row(name, value, None, theirs, beside={DIP: theirs}))
    reached, count = sum(row.mark != "" for row in section.rows), len(section.rows)
    must = 6 if count == len(PUBLISHED) else None
    section.rows.insert(0, Row(f"of {count}, at least the {DIP}", reached, must, unit=""))
    return section


class Clock:
    """Notes when each step of a search was done, in seconds."""

    def __init__(self) -> None:
        self.times = list[float]()

    def step(self, picture: object, piece: int, step: object) -> None:  # noqa: ARG002
        """Note a step."""
        self.times.append(time.perf_counter())

    def end(self, picture: object) -> None:
        """Nothing is to be done."""


def _untrained(one: Picture, steps: int = DipSettings().steps) -> tuple[Pixels, list[float]]:
    """A picture filled without weights, and when each step was done, in seconds."""
    known, clock = random_hole(*one.clean.shape[:2], 0.5, one.index), Clock()
    task = Task.without_weights(INPAINT, "dip", INPAINT.request, DipSettings(steps))
    found = Restore(task, trace=clock)(planar(damaged(one.clean, known)), known=known[None, None])
    return found.pixels[0].transpose(1, 2, 0), clock.times


def untrained(bench: Bench) -> Section:
    """`--prior dip` on House and C.man side by side, a thread each; minutes by 50 steps alone, all cores."""
    section = Section("Set12, 50 % missing, --prior dip", notes=[STAR])
    pictures = [one for one in bench.pictures("Set12") if one.name in ("01", "02")]
    with ProcessPoolExecutor(2, get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        filled = list(watched(pool.map(_untrained, pictures), "untrained", len(pictures)))
    for one, (result, times) in zip(pictures, filled, strict=True):
        name, theirs = PUBLISHED[one.name]
        rounds = [np.median(np.diff(_untrained(one, 50)[1])) for _ in range(bench.rounds)]
        minutes, beside = len(times) * float(np.median(rounds)) / 60, {DIP: theirs}
        section.rows += [
            Row(name, psnr(result, one.clean), theirs - 1.5, theirs, beside=beside),
            Row(f"{name}, minutes", minutes, 20, unit="min", more=False),
            Row(f"{name}, steps", len(times), unit="", more=False),
        ]
    return section


def caption(bench: Bench) -> Section:
    """One line of caption over a large JPEG, through the command line."""
    folder, picture = bench.folder("caption"), large_picture(bench.megapixels[0], 15)
    Image.fromarray(picture).save(folder / "photo.jpg", quality=95)
    known = caption_hole(*picture.shape[:2])
    write(folder / "mask.png", (~known * np.uint8(255))[..., None])
    words = ("-m", folder / "mask.png", "-o", folder / "out.jpg", "--weights", bench.weights, "--quiet")
    seconds, cores, peak = cost("inpaint", folder / "photo.jpg", *words)
    section = Section(f"One line of caption in a JPEG of {bench.megapixels[0]} megapixels, whole command")
    section.rows = [
        Row("time", seconds, 60, 30, "s", more=False),
        Row("time of all cores", cores, unit="s", more=False),
        Row("memory, peak", peak, 1.2, None, "GB", more=False),
        Row("share of the picture that is missing", 100 * float(1 - known.mean()), unit="%"),
    ]
    return section


SECTIONS = (grey, colour, classics, untrained, caption)

if __name__ == "__main__":
    main("inpaint", {one.__name__: one for one in SECTIONS}, "photo-inpaint", ("caption",))
