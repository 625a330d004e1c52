"""Trainings that are killed, signals at random moments, full disks: nothing lost, nothing half there."""

from __future__ import annotations

import hashlib
import random
import resource
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from tests import tiny
from tests.cli.conftest import noisy_pixels, write
from tests.faults import GENRESTORE, Place, fill, left_overs, read_to_end
from tests.soak.checks import Checks

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
STEPS = 60


def _as_in_a_terminal() -> None:
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def training(folder: Path, name: str, *more: str) -> list[str]:
    """The words of a training of some seconds, which writes a checkpoint every third step."""
    sizes = ["--widths", "8,8", "--blocks", "1,1", "--patch-size", "32", "--batch-size", "2"]
    often = ["--validate-every", "9", "--save-every", "3", "--sample-every", "20", "--log-every", "3"]
    places = ["--run-dir", str(folder / name), "-o", str(folder / f"{name}.safetensors"), "--name", "soak"]
    settings = ["--steps", str(STEPS), "--threads", "1", "--device", "cpu", "--precision", "fp32"]
    data = ["--data", str(folder / "images")]
    return [*GENRESTORE, "train", "denoiser", *data, *places, *sizes, *often, *settings, *more]


def sha256(path: Path) -> str:
    """Of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def measured(words: list[str]) -> float:
    """Seconds of an undisturbed run, of which random moments are shares: machines are fast, slow or busy."""
    started = time.monotonic()
    subprocess.run([*words, "-q"], check=True)
    return time.monotonic() - started


def kill_trainings(checks: Checks, seed: int, kills: int) -> None:
    """kill -9 and resume, again and again: the weights are those of a training that nobody killed.

    Only a run that was still there counts as killed; a training that came to its end is begun anew.
    """
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(4):
            write(folder / "images" / f"{number}.png", noisy_pixels(80, 96, seed=number))
        seconds = measured(training(folder, "whole"))
        killed, finished = 0, 0
        while killed < kills or finished == 0:
            words = training(folder, "killed", "--resume")
            if not (folder / "killed" / "checkpoint.safetensors").exists():
                words[-1] = "--overwrite"
            with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
                try:
                    process.wait(draw.uniform(0.2, 1) * seconds if killed < kills else None)
                except subprocess.TimeoutExpired:
                    process.kill()
            if process.returncode == -signal.SIGKILL:
                killed += 1
                continue
            checks.holds(process.returncode == 0, f"a training ends with 0 (was {process.returncode})")
            same = sha256(folder / "whole.safetensors") == sha256(folder / "killed.safetensors")
            checks.holds(same, f"{killed} times killed, the weights are those of a training nobody killed")
            checks.holds(not left_overs(folder / "killed"), "nothing is left behind")
            shutil.rmtree(folder / "killed")
            (folder / "killed.safetensors").unlink()
            finished += 1


def signal_at_random(checks: Checks, seed: int, count: int) -> None:
    """A signal at any moment of a batch or a training: 130 and one line, or the run was over already."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "in", 24)
        fill(folder / "images", 4, 80, 96)
        weights = str(tiny.save_denoiser(folder))
        whole = Place(weights, folder / "in", folder / "whole")
        seconds = (measured([*GENRESTORE, *whole.words()]), measured(training(folder, "undisturbed")))
        for number in range(count):
            place = Place(weights, folder / "in", folder / f"out{number}")
            which, moment = draw.choice(SIGNALS), draw.uniform(0.1, 1) * seconds[number % 2]
            words = training(folder, f"run{number}") if number % 2 else [*GENRESTORE, *place.words()]
            with subprocess.Popen(words, stderr=subprocess.PIPE, preexec_fn=_as_in_a_terminal) as process:
                time.sleep(moment)
                process.send_signal(which)
                code, said = read_to_end(process)
            place.check()
            good = code in (0, 130) and not any("Traceback" in line for line in said)
            what = "training" if number % 2 else "batch"
            checks.holds(good, f"{which.name} after {moment:.2f} s of a {what}: {code}, {said[-1:]}")


def fill_disks(checks: Checks, seed: int, count: int) -> None:
    """Files that may not grow beyond a random size, as on a full disk: what is there is whole."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "in", 8)
        for number in range(count):
            place = Place(str(tiny.save_denoiser(folder)), folder / "in", folder / f"out{number}")
            limit = draw.randrange(1, 250_000)

            def limited(limit: int = limit) -> None:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

            with place.start(preexec_fn=limited) as process:
                code, said = read_to_end(process)
            found, failed = place.check(), sum(": cannot be written (" in line for line in said)
            true = len(found) + failed == len(place.before) and code == int(failed > 0)
            left = left_overs(place.results) if place.results.exists() else []
            checks.holds(
                true and not left, f"{limit} bytes at most: {len(found)} written, {failed} failed, {code}"
            )


def run(checks: Checks, seed: int, kills: int, signals: int, disks: int) -> None:
    """So many of each."""
    kill_trainings(checks, seed, kills)
    signal_at_random(checks, seed, signals)
    fill_disks(checks, seed, disks)
