"""Write the manual page of the program, made from the app.

python docs/man.py > genrestore.1
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from typing import Any, get_args


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
        lines += [f".SS genrestore {' '.join(words)} {' '.join(spelling(one) for one in arguments)}".rstrip()]
        lines += paragraphs(inspect.cleandoc(command.help or ""))
        for parameter in command.params:
            if not getattr(parameter, "hidden", False):
                lines += [".TP", rf"\fB{spelling(parameter)}\fR", text(parameter.help or "")]
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


def spelling(parameter: Any) -> str:
    """How a parameter is written, with the word for its value."""
    choices = "|".join(str(choice) for choice in get_args(parameter.type_descriptor.annotation))
    value = parameter.metavar or choices or "VALUE"
    if parameter.param_type_name == "argument":
        return text(value + ("..." if parameter.nargs == -1 else ""))
    names = ", ".join([*parameter.opts, *parameter.secondary_opts])
    return text(names if parameter.is_flag else f"{names} {value}")


def paragraphs(said: str) -> list[str]:
    """Paragraphs of help."""
    return [line for part in said.split("\n\n") for line in (".PP", text(" ".join(part.split())))]


def text(said: str) -> str:
    """Help without the terminal's markup, as one line of roff."""
    said = re.sub(r"\[/?(bold|italic|dim|cyan|green|yellow)\]", "", said).rstrip()
    said = said.replace("\\", r"\e").replace("-", r"\-")
    return rf"\&{said}" if said.startswith((".", "'")) else said


if __name__ == "__main__":
    sys.stdout.write(page())
