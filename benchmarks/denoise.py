"""Measure `genrestore denoise` against its goals and against others; see benchmarks/README.md.

python benchmarks/denoise.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

import itertools
import json
import shutil
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache, partial

import numpy as np
import others
import torch
from bench import Bench, cli, cost, interleaved, main, mean, planar, ratio, watched
from pictures import (
    CAMERAS,
    Picture,
    Pixels,
    jpeg_file,
    large_picture,
    mirrored,
    photograph,
    psnr,
    read,
    registered,
    to_bytes,
    write,
)
from pictures import gaussian as noise
from pictures import jpeg as coded_as_jpeg
from PIL import Image
from tables import Row, Section

from genrestore.restore.jpeg import coded
from genrestore.restore.pictures import Restore
from genrestore.restore.task import DEJPEG, DENOISE, Request, Task
from genrestore.restore.tiling import Tiling, map_tiles

PUBLISHED = {
    "CBSD68": {
        15: (33.75, 33.95, {"CBM3D*": 33.52, "FFDNet*": 33.88, "DRUNet*": 34.30}),
        25: (31.05, 31.30, {"CBM3D*": 30.71, "FFDNet*": 31.21, "DRUNet*": 31.69}),
        50: (27.72, 28.05, {"CBM3D*": 27.38, "FFDNet*": 27.96, "DRUNet*": 28.51}),
    },
    "Set12": {25: (30.1, 30.7, {"BM3D*": 29.97, "FFDNet*": 30.43})},
}
"""Must and aim, in dB, where σ is given, and mean PSNR as published, shown with a star."""
NLM = {
    "low noise": ((2, 1), 1.5, 2.5),
    "middle noise": ((3, 3), 2.7, 4.0),
    "high noise": ((8, 10), 3.7, 5.5),
    "not trained": ((8, 6), 0.0, None),
}
"""The best (h, hColor) of OpenCV's non-local means, and what must and should be gained over it."""
STAR = "* as published, not measured here."
SIGMA = 15
"""Noise of large pictures and of folders in grey levels."""


@lru_cache(maxsize=16)
def task(weights: str, sigma: float | None = None, turns: int | None = None) -> Restore:
    """The restoration that the command line uses, loaded once; sigma in grey levels or None."""
    asked = Request(None if sigma is None else sigma / 255)
    return Restore(Task.of(DENOISE, weights, asked, turns=turns))


def restore(image: Pixels, weights: str, sigma: float | None = None) -> tuple[Pixels, float]:
    """An image [height, width, 1 or 3] without its noise, and the level in grey levels that was seen."""
    found = task(weights, sigma)(planar(image))
    return found.pixels[0].transpose(1, 2, 0), 255 * float(found.noise_level or 0)


Pair = tuple[Picture, Pixels, Pixels]
"""A picture, what is restored of it, and the truth."""


def damaged(bench: Bench, damage: Callable[[Picture], Pixels], name: str = "CBSD68") -> list[Pair]:
    """A test set with a damage."""
    return [(one, damage(one), one.clean) for one in bench.pictures(name)]


def measured(
    section: Section, bench: Bench, pairs: list[Pair], words: str
) -> tuple[list[float], list[float], list[float]]:
    """PSNR before and after, and the level seen, of each picture; σ not given."""
    before, after, levels = [], [], []
    for picture, noisy, truth in watched(pairs, words):
        result, level = restore(noisy, bench.weights)
        before.append(psnr(noisy, truth))
        after.append(psnr(result, truth))
        levels.append(level)
        figures = {"input": before[-1], "psnr": after[-1], "level": level}
        section.details.append({"image": picture.name, "case": words, **figures})
    return before, after, levels


def told(bench: Bench, pairs: list[Pair], levels: list[float]) -> list[float]:
    """PSNR of each picture with a level in grey levels given."""
    return [
        psnr(restore(noisy, bench.weights, level)[0], truth)
        for (_, noisy, truth), level in zip(watched(pairs, "σ given"), levels, strict=True)
    ]


