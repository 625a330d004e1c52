"""The noise of the benchmark, on purpose written apart from the noise of the training.

Everything is a function of the picture and its index: the draws come from a torch generator seeded with
the picture's index in the sorted test set.
"""

from __future__ import annotations

import io
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from pictures import Pixels, to_bytes, unit
from PIL import Image

CROSS = np.array([[0, 1, 0], [1, 4, 1], [0, 1, 0]], np.float64)
SQUARE = np.array([[1, 2, 1], [2, 4, 2], [1, 2, 1]], np.float64)


def draw(shape: tuple[int, ...], index: int) -> Pixels:
    """Standard normal numbers, float32 [height, width, channel], drawn as [channel, height, width]."""
    height, width, channels = shape
    generator = torch.Generator().manual_seed(index)
    normal: Pixels = torch.randn(channels, height, width, generator=generator).numpy()
    return normal.transpose(1, 2, 0)


def gaussian(clean: Pixels, sigma: float, index: int) -> Pixels:
    """White Gaussian noise, neither clipped nor rounded.

    Args:
        clean: uint8 [height, width, channel].
        sigma: Standard deviation in 8-bit grey levels.
        index: The picture's index in the sorted set.

    Returns:
        float32 on the [0, 1] scale, and beyond it.
    """
    return (unit(clean) + sigma / 255 * draw(clean.shape, index)).astype(np.float32)


@dataclass(frozen=True)
class Camera:
    """A camera, an exposure and a file format; the noise of the light has variance gain · light + read².

    Attributes:
        name: For tables.
        gain: Shot noise: variance a unit of light, full scale 1.
        read: Standard deviation of the read noise, full scale 1.
        pattern: Colours of the Bayer filter, row by row.
        chroma_median: Side of the median filter over the colour differences R − G and B − G; 0 for none.
        scale: Bicubic change of size after development.
        quality: JPEG quality.
        subsampling: JPEG chroma subsampling by Pillow's number: 0 is 4:4:4, 1 is 4:2:2.
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
"""The fixed settings. The last lies outside what the training draws from in four ways: read noise this
high at this gain, a median filter over the colour differences, enlargement, and 4:2:2 JPEG."""


def photograph(clean: Pixels, camera: Camera, index: int) -> tuple[Pixels, Pixels]:
    """Take a picture of a scene.

        file = JPEG(resize(sRGB(demosaick(mosaick(light) + noise))))

    Args:
        clean: The scene, uint8 [height, width, 3]; sRGB, so light is its inverse curve.
        camera: The setting.
        index: The picture's index in the sorted set.

    Returns:
        The file, uint8, and the noise-free rendering without JPEG, float64 in [0, 1]; the same shape.
    """
    light = to_light(unit(clean))
    seen = bayer(light.shape, camera.pattern)
    raw = (light * seen).sum(2)
    spread = np.sqrt(camera.gain * raw + camera.read**2)
    noise = draw((*raw.shape, 1), index)[..., 0]
    noisy, rendering = (develop(plane, seen, camera) for plane in (raw + spread * noise, raw))
    return jpeg(noisy, camera), rendering


def bayer(shape: tuple[int, ...], pattern: str) -> Pixels:
    """1 where the sensor sees a colour, else 0: [height, width, 3]."""
    seen = np.zeros(shape)
    for place, colour in enumerate(pattern):
        seen[place // 2 :: 2, place % 2 :: 2, "RGB".index(colour)] = 1
    return seen


def develop(raw: Pixels, seen: Pixels, camera: Camera) -> Pixels:
    """From the sensor to a picture on the screen.

    Args:
        raw: Light at each pixel, [height, width], full scale 1.
        seen: The Bayer pattern, [height, width, 3].
        camera: The setting.

    Returns:
        [height · scale, width · scale, 3] in [0, 1], sRGB.
    """
    colours = np.stack(
        [
            _interpolate(raw, seen[..., colour], kernel)
            for colour, kernel in enumerate((SQUARE, CROSS, SQUARE))
        ],
        axis=2,
    )
    if camera.chroma_median:
        for colour in (0, 2):
            difference = (colours[..., colour] - colours[..., 1]).astype(np.float32)
            colours[..., colour] = colours[..., 1] + cv2.medianBlur(difference, camera.chroma_median)
    shown = to_srgb(np.clip(colours, 0, 1))
    if camera.scale != 1:
        size = [round(side * camera.scale) for side in (raw.shape[1], raw.shape[0])]
        shown = cv2.resize(shown, size, interpolation=cv2.INTER_CUBIC)
    return np.clip(shown, 0, 1)


def _interpolate(raw: Pixels, seen: Pixels, kernel: Pixels) -> Pixels:
    """The weighted mean of the neighbours that saw this colour; a pixel that saw it keeps its value."""
    total = cv2.filter2D(raw * seen, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    weight = cv2.filter2D(seen, -1, kernel, borderType=cv2.BORDER_CONSTANT)
    return np.where(seen == 1, raw, total / weight)


def jpeg(image: Pixels, camera: Camera) -> Pixels:
    """What a JPEG file leaves of an image [height, width, 3] in [0, 1]; uint8."""
    stream = io.BytesIO()
    Image.fromarray(to_bytes(image)).save(
        stream, "JPEG", quality=camera.quality, subsampling=camera.subsampling
    )
    return np.asarray(Image.open(stream))


def to_light(srgb: Pixels) -> Pixels:
    """sRGB in [0, 1] to linear light, IEC 61966-2-1."""
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def to_srgb(light: Pixels) -> Pixels:
    """Linear light in [0, 1] to sRGB, IEC 61966-2-1."""
    return np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
