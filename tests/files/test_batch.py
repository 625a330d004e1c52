"""A batch: every input gets its outcome, and no input is harmed."""

from __future__ import annotations

import hashlib
import io
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from PIL import Image as Pillow

from genrestore.errors import InputError, WeightsError
from genrestore.files.codecs import images
from genrestore.files.plan.jobs import Job, OutputOptions
from genrestore.files.plan.outputs import plan
from genrestore.files.work import batch, stages
from genrestore.files.work.batch import BatchOptions, Outcome
from tests.files import make


@dataclass
class Found:
    noise_level: float | None = 0.1
    in_domain: bool | None = None
    notes: tuple[str, ...] = ("little noise found",)
    figures: Mapping[str, float | list[float]] = field(default_factory=dict)


@dataclass
class Inverted:
    pixels: np.ndarray
    findings: Found = field(default_factory=Found)


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


def each(restore: Any) -> Callable[[], Any]:
    """Makes what restores pictures one by one."""

    def several(pictures: Sequence[Any], on_progress: Callable[[float], None]) -> list[Any]:
        found = []
        for picture in pictures:
            known = () if picture.known is None else (picture.known,)
            found.append(restore(picture.pixels, on_progress, *known))
        return found

    return lambda: several


def silent(job: Job, fraction: float, others: Sequence[Job]) -> None:
    """Nobody looks at the progress."""


def run(jobs: list[Job], restore: Any = invert, size: int = 1, **options: Any) -> list[Outcome]:
    return list(batch.run(jobs, each(restore), BatchOptions(**options), silent, size=size))


def jobs(*inputs: str, **options: Any) -> list[Job]:
    return plan(inputs, OutputOptions(**options))


def test_pixels_are_restored_and_alpha_is_not() -> None:
    array = make.pixels(4, 16)
    Path("a.png").write_bytes(make.encoded(make.plain(array), "PNG"))
    outcome = run(jobs("a.png"), provenance={"tool": "genrestore"})[0]
    assert (outcome.status, outcome.error, outcome.target) == ("done", None, Path("a.denoised.png"))
    assert (outcome.findings and outcome.findings.noise_level, outcome.notes) == (
        0.1,
        ("little noise found",),
    )
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
    list(batch.run(todo, each(invert), BatchOptions(), lambda job, share, _: seen.append((job, share))))
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
        said = "a.denoised.png exists already, and genrestore did not note that it made it"
        assert outcome.error == f"a.png: {said}; --overwrite replaces it"
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
        return each(invert)()

    skipped = [Job(Path("x"), None, None, skipped="not a picture")]
    assert [one.status for one in batch.run(skipped, make_it, BatchOptions(), silent)] == ["skipped"]
    assert made == []
    done = batch.run(jobs("a.png", "b.png"), make_it, BatchOptions(), silent)
    assert [outcome.status for outcome in done] == ["done", "done"]
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


