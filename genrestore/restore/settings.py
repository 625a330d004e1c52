"""Settings of all priors with their limits, each told once; free of torch, so that plans need none.

The command line makes its options of the fields of these dataclasses.
"""

from __future__ import annotations

from dataclasses import Field, dataclass, field, fields
from importlib import import_module
from typing import Any

from genrestore.errors import UsageError

COUNTS = (1, 2, 4, 8)
"""Numbers of orientations in a self-ensemble."""


@dataclass(frozen=True)
class Limits:
    """Values that a setting may have.

    Attributes:
        least: The least number, or None.
        most: The largest number, or None.
        open: The least number itself is not one of them.
        choices: The only values; empty: any in these limits.
        words: The limits in words, where they are not made of the numbers.
    """

    least: float | None = None
    most: float | None = None
    open: bool = False
    choices: tuple[Any, ...] = ()
    words: str = ""

    def check(self, name: str, value: Any) -> None:
        """Refuse a value out of the limits; None is a setting left open.

        Raises:
            UsageError: Names the setting, its value, and the limits.
        """
        if value is None or isinstance(value, bool):
            return
        if self.choices:
            if value not in self.choices:
                raise UsageError(f"{name} {value}: must be {self.words}")
        elif not (self.least or 0) <= value <= (self.most or 0) or (self.open and value == self.least):
            raise UsageError(f"{name} {value}: must be {self.words or f'from {self.least} to {self.most}'}")


def setting(default: Any, help: str = "", limits: Limits = Limits(), option: str = "") -> Any:
    """A field of a dataclass of settings.

    Args:
        default: Its usual value.
        help: Of its option on the command line.
        limits: Its limits.
        option: The option's name without dashes, where it is not the field's.
    """
    return field(default=default, metadata={"help": help, "limits": limits, "option": option})


def check(settings: Any) -> None:
    """Refuse settings of which one is out of its limits.

    Raises:
        UsageError: Names the first.
    """
    for one in fields(settings):
        if "limits" in one.metadata:
            one.metadata["limits"].check(one.name, getattr(settings, one.name))


STEPS = Limits(1, 100_000)
LOSSES = ("l2", "l1")
LOSS = Limits(choices=LOSSES, words=f"one of {', '.join(LOSSES)}")
PRIOR_WEIGHT = Limits(0, 1_000_000)
STEPS_HELP = "The most steps of a prior that searches, which stops by itself"
LOSS_HELP = "The data term: squares, or for files of integers the likelihood of clipped noise; or l1"
WEIGHT_HELP = "How much the prior counts against the data"


@dataclass(frozen=True)
class DenoiserSettings:
    """Settings of a denoiser.

    Attributes:
        turns: In how many ways each picture is turned and mirrored, 1, 2, 4 or 8, for a mean of as many
            estimates; None lets its size decide.
    """

    turns: int | None = setting(
        None,
        "Take the mean of N results, of the picture turned and mirrored: 1, 2, 4, or 8, the best. If left "
        "out, as many as together have a megapixel.",
        Limits(choices=COUNTS, words="1, 2, 4 or 8"),
    )

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class InpainterSettings:
    """Settings of an inpainter: it has none."""


