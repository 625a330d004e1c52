"""Poisson blending: what is copied into a hole keeps its gradients, and its colours meet those around."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

SCREEN = 0.01
"""Weight of colours against gradients."""
STEPS, EXACT = 200, 1e-10
"""Of the solution at most, and the mean square at which it is one."""


def blended(image: Tensor, known: Tensor, source: Tensor, origin: Tensor) -> Tensor:
    """Copy, and keep the gradients of what is copied where its colours do not meet.

        x* = argmin_x ‖∇x − g‖² + s ‖x − c‖²,     x known outside

    c is what is copied and g its gradients, at a seam the stronger of both sides: a mean would be smooth.
    Solved by conjugate gradients.
    Source: Pérez et al., "Poisson Image Editing", 2003, with the stronger by equation 12; the term in c: Bhat
    et al., "GradientShop", 2010.

    Args:
        image: [1, channel, height, width], about [0, 1].
        known: 1 where a pixel is known, [1, 1, height, width].
        source: [1, channel, its height, its width].
        origin: Place in the source of each missing pixel, [missing], row by row.
    """
    rows, columns = (known[0, 0] == 0).nonzero().t()
    top, left = max(0, int(rows.min()) - 1), max(0, int(columns.min()) - 1)
    area = (slice(top, int(rows.max()) + 2), slice(left, int(columns.max()) + 2))
    part, inside = image[0][(..., *area)].clone(), (known[0, 0][area] == 0)
    pixels, (down, across) = source[0].flatten(1), source.shape[-2:]
    where = torch.zeros(inside.shape, dtype=torch.long)
    where[inside] = origin
    copied = torch.where(inside, pixels[:, where], part)
    hole = inside.float()

    def gradients(axis: int) -> Tensor:
        """Differences between neighbours along an axis, as their sources have them, [channel, ...]."""
        size = inside.shape[axis] - 1
        one, other = (tensor.narrow(axis, 0, size) for tensor in (where, inside))
        after, there = (tensor.narrow(axis, 1, size) for tensor in (where, inside))
        step, most = (across, down) if axis == 0 else (1, across)

        def gradient(place: Tensor, sign: int) -> Tensor:
            index = place // across if axis == 0 else place % across
            next_to = torch.where((index + sign >= 0) & (index + sign < most), place + sign * step, place)
            return sign * (pixels[:, next_to] - pixels[:, place])

        first, second = gradient(one, 1), gradient(after, -1)
        stronger = first.square().sum(0) > second.square().sum(0)
        return torch.where(other & (stronger | ~there), first, second)

    wanted = gradients(0), gradients(1)
    fixed = part * (1 - hole)
    right = (
        SCREEN * copied + _divergence(*(one - two for one, two in zip(wanted, _gradient(fixed), strict=True)))
    ) * hole
    solution = _conjugate_gradients(
        lambda x: (SCREEN * x + _divergence(*_gradient(x))) * hole, right, copied * hole
    )
    result = image.clone()
    result[0][(..., *area)] = torch.where(inside, solution, part)
    return result


def _gradient(image: Tensor) -> tuple[Tensor, Tensor]:
    """∇: down and across, of [channel, height, width]."""
    return image.diff(dim=1), image.diff(dim=2)


def _divergence(down: Tensor, across: Tensor) -> Tensor:
    """∇ᵀ of gradients: [channel, height, width]."""
    pad = functional.pad
    return pad(down, (0, 0, 1, 0)) - pad(down, (0, 0, 0, 1)) + pad(across, (1, 0)) - pad(across, (0, 1))


def _conjugate_gradients(apply: Callable[[Tensor], Tensor], right: Tensor, start: Tensor) -> Tensor:
    """The solution x of A x = b for A symmetric and positive, [channel, height, width]."""
    found, left = start, right - apply(start)
    direction, square = left, left.square().sum((1, 2), keepdim=True)
    for _ in range(STEPS):
        if float(square.max()) < EXACT * left.numel():
            break
        applied = apply(direction)
        length = square / (direction * applied).sum((1, 2), keepdim=True).clamp(min=1e-20)
        found, left = found + length * direction, left - length * applied
        after = left.square().sum((1, 2), keepdim=True)
        direction, square = left + after / square.clamp(min=1e-20) * direction, after
    return found
