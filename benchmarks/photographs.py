"""Camera noise: a model of a camera that the training does not share, and real photographs."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import ours
from baselines import GRID_COLOUR, GRID_H, Grid, Pair, best_means
from noise import CAMERAS, Camera, photograph
from pictures import Picture, Pixels, mean, psnr, read
from report import Row, Section, watched, wide_console
from rich.table import Table
from settings import Bench

GOALS = {
    "low noise": (1.5, 2.5),
    "middle noise": (2.7, 4.0),
    "high noise": (3.7, 5.5),
    "not trained": (0.0, None),
}
"""What must and should be gained over non-local means, in decibels."""


def camera_section(bench: Bench) -> Section:
    """Four fixed cameras on CBSD68; σ not given."""
    section = Section("camera", "CBSD68 through a camera model, σ not given")
    pictures = bench.pictures("CBSD68")
    for camera in CAMERAS:
        _one_camera(bench, section, pictures, camera)
    section.notes += [
        "NLM is OpenCV's fastNlMeansDenoisingColored at the best (h, hColor) of the grid in the JSON file.",
        "The last camera lies outside what the training draws from.",
    ]
    return section


def _one_camera(bench: Bench, section: Section, pictures: list[Picture], camera: Camera) -> None:
    before, after, pairs, few = [], [], [], []
    for picture in watched(pictures, f"camera, {camera.name}"):
        noisy, truth = photograph(picture.clean, camera, picture.index)
        result, level = ours.restore(noisy, bench.weights)
        before.append(psnr(noisy, truth))
        after.append(psnr(result, truth))
        figures = {"input": before[-1], "psnr": after[-1], "level": level}
        section.images.append({"image": picture.name, "camera": camera.name, **figures})
        pairs.append(Pair(f"camera {camera.name}/{picture.name}", noisy, truth))
        few += pairs[-1:] if picture.index % bench.few == 0 else []
    grid = best_means(pairs, few, bench.memory)
    _show(section, grid, camera.name)
    gain, harmed = mean(after) - mean(grid.scores), _harmed(before, after, 0)
    name = f"{camera.name} (shot {camera.gain:g}, read {camera.read:g})"
    beside = {"input": mean(before), f"NLM {grid.best[0]:g}/{grid.best[1]:g}": mean(grid.scores)}
    section.rows += [
        Row(f"{name}: over NLM at its best", gain, *GOALS[camera.name]),
        Row(f"{name}: PSNR", mean(after), beside=beside),
        Row(f"{name}: pictures below their input", harmed, 0, unit="", more=False),
    ]


def polyu_section(bench: Bench) -> Section:
    """Real photographs, JPEG to PNG through the command line; σ not given, and a wrong one given."""
    section = Section("polyu", "PolyU, real photographs, through the command line, σ not given")
    pictures = bench.pictures("PolyU")
    output = bench.folder("polyu")
    before, after, levels = [], [], []
    for picture in watched(pictures, "polyu"):
        result, level = _restore_file(bench, picture, output)
        before.append(psnr(_noisy(picture), picture.clean))
        after.append(psnr(result, picture.clean))
        levels.append(level)
        figures = {"input": before[-1], "psnr": after[-1], "level": level}
        section.images.append({"image": picture.name, **figures})
    section.rows = [
        Row("PSNR", mean(after), 38.65, 39.2, beside={"input": mean(before), **_ffdnet(bench, "PolyU")}),
        Row("photographs below their input", _harmed(before, after, 0), 0, unit="", more=False),
        Row("least gained", float(np.min(np.subtract(after, before)))),
        Row("noise level seen, median", float(np.median(levels)), unit="levels"),
        *_told_wrong(bench, pictures, levels, mean(after)),
        _as_jpeg(bench, pictures, mean(before)),
    ]
    section.notes.append("JPEG files in, PNG files out, so that no JPEG is coded twice.")
    return section


def _told_wrong(bench: Bench, pictures: list[Picture], levels: list[float], blind: float) -> list[Row]:
    """What is lost where half, twice or three times the level that is seen is given."""
    rows = []
    for words, factor, must, aim in (
        ("half", 0.5, 0.7, 0.4),
        ("twice", 2, 0.5, 0.2),
        ("thrice", 3, 1.0, 0.5),
    ):
        found = [
            psnr(ours.restore(_noisy(picture), bench.weights, factor * level)[0], picture.clean)
            for picture, level in zip(watched(pictures, words), levels, strict=True)
        ]
        rows.append(
            Row(f"lost where {words} that level is given", blind - mean(found), must, aim, more=False)
        )
    return rows


def _ffdnet(bench: Bench, name: str) -> dict[str, float]:
    """Means of FFDNet, told the best level for all pictures together, and the best for each."""
    path = bench.pictures(name)[0].path.parent.parent / f"{name}-ffdnet.json"
    if bench.every != 1 or not path.exists():
        return {}
    found = json.loads(path.read_text())
    level, best = max(
        ((level, value) for level, value in found["mean"].items() if level != "input"), key=lambda one: one[1]
    )
    return {f"FFDNet told {level}": best, "FFDNet told the best for each": found["best_sigma_for_each"]}


def phone_section(bench: Bench) -> Section:
    """Photographs of smartphones in poor light, σ not given."""
    section = Section("phone", "smartphones in poor light, σ not given")
    before, after = [], []
    for picture in watched(bench.pictures("Phone"), "phone"):
        result, level = ours.restore(_noisy(picture), bench.weights)
        before.append(psnr(_noisy(picture), picture.clean))
        after.append(psnr(result, picture.clean))
        section.images.append({"image": picture.name, "input": before[-1], "psnr": after[-1], "level": level})
    section.rows = [
        Row("PSNR", mean(after), 35.0, 36.5, beside={"input": mean(before), **_ffdnet(bench, "Phone")}),
        Row("photographs below their input", _harmed(before, after, 0), 0, unit="", more=False),
    ]
    return section


def _restore_file(bench: Bench, picture: Picture, output: Path) -> tuple[Pixels, float]:
    target = output / f"{picture.name}.png"
    levels = ours.denoise_files(picture.path, target, bench.weights)
    return read(target), levels[picture.path.stem]


def _as_jpeg(bench: Bench, pictures: list[Picture], before: float) -> Row:
    """What is left where the result is a JPEG of the input's quality, as a user gets it unasked."""
    source, output = bench.folder("polyu-in"), bench.scratch / "polyu-out"
    for picture in pictures:
        (source / picture.path.name).write_bytes(picture.path.read_bytes())
    ours.denoise_files(source, output, bench.weights)
    after = mean([psnr(read(output / picture.path.name), picture.clean) for picture in pictures])
    return Row("over the input, written as JPEG again", after - before)


