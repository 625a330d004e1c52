"""``genrestore invert``: parse, call, report."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrestore.cli import file_options as files
from genrestore.cli import one_class, options, restoring, self_test, together, tracing, untrained
from genrestore.errors import UsageError
from genrestore.files.plan.jobs import Attachment, OutputOptions

if TYPE_CHECKING:
    from genrestore.restore.descent_settings import LatentSearch
    from genrestore.restore.tasks import Invert, Inverted

Weights = Annotated[
    str,
    typer.Option(
        "--weights",
        metavar="NAME|PATH",
        parser=options.expand,
        show_default=False,
        help="A generator: a name of [bold]genrestore weights list[/bold], or a file.",
    ),
]
SelfTest = Annotated[
    int | None,
    typer.Option(
        "--self-test",
        metavar="N",
        parser=self_test.parse_count,
        rich_help_panel=options.INPUTS,
        show_default=False,
        help="Invert N images of the generator's own instead, and say how near they come.",
    ),
]


def invert(
    context: typer.Context,
    weights: Weights,
    inputs: files.Inputs = None,
    output: files.Output = None,
    self_test_of: SelfTest = None,
    recursive: files.Recursive = False,
    files_from: files.FilesFrom = None,
    null: files.Null = False,
    shard: files.ShardOption = None,
    fail_fast: files.FailFast = False,
    suffix: files.Suffix = None,
    format: files.Format = None,
    skip_existing: files.SkipExisting = False,
    overwrite: options.Overwrite = False,
    dry_run: files.DryRun = False,
    compare: files.Compare = False,
    steps: untrained.Steps = None,
    restarts: one_class.Restarts = None,
    loss: one_class.Loss = None,
    prior_weight: one_class.PriorWeight = None,
    recipe: one_class.Recipe = None,
    rate: one_class.Rate = None,
    resize: one_class.Resize = False,
    trace: untrained.Trace = None,
    no_provenance: files.NoProvenance = False,
    max_pixels: options.MaxPixels = None,
    device: options.Device = "auto",
    threads: options.Threads = None,
    seed: options.Seed = 0,
    reference: options.Reference = None,
    json: options.Json = False,
    json_file: options.JsonFile = None,
    quiet: options.Quiet = False,
) -> None:
    """Find the latents of pictures: what a generator makes them of.

    The generator's picture is written beside the input as STEM.inverted.EXT, or where [bold]-o[/bold] says,
    and its latent as STEM.latent.safetensors beside it. It is for pictures of the class and size that the
    generator was trained on; whether a picture is one is said.
    """
    said_of_search = dict(locals())
    search, path, sha256 = _search(weights, said_of_search)
    machine = restoring.Machine(device, "fp32", threads, seed)
    make = partial(_task, weights, search, machine, resize)
    if self_test_of is not None:
        _refuse_inputs(context)
        machine.check()
        raise typer.Exit(self_test.run(make, self_test_of, json=json, quiet=quiet))
    from genrestore.files.work import batch
    from genrestore.study import file as latent_file

    which = restoring.Inputs(inputs, files_from, null, fail_fast, max_pixels)
    names = (output, "inverted", overwrite, False, compare, recursive, suffix, format)
    latents = Attachment(
        "latent.safetensors", suffix or "inverted", _content, "its latent", latent_file.is_one
    )
    wanted = OutputOptions(*names, skip_existing, not no_provenance, shard, latents)
    said = restoring.Said(reference, json, json_file, quiet, dry_run)
    plan = restoring.plan(context, which, wanted, said)
    tracing.check(trace, overwrite=overwrite)
    made = {"weights": path, "weights_sha256": sha256, **search.described(resize=resize)}
    settings = plan.settings("invert", machine, made)
    task = batch.on_first_use(together.maker(make, plan.jobs, settings, trace))
    plan.carry_out(task, settings, machine)


def _search(weights: str, given: dict[str, Any]) -> tuple[LatentSearch, str, str]:
    """How the latents are searched for, and name and sha256 of the weights; reads their header only.

    Raises:
        UsageError: A value that cannot be meant.
        WeightsError: The weights are missing, or of no generator.
    """
    from genrestore.restore import inversion
    from genrestore.restore.descent_settings import LatentSearch
    from genrestore.weights import store

    path = store.resolve(weights)
    header = inversion.header_of(path, weights)
    search = one_class.settings(header.kind, header.size, given, inversion.PLAIN)
    assert isinstance(search, LatentSearch)  # as the kind says
    return search, path.stem, header.sha256


def _refuse_inputs(context: typer.Context) -> None:
    """Refuse what a self-test has no use for.

    Raises:
        UsageError: The first of it.
    """
    for parameter in context.command.params:
        name = parameter.name or ""
        of_files = getattr(parameter, "rich_help_panel", None) in (options.INPUTS, options.RESULTS)
        other = name in ("inputs", "trace", "reference", "json_file")
        if (of_files or other) and name != "self_test_of" and restoring.is_given(context, name):
            raise UsageError(f"--self-test: inverts images of its own; leave {parameter.opts[0]} out")


def _task(weights: str, search: LatentSearch, machine: restoring.Machine, resize: bool) -> Invert:
    """What inverts; imports torch."""
    from genrestore.restore.tasks import Invert

    return Invert(weights, runtime=machine.runtime, search=search, resize=resize)


def _content(inverted: Inverted) -> bytes:
    """The latent file of an inverted picture."""
    from genrestore.study import file

    return file.to_bytes(inverted.latent, inverted.sha256)
