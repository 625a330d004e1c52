"""The options of every ``train`` command, declared once; None: the default, or what a resumed run has."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from genrestore.cli import options

WHERE, LEARNING, NETWORK, WRITING = "Images and folders", "Learning", "Network", "When something is written"


def path(value: str | Path) -> Path:
    """A value that is a path, with ~ as the home folder."""
    return Path(options.expand(os.fspath(value)))


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
    typer.Option(
        "--origin",
        metavar="TEXT",
        rich_help_panel=WHERE,
        show_default=False,
        help="What the images are and where they come from; kept in the weights.",
    ),
]
Licence = Annotated[
    str | None,
    typer.Option(
        "--licence",
        metavar="TEXT",
        rich_help_panel=WHERE,
        show_default=False,
        help="Under which terms the weights may be used; kept in the weights.",
    ),
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
    typer.Option(
        "--steps",
        metavar="N",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Updates in all (100000; ae: 8000; gan: 10000).",
    ),
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
    typer.Option(
        "--batch-size",
        metavar="N",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Samples a step, over all processes together (32; ae: 64; gan: 64).",
    ),
]
LearningRate = Annotated[
    float | None,
    typer.Option(
        "--learning-rate",
        metavar="X",
        rich_help_panel=LEARNING,
        show_default=False,
        help="The largest one (0.001; ae: 0.003; gan: 0.0002).",
    ),
]
Warmup = Annotated[
    int | None,
    typer.Option(
        "--warmup",
        metavar="STEPS",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Steps in which the learning rate rises (500; ae: 100; gan: 0).",
    ),
]
Schedule = Annotated[
    Literal["cosine", "trapezoid", "constant"] | None,
    typer.Option(
        "--schedule",
        rich_help_panel=LEARNING,
        show_default=False,
        help="How the learning rate falls (cosine; ae: trapezoid; gan: trapezoid); trapezoid stays and falls "
        "at the end.",
    ),
]
Cooldown = Annotated[
    float | None,
    typer.Option(
        "--cooldown",
        metavar="SHARE",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Share of the steps in which the trapezoid falls (0.25; ae: 0.8; gan: 0.3).",
    ),
]
Optimiser = Annotated[
    Literal["adamw", "muon"] | None,
    typer.Option(
        "--optimiser",
        rich_help_panel=LEARNING,
        show_default=False,
        help="AdamW, or orthogonalised momentum (adamw; ae: muon).",
    ),
]
WeightDecay = Annotated[
    float | None,
    typer.Option(
        "--weight-decay",
        metavar="X",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Decoupled, a fraction of the learning rate (0).",
    ),
]
EmaDecay = Annotated[
    float | None,
    typer.Option(
        "--ema-decay",
        metavar="X",
        rich_help_panel=LEARNING,
        show_default=False,
        help="Of the moving average of the weights, which is what is kept (0.999; ae: 0.99).",
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
    typer.Option(
        "--log-every",
        metavar="STEPS",
        rich_help_panel=WRITING,
        show_default=False,
        help="A row of metrics.csv (100).",
    ),
]
ValidateEvery = Annotated[
    int | None,
    typer.Option(
        "--validate-every",
        metavar="STEPS",
        rich_help_panel=WRITING,
        show_default=False,
        help="A validation, best.safetensors and a checkpoint (2000; ae: 1000; gan: 1000).",
    ),
]
SampleEvery = Annotated[
    int | None,
    typer.Option(
        "--sample-every",
        metavar="STEPS",
        rich_help_panel=WRITING,
        show_default=False,
        help="A sample picture (2000; ae: 1000; gan: 1000).",
    ),
]
SaveEvery = Annotated[
    int | None,
    typer.Option(
        "--save-every",
        metavar="STEPS",
        rich_help_panel=WRITING,
        show_default=False,
        help="A checkpoint (0: at validations and by time).",
    ),
]
SaveMinutes = Annotated[
    float | None,
    typer.Option(
        "--save-minutes",
        metavar="N",
        rich_help_panel=WRITING,
        show_default=False,
        help="A checkpoint at least this often (10; 0 for never).",
    ),
]
Loss = Annotated[
    Literal["absolute", "root-mean-square"] | None,
    typer.Option(
        "--loss",
        rich_help_panel=LEARNING,
        show_default=False,
        help="What a restored picture is judged by (absolute).",
    ),
]
PatchSize = Annotated[
    int | None,
    typer.Option(
        "--patch-size",
        metavar="PIXELS",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Side of a training patch (64).",
    ),
]
Widths = Annotated[
    str | None,
    typer.Option(
        "--widths",
        metavar="N,N,...",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Feature maps at each scale, finest first (64,96,160,256).",
    ),
]
Blocks = Annotated[
    str | None,
    typer.Option(
        "--blocks",
        metavar="N,N,...",
        rich_help_panel=NETWORK,
        show_default=False,
        help="Residual blocks at each scale (2,1,1,2).",
    ),
]
