"""The networks of a generative adversarial network: generator, discriminator, and the generator's encoder.

Source: Radford et al., "Unsupervised Representation Learning with Deep Convolutional Generative Adversarial
Networks", 2016.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2
"""Of the leaky rectifiers, below zero."""


class _Scales(NamedTuple):
    """The coarsest side in pixels, and the feature maps at each scale from there, in multiples of `width`."""

    coarsest: int
    multiples: tuple[int, ...]


_SCALES = {
    28: _Scales(7, (4, 2)),
    32: _Scales(4, (4, 2, 1)),
    64: _Scales(4, (8, 4, 2, 1)),
    128: _Scales(4, (8, 8, 4, 2, 1)),
}
SIZES = tuple(_SCALES)
"""Sides of the images that the networks can be built for."""


class Generator(nn.Module):
    """x = G(z): a transposed convolution a scale; batch normalisation, rectifiers, and tanh at the end.

    Args:
        latent: Numbers in the latent, d.
        channels: 1 (grey) or 3 (RGB).
        size: Side of the images in pixels, one of `SIZES`.
        width: Feature maps are multiples of it: just as many at half the size (28 pixels: twice), twice as
            many at each coarser scale, up to eight times.

    Raises:
        ValueError: A value that no such network can have.
    """

    def __init__(self, latent: int = 100, channels: int = 1, size: int = 28, width: int = 64) -> None:
        super().__init__()
        _check("generator", size, channels, latent, width)
        self.size, self.channels, self.latent = size, channels, latent
        widths = _widths(size, width)
        layers: list[nn.Module] = [
            _FromLatent(latent, widths[0], _SCALES[size].coarsest, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        ]
        for coarse, fine in zip(widths, widths[1:], strict=False):
            layers += [
                nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(fine),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers, _ToImage(widths[-1], channels))
        _initialise(self)

    def forward(self, latent: Tensor) -> Tensor:
        """G(z).

        Args:
            latent: [batch, latent], N(0, I).

        Returns:
            [batch, channel, size, size] in [0, 1]: (tanh + 1) / 2.
        """
        image: Tensor = self.layers(latent[:, :, None, None])
        return (image.float().tanh() + 1) / 2


class _FromLatent(nn.ConvTranspose2d):
    """Transposed convolution of a single pixel, which is a matrix product, and faster as one."""

    def forward(self, latent: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: ARG002
        """From [batch, latent, 1, 1] to [batch, channel, side, side]."""
        return (latent.flatten(1) @ self.weight.flatten(1)).unflatten(1, self.weight.shape[1:])


class _ToImage(nn.ConvTranspose2d):
    """Transposed convolution to few channels: what every pixel adds, as a matrix product, is summed up."""

    def __init__(self, before: int, channels: int) -> None:
        super().__init__(before, channels, 4, stride=2, padding=1)

    def forward(self, value: Tensor, output_size: list[int] | None = None) -> Tensor:  # noqa: ARG002
        """From [batch, channel, side, side] to twice the side."""
        parts = self.weight.flatten(1).T @ value.flatten(2)
        sides = (2 * value.shape[2], 2 * value.shape[3])
        image = functional.fold(parts, sides, 4, padding=1, stride=2)
        return image if self.bias is None else image + self.bias[:, None, None]


class Discriminator(nn.Module):
    """D(x): the logit that x is a real image, and not one that the generator made.

    Args:
        channels: 1 (grey) or 3 (RGB).
        size: Side of the images in pixels, one of `SIZES`.
        width: Feature maps are multiples of it, as in `Generator`.
        spectral: Spectral normalisation of every layer (Miyato et al., 2018) instead of batch normalisation.
        deeper: One more halving than the generator has doublings, to twice the feature maps: what lies far
            apart is seen together before it is summed up.

    Raises:
        ValueError: A value that no such network can have.
    """

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        width: int = 64,
        spectral: bool = False,
        deeper: bool = False,
    ) -> None:
        super().__init__()
        _check("discriminator", size, channels, 1, width)
        self.layers = _shrink(channels, size, width, normalised=not spectral)
        top, side = _widths(size, width)[0], _SCALES[size].coarsest
        if deeper:
            self.layers.extend(_halve(top, 2 * top, normalised=not spectral))
            top, side = 2 * top, side // 2
        self.layers.append(nn.Conv2d(top, 1, side))
        _initialise(self)
        if spectral:
            for layer in self.layers:
                if isinstance(layer, nn.Conv2d):
                    spectral_norm(layer)

    def forward(self, image: Tensor) -> Tensor:
        """Logits.

        Args:
            image: [batch, channel, size, size] in [0, 1].

        Returns:
            [batch], above 0 where the image looks real.
        """
        logits: Tensor = self.layers(2 * image - 1)
        return logits.float().flatten()


class LatentEncoder(nn.Module):
    """z ≈ E(G(z)): the latent that an image may have come from, where an inversion starts.

    Args:
        latent: Numbers in the latent, d.
        channels: 1 (grey) or 3 (RGB).
        size: Side of the images in pixels, one of `SIZES`.
        width: Feature maps are multiples of it, as in `Generator`.

    Raises:
        ValueError: A value that no such network can have.
    """

    def __init__(self, latent: int = 100, channels: int = 1, size: int = 28, width: int = 64) -> None:
        super().__init__()
        _check("encoder", size, channels, latent, width)
        self.size, self.channels, self.latent = size, channels, latent
        self.layers = _shrink(channels, size, width, normalised=True)
        self.layers.append(nn.Conv2d(_widths(size, width)[0], latent, _SCALES[size].coarsest))
        _initialise(self)

    def forward(self, image: Tensor) -> Tensor:
        """E(x).

        Args:
            image: [batch, channel, size, size] in [0, 1].

        Returns:
            [batch, latent], about N(0, I) for images that the generator made.
        """
        latent: Tensor = self.layers(2 * image - 1)
        return latent.float().flatten(1)


def _shrink(channels: int, size: int, width: int, *, normalised: bool) -> nn.Sequential:
    """Halve the side until the coarsest scale; the first layer has no normalisation."""
    widths = _widths(size, width)[::-1]
    layers: list[nn.Module] = [nn.Conv2d(channels, widths[0], 4, stride=2, padding=1), _leaky()]
    for fine, coarse in zip(widths, widths[1:], strict=False):
        layers += _halve(fine, coarse, normalised=normalised)
    return nn.Sequential(*layers)


def _halve(fine: int, coarse: int, *, normalised: bool) -> list[nn.Module]:
    """Half the side, from so many feature maps to so many."""
    layers: list[nn.Module] = [nn.Conv2d(fine, coarse, 4, stride=2, padding=1, bias=not normalised)]
    return [*layers, nn.BatchNorm2d(coarse), _leaky()] if normalised else [*layers, _leaky()]


def _leaky() -> nn.Module:
    return nn.LeakyReLU(SLOPE, inplace=True)


def _widths(size: int, width: int) -> list[int]:
    """Feature maps at every scale, coarsest first."""
    return [width * multiple for multiple in _SCALES[size].multiples]


def _check(network: str, size: int, channels: int, latent: int, width: int) -> None:
    if size not in SIZES or channels not in (1, 3) or min(latent, width) < 1:
        raise ValueError(f"no {network} of size {size}, {channels} channels, latent {latent}, width {width}")


def _initialise(network: nn.Module) -> None:
    """Weights from N(0, 0.02²), scales from N(1, 0.02²), as in section 3 of the paper."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
