"""Documentation that cannot drift: the app, the pages and the examples are held against each other."""

from __future__ import annotations

import dataclasses
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import genrestore

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "examples" / "README.md",
    *sorted(DOCS.rglob("*.md")),
]
BLOCK = re.compile(r"(<!-- not run[^>]*-->\n)?^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)


def load_generator() -> Any:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = load_generator()
COMMANDS = dict(generate.commands())


def page_name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Code blocks of a page, but for those under a `not run` comment."""
    return [
        code
        for skip, kind, code in BLOCK.findall(page.read_text(encoding="utf-8"))
        if kind == language and not skip
    ]


def calls(page: Path) -> list[str]:
    """The lines of a page's shell blocks that call genrestore, continued lines joined."""
    lines = "\n".join(
        code for _, kind, code in BLOCK.findall(page.read_text(encoding="utf-8")) if kind == "sh"
    )
    return [line for line in lines.replace("\\\n", " ").splitlines() if re.search(r"\bgenrestore ", line)]


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a copy of examples/, and the console script on the PATH."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_option_has_help_and_stands_in_the_documentation(words: tuple[str, ...]) -> None:
    command = COMMANDS[words]
    text = (DOCS / "commands" / f"{words[0]}.md").read_text(encoding="utf-8")
    assert command.help
    assert f"genrestore {' '.join(words)}" in text
    for option in generate.options(command):
        assert option.help, f"{option.opts} has no help"
        assert all(name in text for name in option.opts if name.startswith("-"))


def settings_of(kind: str) -> dict[str, Any]:
    """The defaults of a kind of training."""
    from genrestore.training import autoencoder, gan
    from genrestore.training.denoiser import DenoiserSettings
    from genrestore.training.settings import LoopSettings

    loop, model = {
        "denoiser": (LoopSettings(), DenoiserSettings()),
        "ae": (autoencoder.LOOP, autoencoder.AutoencoderSettings()),
        "gan": (gan.LOOP, gan.GanSettings()),
    }[kind]
    return {**dataclasses.asdict(loop), **dataclasses.asdict(model)}


@pytest.mark.parametrize("kind", ["denoiser", "ae", "gan"])
def test_defaults_that_the_help_of_training_names_are_the_settings(kind: str) -> None:
    """As in "(32; ae: 64)": the first is the denoiser's, and all others' that are not named."""
    settings, checked, wrong = settings_of(kind), 0, []
    for option in generate.options(COMMANDS["train", kind]):
        own = re.search(rf"\b{kind}: ([\w.,-]+)[;)]", option.help)
        named = own or re.search(r"\(([\w.,-]+)[:;)]", option.help)
        if named is not None and option.name in settings:
            value, checked = settings[option.name], checked + 1
            values = value if isinstance(value, tuple) else (value,)
            said = [type(values[0])(text) for text in named[1].split(",")]
            if said != list(values):
                wrong.append(f"{option.opts[0]}: help says {named[1]}, the default is {value}")
    assert not wrong
    assert checked > 12


@pytest.mark.parametrize("page", generate.PAGES, ids=page_name)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert generate.renewed(text) == text, "run: python docs/generate.py"


def test_the_version_has_a_changelog_entry_for_both_readers() -> None:
    entries = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    entry = next((text for text in entries if text.startswith(f"[{genrestore.__version__}]")), "")
    assert "### Command line" in entry
    assert "### Python" in entry


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_links_between_pages_resolve(page: Path) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not re.match(r"[a-z]+:", target):
            place, _, heading = target.partition("#")
            linked = (page.parent / place).resolve() if place else page
            assert linked.exists(), target
            if heading:
                assert heading in headings(linked), target


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_first_command_is_near_the_top_and_ci_runs_the_second() -> None:
    top = "\n".join((ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:25])
    assert "genrestore denoise examples/photo.png" in top
    assert "pip install -e '.[test]' && pytest" in top
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    assert "pip install -e '.[test]'\npytest\n" in ci


@pytest.mark.parametrize("page", PAGES, ids=page_name)
def test_written_commands_can_be_parsed(page: Path) -> None:
    from typer.main import get_command

    from genrestore.cli.app import app

    for line in calls(page):
        for part in re.split(r"\||&&|;|>", line):
            words = shlex.split(part, comments=True)
            if "genrestore" not in words:
                continue
            words = words[words.index("genrestore") + 1 :]
            command: Any = get_command(app)
            while words and hasattr(command, "commands") and not words[0].startswith("-"):
                command = command.commands[words.pop(0)]
            known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
            used = {re.split("=", word)[0] for word in words if re.match(r"--?[a-z]", word)}
            assert used <= known | {"--help", "-h", "--install-completion", "--show-completion"}, line


@pytest.mark.slow
def test_commands_of_the_readme_work(workplace: Path) -> None:
    for code in blocks(ROOT / "README.md", "sh"):
        lines = [line for line in code.replace("\\\n", " ").splitlines() if "genrestore" in line]
        script = "\n".join(re.sub(r"^pip install \. && ", "", line) for line in lines)
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), f"{script}\n{done.stderr}"
    assert (workplace / "examples" / "photo.denoised.png").exists()


@pytest.mark.slow
@pytest.mark.parametrize("page", [ROOT / "README.md", DOCS / "python.md"], ids=page_name)
@pytest.mark.usefixtures("workplace")
def test_python_examples_work(page: Path) -> None:
    scope: dict[str, Any] = {}
    for code in blocks(page, "python"):
        exec(compile(code, page.name, "exec"), scope)
