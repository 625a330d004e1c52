"""The options of ``train gan`` that no other training has; None: the default, or what a resumed run has."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from genrestore.cli.training_options import LEARNING, NETWORK

Recipe = Annotated[
    Literal["report"] | None,
    typer.Option(
        "--recipe",
        rich_help_panel=LEARNING,
        show_default=False,
        help="What is not said otherwise is as in a report on such priors: Adam at 0.0002 (beta 0.5), "
        "batches of 128, 15 epochs, width 64, latent 100, batch normalisation, no averaged weights.",
    ),
]
Loss = Annotated[
    Literal["non-saturating", "saturating", "l2", "hinge"] | None,
    typer.Option(
        "--loss",
        rich_help_panel=LEARNING,
        show_default=False,
        help="What the two networks play for (non-saturating).",
    ),
]
DSteps = Annotated[
    int | None,
    typer.Option(
        "--d-steps",
        metavar="N",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Updates of the discriminator for each of the generator (1).",
    ),
]
DRate = Annotated[
    float | None,
    typer.Option(
        "--d-rate",
        metavar="X",
        rich_help_panel=LEARNING,
        show_default=False,
        help="The discriminator's learning rate, as a multiple of the generator's (1).",
    ),
]
DNorm = Annotated[
    Literal["batch", "spectral"] | None,
    typer.Option(
        "--d-norm",
        rich_help_panel=LEARNING,
        show_default=False,
        help="The discriminator's normalisation (batch).",
    ),
]
R1 = Annotated[
    float | None,
    typer.Option(
        "--r1",
        metavar="X",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Half of X times the discriminator's squared slope at real images is added to its loss (0).",
    ),
]
Momentum = Annotated[
    float | None,
    typer.Option(
        "--momentum",
        metavar="X",
        rich_help_panel=LEARNING,
        show_default=False,
        help="The first beta of AdamW (0.5).",
    ),
]
Augment = Annotated[
    list[str] | None,
    typer.Option(
        "--augment",
        metavar="NAME",
        rich_help_panel=LEARNING,
        show_default=False,
        help="What real and made images go through before the discriminator, for small folders: translate, "
        "cut-out, recolour; repeatable.",
    ),
]
Mirror = Annotated[
    bool | None,
    typer.Option(
        "--mirror/--no-mirror",
        metavar="",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Mirror real images at random, as faces allow and digits do not.",
    ),
]
EncoderSteps = Annotated[
    int | None,
    typer.Option(
        "--encoder-steps",
        metavar="N",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Updates of the encoder that is trained after the generator (3000; 0: no encoder).",
    ),
]
EncoderWidth = Annotated[
    int | None,
    typer.Option(
        "--encoder-width",
        metavar="N",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Feature maps of the encoder at half the size; more at the coarser scales (32).",
    ),
]
LatentDim = Annotated[
    int | None,
    typer.Option(
        "--latent-dim",
        metavar="N",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Numbers that an image is made of (100).",
    ),
]
Width = Annotated[
    int | None,
    typer.Option(
        "--width",
        metavar="N",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Feature maps at half the size; more at the coarser scales (64).",
    ),
]