def through_files(
    bench: Bench, name: str, pairs: list[Pair], *words: object
) -> tuple[list[Pixels], list[Pixels]]:
    """What files hold of damaged pictures, and what `genrestore denoise` makes of them, PNG to PNG."""
    source, output = bench.folder(name), bench.scratch / f"{name}-out"
    for picture, noisy, _ in pairs:
        write(source / f"{picture.name}.png", to_bytes(noisy))
    cli("denoise", source, "-o", output, "--weights", bench.weights, *words)
    names = [f"{picture.name}.png" for picture, _, _ in pairs]
    return [read(source / one) for one in names], [read(output / one) for one in names]


def scores(results: list[Pixels], pairs: list[Pair]) -> list[float]:
    """PSNR of each."""
    return [psnr(result, truth) for result, (_, _, truth) in zip(results, pairs, strict=True)]


def harmed(before: list[float], after: list[float], what: str) -> Row:
    """How many became worse."""
    return Row(what, int(np.less(after, before).sum()), 0, unit="", more=False)


def gained(before: list[float], after: list[float]) -> float:
    """Mean gain in dB."""
    return mean(after) - mean(before)


def slow(bench: Bench, name: str, pairs: list[Pair], sigma: float) -> tuple[list[int], float]:
    """Which pictures slow baselines are measured on, and the mean PSNR of (C)BM3D on them."""
    few = [number for number, pair in enumerate(pairs) if pair[0].index % bench.few == 0]
    _, noisy, truths = zip(*(pairs[number] for number in few), strict=True)
    return few, others.bm3d_mean(bench, name, noisy, sigma, truths)


def gaussian(bench: Bench, name: str = "CBSD68") -> Section:
    """Gaussian noise as floating point, neither clipped nor rounded; σ given and not."""
    section = Section(f"{name}, Gaussian noise as floats", notes=[STAR])
    for sigma, (must, aim, published) in PUBLISHED[name].items():
        pairs = damaged(bench, lambda one, sigma=sigma: noise(one.clean, sigma, one.index), name)
        given = told(bench, pairs, [sigma] * len(pairs))
        _, blind, levels = measured(section, bench, pairs, f"σ {sigma}")
        few, theirs = slow(bench, name, pairs, sigma)
        some = mean(given[number] for number in few)
        section.rows += [
            Row(f"σ {sigma}, given", mean(given), must, aim, beside=published),
            Row(f"σ {sigma}, not given", mean(blind)),
            Row(f"σ {sigma}, seen, mean", mean(levels), unit="levels"),
            Row(f"σ {sigma}, lost where σ is not given", gained(blind, given), 0.05, 0.0, more=False),
            Row(f"σ {sigma}, given, {len(few)} pictures", some, beside={"BM3D": theirs}),
        ]
    return section


def grey(bench: Bench) -> Section:
    """The same for grey pictures."""
    return gaussian(bench, "Set12")


def files(bench: Bench) -> Section:
    """The same noise in 8-bit PNG files, through the command line."""
    notes = [STAR, "FFDNet's figure is for floats; it is the aim for files."]
    section = Section("CBSD68, the same noise in 8-bit PNG files, through the command line", notes=notes)
    for sigma, (_, _, published) in PUBLISHED["CBSD68"].items():
        pairs = damaged(bench, lambda one, sigma=sigma: to_bytes(noise(one.clean, sigma, one.index)))
        (few, theirs), star, means = slow(bench, "CBSD68 files", pairs, sigma), published["FFDNet*"], []
        for case, words in (("given", ("--sigma", sigma)), ("not given", ())):
            found = scores(through_files(bench, f"{sigma} {case}", pairs, *words)[1], pairs)
            means.append(mean(found))
            section.details.append({"sigma": sigma, "case": case, "psnr": found})
            some = mean(found[number] for number in few)
            section.rows += [
                Row(f"σ {sigma}, {case}", means[-1], aim=star, beside={"FFDNet*": star}),
                Row(f"σ {sigma}, {case}, {len(few)} pictures", some, theirs, beside={"BM3D": theirs}),
            ]
        apart = abs(means[0] - means[1])
        section.rows.append(Row(f"σ {sigma}, σ given and not, apart", apart, 0.15, more=False))
    return section


