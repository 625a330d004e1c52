"""``genrestore sample``: parse, call, report."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from genrestore.cli import options, report
from genrestore.cli.commands import Record
from genrestore.cli.options import Machine
from genrestore.errors import UsageError, shown
from genrestore.files.codecs import formats

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import typer
    from torch import Tensor

    from genrestore.study.latents import Sampler

SCHEMA = 1
"""Version of the JSON record; a new field keeps it, a changed or missing one raises it."""
COUNT, WAYS, MOST = 64, 8, 10_000


@dataclass(frozen=True, kw_only=True)
class Sample(Machine, Record):
    """Make images of random latents with the weights of a generator or an autoencoder.

    Examples:
        genrestore sample --weights mnist-gan -n 100 -o digits.png
        genrestore sample --weights faces-gan -n 1000 --seed 1 -o faces/
        genrestore sample --weights faces-gan --interpolate 10 -n 8 -o ways.png

    They are laid out in one picture, or written one by one into a folder.

    Options (Which inputs):
        count (-n N, 1 to 10000): Random images (64); with --interpolate, ways (8).
        interpolate (STEPS, 2 to 10000): Instead of single images, the way from one to another in so many, a
            row each.
        latent (FILE): The images of these latents, as [bold]genrestore invert[/bold] writes them, instead
            of random ones.

    Options (Where results go):
        output (-o PATH): A file for one picture of all, a folder (a name with / at its end) for one each, or
            - for stdout.

    Options (What is said):
        json: One JSON object on stdout.
    """

    weights: str
    output: str = "samples.png"
    count: int | None = None
    interpolate: int | None = None
    latent: Path | None = None
    overwrite: bool = False
    no_provenance: bool = False
    json: bool = False
    quiet: bool = False

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Draw, write and say how many."""
        self._check_words()
        from genrestore.study import latents as networks
        from genrestore.weights import load, store

        sampler = networks.sampler(load.load(self.weights, self.runtime), self.weights, self.runtime)
        latents, columns = self._chosen(sampler)
        names = targets(self.output, len(latents), overwrite=self.overwrite)
        parameters = {"weights": store.resolve(self.weights).stem, "weights_sha256": sampler.header.sha256}
        provenance = None if self.no_provenance else report.provenance("sample", self.seed, parameters)
        write(sampler.render(latents).numpy(), columns, names, provenance, overwrite=self.overwrite)
        if self.json:
            outputs = [str(name) for name in names or ()]
            report.say_json(
                {
                    "schema": SCHEMA,
                    **parameters,
                    "seed": self.seed,
                    "images": len(latents),
                    "outputs": outputs,
                }
            )
        if self.quiet:
            return 0
        if self.latent is None and not sampler.covers:
            report.write(
                f"{shown(self.weights)}: its latents were not trained to cover [0, 1], so most random ones "
                "are of no image; train ae --cover makes those that do"
            )
        where = "-" if names is None else shown(self.output if len(names) > 1 else names[0])
        report.write(report.one_line(f"{len(latents)} images -> {where}"))
        return 0

    def _check_words(self) -> None:
        """Refuse words that cannot be meant together.

        Raises:
            UsageError: Names the words.
        """
        for option, value in (("--count", self.count), ("--interpolate", self.interpolate)):
            if self.latent is not None and value is not None:
                raise UsageError(f"{option} {value} with --latent {shown(self.latent)}: give one of them")
        if self.interpolate is not None and self.interpolate * self._ways > MOST:
            raise UsageError(
                f"--interpolate {self.interpolate} with --count {self._ways}: at most {MOST} images at once"
            )
        if self.output != "-":
            return
        if self.json:
            raise UsageError("--json and the picture both want stdout; give -o a file")
        options.check_stdout()

    @property
    def _ways(self) -> int:
        """Rows of --interpolate."""
        return self.count or WAYS

    def _chosen(self, sampler: Sampler) -> tuple[Tensor, int | None]:
        """The latents that are asked for, [images, latent], and images in a row; None: any number.

        Raises:
            InputError: A latent file that cannot be read.
            UsageError: One of other weights.
        """
        from genrestore.study import file

        if self.latent is not None:
            return file.read(self.latent, sampler.header.sha256, self.weights, sampler.network.latent), None
        draws = self.runtime.generator()
        if self.interpolate is None:
            return sampler.draw(self.count or COUNT, draws), None
        first, last = sampler.draw(2 * self._ways, draws).chunk(2)
        return sampler.between(first, last, self.interpolate), self.interpolate


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
    from genrestore.files.codecs.images import Image
    from genrestore.files.codecs.metadata import Metadata
    from genrestore.files.work import stages
    from genrestore.files.work.contact_sheet import grid

    about = Metadata("PNG", "L" if images.shape[1] == 1 else "RGB")
    if names is None:
        stages.write_stdout(Image(grid(images, columns), None, about), "PNG", provenance, sys.stdout.buffer)
        return
    pictures = [grid(images, columns)] if len(names) == 1 else [image[None] for image in images]
    for name, pixels in zip(names, pictures, strict=True):
        format = formats.of_suffix(name) or "PNG"
        picture = Image(pixels, None, about)
        stages.write_files(picture, None, name, format, provenance, overwrite)
