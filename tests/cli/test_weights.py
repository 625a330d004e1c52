"""`genrestore weights`: what a user types, reads, and finds in the store afterwards."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from genrestore.cli import weights as command
from genrestore.cli.app import ErrorBoundary
from genrestore.weights import store
from tests import tiny

APP = typer.Typer(cls=ErrorBoundary, pretty_exceptions_enable=False)
APP.add_typer(command.app, name="weights")


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(APP, ["weights", *map(str, words)], prog_name="genrestore")


def records(result: Result) -> list[dict[str, Any]]:
    assert result.exit_code == 0, result.stderr
    return [json.loads(line) for line in result.stdout.splitlines()]


def record(result: Result) -> dict[str, Any]:
    (found,) = records(result)
    return found


@pytest.fixture(autouse=True)
def shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the name "photo", in the place of the package's weights."""
    folder = tmp_path_factory.mktemp("shipped")
    tiny.save_denoiser(folder, "photo")
    monkeypatch.setattr(store, "SHIPPED", folder)
    return folder


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Weights that are not in the store yet."""
    return tiny.save_denoiser(tmp_path, "file")


@pytest.fixture
def own(genrestore_home: Path) -> Path:
    """Where the store keeps its files."""
    return genrestore_home / "weights"


def spoil(path: Path) -> Path:
    """Flip a bit of the last tensor."""
    path.write_bytes(path.read_bytes()[:-1] + bytes([path.read_bytes()[-1] ^ 1]))
    return path


COMMANDS = ("list", "show", "add", "verify", "export", "remove", "path")


@pytest.mark.parametrize(
    "words", [(), *((name,) for name in COMMANDS)], ids=lambda words: " ".join(words) or "weights"
)
def test_help(words: tuple[str, ...]) -> None:
    result = run(*words, "--help")
    assert (result.exit_code, result.stderr) == (0, "")
    assert all(name in result.stdout for name in (COMMANDS if not words else ("--json", "--quiet")))


def test_no_command_shows_the_help() -> None:
    result = run()
    assert result.exit_code == 2
    assert "Usage: genrestore weights" in result.output


@pytest.mark.parametrize("name", ["show", "add", "verify", "export", "remove", "path"])
def test_missing_words_are_named_and_stdout_stays_empty(name: str) -> None:
    result = run(name)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr.startswith("genrestore: error: Missing ")
    assert result.stderr.endswith(f"; see genrestore weights {name} --help\n")


class TestList:
    def test_lines_for_the_eye(self, shipped: Path, file: Path, own: Path) -> None:
        size = f"{file.stat().st_size / 1e6:.1f} MB"
        assert run("list").stdout == f"photo  shipped  denoiser  {size}  {shipped / 'photo.safetensors'}\n"
        run("add", file, "--name", "photo")
        shutil.copy(file, own / "bad.safetensors")
        (own / "bad.safetensors").write_bytes(b"PK\x03\x04" + bytes(99))
        result = run("list")
        bad, photo = result.stdout.splitlines()
        assert bad.split()[:4] == ["bad", "your", "store", "damaged"]
        assert "a zip archive" in bad
        assert photo.split()[:4] == ["photo", "your", "store", "denoiser"]
        assert photo.endswith(f"hides {shipped / 'photo.safetensors'}")
        assert (result.exit_code, result.stderr) == (0, "")

    def test_nothing_there(self, shipped: Path) -> None:
        (shipped / "photo.safetensors").unlink()
        for words in ((), ("--json",)):
            result = run("list", *words)
            assert (result.stdout, result.stderr, result.exit_code) == ("", "", 0)

    def test_json_lines(self, file: Path, shipped: Path, own: Path) -> None:
        run("add", file, "--name", "photo")
        run("add", file, "--name", "another")
        (own / "bad.safetensors").write_bytes(b"")
        another, bad, photo = records(run("list", "--json"))
        assert photo == {
            "schema": 1,
            "name": "photo",
            "path": str(own / "photo.safetensors"),
            "origin": "store",
            "hides": str(shipped / "photo.safetensors"),
            "kind": "denoiser",
            "channels": 3,
            "size": None,
            "licence": "CC0-1.0",
            "bytes": file.stat().st_size,
            "sha256": another["sha256"],
            "error": None,
        }
        assert (another["name"], another["hides"]) == ("another", None)
        assert bad["kind"] is None
        assert "is empty" in bad["error"]
        assert set(bad) == set(photo)


class TestShow:
    @pytest.mark.parametrize("by", ["name", "path"])
    def test_lines_for_the_eye(self, by: str, file: Path, shipped: Path) -> None:
        result = run("show", "photo" if by == "name" else file)
        lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
        assert lines["path"] == str(shipped / "photo.safetensors" if by == "name" else file)
        assert lines["kind"] == "denoiser"
        assert lines["networks.denoiser.arguments.widths"] == str(tiny.DENOISER["widths"])
        assert lines["licence"] == "CC0-1.0"
        assert (result.exit_code, result.stderr) == (0, "")

    def test_json(self, file: Path) -> None:
        found = record(run("show", file, "--json"))
        assert found["networks"]["estimator"] == {"name": "noise-estimator", "arguments": tiny.ESTIMATOR}
        assert (found["schema"], found["path"], len(found["sha256"])) == (1, str(file), 64)

    def test_text_from_a_file_cannot_steer_the_terminal(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = tmp_path / "hostile.safetensors"
        text = "\x1b[31mred\nline\r[bold]\ud800σ"
        save_about(path, data=text)
        result = run("show", path)
        assert result.stdout.count("\x1b") == 0
        assert r"\x1b[31mred\nline\r[bold]\ud800σ" in result.stdout
        assert record(run("show", path, "--json"))["data"] == text

    def test_an_encoding_without_greek(self, tmp_path: Path) -> None:
        path = tmp_path / "greek.safetensors"
        save_about(path, data="σ = 25")
        environment = {**os.environ, "PYTHONIOENCODING": "latin-1"}
        code = f"from tests.cli.test_weights import APP; APP(['weights', 'show', {str(path)!r}])"
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            env=environment,
            timeout=600,
            cwd=Path(__file__).parents[2],
        )
        assert (done.returncode, done.stderr) == (0, b"")
        assert rb"\u03c3 = 25" in done.stdout


def save_about(path: Path, **changes: Any) -> None:
    """Tiny weights with other words in their header."""
    from dataclasses import replace

    from safetensors.numpy import load

    from genrestore.weights.content import read

    plain = read(tiny.save_denoiser(path.parent, "plain"))
    store.save(path, replace(plain.header, **changes), load(plain.raw))


class TestTerminal:
    """What differs where stdout is a terminal."""

    @pytest.fixture(autouse=True)
    def terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(command, "_is_terminal", lambda: True)
        monkeypatch.setenv("COLUMNS", "200")
        monkeypatch.setenv("NO_COLOR", "1")

    def test_the_list_has_titles(self) -> None:
        title, line = run("list").stdout.splitlines()
        assert title.split() == ["name", "from", "kind", "size", "path"]
        assert line.split()[:3] == ["photo", "shipped", "denoiser"]

    def test_long_values_are_folded_and_not_cut(self, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("COLUMNS", "60")
        sha = record(run("show", file, "--json"))["sha256"]
        shown = run("show", file).stdout
        assert max(map(len, shown.splitlines())) <= 60
        assert sha in "".join(shown.split("sha256")[-1].split())

    def test_markup_is_text(self, tmp_path: Path) -> None:
        save_about(tmp_path / "markup.safetensors", data="[bold]x[/bold] [/] :smile:")
        assert "[bold]x[/bold] [/] :smile:" in run("show", tmp_path / "markup.safetensors").stdout


class TestAdd:
    def test_the_name_can_be_used(self, file: Path, own: Path) -> None:
        result = run("add", file, "--name", "mine")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == f"added 'mine': {own / 'mine.safetensors'}\n"
        assert (own / "mine.safetensors").read_bytes() == file.read_bytes()
        assert run("path", "mine").stdout == f"{own / 'mine.safetensors'}\n"

    def test_it_says_what_it_hides(self, file: Path) -> None:
        result = run("add", file, "--name", "photo")
        assert result.stderr.endswith("; it hides the 'photo' that ships with genrestore\n")

    def test_quiet_and_json(self, file: Path, own: Path) -> None:
        result = run("add", file, "--name", "mine", "--quiet", "--json")
        assert result.stderr == ""
        assert record(result)["path"] == str(own / "mine.safetensors")

    def test_an_existing_name_is_replaced_only_when_asked(self, file: Path, own: Path) -> None:
        run("add", file, "--name", "mine")
        before = (own / "mine.safetensors").stat()
        result = run("add", file, "--name", "mine")
        assert result.exit_code == 2
        assert (
            result.stderr
            == f"genrestore: error: {own / 'mine.safetensors'}: exists; replace it with --overwrite\n"
        )
        assert (own / "mine.safetensors").stat() == before
        assert run("add", file, "--name", "mine", "--overwrite").exit_code == 0

    @pytest.mark.parametrize("name", ["../mine", "a/b", ".mine", "", "mine.safetensors"])
    def test_names_that_are_none(self, file: Path, own: Path, name: str) -> None:
        result = run("add", file, "--name", name)
        assert result.exit_code == 2
        assert f"'{name}' cannot be the name of weights" in result.stderr
        assert not own.exists()

    def test_nothing_damaged_is_added(self, file: Path, own: Path) -> None:
        result = run("add", spoil(file), "--name", "mine")
        assert result.exit_code == 5
        assert result.stderr.startswith(f"genrestore: error: {file}: damaged weights file: its sha256 is ")
        assert not own.exists()

    def test_a_network_that_does_not_fit_is_not_added(self, tmp_path: Path, own: Path) -> None:
        from genrestore.weights.header import NetworkSpec

        path = tmp_path / "other.safetensors"
        save_about(path, networks={role: NetworkSpec("unheard-of", {}) for role in ("denoiser", "estimator")})
        result = run("add", path, "--name", "mine")
        assert result.exit_code == 5
        assert "needs a network 'unheard-of'" in result.stderr
        assert not own.exists()

    def test_the_name_must_be_given(self, file: Path) -> None:
        result = run("add", file)
        assert result.exit_code == 2
        assert "--name" in result.stderr


class TestVerify:
    @pytest.mark.parametrize("by", ["name", "path"])
    def test_sound(self, by: str, file: Path) -> None:
        result = run("verify", "photo" if by == "name" else file)
        assert (result.exit_code, result.stdout) == (0, "")
        assert "safetensors: sound, sha256 " in result.stderr
        assert len(record(run("verify", "photo", "--json"))["sha256"]) == 64

    def test_quiet(self) -> None:
        result = run("verify", "photo", "-q")
        assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")

    def test_one_flipped_bit(self, file: Path) -> None:
        result = run("verify", spoil(file), "-q")
        assert (result.exit_code, result.stdout) == (5, "")
        assert "its sha256 is" in result.stderr
        assert len(result.stderr.splitlines()) == 1

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b"PK\x03\x04" * 9, "zip archive"),
            (b"\x80\x04\x95" * 9, "pickle"),
            (b"text" * 9, "not genrestore"),
        ],
    )
    def test_other_files(self, file: Path, content: bytes, message: str) -> None:
        file.write_bytes(content)
        result = run("verify", file)
        assert (result.exit_code, result.stdout) == (5, "")
        assert message in result.stderr
        assert len(result.stderr.splitlines()) == 1


class TestRemove:
    def test_own_weights(self, file: Path, own: Path) -> None:
        run("add", file, "--name", "mine")
        result = run("remove", "mine")
        assert (result.exit_code, result.stdout) == (0, "")
        assert result.stderr == f"removed 'mine': {own / 'mine.safetensors'}\n"
        assert list(own.iterdir()) == []

    def test_what_was_hidden_is_said(self, file: Path, shipped: Path) -> None:
        run("add", file, "--name", "photo")
        assert run("remove", "photo").stderr.endswith("; 'photo' is now the one that ships with genrestore\n")
        assert run("path", "photo").stdout == f"{shipped / 'photo.safetensors'}\n"

    def test_shipped_weights_stay(self, shipped: Path) -> None:
        result = run("remove", "photo")
        assert result.exit_code == 2
        assert result.stderr == (
            "genrestore: error: 'photo' ships with genrestore and cannot be removed; "
            "only weights of your store can\n"
        )
        assert (shipped / "photo.safetensors").exists()

    def test_a_path_is_no_name(self, file: Path) -> None:
        result = run("remove", file)
        assert result.exit_code == 2
        assert "is a path; give the name" in result.stderr
        assert file.exists()

    def test_json(self, file: Path, own: Path) -> None:
        run("add", file, "--name", "mine")
        expected = {"schema": 1, "name": "mine", "path": str(own / "mine.safetensors")}
        assert record(run("remove", "mine", "--json", "-q")) == expected


class TestPath:
    def test_only_the_path(self, file: Path, shipped: Path) -> None:
        result = run("path", "photo")
        assert (result.stdout, result.stderr, result.exit_code) == (
            f"{shipped / 'photo.safetensors'}\n",
            "",
            0,
        )
        assert run("path", file, "-q").stdout == f"{file}\n"
        assert record(run("path", file, "--json")) == {"schema": 1, "path": str(file)}

    @pytest.mark.skipif(sys.platform != "linux", reason="names there are text")
    def test_a_name_that_is_no_text(self, file: Path) -> None:
        odd = file.with_name(os.fsdecode(b"\xff.safetensors"))
        file.rename(odd)
        assert run("path", odd).stdout_bytes == os.fsencode(odd) + b"\n"


@pytest.mark.parametrize("name", ["show", "verify", "remove", "path"])
def test_an_unknown_name_is_answered_with_the_known(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(name, "foto")
    assert (result.exit_code, result.stdout) == (5, "")
    assert result.stderr == "genrestore: error: no weights named 'foto'; known names: photo\n"


@pytest.mark.parametrize("words", [("list",), ("path", "photo"), ("show", "photo")], ids=" ".join)
def test_looking_needs_no_torch(words: tuple[str, ...], file: Path, own: Path) -> None:
    run("add", file, "--name", "photo")
    code = (
        "import sys; from genrestore.cli import weights; "
        f"weights.app({list(words)!r}, standalone_mode=False); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert (done.stdout.splitlines()[-1], done.stderr) == ("False", "")
