"""``--preview``: a part of a picture at several strengths on one sheet, instead of the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from genrestore.errors import UsageError
from genrestore.files import contact_sheet, folders
from genrestore.files.batch import BatchOptions, Restore, Restored
from genrestore.files.jobs import STDIO, OutputOptions
from genrestore.files.metadata import Metadata
from genrestore.files.part import Part
from genrestore.files.pixels import Array, Image

INFIX = "preview"


def sheet(part: Part, image: Image, restored: Array) -> Image:
    """The contact sheet: a part of a picture at several strengths.

    Args:
        part: What is shown.
        image: The picture as it was read.
        restored: Its restored pixels, [1, channel, height, width]; only those of the part are looked at.
    """
    pixels = contact_sheet.sheet(part.of(image.pixels), part.of(restored))
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
    if len(inputs) != 1 or folders.is_folder(Path(inputs[0])):
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
    if options.output is None or options.output.endswith("/") or folders.is_folder(Path(options.output)):
        return sheet
    path = Path(options.output)
    return replace(sheet, suffix=None, output=str(path.with_name(f"{path.stem}.{INFIX}.png")))


def instead(part: Part, restore: Restore, options: BatchOptions) -> tuple[Restore, BatchOptions]:
    """A restoring and the options of its batch, changed so that the sheet is written instead of the result.

    Args:
        part: What is shown; a picture that it reaches out of fails before it is restored.
        restore: Takes and gives pixels, [1, channel, height, width].
        options: Of the batch.
    """

    def checked(pixels: Array, on_progress: Callable[[float], None]) -> Restored:
        part.of(pixels)
        return restore(pixels, on_progress)

    made = options.provenance
    noted = None if made is None else {**made, "preview": str(part)}
    return checked, replace(options, provenance=noted, finish=partial(sheet, part))
