"""A digital camera: how the light of a scene becomes a noisy picture in a file.

    file = JPEG(tone(C · W · demosaick(mosaick(light + noise)))),   var noise = gain · light + read²

The clean rendering takes the same path without the noise and without JPEG. The path follows Brooks et al.,
"Unprocessing Images for Learned Raw Denoising", 2019, with the camera's own smoothing of noise and a change
of size on top, because the noise of real files is hardly ever white.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.train.data.draws import chance, log_uniform, uniform


@dataclass(frozen=True)
class CameraSettings:
    """One camera, exposure and file.

    Attributes:
        exposure: Factor of the light that a perfect picture would show.
        gain: Shot noise: variance a unit of light, full scale 1.
        read: Read noise: standard deviation, full scale 1.
        white_balance: Factors of red and blue; green is 1.
        colour_mix: Strength of the colour matrix, 0 for none.
        gamma: Exponent of the tone curve, or 0 for the sRGB curve.
        contrast: Strength of the S-shaped part of the tone curve, 0 to 1.
        pattern: Rows and columns by which the Bayer pattern RGGB is shifted, or None for no mosaic.
        demosaicker: A key of `DEMOSAICKERS`.
        luma_blur: σ in pixels of the camera's smoothing of the noise's brightness; 0 for none.
        luma_fine: Share of the brightness's noise that smoothing left as it was, 0 to 1.
        chroma_blur: As `luma_blur`, for the noise's colour.
        chroma_fine: As `luma_fine`, for the noise's colour.
        chroma_gain: Factor of the noise's colour after smoothing.
        sharpening: Strength of an unsharp mask of σ 1 pixel, 0 for none; picture and noise go through it.
        scale: Change of size after development, 1 for none.
        quality: JPEG quality, or None for a file without loss.
        subsampling: JPEG chroma subsampling: 0 is 4:4:4, 2 is 4:2:0.
        again: Quality of a second JPEG made of the first, or None.
    """

    exposure: float = 1.0
    gain: float = 0.003
    read: float = 0.004
    white_balance: tuple[float, float] = (1.0, 1.0)
    colour_mix: float = 0.0
    gamma: float = 0.0
    contrast: float = 0.0
    pattern: tuple[int, int] | None = (0, 0)
    demosaicker: str = "bilinear"
    luma_blur: float = 0.0
    luma_fine: float = 0.0
    chroma_blur: float = 0.0
    chroma_fine: float = 0.0
    chroma_gain: float = 1.0
    sharpening: float = 0.0
    scale: float = 1.0
    quality: int | None = 90
    subsampling: int = 0
    again: int | None = None


PLAIN = 0.35
"""Share of the cameras that only demosaick: noise as sharp as it comes, and the most to gain."""
HOT = 0.75
"""Share of a sensor's stuck pixels that are hot, and not dead."""


def draw_settings(generator: torch.Generator) -> CameraSettings:
    """Draw a camera, an exposure and a file format at random."""

    def number(low: float, high: float) -> float:
        return uniform(generator, low, high)

    def likely(probability: float) -> bool:
        return chance(generator, probability)

    poor_light = likely(0.2)
    gain = log_uniform(generator, 0.01, 0.2) if poor_light else log_uniform(generator, 1e-4, 0.03)
    read = math.sqrt(gain) * log_uniform(generator, 0.01, 0.2)
    exposure = log_uniform(generator, 0.1, 1) if poor_light and likely(0.6) else 1.0
    pattern = (int(number(0, 2)), int(number(0, 2)))
    demosaicker = "bilinear" if likely(0.6) else "gradient-corrected"
    quality = draw_quality(generator) if likely(0.75) else None
    if likely(PLAIN):
        return CameraSettings(
            exposure=exposure,
            gain=gain,
            read=read,
            pattern=pattern,
            demosaicker=demosaicker,
            quality=quality,
            subsampling=0 if likely(0.6) else 2,
        )
    return CameraSettings(
        exposure=exposure,
        gain=gain,
        read=read,
        white_balance=(number(1, 2.4), number(1, 2.4)) if likely(0.7) else (1.0, 1.0),
        colour_mix=number(0, 0.5) if likely(0.5) else 0.0,
        gamma=number(1.8, 2.6) if likely(0.4) else 0.0,
        contrast=number(0, 1) if likely(0.4) else 0.0,
        pattern=pattern if likely(0.85) else None,
        demosaicker=demosaicker,
        luma_blur=number(0.3, 3.0) if likely(0.6) else 0.0,
        luma_fine=number(0, 1),
        chroma_blur=number(0.3, 4.0) if likely(0.6) else 0.0,
        chroma_fine=number(0, 0.5) if likely(0.5) else 0.0,
        chroma_gain=log_uniform(generator, 0.05, 1.5) if likely(0.6) else 1.0,
        sharpening=number(0, 1.5) if likely(0.3) else 0.0,
        scale=number(0.5, 1.6) if likely(0.25) else 1.0,
        quality=quality,
        subsampling=0 if likely(0.4) else 2,
        again=draw_quality(generator) if likely(0.2) else None,
    )


