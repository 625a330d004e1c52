"""``genrestore weights``: what names stand for, and what weights say of themselves."""

from __future__ import annotations

import json as _json
import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import typer

from genrestore.cli import report
from genrestore.cli.commands import Record, of_record
from genrestore.cli.help import HelpGroup
from genrestore.cli.options import SCREEN
from genrestore.cli.report import one_line, printable, say_json
from genrestore.errors import UsageError, WeightsError
from genrestore.settings import setting

if TYPE_CHECKING:
    from genrestore.weights.store import Entry

SCHEMA = 1
"""Version of the JSON objects; a new field keeps it, a changed or missing one raises it."""

ABOUT = "List, show, add, verify, export, remove and locate priors."


@dataclass(frozen=True, kw_only=True)
class WeightsCommand(Record):
    """A command that says what it found or did as words, or as JSON.

    Arguments:
        weights (NAME|PATH): A name of [bold]genrestore weights list[/bold], or a file (with a separator or
            .safetensors).
    """

    json: bool = setting(False, "The same as JSON, on stdout.", panel=SCREEN)
    quiet: bool = False

    def say(self, record: dict[str, Any], note: str = "") -> None:
        """Say a record as JSON if that is asked for, and a note unless nothing is to be said."""
        if note and not self.quiet:
            report.write(one_line(note))
        if self.json:
            say_json({"schema": SCHEMA, **record})


@dataclass(frozen=True, kw_only=True)
class List(WeightsCommand):
    """List all names: where each comes from, its kind, and what it hides.

    Examples:
        genrestore weights list
        genrestore weights list --json
    """

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Say a line a name."""
        from genrestore.weights import store

        records = [_record(entry) for entry in store.entries()]
        for record in records:
            self.say(record)
        if not self.json:
            _table([_row(record) for record in records], ("name", "from", "kind", "size", "path", ""))
        return 0


@dataclass(frozen=True, kw_only=True)
class Show(WeightsCommand):
    """Show what weights say of themselves: networks, training, data, licence.

    Examples:
        genrestore weights show photo
        genrestore weights show downloads/mine.safetensors --json
    """

    weights: str

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Say the header."""
        from genrestore.weights import header, store

        path = store.resolve(self.weights)
        fields = {"path": str(path), **asdict(header.read_header(path))}
        self.say(fields)
        if not self.json:
            _table(list(_flat(fields)), ())
        return 0


@dataclass(frozen=True, kw_only=True)
class Add(WeightsCommand):
    r"""Put weights into your store, after checking them, so that their name can be used.

    Other people's networks are known by their tensors, with pip install 'genrestore\[community]'.

    Examples:
        genrestore weights add downloads/mine.safetensors --name mine
        genrestore weights add downloads/mine.safetensors --name mine --overwrite
        genrestore weights add scunet.safetensors --name scunet --licence Apache-2.0

    Arguments:
        path (PATH): A weights file of genrestore, or a safetensors file of other people.

    Options:
        name (NAME): What the weights are called from now on: letters, digits, '.', '_' and '-'.
        licence (TEXT): Terms of other people's weights; needed for them, since no file says it.
    """

    path: Path
    name: str
    licence: str | None = None
    overwrite: bool = False

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Copy, or give a header first."""
        from genrestore.weights import header, store

        name = self.name
        store.check_free(name, self.overwrite)
        if header.is_ours(store.existing(self.path)):
            if self.licence is not None:
                raise UsageError("--licence: weights of genrestore say it themselves; leave it out")
            record, what = {"sha256": _verify(self.path)}, ""
            target = store.add(self.path, name, self.overwrite)
        else:
            from genrestore.weights import community

            target, adopted = store.place(name), community.adopt(self.path, self.licence)
            about = store.save(target, adopted.header, adopted.tensors, self.overwrite)
            record, what = {"sha256": about.sha256, "kind": about.kind}, f" ({community.words(about)})"
        entry = next(entry for entry in store.entries() if entry.name == name)
        hides = "" if entry.hides is None else f"; it hides the '{name}' that ships with genrestore"
        self.say({"name": name, "path": str(target), **record}, f"added '{name}'{what}: {target}{hides}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Verify(WeightsCommand):
    """Check weights as a whole: layout, sha256, shapes and values.

    Examples:
        genrestore weights verify photo
        genrestore weights verify downloads/mine.safetensors
    """

    weights: str

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Load the file."""
        from genrestore.weights import store

        path = store.resolve(self.weights)
        found = _verify(path)
        self.say({"path": str(path), "sha256": found}, f"{path}: sound, sha256 {found}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Export(WeightsCommand):
    """Write a denoiser and its estimator as ONNX, with a model card, for programs without torch.

    Examples:
        genrestore weights export photo --onnx photo.onnx
        genrestore weights export photo --onnx photo-half.onnx --half

    Options:
        onnx (PATH): The denoiser's file; the estimator is STEM.estimator.onnx, the model card STEM.md.
        half: Compute in float16, in half the bytes; inputs and outputs stay float32.
    """

    weights: str
    onnx: Path
    half: bool = False
    overwrite: bool = False

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Convert and write."""
        from genrestore.weights import export

        files = export.export(self.weights, self.onnx, half=self.half, overwrite=self.overwrite)
        paths = [str(file) for file in files]
        self.say({"files": paths}, f"exported '{self.weights}': {', '.join(paths)}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Remove(WeightsCommand):
    """Delete weights from your store; those that ship with genrestore stay.

    Examples:
        genrestore weights remove mine

    Arguments:
        name (NAME): Weights of your store.
    """

    name: str

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Delete the file."""
        from genrestore.weights import store

        path, name = store.remove(self.name), self.name
        again = any(entry.name == name for entry in store.entries())
        shipped = f"; '{name}' is now the one that ships with genrestore" if again else ""
        self.say({"name": name, "path": str(path)}, f"removed '{name}': {path}{shipped}")
        return 0


@dataclass(frozen=True, kw_only=True)
class Locate(WeightsCommand):
    """Print the path of weights, and nothing else.

    Examples:
        genrestore weights path photo
    """

    weights: str

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Say the path."""
        from genrestore.weights import store

        found = store.resolve(self.weights)
        self.say({"path": str(found)})
        if not self.json:
            typer.echo(os.fsencode(found))
        return 0


COMMANDS = {
    "list": List,
    "show": Show,
    "add": Add,
    "verify": Verify,
    "export": Export,
    "remove": Remove,
    "path": Locate,
}


class Store(HelpGroup):
    """The commands about weights."""

    makers: ClassVar = {name: of_record(name, one, show_help=False) for name, one in COMMANDS.items()}


app = typer.Typer(name="weights", cls=Store, no_args_is_help=True, add_completion=False, help=ABOUT)
app.callback()(lambda: None)


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
