"""``genrestore scatter`` as users see it."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file

from genrestore.models import NETWORKS
from genrestore.weights.header import Header, NetworkSpec, read_header
from genrestore.weights.store import save
from tests import tiny
from tests.cli.conftest import Run
from tests.train import toy


@pytest.fixture
def words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The command with tiny weights on a tiny MNIST, in the current folder."""
    monkeypatch.chdir(tmp_path)
    toy.write_digits(Path("sets"), train=12, test=20)
    weights = tiny.save_autoencoder(tmp_path)
    return ["scatter", "--weights", str(weights), "--data", "mnist", "--data-root", "sets", "--device", "cpu"]


def save_autoencoder(path: Path, latent: int) -> Path:
    """Save an untrained autoencoder of colour pictures with so many coordinates."""
    arguments = {"size": 28, "channels": 3, "latent": latent, "width": 2, "hidden": 2}
    spec = NetworkSpec("autoencoder", arguments)
    header = Header("autoencoder", {"autoencoder": spec}, 3, 28, {}, "", "", "", "0")
    tensors = NETWORKS["autoencoder"](**arguments).state_dict()
    save(path, header, {f"autoencoder.{key}": one for key, one in tensors.items()})
    return path


def size(path: str) -> tuple[int, int]:
    with Image.open(path) as picture:
        return picture.size


def test_a_picture_and_figures(run: Run, words: list[str]) -> None:
    done = run(*words, "-o", "out/scatter.png")
    assert done.exit_code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("z[0]  mean 0.")
    assert lines[-1].startswith("20 images  occupied cells 0.0")
    assert done.stderr.splitlines() == ["-> out/scatter.png"]
    with Image.open("out/scatter.png") as picture:
        colours = {colour for _, colour in picture.convert("RGB").getcolors(2**24)}
    assert len(colours) > 20  # ten classes


