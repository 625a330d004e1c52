"""Tiny weights, made in a second and without training, for tests that need a prior.

The denoiser gives every pixel the mean of its 2×2 block, whatever the noise level: smooth pictures with
noise gain about 6 dB, and the result can be written down by hand. The estimator says 12 grey levels of
everything.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch
from torch import nn

from genrestore.models import NETWORKS

DENOISER: dict[str, Any] = {"channels": 3, "widths": [16, 16], "blocks": [1, 1]}
ESTIMATOR: dict[str, Any] = {"channels": 3, "width": 4, "blocks": 1}
ESTIMATE = 12 / 255
"""What the tiny estimator says of every picture, on the [0, 1] scale."""


def block_mean_denoiser() -> nn.Module:
    """A residual U-Net whose result is the mean of every 2×2 block; picture [batch, 3, height, width]."""
    network: Any = NETWORKS["residual-unet"](**DENOISER)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for plane in range(12):  # the picture's planes go through unchanged
            network.head.weight[plane, plane, 1, 1] = 1.0
        for out in range(12):  # the residual: a pixel minus the mean of the four of its colour
            for other in range(4):
                network.tail.weight[out, out // 4 * 4 + other, 1, 1] = -0.25 + (other == out % 4)
    return network.eval()


def constant_estimator() -> nn.Module:
    """A noise estimator that says `ESTIMATE` of any picture [batch, 3, height, width]."""
    network: Any = NETWORKS["noise-estimator"](**ESTIMATOR)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.tail.bias.fill_(math.log(ESTIMATE))
    return network.eval()


def save_denoiser(folder: Path, name: str = "tiny") -> Path:
    """Write the tiny denoiser and estimator as one weights file of kind "denoiser"; gives its path."""
    from genrestore.weights.header import Header, NetworkSpec
    from genrestore.weights.store import save

    networks = {"denoiser": block_mean_denoiser(), "estimator": constant_estimator()}
    tensors = {
        f"{part}.{key}": tensor
        for part, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    header = Header(
        kind="denoiser",
        networks={
            "denoiser": NetworkSpec("residual-unet", DENOISER),
            "estimator": NetworkSpec("noise-estimator", ESTIMATOR),
        },
        channels=3,
        size=None,
        training={"steps": 0},
        data="none; written by hand",
        licence="CC0-1.0",
        source="tests/tiny.py",
        version="0",
    )
    path = folder / f"{name}.safetensors"
    save(path, header, tensors, overwrite=True)
    return path
