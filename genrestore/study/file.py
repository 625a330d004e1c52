"""Latents in a file: which images they are depends on the generator, so the file names it."""

from __future__ import annotations

import json
import reprlib
from pathlib import Path
from typing import TYPE_CHECKING

from safetensors import SafetensorError, safe_open

from genrestore.errors import InputError, UsageError

if TYPE_CHECKING:
    from torch import Tensor

KEY = "genrestore-latent"
"""The one key of the safetensors metadata that says whose latents they are."""
NAME = "latent"
"""The one tensor of the file."""


def to_bytes(latent: Tensor, sha256: str) -> bytes:
    """The content of a latent file.

    Args:
        latent: [batch, latent], one for each image; stored as float32.
        sha256: Of the weights whose generator or decoder makes images of them (`Header.sha256`).
    """
    import torch
    from safetensors.torch import save as to_safetensors

    tensor = latent.detach().to("cpu", torch.float32).contiguous()
    content: bytes = to_safetensors({NAME: tensor}, {KEY: json.dumps({"sha256": sha256})})
    return content


def is_one(path: Path) -> bool:
    """Tell whether a file holds latents, by its metadata; needs no torch, and never fails."""
    try:
        if not path.is_file():
            return False
        with safe_open(path, framework="numpy") as file:
            return KEY in (file.metadata() or {})
    except (OSError, SafetensorError):
        return False


def read(path: Path, sha256: str, weights: str, dimensions: int | None = None) -> Tensor:
    """The latents of a file.

    Args:
        path: The file.
        sha256: Of the weights that are to make images of them.
        weights: What the user calls these weights, for messages.
        dimensions: Numbers in a latent of theirs; None: not looked at.

    Returns:
        [batch, latent], float32, as they were written.

    Raises:
        InputError: No such file, or none that holds latents.
        UsageError: Latents of other weights.
    """
    import torch

    try:
        with safe_open(path, framework="pt") as file:
            about, names = (file.metadata() or {}).get(KEY), list(file.keys())
            latent = file.get_tensor(NAME) if names == [NAME] else None
    except FileNotFoundError as error:
        raise InputError(f"{path}: no such file") from error
    except (OSError, SafetensorError) as error:
        raise InputError(f"{path}: not a latent file, or damaged ({error})") from error
    theirs = _sha256(about)
    if theirs is None or latent is None:
        raise InputError(f"{path}: holds no latents of genrestore; give a file that 'invert' wrote")
    if theirs != sha256:
        raise UsageError(
            f"{path}: latents of other weights (sha256 {theirs[:12]}), not of {weights} "
            f"(sha256 {sha256[:12]}); name the weights that they were made with"
        )
    if latent.ndim != 2 or latent.dtype != torch.float32 or not bool(latent.isfinite().all()):
        raise InputError(
            f"{path}: damaged: its latents are {latent.dtype} of shape {list(latent.shape)}, or not finite; "
            "finite float32 [batch, latent] expected"
        )
    if not len(latent):
        raise InputError(f"{path}: holds no latent; one at least is needed")
    if dimensions not in (None, latent.shape[1]):
        raise InputError(
            f"{path}: its latents have {latent.shape[1]} numbers, those of {weights} have {dimensions}"
        )
    return latent


def _sha256(about: str | None) -> str | None:
    """Hash in the metadata; None where it holds none that can be understood."""
    try:
        value = json.loads(about or "")["sha256"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return reprlib.repr(value) if not isinstance(value, str) else value
