from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from genrestore.errors import DeviceError, InputError, Interrupted, NoInputError, UsageError, WeightsError
from genrestore.train.kinds import KINDS
from genrestore.train.kinds.base import Diverged
from genrestore.train.loop import checkpoint, run, session
from genrestore.train.settings import Request
from genrestore.weights import load, store
from tests.train import toy


@pytest.fixture
def asked(tmp_path: Path) -> Request:
    """A request on three images, eight steps."""
    toy.fill(tmp_path / "images")
    return toy.request(tmp_path)


def again(asked: Request, **loop: Any) -> Request:
    """The same run resumed, with nothing said but these settings; its own result may be there."""
    return Request(name="toy", run_dir=asked.run_dir, resume=True, loop=loop)


def run_dir(asked: Request) -> Path:
    assert asked.run_dir is not None
    return asked.run_dir


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_best_goes_into_the_store_under_its_name(asked: Request) -> None:
    result = toy.train(asked)
    assert (result.finished, result.progress.step, result.weights) == (True, 8, store.place("toy"))
    assert sha256(store.resolve("toy")) == sha256(run_dir(asked) / "best.safetensors")
    assert (run_dir(asked) / "reals.png").exists()


def test_the_header_tells_of_the_run_but_not_of_the_user_s_folders(asked: Request, tmp_path: Path) -> None:
    folder = f"{tmp_path / 'images'}{os.sep}:2"
    toy.train(replace(asked, data={"data": [folder]}))
    path = store.resolve("toy")
    training = load.load("toy", toy.RUNTIME).header.training
    assert training["data"]["data"] == ["images:2"]
    assert training["loop"]["steps"] == 8
    assert training["precision"] == "fp32"
    assert str(tmp_path).encode() not in path.read_bytes()


def test_the_header_keeps_what_is_said_of_images_and_terms(asked: Request) -> None:
    toy.train(replace(asked, origin="three drawings", licence="CC0-1.0"))
    header = load.load("toy", toy.RUNTIME).header
    assert (header.data, header.licence) == ("three drawings", "CC0-1.0")
    toy.train(replace(again(asked, steps=10), licence="MIT", extend=True))
    header = load.load("toy", toy.RUNTIME).header
    assert (header.data, header.licence) == ("three drawings", "MIT")


def test_the_run_is_in_the_user_s_folder_if_not_said(asked: Request) -> None:
    toy.train(replace(asked, run_dir=None))
    assert (store.home() / "runs" / "toy" / "checkpoint.safetensors").exists()


def test_an_output_file_instead_of_the_store(asked: Request, tmp_path: Path) -> None:
    target = tmp_path / "deep" / "w.safetensors"
    assert toy.train(replace(asked, output=target)).weights == target
    assert sha256(target) == sha256(run_dir(asked) / "best.safetensors")
    assert not store.place("toy").exists()
    shutil.rmtree(run_dir(asked))
    with pytest.raises(UsageError, match=r"--output .*w\.safetensors: exists; --overwrite replaces it"):
        toy.train(replace(asked, output=target))


