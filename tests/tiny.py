"""Tiny weights, made in a second and without training, for tests that need a prior.

The denoiser shrinks what every pixel differs by from the mean of its 2×2 block by the noise level that it is
told, and the estimator doubles the noise level it tells with every half of the range of brightness: whoever
hands on a wrong level, or one for all brightnesses, gets another picture. Both can be written down by hand
(`denoised`, `estimated`). The autoencoder knows pictures with a dark or a bright left and right half. The
generator makes patterns out of three numbers, and its encoder is fitted to them in closed form.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from genrestore.models import NETWORKS
from genrestore.models.autoencoder import LOGISTIC

if TYPE_CHECKING:
    from genrestore.weights.header import Header

DENOISER: dict[str, Any] = {"channels": 3, "widths": [25, 16], "blocks": [1, 1]}
ESTIMATOR: dict[str, Any] = {"channels": 3, "width": 4, "blocks": 1}
AUTOENCODER: dict[str, Any] = {"size": 28, "channels": 1, "latent": 2, "width": 4, "hidden": 2}
RESTORER: dict[str, Any] = {"size": 28, "channels": 1, "latent": 2, "width": 4}
GENERATOR: dict[str, Any] = {"latent": 3, "channels": 1, "size": 28, "width": 2}
ESTIMATE = 12 / 255
"""What the tiny estimator says of half brightness, on the [0, 1] scale."""
BRIGHTER = 4.0
"""Times the noise level of black that it says of white."""


def block_means(image: Any) -> Any:
    """The mean of every 2×2 block in the place of its pixels; [..., height, width] with even sides."""
    *front, height, width = np.shape(image)
    blocks = np.asarray(image, np.float64).reshape(*front, height // 2, 2, width // 2, 2)
    return blocks.mean((-3, -1)).repeat(2, -2).repeat(2, -1)


def denoised(image: Any, noise_level: Any) -> Any:
    """What the tiny denoiser makes of an image: its blocks' means, and details beyond the noise level.

        D(y, σ) = m + d − clip(d, −σ̄, σ̄),     d = y − m

    Args:
        image: y, [..., channel, height, width] with even sides, on any scale.
        noise_level: σ on the same scale: a number, or a map [..., 1, height, width] of which each block has
            its mean σ̄.
    """
    means = block_means(image)
    level = block_means(np.broadcast_to(noise_level, np.shape(image)))
    return image - np.clip(image - means, -level, level)


def estimated(brightness: Any) -> Any:
    """σ on the [0, 1] scale that the tiny estimator says of a brightness in [0, 1]."""
    return ESTIMATE * BRIGHTER ** (np.asarray(brightness) - 0.5)


def shrinking_denoiser() -> nn.Module:
    """A residual U-Net that makes `denoised` of a picture [batch, 3, height, width].

    With clip(d, −σ, σ) = max(0, d + σ) − max(0, d − σ) − σ, whose rectifiers a residual block has.
    """
    network: Any = NETWORKS["residual-unet"](**DENOISER)
    block, level, details, clipped = network.down[0][0], 12, range(12), 13
    told = network.head.in_channels - 12  # folded planes of noise levels, after those of the picture
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.head.weight[level, 12:, 1, 1] = 1 / told
        for plane in details:
            colour = plane // 4 * 4
            network.head.weight[plane, colour : colour + 4, 1, 1] = -0.25
            network.head.weight[plane, plane, 1, 1] = 0.75
            for hidden, sign in ((plane, 1), (12 + plane, -1)):
                block.first.weight[hidden, plane, 1, 1] = 1.0
                block.first.weight[hidden, level, 1, 1] = sign
                block.second.weight[clipped + plane, hidden, 1, 1] = sign
            network.tail.weight[plane, clipped + plane, 1, 1] = 1.0
            network.tail.weight[plane, level, 1, 1] = -1.0
    return network.eval()


def listening_estimator() -> nn.Module:
    """A noise estimator that says `estimated` of every 8×8 pixels' mean, of [batch, 3, height, width]."""
    network: Any = NETWORKS["noise-estimator"](**ESTIMATOR)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.head.weight[0, :, 1, 1] = 1 / 12
        network.shrink.weight[0, 0, 1:, 1:] = 1 / 4
        network.tail.weight[:, 0, 1:, 1:] = math.log(BRIGHTER) / 4
        network.tail.bias.fill_(math.log(estimated(0.0)))
    return network.eval()