def test_json_is_one_object_with_the_outliers(run: Run, words: list[str]) -> None:
    Image.fromarray(toy.pixels(height=30, width=50)).save("mine.png")
    done = run(*words, "--json", "--quiet", "--outliers", "--outlier-image", "mine.png", "--csv", "z.csv")
    assert (done.exit_code, done.stderr) == (0, ""), done.stderr
    record = json.loads(done.stdout)
    assert (record["schema"], record["images"], len(record["variance"])) == (1, 20, 2)
    assert list(record["outliers"]) == ["constant", "noise", "negative", "flip", "man", "mine.png"]
    assert all(0 <= share <= 1 for share in record["outliers"].values())
    assert Path("scatter.png").exists()
    assert size("scatter.table.png")[1] > size("scatter.table.png")[0]  # six rows of three
    with Path("z.csv").open(newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert len(rows) == 20 + 5 * 100 + 1
    assert (rows[3]["image"], rows[3]["class"]) == ("mnist/3", "3")
    assert float(rows[0]["z0"]) == pytest.approx(record["mean"][0], abs=0.6)
    assert np.mean([float(row["z1"]) for row in rows[:20]]) == pytest.approx(record["mean"][1], abs=1e-5)


def test_a_cloud_that_has_collapsed_looks_like_that_and_is_told(
    run: Run, words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genrestore.study import scatter

    ranges, draw = list[tuple[float, float]](), scatter.plot

    def plot(*given: Any, **more: bool) -> Any:
        figure = draw(*given, **more)
        ranges.append(figure.axes[0].get_xlim())
        return figure

    monkeypatch.setattr(scatter, "plot", plot)
    tensors = load_file(words[2])
    tensors["autoencoder.to_latent.2.weight"] *= 0.01
    tensors["autoencoder.to_latent.2.bias"] *= 0
    save(tmp_path / "narrow.safetensors", read_header(Path(words[2])), tensors)
    for more in ([], ["--zoom"], ["--pca"]):
        done = run(*words[:2], str(tmp_path / "narrow.safetensors"), *words[3:], *more, "--overwrite")
        assert done.exit_code == 0, done.stderr
        line = "2 of 2 coordinates spread less than a tenth as far as latents that fill [0, 1]: z[0], z[1]"
        assert line in done.stdout.splitlines()
    assert ranges[0] == (0, 1)
    assert ranges[1][1] - ranges[1][0] < 0.1
    assert ranges[2] != (0, 1)
    assert "spread less" not in run(*words, "-o", "wide.png").stdout


@pytest.mark.parametrize(("suffix", "start"), [("svg", b"<?xml"), ("pdf", b"%PDF")])
def test_vector_pictures_are_the_same_twice(run: Run, words: list[str], suffix: str, start: bytes) -> None:
    for name in ("a", "b"):
        assert run(*words, "-o", f"{name}.{suffix}", "--dims", "1,0").exit_code == 0
    content = Path(f"a.{suffix}").read_bytes()
    assert content.startswith(start)
    assert content == Path(f"b.{suffix}").read_bytes()


def test_principal_components_and_the_training_part(run: Run, words: list[str]) -> None:
    done = run(*words, "--pca", "--split", "train")
    assert done.exit_code == 0, done.stderr
    assert "12 images" in done.stdout


def test_all_pairs_make_a_grid(run: Run, tmp_path: Path, words: list[str]) -> None:
    save_autoencoder(tmp_path / "four.safetensors", latent=4)
    toy.fill(Path("own"), 3)
    Path("own/broken.png").write_text("no picture")
    four = ["scatter", "--weights", "./four.safetensors", "--data", "own", "--device", "cpu"]
    done = run(*four, "--dims", "all", "-o", "grid.png")
    assert done.exit_code == 0, done.stderr
    assert done.stderr.splitlines()[0].startswith("own/broken.png  not read: ")
    assert run(*four, "-o", "pair.png").exit_code == 0
    assert size("grid.png") != size("pair.png")


def test_classes_may_be_chosen(run: Run, words: list[str]) -> None:
    done = run(*words, "--classes", "3,7", "--json")
    assert json.loads(done.stdout)["images"] == 4


@pytest.mark.parametrize(
    ("more", "code", "message"),
    [
        (["-o", "plot.jpg"], 2, "-o plot.jpg: the name must end in .png, .svg, .pdf"),
        (["-o", "there.png"], 2, "there.png: exists; replace it with --overwrite"),
        (["--csv", "there.png"], 2, "there.png: exists"),
        (["--csv", "sets"], 2, "sets: is a folder; name a file"),
        (["--dims", "0"], 2, "--dims 0: at least two different coordinates"),
        (["--dims", "0,0"], 2, "--dims 0,0: at least two different"),
        (["--dims", "a"], 2, "--dims a: must be all, or numbers"),
        (["--dims", "0,2"], 2, "--dims 0,2: the latent has coordinates 0 to 1"),
        (["--zoom", "--pca"], 2, "--zoom: is about axes from 0 to 1"),
        (["--dims", "0,1", "--pca"], 2, "--dims 0,1 and --pca contradict each other; give one"),
        (["-o", "new.png", "--csv", "./new.png"], 2, "new.png: two things would be written there"),
        (["--data", "one", "--pca"], 2, "--pca: two components need at least 2 images and 2"),
        (["--classes", "ten"], 2, "--classes ten: no class ten; there are 0, 1, 2"),
        (["--data-root", "nowhere"], 2, "--data mnist: not found in nowhere"),
        (["--weights", "photo"], 5, "weights 'photo' are of kind 'denoiser'; latents need an autoencoder"),
        (["--outlier-image", "missing.png"], 1, "missing.png: not read"),
        (["--data", "empty"], 3, "no readable image found"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(
    run: Run, words: list[str], more: list[str], code: int, message: str
) -> None:
    Path("there.png").touch()
    Path("empty").mkdir()
    toy.fill(Path("one"), 1)
    if "--data" in more:
        del words[3:7]
    wrong = run(*words, *more)
    assert (wrong.exit_code, message in wrong.stderr) == (code, True), wrong.stderr
    assert wrong.stderr.splitlines()[-1].startswith("genrestore: error: ")
    assert not Path("scatter.png").exists()
    assert Path("there.png").read_bytes() == b""


def test_components_need_two_coordinates(run: Run, words: list[str], tmp_path: Path) -> None:
    narrow = save_autoencoder(tmp_path / "narrow.safetensors", latent=1)
    toy.fill(Path("own"), 3)
    wrong = run("scatter", "--weights", narrow, "--data", "own", "--device", "cpu", "--pca")
    assert (wrong.exit_code, "here are 3 and 1" in wrong.stderr) == (2, True), wrong.stderr


def test_images_of_one_name_are_all_kept(run: Run, words: list[str]) -> None:
    for name, level in (("a/1.png", 10), ("b/1.png", 200), ("man", 90), ("2.png", 90)):
        Path(name).parent.mkdir(exist_ok=True)
        Image.new("L", (28, 28), level).save(name, format="PNG")
    own = [word for name in ("a/1.png", "b/1.png", "man", "2.png") for word in ("--outlier-image", name)]
    done = run(*words, "--outliers", *own, "--json", "--csv", "z.csv")
    assert done.exit_code == 0, done.stderr
    names = list(json.loads(done.stdout)["outliers"])
    assert names == ["constant", "noise", "negative", "flip", "man", "a/1.png", "b/1.png", "./man", "2.png"]
    with Path("z.csv").open(newline="") as stream:
        assert len(list(csv.DictReader(stream))) == 20 + 5 * 100 + 4


@pytest.mark.skipif(sys.platform != "linux", reason="names are text there")
def test_names_that_are_no_text_are_written_escaped(run: Run, words: list[str]) -> None:
    toy.fill(Path("own"), 2)
    Path("own/0.png").rename(os.fsdecode(b"own/\xff.png"))
    done = run(*words[:3], "--data", "own", "--device", "cpu", "--csv", "z.csv")
    assert done.exit_code == 0, done.stderr
    assert "own/\\udcff.png," in Path("z.csv").read_text(encoding="utf-8")


def test_classes_of_images_without_any(run: Run, words: list[str]) -> None:
    toy.fill(Path("own"), 3)
    del words[3:7]
    wrong = run(*words, "--data", "own", "--classes", "a")
    assert wrong.exit_code == 2
    assert "the images have no classes; put those of each class into a sub-folder" in wrong.stderr
