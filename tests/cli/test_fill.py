"""`genrestore inpaint --fill`, `--from` and `--avoid`, of files as a user has them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from tests.cli.conftest import Run, write
from tests.cli.test_denoise import contents, names, one_error, pixels

HOLE = np.s_[30:54, 40:64]
BOX = "40,30,24,24"


def halves() -> np.ndarray:
    """Rough ground, with stripes down the left half and across the right one, uint8 [84, 104, 3]."""
    rows, columns = np.mgrid[0:84, 0:104]
    stripes = np.where(columns < 52, columns, rows) // 2 % 2
    noise = np.random.default_rng(0).integers(0, 40, (84, 104))
    return np.repeat((60 + 80 * stripes + noise)[..., None], 3, 2).astype(np.uint8)


def across(part: np.ndarray) -> float:
    """How much steeper a part is from row to row than from column to column."""
    down, right = (float(np.abs(np.diff(part[..., 0].astype(int), axis=axis)).mean()) for axis in (0, 1))
    return down / right


def side(name: str, part: slice) -> str:
    """A mask file of some columns."""
    mask = np.zeros((84, 104), np.uint8)
    mask[:, part] = 255
    Image.fromarray(mask).save(name)
    return name


@pytest.fixture
def ground(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(Path("ground.png"), halves())


@pytest.fixture
def fill(run: Run, weights: str) -> Run:
    def invoke(*words: str | Path) -> Result:
        return run("inpaint", "--weights", weights, "--device", "cpu", "--precision", "fp32", *words)

    return invoke


def filled(path: str) -> np.ndarray:
    """What is in the hole of a result; all else is as it was."""
    result, known = pixels(path), np.ones((84, 104), bool)
    known[HOLE] = False
    assert np.array_equal(result[known], halves()[known])
    return result[HOLE]


def test_texture_is_as_rough_as_what_it_was_copied_from_and_a_mean_is_smooth(fill: Run, ground: Path) -> None:
    rough = {}
    for way in ("mean", "texture"):
        result = fill(ground, "--box", BOX, "--fill", way, "-o", f"{way}.png")
        assert result.exit_code == 0, result.stderr
        rough[way] = np.abs(np.diff(filled(f"{way}.png")[..., 0].astype(int), axis=0)).mean()
    truth = np.abs(np.diff(halves()[HOLE][..., 0].astype(int), axis=0)).mean()
    assert 0.7 < rough["texture"] / truth < 1.3
    assert rough["mean"] < 0.7 * truth


def test_auto_takes_texture_for_wide_holes_alone_and_says_so(fill: Run, tmp_path: Path, ground: Path) -> None:
    wide = write(Path("wide.png"), np.tile(halves(), (2, 2, 1)))
    result = fill(wide, "--box", "60,50,60,60", "--box", "4,4,3,3", "-o", "out.png")
    assert "filled with texture, as wider than a mean is good for: 1" in result.stderr
    assert "texture" not in fill(ground, "--box", "40,30,16,40", "-o", "narrow.png").stderr


@pytest.mark.parametrize(
    ("words", "lies"),
    [
        (["--from", "56,0,48,84"], True),
        (["--from", "0,0,36,84"], False),
        (["--avoid", "left.png"], True),
        (["--avoid", "right.png"], False),
    ],
)
def test_texture_comes_from_where_it_may(fill: Run, ground: Path, words: list[str], lies: bool) -> None:
    side("left.png", slice(0, 54))
    side("right.png", slice(50, 104))
    result = fill(ground, "--box", BOX, "--prior", "patches", *words, "-o", "out.png")
    assert result.exit_code == 2  # --weights, which it does without
    own = ("--box", BOX, "--fill", "texture", *words, "-o", "out.png")
    assert fill(ground, *own).exit_code == 0
    assert (
        across(filled("out.png")[6:-6, 6:-6]) > 1.3 if lies else across(filled("out.png")[6:-6, 6:-6]) < 0.77
    )


def test_a_result_notes_the_mask_that_it_avoided(fill: Run, ground: Path) -> None:
    side("other.png", slice(50, 104))
    words = (ground, "--box", BOX, "--fill", "texture", "--avoid", "other.png", "--skip-existing")
    assert fill(*words).exit_code == 0
    with Image.open("ground.inpainted.png") as out:
        made = json.loads(out.info["genrestore"])
    assert (made["fill"], made["avoid"], len(made["avoid_sha256"])) == ("texture", "other.png", 64)
    assert "skipped" in fill(*words).stderr
    side("other.png", slice(60, 104))
    assert "made again: the mask of --avoid was another one" in fill(*words).stderr
    assert "made again: from was not given" in fill(*words, "--from", "0,0,40,84").stderr


def test_a_folder_s_masks_of_what_to_avoid_by_name(fill: Run, ground: Path) -> None:
    Path("masks").mkdir()
    for name in ("a", "b", "c"):
        write(Path(f"album/{name}.png"), halves())
    side("masks/a.png", slice(50, 104))
    side("masks/b.png", slice(0, 54))
    result = fill("album", "--box", BOX, "--fill", "texture", "--avoid", "masks", "-o", "out/")
    assert (result.exit_code, names("out")) == (1, ["a.png", "b.png"])
    assert "album/c.png  failed: --avoid masks: no mask in it named like album/c.png" in result.stderr
    assert across(filled("out/a.png")[6:-6, 6:-6]) < 0.77
    assert across(filled("out/b.png")[6:-6, 6:-6]) > 1.3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--fill", "mean", "--from", "0,0,9,9"], "--from: is about copying, and --fill mean copies nothing"),
        (
            ["--fill", "mean", "--avoid", "left.png"],
            "--avoid: is about copying, and --fill mean copies nothing",
        ),
        (["--fill", "texture", "--from", "42,32,9,9"], "nothing is left to copy from"),
        (["--fill", "texture", "--from", "90,60,20,30"], "--from 90,60,20,30 reaches outside the picture"),
        (["--fill", "texture", "--avoid", "all.png"], "nothing is left to copy from"),
        (["--fill", "texture", "--avoid", "none.png"], "--avoid none.png: no such file or folder"),
        (
            ["--avoid", "left.png", "-o", "left.png", "--overwrite"],
            "left.png: the output of ground.png is a mask",
        ),
        (["--fill", "best"], "'best' is not one of"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2_and_writes_nothing(
    fill: Run, ground: Path, words: list[str], message: str
) -> None:
    side("left.png", slice(0, 54))
    side("all.png", slice(0, 104))
    before = contents(Path.cwd())
    result = fill(ground, "--box", BOX, *words)
    assert message in one_error(result.stderr)
    assert (result.exit_code, contents(Path.cwd())) == (2, before)


def test_auto_takes_the_mean_where_nothing_is_left_to_copy_and_says_so(fill: Run, ground: Path) -> None:
    small = write(Path("small.png"), halves()[:30, :30])
    result = fill(small, "--box", "5,5,20,20", "-o", "small-filled.png")
    assert result.exit_code == 0
    assert "filled with a mean where too little is known around a hole" in result.stderr
    assert "filled with texture" not in result.stderr
    assert (pixels("small-filled.png")[5:25, 5:25] > 0).all()
    refused = fill(small, "--box", "5,5,20,20", "--fill", "texture", "-o", "texture.png")
    assert (refused.exit_code, "nothing is left to copy from" in refused.stderr) == (1, True)
