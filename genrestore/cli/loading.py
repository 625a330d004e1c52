"""Importing torch, which takes longer than most of what is done with it."""

from __future__ import annotations

import gc
import os
import sys

from genrestore.runtime import allowed_cores, usable_cores

_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""How users say what threads do while they wait."""


def settle_threads() -> None:
    """Say to OpenMP how many threads there may be and how they wait; before torch is loaded, which reads it.

    A thread that spins while it waits burns the core that the awaited one needs: on cores that others used
    too, small pictures took six times the processor seconds. So threads sleep. OpenMP counts the cores that
    an affinity leaves, but not what a container's quota does. What the user has set stays.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    cores = usable_cores()
    if cores < allowed_cores():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


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
