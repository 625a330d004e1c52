"""``genrestore train``: parse, call, report; one command for each kind of prior, made of its settings."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, ClassVar

import typer

from genrestore.cli import commands, training_screen
from genrestore.cli.help import HelpGroup, Maker
from genrestore.cli.options import Shared
from genrestore.errors import GenrestoreError
from genrestore.settings import Option, options
from genrestore.train.kinds import KINDS
from genrestore.train.settings import LEARNING, DataSettings, Kind, LoopSettings, Request

ABOUT = "Train a prior on your own images."
EXAMPLES = """\
Examples:
    genrestore train {0} --data images/ --name mine
    genrestore train {0} --name mine --resume
    torchrun --nproc-per-node 2 -m genrestore train {0} --data images/ --name mine"""


def request(kind: Kind, given: Mapping[str, Any]) -> Request:
    """Request of the options that were given."""
    if kind.recipe is not None and "recipe" in given:
        given = kind.recipe.fill(given)

    def those_of(settings: type) -> dict[str, Any]:
        return {name: given[name] for name in options(settings) if name in given}

    flat = those_of(Request) | {name: given[name] for name in ("threads", "device") if name in given}
    if given.get("precision", "auto") != "auto":
        flat["precision"] = given["precision"]
    return Request(
        **flat,
        data=those_of(DataSettings),
        loop=those_of(LoopSettings),
        model=those_of(type(kind.settings)),
    )


def train(kind: Kind, given: Mapping[str, Any]) -> int:
    """Train, alone or as one of torchrun's processes; only the first of them speaks.

    Returns:
        The exit code.
    """
    asked = request(kind, given)
    from genrestore.runtime import Runtime
    from genrestore.train import distributed
    from genrestore.train.loop import session

    threads = asked.threads or (1 if distributed.launched() else None)
    runtime = Runtime.create(asked.device, asked.precision or "auto", threads, asked.loop.get("seed", 0))
    first = distributed.rank() == 0
    try:
        with (
            distributed.session(runtime.device),
            training_screen.choose(quiet=given.get("quiet", False) or not first) as watching,
        ):
            result = session.run(kind, asked, runtime, watching)
            watching.finished(result)
        return 0
    except GenrestoreError as error:
        if first:
            raise
        raise typer.Exit(error.exit_code) from error


def work(kind: Kind, context: typer.Context, values: Mapping[str, Any]) -> commands.Work:
    """The training of the values that the user gave."""
    given = {name: value for name, value in values.items() if commands.is_given(context, name)}
    return partial(train, kind, given)


def parameters(kind: Kind) -> list[Any]:
    """Parameters of the command of a kind."""
    machine = [
        one for one in commands.parameters(Shared) if one.name in ("device", "precision", "threads", "quiet")
    ]
    settings = (DataSettings(), kind.loop, Request, kind.settings)
    every = [one for each in settings for one in commands.parameters(each)] + machine
    if kind.recipe is not None:
        recipe = Option(kind.recipe.help, panel=LEARNING, choices=("report",))
        every.append(commands.parameter("recipe", str | None, recipe, None))
    return [one for one in every if one.name not in kind.without]


def maker(name: str, kind: Kind) -> Maker:
    """Maker of the command of a kind."""
    about = f"Train {kind.about}.\n\n{EXAMPLES.format(name)}"
    return commands.maker(name, partial(work, kind), partial(parameters, kind), about)


class Kinds(HelpGroup):
    """The kinds of training."""

    makers: ClassVar = {name: maker(name, kind) for name, kind in KINDS.items()}


app = typer.Typer(name="train", cls=Kinds, no_args_is_help=True, add_completion=False, help=ABOUT)
app.callback()(lambda: None)