def draw_quality(generator: torch.Generator, finest: int = 100, lean: float = 2.5) -> int:
    """JPEG quality from 12 to `finest`; with a `lean` of 2.5 half lie above five sixths of the way."""
    return round(finest - (finest - 12) * uniform(generator) ** lean)


def photograph(
    scene: Tensor, settings: CameraSettings, generator: torch.Generator, corner: tuple[int, int] = (0, 0)
) -> tuple[Tensor, Tensor]:
    """Take a picture of a scene.

    Args:
        scene: What a perfect picture would show, RGB [3, height, width] in [0, 1].
        settings: The camera.
        generator: Source of the noise.
        corner: Row and column at which the blocks of JPEG begin.

    Returns:
        The noisy file and the noise-free rendering, both [3, height, width] in [0, 1].
    """
    light, noisy = _expose(scene, settings, generator)
    clean, noisy = _develop(light, settings), _develop(noisy, settings)
    if settings.luma_blur or settings.chroma_blur or settings.chroma_gain != 1:
        noisy = clean + _smooth_noise(noisy - clean, settings)
    if settings.sharpening:
        noisy, clean = (image + settings.sharpening * (image - blur(image, 1.0)) for image in (noisy, clean))
    if settings.scale != 1:
        noisy, clean = (rescale(image, settings.scale) for image in (noisy, clean))
    noisy = save_and_open(noisy, settings.quality, settings.subsampling, corner)
    if settings.again is not None:
        noisy = save_and_open(noisy, settings.again, settings.subsampling, corner)
    return noisy, clean.clamp(0, 1)


def photograph_with_stuck_pixels(
    scene: Tensor, settings: CameraSettings, generator: torch.Generator
) -> tuple[Tensor, Tensor, float]:
    """Take a picture of a scene twice with the same noise: by a whole sensor, and by one with stuck pixels.

    A stuck pixel is hot (so much more light, at most full scale) or dead; demosaicking spreads it over its
    neighbours. What comes after it, smoothing, a change of size and JPEG, is left out.

    Args:
        scene: What a perfect picture would show, RGB [3, height, width] in [0, 1].
        settings: The camera.
        generator: Source of the noise, and of a dozen stuck pixels at most.

    Returns:
        Both pictures, [3, height, width] in [0, 1], and the standard deviation of their noise there.
    """
    light, noisy = _expose(scene, settings, generator)
    count = int(uniform(generator, 1, 13))
    rows, columns = (torch.randint(0, side, (count,), generator=generator) for side in light.shape[1:])
    more = torch.tensor([log_uniform(generator, 0.05, 1) for _ in range(count)])
    hot = torch.rand(count, generator=generator) < HOT
    stuck = noisy.clone()
    stuck[:, rows, columns] = torch.where(hot, (noisy[:, rows, columns] + more).clamp(max=1), 0)
    clean, whole, broken = (_develop(one, settings).clamp(0, 1) for one in (light, noisy, stuck))
    return whole, broken, float((whole - clean).square().mean().sqrt())


def save_and_open(
    image: Tensor, quality: int | None, subsampling: int, corner: tuple[int, int] = (0, 0)
) -> Tensor:
    """Round to 8 bits, or code as JPEG and decode.

    Args:
        image: RGB [3, height, width], about [0, 1].
        quality: JPEG quality, or None for rounding alone.
        subsampling: Pillow's number: 0 is 4:4:4, 2 is 4:2:0.
        corner: Row and column at which the blocks begin; what lies before goes round to the other side.

    Returns:
        [3, height, width] in [0, 1], a multiple of 1/255.
    """
    from PIL import Image

    levels = torch.round(image.clamp(0, 1) * 255)
    if quality is None:
        return levels / 255
    levels = torch.roll(levels, (-corner[0], -corner[1]), (1, 2))
    stream = io.BytesIO()
    picture = Image.fromarray(levels.to(torch.uint8).permute(1, 2, 0).contiguous().numpy())
    picture.save(stream, "JPEG", quality=quality, subsampling=subsampling)
    opened = torch.frombuffer(bytearray(Image.open(stream).tobytes()), dtype=torch.uint8)
    opened = opened.reshape(*image.shape[1:], 3).permute(2, 0, 1).float() / 255
    return torch.roll(opened, corner, (1, 2))


