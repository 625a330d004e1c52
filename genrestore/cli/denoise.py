"""``genrestore denoise``: parse, call, report."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import typer

from genrestore.cli import dry_run as rehearsal
from genrestore.cli import file_options as files
from genrestore.cli import options, report
from genrestore.cli import reference as references

if TYPE_CHECKING:
    from collections.abc import Sequence

    from genrestore.files.outputs import Job
    from genrestore.files.part import Part
    from genrestore.restore.tasks import Denoise
    from genrestore.runtime import Runtime


def denoise(
    context: typer.Context,
    inputs: files.Inputs = None,
    output: files.Output = None,
    sigma: options.Sigma = None,
    strength: options.Strength = 1.0,
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
    dry_run: files.DryRun = False,
    compare: files.Compare = False,
    preview: files.Preview = None,
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
    picture and shown.
    """
    files.check_streams(
        context, inputs, output, files_from=files_from, dry_run=dry_run, json=json, json_file=json_file
    )
    from genrestore.files import batch, outputs
    from genrestore.files import preview as previews
    from genrestore.restore import provenance

    wanted = outputs.OutputOptions(
        output, "denoised", overwrite, in_place, compare, recursive, suffix, format
    )
    wanted = replace(wanted, skip_existing=skip_existing, provenance=not no_provenance, shard=shard)
    named = files.words(inputs, files_from, null=null)
    if preview is not None:
        others = {"--reference": reference, "--files-from": files_from, "--strength": strength != 1}
        wanted = previews.words(named, wanted, others)
    jobs = outputs.plan(named, wanted, listed=files_from is not None)
    score = references.scorer(reference, jobs)
    made = report.provenance("denoise", seed, provenance.of_denoising(weights, sigma, strength))
    settings = batch.BatchOptions.of(wanted, made, max_pixels)
    if dry_run:
        raise typer.Exit(rehearsal.show(jobs, settings, quiet=quiet))
    machine = (device, precision, threads, seed)
    if device not in ("auto", "cpu") and _is_work_left(jobs, skip_existing):
        _runtime(*machine)  # a device that is not here is told before any input is looked at
    task = batch.on_first_use(partial(_task, weights, sigma, strength, machine, preview))
    if preview is not None:
        task, settings = previews.instead(preview, task, settings)
    with (
        report.json_lines(json, json_file, jobs, overwrite=overwrite) as lines,
        report.Report(jobs, sigma is None, quiet, lines, score, fail_fast) as said,
    ):
        raise typer.Exit(said.show(batch.run(jobs, task, settings, said.progress)))


def _task(
    weights: str,
    sigma: float | None,
    strength: float,
    machine: tuple[str, str, int | None, int],
    part: Part | None,
) -> Denoise:
    """What denoises; made when the first picture needs it, since torch takes seconds to load."""
    from genrestore.restore.tasks import Denoise

    region = None if part is None else part.region
    return Denoise(weights, noise_level=sigma, strength=strength, runtime=_runtime(*machine), region=region)


def _runtime(device: str, precision: str, threads: int | None, seed: int) -> Runtime:
    from genrestore.runtime import Runtime

    return Runtime.create(device, precision, threads, seed)


def _is_work_left(jobs: Sequence[Job], skip_existing: bool) -> bool:
    """Whether something will surely be restored; told from names alone, since it is asked of everything."""
    todo = [job.target for job in jobs if job.is_open]
    return any(not skip_existing or target is None or not os.path.lexists(target) for target in todo)
