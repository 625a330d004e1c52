"""The hourglass: its shapes, its edges, and gradients that do not depend on how tensors lie in memory."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from genrestore.models.hourglass import EdgePad, Hourglass


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 16, 16), (3, 21, 34)])
def test_a_picture_of_the_size_of_the_noise(channels: int, height: int, width: int) -> None:
    made = Hourglass(channels, 4, (8, 8, 8))(torch.rand(1, 4, height, width))
    assert made.shape == (1, channels, height, width)
    assert made.min() >= 0
    assert made.max() <= 1


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_edges_are_repeated_in_the_type_that_came(kind: torch.dtype) -> None:
    features = torch.rand(1, 2, 5, 7)
    with torch.autocast("cpu", torch.bfloat16):
        padded = EdgePad(1)(features.to(kind))
    assert padded.dtype == kind
    known = nn.ReplicationPad2d(1)(features).to(kind)
    assert torch.equal(padded, known)


def test_gradients_do_not_depend_on_the_layout() -> None:
    noise = torch.rand(1, 4, 16, 16, generator=torch.Generator().manual_seed(0))
    gradients = []
    for layout in (torch.contiguous_format, torch.channels_last):
        torch.manual_seed(0)
        network = Hourglass(1, 4, (8, 8)).to(memory_format=layout)
        network(noise.contiguous(memory_format=layout)).square().sum().backward()
        gradients.append([parameter.grad for parameter in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_it_needs_a_scale() -> None:
    with pytest.raises(ValueError, match="one scale at least"):
        Hourglass(1, 4, ())
