"""Folders, lists and shares on the command line, and what is skipped, shown or stopped."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest
from PIL import Image

from tests.cli.conftest import Run, noisy_pixels, write
from tests.faults import contents


@pytest.fixture(autouse=True)
def folder(photo: Path) -> Path:
    """in/ with three pictures in two folders, and photo.png beside it; the current folder."""
    write(Path("in/a.png"), noisy_pixels())
    write(Path("in/b.jpg"), noisy_pixels(seed=1))
    write(Path("in/sub/a.png"), noisy_pixels(seed=2))
    return photo.parent


@pytest.fixture
def no_restoring(monkeypatch: pytest.MonkeyPatch) -> None:
    """Making what denoises fails the test; with it torch would be loaded."""

    def never(*_: Any, **__: Any) -> NoReturn:
        raise AssertionError("weights were loaded")

    monkeypatch.setattr("genrestore.restore.pictures.Restore", never)
    monkeypatch.setattr("genrestore.runtime.Runtime.create", never)


def files(folder: str) -> dict[str, tuple[bytes, int]]:
    """Content and identity of every file, by its path below the folder."""
    found = [path for path in sorted(Path(folder).rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_ino) for path in found}


def statuses(stdout: str) -> dict[str, str]:
    return {record["input"]: record["status"] for record in map(json.loads, stdout.splitlines())}


class TestRecursive:
    def test_mirrors_and_leaves_links_alone(self, denoise: Run) -> None:
        Path("in/sub/loop").symlink_to("..")
        result = denoise("-r", "in/", "-o", "out/", "--json")
        assert result.exit_code == 0
        assert list(files("out")) == ["a.png", "b.jpg", "sub/a.png"]
        assert statuses(result.stdout)["in/sub/loop"] == "skipped"
        assert denoise("in", "-o", "flat").exit_code == 0
        assert list(files("flat")) == ["a.png", "b.jpg"]

    def test_beside_the_inputs_twice(self, denoise: Run) -> None:
        assert denoise("-r", "in", "--suffix", "clean").exit_code == 0
        assert "sub/a.clean.png" in files("in")
        before = files("in")
        result = denoise("-r", "in", "--suffix", "clean", "--skip-existing")
        assert (result.exit_code, files("in")) == (0, before)
        assert result.stderr.splitlines()[-1] == "6 skipped"

    def test_in_place_nothing_is_restored_twice(self, denoise: Run) -> None:
        assert denoise("-r", "in", "--in-place").exit_code == 0
        before = files("in")
        result = denoise("in/a.png", "in/b.jpg", "--in-place", "--skip-existing", "--strength", "0.5")
        said = "in/a.png  skipped: restored in place before; strength was 1.0, and the original is gone"
        assert said in result.stderr
        assert denoise("-r", "in", "--in-place").exit_code == 3
        assert files("in") == before


class TestLists:
    @pytest.mark.parametrize(
        ("words", "data"),
        [([], b"in/a.png\nin/sub\n"), (["-0"], b"in/a.png\0in/sub\0"), (["--null"], b"in/a.png\0in/sub")],
    )
    def test_name_inputs(self, denoise: Run, words: list[str], data: bytes) -> None:
        result = denoise("--files-from", "-", *words, "photo.png", "-o", "out", "--json", stdin=data)
        assert list(statuses(result.stdout)) == ["photo.png", "in/a.png", "in/sub/a.png"]
        assert list(files("out")) == ["a-2.png", "a.png", "photo.png"]
        assert result.exit_code == 0

    def test_a_missing_file_of_the_list_fails_alone(self, denoise: Run) -> None:
        Path("list").write_text("gone.png\nin/a.png\n")
        result = denoise("--files-from", "list", "-o", "out")
        assert result.stderr.splitlines()[0] == "gone.png  failed: no such file"
        assert (result.exit_code, list(files("out"))) == (1, ["a.png"])

    @pytest.mark.parametrize(
        ("words", "message", "code"),
        [
            ([], "no input: name files, folders, - for stdin, or --files-from LIST", 2),
            (["photo.png", "-0"], r"--null (-0) is about --files-from; name the list", 2),
            (["--files-from", "gone"], "--files-from gone: cannot be read (No such file or directory)", 2),
            (["--files-from", "-", "-"], "--files-from - and the input - both want stdin", 2),
            (["--files-from", "-", "-o", "b.png"], "a file, and several inputs need a folder", 2),
            (["--files-from", os.devnull], f"--files-from {os.devnull}: the list is empty", 3),
        ],
    )
    def test_that_cannot_be_meant(self, denoise: Run, words: list[str], message: str, code: int) -> None:
        result = denoise("--json", *words, stdin=b"photo.png\n")
        assert message in result.stderr
        assert (result.stderr.count("\n"), result.exit_code, list(files("."))[-1]) == (1, code, "photo.png")


class TestNames:
    def test_format_and_suffix(self, denoise: Run) -> None:
        assert denoise("-r", "in", "-o", "out", "--format", "WebP", "--suffix", ".x").exit_code == 0
        assert list(files("out")) == ["a.x.webp", "b.x.webp", "sub/a.x.webp"]
        with Image.open("out/b.x.webp") as image:
            assert image.format == "WEBP"

    def test_format_of_standard_output(self, denoise: Run) -> None:
        result = denoise("photo.png", "-o", "-", "--format", "tif")
        with Image.open(io.BytesIO(result.stdout_bytes)) as image:
            assert image.format == "TIFF"

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["--format", "gif"], "--format gif: written are png, jpeg, tiff, webp, avif, jxl"),
            (["--suffix", "a/b"], "--suffix 'a/b': must be a word for the middle of a file's name"),
            (["--suffix", "."], "--suffix '.': must be a word"),
            (["--shard", "3/2"], "--shard 3/2: K is counted from 1 to N"),
            (["--shard", "half"], "--shard half: write K/N"),
        ],
    )
    def test_wrong_values(self, denoise: Run, words: list[str], message: str) -> None:
        result = denoise("photo.png", *words)
        assert result.stderr.startswith(f"genrestore: error: {message}")
        assert (result.stderr.count("\n"), result.exit_code) == (1, 2)


class TestSkipExisting:
    def run(self, denoise: Run, *words: str) -> dict[str, str]:
        result = denoise("-r", "in", "-o", "out", "--skip-existing", "--json", *words)
        assert result.exit_code == 0, result.stderr
        return statuses(result.stdout)

    def test_the_second_run_loads_nothing_and_changes_nothing(
        self, denoise: Run, request: pytest.FixtureRequest
    ) -> None:
        assert set(self.run(denoise).values()) == {"done"}
        before = files("out")
        request.getfixturevalue("no_restoring")
        assert set(self.run(denoise).values()) == {"skipped"}
        assert files("out") == before

    @pytest.mark.parametrize(
        "other", [["--strength", "0.5"], ["--sigma", "12"], ["--turns", "2"], ["--seed", "4"]], ids=" ".join
    )
    def test_other_parameters_redo_all(self, denoise: Run, other: list[str]) -> None:
        self.run(denoise)
        before = files("out")
        assert set(self.run(denoise, *other).values()) == {"done"}
        assert not set(files("out").values()) & set(before.values())

    def test_only_what_is_missing_damaged_or_of_another_input_is_made_again(self, denoise: Run) -> None:
        self.run(denoise)
        before = files("out")
        Path("out/b.jpg").write_bytes(before["b.jpg"][0][:-200])
        write(Path("in/sub/a.png"), noisy_pixels(seed=9))
        write(Path("in/new.png"), noisy_pixels(seed=3))
        result = denoise("-r", "in", "-o", "out", "--skip-existing")
        lines = {line.split()[0]: line for line in result.stderr.splitlines()}
        assert "skipped: done before, with the same parameters" in lines["in/a.png"]
        assert "(made again: it was damaged)" in lines["in/b.jpg"]
        assert "(made again: the input was another one)" in lines["in/sub/a.png"]
        assert "in/new.png -> out/new.png" in lines["in/new.png"]
        assert files("out")["a.png"] == before["a.png"]
        assert files("out")["b.jpg"][0] == before["b.jpg"][0]

    def test_without_provenance_what_is_compared_is_said(self, denoise: Run) -> None:
        self.run(denoise, "--no-provenance")
        result = denoise("in", "-o", "out", "--skip-existing", "--no-provenance", "--strength", "0.5")
        assert result.stderr.count("with --no-provenance nothing more is compared") == 2

    def test_pictures_of_others_are_never_replaced(self, denoise: Run) -> None:
        write(Path("out/sub/a.png"), noisy_pixels(seed=5))
        before = files("out")
        result = denoise("-r", "in", "-o", "out", "--skip-existing")
        assert "out/sub/a.png: exists already; and genrestore did not note that it made it" in result.stderr
        assert (result.exit_code, files("out")) == (2, before)

    def test_a_dry_run_leaves_out_what_is_done(self, denoise: Run, request: pytest.FixtureRequest) -> None:
        self.run(denoise)
        Path("out/b.jpg").unlink()
        request.getfixturevalue("no_restoring")
        result = denoise("-r", "in", "-o", "out", "--skip-existing", "--dry-run")
        assert result.stdout == "in/b.jpg -> out/b.jpg\n"
        assert "in/a.png  skipped: done before" in result.stderr
        assert not Path("out/b.jpg").exists()

    @pytest.mark.slow
    def test_in_another_process_it_imports_no_torch(self, denoise: Run, weights: str) -> None:
        words = ["denoise", "-r", "in", "-o", "out", "--skip-existing", "--weights", weights]
        self.run(denoise)
        code = (
            "import sys\nfrom genrestore.cli.app import main\nsys.argv[0] = 'genrestore'\n"
            "try:\n    main()\nexcept SystemExit as end:\n    print(end.code, 'torch' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, *words], capture_output=True, text=True, timeout=600, check=False
        )
        assert done.stdout.split() == ["0", "False"], done.stderr
        assert done.stderr.splitlines()[-1] == "3 skipped"


@pytest.mark.usefixtures("no_restoring")
class TestDryRun:
    def test_shows_the_plan_and_writes_nothing(self, denoise: Run) -> None:
        Path("in/notes.txt").write_text("notes")
        before = files(".")
        result = denoise("-r", "in", "-o", "out/", "--dry-run")
        plan = ["in/a.png -> out/a.png", "in/b.jpg -> out/b.jpg", "in/sub/a.png -> out/sub/a.png"]
        assert result.stdout.splitlines() == plan
        assert result.stderr == "in/notes.txt  skipped: not a picture\n"
        assert (result.exit_code, files("."), Path("out").exists()) == (0, before, False)

    def test_a_line_an_input_whatever_its_name(self, denoise: Run) -> None:
        Path("photo.png").rename("a\nb.png")
        assert denoise("a\nb.png", "--dry-run").stdout == "a\\nb.png -> a\\nb.denoised.png\n"
        assert denoise("-", "-o", "x.png", "--dry-run").stdout == "- -> x.png\n"

    def test_refuses_what_the_run_would_refuse(self, denoise: Run) -> None:
        write(Path("photo.denoised.png"), noisy_pixels())
        assert denoise("photo.png", "--dry-run").exit_code == 2
        assert denoise("in/sub/none", "--dry-run", "--weights", "unknown").exit_code == 5
        result = denoise("in", "--dry-run", "--json")
        assert "--dry-run says what would be done, and --json what was; give one" in result.stderr
        assert (result.exit_code, result.stdout) == (2, "")


class TestFailFast:
    def test_stops_at_the_first(self, denoise: Run) -> None:
        Path("in/aa.png").write_bytes(b"junk")
        result = denoise("in/a.png", "in/aa.png", "in/b.jpg", "-o", "out", "--fail-fast", "--json")
        assert statuses(result.stdout) == {"in/a.png": "done", "in/aa.png": "failed"}
        assert result.stderr.splitlines()[-1] == "1 done, 1 failed, 1 left"
        assert (result.exit_code, list(files("out"))) == (1, ["a.png"])

    def test_changes_nothing_where_all_is_well(self, denoise: Run) -> None:
        assert denoise("in", "-o", "out", "--fail-fast").exit_code == 0
        assert list(files("out")) == ["a.png", "b.jpg"]


class TestShards:
    def test_do_one_folder_together(self, denoise: Run) -> None:
        shares = [denoise("-r", "in", "-o", "out", "--shard", f"{k}/2", "--json") for k in (1, 2)]
        assert [result.exit_code for result in shares] == [0, 0]
        done = [list(statuses(result.stdout)) for result in shares]
        assert done == [["in/a.png", "in/sub/a.png"], ["in/b.jpg"]]
        together = files("out")
        assert denoise("-r", "in", "-o", "alone").exit_code == 0
        assert {n: c for n, (c, _) in files("alone").items()} == {n: c for n, (c, _) in together.items()}

    @pytest.mark.usefixtures("no_restoring")
    def test_an_empty_one_is_done_at_once(self, denoise: Run) -> None:
        result = denoise("-r", "in", "-o", "out", "--shard", "4/4")
        assert (result.stdout, result.stderr, result.exit_code) == ("", "0 done\n", 0)


def test_shares_in_place_are_the_same_when_another_is_done(denoise: Run) -> None:
    """What share 1 has restored is no input any more; share 2 must not take what is left of share 1's."""
    for name in "abcdef":
        write(Path(f"six/{name}.png"), noisy_pixels())
    before = contents(Path("six"))
    assert denoise("six", "--in-place", "--shard", "1/2").exit_code == 0
    between = contents(Path("six"))
    assert {name for name in before if between[name] != before[name]} == {"a.png", "c.png", "e.png"}
    assert denoise("six", "--in-place", "--shard", "2/2").exit_code == 0
    after = contents(Path("six"))
    assert {name for name in before if after[name] != between[name]} == {"b.png", "d.png", "f.png"}


def test_a_folder_that_was_restored_in_place_is_done(denoise: Run) -> None:
    write(Path("one/a.png"), noisy_pixels())
    assert denoise("one", "--in-place").exit_code == 0
    restored = contents(Path("one"))
    again = denoise("one", "--in-place", "--skip-existing")
    assert (again.exit_code, again.stderr.count("skipped: an output of genrestore")) == (0, 1)
    assert denoise("one", "--in-place").exit_code == 3
    assert contents(Path("one")) == restored
