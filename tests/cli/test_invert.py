"""``genrestore invert``, as users see it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genrestore.restore.api import load_prior
from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.runtime import Runtime
from genrestore.study import file
from genrestore.weights.header import read_header
from tests import tiny
from tests.cli.conftest import Run
from tests.restore.patterns import board, noisy, pictures

RUNTIME = Runtime("cpu", "fp32", 1, 0)


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tiny weights in the current folder, with in/ of three pictures of their class."""
    monkeypatch.chdir(tmp_path)
    tiny.save_generator(tmp_path)
    Path("in").mkdir()
    for number, pixels in enumerate(pictures(3)):
        Image.fromarray(pixels[0, 0]).save(f"in/{number}.png")
    return "./made.safetensors"


@pytest.fixture
def invert(run: Run, weights: str) -> Run:
    """Run `genrestore invert` with them, on the CPU."""

    def call(*words: str | Path, stdin: bytes | None = None) -> Any:
        return run("invert", *words, "--weights", weights, "--device", "cpu", stdin=stdin)

    return call


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_picture_and_latent_are_written_beside_the_input(invert: Run) -> None:
    done = invert("in/0.png")
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in Path("in").iterdir()) == [
        "0.inverted.png",
        "0.latent.safetensors",
        "0.png",
        "1.png",
        "2.png",
    ]
    assert "4 starts ended at 1, " in done.stderr
    assert np.abs(pixels("in/0.inverted.png").astype(int) - pixels("in/0.png")).max() <= 1


def test_the_latent_makes_the_same_picture_again(invert: Run, weights: str) -> None:
    invert("in/1.png", "-o", "out/again.png")
    sha256 = read_header(Path(weights)).sha256
    latent = file.read(Path("out/again.latent.safetensors"), sha256, weights)
    prior = load_prior(weights, RUNTIME)
    assert isinstance(prior, GeneratorPrior)
    made = prior.generate(latent)[0, 0].mul(255).round().byte().numpy()
    assert np.array_equal(made, pixels("out/again.png"))


def test_a_folder_with_junk(invert: Run) -> None:
    Path("in/broken.png").write_bytes(b"\x89PNG\r\n\x1a\nno")
    Image.fromarray(np.zeros((20, 30), np.uint8)).save("in/wide.png")
    Image.fromarray(board()[0, 0]).save("in/board.png")
    done = invert("in", "-o", "out/", "--json")
    assert done.exit_code == 1
    records = {Path(record["input"]).name: record for record in map(json.loads, done.stdout.splitlines())}
    states = {name: (record["status"], record["in_domain"]) for name, record in records.items()}
    assert states == {
        "0.png": ("done", True),
        "1.png": ("done", True),
        "2.png": ("done", True),
        "board.png": ("done", False),
        "broken.png": ("failed", None),
        "wide.png": ("failed", None),
    }
    assert "30x20 grey, and these weights restore 28x28 grey" in records["wide.png"]["error"]
    near, far, none = (records[name] for name in ("0.png", "board.png", "wide.png"))
    assert near["distance"] < near["own_distance"] == far["own_distance"] < far["distance"]
    assert near["starts"][0] == 1
    assert near["starts"] == sorted(near["starts"])
    assert len(near["starts"]) == 4
    assert (none["distance"], none["own_distance"], none["starts"]) == (None, None, None)
    assert "far from what the prior knows: it misses this picture by" in done.stderr
    assert len(list(Path("out").glob("*.latent.safetensors"))) == 4


def test_pictures_share_the_seconds_of_the_search_for_them(invert: Run) -> None:
    done = invert("in", "-o", "out/", "--json")
    seconds = [json.loads(line)["seconds"] for line in done.stdout.splitlines()]
    assert len(seconds) == 3
    assert max(seconds) < sum(seconds) / 2


def test_what_is_there_is_not_replaced_and_what_is_done_is_skipped(invert: Run) -> None:
    assert invert("in", "-o", "out/").exit_code == 0
    refused = invert("in/0.png", "-o", "out/0.png")
    assert refused.exit_code == 2
    assert "exists already" in refused.stderr
    words = ("in", "-o", "out/", "--skip-existing")
    assert "3 skipped" in invert(*words).stderr
    Path("out/1.latent.safetensors").unlink()
    again = invert(*words)
    assert "made again: its latent was missing" in again.stderr
    Path("out/2.png").unlink()
    assert "made again: only its latent was there" in invert(*words).stderr
    assert "3 done" in invert(*words, "--restarts", "2").stderr
    Path("out/0.png").unlink()
    refused = invert("in/0.png", "-o", "out/0.png")
    assert (refused.exit_code, "0.latent.safetensors: exists already" in refused.stderr) == (2, True)


