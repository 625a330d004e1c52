"""The encoder that is trained after a generator: its loss, its run, what it writes."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from genrestore.errors import Interrupted, UsageError
from genrestore.models.dcgan import Generator
from genrestore.train import kinds
from genrestore.train.data.dataset import Folder, Reading, load_images
from genrestore.train.data.named import Library
from genrestore.train.kinds import KINDS, EncoderSettings, GanSettings
from genrestore.train.kinds.encoder import IMAGE_WEIGHT, EncoderTraining
from genrestore.train.loop import checkpoint, session
from genrestore.train.settings import LoopSettings, Request
from genrestore.weights import load
from genrestore.weights.header import Header, NetworkSpec
from genrestore.weights.load import Loaded
from tests.train import playing, toy
from tests.train.playing import AFTER


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """A request on twenty random digits."""
    toy.write_digits(tmp_path, train=20)
    return playing.request(tmp_path)


def generator() -> Loaded:
    """A generator with its first values, in evaluation mode, without gradients."""
    torch.manual_seed(0)
    arguments = {"latent": 3, "channels": 1, "size": 28, "width": 2}
    network = Generator(**arguments).eval().requires_grad_(False)
    for module in network.modules():
        if isinstance(module, nn.ConvTranspose2d):
            nn.init.normal_(module.weight, std=0.3)  # so that latents can be told apart
    spec = NetworkSpec("dcgan-generator", arguments)
    header = Header("generator", {"generator": spec}, 1, 28, {}, "", "", "", "0")
    return Loaded(header, {"generator": network})


def training(folder: Path, rate: float = 0.01) -> EncoderTraining:
    toy.write_digits(folder, train=10)
    images = load_images([Folder.parse("mnist")], Reading(1, 28), Library(folder))
    loop = LoopSettings(batch_size=10, learning_rate=rate)
    return EncoderTraining(EncoderSettings(4), loop, images, images, toy.RUNTIME, generator())


def test_a_step_reports_the_parts_of_the_loss_and_lowers_it(tmp_path: Path) -> None:
    made = training(tmp_path)
    losses = []
    for step in range(60):
        numbers = {name: float(value) for name, value in made.step(made.batch(step, range(10))).items()}
        assert set(numbers) == {"loss", "latent", "own", "real"}
        losses.append(numbers["latent"] + IMAGE_WEIGHT * (numbers["own"] + numbers["real"]))
        assert numbers["loss"] == pytest.approx(losses[-1], rel=1e-4)
    assert sum(losses[-5:]) < 0.8 * sum(losses[:5])


def test_the_generator_stays_as_it_is(tmp_path: Path) -> None:
    made = training(tmp_path)
    before = {key: value.clone() for key, value in made.networks["generator"].state_dict().items()}
    made.step(made.batch(0, range(10)))
    after = made.networks["generator"].state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def test_validation_is_of_what_comes_back(tmp_path: Path) -> None:
    made = training(tmp_path)
    made.networks["encoder"].eval()
    found = made.validate(made.networks)
    clean = made.validation.float() / 255
    with torch.no_grad():
        errors = (
            (made.networks["generator"](made.networks["encoder"](clean)) - clean).square().mean((1, 2, 3))
        )
    assert found["score"] == pytest.approx(float((-10 * errors.log10()).mean()), rel=1e-5)
    assert made.error_99 == pytest.approx(float(torch.quantile(errors.sqrt(), 0.99)), rel=1e-5)


def test_samples_are_pairs_of_real_and_own_images(tmp_path: Path) -> None:
    made = training(tmp_path)
    samples = made.samples(made.networks)
    assert samples.shape == (40, 1, 28, 28)
    assert torch.equal(samples[:20:2], made.validation.float() / 255)


def test_it_follows_the_generator_into_the_same_weights(asked: Request, tmp_path: Path) -> None:
    result = playing.train(replace(asked, origin="digits", licence="CC0-1.0"), **AFTER)
    assert (result.finished, result.progress.step) == (True, 6)
    loaded = load.load("small", toy.RUNTIME)
    header = loaded.header
    assert sorted(loaded.networks) == ["encoder", "generator"]
    assert (header.kind, header.data, header.licence) == ("generator", "digits", "CC0-1.0")
    assert header.training["generator"]["d_steps"] == 2
    assert 0 < header.training["error_99"] < 1
    alone = load.load_file(tmp_path / "run" / "best.safetensors").networks["generator"].state_dict()
    both = loaded.networks["generator"].state_dict()
    assert all(torch.equal(alone[key], both[key]) for key in alone)
    with torch.no_grad():
        assert loaded.networks["encoder"](torch.rand(2, 1, 28, 28)).shape == (2, 3)


def test_it_goes_on_from_an_encoder_that_learned_beside_the_generator(asked: Request, tmp_path: Path) -> None:
    slow = replace(asked, loop={**asked.loop, "ema_decay": 0.0, "learning_rate": 1e-12})
    playing.train(slow, reconstruction=1.0, **AFTER)
    first = load.load_file(tmp_path / "run" / "best.safetensors").networks["encoder"]
    last = load.load("small", toy.RUNTIME).networks["encoder"]
    one, other = (next(network.parameters()).flatten() for network in (first, last))
    assert torch.cosine_similarity(one, other, 0) > 0.9


def test_a_run_that_was_stopped_in_either_part_ends_alike(asked: Request, tmp_path: Path) -> None:
    playing.train(asked, **AFTER)
    playing.train(replace(asked, run_dir=tmp_path / "half", max_minutes=0.0), **AFTER)
    parts = tmp_path / "half", tmp_path / "half" / "encoder"
    assert checkpoint.read(parts[0] / "checkpoint.safetensors")[0].step == 1
    resumed = Request("small", run_dir=tmp_path / "half", resume=True, overwrite=True)

    class Stopping(toy.Witness):
        def stepped(self, step: int, steps: int) -> None:
            if steps == 6 and step == 2:
                raise Interrupted("as if by Ctrl-C")

    with pytest.raises(Interrupted):
        session.run(KINDS["gan"], replace(resumed, loop={"save_every": 1}), toy.RUNTIME, Stopping())
    assert checkpoint.read(parts[0] / "checkpoint.safetensors")[0].step == 12
    assert checkpoint.read(parts[1] / "checkpoint.safetensors")[0].step == 1
    session.run(KINDS["gan"], resumed, toy.RUNTIME, toy.Witness())
    name = "encoder/checkpoint.safetensors"
    first, second = (load_file(tmp_path / folder / name) for folder in ("run", "half"))
    assert all(torch.equal(first[key], second[key]) for key in first)


def test_a_new_run_replaces_the_encoder_too(asked: Request, tmp_path: Path) -> None:
    playing.train(asked, **AFTER)
    assert (tmp_path / "run" / "encoder" / "best.safetensors").exists()
    playing.train(asked)
    assert not (tmp_path / "run" / "encoder").exists()


def test_other_encoder_steps_on_resume_are_refused_with_both_values(asked: Request) -> None:
    playing.train(asked, **AFTER)
    with pytest.raises(UsageError, match="--encoder-steps 7: this run was started with 6"):
        playing.train(replace(asked, resume=True, loop={}, data={}), encoder_steps=7)


def test_the_encoder_s_loop_has_the_generator_s_seed_and_batch_and_is_adam_s() -> None:
    chosen = GanSettings(encoder_steps=40, encoder_width=8)
    loop = LoopSettings(batch_size=5, seed=7, optimiser="muon", weight_decay=0.1, ema_decay=0.5)
    kind = kinds.KINDS["gan"].following(chosen, loop)
    assert kind is not None
    assert (kind.loop.steps, kind.loop.batch_size, kind.loop.seed, kind.loop.warmup) == (40, 5, 7, 4)
    assert (kind.loop.optimiser, kind.loop.weight_decay, kind.loop.ema_decay) == ("adamw", 0.0, 0.999)
    assert kind.settings == EncoderSettings(8)