def block_autoencoder() -> nn.Module:
    """An autoencoder whose latent is the brightness of an image's left and right half, 28×28 grey.

    E(x) = sigmoid(12 (mean − ½)) of each half; G(z) is bright on the halves whose coordinate is above ½.
    """
    network: Any = NETWORKS["autoencoder"](**AUTOENCODER)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        shrink, grow = network.shrink, network.grow
        shrink[0][1].weight[0, :4, 1, 1] = 0.25  # the mean of 2×2 pixels on the scale from −1 to 1
        shrink[0][1].bias[0] = 1.0  # above 0, so that it passes the rectifier
        shrink[1][1].weight[0, :4, 1, 1] = 0.25
        for half, columns in enumerate((slice(0, 3), slice(4, 7))):
            place = torch.zeros(8, 7, 7)
            place[0, :, columns] = 1 / 21
            network.to_latent[0].weight[half] = place.flatten()
            network.to_latent[2].weight[half, half] = 6.0
            network.to_latent[2].bias[half] = -6.0
            network.from_latent[0].weight[half, half] = 1.0
            network.from_latent[0].bias[half] = 1.0
            network.from_latent[2].weight[:, half] = 21 * place.flatten()
        network.from_latent[2].bias[:] = -1.0
        grow[0][1].weight[:4, 0, 1, 1] = 1.0
        grow[1][1].weight[:4, 0, 1, 1] = 6.0
    return network.eval()


def block_restorer(**arguments: Any) -> nn.Module:
    """A restorer that says of an image what `block_autoencoder` says, and takes the decoder's word for it."""
    network: Any = NETWORKS["restorer"](**RESTORER | arguments)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.head.weight[0, :4, 1, 1] = 0.25
        network.head.bias[0] = 1.0  # twice the mean of 2×2 pixels
        network.down[0][3].weight[0, :4, 1, 1] = 0.25
        network.squeeze.weight[0, 0] = 1.0
        for half, columns in enumerate((slice(0, 3), slice(4, 7))):
            place = torch.zeros(16, 7, 7)
            place[0, :, columns] = 1 / 21
            network.to_latent.weight[half] = 6 / LOGISTIC * place.flatten()
            network.to_latent.bias[half] = -6 / LOGISTIC
        for plane in range(4):
            network.mix.weight[plane, 4 + plane, 1, 1] = 1.0
            network.mix.bias[plane] = 1.0  # twice what the decoder made
            network.tail[3].weight[plane, plane, 1, 1] = 0.5
    return network.eval()


def save_autoencoder(
    folder: Path,
    name: str = "halves",
    latent: torch.Tensor | None = None,
    restorer: dict[str, Any] | None = None,
) -> Path:
    """Write the tiny autoencoder as a weights file; gives its path.

    Args:
        folder: Where.
        name: Of the file.
        latent: Latents [image, 2] of the class, which it is measured on.
        restorer: Arguments that its restorer has different; None: it has none.
    """
    from genrestore.weights.header import Header, NetworkSpec

    networks: dict[str, Any] = {"autoencoder": block_autoencoder()}
    specs = {"autoencoder": NetworkSpec("autoencoder", AUTOENCODER)}
    if restorer is not None:
        networks["restorer"] = block_restorer(**restorer)
        specs["restorer"] = NetworkSpec("restorer", RESTORER | restorer)
    header = Header(
        kind="autoencoder",
        networks=specs,
        channels=1,
        size=28,
        training={"steps": 0, "error_99": 0.05},
        data="none; written by hand",
        licence="CC0-1.0",
        source="tests/tiny.py",
        version="0",
    )
    if latent is not None:
        networks["autoencoder"].measure(latent)
    return _save(folder / f"{name}.safetensors", header, networks)


def random_generator(arguments: dict[str, Any] = GENERATOR) -> nn.Module:
    """A generator with random weights, its layers scaled so that its images have contrast."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        network: Any = NETWORKS["dcgan-generator"](**arguments)
        latents = torch.randn(256, arguments["latent"])
        with torch.no_grad():
            network.train()
            for layer in network.layers:
                if isinstance(layer, nn.ConvTranspose2d):
                    layer.weight.normal_(0, 1 / (2 * layer.in_channels**0.5))
                elif isinstance(layer, nn.BatchNorm2d):
                    layer.momentum = None  # its means are those of the one batch that comes
            network(latents)
    return network.eval().requires_grad_(False)


def fitted_encoder(generator: Any, arguments: dict[str, Any] = GENERATOR) -> nn.Module:
    """Random layers, and a last one that gives the generator's latents with the least squared error."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(6)
        network: Any = NETWORKS["latent-encoder"](**arguments)
        latents = torch.randn(512, arguments["latent"])
        with torch.no_grad():
            images = generator(latents)
            *before, last = network.layers
            features = 2 * images - 1
            for layer in before:
                if isinstance(layer, nn.Conv2d):
                    layer.weight.normal_(0, 1 / (layer.in_channels * 16) ** 0.5)
                elif isinstance(layer, nn.BatchNorm2d):
                    layer.momentum = None
                features = layer.train()(features)
            flat = torch.cat([features.flatten(1), torch.ones(512, 1)], 1)
            fitted = torch.linalg.solve(flat.T @ flat + 0.1 * torch.eye(flat.shape[1]), flat.T @ latents)
            last.weight.copy_(fitted[:-1].T.reshape(last.weight.shape))
            last.bias.copy_(fitted[-1])
    return network.eval().requires_grad_(False)