class TestAheadAndBehind:
    """What happens to the pictures before and after the one at work."""

    @pytest.fixture
    def seen(self, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str, bool]]:
        """Every reading and writing: which, of what, and whether in the thread of the caller."""
        found: list[tuple[str, str, bool]] = []
        here = threading.current_thread()

        def watched(name: str, function: Any) -> Any:
            def call(*words: Any, **named: Any) -> Any:
                path = next(word for word in words if isinstance(word, Path))
                result = function(*words, **named)
                found.append((name, path.stem[0], threading.current_thread() is here))
                return result

            return call

        monkeypatch.setattr(images, "read", watched("read", images.read))
        monkeypatch.setattr(stages, "write_files", watched("write", stages.write_files))
        return found

    def pictures(self, *names: str, channels: int = 3) -> list[Job]:
        for name in names:
            make.save(Path(name), make.smooth(channels))
        return jobs(*names)

    def test_both_happen_while_one_is_restored(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """b is restored when c has been read and a has been written; one after another this would hang."""
        read, written = threading.Event(), threading.Event()
        todo = self.pictures("a.png", "b.png", "c.png")
        reading, writing = images.read, stages.write_files

        def read_and_say(source: Any, **named: Any) -> Any:
            found = reading(source, **named)
            if source == Path("c.png"):
                read.set()
            return found

        def write_and_say(*words: Any) -> Any:
            found = writing(*words)
            written.set()
            return found

        monkeypatch.setattr(images, "read", read_and_say)
        monkeypatch.setattr(stages, "write_files", write_and_say)
        count = 0

        def restore(pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
            nonlocal count
            count += 1
            if count == 2:
                assert read.wait(60)
                assert written.wait(60)
            return invert(pixels, on_progress)

        assert [outcome.status for outcome in run(todo, restore)] == ["done"] * 3

    def test_large_pictures_are_read_in_their_turn_and_written_at_once(
        self, seen: list[tuple[str, str, bool]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch, "LIGHT", 32 * 48 * 3 - 1)
        run(self.pictures("a.png", "b.png"))
        assert seen == [("read", "a", True), ("write", "a", True), ("read", "b", True), ("write", "b", True)]

    @pytest.mark.parametrize(("compare", "behind"), [(False, True), (True, False)])
    def test_all_pixels_that_are_held_are_counted(
        self,
        seen: list[tuple[str, str, bool]],
        monkeypatch: pytest.MonkeyPatch,
        compare: bool,
        behind: bool,
    ) -> None:
        """Four planes of 32 x 48; a comparison keeps three of them twice."""
        monkeypatch.setattr(batch, "LIGHT", 32 * 48 * 4)
        run(self.pictures("a.png", "b.png", channels=4), compare=compare)
        assert ("write", "a", not behind) in seen

    def test_what_a_picture_may_need_at_most_decides_what_is_read_ahead(
        self, seen: list[tuple[str, str, bool]], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(batch, "LIGHT", 32 * 48 * 8 - 1)
        run(self.pictures("a.png", "b.png"))
        assert ("read", "b", True) in seen
        monkeypatch.setattr(batch, "LIGHT", 32 * 48 * 8)
        run(jobs("a.png", "b.png", overwrite=True), overwrite=True)
        assert ("read", "b", False) in seen

    def test_too_little_memory_ahead_is_tried_again_in_its_turn(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        todo = self.pictures("a.png", "b.png")
        here, reading = threading.current_thread(), images.read

        def read(source: Any, **named: Any) -> Any:
            if threading.current_thread() is not here:
                raise MemoryError
            return reading(source, **named)

        monkeypatch.setattr(images, "read", read)
        assert [outcome.status for outcome in run(todo)] == ["done", "done"]

    def test_too_little_memory_for_writing_behind_fails_alone(self, monkeypatch: pytest.MonkeyPatch) -> None:
        todo = self.pictures("a.png", "b.png", "c.png")
        writing = stages.write_files

        def write(image: Any, before: Any, target: Path, *words: Any) -> Any:
            if target.name.startswith("a"):
                raise MemoryError
            return writing(image, before, target, *words)

        monkeypatch.setattr(stages, "write_files", write)
        outcomes = run(todo)
        assert [outcome.status for outcome in outcomes] == ["failed", "done", "done"]
        assert outcomes[0].error == "a.png: not enough memory for this picture"

    def test_who_stops_at_a_failure_finds_nothing_written_after_it(self) -> None:
        todo = self.pictures("a.png", "b.png", "c.png", "d.png")
        Path("b.png").write_bytes(b"junk")
        outcomes = batch.run(todo, each(invert), BatchOptions(), silent)
        assert [next(outcomes).status for _ in range(2)] == ["done", "failed"]
        del outcomes
        assert list(Path().glob("*.denoised.png")) == [Path("a.denoised.png")]
        assert threading.active_count() == 1

    @pytest.mark.parametrize("error", [WeightsError("flipped"), KeyboardInterrupt(), ZeroDivisionError()])
    def test_what_ends_the_batch_comes_after_what_is_written(self, error: BaseException) -> None:
        todo = self.pictures("a.png", "b.png", "c.png")
        found: list[str] = []
        count = 0

        def restore(pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
            nonlocal count
            count += 1
            if count == 3:
                raise error
            return invert(pixels, on_progress)

        outcomes = batch.run(todo, each(restore), BatchOptions(), silent)
        with pytest.raises(type(error)):
            found.extend(outcome.job.name for outcome in outcomes)
        assert found == ["a.png", "b.png"]
        assert sorted(Path().glob("*.denoised.png")) == [Path("a.denoised.png"), Path("b.denoised.png")]
        assert threading.active_count() == 1

    def test_what_is_done_already_is_not_read_ahead(self, seen: list[tuple[str, str, bool]]) -> None:
        todo = self.pictures("a.png", "b.png")
        settings: dict[str, Any] = {"skip_existing": True, "provenance": {"tool": "genrestore"}}
        run(todo, **settings)
        seen.clear()
        assert {outcome.status for outcome in run(todo, **settings)} == {"skipped"}
        assert seen == [("read", "a", True), ("read", "b", True)]  # each result is looked at, no input

    def test_pipes_are_read_in_their_turn(self, seen: list[tuple[str, str, bool]]) -> None:
        make.save(Path("a.png"), make.smooth(3))
        os.mkfifo("b.png")
        data = Path("a.png").read_bytes()
        feeding = threading.Thread(target=Path("b.png").write_bytes, args=[data])
        feeding.start()
        outcomes = run(
            [Job(Path("a.png"), Path("x.png"), "PNG"), Job(Path("b.png"), Path("y.png"), "PNG")],
        )
        feeding.join()
        assert [outcome.status for outcome in outcomes] == ["done", "done"]
        assert ("read", "b", True) in seen

    def test_seconds_are_those_of_the_picture_itself(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """By a clock of each thread's own: 1 for reading, 10 for restoring, 2 for writing."""
        todo = self.pictures("a.png", "b.png", "c.png")
        clock = threading.local()

        def spending(seconds: float, function: Any) -> Any:
            def call(*words: Any, **named: Any) -> Any:
                clock.now = getattr(clock, "now", 0.0) + seconds
                return function(*words, **named)

            return call

        monkeypatch.setattr(time, "perf_counter", lambda: getattr(clock, "now", 0.0))
        monkeypatch.setattr(images, "read", spending(1, images.read))
        monkeypatch.setattr(stages, "write_files", spending(2, stages.write_files))
        assert [outcome.seconds for outcome in run(todo, spending(10, invert))] == [13, 13, 13]


def prepared(todo: list[Job], **options: Any) -> tuple[list[str], list[Outcome]]:
    """What happened, in its order, and what became of the jobs."""
    said: list[str] = []

    def restore(pixels: np.ndarray, on_progress: Callable[[float], None]) -> Inverted:
        said.append("restored")
        return invert(pixels, on_progress)

    settings = BatchOptions(**options)
    outcomes = batch.run(todo, each(restore), settings, silent, lambda: said.append("prepared"))
    return said, list(outcomes)


@pytest.mark.parametrize("limit", [batch.LIGHT, 0], ids=["read ahead", "too large for it"])
def test_preparing_comes_before_the_first_picture_is_restored(
    limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "LIGHT", limit)
    Path("a.png").write_bytes(make.encoded(make.plain(make.pixels(3, 8)), "PNG"))
    said, outcomes = prepared(jobs("a.png"))
    assert (said[0], said[-1], outcomes[0].status) == ("prepared", "restored", "done")


def test_nothing_is_prepared_for_what_needs_no_restoring() -> None:
    assert prepared(jobs("missing.png"))[0] == []
    Path("a.png").write_bytes(make.encoded(make.plain(make.pixels(3, 8)), "PNG"))
    todo = jobs("a.png", skip_existing=True)
    assert prepared(todo, skip_existing=True)[0][0] == "prepared"
    said, outcomes = prepared(todo, skip_existing=True)
    assert (said, outcomes[0].status) == ([], "skipped")


@pytest.mark.parametrize("options", [{}, {"compare": True}])
def test_an_output_folder_that_becomes_a_link_to_the_inputs_costs_none_of_them(
    options: dict[str, bool],
) -> None:
    Path("in").mkdir()
    Path("out").mkdir()
    names = ["a.png", "a.compare.png", "b.png"]
    for seed, name in enumerate(names):
        make.save(Path("in") / name, make.pixels(3, seed=seed))
    todo = jobs(*(f"in/{name}" for name in names), output="out", overwrite=True, **options)
    before = {name: (Path("in") / name).read_bytes() for name in names}
    Path("out").rmdir()
    Path("out").symlink_to("in")
    found = run(todo, overwrite=True, **options)
    assert {name: (Path("in") / name).read_bytes() for name in names} == before
    assert [found[0].status, found[2].status] == ["failed"] * 2
    assert found[0].error == "out/a.png: has become an input meanwhile; nothing is replaced"


class Group:
    """Inverts pictures several at once, and remembers which; one that is told to fails, alone or with all."""

    def __init__(self, fail: str = "", error: Exception | None = None) -> None:
        self.calls: list[list[str]] = []
        self._fail, self._error = fail, error

    def __call__(self, pictures: Sequence[Any], on_progress: Callable[[float], None]) -> list[Any]:
        self.calls.append([picture.job.source.stem for picture in pictures])
        on_progress(0.5)
        if self._error is not None and self._fail in self.calls[-1] and len(pictures) > 1:
            raise self._error
        return [
            InputError("of another size")
            if picture.job.source.stem == self._fail and self._error is None
            else invert(picture.pixels, lambda _: None)
            for picture in pictures
        ]


class TestGroups:
    """Pictures that are restored at once: those whose turn comes next, each read once."""

    def pictures(self, *names: str) -> list[Job]:
        for number, name in enumerate(names):
            make.save(Path(f"{name}.png"), make.smooth(3) // (number + 1))
        return jobs(*(f"{name}.png" for name in names))

    def done(self, todo: list[Job], group: Group, size: int, **options: Any) -> list[Outcome]:
        return list(batch.run(todo, lambda: group, BatchOptions(**options), silent, size=size))

    def test_as_many_as_fit_are_restored_at_once_and_given_in_their_turn(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        todo, group, read = self.pictures(*"abcde"), Group(), list[str]()
        reading = images.read
        monkeypatch.setattr(
            images, "read", lambda source, **words: (read.append(source.stem), reading(source, **words))[1]
        )
        outcomes = self.done(todo, group, 2)
        assert [outcome.job for outcome in outcomes] == todo
        assert {outcome.status for outcome in outcomes} == {"done"}
        assert group.calls == [["a", "b"], ["c", "d"], ["e"]]
        assert sorted(read) == list("abcde")
        for name in "abcde":
            before, after = (images.read(Path(f"{name}{end}.png")).pixels for end in ("", ".denoised"))
            assert np.array_equal(after, 255 - before)

    def test_progress_is_told_of_all_that_are_restored_at_once(self) -> None:
        findings: list[tuple[str, float, int]] = []
        todo = self.pictures(*"abc")
        list(
            batch.run(
                todo,
                Group,
                BatchOptions(),
                lambda job, share, others: findings.append((job.name, share, len(others))),
                size=2,
            )
        )
        assert findings == [("a.png", 0.5, 2), ("b.png", 1.0, 0), ("c.png", 0.5, 1)]

    def test_the_seconds_are_shared_evenly(self, monkeypatch: pytest.MonkeyPatch) -> None:
        todo, now = self.pictures(*"abc"), [0.0]
        monkeypatch.setattr(time, "perf_counter", lambda: now[0])

        class Slow(Group):
            def __call__(self, pictures: Sequence[Any], on_progress: Callable[[float], None]) -> list[Any]:
                now[0] += 6.0
                return super().__call__(pictures, on_progress)

        assert [outcome.seconds for outcome in self.done(todo, Slow(), 3)] == [2.0, 2.0, 2.0]

    def test_a_picture_that_cannot_be_restored_or_read_fails_alone(self) -> None:
        todo, group = self.pictures(*"abcd"), Group("c")
        Path("b.png").write_bytes(b"junk")
        outcomes = self.done(todo, group, 4)
        assert [outcome.status for outcome in outcomes] == ["done", "failed", "failed", "done"]
        assert outcomes[2].error == "of another size"
        assert group.calls == [["a", "c", "d"]]

    def test_what_fails_for_want_of_memory_together_is_tried_again_in_its_turn(self) -> None:
        todo, group = self.pictures(*"abc"), Group("a", MemoryError())
        outcomes = self.done(todo, group, 3)
        assert [outcome.status for outcome in outcomes] == ["failed", "done", "done"]
        assert group.calls == [["a", "b", "c"], ["b", "c"]]

    def test_large_pictures_are_not_gathered(self, monkeypatch: pytest.MonkeyPatch) -> None:
        todo, group = self.pictures(*"abcd"), Group()
        monkeypatch.setattr(batch, "MOST_BYTES", 2 * make.smooth(3).nbytes)
        self.done(todo, group, 9)
        assert group.calls == [["a", "b"], ["c", "d"]]

    def test_what_is_done_already_is_in_no_group(self) -> None:
        todo, group = self.pictures(*"abc"), Group()
        settings: dict[str, Any] = {"skip_existing": True, "provenance": {"tool": "genrestore"}}
        self.done(todo[1:2], Group(), 1, **settings)
        outcomes = self.done(todo, group, 3, **settings)
        assert [outcome.status for outcome in outcomes] == ["done", "skipped", "done"]
        assert group.calls == [["a", "c"]]

    def test_who_stops_finds_nothing_written_of_the_rest_of_a_group(self) -> None:
        outcomes = batch.run(self.pictures(*"abc"), Group, BatchOptions(), silent, size=3)
        next(outcomes)
        del outcomes
        assert not Path("c.denoised.png").exists()
