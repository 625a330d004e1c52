"""Write the manual page of the program, made from the app.

python docs/man.py > genrestore.1
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any

from genrestore.cli.help import EXAMPLES, spelling


def page() -> str:
    """The whole page in roff."""
    from typer.main import get_command

    from genrestore import __version__
    from genrestore.cli.app import EXIT_CODES, app

    root = get_command(app)
    lines = [
        f'.TH GENRESTORE 1 "" "genrestore {__version__}" "User Commands"',
        ".SH NAME",
        r"genrestore \- restore photographs with generative priors",
        ".SH SYNOPSIS",
        ".B genrestore",
        ".I COMMAND",
        "[OPTIONS] ...",
        ".SH DESCRIPTION",
        *paragraphs(root.help or ""),
        ".SH COMMANDS",
    ]
    for words, command in commands(root):
        arguments = [one for one in command.params if one.param_type_name == "argument"]
        lines += [
            f".SS genrestore {' '.join(words)} {' '.join(text(spelling(one)) for one in arguments)}".rstrip()
        ]
        lines += paragraphs(inspect.cleandoc(command.help or ""))
        for parameter in command.params:
            if not getattr(parameter, "hidden", False):
                lines += [".TP", rf"\fB{text(spelling(parameter))}\fR", text(parameter.help or "")]
    lines += [".SH EXIT STATUS", ".nf", *(text(line) for line in EXIT_CODES.splitlines()[1:]), ".fi"]
    lines += [".SH ENVIRONMENT"]
    for name, said in {
        "GENRESTORE_HOME": "The folder of your own weights.",
        "GENRESTORE_DEVICE, GENRESTORE_SEED": "Defaults of --device and --seed.",
        "NO_COLOR": "No colours, whatever its value.",
        "OMP_NUM_THREADS, OMP_WAIT_POLICY": "How many threads, and whether they spin while waiting.",
    }.items():
        lines += [".TP", rf"\fB{text(name)}\fR", text(said)]
    return "\n".join(lines) + "\n"


def commands(group: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command that does something, with the words that call it."""
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        elif not command.hidden:
            yield (*words, name), command


def paragraphs(said: str) -> list[str]:
    """Paragraphs of help; examples line by line."""
    lines = list[str]()
    for part in said.split("\n\n"):
        if part.startswith(EXAMPLES):
            lines += [".PP", ".nf", *(text(line) for line in part.splitlines()), ".fi"]
        else:
            lines += [".PP", text(" ".join(part.split()))]
    return lines


def text(said: str) -> str:
    """Help without the terminal's markup, as one line of roff."""
    said = re.sub(r"\[/?(bold|italic|dim|cyan|green|yellow)\]", "", said).rstrip()
    said = said.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{said}" if said.startswith((".", "'")) else said


if __name__ == "__main__":
    sys.stdout.write(page())
