"""One training from a request to weights: run folder, images, networks, loop, and the finished file."""

from __future__ import annotations

import math
import pkgutil
import time
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn

from genrestore.errors import DeviceError, Interrupted, UsageError
from genrestore.runtime import Runtime
from genrestore.settings import merge, rebuild
from genrestore.train import distributed
from genrestore.train.data.dataset import Folder, ImageSet, Reading, load_images
from genrestore.train.data.draws import sample_generator
from genrestore.train.data.named import Library
from genrestore.train.kinds.base import Diverged, Training
from genrestore.train.loop import checkpoint
from genrestore.train.loop.batches import more_than_cores
from genrestore.train.loop.checkpoint import Progress
from genrestore.train.loop.loop import Observer, train
from genrestore.train.loop.run import RunFolder
from genrestore.train.loop.weights import Destination, start_from
from genrestore.train.settings import FREE, FREE_DATA, DataSettings, Kind, LoopSettings, Request
from genrestore.weights import load, store
from genrestore.weights.header import read_header

HOLDOUT = 50
REALS = 16
SHOWN = 20
"""Broken images that are named; all are counted."""


@dataclass(frozen=True)
class Result:
    """End of a training.

    Attributes:
        progress: Steps, best score and time of the last training of the run.
        finished: Whether all steps were done.
        weights: The best weights: in the store, at the output, or in the run folder when not finished.
        trainings: The same of each training of the run that was begun, by its kind, in their order.
    """

    progress: Progress
    finished: bool
    weights: Path
    trainings: Mapping[str, Progress]


def run(kind: Kind, request: Request, runtime: Runtime, observer: Observer) -> Result:
    """Train from a request; with `distributed.session` around it when there are several processes.

    Raises:
        UsageError: Options that contradict each other or the run that is resumed, or something in the way.
        InputError: The output cannot be written.
        NoInputError: No image.
        WeightsError: A checkpoint or start weights that do not fit.
        Interrupted: Ctrl-C; go on with `resume`.
        Diverged: The loss is not finite.
    """
    started = time.monotonic()
    folder = request.run_dir or store.home() / "runs" / request.name
    destination = Destination(request.name, request.output, folder, request.overwrite)
    if request.extend and not request.resume:
        raise UsageError("--extend: goes on with a run that is there; it needs --resume")
    if destination.check(resume=request.resume) and request.resume:
        observer.note(f"{destination.path} is replaced at the end")
    with ExitStack() as held:
        stage = _stage(kind, request, folder, runtime, observer, held)
        trainings = {kind.name: stage.progress}
        following = kind.following(stage.model, stage.settings) if stage.finished else None
        if following is not None:
            folder = folder / following.name
            observer.note(f"{following.name}: {following.loop.steps} steps")
            asked = _following(request, stage, folder, (time.monotonic() - started) / 60)
            try:
                stage = _stage(following, asked, folder, runtime, observer, held, stage)
            except (Interrupted, Diverged) as error:  # else nobody knows which of the two
                raise type(error)(f"{following.name}: {error}") from error
            trainings[following.name] = stage.progress
        place = stage.place
        if not stage.finished:
            weights = place.best if place.best.exists() else place.last
            return Result(stage.progress, False, weights, trainings)
        if distributed.rank() == 0:
            place.tell()
            destination.export(place.best)
        return Result(stage.progress, True, destination.path, trainings)


class _Images(NamedTuple):
    """Images to train on, images kept out, and the sha256 of all."""

    training: ImageSet
    validation: ImageSet
    sha256: str


class _Stage(NamedTuple):
    """One training of a run, and how far it came."""

    model: Any
    settings: LoopSettings
    place: RunFolder
    images: _Images
    progress: Progress

    @property
    def finished(self) -> bool:
        return self.progress.step >= self.settings.steps


def _following(request: Request, stage: _Stage, folder: Path, minutes: float) -> Request:
    """Request of the training after a finished one, which took so many minutes just now.

    It goes on where it was only if it follows the very weights that the one before it ended with.
    """
    stored, saved = stage.place.options, folder / "checkpoint.safetensors"
    resumes = request.resume and saved.exists()
    resumes = resumes and checkpoint.read(saved)[1].get("follows") == read_header(stage.place.best).sha256
    return replace(
        request,
        resume=resumes,
        extend=False,
        overwrite=True,
        init_from=None if resumes else stored["init_from"],
        epochs=None,
        origin=stored["about"].get("data"),
        licence=stored["about"].get("licence"),
        max_minutes=None if request.max_minutes is None else max(0.0, request.max_minutes - minutes),
        precision=stored["precision"],
        threads=stored["threads"],
        device=stored["device"],
        data={name: value for name, value in stored["data"].items() if name != "images"},
        loop={name: value for name, value in request.loop.items() if name in FREE} if resumes else {},
        model={},
    )


