"""Gaussian noise on clean pictures: as floats, as files, on grey, at every level, and none at all."""

from __future__ import annotations

from typing import Any

import numpy as np
import ours
from baselines import Task, bm3d_scores, median, skimage_means, skimage_sigma
from noise import Camera, gaussian, jpeg
from pictures import Picture, Pixels, mean, psnr, read, subset, to_bytes, unit, write
from report import Row, Section, watched
from settings import Bench

PUBLISHED = {
    15: {"CBM3D*": 33.52, "FFDNet*": 33.88, "DRUNet*": 34.30},
    25: {"CBM3D*": 30.71, "FFDNet*": 31.21, "DRUNet*": 31.69},
    50: {"CBM3D*": 27.38, "FFDNet*": 27.96, "DRUNet*": 28.51},
}
"""Mean PSNR on CBSD68 as published; marked with a star wherever it is shown."""
MUST = {15: 33.75, 25: 31.05, 50: 27.72}
AIM = {15: 33.95, 25: 31.30, 50: 28.05}
LEVELS = (5, 10, 15, 25, 35, 50)
STAR = "* as published, not measured here."


def gaussian_section(bench: Bench) -> Section:
    """Colour Gaussian noise as floating point, neither clipped nor rounded; σ given and not."""
    section = Section("gaussian", "CBSD68, Gaussian noise as floats", notes=[STAR])
    pictures = bench.pictures("CBSD68")
    for sigma in MUST:
        given, blind, levels = {}, {}, []
        for picture in watched(pictures, f"gaussian σ {sigma}"):
            noisy = gaussian(picture.clean, sigma, picture.index)
            given[picture.name] = psnr(ours.restore(noisy, bench.weights, sigma)[0], picture.clean)
            result, level = ours.restore(noisy, bench.weights)
            blind[picture.name] = psnr(result, picture.clean)
            levels.append(level)
            section.images.append(
                _image(picture, sigma, given=given[picture.name], blind=blind[picture.name], level=level)
            )
        known, unknown = mean([*given.values()]), mean([*blind.values()])
        section.rows += [
            Row(f"σ {sigma}, given", known, MUST[sigma], AIM[sigma], beside=PUBLISHED[sigma]),
            Row(f"σ {sigma}, not given", unknown),
            Row(f"σ {sigma}, seen, mean", mean(levels), unit="levels"),
            Row(f"σ {sigma}, lost where σ is not given", known - unknown, 0.05, 0.0, more=False),
        ]
        section.rows.append(_beside_slow(bench, pictures, sigma, given))
    return section


def _image(picture: Picture, sigma: float, **figures: float) -> dict[str, Any]:
    return {"image": picture.name, "sigma": sigma, **figures}


def _beside_slow(bench: Bench, pictures: list[Picture], sigma: int, given: dict[str, float]) -> Row:
    """Our mean on the pictures that the slow baselines are measured on, and theirs."""
    few = subset(pictures, bench.few)
    noisy = [gaussian(picture.clean, sigma, picture.index) for picture in few]
    tasks = [
        Task(f"cbm3d/CBSD68/{picture.name}/float/{sigma}", image, sigma, picture.clean)
        for picture, image in zip(few, noisy, strict=True)
    ]
    means = [
        psnr(skimage_means(image, sigma), picture.clean) for picture, image in zip(few, noisy, strict=True)
    ]
    beside = {"CBM3D": mean(bm3d_scores(tasks, bench.memory)), "scikit-image NLM": mean(means)}
    value = mean([given[picture.name] for picture in few])
    return Row(f"σ {sigma}, given, {len(few)} pictures", value, beside=beside)


def files_section(bench: Bench) -> Section:
    """The same noise in 8-bit PNG files, through the command line."""
    title = "CBSD68, the same noise in 8-bit PNG files, through the command line"
    section = Section("files", title, notes=[STAR, "FFDNet's figure is for floats; it is the aim for files."])
    pictures = bench.pictures("CBSD68")
    for sigma in watched(MUST, "files"):
        source = bench.folder(f"files-{sigma}")
        for picture in pictures:
            noisy = to_bytes(gaussian(picture.clean, sigma, picture.index))
            write(source / f"{picture.name}.png", noisy)
        scores = {}
        for case, level in (("given", sigma), ("not given", None)):
            output = source.with_name(f"{source.name}-{case.replace(' ', '-')}")
            ours.denoise_files(source, output, bench.weights, level)
            scores[case] = {p.name: psnr(read(output / f"{p.name}.png"), p.clean) for p in pictures}
        section.images += [
            _image(p, sigma, given=scores["given"][p.name], blind=scores["not given"][p.name])
            for p in pictures
        ]
        section.rows += _file_rows(bench, pictures, sigma, scores)
    return section


