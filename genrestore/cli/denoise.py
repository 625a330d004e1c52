"""``genrestore denoise``: parse, call, report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import typer

from genrestore.cli import file_options as files
from genrestore.cli import one_class, options, restoring, together, untrained
from genrestore.files.jobs import OutputOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from genrestore.files.batch import Restore
    from genrestore.files.part import Part
    from genrestore.restore.tasks import Denoise


def denoise(
    context: typer.Context,
    inputs: files.Inputs = None,
    output: files.Output = None,
    sigma: options.Sigma = None,
    strength: options.Strength = 1.0,
    turns: options.Turns = None,
    weights: options.Weights = "photo",
    recursive: files.Recursive = False,
    files_from: files.FilesFrom = None,
    null: files.Null = False,
    shard: files.ShardOption = None,
    fail_fast: files.FailFast = False,
    suffix: files.Suffix = None,
    format: files.Format = None,
    skip_existing: files.SkipExisting = False,
    overwrite: options.Overwrite = False,
    in_place: files.InPlace = False,
    drop_extras: files.DropExtras = False,
    dry_run: files.DryRun = False,
    compare: files.Compare = False,
    preview: files.Preview = None,
    prior: untrained.Prior = "auto",
    steps: untrained.Steps = None,
    loss: one_class.Loss = None,
    prior_weight: one_class.PriorWeight = None,
    step_size: one_class.StepSize = None,
    restarts: one_class.Restarts = None,
    recipe: one_class.Recipe = None,
    rate: one_class.Rate = None,
    refine: one_class.Refine = None,
    resize: one_class.Resize = False,
    trace: untrained.Trace = None,
    no_provenance: files.NoProvenance = False,
    max_pixels: options.MaxPixels = None,
    device: options.Device = "auto",
    precision: options.Precision = "auto",
    threads: options.Threads = None,
    seed: options.Seed = 0,
    reference: options.Reference = None,
    json: options.Json = False,
    json_file: options.JsonFile = None,
    quiet: options.Quiet = False,
) -> None:
    """Remove noise from photographs.

    The result is written beside the input as STEM.denoised.EXT, or where [bold]-o[/bold] says; an input is
    never changed unless [bold]--in-place[/bold] asks for it. The noise level is estimated from each
    picture and shown. Weights decide the prior: those of an autoencoder or a generator are for pictures of
    one class and one size.
    """
    said_of_prior = dict(locals())
    from genrestore.files import batch
    from genrestore.files import preview as previews
    from genrestore.restore import provenance

    which = restoring.Inputs(inputs, files_from, null, fail_fast, max_pixels)
    names = (output, "denoised", overwrite, in_place, compare, recursive, suffix, format)
    wanted = OutputOptions(*names, skip_existing, not no_provenance, shard, drop_extras=drop_extras)
    said = restoring.Said(reference, json, json_file, quiet, dry_run)
    machine = restoring.Machine(device, precision, threads, seed)
    others = {"--reference": reference, "--files-from": files_from, "--strength": strength != 1}
    given = {
        "--weights": restoring.is_given(context, "weights"),
        "--sigma": sigma is not None,
        "--turns": turns,
        "--preview": preview,
    }
    adjust = None if preview is None else partial(previews.words, others=others)
    plan = restoring.plan(context, which, wanted, said, adjust=adjust)
    searching = one_class.words(weights, said_of_prior, overwrite=overwrite)
    dip = None if searching else untrained.words(prior, steps, trace, inputs, given, quiet=quiet)
    made = dip.made(strength) if dip else provenance.of_denoising(weights, sigma, strength, turns)
    settings = plan.settings("denoise", machine, searching.made(made) if searching else made)
    make: Callable[[], Restore] = partial(_task, weights, sigma, strength, turns, machine, preview)
    if dip:
        make = partial(dip.task, machine, strength)
    if searching:
        some = partial(searching.denoising, machine, sigma, strength)
        make = together.maker(some, plan.jobs, settings, trace)
    task = batch.on_first_use(make)
    if preview is not None:
        task, settings = previews.instead(preview, task, settings)
    plan.carry_out(task, settings, machine, estimated=sigma is None)


def _task(
    weights: str,
    sigma: float | None,
    strength: float,
    turns: int | None,
    machine: restoring.Machine,
    part: Part | None,
) -> Denoise:
    """What denoises; made when the first picture needs it, since torch takes seconds to load."""
    from genrestore.restore.tasks import Denoise

    region = None if part is None else part.region
    return Denoise(
        weights, noise_level=sigma, strength=strength, turns=turns, runtime=machine.runtime, region=region
    )
