"""``genrestore weights``: what names stand for, and what weights say of themselves."""

from __future__ import annotations

import json as _json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from genrestore.cli import options, screen
from genrestore.cli.report import one_line, printable
from genrestore.errors import WeightsError

if TYPE_CHECKING:
    from genrestore.weights.store import Entry

SCHEMA = 1
"""Version of the JSON objects; a new field keeps it, a changed or missing one raises it."""

NameOrPath = Annotated[
    str,
    typer.Argument(
        metavar="NAME|PATH",
        parser=options.expand,
        show_default=False,
        help="A name of [bold]genrestore weights list[/bold], or a file (with a separator or .safetensors).",
    ),
]
OwnName = Annotated[
    str,
    typer.Argument(metavar="NAME", show_default=False, help="Weights of your store."),
]
File = Annotated[
    str,
    typer.Argument(metavar="PATH", parser=options.expand, show_default=False, help="A weights file."),
]
NewName = Annotated[
    str,
    typer.Option(
        "--name",
        metavar="NAME",
        show_default=False,
        help="What the weights are called from now on: letters, digits, '.', '_' and '-'.",
    ),
]

app = typer.Typer(no_args_is_help=True)


@app.callback()
def root() -> None:
    """List, show, add, verify, remove and locate priors."""


@app.command("list")
def list_(json: options.Json = False, quiet: options.Quiet = False) -> None:  # noqa: ARG001 -- says data only
    """List all names: where each comes from, its kind, and what it hides."""
    from genrestore.weights import store

    records = [_record(entry) for entry in store.entries()]
    if json:
        for record in records:
            _say_json(record)
        return
    _table([_row(record) for record in records], ("name", "from", "kind", "size", "path", ""))


@app.command()
def show(
    weights: NameOrPath,
    json: options.Json = False,
    quiet: options.Quiet = False,  # noqa: ARG001 -- says data only
) -> None:
    """Show what weights say of themselves: networks, training, data, licence."""
    from genrestore.weights import header, store

    path = store.resolve(weights)
    fields = {"path": str(path), **asdict(header.read_header(path))}
    if json:
        _say_json(fields)
        return
    _table(list(_flat(fields)), ())


@app.command()
def add(
    path: File,
    name: NewName,
    overwrite: options.Overwrite = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Copy a weights file into your store, after checking it, so that its name can be used."""
    from pathlib import Path

    from genrestore.weights import store

    store.check_free(name, overwrite)
    found = _verify(Path(path))
    target = store.add(Path(path), name, overwrite)
    entry = next(entry for entry in store.entries() if entry.name == name)
    hides = "" if entry.hides is None else f"; it hides the '{name}' that ships with genrestore"
    _note(f"added '{name}': {target}{hides}", quiet)
    if json:
        _say_json({"name": name, "path": str(target), "sha256": found})


@app.command()
def verify(weights: NameOrPath, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Check weights as a whole: layout, sha256, shapes and values."""
    from genrestore.weights import store

    path = store.resolve(weights)
    found = _verify(path)
    _note(f"{path}: sound, sha256 {found}", quiet)
    if json:
        _say_json({"path": str(path), "sha256": found})


@app.command()
def remove(name: OwnName, json: options.Json = False, quiet: options.Quiet = False) -> None:
    """Delete weights from your store; those that ship with genrestore stay."""
    from genrestore.weights import store

    path = store.remove(name)
    again = any(entry.name == name for entry in store.entries())
    shipped = f"; '{name}' is now the one that ships with genrestore" if again else ""
    _note(f"removed '{name}': {path}{shipped}", quiet)
    if json:
        _say_json({"name": name, "path": str(path)})


@app.command()
def path(
    weights: NameOrPath,
    json: options.Json = False,
    quiet: options.Quiet = False,  # noqa: ARG001 -- says data only
) -> None:
    """Print the path of weights, and nothing else."""
    from genrestore.weights import store

    found = store.resolve(weights)
    if json:
        _say_json({"path": str(found)})
        return
    typer.echo(os.fsencode(found))


def _verify(path: Any) -> str:
    """The sha256 of a file that was loaded as a whole."""
    from genrestore.weights import load

    return load.load_file(path).header.sha256


def _record(entry: Entry) -> dict[str, Any]:
    """One name as JSON values; what a damaged file does not say is null."""
    from genrestore.weights import header

    found, error = None, None
    try:
        found = header.read_header(entry.path)
    except WeightsError as problem:
        error = str(problem)
    return {
        "name": entry.name,
        "path": str(entry.path),
        "origin": entry.origin,
        "hides": None if entry.hides is None else str(entry.hides),
        "kind": found and found.kind,
        "channels": found and found.channels,
        "size": found and found.size,
        "licence": found and found.licence,
        "bytes": entry.path.stat().st_size,
        "sha256": found and found.sha256,
        "error": error,
    }


def _row(record: dict[str, Any]) -> tuple[str, ...]:
    origin = "your store" if record["origin"] == "store" else "shipped"
    notes = [f"hides {record['hides']}"] if record["hides"] else []
    if record["error"]:
        notes.append(record["error"].removeprefix(f"{record['path']}: "))
    size = f"{record['bytes'] / 1e6:.1f} MB"
    return record["name"], origin, record["kind"] or "damaged", size, record["path"], "; ".join(notes)


def _flat(value: Any, name: str = "") -> Iterator[tuple[str, ...]]:
    """A nested object as rows of a dotted name and a value in words."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from _flat(inner, f"{name}.{key}" if name else key)
    else:
        yield name, value if isinstance(value, str) else _json.dumps(value)


def _table(rows: Sequence[tuple[str, ...]], titles: Sequence[str]) -> None:
    """Rows of cells: a table where stdout is a terminal, else plain aligned lines without titles."""
    cells = [[printable(cell) for cell in row] for row in rows]
    if not _is_terminal():
        wide = [max(map(len, column)) for column in zip(*cells, strict=True)]
        for row in cells:
            typer.echo("  ".join(f"{cell:<{width}}" for cell, width in zip(row, wide, strict=True)).rstrip())
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(*titles, box=None, show_header=bool(titles), pad_edge=False)
    for _ in range(0 if titles else 2):
        table.add_column(overflow="fold")
    for row in cells:
        table.add_row(*row)
    Console(markup=False, highlight=False, emoji=False).print(table)


def _is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty() and os.environ.get("TERM") != "dumb"


def _say_json(record: dict[str, Any]) -> None:
    typer.echo(_json.dumps({"schema": SCHEMA, **record}))


def _note(text: str, quiet: bool) -> None:
    if not quiet:
        screen.write(one_line(text))
