"""Lines, JSON records, sums and exit codes."""

from __future__ import annotations

import io
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from genrestore.cli import report
from genrestore.cli.report_page import Page
from genrestore.errors import GenrestoreError, InputError, Interrupted, UsageError
from genrestore.files.plan.jobs import Job
from genrestore.files.work.batch import Outcome
from genrestore.restore.task import Findings

KEYS = [
    "schema",
    "input",
    "output",
    "status",
    "seconds",
    "sigma",
    "psnr",
    "ssim",
    "in_domain",
    "distance",
    "own_distance",
    "starts",
    "sigma_luma",
    "sigma_chroma",
    "device",
    "error",
]


FOUND = {"noise_level", "in_domain", "figures"}


def job(name: str | None = "a.png", target: str | None = "a.denoised.png", **given: Any) -> Job:
    settings: dict[str, Any] = {"format": None, "skipped": None, **given}
    return Job(
        source=None if name is None else Path(name),
        target=None if target is None else Path(target),
        **settings,
    )


def outcome(of: Job | None = None, **given: Any) -> Outcome:
    of = of or job()
    settings: dict[str, Any] = {
        "job": of,
        "status": "done",
        "seconds": 4.123456,
        "notes": (),
        "error": None,
        "target": of.target,
    }
    found = {"noise_level": 12.3 / 255, **{name: given.pop(name) for name in FOUND & given.keys()}}
    settings |= {"findings": Findings(**found), **given}
    return Outcome(**settings)


DONE = outcome()
SKIPPED = outcome(
    job("b.txt", None, skipped="not a picture"), status="skipped", noise_level=None, seconds=0.0
)
FAILED = outcome(job("c.jpg"), status="failed", noise_level=None, error="c.jpg: truncated", target=None)
LINES = [
    (DONE, True, None, "a.png -> a.denoised.png  noise level 12.3 (estimated)  4.1 s"),
    (DONE, False, None, "a.png -> a.denoised.png  noise level 12.3  4.1 s"),
    (
        DONE,
        False,
        report.Scores(30.123, 0.91239),
        "a.png -> a.denoised.png  noise level 12.3  PSNR 30.12 dB  SSIM 0.9124 (8-bit range)  4.1 s",
    ),
    (
        outcome(seconds=0.04),
        False,
        report.Scores(math.inf, math.nan),
        "a.png -> a.denoised.png  noise level 12.3  PSNR inf dB (8-bit range)  0.0 s",
    ),
    (
        outcome(notes=("little noise found", "CMYK converted")),
        True,
        None,
        "a.png -> a.denoised.png  noise level 12.3 (estimated)  4.1 s  (little noise found; CMYK converted)",
    ),
    (outcome(job(None, None), noise_level=None), True, None, "standard input -> standard output  4.1 s"),
    (
        outcome(job("a\n\x1b[31m\udcff.png", "o")),
        False,
        None,
        "a\\n\\x1b[31m\\udcff.png -> o  noise level 12.3  4.1 s",
    ),
    (SKIPPED, True, None, "b.txt  skipped: not a picture"),
    (FAILED, True, None, "c.jpg  failed: truncated"),
]


@pytest.mark.parametrize(("what", "estimated", "scores", "expected"), LINES)
def test_lines(what: Outcome, estimated: bool, scores: report.Scores | None, expected: str) -> None:
    assert report.line(what, what.status, what.error, scores, estimated) == expected


def test_the_device_is_said_where_something_was_computed() -> None:
    assert report.line(DONE, "done", None, None, False, "cuda").endswith("4.1 s on cuda")
    assert report.record(DONE, "done", None, None, "cuda")["device"] == "cuda"
    assert "cuda" not in report.line(SKIPPED, "skipped", None, None, False, "cuda")
    assert report.record(SKIPPED, "skipped", None, None, "cuda")["device"] is None


