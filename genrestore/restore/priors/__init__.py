"""Priors of clean pictures, one file a kind; `settings.PRIORS` is their table."""

from __future__ import annotations

from typing import Any

from genrestore.errors import WeightsError
from genrestore.restore.problem import Prior
from genrestore.restore.settings import PRIORS
from genrestore.runtime import Runtime
from genrestore.weights.community import is_one
from genrestore.weights.load import Loaded, load_chosen
from genrestore.weights.store import Choice, choose


def load_prior(weights: str = "photo", runtime: Runtime | None = None) -> Prior[Any]:
    """Load weights and make the prior of their kind.

    Args:
        weights: A name in the store or a path of a weights file.
        runtime: Device, precision and seed; None settles them for this machine.

    Raises:
        WeightsError: The weights are missing, corrupted, or of a kind or networks that make no prior.
    """
    chosen = choose(weights)
    if chosen.header.kind not in PRIORS:
        known = ", ".join(sorted(name for name, kind in PRIORS.items() if kind.has_weights))
        raise WeightsError(
            f"weights '{weights}' are of kind '{chosen.header.kind}'; a prior is one of: {known}"
        )
    return make(chosen.header.kind, chosen, runtime or Runtime.create())


def make(kind: str, chosen: Choice | None, runtime: Runtime) -> Prior[Any]:
    """Make the prior of a kind, of its weights if it has any.

    Raises:
        WeightsError: The weights are corrupted, or of networks that make no such prior.
    """
    loaded = None if chosen is None else load_chosen(chosen, runtime)
    try:
        prior: Prior[Any] = PRIORS[kind].load(community=_is_of_others(loaded))(loaded, runtime)
    except ValueError as error:
        name = "" if chosen is None else chosen.name
        raise WeightsError(f"weights '{name}' cannot be used as a {kind}: {error}") from error
    return prior


def _is_of_others(loaded: Loaded | None) -> bool:
    return loaded is not None and any(map(is_one, loaded.header.networks.values()))
