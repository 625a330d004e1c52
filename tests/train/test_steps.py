"""One step of every training against the same step written out by hand.

Gradient descent stands in for the optimisers, so that what the weights lose is the gradient itself: a weight
of a loss, a level or a target that is another one on its way to the step shows in it.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from genrestore.models.pyramid import fill
from genrestore.study import coverage
from genrestore.train.kinds.gan import recolour, translate
from tests.train import (
    test_autoencoder,
    test_denoiser,
    test_encoder,
    test_gan,
    test_inpainter,
    test_restorer,
)

Networks = dict[str, Any]


def with_plain_descent(training: Any, rate: float = 1.0) -> Networks:
    """Copies of a training's networks before the step, which from now on goes along the gradient itself."""
    for name, optimiser in training.optimisers.items():
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        training.optimisers[name] = torch.optim.SGD(parameters, rate)
    return copy.deepcopy(training.networks)


def descend(network: nn.Module, loss: Tensor, rate: float = 1.0, limit: float = math.inf) -> None:
    """w ← w − η g, where g is no longer than the limit."""
    parameters = list(network.parameters())
    slopes = torch.autograd.grad(loss, parameters, retain_graph=True)
    length = math.sqrt(sum(float(slope.square().sum()) for slope in slopes))
    for parameter, slope in zip(parameters, slopes, strict=True):
        parameter.data -= rate * min(1.0, limit / length) * slope


def assert_same_step(before: Networks, expected: Mapping[str, nn.Module], found: Networks) -> None:
    """Every network went where it goes by hand, and the others nowhere."""
    for name, network in found.items():
        start, there, aim = (
            torch.cat([parameter.detach().flatten() for parameter in one.parameters()] or [torch.zeros(1)])
            for one in (before[name], network, expected.get(name, before[name]))
        )
        moved = float((aim - start).norm())
        assert (moved > 1e-6) == (name in expected), name
        assert float((there - aim).norm()) <= 2e-3 * moved, name


def root_mean_square(estimate: Tensor, clean: Tensor) -> Tensor:
    return ((estimate - clean).square().mean((1, 2, 3)) + 1e-8).sqrt().mean()


def test_a_step_of_the_denoiser() -> None:
    """|x̂ − x| + 0.1 · twice the pinball loss of log σ̂; each gradient at most 0.1 long."""
    made = test_denoiser.training()
    batch = made.batch(0, range(4))
    batch = batch._replace(estimated=torch.tensor([0, 1, 0, 2]).reshape(4, 1, 1, 1))
    batch = batch._replace(quantile=torch.tensor([0.5, 0.85, 0.5, 0.5]).reshape(4, 1, 1, 1))
    before = with_plain_descent(made)
    by_hand = copy.deepcopy(before)
    denoiser, estimator = by_hand["denoiser"], by_hand["estimator"]
    log_level = estimator.log_level(batch.noisy)
    told = functional.interpolate(log_level, scale_factor=8, mode="bilinear").exp().detach()
    middle = log_level.detach().flatten(2).median(2).values.exp()[..., None, None].expand_as(told)
    level = torch.stack([[batch.condition, told, middle][int(batch.estimated[i])][i] for i in range(4)])
    restored = (denoiser(batch.noisy, level) - batch.clean).abs().mean()
    true = functional.avg_pool2d(batch.level, 8).clamp(min=0.25 / 255)
    missing = true.log() - log_level
    share = torch.where(missing > 0, batch.quantile, 1 - batch.quantile)
    pinball = 2 * (share * missing.abs()).mean()
    descend(denoiser, restored + 0.1 * pinball, limit=0.1)
    descend(estimator, 0.1 * pinball, limit=0.1)
    numbers = made.step(batch)
    assert float(numbers["denoiser"]) == pytest.approx(float(restored.detach()), rel=1e-4)
    assert float(numbers["estimator"]) == pytest.approx(float(pinball.detach()), rel=1e-4)
    assert_same_step(before, by_hand, made.networks)


