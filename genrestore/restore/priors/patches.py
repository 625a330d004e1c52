"""Patches prior: holes filled with texture, each patch of which looks like one of the picture itself."""

from __future__ import annotations

from collections.abc import Iterable

import torch

from genrestore.errors import InputError
from genrestore.restore.prior import Prior
from genrestore.restore.problem import UNWATCHED, Problem, Solution, Watch
from genrestore.restore.settings import PatchesSettings
from genrestore.restore.solvers.patch_match import synthesised
from genrestore.runtime import Runtime

NOTHING_TO_COPY = "nothing is left to copy from: too little is known around the hole, or allowed"


class PatchesPrior(Prior[PatchesSettings]):
    """R(x) = Σ_p min_q ‖P_p x − P_q y‖² over the patches of a hole: no weights, any size, on the processor.

    Source: Wexler, Shechtman, Irani, "Space-Time Completion of Video", 2007; `solvers.patch_match` has more.

    Args:
        loaded: None: it has no weights.
        runtime: The seed of the draws.
    """

    def __init__(self, loaded: None, runtime: Runtime) -> None:  # noqa: ARG002
        self.runtime = runtime

    def noise_level(self, tiles: Iterable[Problem]) -> None:
        """None is needed: noise is copied as it is."""

    def solve(self, problem: Problem, settings: PatchesSettings, watch: Watch = UNWATCHED) -> Solution:  # noqa: ARG002
        """Fill holes with what is alike elsewhere.

        Args:
            problem: One picture, 1 or 3 channels; its `start` gives the structure, its `sources` the patches.
            settings: None.
            watch: Is told the finished share.

        Raises:
            InputError: There is no patch to copy.
        """
        if problem.known is None:
            return Solution(problem.damaged)
        draws = torch.Generator().manual_seed(self.runtime.seed)
        given = problem.damaged, problem.known, problem.sources, problem.start
        try:
            image, unlike = synthesised(*given, draws, watch.progress)
        except ValueError as error:
            raise InputError(NOTHING_TO_COPY) from error
        return Solution(image, distance=torch.tensor([unlike]))
