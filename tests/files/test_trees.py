"""Folders in folders: what is gone into, what is left out, and that it ends."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from genrestore.files.plan import sources
from genrestore.files.plan.jobs import Job, OutputOptions
from tests.files.make import touch


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(*words: str, **options: Any) -> list[Job]:
    return list(sources.sources(words, OutputOptions(recursive=True, **options)))


def taken(*words: str, **options: Any) -> list[str]:
    return [str(job.source) for job in found(*words, **options) if job.is_open]


def reasons(*words: str, **options: Any) -> dict[str, str | None]:
    return {str(job.source): job.skipped for job in found(*words, **options) if not job.is_open}


def test_files_of_a_folder_come_before_its_folders_each_in_order() -> None:
    touch("in/z.png", "in/a/b.png", "in/a/a/c.png", "in/a/a.png", "in/b/a.png")
    expected = ["in/z.png", "in/a/a.png", "in/a/b.png", "in/a/a/c.png", "in/b/a.png"]
    assert taken("in") == expected
    assert [str(job.inside) for job in found("in")] == [".", "a", "a", "a/a", "b"]


def test_without_recursion_the_way_in_is_said() -> None:
    touch("in/a.png", "in/sub/b.png")
    (last,) = [s for s in sources.sources(["in"], OutputOptions()) if not s.is_open]
    assert (last.source, last.skipped) == (Path("in/sub"), "a folder inside the folder; -r goes into it")


def test_links_to_folders_are_not_followed_and_there_are_no_loops() -> None:
    touch("in/a.png", "other/b.png", "in/sub/c.png")
    Path("in/loop").symlink_to(".")
    Path("in/sub/up").symlink_to("..")
    Path("in/out").symlink_to("../other")
    Path("in/me.png").symlink_to("me.png")
    link = "a link to a folder; name it to take what is in it"
    assert taken("in") == ["in/a.png", "in/me.png", "in/sub/c.png"]
    assert reasons("in") == {"in/loop": link, "in/out": link, "in/sub/up": link}
    assert taken("in/out") == ["in/out/b.png"], "but named it is"


def test_a_name_that_is_reached_twice_is_an_input_once() -> None:
    touch("in/sub/a.png")
    Path("other").symlink_to("in")
    assert taken("in", "in/sub", "other") == ["in/sub/a.png"]
    assert reasons("in/sub/a.png", "other") == {"other/sub/a.png": "named before"}


def test_every_name_in_a_folder_is_an_input_also_that_of_a_link() -> None:
    touch("in/holiday.png", "in/sub/a.png", "elsewhere.png")
    Path("in/cover.png").symlink_to("holiday.png")
    Path("in/b.png").symlink_to("sub/a.png")
    Path("in/z.png").symlink_to("../elsewhere.png")
    Path("in/y.png").symlink_to("z.png")
    names = ["in/b.png", "in/cover.png", "in/holiday.png", "in/y.png", "in/z.png", "in/sub/a.png"]
    assert taken("in") == taken("in", output="out/") == names


def test_in_place_a_file_of_several_names_is_an_input_once() -> None:
    touch("in/holiday.png")
    Path("in/cover.png").symlink_to("holiday.png")
    assert taken("in", in_place=True) == ["in/cover.png"]
    assert reasons("in", in_place=True) == {"in/holiday.png": "the same file as in/cover.png"}


def test_hidden_folders_and_the_folder_of_the_results_are_left_alone() -> None:
    touch("in/a.png", "in/.thumbs/b.png", "in/results/a.png")
    assert taken("in", output="in/results/") == ["in/a.png"]
    assert reasons("in", output="in/results/") == {
        "in/.thumbs": "a hidden folder",
        "in/results": "the folder of the results",
    }
    assert taken("in", output="elsewhere") == ["in/a.png", "in/results/a.png"]


def test_own_outputs_are_told_by_the_suffix_of_this_run_where_they_lie_among_the_inputs() -> None:
    touch("in/a.png", "in/a.clean.v2.png", "in/a.denoised.png")
    assert taken("in", suffix="clean.v2") == ["in/a.png"]
    assert taken("in", suffix="clean.v2", output="out") == ["in/a.clean.v2.png", "in/a.png"]
    assert taken("in", infix="denoised") == ["in/a.clean.v2.png", "in/a.png"]


def test_a_folder_that_cannot_be_read_fails_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    touch("in/a.png", "in/locked/b.png", "in/open/c.png")
    listed = Path.iterdir

    def refuse(path: Path) -> Any:
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr(Path, "iterdir", refuse)
    problems = {str(job.source): job.problem for job in found("in") if job.problem}
    assert problems == {"in/locked": "in/locked: the folder cannot be read (Permission denied)"}
    assert taken("in") == ["in/a.png", "in/open/c.png"]


def test_files_that_cannot_be_looked_at_stay_inputs(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a folder that may be listed and not entered."""
    touch("in/a.png", "in/b.txt")
    looked = Path.stat

    def refuse(path: Path, *, follow_symlinks: bool = True) -> Any:
        if path.parent.name == "in":
            raise PermissionError(13, "Permission denied")
        return looked(path, follow_symlinks=follow_symlinks)

    monkeypatch.setattr(Path, "stat", refuse)
    assert sources.reason_to_skip(Path("in/a.png")) is None
    assert sources.reason_to_skip(Path("in/b.txt")) == "not a picture"


def test_a_deep_tree() -> None:
    deep = Path("in", *["d"] * 400)
    deep.mkdir(parents=True)
    (deep / "a.png").touch()
    assert taken("in") == [str(deep / "a.png")]