def test_a_record_has_every_key_and_sigma_in_grey_levels() -> None:
    record = report.record(DONE, "done", None, report.Scores(math.inf, 1.0))
    assert list(record) == KEYS
    assert record == {
        "schema": 1,
        "input": "a.png",
        "output": "a.denoised.png",
        "status": "done",
        "seconds": 4.123,
        "sigma": 12.3,
        "psnr": None,
        "ssim": 1.0,
        "in_domain": None,
        "distance": None,
        "own_distance": None,
        "starts": None,
        "sigma_luma": None,
        "sigma_chroma": None,
        "device": None,
        "error": None,
    }


def test_a_record_has_the_noise_levels_of_luma_and_chroma_in_grey_levels() -> None:
    found = outcome(figures={"sigma_luma": 12.75 / 255, "sigma_chroma": 0.0})
    record = report.record(found, "done", None, None)
    assert (record["sigma_luma"], record["sigma_chroma"]) == (12.75, 0.0)


@pytest.mark.parametrize(("what", "error"), [(SKIPPED, "not a picture"), (FAILED, "c.jpg: truncated")])
def test_a_record_of_what_was_not_written(what: Outcome, error: str) -> None:
    record = report.record(what, what.status, what.error, None)
    assert list(record) == KEYS
    assert (record["output"], record["sigma"], record["error"]) == (None, None, error)


def show(said: report.Report, outcomes: Iterable[Outcome]) -> int:
    for outcome in outcomes:
        if said.add(outcome):
            break
    return said.sum_up()


def shown(outcomes: list[Outcome], **given: Any) -> int:
    with report.Report([one.job for one in outcomes], **given) as said:
        return show(said, iter(outcomes))


def test_several_inputs_end_with_a_sum_and_a_true_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown([DONE, SKIPPED, DONE, FAILED]) == 1
    said = capsys.readouterr()
    assert said.err.splitlines()[-1] == "2 done, 1 skipped, 1 failed"
    assert len(said.err.splitlines()) == 5
    assert said.out == ""
    assert shown([DONE, SKIPPED]) == 0


