"""The options of every ``train`` command, declared once; None: the default, or what a resumed run has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from genrestore.cli import options

WHERE, LEARNING, NETWORK, WRITING = "Images and folders", "Learning", "Network", "When something is written"
HOLES = "Patches and their holes"


def path(value: str | Path) -> Path:
    """A value that is a path, with ~ as the home folder."""
    return Path(options.expand(os.fspath(value)))


def unset(panel: str, name: str, help: str, metavar: str | None = None) -> Any:
    """An option whose absence means the default, or what a resumed run has.

    Args:
        panel: Under which heading the help shows it.
        name: As it is written, with its dashes.
        help: With the default in brackets, since typer cannot know it.
        metavar: The word for its value, where its type does not give one.
    """
    return typer.Option(name, metavar=metavar, rich_help_panel=panel, show_default=False, help=help)


Data = Annotated[
    list[str] | None,
    typer.Option(
        "--data",
        metavar="FOLDER[:WEIGHT]",
        parser=options.expand,
        rich_help_panel=WHERE,
        show_default=False,
        help="Images to learn from, sub-folders too; repeatable. WEIGHT: how often it is drawn from.",
    ),
]
ValidateData = Annotated[
    list[str] | None,
    typer.Option(
        "--validate-data",
        metavar="FOLDER",
        parser=options.expand,
        rich_help_panel=WHERE,
        show_default=False,
        help="Images to measure with, never learned from.",
    ),
]
HoldoutEvery = Annotated[
    int | None,
    typer.Option(
        "--holdout-every",
        metavar="N",
        min=2,
        rich_help_panel=WHERE,
        show_default=False,
        help="Without --validate-data: measure with every Nth image and do not learn from it (50).",
    ),
]
DataRoot = Annotated[
    Path | None,
    typer.Option(
        "--data-root",
        metavar="FOLDER",
        parser=path,
        rich_help_panel=WHERE,
        show_default=False,
        help="Where torchvision's data sets lie; data in the user's data folder if left out.",
    ),
]
Download = Annotated[
    bool,
    typer.Option(
        "--download",
        metavar="",
        rich_help_panel=WHERE,
        help="Get a named data set that is not there, through the network.",
    ),
]
MaxSide = Annotated[
    int | None,
    typer.Option(
        "--max-side",
        metavar="PIXELS",
        min=16,
        rich_help_panel=WHERE,
        show_default=False,
        help="Halve images with a longer side until they fit.",
    ),
]
Name = Annotated[
    str,
    typer.Option(
        "--name", metavar="NAME", rich_help_panel=WHERE, help="The best weights go into the store under it."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "--output",
        "-o",
        metavar="PATH",
        parser=path,
        rich_help_panel=WHERE,
        show_default=False,
        help="The best weights go into this file instead of the store.",
    ),
]
RunDir = Annotated[
    Path | None,
    typer.Option(
        "--run-dir",
        metavar="FOLDER",
        parser=path,
        rich_help_panel=WHERE,
        show_default=False,
        help="Checkpoint, log, plots and samples; runs/NAME in the user's data folder if left out.",
    ),
]
Origin = Annotated[
    str | None,
    unset(WHERE, "--origin", "What the images are and where they come from; kept in the weights.", "TEXT"),
]
Licence = Annotated[
    str | None,
    unset(WHERE, "--licence", "Under which terms the weights may be used; kept in the weights.", "TEXT"),
]
InitFrom = Annotated[
    str | None,
    typer.Option(
        "--init-from",
        metavar="NAME|PATH",
        parser=options.expand,
        rich_help_panel=WHERE,
        show_default=False,
        help="Start from the networks of these weights.",
    ),
]
Resume = Annotated[
    bool,
    typer.Option(
        "--resume",
        metavar="",
        rich_help_panel=WHERE,
        help="Go on with the run that is there, as it was started.",
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite",
        metavar="",
        rich_help_panel=WHERE,
        help="Replace a run and weights of this name that are there.",
    ),
]
Extend = Annotated[
    bool,
    typer.Option(
        "--extend",
        metavar="",
        rich_help_panel=LEARNING,
        help="With --resume: take other --steps though the learning rates so far would have been others.",
    ),
]
Steps = Annotated[
    int | None,
    unset(LEARNING, "--steps", "Updates in all (100000; ae: 8000; gan: 10000).", "N"),
]
MaxMinutes = Annotated[
    float | None,
    typer.Option(
        "--max-minutes",
        metavar="N",
        min=0,
        rich_help_panel=LEARNING,
        show_default=False,
        help="Stop after this time with a checkpoint, for --resume.",
    ),
]
BatchSize = Annotated[
    int | None,
    unset(
        LEARNING, "--batch-size", "Samples a step, over all processes together (32; ae: 64; gan: 64).", "N"
    ),
]
LearningRate = Annotated[
    float | None,
    unset(LEARNING, "--learning-rate", "The largest one (0.001; ae: 0.003; gan: 0.0002).", "X"),
]
Warmup = Annotated[
    int | None,
    unset(LEARNING, "--warmup", "Steps in which the learning rate rises (500; ae: 100; gan: 0).", "STEPS"),
]
Schedule = Annotated[
    Literal["cosine", "trapezoid", "constant"] | None,
    unset(
        LEARNING,
        "--schedule",
        "How the learning rate falls (cosine; ae: trapezoid; gan: trapezoid); trapezoid stays and falls "
        "at the end.",
    ),
]
Cooldown = Annotated[
    float | None,
    unset(
        LEARNING,
        "--cooldown",
        "Share of the steps in which the trapezoid falls (0.25; ae: 0.8; gan: 0.3).",
        "SHARE",
    ),
]
Optimiser = Annotated[
    Literal["adamw", "muon"] | None,
    unset(LEARNING, "--optimiser", "AdamW, or orthogonalised momentum (adamw; ae: muon)."),
]
WeightDecay = Annotated[
    float | None,
    unset(LEARNING, "--weight-decay", "Decoupled, a fraction of the learning rate (0).", "X"),
]
EmaDecay = Annotated[
    float | None,
    unset(
        LEARNING,
        "--ema-decay",
        "Of the moving average of the weights, which is what is kept (0.999; ae: 0.99).",
        "X",
    ),
]
Seed = Annotated[
    int | None,
    typer.Option(
        "--seed",
        metavar="N",
        envvar="GENRESTORE_SEED",
        show_envvar=True,
        min=0,
        max=2**63 - 1,
        rich_help_panel=options.MACHINE,
        show_default=False,
        help="Of every random draw (0).",
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        metavar="N",
        min=0,
        rich_help_panel=options.MACHINE,
        show_default=False,
        help="Processes that prepare batches ahead, for a GPU (0: in the loop).",
    ),
]
LogEvery = Annotated[
    int | None,
    unset(WRITING, "--log-every", "A row of metrics.csv (100).", "STEPS"),
]
ValidateEvery = Annotated[
    int | None,
    unset(
        WRITING,
        "--validate-every",
        "A validation, best.safetensors and a checkpoint (2000; ae: 1000; gan: 1000).",
        "STEPS",
    ),
]
SampleEvery = Annotated[
    int | None,
    unset(WRITING, "--sample-every", "A sample picture (2000; ae: 1000; gan: 1000).", "STEPS"),
]
SaveEvery = Annotated[
    int | None,
    unset(WRITING, "--save-every", "A checkpoint (0: at validations and by time).", "STEPS"),
]
SaveMinutes = Annotated[
    float | None,
    unset(WRITING, "--save-minutes", "A checkpoint at least this often (10; 0 for never).", "N"),
]
Loss = Annotated[
    Literal["absolute", "root-mean-square"] | None,
    unset(
        LEARNING, "--loss", "What a restored picture is judged by (absolute; inpainter: root-mean-square)."
    ),
]
Only = Annotated[
    Literal["estimator"] | None,
    unset(LEARNING, "--only", "Train the estimator of the noise level alone; start from weights."),
]
PatchSize = Annotated[
    int | None,
    unset(NETWORK, "--patch-size", "Side of a training patch (64; inpainter: 128).", "PIXELS"),
]
Widths = Annotated[
    str | None,
    unset(NETWORK, "--widths", "Feature maps at each scale, finest first (64,96,160,256).", "N,N,..."),
]
Blocks = Annotated[
    str | None,
    unset(NETWORK, "--blocks", "Residual blocks at each scale (2,1,1,2; inpainter: 4,2,1,2).", "N,N,..."),
]
Scattered = Annotated[
    float | None,
    unset(
        HOLES,
        "--scattered",
        "Of the patches, how many miss single pixels; the others miss writing, scratches or blocks (0.4).",
        "SHARE",
    ),
]
Noisy = Annotated[
    float | None,
    unset(HOLES, "--noisy", "How many have noise on their known pixels (0.15).", "SHARE"),
]
Grey = Annotated[float | None, unset(HOLES, "--grey", "How many are turned to grey (0.3).", "SHARE")]
Again = Annotated[
    float | None,
    unset(
        HOLES,
        "--again",
        "How many are seen with an estimate in their holes, as when asked again (0.6).",
        "SHARE",
    ),
]
