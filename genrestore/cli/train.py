"""``genrestore train``: parse, call, report; one command for each kind of prior."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from genrestore.cli import autoencoder_options as own
from genrestore.cli import gan_options, options, training_options, training_screen
from genrestore.errors import GenrestoreError, UsageError

if TYPE_CHECKING:
    from genrestore.train.loop.session import Kind, Request

app = typer.Typer(no_args_is_help=True)

Recipe = tuple[float, dict[str, Any], dict[str, Any]]
"""Epochs, fields of the loop's settings, and of the kind's own."""


@app.callback()
def root() -> None:
    """Train a prior on your own images."""


@app.command(no_args_is_help=True)
def denoiser(
    name: training_options.Name,
    data: training_options.Data = None,
    validate_data: training_options.ValidateData = None,
    holdout_every: training_options.HoldoutEvery = None,
    data_root: training_options.DataRoot = None,
    download: training_options.Download = False,
    max_side: training_options.MaxSide = None,
    output: training_options.Output = None,
    run_dir: training_options.RunDir = None,
    init_from: training_options.InitFrom = None,
    origin: training_options.Origin = None,
    licence: training_options.Licence = None,
    resume: training_options.Resume = False,
    overwrite: training_options.Overwrite = False,
    steps: training_options.Steps = None,
    extend: training_options.Extend = False,
    max_minutes: training_options.MaxMinutes = None,
    batch_size: training_options.BatchSize = None,
    learning_rate: training_options.LearningRate = None,
    warmup: training_options.Warmup = None,
    schedule: training_options.Schedule = None,
    cooldown: training_options.Cooldown = None,
    optimiser: training_options.Optimiser = None,
    weight_decay: training_options.WeightDecay = None,
    ema_decay: training_options.EmaDecay = None,
    loss: training_options.Loss = None,
    only: training_options.Only = None,
    patch_size: training_options.PatchSize = None,
    widths: training_options.Widths = None,
    blocks: training_options.Blocks = None,
    log_every: training_options.LogEvery = None,
    validate_every: training_options.ValidateEvery = None,
    sample_every: training_options.SampleEvery = None,
    save_every: training_options.SaveEvery = None,
    save_minutes: training_options.SaveMinutes = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    workers: training_options.Workers = None,
    seed: training_options.Seed = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a denoiser, the prior for photographs of any size.

    Several processes: [bold]torchrun --nproc-per-node N -m genrestore train denoiser ...[/bold]
    """
    given = dict(locals())
    from genrestore.train.kinds import denoiser as task
    from genrestore.train.loop import session

    given |= {"widths": _numbers("--widths", widths), "blocks": _numbers("--blocks", blocks)}
    _train(session.Kind("denoiser", task.DenoiserSettings(), task.DenoiserTraining), given)


@app.command(no_args_is_help=True)
def inpainter(
    name: training_options.Name,
    data: training_options.Data = None,
    validate_data: training_options.ValidateData = None,
    holdout_every: training_options.HoldoutEvery = None,
    data_root: training_options.DataRoot = None,
    download: training_options.Download = False,
    max_side: training_options.MaxSide = None,
    output: training_options.Output = None,
    run_dir: training_options.RunDir = None,
    init_from: training_options.InitFrom = None,
    origin: training_options.Origin = None,
    licence: training_options.Licence = None,
    resume: training_options.Resume = False,
    overwrite: training_options.Overwrite = False,
    steps: training_options.Steps = None,
    extend: training_options.Extend = False,
    max_minutes: training_options.MaxMinutes = None,
    batch_size: training_options.BatchSize = None,
    learning_rate: training_options.LearningRate = None,
    warmup: training_options.Warmup = None,
    schedule: training_options.Schedule = None,
    cooldown: training_options.Cooldown = None,
    optimiser: training_options.Optimiser = None,
    weight_decay: training_options.WeightDecay = None,
    ema_decay: training_options.EmaDecay = None,
    loss: training_options.Loss = None,
    patch_size: training_options.PatchSize = None,
    scattered: training_options.Scattered = None,
    noisy: training_options.Noisy = None,
    grey: training_options.Grey = None,
    again: training_options.Again = None,
    widths: training_options.Widths = None,
    blocks: training_options.Blocks = None,
    log_every: training_options.LogEvery = None,
    validate_every: training_options.ValidateEvery = None,
    sample_every: training_options.SampleEvery = None,
    save_every: training_options.SaveEvery = None,
    save_minutes: training_options.SaveMinutes = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    workers: training_options.Workers = None,
    seed: training_options.Seed = None,
    quiet: options.Quiet = False,
) -> None:
    """Train an inpainter, the prior for holes in photographs of any size.

    Several processes: [bold]torchrun --nproc-per-node N -m genrestore train inpainter ...[/bold]
    """
    given = dict(locals())
    from genrestore.train.kinds import inpainter as task

    given |= {"widths": _numbers("--widths", widths), "blocks": _numbers("--blocks", blocks)}
    _train(task.KIND, given)


