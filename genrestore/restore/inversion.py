"""What an inversion is asked for with. Needs no torch, so that a plan can be made without."""

from __future__ import annotations

from pathlib import Path

from genrestore.errors import WeightsError
from genrestore.restore.descent_settings import LatentSearch
from genrestore.weights.header import Header, read_header

PLAIN = LatentSearch(prior_weight=0.0, refine=False)
"""‖G(z) − x‖ alone."""


def header_of(path: Path, weights: str) -> Header:
    """The header of a generator's weights.

    Args:
        path: Of the weights.
        weights: What the user calls them.

    Raises:
        WeightsError: No such file, none of genrestore, or weights of no generator.
    """
    header = read_header(path)
    if header.kind != "generator":
        raise WeightsError(
            f"weights '{weights}' are of kind '{header.kind}', and only a generator can be inverted; "
            "genrestore train gan makes one"
        )
    return header
