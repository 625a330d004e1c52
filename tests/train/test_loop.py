from __future__ import annotations

import csv
import hashlib
import math
import os
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor, nn

from genrestore.errors import Interrupted
from genrestore.train.kinds.base import Diverged
from genrestore.train.loop import batches, checkpoint, loop
from genrestore.train.loop.run import RunFolder
from genrestore.train.settings import LoopSettings
from genrestore.weights import load
from tests.train import toy


def go(folder: Path, settings: LoopSettings, *, minutes: float = 1e9, **model: int) -> toy.Witness:
    folder.mkdir(exist_ok=True)
    images, witness = toy.image_set(), toy.Witness()
    training = toy.ToyTraining(toy.ToySettings(**model), settings, images, images, toy.RUNTIME)
    loop.train(training, settings, RunFolder(folder, {}), witness, max_minutes=minutes)
    return witness


def settings(steps: int, optimiser: str = "adamw", **more: float) -> LoopSettings:
    quick = LoopSettings(
        batch_size=2, warmup=3, schedule="constant", log_every=10, save_minutes=0, steps=steps
    )
    quick = replace(quick, validate_every=40, sample_every=100, optimiser=optimiser)
    return replace(quick, **more)  # type: ignore[arg-type]


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "metrics.csv").open() as stream:
        return list(csv.DictReader(stream))


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_two_hundred_steps_are_a_hundred_and_a_hundred_resumed(tmp_path: Path, optimiser: str) -> None:
    go(tmp_path / "whole", settings(200, optimiser))
    go(tmp_path / "parts", settings(100, optimiser))
    assert sha256(tmp_path / "parts/last.safetensors") != sha256(tmp_path / "whole/last.safetensors")
    go(tmp_path / "parts", settings(200, optimiser))
    for name in ("last.safetensors", "best.safetensors"):
        assert sha256(tmp_path / "parts" / name) == sha256(tmp_path / "whole" / name)


@pytest.mark.usefixtures("drawn")
def test_a_run_can_be_read(tmp_path: Path) -> None:
    witness = go(tmp_path, settings(100))
    assert {path.name for path in tmp_path.iterdir()} == {
        "best.safetensors",
        "checkpoint.safetensors",
        "last.safetensors",
        "loss.png",
        "metrics.csv",
        "samples",
    }
    assert [path.name for path in (tmp_path / "samples").iterdir()] == ["00000100.png"]
    assert [int(row["step"]) for row in rows(tmp_path)] == list(range(10, 101, 10))
    assert [row["step"] for row in rows(tmp_path) if row["score"]] == ["40", "80", "100"]
    assert witness.steps == list(range(1, 101))
    assert float(rows(tmp_path)[-1]["loss"]) < 0.5 * float(rows(tmp_path)[0]["loss"])
    loaded = load.load(str(tmp_path / "best.safetensors"), toy.RUNTIME)
    assert list(loaded.networks) == ["estimator"]


def test_steps_done_again_have_no_second_row(tmp_path: Path) -> None:
    with pytest.raises(Diverged):
        go(tmp_path, settings(100, save_every=25), nan_at=61)
    assert [int(row["step"]) for row in rows(tmp_path)] == [10, 20, 30, 40, 50, 60]
    go(tmp_path, settings(100, save_every=25))
    assert [int(row["step"]) for row in rows(tmp_path)] == list(range(10, 101, 10))


