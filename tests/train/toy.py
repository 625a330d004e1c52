"""A training of milliseconds: the noise estimator learns one noise level. Also a program for torchrun."""

from __future__ import annotations

import os
import signal
import struct
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from genrestore.runtime import Runtime
from genrestore.train import distributed
from genrestore.train.data.dataset import ImageSet
from genrestore.train.data.draws import sample_generator
from genrestore.train.kinds.base import Training
from genrestore.train.loop import session
from genrestore.train.settings import Kind, Request
from genrestore.weights.header import NetworkSpec

RUNTIME = Runtime("cpu", "fp32", 1, 0)


@dataclass(frozen=True)
class ToySettings:
    width: int = 4
    widths: tuple[int, ...] = (1, 2)
    nan_at: int = -1
    interrupt_at: int = -1
    restorer_steps: int = 8
    restorer_width: int = 4


class ToyTraining(Training[ToySettings, Tensor]):
    PRIOR = COMMAND = "denoiser"

    def prepare(self, images: ImageSet, validation: ImageSet) -> None:
        self.images, self.done = images, 0

    def example(self, generator: torch.Generator) -> Tensor:
        return self.images.patch(generator, 16)

    def specs(self) -> dict[str, NetworkSpec]:
        arguments = {"channels": 3, "width": self.settings.width, "blocks": 1}
        return {"estimator": NetworkSpec("noise-estimator", arguments)}

    def batch(self, step: int, indices: Sequence[int]) -> Tensor:
        generators = [sample_generator(self.loop.seed, step, index) for index in indices]
        clean = torch.stack([self.images.patch(generator, 16) for generator in generators])
        noise = torch.stack([torch.randn(3, 16, 16, generator=generator) for generator in generators])
        self.done = step
        return clean + 0.1 * noise

    def step(self, batch: Tensor) -> dict[str, Tensor]:
        if self.done == self.settings.interrupt_at:
            os.kill(os.getpid(), signal.SIGTERM)
        network: Any = self.networks["estimator"]
        loss = (network.log_level(batch) - np.log(0.1)).square().mean()
        if self.done == self.settings.nan_at:
            loss = loss * float("nan")
        return {**self.learn({"loss": loss}), "draw": torch.rand(())}

    def validate(self, networks: Mapping[str, nn.Module]) -> dict[str, float]:
        with torch.no_grad():
            error = networks["estimator"](self.batch(10**6, [0])) - 0.1
        return {"score": -float(error.abs().mean())}

    def samples(self, networks: Mapping[str, nn.Module]) -> Tensor:
        return self.batch(0, range(3)).clamp(0, 1)


KIND = Kind(
    "denoiser", "a toy", ToySettings(), f"{__name__.replace('__main__', 'tests.train.toy')}:ToyTraining"
)


class Witness:
    """An observer that remembers."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.rows: list[Mapping[str, float]] = []
        self.steps: list[int] = []

    def note(self, text: str) -> None:
        self.notes.append(text)

    def stepped(self, step: int, steps: int) -> None:
        self.steps.append(step)

    def logged(self, row: Mapping[str, float]) -> None:
        self.rows.append(row)


def pixels(seed: int = 0, height: int = 40, width: int = 48) -> np.ndarray:
    """Random RGB, uint8 [height, width, 3]."""
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def image_set(count: int = 3) -> ImageSet:
    names = tuple(Path(f"{index}.png") for index in range(count))
    return ImageSet(tuple(pixels(index) for index in range(count)), names, (1.0,) * count)


def write_digits(root: Path, name: str = "mnist", train: int = 6, test: int = 4) -> dict[str, np.ndarray]:
    """Random images in the layout of torchvision's MNIST, classes 0 to 9 in turn; gives the pixels."""
    folder = root / {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}[name] / "raw"
    folder.mkdir(parents=True, exist_ok=True)
    parts = {}
    for part, prefix, count in (("train", "train", train), ("test", "t10k", test)):
        made = np.random.default_rng(count).integers(0, 256, (count, 28, 28), dtype=np.uint8)
        labels = np.arange(count, dtype=np.uint8) % 10
        for kind, magic, values in (("images-idx3", 2051, made), ("labels-idx1", 2049, labels)):
            header = struct.pack(f">{1 + values.ndim}I", magic, *values.shape)
            (folder / f"{prefix}-{kind}-ubyte").write_bytes(header + values.tobytes())
        parts[part] = made
    return parts


def fill(folder: Path, count: int = 3) -> Path:
    """Write PNG files."""
    from PIL import Image

    folder.mkdir(parents=True, exist_ok=True)
    for index in range(count):
        Image.fromarray(pixels(index)).save(folder / f"{index}.png")
    return folder


def request(folder: Path, **loop: Any) -> Request:
    """A request on the images of folder/images, in folder/run."""
    quick = {"steps": 8, "batch_size": 4, "warmup": 2, "log_every": 2, "validate_every": 4, "sample_every": 8}
    return Request(
        name="toy", run_dir=folder / "run", data={"data": [str(folder / "images")]}, loop={**quick, **loop}
    )


def train(asked: Request, **model: Any) -> session.Result:
    return session.run(KIND, replace(asked, model=model), RUNTIME, Witness())


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.session("cpu"):
        train(request(Path(sys.argv[1]), save_minutes=0, optimiser="muon"), interrupt_at=int(sys.argv[2]))
