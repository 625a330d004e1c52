"""The missing pixels of a picture: from a file, the picture's own alpha, a colour, or rectangles.

White-is-missing becomes known-is-1 here and nowhere else.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from genrestore.errors import GenrestoreError, InputError, UsageError, shown
from genrestore.files.codecs import images
from genrestore.files.codecs.images import Array, Image, white
from genrestore.files.codecs.metadata import Metadata, Provenance
from genrestore.files.disk.atomic import atomic
from genrestore.files.plan import skipping, sources
from genrestore.files.plan.jobs import Job, Part
from genrestore.files.plan.sources import NamedPictures, several
from genrestore.files.work import mask_meaning
from genrestore.files.work.mask_meaning import Missing

WHITE = 255


@dataclass(frozen=True)
class MaskOptions:
    """The user's words about what is missing; all that they name is missing together.

    Attributes:
        place: A mask for all pictures, or a folder of them by name; white is missing. None: no file.
        invert: The file's black is missing instead.
        colour: Red, green and blue in 8-bit levels: pixels of exactly this colour are missing.
        boxes: Rectangles that are missing.
        grow: Pixels by which the hole grows on every side.
        show: Where the mask that was used is written, white is missing: a file, or a folder for several
            pictures.
        overwrite: Replace what is where a mask is shown.
        max_pixels: Larger mask files are refused; None takes `images.DEFAULT_MAX_PIXELS`.
        source: The rectangle that texture may be copied from; None: the whole picture.
        avoid: A mask, or a folder of them by name, of what it may not be copied from.
        find: Finds what is missing, bool [height, width], in the pixels themselves, [1, channel, height,
            width], as they are restored. None: nothing is looked for.
        found: What it looks for and how, for the record.
        edges: Lets what is missing, bool [height, width], grow over its edges in such pixels. None: it stays.
        skip_existing: Replace a mask that was shown before, as an interrupted batch leaves some.
        noted: Masks that are shown say that genrestore made them.
    """

    place: Path | None = None
    invert: bool = False
    colour: tuple[int, int, int] | None = None
    boxes: tuple[Part, ...] = ()
    grow: int = 0
    show: Path | None = None
    overwrite: bool = False
    max_pixels: int | None = None
    source: Part | None = None
    avoid: Path | None = None
    find: Callable[[Array], Array] | None = None
    found: Mapping[str, str | float] = field(default_factory=dict)
    edges: Callable[[Array, Array], Array] | None = None
    skip_existing: bool = False
    noted: bool = True

    def __post_init__(self) -> None:
        if self.invert and self.find is not None:
            raise UsageError("--invert-mask makes missing what --find would look at; give one of them")
        if self.invert and self.place is None:
            raise UsageError("--invert-mask turns a mask file round; name it with --mask")

    @property
    def uses_alpha(self) -> bool:
        """Nothing is named, so that the picture's own alpha says what is missing."""
        return self.place is None and self.colour is None and not self.boxes and self.find is None

    def in_the_way(self, path: Path) -> str | None:
        """Why a mask cannot be shown in a file, or None."""
        if self.overwrite or not os.path.lexists(path):
            return None
        if not self.skip_existing:
            return "exists already; --overwrite replaces it"
        if skipping.is_foreign(path, has_provenance=self.noted):
            return f"exists already, and {skipping.NOT_OURS}; --overwrite replaces it"
        return None

    @property
    def provenance(self) -> dict[str, str | float | bool | None]:
        """The record of the mask in a result, as JSON values; its sha256 is noted with each job."""
        return {
            "mask": "alpha" if self.uses_alpha else "given",
            "invert_mask": self.invert,
            "mask_color": None if self.colour is None else "#{:02x}{:02x}{:02x}".format(*self.colour),
            "box": " ".join(str(box) for box in self.boxes) or None,
            "grow": self.grow if self.edges is None else "auto",
            "from": None if self.source is None else str(self.source),
            "avoid": None if self.avoid is None else str(self.avoid.name),
            **self.found,
        }


def assign(jobs: Sequence[Job], options: MaskOptions) -> list[Job]:
    """Give every job its mask file; in a batch, a job without one has failed before it began.

    Raises:
        UsageError: The mask or the folder is not there, holds no mask for any picture, or is where a result
            would go; or the place for masks to be shown cannot be meant.
    """
    if options.place is not None:
        jobs = _with_masks(jobs, NamedPictures.for_jobs(options.place, "--mask", jobs), "mask")
    if options.avoid is not None:
        jobs = _with_masks(jobs, NamedPictures.for_jobs(options.avoid, "--avoid", jobs), "avoid")
    _check_shown(jobs, options)
    return list(jobs)


