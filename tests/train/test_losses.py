"""Every loss against figures by hand."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from genrestore.train.kinds import losses


def levels(*values: float) -> Tensor:
    """log σ, [values, 1, 1, 1]."""
    return torch.tensor(values).log().reshape(-1, 1, 1, 1)


HALF = torch.full((1, 1, 1, 1), 0.5)


def test_absolute() -> None:
    assert float(losses.absolute(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5]))) == 0.5


def test_mean_square() -> None:
    assert float(losses.mean_square(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.7]))) == pytest.approx(
        0.17
    )


def test_root_mean_square_is_a_mean_of_each_sample_s_root() -> None:
    clean = torch.zeros(2, 1, 1, 2)
    estimate = torch.tensor([[3.0, 4.0], [0.0, 0.0]]).reshape(2, 1, 1, 2)
    assert float(losses.root_mean_square(estimate, clean)) == pytest.approx(math.sqrt(12.5) / 2, abs=1e-4)


def test_the_logarithm_weighs_a_decibel_alike_in_every_sample() -> None:
    """Halving the error of a sample is worth log 2, whatever it was, until it is below a grey level."""
    clean = torch.zeros(3, 1, 4, 4)
    size = torch.tensor([0.4, 0.04, 0.0]).reshape(3, 1, 1, 1)
    found = [losses.log_mean_square(clean + factor * size, clean) for factor in (1.0, 0.5)]
    assert float(found[0] - found[1]) == pytest.approx(2 / 3 * math.log(2), abs=6e-3)
    assert float(losses.log_mean_square(clean, clean)) == pytest.approx(-math.log(255))


def test_root_mean_square_has_a_gradient_where_nothing_is_wrong() -> None:
    estimate = torch.zeros(1, 1, 2, 2, requires_grad=True)
    losses.root_mean_square(estimate, torch.zeros(1, 1, 2, 2)).backward()
    assert estimate.grad is not None
    assert torch.equal(estimate.grad, torch.zeros(1, 1, 2, 2))


@pytest.mark.parametrize("low", [0.01, 0.1])
def test_a_factor_counts_alike_at_every_level(low: float) -> None:
    assert float(losses.relative_level(levels(low), levels(2 * low), HALF)) == pytest.approx(math.log(2))


def test_a_high_quantile_forgives_too_high_a_level() -> None:
    quantile = torch.full((1, 1, 1, 1), 0.7)
    below = float(losses.relative_level(levels(0.1), levels(0.2), quantile))
    above = float(losses.relative_level(levels(0.2), levels(0.1), quantile))
    assert (below, above) == (pytest.approx(1.4 * math.log(2)), pytest.approx(0.6 * math.log(2)))


def test_the_quantile_is_what_a_constant_is_led_to() -> None:
    drawn = torch.linspace(0, 1, 1001).reshape(-1, 1, 1, 1)
    quantile = torch.full_like(drawn, 0.7)
    cost = {
        c / 100: float(losses.relative_level(torch.full_like(drawn, c / 100), drawn, quantile))
        for c in range(101)
    }
    assert min(cost, key=lambda value: cost[value]) == pytest.approx(0.7, abs=0.011)


LOGITS = torch.tensor([0.0, math.log(3)])  # D is 1/2 and 3/4
ADVERSARIAL = {  # discriminator (the same logits real and made), generator, by hand
    "non-saturating": (math.log(8 / 3) / 2 + math.log(8) / 2, math.log(8 / 3) / 2),
    "saturating": (math.log(8 / 3) / 2 + math.log(8) / 2, -math.log(8) / 2),
    "l2": ((1 + (math.log(3) - 1) ** 2 + math.log(3) ** 2) / 4, (1 + (math.log(3) - 1) ** 2) / 4),
    "hinge": (0.5 + (2 + math.log(3)) / 2, -math.log(3) / 2),
}


@pytest.mark.parametrize("name", sorted(losses.ADVERSARIAL))
def test_adversarial_losses_by_hand(name: str) -> None:
    discriminator, generator = ADVERSARIAL[name]
    assert float(losses.ADVERSARIAL[name].discriminator(LOGITS, LOGITS)) == pytest.approx(discriminator)
    assert float(losses.ADVERSARIAL[name].generator(LOGITS)) == pytest.approx(generator)


@pytest.mark.parametrize("name", sorted(losses.ADVERSARIAL))
def test_a_certain_discriminator_has_no_loss(name: str) -> None:
    right = {"l2": (1.0, 0.0)}.get(name, (40.0, -40.0))
    real, made = (torch.full((3,), value) for value in right)
    assert float(losses.ADVERSARIAL[name].discriminator(real, made)) == pytest.approx(0, abs=1e-6)


def test_only_the_saturating_generator_has_no_slope_where_the_discriminator_is_certain() -> None:
    def slope(name: str) -> float:
        made = torch.tensor([-20.0], requires_grad=True)
        losses.ADVERSARIAL[name].generator(made).backward()
        assert made.grad is not None
        return abs(float(made.grad))

    assert slope("saturating") < 1e-6
    assert min(slope(name) for name in losses.ADVERSARIAL if name != "saturating") >= 1


def test_the_gradient_penalty_of_a_plane_is_its_squared_slope() -> None:
    images = torch.rand(3, 1, 2, 2, requires_grad=True)
    weight = torch.tensor(2.0, requires_grad=True)
    penalty = losses.gradient_penalty(weight * images.sum((1, 2, 3)), images)
    penalty.backward()
    assert float(penalty.detach()) == pytest.approx(16)
    assert weight.grad is not None
    assert float(weight.grad) == pytest.approx(16)
