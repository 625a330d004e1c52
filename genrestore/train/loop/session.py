"""One training from words to weights: run folder, images, network, loop, and the finished file."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch

from genrestore.errors import DeviceError, Interrupted, UsageError
from genrestore.runtime import Runtime
from genrestore.train.data.dataset import Folder, ImageSet, Reading, load_images, sample_generator
from genrestore.train.data.named import Library
from genrestore.train.loop import checkpoint, distributed, handover
from genrestore.train.loop.batches import more_than_cores
from genrestore.train.loop.checkpoint import Progress
from genrestore.train.loop.loop import train
from genrestore.train.loop.protocol import Diverged, Observer, Training
from genrestore.train.loop.run import RunFolder
from genrestore.train.loop.settings import FREE, LoopSettings, merge, rebuild
from genrestore.train.loop.start import start_from
from genrestore.weights import store

HOLDOUT = 50
REALS = 16
SHOWN = 20
"""Broken images that are named; all are counted."""
FREE_DATA = frozenset({"data", "validate_data", "data_root", "download"})
"""Where images lie may change between runs; what they show may not, which `images` (a sha256) tells."""
DATA = {"holdout_every": None, "max_side": None, "data_root": None, "download": False}
"""What a request says of its images besides their folders, if it says nothing."""

Build = Callable[[Any, LoopSettings, ImageSet, ImageSet, Runtime], Training[Any]]


@dataclass(frozen=True)
class Kind:
    """One kind of training.

    Attributes:
        name: "denoiser", "autoencoder", "generator".
        settings: The defaults of its own settings, a frozen dataclass.
        build: Makes the training from its settings, the loop's, training and validation images, runtime.
        loop: The defaults of the loop's settings.
        reading: How its images are read, from its settings.
        size: Side of the real pictures shown in reals.png, in pixels, where images are of any size.
        then: What is trained after it, in a folder of the run's, from its settings, the loop's and the best
            weights; the last one's weights are what is handed over.
    """

    name: str
    settings: Any
    build: Build
    loop: LoopSettings = field(default_factory=LoopSettings)
    reading: Callable[[Any], Reading] = lambda _: Reading()
    size: int = 64
    then: Callable[[Any, LoopSettings, Path], Kind | None] = lambda *_: None


@dataclass(frozen=True)
class Request:
    """What the user asked for; `None` and absent keys mean "as it was", or the default in a new run.

    Attributes:
        name: Under which the best weights go into the user's store.
        run_dir: The run's folder; in the user's store if None.
        output: A file for the best weights instead of the store.
        resume: Go on with the run that is there.
        overwrite: Replace a run, a name, or an output that is there.
        extend: Allow other steps on resume though the learning rates so far would have been others.
        init_from: Name or path of weights to start from.
        origin: What the images are and where they come from, for the weights' header.
        licence: Under which terms the weights may be used, for the weights' header.
        max_minutes: Stop after this time with a checkpoint.
        precision: "fp32" or "bf16"; None takes the runtime's, or on resume what the run has.
        threads: CPU threads; None takes the runtime's, or on resume those of the run.
        device: "auto" takes the runtime's, or on resume that of the run; any other is the runtime's.
        epochs: Passes through the images, instead of the loop's steps.
        data: "data" and "validate_data" (FOLDER, FOLDER:WEIGHT or the name of a data set each), and what
            `DATA` names.
        loop: Fields of LoopSettings.
        model: Fields of the kind's settings.
    """

    name: str
    run_dir: Path | None = None
    output: Path | None = None
    resume: bool = False
    overwrite: bool = False
    extend: bool = False
    init_from: str | None = None
    origin: str | None = None
    licence: str | None = None
    max_minutes: float | None = None
    precision: str | None = None
    threads: int | None = None
    device: str = "auto"
    epochs: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    loop: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """How a training ended.

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
    folder = first = request.run_dir or store.home() / "runs" / request.name
    target = handover.target(request.name, request.output)
    replaces = handover.check(
        target, request.output, first, overwrite=request.overwrite, resume=request.resume
    )
    if request.resume and replaces:
        observer.note(f"{target} is replaced at the end")
    with ExitStack() as held:
        stage = _stage(kind, request, folder, runtime, observer, held)
        trainings = {kind.name: stage.progress}
        following = kind.then(stage.model, stage.settings, stage.place.best) if stage.finished else None
        if following is not None:
            folder = folder / following.name
            observer.note(f"{following.name}: {following.loop.steps} steps")
            minutes = (time.monotonic() - started) / 60
            asked = _following(request, stage, folder, minutes)
            try:
                stage = _stage(following, asked, folder, runtime, observer, held, stage.images)
            except (Interrupted, Diverged) as error:  # else nobody knows which of the two
                raise type(error)(f"{following.name}: {error}") from error
            trainings[following.name] = stage.progress
        return _finish(stage, request, first, trainings)


class _Images(NamedTuple):
    """To train on, kept out, and the sha256 of all."""

    training: ImageSet
    validation: ImageSet
    sha256: str


class _Stage(NamedTuple):
    """One training of a run, from which step it went on, and how far it came."""

    model: Any
    settings: LoopSettings
    place: RunFolder
    images: _Images
    begun: int
    progress: Progress

    @property
    def finished(self) -> bool:
        return self.progress.step >= self.settings.steps


def _following(request: Request, stage: _Stage, folder: Path, minutes: float) -> Request:
    """What is asked of the training after a finished one, which took so many minutes just now.

    It goes on where it was only if the one before it has not moved since: else its networks are of the past.
    """
    stored = stage.place.options
    unmoved = request.resume and stage.begun == stage.progress.step
    resumes = unmoved and (folder / "checkpoint.safetensors").exists()
    return replace(
        request,
        resume=resumes,
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
        loop={},
        model={},
    )


