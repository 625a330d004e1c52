"""Marks on pictures, drawn: dust, scratches and hairs, hot and dead pixels.

Every draw comes from the generator that is handed in.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from genrestore.train.data.draws import chance, log_uniform, uniform

FINE = 4
"""Times that marks are drawn larger, so that their edges are smooth."""
LIGHTER = {"dust": 0.3, "scratches": 0.6}
"""Share of the patches whose marks of a kind are lighter than the picture."""
Pen = ImageDraw.ImageDraw
Point = tuple[float, float]


def put(picture: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw marks over a picture: x = (1 − a) y + a c, c about grey.

    Args:
        picture: [3, size, size] in [0, 1].

    Returns:
        The picture with marks, and how much of each pixel is covered by each kind, [3, size, size] in [0, 1].
    """
    size, covered = picture.shape[-1], torch.zeros_like(picture)
    for place, (kind, most, draw) in enumerate((("dust", 9, _speck), ("scratches", 3, _line))):
        for lighter in (True, False):
            if not chance(generator, LIGHTER[kind] if lighter else 1 - LIGHTER[kind]):
                continue
            alpha = _drawn(size, int(uniform(generator, 1, most + 1)), draw, generator)
            level = uniform(generator, 0.65, 1.0) if lighter else uniform(generator, 0.0, 0.3)
            tint = 0.04 * torch.randn(3, 1, 1, generator=generator)
            picture = torch.lerp(picture, (level + tint).clamp(0, 1), alpha)
            covered[place] = torch.maximum(covered[place], alpha)
    if chance(generator, 0.5):
        picture, covered[2] = _stuck(picture, generator)
    return picture, covered


def _drawn(size: int, count: int, draw: Callable[..., None], generator: torch.Generator) -> Tensor:
    """How much marks cover, smooth at the edge or jagged, sharp or soft: [size, size] in [0, 1]."""
    canvas = Image.new("L", (FINE * size, FINE * size))
    pen, strength = ImageDraw.Draw(canvas), log_uniform(generator, 0.4, 1.5)
    for _ in range(count):
        opacity = min(1.0, strength * uniform(generator, 0.8, 1.2))
        draw(pen, size, round(255 * opacity), generator)
    alpha = _pixels(canvas.reduce(FINE))
    if chance(generator, 0.3):
        alpha = alpha.max() * (alpha > 0.35 * alpha.max())
    if chance(generator, 0.3):
        weight = uniform(generator, 0.1, 0.3)
        for axis in (0, 1):
            one, other = alpha.roll(1, axis), alpha.roll(-1, axis)
            alpha = (1 - 2 * weight) * alpha + weight * (one + other)
    return alpha


def _pixels(image: Image.Image) -> Tensor:
    levels = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return levels.reshape(image.height, image.width) / 255


def _speck(pen: Pen, size: int, opacity: int, generator: torch.Generator) -> None:
    """A blot of 1.5 to 14 pixels, round or ragged."""
    across, down = (uniform(generator) * size for _ in range(2))
    radius, flat = log_uniform(generator, 1.5, 14) / 2, uniform(generator, 0.5, 1.0)
    turn, ragged, corners = uniform(generator, 0, math.pi), uniform(generator, 0, 0.4), 14
    outline = []
    for corner in range(corners):
        angle = 2 * math.pi * corner / corners
        length = radius * (1 + ragged * uniform(generator, -1, 1))
        x, y = length * math.cos(angle), flat * length * math.sin(angle)
        outline.append(
            (
                FINE * (across + x * math.cos(turn) - y * math.sin(turn)),
                FINE * (down + x * math.sin(turn) + y * math.cos(turn)),
            )
        )
    pen.polygon(outline, fill=opacity)


def _line(pen: Pen, size: int, opacity: int, generator: torch.Generator) -> None:
    """A line of 0.8 to 3.5 pixels: about straight as a scratch, or bent as a hair."""
    position = [uniform(generator, -0.2, 1.2) * size for _ in range(2)]
    angle, steps = uniform(generator, 0, 2 * math.pi), 24
    step = log_uniform(generator, 0.2, 1.8) * size / steps
    bend, wander = (0.01, 0.01) if chance(generator, 0.6) else (uniform(generator, -0.15, 0.15), 0.12)
    width, way = log_uniform(generator, 0.8, 3.5), list[Point]()
    for _ in range(steps):
        way.append((FINE * position[0], FINE * position[1]))
        angle += bend * (1 if wander > 0.05 else uniform(generator, -1, 1))
        angle += wander * uniform(generator, -1, 1)
        position = [position[0] + step * math.cos(angle), position[1] + step * math.sin(angle)]
    pen.line(way, fill=opacity, width=max(2, round(FINE * width)), joint="curve")


def _stuck(picture: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Pixels at the end of the range, alone or spread by the demosaicking, of one channel or of all."""
    size, count = picture.shape[-1], int(uniform(generator, 1, 13))
    alpha = torch.zeros(1, size, size)
    rows, columns = torch.randint(0, size, (2, count), generator=generator)
    alpha[0, rows, columns] = uniform(generator, 0.5, 1.0)
    if chance(generator, 0.4):
        share = uniform(generator, 0.25, 0.5)
        for axis in (1, 2):
            alpha = torch.maximum(alpha, share * torch.maximum(alpha.roll(1, axis), alpha.roll(-1, axis)))
    level = 1.0 if chance(generator, 0.75) else 0.0
    only = int(uniform(generator, 0, 6))
    channels = torch.ones(3, 1, 1) if only > 2 else torch.eye(3)[only][:, None, None]
    return torch.lerp(picture, torch.tensor(level), alpha * channels), alpha[0]