@app.command(no_args_is_help=True)
def ae(
    name: training_options.Name,
    data: own.Data = None,
    validate_data: training_options.ValidateData = None,
    holdout_every: training_options.HoldoutEvery = None,
    data_root: training_options.DataRoot = None,
    download: training_options.Download = False,
    output: training_options.Output = None,
    run_dir: training_options.RunDir = None,
    init_from: training_options.InitFrom = None,
    origin: training_options.Origin = None,
    licence: training_options.Licence = None,
    resume: training_options.Resume = False,
    overwrite: training_options.Overwrite = False,
    recipe: own.Recipe = None,
    epochs: own.Epochs = None,
    steps: training_options.Steps = None,
    extend: training_options.Extend = False,
    max_minutes: training_options.MaxMinutes = None,
    batch_size: training_options.BatchSize = None,
    learning_rate: training_options.LearningRate = None,
    warmup: training_options.Warmup = None,
    schedule: training_options.Schedule = None,
    cooldown: training_options.Cooldown = None,
    optimiser: training_options.Optimiser = None,
    weight_decay: training_options.WeightDecay = None,
    ema_decay: training_options.EmaDecay = None,
    loss: own.Loss = None,
    cover: own.Cover = None,
    cover_weight: own.CoverWeight = None,
    outliers: own.Outliers = None,
    restorer_steps: own.RestorerSteps = None,
    size: own.Size = None,
    channels: own.Channels = None,
    latent_dim: own.LatentDim = None,
    width: own.Width = None,
    hidden: own.Hidden = None,
    restorer_width: own.RestorerWidth = None,
    log_every: training_options.LogEvery = None,
    validate_every: training_options.ValidateEvery = None,
    sample_every: training_options.SampleEvery = None,
    save_every: training_options.SaveEvery = None,
    save_minutes: training_options.SaveMinutes = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    workers: training_options.Workers = None,
    seed: training_options.Seed = None,
    quiet: options.Quiet = False,
) -> None:
    """Train an autoencoder, the prior for images of one class and one size.

    Several processes: [bold]torchrun --nproc-per-node N -m genrestore train ae ...[/bold]
    """
    given = dict(locals())
    from genrestore.train.kinds import autoencoder as task

    _train(task.KIND, _filled(given, task.report(cover or "none") if recipe else None))


