"""Latents found again, by a tiny generator whose images are known."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import genrestore
from genrestore.errors import InputError, UsageError, WeightsError
from genrestore.metrics import psnr
from genrestore.restore.pictures import Restore
from genrestore.restore.settings import LatentSearch
from genrestore.restore.task import Picture, Restored
from genrestore.runtime import Runtime
from tests import tiny
from tests.restore.patterns import board, latents, pictures
from tests.restore.restorers import inverter, together, watched

RUNTIME = Runtime("cpu", "fp32", 1, 0)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_generator(tmp_path_factory.mktemp("weights")))


def task(weights: str, **words: Any) -> Restore:
    return inverter(weights, runtime=RUNTIME, **words)


def latent_of(inverted: Restored) -> torch.Tensor:
    assert inverted.latent is not None
    return inverted.latent


def test_images_of_its_own_are_found_again_with_their_latents(weights: str) -> None:
    for inverted, pixels, latent in zip(
        together(task(weights), pictures(3)), pictures(3), latents(3), strict=True
    ):
        assert psnr(inverted.pixels, pixels) > 50
        assert torch.allclose(latent_of(inverted)[0], latent, atol=0.02)
        assert inverted.in_domain is True
        assert inverted.figures["distance"] < 0.4  # the file's rounding
        assert "4 starts ended at 1, " in inverted.notes[0]


def test_the_self_test_finds_its_own_and_tells_how_far_it_is(weights: str) -> None:
    told: list[float] = []
    search = LatentSearch(restarts=1, prior_weight=0.0)
    prior: Any = task(weights).prior
    assert min(prior.self_test(5, search, told.append)) > 60
    assert told == sorted(told)
    assert 0 < told[0] < 1 == told[-1]


def test_a_result_is_the_same_alone_together_and_backwards(weights: str) -> None:
    made, given = task(weights, settings=LatentSearch(steps=6, restarts=2)), [*pictures(2), board()]
    at_once, backwards = together(made, given), together(made, given[::-1])[::-1]
    for number, pixels in enumerate(given):
        alone = made(pixels)
        assert torch.equal(latent_of(at_once[number]), latent_of(backwards[number]))
        assert torch.equal(latent_of(at_once[number]), latent_of(alone))
        assert np.array_equal(at_once[number].pixels, alone.pixels)


def test_more_starts_and_steps_never_end_worse(weights: str) -> None:
    few, many = (
        task(weights, settings=LatentSearch(steps=steps, restarts=starts, prior_weight=0.0))(board()).figures[
            "distance"
        ]
        for steps, starts in ((3, 1), (24, 6))
    )
    assert many <= few + 1e-3


def test_absolute_values_are_less_led_astray_by_a_few_wrong_pixels(weights: str) -> None:
    (clean,) = pictures(1, seed=4)
    wrong = clean.copy()
    wrong[..., 3:6, 3:9] = 255 - wrong[..., 3:6, 3:9]
    errors = {}
    for loss in ("l1", "l2"):
        search = LatentSearch(loss=loss, prior_weight=0.0)
        found = task(weights, settings=search)(wrong).pixels.astype(float)
        errors[loss] = np.abs(found - clean).mean()
    assert errors["l1"] < errors["l2"] / 2


def test_the_prior_draws_latents_towards_the_middle(weights: str) -> None:
    free, drawn = (
        task(weights, settings=LatentSearch(prior_weight=weight, restarts=1))(board()).latent.square().sum()  # type: ignore[union-attr]
        for weight in (0.0, 20.0)
    )
    assert float(drawn) < float(free)


def test_every_step_is_told_and_the_best_start_never_rises(weights: str) -> None:
    _, seen = watched(partial(task, weights), pictures(2))
    steps = seen.rows
    assert sorted(steps) == [0, 1]
    for told in steps.values():
        assert [step.index for step in told] == list(range(len(told)))
        data = [float(step.energies["data"][0]) for step in told]
        assert data[-1] < data[0]
        assert all(later <= earlier * (1 + 1e-6) for earlier, later in zip(data, data[1:], strict=False))


@pytest.mark.parametrize("search", [LatentSearch(prior_weight=0.0), LatentSearch.report(28, steps=40)])
def test_progress_moves_with_the_search_and_ends_at_all_of_it(weights: str, search: LatentSearch) -> None:
    told: list[float] = []
    task(weights, settings=search).together([Picture(one) for one in pictures(2)], told.append)
    assert told == sorted(told)
    assert (told[0] < 0.1, told[-1]) == (True, 1.0)
    leaps = [later - earlier for earlier, later in zip(told, told[1:], strict=False)]
    assert max(leaps) < 0.8  # the tiny generator's best start has nothing left to do


def test_the_recipe_of_the_report_takes_adam_from_one_start(weights: str) -> None:
    search = LatentSearch.report(28, steps=150)
    assert (search.rate, LatentSearch.report(64).rate) == (0.05, 0.005)
    inverted = task(weights, settings=search)(pictures(1)[0])
    assert inverted.notes[0].startswith("error ")
    assert "starts" not in inverted.notes[0]
    worse = task(weights, settings=LatentSearch.report(28, steps=5))(pictures(1)[0])
    assert inverted.figures["distance"] < worse.figures["distance"]
    usual = task(weights)(pictures(1)[0])
    assert usual.figures["distance"] <= inverted.figures["distance"] + 0.03


def test_a_picture_of_another_kind_is_told_with_both_figures(weights: str) -> None:
    inverted = task(weights)(board())
    assert inverted.in_domain is False
    assert "far from what the prior knows: it misses this picture by " in inverted.notes[1]
    assert "99 of 100 of its own by less than 13" in inverted.notes[1]  # 0.05 of 255


def test_another_size_fails_with_both_unless_it_is_scaled(weights: str) -> None:
    photo = np.full((1, 3, 40, 60), 200, np.uint8)
    with pytest.raises(InputError, match=r"60x40 RGB, and these weights restore 28x28 grey: resize"):
        task(weights)(photo)
    assert task(weights, resize=True, settings=LatentSearch(steps=1))(photo).pixels.shape == photo.shape


def test_only_generators_are_inverted(tmp_path: Path) -> None:
    path = str(tiny.save_autoencoder(tmp_path))
    with pytest.raises(WeightsError, match="of kind 'autoencoder', and only a generator can be inverted"):
        task(path)


def test_python_gives_the_picture_and_its_latent(weights: str) -> None:
    array = pictures(1)[0][0, 0]
    made, latent = genrestore.invert(array, weights=weights, runtime=RUNTIME)
    assert np.array_equal(made, task(weights)(array[None, None]).pixels[0, 0])
    assert latent.shape == (1, 3)
    stack = torch.from_numpy(np.concatenate(pictures(2)))
    made, latent = genrestore.invert(stack, weights=weights, runtime=RUNTIME)
    assert (made.shape, latent.shape) == (stack.shape, (2, 3))


def test_provenance_tells_of_the_search(weights: str) -> None:
    made = task(weights, settings=LatentSearch(loss="l1", restarts=3)).provenance
    assert (made["loss"], made["restarts"], made["steps"], made["resize"]) == ("l1", 3, 300, False)
    assert made["weights"] == "made"


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps 0: must be from 1 to 100000"),
        ({"restarts": 0}, "restarts 0: must be from 1 to 64"),
        ({"prior_weight": -1.0}, "prior_weight -1.0: must be from 0"),
        ({"loss": "l3"}, "loss l3: must be one of l2, l1"),
        ({"recipe": "mine"}, "recipe mine: must be one of report"),
        ({"rate": 0.1}, "rate: is about Adam, of the recipe"),
        ({"recipe": "report", "rate": 0.0}, "rate 0.0: must be above 0"),
        ({"recipe": "report", "rate": 0.1}, "recipe report: has one start and does not refine"),
    ],
)
def test_settings_that_cannot_be_meant(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LatentSearch(**settings)
