"""A batch: every input gets its outcome, and no input is harmed."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image as Pillow

from genrestore.errors import WeightsError
from genrestore.files import batch, images
from genrestore.files.batch import BatchOptions, Outcome
from genrestore.files.outputs import Job, OutputOptions, plan
from tests.files import make


@dataclass
class Inverted:
    pixels: np.ndarray
    noise_level: float | None = 0.1
    notes: tuple[str, ...] = ("little noise found",)


def invert(pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
    on_progress(0.5)
    on_progress(1.0)
    result = np.empty_like(pixels)
    np.subtract(np.iinfo(pixels.dtype).max, pixels, out=result)
    return Inverted(result)


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(jobs: list[Job], restore: Any = invert, **options: Any) -> list[Outcome]:
    return list(batch.run(jobs, restore, BatchOptions(**options), lambda job, fraction: None))


def jobs(*inputs: str, **options: Any) -> list[Job]:
    return plan(inputs, OutputOptions(**options))


def test_pixels_are_restored_and_alpha_is_not() -> None:
    array = make.pixels(4, 16)
    Path("a.png").write_bytes(make.encoded(make.plain(array), "PNG"))
    outcome = run(jobs("a.png"), provenance={"tool": "genrestore"})[0]
    assert (outcome.status, outcome.error, outcome.target) == ("done", None, Path("a.denoised.png"))
    assert (outcome.noise_level, outcome.notes) == (0.1, ("little noise found",))
    assert outcome.seconds > 0
    found = make.interleaved(images.read(Path("a.denoised.png")))
    assert np.array_equal(found[..., :3], 65535 - array[..., :3])
    assert np.array_equal(found[..., 3], array[..., 3])
    assert images.read_provenance(Path("a.denoised.png")) == {
        "tool": "genrestore",
        "noise_level": 0.1,
        "source_sha256": hashlib.sha256(Path("a.png").read_bytes()).hexdigest(),
    }


def test_junk_fails_alone_and_the_inputs_stay() -> None:
    Path("in").mkdir()
    for name in ("a.png", "c.jpg", "d.tif"):
        make.save(Path("in") / name, make.smooth(3))
    Path("in/b.jpg").write_bytes(Path("in/c.jpg").read_bytes()[:300])
    Path("in/e.txt").write_text("words")
    before = {path.name: path.read_bytes() for path in Path("in").iterdir()}
    outcomes = run(jobs("in", "gone.png", output="out"))
    assert [(outcome.job.name, outcome.status) for outcome in outcomes] == [
        ("in/a.png", "done"),
        ("in/b.jpg", "failed"),
        ("in/c.jpg", "done"),
        ("in/d.tif", "done"),
        ("in/e.txt", "skipped"),
        ("gone.png", "failed"),
    ]
    assert "truncated or damaged JPEG" in (outcomes[1].error or "")
    assert outcomes[4].error == "not a picture"
    assert outcomes[5].error == "gone.png: no such file"
    assert sorted(path.name for path in Path("out").iterdir()) == ["a.png", "c.jpg", "d.tif"]
    assert {path.name: path.read_bytes() for path in Path("in").iterdir()} == before


def test_progress_names_the_job() -> None:
    make.save(Path("a.png"), make.smooth(3))
    seen: list[tuple[Job, float]] = []
    todo = jobs("a.png")
    list(batch.run(todo, invert, BatchOptions(), lambda job, fraction: seen.append((job, fraction))))
    assert seen == [(todo[0], 0.5), (todo[0], 1.0)]


def test_file_times_are_kept() -> None:
    make.save(Path("a.png"), make.smooth(3))
    os.utime("a.png", ns=(10**18, 10**18 + 5 * 10**9))
    run(jobs("a.png", output="new/b.png"))
    assert Path("new/b.png").stat().st_mtime_ns == 10**18 + 5 * 10**9


def test_in_place() -> None:
    make.save(Path("a.png"), make.smooth(3))
    Path("a.png").chmod(0o600)
    assert run(jobs("a.png", in_place=True))[0].status == "done"
    assert np.array_equal(make.interleaved(images.read(Path("a.png"))), 255 - make.smooth(3))
    assert Path("a.png").stat().st_mode & 0o777 == 0o600
    assert [path.name for path in Path().iterdir()] == ["a.png"]


def test_in_place_needs_a_format_that_is_written() -> None:
    make.save(Path("a.bmp"), make.smooth(3))
    before = Path("a.bmp").read_bytes()
    outcome = run(jobs("a.bmp", in_place=True))[0]
    assert outcome.error == "a.bmp: BMP is not written; name an output instead of --in-place"
    assert Path("a.bmp").read_bytes() == before


def test_a_format_that_is_not_written_becomes_png_and_is_said() -> None:
    make.save(Path("a.bmp"), make.smooth(3))
    outcome = run(jobs("a.bmp"))[0]
    assert outcome.notes[0] == "BMP is not written: the result is PNG"
    assert Path("a.denoised.png").read_bytes().startswith(b"\x89PNG")


def test_a_wrong_suffix_is_said() -> None:
    make.save(Path("a.jpg"), make.smooth(3)).rename("a.png")
    outcome = run(jobs("a.png"))[0]
    assert outcome.notes[0] == "the file is named PNG and holds JPEG: the result is PNG"
    assert Path("a.denoised.png").read_bytes().startswith(b"\x89PNG")


def test_compare() -> None:
    make.save(Path("a.png"), make.smooth(4))
    run(jobs("a.png", compare=True), compare=True)
    both = make.interleaved(images.read(Path("a.denoised.compare.png")))
    assert np.array_equal(both[:, :48, :3], make.smooth(3))
    assert np.array_equal(both[:, 48:, :3], 255 - make.smooth(3))
    assert np.array_equal(both[:, 48:, 3], make.smooth(4)[..., 3])


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_streams_keep_the_format(format: str) -> None:
    stdin, stdout = io.BytesIO(make.encoded(make.plain(make.smooth(3)), format)), io.BytesIO()
    outcome = run(jobs("-"), stdin=stdin, stdout=stdout)[0]
    assert (outcome.status, outcome.target, outcome.job.name) == ("done", None, "standard input")
    assert Pillow.open(io.BytesIO(stdout.getvalue())).format == format


def test_an_empty_stream_fails_and_writes_nothing() -> None:
    stdout = io.BytesIO()
    outcome = run(jobs("-"), stdin=io.BytesIO(), stdout=stdout)[0]
    assert (outcome.status, outcome.error) == ("failed", "standard input: empty, 0 bytes")
    assert stdout.getvalue() == b""


def test_a_closed_pipe_is_one_line() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    make.save(Path("a.png"), make.smooth(3))
    with os.fdopen(writer, "wb", buffering=0) as stdout:
        outcome = run(jobs("a.png", output="-"), stdout=stdout)[0]
    assert outcome.error == "standard output: closed before the picture was written"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "a.png: not enough memory for this picture"),
        (OSError(5, "Input/output error"), "a.png: Input/output error"),
    ],
)
def test_what_one_input_may_fail_of(error: Exception, message: str) -> None:
    make.save(Path("a.png"), make.smooth(3))
    make.save(Path("b.png"), make.smooth(3))

    def fail_once(pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
        if not Path("failed").exists():
            Path("failed").touch()
            raise error
        return invert(pixels, on_progress)

    outcomes = run(jobs("a.png", "b.png"), fail_once)
    assert [(outcome.status, outcome.error) for outcome in outcomes] == [("failed", message), ("done", None)]
    assert sorted(p.name for p in Path().iterdir()) == ["a.png", "b.denoised.png", "b.png", "failed"]


@pytest.mark.parametrize("error", [WeightsError("flipped"), KeyboardInterrupt(), ZeroDivisionError()])
def test_everything_else_ends_the_batch(error: BaseException) -> None:
    make.save(Path("a.png"), make.smooth(3))

    def fail(pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
        raise error

    with pytest.raises(type(error)):
        run(jobs("a.png"), fail)
    assert [path.name for path in Path().iterdir()] == ["a.png"]


def test_an_unwritable_output_is_known_before_the_work() -> None:
    make.save(Path("a.png"), make.smooth(3))
    Path("file").touch()

    def never(pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
        raise AssertionError("worked for nothing")

    outcome = run([Job(Path("a.png"), Path("file/a.png"), "PNG")], never)[0]
    assert outcome.error == "file/a.png: cannot be written, file is not a folder"


def test_too_large_for_the_format_names_the_output() -> None:
    Path("a.png").write_bytes(make.encoded(make.plain(np.zeros((1, 16384, 3), np.uint8)), "PNG"))
    outcome = run(jobs("a.png", output="b.webp"))[0]
    assert outcome.error == "b.webp: 16384 x 1: WebP holds at most 16383 pixels a side; write PNG"
    assert [path.name for path in Path().iterdir()] == ["a.png"]


def test_an_output_made_meanwhile_is_kept() -> None:
    make.save(Path("a.png"), make.smooth(3))
    todo = jobs("a.png")
    Path("a.denoised.png").write_bytes(b"theirs")
    outcome = run(todo)[0]
    assert outcome.error == "a.denoised.png: exists already; replace it with --overwrite"
    assert Path("a.denoised.png").read_bytes() == b"theirs"
    assert run(todo, overwrite=True)[0].status == "done"


class TestSkipExisting:
    SETTINGS: ClassVar[dict[str, Any]] = {
        "skip_existing": True,
        "provenance": {"tool": "genrestore", "seed": 0},
    }

    def never(self, pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
        raise AssertionError("worked for nothing")

    def test_the_second_run_does_nothing_and_a_third_of_other_settings_all(self) -> None:
        make.save(Path("a.png"), make.smooth(3))
        todo = jobs("a.png", skip_existing=True)
        assert run(todo, **self.SETTINGS)[0].status == "done"
        before = Path("a.denoised.png").read_bytes()
        outcome = run(todo, self.never, **self.SETTINGS)[0]
        assert (outcome.status, outcome.error) == ("skipped", "done before, with the same parameters")
        assert Path("a.denoised.png").read_bytes() == before
        again = run(todo, skip_existing=True, provenance={"tool": "genrestore", "seed": 1})[0]
        assert (again.status, again.notes[-1]) == ("done", "made again: seed was 0")
        assert images.read_provenance(Path("a.denoised.png"))["seed"] == 1  # type: ignore[index]

    def test_what_another_run_made_meanwhile_is_no_failure(self) -> None:
        make.save(Path("a.png"), make.smooth(3))
        todo = jobs("a.png", skip_existing=True)

        def overtaken(pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
            assert run(todo, **self.SETTINGS)[0].status == "done"
            return invert(pixels, on_progress)

        outcome = run(todo, overtaken, **self.SETTINGS)[0]
        assert outcome.status == "skipped"
        assert outcome.error == "done by another run meanwhile, with the same parameters"

    def test_someone_elses_picture_that_came_meanwhile_stays(self) -> None:
        make.save(Path("a.png"), make.smooth(3))
        todo = jobs("a.png", skip_existing=True)
        make.save(Path("a.denoised.png"), make.smooth(1))
        before = Path("a.denoised.png").read_bytes()
        outcome = run(todo, **self.SETTINGS)[0]
        assert outcome.error == "a.denoised.png: exists already; replace it with --overwrite"
        assert Path("a.denoised.png").read_bytes() == before

    def test_in_place_it_is_done_once(self) -> None:
        make.save(Path("a.png"), make.smooth(3))
        todo = jobs("a.png", in_place=True, skip_existing=True)
        assert run(todo, **self.SETTINGS)[0].status == "done"
        assert run(todo, self.never, **self.SETTINGS)[0].error == "restored in place before"
        assert np.array_equal(make.interleaved(images.read(Path("a.png"))), 255 - make.smooth(3))


def test_a_restoring_is_made_when_it_is_needed() -> None:
    make.save(Path("a.png"), make.smooth(3))
    make.save(Path("b.png"), make.smooth(3))
    made: list[int] = []

    def make_it() -> Any:
        made.append(1)
        return invert

    lazy = batch.on_first_use(make_it)
    assert run([Job(Path("x"), None, None, skipped="not a picture")], lazy)[0].status == "skipped"
    assert made == []
    assert [outcome.status for outcome in run(jobs("a.png", "b.png"), lazy)] == ["done", "done"]
    assert made == [1]


def test_a_problem_of_the_plan_is_a_failure() -> None:
    outcome = run([Job(Path("in"), None, None, problem="in: the folder cannot be read")])[0]
    assert (outcome.status, outcome.error) == ("failed", "in: the folder cannot be read")


def test_what_standard_input_held_is_noted() -> None:
    data = make.encoded(make.plain(make.smooth(3)), "PNG")
    run(jobs("-", output="b.png"), stdin=io.BytesIO(data), provenance={"tool": "genrestore"})
    noted = images.read_provenance(Path("b.png"))
    assert noted is not None
    assert noted["source_sha256"] == hashlib.sha256(data).hexdigest()
