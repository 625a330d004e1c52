"""Kinds of training: their settings and the table of them; the networks and steps are a file each.

Needs no torch, so that the command line can make options of the settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from genrestore.errors import UsageError
from genrestore.settings import Settings
from genrestore.train.settings import HOLES, Kind, LoopSettings, Mixture, Recipe, learning, network, share

RECONSTRUCTION = ("absolute", "root-mean-square", "mean-square", "log-mean-square")
"""Keys of `losses.RECONSTRUCTION`."""
ADVERSARIAL = ("non-saturating", "saturating", "l2", "hinge")
"""Keys of `losses.ADVERSARIAL`."""
COVERAGES = (
    "none",
    "moments",
    "moments-with-mean",
    "moments-within",
    "kl-within",
    "kl-batch",
    "sliced-wasserstein",
    "mmd",
)
"""Keys of `study.coverage.COVERAGES`."""
AUGMENTATIONS = ("translate", "cut-out", "recolour")
"""Keys of `gan.AUGMENTATIONS`."""
SIZES = (28, 32, 64, 128)
"""Sides of images of one class, in pixels."""
MOST_STEPS, MOST_WIDTH = 10**9, 4096

reconstruction = partial(learning, choices=RECONSTRUCTION)
blocks = partial(network, help="Residual blocks at each scale.", unit="N,N,...", least=0)
count = partial(network, unit="N", least=1, most=MOST_WIDTH)
follows = partial(learning, unit="N", least=0, most=MOST_STEPS)
holes = partial(share, panel=HOLES)
image_size = partial(
    network,
    28,
    "Side of the images in pixels, which are cut to squares and scaled to it.",
    "|".join(map(str, SIZES)),
    choices=SIZES,
)
image_channels = partial(network, 1, "Grey (1) or RGB (3).", "1|3", choices=(1, 3))


@dataclass(frozen=True)
class UNetSettings(Settings):
    """Settings of trainings of a U-Net on patches of photographs."""

    patch_size: int = network(64, "Side of a training patch.", "PIXELS")
    widths: tuple[int, ...] = network(
        (64, 96, 160, 256), "Feature maps at each scale, finest first.", "N,N,...", least=1
    )
    blocks: tuple[int, ...] = blocks((2, 1, 1, 2))

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.patch_size < 16 or self.patch_size % 8:
            raise UsageError(f"--patch-size {self.patch_size}: must be a multiple of 8 and at least 16")
        if len(self.widths) != len(self.blocks):
            raise UsageError(
                f"--widths {list(self.widths)} and --blocks {list(self.blocks)} must have the same length"
            )


@dataclass(frozen=True)
class DenoiserSettings(UNetSettings):
    """Settings of a denoiser and its noise estimator.

    Attributes:
        estimator_width: Feature maps of the noise estimator at quarter resolution.
        estimated_share: Share of the samples of coloured noise whose noise level is the estimator's; of
            white ones a third of it.
        misled_share: Share of the samples of coloured noise whose noise level is jittered: one number, or
            one for luma and one for chroma, each with an error; of white ones half of it.
        mixture: Shares of the kinds of noise.
    """

    estimator_width: int = 48
    estimated_share: float = 0.4
    misled_share: float = 0.5
    loss: str = reconstruction("absolute", "Distance of a restored picture from the clean one.")
    only: str = learning(
        "",
        "Train the estimator of the noise level alone; start from weights.",
        choices=("estimator",),
    )
    mixture: Mixture = Mixture()


@dataclass(frozen=True)
class InpainterSettings(UNetSettings):
    """Settings of an inpainter."""

    patch_size: int = network(128, "Side of a training patch.", "PIXELS")
    blocks: tuple[int, ...] = blocks((4, 2, 1, 2))
    loss: str = reconstruction("root-mean-square", "Distance of a filled picture from the clean one.")
    scattered: float = holes(
        0.4, "Of the patches, how many miss single pixels; the others miss writing, scratches or blocks."
    )
    noisy: float = holes(0.15, "How many have noise on their known pixels.")
    grey: float = holes(0.3, "How many are turned to grey.")
    again: float = holes(0.6, "How many are seen with an estimate in their holes, as when asked again.")


@dataclass(frozen=True)
class FinderSettings(UNetSettings):
    """Settings of a finder of marks."""

    patch_size: int = network(128, "Side of a training patch.", "PIXELS")
    widths: tuple[int, ...] = network(
        (24, 32, 48, 64), "Feature maps at each scale, finest first.", "N,N,...", least=1
    )
    blocks: tuple[int, ...] = blocks((2, 2, 3, 3))
    marked: float = holes(0.7, "Of the patches, how many have marks.")
    sensor: float = holes(0.0, "How many a camera took, whose sensor has stuck pixels for marks.")
    noisy: float = holes(0.6, "How many of the others are noisy.")
    grey: float = holes(0.2, "How many are turned to grey.")
    soft: float = holes(0.3, "How many are not sharp to the pixel, as scans are.")
    coded: float = holes(0.3, "How many went through JPEG.")


@dataclass(frozen=True)
class AutoencoderSettings(Settings):
    """Settings of an autoencoder, and how long its restorer is trained."""

    loss: str = reconstruction("root-mean-square", "Distance of a reconstruction from its image.")
    cover: str = learning(
        "mmd",
        "Loss that makes the latents cover all of [0, 1] evenly; none leaves them alone.",
        choices=COVERAGES,
    )
    cover_weight: float = learning(1.5, "Loss = reconstruction + X times coverage.", "X", least=0, most=1e6)
    hidden_norm: bool = network(
        True,
        "With --cover: bring the encoder's hidden layer to a mean square of 1.",
        names=("--hidden-norm/--no-hidden-norm",),
    )
    outliers: float = share(
        0.5,
        "Out-of-class images (noise, negatives, shapes) beside those of a batch, as a share of it: with "
        "--cover their latents are drawn to the others.",
        panel="Learning",
    )
    restorer_steps: int = follows(
        3000,
        "Updates of the restorer of damaged images that is trained after the autoencoder; 0: no restorer.",
    )
    size: int = image_size()
    channels: int = image_channels()
    latent_dim: int = count(10, "Numbers in the latent of an image.")
    width: int = count(24, "Feature maps at half the size; more at the coarser scales.")
    hidden: int = count(192, "Numbers in the hidden layers beside the latent.")
    restorer_width: int = count(
        24, "Feature maps of the restorer at half the size; more at the coarser scales."
    )


@dataclass(frozen=True)
class RestorerSettings(Settings):
    """Settings of a restorer: its feature maps at half the size of the images."""

    width: int = 24


@dataclass(frozen=True)
class GanSettings(Settings):
    """Settings of a generator and its discriminator, and how long its encoder is trained."""

    loss: str = learning("non-saturating", "Objective of the two networks.", choices=ADVERSARIAL)
    d_steps: int = learning(
        1, "Updates of the discriminator for each of the generator.", "N", least=1, most=100
    )
    d_rate: float = learning(
        1.0, "The discriminator's learning rate, as a multiple of the generator's.", "X", least=1e-3, most=1e3
    )
    d_norm: str = learning("batch", "The discriminator's normalisation.", choices=("batch", "spectral"))
    d_deeper: bool = learning(
        True,
        "Halve once more in the discriminator than the generator doubles: it sees more.",
        names=("--d-deeper/--no-d-deeper",),
    )
    r1: float = learning(
        0.0,
        "Gradient penalty R1: half of X times the discriminator's squared gradient at real images is added "
        "to its loss.",
        "X",
        least=0,
        most=1e6,
    )
    momentum: float = learning(0.5, "The first beta of AdamW.", "X", least=0, most=0.999)
    augment: tuple[str, ...] = learning(
        (),
        "Differentiable augmentation of real and made images before the discriminator, for small folders: "
        "translate, cut-out, recolour; repeatable.",
        "NAME",
        choices=AUGMENTATIONS,
    )
    mirror: bool = learning(
        False,
        "Mirror real images at random, as faces allow and digits do not.",
        names=("--mirror/--no-mirror",),
    )
    reconstruction: float = learning(
        0.0,
        "Weight of the squared error of real images through an encoder that learns beside the generator: "
        "its images come nearer to all of the data; 0: none.",
        "X",
        least=0,
        most=1e6,
    )
    encoder_steps: int = follows(
        3000, "Updates of the encoder that is trained after the generator; 0: no encoder."
    )
    size: int = image_size()
    channels: int = image_channels()
    latent_dim: int = count(100, "Numbers in the latent of an image.")
    width: int = count(64, "Feature maps at half the size; more at the coarser scales.")
    encoder_width: int = count(
        32, "Feature maps of the encoder at half the size; more at the coarser scales."
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.reconstruction and not self.encoder_steps:
            raise UsageError(
                f"--reconstruction {self.reconstruction:g} with --encoder-steps 0: the encoder that learns "
                "beside the generator finds no latent's length; --encoder-steps teaches it that"
            )


@dataclass(frozen=True)
class EncoderSettings(Settings):
    """Settings of an encoder: its feature maps are multiples of the width."""

    width: int = 32


RESTORER = Kind(
    "restorer",
    "a restorer",
    RestorerSettings(),
    f"{__name__}.restorer:RestorerTraining",
    own={"learning_rate": 3e-3, "cooldown": 0.8, "optimiser": "muon", "ema_decay": 0.99},
)
ENCODER = Kind(
    "encoder",
    "an encoder",
    EncoderSettings(),
    f"{__name__}.encoder:EncoderTraining",
    own={
        "learning_rate": 1e-3,
        "cooldown": 0.5,
        "optimiser": "adamw",
        "weight_decay": 0.0,
        "ema_decay": 0.999,
    },
)
"""Trainings that follow others."""


def _celeba(given: Mapping[str, Any]) -> dict[str, Any]:
    """The report's images where they are CelebA's: 64×64 in colour."""
    named = {str(words).partition(":")[0] for words in given.get("data", ())}
    return {"size": 64, "channels": 3} if "celeba" in named else {}


def _autoencoder_report(given: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """Epochs and settings of the report's autoencoders.

    Its mean squared error is on [−1, 1], four times ours; 20 · 4 · error + coverage is error + coverage / 80
    but for a factor that Adam does not see.
    """
    cover = given.get("cover", "none")
    plain = cover == "none"
    loop = {"batch_size": 48, "schedule": "constant", "warmup": 0, "optimiser": "adamw", "ema_decay": 0.0}
    model = {"loss": "mean-square", "cover": cover, "cover_weight": 1 / 80}
    model |= {"outliers": 0.0, "hidden_norm": False}
    latent = {} if plain else {"latent_dim": 10}
    rate = {"learning_rate": 1e-3 if plain else 5e-4, "restorer_steps": 0}
    return 50 if plain else 100, {**loop, **model, **latent, **rate, **_celeba(given)}


def _gan_report(given: Mapping[str, Any]) -> tuple[float, dict[str, Any]]:
    """Epochs and settings of the report's generators."""
    loop = {"batch_size": 128, "learning_rate": 2e-4, "warmup": 0, "schedule": "constant"}
    average = {"optimiser": "adamw", "ema_decay": 0.0}
    discriminator = {"d_norm": "batch", "d_deeper": False, "d_rate": 1.0, "r1": 0.0}
    model = {"latent_dim": 100, "width": 64, "momentum": 0.5, "augment": (), "mirror": False}
    return 15, {**loop, **average, **discriminator, **model, **_celeba(given)}


