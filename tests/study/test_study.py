"""Encoding, out-of-class images, neighbours and the figures, on an autoencoder that is known by hand."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial import cKDTree
from torch import Tensor

from genrestore.errors import WeightsError
from genrestore.runtime import Runtime
from genrestore.study import latents, scatter, study
from genrestore.study.latents import Encoder
from tests import tiny

RUNTIME = Runtime("cpu", "fp32", 1, 0)


@pytest.fixture
def encoder(tmp_path: Path) -> Encoder:
    return latents.encoder(str(tiny.save_autoencoder(tmp_path)), RUNTIME)


def halves(*levels: tuple[float, float]) -> Tensor:
    """Images of two flat halves, [image, 1, 28, 28], uint8."""
    images = torch.zeros(len(levels), 1, 28, 28)
    for image, (left, right) in zip(images, levels, strict=True):
        image[..., :14], image[..., 14:] = left, right
    return (255 * images).round().byte()


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_latents_are_those_of_the_formula_whatever_else_is_encoded(encoder: Encoder) -> None:
    images = halves((0, 1), (1, 0), (0.2, 0.6))
    latent = encoder.encode(images)
    expected = [1 / (1 + math.exp(-12 * (level - 0.5))) for level in (0.2, 0.6)]
    assert latent[2].tolist() == pytest.approx(expected, abs=0.01)
    assert torch.equal(encoder.encode(images[2:])[0], latent[2])
    assert torch.equal(encoder.encode(images.float() / 255), latent)


def test_reconstructions_are_decoded_latents(encoder: Encoder) -> None:
    images = halves((0, 1), (1, 1))
    restored = encoder.reconstruct(images)
    assert torch.equal(restored, encoder.decode(encoder.encode(images)))
    assert float((restored - images / 255).abs().mean()) < 0.2


def test_other_weights_are_refused(tmp_path: Path) -> None:
    path = tiny.save_denoiser(tmp_path)
    with pytest.raises(WeightsError, match="are of kind 'denoiser'; latents need an autoencoder"):
        latents.encoder(str(path), RUNTIME)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("kind", sorted(study.OUT_OF_CLASS))
def test_out_of_class_images_are_of_the_data_s_shape_and_follow_from_the_seed(
    kind: str, channels: int
) -> None:
    data = torch.randint(0, 256, (5, channels, 32, 32), generator=draws()).byte()
    made = study.OUT_OF_CLASS[kind](data, 7, draws(1))
    assert made.shape == (7, channels, 32, 32)
    assert 0 <= float(made.min()) <= float(made.max()) <= 1
    assert torch.equal(made, study.OUT_OF_CLASS[kind](data, 7, draws(1)))


def test_each_kind_is_what_it_is_called() -> None:
    data = torch.randint(0, 256, (1, 1, 28, 28), generator=draws()).byte()
    assert study.constant(data, 1, draws()).unique().tolist() == pytest.approx([192 / 255])
    assert float(study.noise(data, 50, draws()).std()) == pytest.approx(0.2, abs=0.03)  # clipped at 1
    assert torch.allclose(study.negative(data, 1, draws())[0], 1 - data[0] / 255)
    assert torch.allclose(study.flip(data, 1, draws())[0], data[0].flip(-1) / 255)


def test_the_man_stands_in_the_middle_and_is_shifted_a_little() -> None:
    men = study.man(torch.zeros(1, 1, 28, 28), 30, draws())
    assert float((men[0] - men[0].flip(-1)).abs().max()) < 0.1  # upright and symmetric
    assert 0.05 < float(men[0].mean()) < 0.3
    assert len({man.numpy().tobytes() for man in men}) > 10
    assert all(torch.allclose(man.sum(), men[0].sum()) for man in men)


def test_nearest_latents_are_those_of_another_library() -> None:
    data, points = torch.rand(2500, 3, generator=draws()), torch.rand(40, 3, generator=draws(1))
    tree = cKDTree(data.numpy())
    expected, indices = tree.query(points.numpy())
    distances, found = study.nearest(points, data)
    assert np.allclose(distances, expected, atol=1e-3)
    assert (found.numpy() == indices).mean() > 0.9  # rounding decides between near ones
    own, _ = tree.query(data.numpy(), k=2)
    assert np.allclose(study.nearest(data, data, torch.arange(len(data)))[0], own[:, 1], atol=1e-3)
    assert study.reach(data) == pytest.approx(float(np.quantile(own[:, 1], 0.99)), abs=1e-3)


def test_the_order_of_more_latents_than_are_measured_decides_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "LARGEST", 100)
    low, high = 0.3 * torch.rand(150, 2, generator=draws()), 0.7 + 0.3 * torch.rand(50, 2, generator=draws(1))
    reaches = []
    for latent in (torch.cat([low, high]), torch.cat([high, low])):
        made = study.Study(torch.zeros(200, 1, 1, 1).byte(), latent, {}, {"low": low[:9], "high": high[:9]})
        figures = study.describe(made)
        assert figures["outliers"] == {"low": 1.0, "high": 1.0}
        reaches.append(figures["reach"])
    exact = cKDTree(torch.cat([low, high]).numpy()).query(torch.cat([low, high]).numpy(), k=2)[0][:, 1]
    assert reaches == pytest.approx([float(np.quantile(exact, 0.99))] * 2, rel=0.5)


def test_figures_of_known_latents(encoder: Encoder) -> None:
    images = halves(*[(left, right) for left in (0.3, 0.35, 0.4) for right in (0.3, 0.35, 0.4)])
    others = {"same": images[:4], "far": halves((1, 1), (0, 1)), "half": halves((0.3, 0.3), (1, 1))}
    made = study.examine(encoder, images, others)
    figures = study.describe(made)
    assert figures["images"] == 9
    assert figures["mean"] == pytest.approx(made.latent.mean(0).tolist())
    assert figures["occupied_cells"] == pytest.approx(len((made.latent * 10).long().unique(dim=0)) / 100)
    assert figures["outliers"] == {"same": 1.0, "far": 0.0, "half": 0.5}
    assert figures == study.describe(made)


def test_examples_show_input_reconstruction_and_neighbour(encoder: Encoder) -> None:
    images = halves((0, 0), (0, 1), (1, 0), (1, 1))
    made = study.examine(encoder, images, {"bright": halves((0.9, 0.95))})
    ((name, row),) = study.examples(encoder, made)
    assert name == "bright"
    assert torch.allclose(row[0], halves((0.9, 0.95))[0] / 255)
    assert torch.equal(row[1], encoder.reconstruct(row[:1])[0])
    assert torch.equal(row[2], images[3] / 255)


def test_all_kinds_are_drawn_a_hundred_times() -> None:
    drawn = study.draw_out_of_class(halves((0, 1), (1, 0)), seed=3)
    assert {name: len(images) for name, images in drawn.items()} == dict.fromkeys(study.OUT_OF_CLASS, 100)


def test_every_name_stands_in_the_legend_as_it_is() -> None:
    names = ("_dark", "a$b_c$", "50$", "\udcff")
    cloud = scatter.Cloud(torch.rand(8, 2, generator=draws()), (0, 0, 1, 1, 2, 2, 3, 3), names)
    figure = scatter.plot(cloud, [scatter.Marked("_$x$.png", torch.rand(1, 2))], ["z[0]", "z[1]"])
    figure.canvas.draw()
    (legend,) = figure.legends
    texts = legend.get_texts()
    assert [text.get_text() for text in texts] == ["_dark", "a$b_c$", "50$", r"\udcff", "_$x$.png"]
    assert not any(text.get_parse_math() for text in texts)
    colours = [tuple(handle.get_facecolor()[0]) for handle in legend.legend_handles]
    assert len(set(colours)) == 5  # each name beside its own points


def test_a_table_takes_any_name_and_images_of_a_pixel() -> None:
    figure = scatter.table([("$x_$.png", torch.rand(3, 1, 1, 1))], ["a", "b", "c"])
    figure.canvas.draw()
    assert figure.axes[0].yaxis.label.get_parse_math() is False


def test_principal_components_are_those_of_numpy() -> None:
    latent = torch.rand(60, 4, generator=draws()) * torch.tensor([5.0, 1, 3, 0.1])
    points, (other,) = scatter.project(latent, [latent[:3]])
    centred = (latent - latent.mean(0)).numpy()
    variances = np.sort(np.linalg.eigvalsh(centred.T @ centred))[::-1][:2]
    assert np.allclose((points.numpy() ** 2).sum(0), variances, rtol=1e-4)
    assert torch.allclose(other, points[:3])
