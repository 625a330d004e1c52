"""Empty figures to draw on, the same whatever the environment says of matplotlib."""

from __future__ import annotations

import logging
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_BACKEND = "MPLBACKEND"


def figure(width: float, height: float) -> Figure:
    """A figure with a canvas of its own, which is drawn into memory.

    Notebooks name a canvas of theirs in the environment of every process, which may not be there at all.

    Args:
        width: In inches.
        height: In inches.
    """
    _load()
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _load() -> None:
    """Import matplotlib with its own defaults; does nothing where a program around us has imported it."""
    if "matplotlib" in sys.modules:
        return
    logging.getLogger("matplotlib").setLevel(logging.ERROR)  # else it says that HOME cannot be written
    named = os.environ.pop(_BACKEND, None)
    try:
        import matplotlib as mpl
    finally:
        if named is not None:
            os.environ[_BACKEND] = named
    mpl.rcdefaults()
