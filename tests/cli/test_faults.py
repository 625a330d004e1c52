"""Runs that end badly: nothing is lost, nothing is half there, the exit code is true, the next run finishes.

All twenty kills, and what takes longer, are in tests/soak.
"""

from __future__ import annotations

import resource
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from typer.testing import CliRunner

from genrestore.cli.app import app
from tests.cli.conftest import Run
from tests.faults import GENRESTORE, Place, contents, fill, left_overs, read_to_end

pytestmark = pytest.mark.slow

Finish = Callable[[Place], None]
COUNT, MANY = 12, 36
"""Pictures; many, so that some are left, however late a signal comes on a busy machine."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of pictures for all tests; each of them checks that it stays as it is."""
    folder = tmp_path_factory.mktemp("inputs")
    fill(folder, COUNT)
    return folder


@pytest.fixture(scope="module")
def undisturbed(weights: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Results of a run that nothing disturbs, of as many pictures as any test has."""
    folder = tmp_path_factory.mktemp("undisturbed")
    fill(folder / "in", MANY)
    place = Place(weights, folder / "in", folder / "out")
    assert CliRunner().invoke(app, place.words()).exit_code == 0
    return place.check_finished()


@pytest.fixture
def place(weights: str, filled: Path, tmp_path: Path) -> Place:
    return Place(weights, filled, tmp_path / "out")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    folder = tmp_path / "disk"
    folder.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    with suppress(FileNotFoundError):
        if subprocess.run(words, capture_output=True, check=False).returncode == 0:
            yield folder
            subprocess.run(["umount", "--lazy", str(folder)], check=True)
            return
    pytest.skip("only root may mount a file system")


def as_in_a_terminal() -> None:
    """Ctrl-C interrupts, also where the tests themselves run in the background of a shell."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def finish(run: Run, undisturbed: dict[str, str]) -> Finish:
    """The next run does what is missing, and its results are those of a run that nothing disturbed."""

    def go_on(place: Place) -> None:
        result = run(*place.words("--skip-existing"))
        assert result.exit_code == 0, result.stderr
        assert place.check_finished() == {name: undisturbed[name] for name in place.before}

    return go_on


def test_killed_and_killed_again(place: Place, finish: Finish) -> None:
    """Once while a result is being written, once between two, and the runs go on where they were ended."""
    for in_the_middle in (True, False):
        before = len(contents(place.results))
        with place.start("--skip-existing") as process:
            assert process.stderr is not None
            for line in process.stderr:
                if b" -> " in line:
                    break
            while in_the_middle and process.poll() is None and not left_overs(place.results):
                time.sleep(0.0005)
            process.kill()
            assert process.wait() == -signal.SIGKILL
        assert before < len(place.check()) < COUNT
    finish(place)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_interrupted(weights: str, tmp_path: Path, number: signal.Signals, finish: Finish) -> None:
    fill(tmp_path / "in", MANY)
    place = Place(weights, tmp_path / "in", tmp_path / "out")
    with place.start(preexec_fn=as_in_a_terminal) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.send_signal(number)
        code, said = read_to_end(process)
    done = len(place.check())
    assert said[-1] == f"genrestore: interrupted: {done} done, {MANY - done} left"
    assert (code, left_overs(place.results)) == (130, [])
    finish(place)


def test_killed_while_inputs_are_replaced(
    run: Run, weights: str, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    """With --in-place every picture is the old or the new one, and none is restored twice afterwards."""
    fill(tmp_path / "in", COUNT)
    place = Place(weights, tmp_path / "in", tmp_path / "in")
    words = [word for word in place.words("--in-place") if word not in ("-o", f"{place.results}/")]
    results = {name: undisturbed[name] for name in place.before}
    with subprocess.Popen([*GENRESTORE, *words], stderr=subprocess.PIPE) as process:
        assert process.stderr is not None
        process.stderr.readline()
        process.kill()
    now = contents(place.inputs)
    assert 0 < sum(now[name] == results[name] for name in now) < COUNT
    assert all(now[name] in (place.before[name], results[name]) for name in place.before)
    assert run(*words, "--skip-existing").exit_code == 0
    assert contents(place.inputs) == results
    assert left_overs(place.inputs) == []


def test_a_limit_of_the_size_of_files(place: Place, finish: Finish) -> None:
    """A result that would become too large fails like one on a full disk; smaller ones are written."""
    limit = 50_000

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    with place.start(preexec_fn=limited) as process:
        code, said = read_to_end(process)
    found = place.check()
    failed = [line for line in said if ": cannot be written (" in line]
    assert (code, left_overs(place.results)) == (1, [])
    assert 0 < len(found) == COUNT - len(failed)
    assert said[-1] == f"{len(found)} done, {len(failed)} failed"
    finish(place)
    sizes = {name: (place.results / name).stat().st_size for name in place.before}
    assert set(found) == {name for name, size in sizes.items() if size <= limit}


def test_a_full_disk(run: Run, place: Place, disk: Path, finish: Finish) -> None:
    place.results = disk / "out"
    result = run(*place.words())
    said = result.stderr.splitlines()
    found = place.check()
    assert 0 < len(found) < COUNT
    assert sum(": cannot be written (" in line for line in said) == COUNT - len(found)
    assert (result.exit_code, left_overs(disk)) == (1, [])
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    finish(place)


def test_a_folder_that_cannot_be_written(run: Run, place: Place, disk: Path, finish: Finish) -> None:
    """Read-only, so that it is true for root as well."""
    place.results = disk / "out"
    place.results.mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    result = run(*place.words())
    said = result.stderr.splitlines()
    assert len(said) == COUNT + 1
    assert all(": cannot be written, " in line for line in said[:-1])
    assert (result.exit_code, said[-1], place.check()) == (1, f"{COUNT} failed", {})
    subprocess.run(["mount", "-o", "remount,rw,size=64m", str(disk)], check=True)
    finish(place)


def test_inputs_that_disappear_meanwhile(weights: str, tmp_path: Path) -> None:
    fill(tmp_path / "in", COUNT)
    place = Place(weights, tmp_path / "in", tmp_path / "out")
    gone = sorted(place.inputs.rglob("*.*"))[-3:]
    with place.start() as process:
        assert process.stderr is not None
        process.stderr.readline()
        for path in gone:
            path.unlink()
        code, said = read_to_end(process)
    assert (code, said[-1]) == (1, f"{COUNT - 3} done, 3 failed")
    assert [line for line in said if "failed: " in line] == [f"{path}  failed: no such file" for path in gone]
    for path in gone:
        del place.before[str(path.relative_to(place.inputs))]
    place.check_finished()


@pytest.mark.parametrize("shards", [("1/1", "1/1"), ("1/2", "2/2")], ids=" and ".join)
def test_two_at_once(place: Place, shards: tuple[str, str], finish: Finish) -> None:
    """Two of one share overtake each other, two shares do not meet; neither is a failure."""
    both = [place.start("--skip-existing", "--shard", shard) for shard in shards]
    ends = [read_to_end(process) for process in both]
    for process in both:
        assert process.stderr is not None
        process.stderr.close()
    said = [line for _, lines in ends for line in lines]
    assert [code for code, _ in ends] == [0, 0], said
    assert sum(" -> " in line for line in said) >= COUNT
    assert not any("failed" in line for line in said)
    finish(place)


def test_two_at_once_without_skipping_tell_who_was_second(place: Place, finish: Finish) -> None:
    """Nobody's result is replaced: every picture is written once, and the other run says that it exists."""
    both = [place.start(), place.start()]
    ends = [read_to_end(process) for process in both]
    for process in both:
        assert process.stderr is not None
        process.stderr.close()
    said = [line for _, lines in ends for line in lines]
    assert sum(" -> " in line for line in said) == COUNT
    codes = sorted(code for code, _ in ends)
    assert codes in ([0, 1], [1, 1], [0, 2]), said
    finish(place)
