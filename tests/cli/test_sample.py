"""``genrestore sample`` as users see it."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genrestore.files.codecs.images import read_provenance
from genrestore.files.work.contact_sheet import LINE
from genrestore.study import file
from genrestore.weights.header import read_header
from tests import tiny
from tests.cli.conftest import Run

SIDE = 28 + LINE


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command with a tiny generator, in the current folder."""
    monkeypatch.chdir(tmp_path)
    tiny.save_generator(tmp_path)
    return ["sample", "--weights", "./made.safetensors", "--device", "cpu"]


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as picture:
        assert picture.mode == "L"
        return np.asarray(picture)


def sha256() -> str:
    return read_header(Path("made.safetensors")).sha256


def test_a_grid_of_samples(run: Run, words: list[str]) -> None:
    done = run(*words, "-n", "6", "-o", "grid.png")
    assert (done.exit_code, done.stdout) == (0, ""), done.stderr
    assert done.stderr.splitlines() == ["6 images -> grid.png"]
    assert pixels("grid.png").shape == (2 * SIDE - LINE, 3 * SIDE - LINE)
    noted = read_provenance(Path("grid.png"))
    assert noted is not None
    assert (noted["command"], noted["weights_sha256"], noted["seed"]) == ("sample", sha256(), 0)


def test_a_folder_of_single_files_has_the_images_of_the_grid(run: Run, words: list[str]) -> None:
    assert run(*words, "-n", "4", "-o", "grid.png", "-q").exit_code == 0
    done = run(*words, "-n", "4", "-o", "single/", "--no-provenance")
    assert done.stderr.splitlines() == ["4 images -> single/"]
    names = sorted(path.name for path in Path("single").iterdir())
    assert names == ["000.png", "001.png", "002.png", "003.png"]
    assert np.array_equal(pixels("single/003.png"), pixels("grid.png")[SIDE:, SIDE:])
    assert read_provenance(Path("single/003.png")) is None


def test_the_seed_decides(run: Run, words: list[str]) -> None:
    for name, seed in (("a", "1"), ("b", "1"), ("c", "2")):
        assert run(*words, "-n", "2", "-o", f"{name}.png", "--seed", seed).exit_code == 0
    assert Path("a.png").read_bytes() == Path("b.png").read_bytes()
    assert not np.array_equal(pixels("a.png"), pixels("c.png"))


def test_sixty_four_if_nothing_is_said(run: Run, words: list[str]) -> None:
    assert run(*words).exit_code == 0
    assert pixels("samples.png").shape == (8 * SIDE - LINE, 8 * SIDE - LINE)


def test_ways_from_one_image_to_another_are_rows(run: Run, words: list[str]) -> None:
    done = run(*words, "--interpolate", "5", "-n", "3", "-o", "ways.png")
    assert done.stderr.splitlines() == ["15 images -> ways.png"]
    assert pixels("ways.png").shape == (3 * SIDE - LINE, 5 * SIDE - LINE)
    assert run(*words, "-n", "6", "-o", "ends/").exit_code == 0
    assert np.array_equal(pixels("ends/001.png"), pixels("ways.png")[SIDE : SIDE + 28, :28])
    assert np.array_equal(pixels("ends/004.png"), pixels("ways.png")[SIDE : SIDE + 28, -28:])


def test_latents_of_a_file_through_a_pipe(run: Run, words: list[str]) -> None:
    Path("z.safetensors").write_bytes(file.to_bytes(torch.ones(1, 3), sha256()))
    done = run(*words, "--latent", "z.safetensors", "-o", "-", "-q")
    assert (done.exit_code, done.stderr) == (0, "")
    with Image.open(io.BytesIO(done.stdout_bytes)) as picture:
        found = np.asarray(picture)
    with torch.no_grad():
        expected = tiny.random_generator()(torch.ones(16, 3))[0, 0]  # rounding to float16 may move a level
    assert np.abs(found.astype(int) - (expected * 255).round().numpy()).max() <= 2


def test_an_autoencoder_samples_too_and_says_what_to_expect(run: Run, words: list[str]) -> None:
    tiny.save_autoencoder(Path())
    words[2] = "./halves.safetensors"
    done = run(*words, "-n", "9")
    assert done.exit_code == 0
    assert "latents were not trained to cover [0, 1]" in done.stderr.splitlines()[0]
    assert pixels("samples.png").shape == (3 * SIDE - LINE, 3 * SIDE - LINE)


def test_json_is_one_object(run: Run, words: list[str]) -> None:
    done = run(*words, "-n", "2", "--json", "-q", "-o", "two/")
    assert json.loads(done.stdout) == {
        "schema": 1,
        "weights": "made",
        "weights_sha256": sha256(),
        "seed": 0,
        "images": 2,
        "outputs": ["two/000.png", "two/001.png"],
    }
    assert done.stderr == ""


def test_a_name_with_a_dot_is_told_whole(run: Run, words: list[str]) -> None:
    Path("made.safetensors").rename("made.v2.safetensors")
    done = run("sample", "--weights", "./made.v2.safetensors", *words[3:], "-n", "2", "--json", "-q")
    assert json.loads(done.stdout)["weights"] == "made.v2"
    assert run("weights", "add", "made.v2.safetensors", "--name", "mine.v3").exit_code == 0
    done = run("sample", "--weights", "mine.v3", *words[3:], "-n", "2", "--json", "-q", "-o", "b.png")
    assert json.loads(done.stdout)["weights"] == "mine.v3"


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["-o", "there.png"], 2, "there.png: exists (1 in all); replace with --overwrite"),
        (["-o", "full/", "-n", "3"], 2, "full/001.png: exists (1 in all)"),
        (["-o", "plot.gif"], 2, "-o plot.gif: the name must end in .avif, .exr, "),
        (["-o", "there.png/in.png"], 1, "there.png/in.png: cannot be written"),
        (["-o", "-", "--json"], 2, "--json and the picture both want stdout"),
        (["-n", "0"], 2, "--count 0: must be from 1 to 10000"),
        (["--interpolate", "1"], 2, "--interpolate 1: must be from 2 to 10000"),
        (["--interpolate", "5000", "-n", "3"], 2, "--interpolate 5000 with --count 3: at most 10000"),
        (["--interpolate", "1300"], 2, "--interpolate 1300 with --count 8: at most 10000"),
        (["--latent", "others", "-n", "3"], 2, "--count 3 with --latent others: give one of them"),
        (["--latent", "others"], 2, "others: latents of other weights (sha256 bbbb"),
        (["--latent", "narrow"], 1, "narrow: its latents have 2 numbers"),
        (["--latent", "missing"], 1, "missing: no such file"),
        (["--latent", "there.png"], 1, "there.png: not a latent file"),
        (["--weights", "photo"], 5, "weights 'photo' are of kind 'denoiser'; samples need a generator"),
        (["--weights", "nobody"], 5, "no weights named 'nobody'"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(
    run: Run, words: list[str], more: list[str], code: int, message: str
) -> None:
    Path("there.png").touch()
    Path("full").mkdir()
    Path("full/001.png").touch()
    Path("others").write_bytes(file.to_bytes(torch.ones(1, 3), "b" * 64))
    Path("narrow").write_bytes(file.to_bytes(torch.ones(1, 2), sha256()))
    wrong = run(*words, *more)
    assert (wrong.exit_code, message in wrong.stderr) == (code, True), wrong.stderr
    assert wrong.stderr.splitlines()[-1].startswith("genrestore: error: ")
    assert not Path("samples.png").exists()
    assert Path("there.png").read_bytes() == b""
    assert [path.name for path in Path("full").iterdir()] == ["001.png"]
