"""Importing torch, which takes longer than most of what is done with it."""

from __future__ import annotations

import gc
import sys


def load_torch() -> None:
    """Import torch, in little more than half of the time that `import torch` takes.

    What it makes stays to the end, so the collector looks through its objects for garbage in vain: again and
    again while they are made, and once more when the process ends. It rests until they are there, and leaves
    them alone from then on. Does nothing where torch is loaded.
    """
    if "torch" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
