"""The autoencoder's training: batches, losses, resume, what it writes."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genrestore.errors import UsageError
from genrestore.study import coverage
from genrestore.train.data.dataset import Folder, ImageSet, Reading, load_images
from genrestore.train.data.named import Library
from genrestore.train.kinds import KINDS, AutoencoderSettings
from genrestore.train.kinds.autoencoder import AutoencoderTraining, Batch
from genrestore.train.loop import session
from genrestore.train.settings import LoopSettings, Request
from genrestore.weights import load
from tests.train import covering, toy


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """A request on twenty random digits."""
    toy.write_digits(tmp_path, train=20)
    return covering.request(tmp_path)


def training(folder: Path, batch_size: int = 4, **settings: Any) -> AutoencoderTraining:
    toy.write_digits(folder, train=10)
    images = load_images([Folder.parse("mnist")], Reading(1, 28), Library(folder))
    chosen = AutoencoderSettings(**{**covering.SHAPE, "cover": "none", "outliers": 0.0, **settings})
    loop = replace(KINDS["ae"].loop, batch_size=batch_size, learning_rate=0.01)
    return AutoencoderTraining(chosen, loop, images, images, toy.RUNTIME)


def test_every_epoch_shows_each_image_once_in_an_order_of_its_own(tmp_path: Path) -> None:
    made = training(tmp_path, 5)
    epochs = [
        torch.cat([made.batch(step, range(5)).images for step in (first, first + 1)]).flatten(1)
        for first in (0, 2)
    ]
    everything = {row.numpy().tobytes() for row in (made.images.pixels.float() / 255).flatten(1)}
    assert all({row.numpy().tobytes() for row in epoch} == everything for epoch in epochs)
    assert not torch.equal(*epochs)


def test_a_batch_is_the_same_in_parts(tmp_path: Path) -> None:
    made = training(tmp_path)
    whole, parts = made.batch(3, range(4)), [made.batch(3, [0, 1]), made.batch(3, [2, 3])]
    assert torch.equal(whole.images, torch.cat([part.images for part in parts]))
    assert {int(part.seed) for part in parts} == {int(whole.seed)}
    assert int(made.batch(4, [0]).seed) != int(whole.seed)


def black_and_white() -> Batch:
    """Five black images and five white ones, which a latent of two numbers tells apart easily."""
    grey = torch.tensor([0.0, 1.0]).repeat(5).reshape(10, 1, 1, 1)
    images = grey.expand(-1, -1, 28, 28)
    return Batch(images, torch.tensor(3), images[:0])


def test_steps_lower_the_loss_that_they_report(tmp_path: Path) -> None:
    made, batch = training(tmp_path, 10, loss="mean-square"), black_and_white()
    losses = [float(made.step(batch)["reconstruction"]) for _ in range(31)]
    with torch.no_grad():
        expected = (made.networks["autoencoder"](batch.images) - batch.images).square().mean()
    assert losses[-1] < 0.6 * losses[0]  # of 24 seeds the worst came to 0.25
    assert float(made.step(batch)["reconstruction"]) == pytest.approx(float(expected), rel=1e-4)


def test_a_step_follows_the_slope_of_reconstruction_and_of_coverage_by_its_weight(tmp_path: Path) -> None:
    made = training(tmp_path, 10, loss="mean-square", cover="moments", cover_weight=0.25)
    batch, network = made.batch(0, range(10)), made.networks["autoencoder"]
    latent = network.encode(batch.images)
    terms = {
        "reconstruction": (network.decode(latent) - batch.images).square().mean(),
        "coverage": coverage.moments(latent, torch.Generator()),
    }
    loss = terms["reconstruction"] + 0.25 * terms["coverage"]
    expected = torch.autograd.grad(loss, list(network.parameters()))
    found = made.step(batch)
    assert found.keys() == {"loss", *terms}
    assert float(found["loss"]) == pytest.approx(float(loss.detach()), rel=1e-4)
    for name, term in terms.items():
        assert float(found[name]) == pytest.approx(float(term.detach()), rel=1e-4)
    for parameter, slope in zip(network.parameters(), expected, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, slope, rtol=1e-3, atol=1e-4 * float(slope.abs().max()))


def test_validation_is_the_mean_of_every_image_s_psnr(tmp_path: Path) -> None:
    made = training(tmp_path)
    found = made.validate(made.networks)
    clean = made.images.pixels.float() / 255
    with torch.no_grad():
        error = (made.networks["autoencoder"](clean) - clean).square().mean((1, 2, 3))
    assert found["score"] == pytest.approx(float((10 * (1 / error).log10()).mean()), rel=1e-5)
    assert 0 <= found["variance_least"] <= found["variance_largest"]


def test_validation_keeps_where_the_latents_of_the_class_lie(tmp_path: Path) -> None:
    made = training(tmp_path)
    averaged = {"autoencoder": copy.deepcopy(made.networks["autoencoder"])}
    made.validate(averaged)
    images = made.images.pixels.float() / 255
    with torch.no_grad():
        logits = torch.logit(averaged["autoencoder"].encode(images))
    for network in (averaged["autoencoder"], made.networks["autoencoder"]):
        assert torch.allclose(network.centre, logits.mean(0), atol=1e-4)
        assert not torch.allclose(network.spread, training(tmp_path).networks["autoencoder"].spread)


def test_samples_are_pairs_and_decoded_latents(tmp_path: Path) -> None:
    made = training(tmp_path)
    samples = made.samples(made.networks)
    assert samples.shape == (40, 1, 28, 28)
    assert torch.equal(samples[0:20:2], made.validation.float() / 255)
    with torch.no_grad():
        assert torch.allclose(samples[1], made.networks["autoencoder"](samples[:1])[0], atol=1e-6)


def test_outliers_are_some_of_the_batch_s_images_changed_and_the_same_in_parts(tmp_path: Path) -> None:
    made = training(tmp_path, 8, cover="mmd", outliers=0.5)
    whole, parts = made.batch(3, range(8)), [made.batch(3, range(0, 8, 2)), made.batch(3, range(1, 8, 2))]
    assert whole.others.shape == (4, 1, 28, 28)
    assert torch.equal(whole.others[::2], parts[0].others)
    assert torch.equal(whole.others[1::2], parts[1].others)
    assert not any(bool((one == whole.images).flatten(1).all(1).any()) for one in whole.others)
    assert not len(training(tmp_path, 8, cover="none", outliers=0.5).batch(3, range(8)).others)


def test_latents_of_outliers_are_drawn_to_those_of_the_class(tmp_path: Path) -> None:
    made = training(tmp_path, 10, cover="mmd", outliers=1.0)
    network, recent = made.networks["autoencoder"], made.networks["recent"]
    recent.latents.copy_(0.1 * torch.rand(4096, 2))  # all of the class lies in one corner
    batch = made.batch(0, range(10))
    before = float(network.encode(batch.others).detach().mean())
    for _ in range(40):
        numbers = made.step(batch)
        recent.latents.copy_(0.1 * torch.rand(4096, 2))
    assert float(numbers["outliers"]) < 0.3  # as far as the corner is from the middle: 0.6
    with torch.no_grad():
        assert float(network.encode(batch.others).mean()) < before - 0.1


def test_a_resumed_training_is_the_same_to_the_bit(asked: Request, tmp_path: Path) -> None:
    asked = replace(asked, model={**asked.model, "outliers": 0.5})
    covering.train(asked)
    half = replace(asked, run_dir=tmp_path / "half", epochs=None)
    covering.train(replace(half, max_minutes=0.0))
    resumed = Request("small", run_dir=tmp_path / "half", resume=True, overwrite=True)
    session.run(KINDS["ae"], resumed, toy.RUNTIME, toy.Witness())
    first, second = (
        load.load(str(tmp_path / name / "last.safetensors"), toy.RUNTIME).networks["autoencoder"]
        for name in ("run", "half")
    )
    assert all(torch.equal(*pair) for pair in zip(first.parameters(), second.parameters(), strict=True))


def test_the_header_builds_the_network_and_names_no_folder(asked: Request, tmp_path: Path) -> None:
    covering.train(asked)
    loaded = load.load("small", toy.RUNTIME)
    header = loaded.header
    assert (header.kind, header.channels, header.size) == ("autoencoder", 1, 28)
    assert header.training["data"]["data"] == ["mnist"]
    assert header.training["cover"] == "mmd"
    assert str(tmp_path) not in header.to_text()
    assert loaded.networks["autoencoder"](torch.rand(1, 1, 28, 28)).shape == (1, 1, 28, 28)


def test_epochs_are_steps_by_the_number_of_images(asked: Request) -> None:
    loop = {name: value for name, value in asked.loop.items() if name != "steps"}
    result = covering.train(replace(asked, loop=loop, epochs=2.0))
    assert result.progress.step == 4  # 16 images to learn from, 8 a step
    with pytest.raises(UsageError, match="--epochs 2 with --steps 12: give one of them"):
        covering.train(replace(asked, epochs=2.0))
    again = Request("small", run_dir=asked.run_dir, resume=True, overwrite=True, epochs=3.0)
    with pytest.raises(UsageError, match="--epochs 3: a run that is resumed has 4 steps; give --steps"):
        session.run(KINDS["ae"], again, toy.RUNTIME, toy.Witness())


def test_fewer_images_than_a_batch_are_refused(asked: Request) -> None:
    with pytest.raises(UsageError, match=r"16 images .* fewer than a batch; .* --batch-size below 17"):
        covering.train(replace(asked, loop={**asked.loop, "batch_size": 17}))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("latent_dim", 0, "latent_dim 0: must be from 1 to 4096"),
        ("size", 30, "size 30: must be one of 28, 32, 64, 128"),
        ("channels", 2, "channels 2: must be one of 1, 3"),
        ("cover", "all", "cover all: must be one of none, moments"),
        ("cover_weight", -1.0, "cover_weight -1.0: must be from"),
        ("outliers", 1.5, "outliers 1.5: must be from 0 to 1"),
        ("restorer_steps", -1, "restorer_steps -1: must be from"),
        ("restorer_width", 0, "restorer_width 0: must be from"),
        ("loss", "kl", "loss kl: must be one of"),
    ],
)
def test_settings_that_cannot_be_meant(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        AutoencoderSettings(**{name: value})


def recipe(**given: Any) -> tuple[dict[str, Any], AutoencoderSettings, LoopSettings]:
    """Options by `--recipe report`, and what a training is built of then."""
    kind = KINDS["ae"]
    assert kind.recipe is not None
    filled = kind.recipe.fill(given)
    own = {name: value for name, value in filled.items() if hasattr(kind.settings, name)}
    loop = {name: value for name, value in filled.items() if hasattr(kind.loop, name)}
    return filled, replace(kind.settings, **own), replace(kind.loop, **loop)


def test_the_report_s_recipe() -> None:
    filled, _, _ = recipe()
    assert (filled["epochs"], filled["batch_size"], filled["learning_rate"]) == (50, 48, 1e-3)
    assert "latent_dim" not in filled
    filled, settings, _ = recipe(cover="moments", latent_dim=3)
    assert (filled["epochs"], filled["learning_rate"], filled["latent_dim"]) == (100, 5e-4, 3)
    assert 20 * 4 * settings.cover_weight == 1  # its squares are on [-1, 1]
    assert recipe(cover="moments")[1].latent_dim == 10
    assert (settings.hidden_norm, recipe(cover="moments", hidden_norm=True)[1].hidden_norm) == (False, True)
    celeba = recipe(data=["celeba:2"])[1]
    assert (celeba.size, celeba.channels, recipe(data=["mnist"])[1].size) == (64, 3, 28)
    assert recipe(data=["celeba"], size=32)[1].size == 32
    assert not any("epochs" in recipe(**given)[0] for given in ({"steps": 3}, {"resume": True}))


def test_the_report_s_recipe_tells_dark_images_apart_before_they_are_all_black() -> None:
    """It once drove every pixel to where the sigmoid has no slope, within its first ten steps."""
    pixels = np.zeros((48, 28, 28, 1), np.uint8)
    for index in range(48):
        top, left = (2 + 8 * place for place in divmod(index % 4, 2))
        pixels[index, top : top + 8, left : left + 8] = 255
    images = ImageSet(tuple(pixels), (Path("square.png"),) * 48, (1.0,) * 48)
    _, chosen, loop = recipe(latent_dim=4, width=8, hidden=32)
    made = AutoencoderTraining(chosen, loop, images, images, toy.RUNTIME)
    losses = [float(made.step(made.batch(step, range(48)))["reconstruction"]) for step in range(60)]
    mean_image = float((pixels / 255).var(0).mean())
    assert losses[-1] < 0.3 * mean_image  # of four seeds the worst came to 0.11