def camera(bench: Bench) -> Section:
    """Four fixed cameras on CBSD68; σ not given."""
    section = Section("CBSD68 through a camera model, σ not given, beside OpenCV's NLM at its best h/hColor")
    for one in CAMERAS:
        pairs = [(of, *photograph(of.clean, one, of.index)) for of in bench.pictures("CBSD68")]
        before, after, _ = measured(section, bench, pairs, one.name)
        cell, must, aim = NLM[one.name]
        nlm = mean(psnr(others.nlm(noisy, *cell), truth) for _, noisy, truth in watched(pairs, "NLM"))
        name = f"{one.name} (shot {one.gain:g}, read {one.read:g})"
        beside = {"input": mean(before), f"NLM {cell[0]}/{cell[1]}": nlm}
        section.rows += [
            Row(f"{name}: over NLM at its best", mean(after) - nlm, must, aim),
            Row(f"{name}: PSNR", mean(after), beside=beside),
            harmed(before, after, f"{name}: pictures below their input"),
        ]
    return section


def ffdnet(bench: Bench, name: str) -> dict[str, float]:
    """Means of FFDNet, told the best level for all pictures together, and the best for each, from a file."""
    path = bench.pictures(name)[0].path.parent.parent / f"{name}-ffdnet.json"
    if bench.every != 1 or not path.exists():
        return {}
    found = json.loads(path.read_text())
    levels = {level: value for level, value in found["mean"].items() if level != "input"}
    best = max(levels, key=lambda level: levels[level])
    return {
        f"FFDNet told {best}": levels[best],
        "FFDNet told the best for each": found["best_sigma_for_each"],
    }


def polyu(bench: Bench) -> Section:
    """Real photographs, σ not given, and a wrong one given; and JPEG to JPEG through the command line."""
    section = Section("PolyU, real photographs in JPEG files, σ not given")
    pairs = damaged(bench, lambda one: one.noisy, "PolyU")
    before, after, levels = measured(section, bench, pairs, "polyu")
    beside = {"input": mean(before), **ffdnet(bench, "PolyU")}
    aligned, inner = [], np.s_[8:-8, 8:-8]
    for _, noisy, truth in pairs:
        there = registered(truth, noisy)[inner] / 255
        aligned.append([psnr(one[inner], there) for one in (noisy, restore(noisy, bench.weights)[0])])
    seen, ours = np.mean(aligned, axis=0).tolist()
    section.rows = [
        Row("PSNR", mean(after), 38.65, 39.2, beside=beside),
        Row("PSNR, truth moved to the photograph", ours, beside={"input": seen}),
        harmed(before, after, "photographs below their input"),
        Row("least gained", float(np.min(np.subtract(after, before)))),
        Row("noise level seen, median", statistics.median(levels), unit="levels"),
    ]
    for words, factor, must, aim in (
        ("half", 0.5, 0.7, 0.4),
        ("twice", 2, 0.5, 0.2),
        ("thrice", 3, 1.0, 0.5),
    ):
        lost = gained(told(bench, pairs, [factor * level for level in levels]), after)
        section.rows.append(Row(f"lost where {words} that level is given", lost, must, aim, more=False))
    source, output = bench.folder("polyu"), bench.scratch / "polyu-out"
    for one, _, _ in pairs:
        shutil.copy(one.path, source)
    cli("denoise", source, "-o", output, "--weights", bench.weights)
    written = scores([read(output / one.path.name) for one, _, _ in pairs], pairs)
    section.rows.append(Row("over the input, written as JPEG again", gained(before, written)))
    return section


def phone(bench: Bench) -> Section:
    """Photographs of smartphones in poor light, σ not given."""
    section = Section("smartphones in poor light, σ not given")
    before, after, _ = measured(section, bench, damaged(bench, lambda one: one.noisy, "Phone"), "phone")
    beside = {"input": mean(before), **ffdnet(bench, "Phone")}
    section.rows = [Row("PSNR", mean(after), 35.0, 36.5, beside=beside)]
    section.rows.append(harmed(before, after, "photographs below their input"))
    return section


