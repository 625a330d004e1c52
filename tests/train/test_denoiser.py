"""The training of the default prior, on a network of a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genrestore.errors import UsageError
from genrestore.models.denoiser import spread
from genrestore.runtime import Runtime
from genrestore.train.data.dataset import ImageSet
from genrestore.train.data.degradation import Sample
from genrestore.train.kinds import DenoiserSettings
from genrestore.train.kinds.base import to_patch
from genrestore.train.kinds.denoiser import JITTER, Batch, DenoiserTraining, jittered, overall
from genrestore.train.settings import LoopSettings, Mixture

SETTINGS = DenoiserSettings(patch_size=16, widths=(8, 8), blocks=(1, 1), estimator_width=8)
LOOP = LoopSettings(steps=60, batch_size=4, learning_rate=3e-3, warmup=0, schedule="constant")


def images(count: int = 2) -> ImageSet:
    row, column = np.mgrid[:64, :80]
    waves = [np.sin(row / (5 + index)) + np.cos(column / (7 + index)) for index in range(3 * count)]
    planes = np.stack(waves).reshape(count, 3, 64, 80)
    pixels = ((planes + 2) * 63).astype(np.uint8).transpose(0, 2, 3, 1)
    return ImageSet(tuple(pixels), tuple(Path(f"{index}.png") for index in range(count)), (1.0,) * count)


def training() -> DenoiserTraining:
    return DenoiserTraining(SETTINGS, LOOP, images(), images(1), Runtime("cpu", "fp32", 1, 0))


def test_the_losses_fall_on_a_batch_seen_again() -> None:
    subject = training()
    batch = subject.batch(0, range(4))
    rows = [subject.step(batch) for _ in range(40)]
    for name in ("denoiser", "estimator"):
        assert float(rows[-1][name]) < 0.85 * float(rows[0][name])  # of 16 seeds the worst came to 0.63


def test_a_batch_is_a_function_of_step_and_index() -> None:
    subject, other = training(), training()
    whole = subject.batch(3, range(4))
    parts = [other.batch(3, [2, 3]), other.batch(3, [0, 1])]
    for tensor, second, first in zip(whole, *parts, strict=True):
        assert torch.equal(tensor, torch.cat([first, second]))
    assert not torch.equal(whole.noisy, subject.batch(4, range(4)).noisy)


def test_two_trainings_begin_alike() -> None:
    first, second = training(), training()
    for one, other in zip(
        first.networks["denoiser"].parameters(), second.networks["denoiser"].parameters(), strict=True
    ):
        assert torch.equal(one, other)


def test_validation_scores_every_kind_of_noise() -> None:
    subject = training()
    numbers = subject.validate(subject.networks)
    assert set(numbers) == {"15", "25", "50", "blind", "camera", "film", "jpeg", "misled", "score"}
    assert numbers["15"] > numbers["25"] > numbers["50"] > 10
    assert numbers == subject.validate(subject.networks)


def test_samples_show_noisy_and_restored() -> None:
    subject = training()
    pictures = subject.samples(subject.networks)
    assert pictures.shape == (4, 3, 128, 128)
    assert 0 <= float(pictures.min()) <= float(pictures.max()) <= 1


def test_validation_takes_images_of_any_sizes() -> None:
    sizes = [(9, 200), (130, 40), (7, 5)]
    pictures = tuple(np.full((*size, 3), 90, np.uint8) for size in sizes)
    small = ImageSet(pictures, tuple(Path(f"{size}.png") for size in sizes), (1.0,) * len(sizes))
    subject = DenoiserTraining(SETTINGS, LOOP, images(), small, Runtime("cpu", "fp32", 1, 0))
    assert subject.validate(subject.networks)["score"] > 0
    assert subject.samples(subject.networks).shape == (2 * 2 * len(sizes), 3, 128, 128)


def test_the_header_rebuilds_the_networks() -> None:
    from genrestore.models import NETWORKS

    subject = training()
    for role, specification in subject.header().networks.items():
        again = NETWORKS[specification.name](**specification.arguments)
        again.load_state_dict(subject.networks[role].state_dict())


def test_a_patch_is_the_middle_with_sides_of_sixteen() -> None:
    image = np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3)
    patch = to_patch(image, 32)
    assert patch.shape == (3, 32, 32)
    assert torch.equal((patch * 255).round().to(torch.uint8)[:, 0, 0], torch.from_numpy(image[4, 9]))


@pytest.mark.parametrize("size", [8, 20])
def test_a_patch_size_that_does_not_fit_is_refused(size: int) -> None:
    with pytest.raises(UsageError, match=f"--patch-size {size}"):
        DenoiserSettings(patch_size=size)


def test_a_loss_that_there_is_not_is_refused() -> None:
    with pytest.raises(UsageError, match="loss square: must be one of absolute, root-mean-square"):
        DenoiserSettings(loss="square")


def test_the_loss_that_is_asked_for_is_the_one_that_falls() -> None:
    values = {}
    for loss in ("absolute", "root-mean-square"):
        subject = DenoiserTraining(
            replace(SETTINGS, loss=loss), LOOP, images(), images(1), Runtime("cpu", "fp32", 1, 0)
        )
        values[loss] = float(subject.step(subject.batch(0, range(4)))["denoiser"])
    assert values["root-mean-square"] > 1.1 * values["absolute"]


@pytest.mark.parametrize(
    ("kind", "quantiles"), [("camera", (0.85, 0.5)), ("jpeg", (0.5, 0.5)), ("white", (0.5, 0.5))]
)
def test_a_camera_s_luma_noise_is_rather_over_than_underestimated(
    kind: str, quantiles: tuple[float, float]
) -> None:
    shares = {"camera": 0.0, "correlated": 0.0, "jpeg": 0.0} | ({} if kind == "white" else {kind: 1.0})
    mixed = replace(SETTINGS, mixture=Mixture(**shares))
    subject = DenoiserTraining(mixed, LOOP, images(), images(1), Runtime("cpu", "fp32", 1, 0))
    found = subject.batch(0, range(4)).quantile.flatten(1)
    torch.testing.assert_close(found, torch.tensor(quantiles).expand(4, 2))


def test_widths_and_blocks_must_match() -> None:
    with pytest.raises(UsageError, match="--widths"):
        DenoiserSettings(widths=(8, 8), blocks=(1,))


def test_a_batch_has_the_level_of_luma_and_of_chroma() -> None:
    batch = training().batch(0, range(4))
    assert batch.level.shape == batch.condition.shape == (4, 2, 16, 16)
    assert batch.estimated.shape == (4, 1, 1, 1)
    assert batch.quantile.shape == (4, 2, 1, 1)


def sample(white: bool) -> Sample:
    """Luma rises from left to right, chroma is half of its middle."""
    level = torch.stack([torch.linspace(0.05, 0.15, 16).expand(16, 16), torch.full((16, 16), 0.05)])
    picture = torch.full((3, 16, 16), 0.5)
    return Sample(picture, picture, level, white)


def test_one_level_of_all_is_the_root_mean_square_of_r_g_and_b() -> None:
    level = torch.tensor([0.3, 0.1])[:, None, None].expand(2, 4, 4)
    assert float(overall(level)) == pytest.approx(((0.09 + 2 * 0.01) / 3) ** 0.5)
    uneven = torch.cat([level, 2 * level], 2)
    assert float(overall(uneven)) == pytest.approx(float(overall(level)) * 2.5**0.5)


def test_a_jittered_level_is_one_number_or_two_and_wrong_by_a_factor_around_one() -> None:
    level = sample(white=False).level
    draw, one, two = torch.Generator().manual_seed(0), [], []
    true = level.square().mean((1, 2)).sqrt()
    for _ in range(2000):
        said = jittered(level, draw)
        assert said.shape == level.shape
        assert torch.equal(said, said[:, :1, :1].expand_as(said))
        number = said[:, 0, 0]
        if number[0] == number[1]:
            one.append(float(number[0] / overall(level)))
        else:
            two.append(number / true)
    assert len(one) / 2000 == pytest.approx(0.6, abs=0.05)
    for factors in (torch.tensor(one).log(), *torch.stack(two).log().T):
        assert float(factors.mean()) == pytest.approx(0, abs=0.06)
        assert float(factors.std()) == pytest.approx(JITTER, rel=0.1)
    both = torch.stack(two).log().T
    assert abs(float(torch.corrcoef(both)[0, 1])) < 0.15


@pytest.mark.parametrize(
    ("white", "estimated", "misled"),
    [(False, 0.4, 0.5), (True, 0.4 / 3, 0.25), (False, 0.0, 0.2), (True, 1, 1)],
)
def test_shares_of_what_the_denoiser_is_told(white: bool, estimated: float, misled: float) -> None:
    """The level itself, a jittered one, the estimator's map or its middle; of white noise fewer of each."""
    shares = {
        "estimated_share": estimated * (3 if white and estimated < 1 else 1),
        "misled_share": misled * (2 if white and misled < 1 else 1),
    }
    if estimated == 1:
        estimated, misled = 1 / 3, 1 / 2
    subject, given = training(), sample(white)
    subject.settings = replace(SETTINGS, **shares)
    draw = torch.Generator().manual_seed(0)
    seen = {"level": 0, "jittered": 0, "map": 0, "middle": 0}
    for _ in range(1500):
        level, guess = subject.condition(given, draw)
        if guess:
            seen["map" if guess == 1 else "middle"] += 1
        else:
            seen["level" if level is given.level else "jittered"] += 1
    expected = {"map": estimated / 2, "middle": estimated / 2, "jittered": misled}
    for name, share in expected.items():
        assert seen[name] / 1500 == pytest.approx(share, abs=0.045), name


