"""The help of every command: short, with examples that can be parsed, and headings in one order."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from typing import Any

import pytest
from typer.main import get_command

from genrestore.cli.app import app
from genrestore.cli.commands import PANELS
from genrestore.cli.help import EXAMPLES
from genrestore.cli.options import SEARCH
from tests.cli.conftest import Run
from tests.test_docs import COMMANDS, unknown_options

LONGEST = {"": 60, "denoise": 100}
"""Lines at 80 columns."""


@pytest.fixture
def shown(run: Run, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The help of a command at 80 columns, as lines."""
    monkeypatch.setenv("COLUMNS", "80")
    return lambda words: run(*words.split(), "--help").stdout.splitlines()


@pytest.mark.parametrize("words", LONGEST)
def test_it_is_short(shown: Any, words: str) -> None:
    lines = shown(words)
    assert len(lines) <= LONGEST[words]
    assert max(map(len, lines)) <= 80


def test_no_other_command_is_made_than_the_one_that_is_asked_for() -> None:
    root: Any = get_command(app)
    assert root.list_commands(None)[0] == "denoise"
    assert root.get_command(None, "train").get_command(None, "ae").name == "ae"
    assert root.get_command(None, "denoising") is None
    assert (
        list(root.commands._commands_by_name),
        list(root.commands["train"].commands._commands_by_name),
    ) == (["train"], ["ae"])


@pytest.mark.parametrize("words", ["", *map(" ".join, COMMANDS)])
def test_examples_stand_at_the_top_and_can_be_parsed(shown: Any, words: str) -> None:
    lines = shown(words)
    start = lines.index(EXAMPLES)
    assert start <= 5
    examples = [line.strip() for line in lines[start + 1 : lines.index("", start)]]
    assert len(examples) == 3 or words.startswith("weights ")
    assert all(f"genrestore {words}".strip() in example for example in examples)
    assert not [one for example in examples for one in unknown_options(example)]
    assert "<" not in "".join(lines).replace("->", "")


def test_headings_come_in_one_order_and_what_is_of_one_class_last(shown: Any) -> None:
    for words in map(" ".join, COMMANDS):
        titles = [line[:-1] for line in shown(words) if re.fullmatch(r"[A-Z].*:", line)]
        known = [title for title in titles if title in PANELS]
        assert known == sorted(known, key=PANELS.index)
        assert SEARCH not in titles or titles[-1] == SEARCH


def test_a_long_name_has_its_words_beside_or_below_it(shown: Any) -> None:
    lines = shown("train gan")
    assert "  --device auto|cpu|cuda|mps  Where to compute. (auto)" in lines
    below = lines.index("  --schedule cosine|trapezoid|constant")
    assert lines[below + 1].startswith(" " * 27 + "How")


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("denoise --weights pho", {"photo", "photo-inpaint", "photo-marks"}),
        ("weights show mnist-a", {"mnist-ae", "mnist-ae-100"}),
        ("train gan --data fash", {"fashion-mnist"}),
        ("scatter --data m", {"mnist"}),
        ("denoise --weights ./m", set()),
    ],
)
def test_a_shell_completes_names(typed: str, wanted: set[str]) -> None:
    words = f"genrestore {typed}"
    settings = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; sys.argv[0] = 'genrestore'; from genrestore.cli import main; main()",
        ],
        env={**os.environ, "_GENRESTORE_COMPLETE": "complete_bash", **settings},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (set(done.stdout.split()), done.stderr) == (wanted, "")
