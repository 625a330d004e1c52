"""An autoencoder of milliseconds whose latents are to cover a cube."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from genrestore.models.autoencoder import Autoencoder
from genrestore.train.kinds import KINDS
from genrestore.train.loop import session
from genrestore.train.settings import Request
from tests.train import toy

SHAPE = {"width": 4, "hidden": 8, "latent_dim": 2}
SMALL = {
    **SHAPE,
    "cover": "mmd",
    "cover_weight": 100.0,
    "loss": "mean-square",
    "outliers": 0.0,
    "restorer_steps": 0,
}
QUICK = {
    "steps": 12,
    "batch_size": 8,
    "warmup": 0,
    "schedule": "constant",
    "optimiser": "adamw",
    "ema_decay": 0.0,
    "log_every": 6,
    "validate_every": 12,
    "sample_every": 12,
}


def request(folder: Path, **loop: Any) -> Request:
    """A request on the digits in folder/MNIST, in folder/run."""
    data = {"data": ["mnist"], "data_root": str(folder), "holdout_every": 5}
    return Request("small", run_dir=folder / "run", data=data, loop={**QUICK, **loop}, model=SMALL)


def train(asked: Request, **model: Any) -> session.Result:
    """Train from a request, with other settings of the model."""
    asked = replace(asked, model={**asked.model, **model}, overwrite=True)
    return session.run(KINDS["ae"], asked, toy.RUNTIME, toy.Witness())


def start() -> list[torch.Tensor]:
    """The parameters before the first step."""
    torch.manual_seed(0)
    network = Autoencoder(28, 1, SHAPE["latent_dim"], SHAPE["width"], SHAPE["hidden"], bounded=True)
    return [parameter.detach() for parameter in network.parameters()]
