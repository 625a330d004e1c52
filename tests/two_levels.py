"""The tiny denoiser of `tests.tiny` with two noise levels: it hears the mean of two, and tells one twice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import torch

from genrestore.weights.load import load_file
from genrestore.weights.store import save
from tests import tiny


def save_denoiser(folder: Path, name: str = "two") -> Path:
    """Write it as one weights file of kind "denoiser"; gives its path."""
    loaded = load_file(tiny.save_denoiser(folder, f"{name}-one"))
    tensors = {
        f"{role}.{key}": value
        for role, network in loaded.networks.items()
        for key, value in network.state_dict().items()
    }
    head = tensors["denoiser.head.weight"]
    level = head[:, 12:] / 2
    tensors["denoiser.head.weight"] = torch.cat([head[:, :12], level, level], 1)
    for key in ("estimator.tail.weight", "estimator.tail.bias"):
        tensors[key] = torch.cat([tensors[key], tensors[key]])
    networks = {
        role: replace(spec, arguments={**spec.arguments, "levels": 2})
        for role, spec in loaded.header.networks.items()
    }
    path = folder / f"{name}.safetensors"
    save(path, replace(loaded.header, networks=networks), tensors, overwrite=True)
    return path
