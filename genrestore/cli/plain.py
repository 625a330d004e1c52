"""Commands that are made of the line of their damage alone, in `restore.task`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from genrestore.cli.words import Words
from genrestore.errors import InputError
from genrestore.files.codecs.formats import SUFFIXES
from genrestore.files.plan.jobs import Job, OutputOptions
from genrestore.restore.task import Damage


@dataclass(frozen=True, kw_only=True)
class Plain(Words):
    """The words of a command that has none of its own."""

    weights: str = "photo"
    precision: str = "auto"

    @property
    def estimated(self) -> bool:
        """True where the noise level is estimated."""
        return self.damage.request.noise_level is None

    def wanted(self, named: Sequence[str]) -> OutputOptions:
        """The words about results, which are PNG where they are not coded as before and nothing says how."""
        usual, output = super().wanted(named), self.output or ""
        is_file = Path(output).suffix.lower() in SUFFIXES and not (
            output.endswith("/") or Path(output).is_dir()
        )
        return usual if is_file or not self.damage.formats else replace(usual, format=self.format or "PNG")

    def assigned(self, jobs: list[Job]) -> list[Job]:
        """Jobs of files that say what happened; others fail before the work, or in a folder are skipped."""
        if not self.damage.formats:
            return jobs
        return [self._assigned(job) if job.is_open and job.source else job for job in jobs]

    def _assigned(self, job: Job) -> Job:
        from genrestore.files.plan.sources import content_format

        assert job.source is not None
        format = content_format(job.source)
        if format is None or format in self.damage.formats:
            return job
        if any(folder.is_dir() and folder in job.source.parents for folder in map(Path, self.inputs or ())):
            return replace(job, skipped=f"{format}, and no {' or '.join(self.damage.formats)}")
        return replace(job, problem=f"{job.name}: {format}, {self.damage.other_format}")

    def of_batch(self, settings: Any, jobs: Sequence[Job]) -> Any:  # noqa: ARG002
        """The options of a batch: where files say what happened, their own values, coded anew."""
        return replace(settings, finish=_coded_anew, scaled=False) if self.damage.formats else settings

    def operator(self, picture: Any) -> Any:
        """A of a picture, of what its file says.

        Raises:
            InputError: It does not say it.
        """
        damage, metadata = self.damage, picture.image.metadata
        if damage.formats and metadata.format not in damage.formats:
            raise InputError(f"{picture.job.name}: {metadata.format}, {damage.other_format}")
        try:
            return damage.load().operator(metadata)
        except InputError as error:
            raise InputError(f"{picture.job.name}: {error}") from error


def _coded_anew(image: Any, pixels: Any) -> Any:
    """A restored picture [1, channel, height, width] that a JPEG codes with tables of its own."""
    jpeg = image.metadata.jpeg and replace(image.metadata.jpeg, tables=(), subsampling=0)
    return replace(image, pixels=pixels, metadata=replace(image.metadata, jpeg=jpeg))


def command(damage: Damage) -> type[Words]:
    """The record of the command of a damage."""
    names = {"__doc__": damage.help, "damage": damage, "infix": damage.infix}
    return dataclass(frozen=True, kw_only=True)(type(damage.name.capitalize(), (Plain,), names))