def test_one_input_needs_no_sum(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown([DONE]) == 0
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_quiet_says_failures_only(capsys: pytest.CaptureFixture[str]) -> None:
    assert shown([DONE, SKIPPED, FAILED], quiet=True) == 1
    assert capsys.readouterr() == ("", "c.jpg  failed: truncated\n")


def test_json_is_one_object_an_input() -> None:
    stream = io.StringIO()
    shown([DONE, SKIPPED, FAILED], json_stream=stream)
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [record["status"] for record in records] == ["done", "skipped", "failed"]


def test_an_interruption_counts_what_is_done_and_left() -> None:
    def outcomes() -> Iterator[Outcome]:
        yield DONE
        yield FAILED
        raise KeyboardInterrupt

    with (
        pytest.raises(Interrupted, match=r"^interrupted: 1 done, 2 left$"),
        report.Report([DONE.job] * 4) as said,
    ):
        show(said, outcomes())


def test_a_result_that_cannot_be_compared_counts_as_failed(capsys: pytest.CaptureFixture[str]) -> None:
    def score(_: Outcome) -> report.Scores:
        raise InputError("a.denoised.png is 3x4 RGB, the reference clean.png is 4x4 RGB")

    stream = io.StringIO()
    assert shown([DONE], score=score, json_stream=stream) == 1
    record = json.loads(stream.getvalue())
    assert (record["status"], record["output"], record["psnr"]) == ("failed", "a.denoised.png", None)
    assert "a.png  failed: written, but not compared: a.denoised.png is 3x4" in capsys.readouterr().err


def test_summary_of_nothing() -> None:
    assert report.summary(Counter()) == "0 done"


@pytest.mark.parametrize(
    ("text", "line"), [("a\r\nb", "a\\r\\nb"), ("é ✓", "é ✓"), ("\udcff\x07", "\\udcff\\x07")]
)
def test_one_line(text: str, line: str) -> None:
    assert report.one_line(text) == line


def test_a_problem_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    report.problem(GenrestoreError("a\nb"))
    assert capsys.readouterr().err == "genrestore: error: a\\nb\n"


class TestJsonFile:
    def test_goes_nowhere_stdout_or_the_file(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with report.json_lines(False, None, [], overwrite=False) as stream:
            assert stream is None
        with report.json_lines(True, None, [], overwrite=False) as stream:
            assert stream is not None
            stream.write("x")
        assert capsys.readouterr().out == "x"
        with report.json_lines(True, tmp_path / "a.json", [], overwrite=False) as stream:
            assert stream is not None
            stream.write("y")
        assert (tmp_path / "a.json").read_text() == "y"

    def refused(self, path: Path, jobs: list[Job], overwrite: bool, match: str) -> None:
        with (
            pytest.raises(UsageError, match=match),
            report.json_lines(False, path, jobs, overwrite=overwrite),
        ):
            pass

    def test_never_replaces_a_picture(self, tmp_path: Path) -> None:
        picture = tmp_path / "a.png"
        picture.write_bytes(b"picture")
        jobs = [job(str(picture), str(tmp_path / "b.png"))]
        self.refused(picture, jobs, True, "is one of the pictures")
        self.refused(tmp_path / "b.png", jobs, True, "is one of the pictures")
        self.refused(picture, [], False, "exists; replace it with --overwrite")
        assert picture.read_bytes() == b"picture"

    def test_leaves_nothing_where_the_work_never_began(self, tmp_path: Path) -> None:
        with pytest.raises(KeyError), report.json_lines(False, tmp_path / "a.json", [], overwrite=False):
            raise KeyError
        assert list(tmp_path.iterdir()) == []

    def test_may_be_a_device(self) -> None:
        with report.json_lines(False, Path("/dev/null"), [], overwrite=False) as stream:
            assert stream is not None
        assert Path("/dev/null").exists()

    def test_that_cannot_be_written_is_wrong_use(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        self.refused(tmp_path / "file" / "a.json", [], False, "--json-file .*: Not a directory")


def test_a_line_fits_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    folder = "photos/of/many/years/and/journeys"
    job = replace(DONE.job, source=Path(f"{folder}/a.png"))
    outcome = replace(DONE, job=job, target=Path(f"restored/{folder}/a.png"), notes=("said at length " * 9,))
    whole = report.line(outcome, "done", None, None, True, "cpu")
    assert whole.startswith(f"{folder}/a.png -> restored/{folder}/a.png  noise level ")
    monkeypatch.setattr(report, "columns", lambda: 80)
    short = report.line(outcome, "done", None, None, True, "cpu")
    assert re.match(r"…\S*/a\.png -> …\S*/a\.png  noise level ", short)
    assert 70 < short.index("  (said") <= 80


@pytest.mark.parametrize("stopped", [False, True])
def test_the_page_has_every_outcome_and_is_written_however_it_ends(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], stopped: bool
) -> None:
    page = Page(tmp_path / "page", ["denoise"])
    findings = report.Report([DONE.job, SKIPPED.job, DONE.job], page=page)
    with pytest.raises(Interrupted) if stopped else nullcontext(), findings:
        show(findings, [DONE, SKIPPED])
        if stopped:
            raise KeyboardInterrupt
    assert [tile.entry.status for tile in page.tiles] == ["done", "skipped"]
    assert (tmp_path / "page" / "index.html").is_file()
    assert f"report -> {tmp_path / 'page' / 'index.html'}" in capsys.readouterr().err


def test_where_nothing_was_begun_there_is_no_page(tmp_path: Path) -> None:
    with report.Report([DONE.job], page=Page(tmp_path / "page", ["denoise"])):
        pass
    assert not (tmp_path / "page").exists()
