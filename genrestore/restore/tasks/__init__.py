"""Tasks: the only place where a data term, a prior and a solver meet. One file a task.

The command line and the Python API both come through here.
"""

from __future__ import annotations

from genrestore.restore.tasks.denoise import Denoise, denoise
from genrestore.restore.tasks.denoise_one_class import DenoiseOneClass
from genrestore.restore.tasks.inpaint import Inpaint, inpaint
from genrestore.restore.tasks.inpaint_one_class import InpaintOneClass
from genrestore.restore.tasks.invert import Invert, Inverted, invert
from genrestore.restore.tasks.restored import Restored
from genrestore.restore.tasks.untrained import Untrained

__all__ = [
    "Denoise",
    "DenoiseOneClass",
    "Inpaint",
    "InpaintOneClass",
    "Invert",
    "Inverted",
    "Restored",
    "Untrained",
    "denoise",
    "inpaint",
    "invert",
]