def test_a_pipe_carries_the_picture(invert: Run) -> None:
    invert("in/2.png", "-o", "file.png")
    piped = invert("-", "-o", "-", stdin=Path("in/2.png").read_bytes())
    assert piped.exit_code == 0, piped.stderr
    Path("piped.png").write_bytes(piped.stdout_bytes)
    assert np.array_equal(pixels("piped.png"), pixels("file.png"))


def test_a_dry_run_writes_nothing(invert: Run) -> None:
    planned = invert("in", "--dry-run")
    assert planned.exit_code == 0
    assert str(Path("in/0.inverted.png")) in planned.stdout
    assert len(list(Path("in").iterdir())) == 3


def test_a_trace_tells_how_the_best_start_went(invert: Run) -> None:
    done = invert("in/0.png", "-o", "out.png", "--trace", "way")
    assert done.exit_code == 0, done.stderr
    with Path("way/0.png/trace.csv").open(newline="") as stream:
        rows = [{name: float(value) for name, value in row.items()} for row in csv.DictReader(stream)]
    assert [row["step"] for row in rows] == list(range(len(rows)))
    assert rows[-1]["sum"] < rows[0]["sum"]
    assert {"terms.png", "strip.png", "step-0000.png"} <= {path.name for path in Path("way/0.png").iterdir()}
    again = invert("in/1.png", "-o", "other.png", "--trace", "way")
    assert (again.exit_code, "--trace way: is not empty" in again.stderr) == (2, True)


def test_the_recipe_of_the_report(invert: Run) -> None:
    done = invert("in/0.png", "-o", "a.png", "--recipe", "report", "--steps", "40", "--lr", "0.1")
    assert done.exit_code == 0, done.stderr
    with Image.open("a.png") as picture:
        noted = json.loads(picture.info["genrestore"])
    assert (noted["recipe"], noted["rate"], noted["steps"], noted["restarts"]) == ("report", 0.1, 40, 1)


def test_a_seed_makes_a_run_again(invert: Run) -> None:
    for name, seed in (("a", "3"), ("b", "3"), ("c", "4")):
        words = ("--steps", "1", "--recipe", "report", "--seed", seed, "--no-provenance")
        invert("in/0.png", "-o", f"{name}.png", *words)
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert Path("a.latent.safetensors").read_bytes() == Path("b.latent.safetensors").read_bytes()
    assert Path("a.latent.safetensors").read_bytes() != Path("c.latent.safetensors").read_bytes()


def test_the_self_test(invert: Run) -> None:
    done = invert("--self-test", "3", "--json")
    assert done.exit_code == 0, done.stderr
    record = json.loads(done.stdout)
    assert (record["images"], record["near"], record["passed"]) == (3, 3, True)
    assert record["median_psnr"] > 45
    assert "self-test passed: 3 images of its own" in done.stderr
    failed = invert("--self-test", "2", "--recipe", "report", "--steps", "1")
    assert failed.exit_code == 1
    assert "self-test failed: 2 images of its own" in failed.stderr
    assert invert("--self-test", "1", "-q").stderr == ""


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["in/0.png", "--steps", "0"], 2, "--steps 0: must be from 1"),
        (["in/0.png", "--restarts", "0"], 2, "--restarts 0: must be from 1 to 64"),
        (["in/0.png", "--lr", "0.1"], 2, "--lr: is about Adam, which --recipe report searches with"),
        (["in/0.png", "--recipe", "report", "--lr", "0"], 2, "--lr 0.0: must be above 0"),
        (
            ["in/0.png", "--recipe", "report", "--restarts", "2"],
            2,
            "--restarts and --recipe report contradict",
        ),
        (["--self-test", "0"], 2, "--self-test 0: must be from 1 to 10000"),
        (["in/0.png", "--self-test", "1"], 2, "--self-test: inverts images of its own; leave inputs out"),
        (
            ["--self-test", "1", "-o", "a.png"],
            2,
            "--self-test: inverts images of its own; leave --output out",
        ),
        ([], 2, "no input: name files"),
        (["missing.png"], 1, "missing.png"),
        (["empty/"], 3, "no picture to restore"),
        (["in/0.png", "--resize", "--weights", "photo"], 5, "only a generator can be inverted"),
        (["in/0.png", "--weights", "none"], 5, "none"),
    ],
)
def test_wrong_use_is_told_in_one_line(
    run: Run, weights: str, words: list[str], code: int, message: str
) -> None:
    Path("empty").mkdir()
    own = [] if "--weights" in words else ["--weights", weights]
    done = run("invert", *words, *own, "--device", "cpu")
    assert (done.exit_code, message in done.stderr) == (code, True), done.stderr
    assert not list(Path("in").glob("*.inverted.png"))


