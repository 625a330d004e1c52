"""What clean images look like: one file a prior, and the table that a weights file's kind is looked up in."""

from __future__ import annotations

from genrestore.errors import WeightsError
from genrestore.restore.priors.autoencoder import AutoencoderPrior
from genrestore.restore.priors.denoiser import DenoiserPrior
from genrestore.restore.priors.generator import GeneratorPrior
from genrestore.restore.priors.inpainter import InpainterPrior
from genrestore.runtime import Runtime
from genrestore.weights.load import load

Prior = DenoiserPrior | InpainterPrior | AutoencoderPrior | GeneratorPrior
PRIORS: dict[str, type[DenoiserPrior | InpainterPrior | AutoencoderPrior | GeneratorPrior]] = {
    "autoencoder": AutoencoderPrior,
    "denoiser": DenoiserPrior,
    "generator": GeneratorPrior,
    "inpainter": InpainterPrior,
}
"""Kind in the weights' header, and the class that is built from them."""


def load_prior(weights: str = "photo", runtime: Runtime | None = None) -> Prior:
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


def load_denoiser(weights: str, runtime: Runtime | None = None) -> DenoiserPrior:
    """`load_prior` where only a denoiser will do.

    Raises:
        WeightsError: The weights are missing, corrupted, or of another kind.
    """
    prior = load_prior(weights, runtime)
    if not isinstance(prior, DenoiserPrior):
        raise WeightsError(f"weights '{weights}' are of no denoiser, and this needs one; leave --weights out")
    return prior
