"""``genrestore train`` as users see it, on networks of milliseconds."""

from __future__ import annotations

import csv
import os
import re
import signal
from pathlib import Path
from typing import Any

import pytest

from genrestore.cli import training_screen
from genrestore.train.kinds.denoiser import DenoiserTraining
from genrestore.weights import store
from genrestore.weights.header import read_header
from tests.cli.conftest import Run
from tests.train import toy

pytestmark = pytest.mark.usefixtures("undrawn")

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
        (["--data", "photos", "--learning-rate", "nan"], 2, "--learning-rate nan: must be above 0"),
        (["--data", "photos", "--widths", "a,b"], 2, "--widths a,b: must be whole numbers"),
        (["--data", "photos", "--widths", "4,0"], 2, "--widths 0: must be 1 or more"),
        (["--data", "photos", "--blocks=-1,1"], 2, "--blocks -1: must be 0 or more"),
        (["--data", "photos", "--extend"], 2, "--extend: goes on with a run that is there"),
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
    from genrestore.train import distributed
    from genrestore.train.loop import session

    def refuse(*words: object) -> None:
        raise UsageError("no")

    monkeypatch.setattr(distributed, "rank", lambda: 1)
    monkeypatch.setattr(session, "run", refuse)
    wrong = run("train", "denoiser", "--name", "mine", "--device", "cpu")
    assert (wrong.exit_code, wrong.stderr) == (2, "")


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, Any]]:
    """Kind and request of every training that was asked for, none of which is done."""
    from genrestore.errors import Interrupted
    from genrestore.train.loop import session

    seen: list[tuple[Any, Any]] = []

    def refuse(kind: Any, request: Any, *_: object) -> None:
        seen.append((kind, request))
        raise Interrupted("no")

    monkeypatch.setattr(session, "run", refuse)
    return seen


def test_a_request_holds_what_was_given_and_nothing_else(run: Run, asked: list[tuple[Any, Any]]) -> None:
    words = ["--d-steps", "2", "--no-d-deeper", "--augment", "translate", "--warmup", "0", "--data", "here"]
    assert run("train", "gan", "--name", "mine", *words, "--data-root", "sets").exit_code == 130
    ((kind, request),) = asked
    assert (kind.name, request.name) == ("generator", "mine")
    assert request.model == {"d_steps": 2, "d_deeper": False, "augment": ["translate"]}
    assert request.loop == {"warmup": 0}
    assert request.data == {"data": ["here"], "data_root": "sets"}
    assert (request.device, request.precision, request.resume) == ("auto", None, False)


