"""Measure how wide holes are filled with texture, against others; see benchmarks/README.md.

python benchmarks/texture.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
import others
from bench import Bench, cost, main, mean, watched
from pictures import Picture, Pixels, large_picture, psnr, write
from PIL import Image
from tables import Row, Section

import genrestore

SHOWN = 48
"""Pixels around a hole on the sheet."""
RING, PATCH, DRAWN, PROJECTIONS = 40, 7, 2000, 64
"""Of the sliced Wasserstein distance: pixels around the hole, side of a patch, patches, and lines."""
SIDES, PLACES = (64, 120), 24
"""Least and largest side of a hole in CBSD68, whose pictures have sides of 321 and 481; and places drawn."""
Method = Callable[[Pixels, Pixels], Pixels]


def ours(fill: str) -> Method:
    """What genrestore makes of uint8 [height, width, 3] of which pixels are known, bool [height, width]."""
    return lambda image, known: genrestore.inpaint(image, ~known, fill=fill)


def shift_map(image: Pixels, known: Pixels) -> Pixels:
    """OpenCV-contrib's INPAINT_SHIFTMAP, in Lab as its page asks."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2Lab)
    found = np.zeros_like(lab)
    cv2.xphoto.inpaint(lab, known.astype(np.uint8) * 255, found, cv2.xphoto.INPAINT_SHIFTMAP)
    return cv2.cvtColor(found, cv2.COLOR_Lab2RGB)


def fsr(image: Pixels, known: Pixels) -> Pixels:
    """OpenCV-contrib's INPAINT_FSR_FAST."""
    found = np.zeros_like(image)
    cv2.xphoto.inpaint(image, known.astype(np.uint8) * 255, found, cv2.xphoto.INPAINT_FSR_FAST)
    return found


def patchmatch(image: Pixels, known: Pixels) -> Pixels:
    """The package patchmatch-cython, pyramid."""
    import patchmatch_cython

    return np.asarray(patchmatch_cython.inpaint_pyramid(image, (~known).astype(np.uint8), seed=0))


METHODS: dict[str, Method] = {
    "texture": ours("texture"),
    "mean": ours("mean"),
    "patchmatch-cython": patchmatch,
    "SHIFTMAP": shift_map,
    "FSR": fsr,
    "Telea": others.telea,
    "Navier–Stokes": others.navier_stokes,
    "biharmonic": lambda image, known: np.round(255 * others.biharmonic(image, known)).astype(np.uint8),
}
SLOW = ("SHIFTMAP", "FSR", "biharmonic")
"""Those of minutes a picture, measured on every `--slow-every`-th."""


def hole_of(one: Picture) -> Pixels:
    """Which pixels of a picture are known: a rectangle over texture is missing, drawn by the picture's index.

    Of some places the one is taken that has least structure for its texture: what nothing around tells, a
    face or a sign, no way of filling can know.
    """
    height, width = one.clean.shape[:2]
    draw = np.random.default_rng(one.index)
    down, across = draw.integers(*SIDES, 2)
    places = []
    for _ in range(PLACES):
        top, left = (
            int(draw.integers(30, length - side - 30)) for length, side in ((height, down), (width, across))
        )
        known = np.ones((height, width), bool)
        known[top : top + down, left : left + across] = False
        places.append(known)
    return min(places, key=lambda known: structure(one.clean, known))


def structure(image: Pixels, known: Pixels) -> float:
    """Variance of means over 17 pixels, in a hole and around it, over the energy of the finest two bands."""
    near = cv2.dilate((~known).astype(np.uint8), np.ones((2 * RING + 1,) * 2, np.uint8)) > 0
    coarse = cv2.blur(image.astype(np.float32), (17, 17))[near]
    return float(coarse.var(0).sum()) / max(1.0, fine(image, ~near))


def fine(image: Pixels, known: Pixels) -> float:
    """Energy of the finest two bands (differences to means over 3 and 5 pixels) in what is not known."""
    now, total = image.astype(np.float32), 0.0
    for side in (3, 5):
        coarse = cv2.blur(now, (side, side), borderType=cv2.BORDER_REPLICATE)
        total += float(((now - coarse)[~known] ** 2).mean())
        now = coarse
    return total