def test_a_step_of_the_inpainter() -> None:
    """√ mean (x̂ − x)², known noiseless pixels aside; holes are noise of 1, then of ½ with the last guess."""
    made = test_inpainter.training()
    batch = made.batch(0, range(4))
    batch = batch._replace(guesses=torch.tensor([0, 1, 2, 1]).reshape(4, 1, 1, 1))
    batch = batch._replace(level=torch.tensor([0.1, 0.0, 0.05, 0.02]).reshape(4, 1, 1, 1))
    before = with_plain_descent(made)
    network = copy.deepcopy(before["denoiser"])
    estimates = []
    for index, known in enumerate(batch.known[:, None]):
        damaged, level = batch.damaged[index][None], batch.level[index][None]
        shown, told = fill(damaged, known), torch.where(known > 0, level, 1.0)
        for _ in range(int(batch.guesses[index])):
            guess = network(shown, told).detach()
            shown, told = torch.where(known > 0, damaged, guess), torch.where(known > 0, level, 0.5)
        estimates.append(torch.where(told > 0, network(shown, told), damaged))
    loss = root_mean_square(torch.cat(estimates), batch.clean)
    descend(network, loss, limit=0.1)
    assert float(made.step(batch)["inpainter"]) == pytest.approx(float(loss.detach()), rel=1e-4)
    assert_same_step(before, {"denoiser": network}, made.networks)


def test_a_step_of_the_autoencoder(tmp_path: Path) -> None:
    """√ mean (AE(x) − x)² + 1.5 · coverage + how much farther outliers are from the last latents."""
    made = test_autoencoder.training(
        tmp_path, 10, loss="root-mean-square", cover="mmd", cover_weight=1.5, outliers=0.5
    )
    there = 0.2 * torch.rand(4096, 2, generator=torch.Generator().manual_seed(1))
    made.networks["recent"].latents.copy_(there)
    batch = made.batch(0, range(10))
    before = with_plain_descent(made)
    network = copy.deepcopy(before["autoencoder"])
    latent, others = network.encode(batch.images), network.encode(batch.others)
    parts = {
        "reconstruction": root_mean_square(network.decode(latent), batch.images),
        "coverage": coverage.mmd(latent, torch.Generator().manual_seed(int(batch.seed))),
        "outliers": (torch.cdist(others, there).amin(1) - torch.cdist(latent.detach(), there).amin(1).mean())
        .clamp(min=0)
        .mean(),
    }
    descend(network, parts["reconstruction"] + 1.5 * parts["coverage"] + parts["outliers"])
    numbers = made.step(batch)
    assert len(others) == 5
    assert numbers.keys() == {"loss", *parts}
    for name, part in parts.items():
        assert float(part.detach()) > 0
        assert float(numbers[name]) == pytest.approx(float(part.detach()), rel=1e-4), name
    assert_same_step(before, {"autoencoder": network}, made.networks)
    kept = made.networks["recent"].latents
    assert torch.equal(kept[:-10], there[10:])
    assert torch.allclose(kept[-10:], latent.detach(), atol=1e-6)


def test_a_step_of_the_restorer(tmp_path: Path) -> None:
    """√ mean (x̂ − x)² + √ mean (G(a) − x)²; the decoder stays as it is."""
    made = test_restorer.training(tmp_path)
    batch = made.batch(0, range(10))
    before = with_plain_descent(made)
    restorer, decoder = copy.deepcopy(before["restorer"]), before["autoencoder"]
    told, features = restorer.look(batch.damaged, batch.known, batch.level)
    image = decoder.decode((decoder.centre + told @ decoder.spread.T).sigmoid())
    parts = {
        "restored": root_mean_square(restorer.correct(features, image), batch.clean),
        "made": root_mean_square(image, batch.clean),
    }
    descend(restorer, parts["restored"] + parts["made"])
    numbers = made.step(batch)
    for name, part in parts.items():
        assert float(numbers[name]) == pytest.approx(float(part.detach()), rel=1e-4), name
    assert_same_step(before, {"restorer": restorer}, made.networks)


def test_a_step_of_the_encoder(tmp_path: Path) -> None:
    """mean (E(G(z)) − z)² + 10 mean (G(E(x)) − x)² + 10 mean (G(E(G(z))) − G(z))²; G stays as it is."""
    made = test_encoder.training(tmp_path)
    batch = made.batch(0, range(10))
    before = with_plain_descent(made)
    generator, encoder = before["generator"], copy.deepcopy(before["encoder"])
    own = generator(batch.latent)
    found = encoder(torch.cat([own, batch.images]))  # together, for batch normalisation sees them together
    again, back = generator(found[:10]), generator(found[10:])
    parts = {
        "latent": (found[:10] - batch.latent).square().mean(),
        "own": (again - own).square().mean(),
        "real": (back - batch.images).square().mean(),
    }
    descend(encoder, parts["latent"] + 10 * parts["own"] + 10 * parts["real"])
    numbers = made.step(batch)
    for name, part in parts.items():
        assert float(numbers[name]) == pytest.approx(float(part.detach()), rel=1e-4), name
    assert_same_step(before, {"encoder": encoder}, made.networks)


