"""``--preview``: a part of a picture at several noise levels and strengths, instead of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from genrestore.errors import InputError, UsageError
from genrestore.files.codecs.images import Array, Image, to_16_bit
from genrestore.files.codecs.metadata import Metadata
from genrestore.files.plan import sources
from genrestore.files.plan.jobs import STDIO, OutputOptions, Part
from genrestore.files.work import contact_sheet
from genrestore.files.work.contact_sheet import Panel
from genrestore.files.work.stages import BatchOptions, Picture, Restore, Restored

INFIX = "preview"


FACTORS = (0.5, 1.0, 1.5, 2.0, 4.0)
"""Of the noise level that is estimated or given: what a sheet shows."""

AtLevels = Callable[[Picture, Sequence[float], Callable[[float], None]], Iterator[tuple[str, Restored]]]
"""Restores a picture at so many times its noise level, each with its label."""


def sheet(part: Part, image: Image, levels: Sequence[Panel], restored: Array) -> Image:
    """The contact sheet: a part of a picture at several noise levels, and below at several strengths.

    Args:
        part: What is shown.
        image: The picture as it was read.
        levels: The part at the noise levels.
        restored: The picture restored at its own, [1, channel, height, width]; only the part is looked at.
    """
    before, after = (to_16_bit(part.of(pixels)) for pixels in (image.pixels, restored))
    pixels = contact_sheet.sheet([levels, contact_sheet.strengths(before, after)])
    notes = image.metadata.notes + (() if image.alpha is None else ("the sheet is without alpha",))
    return Image(pixels, None, Metadata("PNG", image.metadata.mode, icc=image.metadata.icc, notes=notes))


def words(
    inputs: Sequence[str], options: OutputOptions, others: Mapping[str, object] | None = None
) -> OutputOptions:
    """The user's words about the result as words about the sheet: STEM.preview.png where the result would go.

    Args:
        inputs: What was named.
        options: The words about the result.
        others: Values of more options that a preview cannot be given with; what is false was not given.

    Raises:
        UsageError: Not one picture, an output that is none, or an option that is about the result.
    """
    if len(inputs) != 1 or sources.is_folder(Path(inputs[0])):
        raise UsageError("--preview shows a part of one picture; name one file")
    if options.output == STDIO or (options.output is None and inputs[0] == STDIO):
        raise UsageError("--preview writes a file, not to standard output; give -o a file")
    about_the_result = {
        "--in-place": options.in_place,
        "--compare": options.compare,
        "--skip-existing": options.skip_existing,
        "--suffix": options.suffix is not None,
        "--format": options.format is not None,
        **(others or {}),
    }
    for word, given in about_the_result.items():
        if given:
            raise UsageError(f"--preview and {word} contradict each other; give one")
    sheet = replace(options, format="PNG", suffix=INFIX)
    if options.output is None or options.output.endswith("/") or sources.is_folder(Path(options.output)):
        return sheet
    path = Path(options.output)
    return replace(sheet, suffix=None, output=str(path.with_name(f"{path.stem}.{INFIX}.png")))


def instead(
    part: Part, at_levels: AtLevels, options: BatchOptions
) -> tuple[Callable[[], Restore], BatchOptions]:
    """A restoring and the options of its batch that write the sheet instead of the result.

    Args:
        part: What is shown; a picture that it reaches out of fails before it is restored.
        at_levels: Restores a picture.
        options: Of the batch.
    """
    levels: list[Panel] = []

    def restore(
        pictures: Sequence[Picture], on_progress: Callable[[float], None]
    ) -> list[Restored | InputError]:
        (picture,) = pictures
        part.of(picture.pixels)
        levels.clear()
        usual: Restored | None = None
        found = at_levels(picture, FACTORS, on_progress)
        for factor, (label, restored) in zip(FACTORS, found, strict=True):
            levels.append(Panel(label, to_16_bit(part.of(restored.pixels)).copy()))
            usual = restored if factor == 1 else usual
        assert usual is not None
        return [usual]

    usual = options.provenance
    provenance = None if usual is None else {**usual, "preview": str(part)}
    return lambda: restore, replace(
        options, provenance=provenance, finish=lambda image, restored: sheet(part, image, levels, restored)
    )
