from __future__ import annotations

import math
from typing import Any

import pytest

from genrestore.errors import UsageError
from genrestore.settings import merge, options, rebuild
from genrestore.train import kinds
from genrestore.train.kinds import KINDS, DenoiserSettings
from genrestore.train.settings import FREE, LoopSettings


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"steps": 0}, "steps 0: must be 1 or more"),
        ({"batch_size": -3}, "batch_size -3"),
        ({"learning_rate": math.nan}, "learning_rate nan"),
        ({"learning_rate": 0.0}, "learning_rate 0"),
        ({"ema_decay": 1.0}, "ema_decay 1.0: .* less than 1"),
        ({"cooldown": 1.5}, "cooldown 1.5: must be from 0 to 1"),
        ({"weight_decay": -1.0}, "weight_decay -1.0"),
        ({"schedule": "linear"}, "schedule linear: must be one of cosine, trapezoid, constant"),
        ({"optimiser": "sgd"}, "optimiser sgd: must be one of adamw, muon"),
        ({"save_minutes": math.inf}, "save_minutes inf"),
    ],
)
def test_a_value_that_cannot_be_meant_is_named(given: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        LoopSettings(**given)


def test_the_learning_rate_rises_over_the_warm_up() -> None:
    settings = LoopSettings(steps=100, warmup=4, schedule="constant")
    assert [settings.rate(step) for step in range(6)] == [0.25, 0.5, 0.75, 1, 1, 1]


def test_cosine_is_one_at_first_half_in_the_middle_and_zero_at_the_end() -> None:
    settings = LoopSettings(steps=100, warmup=0)
    assert [settings.rate(step) for step in (0, 50, 100)] == pytest.approx([1, 0.5, 0])


def test_trapezoid_falls_linearly_at_the_end() -> None:
    settings = LoopSettings(steps=100, warmup=0, schedule="trapezoid", cooldown=0.2)
    assert [settings.rate(step) for step in (0, 79, 80, 90, 95, 100)] == pytest.approx(
        [1, 1, 1, 0.5, 0.25, 0]
    )


def test_a_trapezoid_that_falls_while_it_still_rises_does_both() -> None:
    settings = LoopSettings(steps=10, warmup=8, schedule="trapezoid", cooldown=0.5)
    expected = [min(1, (step + 1) / 8) * min(1, (10 - step) / 5) for step in range(11)]
    assert [settings.rate(step) for step in range(11)] == pytest.approx(expected)


def test_settings_survive_json() -> None:
    import dataclasses
    import json

    settings = DenoiserSettings(widths=(8, 16), blocks=(1, 1))
    assert rebuild(DenoiserSettings(), json.loads(json.dumps(dataclasses.asdict(settings)))) == settings


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(UsageError, match="--no-such: not a setting of LoopSettings"):
        rebuild(LoopSettings(), {"no_such": 1})


def test_merge_names_both_values_of_a_contradiction() -> None:
    with pytest.raises(UsageError, match="--batch-size 8: this run was started with 4"):
        merge({"batch_size": 4}, {"batch_size": 8}, FREE)


def test_merge_takes_equal_values_and_free_ones() -> None:
    stored = {"batch_size": 4, "log_every": 10, "widths": [1, 2]}
    now = {"batch_size": 4, "log_every": 20, "widths": (1, 2)}
    assert merge(stored, now, FREE)["log_every"] == 20


def test_choices_are_the_keys_of_the_tables_that_they_name() -> None:
    from genrestore.models import autoencoder, dcgan
    from genrestore.study import coverage
    from genrestore.train.kinds import gan, losses

    assert set(kinds.RECONSTRUCTION) == set(losses.RECONSTRUCTION)
    assert set(kinds.ADVERSARIAL) == set(losses.ADVERSARIAL)
    assert set(kinds.COVERAGES) == set(coverage.COVERAGES)
    assert set(kinds.AUGMENTATIONS) == set(gan.AUGMENTATIONS)
    assert kinds.SIZES == autoencoder.SIZES == dcgan.SIZES


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_names_its_class_and_defaults_within_their_limits(name: str) -> None:
    import pkgutil

    kind = KINDS[name]
    found = pkgutil.resolve_name(kind.training)
    assert name == found.COMMAND
    for settings in (kind.settings, kind.loop):
        for setting, option in options(type(settings)).items():
            option.check(setting, getattr(settings, setting))
            assert option.help.endswith("."), setting
            assert option.panel, setting


def test_only_settings_that_leave_the_weights_alone_are_free() -> None:
    assert {"log_every", "validate_every", "sample_every", "save_every", "save_minutes", "workers"} == FREE
