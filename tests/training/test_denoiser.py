"""The training of the default prior, on a network of a second."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from genrestore.errors import UsageError
from genrestore.runtime import Runtime
from genrestore.training.dataset import ImageSet
from genrestore.training.denoiser import DenoiserSettings, DenoiserTraining, to_patch
from genrestore.training.settings import LoopSettings

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
    for one, other in zip(first.denoiser.parameters(), second.denoiser.parameters(), strict=True):
        assert torch.equal(one, other)


def test_validation_scores_every_kind_of_noise() -> None:
    subject = training()
    numbers = subject.validate(subject.networks)
    assert set(numbers) == {"15", "25", "50", "blind", "camera", "score"}
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
    with pytest.raises(UsageError, match="--loss square: must be one of absolute, root-mean-square"):
        DenoiserSettings(loss="square")


def test_the_loss_that_is_asked_for_is_the_one_that_falls() -> None:
    values = {}
    for loss in ("absolute", "root-mean-square"):
        subject = DenoiserTraining(
            replace(SETTINGS, loss=loss), LOOP, images(), images(1), Runtime("cpu", "fp32", 1, 0)
        )
        values[loss] = float(subject.step(subject.batch(0, range(4)))["denoiser"])
    assert values["root-mean-square"] > 1.1 * values["absolute"]


def test_camera_noise_is_rather_over_than_underestimated() -> None:
    mixed = replace(SETTINGS, mixture=replace(SETTINGS.mixture, camera=0.5))
    subject = DenoiserTraining(mixed, LOOP, images(), images(1), Runtime("cpu", "fp32", 1, 0))
    batch = subject.batch(0, range(16))
    assert {round(value, 2) for value in batch.quantile.flatten().tolist()} == {0.5, 0.85}


def test_widths_and_blocks_must_match() -> None:
    with pytest.raises(UsageError, match="--widths"):
        DenoiserSettings(widths=(8, 8), blocks=(1,))
