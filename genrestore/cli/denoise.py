"""``genrestore denoise``: parse, call, report."""

from __future__ import annotations

import typer

from genrestore.cli import options, report
from genrestore.cli import reference as references


def denoise(
    context: typer.Context,
    inputs: options.Inputs,
    output: options.Output = None,
    sigma: options.Sigma = None,
    strength: options.Strength = 1.0,
    weights: options.Weights = "photo",
    overwrite: options.Overwrite = False,
    in_place: options.InPlace = False,
    compare: options.Compare = False,
    no_provenance: options.NoProvenance = False,
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
    options.check_streams(context, inputs, output, json=json, json_file=json_file)
    from genrestore.files import batch, images, outputs
    from genrestore.weights import store

    plan = outputs.OutputOptions(output, "denoised", overwrite, in_place, compare)
    jobs = outputs.plan(inputs, plan)
    score = references.scorer(reference, jobs)
    store.resolve(weights)
    with (
        report.json_lines(json, json_file, jobs, overwrite=overwrite) as lines,
        report.Report(jobs, estimated=sigma is None, quiet=quiet, json_stream=lines, score=score) as said,
    ):
        from genrestore.restore import tasks
        from genrestore.runtime import Runtime

        runtime = Runtime.create(device, precision, threads, seed)
        task = tasks.Denoise(weights, noise_level=sigma, strength=strength, runtime=runtime)
        noted = None if no_provenance else report.provenance("denoise", seed, task.provenance)
        pixels = images.DEFAULT_MAX_PIXELS if max_pixels is None else max_pixels
        settings = batch.BatchOptions(pixels, noted, compare, overwrite)
        raise typer.Exit(said.show(batch.run(jobs, task, settings, said.progress)))
