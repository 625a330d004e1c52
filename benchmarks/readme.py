"""Turn results/NAME.json into the Markdown tables that README.md and the documentation show.

    python benchmarks/readme.py        and then python docs/generate.py

NAME.md holds the headlines, NAME-full.md every row; docs/generate.py puts them where a page says
`<!-- generated: figures NAME -->`.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from report import from_json, markdown


def write_tables(results: Path) -> None:
    """Write both tables beside a results file."""
    known = json.loads(results.read_text(encoding="utf-8"))["sections"]
    sections = [from_json(values) for values in known.values()]
    source = _source([values["run"] for values in known.values()])
    for name, headlines in ((results.stem, True), (f"{results.stem}-full", False)):
        table = markdown(sections, headlines=headlines)
        results.with_name(f"{name}.md").write_text(f"{table}\n{source}\n", encoding="utf-8")


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
    for path in sorted((Path(__file__).parent / "results").glob("*.json")):
        write_tables(path)
