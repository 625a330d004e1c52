"""`--luma`, `--chroma` and `--sigma 2x`: what is written, what is said, and what cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genrestore
from genrestore.files.codecs.images import read, read_provenance
from genrestore.files.work.contact_sheet import STRENGTHS
from genrestore.files.work.preview import FACTORS
from genrestore.restore.tiled import BT601
from genrestore.runtime import Runtime
from tests import two_levels
from tests.cli.conftest import Run, noisy_pixels, write
from tests.cli.test_preview import PART, crop, names
from tests.files.test_contact_sheet import occurrences

SAID = "these weights know one noise level: luma and chroma act on the result"


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Weights that know luma and chroma."""
    return str(two_levels.save_denoiser(tmp_path_factory.mktemp("weights")))


def pixels(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image).astype(int)


def test_without_luma_only_colour_noise_goes(denoise: Run, photo: Path, two: str) -> None:
    result = denoise(photo, "--luma", "0", "--weights", two)
    assert result.exit_code == 0, result.stderr
    before, after = pixels(photo), pixels("photo.denoised.png")
    assert np.abs((after - before) @ np.array(BT601)).max() <= 1
    assert np.abs(after - before).max() > 4
    assert "(" not in result.stderr.replace("(estimated)", "")  # no note


def test_without_chroma_only_brightness_noise_goes(denoise: Run, photo: Path, two: str) -> None:
    assert denoise(photo, "--chroma", "0", "--weights", two).exit_code == 0
    change = pixels("photo.denoised.png") - pixels(photo)
    assert np.ptp(change, axis=-1).max() <= 1
    assert np.abs(change).max() > 4


def test_without_both_nothing_changes(denoise: Run, photo: Path, two: str) -> None:
    assert denoise(photo, "--luma", "0", "--chroma", "0", "--weights", two).exit_code == 0
    assert np.array_equal(pixels("photo.denoised.png"), pixels(photo))


def test_they_multiply_the_strength_and_are_those_of_python(denoise: Run, photo: Path, two: str) -> None:
    words = ["--strength", "0.5", "--luma", "0.3", "--chroma", "0.9", "--sigma", "3x", "--weights", two]
    assert denoise(photo, *words).exit_code == 0
    expected = genrestore.denoise(
        noisy_pixels(),
        strength=0.5,
        luma=0.3,
        chroma=0.9,
        noise_factor=3,
        weights=two,
        runtime=Runtime.create("cpu", "fp32"),
    )
    assert np.array_equal(pixels("photo.denoised.png"), expected)


def test_times_the_estimate_is_taken_picture_by_picture(denoise: Run, photo: Path) -> None:
    write(Path("in/a.png"), noisy_pixels())
    write(Path("in/b.png"), np.full((24, 32, 3), 220, np.uint8))
    once, twice = (
        [json.loads(line) for line in denoise("in", "-o", out, "--json", *words).stdout.splitlines()]
        for out, words in (("one/", []), ("two/", ["--sigma", "2x"]))
    )
    assert len(once) == len(twice) == 2
    for one, two in zip(once, twice, strict=True):
        for level in ("sigma", "sigma_luma", "sigma_chroma"):
            assert two[level] == pytest.approx(2 * one[level], rel=1e-3)
    assert once[0]["sigma_luma"] == pytest.approx(once[0]["sigma"], rel=1e-3)
    line = denoise(photo, "--sigma", "2x").stderr
    assert f"noise level {twice[0]['sigma']:.1f} (estimated)" in line


def test_a_given_level_is_that_of_luma_and_chroma(denoise: Run, photo: Path) -> None:
    record = json.loads(denoise(photo, "--sigma", "25", "--json").stdout)
    assert [record[name] for name in ("sigma", "sigma_luma", "sigma_chroma")] == pytest.approx([25] * 3)


def test_provenance_and_skipping_know_them(denoise: Run, photo: Path) -> None:
    words = ["--luma", "0.5", "--sigma", "2x", "-o", "out.png"]
    assert denoise(photo, *words).exit_code == 0
    noted = read_provenance(Path("out.png")) or {}
    assert (noted["luma"], noted["noise_factor"], noted["sigma"]) == (0.5, 2.0, None)
    assert "chroma" not in noted
    assert "skipped" in denoise(photo, *words, "--skip-existing").stderr
    for other in (
        ["--luma", "0.6", "--sigma", "2x"],
        ["--luma", "0.5"],
        ["--chroma", "0.5", "--sigma", "2x"],
    ):
        assert "skipped" not in denoise(photo, *other, "-o", "out.png", "--skip-existing").stderr


