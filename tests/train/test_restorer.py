"""The restorer that is trained after an autoencoder: damage, loss, its run, what it writes."""

from __future__ import annotations

import math
import os
import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from genrestore.errors import InputError, Interrupted, UsageError
from genrestore.models.restorer import STRONGEST, Restorer
from genrestore.train import kinds
from genrestore.train.data.dataset import Folder, Reading, load_images
from genrestore.train.data.named import Library
from genrestore.train.kinds import KINDS, AutoencoderSettings, RestorerSettings, restorer
from genrestore.train.kinds.autoencoder import AutoencoderTraining
from genrestore.train.kinds.restorer import RestorerTraining
from genrestore.train.loop import checkpoint, session
from genrestore.train.settings import LoopSettings, Request
from genrestore.weights import load
from tests import tiny
from tests.train import covering, toy

AFTER: dict[str, Any] = {"restorer_steps": 6, "restorer_width": 4}


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """A request on twenty random digits, with a restorer."""
    toy.write_digits(tmp_path, train=20)
    request = covering.request(tmp_path)
    return replace(request, model={**request.model, **AFTER})


def training(folder: Path) -> RestorerTraining:
    toy.write_digits(folder, train=10)
    images = load_images([Folder.parse("mnist")], Reading(1, 28), Library(folder))
    loop = LoopSettings(batch_size=10, learning_rate=0.01)
    weights = load.load_file(tiny.save_autoencoder(folder))
    return RestorerTraining(RestorerSettings(4), loop, images, images, toy.RUNTIME, weights)


def test_damage_is_noise_of_an_8_bit_file_and_missing_pixels() -> None:
    clean = torch.full((1, 28, 28), 0.5)
    found = [restorer.damage(clean, torch.Generator().manual_seed(seed)) for seed in range(60)]
    for _, damaged, known, level in found:
        assert torch.equal((255 * damaged).round() / 255, damaged)
        assert 0 <= float(level) <= STRONGEST
        assert float((damaged - clean).std()) == pytest.approx(float(level), rel=0.2, abs=0.01)
        assert set(known.unique().tolist()) <= {0.0, 1.0}
    whole = sum(bool(known.all()) for _, _, known, _ in found)
    without_noise = sum(float(level) == 0 for *_, level in found)
    assert 30 <= whole <= 50
    assert 5 <= without_noise <= 25


def test_a_step_reports_the_parts_of_the_loss_and_lowers_it(tmp_path: Path) -> None:
    made = training(tmp_path)
    losses = []
    for step in range(60):
        numbers = {name: float(value) for name, value in made.step(made.batch(step, range(10))).items()}
        assert set(numbers) == {"loss", "restored", "made"}
        losses.append(numbers["restored"])
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_the_autoencoder_stays_as_it_is(tmp_path: Path) -> None:
    made = training(tmp_path)
    before = {key: value.clone() for key, value in made.networks["autoencoder"].state_dict().items()}
    made.step(made.batch(0, range(10)))
    after = made.networks["autoencoder"].state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_a_batch_is_the_same_in_parts(tmp_path: Path) -> None:
    made = training(tmp_path)
    whole, parts = made.batch(3, range(4)), [made.batch(3, [0, 1]), made.batch(3, [2, 3])]
    for name in ("clean", "damaged", "known", "level"):
        assert torch.equal(getattr(whole, name), torch.cat([getattr(part, name) for part in parts]))


