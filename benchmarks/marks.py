"""Measure what `--find` finds of marks, and what of pictures it repairs; see benchmarks/README.md.

python benchmarks/marks.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

import cv2
import numpy as np
from bench import Bench, cost, main, mean, watched
from pictures import (
    CAMERAS,
    Pixels,
    gaussian,
    large_picture,
    photograph,
    psnr,
    to_bytes,
    unit,
    write,
)
from PIL import Image
from tables import Row, Section

import genrestore

FINE, SEEN = 4, 6
"""Times that marks are drawn larger; grey levels by which one changes a pixel that counts."""
SIGMAS, CLEAN, REPAIRED = (0, 10), 60, 3
"""Of the noise; clean photographs; and every how many-th scan is repaired too."""
RIM = 2
"""Pixels beside a mark that may be taken for a part of it."""
STUCK, PLAIN = 40, 24
"""Stuck pixels of a sensor, and grey levels by which one changes the picture that is plain to see."""


def scan(clean: Pixels, index: int, sigma: int) -> tuple[Pixels, Pixels, Pixels]:
    """A photograph under drawn marks as a scanner gives it, and without them; and where marks are seen."""
    draw, (height, width) = np.random.default_rng(1000 + index), clean.shape[:2]
    marked, round_ = unit(clean), np.linspace(0, 2 * np.pi, 12, endpoint=False)
    for mark in range(17):
        canvas = np.zeros((height * FINE, width * FINE), np.uint8)
        at, light = draw.uniform((6, 6), (width - 6, height - 6)), mark < 3 or draw.random() < 0.25
        if mark < 5:  # lines of 1 to 3 pixels: three scratches, two hairs
            bend = draw.uniform(-1, 1) * (0.05 if mark < 3 else 2)
            angle = draw.uniform(0, np.pi) + bend * np.linspace(-1, 1, 40)
            step = draw.uniform(40, 0.8 * min(height, width)) / 40
            way = at + step * np.cumsum(np.stack([np.cos(angle), np.sin(angle)], 1), 0)
            cv2.polylines(canvas, [np.int32(way * FINE)], False, 255, round(FINE * draw.uniform(1, 3)))
        else:  # specks of 2 to 12
            ragged = draw.uniform(1, 6) * draw.uniform(0.75, 1.1, (12, 1)) * (1, draw.uniform(0.6, 1))
            outline = at + ragged * np.stack([np.cos(round_), np.sin(round_)], 1)
            cv2.fillPoly(canvas, [np.int32(outline * FINE)], 255)
        share = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)[..., None] / 255
        level = draw.uniform(0.85, 1) if light else draw.uniform(0, 0.2)
        marked += draw.uniform(0.6, 1) * share * (level - marked)
    seen = 255 * np.abs(marked - unit(clean)).max(2) >= max(3 * sigma, SEEN)
    noise = gaussian(np.zeros_like(clean), sigma, index)
    return to_bytes(marked + noise), to_bytes(unit(clean) + noise), seen


def find(image: Pixels, *kinds: str) -> Pixels:
    """The marks that are found in uint8 [height, width, 3]: bool [height, width]."""
    return genrestore.find_marks(image, kinds or ("dust", "scratches"))


def gained(result: Pixels, marked: Pixels, without: Pixels, where: Pixels) -> float:
    """PSNR of a result less that of the marked picture, both against the one without marks, in dB."""
    now, before = (psnr(image[where][None], without[where][None]) for image in (result, marked))
    return now - before


def away(found: Pixels, marked: Pixels, without: Pixels) -> float:
    """Share of a picture that is found more than `RIM` pixels beside what marks changed."""
    changed = (np.abs(marked.astype(int) - without).max(2) > 0).astype(np.uint8)
    near = cv2.dilate(changed, np.ones((2 * RIM + 1,) * 2, np.uint8)) > 0
    return float((found & ~near).mean())


def scans(bench: Bench) -> Section:
    """CBSD68 under drawn marks: what is found of them, and what is gained at them."""
    section, pictures = (
        Section("CBSD68 under drawn marks, found and filled without a mask"),
        bench.pictures("CBSD68"),
    )
    sheets, changed, details = bench.folder("marks"), 0, {}
    for sigma in SIGMAS:
        shares, extra, gains = [], [], []
        for one in watched(pictures, f"scans, σ {sigma}"):
            marked, without, seen = scan(one.clean, one.index, sigma)
            found = find(marked)
            shares.append(100 * float(found[seen].mean()))
            extra.append(1e6 * away(found, marked, without))
            if one.index % REPAIRED == 0:
                result = genrestore.inpaint(marked, found)
                changed += int((result != marked).any(2)[~found].sum())
                gains.append(gained(result, marked, without, seen))
                shown = np.concatenate(
                    [marked, np.repeat(255 * found[..., None].astype(np.uint8), 3, 2), result], 1
                )
                write(sheets / f"{one.name}-{sigma}.png", shown)
        noise = f"σ {sigma}"
        section.rows += [
            Row(f"{noise}: pixels of marks found, mean", mean(shares), 90, 97, "%"),
            Row(f"{noise}: area away from marks that is taken for one", mean(extra), unit="ppm", more=False),
            Row(f"{noise}: gained at the marks", mean(gains), 12, 15),
        ]
        details[noise] = {"found": shares, "gains": gains}
    section.details = details
    section.rows.append(Row("pixels changed where no mark was found", changed, 0, 0, "", more=False))
    section.notes = [
        f"A mark changes a pixel of it by 3 σ and by {SEEN} grey levels; gains on one scan in {REPAIRED}."
    ]
    return section


def clean(bench: Bench) -> Section:
    """Photographs without marks: what is taken for one."""
    section, pictures = (
        Section(f"CBSD68 as it is, the first {CLEAN}: area taken for marks"),
        bench.pictures("CBSD68"),
    )
    shares = [1e6 * float(find(one.clean).mean()) for one in watched(pictures, "clean") if one.index < CLEAN]
    section.rows = [
        Row("mean", mean(shares), 200, 50, "ppm", more=False),
        Row("median", float(np.median(shares)), unit="ppm", more=False),
        Row("most of one", max(shares), unit="ppm", more=False),
    ]
    section.details = {"shares": shares}
    return section


def hot(bench: Bench) -> Section:
    """CBSD68 as a camera with stuck pixels takes it: what is found of them, and what is gained at them."""
    section, camera = Section("CBSD68 by a camera with stuck pixels (`--find hot`)"), CAMERAS[0]
    shares, gains, extra, false = [], [], [], []
    for one in watched(bench.pictures("CBSD68"), "hot"):
        draw, stuck = np.random.default_rng(2000 + one.index), np.full(one.clean.shape[:2], np.nan)
        places = tuple(draw.integers(2, side - 2, STUCK) for side in stuck.shape)
        stuck[places] = np.where(draw.random(STUCK) < 0.75, draw.uniform(0.5, 1, STUCK), 0)
        without, marked = (photograph(one.clean, camera, one.index, each)[0] for each in (None, stuck))
        change = np.abs(marked.astype(int) - without).max(2)
        found = find(marked, "hot")
        shares.append(100 * float(found[places][change[places] >= PLAIN].mean()))
        gains.append(gained(genrestore.inpaint(marked, found), marked, without, change >= SEEN))
        extra.append(1e6 * away(found, marked, without))
        false.append(1e6 * float(find(without, "hot").mean()))
    section.rows = [
        Row("stuck pixels found, mean", mean(shares), 90, 97, "%"),
        Row("gained around them", mean(gains)),
        Row("area away from them that is taken for one", mean(extra), unit="ppm", more=False),
        Row("area taken for one where none is stuck", mean(false), 200, 50, "ppm", more=False),
    ]
    section.details = {"found": shares, "gains": gains, "false": false}
    section.notes = [
        f"Of {STUCK} a picture, a quarter dead, those that change it by {PLAIN} grey levels at their place."
    ]
    return section


def command(bench: Bench) -> Section:
    """Marks in a large JPEG, found and filled through the command line."""
    folder, picture = bench.folder("large"), large_picture(bench.megapixels[0], 2)
    marked, _, seen = scan(picture, 0, 0)
    Image.fromarray(marked).save(folder / "scan.jpg", quality=95)
    words = ["inpaint", folder / "scan.jpg", "--find", "dust,scratches", "--show-mask", folder / "mask.png"]
    seconds, cores, peak = cost(*words, "-o", folder / "out.jpg", "--quiet")
    found = np.asarray(Image.open(folder / "mask.png")) > 0
    section = Section(f"17 marks in a JPEG of {bench.megapixels[0]} megapixels, whole command")
    section.rows = [
        Row("pixels of marks found", 100 * float(found[seen].mean()), unit="%"),
        Row("time", seconds, unit="s", more=False),
        Row("time of all cores", cores, unit="s", more=False),
        Row("memory, peak", peak, unit="GB", more=False),
    ]
    return section


SECTIONS = (scans, clean, hot, command)

if __name__ == "__main__":
    main("marks", {one.__name__: one for one in SECTIONS}, "photo-marks", ("command",))
