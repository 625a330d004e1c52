"""Keep results in results/NAME.json, and turn them into the Markdown tables that the documentation shows.

    python benchmarks/readme.py        and then python docs/generate.py

NAME.md holds every row, highlights.md those of the README; docs/generate.py puts them where a page says
`<!-- generated: figures NAME -->`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import highlights
from report import from_json, markdown


def keep(path: Path, name: str, values: dict[str, Any], order: Iterable[str]) -> None:
    """Put one section into a results file, whole or not at all; the others stay.

    Args:
        path: The results file.
        name: Of the section.
        values: What is kept of it.
        order: Of the sections in the file.
    """
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    found = {**known.get("sections", {}), name: values}
    sections = {section: found[section] for section in order if section in found}
    draft = path.with_name(f".{path.name}")
    path.parent.mkdir(parents=True, exist_ok=True)
    draft.write_text(json.dumps({"schema": 1, "sections": sections}, indent=1) + "\n", encoding="utf-8")
    draft.replace(path)


def write_table(results: Path) -> None:
    """Write the table of a results file beside it."""
    known = json.loads(results.read_text(encoding="utf-8"))["sections"]
    sections = [from_json(values) for values in known.values()]
    source = _source([values["run"] for values in known.values()])
    results.with_suffix(".md").write_text(f"{markdown(sections)}\n{source}\n", encoding="utf-8")


def _source(runs: list[dict[str, Any]]) -> str:
    """One line: machine, versions, weights and days."""
    last = max(runs, key=lambda run: str(run["date"]))
    days = sorted({run["date"][:10] for run in runs})
    machine, versions = last["machine"], last["versions"]
    weights = sorted({f"{run['weights']['name']} {run['weights']['sha256'][:12]}" for run in runs})
    return (
        f"*{machine['processor']}, {machine['threads']} threads, "
        f"{machine['device']}, {machine['precision']}; "
        f"genrestore {versions['genrestore']}, torch {versions['torch']}, Python {versions['python']}; "
        f"weights {', '.join(weights)}; {' to '.join([days[0], *days[1:][-1:]])}. "
        "✔ what it must reach is reached, ✔ aim: its aim too, ✘: neither.*"
    )


if __name__ == "__main__":
    folder = Path(__file__).parent / "results"
    for path in sorted(folder.glob("*.json")):
        write_table(path)
    (folder / "highlights.md").write_text(highlights.table(folder), encoding="utf-8")
