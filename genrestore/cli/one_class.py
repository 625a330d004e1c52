"""Priors of one class: their options, and what they cannot be given with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from genrestore.cli import tracing
from genrestore.cli.options import INPUTS
from genrestore.errors import UsageError
from genrestore.restore.descent_settings import Descent, LatentSearch

if TYPE_CHECKING:
    from genrestore.cli.report import JSONValue
    from genrestore.cli.restoring import Machine
    from genrestore.restore.tasks import DenoiseOneClass, InpaintOneClass

PRIOR = "Priors of one class (autoencoders, generators)"
Search = Descent | LatentSearch

TAKEN: dict[str, tuple[type[Descent] | type[LatentSearch], str]] = {
    "autoencoder": (Descent, "an autoencoder"),
    "generator": (LatentSearch, "a generator"),
}
"""Kind of weights, the settings of its search, and the kind in words."""
OPTIONS = {
    "loss": "--loss",
    "prior_weight": "--prior-weight",
    "step_size": "--step-size",
    "restarts": "--restarts",
    "recipe": "--recipe",
    "rate": "--lr",
    "refine": "--refine",
}
"""Fields of these settings, and their options."""

Loss = Annotated[
    Literal["l2", "l1"] | None,
    typer.Option(
        "--loss",
        rich_help_panel=PRIOR,
        show_default=False,
        help="The data term (l2): squares, or for files of integers the likelihood of clipped noise; or l1.",
    ),
]
PriorWeight = Annotated[
    float | None,
    typer.Option(
        "--prior-weight",
        metavar="X",
        rich_help_panel=PRIOR,
        show_default=False,
        help="How much the prior counts against the data (autoencoders: 4.0; generators: 1.0, to invert 0).",
    ),
]
StepSize = Annotated[
    float | None,
    typer.Option(
        "--step-size",
        metavar="X",
        rich_help_panel=PRIOR,
        show_default=False,
        help="Of the descent on pixels, above 0 and at most 1 (0.05).",
    ),
]
Restarts = Annotated[
    int | None,
    typer.Option(
        "--restarts",
        metavar="N",
        rich_help_panel=PRIOR,
        show_default=False,
        help="Starts of a generator's search, of which the best goes to the end (4).",
    ),
]
Recipe = Annotated[
    Literal["report"] | None,
    typer.Option(
        "--recipe",
        rich_help_panel=PRIOR,
        show_default=False,
        help="report: Adam from one random start, 5000 steps; to denoise, with fresh noise added to G(z) at "
        "every step. For comparison: it is slower and worse.",
    ),
]
Rate = Annotated[
    float | None,
    typer.Option(
        "--lr",
        metavar="X",
        rich_help_panel=PRIOR,
        show_default=False,
        help="Of Adam, with --recipe report (0.05, from 64 pixels on 0.005); the usual search needs none.",
    ),
]
Refine = Annotated[
    bool | None,
    typer.Option(
        "--refine/--no-refine",
        metavar="",
        rich_help_panel=PRIOR,
        show_default=False,
        help="Leave the generator's range as far as the picture stands out of its noise (the default), or "
        "stay with G(z).",
    ),
]
NoKeep = Annotated[
    bool,
    typer.Option(
        "--no-keep",
        metavar="",
        rich_help_panel=PRIOR,
        help="Do not put known pixels back: the result is the prior's own picture that fits them best.",
    ),
]
Resize = Annotated[
    bool,
    typer.Option(
        "--resize",
        metavar="",
        rich_help_panel=INPUTS,
        help="Scale pictures of another size to the one of the prior, and the result back.",
    ),
]


@dataclass(frozen=True)
class OneClassWords:
    """The user's words about a prior of one class.

    Attributes:
        weights: Of an autoencoder or a generator.
        descent: How the estimate is found.
        resize: Scale pictures to the prior's size.
        trace: A folder for how the search went, or None.
        keep: Put known pixels back.
    """

    weights: str
    descent: Search
    resize: bool
    trace: Path | None
    keep: bool

    def made(self, described: Mapping[str, JSONValue]) -> dict[str, JSONValue]:
        """What results say of how they were made, from what the command says of it."""
        return {**described, **self.descent.described(resize=self.resize)}

    def denoising(self, machine: Machine, noise_level: float | None, strength: float) -> DenoiseOneClass:
        """What removes noise; imports torch."""
        from genrestore.restore.tasks import DenoiseOneClass

        return DenoiseOneClass(
            self.weights,
            noise_level=noise_level,
            strength=strength,
            runtime=machine.runtime,
            descent=self.descent,
            resize=self.resize,
        )

    def inpainting(self, machine: Machine, noise_level: float, feather: int) -> InpaintOneClass:
        """What fills; imports torch."""
        from genrestore.restore.tasks import InpaintOneClass

        return InpaintOneClass(
            self.weights,
            noise_level=noise_level,
            feather=feather,
            runtime=machine.runtime,
            descent=self.descent,
            resize=self.resize,
            keep=self.keep,
        )


def words(weights: str, given: Mapping[str, Any], *, overwrite: bool) -> OneClassWords | None:
    """The words about a prior of one class; None for weights of another kind.

    Args:
        weights: A name in the store or a path; only its header is read.
        given: Values by parameter of the command: "prior", "preview", "turns", "luma", "chroma", "mask" and
            "no_keep" where there is one, "resize", "trace", and fields of the settings.
        overwrite: Value of --overwrite.

    Raises:
        UsageError: A value that cannot be meant, or that these weights have no use for.
        WeightsError: The weights are missing, or their header cannot be read.
    """
    from genrestore.weights import store
    from genrestore.weights.header import read_header

    header = None if given["prior"] == "dip" else read_header(store.resolve(weights))
    if header is None or header.kind not in TAKEN:
        _refuse_others(weights, "none", given)
        return None
    for name, usual in (("preview", None), ("turns", None), ("luma", 1), ("chroma", 1)):
        if given.get(name, usual) != usual:
            raise UsageError(f"--{name}: weights '{weights}' restore whole pictures; leave it out")
    _refuse_others(weights, header.kind, given)
    tracing.check(given["trace"], overwrite=overwrite)
    descent = settings(header.kind, header.size, given)
    return OneClassWords(weights, descent, given["resize"], given["trace"], not given.get("no_keep"))


def settings(kind: str, size: int | None, given: Mapping[str, Any], usual: Search | None = None) -> Search:
    """The settings of a search, of the values that were given.

    Args:
        kind: Of the weights, one of `TAKEN`.
        size: Side of the prior's images in pixels.
        given: Values by field; None for what was not given.
        usual: What counts where nothing was given; None: the settings' own defaults.

    Raises:
        UsageError: A value that cannot be meant.
    """
    made = TAKEN[kind][0]
    said = {one.name: given[one.name] for one in fields(made) if given.get(one.name) is not None}
    if said.get("recipe") is None:
        return made(**said) if usual is None else replace(usual, **said)
    for name in ("restarts", "refine", "prior_weight"):
        if name in said:
            raise UsageError(f"{OPTIONS[name]} and --recipe report contradict each other; give one")
    assert size is not None  # generators have one
    return LatentSearch.report(
        size, steps=said.get("steps"), rate=said.get("rate"), loss=said.get("loss", "l2")
    )


def _refuse_others(weights: str, kind: str, given: Mapping[str, Any]) -> None:
    """Refuse options that weights of this kind have no use for.

    Raises:
        UsageError: The first of them.
    """
    takes = {name: [k for k, (made, _) in TAKEN.items() if name in made.__annotations__] for name in OPTIONS}
    every = {**takes, "resize": list(TAKEN), "no_keep": list(TAKEN)}
    for name, kinds in every.items():
        if given.get(name) in (None, False) or kind in kinds:
            continue
        option = OPTIONS.get(name, "--" + name.replace("_", "-"))
        wanted = " or ".join(TAKEN[one][1] for one in kinds)
        own = f"of {TAKEN[kind][1]}" if kind in TAKEN else "of none"
        raise UsageError(f"{option}: is for weights of {wanted}, and '{weights}' are {own}")
