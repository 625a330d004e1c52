"""Restore images with generative priors.

The Python API is loaded on first use, so that ``import genrestore`` and ``genrestore --help`` stay fast.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__", "dejpeg", "denoise", "inpaint", "invert", "load_prior"]

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer than all else that is done until the command line handles signals
    from typing import Any

    from genrestore.restore.api import dejpeg, denoise, inpaint, invert
    from genrestore.restore.priors import load_prior

_HOMES = {
    "dejpeg": "genrestore.restore.api",
    "denoise": "genrestore.restore.api",
    "inpaint": "genrestore.restore.api",
    "invert": "genrestore.restore.api",
    "load_prior": "genrestore.restore.priors",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'genrestore' has no attribute '{name}'")
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