@dataclass(frozen=True)
class AutoencoderSettings:
    """Settings of the search for an autoencoder's estimate.

    Attributes:
        steps: On pixels, at most.
        step_size: Of a step on pixels, a share of 1 / (1/σ² + 2λ), above 0 and at most 1.
        prior_weight: λ of D(x; y) + λ R(x), images in [0, 1].
        loss: The data term: "l2", "l1".
    """

    steps: int = setting(200, STEPS_HELP, STEPS)
    step_size: float = setting(
        0.05,
        "Of the descent on pixels, above 0 and at most 1",
        Limits(0, 1, open=True, words="above 0 and at most 1"),
    )
    prior_weight: float = setting(4.0, WEIGHT_HELP, PRIOR_WEIGHT)
    loss: str = setting("l2", LOSS_HELP, LOSS)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class LatentSearch:
    """Settings of the search for an image of a generator.

    Attributes:
        steps: Of the start that comes best, at most; every other start takes fewer.
        restarts: Starts of each picture: the encoder's latent, and draws around that or from N(0, I).
        prior_weight: λ of D(G(z); y) + λ ‖z‖² / 2: 1 is the density of z's own, 0 none.
        loss: The data term: "l2", "l1".
        refine: Go off the generator's range as far as the noise allows.
        recipe: "report": one start from N(0, I), Adam at one rate, and where noise is removed, noise of its
            level added to G(z) at every step; None: ours.
        rate: Of Adam, with the recipe only; None where there is none.
    """

    steps: int = setting(300, STEPS_HELP, STEPS)
    restarts: int = setting(
        4, "Starts of a generator's search, of which the best goes to the end", Limits(1, 64)
    )
    prior_weight: float = setting(1.0, WEIGHT_HELP, PRIOR_WEIGHT)
    loss: str = setting("l2", LOSS_HELP, LOSS)
    refine: bool = setting(
        True,
        "Leave the generator's range as far as the picture stands out of its noise (the default), or stay "
        "with G(z).",
    )
    recipe: str | None = setting(
        None,
        "report: Adam from one random start, 5000 steps; to denoise, with fresh noise added to G(z) at every "
        "step. For comparison: it is slower and worse.",
        Limits(choices=("report",), words="report"),
    )
    rate: float | None = setting(
        None,
        "Of Adam, with --recipe report (0.05, from 64 pixels on 0.005); the usual search needs none.",
        Limits(0, 10, open=True, words="above 0 and at most 10"),
        "lr",
    )

    def __post_init__(self) -> None:
        check(self)
        if self.recipe is None and self.rate is not None:
            raise UsageError("rate: is about Adam, of the recipe 'report'; the usual search needs none")
        if self.recipe is not None and (self.restarts != 1 or self.refine):
            raise UsageError("recipe report: has one start and does not refine")
        if self.recipe is not None and self.rate is None:
            raise UsageError("recipe report: needs a rate")

    @classmethod
    def report(
        cls, size: int, *, steps: int | None = None, rate: float | None = None, loss: str = "l2"
    ) -> LatentSearch:
        """The report's recipe: 5000 steps, at a rate of 0.05 up to 32 pixels a side and 0.005 above.

        Args:
            size: Side of the generator's images in pixels.
            steps: Other than the report's.
            rate: Other than the report's.
            loss: "l2" or "l1".
        """
        usual = 0.05 if size <= 32 else 0.005
        return cls(
            5000 if steps is None else steps,
            restarts=1,
            prior_weight=0.0,
            loss=loss,
            refine=False,
            recipe="report",
            rate=usual if rate is None else rate,
        )


PLAIN = LatentSearch(prior_weight=0.0, refine=False)
"""‖G(z) − x‖ alone."""


@dataclass(frozen=True)
class DipSettings:
    """Settings of the deep image prior.

    Attributes:
        steps: The most that are taken for each piece of a picture; it stops by itself before.
    """

    steps: int = setting(5000, STEPS_HELP, STEPS)

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Kind:
    """A kind of prior, as the header of its weights names it.

    Attributes:
        where: Module and class of the prior.
        settings: Class of its settings.
        words: The kind in words.
        one_class: Its pictures are of one class and one size.
        batch: Pictures that it restores at once.
        has_weights: It is read from a file.
    """

    where: str
    settings: type[Any]
    words: str
    one_class: bool = False
    batch: int = 1
    has_weights: bool = True

    def load(self) -> Any:
        """The class of the prior; imports torch."""
        module, name = self.where.split(":")
        return getattr(import_module(module), name)


BATCH = 16
"""Pictures in every call of a network of one size: fewer are padded."""

PRIORS = {
    "denoiser": Kind("genrestore.restore.priors.denoiser:DenoiserPrior", DenoiserSettings, "a denoiser"),
    "inpainter": Kind(
        "genrestore.restore.priors.inpainter:InpainterPrior", InpainterSettings, "an inpainter"
    ),
    "autoencoder": Kind(
        "genrestore.restore.priors.autoencoder:AutoencoderPrior",
        AutoencoderSettings,
        "an autoencoder",
        one_class=True,
        batch=BATCH,
    ),
    "generator": Kind(
        "genrestore.restore.priors.generator:GeneratorPrior",
        LatentSearch,
        "a generator",
        one_class=True,
        batch=BATCH,
    ),
    "dip": Kind("genrestore.restore.priors.dip:DipPrior", DipSettings, "none", has_weights=False),
}
"""Kinds of priors by name."""


def settings_of(kinds: tuple[str, ...]) -> dict[str, tuple[Field[Any], list[str]]]:
    """Every setting of some kinds of priors by name: its first field, and the kinds that have it."""
    found: dict[str, tuple[Field[Any], list[str]]] = {}
    for kind in kinds:
        for one in fields(PRIORS[kind].settings):
            found.setdefault(one.name, (one, []))[1].append(kind)
    return found
