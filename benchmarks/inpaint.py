"""Measure `genrestore inpaint` against its goals and against others; see benchmarks/README.md.

python benchmarks/inpaint.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

from entry import Benchmark, run

SECTIONS = dict.fromkeys(("grey", "colour", "classics", "untrained", "caption"), "filling")


if __name__ == "__main__":
    run(Benchmark("inpaint", SECTIONS, {"caption"}, "photo-inpaint"))
