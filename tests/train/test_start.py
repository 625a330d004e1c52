"""Starting from weights that are there: the same network, a deeper one, and those that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from genrestore.errors import UsageError
from genrestore.models.denoiser import NoiseEstimator, ResidualUNet
from genrestore.runtime import Runtime
from genrestore.train.kinds.denoiser import DenoiserTraining
from genrestore.train.kinds.inpainter import InpainterTraining
from genrestore.train.loop.weights import start_from
from genrestore.weights import store
from tests.train.test_denoiser import LOOP, images
from tests.train.test_denoiser import SETTINGS as DENOISER
from tests.train.test_inpainter import SETTINGS
from tests.train.toy import Witness

RUNTIME = Runtime("cpu", "fp32", 1, 0)


def training(blocks: tuple[int, ...], widths: tuple[int, ...] = (8, 8)) -> InpainterTraining:
    settings = replace(SETTINGS, blocks=blocks, widths=widths)
    return InpainterTraining(settings, LOOP, images(), images(1), RUNTIME)


@pytest.fixture
def weights(tmp_path: Path) -> str:
    """Of a network of blocks (1, 2) after a few steps."""
    taught = training((1, 2))
    for step in range(5):
        taught.step(taught.batch(step, range(4)))
    path = tmp_path / "taught.safetensors"
    tensors = taught.networks["denoiser"].state_dict()
    store.save(path, taught.header(), {f"denoiser.{key}": value for key, value in tensors.items()})
    return str(path)


def answer(subject: InpainterTraining) -> torch.Tensor:
    with torch.no_grad():
        seen = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        out: torch.Tensor = subject.networks["denoiser"](seen, torch.tensor(0.5))
    return out


@pytest.mark.parametrize("blocks", [(1, 2), (3, 2), (2, 4)])
def test_a_deeper_network_starts_as_the_same_function(weights: str, blocks: tuple[int, ...]) -> None:
    start_from(weights, same := training((1, 2)), RUNTIME, Witness())
    start_from(weights, subject := training(blocks), RUNTIME, Witness())
    assert torch.equal(answer(subject), answer(same))
    assert not torch.equal(answer(subject), answer(training(blocks)))


def test_the_blocks_that_are_new_learn(weights: str) -> None:
    start_from(weights, subject := training((2, 2)), RUNTIME, Witness())
    for step in range(3):
        subject.step(subject.batch(step, range(4)))
    assert subject.networks["denoiser"].get_parameter("down.0.1.second.weight").any()


@pytest.mark.parametrize(("blocks", "widths"), [((1, 1), (8, 8)), ((2, 2), (8, 9)), ((1, 2, 1), (8, 8, 8))])
def test_others_are_refused(weights: str, blocks: tuple[int, ...], widths: tuple[int, ...]) -> None:
    with pytest.raises(UsageError, match=r"its denoiser is residual-unet .*\[1, 2\].* is asked for"):
        start_from(weights, training(blocks, widths), RUNTIME, Witness())


@pytest.fixture(params=[((8, 8), (1, 1)), ((8,), (1,))], ids=["two scales", "one scale"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, DenoiserTraining, dict[str, Any]]:
    """Weights of a denoiser that knows one noise level, a training of one that knows two, the networks."""
    widths, blocks = request.param
    settings = replace(DENOISER, widths=widths, blocks=blocks)
    subject = DenoiserTraining(settings, LOOP, images(), images(1), RUNTIME)
    networks: dict[str, Any] = {
        "denoiser": ResidualUNet(3, widths, blocks),
        "estimator": NoiseEstimator(3, width=DENOISER.estimator_width),
    }
    draw, tensors = torch.Generator().manual_seed(1), {}
    for role, network in networks.items():
        for key, value in network.state_dict().items():
            value.add_(0.1 * torch.randn(value.shape, generator=draw))
            tensors[f"{role}.{key}"] = value
    header = subject.header()
    known = {
        role: replace(spec, arguments={k: v for k, v in spec.arguments.items() if k != "levels"})
        for role, spec in header.networks.items()
    }
    path = tmp_path / "old.safetensors"
    store.save(path, replace(header, networks=known), tensors)
    return str(path), subject, networks


@torch.no_grad()
def test_a_denoiser_of_two_levels_starts_as_the_same_function_of_one(
    old: tuple[str, DenoiserTraining, dict[str, Any]],
) -> None:
    weights, subject, networks = old
    start_from(weights, subject, RUNTIME, Witness())
    image = torch.rand(1, 3, 16, 24, generator=torch.Generator().manual_seed(0))
    white = torch.full((1, 2, 16, 24), 0.2)
    before = networks["denoiser"](image, white[:, :1])
    torch.testing.assert_close(subject.networks["denoiser"](image, white), before)
    torch.testing.assert_close(subject.networks["denoiser"](image, torch.tensor(0.2)), before)
    apart = torch.tensor([0.3, 0.1]).reshape(1, 2, 1, 1)
    torch.testing.assert_close(subject.networks["denoiser"](image, apart), before)  # the mean is 0.2 too
    assert not torch.allclose(subject.networks["denoiser"](image, 2 * white), before, atol=1e-4)
    level = networks["estimator"](image)
    torch.testing.assert_close(subject.networks["estimator"](image), level.expand(-1, 2, -1, -1))


def test_a_denoiser_of_one_level_does_not_start_from_one_of_two(tmp_path: Path) -> None:
    """What was learned of the second would be lost."""
    taught = DenoiserTraining(DENOISER, LOOP, images(), images(1), RUNTIME)
    path = tmp_path / "two.safetensors"
    tensors = taught.networks["denoiser"].state_dict()
    header = taught.header()
    only = replace(header, networks={"denoiser": header.networks["denoiser"]})
    store.save(path, only, {f"denoiser.{key}": value for key, value in tensors.items()})
    with pytest.raises(UsageError, match=r"its denoiser is residual-unet .*'levels': 2.* is asked for"):
        start_from(str(path), training((1, 1)), RUNTIME, Witness())
