"""The generator's training: batches, both players' updates, resume, collapse, what it writes."""

from __future__ import annotations

import csv
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from genrestore.errors import UsageError
from genrestore.train.data.dataset import Folder, Reading, load_images
from genrestore.train.data.named import Library
from genrestore.train.kinds import KINDS, GanSettings, gan, losses
from genrestore.train.kinds.base import Diverged
from genrestore.train.kinds.gan import LAZY, GanTraining
from genrestore.train.loop import checkpoint, session
from genrestore.train.settings import Request
from genrestore.weights import load
from tests.train import playing, toy


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """A request on twenty random digits."""
    toy.write_digits(tmp_path, train=20)
    return playing.request(tmp_path)


def training(folder: Path, batch_size: int = 4, rate: float = 0.01, **settings: Any) -> GanTraining:
    toy.write_digits(folder, train=10)
    images = load_images([Folder.parse("mnist")], Reading(1, 28), Library(folder))
    chosen = GanSettings(**{**playing.SMALL, **settings})
    loop = replace(KINDS["gan"].loop, batch_size=batch_size, learning_rate=rate)
    return GanTraining(chosen, loop, images, images, toy.RUNTIME)


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def test_a_batch_holds_images_and_latents_for_each_update(tmp_path: Path) -> None:
    made = training(tmp_path, 5, d_steps=2)
    batch = made.batch(0, range(5))
    assert batch.images.shape == (2, 5, 1, 28, 28)
    assert batch.latents.shape == (2, 5, 3)
    seen = {row.numpy().tobytes() for row in batch.images.flatten(0, 1).flatten(1)}
    assert len(seen) == 10, "an epoch of ten images shows each once"


def test_a_step_goes_on_with_the_images_after_those_of_all_updates_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, taken = training(tmp_path, 5, d_steps=2), list[int]()
    usual = made.images.take
    monkeypatch.setattr(
        made.images, "take", lambda places: usual([(taken.append(one), one)[1] for one in places])
    )
    for step in range(3):
        made.batch(step, range(5))
    assert taken == list(range(30))


def test_a_batch_is_the_same_in_parts(tmp_path: Path) -> None:
    made = training(tmp_path, mirror=True)
    whole, parts = made.batch(3, range(4)), [made.batch(3, [0, 1]), made.batch(3, [2, 3])]
    assert torch.equal(whole.images, torch.cat([part.images for part in parts], 1))
    assert torch.equal(whole.latents, torch.cat([part.latents for part in parts], 1))
    assert not torch.equal(made.batch(4, range(4)).latents, whole.latents)


def test_real_images_are_mirrored_at_random_and_nothing_else(tmp_path: Path) -> None:
    plain = training(tmp_path, 10, mirror=False).batch(0, range(10)).images
    mirrored = training(tmp_path, 10, mirror=True).batch(0, range(10)).images
    turned = (mirrored == plain.flip(-1)).flatten(2).all(-1)
    assert ((mirrored == plain).flatten(2).all(-1) ^ turned).all()
    assert 0 < int(turned.sum()) < turned.numel()


def test_a_step_reports_the_losses_of_the_networks_as_they_were(tmp_path: Path) -> None:
    made = training(tmp_path, d_steps=1, rate=1e-12)
    batch = made.batch(0, range(4))
    numbers = made.step(batch)
    with torch.no_grad():
        generator, discriminator = made.networks["generator"], made.networks["discriminator"]
        fake = discriminator(generator(batch.latents[0]))
        expected = losses.logistic_discriminator(discriminator(batch.images[0]), fake)
    assert float(numbers["discriminator"]) == pytest.approx(float(expected), rel=1e-4)
    assert float(numbers["generator"]) == pytest.approx(
        float(losses.non_saturating_generator(fake)), rel=1e-4
    )
    assert float(numbers["generator_gradient"]) > 0