def _with_masks(jobs: Sequence[Job], named: NamedPictures, which: Literal["mask", "avoid"]) -> list[Job]:
    def with_mask(job: Job) -> Job:
        alike = named.of_job(job)
        if len(alike) == 1:
            return replace(job, **{which: alike[0]})  # type: ignore[arg-type]
        problem = several(job.name, alike) if alike else f"no mask in it named like {job.name}"
        return replace(job, problem=f"--{which} {shown(named.place)}: {problem}")

    found = [with_mask(job) if job.is_open else job for job in jobs]
    waiting = [after for before, after in zip(jobs, found, strict=True) if before.is_open]
    if waiting and not any(job.is_open for job in waiting):
        more = f", and none for {len(waiting) - 1} more" if len(waiting) > 1 else ""
        raise UsageError(f"{waiting[0].problem}{more}")
    targets = {job.target.resolve(): job for job in found if job.target is not None}
    for job in found:
        mask: Path | None = getattr(job, which)
        if mask is not None and (hit := targets.get(mask.resolve())):
            raise UsageError(f"{shown(mask)}: the output of {hit.name} is a mask; name another with -o")
    return found


def _check_shown(jobs: Sequence[Job], options: MaskOptions) -> None:
    if options.show is None:
        return
    still_open = [job for job in jobs if job.is_open]
    is_file = options.show.is_file() or (options.show.suffix and not sources.is_folder(options.show))
    if len(still_open) > 1 and is_file:
        raise UsageError(f"--show-mask {shown(options.show)}: a file, and several inputs need a folder")
    taken = {path.resolve() for job in jobs for path in (job.source, job.target, job.mask, job.avoid) if path}
    masked: dict[Path, Job] = {}
    for job in still_open:
        path = _shown_path(job, options.show)
        other = masked.setdefault(path.resolve(), job)
        if path.suffix.lower() != ".png":
            problem: str | None = "a mask is written as PNG; end it in .png"
        elif path.resolve() in taken:
            problem = "an input, a mask or a result is there; name another"
        elif other is not job:
            problem = f"the masks of {other.name} and {job.name} would both go there; take two runs"
        else:
            problem = options.in_the_way(path)
        if problem is not None:
            raise UsageError(f"--show-mask {shown(path)}: {problem}")


def shown_paths(jobs: Sequence[Job], options: MaskOptions) -> list[Path]:
    """List the files in which the masks of jobs from `assign` are shown."""
    show = options.show
    return [] if show is None else [_shown_path(job, show) for job in jobs if job.is_open]


def _shown_path(job: Job, show: Path) -> Path:
    """The file as it is named; a folder mirrors those of the pictures, and has their stems."""
    if show.suffix and not sources.is_folder(show):
        return show
    stem = "standard-input" if job.source is None else job.source.stem
    return show / job.inside / f"{stem}.mask.png"


@dataclass(frozen=True)
class Mask:
    """A mask that fits a picture.

    Attributes:
        known: Pixels that are known, bool [1, 1, height, width].
        notes: Notes for the user, one sentence each.
        is_alpha: It was the picture's own alpha.
        copyable: Pixels that texture may be copied from, of the same shape; None: all that are known.
    """

    known: Array
    notes: tuple[str, ...] = ()
    is_alpha: bool = False
    copyable: Array | None = None

    def beside(self, pixels: Array) -> Array:
        """Put the mask right of a picture [1, channel, height, width], white is missing: 2 width."""
        shown = np.where(self.known, 0, white(pixels.dtype)).astype(pixels.dtype)
        return np.concatenate([pixels, np.broadcast_to(shown, pixels.shape)], axis=3)

    def show_filled(self, image: Image) -> None:
        """Make the filled pixels of a picture opaque, if its alpha was the mask; its alpha is replaced."""
        if self.is_alpha and image.alpha is not None:
            opaque = image.alpha.dtype.type(white(image.alpha.dtype))
            image.alpha = np.where(self.known, image.alpha, opaque)