def _stage(
    kind: Kind,
    request: Request,
    folder: Path,
    runtime: Runtime,
    observer: Observer,
    held: ExitStack,
    before: _Stage | None = None,
) -> _Stage:
    """One training from a request to the end of its loop, in its folder; `before` is the one it follows."""
    saved = folder / "checkpoint.safetensors"
    options = _options(kind, request, saved, runtime)
    settings, model = rebuild(LoopSettings(), options["loop"]), rebuild(kind.settings, options["model"])
    if request.resume:
        observer.note(_how_it_goes_on(checkpoint.read(saved)[0].step, settings.steps))
    place = RunFolder(folder, options)
    if before:
        place.options["follows"] = read_header(before.place.best).sha256
    if not request.resume:
        place.check(request.overwrite)
    held.enter_context(place.held())
    if not request.resume:
        place.check(request.overwrite)  # again, now that nobody else writes there
    training_class: type[Training[Any, Any]] = pkgutil.resolve_name(kind.training)
    images = before.images if before else _images(options["data"], training_class.reading(model), observer)
    place.options["data"]["images"] = images.sha256
    settings = _with_epochs(settings, request, len(images.training))
    place.options["loop"]["steps"] = settings.steps
    then = kind.following(model, settings)
    if not before and (crowded := more_than_cores(settings.workers)):
        observer.note(crowded)
    runtime = _runtime(options, settings)
    loaded = load.load_file(before.place.best) if before else None
    training = training_class(model, settings, images.training, images.validation, runtime, loaded)
    if not request.resume:
        frozen = [name for name in training.header().networks if not _learns(training.networks[name])]
        if frozen and not before and not options["init_from"]:
            raise UsageError(f"--init-from: needed, since the {frozen[0]} is not trained")
        if options["init_from"]:  # before the folder is cleared: they may lie in it
            if then and not before:
                _check_stays(options["init_from"], folder, then.name)
            start_from(options["init_from"], training, runtime, observer, follows=before is not None)
        distributed.barrier()
        place.clear()
        draws = [sample_generator(settings.seed, -1, index) for index in range(REALS)]
        place.save_reals(torch.stack([training.example(draw) for draw in draws]))
    distributed.barrier()
    minutes = math.inf if request.max_minutes is None else request.max_minutes
    progress = train(training, settings, place, observer, max_minutes=minutes, followed=then is not None)
    distributed.barrier()
    return _Stage(model, settings, place, images, progress)


def _check_stays(weights: str, folder: Path, then: str) -> None:
    """Refuse start weights that a second training needs again, and that the first clears away.

    Raises:
        UsageError: They lie in the run's folder.
    """
    if store.is_path(weights) and folder.resolve() in Path(weights).resolve().parents:
        raise UsageError(
            f"--init-from {weights}: lies in the run's folder, which is cleared before the {then} needs it; "
            "copy it, or choose another --run-dir"
        )


def _learns(network: nn.Module) -> bool:
    return any(parameter.requires_grad for parameter in network.parameters())


def _runtime(options: Mapping[str, Any], settings: LoopSettings) -> Runtime:
    """Machine of the run: what changes the bits of its weights is as it was, in a run that goes on too.

    Raises:
        DeviceError: Its device or precision is not available here.
    """
    device, precision, threads = (options[name] for name in ("device", "precision", "threads"))
    try:
        return Runtime.create(device, precision, threads, settings.seed)
    except DeviceError as error:
        raise DeviceError(
            f"{error}; a run that goes on elsewhere wants --device, and gets other bits"
        ) from error


def _with_epochs(settings: LoopSettings, request: Request, images: int) -> LoopSettings:
    """Settings of the loop with as many steps as the epochs take, if epochs were asked for."""
    if request.epochs is None:
        return settings
    if request.resume:
        raise UsageError(
            f"--epochs {request.epochs:g}: a run that is resumed has {settings.steps} steps; give --steps"
        )
    if "steps" in request.loop:
        raise UsageError(f"--epochs {request.epochs:g} with --steps {settings.steps}: give one of them")
    return replace(settings, steps=max(1, math.ceil(request.epochs * images / settings.batch_size)))


