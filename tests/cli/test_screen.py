"""stderr with and without a terminal."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from genrestore.cli import live, report
from genrestore.files.plan.jobs import Job


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal(monkeypatch: pytest.MonkeyPatch, columns: int = 80) -> Terminal:
    """Make stderr a terminal; not a fixture, since pytest sets stderr anew after those."""
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setenv("TERM", "xterm-256color")
    return stream


def jobs(folder: Path, count: int) -> list[Job]:
    sources = [folder / f"picture{index}.png" for index in range(count)]
    for index, source in enumerate(sources):
        source.write_bytes(b"x" * (1 + 2 * index))
    return [Job(source=source, target=None, format=None, skipped=None) for source in sources]


def test_lines_where_there_is_no_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = report.choose([], bar=True)
    assert type(chosen) is report.Screen
    chosen.start()
    chosen.line("one")
    chosen.line("two", failed=True)
    chosen.stop()
    assert capsys.readouterr().err == "one\ntwo\n"


def test_colours_asked_for_elsewhere_change_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("FORCE_COLOR", "GITHUB_ACTIONS"):
        monkeypatch.setenv(name, "1")
    chosen = report.choose([], bar=True)
    chosen.line("one", failed=True)
    assert capsys.readouterr().err == "one\n"


def test_no_bar_unless_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal(monkeypatch)
    assert type(report.choose([], bar=False)) is report.Screen
    monkeypatch.setenv("TERM", "dumb")
    assert type(report.choose([], bar=True)) is report.Screen


@pytest.mark.parametrize("columns", [40, 60, 80, 140])
def test_the_bar_shows_total_name_and_time_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, columns: int
) -> None:
    stream = terminal(monkeypatch, columns)
    work = jobs(tmp_path, 2)
    chosen = report.choose(work, bar=True)
    assert isinstance(chosen, live.LiveScreen)
    chosen.start()
    chosen.progress(work[0], 1.0)
    chosen.finished(work[0])
    chosen.progress(work[1], 1 / 3)
    chosen._bar.refresh()
    chosen.line("picture0.png -> x")
    chosen.stop()
    said = stream.getvalue()
    assert "2/2  picture1.png" in said
    assert "50%" in said  # one byte of four, and a third of the other three
    assert "picture0.png -> x\n" in said
    assert "--:--" in said or "0:00" in said


def test_the_bar_never_goes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next input is at work before the last one is finished: of 1, 3 and 5 bytes."""
    terminal(monkeypatch)
    work = jobs(tmp_path, 3)
    chosen = live.LiveScreen(work)
    seen = []
    for job, fraction in [(0, 1.0), (1, 0.5), (0, None), (1, 1.0), (2, 0.2), (1, None), (2, None)]:
        if fraction is None:
            chosen.finished(work[job])
        else:
            chosen.progress(work[job], fraction)
        seen.append((chosen._bar.tasks[0].completed, chosen._bar.tasks[0].description))
    assert seen == [
        (1, "1/3  picture0.png"),
        (2.5, "2/3  picture1.png"),
        (2.5, "2/3  picture1.png"),
        (4, "2/3  picture1.png"),
        (5, "3/3  picture2.png"),
        (5, "3/3  picture2.png"),
        (9, "3/3  picture2.png"),
    ]


def test_inputs_that_are_restored_together_move_the_bar_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of 1, 3 and 5 bytes; the first one's call restores the first two."""
    terminal(monkeypatch)
    work = jobs(tmp_path, 3)
    chosen = live.LiveScreen(work)
    seen = []
    for share in (0.25, 0.5, 1.0):
        chosen.progress(work[0], share, work[:2])
        seen.append((chosen._bar.tasks[0].completed, chosen._bar.tasks[0].description))
    chosen.finished(work[0])
    chosen.progress(work[1], 1.0)
    seen.append((chosen._bar.tasks[0].completed, chosen._bar.tasks[0].description))
    first = "1/3  picture0.png"
    assert seen == [(1, first), (2, first), (4, first), (4, "2/3  picture1.png")]


def test_no_colour(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stream = terminal(monkeypatch)
    monkeypatch.setenv("NO_COLOR", "1")
    chosen = report.choose(jobs(tmp_path, 1), bar=True)
    chosen.line("[bold]broken[/bold].png  failed", failed=True)
    assert stream.getvalue() == "[bold]broken[/bold].png  failed\n"


def test_a_stderr_that_is_gone_does_not_stop_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    stream.close()
    monkeypatch.setattr(sys, "stderr", stream)
    report.write("anything")


@pytest.mark.parametrize(
    ("path", "room", "seen"),
    [
        ("a/b.png", 80, "a/b.png"),
        ("photos/2019/summer/IMG_0001.jpg", 21, "…/summer/IMG_0001.jpg"),
        ("photos/2019/summer/IMG_0001.jpg", 20, "…summer/IMG_0001.jpg"),
        ("photos/2019/summer/IMG_0001.jpg", 3, "…/IMG_0001.jpg"),
        ("photos/2019/summer/IMG_0001.jpg", -9, "…/IMG_0001.jpg"),
        ("a/name-without-folders-to-leave-out.png", 9, "a/name-without-folders-to-leave-out.png"),
        ("name-without-folders-to-leave-out.png", 9, "name-without-folders-to-leave-out.png"),
    ],
)
def test_paths_are_shortened_from_the_left_and_keep_their_file_name(path: str, room: int, seen: str) -> None:
    assert report.fitted(path.replace("/", os.sep), room) == seen.replace("/", os.sep)


def test_where_there_is_no_terminal_a_line_is_as_long_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    assert report.columns() is None
