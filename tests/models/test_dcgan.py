"""Generator, discriminator and latent encoder: shapes, ranges, normalisation."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from genrestore.models import NETWORKS
from genrestore.models.dcgan import SIZES, Discriminator, Generator, LatentEncoder


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", SIZES)
def test_latent_to_image_to_logit_and_latent_at_every_size(size: int, channels: int) -> None:
    torch.manual_seed(0)
    latent = torch.randn(2, 5)
    with torch.no_grad():
        image = Generator(5, channels, size, width=2)(latent)
        assert image.shape == (2, channels, size, size)
        assert image.min() >= 0
        assert image.max() <= 1
        for deeper in (False, True):
            assert Discriminator(channels, size, width=2, deeper=deeper)(image).shape == (2,)
        assert LatentEncoder(5, channels, size, width=2)(image).shape == (2, 5)


def test_an_image_is_half_of_tanh_plus_one() -> None:
    network = Generator(3, 1, 28, width=2).eval()
    nn.init.zeros_(network.layers[-1].weight)
    nn.init.constant_(network.layers[-1].bias, 0.5)
    expected = (torch.tensor(0.5).tanh() + 1) / 2
    assert torch.allclose(network(torch.randn(1, 3)), expected)


@pytest.mark.parametrize("channels", [1, 3])
def test_products_of_matrices_are_the_transposed_convolutions_that_they_stand_for(channels: int) -> None:
    torch.manual_seed(0)
    network = Generator(5, channels, 28, width=4).eval()
    nn.init.normal_(network.layers[-1].bias)
    value = torch.randn(3, 5)[:, :, None, None]
    for layer in network.layers:
        if isinstance(layer, nn.ConvTranspose2d):
            plain = functional.conv_transpose2d(
                value, layer.weight, layer.bias, stride=layer.stride, padding=layer.padding
            )
            assert torch.allclose(layer(value), plain, atol=1e-5)
        value = layer(value).clone()


def test_a_deeper_discriminator_sees_places_together() -> None:
    """Two places sixteen pixels apart do not just add up, as they do in a sum over places."""
    images = torch.zeros(4, 1, 28, 28)
    images[1::2, :, 4:8, 4:8] = 1
    images[2:, :, 16:20, 16:20] = 1
    for deeper in (False, True):
        torch.manual_seed(0)
        network = Discriminator(1, 28, width=8, spectral=True, deeper=deeper).eval()
        with torch.no_grad():
            neither, one, other, both = network(images).tolist()
        adds_up = abs(both - one - other + neither) < 1e-6
        assert adds_up != deeper


@pytest.mark.parametrize("spectral", [False, True])
def test_a_discriminator_has_one_normalisation_or_the_other(spectral: bool) -> None:
    torch.manual_seed(0)
    network = Discriminator(1, 28, width=4, spectral=spectral, deeper=True)
    assert any(isinstance(module, nn.BatchNorm2d) for module in network.modules()) != spectral
    image = torch.rand(4, 1, 28, 28)
    for _ in range(50):  # each takes one step of the power iteration
        network(image)
    largest = [
        torch.linalg.matrix_norm(layer.weight.detach().flatten(1), 2)
        for layer in network.layers
        if isinstance(layer, nn.Conv2d)
    ]
    assert all(abs(float(norm) - 1) < 0.02 for norm in largest) == spectral


@pytest.mark.parametrize(
    "made", [Generator(3, width=2), Discriminator(width=2, deeper=True), LatentEncoder(3, width=2)]
)
def test_every_weight_learns(made: nn.Module) -> None:
    torch.manual_seed(0)
    given = torch.randn(4, 3) if isinstance(made, Generator) else torch.rand(4, 1, 28, 28)
    made(given).square().sum().backward()
    assert all(
        parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in made.parameters()
    )


@pytest.mark.parametrize("name", ["dcgan-generator", "dcgan-discriminator", "latent-encoder"])
@pytest.mark.parametrize(("argument", "value"), [("size", 30), ("channels", 2), ("width", 0)])
def test_a_network_that_cannot_be_is_refused_with_its_numbers(name: str, argument: str, value: Any) -> None:
    with pytest.raises(ValueError, match=rf"no \w+ of .*({argument} {value}|{value} {argument})"):
        NETWORKS[name](**{argument: value})


def test_a_latent_of_no_numbers_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no generator of .* latent 0"):
        Generator(latent=0)