def distance(result: Pixels, clean: Pixels, known: Pixels) -> float:
    """Sliced Wasserstein distance of patches wholly in the hole from known ones around it, in grey levels."""
    draw, ones = np.random.default_rng(0), np.ones((PATCH, PATCH), np.uint8)
    missing = (~known).astype(np.uint8)
    near = cv2.dilate(missing, np.ones((2 * RING + 1,) * 2, np.uint8)) > 0
    places = cv2.erode(missing, ones) > 0, (cv2.dilate(missing, ones) == 0) & near
    lines = draw.standard_normal((PATCH * PATCH * 3, PROJECTIONS)).astype(np.float32)
    lines /= np.linalg.norm(lines, axis=0)
    sorted_ = []
    for image, place in zip((result, clean), places, strict=True):
        inner = place[PATCH // 2 : -(PATCH // 2), PATCH // 2 : -(PATCH // 2)]
        rows, columns = np.nonzero(inner)
        some = draw.choice(len(rows), DRAWN, replace=len(rows) < DRAWN)
        every = np.lib.stride_tricks.sliding_window_view(image, (PATCH, PATCH), (0, 1))
        patches = every[rows[some], columns[some]].reshape(DRAWN, -1).astype(np.float32)
        sorted_.append(np.sort(patches @ lines, axis=0))
    return float(np.abs(sorted_[0] - sorted_[1]).mean())


def seam(image: Pixels, known: Pixels) -> float:
    """Mean step across the edge of the hole."""
    steps = []
    for axis in (0, 1):
        edge = np.diff(known.astype(np.int8), axis=axis) != 0
        steps.append(np.abs(np.diff(image.astype(np.float32), axis=axis)).mean(2)[edge])
    return float(np.concatenate(steps).mean())


def figures(method: Method, clean: Pixels, known: Pixels) -> tuple[float, float, float, float, Pixels]:
    """PSNR in the hole, energy and step over the truth's, the distance, and the result."""
    result = method(np.ascontiguousarray(clean * known[..., None].astype(np.uint8)), known)
    inside = psnr(result[~known][None], clean[~known][None])
    energy = fine(result, known) / fine(clean, known)
    return inside, energy, seam(result, known) / seam(clean, known), distance(result, clean, known), result


def wide(bench: Bench) -> Section:
    """CBSD68, a rectangle of 64 to 120 pixels a side; with --scratch a sheet of every picture is kept."""
    section, found = (
        Section("CBSD68, colour, a rectangle of 64 to 120 pixels a side missing over texture"),
        {},
    )
    itself: list[float] = []
    sheets = bench.folder("texture")
    for one in watched(bench.pictures("CBSD68"), "wide"):
        known = hole_of(one)
        shown = [one.clean, one.clean * known[..., None].astype(np.uint8)]
        for name, method in METHODS.items():
            if name in SLOW and one.index % bench.few:
                continue
            *values, result = figures(method, one.clean, known)
            found.setdefault(name, []).append(values)
            shown += [result] if name in ("mean", "texture", "patchmatch-cython", "SHIFTMAP") else []
        itself.append(distance(one.clean, one.clean, known))
        rows, columns = np.nonzero(~known)
        part = np.s_[
            max(0, rows[0] - SHOWN) : rows[-1] + SHOWN, max(0, columns.min() - SHOWN) : columns.max() + SHOWN
        ]
        write(sheets / f"{one.name}.png", np.concatenate([image[part] for image in shown], 1))
    table = {name: np.array(values) for name, values in found.items()}
    psnrs, energies, seams, distances = (
        {name: float(how(values[:, place])) for name, values in table.items()}
        for place, how in enumerate((np.mean, np.median, np.median, np.mean))
    )
    mine = [each.pop("texture") for each in (psnrs, energies, seams, distances)]
    patches = max(psnrs[name] for name in ("patchmatch-cython", "SHIFTMAP") if name in psnrs)
    section.rows = [
        Row("PSNR in the hole", mine[0], patches, patches + 0.5, beside=psnrs),
        Row("energy in the finest two bands, of the truth's", mine[1], 0.7, 0.85, "×", beside=energies),
        Row("step across the edge, of the truth's", mine[2], 1.2, 1.05, "×", more=False, beside=seams),
        Row(
            "distance of patches to those around",
            mine[3],
            min(distances["mean"] / 2, *distances.values()),
            distances["mean"] / 3,
            "levels",
            more=False,
            beside={**distances, "the photograph itself": mean(itself)},
        ),
    ]
    section.notes = [f"{', '.join(SLOW)} on every {bench.few}th picture only."]
    return section


def edges(bench: Bench) -> Section:  # noqa: ARG001
    """Twenty drawn edges of any slope with noise, across a hole of 80×80: how far the edge comes off."""
    off = []
    for index in watched(range(20), "edges"):
        draw = np.random.default_rng(index)
        slope, middle = draw.uniform(-1, 1), draw.uniform(95, 145)
        line = middle + slope * (np.arange(240) - 120)
        y = np.arange(240)[:, None]
        light = np.where(y + 0.5 > line, draw.uniform(30, 100), draw.uniform(150, 220))[..., None]
        clean = (light + draw.normal(0, 5, (240, 240, 3))).clip(0, 255).astype(np.uint8)
        known = np.ones((240, 240), bool)
        known[80:160, 80:160] = False
        result = genrestore.inpaint(clean, ~known, fill="auto")
        level = (light.min() + light.max()) / 2
        place = (cv2.blur(result[..., 1], (3, 3)) > level)[:, 80:160].sum(0)
        inside = (line[80:160] > 84) & (line[80:160] < 156)
        off.append(float(np.abs(place - line[80:160])[inside].mean()))
    section = Section("Straight edges across a hole of 80×80, drawn")
    section.rows = [
        Row("of 20, off by 2 pixels at most", sum(one <= 2 for one in off), 18, 20, ""),
        Row("off by, mean", mean(off), unit="px", more=False),
    ]
    section.details = {"off": off}
    return section


def command(bench: Bench) -> Section:
    """A hole of 300×300 in a large JPEG, through the command line."""
    folder, picture = bench.folder("hole"), large_picture(bench.megapixels[0], 5)
    Image.fromarray(picture).save(folder / "photo.jpg", quality=95)
    height, width = picture.shape[:2]
    box = f"{width // 2},{height // 2},300,300"
    seconds, cores, peak = cost(
        "inpaint", folder / "photo.jpg", "--box", box, "-o", folder / "out.jpg", "--quiet"
    )
    section = Section(f"A hole of 300×300 in a JPEG of {bench.megapixels[0]} megapixels, whole command")
    section.rows = [
        Row("time", seconds, 30, 10, "s", more=False),
        Row("time of all cores", cores, unit="s", more=False),
        Row("memory, peak", peak, 1.2, 0.9, "GB", more=False),
    ]
    return section


SECTIONS = (wide, edges, command)

if __name__ == "__main__":
    main("texture", {one.__name__: one for one in SECTIONS}, "photo-inpaint", ("edges", "command"))
