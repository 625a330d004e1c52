"""`genrestore denoise`: what is written, what is said, and the exit code."""

from __future__ import annotations

import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from genrestore import __version__
from genrestore.models.denoiser import ResidualUNet
from tests import tiny
from tests.cli.conftest import Run, clean_pixels, noisy_pixels, write


def pixels(path: Path | str | io.BytesIO) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def denoised(picture: np.ndarray, sigma: float) -> np.ndarray:
    """What the tiny denoiser makes of [height, width, 3] with even sides, σ in grey levels, not rounded."""
    made: np.ndarray = tiny.denoised(picture.astype(float).transpose(2, 0, 1), sigma).transpose(1, 2, 0)
    return made


def estimate(picture: np.ndarray) -> float:
    """The noise level that the tiny estimator says of the whole [height, width, 3], in grey levels."""
    height, width, _ = picture.shape
    cells = picture.reshape(height // 8, 8, width // 8, 8, 3).mean((1, 3, 4)) / 255
    return float(255 * np.sqrt(np.square(tiny.estimated(cells)).mean()))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def names(folder: str = ".") -> list[str]:
    return sorted(path.name for path in Path(folder).iterdir())


def one_error(stderr: str) -> str:
    """The one line that a failing command says."""
    lines = stderr.splitlines()
    assert len(lines) == 1, stderr
    return lines[0]


class TestOneFile:
    def test_is_written_beside_the_input(self, denoise: Run, photo: Path) -> None:
        before = photo.read_bytes()
        result = denoise(photo)
        said = re.fullmatch(
            r"photo.png -> photo.denoised.png  noise level (\d+\.\d) \(estimated\)  \d+\.\d s on cpu\n",
            result.stderr,
        )
        assert said
        level = float(said[1])
        assert level == pytest.approx(estimate(noisy_pixels()), rel=0.05)
        assert (result.stdout, result.exit_code) == ("", 0)
        assert np.abs(pixels("photo.denoised.png") - denoised(noisy_pixels(), level)).max() <= 2
        assert photo.read_bytes() == before
        assert names() == ["photo.denoised.png", "photo.png"]

    def test_a_given_noise_level_is_shown_as_given(self, denoise: Run, photo: Path) -> None:
        result = denoise(photo, "--sigma", "25", "-o", "out.png")
        assert "photo.png -> out.png  noise level 25.0  " in result.stderr

    @pytest.mark.parametrize("sigma", ["3", "25"])
    def test_a_given_noise_level_is_the_denoisers(self, denoise: Run, photo: Path, sigma: str) -> None:
        assert denoise(photo, "--sigma", sigma, "-o", "out.png").exit_code == 0
        assert np.abs(pixels("out.png") - denoised(noisy_pixels(), float(sigma))).max() <= 0.51

    def test_strength(self, denoise: Run, photo: Path) -> None:
        assert denoise(photo, "--strength", "0", "-o", "same.png").exit_code == 0
        assert denoise(photo, "--strength", "0.25", "--sigma", "12", "-o", "some.png").exit_code == 0
        noisy = noisy_pixels().astype(float)
        assert np.array_equal(pixels("same.png"), noisy)
        assert np.abs(pixels("some.png") - (0.75 * noisy + 0.25 * denoised(noisy, 12))).max() <= 0.51

    def test_quiet_says_nothing(self, denoise: Run, photo: Path) -> None:
        result = denoise("-q", photo)
        assert (result.output, result.exit_code) == ("", 0)

    def test_json(self, denoise: Run, photo: Path) -> None:
        result = denoise("--json", photo)
        record = json.loads(result.stdout)
        assert (record["schema"], record["status"], record["error"]) == (1, "done", None)
        assert (record["input"], record["output"]) == ("photo.png", "photo.denoised.png")
        assert record["sigma"] == pytest.approx(estimate(noisy_pixels()), rel=0.05)

    def test_into_a_folder(self, denoise: Run, photo: Path) -> None:
        assert denoise(photo, "-o", "out/").exit_code == 0
        assert Path("out/photo.png").exists()

    def test_home_is_expanded(
        self, denoise: Run, photo: Path, weights: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        home = Path.cwd() / "home"
        home.mkdir()
        photo.rename(home / "photo.png")
        shutil.copy(weights, home / "mine.safetensors")
        monkeypatch.setenv("HOME", str(home))
        result = denoise("~/photo.png", "--output=~/out.png", "--weights", "~/mine.safetensors")
        assert result.exit_code == 0, result.stderr
        assert (home / "out.png").exists()

    def test_in_place(self, denoise: Run, photo: Path) -> None:
        assert denoise("--in-place", photo, "--sigma", "12").exit_code == 0
        assert names() == ["photo.png"]
        assert np.abs(pixels("photo.png") - denoised(noisy_pixels(), 12)).max() <= 0.51

    def test_in_place_nothing_of_a_file_is_lost_unasked(
        self, denoise: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.chdir(tmp_path)
        chunks = PngInfo()
        chunks.add(b"maRK", b"about these pixels")  # the capital R: not to be copied where pixels change
        Image.fromarray(np.zeros((32, 48, 3), np.uint8)).save("marked.png", pnginfo=chunks)
        before = contents(Path.cwd())
        result = denoise("--in-place", "marked.png")
        assert "maRK" in one_error(result.stderr)
        assert "--drop-extras" in one_error(result.stderr)
        assert (result.exit_code, contents(Path.cwd())) == (1, before)
        result = denoise("--in-place", "--drop-extras", "marked.png")
        assert (result.exit_code, "maRK" in result.stderr) == (0, True)
        result = denoise("--drop-extras", "marked.png")
        assert (result.exit_code, "--in-place" in one_error(result.stderr)) == (2, True)

    def test_an_input_is_never_its_own_output_unasked(self, denoise: Run, photo: Path) -> None:
        before = contents(Path.cwd())
        result = denoise(photo, "-o", photo)
        assert "--in-place" in one_error(result.stderr)
        assert (result.exit_code, contents(Path.cwd())) == (2, before)

    def test_an_output_that_exists_is_refused_then_replaced(self, denoise: Run, photo: Path) -> None:
        Path("photo.denoised.png").write_bytes(b"mine")
        result = denoise(photo)
        assert "photo.denoised.png" in one_error(result.stderr)
        assert "--overwrite" in result.stderr
        assert (result.exit_code, Path("photo.denoised.png").read_bytes()) == (2, b"mine")
        assert denoise("--overwrite", photo).exit_code == 0
        assert pixels("photo.denoised.png").shape == (24, 32, 3)

    def test_compare(self, denoise: Run, photo: Path) -> None:
        assert denoise("--compare", photo).exit_code == 0
        both, result = pixels("photo.denoised.compare.png"), pixels("photo.denoised.png")
        assert np.array_equal(both[:, :32], noisy_pixels())
        assert np.array_equal(both[:, -32:], result)

    def test_turns_are_kept_in_the_provenance_where_they_are_asked_for(
        self, denoise: Run, photo: Path
    ) -> None:
        from genrestore.files.codecs.images import read_provenance

        assert denoise(photo, "--turns", "4", "-o", "four.png").exit_code == 0
        assert (read_provenance(Path("four.png")) or {})["turns"] == 4
        assert denoise(photo, "-o", "usual.png").exit_code == 0
        assert "turns" not in (read_provenance(Path("usual.png")) or {})
        result = denoise(photo, "--turns", "3")
        assert result.exit_code == 2
        assert "--turns 3: must be one of 1, 2, 4, 8" in one_error(result.stderr)

    @pytest.mark.parametrize(("words", "calls"), [([], 8), (["--turns", "1"], 1), (["--turns", "4"], 4)])
    def test_turns_are_so_many_calls_of_the_network(
        self, denoise: Run, photo: Path, words: list[str], calls: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen, forward = [], ResidualUNet.forward

        def counted(self: ResidualUNet, *inputs: torch.Tensor) -> torch.Tensor:
            seen.append(inputs)
            return forward(self, *inputs)

        monkeypatch.setattr(ResidualUNet, "forward", counted)
        assert denoise(photo, "--sigma", "12", *words).exit_code == 0
        assert len(seen) == calls

    def test_provenance(self, denoise: Run, photo: Path) -> None:
        from genrestore.files.codecs.images import read_provenance

        assert denoise(photo, "--sigma", "20", "--seed", "3").exit_code == 0
        noted = read_provenance(Path("photo.denoised.png"))
        assert noted is not None
        assert (noted["tool"], noted["version"], noted["command"]) == ("genrestore", __version__, "denoise")
        assert (noted["sigma"], noted["strength"], noted["seed"]) == (20, 1, 3)
        assert len(noted["weights_sha256"]) == 64
        assert denoise(photo, "--no-provenance", "-o", "bare.png").exit_code == 0
        assert read_provenance(Path("bare.png")) is None

    def test_max_pixels(self, denoise: Run, photo: Path) -> None:
        result = denoise(photo, "--max-pixels", "767")
        assert "photo.png" in one_error(result.stderr)
        assert result.exit_code == 1
        assert denoise(photo, "--max-pixels", "768").exit_code == 0


class TestPipes:
    def test_through(self, denoise: Run, photo: Path) -> None:
        result = denoise("-", "-o", "-", "--sigma", "12", stdin=photo.read_bytes())
        assert result.exit_code == 0
        with Image.open(io.BytesIO(result.stdout_bytes)) as image:
            assert image.format == "PNG"
            assert np.abs(np.asarray(image) - denoised(noisy_pixels(), 12)).max() <= 0.51
        assert "standard input -> standard output  noise level 12.0  " in result.stderr
        assert names() == ["photo.png"]

    def test_json_goes_to_its_file(self, denoise: Run, photo: Path) -> None:
        result = denoise(photo, "-o", "-", "--json-file", "lines.json")
        assert result.stdout_bytes.startswith(b"\x89PNG")
        assert json.loads(Path("lines.json").read_text())["output"] == "-"

    def test_json_and_pixels_do_not_share_stdout(self, denoise: Run, photo: Path) -> None:
        result = denoise(photo, "-o", "-", "--json")
        assert "--json-file" in one_error(result.stderr)
        assert (result.stdout_bytes, result.exit_code) == (b"", 2)

    @pytest.mark.parametrize("junk", [b"", b"not a picture at all"])
    def test_junk_on_stdin(self, denoise: Run, junk: bytes) -> None:
        result = denoise("-", "-o", "-", stdin=junk)
        assert (result.stdout_bytes, result.exit_code) == (b"", 1)
        one_error(result.stderr)


class TestSeveral:
    def test_one_broken_does_not_stop_the_others(self, denoise: Run, photo: Path) -> None:
        write(Path("b.jpg"), noisy_pixels(seed=1))
        Path("c.jpg").write_bytes(Path("b.jpg").read_bytes()[:400])
        result = denoise(photo, "c.jpg", "b.jpg", "-o", "out", "--json")
        records = [json.loads(line) for line in result.stdout.splitlines()]
        assert [(record["input"], record["status"]) for record in records] == [
            ("photo.png", "done"),
            ("c.jpg", "failed"),
            ("b.jpg", "done"),
        ]
        assert result.stderr.splitlines()[-1] == "2 done, 1 failed"
        assert result.exit_code == 1
        assert names("out") == ["b.jpg", "photo.png"]

    def test_a_folder_with_junk(self, denoise: Run, photo: Path) -> None:
        write(Path("in/a.png"), noisy_pixels())
        Path("in/notes.txt").write_text("notes")
        result = denoise("in", "-o", "out", "--json")
        states = {r["input"]: r["status"] for r in map(json.loads, result.stdout.splitlines())}
        assert states == {"in/a.png": "done", "in/notes.txt": "skipped"}
        assert result.stderr.splitlines()[-1] == "1 done, 1 skipped"
        assert result.exit_code == 0

    def test_an_empty_folder(self, denoise: Run, photo: Path) -> None:
        Path("in").mkdir()
        result = denoise("in")
        assert "in" in one_error(result.stderr)
        assert result.exit_code == 3


class TestReference:
    def test_scores_are_those_of_the_written_file(self, denoise: Run, photo: Path) -> None:
        from skimage.metrics import peak_signal_noise_ratio

        write(Path("clean.png"), clean_pixels())
        result = denoise(photo, "--reference", "clean.png", "--json")
        record = json.loads(result.stdout)
        expected = peak_signal_noise_ratio(clean_pixels(), pixels("photo.denoised.png"), data_range=255)
        assert record["psnr"] == pytest.approx(expected, abs=1e-3)
        assert 0.5 < record["ssim"] < 1
        assert f"PSNR {expected:.2f} dB  SSIM {record['ssim']:.4f} (8-bit range)" in result.stderr

    def test_of_another_size(self, denoise: Run, photo: Path) -> None:
        write(Path("clean.png"), clean_pixels(24, 30))
        result = denoise(photo, "--reference", "clean.png")
        assert "32x24 RGB, the reference clean.png is 30x24 RGB" in one_error(result.stderr)
        assert result.exit_code == 1
        assert Path("photo.denoised.png").exists()

    def test_a_folder_by_name_or_stem(self, denoise: Run, photo: Path) -> None:
        write(Path("b.png"), noisy_pixels(seed=1))
        write(Path("clean/photo.png"), clean_pixels())
        write(Path("clean/b.tif"), clean_pixels())
        result = denoise(photo, "b.png", "-o", "out", "--reference", "clean", "--json")
        assert all(json.loads(line)["psnr"] > 25 for line in result.stdout.splitlines())
        assert result.exit_code == 0

    def test_missing_ones_are_found_before_work(self, denoise: Run, photo: Path) -> None:
        Path("clean").mkdir()
        for words, message in {
            ("--reference", "nothing.png"): "--reference nothing.png: no such file or folder",
            ("--reference", "clean"): "--reference clean: no picture in it named like photo.png",
            ("--reference", "photo.png", "-o", "-"): "--reference compares the written file",
        }.items():
            result = denoise(photo, *words)
            assert message in one_error(result.stderr)
            assert (result.stdout_bytes, result.exit_code) == (b"", 2)
        assert names() == ["clean", "photo.png"]


def truncated_jpeg(path: Path) -> None:
    write(path, noisy_pixels(64, 64))
    path.write_bytes(path.read_bytes()[:-300])


BAD_FILES = {
    "missing.png": lambda path: None,
    "empty.png": lambda path: path.touch(),
    "text.png": lambda path: path.write_text("these are words"),
    "cut.jpg": truncated_jpeg,
}


class TestBadInput:
    """The list of what users do wrong: one clear line each, nothing lost, nothing half written."""

    @pytest.mark.parametrize("name", BAD_FILES)
    def test_a_file_that_is_no_picture(self, denoise: Run, photo: Path, name: str) -> None:
        BAD_FILES[name](Path(name))
        before = contents(Path.cwd())
        result = denoise(name)
        assert one_error(result.stderr).startswith(f"{name}  failed: ")
        assert (result.stdout, result.exit_code) == ("", 1)
        assert contents(Path.cwd()) == before

    @pytest.mark.parametrize(("height", "width"), [(1, 1), (5000, 3), (3, 5000)])
    def test_odd_sizes_work(self, denoise: Run, photo: Path, height: int, width: int) -> None:
        odd = write(Path("odd.png"), noisy_pixels(height, width))
        result = denoise(odd)
        assert result.exit_code == 0, result.stderr
        assert pixels("odd.denoised.png").shape == (height, width, 3)

    def test_one_output_file_for_several_inputs(self, denoise: Run, photo: Path) -> None:
        write(Path("b.png"), noisy_pixels())
        before = contents(Path.cwd())
        result = denoise(photo, "b.png", "-o", "out.png")
        assert "out.png" in one_error(result.stderr)
        assert (result.exit_code, contents(Path.cwd())) == (2, before)

    def test_a_folder_where_the_weights_should_be(self, denoise: Run, photo: Path) -> None:
        Path("w.safetensors").mkdir()
        result = denoise(photo, "--weights", "./w.safetensors")
        assert "w.safetensors" in one_error(result.stderr)
        assert result.exit_code == 5

    def test_an_output_that_cannot_be_written(self, denoise: Run, photo: Path) -> None:
        before = contents(Path.cwd())
        result = denoise(photo, "-o", "photo.png/below/out.png")
        assert "photo.png" in one_error(result.stderr)
        assert result.exit_code in (1, 2)
        assert contents(Path.cwd()) == before

    def test_an_unknown_weights_name(self, denoise: Run, photo: Path) -> None:
        result = denoise(photo, "--weights", "photograph")
        assert "photograph" in one_error(result.stderr)
        assert result.exit_code == 5
        assert names() == ["photo.png"]

    @pytest.mark.parametrize("damage", ["flipped", "cut", "pickle", "text"])
    def test_corrupted_weights(self, denoise: Run, photo: Path, weights: str, damage: str) -> None:
        whole = Path(weights).read_bytes()
        flipped = bytearray(whole)
        flipped[-5] ^= 1
        damaged = {"flipped": bytes(flipped), "cut": whole[:-10], "pickle": b"\x80\x04N.", "text": b"hello"}
        Path("bad.safetensors").write_bytes(damaged[damage])
        result = denoise(photo, "--weights", "bad.safetensors")
        assert "bad.safetensors" in one_error(result.stderr)
        assert result.exit_code == 5
        assert names() == ["bad.safetensors", "photo.png"]

    @pytest.mark.parametrize("value", ["-3", "nan", "256", "inf", "x"])
    def test_a_sigma_that_cannot_be_meant(self, denoise: Run, photo: Path, value: str) -> None:
        result = denoise(photo, "--sigma", value)
        assert one_error(result.stderr).startswith(f"genrestore: error: --sigma {value}: ")
        assert result.exit_code == 2
        assert names() == ["photo.png"]

    @pytest.mark.parametrize("how", ["option", "variable"])
    def test_cuda_where_there_is_none(
        self, run: Run, weights: str, photo: Path, how: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
        words = ["--device", "cuda"] if how == "option" else []
        if how == "variable":
            monkeypatch.setenv("GENRESTORE_DEVICE", "cuda")
        result = run("denoise", photo, "--weights", weights, *words)
        assert "--device cuda: not available here; available: " in one_error(result.stderr)
        assert (result.exit_code, names()) == (4, ["photo.png"])

    def test_auto_says_what_it_took(self, run: Run, weights: str, photo: Path) -> None:
        from genrestore.runtime import available_devices

        result = run("denoise", photo, "--weights", weights, "--device", "auto", "--json")
        assert f" s on {available_devices()[0]}" in result.stderr
        assert json.loads(result.stdout)["device"] == available_devices()[0]

    def test_wrong_use_comes_before_weights_and_devices(self, run: Run, photo: Path) -> None:
        wrong = ["--weights", "nothing", "--device", "mps"]
        assert run("denoise", photo, *wrong, "--sigma", "-1").exit_code == 2
        assert run("denoise", photo, *wrong, "-o", "photo.png").exit_code == 2
        Path("empty").mkdir()
        assert run("denoise", "empty", *wrong).exit_code == 3
        assert run("denoise", photo, *wrong).exit_code == 5