def _stage(
    kind: Kind,
    request: Request,
    folder: Path,
    runtime: Runtime,
    observer: Observer,
    held: ExitStack,
    images: _Images | None = None,
) -> _Stage:
    """One training from a request to the end of its loop, in its folder; reads images if there are none."""
    saved, follows = folder / "checkpoint.safetensors", images is not None
    options = _options(kind, request, saved, runtime)
    begun = checkpoint.read(saved)[0].step if request.resume else 0
    settings = rebuild(LoopSettings(), options["loop"])
    if request.resume:
        observer.note(_how_it_goes_on(begun, settings.steps))
    model = rebuild(kind.settings, options["model"])
    place = RunFolder(folder, options)
    if not request.resume:
        place.check(request.overwrite)
    held.enter_context(place.held())
    if not request.resume:
        place.check(request.overwrite)  # again, now that nobody else writes there
    reading = replace(kind.reading(model), max_side=options["data"]["max_side"])
    if images is None:
        images = _images(options["data"], reading, observer)
    place.options["data"]["images"] = images.sha256
    settings = _with_epochs(settings, request, len(images.training))
    place.options["loop"]["steps"] = settings.steps
    if not follows and (crowded := more_than_cores(settings.workers)):
        observer.note(crowded)
    runtime = _runtime(options, settings)
    training = kind.build(model, settings, images.training, images.validation, runtime)
    if not request.resume:
        if options["init_from"]:  # before the folder is cleared: they may lie in it
            start_from(options["init_from"], training, runtime, observer, follows=follows)
        distributed.barrier()
        place.clear()
        draws = [sample_generator(settings.seed, -1, index) for index in range(REALS)]
        real = images.training.whole if reading.size else partial(images.training.patch, size=kind.size)
        place.save_reals(torch.stack([real(draw) for draw in draws]))
    distributed.barrier()
    minutes = math.inf if request.max_minutes is None else request.max_minutes
    progress = train(training, settings, place, observer, max_minutes=minutes)
    distributed.barrier()
    return _Stage(model, settings, place, images, begun, progress)


def _runtime(options: Mapping[str, Any], settings: LoopSettings) -> Runtime:
    """Where the run computes: what changes the bits of its weights is as it was, in a run that goes on too.

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
    """The loop's settings with as many steps as the epochs take, if epochs were asked for."""
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
    """Every option of the run: the defaults and what was given, or on resume what was stored."""
    if not request.resume:
        return {
            "kind": kind.name,
            "loop": dataclasses.asdict(rebuild(kind.loop, request.loop)),
            "model": dataclasses.asdict(rebuild(kind.settings, request.model)),
            "data": {**DATA, **request.data},
            "init_from": request.init_from,
            "about": _about(request),
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
    model = merge(stored["model"], request.model, frozenset())
    data = merge(stored["data"], request.data, FREE_DATA)
    now = {"threads": runtime.threads, "device": runtime.device}
    return {
        **now,
        **stored,
        **({} if request.device == "auto" else {"device": request.device}),
        "about": {**stored.get("about", {}), **_about(request)},
        "loop": loop,
        "model": model,
        "data": data,
    }


def _about(request: Request) -> dict[str, str]:
    """What the user says of images and weights, by field of the header."""
    said = {"data": request.origin, "licence": request.licence}
    return {name: text for name, text in said.items() if text is not None}


def _check_steps(stored: Mapping[str, Any], now: Mapping[str, Any], done: int, extend: bool) -> None:
    """Other steps are fine where every step done so far would have had the same learning rate."""
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
    if not data.get("data"):
        raise UsageError("--data: name at least one folder of images")
    data = {**DATA, **data}
    library = Library(data["data_root"] and Path(data["data_root"]), download=data["download"])
    images = load_images([Folder.parse(words) for words in data["data"]], reading, library)
    for path, reason in images.broken[:SHOWN]:
        observer.note(f"{path}: not read ({reason})")
    sha256 = images.sha256
    if data.get("images", sha256) != sha256:
        raise UsageError(
            f"--data {' '.join(data['data'])}: {len(images)} images of sha256 {sha256[:12]}, but this run "
            f"was started on others of {data['images'][:12]}; start another run with --init-from"
        )
    if data.get("validate_data"):
        folders = [Folder.parse(words) for words in data["validate_data"]]
        held = load_images(folders, reading, replace(library, split="test"))
    else:
        every = data["holdout_every"] or min(HOLDOUT, len(images))
        images, held = images.split(every) if every > 1 else (images, images)
    if not len(images) or not len(held):
        raise UsageError(
            f"--holdout-every {data['holdout_every']}: leaves no image on one side of {len(images)}"
        )
    observer.note(
        f"{len(images)} images of {images.pixels / 1e6:.1f} megapixels to train on, {len(held)} to validate, "
        f"{len(images.broken)} broken"
    )
    return _Images(images, held, sha256)


def _how_it_goes_on(begun: int, steps: int) -> str:
    if begun < steps:
        return f"goes on at step {begun} of {steps}"
    return f"all {steps} steps are done, and nothing is left to train; more --steps go on"


def _finish(stage: _Stage, request: Request, run: Path, trainings: Mapping[str, Progress]) -> Result:
    """Hand the best weights over when all steps are done."""
    place, progress = stage.place, stage.progress
    if not stage.finished:
        weights = place.best if place.best.exists() else place.last
        return Result(progress, False, weights, trainings)
    target = handover.target(request.name, request.output)
    if distributed.rank() == 0:
        handover.hand_over(place.best, target, request.name, request.output, run, overwrite=request.overwrite)
    return Result(progress, True, target, trainings)
