"""``genrestore train``: parse, call, report; one command for each kind of prior, made of its settings."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Any, Literal

import typer

from genrestore.cli import options, training_screen
from genrestore.cli.training_options import command, parameter, parameters
from genrestore.errors import GenrestoreError
from genrestore.train.kinds import KINDS
from genrestore.train.settings import LEARNING, DataSettings, Kind, LoopSettings, Request

app = typer.Typer(no_args_is_help=True)

PROCESSES = "Several processes: [bold]torchrun --nproc-per-node N -m genrestore train {} ...[/bold]"


@app.callback()
def root() -> None:
    """Train a prior on your own images."""


def request(kind: Kind, given: Mapping[str, Any]) -> Request:
    """Request of the options that were given."""
    if kind.recipe is not None and "recipe" in given:
        given = kind.recipe.fill(given)

    def those_of(settings: type) -> dict[str, Any]:
        names = {field.name for field in dataclasses.fields(settings)}
        return {name: value for name, value in given.items() if name in names}

    flat = those_of(Request)
    data = flat.pop("data", None)
    if flat.get("precision") == "auto":
        del flat["precision"]
    return Request(
        **flat,
        data=those_of(DataSettings) | ({} if data is None else {"data": data}),
        loop=those_of(LoopSettings),
        model=those_of(type(kind.settings)),
    )


def train(given: Mapping[str, Any], kind: Kind) -> None:
    """Train, alone or as one of torchrun's processes; only the first of them speaks."""
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
    except GenrestoreError as error:
        if first:
            raise
        raise typer.Exit(error.exit_code) from error


def _parameters(kind: Kind) -> list[Any]:
    """Parameters of the command of a kind."""
    every = [*parameters(DataSettings()), *parameters(kind.loop), *parameters(Request)]
    if kind.recipe is not None:
        recipe = typer.Option("--recipe", rich_help_panel=LEARNING, show_default=False, help=kind.recipe.help)
        every.append(parameter("recipe", Annotated[Literal["report"] | None, recipe], None))
    every += parameters(kind.settings)
    machine = {"device": (options.Device, "auto"), "precision": (options.Precision, "auto")}
    others = {**machine, "threads": (options.Threads, None), "quiet": (options.Quiet, False)}
    every += [parameter(name, annotation, default) for name, (annotation, default) in others.items()]
    return [one for one in every if one.name not in kind.without]


for _name, _kind in KINDS.items():
    _about = f"Train {_kind.about}.\n\n{PROCESSES.format(_name)}"
    app.command(_name, help=_about, no_args_is_help=True)(
        command(_about, partial(train, kind=_kind), _parameters(_kind))
    )