def test_the_best_is_kept_when_the_last_is_worse(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = iter([0.1, 0.9, 0.3])
    monkeypatch.setattr(toy.ToyTraining, "validate", lambda self, networks: {"score": next(scores)})
    go(tmp_path, settings(12, validate_every=4))
    progress, _ = checkpoint.read(tmp_path / "checkpoint.safetensors")
    assert (progress.score, progress.score_step, progress.step) == (0.9, 8, 12)
    header = load.load(str(tmp_path / "best.safetensors"), toy.RUNTIME).header
    assert (header.training["step"], header.training["score"]) == (8, 0.9)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_batches_prepared_ahead_are_the_same(tmp_path: Path) -> None:
    go(tmp_path / "a", settings(6))
    go(tmp_path / "b", settings(6, workers=2))
    for name in ("last.safetensors",):
        assert sha256(tmp_path / "a" / name) == sha256(tmp_path / "b" / name)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_process_that_dies_is_said_and_its_batches_are_made_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(tmp_path / "a", settings(6))
    here, batch = os.getpid(), toy.ToyTraining.batch

    def killed(self: toy.ToyTraining, step: int, indices: Sequence[int]) -> Tensor:
        if step == 3 and os.getpid() != here:
            os.kill(os.getpid(), signal.SIGKILL)
        return batch(self, step, indices)

    monkeypatch.setattr(toy.ToyTraining, "batch", killed)
    witness = go(tmp_path / "b", settings(6, workers=2))
    said = "--workers 2: one of them died; batches are prepared without them now"
    assert [note for note in witness.notes if "workers" in note] == [said]
    assert sha256(tmp_path / "a" / "last.safetensors") == sha256(tmp_path / "b" / "last.safetensors")
    assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL


def test_batches_cross_from_one_process_to_another_as_they_are() -> None:
    class Pair(NamedTuple):
        image: Tensor
        seed: Tensor
        others: Tensor | None

    image = torch.rand(2, 3, 4, 5).to(memory_format=torch.channels_last)
    packed = batches._each(batches._packed, Pair(image, torch.tensor(7), None))
    assert not any(isinstance(part, Tensor) for part in packed), "which would take shared memory"
    found = batches._each(batches._unpacked, packed)
    assert isinstance(found, Pair)
    assert torch.equal(found.image, image)
    assert found.image.stride() == image.stride()
    assert (found.seed.item(), found.seed.shape, found.others) == (7, (), None)


def test_a_signal_ends_the_step_and_writes_the_checkpoint(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(Interrupted, match="stopped at step 8 of 20; go on with --resume"):
        go(tmp_path / "parts", settings(20), interrupt_at=7)
    assert signal.getsignal(signal.SIGTERM) is before
    assert checkpoint.read(tmp_path / "parts/checkpoint.safetensors")[0].step == 8
    go(tmp_path / "parts", settings(20), interrupt_at=7)
    go(tmp_path / "whole", settings(20), interrupt_at=21)
    first, second = (
        load.load(str(tmp_path / name / "last.safetensors"), toy.RUNTIME) for name in ("parts", "whole")
    )
    for one, other in zip(first.networks.values(), second.networks.values(), strict=True):
        assert all(bool((a == b).all()) for a, b in zip(one.parameters(), other.parameters(), strict=True))


def test_nan_stops_and_names_the_last_good_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(
        Diverged, match=r"loss is nan at step 8; .*checkpoint\.safetensors of step 5; .*--init-from"
    ):
        go(tmp_path, settings(20, save_every=5), nan_at=7)
    assert checkpoint.read(tmp_path / "checkpoint.safetensors")[0].step == 5
    assert Diverged.exit_code == 1


def test_a_weight_that_is_not_finite_is_never_saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step = toy.ToyTraining.step

    def spoilt(self: toy.ToyTraining, batch: object) -> dict[str, float]:
        step(self, batch)  # type: ignore[arg-type]
        next(self.networks["estimator"].parameters()).data.fill_(float("inf"))
        return {"loss": 1.0}

    monkeypatch.setattr(toy.ToyTraining, "step", spoilt)
    with pytest.raises(Diverged, match="not finite at step 3; there is no checkpoint but"):
        go(tmp_path, settings(20, save_every=3))
    assert checkpoint.read(tmp_path / "checkpoint.safetensors")[0].step == 0


@pytest.mark.parametrize(
    ("healthy", "advice"),
    [
        (0, r"there is no checkpoint but that of the start; start another run with a --learning-rate below"),
        (5, r"the last good checkpoint is .* of step 4; start another run with --init-from .* and a --learn"),
    ],
)
def test_a_collapse_that_the_step_notices_says_what_to_go_on_from(
    healthy: int, advice: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    step, done = toy.ToyTraining.step, 0

    def collapsed(self: toy.ToyTraining, batch: object) -> object:
        nonlocal done
        done += 1
        if done > healthy:
            raise Diverged("the discriminator is certain")
        return step(self, batch)  # type: ignore[arg-type]

    monkeypatch.setattr(toy.ToyTraining, "step", collapsed)
    with pytest.raises(Diverged, match=f"the discriminator is certain; {advice}"):
        go(tmp_path, settings(20, save_every=2))


def test_time_is_up_after_max_minutes_with_a_checkpoint(tmp_path: Path) -> None:
    witness = go(tmp_path, settings(1000), minutes=0)
    assert witness.steps == [1]
    assert checkpoint.read(tmp_path / "checkpoint.safetensors")[0].step == 1


def test_checkpoints_are_written_by_time_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved: list[int] = []
    save = RunFolder.save

    def note(self: RunFolder, training: object, state: checkpoint.State) -> None:
        saved.append(state.progress.step)
        save(self, training, state)  # type: ignore[arg-type]

    monkeypatch.setattr(RunFolder, "save", note)
    go(tmp_path, settings(5, save_minutes=1e-9, validate_every=100))
    assert saved == [0, 1, 2, 3, 4, 5]


def test_a_finished_run_that_is_resumed_does_nothing(tmp_path: Path) -> None:
    go(tmp_path, settings(5))
    before = {path.name: sha256(path) for path in tmp_path.glob("*.safetensors")}
    assert go(tmp_path, settings(5)).steps == []
    assert before == {path.name: sha256(path) for path in tmp_path.glob("*.safetensors")}


class Counting(toy.ToyTraining):
    """Every weight is the number of the step from 1; remembers rates, averages and draws of every step."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.rates: list[list[float]] = []
        self.averages: list[float] = []
        self.draws: list[float] = []

    def step(self, batch: Tensor) -> dict[str, float | Tensor]:
        every = [group for optimiser in self.optimisers.values() for group in optimiser.param_groups]
        self.rates.append([group["lr"] for group in every])
        self.draws.append(float(torch.rand(())))
        with torch.no_grad():
            for parameter in self.networks["estimator"].parameters():
                parameter.fill_(len(self.rates))
        return {"loss": float(len(self.rates))}

    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        self.averages.append(float(next(networks["estimator"].parameters()).flatten()[0]))
        return {"score": 0.0}


def count(folder: Path, chosen: LoopSettings) -> tuple[Counting, toy.Witness]:
    images, witness = toy.image_set(), toy.Witness()
    training = Counting(toy.ToySettings(), chosen, images, images, toy.RUNTIME)
    start = next(training.networks["estimator"].parameters())
    torch.nn.init.zeros_(start)
    loop.train(training, chosen, RunFolder(folder, {}), witness)
    return training, witness


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_every_step_has_the_rate_of_the_schedule(tmp_path: Path, optimiser: str) -> None:
    chosen = settings(8, optimiser, learning_rate=0.4, warmup=2, cooldown=0.5, log_every=1)
    training, witness = count(tmp_path, replace(chosen, schedule="trapezoid"))
    expected = [0.2, 0.4, 0.4, 0.4, 0.4, 0.3, 0.2, 0.1]
    for group in zip(*training.rates, strict=True):
        assert list(group) == pytest.approx(expected)
    assert len(training.rates[0]) == (1 if optimiser == "adamw" else 2)
    assert [row["learning_rate"] for row in witness.rows] == pytest.approx(expected)


def test_a_row_has_the_mean_of_the_steps_since_the_last_one(tmp_path: Path) -> None:
    _, witness = count(tmp_path, settings(5, log_every=2))
    assert [(row["step"], row["loss"]) for row in witness.rows] == [(2, 1.5), (4, 3.5), (5, 5.0)]


def test_optimisers_of_other_rates_follow_the_schedule_too(tmp_path: Path) -> None:
    chosen = settings(4, learning_rate=0.4, warmup=0, schedule="cosine")
    images = toy.image_set()
    training = Counting(toy.ToySettings(), chosen, images, images, toy.RUNTIME)
    training.optimisers["other"] = torch.optim.AdamW([nn.Parameter(torch.zeros(1))], lr=0.04)
    loop.train(training, chosen, RunFolder(tmp_path, {}), toy.Witness())
    half = [0.5 + 0.5 * math.cos(math.pi * step / 4) for step in range(4)]
    assert [first for first, _ in training.rates] == pytest.approx([0.4 * share for share in half])
    assert [second for _, second in training.rates] == pytest.approx([0.04 * share for share in half])


@pytest.mark.parametrize("decay", [0.0, 0.25, 0.999])
def test_the_average_takes_in_every_step_by_its_own_share(tmp_path: Path, decay: float) -> None:
    """d is (1 + n) / (10 + n) at step n, and no more than what is asked for."""
    training, _ = count(tmp_path, settings(12, ema_decay=decay, validate_every=1))
    expected, average = [], 0.0
    for step in range(12):
        share = min(decay, (1 + step) / (10 + step))
        average = share * average + (1 - share) * (step + 1)
        expected.append(average)
    assert training.averages == pytest.approx(expected, rel=1e-5)


def test_a_resumed_run_goes_on_with_rates_averages_and_draws(tmp_path: Path) -> None:
    whole, _ = count(tmp_path / "whole", settings(10, validate_every=1, ema_decay=0.9, warmup=6))
    first, _ = count(tmp_path / "parts", settings(4, validate_every=1, ema_decay=0.9, warmup=6))
    images = toy.image_set()
    second = Counting(toy.ToySettings(), settings(10), images, images, toy.RUNTIME)
    second.rates = list(first.rates)  # so that it counts on
    chosen = settings(10, validate_every=1, ema_decay=0.9, warmup=6)
    loop.train(second, chosen, RunFolder(tmp_path / "parts", {}), toy.Witness())
    assert second.rates == whole.rates
    assert first.averages + second.averages == whole.averages
    assert first.draws + second.draws == whole.draws
    assert len(set(whole.draws)) == 10
