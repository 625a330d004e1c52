"""Promises that no test of one part can keep: whole commands, as a script meets them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Run, clean_pixels, noisy_pixels, write
from tests.faults import contents

DEADLINE = 600

NO_SOCKETS = """
import sys

def watch(event, arguments):
    if event.startswith("socket."):
        sys.stderr.write(f"{event} {arguments}\\n")
        import os
        os._exit(99)

sys.addaudithook(watch)
from genrestore.cli.app import main
main()
"""
LOADED_WHILE_COMPLETING = """
import sys
sys.argv = ["genrestore"]
from genrestore.cli.app import main
try:
    main()
finally:
    print([name for name in ("torch", "torchvision", "matplotlib", "numpy", "PIL") if name in sys.modules])
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_batch_survives_junk_and_the_exit_code_tells_the_truth(denoise: Run) -> None:
    for number, suffix in enumerate((".png", ".jpg", ".tif")):
        write(Path(f"in/{number}{suffix}"), noisy_pixels(seed=number))
    Path("in/broken.jpg").write_bytes(Path("in/1.jpg").read_bytes()[:500])
    Path("in/notes.txt").write_text("notes")
    write(Path("in/folder/below.png"), noisy_pixels())
    before = contents(Path("in"))
    result = denoise("in", "-o", "out")
    assert result.exit_code == 1
    assert sorted(contents(Path("out"))) == ["0.png", "1.jpg", "2.tif"]
    assert "in/broken.jpg  failed: truncated or damaged JPEG (" in result.stderr
    assert result.stderr.splitlines()[-1] == "3 done, 2 skipped, 1 failed"
    assert contents(Path("in")) == before
    Path("in/broken.jpg").unlink()
    assert denoise("in", "-o", "sound").exit_code == 0
    Path("words").mkdir()
    Path("in/notes.txt").rename("words/notes.txt")
    assert denoise("words", "-o", "nothing").exit_code == 3
    assert not Path("nothing").exists()


@pytest.mark.parametrize(
    ("words", "kept", "word"),
    [
        (["-o", "clean.png", "--reference", "clean.png"], "clean.png", "--reference"),
        (["-o", "clean", "--reference", "clean"], "clean/a.png", "--reference"),
        (["-o", "new.png", "--compare", "--reference", "new.compare.png"], "new.compare.png", "--reference"),
        (["--json-file", "clean.png", "--reference", "clean.png"], "clean.png", "--reference"),
        (["--json-file", "list.txt", "--files-from", "list.txt", "-o", "out"], "list.txt", "--files-from"),
    ],
    ids=["result", "folder", "comparison", "records", "list"],
)
def test_what_is_only_read_is_never_written(denoise: Run, words: list[str], kept: str, word: str) -> None:
    write(Path("a.png"), noisy_pixels())
    for name in ("clean.png", "clean/a.png", "new.compare.png"):
        write(Path(name), clean_pixels())
    Path("list.txt").write_text("a.png\n")
    before = contents(Path())
    inputs = [] if "--files-from" in words else ["a.png"]
    result = denoise(*inputs, *words, "--overwrite")
    expected = f"genrestore: error: {kept}: would be written, and {word} reads it; name another\n"
    assert (result.exit_code, result.stderr) == (2, expected)
    assert contents(Path()) == before


EMPTY = [
    (["denoise", "", "--in-place"], "INPUT"),
    (["denoise", "a.png", "-o", ""], "--output"),
    (["denoise", "a.png", "--files-from", ""], "--files-from"),
    (["denoise", "a.png", "--reference", ""], "--reference"),
    (["denoise", "a.png", "--weights", ""], "--weights"),
    (["evaluate", "a.png", ""], "CLEAN"),
    (["weights", "add", "", "--name", "x"], "PATH"),
    (["train", "denoiser", "--data", "", "--name", "x"], "--data"),
]


@pytest.mark.parametrize(("words", "named"), EMPTY, ids=lambda value: value if isinstance(value, str) else "")
def test_an_empty_word_is_not_the_current_folder(run: Run, words: list[str], named: str) -> None:
    """As of "$VARIABLE" that is not set: with --in-place all pictures around would be replaced."""
    write(Path("a.png"), noisy_pixels())
    before = contents(Path())
    result = run(*words)
    assert (result.exit_code, result.stderr.count("\n")) == (2, 1), result.stderr
    assert named in result.stderr
    assert "empty; give a name, or . for the current folder" in result.stderr
    assert contents(Path()) == before


def test_every_input_has_a_record_of_the_same_fields(denoise: Run) -> None:
    write(Path("in/a.png"), noisy_pixels())
    Path("in/b.png").write_bytes(b"junk")
    Path("in/c.txt").touch()
    result = denoise("in", "gone.png", "-o", "out", "--json")
    records = [json.loads(line) for line in result.stdout.splitlines()]
    assert [record["status"] for record in records] == ["done", "failed", "skipped", "failed"]
    assert len({tuple(record) for record in records}) == 1
    assert {record["schema"] for record in records} == {1}
    assert [record["error"] is None for record in records] == [True, False, False, False]


@pytest.mark.slow
def test_no_socket_is_ever_opened(weights: str) -> None:
    """Watched from the first import on, so that libraries are watched as well."""
    write(Path("photo.png"), noisy_pixels())
    words = ["denoise", "photo.png", "--weights", weights, "--device", "cpu", "--threads", "1", "--json"]
    done = subprocess.run(
        [sys.executable, "-c", NO_SOCKETS, *words],
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["status"] == "done"


@pytest.mark.parametrize(("typed", "offered"), [("den", "denoise"), ("denoise --skip", "--skip-existing")])
def test_completion_loads_nothing_heavy(typed: str, offered: str) -> None:
    count = len(typed.split())
    asked = {
        "_GENRESTORE_COMPLETE": "complete_bash",
        "COMP_WORDS": f"genrestore {typed}",
        "COMP_CWORD": str(count),
    }
    done = subprocess.run(
        [sys.executable, "-c", LOADED_WHILE_COMPLETING],
        capture_output=True,
        text=True,
        env={**os.environ, **asked},
        timeout=DEADLINE,
        check=False,
    )
    *words, loaded = done.stdout.splitlines()
    assert (loaded, done.stderr) == ("[]", "")
    assert offered in words
