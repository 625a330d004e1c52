"""Restore images with generative priors.

The Python API is loaded on first use, so that ``import genrestore`` and ``genrestore --help`` stay fast.
"""

from __future__ import annotations

__version__ = "0.1.0"
__all__ = ["__version__", "dejpeg", "denoise", "find_marks", "inpaint", "invert", "load_prior"]

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing takes longer than all else that is done until the command line handles signals
    from typing import Any

    from genrestore.restore.api import denoise, inpaint, invert, load_prior
    from genrestore.restore.jpeg import dejpeg
    from genrestore.restore.marks import find_marks

_HOMES = {"load_prior": "genrestore.restore.api", "find_marks": "genrestore.restore.marks"}
"""Modules of what the API has besides a function for each damage."""


def __getattr__(name: str) -> Any:
    if not name.startswith("_"):
        from importlib import import_module

        from genrestore.restore.task import DAMAGES

        home = DAMAGES[name].module if name in DAMAGES else _HOMES.get(name)
        if home is not None:
            return getattr(import_module(home), name)
    raise AttributeError(f"module 'genrestore' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
