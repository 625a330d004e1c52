"""The console script, before the app is there."""

from __future__ import annotations

import sys

import pytest

from genrestore import cli
from genrestore.cli import app


class Interrupting:
    """Ctrl-C while the app's module is looked for."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == app.__name__:
            raise KeyboardInterrupt


def test_ctrl_c_while_the_app_is_loaded_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, app.__name__)
    monkeypatch.delattr(cli, "app")
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 130
    assert capsys.readouterr().err == "genrestore: interrupted\n"


def test_the_script_is_the_app(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["genrestore", "--version"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith("genrestore ")
