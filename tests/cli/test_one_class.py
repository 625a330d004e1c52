"""``denoise`` and ``inpaint`` with weights of an autoencoder, as users see them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genrestore.cli.report import Report
from genrestore.files.plan.jobs import Job
from genrestore.restore.pictures import Restore
from tests import tiny
from tests.cli.conftest import Run
from tests.restore.test_one_class import clean_pictures, noisy

SIGMA = ["--sigma", "63.75", "--device", "cpu"]


@pytest.fixture
def weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Tiny weights in the current folder, with digits/ of four noisy pictures of their class."""
    monkeypatch.chdir(tmp_path)
    tiny.save_autoencoder(tmp_path)
    Path("digits").mkdir()
    for number, clean in enumerate(clean_pictures()[:4]):
        Image.fromarray(noisy(clean, number)[0, 0]).save(f"digits/{number}.png")
    return "./halves.safetensors"


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_a_folder_is_restored_and_an_odd_picture_fails_alone(run: Run, weights: str) -> None:
    Image.fromarray(np.zeros((20, 30), np.uint8)).save("digits/12.png")
    done = run("denoise", "digits", "-o", "out/", "--weights", weights, "--json", *SIGMA)
    assert done.exit_code == 1
    records = {Path(record["input"]).name: record for record in map(json.loads, done.stdout.splitlines())}
    assert {name: record["status"] for name, record in records.items()} == {
        "0.png": "done",
        "1.png": "done",
        "12.png": "failed",
        "2.png": "done",
        "3.png": "done",
    }
    assert records["0.png"]["in_domain"] is True
    assert "30x20 grey, and these weights restore 28x28 grey" in records["12.png"]["error"]
    for number, clean in enumerate(clean_pictures()[:4]):
        found = pixels(f"out/{number}.png").astype(int)
        assert (
            np.abs(found - clean[0, 0]).mean() < np.abs(pixels(f"digits/{number}.png") - clean[0, 0]).mean()
        )


def test_alone_and_through_a_pipe_a_picture_is_the_same(run: Run, weights: str) -> None:
    run("denoise", "digits", "-o", "out/", "--weights", weights, *SIGMA)
    run("denoise", "digits/2.png", "-o", "alone.png", "--weights", weights, *SIGMA)
    piped = run(
        "denoise", "-", "-o", "-", "--weights", weights, *SIGMA, stdin=Path("digits/2.png").read_bytes()
    )
    assert piped.exit_code == 0, piped.stderr
    assert np.array_equal(pixels("alone.png"), pixels("out/2.png"))
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(piped.stdout_bytes))), pixels("out/2.png"))


def holes(words: list[str]) -> list[str]:
    """The words that fill digits/, each by a mask of its own: 1.png has no hole, and 3.png nothing else."""
    Path("masks").mkdir()
    for number, (rows, columns) in enumerate([(14, 14), (6, 6), (10, 20), (28, 28)]):
        mask = np.zeros((28, 28), np.uint8)
        mask[6:rows, 6:columns] = 255
        Image.fromarray(np.full_like(mask, 255) if number == 3 else mask).save(f"masks/{number}.png")
    return ["inpaint", *words, "--mask", "masks"]