class Masks:
    """The masks of a batch of jobs from `assign`.

    A fault of a mask is wrong use where it is the mask of the only input, else the failure of that input.

    Args:
        options: The user's words.
        jobs: The batch.
        provenance: What masks that are shown say of how they were made; None: nothing.
    """

    def __init__(
        self, options: MaskOptions, jobs: Sequence[Job], provenance: Provenance | None = None
    ) -> None:
        self._options = options
        self._provenance = provenance
        alone = sum(not job.skipped for job in jobs) == 1
        self._error: type[GenrestoreError] = UsageError if alone else InputError
        self._last: tuple[Path, bool, Missing] | None = None

    def of(self, job: Job, image: Image, pixels: Array | None = None) -> Mask:
        """Find what is known of a job's decoded picture; written too where the user wants it shown.

        Args:
            job: From `assign`.
            image: Its picture.
            pixels: As they are restored, [1, channel, height, width]; None: the image's own.

        Raises:
            InputError: The mask cannot be read, or does not fit the picture, and there are other inputs.
            UsageError: The same, of the only input.
        """
        options, notes = self._options, []
        missing = np.zeros(image.pixels.shape[-2:], bool)
        try:
            if job.mask is not None:
                found = self._from_file(job.mask, missing.shape, invert=options.invert)
                missing = found.pixels
                notes += [] if found.note is None else [found.note]
            if options.uses_alpha:
                missing = _from_alpha(image)
            if options.colour is not None:
                missing = missing | _from_colour(image.pixels, options.colour)
            for box in options.boxes:
                missing = missing.copy()
                box.of(missing, "--box")[...] = True
            if options.find is not None:
                marks = options.find(image.pixels if pixels is None else pixels)
                missing = missing | marks
                notes.append(_share(marks))
            if options.edges is not None and missing.any():
                missing = options.edges(image.pixels if pixels is None else pixels, missing)
            missing = grown(missing, options.grow)
            copyable = self._copyable(job, missing)
        except InputError as error:
            raise self._error(str(error)) from error
        if options.show is not None:
            self._show(missing, _shown_path(job, options.show), job)
        if options.uses_alpha:
            notes.append("its alpha was the mask; what was filled is opaque now")
        return Mask(~missing[None, None], tuple(notes), options.uses_alpha, copyable)

    def _show(self, missing: Array, path: Path, job: Job) -> None:
        pixels = np.where(missing, WHITE, 0).astype(np.uint8)[None, None]
        options = self._options
        overwrite = options.overwrite or (options.skip_existing and options.in_the_way(path) is None)
        with atomic(path, overwrite=overwrite, source=job.mask or job.source) as stream:
            mask = Image(pixels, None, Metadata("PNG", "L"))
            images.encode(mask, stream, "PNG", provenance=self._provenance)

    def _copyable(self, job: Job, missing: Array) -> Array | None:
        """Pixels that texture may be copied from, bool [1, 1, height, width]; None: from all that is known.

        Raises:
            InputError: A rectangle outside, a mask that does not fit, or nothing is left.
        """
        options = self._options
        if options.source is None and job.avoid is None:
            return None
        allowed = np.full(missing.shape, options.source is None)
        if options.source is not None:
            options.source.of(allowed, "--from")[...] = True
        if job.avoid is not None:
            allowed &= ~self._from_file(job.avoid, missing.shape).pixels
        allowed &= ~missing
        if not allowed.any():
            raise InputError(
                "nothing is left to copy from: --from lies in the hole, or --avoid covers the rest"
            )
        return allowed[None, None]

    def _from_file(self, path: Path, shape: tuple[int, ...], *, invert: bool = False) -> Missing:
        """The missing pixels of a mask file, bool [height, width]; the last one is kept."""
        last = self._last  # another thread may put another one there meanwhile
        if last is None or last[:2] != (path, invert):
            limit = self._options.max_pixels or images.DEFAULT_MAX_PIXELS
            try:
                found = mask_meaning.of(images.read(path, max_pixels=limit), invert=invert)
            except InputError as error:
                raise InputError(f"{shown(path)}: {str(error).removeprefix(f'{shown(path)}: ')}") from error
            self._last = last = path, invert, found
        missing = last[2].pixels
        if missing.shape != shape:
            sizes = [f"{width} x {height}" for height, width in (missing.shape, shape)]
            raise InputError(f"{shown(path)}: the mask is {sizes[0]} pixels, the picture {sizes[1]}")
        return last[2]


def grown(missing: Array, by: int) -> Array:
    """Grow a hole, bool [height, width], to all pixels within `by` rows and `by` columns of it."""
    if by == 0:
        return missing
    for axis in (0, 1):
        length = missing.shape[axis]
        count = np.cumsum(missing, axis=axis, dtype=np.int32)
        count = np.concatenate([np.zeros_like(np.take(count, [0], axis)), count], axis)
        index = np.arange(length)
        above = np.take(count, np.minimum(index + by + 1, length), axis)
        missing = above > np.take(count, np.maximum(index - by, 0), axis)
    return missing


def _share(marks: Array) -> str:
    """The share of a picture that marks have, bool [height, width], in words."""
    return f"marks on {100 * marks.mean():.2g} % of it" if marks.any() else "no marks found"


def _from_alpha(image: Image) -> Array:
    """The pixels that are transparent, be it in part, bool [height, width].

    Convention: what is opaque is the most that its alpha holds, if that is at least half of what it could.
    """
    if image.alpha is None:
        raise InputError(
            "nothing says what is missing, and the picture has no alpha; give --mask, --mask-color or --box"
        )
    alpha = image.alpha[0, 0]
    opaque = white(alpha.dtype)
    missing: Array = alpha < max(alpha.max(), opaque / 2 if alpha.dtype.kind == "f" else opaque // 2 + 1)
    return missing


def _from_colour(pixels: Array, colour: tuple[int, int, int]) -> Array:
    """The pixels of exactly this colour, bool [height, width], of a picture [1, channel, height, width]."""
    channels = pixels.shape[1]
    if channels == 1 and len(set(colour)) > 1:
        raise InputError("--mask-color: the picture is grey; give a grey, such as #ffffff")
    levels = np.array(colour[:channels], np.float64) * white(pixels.dtype) / WHITE
    wanted = levels.astype(pixels.dtype)[:, None, None]
    missing: Array = (pixels[0] == wanted).all(axis=0)
    return missing
