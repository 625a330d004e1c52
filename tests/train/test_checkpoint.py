from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from genrestore.errors import WeightsError
from genrestore.train import optimisers
from genrestore.train.loop import checkpoint
from genrestore.train.loop.checkpoint import Progress, State
from genrestore.train.optimisers import Average
from genrestore.train.settings import LoopSettings


def state(width: int = 4, optimiser: str = "adamw") -> State:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Conv2d(width, 4, 3), nn.Conv2d(4, 2, 3)
    )
    networks = {"a": network.to(memory_format=torch.channels_last)}
    made = optimisers.make(networks, LoopSettings(optimiser=optimiser))
    return State(networks, Average(networks, 0.9), {"all": made}, Progress())


def advance(subject: State, first: int, last: int) -> None:
    for step in range(first, last):
        torch.manual_seed(step)
        loss = subject.networks["a"](torch.randn(4, 3, 9, 9)).square().mean()
        subject.optimisers["all"].zero_grad()
        loss.backward()
        subject.optimisers["all"].step()
        subject.average.update(subject.networks, step)
        subject.progress.step = step + 1


def same(one: State, other: State) -> bool:
    first, second = dict(one.tensors()), dict(other.tensors())
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_what_was_saved_goes_on_bit_for_bit(tmp_path: Path, optimiser: str) -> None:
    whole, resumed = state(optimiser=optimiser), state(optimiser=optimiser)
    advance(whole, 0, 3)
    whole.progress.score = 1.5
    checkpoint.save(tmp_path / "c.safetensors", whole, {"loop": {"steps": 3}})
    checkpoint.load(tmp_path / "c.safetensors", resumed)
    assert resumed.progress == whole.progress
    assert same(whole, resumed)
    advance(whole, 3, 6)
    advance(resumed, 3, 6)
    assert same(whole, resumed)


def test_a_state_before_the_first_step_can_be_saved(tmp_path: Path) -> None:
    checkpoint.save(tmp_path / "c.safetensors", state(), {})
    checkpoint.load(tmp_path / "c.safetensors", state())


def test_progress_and_options_are_read_from_the_header(tmp_path: Path) -> None:
    subject = state()
    subject.progress = Progress(7, None, 0, 1.25)
    checkpoint.save(tmp_path / "c.safetensors", subject, {"a": [1, "b"]})
    assert checkpoint.read(tmp_path / "c.safetensors") == (subject.progress, {"a": [1, "b"]})


def test_damaged_and_foreign_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, state(), {})
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(WeightsError, match=r"c\.safetensors: not a checkpoint of genrestore, or damaged"):
        checkpoint.load(path, state())
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(WeightsError, match="not a checkpoint"):
        checkpoint.read(path)
    from safetensors.torch import save_file

    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(WeightsError, match="not a checkpoint"):
        checkpoint.read(path)


def test_one_changed_byte_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, state(), {})
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(WeightsError, match="damaged"):
        checkpoint.load(path, state())


def test_another_network_or_optimiser_is_named(tmp_path: Path) -> None:
    path = tmp_path / "c.safetensors"
    checkpoint.save(path, state(4), {})
    with pytest.raises(
        WeightsError, match=r"'network/a/0.weight' is of shape \[4, 3, 3, 3\], \[5, 3, 3, 3\] expected"
    ):
        checkpoint.load(path, state(5))
    trained = state()
    advance(trained, 0, 1)
    trained.optimisers = {"other": trained.optimisers["all"]}
    checkpoint.save(path, trained, {})
    with pytest.raises(WeightsError, match="also holds 'optimiser/other/0/"):
        checkpoint.load(path, state())


def test_a_failed_load_leaves_a_message_not_a_half_state(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"missing\.safetensors: not a checkpoint"):
        checkpoint.read(tmp_path / "missing.safetensors")
