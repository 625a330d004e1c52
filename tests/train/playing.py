"""A generator of milliseconds. Also a program for torchrun, after an autoencoder that is to cover a cube."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from genrestore.train import distributed
from genrestore.train.kinds import KINDS
from genrestore.train.loop import session
from genrestore.train.settings import Request
from tests.train import covering, toy

AFTER = {"encoder_steps": 6, "encoder_width": 2}
"""Settings with an encoder."""
SMALL = {"width": 2, "latent_dim": 3, "d_steps": 2, "encoder_steps": 0}


def request(folder: Path, **loop: Any) -> Request:
    """A request on the digits in folder/MNIST, in folder/run."""
    return replace(covering.request(folder, **{"ema_decay": 0.5, "learning_rate": 0.01, **loop}), model=SMALL)


def train(asked: Request, **model: Any) -> session.Result:
    """Train from a request, with other settings of the model."""
    asked = replace(asked, model={**asked.model, **model}, overwrite=True)
    return session.run(KINDS["gan"], asked, toy.RUNTIME, toy.Witness())


if __name__ == "__main__":
    torch.set_num_threads(1)
    with distributed.session("cpu"):
        covering.train(covering.request(Path(sys.argv[1])))
        train(request(Path(sys.argv[2])), **AFTER)
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    left = [name for name in threads if "gloo" in name]
    sys.exit(f"threads outlive the session: {left}" if left else 0)