@pytest.mark.parametrize(
    "settings",
    [
        {"d_steps": 2, "d_norm": "batch", "r1": 0.0},
        {"d_steps": 1, "d_norm": "spectral", "r1": 0.3},
        {"d_steps": 2, "d_norm": "spectral", "r1": 0.3, "augment": ("translate", "recolour")},
    ],
)
def test_a_step_of_the_generator_and_discriminator(tmp_path: Path, settings: dict[str, Any]) -> None:
    """−E log D(x) − E log(1 − D(G(z))) + 16 · γ/2 · R1 at each update of D, then −E log D(G(z)) for G."""
    rate, gamma = 0.05, settings["r1"]
    made = test_gan.training(tmp_path, 6, **settings)
    batch = made.batch(0, range(6))
    before = with_plain_descent(made, rate)
    by_hand = copy.deepcopy(before)
    generator, discriminator = by_hand["generator"], by_hand["discriminator"]

    def changed(images: Tensor) -> Tensor:
        return recolour(translate(images)) if "augment" in settings else images

    torch.manual_seed(8)
    for real, latent in zip(batch.images, batch.latents, strict=True):
        images = generator(latent)
        yes, no = discriminator(changed(real)), discriminator(changed(images.detach()))
        loss = -yes.sigmoid().log().mean() - (1 - no.sigmoid()).log().mean()
        if gamma:
            inputs = changed(real).requires_grad_()
            (slope,) = torch.autograd.grad(discriminator(inputs).sum(), inputs, create_graph=True)
            loss = loss + 16 * gamma / 2 * slope.square().sum((1, 2, 3)).mean()
        descend(discriminator, loss, rate)
    fooled = -discriminator(changed(images)).sigmoid().log().mean()
    descend(generator, fooled, rate)
    torch.manual_seed(8)
    numbers = made.step(batch)
    assert float(numbers["generator"]) == pytest.approx(float(fooled.detach()), rel=1e-3)
    assert_same_step(before, by_hand, made.networks)


def test_the_gradient_penalty_is_due_at_one_step_in_sixteen(tmp_path: Path) -> None:
    made = test_gan.training(tmp_path, r1=0.1)
    due = [step for step in range(33) if bool(made.batch(step, range(4)).penalised)]
    assert due == [0, 16, 32]


def test_every_training_begins_at_its_own_rates(tmp_path: Path) -> None:
    """What is trained, all of it, by the optimiser that the settings ask for; D at a multiple of G's rate."""
    gan = test_gan.training(tmp_path / "gan", rate=0.01, d_rate=3.0, momentum=0.4)
    trainings = [
        (test_denoiser.training(), {"all": (3e-3, (0.9, 0.999))}, {"denoiser", "estimator"}),
        (test_inpainter.training(), {"all": (3e-3, (0.9, 0.999))}, {"denoiser"}),
        (test_autoencoder.training(tmp_path / "ae"), {"all": (0.01, (0.9, 0.999))}, {"autoencoder"}),
        (test_restorer.training(tmp_path / "r"), {"restorer": (0.01, (0.9, 0.999))}, {"restorer"}),
        (test_encoder.training(tmp_path / "e"), {"encoder": (0.01, (0.9, 0.999))}, {"encoder"}),
        (
            gan,
            {"generator": (0.01, (0.4, 0.999)), "discriminator": (0.03, (0.4, 0.999))},
            {"generator", "discriminator"},
        ),
    ]
    for made, rates, trained in trainings:
        groups = {name: optimiser.param_groups for name, optimiser in made.optimisers.items()}
        assert groups.keys() == rates.keys()
        for name, (rate, betas) in rates.items():
            for group in groups[name]:
                assert (group["lr"], tuple(group["betas"])) == (pytest.approx(rate), betas), name
        found = [id(one) for every in groups.values() for group in every for one in group["params"]]
        wanted = [id(one) for name in trained for one in made.networks[name].parameters()]
        assert sorted(found) == sorted(wanted)