def test_a_step_tells_the_level_the_estimator_s_map_or_its_middle() -> None:
    subject = training()
    batch = subject.batch(0, range(3))._replace(estimated=torch.tensor([0, 1, 2]).reshape(3, 1, 1, 1))
    draw = torch.Generator().manual_seed(0)
    with torch.no_grad():  # an estimator that says something else everywhere
        estimator: Any = subject.networks["estimator"]
        estimator.tail.weight.normal_(0, 0.3, generator=draw)
        guess = estimator.log_level(batch.noisy)
    told, forward = [], subject.networks["denoiser"].forward

    def heard(image: torch.Tensor, level: torch.Tensor) -> torch.Tensor:
        told.append(level)
        return forward(image, level)

    subject.networks["denoiser"].forward = heard  # type: ignore[method-assign]
    subject.step(batch)
    (level,) = told
    assert torch.equal(level[0], batch.condition[0])
    torch.testing.assert_close(level[1], spread(guess, (16, 16))[1])
    middle = guess[2].flatten(1).median(1).values.exp()
    torch.testing.assert_close(level[2], middle[:, None, None].expand(2, 16, 16))
    assert not torch.allclose(level[2], spread(guess, (16, 16))[2])


def test_the_estimator_learns_the_true_level_whatever_the_denoiser_is_told() -> None:
    """From the same networks, batches that differ in what is told alone move the estimator alike."""

    def moved(told: float, level: float) -> torch.Tensor:
        subject = training()
        batch: Any = subject.batch(0, range(4))
        changed = Batch(*batch)._replace(
            condition=torch.full_like(batch.condition, told),
            level=torch.full_like(batch.level, level),
            estimated=torch.zeros_like(batch.estimated),
        )
        subject.step(changed)
        return subject.networks["estimator"].get_parameter("tail.weight").detach().clone()

    assert torch.equal(moved(0.1, 0.2), moved(0.3, 0.2))
    assert not torch.equal(moved(0.1, 0.2), moved(0.1, 0.01))


def test_the_estimator_learns_alone() -> None:
    subject = DenoiserTraining(
        replace(SETTINGS, only="estimator"), LOOP, images(), images(1), Runtime("cpu", "fp32", 1, 0)
    )
    before = {name: [p.clone() for p in network.parameters()] for name, network in subject.networks.items()}
    found = subject.step(subject.batch(0, range(4)))
    assert set(found) == {"estimator"}
    moved = {
        name: any(
            not torch.equal(old, new) for old, new in zip(before[name], network.parameters(), strict=True)
        )
        for name, network in subject.networks.items()
    }
    assert moved == {"denoiser": False, "estimator": True}


def test_only_one_network_can_be_trained_alone() -> None:
    with pytest.raises(UsageError, match="only denoiser: must be one of"):
        DenoiserSettings(only="denoiser")
