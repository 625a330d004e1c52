"""The pictures that Python programs hold, as the [1, channel, height, width] of tasks, and back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

import numpy as np
import torch

from genrestore.errors import UsageError
from genrestore.restore.tiling import Pixels

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
        UsageError: The image is none of these, or has neither 1 nor 3 channels.
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
        mask = mask.detach().cpu().numpy()
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
    batch = image.detach().cpu() if image.ndim == 4 else image.detach().cpu()[None]
    if batch.dtype == torch.bfloat16:  # which NumPy does not have
        batch = batch.float()
    results = [torch.from_numpy(_checked(one[None].numpy(), function).copy()) for one in batch]
    return torch.cat(results).reshape(image.shape).to(image)


def _checked(pixels: Pixels, function: PixelFunction) -> Pixels:
    if pixels.shape[1] not in (1, 3):
        raise UsageError(f"an image of {pixels.shape[1]} channels: must have 1 (grey) or 3 (RGB)")
    kinds: tuple[Any, ...] = (np.uint8, np.uint16, np.float16, np.float32, np.float64)
    if pixels.dtype not in kinds:
        raise UsageError(f"an image of type {pixels.dtype}: must be uint8, uint16 or floating point")
    if pixels.size == 0:
        raise UsageError("an image without pixels")
    return function(pixels)
