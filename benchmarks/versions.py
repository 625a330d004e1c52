"""Where and with what the figures were made."""

from __future__ import annotations

import os
import platform
import re
import shlex
import sys
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import torch

from genrestore.runtime import Runtime
from genrestore.weights import store
from genrestore.weights.header import read_header

PACKAGES = (
    "genrestore",
    "torch",
    "numpy",
    "pillow",
    "imagecodecs",
    "bm3d",
    "opencv-python-headless",
    "scikit-image",
)


def versions() -> dict[str, str | None]:
    """The version of Python and of every package that takes part; None where it is missing."""
    return {"python": platform.python_version(), **{package: _version(package) for package in PACKAGES}}


def machine() -> dict[str, Any]:
    """Processor, cores, threads, device and precision."""
    runtime = Runtime.create()
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": platform.system(),
        "device": torch.cuda.get_device_name() if runtime.device == "cuda" else runtime.device,
        "precision": runtime.precision,
    }


def run_facts(weights: str, seconds: float) -> dict[str, Any]:
    """What is kept with every section: when, where, with what and how fast it was measured.

    Args:
        weights: A name or a path.
        seconds: How long it took.
    """
    return {
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "seconds": round(seconds, 1),
        "command": shlex.join(["python", *sys.argv]),
        "weights": weights_identity(weights),
        "machine": machine(),
        "load_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "versions": versions(),
    }


def weights_identity(weights: str) -> dict[str, str]:
    """Name and sha256 of the weights that are measured."""
    path = store.resolve(weights)
    return {"name": path.stem, "sha256": read_header(path).sha256}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    listing = Path("/proc/cpuinfo")
    found = re.search(r"model name\s*:\s*(.+)", listing.read_text()) if listing.exists() else None
    return found[1] if found else platform.processor() or platform.machine()
