"""The game of generator and discriminator: losses and step ratios, the collapse alarm, and speed."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import replace

import mnist
import torch
from generators import QUICK_STEPS, balance, features, frechet, run_folder, samples, train, weights_path
from report import Row, Section, watched
from settings import Bench
from torch import nn
from torch.nn import functional

from genrestore.models.dcgan import Discriminator, Generator
from genrestore.runtime import Runtime
from genrestore.train.data.dataset import Folder, Reading, load_images
from genrestore.train.data.named import Library
from genrestore.train.kinds import KINDS, GanSettings
from genrestore.train.kinds.gan import GanTraining

LOSSES = ("non-saturating", "saturating", "l2")
RATIOS = (1, 3)
STEPS, SMALLER = 1500, 64
"""Of the generator, and the images of a batch: half the recipe's, in half the time."""
DOUBT = 0.01
"""Loss of a discriminator that is not certain: there the alarm must not ring."""
CERTAIN = ["--loss", "saturating", "--d-steps", "20", "--learning-rate", "1e-3", "--width", "16"]
"""What trains a discriminator to certainty, in little time."""
BATCH, TIMED = 128, 20
RATE, BETAS = 2e-4, (0.5, 0.999)


def short(bench: Bench) -> list[str]:
    """The recipe, with smaller batches, for the generator steps of one experiment."""
    steps = STEPS if bench.every == 1 else QUICK_STEPS
    every = ["--log-every", str(max(1, steps // 50)), "--validate-every", str(steps)]
    size = ["--steps", str(steps), "--batch-size", str(SMALLER)]
    return ["--recipe", "report", *size, "--encoder-steps", "0", "--seed", "0", *every]


def losses_section(bench: Bench) -> Section:
    """Each loss at each ratio: where it ends, and whether the alarm stays silent; what is there stays."""
    section = Section("losses", f"Three losses at 1:1 and 1:3, {STEPS} generator steps by the recipe")
    real = features(bench, mnist.digits(bench)[0].float() / 255)
    cases = [(loss, ratio) for loss in LOSSES for ratio in RATIOS]
    for loss, ratio in watched(cases, "losses"):
        name, title = f"{loss}-{ratio}", f"{loss} 1:{ratio}"
        play(bench, loss, ratio)
        rang, section.more[name] = played(bench, name)
        must = 0 if healthy(section.more[name]) else None
        section.rows.append(Row(f"{title}: alarms", float(rang), must, unit="", more=False))
        if rang:
            section.notes.append(f"{title}: stopped after {section.more[name][-1]['step']} steps.")
            continue
        made = samples(bench, name)
        assert made is not None
        distance = frechet(features(bench, made), real)
        section.rows.append(Row(f"{title}: Fréchet distance", distance, unit="", more=False))
        section.rows.append(balance(bench, title, made)[0])
    return section


def play(bench: Bench, loss: str, ratio: int) -> None:
    """Train with one loss at one ratio, unless that run is there.

    Raises:
        RuntimeError: It failed, and not by the alarm.
    """
    name = f"{loss}-{ratio}"
    if run_folder(bench, name).exists():
        return
    done = train(bench, name, [*short(bench), "--loss", loss, "--d-steps", str(ratio)])
    if done.returncode and "has collapsed" not in done.stderr:
        raise RuntimeError(f"{name}: {done.stderr.strip()}")


def played(bench: Bench, name: str) -> tuple[bool, list[dict[str, str]]]:
    """Whether the alarm stopped a run, which then has no weights, and the rows of its log."""
    with (run_folder(bench, name) / "metrics.csv").open(newline="") as stream:
        return not weights_path(bench, name).exists(), list(csv.DictReader(stream))


def healthy(rows: list[dict[str, str]]) -> bool:
    """Whether the discriminator was in doubt in the last fifth of a run, by its log."""
    last = [float(row["discriminator"]) for row in rows[-max(1, len(rows) // 5) :]]
    return sum(last) / len(last) >= DOUBT


def alarm_section(bench: Bench) -> Section:
    """Train a discriminator to certainty."""
    section = Section("alarm", "A discriminator trained to certainty")
    done = train(bench, "certain", [*short(bench), *CERTAIN])
    rang = done.returncode == 1 and "has collapsed" in done.stderr
    section.rows.append(Row("alarms", float(rang), 1, unit=""))
    section.notes.append(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "no alarm")
    return section


def throughput_section(bench: Bench) -> Section:
    """Images a second of our training and of the recipe in eager float32: same networks, same batch."""
    section = Section("throughput", f"Training, width 64, batches of {BATCH}, all cores")
    ours, plain = our_step(bench), plain_step(bench)
    for step in (ours, plain):
        step()
    seconds = {"ours": 0.0, "plain": 0.0}
    for _ in range(max(2, TIMED // bench.every)):  # in turn, so that both meet the same machine
        for name, step in (("ours", ours), ("plain", plain)):
            start = time.perf_counter()
            step()
            seconds[name] += time.perf_counter() - start
    ratio = seconds["plain"] / seconds["ours"]
    section.rows.append(Row("images a second, against the recipe in eager float32", ratio, 1.5, 2.5, "×"))
    section.more["seconds"] = seconds
    return section


def our_step(bench: Bench) -> Callable[[], object]:
    """One step of ours, in the precision that this machine takes by itself."""
    images = load_images([Folder.parse("mnist")], Reading(1, 28), Library(mnist.root(bench), "test"))
    loop = replace(KINDS["gan"].loop, batch_size=BATCH, learning_rate=RATE)
    training = GanTraining(GanSettings(d_deeper=False), loop, images, images, Runtime.create())
    batch = training.batch(0, range(BATCH))
    return lambda: training.step(batch)


def plain_step(bench: Bench) -> Callable[[], object]:
    """One step as the recipe has it: eager, float32, one player after the other."""
    real = mnist.digits(bench)[0][:BATCH].float() / 255
    generator, discriminator = Generator(), Discriminator()
    players: tuple[nn.Module, nn.Module] = generator, discriminator
    adams = [torch.optim.Adam(player.parameters(), RATE, BETAS) for player in players]

    def step() -> None:
        made = generator(torch.randn(len(real), 100))
        adams[1].zero_grad()
        loss = functional.softplus(-discriminator(real)).mean()
        (loss + functional.softplus(discriminator(made.detach())).mean()).backward()
        adams[1].step()
        adams[0].zero_grad()
        functional.softplus(-discriminator(made)).mean().backward()
        adams[0].step()

    return step
