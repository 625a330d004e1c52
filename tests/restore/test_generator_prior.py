"""The generator's prior: its slopes, its own distance, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from genrestore.errors import WeightsError
from genrestore.restore.api import load_prior
from genrestore.restore.priors.generator import GeneratorPrior, jacobian_vector_products
from genrestore.runtime import Runtime
from genrestore.weights.header import Header, NetworkSpec
from genrestore.weights.load import Loaded
from tests import tiny

RUNTIME = Runtime("cpu", "fp32", 1, 0)


def header(training: dict[str, Any]) -> Header:
    specs = {"generator": NetworkSpec("dcgan-generator", tiny.GENERATOR)}
    return Header("generator", specs, 1, 28, training, "none", "CC0-1.0", "tests", "0")


def prior(training: dict[str, Any] | None = None, **networks: nn.Module) -> GeneratorPrior:
    generator = tiny.random_generator()
    usual = {"generator": generator, "encoder": tiny.fitted_encoder(generator)}
    return GeneratorPrior(Loaded(header(training or {}), {**usual, **networks}), RUNTIME)


def test_slopes_are_those_of_automatic_differentiation() -> None:
    made = prior()
    latent = torch.randn(1, 3, generator=torch.Generator().manual_seed(2))
    image, slopes = made.jacobian(latent)
    expected = torch.autograd.functional.jacobian(lambda z: made.network(z).flatten(), latent)
    assert torch.allclose(image, made.generate(latent), atol=1e-6)
    assert torch.allclose(slopes, expected[:, 0], atol=1e-5)
    assert float(slopes.abs().max()) > 0.01


def test_layers_without_known_slopes_are_refused() -> None:
    with pytest.raises(TypeError, match="no tangents through a Softmax"):
        jacobian_vector_products([nn.Softmax(1)], torch.zeros(1, 2, 1, 1), torch.zeros(3, 2, 1, 1))


def test_an_image_does_not_depend_on_how_many_are_made() -> None:
    made = prior()
    latents = torch.randn(21, 3, generator=torch.Generator().manual_seed(3))
    assert torch.equal(made.generate(latents)[17:18], made.generate(latents[17:18]))
    images = made.generate(latents)
    assert torch.equal(made.encode(images)[4:5], made.encode(images[4:5]))


def test_shipped_generators_make_the_same_in_small_calls_as_in_large_ones() -> None:
    made: Any = load_prior("mnist-gan")
    seen: list[int] = []
    made.network.register_forward_pre_hook(lambda _, given: seen.append(len(given[0])))
    latents = torch.randn(17, made.latent, generator=torch.Generator().manual_seed(5))
    images = made.generate(latents)
    for count in (1, 5, 12):
        assert torch.equal(made.generate(latents[:count]), images[:count])
    assert seen == [16, 4, 4, 8, 12]


def test_its_own_distance_is_told_or_measured_on_images_of_its_own() -> None:
    assert prior({"error_99": 0.07}).own_distance == 0.07
    assert 0.001 < prior().own_distance < 0.05  # the tiny encoder nearly inverts the generator


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ({"generator": nn.Identity()}, "no network 'generator' of the class Generator"),
        ({"encoder": nn.Identity()}, "no network 'encoder' of the class LatentEncoder"),
        (
            {"generator": tiny.random_generator({**tiny.GENERATOR, "latent": 4})},
            "its networks 'generator' and 'encoder' differ in latent",
        ),
    ],
)
def test_networks_that_do_not_fit(networks: dict[str, nn.Module], message: str) -> None:
    usual = {"encoder": tiny.fitted_encoder(tiny.random_generator())}
    with pytest.raises(ValueError, match=message):
        prior(**{**usual, **networks})


def test_a_file_makes_the_prior_of_its_kind(tmp_path: Path) -> None:
    assert isinstance(load_prior(str(tiny.save_generator(tmp_path)), RUNTIME), GeneratorPrior)
    broken = tmp_path / "broken.safetensors"
    from genrestore.weights.store import save

    state = {f"generator.{key}": value for key, value in tiny.random_generator().state_dict().items()}
    save(broken, header({}), state, overwrite=True)
    with pytest.raises(WeightsError, match="cannot be used as a generator: no network 'encoder'"):
        load_prior(str(broken), RUNTIME)