def save_generator(folder: Path, name: str = "made") -> Path:
    """Write the tiny generator and its encoder as a weights file; gives its path."""
    from genrestore.weights.header import Header, NetworkSpec

    generator = random_generator()
    header = Header(
        kind="generator",
        networks={
            "generator": NetworkSpec("dcgan-generator", GENERATOR),
            "encoder": NetworkSpec("latent-encoder", GENERATOR),
        },
        channels=1,
        size=28,
        training={"steps": 0, "error_99": 0.05},
        data="none; random weights",
        licence="CC0-1.0",
        source="tests/tiny.py",
        version="0",
    )
    networks = {"generator": generator, "encoder": fitted_encoder(generator)}
    return _save(folder / f"{name}.safetensors", header, networks)


def save_denoiser(folder: Path, name: str = "tiny") -> Path:
    """Write the tiny denoiser and estimator as one weights file of kind "denoiser"; gives its path."""
    from genrestore.weights.header import Header, NetworkSpec

    header = Header(
        kind="denoiser",
        networks={
            "denoiser": NetworkSpec("residual-unet", DENOISER),
            "estimator": NetworkSpec("noise-estimator", ESTIMATOR),
        },
        channels=3,
        size=None,
        training={"steps": 0},
        data="none; written by hand",
        licence="CC0-1.0",
        source="tests/tiny.py",
        version="0",
    )
    networks = {"denoiser": shrinking_denoiser(), "estimator": listening_estimator()}
    return _save(folder / f"{name}.safetensors", header, networks)


def save_inpainter(folder: Path, name: str = "tiny") -> Path:
    """Write the tiny denoiser as a weights file of kind "inpainter"; gives its path.

    It fills a hole with about the means of every 2×2 block of what a pyramid fills it with.
    """
    from genrestore.weights.header import Header, NetworkSpec

    header = Header(
        kind="inpainter",
        networks={"denoiser": NetworkSpec("residual-unet", DENOISER)},
        channels=3,
        size=None,
        training={"steps": 0},
        data="none; written by hand",
        licence="CC0-1.0",
        source="tests/tiny.py",
        version="0",
    )
    return _save(folder / f"{name}.safetensors", header, {"denoiser": shrinking_denoiser()})


def save_finder(folder: Path, name: str = "tiny-marks", *, hot: bool = False) -> Path:
    """Write weights of kind "finder" to which black is dust and white a scratch; gives their path.

    With `hot` black is as likely a hot pixel.
    """
    from genrestore.weights.header import MARKS, Header, NetworkSpec

    arguments: dict[str, Any] = {"kinds": list(MARKS), "widths": [16], "blocks": [1]}
    network: Any = NETWORKS["mark-finder"](**arguments)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        for pixel in range(4):
            network.unet.head.weight[pixel, 12 + pixel, 1, 1] = 1.0  # the brightness
            kinds = (-80.0, 0.1), (80.0, 0.9), (-80.0, 0.1) if hot else (0.0, 0.0)
            for plane, (slope, at) in enumerate(kinds):
                network.unet.tail.weight[4 * plane + pixel, pixel, 1, 1] = slope
                network.unet.tail.bias[4 * plane + pixel] = -slope * at if slope else -20.0
    header = Header(
        kind="finder",
        networks={"finder": NetworkSpec("mark-finder", arguments)},
        channels=3,
        size=None,
        training={"steps": 0},
        data="none; written by hand",
        licence="CC0-1.0",
        source="tests/tiny.py",
        version="0",
    )
    return _save(folder / f"{name}.safetensors", header, {"finder": network.eval()})


def _save(path: Path, header: Header, networks: dict[str, nn.Module]) -> Path:
    from genrestore.weights.store import save

    tensors = {
        f"{part}.{key}": tensor
        for part, network in networks.items()
        for key, tensor in network.state_dict().items()
    }
    save(path, header, tensors, overwrite=True)
    return path
