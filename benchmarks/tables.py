"""Measured figures, results.json, and its Markdown tables; needs no package: the docs read it too."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).with_name("results.json")
DIGITS = {"dB": 2, "SSIM": 3, "min": 1, "s": 2, "GB": 2, "×": 2, "s/MP": 2, "%": 1, "levels": 1, "z²": 4}
DIGITS |= {"share": 3}
"""Places behind the point, by unit; 0 for others."""


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
        """Which goal is reached."""
        if self.aim is not None and self._reaches(self.aim):
            return "✔ aim"
        return "" if self.must is None else "✔" if self._reaches(self.must) else "✘"

    def _reaches(self, goal: float) -> bool:
        return self.value >= goal if self.more else self.value <= goal

    def cells(self) -> list[str]:
        """The row as text: what, measured, must, aim, mark, others."""
        sign = "≥" if self.more else "≤"
        goals = ["" if goal is None else f"{sign} {self.number(goal)}" for goal in (self.must, self.aim)]
        others = ", ".join(f"{name} {self.number(value)}" for name, value in self.beside.items())
        return [self.what, self.number(self.value), *goals, self.mark, others]

    def number(self, value: float) -> str:
        """A figure with the row's unit."""
        if not math.isfinite(value):
            return "–"
        return f"{value:.{DIGITS.get(self.unit, 0)}f} {self.unit}".removesuffix(" SSIM").rstrip()


@dataclass
class Section:
    """What one section of a benchmark found.

    Attributes:
        title: One line.
        rows: Figures.
        notes: What a reader of the table should know.
        run: Date, weights, machine and versions.
        details: Figures of every picture, and anything else that is not in the summary.
    """

    title: str
    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    run: dict[str, str] = field(default_factory=dict)
    details: list[dict[str, Any]] = field(default_factory=list)

    def summary(self) -> dict[str, Any]:
        """What results.json keeps: no details, and of a row what is not usual."""
        usual = vars(Row("", math.nan))
        rows = [{key: value for key, value in vars(row).items() if value != usual[key]} for row in self.rows]
        return _plain({"title": self.title, "notes": self.notes, "run": self.run, "rows": rows})


def _plain(value: Any) -> Any:
    """JSON values, rounded; NaN and infinity are null."""
    if isinstance(value, float):
        return round(value, 4) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): _plain(inner) for key, inner in value.items()}
    return [_plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def load(path: Path = RESULTS) -> dict[str, dict[str, Section]]:
    """Sections by benchmark and name."""
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return {
        benchmark: {
            name: Section(**{**one, "rows": [Row(**{"value": math.nan, **row}) for row in one["rows"]]})
            for name, one in sections.items()
        }
        for benchmark, sections in known.items()
    }


def save(results: dict[str, dict[str, Section]], path: Path = RESULTS) -> None:
    """Write the summary, whole or not at all: a row, and a run, a line."""
    values = {
        benchmark: {name: one.summary() for name, one in sections.items()}
        for benchmark, sections in results.items()
    }
    text = json.dumps(values, indent=1, ensure_ascii=False)
    text = re.sub(
        r'\{\s+"(what|date)".*?\n {3,4}\}', lambda one: " ".join(one[0].split()), text, flags=re.DOTALL
    )
    draft = path.with_name(f".{path.name}")
    draft.write_text(text + "\n", encoding="utf-8")
    draft.replace(path)


def markdown(sections: list[Section]) -> str:
    """Sections as one Markdown table, in this order, with their notes and the runs below."""
    lines = ["| what | measured | must | aim | | others |", "|---|---:|---:|---:|---|---|"]
    for section in sections:
        lines.append(f"| **{section.title}** | | | | | |")
        lines += [f"| {' | '.join(row.cells())} |" for row in section.rows]
    lines += [f"\n*{one.title}.* {' '.join(one.notes)}" for one in sections if one.notes]
    runs = [one.run for one in sections if one.run]
    if runs:
        days = sorted({run["date"] for run in runs})
        machines, versions, weights = (
            " or ".join(sorted({run[fact] for run in runs})) for fact in ("machine", "versions", "weights")
        )
        lines.append(
            f"\n*{machines}; {versions}; weights {weights}; "
            f"{' to '.join([days[0], *days[1:][-1:]])}. "
            "✔ what it must reach is reached, ✔ aim: its aim too, ✘: neither.*"
        )
    return "\n".join(lines) + "\n"
