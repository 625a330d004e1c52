"""``genrestore dejpeg``: the record of the command."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

from genrestore.cli.words import Words
from genrestore.errors import InputError
from genrestore.files.codecs.formats import SUFFIXES
from genrestore.files.plan.jobs import Job, OutputOptions
from genrestore.restore.task import DEJPEG

NOT_CODED = (
    "{}, which does not tell how a JPEG was coded, even if it was made of one; "
    "genrestore denoise restores it without"
)


@dataclass(frozen=True, kw_only=True)
class Dejpeg(Words):
    """Remove what JPEG left in photographs: blocks, rings around edges, colours that run out.

    Examples:
        genrestore dejpeg photo.jpg
        genrestore dejpeg -r album/ -o better/ --report page/
        genrestore dejpeg photo.jpg -o photo.tif

    Every JPEG file says how coarsely it was coded. The result is a picture as the prior knows them, among
    those that the same coding would have made this very file of: nothing is invented against it. It is
    written as STEM.dejpeg.png beside the input, or where [bold]-o[/bold] says, since coding it again would
    lose what was gained. Pictures in other formats have lost how they were coded; [bold]denoise[/bold] needs
    no word of it.

    Options (Where results go):
        format (FORMAT): Write this format; PNG if left out. JPEG is written with
            quality 95.
    """

    damage: ClassVar = DEJPEG
    infix: ClassVar = "dejpeg"

    weights: str = "photo"
    precision: str = "auto"

    @property
    def estimated(self) -> bool:
        """True: the noise level is estimated."""
        return True

    def wanted(self, named: Sequence[str]) -> OutputOptions:
        """The words about results, which are PNG where nothing says what else."""
        usual, output = super().wanted(named), self.output or ""
        is_file = Path(output).suffix.lower() in SUFFIXES and not (
            output.endswith("/") or Path(output).is_dir()
        )
        return usual if is_file else replace(usual, format=self.format or "PNG")

    def assigned(self, jobs: list[Job]) -> list[Job]:
        """Jobs of JPEG files; others fail before the work, or are skipped where they are of a folder."""
        return [self._assigned(job) if job.is_open and job.source else job for job in jobs]

    def _assigned(self, job: Job) -> Job:
        from genrestore.files.plan.sources import content_format

        assert job.source is not None
        format = content_format(job.source)
        if format in (None, "JPEG"):
            return job
        if any(folder.is_dir() and folder in job.source.parents for folder in map(Path, self.inputs or ())):
            return replace(job, skipped=f"{format}, and no JPEG")
        return replace(job, problem=f"{job.name}: {NOT_CODED.format(format)}")

    def of_batch(self, settings: Any, jobs: Sequence[Job]) -> Any:  # noqa: ARG002
        """The options of a batch: the file's own values, and results that are not coded as they were."""
        return replace(settings, finish=_coded_anew, scaled=False)

    def operator(self, picture: Any) -> Any:
        """How a picture was coded.

        Raises:
            InputError: Its file does not say it.
        """
        from genrestore.restore.operators import Component, Jpeg

        told = picture.image.metadata
        if told.jpeg is None:
            raise InputError(f"{picture.job.name}: {NOT_CODED.format(told.format)}")
        if not told.jpeg.planes:
            raise InputError(
                f"{picture.job.name}: a JPEG of {told.mode} or of unusual sampling, whose tables are not of "
                "what is restored; genrestore denoise restores it without them"
            )
        components = tuple(Component(*plane) for plane in told.jpeg.planes)
        return Jpeg(components, told.jpeg.keep_rgb, told.jpeg.orientation)


def _coded_anew(image: Any, pixels: Any) -> Any:
    """A restored picture [1, channel, height, width] that a JPEG codes with tables of its own."""
    jpeg = image.metadata.jpeg and replace(image.metadata.jpeg, tables=(), subsampling=0)
    return replace(image, pixels=pixels, metadata=replace(image.metadata, jpeg=jpeg))
