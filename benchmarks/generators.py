"""Generators of digits: how they are trained, and how near their samples are to real digits."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import mnist
import ours
import torch
from report import Row, Section
from settings import Bench
from torch import Tensor

from genrestore.errors import WeightsError
from genrestore.runtime import Runtime
from genrestore.study import latents as sampling
from genrestore.weights import load, store
from genrestore.weights.header import read_header

OURS, RECIPE = "mnist-gan", "mnist-gan-report"
"""Weights that are measured; the second does not ship and is trained by the section `training`."""
WORDS: dict[str, list[str]] = {
    OURS: ["--steps", "4000", "--learning-rate", "4e-4", "--holdout-every", "12"],
    RECIPE: ["--recipe", "report", "--d-steps", "3", "--encoder-steps", "0"],
}
"""How each is trained: `genrestore train gan --data mnist` and these words."""
SAMPLES = 10_000
CLASSES = 10
QUICK_STEPS = 20
LAYER = -1
"""Of the classifier, whose input is the features: the last, linear one."""


def train(bench: Bench, name: str, words: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run `genrestore train gan` on the digits; its folder and weights are named by name in the scratch."""
    run = ours.command("train", "gan", "--data", "mnist", "--data-root", mnist.root(bench), "--name", name)
    run += ["--output", str(weights_path(bench, name)), "--run-dir", str(run_folder(bench, name)), "--quiet"]
    return subprocess.run([*run, *words], check=False, capture_output=True, text=True)


def weights_path(bench: Bench, name: str) -> Path:
    """Where `train` puts the weights."""
    return bench.scratch / f"{name}.safetensors"


def run_folder(bench: Bench, name: str) -> Path:
    """Where `train` keeps its run."""
    return bench.scratch / f"run-{name}"


def training_section(bench: Bench) -> Section:
    """Train both by their documented commands, on all cores."""
    section = Section("training", "Training of generators on 60,000 digits")
    quick = ["--steps", str(QUICK_STEPS)] if bench.every > 1 else []
    for name, words in WORDS.items():
        start = time.perf_counter()
        done = train(bench, name, [*words, *quick])
        minutes = (time.perf_counter() - start) / 60
        if done.returncode:
            section.notes.append(f"{name}: exit {done.returncode}, {done.stderr.strip()}")
        row = Row(f"{name}, minutes on {os.cpu_count()} cores", minutes, unit="min", more=False)
        section.rows.append(row)
    return section


def samples(bench: Bench, name: str) -> Tensor | None:
    """Samples of a generator, [image, 1, 28, 28] in [0, 1]; None where there is none."""
    path = weights_path(bench, name)
    runtime = Runtime.create(precision="fp32")
    try:
        loaded = load.load(str(path) if path.exists() else name, runtime)
    except WeightsError:
        return None
    sampler = sampling.sampler(loaded, name, runtime)
    return sampler.render(sampler.draw(SAMPLES // bench.every, runtime.generator())).float() / 255


def samples_section(bench: Bench) -> Section:
    """Fréchet distance and class balance of samples, against the recipe's."""
    section = Section("samples", f"{SAMPLES // bench.every} samples in the features of a classifier")
    _, accuracy = mnist.classifier(bench)
    section.rows.append(Row("accuracy of the classifier", 100 * accuracy, 99, unit="%"))
    real, floor = (mnist.digits(bench, train=train)[0].float() / 255 for train in (False, True))
    lowest = frechet(features(bench, floor), features(bench, real))
    recipe = samples(bench, RECIPE)
    beside = {"training digits": lowest}
    must = aim = None
    if recipe is None:
        section.notes.append(f"{RECIPE}: no such weights; --section training makes them.")
    else:
        beside["recipe"] = frechet(features(bench, recipe), features(bench, real))
        must, aim = beside["recipe"] / 2, beside["recipe"] / 10
        section.notes += unfinished(bench)
    for name, made in ((OURS, samples(bench, OURS)), (RECIPE, recipe)):
        if made is None:
            continue
        section.rows += balance(bench, name, made)
        if name == OURS:
            distance = frechet(features(bench, made), features(bench, real))
            row = Row(f"{name}: Fréchet distance to test digits", distance, must, aim, "", more=False)
            section.rows.append(Row(**{**vars(row), "beside": beside}))
    return section


def unfinished(bench: Bench) -> list[str]:
    """A note where the recipe's training was stopped early."""
    path = weights_path(bench, RECIPE)
    training = read_header(path if path.exists() else store.resolve(RECIPE)).training
    done, steps = training["step"], training["loop"]["steps"]
    return [f"{RECIPE}: after {done:,} of {steps:,} generator steps."] if done < steps else []


def balance(bench: Bench, name: str, made: Tensor) -> list[Row]:
    """The rarest and the commonest class of samples [image, 1, 28, 28] in [0, 1], to the classifier."""
    network, _ = mnist.classifier(bench)
    found = mnist.probabilities(network, made).argmax(1).bincount(minlength=CLASSES)
    share = 100 * found / len(made)
    must = 5 if name == OURS else None
    return [
        Row(f"{name}: rarest class", float(share.min()), must, unit="%"),
        Row(f"{name}: commonest class", float(share.max()), unit="%", more=False),
    ]


@torch.no_grad()
def features(bench: Bench, images: Tensor) -> Tensor:
    """What the classifier's last layer sees of images [image, 1, 28, 28] in [0, 1]: [image, feature]."""
    network, _ = mnist.classifier(bench)
    body = torch.nn.Sequential(*list(network)[:LAYER])
    return torch.cat([body(some) for some in images.split(1000)])


def frechet(first: Tensor, second: Tensor) -> float:
    """Fréchet distance of two normal distributions with the moments of two sets of features.

        |μ − μ'|² + tr(Σ + Σ' − 2 (Σ Σ')^½)

    Source: Heusel et al., "GANs Trained by a Two Time-Scale Update Rule", 2017, section 3.

    Args:
        first: [image, feature].
        second: [image, feature].
    """
    means = [one.double().mean(0) for one in (first, second)]
    spreads = [one.double().T.cov() for one in (first, second)]
    roots = torch.linalg.eigvals(spreads[0] @ spreads[1]).real.clamp(min=0).sqrt()
    apart = (means[0] - means[1]).square().sum()
    return float(apart + spreads[0].trace() + spreads[1].trace() - 2 * roots.sum())