def test_an_output_that_cannot_be_written_is_refused_before_the_work(asked: Request, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--output .*: is a folder; name a file"):
        toy.train(replace(asked, output=tmp_path / "images", overwrite=True))
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file is not a folder"):
        toy.train(replace(asked, output=tmp_path / "file" / "w.safetensors"))
    with pytest.raises(UsageError, match=r"'\.\./up' cannot be the name of weights"):
        toy.train(replace(asked, name="../up", run_dir=None, output=tmp_path / "w.safetensors"))
    assert not run_dir(asked).exists()


def test_a_run_may_start_from_the_weights_of_the_run_that_it_replaces(asked: Request) -> None:
    toy.train(asked)
    (run_dir(asked) / ".genrestore-0123abcd-0123abcd.tmp").touch()
    start = run_dir(asked) / "last.safetensors"
    again = toy.train(replace(asked, overwrite=True, init_from=str(start)))
    assert again.finished
    assert not list(run_dir(asked).glob(".genrestore-*"))
    before = sha256(start)
    with pytest.raises(WeightsError, match="no weights named 'nobody'"):
        toy.train(replace(asked, overwrite=True, init_from="nobody"))
    assert sha256(start) == before


def test_an_existing_name_is_refused_before_the_work(asked: Request) -> None:
    toy.train(asked)
    with pytest.raises(UsageError, match=r"toy\.safetensors: exists; replace it with --overwrite"):
        toy.train(replace(asked, run_dir=run_dir(asked).parent / "other"))
    assert not (run_dir(asked).parent / "other").exists()


def test_an_existing_run_is_replaced_only_when_asked(asked: Request) -> None:
    toy.train(asked)
    store.remove("toy")
    before = sha256(run_dir(asked) / "checkpoint.safetensors")
    with pytest.raises(UsageError, match="a run is there; --resume goes on with it, --overwrite replaces it"):
        toy.train(asked)
    assert sha256(run_dir(asked) / "checkpoint.safetensors") == before
    result = toy.train(replace(asked, overwrite=True, loop={**asked.loop, "steps": 4}))
    assert result.progress.step == 4
    assert [path.name for path in (run_dir(asked) / "samples").iterdir()] == ["00000004.png"]


def test_a_folder_of_other_things_is_never_cleared(asked: Request) -> None:
    run_dir(asked).mkdir()
    (run_dir(asked) / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds 'thesis\.tex', which no run wrote"):
        toy.train(replace(asked, overwrite=True))
    assert (run_dir(asked) / "thesis.tex").read_text() == "years of work"


def test_two_trainings_of_one_folder_do_not_meet(asked: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "PATIENCE", 0.0)
    with pytest.raises(Interrupted):
        toy.train(asked, interrupt_at=4)
    before = sha256(run_dir(asked) / "checkpoint.safetensors")
    with run.RunFolder(run_dir(asked), {}).held():
        for words in (again(asked), replace(asked, overwrite=True)):
            with pytest.raises(UsageError, match="another training is going on there; wait for it"):
                toy.train(words)
    assert sha256(run_dir(asked) / "checkpoint.safetensors") == before
    assert toy.train(again(asked)).finished


def test_a_run_folder_that_is_a_file(asked: Request) -> None:
    run_dir(asked).write_text("x")
    with pytest.raises(UsageError, match="is a file; a folder is needed"):
        toy.train(asked)


def test_interrupted_and_resumed_without_a_word_is_the_same(asked: Request, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        toy.train(asked, interrupt_at=4)
    assert toy.train(again(asked)).finished
    whole = replace(asked, name="whole", run_dir=tmp_path / "whole")
    toy.train(whole, interrupt_at=9)
    first, second = (load.load(name, toy.RUNTIME).networks["estimator"] for name in ("toy", "whole"))
    assert all(bool((a == b).all()) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_the_second_of_two_trainings_is_named_where_it_stops(asked: Request) -> None:
    second = replace(toy.KIND, name="restorer", settings=toy.ToySettings(interrupt_at=2))
    first = replace(toy.KIND, then=second)
    with pytest.raises(Interrupted, match=r"^restorer: stopped at step 3 of 8; go on with --resume$"):
        session.run(first, asked, toy.RUNTIME, toy.Witness())
    diverging = replace(second, settings=toy.ToySettings(nan_at=2))
    first = replace(toy.KIND, then=diverging)
    with pytest.raises(Diverged, match=r"^restorer: loss is nan at step"):
        session.run(first, replace(asked, overwrite=True), toy.RUNTIME, toy.Witness())


def test_there_must_be_something_to_resume(asked: Request) -> None:
    with pytest.raises(UsageError, match=r"--resume: no checkpoint at .*run/checkpoint\.safetensors"):
        toy.train(replace(asked, resume=True))


def test_a_damaged_checkpoint_is_refused(asked: Request) -> None:
    toy.train(asked)
    (run_dir(asked) / "checkpoint.safetensors").write_bytes(b"nothing")
    with pytest.raises(WeightsError, match="not a checkpoint of genrestore, or damaged"):
        toy.train(again(asked))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"loop": {"batch_size": 8}}, "--batch-size 8: this run was started with 4"),
        ({"loop": {"seed": 1}}, "--seed 1: this run was started with 0"),
        ({"loop": {"steps": 16}}, "--steps 16: this run was started with 8 and its cosine schedule"),
        ({"loop": {"steps": 4}}, "--steps 4: the run has already done 8"),
        ({"model": {"width": 8}}, "--width 8: this run was started with 4"),
        ({"data": {"holdout_every": 3}}, "--holdout-every 3: this run was started with None"),
        ({"init_from": "photo"}, "--init-from photo: this run was started with None"),
        ({"precision": "bf16"}, "--precision bf16: this run was started with fp32"),
        ({"threads": 3}, "--threads 3: this run was started with"),
    ],
)
def test_a_contradiction_on_resume_names_both_values(
    asked: Request, change: dict[str, Any], message: str
) -> None:
    toy.train(asked)
    before = sha256(run_dir(asked) / "checkpoint.safetensors")
    with pytest.raises(UsageError, match=message):
        session.run(toy.KIND, replace(again(asked), **change), toy.RUNTIME, toy.Witness())
    assert sha256(run_dir(asked) / "checkpoint.safetensors") == before


