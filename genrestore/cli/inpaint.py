"""``genrestore inpaint``: parse, call, report."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import typer

from genrestore.cli import file_options as files
from genrestore.cli import mask_options as hole
from genrestore.cli import one_class, options, restoring, together, untrained
from genrestore.files.plan.jobs import OutputOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from genrestore.files.work.batch import Restore
    from genrestore.restore.tasks import Inpaint


def inpaint(
    context: typer.Context,
    inputs: files.Inputs = None,
    output: files.Output = None,
    mask: hole.Mask = None,
    invert_mask: hole.InvertMask = False,
    mask_colour: hole.MaskColour = None,
    box: hole.Box = None,
    grow: hole.Grow = 0,
    feather: hole.Feather = 0,
    sigma: hole.KnownSigma = 0.0,
    weights: options.Weights = "photo-inpaint",
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
    show_mask: hole.ShowMask = None,
    prior: untrained.Prior = "auto",
    steps: untrained.Steps = None,
    loss: one_class.Loss = None,
    prior_weight: one_class.PriorWeight = None,
    step_size: one_class.StepSize = None,
    restarts: one_class.Restarts = None,
    recipe: one_class.Recipe = None,
    rate: one_class.Rate = None,
    refine: one_class.Refine = None,
    no_keep: one_class.NoKeep = False,
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
    """Fill what is missing from photographs: scratches, captions, date stamps, small objects.

    A mask says what is missing: a file, the input's own alpha, a colour, or a rectangle. The result is
    written beside the input as STEM.inpainted.EXT, or where [bold]-o[/bold] says. Every pixel outside the
    mask stays as it was.
    """
    said_of_prior = dict(locals())
    from genrestore.files.work import batch, masks
    from genrestore.restore import provenance

    which = restoring.Inputs(inputs, files_from, null, fail_fast, max_pixels)
    names = (output, "inpainted", overwrite, in_place, compare, recursive, suffix, format)
    wanted = OutputOptions(*names, skip_existing, not no_provenance, shard, drop_extras=drop_extras)
    said = restoring.Said(reference, json, json_file, quiet, dry_run)
    machine = restoring.Machine(device, precision, threads, seed)
    colour = None if mask_colour is None else hole.parse_colour(mask_colour)
    drawn = (mask, invert_mask, colour, tuple(box or ()), grow)
    missing = masks.MaskOptions(*drawn, show_mask, overwrite, max_pixels)
    given = {
        "--weights": restoring.is_given(context, "weights"),
        "--sigma": restoring.is_given(context, "sigma"),
    }
    plan = restoring.plan(context, which, wanted, said, assign=partial(masks.assign, options=missing))
    searching = one_class.words(weights, said_of_prior, overwrite=overwrite)
    dip = None if searching else untrained.words(prior, steps, trace, inputs, given, quiet=quiet)
    made = dip.made(feather=feather) if dip else provenance.of_inpainting(weights, sigma, feather)
    made = searching.made(made) if searching else made
    settings = plan.settings("inpaint", machine, {**made, **missing.provenance})
    settings = replace(settings, masks=masks.Masks(missing, plan.jobs).of)
    make: Callable[[], Restore] = partial(_task, weights, sigma, feather, machine)
    if dip:
        make = partial(dip.task, machine, feather=feather)
    if searching:
        some = partial(searching.inpainting, machine, sigma, feather)
        looked_up = replace(settings, masks=masks.Masks(replace(missing, show=None), plan.jobs).of)
        make = together.maker(some, plan.jobs, looked_up, trace)
    task = batch.on_first_use(make)
    plan.carry_out(task, settings, machine)


def _task(weights: str, sigma: float, feather: int, machine: restoring.Machine) -> Inpaint:
    """What fills; made when the first picture needs it, since torch takes seconds to load."""
    from genrestore.restore.tasks import Inpaint

    return Inpaint(weights, noise_level=sigma, feather=feather, runtime=machine.runtime)
