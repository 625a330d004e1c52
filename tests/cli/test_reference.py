"""Which clean picture belongs to which input, and the figures."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from genrestore.cli import reference
from genrestore.errors import InputError, UsageError
from genrestore.files.plan.jobs import Job
from genrestore.files.work.batch import Outcome
from tests.cli.conftest import Run, clean_pixels, write


def job(source: Path | None, target: Path | None = Path("out.png"), skipped: str | None = None) -> Job:
    return Job(source=source, target=target, format=None, skipped=skipped)


def done(of: Job) -> Outcome:
    settings: dict[str, Any] = {"seconds": 0.0, "notes": (), "error": None}
    return Outcome(job=of, status="done", target=of.target, **settings)


def test_ten_grey_levels_more_are_28_13_decibels(tmp_path: Path) -> None:
    # 20 · log10(255 / 10) = 28.1308
    clean = write(tmp_path / "clean.png", np.full((16, 16, 3), 100, np.uint8))
    brighter = write(tmp_path / "brighter.png", np.full((16, 16, 3), 110, np.uint8))
    assert reference.compare(brighter, clean).psnr == pytest.approx(28.1308, abs=1e-4)


def test_depths_meet_on_the_8_bit_range(tmp_path: Path) -> None:
    deep, grey = tmp_path / "deep.png", tmp_path / "grey.png"
    Image.fromarray(np.full((16, 16), 110 * 257, np.uint16)).save(deep)
    Image.fromarray(np.full((16, 16), 100, np.uint8)).save(grey)
    assert reference.compare(deep, grey).psnr == pytest.approx(28.1308, abs=1e-3)


def test_two_pictures_of_16_bits_have_the_same_figure(tmp_path: Path) -> None:
    for level in (100, 110):
        Image.fromarray(np.full((16, 16), level * 257, np.uint16)).save(tmp_path / f"{level}.png")
    found = reference.compare(tmp_path / "110.png", tmp_path / "100.png")
    assert found.psnr == pytest.approx(28.1308, abs=1e-4)


def test_figures_are_those_of_another_library(tmp_path: Path) -> None:
    from skimage.metrics import peak_signal_noise_ratio

    noise = np.random.default_rng(0).integers(-9, 10, (32, 32, 3))
    noisy = (clean_pixels(32, 32).astype(int) + noise).clip(0, 255).astype(np.uint8)
    scores = reference.compare(
        write(tmp_path / "a.png", noisy), write(tmp_path / "b.png", clean_pixels(32, 32))
    )
    assert scores.psnr == pytest.approx(
        peak_signal_noise_ratio(clean_pixels(32, 32), noisy, data_range=255), abs=1e-3
    )
    assert 0 < scores.ssim < 1


def test_equal_pictures(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.png", clean_pixels())
    assert reference.compare(clean, clean).ssim == pytest.approx(1)


def test_sizes_and_channels_must_agree(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.png", clean_pixels(8, 12))
    other = write(tmp_path / "other.png", clean_pixels(12, 8))
    grey = tmp_path / "grey.png"
    Image.fromarray(clean_pixels(8, 12)[..., 0]).save(grey)
    with pytest.raises(InputError, match=r"other.png is 8x12 RGB, the reference .*clean.png is 12x8 RGB"):
        reference.compare(other, clean)
    with pytest.raises(InputError, match=r"grey.png is 12x8 grey, the reference .*clean.png is 12x8 RGB"):
        reference.compare(grey, clean)


def test_no_reference_no_scores() -> None:
    assert reference.scorer(None, [job(Path("a.png"))]) is None


def test_one_file_is_for_all(tmp_path: Path) -> None:
    clean = write(tmp_path / "clean.png", clean_pixels())
    jobs = [job(Path("a.png"), clean), job(None, clean)]
    score = reference.scorer(clean, jobs)
    assert score is not None
    assert [score(done(one)).ssim for one in jobs] == pytest.approx([1, 1])


def test_in_a_folder_the_name_goes_before_the_stem(tmp_path: Path) -> None:
    write(tmp_path / "clean/a.png", clean_pixels())
    write(tmp_path / "clean/a.tif", clean_pixels(8, 8))
    write(tmp_path / "clean/b.tif", clean_pixels())
    jobs = [job(Path("in/a.png"), tmp_path / "clean/a.png"), job(Path("in/b.jpg"), tmp_path / "clean/b.tif")]
    score = reference.scorer(tmp_path / "clean", jobs)
    assert score is not None
    assert [score(done(one)).ssim for one in jobs] == pytest.approx([1, 1])
    with pytest.raises(UsageError, match=r"several pictures are named like in/a.jpg: a.png, a.tif"):
        reference.scorer(tmp_path / "clean", [job(Path("in/a.jpg"))])


def test_folders_of_clean_pictures_mirror_those_of_the_inputs(tmp_path: Path) -> None:
    jobs = [replace(job(Path("album", inside, "1.png")), inside=Path(inside)) for inside in ("", "x")]
    for name in ("1.png", "x/1.png"):
        write(tmp_path / name, clean_pixels())
    found = reference.scorer(tmp_path, jobs)
    assert found is not None
    assert [found.clean[id(one)] for one in jobs] == [tmp_path / "1.png", tmp_path / "x/1.png"]


def test_what_is_missing_is_counted_and_skipped_inputs_need_none(tmp_path: Path) -> None:
    (tmp_path / "clean").mkdir()
    skipped = job(Path("notes.txt"), None, skipped="not a picture")
    assert reference.scorer(tmp_path / "clean", [skipped]) is not None
    with pytest.raises(UsageError, match=r"clean: no picture in it named like a.png \(and 1 more\)$"):
        reference.scorer(tmp_path / "clean", [job(Path("a.png")), skipped, job(None)])


def test_a_result_gains_what_it_is_nearer_than_its_input(tmp_path: Path) -> None:
    clean, noisy, better = (
        write(tmp_path / f"{level}.png", np.full((16, 16, 3), level, np.uint8)) for level in (100, 120, 110)
    )
    outcome = done(job(noisy, better))
    scorer = reference.scorer(clean, [outcome.job], gains=True)
    assert scorer is not None
    assert scorer(outcome).gain == pytest.approx(20 * math.log10(2), abs=1e-4)
    unasked = reference.scorer(clean, [outcome.job])
    assert unasked is not None
    assert unasked(outcome).gain is None


@pytest.mark.parametrize("source", ["in place", "standard input", "another size"])
def test_where_the_input_cannot_be_compared_there_is_no_gain(tmp_path: Path, source: str) -> None:
    clean, better = (write(tmp_path / f"{name}.png", clean_pixels()) for name in ("clean", "better"))
    other = write(tmp_path / "other.png", clean_pixels(8, 9))
    of = job({"in place": better, "standard input": None, "another size": other}[source], better)
    scorer = reference.scorer(clean, [of], gains=True)
    assert scorer is not None
    assert scorer(done(of)).gain is None


class TestReport:
    """--report, on the command line."""

    def test_a_page_shows_every_input_with_its_gain(self, denoise: Run, photo: Path) -> None:
        write(Path("clean/photo.png"), clean_pixels())
        write(Path("clean/broken.png"), clean_pixels())
        Path("broken.png").write_bytes(b"no picture")
        result = denoise(photo, "broken.png", "-o", "out/", "--report", "page", "--reference", "clean")
        assert result.exit_code == 1
        page = Path("page/index.html").read_text(encoding="utf-8")
        before, after = (
            reference.compare(path, Path("clean/photo.png")).psnr for path in (photo, Path("out/photo.png"))
        )
        gains = [float(found) for found in re.findall(r'data-gain="([^"]+)"', page)]
        assert gains == [pytest.approx(after - before, abs=1e-3)]
        assert page.count("broken.png") >= 1

    def test_a_folder_of_other_files_is_refused_before_any_work(self, denoise: Run, photo: Path) -> None:
        write(Path("album/mine.png"), clean_pixels())
        result = denoise(photo, "-o", "out/", "--report", "album")
        assert result.exit_code == 2
        assert "--report album" in result.stderr
        assert not Path("out").exists()
