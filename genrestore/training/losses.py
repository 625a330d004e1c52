"""One formula a function; every loss is a mean, so it does not depend on the batch size."""

from __future__ import annotations

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


def relative_level(log_estimate: Tensor, log_level: Tensor) -> Tensor:
    """Mean absolute error of a noise level's logarithm: the same for 10 % off at every level.

    Args:
        log_estimate: Natural logarithm of σ, [batch, 1, height, width].
        log_level: The true one, same shape.

    Returns:
        A scalar.
    """
    return (log_estimate - log_level).abs().mean()
