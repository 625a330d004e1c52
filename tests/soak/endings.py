"""Trainings that are killed, signals at random moments, full disks: nothing lost, nothing half there."""

from __future__ import annotations

import hashlib
import random
import resource
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


def kill_trainings(checks: Checks, seed: int, kills: int) -> None:
    """kill -9 and resume, again and again: the weights are those of a training that nobody killed."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for number in range(4):
            write(folder / "images" / f"{number}.png", noisy_pixels(80, 96, seed=number))
        subprocess.run([*training(folder, "whole"), "-q"], check=True)
        checkpoint = folder / "killed" / "checkpoint.safetensors"
        for _number in range(kills):
            words = training(folder, "killed", *(["--resume"] if checkpoint.exists() else ["--overwrite"]))
            with subprocess.Popen(words, stderr=subprocess.DEVNULL) as process:
                until = time.monotonic() + draw.uniform(0, 12)
                while time.monotonic() < until and process.poll() is None:
                    time.sleep(0.01)
                process.kill()
            if process.returncode != -signal.SIGKILL:
                checks.holds(process.returncode == 0, f"a training ends with 0 (was {process.returncode})")
        last = training(folder, "killed", *(["--resume"] if checkpoint.exists() else ["--overwrite"]), "-q")
        checks.holds(subprocess.run(last, check=False).returncode == 0, "the last training ends with 0")
        same = sha256(folder / "whole.safetensors") == sha256(folder / "killed.safetensors")
        checks.holds(same, f"{kills} times killed, the weights are those of a training that nobody killed")
        checks.holds(not left_overs(folder / "killed"), "nothing is left behind")


def signal_at_random(checks: Checks, seed: int, count: int) -> None:
    """A signal at any moment of a batch or a training: 130 and one line, or the run was over already."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        fill(folder / "in", 8)
        fill(folder / "images", 4, 80, 96)
        place = Place(str(tiny.save_denoiser(folder)), folder / "in", folder / "out")
        for number in range(count):
            which, moment = draw.choice(SIGNALS), draw.uniform(0.3, 8)
            words = [*GENRESTORE, *place.words("--skip-existing")]
            if number % 2:
                words = training(folder, f"run{number}")
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
