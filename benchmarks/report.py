"""A measured figure with what it must and should reach; tables for the terminal and for Markdown."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

from rich.console import Console
from rich.progress import track
from rich.table import Table

Item = TypeVar("Item")

DIGITS = {"dB": 2, "SSIM": 3, "min": 1, "s": 2, "GB": 2, "×": 2, "s/MP": 2, "%": 1, "levels": 1, "z²": 4}
DIGITS |= {"share": 3}
"""Places behind the point, by unit; 0 for others."""
MARKS = {"aim": "✔ aim", "must": "✔", "below": "✘", "": ""}
STYLES = {"aim": "green", "must": "yellow", "below": "red", "": ""}


@dataclass(frozen=True)
class Row:
    """One figure.

    Attributes:
        what: What was measured, in a few words.
        value: The figure.
        must: What it has to reach; None where it is shown for comparison only.
        aim: What would be good.
        unit: "dB", "%", "s" and so on; behind every number of the row.
        more: Whether more is better.
        beside: The same figure of others, by their name.
    """

    what: str
    value: float
    must: float | None = None
    aim: float | None = None
    unit: str = "dB"
    more: bool = True
    beside: dict[str, float] = field(default_factory=dict)

    @property
    def mark(self) -> str:
        """Which goal is reached: "aim", "must", "below", or "" where there is none."""
        if self.aim is not None and self._reaches(self.aim):
            return "aim"
        if self.must is None:
            return ""
        return "must" if self._reaches(self.must) else "below"

    def _reaches(self, goal: float) -> bool:
        return self.value >= goal if self.more else self.value <= goal


@dataclass
class Section:
    """What one section of the benchmark found.

    Attributes:
        name: As `--section` takes it.
        title: One line.
        rows: Figures.
        images: Figures of every picture, as JSON values.
        notes: What a reader of the table should know.
        more: Anything else for the JSON file.
    """

    name: str
    title: str
    rows: list[Row] = field(default_factory=list)
    images: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    more: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """Values for the JSON file; infinite and missing numbers are null."""
        rows = [{**vars(row), "mark": row.mark} for row in self.rows]
        values: dict[str, Any] = _plain({**vars(self), "rows": rows})
        return values


def watched(items: Iterable[Item], text: str, total: int | None = None) -> Iterator[Item]:
    """The items, with a progress bar where stderr is a terminal."""
    screen = Console(stderr=True)
    bar = screen.is_terminal
    yield from track(items, text, total, console=screen, transient=True, disable=not bar)


def from_json(values: dict[str, Any]) -> Section:
    """A section from what `Section.as_json` gave."""
    rows = []
    for row in values["rows"]:
        known = {key: value for key, value in row.items() if key != "mark"}
        rows.append(Row(**{**known, "value": math.nan if row["value"] is None else row["value"]}))
    return Section(values["name"], values["title"], rows, values["images"], values["notes"], values["more"])


def wide_console() -> Console:
    """Standard output; 120 columns where it is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=120)


def terminal(section: Section) -> Table:
    """The section as a table for the terminal."""
    table = Table(title=section.title, caption="\n".join(section.notes) or None, title_justify="left")
    for name in ("what", "measured", "must", "aim", "", "others"):
        table.add_column(name, justify="left" if name in ("what", "", "others") else "right")
    for row in section.rows:
        table.add_row(*_cells(row), style=STYLES[row.mark])
    return table


def markdown(sections: list[Section]) -> str:
    """The sections as one Markdown table, in this order, with their notes below."""
    lines = ["| what | measured | must | aim | | others |", "|---|---:|---:|---:|---|---|"]
    for section in sections:
        lines.append(f"| **{section.title}** | | | | | |")
        lines += [f"| {' | '.join(_cells(row))} |" for row in section.rows]
    for section in sections:
        lines += [f"\n*{section.title}.* {' '.join(section.notes)}"] if section.notes else []
    return "\n".join(lines) + "\n"


def _cells(row: Row) -> list[str]:
    goals = [
        f"{'≥' if row.more else '≤'} {number(goal, row.unit)}" if goal is not None else ""
        for goal in (row.must, row.aim)
    ]
    return [row.what, number(row.value, row.unit), *goals, MARKS[row.mark], beside(row)]


def beside(row: Row) -> str:
    """The figures of others, in one line."""
    return ", ".join(f"{name} {number(value, row.unit)}" for name, value in row.beside.items())


def number(value: float, unit: str) -> str:
    """A figure as it is shown, with its unit."""
    if not math.isfinite(value):
        return "–"
    digits = DIGITS.get(unit, 0)
    return f"{value:.{digits}f} {unit}".removesuffix(" SSIM").rstrip()


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return round(value, 6) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value
