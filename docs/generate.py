"""Write what the documentation can take from the program itself.

    python docs/generate.py            rewrite the generated parts
    python docs/generate.py --check    only name the pages that are out of date (exit 1)

A generated part stands between two comment lines, `<!-- generated: NAME -->` and `<!-- end -->`. NAME is
`reference COMMAND` for what a command takes, `figures BENCHMARK` for everything that this benchmark measured,
or `figures highlights` for what the README shows of all; benchmarks/results.json holds the figures. `formats
list`, `formats kept` and `formats extras` are what is read and written, what comes back, tried out by
docs/kept.py, and what brings more.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path += [str(ROOT / "benchmarks"), str(ROOT / "docs")]

import kept  # noqa: E402
import tables  # noqa: E402

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
PART = re.compile(r"(<!-- generated: (\w+) ([\w -]*?) -->\n).*?(<!-- end -->)", re.DOTALL)
GIVEN, BEST = {"input": "as they are"}, "FFDNet, told the best level for each"
HIGHLIGHTS = [
    ("Phones in poor light", "denoise phone", "PSNR", GIVEN | {"FFDNet told the best for each": BEST}),
    ("Cameras at high ISO", "denoise polyu", "PSNR", GIVEN | {"FFDNet told the best for each": BEST}),
    (
        "A camera's strong noise, simulated",
        "denoise camera",
        "high noise (shot 0.012, read 0.012): PSNR",
        {"input": "as they are", "NLM 8/10": "OpenCV's non-local means at its best setting"},
    ),
    (
        "Writing over colour pictures, filled",
        "inpaint colour",
        "text",
        {"Telea": "OpenCV (Telea)", "biharmonic": "scikit-image (biharmonic)"},
    ),
]
"""What the README shows: in its words, benchmark and section, row, and whose figures beside it."""
SIZES, PRECISIONS = (12, 24), {"bf16": "with bfloat16", "fp32": "without"}


def commands(group: Any = None, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command of the app that does something, with the words that call it after `genrestore`."""
    if group is None:
        from typer.main import get_command

        from genrestore.cli.app import app

        group = get_command(app)
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*words, name))
        elif not command.hidden:
            yield (*words, name), command


def options(command: Any) -> list[Any]:
    """Parameters of a command that a user can see."""
    return [parameter for parameter in command.params if not getattr(parameter, "hidden", False)]


def plain(text: str) -> str:
    """Help text without the terminal's markup, fit for a cell of a table."""
    text = re.sub(r"\[bold\](genrestore [^\[]*)\[/bold\]", r"`\1`", text)
    text = re.sub(r"\[/?(bold|italic|dim|cyan|green|yellow)\]", "", text)
    return " ".join(text.split()).replace("|", "\\|")


def spelling(parameter: Any) -> str:
    """How a parameter is written, as code in a cell of a table."""
    from genrestore.cli.help import spelling

    return f"`{spelling(parameter)}`".replace("|", "\\|")


def default(parameter: Any) -> str:
    """The default and the environment variable of a parameter, or nothing."""
    parts = []
    value = parameter.default
    shown = getattr(parameter, "show_default", True) is not False
    if shown and isinstance(value, str | int | float | Path) and not isinstance(value, bool):
        parts.append(f"`{value}`")
    if getattr(parameter, "envvar", None):
        parts.append(f"`{parameter.envvar}`")
    return ", ".join(parts)


def reference(words: tuple[str, ...], command: Any) -> str:
    """What a command takes, as Markdown."""
    parameters = options(command)
    usage = [
        spelling(parameter).strip("`") for parameter in parameters if parameter.param_type_name == "argument"
    ]
    lines = ["```text", " ".join(["genrestore", *words, *usage, "[OPTIONS]"]), "```", ""]
    lines += ["| argument or option | meaning | default |", "|---|---|---|"]
    for parameter in parameters:
        lines.append(f"| {spelling(parameter)} | {plain(parameter.help or '')} | {default(parameter)} |")
    return "\n".join(lines) + "\n"


def generated(kind: str, name: str) -> str:
    """The text of one generated part."""
    if kind == "reference":
        known = dict(commands())
        return reference(tuple(name.split()), known[tuple(name.split())])
    if kind == "figures":
        return highlights() if name == "highlights" else tables.markdown([*tables.load()[name].values()])
    if kind == "formats":
        return {"list": kept.list_of_formats, "kept": kept.table, "extras": kept.list_of_extras}[name]()
    raise ValueError(f"'{kind} {name}' is no generated part; known: reference, figures, formats")


def highlights() -> str:
    """A few figures in a photographer's words, as Markdown."""
    results = tables.load()
    lines = ["| | genrestore | others |", "|---|---:|---|"]
    for words, place, what, names in HIGHLIGHTS:
        benchmark, section = place.split()
        row = next(one for one in results[benchmark][section].rows if one.what == what)
        others = "; ".join(f"{said}: {row.number(row.beside[name])}" for name, said in names.items())
        lines.append(f"| {words} | **{row.number(row.value)}** | {others} |")
    found = {row.what: row.value for row in results["denoise"]["wait"].rows}
    times = [
        f"{said} " + ", ".join(f"{found[f'{size} megapixels, {precision}']:.0f} s" for size in SIZES)
        for precision, said in PRECISIONS.items()
    ]
    sizes = " and ".join(map(str, SIZES))
    lines.append(f"| Time of one core for a JPEG of {sizes} megapixels | {'; '.join(times)} | |")
    return "\n".join(lines) + "\n"


def renewed(text: str) -> str:
    """A page with its generated parts written anew."""
    return PART.sub(lambda found: found[1] + "\n" + generated(found[2], found[3]) + "\n" + found[4], text)


def main() -> int:
    """Rewrite or check every page."""
    stale = 0
    for page in PAGES:
        old = page.read_text(encoding="utf-8")
        new = renewed(old)
        if new != old:
            stale += 1
            print(page.relative_to(ROOT))
            if "--check" not in sys.argv:
                page.write_text(new, encoding="utf-8")
    return int(stale > 0 and "--check" in sys.argv)


if __name__ == "__main__":
    sys.exit(main())
