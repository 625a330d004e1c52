"""``genrestore dejpeg``, as users see it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from genrestore.files.codecs.images import read_provenance
from tests.cli.conftest import Run
from tests.files.test_scale import profile_of
from tests.restore.test_jpeg import saved, scan, scene


@pytest.fixture
def dejpeg(run: Run, weights: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run it with the tiny weights, in a folder of its own."""
    monkeypatch.chdir(tmp_path)

    def call(*words: str | Path, stdin: bytes | None = None) -> Any:
        settings = ("--weights", weights, "--device", "cpu", "--precision", "fp32")
        return run("dejpeg", *words, *settings, stdin=stdin)

    return call


def write(name: str, **options: Any) -> bytes:
    """Save the scene as a JPEG under a name; its bytes."""
    data = saved(scene(), **{"quality": 60} | options)
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_bytes(data)
    return data


def test_the_result_is_a_png_that_is_coded_as_the_file_is(weights: str, tmp_path: Path) -> None:
    """A real file in a real process."""
    data = saved(scene(), quality=60, subsampling="4:2:0")
    (tmp_path / "photo.jpg").write_bytes(data)
    words = ["dejpeg", "photo.jpg", "--weights", weights, "--device", "cpu"]
    subprocess.run([sys.executable, "-m", "genrestore", *words], cwd=tmp_path, check=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.dejpeg.png", "photo.jpg"]
    assert (tmp_path / "photo.jpg").read_bytes() == data
    with Image.open(tmp_path / "photo.dejpeg.png") as restored, Image.open(tmp_path / "photo.jpg") as before:
        assert np.abs(np.asarray(restored, int) - np.asarray(before, int)).mean() > 0.5
        assert scan(saved(restored, quality=60, subsampling="4:2:0")) == scan(data)


@pytest.mark.parametrize("orientation", [3, 6])
def test_a_turned_picture_comes_out_upright(dejpeg: Run, orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    data = write("photo.jpg", exif=exif.tobytes(), subsampling="4:2:0")
    assert dejpeg("photo.jpg").exit_code == 0
    with Image.open("photo.dejpeg.png") as restored:
        assert restored.getexif().get(0x112, 1) == 1
        pixels = np.asarray(restored)
    stored = Image.Exif()
    stored[0x112] = {3: 3, 6: 8}[orientation]  # from upright back to how it lay
    turned = Image.fromarray(pixels)
    turned.info["exif"] = stored.tobytes()
    lying = ImageOps.exif_transpose(turned)
    assert scan(saved(lying, quality=60, subsampling="4:2:0")) == scan(data)


def test_colours_that_are_stored_as_rgb_are_restored_by_their_own_tables(dejpeg: Run) -> None:
    data = write("photo.jpg", keep_rgb=True, subsampling=0)
    assert dejpeg("photo.jpg").exit_code == 0
    with Image.open("photo.dejpeg.png") as restored:
        assert scan(saved(restored, quality=60, keep_rgb=True, subsampling=0)) == scan(data)


def test_wide_colours_stay_those_that_were_coded(dejpeg: Run) -> None:
    profile = profile_of("Adobe RGB")
    data = write("photo.jpg", icc_profile=profile, subsampling="4:4:4")
    assert dejpeg("photo.jpg").exit_code == 0
    with Image.open("photo.dejpeg.png") as restored:
        assert restored.info["icc_profile"] == profile
        assert scan(saved(restored, quality=60, subsampling="4:4:4")) == scan(data)


def test_strength_takes_a_share(dejpeg: Run) -> None:
    write("photo.jpg")
    for strength in ("0", "0.5", "1"):
        assert dejpeg("photo.jpg", "-o", f"{strength}.png", "--strength", strength).exit_code == 0
    none, half, whole = (np.asarray(Image.open(f"{s}.png"), int) for s in ("0", "0.5", "1"))
    np.testing.assert_array_equal(none, np.asarray(Image.open("photo.jpg")))
    assert np.abs(2 * half - none - whole).max() <= 2
    assert np.abs(whole - none).max() > 4


def test_what_is_no_jpeg_fails_where_it_is_named_and_is_skipped_in_a_folder(dejpeg: Run) -> None:
    write("in/photo.jpg")
    scene().save("in/other.png")
    Path("in/broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 no more")
    named = dejpeg("in/other.png", "-o", "out.png")
    assert named.exit_code == 1
    assert "in/other.png failed: PNG, which does not tell how a JPEG was coded" in " ".join(
        named.stderr.split()
    )
    assert "genrestore denoise" in named.stderr
    folder = dejpeg("in", "-o", "out/", "--json")
    records = {Path(one["input"]).name: one for one in map(json.loads, folder.stdout.splitlines())}
    assert {name: one["status"] for name, one in records.items()} == {
        "photo.jpg": "done",
        "other.png": "skipped",
        "broken.jpg": "failed",
    }
    assert folder.exit_code == 1
    assert [path.name for path in Path("out").iterdir()] == ["photo.png"]
    assert records["photo.jpg"]["sigma"] > 0


@pytest.mark.parametrize("mode", ["CMYK", "PNG"])
def test_what_cannot_be_restored_by_its_tables_says_so_in_a_line(dejpeg: Run, mode: str) -> None:
    data = saved(scene().convert("CMYK"), quality=60)
    if mode == "PNG":
        scene().save("piped.png")
        data = Path("piped.png").read_bytes()
    done = dejpeg("-", "-o", "-", stdin=data)
    assert (done.exit_code, done.stdout_bytes) == (1, b"")
    assert mode in done.stderr
    assert "genrestore denoise" in done.stderr


def test_pipes_carry_a_png(dejpeg: Run) -> None:
    done = dejpeg("-", "-o", "-", stdin=write("photo.jpg"))
    assert done.exit_code == 0, done.stderr
    assert done.stdout_bytes.startswith(b"\x89PNG")


def test_a_jpeg_that_is_asked_for_is_not_coded_as_its_input(dejpeg: Run) -> None:
    write("photo.jpg", subsampling="4:2:0")
    assert dejpeg("photo.jpg", "-o", "again.jpg").exit_code == 0
    assert dejpeg("photo.jpg", "-o", "exact.png").exit_code == 0
    with (
        Image.open("again.jpg") as again,
        Image.open("exact.png") as exact,
        Image.open("photo.jpg") as before,
    ):
        assert again.layer == [(1, 1, 1, 0), (2, 1, 1, 1), (3, 1, 1, 1)]
        assert max(again.quantization[0]) < max(before.quantization[0]) / 4
        lost = np.abs(np.asarray(again, int) - np.asarray(exact, int)).mean()
        gained = np.abs(np.asarray(exact, int) - np.asarray(before, int)).mean()
    assert lost < 0.7 * gained


def test_what_is_done_is_skipped_and_says_how_it_was_made(dejpeg: Run) -> None:
    write("in/photo.jpg")
    assert dejpeg("in", "-o", "out/").exit_code == 0
    made = read_provenance(Path("out/photo.png"))
    assert made is not None
    assert (made["command"], made["strength"]) == ("dejpeg", 1.0)
    assert "skipped" in dejpeg("in", "-o", "out/", "--skip-existing").stderr
    again = dejpeg("in", "-o", "out/", "--skip-existing", "--strength", "0.5")
    assert "1 done" in again.stderr or "made again" in again.stderr


def test_results_beside_their_inputs_are_no_inputs(dejpeg: Run) -> None:
    write("in/photo.jpg")
    assert dejpeg("in", "--no-provenance").exit_code == 0
    again = dejpeg("in", "--no-provenance", "--overwrite", "--json")
    assert sorted(json.loads(line)["status"] for line in again.stdout.splitlines()) == ["done", "skipped"]


def test_a_folder_named_as_a_picture_is_a_folder(dejpeg: Run) -> None:
    write("photo.jpg")
    assert dejpeg("photo.jpg", "-o", "results.jpg/").exit_code == 0
    assert [path.name for path in Path("results.jpg").iterdir()] == ["photo.png"]
