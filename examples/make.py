"""Make the example pictures: a photograph, the same taken in poor light, and a scratched part of it.

    python examples/make.py

The photograph comes from scikit-image (extra `bench`); the camera is the one of genrestore.train.data.camera.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image, ImageDraw, ImageFilter
from skimage import data

from genrestore.train.data.camera import CameraSettings, photograph

HERE = Path(__file__).parent
CAMERA = CameraSettings(gain=0.008, read=0.008, white_balance=(1.9, 1.5), quality=None)
SEED = 0
PART = (60, 20, 360, 220)
"""Of the photograph that is scratched: left, top, right and bottom in pixels."""
SCRATCHES = (
    [(8, 0), (30, 46), (44, 108), (47, 199)],
    [(299, 22), (240, 58), (170, 79), (96, 88)],
    [(150, 199), (166, 150), (204, 118), (262, 104)],
)
DUST = ((84, 30, 4), (132, 122, 3), (214, 150, 4), (270, 66, 3), (190, 40, 3), (60, 150, 3))
"""Specks: where, and their radius in pixels."""
PAPER = (243, 240, 232)


def save(image: torch.Tensor, name: str) -> None:
    """Write an RGB image [3, height, width] in [0, 1] as PNG."""
    levels = torch.round(image * 255).to(torch.uint8).permute(1, 2, 0).contiguous()
    Image.fromarray(levels.numpy()).save(HERE / name, optimize=True)


def scratch() -> None:
    """Write scratched.png, a part of clean.png with scratches and dust, and scratches.png, where they are."""
    with Image.open(HERE / "clean.png") as clean:
        picture = clean.crop(PART)
    mask = Image.new("L", picture.size)
    pen = ImageDraw.Draw(mask)
    for points in SCRATCHES:
        pen.line(points, 255, 2, "curve")
    for x, y, radius in DUST:
        pen.circle((x, y), radius, 255)
    picture.paste(PAPER, mask=mask)
    picture.save(HERE / "scratched.png", optimize=True)
    mask.filter(ImageFilter.MaxFilter(5)).convert("1").save(HERE / "scratches.png", optimize=True)


def main() -> None:
    """Write the pictures beside this file."""
    scene = torch.tensor(data.chelsea()).permute(2, 0, 1).float() / 255
    noisy, clean = photograph(scene, CAMERA, torch.Generator().manual_seed(SEED))
    save(noisy, "photo.png")
    save(clean, "clean.png")
    scratch()


if __name__ == "__main__":
    main()
