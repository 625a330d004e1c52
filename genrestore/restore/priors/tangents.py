"""How an image of a generator changes with each number of its latent, forward through its layers."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn


def along(layers: Iterable[nn.Module], value: Tensor, tangents: Tensor) -> tuple[Tensor, Tensor]:
    """Take a value and its tangents through layers.

        value → f(value),     tangents → f'(value) · tangents

    For a latent of d numbers that is cheaper than going backwards from every pixel, and the tangents fill
    the layers' batch, so that a whole Jacobian takes about as long as d images.

    Args:
        layers: Convolutions, batch normalisation as in eval mode, and rectifiers.
        value: [1, channel, height, width].
        tangents: [direction, channel, height, width].

    Returns:
        The value after the layers, [1, channel, height, width], and its tangents, [direction, ...].

    Raises:
        TypeError: A layer of another kind.
    """
    tangents = tangents.clone()  # what follows writes in place: they are large
    for layer in layers:
        if isinstance(layer, nn.ReLU):
            tangents.mul_(value > 0)
        elif isinstance(layer, nn.BatchNorm2d):
            assert layer.running_var is not None
            scale = layer.weight / (layer.running_var + layer.eps).sqrt()
            tangents.mul_(scale[:, None, None])
        elif isinstance(layer, nn.ConvTranspose2d | nn.Conv2d):
            tangents = layer(tangents)
            if layer.bias is not None:
                tangents.sub_(layer.bias[:, None, None])
        else:
            raise TypeError(f"no tangents through a {type(layer).__name__}")
        value = layer(value.clone())  # rectifiers write in place
    return value, tangents