def _options(kind: Kind, request: Request, path: Path, runtime: Runtime) -> dict[str, Any]:
    """Options of the run: the defaults and what was given, or on resume what was stored."""
    about = {"data": request.origin, "licence": request.licence}
    about = {name: text for name, text in about.items() if text is not None}
    given = rebuild(DataSettings(), request.data)
    if not request.resume:
        return {
            "kind": kind.name,
            "loop": asdict(rebuild(kind.loop, request.loop)),
            "model": asdict(rebuild(kind.settings, request.model)),
            "data": asdict(given),
            "init_from": request.init_from,
            "about": about,
            "precision": request.precision or runtime.precision,
            "threads": request.threads or runtime.threads,
            "device": runtime.device if request.device == "auto" else request.device,
        }
    if not path.exists():
        raise UsageError(f"--resume: no checkpoint at {path}; leave --resume out to start a new run")
    progress, stored = checkpoint.read(path)
    if stored["kind"] != kind.name:
        raise UsageError(f"--resume: {path} is of a {stored['kind']}, not of a {kind.name}")
    single = {"init_from": request.init_from, "precision": request.precision, "threads": request.threads}
    merge(stored, {name: value for name, value in single.items() if value is not None}, frozenset())
    loop = merge(stored["loop"], request.loop, FREE | {"steps"})
    _check_steps(stored["loop"], loop, progress.step, request.extend)
    return {
        "threads": runtime.threads,
        "device": runtime.device,
        **stored,
        **({} if request.device == "auto" else {"device": request.device}),
        "about": {**stored.get("about", {}), **about},
        "loop": loop,
        "model": merge(stored["model"], request.model, frozenset()),
        "data": merge({**asdict(DataSettings()), **stored["data"]}, request.data, FREE_DATA),
    }


def _check_steps(stored: Mapping[str, Any], now: Mapping[str, Any], done: int, extend: bool) -> None:
    """Refuse other steps unless every step done so far would have had the same learning rate."""
    before, after = rebuild(LoopSettings(), stored), rebuild(LoopSettings(), now)
    if after.steps < done:
        raise UsageError(f"--steps {after.steps}: the run has already done {done}")
    if not extend and any(before.rate(step) != after.rate(step) for step in range(done)):
        raise UsageError(
            f"--steps {after.steps}: this run was started with {before.steps} and its {before.schedule} "
            "schedule follows from it; --extend goes on with the new schedule from here"
        )


def _images(data: Mapping[str, Any], reading: Reading, observer: Observer) -> _Images:
    """Training and validation images, and the sha256 of all; it must be the one in `data`, if one is."""
    if not data["data"]:
        raise UsageError("--data: name at least one folder of images")
    reading = replace(reading, max_side=data["max_side"])
    library = Library(data["data_root"] and Path(data["data_root"]), download=data["download"])
    folders = [Folder.parse(words) for words in data["data"]]
    if reading.size is not None and any(folder.weight is not None for folder in folders):
        raise UsageError(
            f"--data {' '.join(data['data'])}: images of one class are shown once an epoch each, so that a "
            "weight changes nothing; leave it out"
        )
    images = load_images(folders, reading, library)
    sha256 = images.sha256
    if data.get("images", sha256) != sha256:
        raise UsageError(
            f"--data {' '.join(data['data'])}: {len(images)} images of sha256 {sha256[:12]}, but this run "
            f"was started on others of {data['images'][:12]}; start another run with --init-from"
        )
    if data["validate_data"]:
        folders = [Folder.parse(words, "--validate-data") for words in data["validate_data"]]
        held = load_images(folders, reading, replace(library, split="test"))
    else:
        every = data["holdout_every"] or min(HOLDOUT, len(images))
        images, held = images.split(every) if every > 1 else (images, images)
    if not len(images) or not len(held):
        raise UsageError(
            f"--holdout-every {data['holdout_every']}: leaves no image on one side of {len(images)}"
        )
    broken = dict([*images.broken, *held.broken])
    for path, reason in list(broken.items())[:SHOWN]:
        observer.note(f"{path}: not read ({reason})")
    observer.note(
        f"{len(images)} images of {images.pixels / 1e6:.1f} megapixels to train on, {len(held)} to validate, "
        f"{len(broken)} broken"
    )
    return _Images(images, held, sha256)


def _how_it_goes_on(begun: int, steps: int) -> str:
    if begun < steps:
        return f"goes on at step {begun} of {steps}"
    return f"all {steps} steps are done, and nothing is left to train; more --steps go on"