class Perfect(Restorer):
    """Says that what is known is right, and what is missing is grey; always the same latent."""

    def look(
        self, damaged: torch.Tensor, known: torch.Tensor, noise_level: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Keeps the image in the place of features, [batch, 1, 28, 28]."""
        del noise_level
        return torch.zeros(len(damaged), self.latent), torch.where(known > 0, damaged, 0.5)

    def correct(self, features: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
        """The image, [batch, 1, 28, 28]."""
        del made
        return features


def test_validation_is_of_strong_and_weak_noise_and_of_missing_pixels(tmp_path: Path) -> None:
    made = training(tmp_path)
    made.validation = torch.full((200, 1, 28, 28), 128, dtype=torch.uint8)
    found = made.validate({**made.networks, "restorer": Perfect(28, 1, 2, 4)})
    assert found["weak"] == pytest.approx(26.0, abs=0.1)  # 20 log10(255 / 12.75), nothing clipped
    assert found["strong"] == pytest.approx(12.4, abs=0.1)  # 0.92 σ² is left beyond 2 σ
    assert found["missing"] > 50  # half a grey level from 0.5
    assert found["score"] == pytest.approx(sum(found[name] for name in ("strong", "weak", "missing")) / 3)


def test_known_pixels_are_put_back_before_what_is_missing_is_measured(tmp_path: Path) -> None:
    class Grey(Perfect):
        """Says that everything is grey, a quarter too dark."""

        def correct(self, features: torch.Tensor, made: torch.Tensor) -> torch.Tensor:
            """[batch, 1, 28, 28]."""
            del made
            return torch.full_like(features, 0.25)

    made = training(tmp_path)
    made.validation = torch.full((50, 1, 28, 28), 255, dtype=torch.uint8)
    found = made.validate({**made.networks, "restorer": Grey(28, 1, 2, 4)})
    assert found["missing"] == pytest.approx(-10 * math.log10(0.75**2 / 2), abs=0.1)  # half is known


def test_samples_are_damaged_made_restored_and_clean(tmp_path: Path) -> None:
    made = training(tmp_path)
    samples = made.samples(made.networks)
    assert samples.shape == (32, 1, 28, 28)
    assert torch.equal(samples[3::4], made.validation[:8].float() / 255)


def test_it_follows_the_autoencoder_into_the_same_weights(asked: Request, tmp_path: Path) -> None:
    result = covering.train(replace(asked, origin="digits", licence="CC0-1.0"))
    assert (result.finished, result.progress.step) == (True, 6)
    loaded = load.load("small", toy.RUNTIME)
    header = loaded.header
    assert sorted(loaded.networks) == ["autoencoder", "restorer"]
    assert (header.kind, header.data, header.licence) == ("autoencoder", "digits", "CC0-1.0")
    assert header.training["autoencoder"]["cover"] == "mmd"
    assert header.training["error_99"] == header.training["autoencoder"]["error_99"] > 0
    alone = load.load_file(tmp_path / "run" / "best.safetensors").networks["autoencoder"].state_dict()
    both = loaded.networks["autoencoder"].state_dict()
    assert all(torch.equal(alone[key], both[key]) for key in alone)


def test_a_run_that_was_stopped_ends_alike(asked: Request, tmp_path: Path) -> None:
    covering.train(asked)
    covering.train(replace(asked, run_dir=tmp_path / "half", max_minutes=0.0))
    assert checkpoint.read(tmp_path / "half" / "checkpoint.safetensors")[0].step == 1
    resumed = Request("small", run_dir=tmp_path / "half", resume=True, overwrite=True)
    session.run(KINDS["ae"], resumed, toy.RUNTIME, toy.Witness())
    name = "restorer/checkpoint.safetensors"
    first, second = (load_file(tmp_path / folder / name) for folder in ("run", "half"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_an_autoencoder_that_went_on_gets_another_restorer(asked: Request, tmp_path: Path) -> None:
    asked = replace(
        asked, data={**asked.data, "holdout_every": 1}
    )  # measured on what it learns: it gets better
    covering.train(asked, cover="none")
    more = Request("small", run_dir=tmp_path / "run", resume=True, overwrite=True, extend=True)
    session.run(KINDS["ae"], replace(more, loop={"steps": 24}), toy.RUNTIME, toy.Witness())
    better = load.load_file(tmp_path / "run" / "best.safetensors")
    assert better.header.training["step"] == 24
    alone = better.networks["autoencoder"].state_dict()
    both = load.load("small", toy.RUNTIME).networks["autoencoder"].state_dict()
    assert all(torch.equal(alone[key], both[key]) for key in alone)


@pytest.mark.parametrize("stopped", [KeyboardInterrupt, InputError])
def test_an_extension_that_ends_between_both_trainings_goes_on_right(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stopped: type[BaseException]
) -> None:
    asked = replace(asked, data={**asked.data, "holdout_every": 1})
    covering.train(asked, cover="none")
    more = Request("small", run_dir=tmp_path / "run", resume=True, overwrite=True)

    def stop(*_: object) -> None:
        raise stopped("between")

    longer = replace(more, loop={"steps": 24}, extend=True)
    with monkeypatch.context() as patched:
        patched.setattr(session, "_following", stop)
        with pytest.raises(stopped):
            session.run(KINDS["ae"], longer, toy.RUNTIME, toy.Witness())
    session.run(KINDS["ae"], more, toy.RUNTIME, toy.Witness())
    alone = load.load_file(tmp_path / "run" / "best.safetensors")
    assert alone.header.training["step"] == 24
    state = alone.networks["autoencoder"].state_dict()
    both = load.load("small", toy.RUNTIME).networks["autoencoder"].state_dict()
    assert all(torch.equal(state[key], both[key]) for key in state)


def test_start_weights_that_would_be_cleared_before_the_second_training_are_refused(
    asked: Request, tmp_path: Path
) -> None:
    covering.train(asked)
    start = tmp_path / "run" / "restorer" / "best.safetensors"
    with pytest.raises(UsageError, match=r"--init-from .*: lies in the run's folder.*restorer needs it"):
        covering.train(replace(asked, init_from=str(start)))
    assert start.exists()
    assert covering.train(replace(asked, init_from=str(start)), restorer_steps=0).finished


def test_a_signal_while_the_first_training_ends_keeps_the_second_from_beginning(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    validate = AutoencoderTraining.validate

    def signalled(*words: Any) -> dict[str, float]:
        os.kill(os.getpid(), signal.SIGTERM)
        return validate(*words)

    with monkeypatch.context() as patched:
        patched.setattr(AutoencoderTraining, "validate", signalled)
        with pytest.raises(Interrupted, match="step 12 of 12"):
            covering.train(asked)
    assert not (tmp_path / "run" / "restorer").exists()
    more = Request("small", run_dir=tmp_path / "run", resume=True)
    assert session.run(KINDS["ae"], more, toy.RUNTIME, toy.Witness()).finished


def test_how_often_the_second_training_writes_may_change_too(asked: Request, tmp_path: Path) -> None:
    covering.train(replace(asked, loop={**asked.loop, "steps": 1}, max_minutes=0.0))
    restorer = tmp_path / "run" / "restorer"
    assert checkpoint.read(restorer / "checkpoint.safetensors")[0].step == 1
    more = Request("small", run_dir=tmp_path / "run", resume=True, loop={"log_every": 1})
    session.run(KINDS["ae"], more, toy.RUNTIME, toy.Witness())
    assert len((restorer / "metrics.csv").read_text().splitlines()) == 1 + 5


def test_a_new_run_from_its_weights_goes_on_with_it(asked: Request, tmp_path: Path) -> None:
    covering.train(asked)
    before = load.load("small", toy.RUNTIME).networks["restorer"]
    asked = replace(asked, loop={**asked.loop, "steps": 1, "seed": 1})

    def moved(folder: str, **settings: Any) -> float:
        covering.train(replace(asked, name=folder, run_dir=tmp_path / folder, **settings), restorer_steps=1)
        after = load.load(folder, toy.RUNTIME).networks["restorer"].state_dict()
        return max(float((after[key] - value).abs().max()) for key, value in before.state_dict().items())

    assert moved("on", init_from="small") < 0.1 < moved("anew")


def test_a_restorer_of_another_width_starts_anew(asked: Request, tmp_path: Path) -> None:
    covering.train(asked)
    witness = toy.Witness()
    other = replace(asked, overwrite=True, init_from="small", model={**asked.model, "restorer_width": 3})
    session.run(KINDS["ae"], other, toy.RUNTIME, witness)
    assert "--init-from small: has another restorer, which starts anew" in witness.notes
    assert load.load("small", toy.RUNTIME).header.networks["restorer"].arguments["width"] == 3


def test_a_new_run_without_it_replaces_it(asked: Request, tmp_path: Path) -> None:
    covering.train(asked)
    assert (tmp_path / "run" / "restorer" / "best.safetensors").exists()
    covering.train(asked, restorer_steps=0)
    assert not (tmp_path / "run" / "restorer").exists()


def test_other_restorer_steps_on_resume_are_refused_with_both_values(asked: Request) -> None:
    covering.train(asked)
    with pytest.raises(UsageError, match="--restorer-steps 7: this run was started with 6"):
        covering.train(replace(asked, resume=True, loop={}, data={}), restorer_steps=7)


def test_its_loop_has_the_autoencoder_s_seed_and_batch_and_a_schedule_of_its_own() -> None:
    chosen = AutoencoderSettings(restorer_steps=40, restorer_width=8)
    kind = kinds.KINDS["ae"].following(chosen, LoopSettings(batch_size=5, seed=7, steps=9, learning_rate=1.0))
    assert kind is not None
    assert (kind.loop.steps, kind.loop.batch_size, kind.loop.seed, kind.loop.warmup) == (40, 5, 7, 4)
    assert kind.loop.learning_rate == 3e-3
    assert kind.settings == RestorerSettings(8)