def test_filled_alone_and_in_a_folder_a_picture_is_the_same_and_a_folder_is_filled_at_once(
    run: Run, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together, calls = Restore.together, []

    def counted(self: Restore, pictures: Sequence[Any], on_progress: Any) -> Any:
        calls.append(len(pictures))
        return together(self, pictures, on_progress)

    monkeypatch.setattr(Restore, "together", counted)
    words = ["--weights", weights, "--device", "cpu", "--sigma", "63.75"]
    shown = ["--show-mask", "shown/"]
    done = run(*holes(["digits"]), "-o", "out/", *shown, *words, "--no-provenance")
    assert (done.exit_code, "the mask covers the whole picture" in done.stderr) == (1, True), done.stderr
    assert "the mask is empty: nothing was filled" in done.stderr
    assert (calls, len(list(Path("shown").iterdir()))) == ([4], 4)
    for number in range(3):
        one = f"{number}.png"
        mask = ["--mask", f"masks/{one}", "--no-provenance"]
        alone = run("inpaint", f"digits/{one}", "-o", f"alone/{one}", *mask, *words)
        assert alone.exit_code == 0, alone.stderr
        assert Path("alone", one).read_bytes() == Path("out", one).read_bytes()
    assert not np.array_equal(pixels("out/0.png"), pixels("digits/0.png"))


@pytest.mark.parametrize("words", [["denoise", "digits"], ["inpaint", "digits", "--box", "4,6,6,6"]])
def test_pictures_share_time_and_progress_of_what_restores_them_together(
    run: Run, weights: str, words: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[tuple[str, float, int]] = []

    def progress(self: Report, job: Job, fraction: float, others: Sequence[Job] = ()) -> None:
        told.append((Path(job.name).name, fraction, len(others)))

    monkeypatch.setattr(Report, "progress", progress)
    done = run(*words, "-o", "out/", "--weights", weights, "--json", *SIGMA)
    assert done.exit_code == 0, done.stderr
    seconds = [json.loads(line)["seconds"] for line in done.stdout.splitlines()]
    assert len(seconds) == 4
    assert max(seconds) < sum(seconds) / 2
    first = [fraction for name, fraction, others in told if (name, others) == ("0.png", 4)]
    assert len(first) > 50
    assert first == sorted(first)
    assert (first[0] < 0.1, first[-1]) == (True, 1.0)


def test_a_photograph_is_scaled_when_asked_and_called_far(run: Run, weights: str) -> None:
    board = (np.indices((56, 56)).sum(0) // 8 % 2 * 255).astype(np.uint8)
    Image.fromarray(np.stack([board] * 3, -1)).save("photo.png")
    words = ["denoise", "photo.png", "--weights", weights, *SIGMA]
    failed = run(*words)
    assert (failed.exit_code, "resize scales it" in failed.stderr) == (1, True)
    done = run(*words, "--resize", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)["in_domain"] is False
    assert "far from what the prior knows" in done.stderr
    assert pixels("photo.denoised.png").shape == (56, 56, 3)


def test_a_trace_tells_how_the_search_went(run: Run, weights: str) -> None:
    done = run("denoise", "digits", "-o", "out/", "--weights", weights, "--trace", "way", *SIGMA)
    assert done.exit_code == 0, done.stderr
    assert sorted(path.name for path in Path("way").iterdir()) == ["0.png", "1.png", "2.png", "3.png"]
    with Path("way/1.png/trace.csv").open(newline="") as stream:
        read = list(csv.DictReader(stream))
    assert list(dict.fromkeys(row.pop("stage") for row in read)) == ["latent", "pixels"]
    rows = [{name: float(value) for name, value in row.items()} for row in read]
    assert len(list(Path("way/1.png").glob("step-*.png"))) >= 6
    assert [row["step"] for row in rows] == list(range(len(rows)))
    assert all(row["sum"] == pytest.approx(row["data"] + row["prior"]) for row in rows)
    files = {path.name for path in Path("way/1.png").iterdir()}
    assert {"trace.csv", "terms.png", "strip.png", "step-0000.png"} <= files
    again = run("denoise", "digits/0.png", "-o", "x.png", "--weights", weights, "--trace", "way", *SIGMA)
    assert again.exit_code == 2
    assert "--trace way: is not empty" in again.stderr


def test_a_trace_where_results_go_is_refused_before_the_work(run: Run, weights: str) -> None:
    wrong = run("denoise", "digits", "-o", "out/", "--weights", weights, "--trace", "./out", *SIGMA)
    assert wrong.exit_code == 2
    assert "--trace out: out/0.png is a file or will be one" in wrong.stderr
    assert not Path("out").exists()


def test_a_picture_of_one_pixel_has_a_trace_too(run: Run, weights: str) -> None:
    Image.new("L", (1, 1), 90).save("dot.png")
    done = run("denoise", "dot.png", "--resize", "--weights", weights, "--trace", "way", *SIGMA)
    assert done.exit_code == 0, done.stderr
    assert Path("way/dot.png/strip.png").exists()


def test_other_words_about_the_prior_make_skipped_results_again(run: Run, weights: str) -> None:
    words = ["denoise", "digits", "-o", "out/", "--weights", weights, "--skip-existing", *SIGMA]
    assert "4 done" in run(*words).stderr
    assert "4 skipped" in run(*words).stderr
    assert "4 done" in run(*words, "--prior-weight", "40").stderr


def test_a_hole_is_filled(run: Run, weights: str) -> None:
    clean = clean_pictures()[0][0, 0].copy()
    Image.fromarray(clean).save("clean.png")
    done = run("inpaint", "clean.png", "--box", "4,6,6,6", "--weights", weights, "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    found = pixels("clean.inpainted.png").astype(int)
    hole = np.zeros((28, 28), bool)
    hole[6:12, 4:10] = True
    assert np.array_equal(found[~hole], clean[~hole])
    assert np.abs(found - clean)[hole].max() < 20


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--steps", "0"], "--steps 0: must be from 1"),
        (["--step-size", "2"], "--step-size 2.0: must be above 0 and at most 1"),
        (["--prior-weight", "-1"], "--prior-weight -1.0: must be from 0"),
        (["--loss", "l3"], "--loss"),
        (["--preview", "0,0,9,9"], "--preview: weights './halves.safetensors' restore whole pictures"),
        (["--luma", "0"], "--luma: weights './halves.safetensors' restore whole pictures"),
        (["--chroma", "0.5"], "--chroma: weights './halves.safetensors' restore whole pictures"),
        (["--sigma", "2x"], "--sigma 2x: weights './halves.safetensors' take a level in grey levels"),
        (["--turns", "2"], "--turns: weights './halves.safetensors' restore whole pictures"),
        (["--weights", "photo", "--resize"], "--resize: is for weights of an autoencoder"),
        (["--weights", "photo", "--loss", "l1"], "--loss: is for weights of an autoencoder"),
        (["--weights", "photo", "--step-size", "0.1"], "--step-size: is for weights of an autoencoder"),
        (["--weights", "photo", "--steps", "9"], "--steps is about priors that search"),
        (["--prior", "dip"], "--prior dip and --weights contradict each other"),
        (["--trace", "digits/0.png"], "--trace digits/0.png: is a file"),
        (["--trace", "digits"], "--trace digits: digits/0.png is a file or will be one"),
        (["--weights", "photo", "--prior-weight", "0"], "--prior-weight: is for weights of an autoencoder"),
        (["--no-refine"], "--no-refine: is for weights of a generator, and "),
        (["--recipe", "report", "--step-size", "0.05"], "--step-size and --recipe report contradict"),
    ],
)
def test_wrong_use_is_one_line(run: Run, weights: str, words: list[str], message: str) -> None:
    wrong = run("denoise", "digits/0.png", "-o", "x.png", "--weights", weights, *SIGMA, *words)
    assert (wrong.exit_code, message in wrong.stderr) == (2, True), wrong.stderr
    assert not Path("x.png").exists()


def test_the_recipe_of_the_report_is_traced_at_every_step(run: Run, weights: str) -> None:
    words = ["--weights", weights, "--recipe", "report", "--steps", "70", "--lr", "0.1", "--trace", "way"]
    done = run("denoise", "digits/0.png", "-o", "x.png", *words, *SIGMA)
    assert done.exit_code == 0, done.stderr
    rows = list(csv.DictReader(Path("way/0.png/trace.csv").read_text().splitlines()))
    assert [int(row["step"]) for row in rows] == list(range(71))
    assert {"step-0000.png", "step-0070.png"} <= {path.name for path in Path("way/0.png").iterdir()}
    wrong = run("denoise", "digits/0.png", "-o", "y.png", "--weights", weights, "--lr", "0.1", *SIGMA)
    assert (wrong.exit_code, "--lr: is about Adam, which --recipe report" in wrong.stderr) == (2, True)
    wrong = run("denoise", "digits/0.png", "-o", "y.png", "--recipe", "report", *SIGMA)
    assert (wrong.exit_code, wrong.stderr.count("\n")) == (2, 1)
    assert "--recipe: is for weights of an autoencoder or a generator, and 'photo' are of" in wrong.stderr


def test_inpainting_writes_a_trace_too(run: Run, weights: str) -> None:
    done = run("inpaint", "digits/0.png", "--box", "1,1,4,4", "--weights", weights, "--trace", "way")
    assert done.exit_code == 0, done.stderr
    assert (Path("way/0.png/trace.csv").exists(), Path("way/0.png/strip.png").exists()) == (True, True)
