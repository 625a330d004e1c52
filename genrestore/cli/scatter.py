"""``genrestore scatter``: parse, call, report."""

from __future__ import annotations

import csv as _csv
import io
import json as _json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from genrestore.cli import figures, options, report, screen
from genrestore.cli.training_options import declared, expanded
from genrestore.errors import UsageError, shown
from genrestore.train.settings import DataSettings

if TYPE_CHECKING:
    from genrestore.study.latents import Encoder
    from genrestore.study.study import Study
    from genrestore.train.data.dataset import ImageSet, Reading

SCHEMA = 1
"""Version of the JSON record; a new field keeps it, a changed or missing one raises it."""
DRAWN = 10
"""Outliers of each kind in the picture; the shares are of all of them."""
TABLE = ("input", "AE(input)", "nearest of the data")

Data = Annotated[
    list[str],
    typer.Option(
        "--data",
        metavar="NAME|FOLDER",
        rich_help_panel=options.INPUTS,
        show_default=False,
        help="mnist, fashion-mnist or celeba, or a folder whose sub-folders are classes; repeatable.",
    ),
]
DataRoot = Annotated[Path | None, declared(DataSettings, "data_root", expanded)]
Download = Annotated[bool, declared(DataSettings, "download")]
Split = Annotated[
    Literal["test", "train"],
    typer.Option("--split", rich_help_panel=options.INPUTS, help="Which part of a named data set."),
]
Classes = Annotated[
    str | None,
    typer.Option(
        "--classes",
        metavar="NAME,...",
        rich_help_panel=options.INPUTS,
        show_default=False,
        help="Only images of these classes.",
    ),
]
Outliers = Annotated[
    bool,
    typer.Option(
        "--outliers",
        metavar="",
        rich_help_panel=options.INPUTS,
        help="Add five kinds of images of no class (grey, noise, negatives, mirrored ones, a drawn man), and "
        "write a table of what becomes of them beside the picture.",
    ),
]
OutlierImages = Annotated[
    list[Path] | None,
    typer.Option(
        "--outlier-image",
        metavar="PATH",
        parser=expanded,
        rich_help_panel=options.INPUTS,
        show_default=False,
        help="Add an image of your own; repeatable.",
    ),
]
Output = Annotated[
    Path,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        parser=expanded,
        rich_help_panel=options.RESULTS,
        help="The picture: PNG, SVG or PDF by its name.",
    ),
]
Dims = Annotated[
    str,
    typer.Option(
        "--dims",
        metavar="N,N,...|all",
        rich_help_panel=options.RESULTS,
        help="Coordinates of the latent, counted from 0; a grid of all pairs for more than two.",
    ),
]
Pca = Annotated[
    bool,
    typer.Option(
        "--pca",
        metavar="",
        rich_help_panel=options.RESULTS,
        help="The two principal components of the latents instead of coordinates.",
    ),
]
Csv = Annotated[
    Path | None,
    typer.Option(
        "--csv",
        metavar="PATH",
        parser=expanded,
        rich_help_panel=options.RESULTS,
        show_default=False,
        help="Write all latents into this file, a row an image.",
    ),
]
Json = Annotated[
    bool, typer.Option("--json", metavar="", rich_help_panel=options.SCREEN, help="The figures as JSON.")
]


