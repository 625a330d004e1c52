"""``genrestore denoise``: parse, call, report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import typer

from genrestore.cli import file_options as files
from genrestore.cli import one_class, options, restoring, together, untrained
from genrestore.errors import UsageError
from genrestore.files.plan.jobs import OutputOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from genrestore.files.codecs.pixels import Array
    from genrestore.files.plan.jobs import Part
    from genrestore.files.work.batch import Restore, Restored
    from genrestore.restore.settings import DenoiseSettings
    from genrestore.restore.tasks import Denoise


def denoise(
    context: typer.Context,
    inputs: files.Inputs = None,
    output: files.Output = None,
    sigma: options.Sigma = None,
    strength: options.Strength = 1.0,
    luma: options.Luma = 1.0,
    chroma: options.Chroma = 1.0,
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
    from genrestore.files.work import batch
    from genrestore.files.work import preview as previews
    from genrestore.restore import provenance
    from genrestore.restore.settings import DenoiseSettings

    which = restoring.Inputs(inputs, files_from, null, fail_fast, max_pixels)
    names = (output, "denoised", overwrite, in_place, compare, recursive, suffix, format)
    wanted = OutputOptions(*names, skip_existing, not no_provenance, shard, drop_extras=drop_extras)
    said = restoring.Said(reference, json, json_file, quiet, dry_run)
    machine = restoring.Machine(device, precision, threads, seed)
    others = {"--reference": reference, "--files-from": files_from, "--strength": strength != 1}
    given = {
        "--weights": restoring.is_given(context, "weights"),
        "--sigma": sigma is not None,
        "--luma": luma != 1,
        "--chroma": chroma != 1,
        "--turns": turns,
        "--preview": preview,
    }
    adjust = None if preview is None else partial(previews.words, others=others)
    plan = restoring.plan(context, which, wanted, said, adjust=adjust)
    searching = one_class.words(weights, said_of_prior, overwrite=overwrite)
    dip = None if searching else untrained.words(prior, steps, trace, inputs, given, quiet=quiet)
    level = sigma or options.NoiseLevel()
    asked = DenoiseSettings(level.level, level.factor, strength, luma, chroma, turns)
    made = dip.made(strength) if dip else provenance.of_denoising(weights, asked)
    settings = plan.settings("denoise", machine, searching.made(made) if searching else made)
    make: Callable[[], Restore] = partial(_task, weights, asked, machine)
    if dip:
        make = partial(dip.task, machine, strength)
    if searching:
        if level.factor != 1:
            raise UsageError(f"--sigma {level.factor:g}x: weights '{weights}' take a level in grey levels")
        some = partial(searching.denoising, machine, level.level, strength)
        make = together.maker(some, plan.jobs, settings, trace)
    if preview is None:
        task = batch.on_first_use(make)
    else:
        task, settings = previews.instead(
            preview, partial(_levels, weights, asked, machine, preview), settings
        )
    plan.carry_out(task, settings, machine, estimated=level.level is None)


def _task(
    weights: str, asked: DenoiseSettings, machine: restoring.Machine, part: Part | None = None
) -> Denoise:
    """What denoises; made when the first picture needs it, since torch takes seconds to load."""
    from genrestore.restore.tasks import Denoise

    return Denoise(weights, asked, runtime=machine.runtime, region=None if part is None else part.region)


def _levels(
    weights: str,
    asked: DenoiseSettings,
    machine: restoring.Machine,
    part: Part,
    pixels: Array,
    factors: Sequence[float],
    on_progress: Callable[[float], None],
) -> Iterator[tuple[str, Restored]]:
    """A part of a picture at several noise levels, each under what --sigma would be."""
    for restored in _task(weights, asked, machine, part).at_levels(pixels, factors, on_progress):
        yield f"sigma {options.to_grey_levels(restored.noise_level or 0.0):.3g}", restored