@pytest.mark.parametrize("schedule", ["constant", "trapezoid"])
def test_more_steps_where_no_learning_rate_would_have_been_another(asked: Request, schedule: str) -> None:
    toy.train(replace(asked, loop={**asked.loop, "schedule": schedule, "cooldown": 0.0}))
    assert toy.train(again(asked, steps=12)).progress.step == 12


def test_extend_takes_other_steps_with_any_schedule(asked: Request) -> None:
    toy.train(asked)
    assert toy.train(replace(again(asked, steps=12), extend=True)).progress.step == 12


def test_a_finished_run_goes_on_without_a_word_and_says_what_will_happen(asked: Request) -> None:
    toy.train(asked)
    before, witness = sha256(store.place("toy")), toy.Witness()
    session.run(toy.KIND, again(asked), toy.RUNTIME, witness)
    assert witness.notes[:2] == [
        f"{store.place('toy')} is replaced at the end",
        "all 8 steps are done, and nothing is left to train; more --steps go on",
    ]
    assert sha256(store.place("toy")) == before
    witness = toy.Witness()
    longer = replace(again(asked, steps=12), extend=True)
    assert session.run(toy.KIND, longer, toy.RUNTIME, witness).progress.step == 12
    assert witness.notes[1] == "goes on at step 8 of 12"
    assert sha256(store.place("toy")) == sha256(run_dir(asked) / "best.safetensors")
    store.remove("toy")
    assert toy.train(again(asked)).weights == store.place("toy"), "handed over again"


