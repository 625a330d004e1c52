"""Tasks of restoration: a damage, a prior and a request; free of torch, so that plans need none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from genrestore.errors import UsageError, WeightsError
from genrestore.restore.settings import ONE_CLASS, PRIORS, DenoiserSettings, Kind, LatentSearch
from genrestore.settings import Settings, setting

if TYPE_CHECKING:
    from torch import Tensor

    from genrestore.restore.tiling import Pixels
    from genrestore.weights.store import Choice

MOST_TIMES = 100
"""The largest multiple of an estimated noise level."""
DEEPEST_FEATHER = 32
"""Pixels: as many as are seen around a hole at least."""


Figure = float | list[float]

part = partial(
    setting,
    unit="S",
    least=0,
    most=1,
    hint="for more of it, take a higher noise level, such as 2x the estimate",
)


@dataclass(frozen=True)
class Request(Settings):
    """A request for a restoration, whatever the prior.

    Attributes:
        noise_level: σ on the [0, 1] scale; None estimates it from each picture. Of a picture with holes it is
            that of the known pixels: above 0 they are denoised too, at 0 they come back as they were.
        noise_factor: Where σ is estimated, take this many times the estimate.
        strength: Result = input + strength · (denoised − input), 0 to 1.
        luma: The share of the change of brightness that is made, 0 to 1.
        chroma: The share of the change of colour that is made, 0 to 1.
        feather: Pixels, 0 to 32, over which a filled hole goes into what the picture holds.
        keep: Known pixels come back as they were; False: the result is the prior's own image that fits them
            best. Of priors of one class.
        resize: Scale pictures of another size to the prior's, and the result back. Of priors of one class.
        fill: Of holes: "mean", by the prior; "texture", by patches of the picture, whose structure the prior
            gives; or "auto", with texture where they are wide.

    Raises:
        UsageError: A value out of its range.
    """

    noise_level: float | None = setting(
        None, "Noise level.", least=0, most=1, hint="it is on the [0, 1] scale: grey levels / 255"
    )
    noise_factor: float = setting(1.0, "Times the estimate.", above=0, most=MOST_TIMES)
    strength: float = part(1.0, "0 keeps the input, 1 is the whole restoration.")
    luma: float = part(1.0, "Share of the brightness noise to take, 0 to 1.")
    chroma: float = part(1.0, "Share of the colour noise to take, 0 to 1.")
    feather: int = setting(
        0,
        "Blend into the hole over N pixels, 0 to 32.",
        "N",
        panel="What is missing",
        least=0,
        most=DEEPEST_FEATHER,
    )
    keep: bool = True
    resize: bool = setting(
        False,
        "Scale pictures to the prior's size, and results back.",
        panel=ONE_CLASS,
    )
    fill: str = setting(
        "mean",
        "mean is the nearest on average, and smooth where a hole is wide; texture copies what is alike "
        "elsewhere; auto does so where a hole is wider than some 16 pixels.",
        panel="How it is filled",
        choices=("auto", "mean", "texture"),
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.feather and not self.keep:
            raise UsageError("feather: blends into known pixels, and without keep there are none; give one")

    @property
    def changes_nothing(self) -> bool:
        """True where every picture without a hole comes back as it was."""
        unchanged = self.noise_level == 0 or self.strength == 0 or self.luma == self.chroma == 0
        return self.keep and unchanged

    @property
    def sigma(self) -> float | None:
        """The noise level in 8-bit grey levels."""
        return None if self.noise_level is None else round(self.noise_level * 255, 4)


@dataclass(frozen=True, eq=False)  # one of each kind, so that caches can be kept by it
class Damage:
    """A kind of damage, and who restores it: a line of `DAMAGES`.

    Attributes:
        name: Of its command.
        kinds: Of the priors that restore it.
        refusal: Of weights of another kind, with {weights} and {kind}.
        request: The usual one.
        settings: The usual ones of a kind of prior, where they are not its own.
        asks: Fields of a request that are options of its command.
        recorded: Those that results always note.
        recorded_if_given: Those that they note only where they are not the usual ones.
        module: Of its function for Python, which has its name; and where its command is made of this line
            alone, of `operator`, which makes A of the metadata of a picture's file, or raises InputError.
        formats: Formats of files that say what happened; results are not coded as they are. None: any file.
        other_format: Refusal of other files, after the name of their format.
        infix: Middle of the names of results.
        help: Of a command that is made of this line alone, as `cli.commands` reads it.
    """

    name: str
    kinds: tuple[str, ...]
    refusal: str = ""
    request: Request = field(default_factory=Request)
    settings: Mapping[str, Any] = field(default_factory=dict, hash=False)
    asks: tuple[str, ...] = ("resize",)
    recorded: tuple[str, ...] = ()
    recorded_if_given: tuple[str, ...] = ()
    module: str = "genrestore.restore.api"
    formats: tuple[str, ...] = ()
    other_format: str = ""
    infix: str = "restored"
    help: str = ""

    def load(self) -> Any:
        """The module of its function and its operator; imports torch."""
        return import_module(self.module)

    def usual(self, kind: str) -> Any:
        """The usual settings of a kind of prior."""
        return self.settings.get(kind) or PRIORS[kind].settings()


DENOISE = Damage(
    "denoise",
    ("denoiser", "denoiser-blind", "autoencoder", "generator", "dip"),
    "weights '{weights}' are of no denoiser, and this needs one, such as photo",
    asks=("strength", "luma", "chroma", "resize"),
    recorded=("sigma", "strength"),
    recorded_if_given=("noise_factor", "luma", "chroma"),
)
INPAINT = Damage(
    "inpaint",
    tuple(kind for kind in PRIORS if kind != "denoiser-blind"),
    "weights '{weights}' are of kind '{kind}', which cannot fill holes; photo-inpaint can",
    request=Request(noise_level=0.0, fill="auto"),
    settings={"denoiser": DenoiserSettings(turns=1)},
    asks=("feather", "resize", "fill"),
    recorded=("sigma", "feather"),
    recorded_if_given=("fill",),
)
INVERT = Damage(  # the image of the prior that is nearest to a picture without damage
    "invert",
    ("generator",),
    "weights '{weights}' are of kind '{kind}', and only a generator can be inverted; "
    "genrestore train gan makes one",
    request=Request(noise_level=0.0, keep=False),
    settings={"generator": LatentSearch(prior_weight=0.0, refine=False)},
)
DEJPEG = Damage(
    "dejpeg",
    ("denoiser", "denoiser-blind"),
    "weights '{weights}' are of no denoiser, and this needs one, such as photo",
    asks=("strength",),
    recorded=("strength",),
    module="genrestore.restore.jpeg",
    formats=("JPEG",),
    other_format="which does not tell how a JPEG was coded, even if it was made of one; genrestore denoise "
    "restores it without",
    infix="dejpeg",
    help="""Remove what JPEG left in photographs: blocks, rings around edges, colours that run out.

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
    """,
)
DAMAGES = {damage.name: damage for damage in (DENOISE, INPAINT, INVERT, DEJPEG)}
"""Kinds of damage by name, each a command and a function for Python."""


class Given(Protocol):
    """A picture that is to be restored."""

    @property
    def pixels(self) -> Pixels:
        """[1, channel, height, width], grey or RGB; uint8, uint16, or floating point on the [0, 1] scale."""

    @property
    def known(self) -> Pixels | None:
        """True where a pixel is known, bool [1, 1, height, width]; the others are filled. None: all are."""

    @property
    def copyable(self) -> Pixels | None:
        """True where texture may be copied from, bool [1, 1, height, width]. None: where it is known."""


@dataclass(frozen=True)
class Picture:
    """A picture that is to be restored: see `Given`."""

    pixels: Pixels
    known: Pixels | None = None
    copyable: Pixels | None = None


@dataclass(frozen=True)
class Findings:
    """Findings about a restored picture.

    Attributes:
        noise_level: σ that was given or estimated (root mean square over the picture), on the [0, 1] scale.
        notes: Remarks for the user, one line each.
        in_domain: Whether the prior knows such pictures; None where it knows all.
        figures: Other numbers by name; distances in grey levels.
    """

    noise_level: float | None = None
    notes: tuple[str, ...] = ()
    in_domain: bool | None = None
    figures: dict[str, Figure] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Restored(Findings):
    """A restored picture, with the findings about it.

    Attributes:
        pixels: Shape and type of the picture that was given.
        latent: z of the prior's nearest image, [1, latent], on the CPU; None where there is none.
    """

    pixels: Pixels
    latent: Tensor | None = None

    @property
    def findings(self) -> Findings:
        """The findings, without the picture."""
        return Findings(self.noise_level, self.notes, self.in_domain, self.figures)


@dataclass(frozen=True)
class Task:
    """A restoration that is asked for: of which damage, by which prior, and how.

    Attributes:
        damage: The kind of damage.
        kind: Of the prior, a key of `PRIORS`.
        chosen: Its weights; None of a prior that has none.
        request: The request.
        settings: Of the prior, of the class of its kind.
    """

    damage: Damage
    kind: str
    chosen: Choice | None
    request: Request
    settings: Any

    @classmethod
    def of(
        cls,
        damage: Damage,
        weights: str | Choice,
        request: Request | None = None,
        settings: Any = None,
        turns: int | None = None,
    ) -> Task:
        """A task for weights, whose kind says which prior they are.

        Args:
            damage: The kind of damage.
            weights: A name in the store or a path, of which only the header is read; or a choice of them.
            request: The request; None: the usual one of the damage.
            settings: Of the prior; None: the usual ones.
            turns: Of the settings of a denoiser, where none are given.

        Raises:
            WeightsError: The weights are missing, or of a kind that does not restore this damage.
            UsageError: Settings of another prior, or a request that this prior has no use for.
        """
        from genrestore.weights.store import choose

        chosen = choose(weights) if isinstance(weights, str) else weights
        kind = chosen.header.kind
        if kind not in PRIORS or kind not in damage.kinds:
            raise WeightsError(damage.refusal.format(weights=chosen.name, kind=kind))
        settings, request = settings or damage.usual(kind), request or damage.request
        if (PRIORS[kind].one_class or kind == "inpainter-blind") and request.fill == "auto":
            request = replace(request, fill="mean")  # which it also does where holes are wide
        task = cls(damage, kind, chosen, request, settings)
        task._check(turns)
        return task if turns is None else replace(task, settings=replace(settings, turns=turns))

    @classmethod
    def without_weights(cls, damage: Damage, kind: str, request: Request, settings: Any = None) -> Task:
        """A task for a prior that needs no weights."""
        if request.fill == "auto":
            request = replace(request, fill="texture" if kind == "patches" else "mean")
        return cls(damage, kind, None, request, settings or damage.usual(kind))

    @property
    def prior(self) -> Kind:
        """The kind of the prior."""
        return PRIORS[self.kind]

    @property
    def provenance(self) -> dict[str, Any]:
        """Notes of results on how they were made, as JSON values; the noise level in 8-bit grey levels."""
        request, damage = self.request, self.damage
        settings = asdict(self.settings)
        if self.chosen is None:
            return {"prior": self.kind, **settings, "strength": request.strength, "feather": request.feather}
        notes: dict[str, Any] = {
            "weights": self.chosen.path.stem,
            "weights_sha256": self.chosen.header.sha256,
        }
        notes |= {name: getattr(request, name) for name in damage.recorded}
        for name in damage.recorded_if_given:
            if getattr(request, name) != getattr(Request, name):
                notes[name] = getattr(request, name)
        if not self.prior.one_class:
            usual = asdict(damage.usual(self.kind))
            return notes | {name: value for name, value in settings.items() if value != usual[name]}
        notes |= {**settings, "resize": request.resize}
        return notes if request.keep or damage is INVERT else {**notes, "keep": False}

    def _check(self, turns: int | None) -> None:
        """Refuse what this prior has no use for.

        Raises:
            UsageError: It has.
        """
        assert self.chosen is not None
        name, prior, request = self.chosen.name, self.prior, self.request
        if not isinstance(self.settings, prior.settings):
            if prior.one_class:
                raise UsageError(
                    f"weights '{name}' are of kind '{self.kind}': its search takes {prior.settings.__name__}"
                )
            raise UsageError(f"weights '{name}' are of kind '{self.kind}', which has no such settings")
        is_given = request.noise_level != self.damage.request.noise_level or request.noise_factor != 1
        if prior.blind and is_given:
            raise UsageError(
                f"weights '{name}' are of kind '{self.kind}', which is told no noise level: leave it out"
            )
        mixed = (request.luma, request.chroma, request.noise_factor, turns) != (1, 1, 1, None)
        if prior.one_class and request.fill == "texture":
            raise UsageError(
                f"weights '{name}' restore whole pictures of one class: fill texture is not theirs"
            )
        if prior.one_class and mixed:
            raise UsageError(
                f"weights '{name}' restore whole pictures of one class: leave out luma, chroma, noise_factor "
                "and turns"
            )
