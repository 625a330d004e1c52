"""``genrestore sample``: parse, call, report."""

from __future__ import annotations

import json as _json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrestore.cli import file_options as files
from genrestore.cli import options, report, screen
from genrestore.errors import UsageError, shown
from genrestore.files.codecs import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from genrestore.study.latents import Sampler

SCHEMA = 1
"""Version of the JSON record; a new field keeps it, a changed or missing one raises it."""
COUNT = 64
MOST = 10_000

Count = Annotated[
    int | None,
    typer.Option(
        "-n",
        "--count",
        metavar="N",
        min=1,
        max=MOST,
        rich_help_panel=options.INPUTS,
        show_default=False,
        help=f"Random images ({COUNT}); with --interpolate, ways ({COUNT // 8}).",
    ),
]
Interpolate = Annotated[
    int | None,
    typer.Option(
        "--interpolate",
        metavar="STEPS",
        min=2,
        max=MOST,
        rich_help_panel=options.INPUTS,
        show_default=False,
        help="Instead of single images, the way from one to another in so many, a row each.",
    ),
]
Latent = Annotated[
    Path | None,
    typer.Option(
        "--latent",
        metavar="FILE",
        parser=lambda value: Path(options.expand(str(value))),
        rich_help_panel=options.INPUTS,
        show_default=False,
        help="The images of these latents, as [bold]genrestore invert[/bold] writes them, instead of random "
        "ones.",
    ),
]
Output = Annotated[
    str,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        parser=options.expand,
        rich_help_panel=options.RESULTS,
        help="A file for one picture of all, a folder (a name with / at its end) for one each, or - for "
        "stdout.",
    ),
]
Json = Annotated[
    bool,
    typer.Option("--json", metavar="", rich_help_panel=options.SCREEN, help="One JSON object on stdout."),
]


def sample(
    weights: options.Weights,
    output: Output = "samples.png",
    count: Count = None,
    interpolate: Interpolate = None,
    latent: Latent = None,
    overwrite: options.Overwrite = False,
    no_provenance: files.NoProvenance = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    seed: options.Seed = 0,
    json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make images of random latents with the weights of a generator or an autoencoder.

    They are laid out in one picture, or written one by one into a folder.
    """
    check_words(output, count, interpolate, latent, json=json)
    from genrestore.runtime import Runtime
    from genrestore.study import latents as networks
    from genrestore.weights import load

    runtime = Runtime.create(device, "fp32", threads, seed)
    sampler = networks.sampler(load.load(weights, runtime), weights, runtime)
    latents, columns = choose(sampler, weights, count, interpolate, latent, runtime)
    names = targets(output, len(latents), overwrite=overwrite)
    made = {"weights": Path(weights).stem, "weights_sha256": sampler.header.sha256}
    noted = None if no_provenance else report.provenance("sample", seed, made)
    write(sampler.render(latents).numpy(), columns, names, noted, overwrite=overwrite)
    if json:
        outputs = [str(name) for name in names or ()]
        record = {"schema": SCHEMA, **made, "seed": seed, "images": len(latents), "outputs": outputs}
        typer.echo(_json.dumps(record, allow_nan=False))
    if quiet:
        return
    if latent is None and not sampler.covers:
        screen.write(
            f"{shown(weights)}: its latents were not trained to cover [0, 1], so most random ones are of no "
            "image; train ae --cover makes those that do"
        )
    where = "-" if names is None else shown(output if len(names) > 1 else names[0])
    screen.write(report.one_line(f"{len(latents)} images -> {where}"))


def check_words(
    output: str, count: int | None, interpolate: int | None, latent: Path | None, *, json: bool
) -> None:
    """Refuse words that cannot be meant together.

    Raises:
        UsageError: Names the words.
    """
    for option, value in (("--count", count), ("--interpolate", interpolate)):
        if latent is not None and value is not None:
            raise UsageError(f"{option} {value} with --latent {shown(latent)}: give one of them")
    if interpolate is not None and interpolate * (count or 1) > MOST:
        raise UsageError(f"--interpolate {interpolate} with --count {count}: at most {MOST} images at once")
    if output != "-":
        return
    if json:
        raise UsageError("--json and the picture both want stdout; give -o a file")
    if sys.stdout is not None and sys.stdout.isatty():
        raise UsageError("-o -: stdout is a terminal; send it into a file or a pipe, or give -o a file")


def choose(
    sampler: Sampler,
    weights: str,
    count: int | None,
    interpolate: int | None,
    latent: Path | None,
    runtime: Any,
) -> tuple[Tensor, int | None]:
    """The latents that are asked for, [images, latent], and images in a row of the picture; None: any number.

    Raises:
        InputError: A latent file that cannot be read.
        UsageError: One of other weights.
    """
    from genrestore.study import file

    if latent is not None:
        return file.read(latent, sampler.header.sha256, weights, sampler.network.latent), None
    draws = runtime.generator()
    if interpolate is None:
        return sampler.draw(count or COUNT, draws), None
    first, last = sampler.draw(2 * (count or COUNT // 8), draws).chunk(2)
    return sampler.between(first, last, interpolate), interpolate


def targets(output: str, images: int, *, overwrite: bool) -> Sequence[Path] | None:
    """The files to write: one for all images, or one each in a folder; None for stdout.

    Raises:
        UsageError: A suffix that is not written, or a file that is there already.
        InputError: A file cannot be written.
    """
    from genrestore.files.disk.atomic import check_writable

    if output == "-":
        return None
    path = Path(output)
    folder = output.endswith("/") or path.is_dir()
    digits = max(3, len(str(images - 1)))
    names = [path / f"{index:0{digits}d}.png" for index in range(images)] if folder else [path]
    if not folder and formats.of_suffix(path) not in formats.WRITABLE:
        written = ", ".join(sorted(formats.SUFFIXES))
        raise UsageError(f"-o {shown(output)}: the name must end in {written}, or in / for a folder")
    there = [name for name in names if name.exists()]
    if there and not overwrite:
        raise UsageError(f"{shown(there[0])}: exists ({len(there)} in all); replace with --overwrite")
    check_writable(names[0])
    return names


def write(
    images: Any,
    columns: int | None,
    names: Sequence[Path] | None,
    provenance: Mapping[str, Any] | None,
    *,
    overwrite: bool,
) -> None:
    """Write images [images, channel, size, size], uint8: all in one picture, or one each.

    Raises:
        InputError: A file or stdout cannot be written.
    """
    from genrestore.files.codecs.metadata import Metadata
    from genrestore.files.codecs.pixels import Image
    from genrestore.files.work import results
    from genrestore.files.work.contact_sheet import grid

    about = Metadata("PNG", "L" if images.shape[1] == 1 else "RGB")
    if names is None:
        results.write_stdout(Image(grid(images, columns), None, about), "PNG", provenance, sys.stdout.buffer)
        return
    pictures = [grid(images, columns)] if len(names) == 1 else [image[None] for image in images]
    for name, pixels in zip(names, pictures, strict=True):
        format = formats.of_suffix(name) or "PNG"
        picture = Image(pixels, None, about)
        results.write_files(picture, None, name, format, provenance, overwrite)
