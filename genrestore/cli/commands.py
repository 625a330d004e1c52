"""Commands made of records: a field of the record is an option, and `run` is what the command does.

A field's option is told once: by `setting`, or in the record's docstring under "Options (PANEL):" as
"FIELD (NAMES UNIT, LEAST to MOST): HELP", or, where many commands have it, in that of `options.Shared`.
"""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import MISSING, dataclass, fields, replace
from functools import partial
from inspect import Parameter, Signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer
from typer.main import get_command

from genrestore.cli import options
from genrestore.cli.help import EXAMPLES, HelpCommand, Maker
from genrestore.cli.options import Shared, expand
from genrestore.errors import GenrestoreError, UsageError
from genrestore.settings import Option, spelled
from genrestore.settings import options as options_of
from genrestore.train.settings import HOLES, LEARNING, NETWORK, WHERE, WRITING

OF_RESTORING = (options.MASK, options.FILLING, options.INPUTS, options.RESULTS, options.PRIOR)
OF_TRAINING = (WHERE, LEARNING, HOLES, NETWORK, WRITING)
PANELS = ("", *OF_RESTORING, *OF_TRAINING, options.MACHINE, options.SCREEN, options.SEARCH)
"""Headings of the help, in their order."""
Work = Callable[[], int]
GIVEN = ("COMMANDLINE", "ENVIRONMENT")
"""Sources of values that the user gave."""
ENTRY = re.compile(
    r"(\w+)(?: \((?P<given>[^)]*?)(?:, (?P<least>\d+) (?:to (?P<most>\d+)|or more))?\))?: (.*)"
)


@dataclass(frozen=True, kw_only=True)
class Record:
    """A command: its docstring is the help, its fields are the options."""

    @classmethod
    def parameters(cls) -> list[Parameter]:
        """Parameters of the command."""
        return list(parameters(cls))

    @classmethod
    def of(cls, values: dict[str, Any]) -> Record:
        """The record of the values of its parameters."""
        return cls(**values)

    def run(self, context: typer.Context) -> int:
        """Do it.

        Returns:
            The exit code.
        """
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Argument(Option):
    """An argument instead of an option."""


def described(record: type) -> dict[str, Option]:
    """Options that the docstrings of a record and its bases describe, by field."""
    found = dict[str, Option]()
    for one in reversed(record.__mro__[:-1]):
        for paragraph in inspect.cleandoc(one.__doc__ or "").split("\n\n"):
            title, _, entries = paragraph.partition("\n")
            heading = re.fullmatch(r"(Option|Argument)s(?: \((.*)\))?:", title)
            for entry in re.split(r"\n    (?! )", "\n" + entries)[1:] if heading else ():
                assert heading is not None
                name, option = _described(" ".join(entry.split()), heading[2] or "")
                found[name] = Argument(**vars(option)) if heading[1] == "Argument" else option
    return found


def _described(entry: str, panel: str) -> tuple[str, Option]:
    words = ENTRY.fullmatch(entry)
    assert words is not None, entry
    given = (words["given"] or "").split()
    names = tuple(word for word in given if word.startswith("-"))
    if names and not any(name.startswith("--") for name in names):
        names = (spelled(words[1]), *names)
    option = Option(
        help=words[5],
        unit=" ".join(word for word in given if not word.startswith(("-", "$"))),
        panel=panel,
        names=names,
        envvar=next((word[1:] for word in given if word.startswith("$")), None),
    )
    if words["least"]:
        option = replace(option, least=int(words["least"]), most=float(words["most"] or "inf"))
        option = replace(option, most=int(words["most"])) if words["most"] else option
    return words[1], option


def parameters(record: Any) -> Iterator[Parameter]:
    """Parameters of a command, one for each field of a record or of settings that has an option.

    Args:
        record: A class; or settings, whose values are the defaults.
    """
    of = record if isinstance(record, type) else type(record)
    shared = Shared if issubclass(of, Record) else of
    described_options = {**described(shared), **options_of(shared), **described(of), **options_of(of)}
    hints = get_type_hints(of, include_extras=True)
    for field in fields(of):
        if field.name in described_options:
            default = field.default if record is of else getattr(record, field.name)
            yield parameter(field.name, hints[field.name], described_options[field.name], default)


def parameter(name: str, hint: Any, option: Option, default: Any) -> Parameter:
    """Parameter of a command for Typer, of a field's type, option and default."""
    kind, *parsers = get_args(hint) if hasattr(hint, "__metadata__") else (hint,)
    item = get_args(kind)[0] if NoneType in get_args(kind) else kind
    word = spelled(name, option)
    parser: Callable[[Any], Any] | None = parsers[0] if parsers else None
    if get_origin(item) is tuple and get_args(item)[0] is int:
        item, parser, default = str, partial(numbers, name=word, option=option), ",".join(map(str, default))
    elif get_origin(item) is tuple:
        parser = partial(option.choice, word) if option.choices else None
        item, default = list[str], list(default) or None
    elif item is str and option.choices:
        item = Literal[option.choices]
    elif parser is None and item in (int, float):
        parser = partial(option.number, word, whole=item is int)
    if parser is None and item in (Path, list[Path]):
        parser = expand_path
    elif parser is None and ("FOLDER" in option.unit or "PATH" in option.unit):
        parser = expand
    default = Parameter.empty if default is MISSING else None if default == "" else default
    shown = default is not None and (item is not bool or any("/" in one for one in option.names))
    value = item | None if default is None else item
    return Parameter(
        name,
        Parameter.KEYWORD_ONLY,
        default=default,
        annotation=Annotated[value, _declared(word, option, parser, item, shown)],
    )


