"""Measure autoencoder priors on digits against their goals and against others; see benchmarks/README.md.

python benchmarks/autoencoder.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

from entry import Benchmark, run

SECTIONS = {
    "training": "latents",
    "reconstruction": "latents",
    "coverage": "latents",
    "outliers": "latents",
    "strong": "restored_digits",
    "weak": "restored_digits",
    "holes": "restored_digits",
    "speed": "restored_digits",
}


if __name__ == "__main__":
    run(Benchmark("autoencoder", SECTIONS, frozenset(), weights="mnist-ae"))
