"""A folder of thousands of small files: all done, then all skipped without torch, in bounded memory."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests import tiny
from tests.faults import GENRESTORE, Place, fill
from tests.soak.checks import Checks

SKIPPING = """
import sys
from genrestore.cli.app import main
sys.argv[0] = "genrestore"
try:
    main()
except SystemExit as end:
    sys.exit(end.code or (99 if "torch" in sys.modules else 0))
"""


def timed(words: list[str]) -> tuple[int, float, float]:
    """Exit code, seconds, and the largest memory in megabytes of a command."""
    started = time.monotonic()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, time.monotonic() - started, usage.ru_maxrss / 1024


def main() -> None:
    """Parse the words and run."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--pictures", type=int, default=5000, help="how many (5000)")
    words.add_argument("--megabytes", type=float, default=900, help="of memory for the first run (900)")
    asked = words.parse_args()
    checks = Checks()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        fill(root / "in", asked.pictures, 24, 32)
        place = Place(str(tiny.save_denoiser(root)), root / "in", root / "out")
        code, seconds, memory = timed([*GENRESTORE, *place.words()])
        checks.holds(code == 0, f"{asked.pictures} pictures, exit code {code}, {seconds:.0f} s")
        checks.holds(len(place.check_finished()) == asked.pictures, "every result is there and opens")
        checks.holds(memory <= asked.megabytes, f"{memory:.0f} MB of memory, at most {asked.megabytes:g}")
        code, seconds, memory = timed([sys.executable, "-c", SKIPPING, *place.words("--skip-existing")])
        checks.holds(
            code == 0, f"all are skipped without torch, exit code {code}, {seconds:.1f} s, {memory:.0f} MB"
        )
        code, seconds, _ = timed([*GENRESTORE, *place.words("--dry-run", "--overwrite")])
        checks.holds(code == 0, f"the plan is shown, {seconds:.1f} s")
    checks.end()


if __name__ == "__main__":
    main()
