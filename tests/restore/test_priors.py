"""What a weights file must hold to be a prior."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from genrestore.errors import UsageError, WeightsError
from genrestore.models import NETWORKS
from genrestore.restore.api import load_prior
from genrestore.restore.prior import Prior
from genrestore.restore.priors.autoencoder import AutoencoderPrior
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.problem import Problem
from genrestore.restore.settings import BATCH, PRIORS, DenoiserSettings
from genrestore.restore.task import DENOISE, INVERT, Task
from genrestore.runtime import Runtime
from genrestore.weights.header import NetworkSpec, read_header
from genrestore.weights.store import save
from tests import tiny

RUNTIME = Runtime("cpu", "fp32", 1, 0)


def saved(folder: Path, networks: dict[str, NetworkSpec], **changes: Any) -> str:
    """The path of weights with these networks, whatever they are worth."""
    header = replace(read_header(tiny.save_denoiser(folder)), networks=networks, **changes)
    built: dict[str, nn.Module] = {
        role: NETWORKS[spec.name](**spec.arguments) for role, spec in networks.items()
    }
    tensors = {
        f"{role}.{key}": value for role, one in built.items() for key, value in one.state_dict().items()
    }
    path = folder / "made.safetensors"
    save(path, header, tensors)
    return str(path)


UNET = NetworkSpec("residual-unet", tiny.DENOISER)
ESTIMATOR = NetworkSpec("noise-estimator", tiny.ESTIMATOR)


@pytest.mark.parametrize(
    ("networks", "message"),
    [
        ({"denoiser": UNET}, "cannot be used as a denoiser: no network 'estimator'"),
        ({"estimator": ESTIMATOR}, "no network 'denoiser' of the class ResidualUNet"),
        ({"denoiser": ESTIMATOR, "estimator": ESTIMATOR}, "no network 'denoiser' of the class ResidualUNet"),
        (
            {
                "denoiser": NetworkSpec("residual-unet", {**tiny.DENOISER, "channels": 1}),
                "estimator": ESTIMATOR,
            },
            "its network 'denoiser' is not for 3 channels",
        ),
    ],
)
def test_networks_that_are_not_a_denoisers_are_refused(
    tmp_path: Path, networks: dict[str, NetworkSpec], message: str
) -> None:
    with pytest.raises(WeightsError, match=rf"made\.safetensors.*{message}"):
        load_prior(saved(tmp_path, networks), RUNTIME)


def test_a_kind_without_a_prior_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(PRIORS, "generator")
    path = saved(tmp_path, {"denoiser": UNET, "estimator": ESTIMATOR}, kind="generator")
    with pytest.raises(
        WeightsError, match="are of kind 'generator'; a prior is one of: autoencoder, denoiser"
    ):
        load_prior(path, RUNTIME)


def test_an_autoencoder_s_file_is_a_prior_of_its_own(tmp_path: Path) -> None:
    prior = load_prior(str(tiny.save_autoencoder(tmp_path)), RUNTIME)
    assert isinstance(prior, AutoencoderPrior)
    assert (prior.channels, prior.side, prior.own_distance) == (1, 28, 0.05)
    edge = 6 * math.sqrt(3) / math.pi  # logits of −6 and 6, where those of uniform numbers are usual
    image = prior.decode(torch.tensor([[-edge, edge]]))
    error = (prior.reconstruct(image) - image).square().sum()
    assert torch.allclose(prior.value(image), error)
    assert float(prior.distance(image)) == pytest.approx(float(error / 784) ** 0.5, rel=1e-4)
    assert prior.coordinates(image).tolist()[0] == pytest.approx([-edge, edge], abs=0.1)
    assert float(prior.distance(torch.rand(1, 1, 28, 28))) > 0.1


def test_a_restorer_says_what_a_damaged_picture_was(tmp_path: Path) -> None:
    prior = load_prior(str(tiny.save_autoencoder(tmp_path, restorer={})), RUNTIME)
    assert isinstance(prior, AutoencoderPrior)
    assert prior.restores(100 / 255)
    assert not prior.restores(101 / 255)
    clean = prior.decode(torch.tensor([[-3.0, 3.0]]))
    damaged = clean + 0.2 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(0))
    coordinates, image = prior.restored(damaged, None, 0.2)
    assert coordinates.sign().tolist() == [[-1, 1]]
    told = prior.decode(coordinates)
    assert torch.allclose(image[..., 2:12, 2:12], told[..., 2:12, 2:12], atol=1e-3)  # not at a block's edge
    known = torch.ones(1, 1, 28, 28)
    known[..., :10, :12] = 0
    other = torch.where(known > 0, damaged, 1 - damaged)  # what stands in a hole is not seen
    assert torch.equal(prior.restored(damaged, known, 0.2)[1], prior.restored(other, known, 0.2)[1])


def test_an_autoencoder_without_a_restorer_restores_nothing_by_it(tmp_path: Path) -> None:
    prior = load_prior(str(tiny.save_autoencoder(tmp_path)), RUNTIME)
    assert isinstance(prior, AutoencoderPrior)
    assert not prior.restores(0.1)


def test_a_restorer_for_another_autoencoder_is_refused(tmp_path: Path) -> None:
    path = str(tiny.save_autoencoder(tmp_path, restorer={"latent": 3}))
    with pytest.raises(WeightsError, match="networks 'autoencoder' and 'restorer' differ in latent"):
        load_prior(path, RUNTIME)
    networks = {"autoencoder": NetworkSpec("autoencoder", tiny.AUTOENCODER), "restorer": UNET}
    path = saved(tmp_path, networks, kind="autoencoder", channels=1, size=28)
    with pytest.raises(WeightsError, match="its network 'restorer' is not of the class Restorer"):
        load_prior(path, RUNTIME)


def test_weights_that_do_not_tell_are_measured_by_their_own_images(tmp_path: Path) -> None:
    torch.manual_seed(0)
    networks = {"autoencoder": NetworkSpec("autoencoder", tiny.AUTOENCODER)}
    path = saved(tmp_path, networks, kind="autoencoder", channels=1, size=28)
    prior = load_prior(path, RUNTIME)
    assert isinstance(prior, AutoencoderPrior)
    assert 0 < prior.own_distance < 1


def test_an_autoencoder_without_its_network_is_refused(tmp_path: Path) -> None:
    path = saved(tmp_path, {"denoiser": UNET}, kind="autoencoder", channels=1, size=28)
    with pytest.raises(WeightsError, match="cannot be used as a autoencoder: no network 'autoencoder'"):
        load_prior(path, RUNTIME)


def test_every_kind_has_its_class_and_its_settings() -> None:
    for kind in PRIORS.values():
        for place in filter(None, (kind.where, kind.community)):
            module, name = place.split(":")
            assert issubclass(getattr(import_module(module), name), Prior)
        assert kind.settings() == kind.settings()


def test_weights_that_do_not_restore_a_damage_are_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="are of no denoiser, and this needs one, such as photo"):
        Task.of(DENOISE, str(tiny.save_inpainter(tmp_path)))
    with pytest.raises(WeightsError, match="of kind 'autoencoder', and only a generator can be inverted"):
        Task.of(INVERT, str(tiny.save_autoencoder(tmp_path)))


def test_a_sound_file_is_a_prior(tmp_path: Path) -> None:
    prior = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    assert isinstance(prior, DenoiserPrior)
    assert prior.denoise(torch.rand(1, 3, 8, 10), torch.tensor(0.1)).shape == (1, 3, 8, 10)


def test_two_turns_are_the_mean_of_upright_and_upside_down(tmp_path: Path) -> None:
    prior: Any = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    image = torch.rand(1, 3, 16, 32)
    turned = torch.rot90(prior.denoise(torch.rot90(image, 2, (2, 3)), 0.1), 2, (2, 3))
    mean = (prior.denoise(image, 0.1) + turned) / 2
    torch.testing.assert_close(prior.solve(Problem(image, 0.1), DenoiserSettings(turns=2)).image, mean)


@pytest.mark.parametrize("turns", [2, 4, 8])
def test_turned_a_part_that_begins_where_tiles_do_is_the_same_part(tmp_path: Path, turns: int) -> None:
    prior: Any = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    image = torch.rand(1, 3, 101, 87)
    whole = prior.solve(Problem(image, 0.1), DenoiserSettings(turns=turns)).image
    part = prior.solve(Problem(image[..., 32:, 16:], 0.1), DenoiserSettings(turns=turns)).image
    torch.testing.assert_close(part[..., 24:, 24:], whole[..., 56:, 40:])


def test_a_prior_takes_a_number_grey_pictures_and_other_floats(tmp_path: Path) -> None:
    prior: Any = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    image = torch.rand(2, 3, 8, 10)
    expected = prior.denoise(image, torch.tensor(0.1))
    assert torch.equal(prior.denoise(image, 0.1), expected)
    assert torch.equal(prior.denoise(image.double(), 0.1), prior.denoise(image, 0.1).double())
    grey = prior.denoise(image[:, :1], 0.1)
    assert torch.equal(grey, prior.denoise(image[:, :1].expand(-1, 3, -1, -1), 0.1).mean(1, keepdim=True))
    assert not expected.requires_grad
    assert torch.equal(expected * torch.ones(3, 8, 10, requires_grad=True), expected)  # not only for reading


def test_gradients_go_through_where_they_are_asked_for(tmp_path: Path) -> None:
    prior = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    image = torch.rand(1, 1, 8, 8, dtype=torch.float64, requires_grad=True)
    level = torch.tensor(0.1, requires_grad=True)
    estimate = prior.denoise(image, level)
    slope = torch.autograd.grad(estimate.square().sum(), [image, level])
    step = 1e-2 * torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(0)).double()
    with torch.no_grad():
        ends = [prior.denoise(image + sign * step, level).square().sum() for sign in (1, -1)]
        assert not prior.denoise(image, level).requires_grad
    assert float((slope[0] * step).sum()) == pytest.approx(float(ends[0] - ends[1]) / 2, rel=1e-2)
    assert float(slope[1]) != 0
    assert isinstance(prior.network, nn.Module)
    assert not any(parameter.requires_grad for parameter in prior.network.parameters())


@pytest.mark.parametrize("save", [tiny.save_autoencoder, tiny.save_generator, tiny.save_inpainter])
def test_every_prior_denoises(tmp_path: Path, save: Callable[[Path], Path]) -> None:
    prior = load_prior(str(save(tmp_path)), RUNTIME)
    side, channels = prior.side or 16, prior.channels
    image = torch.rand(BATCH + 1, channels, side, side)
    estimate = prior.denoise(image, 0.1)
    assert estimate.shape == image.shape
    alone = prior.solve(Problem(image[-1:], 0.1), prior.usual).image
    torch.testing.assert_close(estimate[-1:], alone, atol=1e-5, rtol=0)
    assert isinstance(prior.network, nn.Module)


@pytest.mark.parametrize(
    ("image", "level", "message"),
    [
        (torch.rand(3, 8, 8), 0.1, r"shape \[3, 8, 8\]: must be \[batch, 1 or 3, height, width\]"),
        (torch.rand(1, 4, 8, 8), 0.1, r"shape \[1, 4, 8, 8\]"),
        (
            torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
            0.1,
            "torch.uint8: must be floating point on the .0, 1.",
        ),
        (torch.rand(1, 3, 8, 8), 25, r"noise level 25: must be between 0 and 1 \(grey levels / 255\)"),
        (torch.rand(1, 3, 8, 8), math.nan, "noise level nan"),
    ],
)
def test_a_prior_refuses_what_it_cannot_denoise(
    tmp_path: Path, image: torch.Tensor, level: float, message: str
) -> None:
    prior = load_prior(str(tiny.save_denoiser(tmp_path)), RUNTIME)
    with pytest.raises(UsageError, match=message):
        prior.denoise(image, level)


def test_a_prior_of_one_class_says_which_size_it_takes(tmp_path: Path) -> None:
    prior = load_prior(str(tiny.save_autoencoder(tmp_path)), RUNTIME)
    with pytest.raises(UsageError, match=r"shape \[1, 3, 28, 28\]: must be \[batch, 1, 28, 28\]"):
        prior.denoise(torch.rand(1, 3, 28, 28), 0.1)


def test_a_damage_can_be_a_key() -> None:
    assert {DENOISE: 1, INVERT: 2}[INVERT] == 2