def test_a_grey_picture_has_no_colour_noise(denoise: Run, photo: Path, two: str) -> None:
    Image.fromarray(noisy_pixels()[..., 0]).save("grey.png")
    result = denoise("grey.png", "--chroma", "0", "--weights", two)
    assert result.exit_code == 0
    assert result.stderr.count("\n") == 1
    assert "(a grey picture has no colour noise: chroma does nothing)" in result.stderr
    assert "does nothing" not in denoise("grey.png", "--luma", "0.5", "--weights", two, "--overwrite").stderr


def test_old_weights_act_on_the_result(denoise: Run, photo: Path) -> None:
    result = denoise(photo, "--luma", "0")
    assert (result.exit_code, result.stderr.count("\n"), SAID in result.stderr) == (0, 1, True)
    change = pixels("photo.denoised.png") - pixels(photo)
    assert np.abs(change @ np.array(BT601)).max() <= 1
    assert SAID not in denoise(photo, "--overwrite").stderr


def test_a_sheet_has_a_panel_for_every_level(denoise: Run, photo: Path, two: str) -> None:
    """Each is what the result would be with that many times the estimate."""
    words = ["--weights", two, "--luma", "0.5"]
    result = denoise(photo, "--preview", PART, *words)
    assert result.exit_code == 0, result.stderr
    assert names() == ["photo.png", "photo.preview.png"]
    sheet = read(Path("photo.preview.png")).pixels
    assert len(STRENGTHS) == len(FACTORS) == 5
    for factor in FACTORS:
        real = f"real-{factor}.png"
        assert denoise(photo, "--sigma", f"{factor}x", "-o", real, *words).exit_code == 0
        assert occurrences(crop(real), sheet), factor


def test_what_a_sheet_calls_its_levels_can_be_typed(
    denoise: Run, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Labels are noise levels in grey levels, of half to four times what is given."""
    from genrestore.files.work import contact_sheet

    seen: list[str] = []
    label = contact_sheet._label
    monkeypatch.setattr(contact_sheet, "_label", lambda text, side: seen.append(text) or label(text, side))
    assert denoise(photo, "--preview", PART, "--sigma", "20").exit_code == 0
    assert seen[:5] == ["sigma 10", "sigma 20", "sigma 30", "sigma 40", "sigma 80"]
    assert [text.split()[0] for text in seen[5:]] == ["strength"] * 5
    sheet = read(Path("photo.preview.png")).pixels
    for text in seen[:5]:
        real = f"{text}.png"
        assert denoise(photo, "--sigma", text.split()[1], "-o", real).exit_code == 0
        assert occurrences(crop(real), sheet), text


WRONG = {
    (
        "--luma",
        "1.5",
    ): "--luma 1.5: must be from 0 to 1; for more of it, ",
    ("--chroma", "-0.1"): "--chroma -0.1: must be from 0 to 1",
    ("--luma", "nan"): "--luma nan: must be from 0 to 1",
    ("--chroma", "half"): "--chroma half: must be a number from 0 to 1",
    ("--strength", "1.5"): "from 0 to 1; for more of it, take a higher noise level, such as 2x the estimate",
    ("--sigma", "0x"): "--sigma 0x: must be above 0 times the estimate; --sigma 0 keeps the picture",
    ("--sigma", "nanx"): "--sigma nanx: such as 2x, up to 100x, is times the estimate",
    ("--sigma", "-1x"): "--sigma -1x: such as 2x, up to 100x, is times the estimate",
    ("--sigma", "101x"): "--sigma 101x: such as 2x, up to 100x, is times the estimate",
}


@pytest.mark.parametrize(("words", "message"), WRONG.items(), ids=lambda value: str(value)[:40])
def test_a_value_that_cannot_be_meant_is_one_line(
    denoise: Run, photo: Path, words: tuple[str, str], message: str
) -> None:
    result = denoise(photo, *words)
    assert (result.exit_code, result.stdout, names()) == (2, "", ["photo.png"])
    assert result.stderr.count("\n") == 1
    assert message in result.stderr


@pytest.mark.parametrize("words", [("--luma", "0.5"), ("--chroma", "0"), ("--sigma", "2x")])
def test_an_untrained_prior_has_no_such_knobs(run: Run, photo: Path, words: tuple[str, str]) -> None:
    result = run("denoise", photo, "--prior", "dip", *words)
    assert (result.exit_code, result.stderr.count("\n"), names()) == (2, 1, ["photo.png"])
    assert f"--prior dip and {words[0]} contradict each other" in result.stderr
