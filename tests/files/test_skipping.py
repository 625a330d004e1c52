"""Which results are done: by what they say of themselves, by their input, and by being whole."""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from genrestore.files.codecs import images
from genrestore.files.plan import skipping, sources
from genrestore.files.plan.jobs import Attachment, Job, comparison_path
from genrestore.files.plan.skipping import Existing
from tests.files import make

WANTED = {
    "tool": "genrestore",
    "version": "1",
    "command": "denoise",
    "weights": "photo",
    "weights_sha256": "ab",
    "sigma": None,
    "strength": 1.0,
    "seed": 0,
}
DONE = Existing(done="done before, with the same parameters")


@pytest.fixture(autouse=True)
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Job:
    """in.png, to become out.png, in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    make.save(Path("in.png"), make.smooth(3))
    return Job(Path("in.png"), Path("out.png"), "PNG")


def made(path: Path, format: str = "PNG", source: str | None = "in.png", **changed: Any) -> Path:
    """A result as `batch` writes it."""
    record: dict[str, Any] = {**WANTED, "noise_level": 0.05, **changed}
    if source is not None:
        record["source_sha256"] = sources.source_sha256(Path(source))
    path.write_bytes(make.encoded(make.plain(make.smooth(3)), format, record))
    return path


def examined(job: Job, provenance: dict[str, Any] | None = WANTED, *, compare: bool = False) -> Existing:
    return skipping.examine(job, provenance, compare=compare, max_pixels=10**6)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_the_same_parameters_of_the_same_input_are_done(job: Job, format: str) -> None:
    target = Path(f"out.{format.lower()}")
    assert examined(Job(job.source, target, format)) == Existing(), "nothing is there yet"
    made(target, format)
    assert examined(Job(job.source, target, format)) == DONE
    assert examined(Job(job.source, target, None)) == DONE


def test_names_and_findings_do_not_count(job: Job) -> None:
    made(Path("out.png"), weights="the same under another name", noise_level=0.2)
    assert examined(job) == DONE


CHANGES: list[tuple[dict[str, Any], str]] = [
    ({"version": "0.9"}, "version was '0.9'"),
    ({"command": "inpaint"}, "command was 'inpaint'"),
    ({"weights_sha256": "cd"}, "the weights were others"),
    ({"sigma": 12.0}, "sigma was 12.0"),
    ({"strength": 0.5}, "strength was 0.5"),
    ({"seed": 7}, "seed was 7"),
    ({"grow": 3}, "grow was 3"),
    ({"seed": None}, "seed was not given"),
    ({"source": None}, "the input was another one"),
]


@pytest.mark.parametrize(("change", "reason"), CHANGES)
def test_another_parameter_is_made_again(job: Job, change: dict[str, Any], reason: str) -> None:
    made(Path("out.png"), **change)
    assert examined(job) == Existing(stale=reason)


def test_another_input_of_that_name_is_made_again(job: Job) -> None:
    made(Path("out.png"))
    times = Path("in.png").stat()
    make.save(Path("in.png"), 255 - make.smooth(3))
    os.utime("in.png", ns=(times.st_atime_ns, times.st_mtime_ns))
    assert examined(job) == Existing(stale="the input was another one")


def test_a_copy_of_the_input_with_another_date_is_the_same(job: Job) -> None:
    made(Path("out.png"))
    os.utime("in.png", (1, 1))
    assert examined(job) == DONE


def test_a_result_of_another_format_is_made_again(job: Job) -> None:
    made(Path("out.png"), "JPEG")
    assert examined(job) == Existing(stale="it was JPEG")


@pytest.mark.parametrize("keep", [-1, -40])
@pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
def test_a_damaged_result_is_made_again(job: Job, format: str, keep: int) -> None:
    target = made(Path("out.png"), format)
    target.write_bytes(target.read_bytes()[:keep])
    found = examined(Job(job.source, target, format))
    assert found == Existing(stale="it was damaged")
    assert examined(Job(job.source, target, format), None) == found, "without provenance too"


def animation() -> bytes:
    from PIL import Image as Pillow

    stream = io.BytesIO()
    frames = [Pillow.fromarray(make.smooth(3)), Pillow.fromarray(255 - make.smooth(3))]
    frames[0].save(stream, "PNG", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def wide_tiff() -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, make.smooth(1).astype(np.uint32))
    return stream.getvalue()


def our_tag_in_another_tiff() -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, make.smooth(1), extratags=[(65042, 7, 8, b"\0\1measure", True)])
    return stream.getvalue()


UNREADABLE = {
    "text": b"My notes of the whole summer.\n",
    "nothing": b"",
    "zeros": bytes(4096),
    "the begin of a picture": make.encoded(make.plain(make.smooth(3)), "PNG")[:-40],
    "our name in a text": b'{"tool":"genrestore"}',
    "a TIFF of 32 bits": wide_tiff(),
    "an animation": animation(),
}
FOREIGN = {
    **UNREADABLE,
    "a picture": make.encoded(make.plain(make.smooth(3)), "PNG"),
    "another tool's": make.encoded(make.plain(make.smooth(3)), "PNG", {"tool": "another"}),
    "our tag": our_tag_in_another_tiff(),
}


@pytest.mark.parametrize("content", FOREIGN.values(), ids=FOREIGN)
def test_what_does_not_say_that_it_is_ours_is_neither_done_nor_made_again(job: Job, content: bytes) -> None:
    Path("out.png").write_bytes(content)
    assert skipping.is_foreign(Path("out.png"))
    assert examined(job) == Existing(foreign=Path("out.png"))


@pytest.mark.parametrize("content", UNREADABLE.values(), ids=UNREADABLE)
def test_without_provenance_what_cannot_be_decoded_stays(job: Job, content: bytes) -> None:
    Path("out.png").write_bytes(content)
    assert examined(job, None) == Existing(foreign=Path("out.png"))


def test_links_folders_and_pipes_are_not_ours(job: Job) -> None:
    """Nothing is opened that could keep us waiting."""
    os.mkfifo("pipe")
    Path("folder").mkdir()
    assert not skipping.is_foreign(Path("missing.png"))
    for place in ("pipe", "folder", "nowhere"):
        Path("out.png").symlink_to(place)
        assert examined(job) == Existing(foreign=Path("out.png"))
        Path("out.png").unlink()
    os.mkfifo("out.png")
    assert examined(job) == examined(job, None) == Existing(foreign=Path("out.png"))


def test_what_is_written_beside_results_is_told_by_itself(job: Job) -> None:
    def is_ours(path: Path) -> bool:
        return path.read_bytes() == b"ours"

    numbers = Attachment("numbers", "denoised", lambda _: b"ours", "its numbers", is_ours)
    place = Path("out.numbers")
    place.write_bytes(b"someone's")
    found = skipping.examine(job, WANTED, compare=False, max_pixels=10**6, attachment=numbers)
    assert found == Existing(foreign=place)
    place.write_bytes(b"ours")
    found = skipping.examine(job, WANTED, compare=False, max_pixels=10**6, attachment=numbers)
    assert found == Existing(stale="only its numbers was there")


def test_without_provenance_what_can_be_decoded_is_done(job: Job) -> None:
    Path("out.png").write_bytes(make.encoded(make.plain(make.smooth(3)), "PNG"))
    said = "exists and can be decoded; with --no-provenance nothing more is compared"
    assert examined(job, None) == Existing(done=said)


def test_the_comparison_belongs_to_the_result(job: Job) -> None:
    beside = comparison_path(Path("out.png"))
    made(Path("out.png"))
    assert examined(job, compare=True) == Existing(stale="the comparison was missing")
    made(beside, strength=0.5)
    assert examined(job, compare=True) == Existing(stale="strength was 0.5")
    made(beside)
    assert examined(job, compare=True) == DONE
    Path("out.png").unlink()
    assert examined(job, compare=True) == Existing(stale="only the comparison was there")


def test_nothing_is_restored_in_place_twice(job: Job) -> None:
    in_place = Job(Path("in.png"), Path("in.png"), None)
    assert examined(in_place) == Existing()
    made(Path("in.png"), source=None)
    assert examined(in_place) == Existing(done="restored in place before")
    made(Path("in.png"), source=None, strength=0.5)
    said = "restored in place before; strength was 0.5, and the original is gone"
    assert examined(in_place) == Existing(done=said)
    made(Path("in.png"), source=None, command="inpaint")
    assert examined(in_place) == Existing()


def test_a_missing_input_is_never_done(job: Job) -> None:
    made(Path("out.png"))
    Path("in.png").unlink()
    assert examined(job) == examined(job, None) == Existing()


def test_streams_and_pipes(job: Job) -> None:
    os.mkfifo("pipe")
    assert examined(Job(None, Path("out.png"), "PNG")) == Existing()
    assert examined(Job(Path("in.png"), None, None)) == Existing()
    assert sources.source_sha256(Path("pipe")) is None
    assert sources.source_sha256(io.BytesIO(Path("in.png").read_bytes())) == sources.source_sha256(
        Path("in.png")
    )


def test_a_large_result_is_judged_by_the_limit_of_its_input(job: Job) -> None:
    """A comparison has twice the pixels of an input that was just small enough."""
    made(Path("out.png"))
    both = np.concatenate([make.smooth(3)] * 2, axis=1)
    record = {**WANTED, "source_sha256": sources.source_sha256(Path("in.png"))}
    comparison_path(Path("out.png")).write_bytes(make.encoded(make.plain(both), "PNG", record))
    height, width = images.read(Path("in.png")).pixels.shape[2:]
    assert skipping.examine(job, WANTED, compare=True, max_pixels=height * width) == DONE
