"""A tiny network, and headers and files for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from genrestore.weights.content import build
from genrestore.weights.header import Header, NetworkSpec


class Tiny(nn.Module):
    """A convolution, a normalisation with an integer buffer, and a buffer that is not stored."""

    def __init__(self, channels: int = 3, width: int = 4) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.register_buffer("scale", torch.full((1,), 2.0), persistent=False)

    def forward(self, image: Tensor) -> Tensor:
        """[batch, channel, height, width] to [batch, width, height, width]."""
        result: Tensor = self.norm(self.first(image)) * self.scale
        return result


def network(seed: int = 0, width: int = 4) -> Tiny:
    """A tiny network with random values everywhere, in eval mode."""
    generator = torch.Generator().manual_seed(seed)
    made = Tiny(width=width)
    with torch.no_grad():
        for value in made.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator) + 0.1)
    return made.eval()


def header(**changes: Any) -> Header:
    """A header for one tiny network in the role "denoiser"."""
    fields: dict[str, Any] = {
        "kind": "denoiser",
        "networks": {"denoiser": NetworkSpec("tiny", {"channels": 3, "width": 4})},
        "channels": 3,
        "size": None,
        "training": {"steps": 10, "rate": 1e-3, "nested": {"widths": [1, 2]}},
        "data": "random numbers, σ = 25",
        "licence": "CC0-1.0",
        "source": "tests",
        "version": "0.1.0",
    }
    return Header(**{**fields, **changes})


def tensors(made: nn.Module, role: str = "denoiser") -> dict[str, Tensor]:
    return {f"{role}.{key}": value for key, value in made.state_dict().items()}


def raw(half: bool = False) -> bytes:
    """The bytes of a weights file with `network()`."""
    return build(Path("tiny"), header(), tensors(network()), half).raw


def unsigned(layout_metadata: dict[str, str] | None, values: dict[str, Tensor]) -> bytes:
    """A safetensors file with any metadata."""
    from safetensors.torch import save

    return save(values, layout_metadata)


def signed(about: Header, values: dict[str, Tensor]) -> bytes:
    """A file with a right sha256 whatever it holds, as a careless or hostile writer could make it."""
    from dataclasses import replace

    from safetensors import deserialize

    from genrestore.weights.content import Stored, fingerprint

    stored = [
        Stored(name, tensor["dtype"], tuple(tensor["shape"]), bytes(tensor["data"]))
        for name, tensor in deserialize(unsigned(None, values))
    ]
    return unsigned({"genrestore": replace(about, sha256=fingerprint(about, stored)).to_text()}, values)
