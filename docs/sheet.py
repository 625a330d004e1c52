"""Draw the pictures of the page on `genrestore inpaint`: wide holes on a sheet, --grow auto, and a shadow.

    python docs/sheet.py --data FOLDER     docs/images/wide-holes.jpg too, of photographs in a folder
    python docs/sheet.py                   docs/images/wide-hole.jpg, grow.jpg and shadow.jpg, of the example

A hole of 64 to 200 pixels a side lies in the part of each photograph that has most texture of some that are
drawn, with a fixed seed. Side by side: the hole, `--fill mean`, OpenCV's SHIFTMAP, and `--fill auto`.
"""

from __future__ import annotations

import argparse
import io
import sys
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

import genrestore
from genrestore.restore.edges import with_edges

ROOT = Path(__file__).parents[1]
sys.path.append(str(ROOT / "benchmarks"))
Pixels = np.ndarray[Any, Any]
IMAGES = ROOT / "docs" / "images"
COUNT, COLUMNS, SHOWN, MARGIN, DRAWN = 24, 3, 112, 90, 12
"""Photographs, how many side by side, side of a picture, pixels around a hole, and places that are drawn."""


def place(image: Pixels, draw: np.random.Generator) -> tuple[Pixels, Pixels]:
    """A part of a photograph [height, width, 3] with a hole over texture, and what of it is known."""
    sides, best, found = draw.integers(64, 201, 2), -1.0, image
    extent = sides + 2 * MARGIN
    for _ in range(DRAWN):
        top, left = (
            int(draw.integers(0, max(1, length - side)))
            for length, side in zip(image.shape, extent, strict=False)
        )
        part = image[top : top + extent[0], left : left + extent[1]]
        steep = float(np.abs(np.diff(part.astype(float), axis=0)).mean())
        if steep > best:
            best, found = steep, part
    known = np.ones(found.shape[:2], bool)
    known[MARGIN : MARGIN + sides[0], MARGIN : MARGIN + sides[1]] = False
    return np.ascontiguousarray(found), known