@app.command(no_args_is_help=True)
def gan(
    name: training_options.Name,
    data: own.Data = None,
    validate_data: training_options.ValidateData = None,
    holdout_every: training_options.HoldoutEvery = None,
    data_root: training_options.DataRoot = None,
    download: training_options.Download = False,
    output: training_options.Output = None,
    run_dir: training_options.RunDir = None,
    init_from: training_options.InitFrom = None,
    origin: training_options.Origin = None,
    licence: training_options.Licence = None,
    resume: training_options.Resume = False,
    overwrite: training_options.Overwrite = False,
    recipe: gan_options.Recipe = None,
    epochs: own.Epochs = None,
    steps: training_options.Steps = None,
    extend: training_options.Extend = False,
    max_minutes: training_options.MaxMinutes = None,
    batch_size: training_options.BatchSize = None,
    learning_rate: training_options.LearningRate = None,
    warmup: training_options.Warmup = None,
    schedule: training_options.Schedule = None,
    cooldown: training_options.Cooldown = None,
    optimiser: training_options.Optimiser = None,
    weight_decay: training_options.WeightDecay = None,
    ema_decay: training_options.EmaDecay = None,
    loss: gan_options.Loss = None,
    d_steps: gan_options.DSteps = None,
    d_rate: gan_options.DRate = None,
    d_norm: gan_options.DNorm = None,
    d_deeper: gan_options.DDeeper = None,
    r1: gan_options.R1 = None,
    momentum: gan_options.Momentum = None,
    augment: gan_options.Augment = None,
    mirror: gan_options.Mirror = None,
    encoder_steps: gan_options.EncoderSteps = None,
    size: own.Size = None,
    channels: own.Channels = None,
    latent_dim: gan_options.LatentDim = None,
    width: gan_options.Width = None,
    encoder_width: gan_options.EncoderWidth = None,
    log_every: training_options.LogEvery = None,
    validate_every: training_options.ValidateEvery = None,
    sample_every: training_options.SampleEvery = None,
    save_every: training_options.SaveEvery = None,
    save_minutes: training_options.SaveMinutes = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    workers: training_options.Workers = None,
    seed: training_options.Seed = None,
    quiet: options.Quiet = False,
) -> None:
    """Train a generator of images of one class and one size, against a discriminator.

    Several processes: [bold]torchrun --nproc-per-node N -m genrestore train gan ...[/bold]
    """
    given = dict(locals())
    from genrestore.train.kinds import gan as task

    given |= {"augment": tuple(augment) if augment else None}
    _train(task.KIND, _filled(given, task.report() if recipe else None))


def _filled(given: Mapping[str, Any], recipe: Recipe | None) -> dict[str, Any]:
    """The options that were given, and what the recipe says of the others."""
    if recipe is None:
        return dict(given)
    epochs, loop, model = recipe
    steps_are_said = given["steps"] or given["epochs"] or given["resume"]
    said = {**loop, **model} | ({} if steps_are_said else {"epochs": epochs})
    return {**given, **{name: value for name, value in said.items() if given[name] is None}}


def _numbers(option: str, text: str | None) -> tuple[int, ...] | None:
    """A value such as "64,128" as numbers."""
    if text is None:
        return None
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise UsageError(f"{option} {text}: must be whole numbers with commas between them") from None


def _request(kind: Kind, given: Mapping[str, Any]) -> Request:
    """Sort the options that were given into what they are about."""
    from genrestore.train.loop.session import Request
    from genrestore.train.loop.settings import LoopSettings

    said = {name: value for name, value in given.items() if value is not None}
    if said["precision"] == "auto":
        del said["precision"]

    def those_of(names: set[str]) -> dict[str, Any]:
        return {name: value for name, value in said.items() if name in names}

    request = {field.name for field in dataclasses.fields(Request)} - {"data", "loop", "model"}
    data = those_of({"data", "validate_data", "holdout_every", "max_side", "data_root", "download"})
    if "data_root" in data:
        data["data_root"] = str(data["data_root"])
    return Request(
        **those_of(request),
        data=data,
        loop=those_of({field.name for field in dataclasses.fields(LoopSettings)}),
        model=those_of({field.name for field in dataclasses.fields(kind.settings)}),
    )


def _train(kind: Kind, given: Mapping[str, Any]) -> None:
    """Train, alone or as one of torchrun's processes; only the first of them speaks."""
    from genrestore.runtime import Runtime
    from genrestore.train.loop import distributed, session

    request = _request(kind, given)
    threads = given["threads"] or (1 if distributed.launched() else None)
    runtime = Runtime.create(given["device"], given["precision"], threads, given["seed"] or 0)
    first = distributed.rank() == 0
    try:
        with (
            distributed.session(runtime.device),
            training_screen.choose(quiet=given["quiet"] or not first) as watching,
        ):
            result = session.run(kind, request, runtime, watching)
            watching.finished(result)
    except GenrestoreError as error:
        if first:
            raise
        raise typer.Exit(error.exit_code) from error