def scatter(
    weights: options.Weights,
    data: Data,
    output: Output = Path("scatter.png"),
    split: Split = "test",
    classes: Classes = None,
    data_root: DataRoot = None,
    download: Download = False,
    outliers: Outliers = False,
    outlier_image: OutlierImages = None,
    dims: Dims = "0,1",
    pca: Pca = False,
    csv: Csv = None,
    overwrite: options.Overwrite = False,
    device: options.Device = "auto",
    threads: options.Threads = None,
    seed: options.Seed = 0,
    json: Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Show where an autoencoder puts images: a scatter plot of their latents, coloured by class.

    Figures of how evenly the latents cover their cube go to standard output.
    """
    table = output.with_name(f"{output.stem}.table{output.suffix}") if outliers or outlier_image else None
    figures.check_outputs("-o", [output, table, csv], overwrite=overwrite)
    from genrestore.runtime import Runtime
    from genrestore.study import latents
    from genrestore.study import study as studies
    from genrestore.train.data.dataset import Folder, Reading, load_images
    from genrestore.train.data.named import Library

    encoder = latents.encoder(weights, Runtime.create(device, "fp32", threads, seed))
    axes = [] if pca else coordinates(dims, encoder.network.latent)
    reading = Reading(encoder.header.channels, encoder.header.size)
    library = Library(data_root, split, download)
    images = of_classes(load_images([Folder.parse(words) for words in data], reading, library), classes)
    stack = images.stack()
    others = studies.draw_out_of_class(stack, seed) if outliers else {}
    study = studies.examine(encoder, stack, {**others, **own_images(outlier_image or [], reading)})
    figures.write(output, picture(study, images, axes), overwrite=overwrite)
    if table is not None:
        from genrestore.study.scatter import table as draw_table

        figures.write(table, draw_table(studies.examples(encoder, study), TABLE), overwrite=overwrite)
    if csv is not None:
        write_csv(csv, study, images, overwrite=overwrite)
    show(studies.describe(study, seed), weights, encoder, as_json=json)
    for path, reason in images.broken if not quiet else ():
        screen.write(report.one_line(f"{shown(path)}  not read: {reason}"))
    if not quiet:
        screen.write(report.one_line(" ".join(["->", *(shown(p) for p in (output, table, csv) if p)])))


def coordinates(dims: str, dimensions: int) -> list[int]:
    """A value of --dims as coordinates of the latent.

    Raises:
        UsageError: Not at least two different coordinates, or ones that the latent does not have.
    """
    from genrestore.study.scatter import MOST_AXES

    try:
        axes = list(range(dimensions)) if dims == "all" else [int(word) for word in dims.split(",")]
    except ValueError:
        raise UsageError(f"--dims {dims}: must be all, or numbers with commas between them") from None
    if len(set(axes)) != len(axes) or len(axes) < 2:
        raise UsageError(f"--dims {dims}: at least two different coordinates are needed")
    if not all(0 <= axis < dimensions for axis in axes):
        raise UsageError(f"--dims {dims}: the latent has coordinates 0 to {dimensions - 1}")
    if len(axes) > MOST_AXES:
        raise UsageError(f"--dims {dims}: {len(axes)} coordinates; a grid has at most {MOST_AXES}, or --pca")
    return axes


def of_classes(images: ImageSet, classes: str | None) -> ImageSet:
    """The images of the classes that are asked for; all where none are.

    Raises:
        UsageError: The images have no classes, or not these.
    """
    if classes is None:
        return images
    if not images.labels:
        raise UsageError(
            f"--classes {classes}: the images have no classes; put those of each class into a sub-folder"
        )
    wanted = classes.split(",")
    missing = [name for name in wanted if name not in images.classes]
    if missing:
        raise UsageError(f"--classes {classes}: no class {missing[0]}; there are {', '.join(images.classes)}")
    return images.select(
        [index for index, label in enumerate(images.labels) if images.classes[label] in wanted]
    )


def own_images(paths: Sequence[Path], reading: Reading) -> dict[str, Any]:
    """Images of the user by their names, each [1, channel, size, size] in uint8.

    Raises:
        InputError: One cannot be read.
    """
    import torch

    from genrestore.train.data.dataset import read_image

    pixels = {path.name: read_image(path, reading) for path in paths}
    return {name: torch.from_numpy(one.transpose(2, 0, 1).copy())[None] for name, one in pixels.items()}


def picture(study: Study, images: ImageSet, axes: Sequence[int]) -> Any:
    """The scatter plot as a matplotlib figure; without axes, of principal components."""
    from genrestore.study import scatter as drawing

    others = {name: points[:DRAWN] for name, points in study.outlier_latents.items()}
    if axes:
        points, moved = study.latent[:, axes], [other[:, axes] for other in others.values()]
        names = [f"z[{axis}]" for axis in axes]
    else:
        points, moved = drawing.project(study.latent, list(others.values()))
        names = ["first component", "second component"]
    marked = [drawing.Marked(name, one) for name, one in zip(others, moved, strict=True)]
    return drawing.plot(drawing.Cloud(points, images.labels, images.classes), marked, names)


def write_csv(path: Path, study: Study, images: ImageSet, *, overwrite: bool) -> None:
    """A row an image: its name, its class or the kind of outlier, and its latent."""
    from genrestore.files.disk.atomic import atomic

    text = io.StringIO(newline="")
    writer = _csv.writer(text, lineterminator="\n")
    writer.writerow(["image", "class", *(f"z{axis}" for axis in range(study.latent.shape[1]))])
    names = [images.classes[label] for label in images.labels] or [""] * len(images)
    for image, name, latent in zip(images.paths, names, study.latent.tolist(), strict=True):
        writer.writerow([image, name, *latent])
    for kind, latents in study.outlier_latents.items():
        writer.writerows([f"outlier/{kind}/{number}", "", *z] for number, z in enumerate(latents.tolist()))
    with atomic(path, overwrite=overwrite) as stream:
        stream.write(text.getvalue().encode())


def show(figures: dict[str, Any], weights: str, encoder: Encoder, *, as_json: bool) -> None:
    """Say the figures on stdout, as lines or as one JSON object."""
    if as_json:
        about = {"schema": SCHEMA, "weights": weights, "weights_sha256": encoder.header.sha256}
        typer.echo(_json.dumps({**about, **figures}, allow_nan=False))
        return
    rows = zip(figures["mean"], figures["variance"], figures["kurtosis"], strict=True)
    for axis, (mean, variance, kurtosis) in enumerate(rows):
        typer.echo(f"z[{axis}]  mean {mean:.3f}  variance {variance:.4f}  kurtosis {kurtosis:.2f}")
    typer.echo(
        f"{figures['images']} images  occupied cells {figures['occupied_cells']:.3f}  "
        f"sliced Wasserstein distance to uniform {figures['sliced_wasserstein']:.4f}"
    )
    for name, share in figures["outliers"].items():
        typer.echo(report.printable(f"{name}  {100 * share:.0f} % among the data"))
