"""Starting from weights that are there: the same network, a deeper one, and those that do not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from genrestore.errors import UsageError
from genrestore.runtime import Runtime
from genrestore.training.inpainter import InpainterTraining
from genrestore.training.start import start_from
from genrestore.weights import store
from tests.training.test_denoiser import LOOP, images
from tests.training.test_inpainter import SETTINGS
from tests.training.toy import Witness

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