def jpeg(bench: Bench) -> Section:
    """JPEG alone, 4:2:0, σ not given: how much nearer to the picture before it."""
    section = Section("CBSD68 as JPEG, 4:2:0, σ not given, over the JPEG")
    for quality, must in ((20, 1.2), (30, 1.1), (40, 1.0)):
        pairs = damaged(bench, lambda one, quality=quality: coded_as_jpeg(one.clean / 255, quality, 2))
        before, after, _ = measured(section, bench, pairs, f"quality {quality}")
        section.rows.append(Row(f"quality {quality}", gained(before, after), must, must + 0.5))
    return section


def dejpeg(bench: Bench) -> Section:
    """`genrestore dejpeg` beside `denoise` on the same JPEG, whose blocks neither is told to look for."""
    section = Section("CBSD68 as JPEG, genrestore dejpeg, over the JPEG")
    restore = Restore(Task.of(DEJPEG, bench.weights), operator=lambda picture: coded(picture.opened))
    for subsampling, words in ((2, "4:2:0"), (0, "4:4:4")):
        for quality in (10, 20, 30, 40):
            pairs = damaged(
                bench, lambda one, how=(quality, subsampling): coded_as_jpeg(one.clean / 255, *how)
            )
            before, blind, _ = measured(section, bench, pairs, f"{words}, quality {quality}")
            files = [jpeg_file(one.clean / 255, quality, subsampling) for one, _, _ in pairs]
            results = [
                restore.together([Coded(planar(pixels), Image.open(file))])[0]
                for (_, pixels, _), file in zip(watched(pairs, words), files, strict=True)
            ]
            after = scores([one.pixels[0].transpose(1, 2, 0) for one in results], pairs)
            beside = {"denoise": gained(before, blind)}
            section.rows.append(Row(f"{words}, quality {quality}", gained(before, after), beside=beside))
            section.rows.append(harmed(before, after, f"{words}, quality {quality}: below the JPEG"))
    return section


@dataclass(frozen=True)
class Coded:
    """Pixels [1, channel, height, width] with the file that they were decoded from."""

    pixels: Pixels
    opened: Image.Image
    known: None = None


def stuck(bench: Bench) -> Section:
    """Hot pixels, and salt and pepper, over noise of σ 10; σ not given."""
    section = Section("CBSD68 with noise of σ 10 and stuck pixels, 8 bits, σ not given, over the input")

    def hit(one: Picture, share: float, values: tuple[int, ...]) -> Pixels:
        noisy, draws = to_bytes(noise(one.clean, 10, one.index)), np.random.default_rng(one.index)
        where = draws.random(noisy.shape[:2]) < share
        noisy[where] = draws.choice(values, int(where.sum()))[:, None]
        return noisy

    for words, case, must in (
        ("hot, 0.1 %", (0.001, (255,)), 6.0),
        ("salt and pepper, 2 %", (0.02, (0, 255)), None),
    ):
        pairs = damaged(bench, lambda one, case=case: hit(one, *case))
        before, after, _ = measured(section, bench, pairs, words)
        section.rows.append(Row(words, gained(before, after), must))
    return section


def luma(bench: Bench) -> Section:
    """`--luma 0` in the written file: by how much the luma of a pixel moves, and what is gained."""
    section = Section("CBSD68, σ 25 in PNG files, --luma 0 --sigma 25")
    pairs = damaged(bench, lambda one: noise(one.clean, 25, one.index))
    given, made = through_files(bench, "luma", pairs, "--sigma", 25, "--luma", 0)
    weights = (0.299, 0.587, 0.114)
    moved = [np.abs((b.astype(float) - a) @ weights).max() for a, b in zip(given, made, strict=True)]
    section.rows = [
        Row("luma moved at most, BT.601", float(max(moved)), 1.0, unit="levels", more=False),
        Row("over the input", gained(scores(given, pairs), scores(made, pairs))),
    ]
    return section


