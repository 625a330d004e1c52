"""The options of ``train ae`` that no other training has; None: the default, or what a resumed run has."""

from __future__ import annotations

from typing import Annotated, Literal

import typer

from genrestore.cli.training_options import LEARNING, NETWORK, WHERE

Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="NAME|FOLDER[:WEIGHT]",
        rich_help_panel=WHERE,
        show_default=False,
        help="mnist, fashion-mnist or celeba, or a folder of images with its sub-folders; repeatable.",
    ),
]
Recipe = Annotated[
    Literal["report"] | None,
    typer.Option(
        "--recipe",
        rich_help_panel=LEARNING,
        show_default=False,
        help="What is not said otherwise is as in a report on such priors: Adam, batches of 48, 50 epochs at "
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
    typer.Option(
        "--cover",
        rich_help_panel=LEARNING,
        show_default=False,
        help="How the latents are made to cover all of [0, 1] evenly (mmd); none leaves them alone.",
    ),
]
CoverWeight = Annotated[
    float | None,
    typer.Option(
        "--cover-weight",
        metavar="X",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Loss = reconstruction + X times coverage (1.5).",
    ),
]
Loss = Annotated[
    Literal["absolute", "root-mean-square", "mean-square"] | None,
    typer.Option(
        "--loss",
        rich_help_panel=LEARNING,
        show_default=False,
        help="What a reconstruction is judged by (root-mean-square).",
    ),
]
Size = Annotated[
    int | None,
    typer.Option(
        "--size",
        metavar="28|32|64|128",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Side of the images in pixels, which are cut to squares and scaled to it (28).",
    ),
]
Channels = Annotated[
    int | None,
    typer.Option(
        "--channels", metavar="1|3", rich_help_panel=NETWORK, show_default=False, help="Grey or RGB (1)."
    ),
]
LatentDim = Annotated[
    int | None,
    typer.Option(
        "--latent-dim",
        metavar="N",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Numbers that an image is told by (10).",
    ),
]
Width = Annotated[
    int | None,
    typer.Option(
        "--width",
        metavar="N",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Feature maps at half the size; more at the coarser scales (24).",
    ),
]
Hidden = Annotated[
    int | None,
    typer.Option(
        "--hidden",
        metavar="N",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Numbers in the hidden layers beside the latent (256).",
    ),
]
