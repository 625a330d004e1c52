"""`genrestore inpaint --find`, `--save-mask` and `--grow auto`, in files as a user has them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from genrestore.cli import options
from tests import tiny
from tests.cli.conftest import Run, write
from tests.cli.test_denoise import contents, names, one_error, pixels
from tests.cli.test_inpaint import clean, mask_file

SPECK, SCRATCH = np.s_[6:9, 4:7], np.s_[2:20, 25:26]


def scanned() -> np.ndarray:
    """The smooth picture with a black speck and a white scratch, uint8 [height, width, 3]."""
    picture = clean().clip(40, 200).astype(np.uint8)
    picture[SPECK], picture[SCRATCH] = 0, 255
    return picture


def marked(*places: tuple[slice, slice]) -> np.ndarray:
    """Such places with the pixels beside them, bool [height, width]."""
    found = np.zeros((24, 32), bool)
    for rows, columns in places:
        found[rows.start - 1 : rows.stop + 1, columns.start - 1 : columns.stop + 1] = True
    return found


@pytest.fixture
def scan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """scan.png with two marks, in the current folder."""
    monkeypatch.chdir(tmp_path)
    return write(Path("scan.png"), scanned())


@pytest.fixture(scope="module")
def finder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(tiny.save_finder(tmp_path_factory.mktemp("finder")))


@pytest.fixture
def find(run: Run, weights: str, finder: str) -> Run:
    """Run `genrestore inpaint` with the tiny weights, and the tiny finder."""
    settings = ["--weights", weights, "--finder", finder, "--device", "cpu", "--precision", "fp32"]

    def invoke(*words: str | Path, stdin: bytes | None = None) -> Result:
        return run("inpaint", *settings, *words, stdin=stdin)

    return invoke


def missing(path: str) -> np.ndarray:
    """A mask file that was written, bool [height, width]."""
    with Image.open(path) as mask:
        assert (mask.mode, set(mask.tobytes())) in (("L", {0, 255}), ("L", {0}))
        return np.asarray(mask) > 0


@pytest.mark.parametrize(
    ("kinds", "places"),
    [("dust", [SPECK]), ("scratches", [SCRATCH]), ("dust, scratches", [SPECK, SCRATCH]), ("hot", [])],
)
def test_what_is_found_is_filled_and_nothing_else(
    find: Run, scan: Path, kinds: str, places: list[tuple[slice, slice]]
) -> None:
    result = find(scan, "--find", kinds, "-o", "out.png", "--show-mask", "used.png")
    assert result.exit_code == 0
    found = marked(*places)
    assert np.array_equal(missing("used.png"), found)
    assert np.array_equal(pixels("out.png")[~found], scanned()[~found])
    for place in places:
        assert 40 <= pixels("out.png")[place].min() <= pixels("out.png")[place].max() <= 200
    assert ("marks on" in result.stderr) is bool(places)
    assert ("no marks found" in result.stderr) is not bool(places)


def test_save_mask_writes_the_mask_alone_and_it_can_be_given_back(
    find: Run, run: Run, weights: str, scan: Path
) -> None:
    result = find(scan, "--find", "dust,scratches", "--save-mask", "mask.png")
    assert (result.exit_code, names()) == (0, ["mask.png", "scan.png"])
    assert np.array_equal(missing("mask.png"), marked(SPECK, SCRATCH))
    assert find(scan, "--find", "dust,scratches", "-o", "one.png").exit_code == 0
    plain = ("--weights", weights, "--device", "cpu", "--precision", "fp32")
    assert run("inpaint", scan, "-m", "mask.png", "-o", "two.png", *plain).exit_code == 0
    assert np.array_equal(pixels("one.png"), pixels("two.png"))


def test_the_masks_of_a_folder(find: Run, scan: Path) -> None:
    for name in ("a", "b"):
        write(Path(f"album/{name}.png"), scanned() if name == "a" else clean().clip(40, 200))
    assert find("album", "--find", "dust", "--save-mask", "masks/").exit_code == 0
    assert names("masks") == ["a.png", "b.png"]
    assert np.array_equal(missing("masks/a.png"), marked(SPECK))
    assert not missing("masks/b.png").any()
    result = find("album", "--find", "dust", "-o", "out/")
    assert result.exit_code == 0
    assert "no marks found" in result.stderr
    assert np.array_equal(pixels("out/b.png"), clean().clip(40, 200))


def test_the_masks_of_folders_with_equal_names_are_each_its_own(find: Run, scan: Path) -> None:
    other = np.ascontiguousarray(scanned()[::-1])
    write(Path("album/1.png"), scanned())
    write(Path("album/x/1.png"), other)
    assert find("album", "-r", "--find", "dust", "--save-mask", "masks/").exit_code == 0
    assert not np.array_equal(missing("masks/1.png"), missing("masks/x/1.png"))
    words = ("album", "-r", "-m", "masks", "--find", "dust", "-o", "out/", "--show-mask", "shown")
    assert find(*words).exit_code == 0
    for name in ("1", "x/1"):
        assert np.array_equal(missing(f"shown/{name}.mask.png"), missing(f"masks/{name}.png"))


def test_a_mask_is_not_taken_for_a_finished_result(find: Run, scan: Path) -> None:
    assert find(scan, "--find", "dust", "--save-mask", "out/").exit_code == 0
    words = (scan, "--find", "dust", "-o", "out/", "--skip-existing")
    assert "made again: result was 'mask'" in find(*words).stderr
    assert "skipped: done before" in find(*words).stderr


def test_a_mask_in_a_file_leaves_stdout_to_other_things(
    find: Run, scan: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("-", "--find", "dust", "--save-mask")
    result = find(*words, "mask.png", "--json", stdin=scan.read_bytes())
    assert (result.exit_code, json.loads(result.stdout)["status"]) == (0, "done")
    refused = find(*words, "-", "--json", stdin=scan.read_bytes())
    assert "both want stdout; give --json-file PATH, or --save-mask a file" in one_error(refused.stderr)
    monkeypatch.setattr(options, "check_stdout", lambda word: pytest.fail(f"{word} looks at stdout"))
    assert find(*words, "on-a-terminal.png", stdin=scan.read_bytes()).exit_code == 0


def test_marks_and_a_hand_s_mask_are_missing_together(find: Run, scan: Path) -> None:
    assert (
        find(scan, "--find", "dust", "--box", "12,3,4,5", "--grow", "1", "--show-mask", "m.png").exit_code
        == 0
    )
    both = np.zeros((24, 32), bool)
    both[4:11, 2:9] = True
    both[2:9, 11:17] = True
    assert np.array_equal(missing("m.png"), both)


def test_a_pipe_16_bits_and_the_record(find: Run, scan: Path) -> None:
    deep = scanned().astype(np.uint16)[..., 0] * 257
    Image.fromarray(deep).save("deep.png")
    assert find("deep.png", "--find", "dust", "-o", "out.png").exit_code == 0
    with Image.open("out.png") as out:
        result, made = np.asarray(out), json.loads(out.info["genrestore"])
    found = marked(SPECK)
    assert np.array_equal(result[~found], deep[~found])
    assert result[SPECK].min() > 30 * 257
    assert (made["mask"], made["find"], made["sensitivity"]) == ("given", "dust", 1.0)
    assert len(made["finder_sha256"]) == 64
    piped = find("-", "--find", "dust", "--save-mask", "-", stdin=scan.read_bytes())
    assert piped.exit_code == 0
    Path("piped.png").write_bytes(piped.stdout_bytes)
    assert np.array_equal(missing("piped.png"), found)


def test_another_sensitivity_makes_a_result_again(find: Run, scan: Path) -> None:
    words = (scan, "--find", "dust", "--skip-existing")
    assert find(*words).exit_code == 0
    assert "skipped" in find(*words).stderr
    assert "made again: sensitivity was 1.0" in find(*words, "--sensitivity", "2").stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--find", "dust,mould"], "--find dust,mould: marks are dust, scratches, hot"),
        (["--find", ""], "--find : marks are dust, scratches, hot"),
        (["--box", "1,1,2,2", "--sensitivity", "2"], "--sensitivity: is about --find"),
        (["--find", "dust", "--sensitivity", "0"], "--sensitivity 0.0: must be above 0"),
        (
            ["--find", "dust", "--mask", "mask.png", "--invert-mask"],
            "--invert-mask makes missing what --find",
        ),
        (["--find", "dust", "--save-mask", "m.png", "-o", "out.png"], "so -o is for another run"),
        (["--find", "dust", "--save-mask", "m.png", "--show-mask", "n.png"], "so --show-mask is for another"),
        (
            ["--find", "dust", "--save-mask", "m.jpg"],
            "--save-mask m.jpg: suffix '.jpg' is not written; end it in",
        ),
        (["--find", "dust", "--save-mask", "m.png", "mask.png"], "--save-mask m.png: a file, and several"),
        *(
            (["--find", "dust", "--save-mask", "m.png", *words], f"so {words[0]} is for another run")
            for words in (
                ["--feather", "2"],
                ["--sigma", "5"],
                ["--fill", "mean"],
                ["--from", "0,0,5,5"],
                ["--avoid", "mask.png"],
            )
        ),
        (["--find", "dust", "--grow", "much"], "--grow much: must be a number of pixels, or auto"),
        (["--find", "dust", "--grow", "1001"], "--grow 1001: must be from 0 to 1000"),
    ],
)
def test_wrong_use_is_one_line_and_exit_2_and_writes_nothing(
    run: Run, finder: str, scan: Path, words: list[str], message: str
) -> None:
    mask_file()
    before = contents(Path.cwd())
    own = [] if "--find" not in words else ["--finder", finder]
    result = run("inpaint", scan, *own, *words)
    assert message in one_error(result.stderr)
    assert (result.exit_code, contents(Path.cwd())) == (2, before)


def test_weights_that_find_nothing_are_refused(run: Run, weights: str, scan: Path) -> None:
    result = run("inpaint", scan, "--find", "dust", "--finder", weights)
    assert "weights of kind 'denoiser', and marks need a finder" in one_error(result.stderr)
    assert names() == ["scan.png"]


def test_grow_auto_takes_the_soft_edge_of_what_was_marked(run: Run, weights: str, scan: Path) -> None:
    """A red square with a soft edge of two pixels, of which the mask has the sharp inside only."""
    far = np.maximum(*(abs(side) for side in np.mgrid[-48:48, -48:48]))
    share = (1 - (far - 10) / 3).clip(0, 1)[..., None]
    write(Path("soft.png"), (share * [220, 30, 30] + (1 - share) * [90, 140, 120]).astype(np.uint8))
    mask_file("inside.png", far <= 10)
    used = {}
    for grow in ("0", "auto"):
        words = ("-m", "inside.png", "--grow", grow, "-o", f"{grow}.png", "--show-mask", f"used-{grow}.png")
        result = run("inpaint", "soft.png", *words, "--weights", weights)
        assert result.exit_code == 0, result.stderr
        used[grow] = missing(f"used-{grow}.png")
    assert np.array_equal(used["0"], far <= 10)
    assert np.array_equal(used["auto"], far <= 12)
    with Image.open("auto.png") as out:
        assert json.loads(out.info["genrestore"])["grow"] == "auto"
    assert (
        abs(pixels("auto.png").astype(int) - [90, 140, 120]).max()
        < abs(pixels("0.png").astype(int) - [90, 140, 120]).max()
    )
