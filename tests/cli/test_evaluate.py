"""`genrestore evaluate`: pairs by name, figures, exit codes, and what is said where."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms

from genrestore.cli import evaluate
from genrestore.cli.report import Scores
from genrestore.errors import UsageError
from genrestore.files.codecs import icc
from genrestore.files.plan.sources import NamedPictures
from tests.cli.conftest import Run, clean_pixels, write

BRIGHTER = "PSNR 28.13 dB"
"""Ten grey levels more: 20 · log10(255 / 10) = 28.1308."""
TWENTY_PSNR = 22.1102
"""Twenty grey levels more: 20 · log10(255 / 20)."""


def flat(path: Path | str, level: int, side: int = 16) -> Path:
    return write(Path(path), np.full((side, side, 3), level, np.uint8))


def records(stdout: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stdout.splitlines()]


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


class TestFiles:
    def test_two_files_need_no_common_name(self, run: Run) -> None:
        result = run("evaluate", flat("a.png", 110), flat("b.tif", 100))
        assert result.stdout.startswith(f"a.png  {BRIGHTER}  SSIM 0.99")
        assert result.stdout.endswith(" (8-bit range)\n")
        assert (result.stdout.count("\n"), result.stderr, result.exit_code) == (1, "", 0)

    def test_figures_are_those_of_another_library(self, run: Run) -> None:
        # skimage.metrics, version 0.26.0: peak_signal_noise_ratio(clean, noisy, data_range=255) and
        # structural_similarity(clean, noisy, data_range=255, gaussian_weights=True, sigma=1.5,
        # use_sample_covariance=False, win_size=11, channel_axis=2)
        noise = np.random.default_rng(0).integers(-9, 10, (32, 32, 3))
        noisy = (clean_pixels(32, 32).astype(int) + noise).clip(0, 255).astype(np.uint8)
        result = run(
            "evaluate", write(Path("a.png"), noisy), write(Path("b.png"), clean_pixels(32, 32)), "--json"
        )
        assert records(result.stdout)[0]["psnr"] == 33.3065
        assert records(result.stdout)[0]["ssim"] == 0.7760

    def test_16_bits_meet_8_bits_and_16_bits(self, run: Run) -> None:
        for name, level in (("deep.png", 110 * 257), ("deep-clean.png", 100 * 257)):
            Image.fromarray(np.full((16, 16), level, np.uint16)).save(name)
        Image.fromarray(np.full((16, 16), 100, np.uint8)).save("clean.png")
        assert BRIGHTER in run("evaluate", "deep.png", "clean.png").stdout
        assert BRIGHTER in run("evaluate", "deep.png", "deep-clean.png").stdout

    def test_profiles_that_differ_are_said(self, run: Run) -> None:
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        for name, profile in (("none", None), ("srgb", srgb), ("p3", icc.of_cicp(12, 13))):
            Image.fromarray(clean_pixels(16, 16)).save(f"{name}.png", icc_profile=profile)
        assert "profiles" not in run("evaluate", "srgb.png", "none.png").stdout
        assert "the colour profiles differ" in run("evaluate", "p3.png", "none.png").stdout
        assert "the colour profiles differ" in run("evaluate", "srgb.png", "p3.png").stdout

    def test_floating_point_beyond_its_range_is_said_and_nan_refused(self, run: Run) -> None:
        values = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
        bad = values.copy()
        bad[3, 4] = np.nan
        for name, pixels in (("in", values), ("out", values * 2), ("bad", bad)):
            tifffile.imwrite(f"{name}.tif", pixels)
        assert "white is 1" not in run("evaluate", "in.tif", "in.tif").stdout
        assert (
            "out.tif has values outside of [0, 1]; white is 1" in run("evaluate", "out.tif", "in.tif").stdout
        )
        for words in (("bad.tif", "in.tif"), ("in.tif", "bad.tif")):
            wrong = run("evaluate", *words)
            assert wrong.exit_code != 0
            assert wrong.stderr.count("\n") == 1
            assert "bad.tif" in wrong.stderr
            assert "holds NaN or infinity" in wrong.stderr

    def test_equal_pictures(self, run: Run) -> None:
        flat("a.png", 100)
        assert run("evaluate", "a.png", "a.png").stdout == "a.png  PSNR inf dB  SSIM 1.0000 (8-bit range)\n"
        one, mean = records(run("evaluate", "a.png", "a.png", "--json").stdout)
        assert (one["psnr"], one["ssim"], one["equal"], mean["psnr"]) == (None, 1.0, True, None)

    def test_alpha_is_left_out_and_said(self, run: Run) -> None:
        flat("clean.png", 100)
        see_through = np.full((16, 16, 4), 110, np.uint8)
        see_through[..., 3] = np.arange(16)
        write(Path("a.png"), see_through)
        assert run("evaluate", "a.png", "clean.png").stdout.endswith(" (8-bit range)  (alpha left out)\n")
        one = records(run("evaluate", "clean.png", "a.png", "--json").stdout)[0]
        assert (one["psnr"], one["notes"]) == (28.1308, ["alpha left out"])

    def test_what_reading_changed_is_said(self, run: Run) -> None:
        Image.fromarray(np.full((16, 16), 100, np.uint8)).convert("CMYK").save("cmyk.tif")
        flat("clean.png", 100)
        assert "CMYK" in run("evaluate", "cmyk.tif", "clean.png").stdout
        assert "(reference: CMYK" in run("evaluate", "clean.png", "cmyk.tif").stdout

    def test_a_picture_smaller_than_the_window_has_no_ssim(self, run: Run) -> None:
        words = ("evaluate", flat("a.png", 110, 8), flat("b.png", 100, 8))
        assert run(*words).stdout == f"a.png  {BRIGHTER} (8-bit range)\n"
        assert records(run(*words, "--json").stdout)[0]["ssim"] is None


FAILURES = {
    "of another size": (np.zeros((8, 12, 3)), "a.png is 12x8 RGB, the reference clean.png is 16x16 RGB"),
    "grey against RGB": (
        np.zeros((16, 16)),
        "a.png is 16x16 grey, the reference clean.png is 16x16 RGB; grey and RGB are not compared, convert",
    ),
    "broken": (None, "a.png  failed: empty, 0 bytes"),
}


@pytest.mark.parametrize(("pixels", "message"), FAILURES.values(), ids=FAILURES)
def test_a_failure_is_one_line_and_a_record(run: Run, pixels: np.ndarray | None, message: str) -> None:
    flat("clean.png", 100)
    if pixels is None:
        Path("a.png").touch()
    else:
        write(Path("a.png"), pixels.astype(np.uint8))
    result = run("evaluate", "a.png", "clean.png")
    assert message in result.stderr
    assert (result.stdout, result.stderr.count("\n"), result.exit_code) == ("", 1, 1)
    result = run("evaluate", "a.png", "clean.png", "--json")
    one, mean = records(result.stdout)
    assert (one["status"], one["psnr"], one["clean"]) == ("failed", None, "clean.png")
    assert message.removeprefix("a.png  failed: ") in one["error"]
    assert (mean["done"], mean["failed"], mean["psnr"], result.exit_code) == (0, 1, None, 1)


def test_larger_pictures_than_allowed_fail(run: Run) -> None:
    result = run("evaluate", flat("a.png", 1), flat("b.png", 1), "--max-pixels", "100")
    assert "16 x 16 pixels are more than --max-pixels 100" in result.stderr
    assert result.exit_code == 1


class TestFolders:
    @pytest.fixture(autouse=True)
    def pictures(self) -> None:
        for name in ("a.png", "b.tif", "c.png"):
            flat(f"clean/{name}", 100)
        flat("results/a.denoised.png", 110)
        flat("results/b.png", 120)

    def test_pairs_by_stem_and_their_mean(self, run: Run) -> None:
        result = run("evaluate", "results", "clean/")
        first, second, mean = result.stdout.splitlines()
        assert first.startswith(f"results/a.denoised.png  {BRIGHTER}  ")
        assert second.startswith("results/b.png  PSNR 22.11 dB  ")
        assert mean.startswith("mean of 2  PSNR 25.12 dB  SSIM 0.98")
        assert mean.endswith(" (8-bit range)")
        assert result.stderr.splitlines() == ["clean pictures without a result: 1 (c.png)", "2 done"]
        assert result.exit_code == 0

    def test_json(self, run: Run) -> None:
        result = run("evaluate", "results", "clean", "--json", "-q")
        first, second, mean = records(result.stdout)
        ssim = first.pop("ssim"), second.pop("ssim")
        assert first == {
            "schema": 1,
            "record": "file",
            "result": "results/a.denoised.png",
            "clean": "clean/a.png",
            "status": "done",
            "psnr": 28.1308,
            "data_range": 255,
            "equal": False,
            "notes": [],
            "error": None,
            "gain": None,
        }
        assert (second["clean"], second["psnr"]) == ("clean/b.tif", TWENTY_PSNR)
        assert mean.pop("ssim") == pytest.approx(sum(ssim) / 2, abs=1e-4)
        assert mean == {
            "schema": 1,
            "record": "summary",
            "done": 2,
            "skipped": 0,
            "failed": 0,
            "psnr": pytest.approx((28.1308 + TWENTY_PSNR) / 2, abs=1e-4),
            "gain": None,
            "data_range": 255,
            "clean_without_result": 1,
            "notes": [],
        }
        assert (result.stderr, result.exit_code) == ("", 0)

    def test_quiet_leaves_figures_and_failures(self, run: Run) -> None:
        flat("results/x.png", 1)
        Path("results/notes.txt").touch()
        result = run("evaluate", "-q", "results", "clean")
        assert result.stdout.count("\n") == 3
        assert result.stderr.splitlines() == [
            "results/x.png  failed: no picture in clean is named like it",
            "2 done, 1 skipped, 1 failed",
        ]
        assert result.exit_code == 1

    def test_what_is_no_result_is_skipped_with_its_reason(self, run: Run) -> None:
        flat("results/a.png", 130)
        flat("results/a.denoised.compare.png", 0)
        Path("results/c.denoised.txt").touch()
        flat("results/c.png", 100)
        result = run("evaluate", "results", "clean")
        assert result.stderr.splitlines() == [
            "results/a.denoised.compare.png  skipped: a sheet of several pictures, no result",
            "results/a.png  skipped: the input of a.denoised.png, which is compared",
            "results/c.denoised.txt  skipped: not a picture",
            "3 done, 3 skipped",
        ]
        mean = result.stdout.splitlines()[-1]
        assert mean.startswith("mean of 3  PSNR 25.12 dB")
        assert mean.endswith("(PSNR without 1 equal to the clean picture)")
        assert result.exit_code == 0

    def test_results_of_denoise_are_what_is_compared(self, run: Run, denoise: Run) -> None:
        assert denoise("results", "-o", "out/").exit_code == 0  # b.png carries its provenance
        assert "out/b.png  PSNR 22.11 dB" in run("evaluate", "out", "clean").stdout

    def test_a_name_that_does_not_decide_fails(self, run: Run) -> None:
        flat("clean/b.jpg", 100)
        result = run("evaluate", "results", "clean")
        assert "results/b.png  failed: several pictures are named like b.png: b.jpg, b.tif" in result.stderr
        assert (result.stdout.count("\n"), result.exit_code) == (2, 1)

    def test_one_clean_picture_for_all(self, run: Run) -> None:
        result = run("evaluate", "results", "clean/c.png")
        assert result.stdout.count("\n") == 3
        assert (result.stderr, result.exit_code) == ("2 done\n", 0)

    def test_one_result_against_a_folder(self, run: Run) -> None:
        assert run("evaluate", "results/b.png", "clean").stdout.startswith("results/b.png  PSNR 22.11 dB")
        result = run("evaluate", flat("x.png", 1), "clean")
        assert result.stderr == "x.png  failed: no picture in clean is named like it\n"
        assert result.exit_code == 1

    def test_results_beside_their_clean_pictures_are_not_their_own(self, run: Run) -> None:
        flat("clean/a.denoised.png", 110)
        assert BRIGHTER in run("evaluate", "clean/a.denoised.png", "clean").stdout


WRONG_USE = {
    ("nowhere", "clean"): (2, "RESULTS nowhere: no such file or folder"),
    ("results", "nowhere"): (2, "CLEAN nowhere: no such file or folder"),
    ("results", "nowhere.png"): (2, "CLEAN nowhere.png: no such file or folder"),
    ("-", "clean"): (2, "RESULTS -: no such file or folder"),
    ("results", "n" * 300): (2, f"CLEAN {'n' * 300}: no such file or folder"),
    ("empty", "clean"): (3, "empty: no picture to compare"),
    ("results", "empty"): (
        3,
        "results: none of 1 pictures has one of its name in empty; for a.denoised.png it would be a.*",
    ),
    ("results",): (2, "Missing argument 'CLEAN'; see genrestore evaluate --help"),
}


@pytest.mark.parametrize(("words", "expected"), WRONG_USE.items(), ids=lambda value: str(value)[:40])
def test_wrong_use_is_one_line(run: Run, words: tuple[str, ...], expected: tuple[int, str]) -> None:
    flat("results/a.denoised.png", 110)
    flat("clean/a.png", 100)
    Path("empty").mkdir()
    result = run("evaluate", *words)
    code, message = expected
    assert (result.stdout, result.stderr, result.exit_code) == ("", f"genrestore: error: {message}\n", code)


def test_a_named_result_that_is_missing_failed(run: Run) -> None:
    flat("clean/a.png", 100)
    result = run("evaluate", "a.png", "clean")
    assert (result.stderr, result.exit_code) == ("a.png  failed: no such file\n", 1)


class TestTrees:
    @pytest.fixture(autouse=True)
    def pictures(self) -> None:
        for name in ("a.png", "x/a.png", "x/y/b.png", "left/c.png"):
            flat(f"clean/{name}", 100)
        flat("results/a.png", 110)
        flat("results/x/a.denoised.png", 120)
        flat("results/x/y/b.jpg", 100)
        Path("clean/x/up").symlink_to("..")

    def test_folders_are_paired_with_folders(self, run: Run) -> None:
        result = run("evaluate", "-r", "results", "clean", "--json")
        *files, mean = records(result.stdout)
        assert [(one["result"], one["clean"], one["status"]) for one in files] == [
            ("results/a.png", "clean/a.png", "done"),
            ("results/x/a.denoised.png", "clean/x/a.png", "done"),
            ("results/x/y/b.jpg", "clean/x/y/b.png", "done"),
        ]
        assert [one["psnr"] for one in files] == [28.1308, TWENTY_PSNR, None]
        assert "clean pictures without a result: 1 (left/c.png)" in result.stderr
        assert (mean["clean_without_result"], result.exit_code) == (1, 0)

    def test_a_folder_that_the_clean_ones_lack_fails_and_names_it(self, run: Run) -> None:
        flat("results/new/a.png", 110)
        result = run("evaluate", "-r", "results", "clean")
        assert "results/new/a.png  failed: no picture in clean/new is named like it" in result.stderr
        assert (result.stderr.splitlines()[-1], result.exit_code) == ("3 done, 1 failed", 1)

    def test_one_clean_picture_serves_a_tree(self, run: Run) -> None:
        result = run("evaluate", "-r", "results", "clean/a.png")
        assert [line.split()[0] for line in result.stdout.splitlines()] == [
            "results/a.png",
            "results/x/a.denoised.png",
            "results/x/y/b.jpg",
            "mean",
        ]

    def test_without_it_the_way_in_is_said(self, run: Run) -> None:
        result = run("evaluate", "results", "clean")
        assert "results/x  skipped: a folder inside the folder; -r goes into it" in result.stderr
        assert (result.stdout.count("mean of 1 "), result.exit_code) == (1, 0)

    def test_a_folder_that_cannot_be_read_fails_alone(
        self, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        listed = Path.iterdir

        def refuse(path: Path) -> Any:
            if path == Path("results/x"):
                raise PermissionError(13, "Permission denied")
            return listed(path)

        monkeypatch.setattr(Path, "iterdir", refuse)
        result = run("evaluate", "-r", "results", "clean")
        assert "results/x  failed: the folder cannot be read (Permission denied)" in result.stderr
        assert (result.stdout.count("results/a.png  "), result.exit_code) == (1, 1)


def test_strange_names_are_one_line(run: Run) -> None:
    flat("results/a\nb.png", 110)
    flat("clean/a\nb.png", 100)
    result = run("evaluate", "results", "clean")
    assert result.stdout.startswith(f"results/a\\nb.png  {BRIGHTER}")
    assert records(run("evaluate", "results", "clean", "--json").stdout)[0]["result"] == "results/a\nb.png"


def test_the_mean_leaves_out_what_has_no_figure_and_says_so() -> None:
    nan, inf = float("nan"), float("inf")
    mean = evaluate.mean_of([Scores(30, 0.5), Scores(20, nan), Scores(inf, 1)])
    assert (mean.psnr, mean.ssim) == (25, 0.75)
    assert mean.notes == (
        "PSNR without 1 equal to the clean picture",
        "SSIM without 1 smaller than its window",
    )
    assert evaluate.mean_of([Scores(inf, 1), Scores(inf, 1)]) == Scores(inf, 1)


NAMES = [  # picture, files of the clean folder, those that are its own
    ("a.png", ["a.png", "a.tif"], ["a.png"]),
    ("a.jpg", ["a.png", "a.tif"], ["a.png", "a.tif"]),
    ("a.denoised.png", ["a.tif", "ab.png"], ["a.tif"]),
    ("a.denoised.png", ["a.denoised.tif", "a.png"], ["a.denoised.tif"]),
    ("a.inpainted.png", ["a.JPG"], ["a.JPG"]),
    ("1.bmp.denoised.png", ["1.bmp", "1.png"], ["1.bmp"]),
    ("1.bmp.png", ["1.bmp", "1.png"], ["1.bmp"]),
    ("a.b.png", ["a.png"], []),
    ("a.png", ["a.txt", ".a.png"], []),
    (".denoised.png", ["denoised.png"], []),
]


@pytest.mark.parametrize(("picture", "clean", "own"), NAMES)
def test_names(picture: str, clean: list[str], own: list[str]) -> None:
    Path("clean").mkdir()
    for name in clean:
        Path("clean", name).touch()
    found = NamedPictures(Path("clean"), "CLEAN").named_like(Path("results", picture))
    assert [path.name for path in found] == own


def test_a_folder_that_cannot_be_read_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(13, "Permission denied")

    Path("clean").mkdir()
    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(UsageError, match=r"^CLEAN clean: cannot be read \(Permission denied\)$"):
        NamedPictures(Path("clean"), "CLEAN")


def test_no_torch_is_imported() -> None:
    flat("a.png", 110)
    code = (
        "import sys; from genrestore.cli.app import app; app(['evaluate', 'a.png', 'a.png', '--json'], "
        "standalone_mode=False); print([name for name in ('torch', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.splitlines()[-1] == "[]", done.stderr


class TestGains:
    @staticmethod
    def folders(count: int = 4) -> None:
        for number in range(count):
            flat(f"clean/{number}.png", 100)
            flat(f"in/{number}.png", 120)
            flat(f"out/{number}.denoised.png", 110 if number != 2 else 130)

    def test_a_result_gains_over_its_input(self, run: Run) -> None:
        self.folders()
        result = run("evaluate", "out", "clean", "--inputs", "in", "--json")
        *files, summary = records(result.stdout)
        better = 20 * math.log10(20 / 10)
        worse = 20 * math.log10(20 / 30)
        assert [one["gain"] for one in files] == pytest.approx([better, better, worse, better], abs=1e-4)
        assert summary["gain"] == pytest.approx((3 * better + worse) / 4, abs=1e-4)
        lines = run("evaluate", "out", "clean", "--inputs", "in").stdout.splitlines()
        assert lines[2].endswith("(8-bit range)  gain -3.52 dB")
        assert lines[-1].startswith("mean of 4")

    def test_without_inputs_there_is_no_gain(self, run: Run) -> None:
        self.folders(1)
        assert records(run("evaluate", "out", "clean", "--json").stdout)[0]["gain"] is None
        assert "gain" not in run("evaluate", "out", "clean").stdout

    def test_an_input_that_is_not_there_is_noted(self, run: Run) -> None:
        self.folders(2)
        Path("in/1.png").unlink()
        result = run("evaluate", "out", "clean", "--inputs", "in")
        assert result.stdout.splitlines()[1].endswith("(no input is named like it)")
        assert result.exit_code == 0

    @pytest.mark.parametrize("suffix", ["png", "svg", "pdf"])
    def test_the_plot_is_written(self, run: Run, suffix: str) -> None:
        self.folders()
        result = run("evaluate", "out", "clean", "--inputs", "in", "--plot", f"gain.{suffix}")
        assert (f"-> gain.{suffix}" in result.stderr, result.exit_code) == (True, 0)
        assert Path(f"gain.{suffix}").stat().st_size > 1000
        if suffix == "svg":
            assert "2.denoised.png" in Path("gain.svg").read_text()

    def test_what_forbids_a_plot_is_said_before_the_work(self, run: Run) -> None:
        self.folders(1)
        Path("there.png").write_text("mine")
        for words, message in (
            (["--plot", "a.png"], "name what was restored with --inputs"),
            (["--plot", "a.txt", "--inputs", "in"], "--plot a.txt: the name must end in .png, .svg, .pdf"),
            (["--plot", "there.png", "--inputs", "in"], "there.png: exists"),
            (["--inputs", "none"], "--inputs none: no such file or folder"),
        ):
            result = run("evaluate", "out", "clean", *words)
            assert (message in result.stderr, result.stdout, result.exit_code) == (True, "", 2), result.stderr
        assert Path("there.png").read_text() == "mine"

    def test_a_plot_of_nothing_is_an_error(self, run: Run) -> None:
        self.folders(1)
        flat("out/0.denoised.png", 100)
        result = run("evaluate", "out", "clean", "--inputs", "in", "--plot", "a.png")
        assert "no result whose input and clean picture are both known" in result.stderr
        assert result.exit_code == 3
        assert not Path("a.png").exists()
