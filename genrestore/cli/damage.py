"""Commands that restore, as records: the words of each, and what they ask for."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any, ClassVar

import typer

from genrestore.cli import options, plain
from genrestore.cli.commands import is_given
from genrestore.cli.marks import Finding
from genrestore.cli.options import INPUTS, RESULTS, parse_sigma
from genrestore.cli.restore import task_of
from genrestore.cli.words import Words
from genrestore.errors import UsageError
from genrestore.files.codecs.formats import Develop
from genrestore.files.plan.jobs import Attachment, Job, OutputOptions, Part, Range
from genrestore.restore.task import DAMAGES, DENOISE, INPAINT, INVERT, Request, Task
from genrestore.settings import setting


@dataclass(frozen=True, kw_only=True)
class Photographs(Words):
    """The words of commands that restore photographs too, which `--prior dip` does without weights.

    Options (Prior):
        levels (--range LOW,HIGH): Black and white in the file's own values, where it uses a part of
            them; the rest is kept.

    Options (Which inputs):
        raw_half: Develop camera RAW at half its size, which is faster.

    Options (Where results go):
        in_place: Replace the inputs themselves.
        drop_extras: With --in-place: even where a part of a file is lost.
    """

    in_place: bool = False
    drop_extras: bool = False
    levels: Annotated[Range | None, Range.parse] = None
    raw_brightness: float | None = setting(
        None,
        "Light of camera RAW times X; else 0.1 % are white.",
        "X",
        panel=INPUTS,
        above=0,
        below=1000,
    )
    raw_half: bool = False
    prior: str = setting(
        "auto",
        "auto takes that of the weights; dip fits an untrained network to each picture, in minutes.",
        panel=options.PRIOR,
        choices=("auto", "dip"),
    )
    precision: str = "auto"

    @property
    def provenance(self) -> dict[str, Any]:
        """Notes of results on the range and the developing that were given."""
        given = {
            "range": None if self.levels is None else str(self.levels),
            "raw_brightness": self.raw_brightness,
            "raw_half": self.raw_half or None,
        }
        return {name: value for name, value in given.items() if value is not None}

    def of_batch(self, settings: Any, jobs: Sequence[Job]) -> Any:  # noqa: ARG002
        """The options of a batch, with what was said of its pictures."""
        return replace(settings, range=self.levels, develop=Develop(self.raw_brightness, self.raw_half))


@dataclass(frozen=True, kw_only=True)
class Denoise(Photographs):
    """Remove noise from photographs.

    Examples:
        genrestore denoise photo.jpg
        genrestore denoise -r album/ -o clean/ --report page/
        cat in.png | genrestore denoise - -o - --sigma 12 > out.png

    The result is written beside the input as STEM.denoised.EXT, or where [bold]-o[/bold] says; an input is
    never changed unless [bold]--in-place[/bold] asks for it. The noise level is estimated from each
    picture and shown. Weights decide the prior: those of an autoencoder or a generator are for pictures of
    one class and one size.

    Options:
        sigma (N|Fx): Noise level in grey levels, 0 to 255, or F times the estimate, such as 2x;
            estimated if left out.

    Options (Where results go):
        preview (X,Y,W,H): Only a sheet of this part at several levels and strengths:
            STEM.preview.png, and no result.
    """

    damage: ClassVar = DENOISE
    infix: ClassVar = "denoised"
    whole: ClassVar = {"preview": None, "luma": 1, "chroma": 1, "turns": None}
    alone: ClassVar = ("sigma", "luma", "chroma", "turns", "preview")

    sigma: Annotated[options.NoiseLevel | None, options.parse_noise_level] = None
    weights: str = "photo"
    preview: Annotated[Part | None, Part.parse] = None

    @property
    def estimated(self) -> bool:
        """True where noise levels are estimated rather than given."""
        return self.sigma is None or self.sigma.level is None

    def request(self, task_of_one_class: bool) -> Request:
        """The request of these words.

        Raises:
            UsageError: A multiple of an estimate that a prior of one class does not make.
        """
        level = self.sigma or options.NoiseLevel()
        if task_of_one_class and level.factor != 1:
            raise UsageError(
                f"--sigma {level.factor:g}x: weights '{self.weights}' take a level in grey levels"
            )
        usual = super().request(task_of_one_class)
        return replace(usual, noise_level=level.level, noise_factor=level.factor)

    def operator(self, picture: Any) -> Any:
        """A of a picture that was read: the mosaic of its sensor, if it holds what that measured."""
        from genrestore.restore import mosaic, problem

        return problem.IDENTITY if picture.scale else mosaic.operator(picture.image.metadata)

    def wanted(self, named: Sequence[str]) -> OutputOptions:
        """The words about results; with --preview those about the sheet."""
        usual = super().wanted(named)
        if self.preview is None:
            return usual
        from genrestore.files.work import preview

        others = {
            "--reference": self.reference,
            "--files-from": self.files_from,
            "--strength": self.value("strength") != 1,
        }
        return preview.words(named, usual, others)

    def instead(self, task: Task, settings: Any) -> tuple[Callable[[], Any], Any] | None:
        """Restoring and options of a batch that write the sheet of --preview."""
        if self.preview is None:
            return None
        if task.prior.blind:
            raise UsageError(
                f"--preview: shows several noise levels, and weights '{self.weights}' are told none"
            )
        from genrestore.files.work import preview

        return preview.instead(self.preview, partial(self._levels, task), settings)

    def _levels(
        self,
        task: Task,
        picture: Any,
        factors: Sequence[float],
        on_progress: Callable[[float], None],
    ) -> Iterator[tuple[str, Any]]:
        """A part of a picture at several noise levels, each under what --sigma would be."""
        from genrestore.restore.pictures import Restore

        assert self.preview is not None
        restore = Restore(task, self.runtime, region=self.preview.region, operator=self.operator)
        for restored in restore.at_levels(picture, factors, on_progress):
            yield f"sigma {options.to_grey_levels(restored.noise_level or 0.0):.3g}", restored


def parse_colour(value: str) -> str:
    """A value of --mask-color: six hexadecimal digits, of which a leading # is dropped.

    Raises:
        UsageError: Something else.
    """
    digits = value.removeprefix("#")
    if len(digits) != 6 or set(digits.lower()) - set("0123456789abcdef"):
        raise UsageError(f"--mask-color {value}: must be six hexadecimal digits, such as '#ff00ff'")
    return digits


@dataclass(frozen=True, kw_only=True)
class Inpaint(Photographs, Finding):
    """Fill what is missing from photographs: scratches, captions, date stamps, objects.

    Examples:
        genrestore inpaint photo.jpg --mask mask.png
        genrestore inpaint scans/ --find dust,scratches -o clean/
        genrestore inpaint album/ --mask masks/ -o repaired/

    A mask says what is missing: a file, the input's own alpha, a colour, or a rectangle; marks of dust and
    scratches are found by [bold]--find[/bold]. The result is
    written beside the input as STEM.inpainted.EXT, or where [bold]-o[/bold] says. Every pixel outside the
    mask stays as it was.

    Options (How it is filled):
        source (--from X,Y,W,H): Copy texture from this rectangle only.
        avoid (PATH): Do not copy texture from what is white in this mask; or a folder of masks by name.

    Options (What is missing):
        mask (-m PATH): A mask for all inputs, or a folder of masks by name: white is missing. The input's
            own alpha if nothing is named.
        invert_mask: Black is missing instead.
        mask_colour (--mask-color '#RRGGBB'): Pixels of exactly this colour are missing.
        box (X,Y,W,H): This rectangle is missing, in pixels; may be given more than once.

    Options:
        sigma (N): Noise level of the known pixels in 8-bit grey levels, 0 to 255. At 0 they come back to
            the bit, above it they are denoised too.

    Options (Where results go):
        show_mask (PATH): Also write the mask that was used, white is missing: a PNG file, a folder for
            several inputs.

    Options (Priors of one class (autoencoders, generators)):
        no_keep: Do not put known pixels back: the result is the prior's own picture that fits them best.
    """

    damage: ClassVar = INPAINT
    infix: ClassVar = "inpainted"
    whole: ClassVar = {"fill": "auto", "source": None, "avoid": None}
    alone: ClassVar = ("sigma", "fill", "source", "avoid")

    prior: str = setting(
        "auto",
        "auto takes that of the weights; dip fits an untrained network to each picture, in minutes; patches "
        "fills with texture of the picture alone.",
        panel=options.PRIOR,
        choices=("auto", "dip", "patches"),
    )
    source: Annotated[Part | None, partial(Part.parse, word="--from", largest=None)] = None
    avoid: Path | None = None
    mask: Path | None = None
    invert_mask: bool = False
    mask_colour: Annotated[str | None, parse_colour] = None
    box: Annotated[list[Part] | None, partial(Part.parse, word="--box", largest=None)] = None
    sigma: Annotated[float, parse_sigma] = 0.0
    weights: str = "photo-inpaint"
    show_mask: Path | None = None
    no_keep: bool = False

    def request(self, task_of_one_class: bool) -> Request:
        """The request of these words.

        Raises:
            UsageError: A feather where nothing is kept, or a place to copy from where nothing is copied.
        """
        if self.value("fill") == "mean" and (self.source or self.avoid):
            word = "--from" if self.source else "--avoid"
            raise UsageError(f"{word}: is about copying, and --fill mean copies nothing; leave one out")
        if self.value("feather") and self.no_keep:
            raise UsageError("--feather: blends into known pixels, and --no-keep keeps none; give one")
        return replace(super().request(task_of_one_class), noise_level=self.sigma, keep=not self.no_keep)

    @property
    def missing(self) -> Any:
        """The words about what is missing, as `files.work.masks` takes them."""
        from genrestore.files.work.masks import MaskOptions

        colour = None if self.mask_colour is None else tuple(bytes.fromhex(self.mask_colour))
        return MaskOptions(
            self.mask,
            self.invert_mask,
            colour,  # type: ignore[arg-type]  # three of them
            tuple(self.box or ()),
            self.grow.by,
            self.show_mask,
            self.overwrite,
            self.max_pixels,
            self.source,
            self.avoid,
            self.found if self.find else None,
            self.sought,
            self.with_edges if self.grow.auto else None,
            self.skip_existing,
            not self.no_provenance,
        )

    def assigned(self, jobs: list[Job]) -> list[Job]:
        """Jobs with their masks."""
        from genrestore.files.work import masks

        return masks.assign(jobs, self.missing)

    def also_written(self, jobs: Sequence[Job]) -> list[Path]:
        """Files that are written besides those of each result: the masks that are shown too."""
        from genrestore.files.work import masks

        return super().also_written(jobs) + masks.shown_paths(jobs, self.missing)

    @property
    def provenance(self) -> dict[str, Any]:
        """Notes of results on their masks."""
        return {**super().provenance, **self.missing.provenance, **self.kind_of_result}

    def of_batch(self, settings: Any, jobs: Sequence[Job]) -> Any:
        """The options of a batch whose pictures have masks."""
        from genrestore.files.work import masks

        usual = super().of_batch(settings, jobs)
        of = masks.Masks(self.missing, jobs, usual.provenance).of
        return replace(usual, masks=of, read_ahead=not self.find)


@dataclass(frozen=True, kw_only=True)
class Invert(Words):
    """Find the latents of pictures: what a generator makes them of.

    Examples:
        genrestore invert digit.png --weights mnist-gan
        genrestore invert faces/ -o found/ --weights faces-gan --json
        genrestore invert --weights mnist-gan --self-test 100

    The generator's picture is written beside the input as STEM.inverted.EXT, or where [bold]-o[/bold] says,
    and its latent as STEM.latent.safetensors beside it. It is for pictures of the class and size that the
    generator was trained on; whether a picture is one is said.

    Options:
        weights (NAME|PATH): A generator: a name of [bold]genrestore weights list[/bold], or a file.

    Options (Which inputs):
        self_test_of (--self-test N, 1 to 10000): Invert N images of the generator's own instead, and say
            how near they come.
    """

    damage: ClassVar = INVERT
    infix: ClassVar = "inverted"
    without: ClassVar = ("refine",)

    self_test_of: int | None = None

    @property
    def attachment(self) -> Attachment:
        """The latent that is written beside each output."""
        from genrestore.study import file

        def content(inverted: Any) -> bytes:
            return file.to_bytes(inverted.latent, self.chosen.header.sha256)

        return Attachment("latent.safetensors", self.suffix or self.infix, content, "its latent", file.is_one)

    def before(self, context: typer.Context) -> None:
        """Invert images of the generator's own and exit, with --self-test.

        Raises:
            UsageError: Words that a self-test has no use for.
            typer.Exit: Always, with --self-test.
        """
        if self.self_test_of is None:
            return
        from genrestore.cli import self_test

        for parameter in context.command.params:
            name = parameter.name or ""
            of_files = getattr(parameter, "rich_help_panel", None) in (INPUTS, RESULTS)
            other = name in ("inputs", "trace", "reference", "json_file", "report")
            if (of_files or other) and name != "self_test_of" and is_given(context, name):
                raise UsageError(f"--self-test: inverts images of its own; leave {parameter.opts[0]} out")
        task = task_of(self, has_weights=True)
        self.check()
        raise typer.Exit(self_test.run(task, self, self.self_test_of, json=self.json, quiet=self.quiet))


OWN: dict[str, type[Words]] = {one.damage.name: one for one in (Denoise, Inpaint, Invert)}
COMMANDS = {name: OWN.get(name) or plain.command(damage) for name, damage in DAMAGES.items()}
"""Commands that restore, one for each damage."""
