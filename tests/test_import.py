"""What a new Python process loads: the command line's help must not wait for the heavy libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("torch", "torchvision", "matplotlib", "numpy", "PIL")
SHOW_HEAVY = f"import sys; print([name for name in {HEAVY} if name in sys.modules])"


def python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=300
    )


def test_importing_the_package_loads_nothing_heavy() -> None:
    done = python(f"import genrestore; {SHOW_HEAVY}")
    assert (done.stdout.strip(), done.stderr, done.returncode) == ("[]", "", 0)


LIGHT = [["--help"], ["--version"]]
LIGHT += [[command, "--help"] for command in ("denoise", "evaluate", "sample", "scatter", "train", "weights")]
LIGHT += [["train", "gan", "--help"]]


def test_light_commands_load_nothing_heavy() -> None:
    """One after the other in one process: the first that loads something heavy is told."""
    code = f"""
import sys
from genrestore.cli.app import main
for words in {LIGHT!r}:
    sys.argv = ["genrestore", *words]
    try:
        main()
    except SystemExit as end:
        assert end.code in (0, None), end.code
    {SHOW_HEAVY.removeprefix("import sys; ").replace("print(", "print('HEAVY', words, ")}
"""
    done = python(code)
    assert (done.stderr, done.returncode) == ("", 0)
    told = [line for line in done.stdout.splitlines() if line.startswith("HEAVY")]
    assert told == [f"HEAVY {words!r} []" for words in LIGHT]


def test_the_api_is_loaded_on_first_use() -> None:
    done = python("import genrestore, sys; genrestore.denoise; print('torch' in sys.modules)")
    assert (done.stdout.strip(), done.stderr) == ("True", "")


def test_an_unknown_name_is_an_attribute_error() -> None:
    import genrestore

    with pytest.raises(AttributeError, match="no attribute 'sharpen'"):
        genrestore.sharpen  # noqa: B018


def test_torch_is_loaded_once_and_the_collector_goes_on() -> None:
    code = """
import gc, sys
from genrestore.runtime import load_torch
assert "torch" not in sys.modules
load_torch()
print("torch" in sys.modules, gc.isenabled(), gc.get_freeze_count() > 100_000)
gc.unfreeze()
load_torch()
print(gc.get_freeze_count())
"""
    done = python(code)
    assert (done.stdout.split(), done.stderr) == (["True", "True", "True", "0"], "")


def test_completion_knows_the_functions_before_they_are_loaded() -> None:
    done = python("import genrestore, sys; print(dir(genrestore), 'torch' in sys.modules)")
    names = {"__version__", "denoise", "inpaint", "invert", "load_prior"}
    assert all(f"'{name}'" in done.stdout for name in names)
    assert done.stdout.endswith("False\n")
