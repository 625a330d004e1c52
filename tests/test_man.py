"""The manual page that is made from the app."""

from __future__ import annotations

import importlib.util
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

MADE_BY = Path(__file__).parents[1] / "docs" / "man.py"


@pytest.fixture(scope="module")
def man() -> Any:
    spec = importlib.util.spec_from_file_location("man", MADE_BY)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_command_and_option_stands_in_it(man: Any) -> None:
    from typer.main import get_command

    from genrestore.cli.app import app

    page, missing = man.page(), []
    for words, command in man.commands(get_command(app)):
        section = page.partition(f".SS genrestore {' '.join(words)}")[2].partition(".SS ")[0]
        assert section, words
        options = [one for one in command.params if one.param_type_name == "option" and not one.hidden]
        missing += [one.opts[0] for one in options if one.opts[0].replace("-", r"\-") not in section]
    assert not missing
    assert "[bold]" not in page


@pytest.mark.skipif(shutil.which("groff") is None, reason="no groff is installed")
def test_groff_has_nothing_to_say_of_it(man: Any, tmp_path: Path) -> None:
    (tmp_path / "genrestore.1").write_text(man.page(), encoding="utf-8")
    words = ["groff", "-man", "-Kutf8", "-Tutf8", "-ww", str(tmp_path / "genrestore.1")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)
    assert (done.stderr, done.returncode) == ("", 0)
    assert "self-test" in done.stdout


def test_what_looks_like_a_request_stays_text(man: Any) -> None:
    assert man.text(".SH a\\b --c") == r"\&.SH a\eb \-\-c"
