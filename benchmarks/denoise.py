"""Measure `genrestore denoise` against its goals and against others; see benchmarks/README.md.

python benchmarks/denoise.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

from entry import Benchmark, run

SECTIONS = {
    "gaussian": "synthetic",
    "files": "synthetic",
    "grey": "synthetic",
    "camera": "photographs",
    "polyu": "photographs",
    "phone": "photographs",
    "jpeg": "synthetic",
    "stuck": "synthetic",
    "luma": "synthetic",
    "clean": "synthetic",
    "sigma": "synthetic",
    "speed": "machine",
    "memory": "machine",
    "start": "machine",
}
"""Their modules are imported when they are run: the processes of BM3D import this file, and need no torch."""
WITHOUT_DATA = {"speed", "memory", "start"}


if __name__ == "__main__":
    run(Benchmark("denoise", SECTIONS, WITHOUT_DATA))