def _expose(scene: Tensor, settings: CameraSettings, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Expose a sensor to a scene: its light without noise, and with it."""
    light = settings.exposure * _unprocess(scene, settings)
    spread = torch.sqrt(settings.gain * light.clamp(min=0) + settings.read**2)
    return light, light + spread * torch.randn(light.shape, generator=generator)


def _unprocess(scene: Tensor, settings: CameraSettings) -> Tensor:
    """Unprocess: from the developed picture back to the light behind the colour filters, full scale 1."""
    linear = _inverse_tone(scene.clamp(0, 1), settings)
    if settings.colour_mix:
        linear = torch.einsum("ij,jhw->ihw", torch.linalg.inv(_colour_matrix(settings)), linear)
    return (linear / _gains(settings)).clamp(min=0)


def _develop(light: Tensor, settings: CameraSettings) -> Tensor:
    if settings.pattern is not None:
        light = DEMOSAICKERS[settings.demosaicker](light, settings.pattern)
    linear = light * _gains(settings)
    if settings.colour_mix:
        linear = torch.einsum("ij,jhw->ihw", _colour_matrix(settings), linear)
    return _tone(linear.clamp(0, 1), settings)


def _gains(settings: CameraSettings) -> Tensor:
    red, blue = settings.white_balance
    return torch.tensor([red, 1.0, blue]).reshape(3, 1, 1)


def _colour_matrix(settings: CameraSettings) -> Tensor:
    """Rows sum to 1, so white stays white; negative off the diagonal, as in cameras."""
    mix = settings.colour_mix
    return torch.tensor(
        [[1 + mix, -0.8 * mix, -0.2 * mix], [-0.4 * mix, 1 + mix, -0.6 * mix], [0.0, -mix, 1 + mix]]
    )


def _tone(linear: Tensor, settings: CameraSettings) -> Tensor:
    if settings.gamma:
        curve = linear.clamp(min=1e-6) ** (1 / settings.gamma)
    else:
        curve = torch.where(
            linear <= 0.0031308, 12.92 * linear, 1.055 * linear.clamp(min=1e-6) ** (1 / 2.4) - 0.055
        )
    return curve + settings.contrast * (3 * curve**2 - 2 * curve**3 - curve)


def _inverse_tone(image: Tensor, settings: CameraSettings) -> Tensor:
    steep = 0.5 - torch.sin(torch.asin((1 - 2 * image).clamp(-1, 1)) / 3)
    curve = image + settings.contrast * (steep - image)
    if settings.gamma:
        return curve**settings.gamma
    return torch.where(curve <= 0.04045, curve / 12.92, ((curve + 0.055) / 1.055) ** 2.4)


def bayer_planes(light: Tensor, pattern: tuple[int, int]) -> Tensor:
    """Mosaic of a sensor behind a Bayer pattern, one plane a colour, 0 where the filter has another.

    Args:
        light: RGB [3, height, width].
        pattern: Rows and columns by which RGGB is shifted.

    Returns:
        [3, height, width]; a pixel is not zero in at most one plane.
    """
    row, column = pattern
    masks = torch.zeros_like(light)
    masks[0, row % 2 :: 2, column % 2 :: 2] = 1
    masks[1, row % 2 :: 2, (column + 1) % 2 :: 2] = 1
    masks[1, (row + 1) % 2 :: 2, column % 2 :: 2] = 1
    masks[2, (row + 1) % 2 :: 2, (column + 1) % 2 :: 2] = 1
    return light * masks


def demosaick_bilinear(light: Tensor, pattern: tuple[int, int]) -> Tensor:
    """Mosaic and bilinear demosaicking.

    Args:
        light: RGB [3, height, width], full scale 1.
        pattern: Rows and columns by which RGGB is shifted.

    Returns:
        [3, height, width], full scale 1.
    """
    cross = torch.tensor([[0.0, 1, 0], [1, 4, 1], [0, 1, 0]]) / 4
    square = torch.tensor([[1.0, 2, 1], [2, 4, 2], [1, 2, 1]]) / 4
    kernels = torch.stack([square, cross, square])[:, None]
    planes = functional.pad(bayer_planes(light, pattern)[None], (2, 2, 2, 2), mode="reflect")
    return functional.conv2d(planes, kernels, groups=3)[0, :, 1:-1, 1:-1]


def demosaick_gradient_corrected(light: Tensor, pattern: tuple[int, int]) -> Tensor:
    """Mosaic and demosaicking by Malvar, He and Cutler, 2004: bilinear, corrected by the known colour.

    Args:
        light: RGB [3, height, width], full scale 1.
        pattern: Rows and columns by which RGGB is shifted.

    Returns:
        [3, height, width], full scale 1.
    """
    planes = bayer_planes(light, pattern)
    mosaic = functional.pad(planes.sum(0)[None, None], (2, 2, 2, 2), mode="reflect")
    green, along, across, diagonal = functional.conv2d(mosaic, _MALVAR[:, None])[0]
    shifted = torch.zeros(2, 2)
    shifted[pattern[0] % 2, pattern[1] % 2] = 1
    height, width = light.shape[-2:]
    at_red = shifted.repeat(height // 2 + 1, width // 2 + 1)[:height, :width].bool()
    at_blue = shifted.flip(0, 1).repeat(height // 2 + 1, width // 2 + 1)[:height, :width].bool()
    red_row = at_red | at_red.roll(1, 1)
    known = planes.sum(0)
    at_green = ~(at_red | at_blue)
    red = torch.where(at_red, known, torch.where(at_blue, diagonal, torch.where(red_row, along, across)))
    blue = torch.where(at_blue, known, torch.where(at_red, diagonal, torch.where(red_row, across, along)))
    return torch.stack([red, torch.where(at_green, known, green), blue])


_MALVAR = (
    torch.tensor(
        [
            [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]],
            [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]],
            [[0, 0, -1, 0, 0], [0, -1, 4, -1, 0], [0.5, 0, 5, 0, 0.5], [0, -1, 4, -1, 0], [0, 0, -1, 0, 0]],
            [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]],
        ]
    )
    / 8
)

DEMOSAICKERS = {"bilinear": demosaick_bilinear, "gradient-corrected": demosaick_gradient_corrected}


def _smooth_noise(noise: Tensor, settings: CameraSettings) -> Tensor:
    """The camera's own noise reduction: brightness and colour of the noise smoothed apart.

    Smoothing alone would leave hardly any noise; a camera smooths what has more of it. So the smoothed
    noise is given the strength that it had before.
    """
    brightness = noise.mean(0, keepdim=True)
    colour = noise - brightness
    coarse = _as_strong(blur(brightness, settings.luma_blur), brightness)
    brightness = settings.luma_fine * brightness + (1 - settings.luma_fine) * coarse
    coarse = _as_strong(blur(colour, settings.chroma_blur), colour)
    colour = settings.chroma_fine * colour + (1 - settings.chroma_fine) * coarse
    return brightness + settings.chroma_gain * colour


def _as_strong(smoothed: Tensor, before: Tensor) -> Tensor:
    return smoothed * (before.square().mean() / smoothed.square().mean().clamp(min=1e-12)).sqrt()


def blur(image: Tensor, sigma: float) -> Tensor:
    """Gaussian blur of an image [channel, height, width] by σ pixels; 0 leaves it as it is. Any range."""
    if sigma == 0:
        return image
    radius = max(1, math.ceil(2.5 * sigma))
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1) / sigma) ** 2)
    kernel = (kernel / kernel.sum()).reshape(1, 1, 1, -1)
    planes = functional.pad(image[:, None], [radius] * 4, mode="reflect")
    return functional.conv2d(functional.conv2d(planes, kernel), kernel.transpose(2, 3))[:, 0]


def rescale(image: Tensor, scale: float) -> Tensor:
    """Change the size of what an image shows; its own size stays.

    What is enlarged keeps its middle, what is shrunk is mirrored outside.

    Args:
        image: [channel, height, width], any range.
        scale: Factor, above 0.

    Returns:
        The same shape; enlarging (bicubic) may leave the range a little.
    """
    height, width = image.shape[-2:]
    mode = "bicubic" if scale > 1 else "bilinear"
    small = functional.interpolate(
        image[None], scale_factor=scale, mode=mode, antialias=True, align_corners=False
    )
    down, right = height - small.shape[-2], width - small.shape[-1]
    if down < 0:
        return small[0, :, -down // 2 : -down // 2 + height, -right // 2 : -right // 2 + width]
    top, left = down // 2, right // 2
    return functional.pad(small, (left, right - left, top, down - top), mode="reflect")[0]