def _file_rows(
    bench: Bench, pictures: list[Picture], sigma: int, scores: dict[str, dict[str, float]]
) -> list[Row]:
    few = subset(pictures, bench.few)
    tasks = [
        Task(
            f"cbm3d/CBSD68/{picture.name}/files/{sigma}",
            to_bytes(gaussian(picture.clean, sigma, picture.index)),
            sigma,
            picture.clean,
        )
        for picture in few
    ]
    cbm3d = mean(bm3d_scores(tasks, bench.memory))
    ffdnet = PUBLISHED[sigma]["FFDNet*"]
    means = {case: mean([*values.values()]) for case, values in scores.items()}
    rows = [
        Row(f"σ {sigma}, {case}", value, aim=ffdnet, beside={"FFDNet*": ffdnet})
        for case, value in means.items()
    ]
    apart = abs(means["given"] - means["not given"])
    rows.append(Row(f"σ {sigma}, σ given and not, apart", apart, 0.15, more=False))
    for case, values in scores.items():
        value = mean([values[picture.name] for picture in few])
        rows.append(Row(f"σ {sigma}, {case}, {len(few)} pictures", value, cbm3d, beside={"CBM3D": cbm3d}))
    return rows


def grey_section(bench: Bench) -> Section:
    """Grey Gaussian noise as floating point, σ 25."""
    section = Section("grey", "Set12, grey, Gaussian noise as floats", notes=[STAR])
    pictures = bench.pictures("Set12")
    given, blind, tasks = [], [], []
    for picture in watched(pictures, "grey"):
        noisy = gaussian(picture.clean, 25, picture.index)
        given.append(psnr(ours.restore(noisy, bench.weights, 25)[0], picture.clean))
        blind.append(psnr(ours.restore(noisy, bench.weights)[0], picture.clean))
        section.images.append(_image(picture, 25, given=given[-1], blind=blind[-1]))
        tasks.append(Task(f"bm3d/Set12/{picture.name}/float/25", noisy, 25, picture.clean))
    beside = {"BM3D": mean(bm3d_scores(tasks, bench.memory)), "BM3D*": 29.97, "FFDNet*": 30.43}
    section.rows = [
        Row("σ 25, given", mean(given), 30.1, 30.7, beside=beside),
        Row("σ 25, not given", mean(blind)),
    ]
    return section


def clean_section(bench: Bench) -> Section:
    """Clean pictures, σ not given: what harm is done."""
    section = Section("clean", "CBSD68 without noise, σ not given")
    scores, levels, wavelet = [], [], []
    for picture in watched(bench.pictures("CBSD68"), "clean"):
        result, level = ours.restore(picture.clean, bench.weights)
        scores.append(psnr(result, picture.clean))
        levels.append(level)
        wavelet.append(skimage_sigma(picture.clean))
        section.images.append(_image(picture, 0, psnr=scores[-1], level=level))
    section.rows = [
        Row("PSNR, mean", mean(scores), 50.0),
        Row("PSNR, least", min(scores), 42.0),
        Row("noise level seen, median", float(np.median(levels)), unit="levels"),
        Row(
            "noise level seen, largest",
            max(levels),
            unit="levels",
            beside={"scikit-image": max(wavelet)},
        ),
    ]
    return section


def jpeg_section(bench: Bench) -> Section:
    """JPEG alone, 4:2:0, σ not given: how much nearer to the picture before it."""
    section = Section("jpeg", "CBSD68 as JPEG, 4:2:0, σ not given, over the JPEG")
    for quality, must, aim in ((20, 1.2, 1.7), (30, 1.1, 1.6), (40, 1.0, 1.5)):
        gained = []
        for picture in watched(bench.pictures("CBSD68"), f"jpeg {quality}"):
            coded = jpeg(unit(picture.clean), Camera("", 0, 0, quality=quality, subsampling=2))
            result, level = ours.restore(coded, bench.weights)
            gained.append(psnr(result, picture.clean) - psnr(coded, picture.clean))
            section.images.append({**_image(picture, 0, level=level, gained=gained[-1]), "quality": quality})
        section.rows.append(Row(f"quality {quality}", mean(gained), must, aim))
    return section


