"""The options of ``train gan`` that no other training has; None: the default, or what a resumed run has."""

from __future__ import annotations

from typing import Annotated, Literal

from genrestore.cli.training_options import LEARNING, NETWORK, unset

Recipe = Annotated[
    Literal["report"] | None,
    unset(
        LEARNING,
        "--recipe",
        "What is not said otherwise is as in a report on such priors: Adam at 0.0002 (beta 0.5), "
        "batches of 128, 15 epochs, width 64, latent 100, batch normalisation, no averaged weights.",
    ),
]
Loss = Annotated[
    Literal["non-saturating", "saturating", "l2", "hinge"] | None,
    unset(LEARNING, "--loss", "What the two networks play for (non-saturating)."),
]
DSteps = Annotated[
    int | None,
    unset(LEARNING, "--d-steps", "Updates of the discriminator for each of the generator (1).", "N"),
]
DRate = Annotated[
    float | None,
    unset(
        LEARNING, "--d-rate", "The discriminator's learning rate, as a multiple of the generator's (1).", "X"
    ),
]
DNorm = Annotated[
    Literal["batch", "spectral"] | None,
    unset(LEARNING, "--d-norm", "The discriminator's normalisation (batch)."),
]
DDeeper = Annotated[
    bool | None,
    unset(
        LEARNING,
        "--d-deeper/--no-d-deeper",
        "Halve once more in the discriminator than the generator doubles (the default): it sees more.",
        "",
    ),
]
R1 = Annotated[
    float | None,
    unset(
        LEARNING,
        "--r1",
        "Half of X times the discriminator's squared slope at real images is added to its loss (0).",
        "X",
    ),
]
Momentum = Annotated[
    float | None,
    unset(LEARNING, "--momentum", "The first beta of AdamW (0.5).", "X"),
]
Augment = Annotated[
    list[str] | None,
    unset(
        LEARNING,
        "--augment",
        "What real and made images go through before the discriminator, for small folders: translate, "
        "cut-out, recolour; repeatable.",
        "NAME",
    ),
]
Mirror = Annotated[
    bool | None,
    unset(
        LEARNING,
        "--mirror/--no-mirror",
        "Mirror real images at random, as faces allow and digits do not.",
        "",
    ),
]
EncoderSteps = Annotated[
    int | None,
    unset(
        LEARNING,
        "--encoder-steps",
        "Updates of the encoder that is trained after the generator (3000; 0: no encoder).",
        "N",
    ),
]
EncoderWidth = Annotated[
    int | None,
    unset(
        NETWORK,
        "--encoder-width",
        "Feature maps of the encoder at half the size; more at the coarser scales (32).",
        "N",
    ),
]
LatentDim = Annotated[
    int | None,
    unset(NETWORK, "--latent-dim", "Numbers that an image is made of (100).", "N"),
]
Width = Annotated[
    int | None,
    unset(NETWORK, "--width", "Feature maps at half the size; more at the coarser scales (64).", "N"),
]
