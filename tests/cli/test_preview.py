"""`genrestore denoise --preview`: one sheet, the pixels of the real result, and what cannot be meant."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from genrestore.files.codecs import images
from genrestore.files.work.contact_sheet import STRENGTHS
from tests.cli.conftest import Run, noisy_pixels, write
from tests.files.test_contact_sheet import occurrences

PART = "4,6,10,8"


def crop(path: str) -> np.ndarray:
    """`PART` of a file, [1, channel, height, width]."""
    return images.read(Path(path)).pixels[..., 6:14, 4:14]


def names() -> list[str]:
    return sorted(str(path) for path in Path().rglob("*") if path.is_file())


@pytest.mark.parametrize("sigma", [[], ["--sigma", "20"]], ids=["estimated", "given"])
def test_the_sheet_shows_the_pixels_of_the_real_results(denoise: Run, photo: Path, sigma: list[str]) -> None:
    result = denoise(photo, "--preview", PART, *sigma)
    assert result.exit_code == 0, result.stderr
    assert result.stderr.startswith("photo.png -> photo.preview.png  noise level ")
    assert names() == ["photo.png", "photo.preview.png"]
    sheet = images.read(Path("photo.preview.png")).pixels
    for strength, least in ((0, 1), (1, 2)):  # wholly restored it is a noise level too
        real = f"real-{strength}.png"
        assert denoise(photo, "--strength", str(strength), "-o", real, *sigma).exit_code == 0
        assert len(occurrences(crop(real), sheet)) >= least, strength


def test_the_sheet_is_a_sheet_of_16_bits_without_alpha(denoise: Run, photo: Path) -> None:
    Image.fromarray(np.arange(24 * 32, dtype=np.uint16).reshape(24, 32) * 80).save("deep.png")
    Image.fromarray(np.dstack([noisy_pixels(), np.full((24, 32), 9, np.uint8)])).save("alpha.png")
    assert denoise("deep.png", "--preview", PART).exit_code == 0
    deep = images.read(Path("deep.preview.png")).pixels
    assert (deep.dtype, deep.shape[1]) == (np.uint16, 1)
    assert len(occurrences(crop("deep.png"), deep)) == 1
    result = denoise("alpha.png", "--preview", PART)
    assert "the sheet is without alpha" in result.stderr
    assert images.read(Path("alpha.preview.png")).alpha is None


def test_json_and_provenance(denoise: Run, photo: Path) -> None:
    record = json.loads(denoise(photo, "--preview", PART, "--json").stdout)
    assert (record["output"], record["status"]) == ("photo.preview.png", "done")
    noted = images.read_provenance(Path("photo.preview.png"))
    assert noted is not None
    assert (noted["command"], noted["preview"]) == ("denoise", PART)


def test_a_sheet_is_no_input_of_a_folder(denoise: Run, photo: Path) -> None:
    assert denoise(photo, "--preview", PART, "--no-provenance").exit_code == 0
    assert "photo.preview.png  skipped: an output of genrestore" in denoise(".", "-o", "out/").stderr


def test_a_sheet_that_exists_is_replaced_with_overwrite_only(denoise: Run, photo: Path) -> None:
    Path("photo.preview.png").write_bytes(b"mine")
    result = denoise(photo, "--preview", PART)
    assert "photo.preview.png: exists already" in result.stderr
    assert (result.exit_code, Path("photo.preview.png").read_bytes()) == (2, b"mine")
    assert denoise(photo, "--preview", PART, "--overwrite").exit_code == 0


def test_a_pipe_in_needs_a_name(denoise: Run, photo: Path) -> None:
    data = photo.read_bytes()
    assert denoise("-", "-o", "sheets/a.png", "--preview", PART, stdin=data).exit_code == 0
    assert names() == ["photo.png", "sheets/a.preview.png"]


def test_the_plan_is_shown(denoise: Run, photo: Path) -> None:
    assert denoise(photo, "--preview", PART, "--dry-run").stdout == "photo.png -> photo.preview.png\n"


REFUSED = {
    ("photo.png", "--preview", "1,2"): (2, "--preview 1,2: must be x,y,width,height in pixels"),
    ("photo.png", "--preview", "1,2,0,4"): (
        2,
        "--preview 1,2,0,4: width and height must be at least 1 pixel",
    ),
    ("photo.png", "--preview", "30,20,10,10"): (
        1,
        "photo.png  failed: --preview 30,20,10,10 reaches outside the picture of 32 x 24 pixels",
    ),
    ("photo.png", "other.png", "--preview", PART): (
        2,
        "--preview shows a part of one picture; name one file",
    ),
    (".", "--preview", PART): (2, "--preview shows a part of one picture; name one"),
    ("photo.png", "-o", "-", "--preview", PART): (2, "--preview writes a file, not to standard output"),
    ("photo.png", "--preview", PART, "--in-place"): (2, "--preview and --in-place contradict each other"),
    ("photo.png", "--preview", PART, "--strength", "0.5"): (
        2,
        "--preview and --strength contradict each other",
    ),
    ("photo.png", "--preview", PART, "--reference", "photo.png"): (
        2,
        "--preview and --reference contradict each other",
    ),
    ("--files-from", "list", "--preview", PART): (2, "--preview and --files-from contradict each other"),
}


@pytest.mark.parametrize(("words", "expected"), REFUSED.items(), ids=lambda value: str(value)[:70])
def test_what_cannot_be_meant_is_one_line(
    denoise: Run, photo: Path, words: tuple[str, ...], expected: tuple[int, str]
) -> None:
    write(Path("other.png"), noisy_pixels())
    Path("list").write_text("photo.png\n")
    before = names()
    result = denoise(*words)
    code, message = expected
    assert (result.exit_code, result.stdout, names()) == (code, "", before)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_the_strengths_are_those_that_are_promised() -> None:
    assert STRENGTHS == (0, 0.25, 0.5, 0.75, 1)
