"""The deep image prior on small pictures: it restores, stops by itself, and is the same every time."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from genrestore.errors import InputError, UsageError
from genrestore.models.hourglass import Hourglass
from genrestore.restore.data_terms import L2
from genrestore.restore.pictures import Restore
from genrestore.restore.priors.dip import UntrainedNetwork
from genrestore.restore.problem import Step
from genrestore.restore.settings import DipSettings
from genrestore.restore.solvers.adam import fit
from genrestore.restore.task import DENOISE, Request, Task
from genrestore.restore.tiling import Pixels, Tiling
from genrestore.runtime import Runtime

RUNTIME = Runtime("cpu", "fp32", 1, 0)


def restorer(steps: int = 5000, strength: float = 1.0, feather: int = 0, **words: Any) -> Restore:
    request = Request(strength=strength, feather=feather)
    task = Task.without_weights(DENOISE, "dip", request, DipSettings(steps))
    return Restore(task, **{"runtime": RUNTIME, **words})


def clean(height: int = 32, width: int = 40, channels: int = 1) -> Pixels:
    """Two flat halves, uint8 [1, channel, height, width]."""
    picture = np.full((1, channels, height, width), 60, np.uint8)
    picture[..., width // 2 :] = 190
    return picture


def noisy() -> Pixels:
    noise = np.random.default_rng(0).normal(0, 25, clean().shape)
    return (clean() + noise).round().clip(0, 255).astype(np.uint8)


def error(pixels: Pixels) -> float:
    return float(np.square(pixels.astype(float) - clean()).mean())


class Line:
    """A prior of one number: flat pictures, x = θ everywhere."""

    def __init__(self, start: float) -> None:
        self.theta = torch.tensor(start, requires_grad=True)

    def parameters(self) -> object:
        return iter([self.theta])

    def sample(self) -> torch.Tensor:
        return self.theta.expand(1, 1, 4, 4)


def flat(value: float) -> L2:
    return L2(torch.full((1, 1, 4, 4), value), 1.0)


class TestFit:
    def test_it_finds_the_minimum(self) -> None:
        found = fit(flat(0.7), Line(0.2), flat(0.7), steps=600, patience=600)
        torch.testing.assert_close(found, torch.full((1, 1, 4, 4), 0.7), atol=2e-3, rtol=0)

    def test_it_stops_where_held_out_pixels_fit_best(self) -> None:
        """Pulled from 0.2 to 0.9, past the 0.5 that the held-out pixels have."""
        told: list[Step] = []
        found = fit(flat(0.9), Line(0.2), flat(0.5), steps=5000, patience=50, on_step=told.append)
        assert float(found.mean()) == pytest.approx(0.5, abs=0.02)
        assert len(told) < 1000
        errors = [float(step.energies["held_out"]) for step in told]
        assert errors.index(min(errors)) == len(told) - 52


class TestHourglass:
    @pytest.mark.parametrize("size", [(16, 16), (33, 50)])
    def test_any_size_in_range(self, size: tuple[int, int]) -> None:
        picture = Hourglass(3, 4, (8, 8))(torch.rand(1, 4, *size))
        assert picture.shape == (1, 3, *size)
        assert 0 <= picture.min() <= picture.max() <= 1

    def test_every_weight_learns(self) -> None:
        network = Hourglass(1, 4, (8, 12))
        network(torch.rand(1, 4, 16, 16)).square().sum().backward()
        unmoved = [name for name, weight in network.named_parameters() if not weight.grad.abs().sum() > 0]
        assert [name for name in unmoved if not name.endswith("bias")] == []

    def test_it_needs_a_scale(self) -> None:
        with pytest.raises(ValueError, match="one scale at least"):
            Hourglass(widths=())

    @pytest.mark.parametrize("size", [(1, 1), (5, 90), (40, 24)])
    def test_the_prior_makes_pictures_of_any_size(self, size: tuple[int, int]) -> None:
        assert UntrainedNetwork((1, 3, *size), RUNTIME).sample().shape == (1, 3, *size)

    def test_the_global_seed_neither_matters_nor_moves(self) -> None:
        torch.manual_seed(1)
        before = torch.random.get_rng_state()
        first = UntrainedNetwork((1, 1, 16, 16), RUNTIME).sample()
        assert torch.equal(torch.random.get_rng_state(), before)
        torch.manual_seed(2)
        assert torch.equal(UntrainedNetwork((1, 1, 16, 16), RUNTIME).sample(), first)
        other = UntrainedNetwork((1, 1, 16, 16), Runtime("cpu", "fp32", 1, 1)).sample()
        assert not torch.equal(other, first)


class Seen:
    """Notes which pieces were searched for."""

    def __init__(self) -> None:
        self.pieces = set[int]()

    def step(self, picture: Any, piece: int, step: Step) -> None:
        self.pieces.add(piece)

    def end(self, picture: Any) -> None:
        """Nothing is to be done."""


@pytest.mark.slow
class TestTask:
    def test_it_takes_noise_away_and_stops_by_itself(self) -> None:
        seen = Seen()
        restored = restorer(steps=400, trace=seen)(noisy())
        assert error(restored.pixels) < 0.3 * error(noisy())
        assert restored.noise_level is None
        assert seen.pieces == {0}

    def test_it_fills_a_hole_and_leaves_the_rest(self) -> None:
        known = np.ones((1, 1, 32, 40), bool)
        known[..., 10:20, 8:30] = False
        damaged = np.where(known, clean(), 0).astype(np.uint8)
        restored = restorer(steps=200)(damaged, known=known).pixels
        assert np.array_equal(restored[known], clean()[known])
        assert error(restored) < 0.1 * error(damaged)

    def test_the_same_seed_gives_the_same_bytes(self) -> None:
        first, second = (restorer(steps=20)(noisy()).pixels for _ in range(2))
        assert np.array_equal(first, second)
        other = restorer(steps=20, runtime=Runtime("cpu", "fp32", 1, 7))(noisy()).pixels
        assert not np.array_equal(first, other)

    def test_large_pictures_go_in_pieces_and_the_time_is_said_once(self) -> None:
        seconds: list[float] = []
        fractions: list[float] = []
        task = restorer(steps=8, tiling=Tiling(32, 8), estimate=seconds.append)
        assert task(clean(32, 64, 3), fractions.append).pixels.shape == (1, 3, 32, 64)
        assert len(seconds) == 1
        assert seconds[0] > 0
        assert fractions == sorted(fractions)
        assert fractions[-1] == pytest.approx(1)

    def test_a_slow_first_step_is_not_taken_for_the_others(self, monkeypatch: pytest.MonkeyPatch) -> None:
        now = [0.0]
        sample = UntrainedNetwork.sample

        def timed(prior: UntrainedNetwork) -> torch.Tensor:
            now[0] += 2.0 if now[0] else 100.0
            return sample(prior)

        monkeypatch.setattr(UntrainedNetwork, "sample", timed)
        monkeypatch.setattr("genrestore.restore.priors.dip.time.perf_counter", lambda: now[0])
        seconds: list[float] = []
        restorer(steps=100, estimate=seconds.append)(clean())
        assert seconds == [100 * 2.0]


def test_strength_0_and_an_empty_mask_copy() -> None:
    assert np.array_equal(restorer(strength=0)(noisy()).pixels, noisy())
    restored = restorer()(noisy(), known=np.ones((1, 1, 32, 40), bool))
    assert np.array_equal(restored.pixels, noisy())
    assert restored.notes == ("the mask is empty: nothing was filled",)


def test_strength_mixes_the_input_back_in() -> None:
    whole, some = (restorer(strength=share, steps=20)(noisy()).pixels.astype(int) for share in (1.0, 0.25))
    assert np.abs(some - (0.25 * whole + 0.75 * noisy())).max() <= 1


def test_a_mask_that_covers_everything_fails() -> None:
    with pytest.raises(InputError, match="covers the whole picture"):
        restorer()(noisy(), known=np.zeros((1, 1, 32, 40), bool))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"steps": 0}, "steps 0: must be from 1 to 100000"),
        ({"strength": 1.5}, "strength 1.5: must be from 0 to 1"),
        ({"feather": 40}, "feather 40: must be from 0 to 32"),
    ],
)
def test_values_out_of_range_are_refused(words: dict[str, float], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        restorer(**words)  # type: ignore[arg-type]


def test_provenance_says_what_made_the_result() -> None:
    assert restorer(steps=7).provenance == {
        "prior": "dip",
        "steps": 7,
        "strength": 1.0,
        "feather": 0,
    }
