"""Settings of all priors, and the table of kinds; free of torch, so that plans need none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

from genrestore.errors import UsageError
from genrestore.settings import Settings, setting

ONE_CLASS = "Priors of one class (autoencoders, generators)"
"""Heading of options that only they take."""
COUNTS = (1, 2, 4, 8)
"""Numbers of orientations in a self-ensemble."""
LOSSES = ("l2", "l1")

most_steps = partial(
    setting,
    help="Most steps of a search, which stops by itself",
    unit="N",
    least=1,
    most=100_000,
)
data_loss = partial(
    setting,
    help="The data term: squares (or clipped noise), or l1",
    choices=LOSSES,
)
weight = partial(setting, help="How much the prior counts against the data", unit="X", least=0, most=10**6)
report_recipe = partial(setting, None, choices=("report",))
rate_of_adam = partial(setting, None, unit="X", above=0, most=10, names=("--lr",))


def check_recipe(settings: Any) -> None:
    """Refuse a rate and a recipe that are not together.

    Raises:
        UsageError: Names what is missing.
    """
    if settings.recipe is None and settings.rate is not None:
        raise UsageError("rate: is about Adam, of the recipe 'report'; the usual search needs none")
    if settings.recipe is not None and settings.rate is None:
        raise UsageError("recipe report: needs a rate")


@dataclass(frozen=True)
class DenoiserSettings(Settings):
    """Settings of a denoiser.

    Attributes:
        turns: In how many ways each picture is turned and mirrored, 1, 2, 4 or 8, for a mean of as many
            estimates; None lets its size decide.
    """

    turns: int | None = setting(
        None,
        "Average N passes over turned and mirrored copies (1, 2, 4 or 8): better and slower. By size if left "
        "out.",
        "N",
        choices=COUNTS,
    )


@dataclass(frozen=True)
class InpainterSettings(Settings):
    """Settings of an inpainter: it has none."""


@dataclass(frozen=True)
class AutoencoderSettings(Settings):
    """Settings of the search for an autoencoder's estimate.

    Attributes:
        steps: On pixels, at most.
        step_size: Of a step on pixels, a share of 1 / (1/σ² + 2λ), above 0 and at most 1.
        prior_weight: λ of D(x; y) + λ R(x), images in [0, 1].
        loss: The data term: "l2", "l1".
        recipe: "report": Adam from the damaged picture at one rate; None: ours.
        rate: Of Adam, with the recipe only; None where there is none.
    """

    OF_RECIPE: ClassVar[dict[str, Any]] = {"step_size": None}
    """What the recipe leaves no choice of; None: it has none."""

    steps: int = most_steps(200)
    step_size: float = setting(0.05, "Of the descent on pixels, up to 1", "X", above=0, most=1)
    prior_weight: float = weight(4.0)
    loss: str = data_loss("l2")
    recipe: str | None = report_recipe(
        help="report: Adam, as two reports search with it: slower and worse.",
    )
    rate: float | None = rate_of_adam(
        help="Of Adam, with --recipe report (autoencoders 0.01; generators 0.05, from 64 pixels on 0.005)."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        check_recipe(self)

    @classmethod
    def report(
        cls,
        size: int = 28,  # noqa: ARG003
        *,
        steps: int = 1000,
        rate: float = 0.01,
        prior_weight: float = 4.0,
        loss: str = "l2",
    ) -> AutoencoderSettings:
        """The report's descent: 1000 steps, or 10000, at a rate of 0.1, 0.01 or 0.001.

        Args:
            size: Side of the pictures; all sides have the same.
            steps: Of Adam.
            rate: Of Adam.
            prior_weight: λ on [0, 1]: 4 is 1 on [−1, 1].
            loss: "l2" or "l1".
        """
        return cls(steps, prior_weight=prior_weight, loss=loss, recipe="report", rate=rate)


@dataclass(frozen=True)
class LatentSearch(Settings):
    """Settings of the search for an image of a generator.

    Attributes:
        steps: Of the start that comes best, at most; every other start takes fewer.
        restarts: Starts of each picture: the encoder's latent, and draws around that or from N(0, I), of
            which the best goes on, or where pixels are missing all; None: 4, or 8 there.
        prior_weight: λ of D(G(z); y) + λ ‖z‖² / 2: 1 is the density of z's own, 0 none.
        loss: The data term: "l2", "l1".
        refine: Go off the generator's range as far as the noise allows.
        recipe: "report": one start from N(0, I), Adam at one rate, and where noise is removed, noise of its
            level added to G(z) at every step; None: ours.
        rate: Of Adam, with the recipe only; None where there is none.
    """

    OF_RECIPE: ClassVar[dict[str, Any]] = {"restarts": 1, "refine": False, "prior_weight": 0.0}
    """What the recipe leaves no choice of."""

    steps: int = most_steps(300)
    restarts: int | None = setting(
        None,
        "Starts of a search, of which the best goes on (4); for missing pixels all go on, and their mean "
        "counts (8).",
        "N",
        least=1,
        most=64,
    )
    prior_weight: float = weight(1.0)
    loss: str = data_loss("l2")
    refine: bool = setting(
        True,
        "Leave the generator's range where the picture stands out of its noise (the default), or stay in it.",
        names=("--refine/--no-refine",),
    )
    recipe: str | None = report_recipe(
        help="report: Adam from one random start, 5000 steps, as a report has it: slower and worse.",
    )
    rate: float | None = rate_of_adam(help="Of Adam, with --recipe report (0.05, from 64 pixels on 0.005).")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_recipe(self)
        if self.recipe is not None and (self.restarts != 1 or self.refine):
            raise UsageError("recipe report: has one start and does not refine")

    @classmethod
    def report(
        cls, size: int, *, steps: int = 5000, rate: float | None = None, loss: str = "l2"
    ) -> LatentSearch:
        """The report's recipe: 5000 steps, at a rate of 0.05 up to 32 pixels a side and 0.005 above.

        Args:
            size: Side of the generator's images in pixels.
            steps: Other than the report's.
            rate: Other than the report's.
            loss: "l2" or "l1".
        """
        usual = 0.05 if size <= 32 else 0.005
        rate = usual if rate is None else rate
        return cls(steps, loss=loss, recipe="report", rate=rate, **cls.OF_RECIPE)


PLAIN = LatentSearch(prior_weight=0.0, refine=False)
"""‖G(z) − x‖ alone."""


@dataclass(frozen=True)
class DipSettings(Settings):
    """Settings of the deep image prior.

    Attributes:
        steps: The most that are taken for each piece of a picture; it stops by itself before.
    """

    steps: int = most_steps(5000)


@dataclass(frozen=True)
class PatchesSettings(Settings):
    """Settings of the patches of the picture itself: it has none."""


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
        community: Module and class where its network is other people's; "" where there is no other.
        blind: It is told no noise level.
    """

    where: str
    settings: type[Any]
    words: str
    one_class: bool = False
    batch: int = 1
    has_weights: bool = True
    community: str = ""
    blind: bool = False


BATCH = 16
"""Pictures in every call of a network of one size: fewer are padded."""

PRIORS = {
    "denoiser": Kind(
        "genrestore.restore.priors.denoiser:DenoiserPrior",
        DenoiserSettings,
        "a denoiser",
        community="genrestore.restore.priors.community:CommunityPrior",
    ),
    "denoiser-blind": Kind(
        "genrestore.restore.priors.community:BlindPrior", DenoiserSettings, "a blind denoiser", blind=True
    ),
    "inpainter": Kind(
        "genrestore.restore.priors.inpainter:InpainterPrior", InpainterSettings, "an inpainter"
    ),
    "inpainter-blind": Kind(
        "genrestore.restore.priors.community:MaskedPrior", InpainterSettings, "a blind inpainter", blind=True
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
    "patches": Kind(
        "genrestore.restore.priors.patches:PatchesPrior", PatchesSettings, "none", has_weights=False
    ),
}
"""Kinds of priors by name."""
