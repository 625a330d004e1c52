"""The questions that every network answers."""

from __future__ import annotations

import json
from typing import Any

import pytest
import torch

from genrestore.models import NETWORKS
from genrestore.models import autoencoder as autoencoders
from genrestore.models.denoiser import NoiseEstimator, ResidualUNet, as_noise_map, pad_to_multiple, spread

SMALL: dict[str, dict[str, Any]] = {
    "autoencoder": {"size": 28, "channels": 1, "latent": 3, "width": 4, "hidden": 8},
    "dcgan-discriminator": {"channels": 1, "size": 28, "width": 4, "spectral": False},
    "dcgan-generator": {"latent": 5, "channels": 1, "size": 28, "width": 4},
    "latent-encoder": {"latent": 5, "channels": 1, "size": 28, "width": 4},
    "residual-unet": {"channels": 3, "widths": [8, 12, 16], "blocks": [1, 1, 1]},
    "mark-finder": {"kinds": ["dust", "hot"], "widths": [8, 12], "blocks": [1, 1]},
    "noise-estimator": {"channels": 3, "width": 8, "blocks": 1},
    "restorer": {"size": 28, "channels": 1, "latent": 3, "width": 4},
}
SIZES = [(1, 1), (3, 50), (16, 16), (33, 18)]


def small_denoiser() -> ResidualUNet:
    torch.manual_seed(0)
    return ResidualUNet(**SMALL["residual-unet"]).eval()


def test_every_network_has_a_small_version_here() -> None:
    assert sorted(SMALL) == sorted(NETWORKS)


@pytest.mark.parametrize("name", sorted(NETWORKS))
def test_arguments_survive_json(name: str) -> None:
    again = json.loads(json.dumps(SMALL[name]))
    state = NETWORKS[name](**again).state_dict()
    assert {key: value.shape for key, value in state.items()} == {
        key: value.shape for key, value in NETWORKS[name](**SMALL[name]).state_dict().items()
    }


@pytest.mark.parametrize("size", SIZES)
def test_the_denoiser_keeps_any_shape(size: tuple[int, int]) -> None:
    image = torch.rand(2, 3, *size)
    assert small_denoiser()(image, torch.tensor(0.1)).shape == image.shape


def test_a_denoiser_without_residual_gives_back_the_image() -> None:
    network = small_denoiser()
    for parameter in network.tail.parameters():
        torch.nn.init.zeros_(parameter)
    image = torch.rand(1, 3, 20, 20) * 3 - 1
    assert torch.equal(network(image, torch.tensor(0.2)), image)


def test_a_noise_level_may_be_a_number_a_vector_or_a_map() -> None:
    network, image = small_denoiser(), torch.rand(2, 3, 16, 16)
    number = network(image, torch.tensor(0.1))
    assert torch.equal(network(image, torch.tensor([0.1, 0.1])), number)
    assert torch.equal(network(image, torch.full((2, 1, 16, 16), 0.1)), number)
    assert not torch.equal(network(image, torch.tensor([0.1, 0.3]))[1], number[1])


def test_a_denoiser_of_two_levels_takes_one_for_both_or_a_map_of_each() -> None:
    torch.manual_seed(0)
    network = ResidualUNet(**SMALL["residual-unet"], levels=2).eval()
    image = torch.rand(2, 3, 16, 16)
    number = network(image, torch.tensor(0.1))
    for same in (
        torch.full((2, 1, 16, 16), 0.1),
        torch.full((2, 2, 16, 16), 0.1),
        torch.full((2, 2, 1, 1), 0.1),
    ):
        torch.testing.assert_close(network(image, same), number)
    apart = torch.tensor([0.1, 0.3]).reshape(1, 2, 1, 1).expand(2, -1, -1, -1)
    assert not torch.allclose(network(image, apart), network(image, apart.flip(1)), atol=1e-4)


