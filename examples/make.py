"""Make the example pictures: a photograph, and the same photograph taken by a camera in poor light.

    python examples/make.py

The photograph comes from scikit-image (extra `bench`); the camera is the one of genrestore.train.data.camera.
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image
from skimage import data

from genrestore.train.data.camera import CameraSettings, photograph

HERE = Path(__file__).parent
CAMERA = CameraSettings(gain=0.008, read=0.008, white_balance=(1.9, 1.5), quality=None)
SEED = 0


def save(image: torch.Tensor, name: str) -> None:
    """Write an RGB image [3, height, width] in [0, 1] as PNG."""
    levels = torch.round(image * 255).to(torch.uint8).permute(1, 2, 0).contiguous()
    Image.fromarray(levels.numpy()).save(HERE / name, optimize=True)


def main() -> None:
    """Write photo.png and clean.png beside this file."""
    scene = torch.tensor(data.chelsea()).permute(2, 0, 1).float() / 255
    noisy, clean = photograph(scene, CAMERA, torch.Generator().manual_seed(SEED))
    save(noisy, "photo.png")
    save(clean, "clean.png")


if __name__ == "__main__":
    main()
