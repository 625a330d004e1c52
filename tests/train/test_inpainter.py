"""The training of the inpainter, on a network of a second."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from genrestore.errors import UsageError
from genrestore.runtime import Runtime
from genrestore.train.data import holes
from genrestore.train.kinds import InpainterSettings
from genrestore.train.kinds.inpainter import InpainterTraining
from tests.train.test_denoiser import LOOP, images

SETTINGS = InpainterSettings(patch_size=16, widths=(8, 8), blocks=(1, 1), noisy=0.5)


def training(**changes: float) -> InpainterTraining:
    settings = replace(SETTINGS, **changes)  # type: ignore[arg-type]
    return InpainterTraining(settings, LOOP, images(), images(1), Runtime("cpu", "fp32", 1, 0))


def test_the_loss_falls_on_a_batch_seen_again() -> None:
    subject = training()
    batch = subject.batch(0, range(4))
    losses = [float(subject.step(batch)["inpainter"]) for _ in range(60)]
    assert losses[-1] < 0.8 * losses[0]


def test_a_batch_is_a_function_of_step_and_index() -> None:
    subject, other = training(), training()
    whole = subject.batch(3, range(4))
    parts = [other.batch(3, [2, 3]), other.batch(3, [0, 1])]
    for tensor, second, first in zip(whole, *parts, strict=True):
        assert torch.equal(tensor, torch.cat([first, second]))
    assert not torch.equal(whole.damaged, subject.batch(4, range(4)).damaged)


def test_known_pixels_without_noise_cost_nothing() -> None:
    """Whatever the network gives there: the loss is that of the holes alone."""
    subject = training(noisy=0.0)
    batch = subject.batch(0, range(4))
    everything = batch._replace(known=torch.ones_like(batch.known))
    assert float(subject.step(everything)["inpainter"]) == pytest.approx(0, abs=2e-4)
    assert float(subject.step(batch)["inpainter"]) > 0.01


def test_what_lies_in_the_holes_is_not_looked_at() -> None:
    subject = training()
    batch = subject.batch(0, range(4))
    filled = batch._replace(damaged=torch.where(batch.known > 0, batch.damaged, 7.0))
    found = [float(training().step(each)["inpainter"]) for each in (batch, filled)]
    assert found[0] == found[1]


def test_the_level_that_is_told_is_that_of_the_noise() -> None:
    """In the whole sample, holes too; where no sample is noisy there is none."""
    subject = training(patch_size=64, noisy=1.0, grey=0.0)
    batch = subject.batch(0, range(8))
    noise = (batch.damaged - batch.clean).square().mean((1, 2, 3)).sqrt()
    assert float(batch.level.min()) > 0
    assert noise.tolist() == pytest.approx(batch.level.flatten().tolist(), rel=0.05)
    plain = training(noisy=0.0).batch(0, range(8))
    assert torch.equal(plain.damaged, plain.clean)
    assert float(plain.level.abs().max()) == 0


def test_some_samples_are_seen_again_with_one_or_two_guesses() -> None:
    guesses = training(again=1.0).batch(0, range(200)).guesses.flatten()
    assert set(guesses.tolist()) == {1, 2}
    assert float((guesses == 2).float().mean()) == pytest.approx(0.4, abs=0.1)
    assert not training(again=0.0).batch(0, range(8)).guesses.any()


def test_as_many_patches_miss_single_pixels_as_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked, usual = list[tuple[object, ...]](), holes.draw

    def draw(*given: object) -> torch.Tensor:
        asked.append(given[2:])
        return usual(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(holes, "draw", draw)
    training(scattered=0.8).batch(0, range(3))
    assert asked == [(0.8,)] * 3


def test_grey_patches_have_grey_noise() -> None:
    subject = training(grey=1.0, noisy=1.0)
    damaged = subject.batch(0, range(4)).damaged
    assert torch.equal(damaged[:, 0], damaged[:, 1])
    assert torch.equal(damaged[:, 0], damaged[:, 2])


def test_validation_scores_every_kind_of_holes() -> None:
    subject = training()
    numbers = subject.validate(subject.networks)
    assert set(numbers) == {"50", "80", "writing", "square", "score"}
    assert numbers["50"] > numbers["80"] > 5
    assert numbers == subject.validate(subject.networks)


def test_samples_show_damaged_and_restored() -> None:
    subject = training()
    pictures = subject.samples(subject.networks)
    assert pictures.shape == (8, 3, 128, 128)
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1


def test_the_header_names_kind_and_network() -> None:
    header = training().header()
    assert header.kind == "inpainter"
    assert set(header.networks) == {"denoiser"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"patch_size": 20}, "--patch-size 20"),
        ({"blocks": (1,)}, "--blocks"),
        ({"noisy": 1.5}, "noisy 1.5"),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        replace(SETTINGS, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["scattered", "noisy", "grey", "again"])
@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan")])
def test_a_share_that_is_none_is_refused_by_its_option(name: str, share: float) -> None:
    with pytest.raises(UsageError, match=f"{name} {share}: must be from 0"):
        training(**{name: share})
