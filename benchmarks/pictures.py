"""Test sets, the noise and the holes that they get, and PSNR; written apart from the noise of the training.

Every draw comes from a torch generator seeded with the picture's index in its sorted set.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from scipy.ndimage import fourier_shift, gaussian_filter

Pixels = np.ndarray[Any, Any]

TRUTHS = {"_real.JPG": "_mean.JPG", "_noisy.png": "_gt.png"}
"""How the file of a noisy picture ends, and that of its truth."""
EQUAL = 100.0
"""PSNR that stands for "the same to the bit", so that a mean stays finite."""
WORDS = (
    "The quick brown fox jumps over the lazy dog while five wizards box; pack my jug with a dozen "
    "quarts of good light, and judge the sphinx of black quartz by the vow it keeps. "
)
COVERED, SQUARE = 0.15, 64
"""Share of a picture that lines of text are added up to, and side of the square hole in pixels."""
EXAMPLE = Path(__file__).parents[1] / "examples" / "clean.png"


@dataclass(frozen=True)
class Picture:
    """One picture of a test set; pixels are uint8 [height, width, 1 or 3].

    Attributes:
        name: File name without its ending.
        index: Place in the whole sorted set, whatever part is measured; the seed of its noise.
        clean: The truth.
        noisy: What the camera gave; the truth where the set has no noisy pictures.
        path: The file of `noisy`.
    """

    name: str
    index: int
    clean: Pixels
    noisy: Pixels
    path: Path


def find(data: Path | None, name: str) -> Path:
    """The folder of a set in the data folder or its test/.

    Raises:
        FileNotFoundError: It is not there.
    """
    for folder in (data / name, data / "test" / name) if data else ():
        if folder.is_dir():
            return folder
    raise FileNotFoundError(f"{name}/: not found; give --data FOLDER, see benchmarks/README.md")


def load(data: Path | None, name: str, every: int) -> list[Picture]:
    """Every n-th picture of a test set, sorted by name."""
    paths = sorted(find(data, name).iterdir())
    paths = [path for path in paths if path.name.endswith(tuple(TRUTHS))] or paths
    found = []
    for index, path in enumerate(paths):
        ending = next((ending for ending in TRUTHS if path.name.endswith(ending)), path.suffix)
        stem = path.name.removesuffix(ending)
        if index % every == 0:
            clean = read(path.with_name(stem + TRUTHS.get(ending, ending)))
            found.append(Picture(stem, index, clean, read(path), path))
    return found


def read(path: Path) -> Pixels:
    """A file as uint8 [height, width, 1 or 3]."""
    with Image.open(path) as opened:
        pixels = np.asarray(opened.convert("L" if opened.mode in ("L", "1", "I;16") else "RGB"))
    return pixels[..., None] if pixels.ndim == 2 else pixels


def write(path: Path, pixels: Pixels) -> None:
    """Write uint8 [height, width, 1 or 3] as PNG."""
    Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(path, compress_level=1)


def unit(pixels: Pixels) -> Pixels:
    """uint8 to float64 in [0, 1]; floating point as it is."""
    return pixels.astype(np.float64) / (255.0 if pixels.dtype == np.uint8 else 1.0)


def to_bytes(image: Pixels) -> Pixels:
    """An image on the [0, 1] scale, clipped and rounded to uint8."""
    return np.round(np.clip(image, 0, 1) * 255).astype(np.uint8)


def psnr(result: Pixels, clean: Pixels) -> float:
    """PSNR in dB at peak 255 over all channels, the result clipped, no border cut off; `EQUAL` at most.

    Args:
        result: [height, width, channel], uint8 or floating point on the [0, 1] scale.
        clean: The same shape; either type.
    """
    error = float(np.mean((np.clip(unit(result), 0, 1) - unit(clean)) ** 2))
    return min(EQUAL, -10 * math.log10(error)) if error else EQUAL


def draw(shape: tuple[int, ...], index: int) -> Pixels:
    """Standard normal numbers, float32 [height, width, channel], drawn as [channel, height, width]."""
    height, width, channels = shape
    normal = torch.randn(channels, height, width, generator=torch.Generator().manual_seed(index))
    return normal.numpy().transpose(1, 2, 0)


def gaussian(clean: Pixels, sigma: float, index: int) -> Pixels:
    """uint8 [height, width, channel] with noise of σ in grey levels: float32, not clipped, not rounded."""
    return (unit(clean) + sigma / 255 * draw(clean.shape, index)).astype(np.float32)


@dataclass(frozen=True)
class Camera:
    """A camera, an exposure and a file format; the noise of the light has variance gain · light + read².

    Attributes:
        name: For tables.
        gain: Shot noise: variance a unit of light, full scale 1.
        read: Standard deviation of the read noise, full scale 1.
        pattern: Colours of the Bayer filter, row by row.
        chroma_median: Side of the median filter over R − G and B − G; 0 for none.
        scale: Bicubic change of size after development.
        quality: Of the JPEG.
        subsampling: Of the JPEG's chroma by Pillow's number: 0 is 4:4:4, 1 is 4:2:2, 2 is 4:2:0.
    """

    name: str
    gain: float
    read: float
    pattern: str = "RGGB"
    chroma_median: int = 0
    scale: float = 1.0
    quality: int = 90
    subsampling: int = 0


CAMERAS = (
    Camera("low noise", 0.0006, 0.001),
    Camera("middle noise", 0.003, 0.004),
    Camera("high noise", 0.012, 0.012),
    Camera("not trained", 0.006, 0.02, "BGGR", chroma_median=3, scale=1.2, quality=85, subsampling=1),
)
"""The last lies outside what the training draws from: its read noise, its filters and its size."""


def photograph(
    clean: Pixels, camera: Camera, index: int, stuck: Pixels | None = None
) -> tuple[Pixels, Pixels]:
    """file = JPEG(resize(sRGB(demosaick(mosaick(light) + noise)))); and the rendering without noise and JPEG.

    Args:
        clean: The scene, uint8 [height, width, 3]; sRGB, so light is its inverse curve.
        camera: The setting.
        index: The seed.
        stuck: Light that pixels of the sensor tell whatever they see, full scale 1, [height, width]; NaN
            where they work.

    Returns:
        uint8, and float64 in [0, 1]; the same shape.
    """
    srgb = unit(clean)
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    seen = np.zeros(light.shape)
    for place, colour in enumerate(camera.pattern):
        seen[place // 2 :: 2, place % 2 :: 2, "RGB".index(colour)] = 1
    raw = (light * seen).sum(2)
    noise = np.sqrt(camera.gain * raw + camera.read**2) * draw((*raw.shape, 1), index)[..., 0]
    told = raw + noise if stuck is None else np.where(np.isnan(stuck), raw + noise, stuck)
    noisy, rendering = (_develop(plane, seen, camera) for plane in (told, raw))
    return jpeg(noisy, camera.quality, camera.subsampling), rendering


def _develop(raw: Pixels, seen: Pixels, camera: Camera) -> Pixels:
    """Light [height, width] to sRGB [height · scale, width · scale, 3] in [0, 1], bilinearly."""
    cross, square = np.array([[[0, 1, 0], [1, 4, 1], [0, 1, 0]], [[1, 2, 1], [2, 4, 2], [1, 2, 1]]], float)
    planes = []
    for colour, kernel in enumerate((square, cross, square)):
        total, weight = (
            cv2.filter2D(plane, -1, kernel, borderType=cv2.BORDER_CONSTANT)
            for plane in (raw * seen[..., colour], seen[..., colour])
        )
        planes.append(np.where(seen[..., colour] == 1, raw, total / weight))
    colours = np.stack(planes, 2)
    for colour in (0, 2) if camera.chroma_median else ():
        difference = (colours[..., colour] - colours[..., 1]).astype(np.float32)
        colours[..., colour] = colours[..., 1] + cv2.medianBlur(difference, camera.chroma_median)
    light = np.clip(colours, 0, 1)
    shown = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    if camera.scale != 1:
        size = [round(side * camera.scale) for side in (raw.shape[1], raw.shape[0])]
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(shown, 0, 1)


def jpeg(image: Pixels, quality: int, subsampling: int) -> Pixels:
    """What a JPEG file leaves of [height, width, 3] in [0, 1]; uint8."""
    return np.asarray(Image.open(jpeg_file(image, quality, subsampling)))


def jpeg_file(image: Pixels, quality: int, subsampling: int) -> io.BytesIO:
    """A JPEG file of [height, width, 3] in [0, 1]."""
    stream = io.BytesIO()
    Image.fromarray(to_bytes(image)).save(stream, "JPEG", quality=quality, subsampling=subsampling)
    return stream


def mirrored(height: int, width: int) -> Pixels:
    """The example photograph, mirrored up to this size and cut to it; uint8 [height, width, 3]."""
    scene = read(EXAMPLE)
    missing = [(0, max(0, want - have)) for want, have in zip((height, width), scene.shape[:2], strict=True)]
    return np.pad(scene, [*missing, (0, 0)], mode="symmetric")[:height, :width]


def large_picture(megapixels: int, sigma: float) -> Pixels:
    """The example photograph, mirrored up to 4:3 of this size, with noise of σ in grey levels; uint8."""
    width = 16 * round((megapixels * 4 / 3 * 1e6) ** 0.5 / 16)
    noisy = mirrored(width * 3 // 4, width).copy()
    for top in range(0, len(noisy), 512):
        noisy[top : top + 512] = to_bytes(gaussian(noisy[top : top + 512], sigma, top))
    return noisy


def registered(truth: Pixels, picture: Pixels) -> Pixels:
    """A truth moved by a fraction of a pixel to a picture, by least squares: Lucas and Kanade, 1981."""
    aim, moved, shift = gaussian_filter(picture.mean(2, dtype=float), 1), truth.astype(float), np.zeros(2)
    for _ in range(4):
        start = gaussian_filter(moved.mean(2), 1)
        slopes = np.stack([*np.gradient(-start), np.ones_like(start)], 2).reshape(-1, 3)
        shift += np.linalg.lstsq(slopes, (aim - start).ravel(), rcond=None)[0][:2]
        wide = np.pad(truth.astype(float), ((16, 16), (16, 16), (0, 0)), mode="reflect")
        waves = [fourier_shift(np.fft.fft2(wide[..., channel]), shift) for channel in range(3)]
        moved = np.stack([np.fft.ifft2(plane).real for plane in waves], 2)[16:-16, 16:-16]
    return moved.clip(0, 255)


def random_hole(height: int, width: int, missing: float, index: int) -> Pixels:
    """True where a pixel is known, [height, width]; every one is missing with the same probability."""
    draws = torch.rand(height, width, generator=torch.Generator().manual_seed(index))
    return (draws >= missing).numpy()


def text_hole(height: int, width: int) -> Pixels:
    """True where lines of text a fourteenth of the smaller side high are not, [height, width]."""
    size = min(height, width) / 14
    font = ImageFont.load_default(size=size)
    missing = Image.new("1", (width, height))
    start, top = 0, size / 4
    while np.asarray(missing).mean() < COVERED and top < height:
        line = (WORDS[start:] + WORDS * (1 + width // 100))[: round(4 * width / size)]
        ImageDraw.Draw(missing).text((size / 4, top), line, fill=1, font=font, stroke_width=1)
        start, top = (start + 37) % len(WORDS), top + 1.2 * size
    return ~np.asarray(missing)


def caption_hole(height: int, width: int) -> Pixels:
    """True where one line of text, 3000×200 pixels in the lower part, is not, [height, width]."""
    missing = Image.new("1", (width, height))
    font, line = ImageFont.load_default(size=150), WORDS * 3
    while font.getlength(line) > min(3000, width - 40):
        line = line[:-1]
    place = (max(20, (width - 3000) // 2), height - 400)
    ImageDraw.Draw(missing).text(place, line, fill=1, font=font, stroke_width=3)
    return ~np.asarray(missing)


def square_hole(height: int, width: int, side: int = SQUARE) -> Pixels:
    """True but in a square in the middle, [height, width]."""
    known = np.ones((height, width), bool)
    top, left = (height - side) // 2, (width - side) // 2
    known[top : top + side, left : left + side] = False
    return known
