"""The Python API: denoise, dejpeg, inpaint and invert of pictures as Python programs hold them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np
import torch

from genrestore.errors import UsageError, WeightsError
from genrestore.restore.pictures import Restore, make
from genrestore.restore.prior import Prior
from genrestore.restore.priors.module import Denoiser, ModulePrior
from genrestore.restore.settings import PRIORS, LatentSearch
from genrestore.restore.task import DENOISE, INPAINT, INVERT, Damage, Request, Task
from genrestore.restore.tiling import Pixels
from genrestore.runtime import Runtime
from genrestore.weights.store import choose

FURTHEST = 8.0
"""From 0 in floating point: no noise on the [0, 1] scale comes so far, and grey levels from 0 to 255 do."""
Image = TypeVar("Image")
PixelFunction = Callable[[Pixels], Pixels]


def denoise(
    image: Image,
    *,
    noise_level: float | None = None,
    strength: float = 1.0,
    luma: float = 1.0,
    chroma: float = 1.0,
    noise_factor: float = 1.0,
    turns: int | None = None,
    weights: str = "photo",
    prior: Denoiser | torch.nn.Module | None = None,
    runtime: Runtime | None = None,
) -> Image:
    """Remove noise from a picture: what `genrestore denoise` does, from Python.

    Args:
        image: A Pillow image (L, RGB or I;16), a numpy array [height, width] or [height, width, channel],
            or a torch tensor [channel, height, width] or [batch, channel, height, width]. Integers (8 or 16
            bits) use their whole range; floating point is on the [0, 1] scale, and may leave it.
        noise_level: σ on the [0, 1] scale (grey levels / 255); None estimates it.
        strength: Result = input + strength · (denoised − input), 0 to 1.
        luma: The share of the change of brightness that is made, 0 to 1; 0 takes away colour noise only.
        chroma: The share of the change of colour that is made, 0 to 1.
        noise_factor: Where the noise level is estimated, take this many times the estimate.
        turns: The mean of so many estimates, of the picture turned and mirrored, 1, 2, 4 or 8; None lets its
            size decide. For weights of one class it must be None.
        weights: A name in the store or a path.
        prior: Your own denoiser instead of weights: an object with `denoise(x, sigma)` and, if it can tell,
            `noise_level(x)`; see `genrestore.restore.priors.module.Denoiser`.
        runtime: Device, precision and seed; None settles them for this machine.

    Returns:
        The restored picture, of the type and shape given.

    Raises:
        UsageError: A value out of its range, or an image of another kind.
        WeightsError: The weights are missing or corrupted.
        DeviceError: The runtime's device is not available.
    """
    request = Request(noise_level, noise_factor, strength, luma, chroma)
    restore = _restore(DENOISE, weights, prior, request, runtime, turns)
    return apply(image, lambda pixels: restore(pixels).pixels)


def inpaint(
    image: Image,
    mask: Any,
    *,
    noise_level: float = 0.0,
    feather: int = 0,
    fill: str = "auto",
    source: tuple[int, int, int, int] | None = None,
    avoid: Any = None,
    weights: str = "photo-inpaint",
    prior: Denoiser | torch.nn.Module | None = None,
    runtime: Runtime | None = None,
) -> Image:
    """Fill the missing pixels of a picture: what `genrestore inpaint` does, from Python.

    Args:
        image: A Pillow image (L, RGB or I;16), a numpy array [height, width] or [height, width, channel],
            or a torch tensor [channel, height, width] or [batch, channel, height, width]. Integers (8 or 16
            bits) use their whole range; floating point is on the [0, 1] scale.
        mask: Which pixels are missing, [height, width]: True, or what is not 0, is missing; a Pillow
            image, a numpy array or a torch tensor. One for all pictures of a batch.
        noise_level: σ of the known pixels on the [0, 1] scale (grey levels / 255); at 0 they come back as
            they were, above it they are denoised too.
        feather: Pixels over which the result goes into what the picture holds inside the hole, 0 to 32.
        fill: "mean" is the nearest on average, and smooth where a hole is wide; "texture" copies what is
            alike elsewhere; "auto" does so where a hole is wider than some 16 pixels. Weights of one class
            know "mean" only, which "auto" is for them.
        source: Left, top, width and height of the rectangle that texture is copied from; None: all that is
            known.
        avoid: Which pixels texture is not copied from, as `mask`.
        weights: A name in the store or a path.
        prior: Your own denoiser instead of weights, as `genrestore.denoise` takes it, for plug-and-play.
        runtime: Device, precision and seed; None settles them for this machine.

    Returns:
        The restored picture, of the type and shape given.

    Raises:
        UsageError: A value out of its range, an image of another kind, or a mask of another size or kind.
        InputError: The mask covers the whole picture, or nothing is left to copy texture from.
        WeightsError: The weights are missing or corrupted.
        DeviceError: The runtime's device is not available.
    """
    there = known(mask)
    if fill == "mean" and not (source is avoid is None):
        raise UsageError("source and avoid: say where texture is copied from, and fill 'mean' copies none")
    allowed = None if source is avoid is None else _copyable(there, source, avoid)
    restore = _restore(INPAINT, weights, prior, Request(noise_level, feather=feather, fill=fill), runtime)
    if allowed is not None and restore.task.request.fill == "mean":
        raise UsageError(f"source and avoid: say where texture is copied from; weights {weights} copy none")

    def filled(pixels: Pixels) -> Pixels:
        if pixels.shape[-2:] != there.shape[-2:]:
            sizes = [f"{width} x {height}" for height, width in (there.shape[-2:], pixels.shape[-2:])]
            raise UsageError(f"a mask of {sizes[0]} pixels for an image of {sizes[1]}")
        return restore(pixels, known=there, copyable=allowed).pixels

    return apply(image, filled)


def invert(
    image: Image,
    *,
    weights: str,
    search: LatentSearch | None = None,
    runtime: Runtime | None = None,
) -> tuple[Image, torch.Tensor]:
    """Find the latent of a picture: what `genrestore invert` does, from Python.

    Args:
        image: A Pillow image, numpy array or torch tensor, as `genrestore.denoise` takes it, of the size and
            channels of the generator's images.
        weights: A generator: a name in the store or a path.
        search: How the latent is found; None: by squares, from four starts.
        runtime: Device and seed; None settles them for this machine.

    Returns:
        G(z), of the type and shape given, and z, [batch, latent], on the CPU.

    Raises:
        UsageError: An image of another kind.
        InputError: An image of another size or channel count.
        WeightsError: The weights are missing, or of no generator.
    """
    restore, latents = Restore(Task.of(INVERT, weights, settings=search), runtime), list[torch.Tensor]()

    def restored(pixels: Pixels) -> Pixels:
        inverted = restore(pixels)
        assert inverted.latent is not None
        latents.append(inverted.latent)
        return inverted.pixels

    result = apply(image, restored)
    return result, torch.cat(latents)


def _restore(
    damage: Damage,
    weights: str,
    prior: Denoiser | torch.nn.Module | None,
    request: Request,
    runtime: Runtime | None,
    turns: int | None = None,
) -> Restore:
    """Restoration of a damage by weights or by a prior of the caller's own."""
    if prior is None:
        return Restore(Task.of(damage, weights, request, turns=turns), runtime)
    runtime, settings = runtime or Runtime.create(), damage.usual("denoiser")
    settings = settings if turns is None else replace(settings, turns=turns)
    task = Task(damage, "denoiser", None, request, settings)
    return Restore(task, runtime, prior=ModulePrior(prior, runtime))


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
    """Known pixels, of a mask that says which are missing.

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
    import PIL.Image

    if isinstance(mask, torch.Tensor):
        mask = _values(mask)
    if isinstance(mask, PIL.Image.Image) and mask.mode not in ("1", "L", "I;16"):
        raise UsageError(f"a mask of mode {mask.mode}: convert it to L first")
    array = np.asarray(mask)
    if array.ndim != 2 or array.dtype.kind not in "buif" or np.isnan(array).any():
        raise UsageError(
            f"a mask of shape {list(array.shape)} and type {array.dtype}: "
            "must be [height, width] of bool or numbers; what is not 0 is missing, NaN is refused"
        )
    unknown: Pixels = array != 0
    return ~unknown[None, None]


def _copyable(there: Pixels, source: tuple[int, int, int, int] | None, avoid: Any) -> Pixels:
    """Pixels that texture may be copied from, bool [1, 1, height, width]; `there` is where one is known.

    Raises:
        UsageError: A rectangle outside the picture, a mask of another size, or nothing is left.
    """
    allowed = there.copy()
    if source is not None:
        if len(source) != 4 or not all(isinstance(side, (int, np.integer)) for side in source):
            raise UsageError(f"source {source}: must be left, top, width and height in whole pixels")
        left, top, width, height = source
        down, across = there.shape[-2:]
        if min(left, top, width - 1, height - 1) < 0 or left + width > across or top + height > down:
            raise UsageError(f"source {source}: reaches outside the picture of {across} x {down} pixels")
        allowed[...] = False
        inside = (..., slice(top, top + height), slice(left, left + width))
        allowed[inside] = there[inside]
    if avoid is not None:
        ignored = ~known(avoid)
        if ignored.shape != allowed.shape:
            sizes = [f"{width} x {height}" for height, width in (ignored.shape[-2:], there.shape[-2:])]
            raise UsageError(f"avoid: a mask of {sizes[0]} pixels for an image of {sizes[1]}")
        allowed &= ~ignored
    if not allowed.any():
        raise UsageError("source and avoid leave nothing to copy texture from")
    return allowed


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
        raise UsageError(
            f"an image of {pixels.shape[1]} channels: must have 1 (grey) or 3 (RGB); arrays are "
            "[height, width, channel], tensors [channel, height, width]"
        )
    kinds: tuple[Any, ...] = (np.uint8, np.uint16, np.float16, np.float32, np.float64)
    if pixels.dtype not in kinds:
        raise UsageError(
            f"an image of type {pixels.dtype}: must be uint8 (0 to 255), uint16 (0 to 65535) or floating "
            "point (0 to 1); convert it first"
        )
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
        raise UsageError(
            f"an image with {count} NaN or infinite values: floating point must be on the [0, 1] scale; "
            "replace them first, as numpy.nan_to_num does"
        )
    if max(-low, high) > FURTHEST:
        raise UsageError(
            f"an image with values from {low:g} to {high:g}: floating point must be on the [0, 1] scale; "
            "divide levels of 8 bits by 255, of 16 bits by 65535"
        )


def load_prior(weights: str = "photo", runtime: Runtime | None = None) -> Prior[Any]:
    """Load weights and make the prior of their kind.

    Args:
        weights: A name in the store or a path of a weights file.
        runtime: Device, precision and seed; None settles them for this machine.

    Raises:
        WeightsError: The weights are missing, corrupted, or of a kind or networks that make no prior.
    """
    chosen = choose(weights)
    if chosen.header.kind not in PRIORS:
        known = ", ".join(sorted(name for name, kind in PRIORS.items() if kind.has_weights))
        raise WeightsError(
            f"weights '{weights}' are of kind '{chosen.header.kind}'; a prior is one of: {known}"
        )
    return make(chosen.header.kind, chosen, runtime or Runtime.create())