def tile(image: Pixels) -> Image.Image:
    """A picture scaled into a square of the sheet."""
    picture = Image.fromarray(image)
    picture.thumbnail((SHOWN, SHOWN), Image.Resampling.LANCZOS)
    square = Image.new("RGB", (SHOWN, SHOWN), "white")
    square.paste(picture, ((SHOWN - picture.width) // 2, (SHOWN - picture.height) // 2))
    return square


def sheet(data: Path, keep: Path | None) -> Image.Image:
    """The sheet of photographs in a folder, every so many so that there are 24."""
    import texture  # beside the benchmarks, whose SHIFTMAP it is

    paths = sorted(path for path in data.iterdir() if path.suffix.lower() in (".jpg", ".png"))
    chosen = [paths[index * len(paths) // COUNT] for index in range(COUNT)]
    rows = -(-COUNT // COLUMNS)
    whole = Image.new("RGB", (COLUMNS * (4 * SHOWN + 8) - 8, rows * (SHOWN + 4) - 4), "white")
    for index, path in enumerate(chosen):
        image, known = place(np.asarray(Image.open(path).convert("RGB")), np.random.default_rng(index))
        holed = image * known[..., None].astype(np.uint8)
        shown = [holed, genrestore.inpaint(holed, ~known, fill="mean"), texture.shift_map(holed, known)]
        shown.append(genrestore.inpaint(holed, ~known, fill="auto"))
        for column, one in enumerate(shown):
            left = index % COLUMNS * (4 * SHOWN + 8) + column * SHOWN
            whole.paste(tile(one), (left, index // COLUMNS * (SHOWN + 4)))
        if keep is not None:
            Image.fromarray(np.concatenate(shown, 1)).save(keep / f"{index:02d}-{path.stem}.png")
        print(index, path.name, known.shape, flush=True)
    return whole


def disc(size: tuple[int, int], middle: tuple[int, int], across: int, down: int) -> Image.Image:
    """An ellipse of such half axes, white on black, in a picture of (width, height)."""
    canvas = Image.new("L", size)
    box = middle[0] - across, middle[1] - down, middle[0] + across, middle[1] + down
    ImageDraw.Draw(canvas).ellipse(box, fill=255)
    return canvas


def ball_at(middle: tuple[int, int], radius: int, shade: Image.Image | None = None) -> Pixels:
    """The example photograph with a red ball of soft edge and what it shades, as a JPEG shows it."""
    scene = Image.open(ROOT / "examples" / "clean.png").convert("RGB")
    if shade is not None:
        dark = scene.point(lambda level: level * 0.4)
        scene.paste(dark, mask=shade.filter(ImageFilter.GaussianBlur(4)))
    ball = disc(scene.size, middle, radius, radius)
    scene.paste((200, 30, 30), mask=ball.filter(ImageFilter.GaussianBlur(1.2)))
    coded = io.BytesIO()
    scene.save(coded, "JPEG", quality=75)
    return np.asarray(Image.open(coded))


def marked(image: Pixels, mask: Pixels) -> Pixels:
    """A darkened picture with its mask in white."""
    return np.where(mask[..., None], 255, image // 3 * 2).astype(np.uint8)


def beside(shown: list[Pixels], middle: tuple[int, int], across: int, down: int) -> Image.Image:
    """The same part of pictures side by side, at twice the size."""
    part = np.s_[middle[1] - down : middle[1] + down, middle[0] - across : middle[0] + across]
    together = Image.fromarray(np.concatenate([one[part] for one in shown], 1))
    return together.resize((2 * together.width, 2 * together.height), Image.Resampling.NEAREST)


def wide() -> Image.Image:
    """A hole of 90×80 pixels in the example photograph, filled with the mean, and with texture."""
    image = np.asarray(Image.open(ROOT / "examples" / "clean.png").convert("RGB"))
    known = np.ones(image.shape[:2], bool)
    known[110:190, 180:270] = False
    holed = image * known[..., None].astype(np.uint8)
    shown = [holed, *(genrestore.inpaint(holed, ~known, fill=fill) for fill in ("mean", "texture"))]
    part = np.s_[40:260, 95:355]
    return Image.fromarray(np.concatenate([one[part] for one in shown], 1))


def grow() -> Image.Image:
    """A ball in a JPEG, the mask of a brush, and filled as it is and with --grow auto."""
    middle = (150, 100)
    image = ball_at(middle, 26)
    mask = np.asarray(disc(image.shape[1::-1], middle, 25, 25)) > 0
    wider = with_edges(image.transpose(2, 0, 1)[None], mask)
    shown = [image, marked(image, mask), genrestore.inpaint(image, mask), genrestore.inpaint(image, wider)]
    return beside(shown, middle, 60, 50)


def shadow() -> Image.Image:
    """A ball with a shadow: filled where the ball is marked, and where both are."""
    middle, below = (225, 78), (248, 99)
    size = Image.open(ROOT / "examples" / "clean.png").size
    image = ball_at(middle, 20, disc(size, below, 30, 11))
    ball, both = disc(size, middle, 24, 24), disc(size, below, 42, 22)
    both.paste(255, mask=ball)
    masks = [np.asarray(one) > 0 for one in (ball, both)]
    shown = [image]
    for mask in masks:
        shown += [marked(image, mask), genrestore.inpaint(image, mask)]
    return beside(shown, (240, 88), 62, 56)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/commands/inpaint.md.")
    parser.add_argument("--data", type=Path, help="folder of photographs for the sheet")
    parser.add_argument("--keep", type=Path, help="folder that gets every row of the sheet at full size")
    options = parser.parse_args()
    wide().save(IMAGES / "wide-hole.jpg", quality=92)
    grow().save(IMAGES / "grow.jpg", quality=85)
    shadow().save(IMAGES / "shadow.jpg", quality=85)
    if options.data is not None:
        sheet(options.data, options.keep).save(IMAGES / "wide-holes.jpg", quality=82)
