"""Autoencoders of digits: training, reconstruction, coverage, and images of no class."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

import mnist
import ours
import torch
from report import Row, Section
from settings import Bench

from genrestore.errors import WeightsError
from genrestore.runtime import Runtime
from genrestore.study import coverage, study
from genrestore.study.latents import Encoder
from genrestore.study.latents import encoder as load_encoder

COVERING, LARGE, PLAIN = "mnist-ae", "mnist-ae-100", "mnist-ae-plain"
"""Weights that are measured; the last does not ship and is trained by the section `training`."""
WORDS = {
    PLAIN: ["--latent-dim 10 --cover none --steps 4000 --restorer-steps 0"],
    COVERING: [
        "--latent-dim 10 --steps 6000 --restorer-steps 0",
        "--latent-dim 10 --steps 1200 --learning-rate 6e-4 --cover-weight 1.75 --restorer-steps 2500",
    ],
    LARGE: [
        "--latent-dim 100 --cover none --hidden 96 --steps 3000 --restorer-steps 6000 --restorer-width 40"
    ],
}
"""How each is trained: `genrestore train ae --data mnist` and these words, each from where the last ended."""
RECONSTRUCTION = {PLAIN: (21.0, 22.5), COVERING: (20.5, 22.0), LARGE: (28.0, 31.0)}
"""Must and aim, in dB."""
VARIANCE = (0.075, 0.092)
UNIFORM = 10_000
"""Uniform latents that are decoded."""
QUICK_STEPS = 100


def weights(bench: Bench, name: str) -> str:
    """The weights of this name: a path of those trained in this run, else the name."""
    trained = bench.scratch / f"{name}.safetensors"
    return str(trained) if trained.exists() else name


def encoder(bench: Bench, name: str) -> Encoder | None:
    """The autoencoder of this name; None where there is none."""
    try:
        return load_encoder(weights(bench, name), Runtime.create(precision="fp32"))
    except WeightsError:
        return None


def training_section(bench: Bench) -> Section:
    """Train all three by their documented commands, both cores; what the scratch folder has stays."""
    section = Section("training", "Training of autoencoders on 60,000 digits")
    for name, commands in WORDS.items():
        if not (bench.scratch / f"{name}.safetensors").exists():
            for number, words in enumerate(commands):
                train(bench, name, number, words.split())
        runs = [bench.scratch / f"run-{name}-{number}" for number in range(len(commands))]
        minutes = sum(minutes_of(run) for run in runs)
        section.rows.append(Row(f"{name}, minutes", minutes, 15, 5, "min", more=False))
        restorer = sum(minutes_of(run / "restorer") for run in runs)
        if restorer:
            section.rows.append(Row(f"{name}: its restorer, minutes", restorer, unit="min", more=False))
    return section


def train(bench: Bench, name: str, number: int, words: list[str]) -> None:
    """Run `genrestore train ae` on the digits, the number-th time for these weights, from where it ended."""
    target, place = bench.scratch / f"{name}.safetensors", bench.scratch / f"run-{name}-{number}"
    run = ours.command("train", "ae", "--data", "mnist", "--data-root", mnist.root(bench), "--name", name)
    run += [*words, "--run-dir", str(place), "--quiet", "--overwrite", "--output", str(target)]
    run += ["--init-from", str(target)] if target.exists() else []
    run += ["--steps", str(QUICK_STEPS)] if bench.every > 1 else []
    subprocess.run(run, check=True)


def minutes_of(run: Path) -> float:
    """How long a training took, by its log; 0 where there was none."""
    log = run / "metrics.csv"
    if not log.exists():
        return 0
    with log.open(newline="") as stream:
        return float(list(csv.DictReader(stream))[-1]["seconds"]) / 60


def reconstruction_section(bench: Bench) -> Section:
    """PSNR of AE(x) over the test set."""
    images, _ = mnist.digits(bench)
    section = Section("reconstruction", f"Reconstruction of {len(images)} test digits")
    for name, (must, aim) in RECONSTRUCTION.items():
        found = encoder(bench, name)
        if found is None:
            section.notes.append(f"{name}: no such weights; --section training makes them.")
            continue
        results = 255 * found.reconstruct(images).numpy()
        values = mnist.scores(results, images.numpy())
        section.rows.append(Row(f"{name}, latent {found.dimensions}", sum(values) / len(values), must, aim))
    return section


def coverage_section(bench: Bench) -> Section:
    """How the latents of the test set fill [0, 1]^d, and what uniform latents decode to."""
    images, _ = mnist.digits(bench)
    section = Section("coverage", "Latents of the test digits, and uniform latents decoded")
    _, accuracy = mnist.classifier(bench)
    section.rows.append(Row("accuracy of the classifier", 100 * accuracy, 99, unit="%"))
    for name in (COVERING, PLAIN):
        found = encoder(bench, name)
        if found is None:
            continue
        latent = found.encode(images)
        variance = coverage.statistics(latent)["variance"]
        goals = [(VARIANCE[0], True), (VARIANCE[1], False)] if name == COVERING else [(None, True)] * 2
        for what, value, (must, more) in zip(
            ("least", "largest"), (variance.min(), variance.max()), goals, strict=True
        ):
            row = Row(f"{name}: {what} variance", float(value), must, unit="z²", more=more)
            section.rows.append(row)
        must, aim = (0.995, 90) if name == COVERING else (None, None)
        section.rows.append(Row(f"{name}: occupied cells", coverage.occupied(latent), must, unit="share"))
        generator = torch.Generator().manual_seed(0)
        draws = torch.rand(UNIFORM // bench.every, found.dimensions, generator=generator)
        share = mnist.sure(bench, found.decode(draws))
        section.rows.append(Row(f"{name}: uniform latents that are digits", share, None, aim, "%"))
    return section


def outliers_section(bench: Bench) -> Section:
    """Where images of no class fall, and what becomes of them."""
    images, _ = mnist.digits(bench)
    section = Section("outliers", "Images of no class, 100 of each kind")
    others = study.draw_out_of_class(images, seed=0)
    for name in (COVERING, PLAIN):
        found = encoder(bench, name)
        if found is None:
            continue
        inside = study.describe(study.examine(found, images, others))["outliers"]
        for kind, share in inside.items():
            must = 95 if name == COVERING else None
            section.rows.append(Row(f"{name}: {kind}, among the data", 100 * share, must, unit="%"))
        restored = torch.cat([found.reconstruct(some) for some in others.values()])
        aim = 90 if name == COVERING else None
        row = Row(f"{name}: reconstructions that are digits", mnist.sure(bench, restored), None, aim, "%")
        section.rows.append(row)
    return section
