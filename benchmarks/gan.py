"""Measure generator priors on digits against their goals and a report's recipe; see benchmarks/README.md.

python benchmarks/gan.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

from entry import Benchmark, run

SECTIONS = {
    "training": "generators",
    "samples": "generators",
    "losses": "adversaries",
    "alarm": "adversaries",
    "throughput": "adversaries",
    "inversion": "inversion",
    "own": "inversion",
    "faces": "inversion",
    "noise": "inversion",
    "holes": "inversion",
}


if __name__ == "__main__":
    run(Benchmark("gan", SECTIONS, frozenset(), weights="mnist-gan"))
