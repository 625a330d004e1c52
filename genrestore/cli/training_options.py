"""Options of the ``train`` commands, made of the fields of the settings classes."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from inspect import Parameter, Signature
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

import typer

from genrestore import settings
from genrestore.cli import options
from genrestore.errors import UsageError
from genrestore.train.settings import LEARNING, MACHINE, NETWORK, WHERE, WRITING

PANELS = (WHERE, LEARNING, "Patches and their holes", NETWORK, WRITING, MACHINE, options.SCREEN)
"""Headings of the help, in their order."""
GIVEN = ("COMMANDLINE", "ENVIRONMENT")
"""Sources of values that the user gave."""


def expanded(value: str | Path) -> Path:
    """A value that is a path, with ~ as the home folder."""
    return Path(options.expand(os.fspath(value)))


def numbers(value: str, name: str) -> tuple[int, ...]:
    """A value such as "64,128" as numbers.

    Raises:
        UsageError: Not whole numbers with commas between them.
    """
    try:
        return tuple(int(word) for word in value.split(","))
    except ValueError:
        wrong = f"{settings.spelled(name)} {value}: must be whole numbers with commas between them"
        raise UsageError(wrong) from None


def declared(of: type, name: str, parser: Callable[[Any], Any] | None = None, shown: bool = False) -> Any:
    """Option of a setting for Typer.

    Args:
        of: The settings class.
        name: The field's.
        parser: Makes a value of a word.
        shown: Whether the help shows the default.
    """
    meta = settings.options(of)[name]
    return typer.Option(
        *(meta.names or (settings.spelled(name),)),
        metavar=None if meta.choices and not meta.unit else meta.unit,
        parser=parser,
        envvar=meta.envvar,
        show_envvar=True,
        rich_help_panel=meta.panel,
        show_default=shown,
        help=meta.help,
    )


def parameters(defaults: Any) -> Iterator[Parameter]:
    """Parameters of a command, one for each setting that has an option.

    Args:
        defaults: Settings whose values are the defaults, or a class of settings.
    """
    of = defaults if isinstance(defaults, type) else type(defaults)
    kinds = get_type_hints(of)
    for field in dataclasses.fields(of):
        if settings.KEY in field.metadata:
            default = field.default if defaults is of else getattr(defaults, field.name)
            yield _parameter(of, field.name, kinds[field.name], default)


def _parameter(of: type, name: str, kind: Any, default: Any) -> Parameter:
    meta = settings.options(of)[name]
    item = get_args(kind)[0] if NoneType in get_args(kind) else kind
    parser: Callable[[Any], Any] | None = None
    if get_origin(item) is tuple and get_args(item)[0] is int:
        item, parser, default = str, partial(numbers, name=name), ",".join(map(str, default))
    elif get_origin(item) is tuple:
        item, default = list[str], list(default) or None
    elif item is str and meta.choices:
        item = Literal[meta.choices]
    if item is Path:
        parser = expanded
    elif parser is None and ("FOLDER" in meta.unit or "PATH" in meta.unit):
        parser = options.expand
    default = Parameter.empty if default is dataclasses.MISSING else None if default == "" else default
    shown = default is not None and (item is not bool or bool(meta.names))
    value = item | None if default is None else item
    return parameter(name, Annotated[value, declared(of, name, parser, shown)], default)


def parameter(name: str, annotation: Any, default: Any) -> Parameter:
    """Parameter of a generated command, always given by its name."""
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def command(
    about: str, run: Callable[[Mapping[str, Any]], None], every: list[Parameter]
) -> Callable[..., None]:
    """Command for Typer, with a parameter for each option, sorted by the headings of the help.

    Args:
        about: Its help.
        run: Takes the values that the user gave, by name; what was left out is not among them.
        every: The parameters.
    """

    def generated(context: typer.Context, **values: Any) -> None:
        sources = {name: context.get_parameter_source(name) for name in values}
        run({name: values[name] for name, source in sources.items() if source and source.name in GIVEN})

    def place(one: Parameter) -> int:
        return PANELS.index(one.annotation.__metadata__[0].rich_help_panel)

    context = Parameter("context", Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    generated.__signature__ = Signature([context, *sorted(every, key=place)])  # type: ignore[attr-defined]
    generated.__doc__ = about
    return generated