def _noisy(picture: Picture) -> Pixels:
    if picture.noisy is None:
        raise ValueError(f"{picture.name} has no noisy file")
    return picture.noisy


def _harmed(before: list[float], after: list[float], tolerance: float) -> int:
    """How many lost more than `tolerance` decibels."""
    return sum(new < old - tolerance for old, new in zip(before, after, strict=True))


def _show(section: Section, grid: Grid, name: str) -> None:
    """Print the grid, and keep it for the JSON file."""
    table = Table(title=f"{name}: OpenCV NLM on the subset, dB; best on all: h, hColor = {grid.best}")
    for heading in ("h \\ hColor", *map("{:g}".format, GRID_COLOUR)):
        table.add_column(heading, justify="right")
    top = max(grid.cells.values())
    for h in GRID_H:
        values = [grid.cells.get((h, colour)) for colour in GRID_COLOUR]
        cells = ["·" if value is None else f"{value:.2f}{'*' * (value == top)}" for value in values]
        table.add_row(f"{h:g}", *cells)
    wide_console().print(table)
    section.more.setdefault("grids", {})[name] = {
        "cells": [{"h": h, "hColor": colour, "psnr": value} for (h, colour), value in grid.cells.items()],
        "best": {"h": grid.best[0], "hColor": grid.best[1], "psnr": mean(grid.scores)},
    }
    edge = grid.best[0] in (GRID_H[0], GRID_H[-1]) or grid.best[1] in (GRID_COLOUR[0], GRID_COLOUR[-1])
    if edge:
        section.notes.append(f"{name}: NLM's best lies on the grid's edge.")
