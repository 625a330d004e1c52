"""Networks only: no files, no searches, no weights."""

from __future__ import annotations

from torch import nn

from genrestore.models.autoencoder import Autoencoder
from genrestore.models.dcgan import Discriminator, Generator, LatentEncoder
from genrestore.models.denoiser import NoiseEstimator, ResidualUNet
from genrestore.models.mark_finder import MarkFinder
from genrestore.models.restorer import Restorer

NETWORKS: dict[str, type[nn.Module]] = {
    "autoencoder": Autoencoder,
    "dcgan-discriminator": Discriminator,
    "dcgan-generator": Generator,
    "latent-encoder": LatentEncoder,
    "residual-unet": ResidualUNet,
    "mark-finder": MarkFinder,
    "noise-estimator": NoiseEstimator,
    "restorer": Restorer,
}
"""Networks that a weights file may name, with their classes."""