OF_ONE_CLASS = LoopSettings(batch_size=64, schedule="trapezoid", validate_every=1000, sample_every=1000)
"""Common defaults of the loops of an autoencoder and a generator."""

KINDS = {
    "denoiser": Kind(
        "denoiser",
        "a denoiser, the prior for photographs of any size",
        DenoiserSettings(),
        f"{__name__}.denoiser:DenoiserTraining",
        without=("epochs",),
    ),
    "inpainter": Kind(
        "inpainter",
        "an inpainter, the prior for holes in photographs of any size",
        InpainterSettings(),
        f"{__name__}.inpainter:InpainterTraining",
        without=("epochs",),
    ),
    "finder": Kind(
        "finder",
        "a finder of dust, scratches and hot pixels on photographs of any size",
        FinderSettings(),
        f"{__name__}.finder:FinderTraining",
        without=("epochs",),
    ),
    "ae": Kind(
        "autoencoder",
        "an autoencoder, the prior for images of one class and one size",
        AutoencoderSettings(),
        f"{__name__}.autoencoder:AutoencoderTraining",
        replace(
            OF_ONE_CLASS,
            steps=8000,
            learning_rate=3e-3,
            warmup=100,
            cooldown=0.8,
            optimiser="muon",
            ema_decay=0.99,
        ),
        RESTORER,
        Recipe(
            "What is not said otherwise is as in a report on such priors: Adam, batches of 48, 50 epochs at "
            "0.001, or with --cover 100 epochs at 0.0005 and a latent of 10. It prints norms without squares "
            "and calls them mean squared errors on [-1, 1]; squares are what is taken.",
            _autoencoder_report,
        ),
        without=("max_side",),
    ),
    "gan": Kind(
        "generator",
        "a generator of images of one class and one size, against a discriminator",
        GanSettings(),
        f"{__name__}.gan:GanTraining",
        replace(OF_ONE_CLASS, steps=10_000, learning_rate=2e-4, warmup=0, cooldown=0.3),
        ENCODER,
        Recipe(
            "What is not said otherwise is as in a report on such priors: Adam at 0.0002 (beta 0.5), batches "
            "of 128, 15 epochs, width 64, latent 100, batch normalisation, no averaged weights.",
            _gan_report,
        ),
        without=("max_side",),
    ),
}
"""Command of `genrestore train` → kind of training."""