def test_a_seed_of_the_environment_is_given_too(
    run: Run, asked: list[tuple[Any, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GENRESTORE_SEED", "7")
    words = ["--widths", "8,16", "--blocks", "1,2", "--precision", "fp32", "--only", "estimator"]
    run("train", "denoiser", "--name", "mine", *words)
    ((_, request),) = asked
    assert (request.loop, request.precision) == ({"seed": 7}, "fp32")
    assert request.model == {"widths": (8, 16), "blocks": (1, 2), "only": "estimator"}


def test_the_recipe_fills_what_was_not_given(run: Run, asked: list[tuple[Any, Any]]) -> None:
    run("train", "ae", "--name", "mine", "--recipe", "report", "--cover", "moments", "--batch-size", "9")
    run("train", "ae", "--name", "mine", "--recipe", "report", "--steps", "5")
    first, second = (request for _, request in asked)
    assert (first.epochs, first.loop["batch_size"], first.loop["learning_rate"]) == (100, 9, 5e-4)
    assert (first.model["cover"], first.model["latent_dim"], first.model["restorer_steps"]) == (
        "moments",
        10,
        0,
    )
    assert (second.epochs, second.loop["steps"], second.model["cover"]) == (None, 5, "none")


def test_defaults_of_the_help_are_those_of_the_kind(run: Run) -> None:
    for command, steps in (("denoiser", 100000), ("ae", 8000), ("gan", 10000)):
        shown = " ".join(run("train", command, "--help").stdout.split())
        assert f"--steps N Updates in all. ({steps})" in shown


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


def test_the_time_left_is_that_of_the_training_that_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter([0.0, 1000.0, 1010.0])
    monkeypatch.setattr(training_screen.time, "monotonic", lambda: next(now))
    said: list[str] = []
    watching = training_screen.TrainingScreen()
    monkeypatch.setattr(watching, "note", said.append)
    for step in (1, 2, 3):
        watching.stepped(step, 3)
    watching.stepped(1, 21)  # the encoder of a generator
    watching.stepped(11, 21)
    watching.logged({"step": 11, "images_per_second": 1.0})
    assert said == ["step 11/21    1 images/s  10 s left"]


AE = ["train", "ae", "--name", "mine", "--steps", "4", "--batch-size", "4", "--width", "4", "--hidden", "8"]
AE += [
    "--restorer-steps",
    "0",
    "--warmup",
    "0",
    "--log-every",
    "2",
    "--validate-every",
    "4",
    "--device",
    "cpu",
    "--precision",
    "fp32",
]


@pytest.fixture
def digits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The words for a tiny MNIST in the current folder."""
    monkeypatch.chdir(tmp_path)
    toy.write_digits(Path("sets"), train=12)
    return ["--data", "mnist", "--data-root", "sets"]


def test_an_autoencoder_from_a_named_data_set_to_weights(run: Run, digits: list[str]) -> None:
    done = run(*AE, *digits, "--cover", "sliced-wasserstein", "--latent-dim", "3", "--holdout-every", "4")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert done.stderr.splitlines()[0].startswith("9 images of")
    assert "coverage" in done.stderr
    assert "autoencoder" in run("weights", "show", "mine").stdout
    samples = store.home() / "runs" / "mine" / "samples"
    assert [path.name for path in samples.iterdir()] == ["00000004.png"]


def test_an_autoencoder_from_any_folder_is_resumed(run: Run, photos: Path) -> None:
    toy.fill(photos / "more", 6)
    words = ["--data", photos, "--size", "32", "--channels", "3", "--holdout-every", "3"]
    done = run(*AE, *words, "--max-minutes", "0")
    assert (done.exit_code, done.stderr.splitlines()[-1].startswith("stopped at step 1 of 4")) == (0, True)
    again = run("train", "ae", "--name", "mine", "--resume", "--device", "cpu")
    assert again.exit_code == 0, again.stderr
    assert store.place("mine").exists()


def test_the_report_s_recipe_fills_what_is_not_said(run: Run, digits: list[str]) -> None:
    words = ["--recipe", "report", "--cover", "moments", "--holdout-every", "4", "--epochs", "0.5"]
    words += ["--batch-size", "9", "--width", "4", "--hidden", "8", "--device", "cpu", "--name", "mine"]
    done = run("train", "ae", *digits, *words)
    assert done.exit_code == 0, done.stderr
    training = read_header(store.place("mine")).training
    assert (training["loop"]["steps"], training["loop"]["batch_size"]) == (1, 9)
    assert (training["loop"]["learning_rate"], training["loss"]) == (5e-4, "mean-square")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--latent-dim", "0"], "--latent-dim 0: must be from 1 to 4096"),
        (["--batch-size", "50"], "fewer than a batch"),
        (["--size", "29"], "--size 29: must be one of 28, 32, 64, 128"),
        (["--epochs", "1"], "--epochs 1 with --steps 4: give one of them"),
        (["--data-root", "elsewhere"], "--data mnist: not found in elsewhere"),
        (["--cover", "everything"], "--cover"),
    ],
)
def test_an_autoencoder_that_cannot_be_trained(
    run: Run, digits: list[str], words: list[str], message: str
) -> None:
    wrong = run(*AE, *digits, *words)
    assert (wrong.exit_code, message in wrong.stderr) == (2, True), wrong.stderr
    assert wrong.stderr.splitlines()[-1].startswith("genrestore: error: ")
    assert not store.place("mine").exists()


GAN = ["train", "gan", "--name", "mine", "--steps", "4", "--batch-size", "4", "--width", "2"]
GAN += ["--latent-dim", "3", "--encoder-steps", "2", "--encoder-width", "2", "--d-steps", "2"]
GAN += ["--log-every", "2", "--validate-every", "4", "--device", "cpu", "--precision", "fp32"]


def test_a_generator_with_its_encoder_from_a_named_data_set(run: Run, digits: list[str]) -> None:
    words = ["--loss", "hinge", "--d-norm", "spectral", "--augment", "translate", "--augment", "cut-out"]
    done = run(*GAN, *digits, *words, "--r1", "1", "--mirror", "--holdout-every", "4")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    lines = done.stderr.splitlines()
    assert lines[0].startswith("9 images of")
    assert "discriminator" in lines[1]
    assert "encoder: 2 steps" in lines
    both = (
        r"mine\.safetensors: done; generator: 4 steps in \d+ s, best .*; encoder: 2 steps in \d+ s, best .*"
    )
    assert re.search(both, lines[-1])
    header = read_header(store.place("mine"))
    assert (header.kind, sorted(header.networks)) == ("generator", ["encoder", "generator"])
    assert header.training["generator"]["augment"] == ["translate", "cut-out"]
    assert header.training["generator"]["mirror"] is True
    assert run("sample", "--weights", "mine", "-n", "4", "-o", "four.png").exit_code == 0


def test_a_generator_is_resumed_into_its_encoder(run: Run, digits: list[str]) -> None:
    done = run(*GAN, *digits, "--max-minutes", "0")
    assert (done.exit_code, done.stderr.splitlines()[-1].startswith("stopped at step 1 of 4")) == (0, True)
    again = run("train", "gan", "--name", "mine", "--resume", "--device", "cpu")
    assert again.exit_code == 0, again.stderr
    assert sorted(read_header(store.place("mine")).networks) == ["encoder", "generator"]


def test_a_restorer_that_is_stopped_is_named_and_counted_apart(run: Run, digits: list[str]) -> None:
    words = ["--restorer-steps", "500", "--restorer-width", "4", "--holdout-every", "4"]
    done = run(*AE, *digits, *words, "--max-minutes", "0.03")
    assert done.exit_code == 0, done.stderr
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"stopped at step \d+ of 500 of the restorer.*; go on with --resume", last)


def test_the_report_s_gan_fills_what_is_not_said(run: Run, digits: list[str]) -> None:
    words = ["--recipe", "report", "--epochs", "0.5", "--batch-size", "9", "--width", "2", "--d-steps", "3"]
    words += ["--holdout-every", "4", "--encoder-steps", "0", "--device", "cpu", "--name", "mine"]
    done = run("train", "gan", *digits, *words)
    assert done.exit_code == 0, done.stderr
    training = read_header(store.place("mine")).training
    assert (training["loop"]["steps"], training["loop"]["batch_size"]) == (1, 9)
    assert (training["loop"]["ema_decay"], training["d_steps"], training["latent_dim"]) == (0.0, 3, 100)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--latent-dim", "0"], "--latent-dim 0: must be from 1 to 4096"),
        (["--batch-size", "50"], "fewer than a batch"),
        (["--size", "29"], "--size 29: must be one of 28, 32, 64, 128"),
        (["--augment", "shear"], "--augment shear: must be one of translate, cut-out, recolour"),
        (["--d-steps", "0"], "--d-steps 0: must be from 1 to 100"),
        (["--encoder-steps", "-1"], "--encoder-steps -1: must be from 0"),
        (["--reconstruction", "5", "--encoder-steps", "0"], "--reconstruction 5 with --encoder-steps 0: "),
        (["--loss", "everything"], "--loss"),
    ],
)
def test_a_generator_that_cannot_be_trained(
    run: Run, digits: list[str], words: list[str], message: str
) -> None:
    wrong = run(*GAN, *digits, *words)
    assert (wrong.exit_code, message in wrong.stderr) == (2, True), wrong.stderr
    assert wrong.stderr.splitlines()[-1].startswith("genrestore: error: ")
    assert not store.place("mine").exists()


def test_weights_of_another_network_cannot_be_started_from(run: Run, digits: list[str]) -> None:
    assert run(*GAN, *digits, "--encoder-steps", "0").exit_code == 0
    words = [word if word != "mine" else "other" for word in GAN]
    wrong = run(*words, *digits, "--init-from", "mine", "--width", "3")
    assert wrong.exit_code == 2
    assert "--init-from mine: its generator is dcgan-generator" in wrong.stderr
