"""Measure autoencoders and generators of digits and faces, against others.

python benchmarks/digits.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import others
import torch
from bench import Bench, main, mean, over, watched
from pictures import Pixels, find, read, square_hole
from tables import Row, Section
from torch import Tensor
from torchvision.datasets import MNIST

from genrestore.errors import WeightsError
from genrestore.restore.pictures import Restore
from genrestore.restore.task import DENOISE, INPAINT, INVERT, Damage, Picture, Request, Task
from genrestore.runtime import Runtime
from genrestore.study.latents import encoder as load_encoder

COVERING, LARGE, GENERATOR = "mnist-ae", "mnist-ae-100", "mnist-gan"
FACES = {"faces-gan": ("gray", 100), "faces-rgb-gan": ("color", 50)}
"""Weights of faces, their folder in the data, and how many that were kept out of training are inverted."""
STRONG, WEAK = 63.75, 12.75
"""σ in grey levels: 0.5 and 0.1 on the scale from −1 to 1."""
FACES_AE, FACES_INPAINT, FEW_FACES, FACE_NOISE = "faces-ae", "faces-inpaint", 24, 25.0
"""Weights of your own (docs/training.md), the last faces kept out of their training, and σ in grey levels."""
CHOSEN, SIDE = 200, 8
"""Digits that are restored, and side of a hole in pixels."""


@lru_cache(maxsize=2)
def _read(folder: Path, train: bool) -> tuple[Tensor, Tensor]:
    data = MNIST(folder, train=train)
    return data.data[:, None], data.targets


def root(bench: Bench) -> Path:
    """The folder that torchvision opens."""
    there = bench.data is not None and (bench.data / "MNIST").is_dir()
    return find(bench.data, "MNIST" if there else "mnist/MNIST").parent


def digits(bench: Bench, *, train: bool = False) -> tuple[Tensor, Tensor]:
    """Images [image, 1, 28, 28] of uint8, and labels [image]; every n-th of them in a quick run."""
    images, labels = _read(root(bench), train)
    return images[:: bench.every], labels[:: bench.every]


def chosen(bench: Bench, count: int = CHOSEN) -> Pixels:
    """A seeded draw of test digits, uint8 [image, 1, 28, 28]; fewer in a quick run."""
    images, _ = _read(root(bench), False)
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    return images[order[: max(1, count // bench.every)]].numpy()


def faces(bench: Bench, folder: str, count: int) -> Pixels:
    """Faces that were kept out of training, uint8 [image, channel, 64, 64]."""
    paths = sorted(find(bench.data, f"faces64/{folder}").glob("*.jpg"))[11::12]
    return np.stack([read(path).transpose(2, 0, 1) for path in paths[: max(1, count // bench.every)]])


def noisy(clean: Pixels, sigma: float) -> Pixels:
    """Digits with Gaussian noise as files hold them: uint8 of the shape of clean; σ in grey levels."""
    draws = np.random.default_rng(round(100 * sigma)).standard_normal(clean.shape)
    return (clean + sigma * draws).round().clip(0, 255).astype(np.uint8)


def scores(results: Pixels, clean: Pixels) -> list[float]:
    """PSNR in dB of each image [image, channel, height, width] in grey levels, clipped and rounded."""
    error = np.square(results.clip(0, 255).round() - clean.astype(float)).mean((1, 2, 3))
    return (10 * np.log10(255**2 / np.maximum(error, 1e-3))).tolist()


@lru_cache(maxsize=8)
def task(damage: Damage, weights: str, noise_level: float | None = None) -> Restore:
    """The restoration that the command line uses, loaded once; σ on the [0, 1] scale."""
    return Restore(Task.of(damage, weights, None if noise_level is None else Request(noise_level)))


def together(
    damage: Damage, weights: str, damaged: Pixels, known: Pixels | None = None, sigma: float | None = None
) -> Pixels:
    """A restoration of images [image, channel, height, width] of uint8: the same in grey levels.

    Pixels are known where `known`, [image, 1, height, width], is true; σ is in grey levels.
    """
    there = [None] * len(damaged) if known is None else [one[None] for one in known]
    pictures = [Picture(one[None], mask) for one, mask in zip(damaged, there, strict=True)]
    found: list[Any] = task(damage, weights, None if sigma is None else sigma / 255).together(pictures)
    return np.concatenate([one.pixels for one in found])


def reconstruction(bench: Bench) -> Section:
    """PSNR of AE(x) over the test set."""
    images, _ = digits(bench)
    section = Section(f"Reconstruction of {len(images)} test digits")
    for name, must, aim in ((COVERING, 20.5, 22.0), (LARGE, 28.0, 31.0)):
        found = scores(ae(name, images.numpy()), images.numpy())
        section.rows.append(Row(name, mean(found), must, aim))
    return section


@lru_cache(maxsize=2)
def encoder(name: str) -> Any:
    """An autoencoder of a name."""
    return load_encoder(name, Runtime.create(precision="fp32"))


def ae(name: str, images: Pixels) -> Pixels:
    """AE(x) in grey levels of uint8 [image, 1, 28, 28]."""
    return np.asarray(255 * encoder(name).reconstruct(torch.from_numpy(images)).numpy())


def mapped(method: Callable[..., Pixels], *images: Pixels) -> Pixels:
    """A method on [height, width, channel], told each of some images [image, channel, height, width]."""
    found = [
        method(*(np.ascontiguousarray(one.transpose(1, 2, 0)) for one in each))
        for each in zip(*images, strict=True)
    ]
    return np.stack([one.transpose(2, 0, 1) * (255.0 if one.dtype.kind == "f" else 1.0) for one in found])


def noise(bench: Bench) -> Section:
    """Noise of two levels in 8-bit files, beside AE(y), `photo` and BM3D."""
    clean = chosen(bench)
    section = Section(f"{len(clean)} digits with noise, 8-bit files")
    goals = {
        (COVERING, STRONG): (1.5, 2.5), (LARGE, STRONG): (3.5, 5.0), (GENERATOR, STRONG): (0.0, None),
        (COVERING, WEAK): (0.0, None), (LARGE, WEAK): (1.5, 3.0), (GENERATOR, WEAK): (None, None),
    }  # fmt: skip
    for sigma in (STRONG, WEAK):
        damaged = noisy(clean, sigma)
        found = {f"AE(y), {name}": ae(name, damaged) for name in (COVERING, LARGE)}
        photo = task(DENOISE, "photo", sigma / 255)
        found["photo"] = np.concatenate([photo(one[None]).pixels for one in damaged])
        beside = {"input": mean(scores(damaged, clean))}
        beside |= {name: mean(scores(results, clean)) for name, results in found.items()}
        block = mapped(lambda one, sigma=sigma: others.bm3d(one, sigma), damaged)
        beside["BM3D"] = mean(scores(block, clean))
        from_input = {"input": beside["input"]}
        for name in (COVERING, LARGE, GENERATOR):
            value = mean(scores(together(DENOISE, name, damaged, sigma=sigma), clean))
            row = over(
                f"σ {sigma:g}, {name}", value, from_input if sigma == WEAK else beside, *goals[name, sigma]
            )
            section.rows.append(Row(row.what, value, row.must, row.aim, beside=beside))
    return section


def holes(bench: Bench) -> Section:
    """A square hole, half of the pixels, and the right half missing."""
    clean, draws = chosen(bench), np.random.default_rng(0)
    section = Section(f"{len(clean)} digits with holes", notes=["Known pixels are put back into AE(y)."])
    square, half = np.ones((2, len(clean), 28, 28), bool)
    for known, (top, left) in zip(square, draws.integers(6, 28 - SIDE - 5, (len(clean), 2)), strict=True):
        known[top : top + SIDE, left : left + SIDE] = False
    half[:, :, 14:] = False
    scattered = draws.random(square.shape) >= 0.5
    for hole, masks in (("8×8 hole", square), ("50 % missing", scattered), ("right half missing", half)):
        known = masks[:, None]
        damaged = clean * known
        found = {"Telea": mapped(lambda a, b: others.telea(a, b[..., 0]), damaged, known)}
        found["biharmonic"] = mapped(lambda a, b: others.biharmonic(a, b[..., 0]), damaged, known)
        found |= {f"AE(y), {name}": np.where(known, damaged, ae(name, damaged)) for name in (COVERING, LARGE)}
        beside = {name: mean(scores(results, clean)) for name, results in found.items()}
        for name in (COVERING, LARGE, GENERATOR):
            made = together(INPAINT, name, damaged, known)
            section.rows.append(over(f"{hole}, {name}", mean(scores(made, clean)), beside, 0.0, 3.0))
    return section


def inversion(bench: Bench) -> Section:
    """Digits and faces kept out of training, and the generator's own samples, found again."""
    section, cases = Section("Images inverted"), {GENERATOR: chosen(bench, 100)}
    cases |= {weights: faces(bench, *where) for weights, where in FACES.items()}
    for weights, images in watched(list(cases.items()), "inversion"):
        task(INVERT, weights)(images[:1])  # loaded
        start = time.process_time()
        found = mean(scores(together(INVERT, weights, images), images))
        seconds = (time.process_time() - start) / len(images)
        section.rows.append(Row(f"{weights}: PSNR of {len(images)}", found))
        section.rows.append(Row(f"{weights}: core seconds an image", seconds, unit="s", more=False))
    restore = task(INVERT, GENERATOR)
    prior: Any = restore.prior
    own = sorted(prior.self_test(max(1, 100 // bench.every), restore.task.settings, lambda _: None))
    section.rows.append(Row("own samples, median", float(np.median(own)), 35, 45))
    section.rows.append(Row("own samples, least", own[0]))
    return section


def own_faces(bench: Bench) -> Section:
    """Grey faces kept out of training, by priors of faces that the store has, beside those of photographs."""
    clean = faces(bench, "gray", 10**6)[-FEW_FACES:]
    section = Section(f"{len(clean)} grey faces, by priors of faces")
    damaged, photo = noisy(clean, FACE_NOISE), task(DENOISE, "photo", FACE_NOISE / 255)
    known = np.broadcast_to(square_hole(64, 64, side=SIDE), clean.shape)
    usual = mean(scores(np.concatenate([photo(one[None]).pixels for one in damaged]), clean))
    beside = {"photo-inpaint": mean(scores(one_by_one("photo-inpaint", clean, known), clean))}

    def by_autoencoder() -> list[Row]:
        found = mean(scores(together(DENOISE, FACES_AE, damaged, sigma=FACE_NOISE), clean))
        filled = mean(scores(together(INPAINT, FACES_AE, clean * known, known), clean))
        return [
            Row(f"{FACES_AE}: reconstruction", mean(scores(ae(FACES_AE, clean), clean)), 26, 28),
            over(f"{FACES_AE}: σ {FACE_NOISE:g}", found, {"photo": usual}, 1.0),
            over(f"{FACES_AE}: 8×8 hole in the middle", filled, beside, 2.0),
        ]

    def by_inpainter() -> list[Row]:
        filled = mean(scores(one_by_one(FACES_INPAINT, clean, known), clean))
        return [over(f"{FACES_INPAINT}: 8×8 hole in the middle", filled, beside, 2.0)]

    section.notes = [f"{FACES_AE} and {FACES_INPAINT} are left out where the store has none of that name."]
    for rows in (by_autoencoder, by_inpainter):
        with suppress(WeightsError):
            section.rows += rows()
    return section


def one_by_one(weights: str, clean: Pixels, known: Pixels) -> Pixels:
    """Images with holes filled by an inpainter, [image, channel, height, width]."""
    fill = task(INPAINT, weights, 0.0)
    pairs = zip(clean * known, known, strict=True)
    return np.concatenate([fill(one[None], known=there[None]).pixels for one, there in pairs])


SECTIONS = (reconstruction, noise, holes, inversion, own_faces)

if __name__ == "__main__":
    main("digits", {one.__name__: one for one in SECTIONS}, GENERATOR)
