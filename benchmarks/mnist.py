"""MNIST for the benchmark of autoencoders: digits, their noise, and a classifier that judges them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from pictures import Pixels
from safetensors.torch import load_model, save_model
from settings import Bench
from torch import Tensor, nn
from torch.nn import functional

CHOSEN = 200
"""Test digits that are restored, a seeded draw."""
EPOCHS, BATCH = 4, 128
SURE = 0.9
"""Probability from which on the classifier calls an image a digit."""


def root(bench: Bench) -> Path:
    """The folder that torchvision opens.

    Raises:
        FileNotFoundError: MNIST is not in the data folder.
    """
    for folder in (bench.data, bench.data / "mnist") if bench.data else ():
        if (folder / "MNIST" / "raw").is_dir():
            return folder
    raise FileNotFoundError("give --data FOLDER with MNIST/ or mnist/MNIST/ as torchvision lays it out")


@lru_cache(maxsize=2)
def _read(folder: Path, train: bool) -> tuple[Tensor, Tensor]:
    from torchvision.datasets import MNIST

    data = MNIST(folder, train=train)
    return data.data[:, None], data.targets


def digits(bench: Bench, *, train: bool = False) -> tuple[Tensor, Tensor]:
    """Images [image, 1, 28, 28] of uint8, and labels [image]; every n-th of them in a quick run."""
    images, labels = _read(root(bench), train)
    return images[:: bench.every], labels[:: bench.every]


def chosen(bench: Bench) -> Pixels:
    """The test digits that are restored, uint8 [image, 1, 28, 28]; fewer in a quick run."""
    images, _ = _read(root(bench), False)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order[: CHOSEN // bench.every]].numpy()


def noisy(clean: Pixels, sigma: float) -> Pixels:
    """Digits with Gaussian noise as files hold them: uint8 of the shape of clean [image, 1, 28, 28].

    Args:
        clean: uint8.
        sigma: In grey levels.
    """
    draws = np.random.default_rng(round(100 * sigma)).standard_normal(clean.shape)
    return (clean + sigma * draws).round().clip(0, 255).astype(np.uint8)


def scores(results: Pixels, clean: Pixels) -> list[float]:
    """PSNR of each image [image, 1, 28, 28], clipped and rounded to 8 bits, in dB."""
    error = np.square(results.clip(0, 255).round() - clean.astype(float)).mean((1, 2, 3))
    return (10 * np.log10(255**2 / np.maximum(error, 1e-3))).tolist()


class Classifier(nn.Sequential):
    """Two convolutions and two linear layers: logits [image, 10] of images [image, 1, 28, 28] in [0, 1]."""

    def __init__(self) -> None:
        super().__init__(
            nn.Conv2d(1, 32, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(32, 64, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(64 * 49, 128),
            nn.ReLU(),
            nn.Linear(128, 10),
        )


def classifier(bench: Bench) -> tuple[Classifier, float]:
    """A classifier trained on the training digits, and its accuracy on all test digits.

    It is kept in the scratch folder.
    """
    return _classifier(root(bench), bench.every, bench.scratch / f"classifier-{bench.every}.safetensors")


@lru_cache(maxsize=1)
def _classifier(folder: Path, every: int, kept: Path) -> tuple[Classifier, float]:
    torch.manual_seed(0)
    network = Classifier()
    if kept.exists():
        load_model(network, kept)
    else:
        _teach(network, *(part[::every] for part in _read(folder, True)))
        save_model(network, str(kept))
    network.eval()
    test, truth = (part[::every] for part in _read(folder, False))
    right = probabilities(network, test.float() / 255).argmax(1) == truth
    return network, float(right.float().mean())


@torch.enable_grad()
def _teach(network: Classifier, images: Tensor, labels: Tensor) -> None:
    """Train a classifier on images [image, 1, 28, 28] of uint8 and labels [image]."""
    steps = EPOCHS * (len(images) // BATCH)
    optimiser = torch.optim.AdamW(network.parameters(), 2e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 2e-3, total_steps=steps)
    for _ in range(EPOCHS):
        for places in torch.randperm(len(images))[: len(images) // BATCH * BATCH].split(BATCH):
            shift = torch.randint(-2, 3, (2,)).tolist()
            batch = (images[places].float() / 255).roll(shift, (2, 3))
            optimiser.zero_grad()
            functional.cross_entropy(network(batch), labels[places]).backward()
            optimiser.step()
            schedule.step()


@torch.no_grad()
def probabilities(network: Classifier, images: Tensor) -> Tensor:
    """Of each class, [image, 10], for images [image, 1, 28, 28] in [0, 1]."""
    return torch.cat([network(some).softmax(1) for some in images.split(1000)])


def sure(bench: Bench, images: Tensor) -> float:
    """Percent of images [image, 1, 28, 28] in [0, 1] that the classifier calls a digit with p > `SURE`."""
    network, _ = classifier(bench)
    return 100 * float((probabilities(network, images).max(1).values > SURE).float().mean())