def clean(bench: Bench) -> Section:
    """Clean pictures, σ not given: what harm is done."""
    section, pairs = Section("CBSD68 without noise, σ not given"), damaged(bench, lambda one: one.clean)
    _, after, levels = measured(section, bench, pairs, "clean")
    wavelet = max(others.wavelet_sigma(one) for _, one, _ in pairs)
    section.rows = [
        Row("PSNR, mean", mean(after), 50.0),
        Row("PSNR, least", min(after), 42.0),
        Row("noise level seen, median", statistics.median(levels), unit="levels"),
        Row("noise level seen, largest", max(levels), unit="levels", beside={"scikit-image": wavelet}),
    ]
    return section


def sigma(bench: Bench) -> Section:
    """The estimated noise level and the gain, from weak to strong noise, as floats and as 8 bits."""
    section, found = Section("CBSD68, σ estimated, 5 to 50"), dict[str, list[Row]]()
    for kind, level in itertools.product(("float", "8 bit"), (5, 10, 15, 25, 35, 50)):
        pairs = damaged(bench, lambda one, level=level: noise(one.clean, level, one.index))
        if kind == "8 bit":
            pairs = [(one, to_bytes(noisy), truth) for one, noisy, truth in pairs]
        before, after, levels = measured(section, bench, pairs, f"σ {level}, {kind}")
        smooth = [psnr(others.median(noisy), truth) for _, noisy, truth in pairs]
        wavelet = [others.wavelet_sigma(noisy) for _, noisy, _ in pairs]
        error, theirs = (
            100 * statistics.median(abs(value / level - 1) for value in values)
            for values in (levels, wavelet)
        )
        for what, row in {
            "error of the estimate, median": Row("", error, 15.0, None, "%", False, {"scikit-image": theirs}),
            "over the input": Row("", gained(before, after), 0.0 if level >= 10 else None),
            "over a 3×3 median filter": Row("", gained(smooth, after), 0.0),
        }.items():
            section.rows.append(replace(row, what=f"σ {level}, {kind}: {what}"))
            if row.must is not None:
                found.setdefault(f"{what}, at the worst level", []).append(row)
    for what, rows in found.items():
        worst = (min if rows[0].more else max)(rows, key=lambda row: row.value)
        section.rows.append(replace(worst, what=what, beside={}))
    return section


def speed(bench: Bench) -> Section:
    """Seconds a megapixel: ours, FFDNet's architecture, and the whole command, turn by turn."""
    size, folder = bench.megapixels[0], bench.folder("speed")
    picture = large_picture(size, SIGMA)
    write(folder / "large.png", picture)
    words = ("denoise", folder / "large.png", "-o", folder / "out.png", "--overwrite", "--quiet")
    theirs = min(
        (others.ffdnet(torch.contiguous_format), others.ffdnet(torch.channels_last)), key=others.timed
    )
    runs = {
        "σ given": partial(task(bench.weights, SIGMA), planar(picture)),
        "σ not given": partial(task(bench.weights), planar(picture)),
        "FFDNet": partial(map_tiles, planar(picture), theirs, Tiling()),
        "whole command": partial(cost, *words, "--weights", bench.weights),
    }
    for sigma in (SIGMA, None):
        task(bench.weights, sigma)(planar(picture[:768, :768]))
    wall, cores = interleaved(runs, bench.rounds)
    section = Section(f"Time at {size} megapixels", details=[{"seconds": wall, "core seconds": cores}])
    section.notes.append(f"Medians of {bench.rounds} rounds in turn; FFDNet in fp32 on the same tiles.")
    for name, times in wall.items():
        value = statistics.median(times) * 3e6 / picture.size
        section.rows.append(Row(f"{name}, a megapixel", value, unit="s/MP", more=False))
    for name, other, must, aim in (
        ("σ not given", "FFDNet", 0.5, 0.25),
        ("σ given", "FFDNet", 0.5, 0.25),
        ("whole command", "σ not given", 1.4, None),
    ):
        whose = "FFDNet's time" if other == "FFDNet" else "network and tiling"
        value = ratio(wall, name, other)
        section.rows.append(Row(f"{name}, of {whose}", value, must, aim, "×", more=False))
    return section


