"""`genrestore inpaint`: what is written, what is said, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import Result

from genrestore.cli import restore
from tests import tiny
from tests.cli.conftest import Run, clean_pixels, write
from tests.cli.test_denoise import contents, names, one_error, pixels

ROWS, COLUMNS = slice(8, 14), slice(10, 20)


def hole() -> np.ndarray:
    """What is missing of the pictures here, bool [height, width]."""
    missing = np.zeros((24, 32), bool)
    missing[ROWS, COLUMNS] = True
    return missing


def clean() -> np.ndarray:
    """A smooth picture in steps of 2×2 pixels, which the tiny denoiser leaves alone, [height, width, 3]."""
    return clean_pixels(12, 16).repeat(2, 0).repeat(2, 1)


def broken() -> np.ndarray:
    """The smooth picture with black in its hole, uint8 [height, width, 3]."""
    return np.where(hole()[..., None], 0, clean()).astype(np.uint8)


def mask_file(name: str = "mask.png", missing: np.ndarray | None = None) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(((hole() if missing is None else missing) * 255).astype(np.uint8)).save(path)
    return path


@pytest.fixture
def holed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """photo.png with a black hole, in the current folder, and mask.png beside it."""
    monkeypatch.chdir(tmp_path)
    mask_file()
    return write(Path("photo.png"), broken())


@pytest.fixture
def inpaint(run: Run, weights: str) -> Run:
    """Run `genrestore inpaint` with the tiny weights."""
    settings = ["--weights", weights, "--device", "cpu", "--precision", "fp32"]

    def invoke(*words: str | Path, stdin: bytes | None = None) -> Result:
        return run("inpaint", *settings, *words, stdin=stdin)

    return invoke


def is_filled(result: np.ndarray) -> bool:
    """Whether the hole is near the smooth picture, and all else is equal to it."""
    error = np.abs(result[..., :3].astype(int) - clean())
    return bool((error[~hole()] == 0).all() and error[hole()].max() <= 25)


class TestOneFile:
    def test_is_written_beside_the_input(self, inpaint: Run, holed: Path) -> None:
        before = contents(Path.cwd())
        result = inpaint(holed, "--mask", "mask.png")
        assert (result.stdout, result.exit_code) == ("", 0), result.stderr
        assert result.stderr.startswith("photo.png -> photo.inpainted.png  ")
        assert is_filled(pixels("photo.inpainted.png"))
        after = contents(Path.cwd())
        assert {name: after[name] for name in before} == before

    def test_inverted(self, inpaint: Run, holed: Path) -> None:
        mask_file("black.png", ~hole())
        assert inpaint(holed, "-m", "black.png", "--invert-mask", "-o", "out.png").exit_code == 0
        assert is_filled(pixels("out.png"))

    def test_a_box(self, inpaint: Run, holed: Path) -> None:
        assert inpaint(holed, "--box", "10,8,5,6", "--box", "15,8,5,6", "-o", "out.png").exit_code == 0
        assert is_filled(pixels("out.png"))

    def test_a_colour(self, inpaint: Run, holed: Path) -> None:
        assert inpaint(holed, "--mask-color", "#000000", "-o", "out.png").exit_code == 0
        assert is_filled(pixels("out.png"))

    def test_its_own_alpha(self, inpaint: Run, holed: Path) -> None:
        alpha = np.where(hole(), 0, 255).astype(np.uint8)[..., None]
        write(Path("clear.png"), np.concatenate([broken(), alpha], axis=2))
        result = inpaint("clear.png", "-o", "out.png")
        assert "its alpha was the mask; what was filled is opaque now" in result.stderr
        assert is_filled(pixels("out.png"))
        assert (pixels("out.png")[..., 3] == 255).all()

    def test_grown(self, inpaint: Run, holed: Path) -> None:
        smaller = np.zeros_like(hole())
        smaller[9:13, 11:19] = True
        mask_file("smaller.png", smaller)
        assert inpaint(holed, "-m", "smaller.png", "--grow", "1", "-o", "out.png").exit_code == 0
        assert is_filled(pixels("out.png"))

    def test_feathered_inside_the_hole_only(self, inpaint: Run, holed: Path) -> None:
        assert inpaint(holed, "-m", "mask.png", "--feather", "1", "-o", "out.png").exit_code == 0
        result = pixels("out.png").astype(int)
        assert np.array_equal(result[~hole()], broken()[~hole()])
        assert np.abs(result[8, 15] * 2 - clean()[8, 15]).max() <= 25

    def test_with_sigma_the_rest_is_denoised_too_and_that_is_said(self, inpaint: Run, holed: Path) -> None:
        noise = np.random.default_rng(0).normal(0, 10, broken().shape)
        noisy = (broken() + noise).round().clip(0, 255).astype(np.uint8)
        write(holed, noisy)
        result = inpaint(holed, "-m", "mask.png", "--sigma", "10", "-o", "out.png")
        assert "noise level 10.0" in result.stderr
        assert "known pixels were denoised too" in result.stderr
        before, after = (
            np.square(picture.astype(float) - clean())[~hole()].mean()
            for picture in (noisy, pixels("out.png"))
        )
        assert after < 0.5 * before

    @pytest.mark.parametrize("seed", [0, 5])
    def test_sigma_and_seed_are_those_of_the_noise_beside_what_is_known(
        self, inpaint: Run, holed: Path, seed: int
    ) -> None:
        inside = np.zeros_like(hole())
        inside[9:13, 11:19] = True  # blocks of 2×2 pixels lie across its edge
        mask_file("inside.png", inside)
        words = ["-m", "inside.png", "--sigma", "10", "--seed", str(seed), "-o", "out.png"]
        assert inpaint(holed, *words).exit_code == 0
        before, found = (pixels(path).astype(float) for path in (holed, "out.png"))
        noise = np.random.default_rng(seed).standard_normal((1, 3, *hole().shape), np.float32)
        beside = (found + 10 * noise[0].transpose(1, 2, 0)).round().clip(0, 255)
        noisy = np.where(inside[..., None], beside, before).transpose(2, 0, 1)
        expected = tiny.denoised(noisy, 10).transpose(1, 2, 0)
        assert np.abs(found - expected)[~inside].max() <= 0.51

    def test_compare_shows_input_mask_and_result(self, inpaint: Run, holed: Path) -> None:
        assert inpaint(holed, "-m", "mask.png", "--compare").exit_code == 0
        panels = np.split(pixels("photo.inpainted.compare.png"), 3, axis=1)
        assert np.array_equal(panels[0], broken())
        assert np.array_equal(panels[1], np.repeat(hole()[..., None] * np.uint8(255), 3, axis=2))
        assert np.array_equal(panels[2], pixels("photo.inpainted.png"))

    def test_show_mask(self, inpaint: Run, holed: Path) -> None:
        words = (holed, "--box", "10,8,10,6", "--show-mask", "used.png", "-o", "out.png")
        assert inpaint(*words).exit_code == 0
        assert np.array_equal(pixels("used.png"), hole() * np.uint8(255))

    def test_an_empty_mask_copies_and_says_so(self, inpaint: Run, holed: Path) -> None:
        result = inpaint(holed, "-m", mask_file("none.png", np.zeros_like(hole())), "-o", "out.png")
        assert "(the mask is empty: nothing was filled)" in result.stderr
        assert result.exit_code == 0
        assert np.array_equal(pixels("out.png"), broken())

    def test_reference_and_json(self, inpaint: Run, holed: Path) -> None:
        write(Path("clean.png"), clean())
        result = inpaint(holed, "-m", "mask.png", "--reference", "clean.png", "--json")
        record = json.loads(result.stdout)
        assert record["status"] == "done"
        assert record["psnr"] > 30
        assert record["sigma"] is None

    def test_a_pipe(self, inpaint: Run, holed: Path) -> None:
        result = inpaint("-", "-m", "mask.png", "-o", "-", stdin=holed.read_bytes())
        assert result.exit_code == 0
        Path("out.png").write_bytes(result.stdout_bytes)
        assert is_filled(pixels("out.png"))

    def test_a_result_says_how_it_was_made(self, inpaint: Run, holed: Path) -> None:
        inpaint(holed, "-m", "mask.png", "--grow", "2", "-o", "out.png")
        with Image.open("out.png") as image:
            made = json.loads(image.info["genrestore"])
        assert (made["command"], made["mask"], made["grow"]) == ("inpaint", "given", 2)
        assert len(made["mask_sha256"]) == 64

    def test_what_is_done_is_skipped_until_the_mask_is_another(self, inpaint: Run, holed: Path) -> None:
        words = (holed, "-m", "mask.png", "--skip-existing")
        assert inpaint(*words).exit_code == 0
        assert "skipped: done before" in inpaint(*words).stderr
        mask_file(missing=np.roll(hole(), 1, axis=0))
        assert "made again: the mask was another one" in inpaint(*words).stderr
        assert "made again: grow was 0" in inpaint(*words, "--grow", "1").stderr


class TestWrongUse:
    @pytest.mark.parametrize(
        ("words", "message"),
        [
            ([], "nothing says what is missing, and the picture has no alpha; give --mask"),
            (["-m", "nothing.png"], "--mask nothing.png: no such file or folder"),
            (["-m", "small.png"], "small.png: the mask is 4 x 4 pixels, the picture 32 x 24"),
            (["--invert-mask"], "--invert-mask turns a mask file round; name it with --mask"),
            (
                ["--mask-color", "pink"],
                "--mask-color pink: must be six hexadecimal digits, such as '#ff00ff'",
            ),
            (["--box", "1,2,3"], "--box 1,2,3: must be x,y,width,height in pixels"),
            (["--box", "30,20,9,9"], "--box 30,20,9,9 reaches outside the picture of 32 x 24 pixels"),
            (
                ["-m", "mask.png", "--grow", "-1"],
                "--grow -1: must be from 0 to 1000",
            ),
            (
                ["-m", "mask.png", "--feather", "33"],
                "--feather 33: must be from 0 to 32",
            ),
            (["-m", "mask.png", "--sigma", "nan"], "--sigma nan: a noise level in grey levels must be"),
            (
                ["-m", "mask.png", "-o", "mask.png", "--overwrite"],
                "mask.png: the output of photo.png is a mask",
            ),
            (
                ["-m", "mask.png", "--show-mask", "photo.png"],
                "--show-mask photo.png: an input, a mask or a result",
            ),
        ],
    )
    def test_is_one_line_and_exit_2_and_writes_nothing(
        self, inpaint: Run, holed: Path, words: list[str], message: str
    ) -> None:
        write(Path("small.png"), np.zeros((4, 4, 3), np.uint8))
        before = contents(Path.cwd())
        result = inpaint(holed, *words)
        assert message in one_error(result.stderr)
        assert (result.exit_code, contents(Path.cwd())) == (2, before)

    @pytest.mark.parametrize(
        ("words", "kept", "why"),
        [
            (["--reference", "clean.png"], "clean.png", "would be written, and --reference reads it"),
            (["--files-from", "list.png"], "list.png", "would be written, and --files-from reads it"),
            (["--compare", "-o", "a.png"], "a.compare.png", "two things would be written there"),
            (["--json-file", "all.png"], "all.png", "two things would be written there"),
        ],
    )
    def test_a_mask_is_shown_where_nothing_else_is_read_or_written(
        self, inpaint: Run, holed: Path, words: list[str], kept: str, why: str
    ) -> None:
        write(Path("clean.png"), clean())
        Path("list.png").write_text("photo.png\n")
        before = contents(Path.cwd())
        inputs = [] if "--files-from" in words else [holed]
        result = inpaint(*inputs, "-m", "mask.png", *words, "--show-mask", kept, "--overwrite")
        assert one_error(result.stderr).endswith(f"{kept}: {why}; name another")
        assert (result.exit_code, contents(Path.cwd())) == (2, before)

    def test_a_mask_that_covers_everything_fails(self, inpaint: Run, holed: Path) -> None:
        result = inpaint(holed, "-m", mask_file("all.png", np.ones_like(hole())))
        assert "photo.png  failed: the mask covers the whole picture" in one_error(result.stderr)
        assert (result.exit_code, names()) == (1, ["all.png", "mask.png", "photo.png"])


class TestFolders:
    @pytest.fixture
    def album(self, holed: Path) -> Path:
        """Three pictures, and masks for two of them."""
        for name in ("a.png", "b.png", "c.png"):
            write(Path("album", name), broken())
        mask_file("masks/a.png")
        mask_file("masks/b.bmp")
        return Path("album")

    def test_masks_by_stem(self, inpaint: Run, album: Path) -> None:
        Path("album/c.png").unlink()
        result = inpaint(album, "-m", "masks", "-o", "out/", "--show-mask", "shown/")
        assert (result.exit_code, names("out")) == (0, ["a.png", "b.png"]), result.stderr
        assert is_filled(pixels("out/b.png"))
        assert names("shown") == ["a.mask.png", "b.mask.png"]

    def test_a_batch_goes_on_where_masks_were_shown(self, inpaint: Run, album: Path) -> None:
        words = (album, "-m", "mask.png", "-o", "out/", "--show-mask", "shown/", "--skip-existing")
        assert inpaint(*words).exit_code == 0
        Path("out/b.png").unlink()
        result = inpaint(*words)
        assert (result.exit_code, names("out")) == (0, ["a.png", "b.png", "c.png"]), result.stderr
        assert "1 done, 2 skipped" in result.stderr

    def test_one_mask_for_all(self, inpaint: Run, album: Path) -> None:
        assert inpaint(album, "-m", "mask.png", "-o", "out/").exit_code == 0
        assert names("out") == ["a.png", "b.png", "c.png"]

    def test_a_missing_mask_fails_its_picture_only(self, inpaint: Run, album: Path) -> None:
        result = inpaint(album, "-m", "masks", "-o", "out/")
        assert "album/c.png  failed: --mask masks: no mask in it named like album/c.png" in result.stderr
        assert "2 done, 1 failed" in result.stderr
        assert (result.exit_code, names("out")) == (1, ["a.png", "b.png"])

    def test_a_mask_of_another_size_fails_its_picture_only(self, inpaint: Run, album: Path) -> None:
        write(Path("masks/b.bmp"), np.zeros((4, 4, 3), np.uint8))
        mask_file("masks/c.png")
        result = inpaint(album, "-m", "masks", "-o", "out/")
        assert "b.png  failed: masks/b.bmp: the mask is 4 x 4 pixels, the picture 32 x 24" in result.stderr
        assert (result.exit_code, names("out")) == (1, ["a.png", "c.png"])

    def test_the_plan_shows_what_will_fail(self, inpaint: Run, album: Path) -> None:
        result = inpaint(album, "-m", "masks", "-o", "out/", "--dry-run")
        assert result.stdout.splitlines() == ["album/a.png -> out/a.png", "album/b.png -> out/b.png"]
        assert (result.exit_code, Path("out").exists()) == (1, False)


class TestWithoutWeights:
    """`--prior dip`, for both commands that have it."""

    @pytest.mark.slow
    @pytest.mark.parametrize("words", [["denoise"], ["inpaint", "--mask", "mask.png"]], ids=lambda w: w[0])
    def test_restores_traces_and_says_how_it_was_made(self, run: Run, holed: Path, words: list[str]) -> None:
        result = run(*words, holed, "--prior", "dip", "--steps", "25", "--trace", "steps", "-o", "out.png")
        assert result.exit_code == 0, result.stderr
        table = Path("steps/trace.csv").read_text().splitlines()
        assert table[0] == "piece,step,held_out,seconds"
        assert len(table) >= 4
        assert "000-000000.png" in names("steps")
        assert pixels(Path("steps/000-000000.png")).shape[2] == 3
        with Image.open("out.png") as image:
            made = json.loads(image.info["genrestore"])
        assert (made["prior"], made["steps"]) == ("dip", 25)
        assert "weights" not in made
        if words[0] == "inpaint":
            assert np.array_equal(pixels("out.png")[~hole()], broken()[~hole()])

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--prior", "dip", "--weights", "photo"], "--prior dip and --weights contradict each other"),
            (["--prior", "dip", "--sigma", "5"], "--prior dip and --sigma contradict each other; give one"),
            (["--steps", "5"], "--steps is about priors that search: --prior dip"),
            (["--trace", "steps"], "--trace is about priors that search: --prior dip"),
            (["--prior", "dip", "--steps", "0"], "--steps 0: must be from 1 to 100000"),
            (["--prior", "dip", "--trace", "there"], "--trace there: a trace is there already"),
            (["--prior", "dip", "--trace", "new", "mask.png"], "--trace follows one picture; name one file"),
            (
                ["--prior", "dip", "--trace", "new", "--files-from", "list.txt"],
                "--trace follows one picture; name one file",
            ),
            (["--prior", "dip", "--trace", "list.txt"], "--trace list.txt: is a file; name a folder"),
        ],
    )
    def test_what_cannot_be_meant_is_refused(
        self, run: Run, holed: Path, words: list[str], message: str
    ) -> None:
        Path("there").mkdir()
        Path("there/trace.csv").touch()
        Path("list.txt").write_text("mask.png\n")
        before = contents(Path.cwd())
        for command in ("denoise", "inpaint"):
            result = run(command, holed, *words)
            assert message in one_error(result.stderr)
            assert (result.exit_code, contents(Path.cwd())) == (2, before)

    @pytest.mark.parametrize(
        ("seconds", "said"),
        [(19.0, ""), (61.0, "at most 61 s"), (600.0, "at most 10 minutes"), (9000.0, "at most 2.5 hours")],
    )
    def test_a_long_time_is_said(self, capsys: pytest.CaptureFixture[str], seconds: float, said: str) -> None:
        restore.say_duration(seconds)
        assert said in capsys.readouterr().err


def test_what_a_hole_held_beyond_the_range_is_not_added_to_what_fills_it(inpaint: Run, holed: Path) -> None:
    values = np.where(hole(), 60_000, 5_000).astype(np.uint16)
    Image.fromarray(values).save("deep.png")
    assert inpaint("deep.png", "--mask", "mask.png", "--range", "0,10000", "-o", "out.png").exit_code == 0
    result = np.asarray(Image.open("out.png")).astype(int)
    assert (result[~hole()] == 5_000).all()
    assert np.abs(result[hole()] - 5_000).max() < 500