def weights_names(incomplete: str) -> list[str]:
    """Names of weights that begin so, for a shell's completion; none where the store cannot be read."""
    from genrestore.weights import store

    with suppress(OSError, GenrestoreError):
        return [entry.name for entry in store.entries() if entry.name.startswith(incomplete)]
    return []


def data_names(incomplete: str) -> list[str]:
    """Names of data sets that begin so, for a shell's completion."""
    from genrestore.train.data.named import DATASETS

    return [name for name in DATASETS if name.startswith(incomplete)]


COMPLETIONS = {"NAME|PATH": weights_names, "NAME|FOLDER": data_names, "FOLDER[:WEIGHT]": data_names}
"""Completions of a shell, by the unit of an option; where nothing fits it completes files."""


def _declared(word: str, option: Option, parser: Any, item: Any, shown: bool) -> Any:
    """Option or argument for Typer."""
    metavar = "" if item is bool and not any("/" in one for one in option.names) else option.unit or None
    known = COMPLETIONS.get(option.unit)
    if isinstance(option, Argument):
        return typer.Argument(
            metavar=metavar, parser=parser, show_default=False, help=option.help, autocompletion=known
        )
    return typer.Option(
        *(option.names or (word,)),
        metavar=metavar,
        parser=parser,
        envvar=option.envvar,
        show_envvar=True,
        rich_help_panel=option.panel or None,
        show_default=shown,
        help=option.help,
        autocompletion=known,
    )


def numbers(value: str, name: str, option: Option) -> tuple[int, ...]:
    """A value such as "64,128" as numbers.

    Raises:
        UsageError: Not whole numbers with commas between them, or one out of the limits.
    """
    try:
        found = tuple(int(word) for word in value.split(","))
    except ValueError:
        raise UsageError(f"{name} {value}: must be whole numbers with commas between them") from None
    option.check(name, found)
    return found


def expand_path(value: str | Path) -> Path:
    """A value that is a path, with ~ as the home folder."""
    return Path(expand(os.fspath(value)))


def command(
    work: Callable[[typer.Context, dict[str, Any]], Work], every: Sequence[Parameter], about: str
) -> Callable[..., Any]:
    """Function for Typer with these parameters; gives the work, which is done once all words are parsed.

    Args:
        work: Makes the work of the context and the values by name; the work gives the exit code.
        every: The parameters.
        about: Its help.
    """

    def generated(context: typer.Context, **values: Any) -> Work:
        return work(context, values)

    def place(one: Parameter) -> int:
        return PANELS.index(one.annotation.__metadata__[0].rich_help_panel or "")

    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    generated.__signature__ = Signature([context, *sorted(every, key=place)])  # type: ignore[attr-defined]
    generated.__doc__ = about
    return generated


def is_given(context: typer.Context, name: str) -> bool:
    """True for a parameter that the user gave, on the command line or by the environment."""
    source = context.get_parameter_source(name)
    return source is not None and source.name in GIVEN


def about(record: type) -> str:
    """Help of a record: its docstring without its options, a line a paragraph, to fit any width."""
    paragraphs = inspect.cleandoc(record.__doc__ or "").split("\n\n")
    plain = [one for one in paragraphs if not re.match(r"(Option|Argument|Attribute)s.*:\n", one)]
    return "\n\n".join(one if one.startswith(EXAMPLES) else " ".join(one.split()) for one in plain)


def maker(
    name: str,
    work: Callable[[typer.Context, dict[str, Any]], Work],
    every: Callable[[], Sequence[Parameter]],
    about: str,
    *,
    epilog: str | None = None,
    show_help: bool = True,
) -> Maker:
    """Maker of a command.

    Args:
        name: What it is called.
        work: Makes the work of the context and the values by name.
        every: Gives the parameters.
        about: Its help.
        epilog: Goes below its help.
        show_help: Without any words, it shows its help.
    """

    def make() -> Any:
        app = typer.Typer(add_completion=False)
        added = app.command(name, cls=HelpCommand, help=about, no_args_is_help=show_help, epilog=epilog)
        added(command(work, every(), about))
        return get_command(app)

    return Maker(about, make)


def of_record(name: str, record: type[Record], *, epilog: str | None = None, show_help: bool = True) -> Maker:
    """Maker of the command of a record."""

    def work(context: typer.Context, values: dict[str, Any]) -> Work:
        return partial(record.of(values).run, context)

    return maker(name, work, record.parameters, about(record), epilog=epilog, show_help=show_help)
