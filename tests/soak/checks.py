"""What every soak test does: say what it checks, and end with the true exit code."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from typing import NoReturn


@dataclass
class Checks:
    """Checks that were made, one printed line each.

    Attributes:
        failed: Those that did not hold.
    """

    failed: list[str] = field(default_factory=list)
    _started: float = field(default_factory=time.monotonic)

    def holds(self, true: bool, what: str) -> None:
        """Print one check and whether it held."""
        print(f"{'ok  ' if true else 'FAIL'}  {what}", flush=True)
        if not true:
            self.failed.append(what)

    def end(self) -> NoReturn:
        """Print the sum and end the process: 0 if every check held, else 1."""
        seconds = time.monotonic() - self._started
        print(f"{f'{len(self.failed)} failed' if self.failed else 'all held'}, {seconds:.0f} s", flush=True)
        sys.exit(int(bool(self.failed)))
