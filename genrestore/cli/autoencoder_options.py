"""The options of ``train ae`` that no other training has; None: the default, or what a resumed run has."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from genrestore.cli.training_options import LEARNING, NETWORK, WHERE, unset

Data = Annotated[
    list[str] | None,
    unset(
        WHERE,
        "--data",
        "mnist, fashion-mnist or celeba, or a folder of images with its sub-folders; repeatable.",
        "NAME|FOLDER[:WEIGHT]",
    ),
]
Recipe = Annotated[
    Literal["report"] | None,
    unset(
        LEARNING,
        "--recipe",
        "What is not said otherwise is as in a report on such priors: Adam, batches of 48, 50 epochs at "
        "0.001, or with --cover 100 epochs at 0.0005 and a latent of 10. It prints norms without squares and "
        "calls them mean squared errors on [-1, 1]; squares are what is taken.",
    ),
]
Epochs = Annotated[
    float | None,
    typer.Option(
        "--epochs",
        metavar="N",
        min=0.01,
        rich_help_panel=LEARNING,
        show_default=False,
        help="Passes through the images, instead of --steps.",
    ),
]
Cover = Annotated[
    Literal[
        "none",
        "moments",
        "moments-with-mean",
        "moments-within",
        "kl-within",
        "kl-batch",
        "sliced-wasserstein",
        "mmd",
    ]
    | None,
    unset(
        LEARNING,
        "--cover",
        "How the latents are made to cover all of [0, 1] evenly (mmd); none leaves them alone.",
    ),
]
CoverWeight = Annotated[
    float | None,
    unset(LEARNING, "--cover-weight", "Loss = reconstruction + X times coverage (1.5).", "X"),
]
Outliers = Annotated[
    float | None,
    unset(
        LEARNING,
        "--outliers",
        "Images of no class (noise, negatives, shapes) beside those of a batch, as a share of it: with "
        "--cover their latents are drawn to the others (0.5).",
        "SHARE",
    ),
]
RestorerSteps = Annotated[
    int | None,
    unset(
        LEARNING,
        "--restorer-steps",
        "Updates of the restorer of damaged images that is trained after the autoencoder (3000; 0: no "
        "restorer).",
        "N",
    ),
]
Loss = Annotated[
    Literal["absolute", "root-mean-square", "mean-square"] | None,
    unset(LEARNING, "--loss", "What a reconstruction is judged by (root-mean-square)."),
]
Size = Annotated[
    int | None,
    unset(
        NETWORK,
        "--size",
        "Side of the images in pixels, which are cut to squares and scaled to it (28).",
        "28|32|64|128",
    ),
]
Channels = Annotated[
    int | None,
    unset(NETWORK, "--channels", "Grey or RGB (1).", "1|3"),
]
LatentDim = Annotated[
    int | None,
    unset(NETWORK, "--latent-dim", "Numbers that an image is told by (10).", "N"),
]
Width = Annotated[
    int | None,
    unset(NETWORK, "--width", "Feature maps at half the size; more at the coarser scales (24).", "N"),
]
Hidden = Annotated[
    int | None,
    unset(NETWORK, "--hidden", "Numbers in the hidden layers beside the latent (192).", "N"),
]
RestorerWidth = Annotated[
    int | None,
    unset(
        NETWORK,
        "--restorer-width",
        "Feature maps of the restorer at half the size; more at the coarser scales (24).",
        "N",
    ),
]
