"""What clean images look like: one file a prior, and the table that a weights file's kind is looked up in."""

from __future__ import annotations

from genrestore.errors import WeightsError
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.runtime import Runtime
from genrestore.weights.load import load

PRIORS: dict[str, type[DenoiserPrior]] = {"denoiser": DenoiserPrior}
"""Kind in the weights' header, and the class that is built from them."""


def load_prior(weights: str = "photo", runtime: Runtime | None = None) -> DenoiserPrior:
    """Load weights and make the prior of their kind.

    Args:
        weights: A name in the store or a path of a weights file.
        runtime: Device, precision and seed; None settles them for this machine.

    Raises:
        WeightsError: The weights are missing, corrupted, or of a kind or networks that make no prior.
    """
    runtime = runtime or Runtime.create()
    loaded = load(weights, runtime)
    if loaded.header.kind not in PRIORS:
        known = ", ".join(sorted(PRIORS))
        raise WeightsError(
            f"weights '{weights}' are of kind '{loaded.header.kind}'; a prior is one of: {known}"
        )
    try:
        return PRIORS[loaded.header.kind](loaded, runtime)
    except ValueError as error:
        raise WeightsError(
            f"weights '{weights}' cannot be used as a {loaded.header.kind}: {error}"
        ) from error
