"""The pictures that Python programs hold, as the [1, channel, height, width] of tasks, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import torch

from genrestore.errors import UsageError
from genrestore.restore.tiling import Pixels

FURTHEST = 8.0
"""From 0 in floating point: no noise on the [0, 1] scale comes so far, and grey levels from 0 to 255 do."""
Image = TypeVar("Image")
PixelFunction = Callable[[Pixels], Pixels]


def apply(image: Image, function: PixelFunction) -> Image:
    """Call a function on [1, channel, height, width] and give back what was given.

    Args:
        image: A Pillow image, a numpy array [height, width] or [height, width, channel], or a torch tensor
            [channel, height, width] or [batch, channel, height, width].
        function: Takes and gives an array [1, 1 or 3, height, width].

    Returns:
        The result, of the type, shape and number format of `image`.

    Raises:
        UsageError: The image is none of these, has neither 1 nor 3 channels, holds NaN or infinite values, or
            floating point that is not on the [0, 1] scale.
    """
    if isinstance(image, torch.Tensor):
        return cast("Image", _apply_to_tensor(image, function))
    if isinstance(image, np.ndarray):
        return cast("Image", _apply_to_array(image, function))
    import PIL.Image

    if isinstance(image, PIL.Image.Image):
        if image.mode not in ("L", "RGB", "I;16"):
            raise UsageError(f"a Pillow image of mode {image.mode}: convert it to L, RGB or I;16 first")
        return cast("Image", PIL.Image.fromarray(_apply_to_array(np.asarray(image), function)))
    raise UsageError(
        f"an image of type {type(image).__name__}: give a Pillow image, numpy array or torch tensor"
    )


def known(mask: Any) -> Pixels:
    """Which pixels are known, of a mask that says which are missing.

    Convention: what is not 0 (or False) is missing, be it 1, 255 or a smoothed edge: a pixel that is touched
    holds something of what is to go.

    Args:
        mask: [height, width]: a Pillow image of mode 1, L or I;16, or a numpy array or torch tensor of bool,
            integers or floating point.

    Returns:
        bool [1, 1, height, width].

    Raises:
        UsageError: The mask is none of these.
    """
    if isinstance(mask, torch.Tensor):
        mask = _values(mask)
    array = np.asarray(mask)
    if array.ndim != 2 or array.dtype.kind not in "buif" or np.isnan(array).any():
        raise UsageError(
            f"a mask of shape {list(array.shape)} and type {array.dtype}: "
            "must be [height, width] of bool or numbers; what is not 0 is missing, NaN is refused"
        )
    unknown: Pixels = array != 0
    return ~unknown[None, None]


def _apply_to_array(image: Pixels, function: PixelFunction) -> Pixels:
    if image.ndim == 2:
        return _checked(image[None, None], function)[0, 0]
    if image.ndim != 3:
        raise UsageError(
            f"an array of shape {list(image.shape)}: must be [height, width] or [height, width, channel]"
        )
    result = _checked(image.transpose(2, 0, 1)[None], function)
    return np.ascontiguousarray(result[0].transpose(1, 2, 0))


def _apply_to_tensor(image: torch.Tensor, function: PixelFunction) -> torch.Tensor:
    if image.ndim not in (3, 4):
        raise UsageError(
            f"a tensor of shape {list(image.shape)}: must be [channel, height, width] or a batch of it"
        )
    if image.numel() == 0:
        raise UsageError("an image without pixels")
    values = _values(image)
    batch = values if image.ndim == 4 else values[None]
    results = [torch.from_numpy(_checked(one[None], function).copy()) for one in batch]
    return torch.cat(results).reshape(image.shape).to(image)


def _values(tensor: torch.Tensor) -> Pixels:
    """A tensor of any shape in NumPy; floating point that it does not have, such as bfloat16, as float32."""
    if tensor.layout != torch.strided or tensor.is_quantized or tensor.is_meta:
        kind = "meta" if tensor.is_meta else "quantized" if tensor.is_quantized else "sparse"
        raise UsageError(f"a {kind} tensor: give one that holds its values, such as x.to_dense()")
    tensor = tensor.detach().cpu()
    known = (torch.float16, torch.float32, torch.float64)
    found: Pixels = (
        tensor.float() if tensor.is_floating_point() and tensor.dtype not in known else tensor
    ).numpy()
    return found


def _checked(pixels: Pixels, function: PixelFunction) -> Pixels:
    if pixels.shape[1] not in (1, 3):
        raise UsageError(f"an image of {pixels.shape[1]} channels: must have 1 (grey) or 3 (RGB)")
    kinds: tuple[Any, ...] = (np.uint8, np.uint16, np.float16, np.float32, np.float64)
    if pixels.dtype not in kinds:
        raise UsageError(f"an image of type {pixels.dtype}: must be uint8, uint16 or floating point")
    if pixels.size == 0:
        raise UsageError("an image without pixels")
    if np.issubdtype(pixels.dtype, np.floating):
        _check_values(pixels)
    return function(pixels)


def _check_values(pixels: Pixels) -> None:
    """Refuse floating point [1, channel, height, width] that cannot be meant."""
    low, high = float(pixels.min()), float(pixels.max())
    if not np.isfinite((low, high)).all():
        count = pixels.size - int(np.isfinite(pixels).sum())
        raise UsageError(f"an image with {count} NaN or infinite values: replace them by numbers first")
    if max(-low, high) > FURTHEST:
        raise UsageError(
            f"an image with values from {low:g} to {high:g}: floating point must be on the [0, 1] scale; "
            "divide grey levels by 255"
        )
