"""One formula a function; every loss is a mean, so it does not depend on the batch size."""

from __future__ import annotations

import torch
from torch import Tensor


def absolute(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute error |x̂ − x|: for denoising it beats the square at equal training (Zhao et al., 2017).

    Args:
        estimate: [batch, channel, height, width], about [0, 1].
        clean: The same shape, in [0, 1].

    Returns:
        A scalar.
    """
    return (estimate - clean).abs().mean()


def root_mean_square(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean over the samples of the root of each one's mean squared error.

    Inside a picture it weighs errors as PSNR does; between pictures it weighs them as `absolute` does, so
    that strong noise does not drown the rest, as it would in a mean of squares.

    Args:
        estimate: [batch, channel, height, width], about [0, 1].
        clean: The same shape, in [0, 1].

    Returns:
        A scalar.
    """
    return ((estimate - clean).square().flatten(1).mean(1) + 1e-8).sqrt().mean()


def mean_square(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error (x̂ − x)².

    Args:
        estimate: [batch, channel, height, width], about [0, 1].
        clean: The same shape, in [0, 1].

    Returns:
        A scalar.
    """
    return (estimate - clean).square().mean()


RECONSTRUCTION = {"absolute": absolute, "root-mean-square": root_mean_square, "mean-square": mean_square}
"""What a restored picture can be judged by."""


def relative_level(log_estimate: Tensor, log_level: Tensor, quantile: Tensor) -> Tensor:
    """Twice the pinball loss of a noise level's logarithm: the same for 10 % off at every level.

        2 · max(q d, (q − 1) d),     d = log σ − log σ̂

    At q = ½ it is the mean absolute error. Above, too low a level costs more than too high a one: a denoiser
    that is told too little leaves the noise, which is the greater harm (Guo et al., CBDNet, 2019).
    Source: Koenker and Bassett, "Regression Quantiles", 1978.

    Args:
        log_estimate: Natural logarithm of σ, [batch, 1, height, width].
        log_level: The true one, same shape.
        quantile: q of every sample, in (0, 1), [batch, 1, 1, 1].

    Returns:
        A scalar.
    """
    missing = log_level - log_estimate
    return 2 * torch.maximum(quantile * missing, (quantile - 1) * missing).mean()
