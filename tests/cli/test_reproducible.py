"""One picture gives one file: alone, among others, in any order. With the shipped weights, which round."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.conftest import Run, noisy_pixels, write

SIZES = {"a.png": (57, 83), "b.jpg": (57, 83), "c.png": (57, 83), "d.png": (9, 20)}
"""Of equal and of other sizes, so that neighbours could be taken together."""

pytestmark = pytest.mark.slow


@pytest.fixture(params=["auto", "fp32"])
def precision(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def alone(run: Run, photo: Path, precision: str) -> dict[str, bytes]:
    """in/ with pictures, and what becomes of each where it is the only one."""
    for seed, (name, size) in enumerate(SIZES.items()):
        write(Path("in") / name, noisy_pixels(*size, seed=seed))
    for name in SIZES:
        restored(run, precision, f"in/{name}", "-o", f"alone/{name}")
    return content("alone")


def restored(run: Run, precision: str, *words: str) -> None:
    result = run("denoise", "--device", "cpu", "--precision", precision, *words)
    assert result.exit_code == 0, result.stderr


def content(folder: str) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(Path(folder).iterdir())}


def test_a_folder_in_any_order_and_in_part(run: Run, alone: dict[str, bytes], precision: str) -> None:
    backwards = [f"in/{name}" for name in reversed(SIZES)]
    ways = {"folder": ["in"], "backwards": backwards, "part": backwards[::2]}
    for way, inputs in ways.items():
        restored(run, precision, *inputs, "-o", f"{way}/")
        found = content(way)
        assert len(found) == (2 if way == "part" else 4)
        assert found == {name: alone[name] for name in found}, way