def test_weights_of_an_autoencoder_are_refused(run: Run, weights: str) -> None:
    tiny.save_autoencoder(Path())
    done = run("invert", "in/0.png", "--weights", "./halves.safetensors")
    assert (done.exit_code, "are of kind 'autoencoder'" in done.stderr) == (5, True)


def test_a_latent_of_another_generator_is_refused(invert: Run) -> None:
    invert("in/0.png", "-o", "a.png")
    with pytest.raises(Exception, match="latents of other weights"):
        file.read(Path("a.latent.safetensors"), "0" * 64, "others")


def test_denoise_and_inpaint_take_the_generator(run: Run, weights: str) -> None:
    clean = pictures(1)[0]
    Image.fromarray(noisy(clean, 63.75, 0)[0, 0]).save("noisy.png")
    words = ["--weights", weights, "--device", "cpu"]
    done = run("denoise", "noisy.png", "--sigma", "63.75", "--trace", "way", *words)
    assert done.exit_code == 0, done.stderr
    assert np.abs(pixels("noisy.denoised.png").astype(int) - clean[0, 0]).mean() < 12
    assert Path("way/noisy.png/trace.csv").exists()
    done = run("inpaint", "in/0.png", "--box", "8,8,8,8", "-o", "raw.png", "--no-keep", "--json", *words)
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["in_domain"] is True
    assert np.abs(pixels("raw.png").astype(int) - pixels("in/0.png")).max() <= 2
    for option, message in (
        (["--step-size", "0.1"], "--step-size: is for weights of an autoencoder, and "),
        (["--recipe", "report", "--refine"], "--refine and --recipe report contradict"),
        (["--recipe", "report", "--prior-weight", "1"], "--prior-weight and --recipe report contradict"),
    ):
        refused = run("denoise", "noisy.png", "-o", "x.png", *option, *words)
        assert (refused.exit_code, message in refused.stderr) == (2, True), refused.stderr


def test_words_that_agree_with_the_recipe_are_taken(run: Run, weights: str) -> None:
    words = ["--weights", weights, "--device", "cpu", "--recipe", "report", "--steps", "3"]
    agreeing = ["--no-refine", "--restarts", "1", "--prior-weight", "0"]
    for name, more in (("a.png", []), ("b.png", agreeing)):
        done = run("denoise", "in/0.png", "--sigma", "20", "-o", name, *words, *more)
        assert done.exit_code == 0, done.stderr
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()


def test_a_trace_of_filling_names_each_picture_and_leaves_out_the_one_without_a_hole(
    run: Run, weights: str
) -> None:
    twice = Image.open("in/1.png").copy()
    for name, right in (("1.png", 20), ("2.png", 0)):  # 2.png has no hole
        alpha = np.full((28, 28), 255, np.uint8)
        alpha[8:16, 8:right] = 0
        twice.putalpha(Image.fromarray(alpha))
        twice.save(f"in/{name}")
    words = ["--weights", weights, "--device", "cpu", "--trace"]
    done = run("inpaint", "in/1.png", "in/2.png", "-o", "out/", *words, "way")
    assert done.exit_code == 0, done.stderr
    assert [path.name for path in Path("way").iterdir()] == ["1.png"]
    with Path("way/1.png/trace.csv").open(newline="") as stream:
        rows = [float(row["sum"]) for row in csv.DictReader(stream)]
    assert rows[-1] < rows[0]
    assert {"terms.png", "strip.png", "step-0000.png"} <= {path.name for path in Path("way/1.png").iterdir()}
    piped = run("inpaint", "-", "-o", "-", *words, "piped", stdin=Path("in/1.png").read_bytes())
    assert (piped.exit_code, Path("piped/stdin/trace.csv").exists()) == (0, True)
    again = run("inpaint", "in/1.png", "-o", "other.png", *words, "way")
    assert (again.exit_code, "--trace way: is not empty" in again.stderr) == (2, True)


def test_help_says_where_the_latent_goes(run: Run) -> None:
    shown = run("invert", "--help").stdout
    assert "STEM.latent.safetensors" in shown