def wait(bench: Bench) -> Section:
    """Seconds that a photographer waits for a JPEG of 12 and of 24 megapixels, with bfloat16 and without."""
    section = Section("Processor seconds of the whole command, JPEG to JPEG, σ not given")
    folder = bench.folder("wait")
    section.notes.append("Of all cores together: several share them.")
    for size in (bench.megapixels[0], 2 * bench.megapixels[0]):
        path = folder / f"{size}.jpg"
        Image.fromarray(to_bytes(large_picture(size, SIGMA))).save(path, quality=95)
        for precision in ("bf16", "fp32"):
            words = ("-o", folder / "out.jpg", "--overwrite", "--precision", precision, "--quiet")
            runs = [cost("denoise", path, *words, "--weights", bench.weights) for _ in range(bench.rounds)]
            seconds = statistics.median(run[1] for run in runs)
            section.rows.append(Row(f"{size} megapixels, {precision}", seconds, unit="s", more=False))
    return section


def folder(bench: Bench) -> Section:
    """A folder of small pictures through the command line, beside the network alone."""
    count, run = 200 // bench.every, task(bench.weights, turns=1)
    section = Section(f"A folder of {count} pictures of 448 × 336, --turns 1, σ not given, start-up excluded")
    for kind, suffix, must in (("JPEG", ".jpg", 1.15), ("PNG", ".png", 1.4)):
        source, first, scene = bench.folder(kind), bench.folder(f"{kind}-first"), mirrored(336, 448)
        for index in range(count):
            noisy = to_bytes(noise(np.roll(scene, 7 * index, axis=(0, 1)), SIGMA, index))
            Image.fromarray(noisy).save(source / f"{index:04}{suffix}", quality=95)
        shutil.copy(source / f"0000{suffix}", first)
        pixels = [planar(read(path)) for path in sorted(source.iterdir())]
        words = ("--turns", 1, "--overwrite", "--weights", bench.weights, "--quiet", "-o")
        runs = {
            "network": lambda pixels=pixels: [run(one) for one in pixels],
            "folder": partial(cost, "denoise", source, *words, f"{source}-out/"),
            "start": partial(cost, "denoise", first, *words, f"{first}-out/"),
        }
        runs["start"](), run(pixels[0])
        wall, cores = interleaved(runs, bench.rounds)
        section.details.append({"format": suffix, "seconds": wall, "core seconds": cores})
        network, whole, start = (np.array(wall[name]) for name in runs)
        value = float(np.median((whole - start) / (count - 1) / (network / count)))
        section.rows.append(Row(f"{kind}, of the network's time", value, must, None, "×", more=False))
    section.notes.append(f"Medians of {bench.rounds} rounds in turn.")
    return section


def memory(bench: Bench) -> Section:
    """Peak resident memory of the whole command on large PNG files."""
    section, folder = Section("Memory of the whole command, PNG to PNG, σ not given"), bench.folder("memory")
    for size, must, aim in zip(bench.megapixels, (1.2, 1.8), (0.8, 1.2), strict=True):
        source = folder / f"{size}.png"
        write(source, large_picture(size, SIGMA))
        words = ("-o", folder / f"{size}-out.png", "--weights", bench.weights, "--quiet")
        peak = cost("denoise", source, *words)[2]
        section.rows.append(Row(f"{size} megapixels, peak", peak, must, aim, "GB", more=False))
    return section


def start(_: Bench) -> Section:
    """`genrestore --help`: seconds."""
    runs = [cost("--help") for _ in range(7)]
    seconds, cores = (statistics.median(run[number] for run in runs) for number in (0, 1))
    section = Section("genrestore --help", notes=["Median of 7 starts."])
    section.rows = [
        Row("seconds", seconds, 0.5, 0.3, "s", more=False),
        Row("seconds of all cores", cores, unit="s", more=False),
    ]
    return section


SECTIONS = (gaussian, files, grey, camera, polyu, phone, jpeg, dejpeg, stuck, luma, clean, sigma)
SECTIONS += (speed, folder, wait, memory, start)

if __name__ == "__main__":
    main(
        "denoise",
        {one.__name__: one for one in SECTIONS},
        "photo",
        ("speed", "folder", "wait", "memory", "start"),
    )