def test_weights_of_another_run_are_not_replaced_by_one_that_goes_on(asked: Request, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        toy.train(asked, interrupt_at=4)
    toy.train(replace(asked, run_dir=tmp_path / "other", loop={**asked.loop, "seed": 1}))
    before = sha256(store.place("toy"))
    with pytest.raises(UsageError, match=r"toy\.safetensors: exists, and is not of the run that goes on"):
        toy.train(again(asked))
    assert sha256(store.place("toy")) == before
    output = tmp_path / "w.safetensors"
    output.write_bytes(b"mine")
    with pytest.raises(UsageError, match=r"--output .*w\.safetensors: exists, and is not of the run"):
        toy.train(replace(again(asked), output=output))
    assert output.read_bytes() == b"mine"
    assert toy.train(replace(again(asked), overwrite=True)).finished


def test_threads_are_part_of_the_run(asked: Request) -> None:
    """Sums of floating point come out another way when they are divided in another way."""
    before = torch.get_num_threads()
    try:
        with pytest.raises(Interrupted):
            toy.train(replace(asked, threads=3), interrupt_at=4)
        torch.set_num_threads(1)
        assert toy.train(again(asked)).finished
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_the_device_is_part_of_the_run(asked: Request, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("genrestore.runtime.available_devices", lambda: ["mps", "cpu"])
    with pytest.raises(Interrupted):
        toy.train(asked, interrupt_at=4)
    elsewhere = replace(toy.RUNTIME, device="mps")  # what "auto" finds here now
    assert session.run(toy.KIND, again(asked), elsewhere, toy.Witness()).finished
    path = run_dir(asked) / "checkpoint.safetensors"
    assert checkpoint.read(path)[1]["device"] == "cpu"
    with pytest.raises(DeviceError, match=r"--device cuda: not available here.*; a run that goes on"):
        toy.train(replace(again(asked), device="cuda"))


def test_how_often_things_are_written_may_change(asked: Request) -> None:
    toy.train(asked)
    toy.train(replace(again(asked, steps=12, log_every=1), extend=True))
    assert checkpoint.read(run_dir(asked) / "checkpoint.safetensors")[1]["loop"]["log_every"] == 1


def test_images_may_move_but_not_change(asked: Request, tmp_path: Path) -> None:
    toy.train(asked)
    (tmp_path / "images").rename(tmp_path / "moved")
    moved = replace(again(asked), data={"data": [str(tmp_path / "moved")]})
    assert toy.train(moved).finished
    toy.fill(tmp_path / "moved", 4)
    with pytest.raises(UsageError, match=r"4 images of sha256 \w+, but this run was started on others"):
        toy.train(moved)


def test_another_kind_of_run_is_not_resumed(asked: Request) -> None:
    toy.train(asked)
    with pytest.raises(UsageError, match="is of a denoiser, not of a generator"):
        session.run(replace(toy.KIND, name="generator"), again(asked), toy.RUNTIME, toy.Witness())


def test_a_new_run_starts_from_existing_weights(asked: Request, tmp_path: Path) -> None:
    toy.train(asked)
    after = replace(asked, name="after", run_dir=tmp_path / "after", init_from="toy")
    toy.train(replace(after, loop={**asked.loop, "steps": 1, "learning_rate": 1e-12, "ema_decay": 0.0}))
    first, second = (load.load(name, toy.RUNTIME).networks["estimator"] for name in ("toy", "after"))
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert bool(((one - other).abs() <= 1e-3 * one.abs() + 1e-6).all())


def test_start_weights_of_another_shape_are_named(asked: Request, tmp_path: Path) -> None:
    toy.train(asked)
    with pytest.raises(
        UsageError, match=r"its estimator is noise-estimator \{.*'width': 4.*\}, but .*'width': 8"
    ):
        toy.train(replace(asked, name="b", run_dir=tmp_path / "b", init_from="toy"), width=8)


def test_unknown_start_weights(asked: Request) -> None:
    with pytest.raises(WeightsError, match="no weights named 'nobody'"):
        toy.train(replace(asked, init_from="nobody"))


def test_images_are_needed(asked: Request, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--data: name at least one folder"):
        toy.train(replace(asked, data={}))
    (tmp_path / "none").mkdir()
    with pytest.raises(NoInputError, match="no readable image"):
        toy.train(replace(asked, data={"data": [str(tmp_path / "none")]}))


@pytest.mark.parametrize("what", ["store", "run", "output"])
def test_a_place_that_cannot_be_written_is_said_before_the_work(
    asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    (tmp_path / "file").touch()
    inside = tmp_path / "file" / "x"
    witness = toy.Witness()
    if what == "store":
        monkeypatch.setenv("GENRESTORE_HOME", str(inside))
    else:
        asked = replace(asked, **{"run_dir" if what == "run" else "output": inside})
    with pytest.raises(InputError, match=r"file/x.*: cannot be written, .*file is not a folder"):
        session.run(toy.KIND, asked, toy.RUNTIME, witness)
    assert witness.notes == []


def test_broken_images_are_counted_and_named(asked: Request, tmp_path: Path) -> None:
    (tmp_path / "images" / "bad.png").write_text("no")
    witness = toy.Witness()
    session.run(toy.KIND, asked, toy.RUNTIME, witness)
    assert any("bad.png: not read" in note for note in witness.notes)
    assert any("2 images" in note and "1 to validate, 1 broken" in note for note in witness.notes)


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_more_workers_than_cores_are_said_in_one_line(
    asked: Request, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0}, raising=False)
    witness = toy.Witness()
    followed = replace(toy.KIND, then=replace(toy.KIND, name="restorer"))
    result = session.run(followed, replace(asked, loop={**asked.loop, "workers": 2}), toy.RUNTIME, witness)
    assert result.finished
    told = "--workers 2: more than this machine has cores (1), which may slow it down"
    assert [note for note in witness.notes if "workers" in note] == [told]


def test_validation_images_of_their_own(asked: Request, tmp_path: Path) -> None:
    toy.fill(tmp_path / "held", 2)
    witness = toy.Witness()
    data = {**asked.data, "validate_data": [str(tmp_path / "held")]}
    session.run(toy.KIND, replace(asked, data=data), toy.RUNTIME, witness)
    assert any("3 images" in note and "2 to validate" in note for note in witness.notes)
    (tmp_path / "none").mkdir()
    data = {**asked.data, "validate_data": [str(tmp_path / "none")]}
    with pytest.raises(NoInputError, match="no readable image"):
        toy.train(replace(asked, name="other", run_dir=tmp_path / "other", data=data))


def test_validation_images_are_told_of_by_their_option(asked: Request, tmp_path: Path) -> None:
    held = toy.fill(tmp_path / "held", 2)
    (held / "bad.png").write_text("no")
    witness, data = toy.Witness(), {**asked.data, "validate_data": [str(held)]}
    session.run(toy.KIND, replace(asked, data=data), toy.RUNTIME, witness)
    assert any("bad.png: not read" in note for note in witness.notes)
    assert any("2 to validate, 1 broken" in note for note in witness.notes)
    data = {**asked.data, "validate_data": [str(tmp_path / "missing")]}
    with pytest.raises(UsageError, match=r"^--validate-data .*missing: not a folder"):
        toy.train(replace(asked, name="other", run_dir=tmp_path / "other", data=data))


@pytest.mark.parametrize("steps", [1, 3])
def test_a_run_may_end_where_it_was_stopped(asked: Request, steps: int) -> None:
    toy.train(replace(asked, loop={**asked.loop, "steps": 100, "validate_every": 50}, max_minutes=0.0))
    assert checkpoint.read(run_dir(asked) / "checkpoint.safetensors")[0].step == 1
    result = toy.train(replace(again(asked, steps=steps), extend=True))
    assert result.finished
    assert load.load("toy", toy.RUNTIME).header.training["step"] == steps
    rows = (run_dir(asked) / "metrics.csv").read_text().splitlines()
    assert sum(row.startswith(f"{steps},") for row in rows) == 1


def test_origin_and_terms_may_be_said_at_the_end(asked: Request) -> None:
    toy.train(asked)
    before = load.load("toy", toy.RUNTIME)
    toy.train(replace(again(asked), origin="my photographs", licence="CC0-1.0"))
    after = load.load("toy", toy.RUNTIME)
    assert (after.header.data, after.header.licence) == ("my photographs", "CC0-1.0")
    old, new = (one.networks["estimator"].state_dict() for one in (before, after))
    assert all(torch.equal(old[key], new[key]) for key in old)


@pytest.mark.parametrize("rest", ["8,0.3,6e-", "9,1,2,3,4,5,6,7,8,9,1,2,3\n", "9\0\xff,"])
def test_a_row_that_a_crash_cut_off_is_dropped(asked: Request, rest: str) -> None:
    toy.train(asked)
    log = run_dir(asked) / "metrics.csv"
    whole = log.read_bytes()
    log.write_bytes(whole + rest.encode("latin1"))
    toy.train(again(asked))
    assert log.read_bytes() == whole


def test_extend_needs_a_run(asked: Request) -> None:
    with pytest.raises(UsageError, match=r"--extend: .* needs --resume"):
        toy.train(replace(asked, extend=True))


def test_weights_do_not_go_into_the_run_s_folder(asked: Request) -> None:
    for name in ("mine.safetensors", "checkpoint.safetensors", "samples/mine.safetensors"):
        with pytest.raises(UsageError, match="lies in the run's folder"):
            toy.train(replace(asked, output=run_dir(asked) / name, overwrite=True))


def test_start_weights_of_other_networks_are_refused(asked: Request) -> None:
    with pytest.raises(UsageError, match="--init-from mnist-gan: a generator, which has no estimator"):
        toy.train(replace(asked, init_from="mnist-gan"))


def test_the_estimator_alone_needs_a_denoiser(asked: Request) -> None:
    model = {"only": "estimator", "widths": (8,), "blocks": (1,), "patch_size": 16}
    with pytest.raises(UsageError, match="--init-from: needed, since the denoiser is not trained"):
        session.run(KINDS["denoiser"], replace(asked, model=model), toy.RUNTIME, toy.Witness())


def test_a_weight_of_images_that_are_shown_once_each_is_refused(asked: Request, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="a weight changes nothing"):
        session.run(
            KINDS["ae"],
            replace(asked, data={"data": [f"{tmp_path / 'images'}:2"]}),
            toy.RUNTIME,
            toy.Witness(),
        )
