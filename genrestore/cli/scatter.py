"""``genrestore scatter``: parse, call, report."""

from __future__ import annotations

import csv as _csv
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from genrestore.cli import figures, report
from genrestore.cli.commands import Record, is_given
from genrestore.cli.options import Machine
from genrestore.errors import UsageError, shown

if TYPE_CHECKING:
    from genrestore.study.latents import Encoder
    from genrestore.study.study import Study
    from genrestore.train.data.dataset import ImageSet, Reading

SCHEMA = 1
"""Version of the JSON record; a new field keeps it, a changed or missing one raises it."""
DRAWN = 10
"""Outliers of each kind in the picture; the shares are of all of them."""
NARROW, SHOWN = 0.1, 10
"""Standard deviation, as a share of the uniform distribution's, that is told; coordinates that are named."""
TABLE = ("input", "AE(input)", "nearest of the data")


@dataclass(frozen=True, kw_only=True)
class Scatter(Machine, Record):
    """Show where an autoencoder puts images: a scatter plot of their latents, coloured by class.

    Examples:
        genrestore scatter --weights mnist-ae --data mnist --download
        genrestore scatter --weights mnist-ae --data mnist -o pairs.pdf --dims all
        genrestore scatter --weights mine --data classes/ --outliers --csv latents.csv

    Figures of how evenly the latents cover their cube go to standard output.

    Options (Which inputs):
        data (NAME|FOLDER): mnist, fashion-mnist or celeba, or a folder whose sub-folders are classes;
            repeatable.
        split: Which part of a named data set.
        classes (NAME,...): Only images of these classes.
        data_root (FOLDER): Where torchvision's data sets lie; data in the user's data folder if left out.
        download: Get a named data set that is not there, through the network.
        outliers: Add five kinds of images of no class (grey, noise, negatives, mirrored ones, a drawn man),
            and write a table of what becomes of them beside the picture.
        outlier_image (PATH): Add an image of your own; repeatable.

    Options (Where results go):
        output (-o PATH): The picture: PNG, SVG or PDF by its name.
        dims (N,N,...|all): Coordinates of the latent, counted from 0; a grid of all pairs for more than two.
        pca: The two principal components of the latents instead of coordinates.
        zoom: Scale the axes to the cloud; left out, they show all of [0, 1].
        csv (PATH): Write all latents into this file, a row an image.

    Options (What is said):
        json: The figures as JSON.
    """

    weights: str
    data: list[str]
    output: Path = Path("scatter.png")
    split: Literal["test", "train"] = "test"
    classes: str | None = None
    data_root: Path | None = None
    download: bool = False
    outliers: bool = False
    outlier_image: list[Path] | None = None
    dims: str = "0,1"
    pca: bool = False
    zoom: bool = False
    csv: Path | None = None
    overwrite: bool = False
    json: bool = False
    quiet: bool = False

    def run(self, context: typer.Context) -> int:
        """Draw, and say the figures."""
        if self.zoom and self.pca:
            raise UsageError("--zoom: is about axes from 0 to 1, and those of --pca follow the cloud anyway")
        if self.pca and is_given(context, "dims"):
            raise UsageError(f"--dims {self.dims} and --pca contradict each other; give one")
        output, own = self.output, self.outlier_image or []
        table = output.with_name(f"{output.stem}.table{output.suffix}") if self.outliers or own else None
        figures.check_outputs("-o", [output, table, self.csv], overwrite=self.overwrite)
        from genrestore.study import latents
        from genrestore.study import study as studies
        from genrestore.train.data.dataset import Folder, Reading, load_images
        from genrestore.train.data.named import Library

        encoder = latents.encoder(self.weights, self.runtime)
        axes = [] if self.pca else coordinates(self.dims, encoder.network.latent)
        reading = Reading(encoder.header.channels, encoder.header.size)
        library = Library(self.data_root, self.split, self.download)
        images = load_images([Folder.parse(words) for words in self.data], reading, library)
        images = of_classes(images, self.classes)
        if self.pca and min(len(images), encoder.network.latent) < 2:
            raise UsageError(
                f"--pca: two components need at least 2 images and 2 coordinates; here are {len(images)} "
                f"and {encoder.network.latent}"
            )
        stack = images.stack()
        others = studies.draw_out_of_class(stack, self.seed) if self.outliers else {}
        study = studies.examine(encoder, stack, {**others, **own_images(own, reading, others)})
        figures.write(output, picture(study, images, axes, zoom=self.zoom), overwrite=self.overwrite)
        if table is not None:
            from genrestore.study.scatter import table as draw_table

            drawn = draw_table(studies.examples(encoder, study), TABLE)
            figures.write(table, drawn, overwrite=self.overwrite)
        if self.csv is not None:
            write_csv(self.csv, study, images, overwrite=self.overwrite)
        show(studies.describe(study, self.seed), self.weights, encoder, as_json=self.json)
        if not self.quiet:
            for path, reason in images.broken:
                report.write(report.one_line(f"{shown(path)}  not read: {reason}"))
            written = [shown(path) for path in (output, table, self.csv) if path]
            report.write(report.one_line(" ".join(["->", *written])))
        return 0


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


