"""The Dockerfile, command by command in a fresh environment, where no image can be built.

The libraries are those of this environment: what pip finds installed it does not fetch.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import venv
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def instructions() -> list[tuple[str, str]]:
    """Word and rest of each instruction of the Dockerfile."""
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(encoding="utf-8"), flags=re.MULTILINE)
    lines = text.replace("\\\n", " ").splitlines()
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in lines) if word]


def test_it_is_slim_for_the_processor_and_not_roots() -> None:
    steps = instructions()
    assert re.fullmatch(r"python:3\.\d+-slim", dict(steps)["FROM"])
    words = [word for word, _ in steps]
    assert words.index("USER") > max(index for index, word in enumerate(words) if word in ("RUN", "COPY"))
    assert dict(steps)["USER"] not in ("root", "0")
    first = next(rest for word, rest in steps if word == "RUN")
    assert "torch torchvision --index-url https://download.pytorch.org/whl/cpu" in first


def test_what_is_copied_is_not_ignored() -> None:
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    for rest in (rest for word, rest in instructions() if word == "COPY"):
        for name in rest.split()[:-1]:
            assert (ROOT / name).exists()
            matching = [rule for rule in rules if fnmatch(name, rule.lstrip("!"))]
            assert matching[-1].startswith("!"), name


class Machine:
    """A folder that stands in for the image's root, with a fresh environment as its Python."""

    def __init__(self, root: Path) -> None:
        self.root = root
        venv.create(root / "venv", with_pip=True)
        purelib = next((root / "venv").rglob("site-packages"))
        for old in purelib.glob("setuptools*"):  # Python 3.11 brings one that is too old for torch
            shutil.rmtree(old)
        (purelib / "libraries.pth").write_text(sysconfig.get_paths()["purelib"])
        (root / "bin").mkdir()
        (root / "bin" / "useradd").write_text("#!/bin/sh\n")
        (root / "bin" / "useradd").chmod(0o755)
        path = f"{root}/bin{os.pathsep}{root}/venv/bin{os.pathsep}{os.environ['PATH']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
        # nothing is fetched to build with, since setuptools is there; pip takes this 0 for "not isolated"
        self.environment = {**kept, "PATH": path, "PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_INDEX": "1"}
        self.folder = root

    def moved(self, text: str) -> str:
        """A command with the folders that it makes moved into this root."""
        return re.sub(r"(?<=[ =])/(source|store|work)\b", rf"{self.root}/\1", text)

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        words = ["bash", "-euc", self.moved(command)]
        return subprocess.run(
            words,
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )

    def follow(self, word: str, rest: str) -> None:
        """Do what an instruction says."""
        if word == "RUN":
            done = self.run(rest)
            assert done.returncode == 0, f"{rest}\n{done.stdout}{done.stderr}"
        elif word == "ENV":
            self.environment |= dict(pair.split("=") for pair in self.moved(f" {rest}").split())
        elif word == "WORKDIR":
            self.folder = Path(self.moved(f" {rest}").strip())
        elif word == "COPY":
            *names, place = self.moved(rest).split()
            for name in names:
                if (ROOT / name).is_dir():
                    shutil.copytree(ROOT / name, place, ignore=shutil.ignore_patterns("__pycache__"))
                else:
                    Path(place).mkdir(parents=True, exist_ok=True)
                    shutil.copy(ROOT / name, place)


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    made = Machine(tmp_path)
    yield made
    shutil.rmtree(tmp_path / "venv")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="the commands are those of Linux")
def test_its_commands_work_one_by_one(machine: Machine) -> None:
    for word, rest in instructions():
        machine.follow(word, rest)
    assert not (machine.root / "source").exists()
    shutil.copy(ROOT / "examples" / "photo.png", machine.folder)
    done = machine.run("genrestore denoise photo.png")
    assert (done.returncode, "photo.denoised.png" in done.stderr) == (0, True), done.stderr
    where = machine.run("python -c 'import genrestore; print(genrestore.__file__)'").stdout
    assert where.startswith(str(machine.root))
