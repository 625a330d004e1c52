"""Everything in its full number, which takes hours: python -m tests.soak; a failure names its seed."""

from __future__ import annotations

import argparse

from tests.soak import bombs, endings, mutants
from tests.soak.checks import Checks


def main() -> None:
    """Parse the words and run."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seed", type=int, default=0, help="of every draw (0)")
    words.add_argument("--pictures", type=int, default=10_000, help="damaged files of each format (10000)")
    words.add_argument("--weights", type=int, default=500, help="damaged weights of each of two ways (500)")
    words.add_argument("--bombs", type=int, default=20, help="of each of five kinds (20)")
    words.add_argument("--kills", type=int, default=40, help="of trainings; kill.py kills batches (40)")
    words.add_argument("--signals", type=int, default=30, help="at random moments (30)")
    words.add_argument("--disks", type=int, default=20, help="that are full (20)")
    asked = words.parse_args()
    checks = Checks()
    mutants.run(checks, asked.seed, asked.pictures, asked.weights)
    bombs.run(checks, asked.seed, asked.bombs)
    endings.run(checks, asked.seed, asked.kills, asked.signals, asked.disks)
    checks.end()


if __name__ == "__main__":
    main()