def own_images(paths: Sequence[Path], reading: Reading, taken: Iterable[str] = ()) -> dict[str, Any]:
    """Images of the user by their names, each [1, channel, size, size] in uint8.

    A name that two have, or that is taken, comes with its folder.

    Raises:
        InputError: One cannot be read.
    """
    import torch

    from genrestore.train.data.dataset import read_image

    own = dict.fromkeys(paths)
    times = Counter([*taken, *(path.name for path in own)])
    names = {path: path.name if times[path.name] == 1 else f"{path.parent}/{path.name}" for path in own}
    pixels = {name: read_image(path, reading) for path, name in names.items()}
    return {name: torch.from_numpy(one.transpose(2, 0, 1).copy())[None] for name, one in pixels.items()}


def picture(study: Study, images: ImageSet, axes: Sequence[int], *, zoom: bool) -> Any:
    """The scatter plot as a matplotlib figure; without axes, of principal components.

    Coordinates of a latent are drawn on [0, 1], where a sigmoid puts them, or scaled to the cloud.
    """
    from genrestore.study import scatter as drawing

    others = {name: points[:DRAWN] for name, points in study.outlier_latents.items()}
    if axes:
        points, moved = study.latent[:, axes], [other[:, axes] for other in others.values()]
        names = [f"z[{axis}]" for axis in axes]
    else:
        points, moved = drawing.project(study.latent, list(others.values()))
        names = ["first component", "second component"]
    marked = [drawing.Marked(name, one) for name, one in zip(others, moved, strict=True)]
    cloud = drawing.Cloud(points, images.labels, images.classes)
    return drawing.plot(cloud, marked, names, whole=bool(axes) and not zoom)


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
        stream.write(text.getvalue().encode("utf-8", "backslashreplace"))


def show(figures: dict[str, Any], weights: str, encoder: Encoder, *, as_json: bool) -> None:
    """Say the figures on stdout, as lines or as one JSON object."""
    if as_json:
        about = {"schema": SCHEMA, "weights": weights, "weights_sha256": encoder.header.sha256}
        report.say_json({**about, **figures})
        return
    rows = zip(figures["mean"], figures["variance"], figures["kurtosis"], strict=True)
    for axis, (mean, variance, kurtosis) in enumerate(rows):
        typer.echo(f"z[{axis}]  mean {mean:.3f}  variance {variance:.4f}  kurtosis {kurtosis:.2f}")
    typer.echo(
        f"{figures['images']} images  occupied cells {figures['occupied_cells']:.3f}  "
        f"sliced Wasserstein distance to uniform {figures['sliced_wasserstein']:.4f}"
    )
    narrow = [f"z[{axis}]" for axis, one in enumerate(figures["variance"]) if one < NARROW**2 / 12]
    if narrow:
        some = ", ".join(narrow[:SHOWN]) + (", ..." if len(narrow) > SHOWN else "")
        typer.echo(
            f"{len(narrow)} of {len(figures['variance'])} coordinates spread less than a tenth as far as "
            f"latents that fill [0, 1]: {some}"
        )
    for name, share in figures["outliers"].items():
        typer.echo(report.printable(f"{name}  {100 * share:.0f} % among the data"))
