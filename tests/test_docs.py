"""Documentation that cannot drift: the app, the pages and the examples are held against each other."""

from __future__ import annotations

import importlib.util
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

import genrestore
from tests import stage
from tests.shell import Shell

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
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
    """A folder with a copy of examples/, its pictures cut small."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    for path in (tmp_path / "examples").glob("*.png"):
        with Image.open(path) as picture:
            picture.crop((0, 0, 144, 80)).save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    """A shell in which genrestore starts at once."""
    with Shell(tmp_path_factory.mktemp("shell") / "bin") as made:
        yield made


def test_every_option_has_help_and_stands_in_the_documentation() -> None:
    missing = []
    for words, command in COMMANDS.items():
        said = f"genrestore {' '.join(words)}"
        text = (DOCS / "commands" / f"{words[0]}.md").read_text(encoding="utf-8")
        missing += [f"{said}: no help"] if not command.help else []
        missing += [f"{said}: not in the documentation"] if said not in text else []
        for option in generate.options(command):
            missing += [f"{said} {option.opts[0]}: no help"] if not option.help else []
            names = [one for one in option.opts if one.startswith("-") and one not in text]
            missing += [f"{said} {one}: not in the documentation" for one in names]
    assert not missing


def test_generated_parts_are_up_to_date() -> None:
    texts = {page: page.read_text(encoding="utf-8") for page in generate.PAGES}
    old = [page_name(page) for page, text in texts.items() if generate.renewed(text) != text]
    assert not old, "run: python docs/generate.py"


def test_the_version_has_a_changelog_entry_for_both_readers() -> None:
    entries = re.split(r"^## ", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    entry = next((text for text in entries if text.startswith(f"[{genrestore.__version__}]")), "")
    assert "### Command line" in entry
    assert "### Python" in entry


def test_links_between_pages_resolve() -> None:
    broken = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            if not re.match(r"[a-z]+:", target):
                place, _, heading = target.partition("#")
                linked = (page.parent / place).resolve() if place else page
                if not linked.exists() or (heading and heading not in headings(linked)):
                    broken.append(f"{page_name(page)}: {target}")
    assert not broken


def headings(page: Path) -> set[str]:
    """The anchors of a page's headings, as code hosts make them."""
    found = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in found}


def test_the_two_commands_are_near_the_top_and_ci_runs_them_as_they_stand() -> None:
    """As `.ci/run` finds them: the first lines that its patterns match."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    patterns = re.findall(r"grep -m 1 '([^']+)' README\.md", ci)
    found = [re.search(rf"{pattern}.*$", readme, re.MULTILINE) for pattern in patterns]
    lines = [one[0] for one in found if one]
    assert lines == [
        "pip install . && genrestore denoise examples/photo.png",
        "pip install -e '.[test]' && pytest -n auto",
    ]
    top = "\n".join(readme.splitlines()[:25])
    assert all(line in top for line in lines)


def test_written_commands_can_be_parsed() -> None:
    lines = [(page_name(page), line) for page in PAGES for line in calls(page)]
    unknown = [f"{page}: {line}: {word}" for page, line in lines for word in unknown_options(line)]
    assert len(lines) > 20
    assert not unknown


def unknown_options(line: str) -> list[str]:
    """The options in a shell line that the command of genrestore does not have."""
    from typer.main import get_command

    from genrestore.cli.app import app

    unknown = list[str]()
    for part in re.split(r"\||&&|;|>", line):
        words = shlex.split(part, comments=True)
        if "genrestore" not in words:
            continue
        words = words[words.index("genrestore") + 1 :]
        command: Any = get_command(app)
        while words and hasattr(command, "commands") and not words[0].startswith("-"):
            command = command.commands[words.pop(0)]
        known = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
        known |= {"--help", "-h", "--install-completion", "--show-completion"}
        used = {re.split("=", word)[0] for word in words if re.match(r"--?[a-z]", word)}
        unknown += sorted(used - known)
    return unknown


SCRIPTS = {
    page_name(page): [code for code in blocks(page, "sh") if re.search(r"\bgenrestore ", code)]
    for page in PAGES
}
"""The blocks of each page that call genrestore."""
SLURM = {"SLURM_ARRAY_TASK_ID": "1", "SLURM_CPUS_PER_TASK": "1", "SLURM_JOB_NODELIST": "node"}
SLURM |= {"SLURM_NNODES": "1", "SLURM_JOB_ID": "7"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of a POSIX shell")
@pytest.mark.parametrize("page", [page for page, scripts in SCRIPTS.items() if scripts])
def test_commands_work_as_they_are_written(
    page: str, shell: Shell, workplace: Path, genrestore_home: Path
) -> None:
    """Those of the README with the weights that ship, those of other pages with tiny ones of their names."""
    if page != "README.md":
        stage.furnish(workplace, genrestore_home, page)
    for script in SCRIPTS[page]:
        commands = [script] if script.startswith("#!") else script.replace("\\\n", " ").splitlines()
        for command in (re.sub(r"^pip install .*?(&& |$)", "", one) for one in commands):
            done = shell.run(command, workplace, **SLURM)
            said = f"{command}\n{done.stdout}{done.stderr}"
            assert done.returncode in ((0, 4) if "--device cuda" in command else (0,)), said
            assert "Traceback" not in done.stderr, said


PROGRAMS = {page_name(page): code for page in PAGES if (code := "\n".join(blocks(page, "python")))}
"""The Python code of each page that has some, which is one program."""


@pytest.mark.slow
@pytest.mark.parametrize("page", PROGRAMS)
@pytest.mark.usefixtures("workplace")
def test_python_examples_work(page: str) -> None:
    if "import deepinv" in PROGRAMS[page]:
        pytest.importorskip("deepinv")
    code = compile(PROGRAMS[page], page, "exec", dont_inherit=True)
    exec(code, {"__name__": "program"})


@pytest.mark.slow
def test_python_examples_pass_a_type_checker(tmp_path: Path) -> None:
    for page, code in PROGRAMS.items():
        if "import deepinv" not in code:  # which has no types
            (tmp_path / f"{re.sub(r'[^a-z]', '_', page.lower())}.py").write_text(code, encoding="utf-8")
    words = ["--config-file", ROOT / "pyproject.toml", "--cache-dir", ROOT / ".mypy_cache", tmp_path]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *words],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_format_keeps_what_a_picture_has_or_says_what_it_does_not() -> None:
    cells = list(generate.kept.cells())
    assert len(cells) >= 11 * 6
    assert [cell for cell in cells if cell[2] == generate.kept.LOST] == []
    assert sum(cell[2] in ("kept", "made upright") for cell in cells) > len(cells) / 2