def test_reconstruction_is_of_real_images_through_the_sphere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the generator goes down is its own loss, and w times the squares of G(√d E(x) / ‖E(x)‖) − x."""
    made = training(tmp_path, 10, d_steps=1, rate=1e-12, reconstruction=7.0, encoder_steps=1, encoder_width=2)
    batch, lowered = made.batch(0, range(10)), dict[str, float]()
    usual = made.descend

    def descend(loss: torch.Tensor, name: str) -> None:
        lowered[name] = float(loss.detach())
        usual(loss, name)

    monkeypatch.setattr(made, "descend", descend)
    numbers = {name: float(value) for name, value in made.step(batch).items()}
    real, latents = batch.images[0], batch.latents[0]
    with torch.no_grad():
        code = made.networks["encoder"](real)
        code = 3**0.5 * code / code.norm(dim=1, keepdim=True)
        expected = (made.networks["generator"](torch.cat([latents, code]))[10:] - real).square().mean()
    assert numbers["reconstruction"] == pytest.approx(float(expected), rel=1e-3)
    assert lowered["generator"] == pytest.approx(
        numbers["generator"] + 7 * numbers["reconstruction"], rel=1e-4
    )


def test_the_encoder_learns_beside_the_generator(tmp_path: Path) -> None:
    made = training(tmp_path, 10, d_steps=1, reconstruction=1e4, encoder_steps=1, encoder_width=2)
    before = weights(made.networks["encoder"])
    errors = [float(made.step(made.batch(step, range(10)))["reconstruction"]) for step in range(30)]
    assert not torch.equal(weights(made.networks["encoder"]), before)
    assert sum(errors[-5:]) < 0.8 * sum(errors[:5])


@pytest.mark.parametrize("loss", sorted(losses.ADVERSARIAL))
def test_each_player_lowers_its_own_loss(tmp_path: Path, loss: str) -> None:
    made = training(tmp_path, 10, loss=loss, d_steps=1, rate=1e-3)
    batch = made.batch(0, range(10))
    play = losses.ADVERSARIAL[loss]

    def values() -> tuple[float, float]:
        with torch.no_grad():
            real, fake = (
                made.networks["discriminator"](images)
                for images in (batch.images[0], made.networks["generator"](batch.latents[0]))
            )
        return float(play.discriminator(real, fake)), float(play.generator(fake))

    before = values()
    images = made.networks["generator"](batch.latents[0])
    made._discriminate(batch.images[0], images.detach(), penalised=False)
    between = values()
    assert between[0] < before[0]
    made._generate(images)
    assert values()[1] < between[1]


def test_an_update_leaves_the_other_player_alone(tmp_path: Path) -> None:
    made = training(tmp_path, d_norm="spectral")
    batch = made.batch(0, range(4))
    generator, discriminator = made.networks["generator"], made.networks["discriminator"]
    before, images = weights(generator), generator(batch.latents[0])
    made._discriminate(batch.images[0], images.detach(), penalised=False)
    assert torch.equal(weights(generator), before)
    before = weights(discriminator)
    made._generate(images)
    assert torch.equal(weights(discriminator), before)
    assert all(parameter.requires_grad for parameter in discriminator.parameters())


def test_the_penalty_flattens_the_discriminator_at_real_images(tmp_path: Path) -> None:
    def slope(r1: float) -> float:
        made = training(tmp_path, 10, r1=r1, d_norm="spectral", loss="hinge")
        for step in range(4):
            batch = made.batch(LAZY * step, range(10))
            assert bool(batch.penalised) == (r1 > 0)
            images = made.networks["generator"](batch.latents[0]).detach()
            made._discriminate(batch.images[0], images, bool(batch.penalised))
        images = batch.images[0].requires_grad_()
        return float(losses.gradient_penalty(made.networks["discriminator"](images), images).detach())

    assert slope(100.0) < 0.5 * slope(0.0)


def test_a_discriminator_trained_to_certainty_stops_the_run(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(gan, "PATIENCE", 30)
    monkeypatch.setattr(gan, "EVERY", 10)
    loop = {**asked.loop, "steps": 400, "save_every": 10, "validate_every": 400, "learning_rate": 2e-3}
    with pytest.raises(Diverged, match=r"has collapsed.*last good checkpoint is .*run/checkpoint") as raised:
        playing.train(replace(asked, loop=loop), loss="saturating", width=4)
    done, _ = checkpoint.read(tmp_path / "run" / "checkpoint.safetensors")
    assert f"of step {done.step};" in str(raised.value)
    assert 30 <= done.step < 400


def test_weights_that_run_away_stop_the_run(asked: Request) -> None:
    loop = {**asked.loop, "learning_rate": 1e30}
    with pytest.raises(Diverged, match=r"(nan|inf) at step \d.*no checkpoint but that of the start"):
        playing.train(replace(asked, loop=loop))


def test_images_that_are_compared_are_of_all_that_were_kept_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those of a class lie together in folders: the first ones would be of the first classes alone."""
    whole = training(tmp_path).validation
    monkeypatch.setattr(gan, "COMPARED", len(whole) // 2)
    assert torch.equal(training(tmp_path).validation, whole[::2])
    assert len(whole) % 2 == 0


def test_validation_tells_samples_like_real_images_from_others(tmp_path: Path) -> None:
    made = training(tmp_path)

    class Always(nn.Module):
        def __init__(self, images: torch.Tensor) -> None:
            super().__init__()
            self.images = images

        def forward(self, latent: torch.Tensor) -> torch.Tensor:
            return self.images[: len(latent)]

    real = made.validation.float() / 255
    same = made.validate({"generator": Always(real.flip(0))})
    flat = made.validate({"generator": Always(torch.full_like(real, 0.5))})
    assert same["diversity"] == pytest.approx(1, abs=1e-6)
    assert flat["diversity"] == 0
    assert flat["score"] < 2 * same["score"] < 0


def test_samples_are_of_the_same_latents_every_time(tmp_path: Path) -> None:
    made = training(tmp_path)
    made.networks["generator"].eval()
    assert made.samples(made.networks).shape == (64, 1, 28, 28)
    assert torch.equal(made.samples(made.networks), made.samples(made.networks))


@pytest.mark.parametrize(
    "model",
    [
        {},
        {
            "d_norm": "spectral",
            "loss": "hinge",
            "r1": 1.0,
            "augment": ("translate", "cut-out"),
            "mirror": True,
        },
        {"reconstruction": 5.0, "encoder_steps": 1, "encoder_width": 2},
    ],
)
def test_a_resumed_training_is_the_same_to_the_bit(
    asked: Request, tmp_path: Path, model: dict[str, Any]
) -> None:
    playing.train(asked, **model)
    playing.train(replace(asked, run_dir=tmp_path / "half", max_minutes=0.0), **model)
    assert checkpoint.read(tmp_path / "half/checkpoint.safetensors")[0].step == 1
    resumed = Request("small", run_dir=tmp_path / "half", resume=True, overwrite=True)
    session.run(KINDS["gan"], resumed, toy.RUNTIME, toy.Witness())
    first, second = (load_file(tmp_path / name / "checkpoint.safetensors") for name in ("run", "half"))
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert not any(name.startswith("average/discriminator") for name in first)


def test_what_a_run_writes(asked: Request, tmp_path: Path) -> None:
    playing.train(asked)
    with (tmp_path / "run" / "metrics.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {"discriminator", "generator", "generator_gradient", "diversity", "score"} <= set(rows[-1])
    assert (tmp_path / "run" / "samples" / "00000012.png").exists()
    loaded = load.load("small", toy.RUNTIME)
    header = loaded.header
    assert (header.kind, header.channels, header.size) == ("generator", 1, 28)
    assert list(loaded.networks) == ["generator"]
    assert header.training["d_steps"] == 2
    assert str(tmp_path) not in header.to_text()
    assert loaded.networks["generator"](torch.randn(1, 3)).shape == (1, 1, 28, 28)


def test_start_weights_bring_the_generator_and_a_new_discriminator(asked: Request, tmp_path: Path) -> None:
    playing.train(asked)
    witness = toy.Witness()
    again = replace(
        asked,
        model=playing.SMALL,
        init_from="small",
        name="next",
        run_dir=tmp_path / "next",
        loop={**asked.loop, "learning_rate": 1e-12, "ema_decay": 0.0},
    )
    session.run(KINDS["gan"], again, toy.RUNTIME, witness)
    assert any("has no discriminator, which starts anew" in note for note in witness.notes)
    first, second = (load.load(name, toy.RUNTIME).networks["generator"] for name in ("small", "next"))
    assert torch.allclose(weights(first), weights(second), atol=1e-3)


def test_fewer_images_than_a_batch_are_refused(asked: Request) -> None:
    with pytest.raises(UsageError, match=r"16 images .* fewer than a batch; .* --batch-size below 17"):
        playing.train(replace(asked, loop={**asked.loop, "batch_size": 17}))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("latent_dim", 0, "latent_dim 0: must be from 1 to 4096"),
        ("size", 30, "size 30: must be one of 28, 32, 64, 128"),
        ("channels", 2, "channels 2: must be one of 1, 3"),
        ("loss", "kl", "loss kl: must be one of non-saturating, saturating, l2, hinge"),
        ("d_steps", 0, "d_steps 0: must be from"),
        ("d_rate", 0.0, "d_rate 0.0: must be from"),
        ("d_norm", "group", "d_norm group: must be one of batch, spectral"),
        ("r1", float("nan"), "r1 nan: must be from"),
        ("reconstruction", -1.0, "reconstruction -1.0: must be from"),
        ("momentum", 1.0, "momentum 1.0: must be from"),
        ("augment", ("shear",), "augment shear: must be one of translate, cut-out, recolour"),
    ],
)
def test_settings_that_cannot_be_meant(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        GanSettings(**{name: value})


def test_the_report_s_recipe() -> None:
    assert KINDS["gan"].recipe is not None
    filled = KINDS["gan"].recipe.fill({"batch_size": 9})
    assert [filled[name] for name in ("epochs", "batch_size", "learning_rate", "ema_decay")] == [
        15,
        9,
        2e-4,
        0,
    ]
    assert (filled["latent_dim"], filled["width"], filled["momentum"]) == (100, 64, 0.5)
    celeba = KINDS["gan"].recipe.fill({"data": ["celeba"]})
    assert (celeba["size"], celeba["channels"], "size" in filled) == (64, 3, False)
