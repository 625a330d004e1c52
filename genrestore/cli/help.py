"""Help in two columns without frames: names, then words, so that a screen or two hold a command.

A paragraph of a command's help that begins with "Examples:" is shown at its top, line by line.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, ClassVar, NamedTuple, get_args

from typer.core import TyperCommand, TyperGroup

EXAMPLES = "Examples:"
NAMES, WIDEST = 24, 100
"""Columns of an option's names, and of the whole."""


class HelpCommand(TyperCommand):
    """A command with this help."""

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(page(self, ctx))


class Maker(NamedTuple):
    """A command that is not made yet.

    Attributes:
        about: Its help.
        make: Makes it.
    """

    about: str
    make: Callable[[], Any]


class Commands(Mapping[str, Any]):
    """Commands by name, each made when it is first asked for: most runs need one of them."""

    def __init__(self, makers: Mapping[str, Maker]) -> None:
        self.makers, self._commands_by_name = makers, dict[str, Any]()

    def __getitem__(self, name: str) -> Any:
        if name not in self._commands_by_name:
            self._commands_by_name[name] = self.makers[name].make()
        return self._commands_by_name[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.makers)

    def __len__(self) -> int:
        return len(self.makers)


class HelpGroup(TyperGroup):
    """A group of commands with this help."""

    makers: ClassVar[dict[str, Maker]] = {}
    """Its commands by name."""

    @property  # type: ignore[override]  # nobody adds to it
    def commands(self) -> Mapping[str, Any]:
        """Its commands by name: those that are registered, or those of `makers`."""
        return self._commands

    @commands.setter
    def commands(self, registered: Mapping[str, Any]) -> None:
        self._commands = registered or Commands(self.makers)

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The names, for which no command is made."""
        return list(self.commands)

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Write the help."""
        formatter.write(page(self, ctx))


def page(command: Any, context: Any) -> str:
    """The help of a command, with escape codes where stdout is a terminal that shows them."""
    from rich.console import Console

    console = Console(highlight=False, emoji=False)
    console.width = min(console.width, WIDEST)
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    summary, *others = re.split(r"\n\n+", command.help or "")
    others.sort(key=lambda one: not one.startswith(EXAMPLES))
    with console.capture() as captured:
        console.print("[bold]Usage:[/bold] " + re.sub("[{}]", "", usage).replace("[", r"\["))
        for paragraph in (summary, *others):
            title, *lines = paragraph.splitlines()
            is_list = paragraph.startswith(EXAMPLES)
            console.print("\n" + (f"[bold]{title}[/bold]" if is_list else " ".join([title, *lines])))
            for line in lines if is_list else ():
                console.print("  " + line.strip(), soft_wrap=True)
        for title, rows in panels(command, context):
            console.print(f"\n[bold]{title}:[/bold]")
            for names, words in rows:
                _say(console, names, words)
        if command.epilog:
            console.print("\n" + command.epilog)
    return "\n".join(line.rstrip() for line in captured.get().splitlines()) + "\n"


def _say(console: Any, names: str, words: str) -> None:
    """Print a row: names, and the words beside them, or below them where they are too long for that."""
    from rich.text import Text

    text, left = Text.from_markup(words), Text(f"  {names}", "cyan")
    if len(names) > NAMES:
        if len(left) + 2 + text.cell_len <= console.width:
            console.print(left + "  " + text)
            return
        console.print(left)
        left = Text()
    for line in text.wrap(console, console.width - NAMES - 3):
        left.pad_right(NAMES + 3 - len(left))
        console.print(left + line)
        left = Text()


def panels(command: Any, context: Any) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Headings of a command's help, each with rows of names and words."""
    found: dict[str, list[tuple[str, str]]] = {}
    for one in command.get_params(context):
        if not getattr(one, "hidden", False) and one.help and "--help" not in one.opts:
            usual = "Options" if one.param_type_name == "option" else "Arguments"
            title = getattr(one, "rich_help_panel", None) or usual
            found.setdefault(title, []).append((spelling(one), f"{one.help}{spelled_default(one)}"))
    yield from found.items()
    if isinstance(command, HelpGroup):
        yield "Commands", [(name, one.about.split("\n")[0]) for name, one in command.makers.items()]


def spelling(parameter: Any) -> str:
    """Spelling of a parameter, with the word or the choices for its value."""
    choices = "|".join(str(choice) for choice in get_args(parameter.type_descriptor.annotation))
    value = parameter.metavar or choices or "VALUE"
    if parameter.param_type_name == "argument":
        return value + ("..." if parameter.nargs == -1 else "")
    names = ", ".join([*sorted(parameter.opts, key=len), *parameter.secondary_opts])
    return names if parameter.is_flag else f"{names} {value}"


def spelled_default(parameter: Any) -> str:
    """The default of a parameter in parentheses, where it is shown."""
    value = parameter.default
    shown = getattr(parameter, "show_default", True) is not False
    if parameter.required:
        return " (required)"
    if not shown or value in (None, "") or isinstance(value, bool) or callable(value):
        return ""
    return f" ({value})"
