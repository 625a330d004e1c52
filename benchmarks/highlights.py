"""The figures that the README shows, each taken from the results of a benchmark."""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

from report import Row, beside, from_json, number


class Highlight(NamedTuple):
    """A row of results/NAME.json, and what the README calls it."""

    benchmark: str
    section: str
    row: str
    title: str


PHOTOGRAPHS, DIGITS = "Photographs", "Digits and faces"
HIGHLIGHTS = {
    PHOTOGRAPHS: [
        Highlight("denoise", "gaussian", "σ 15, given", "noise of σ 15, CBSD68"),
        Highlight("denoise", "gaussian", "σ 25, given", "noise of σ 25, CBSD68"),
        Highlight("denoise", "gaussian", "σ 50, given", "noise of σ 50, CBSD68"),
        Highlight(
            "denoise", "gaussian", "σ 25, lost where σ is not given", "lost at σ 25 where it is not told σ"
        ),
        Highlight("denoise", "polyu", "over the input", "real photographs at high ISO, PolyU: gained"),
        Highlight("denoise", "polyu", "over NLM at its best", "the same, over non-local means at its best"),
        Highlight("denoise", "speed", "σ not given, of FFDNet's time", "time at 12 megapixels, of FFDNet's"),
        Highlight("denoise", "memory", "12 megapixels, peak", "memory at 12 megapixels"),
        Highlight("inpaint", "grey", "50 % missing", "half of the pixels missing, Set12"),
        Highlight("inpaint", "grey", "text", "text over the picture, Set12"),
        Highlight("inpaint", "grey", "64×64 hole", "a hole of 64×64 pixels, Set12"),
        Highlight("inpaint", "colour", "50 % missing", "half of the pixels missing, CBSD68"),
        Highlight("inpaint", "caption", "time", "a caption in a JPEG of 12 megapixels"),
    ],
    DIGITS: [
        Highlight("autoencoder", "strong", "mnist-ae", "noise of σ 63.75 on digits, `mnist-ae`"),
        Highlight("autoencoder", "strong", "mnist-ae-100", "the same, `mnist-ae-100`"),
        Highlight("autoencoder", "holes", "8×8 hole, mnist-ae", "a hole of 8×8 pixels in digits, `mnist-ae`"),
        Highlight(
            "autoencoder",
            "speed",
            "mnist-ae: times faster than the recipe",
            "times faster than a report's search",
        ),
        Highlight(
            "gan",
            "samples",
            "mnist-gan: Fréchet distance to test digits",
            "samples of `mnist-gan`, Fréchet distance",
        ),
        Highlight("gan", "inversion", "digits: PSNR, the recipe's 10", "digits found again by `mnist-gan`"),
        Highlight(
            "gan", "inversion", "digits: times faster than the recipe", "times faster than a report's search"
        ),
    ],
}


def table(results: Path) -> str:
    """The highlights as a Markdown table.

    Args:
        results: The folder of NAME.json.

    Raises:
        KeyError: The results have no such row.
    """
    lines = ["| | genrestore | others |", "|---|---:|---|"]
    for title, chosen in HIGHLIGHTS.items():
        lines.append(f"| **{title}** | | |")
        for one in chosen:
            row = _find(results, one)
            lines.append(f"| {one.title} | {number(row.value, row.unit)} | {beside(row)} |")
    return "\n".join(lines) + "\n"


def _find(results: Path, one: Highlight) -> Row:
    sections = json.loads((results / f"{one.benchmark}.json").read_text(encoding="utf-8"))["sections"]
    rows = {row.what: row for row in from_json(sections[one.section]).rows}
    return rows[one.row]
