"""A damage is one file and one line: command, help and the function for Python follow."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import genrestore
from genrestore.restore.task import DAMAGES
from tests import tiny
from tests.cli.lighten import LINE

ROOT = Path(__file__).parents[2]


def run(*words: str) -> str:
    command = [sys.executable, "-m", "tests.cli.lighten", *words]
    return subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT).stdout


def test_a_damage_of_one_file_and_one_line_has_a_command_and_a_function(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = str(tiny.save_denoiser(tmp_path))
    before = np.random.default_rng(0).integers(40, 200, (40, 40, 3), np.uint8)
    Image.fromarray(before).save(tmp_path / "in.png")
    run("lighten", str(tmp_path / "in.png"), "--weights", weights, "--quiet")
    after = np.asarray(Image.open(tmp_path / "in.restored.png"))
    assert (after >= before).all()
    assert (after > before).any()
    monkeypatch.setitem(DAMAGES, "lighten", LINE)
    assert np.array_equal(genrestore.lighten(before, weights=weights), after)


def test_its_help_is_that_of_its_line() -> None:
    assert "Lighten photographs that lost light." in run("--help")
    assert "No pixel gets darker." in run("lighten", "--help")
