from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genrestore.train.loop import run


def test_a_grid_holds_every_image_clipped_and_rounded(tmp_path: Path) -> None:
    images = torch.stack([torch.full((3, 5, 7), value) for value in (-1.0, 0.5, 1.0, 2.0)])
    run.save_grid(tmp_path / "grid.png", images)
    with Image.open(tmp_path / "grid.png") as picture:
        pixels = np.asarray(picture)
    assert pixels.shape == (2 * 5 + 6, 2 * 7 + 6, 3)
    assert [pixels[4, 4, 0], pixels[4, 13, 0], pixels[11, 4, 0], pixels[11, 13, 0]] == [0, 128, 255, 255]


def test_grey_images_make_a_grid_too(tmp_path: Path) -> None:
    run.save_grid(tmp_path / "grid.png", torch.zeros(1, 1, 4, 4))
    with Image.open(tmp_path / "grid.png") as picture:
        assert picture.size == (4, 4)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline"])
def test_plots_are_drawn_whatever_the_environment_says_and_nothing_is_said(
    tmp_path: Path, backend: str
) -> None:
    """As in the shell of a notebook, without a home that can be written, beside someone's own style."""
    (tmp_path / "matplotlibrc").write_text("text.usetex: True\nbackend: template\nno.such.key: 3\n")
    home = tmp_path / "file" / "home"
    home.parent.touch()
    code = """
import os
from pathlib import Path
from genrestore.train.loop import run
run.save_losses(Path("loss.png"), [{"step": 1, "loss": 0.5}, {"step": 2, "loss": 0.3}])
print(os.environ["MPLBACKEND"])
"""
    environment = {**os.environ, "MPLBACKEND": backend, "HOME": str(home), "MPLCONFIGDIR": str(home / "mpl")}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
        env=environment,
    )
    assert (done.stdout, done.stderr, done.returncode) == (f"{backend}\n", "", 0)
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.format == "PNG"


def test_a_loss_is_drawn_with_its_parts_and_both_players_together() -> None:
    names = ["loss", "reconstruction", "coverage", "score"]
    assert run.panels(names) == [["loss", "reconstruction", "coverage"], ["score"]]
    players = ["discriminator", "generator", "generator_gradient"]
    assert run.panels(players) == [["discriminator", "generator"], ["generator_gradient"]]
    assert run.panels(["reconstruction"]) == [["reconstruction"]]


def test_every_number_of_the_log_has_a_panel(tmp_path: Path) -> None:
    rows = [{"step": 1.0, "seconds": 1.0, "loss": 0.5}, {"step": 2.0, "loss": 0.25, "score": 3.0}]
    run.save_losses(tmp_path / "loss.png", rows)
    with Image.open(tmp_path / "loss.png") as picture:
        assert picture.size[0] > 900
    run.save_losses(tmp_path / "none.png", [{"step": 1.0, "seconds": 1.0}])
    assert not (tmp_path / "none.png").exists()