def stuck_section(bench: Bench) -> Section:
    """Hot pixels, and salt and pepper, over noise of σ 10; σ not given."""
    section = Section(
        "stuck", "CBSD68 with noise of σ 10 and stuck pixels, 8 bits, σ not given, over the input"
    )
    for words, share, values, must in (
        ("hot, 0.1 %", 0.001, (255,), 6.0),
        ("salt and pepper, 2 %", 0.02, (0, 255), None),
    ):
        gained = []
        for picture in watched(bench.pictures("CBSD68"), words):
            noisy = to_bytes(gaussian(picture.clean, 10, picture.index))
            draws = np.random.default_rng(picture.index)
            hit = draws.random(noisy.shape[:2]) < share
            noisy[hit] = draws.choice(values, int(hit.sum()))[:, None]
            result, _ = ours.restore(noisy, bench.weights)
            gained.append(psnr(result, picture.clean) - psnr(noisy, picture.clean))
        section.rows.append(Row(words, mean(gained), must))
    return section


def luma_section(bench: Bench) -> Section:
    """`--luma 0` in the written file: by how much the luma of a pixel moves, and what is gained."""
    section = Section("luma", "CBSD68, σ 25 in PNG files, --luma 0 --sigma 25")
    source, output = bench.folder("luma"), bench.scratch / "luma-out"
    pictures = bench.pictures("CBSD68")
    for picture in pictures:
        write(source / f"{picture.name}.png", to_bytes(gaussian(picture.clean, 25, picture.index)))
    ours.run(
        ours.command("denoise", source, "-o", output, "--sigma", 25, "--luma", 0, "--weights", bench.weights)
    )
    shares = np.array([0.299, 0.587, 0.114])
    moved, gained = [], []
    for picture in pictures:
        before, after = read(source / f"{picture.name}.png"), read(output / f"{picture.name}.png")
        moved.append(float(np.abs((after.astype(float) - before) @ shares).max()))
        gained.append(psnr(after, picture.clean) - psnr(before, picture.clean))
    section.rows = [
        Row("luma moved at most, BT.601", max(moved), 1.0, unit="levels", more=False),
        Row("over the input", mean(gained)),
    ]
    return section


def sigma_section(bench: Bench) -> Section:
    """The estimated noise level and the gain, from weak to strong noise, as floats and as 8 bits."""
    section = Section("sigma", "CBSD68, σ estimated, 5 to 50")
    pictures = bench.pictures("CBSD68")
    for kind in ("float", "8 bit"):
        for sigma in LEVELS:
            found = [
                _estimate(bench, picture, sigma, kind)
                for picture in watched(pictures, f"sigma {kind} {sigma}")
            ]
            section.images += found
            section.rows += _sigma_rows(found, sigma, kind)
    _add_worst(section)
    return section


def _estimate(bench: Bench, picture: Picture, sigma: int, kind: str) -> dict[str, Any]:
    noisy: Pixels = gaussian(picture.clean, sigma, picture.index)
    if kind == "8 bit":
        noisy = to_bytes(noisy)
    result, level = ours.restore(noisy, bench.weights)
    return {
        **_image(picture, sigma, level=level, wavelet=skimage_sigma(noisy)),
        "kind": kind,
        "input": psnr(noisy, picture.clean),
        "psnr": psnr(result, picture.clean),
        "median": psnr(median(noisy), picture.clean),
    }


def _sigma_rows(found: list[dict[str, Any]], sigma: int, kind: str) -> list[Row]:
    def error(key: str) -> float:
        return 100 * float(np.median([abs(one[key] / sigma - 1) for one in found]))

    def over(key: str) -> float:
        return mean([one["psnr"] - one[key] for one in found])

    name = f"σ {sigma}, {kind}"
    return [
        Row(
            f"{name}: error of the estimate, median",
            error("level"),
            15.0,
            unit="%",
            more=False,
            beside={"scikit-image": error("wavelet")},
        ),
        Row(f"{name}: over the input", over("input"), 0.0 if sigma >= 10 else None),
        Row(f"{name}: over a 3×3 median filter", over("median"), 0.0),
    ]


def _add_worst(section: Section) -> None:
    """The worst of each kind of row: what the short table shows."""
    for text, what in (
        ("error of the estimate", "error of the estimate, median of the worst level"),
        ("over the input", "over the input, at the worst level from 10"),
        ("over a 3×3", "over a 3×3 median filter, at the worst level"),
    ):
        rows = [row for row in section.rows if text in row.what and row.must is not None]
        worst = (min if rows[0].more else max)(rows, key=lambda row: row.value)
        section.rows.append(Row(what, worst.value, worst.must, unit=worst.unit, more=worst.more))
