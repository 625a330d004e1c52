"""``genrestore train`` as users see it, on networks of milliseconds."""

from __future__ import annotations

import csv
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from genrestore.cli import training_screen
from genrestore.training.denoiser import DenoiserTraining
from genrestore.weights import store
from tests.cli.conftest import Run
from tests.training import toy

QUICK = ["--steps", "4", "--batch-size", "2", "--patch-size", "16", "--widths", "4,4", "--blocks", "1,1"]
QUICK += [
    "--log-every",
    "2",
    "--validate-every",
    "4",
    "--warmup",
    "0",
    "--device",
    "cpu",
    "--precision",
    "fp32",
]


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three pictures in the current folder."""
    monkeypatch.chdir(tmp_path)
    return toy.fill(Path("photos"))


def test_help_names_every_group(run: Run) -> None:
    assert "denoiser" in run("train", "--help").stdout
    shown = run("train", "denoiser", "--help")
    assert shown.exit_code == 0
    assert all(word in shown.stdout for word in ("--data", "--resume", "--learning-rate", "torchrun"))


def test_a_training_from_photographs_to_weights_in_the_store(run: Run, photos: Path) -> None:
    done = run("train", "denoiser", "--data", photos, "--name", "mine", *QUICK)
    assert (done.exit_code, done.stdout) == (0, "")
    lines = done.stderr.splitlines()
    assert lines[0].startswith("2 images of")
    assert [line.split()[1] for line in lines if line.startswith("step ")] == ["2/4", "4/4"]
    assert f"{store.place('mine')}: done, 4 steps in" in lines[-1]
    assert "\r" not in done.stderr
    assert "\x1b" not in done.stderr
    with (store.home() / "runs" / "mine" / "metrics.csv").open() as stream:
        assert [row["step"] for row in csv.DictReader(stream)] == ["2", "4"]


def test_quiet_is_silent(run: Run, photos: Path) -> None:
    done = run("train", "denoiser", "--data", photos, "--name", "mine", "--quiet", *QUICK)
    assert (done.exit_code, done.stdout, done.stderr) == (0, "", "")


def test_interrupted_then_resumed(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    step, calls = DenoiserTraining.step, []

    def interrupting(self: DenoiserTraining, batch: Any) -> Any:
        calls.append(1)
        if len(calls) == 2:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self, batch)

    monkeypatch.setattr(DenoiserTraining, "step", interrupting)
    stopped = run("train", "denoiser", "--data", photos, "--name", "mine", *QUICK)
    assert stopped.exit_code == 130
    assert stopped.stderr.splitlines()[-1] == "genrestore: stopped at step 2 of 4; go on with --resume"
    assert store.entries() == [entry for entry in store.entries() if entry.name != "mine"]
    done = run("train", "denoiser", "--name", "mine", "--resume", "--device", "cpu")
    assert (done.exit_code, len(calls)) == (0, 4)
    assert store.place("mine").exists()


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["--data", "photos", "--steps", "0"], 2, "--steps 0: must be 1 or more"),
        (["--data", "photos", "--learning-rate", "nan"], 2, "--learning-rate nan: must be a number above 0"),
        (["--data", "photos", "--widths", "a,b"], 2, "--widths a,b: must be whole numbers"),
        (["--data", "photos", "--patch-size", "10"], 2, "--patch-size 10: "),
        (["--data", "photos", "--schedule", "linear"], 2, "--schedule"),
        (["--data", "missing"], 2, "--data missing: not a folder"),
        (["--data", "empty"], 3, "--data empty: no readable image found"),
        ([], 2, "--data: name at least one folder of images"),
        (["--data", "photos", "--resume"], 2, "--resume: no checkpoint at"),
        (["--data", "photos", "--init-from", "nobody"], 5, "no weights named 'nobody'"),
        (["--data", "photos", "--run-dir", "photos"], 2, "holds '0.png', which no run wrote"),
        (["--data", "photos", "--name", "a/b"], 2, "'a/b' cannot be the name of weights"),
    ],
)
def test_wrong_use_is_one_line_and_touches_nothing(
    run: Run, photos: Path, words: list[str], code: int, message: str
) -> None:
    Path("empty").mkdir()
    wrong = run("train", "denoiser", "--name", "mine", "--device", "cpu", *words)
    assert wrong.exit_code == code
    assert message in wrong.stderr
    assert wrong.stderr.splitlines()[-1].startswith("genrestore: error: ")
    assert "Traceback" not in wrong.stderr
    assert not store.place("mine").exists()
    assert sorted(path.name for path in photos.iterdir()) == ["0.png", "1.png", "2.png"]


def test_a_contradiction_on_resume_names_both_values(run: Run, photos: Path) -> None:
    run("train", "denoiser", "--data", photos, "--name", "mine", *QUICK)
    wrong = run("train", "denoiser", "--name", "mine", "--resume", "--overwrite", "--patch-size", "32")
    assert wrong.exit_code == 2
    assert "--patch-size 32: this run was started with 16" in wrong.stderr


def test_another_process_of_torchrun_says_nothing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from genrestore.errors import UsageError
    from genrestore.training import distributed, session

    def refuse(*words: object) -> None:
        raise UsageError("no")

    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(session, "run", refuse)
    wrong = run("train", "denoiser", "--name", "mine", "--device", "cpu")
    assert (wrong.exit_code, wrong.stderr) == (2, "")


@pytest.mark.parametrize(("seconds", "words"), [(12.4, "12 s"), (245, "4 min 05 s"), (11220, "3 h 07 min")])
def test_durations_are_words(seconds: float, words: str) -> None:
    assert training_screen.duration(seconds) == words


def test_a_terminal_gets_a_bar_that_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    import io

    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stderr", terminal)
    with training_screen.choose(quiet=False) as watching:
        watching.stepped(1, 10)
        watching.logged({"step": 1, "loss": 0.5, "images_per_second": 3.0})
    assert isinstance(watching, training_screen.LiveScreen)
    assert "step 1/10  loss 0.5  3 images/s" in terminal.getvalue()