def test_every_weight_learns() -> None:
    network = small_denoiser().train()
    for block in network.modules():  # residual blocks start as the identity
        if hasattr(block, "second"):
            torch.nn.init.normal_(block.second.weight, std=0.1)
    network(torch.rand(1, 3, 16, 16), torch.tensor(0.1)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", autoencoders.SIZES)
def test_an_autoencoder_of_every_size_has_latents_and_images_between_0_and_1(
    size: int, channels: int
) -> None:
    torch.manual_seed(0)
    network = autoencoders.Autoencoder(size, channels, latent=5, width=2, hidden=4)
    image = torch.rand(2, channels, size, size)
    with torch.no_grad():
        latent, result = network.encode(image), network(image)
        assert torch.equal(result, network.decode(latent))
    assert (latent.shape, result.shape) == ((2, 5), image.shape)
    assert all(0 < float(value) < 1 for one in (latent, result) for value in (one.min(), one.max()))


def test_every_weight_of_an_autoencoder_learns() -> None:
    torch.manual_seed(0)
    network = autoencoders.Autoencoder(**SMALL["autoencoder"])
    for block in network.modules():
        if hasattr(block, "second"):
            torch.nn.init.normal_(block.second.weight, std=0.1)
    network(torch.rand(4, 1, 28, 28)).square().sum().backward()
    assert all(parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_decoded_images_begin_as_bright_as_they_are_told() -> None:
    torch.manual_seed(0)
    network = autoencoders.Autoencoder(28, 3, latent=4, width=4, hidden=8)
    level = torch.tensor([0.1, 0.5, 0.8])
    network.begin_at(level)
    found = network.decode(torch.rand(200, 4)).mean((0, 2, 3))
    assert torch.allclose(found, level, atol=0.05)


def small_autoencoder(bounded: bool = False) -> autoencoders.Autoencoder:
    torch.manual_seed(0)
    return autoencoders.Autoencoder(**SMALL["autoencoder"], bounded=bounded).eval()


def test_measured_latents_are_standard_normal_in_standard_coordinates() -> None:
    network, generator = small_autoencoder(), torch.Generator().manual_seed(1)
    mixing = torch.tensor([[1.0, 0.0, 0.0], [0.8, 0.5, 0.0], [-0.3, 0.2, 0.4]])
    logits = torch.tensor([0.5, -1.0, 0.0]) + torch.randn(20_000, 3, generator=generator) @ mixing.T
    latent = logits.sigmoid()
    network.measure(latent)
    assert torch.allclose(network.centre, logits.mean(0), atol=1e-2)
    assert torch.allclose(network.spread @ network.spread.T, torch.cov(logits.T), atol=1e-2)
    coordinates = network.standard(latent)
    assert torch.allclose(coordinates.mean(0), torch.zeros(3), atol=1e-2)
    assert torch.allclose(torch.cov(coordinates.T), torch.eye(3), atol=1e-2)
    assert torch.allclose(network.from_standard(coordinates), latent, atol=1e-3)


def test_the_fewer_latents_are_measured_the_less_their_coordinates_go_together() -> None:
    """L Lᵀ = (1 − s) C + s · mean(diag C) · I,  s = d / (n + d)."""
    network = small_autoencoder()
    logits = torch.randn(9, 3, generator=torch.Generator().manual_seed(1))
    network.measure(logits.sigmoid())
    covariance, share = torch.cov(logits.T, correction=0), 3 / 12
    expected = (1 - share) * covariance + share * covariance.diagonal().mean() * torch.eye(3)
    assert torch.allclose(network.spread @ network.spread.T, expected, atol=1e-4)


def test_before_it_is_measured_uniform_latents_are_usual() -> None:
    latent = torch.rand(20_000, 3, generator=torch.Generator().manual_seed(2))
    coordinates = small_autoencoder().standard(latent)
    assert torch.allclose(coordinates.var(0), torch.ones(3), atol=0.03)


@pytest.mark.parametrize("latent", [torch.full((2, 3), 0.25), torch.tensor([[0.0, 1.0, 0.5]])])
def test_latents_that_are_too_few_or_all_alike_can_be_measured(latent: torch.Tensor) -> None:
    network = small_autoencoder()
    network.measure(latent)
    assert bool(network.standard(torch.rand(4, 3)).isfinite().all())


def test_no_image_drives_the_latent_farther_than_the_last_layer_reaches() -> None:
    network = small_autoencoder(bounded=True)
    last = network.to_latent[2]
    most = last.weight.norm(dim=1) * SMALL["autoencoder"]["hidden"] ** 0.5 + last.bias.abs()
    for scale in (1.0, 1e3):
        images = scale * torch.randn(16, 1, 28, 28, generator=torch.Generator().manual_seed(3))
        logits = torch.logit(network.encode(images).double())
        assert bool((logits.abs() <= most + 1e-3).all())


@pytest.mark.parametrize(("name", "value"), [("size", 30), ("channels", 2), ("latent", 0), ("hidden", 0)])
def test_an_autoencoder_that_cannot_be_is_refused_with_its_numbers(name: str, value: int) -> None:
    with pytest.raises(ValueError, match=f"no autoencoder of .*{name}.* {value}|{value} {name}"):
        autoencoders.Autoencoder(**{**SMALL["autoencoder"], name: value})


def test_widths_and_blocks_must_match() -> None:
    with pytest.raises(ValueError, match=r"widths \[8, 8\] and blocks \[1\]"):
        ResidualUNet(3, [8, 8], [1])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("levels", [1, 2])
def test_the_estimator_gives_positive_levels_a_pixel(size: tuple[int, int], levels: int) -> None:
    level = NoiseEstimator(**SMALL["noise-estimator"], levels=levels)(torch.rand(2, 3, *size))
    assert level.shape == (2, levels, *size)
    assert (level > 0).all()


def test_spreading_a_constant_gives_the_constant() -> None:
    level = spread(torch.full((1, 1, 2, 3), 0.1).log(), (13, 20))
    torch.testing.assert_close(level, torch.full((1, 1, 13, 20), 0.1))


def test_padding_repeats_the_last_row_and_column() -> None:
    image = torch.arange(6.0).reshape(1, 1, 2, 3)
    padded = pad_to_multiple(image, 4)
    assert padded.shape == (1, 1, 4, 4)
    assert torch.equal(padded[0, 0, 1], torch.tensor([3.0, 4, 5, 5]))
    assert torch.equal(padded[0, 0, 3], padded[0, 0, 1])


def test_a_map_of_noise_levels_is_left_alone() -> None:
    image = torch.rand(2, 3, 4, 4)
    for levels in (1, 2):
        level = torch.rand(2, levels, 4, 4)
        assert torch.equal(as_noise_map(level, image, levels), level)


def test_one_noise_level_goes_for_all_planes() -> None:
    image = torch.rand(2, 3, 4, 5)
    for level in (torch.tensor(0.1), torch.full((2,), 0.1), torch.full((2, 1, 1, 1), 0.1)):
        assert torch.equal(as_noise_map(level, image, 2), torch.full((2, 2, 4, 5), 0.1))
    each = torch.tensor([[0.1, 0.2], [0.3, 0.4]]).reshape(2, 2, 1, 1)
    assert torch.equal(as_noise_map(each, image, 2), each.expand(-1, -1, 4, 5))
