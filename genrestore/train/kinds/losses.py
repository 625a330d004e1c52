"""Losses and scores, one formula a function; every loss is a mean, whatever the batch size."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from genrestore.study.coverage import sliced_distance

LEAST_ERROR = 1e-10
"""Mean squared error that counts as none: 100 dB."""
COARSEST = 14
"""Pixels: the side at which whole images are compared."""
PATCH = 7
PATCHES = 32
"""Drawn from every image at every scale."""


def absolute(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean absolute error |x̂ − x|, a scalar; for denoising it beats the square (Zhao et al., 2017)."""
    return (estimate - clean).abs().mean()


def root_mean_square(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean over the samples of the root of each one's mean squared error, a scalar.

    Inside a picture it weighs errors as PSNR does; between pictures it weighs them as `absolute` does, so
    that strong noise does not drown the rest, as it would in a mean of squares.
    """
    return ((estimate - clean).square().flatten(1).mean(1) + 1e-8).sqrt().mean()


def mean_square(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error (x̂ − x)², a scalar."""
    return (estimate - clean).square().mean()


def log_mean_square(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean over the samples of ½ log(mean (x̂ − x)² + ε²), ε a grey level of 8 bits, a scalar.

    A decibel counts as much in a picture of little noise as in one of much, down to about ε: −PSNR of each
    sample but for ε and a factor (Chen et al., "HINet", 2021, equation 5, have it as a loss).
    """
    return ((estimate - clean).square().flatten(1).mean(1) + 1 / 255**2).log().mean() / 2


RECONSTRUCTION = {
    "absolute": absolute,
    "root-mean-square": root_mean_square,
    "mean-square": mean_square,
    "log-mean-square": log_mean_square,
}
"""Distances of estimates [batch, channel, height, width], about [0, 1], from clean pictures, by name."""


def errors(estimate: Tensor, clean: Tensor) -> Tensor:
    """Mean squared error of each image: [image, channel, height, width] twice to [image]."""
    return (estimate - clean).square().flatten(1).mean(1)


def percentile_99(errors: Tensor) -> float:
    """99th percentile of the root mean squared error of an image, from mean squared errors [image]."""
    return float(torch.quantile(errors.sqrt(), 0.99))


def mean_psnr(errors: Tensor) -> float:
    """Mean over the images of each one's PSNR, in dB at a peak of 1, from mean squared errors [image]."""
    return float((-10 * errors.clamp(min=LEAST_ERROR).log10()).mean())


def psnr(estimate: Tensor, clean: Tensor) -> float:
    """PSNR in dB of one picture in [0, 1] against another of the same shape."""
    error = (estimate - clean.to(estimate.device)).square().mean()
    return -10 * math.log10(max(float(error), LEAST_ERROR))


def relative_level(log_estimate: Tensor, log_level: Tensor, quantile: Tensor) -> Tensor:
    """Twice the pinball loss of a noise level's logarithm: the same for 10 % off at every level.

        2 · max(q d, (q − 1) d),     d = log σ − log σ̂

    At q = ½ it is the mean absolute error. Above, too low a level costs more than too high a one: a denoiser
    that is given too low a level leaves the noise, which is the greater harm (Guo et al., CBDNet, 2019).
    Source: Koenker and Bassett, "Regression Quantiles", 1978.

    Args:
        log_estimate: Natural logarithm of σ, [batch, level, height, width].
        log_level: The true one, same shape.
        quantile: q of every sample, in (0, 1), [batch, 1 or level, 1, 1].

    Returns:
        A scalar.
    """
    missing = log_level - log_estimate
    return 2 * torch.maximum(quantile * missing, (quantile - 1) * missing).mean()


def logistic_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """−E log D(x) − E log(1 − D(G(z))), where D is the sigmoid of the logit.

    Source: Goodfellow et al., "Generative Adversarial Nets", 2014, equation 1.
    From logits [batch] to a scalar: 0 where it is right and certain, log 4 where it cannot tell.
    """
    return functional.softplus(-real).mean() + functional.softplus(fake).mean()


def non_saturating_generator(fake: Tensor) -> Tensor:
    """−E log D(G(z)): strong where the discriminator is certain.

    Source: Goodfellow et al., 2014, section 3.
    From logits [batch] of made images to a scalar.
    """
    return functional.softplus(-fake).mean()


def saturating_generator(fake: Tensor) -> Tensor:
    """+E log(1 − D(G(z))): below 0, and flat where the discriminator is certain.

    Source: Goodfellow et al., 2014, equation 1.
    From logits [batch] of made images to a scalar.
    """
    return -functional.softplus(fake).mean()


def least_squares_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """½ E(D(x) − 1)² + ½ E D(G(z))², where D is the logit itself.

    Source: Mao et al., "Least Squares Generative Adversarial Networks", 2017, equation 9.
    From logits [batch] to a scalar: 0 where it is right and certain, ¼ where it cannot tell.
    """
    return 0.5 * (real - 1).square().mean() + 0.5 * fake.square().mean()


def least_squares_generator(fake: Tensor) -> Tensor:
    """½ E(D(G(z)) − 1)², where D is the logit itself.

    Source: Mao et al., 2017, equation 9.
    From logits [batch] of made images to a scalar.
    """
    return 0.5 * (fake - 1).square().mean()


def hinge_discriminator(real: Tensor, fake: Tensor) -> Tensor:
    """E max(0, 1 − D(x)) + E max(0, 1 + D(G(z))), where D is the logit itself.

    Source: Lim and Ye, "Geometric GAN", 2017.
    From logits [batch] to a scalar: 0 where it is right and certain, 2 where it cannot tell.
    """
    return functional.relu(1 - real).mean() + functional.relu(1 + fake).mean()


def hinge_generator(fake: Tensor) -> Tensor:
    """−E D(G(z)), where D is the logit itself.

    Source: Lim and Ye, 2017.
    From logits [batch] of made images to a scalar.
    """
    return -fake.mean()


class Adversarial(NamedTuple):
    """Losses of the two players.

    Attributes:
        discriminator: Logits of real and of made images to a scalar; 0 where it is right and certain.
        generator: Logits of made images to a scalar.
    """

    discriminator: Callable[[Tensor, Tensor], Tensor]
    generator: Callable[[Tensor], Tensor]


ADVERSARIAL = {
    "non-saturating": Adversarial(logistic_discriminator, non_saturating_generator),
    "saturating": Adversarial(logistic_discriminator, saturating_generator),
    "l2": Adversarial(least_squares_discriminator, least_squares_generator),
    "hinge": Adversarial(hinge_discriminator, hinge_generator),
}


def gradient_penalty(logits: Tensor, images: Tensor) -> Tensor:
    """R1: E ‖∇_x D(x)‖² at real images x.

    Source: Mescheder et al., "Which Training Methods for GANs do actually Converge?", 2018, equation 9.

    Args:
        logits: D(x), [batch].
        images: x, [batch, channel, height, width]; the logits were computed from them with gradients.

    Returns:
        A scalar that can be differentiated by the discriminator's weights.
    """
    (gradient,) = torch.autograd.grad(logits.sum(), images, create_graph=True)
    return gradient.square().flatten(1).sum(1).mean()


def multi_scale_wasserstein(fake: Tensor, real: Tensor, draws: torch.Generator) -> Tensor:
    """Sliced Wasserstein distance between two sets of images: of their patches at every scale, and as wholes.

    The root mean square over the scales of a Laplacian pyramid, where patches tell sharpness and texture, and
    of the whole images, scaled down, where poses and classes that are missing show. Of real images against
    other real ones it is small, but not 0.
    Source: Karras et al., "Progressive Growing of GANs", 2018, section 5; patches are not normalised here.

    From [images, channel, size, size] in [0, 1] twice to a scalar in units of [0, 1]; `draws` gives places
    and directions.
    """
    squares = []
    while fake.shape[-1] >= 2 * PATCH:
        coarse = [functional.avg_pool2d(images, 2) for images in (fake, real)]
        if fake.shape[-1] // 2 < COARSEST:
            squares.append(sliced_distance(fake.flatten(1), real.flatten(1), draws))
        details = [
            images - functional.interpolate(small, scale_factor=2, mode="bilinear", align_corners=False)
            for images, small in zip((fake, real), coarse, strict=True)
        ]
        places = _places(details[0].shape, draws)
        first, second = (_patches(detail, places) for detail in details)
        squares.append(sliced_distance(first, second, draws))
        fake, real = coarse
    return torch.stack(squares).mean().sqrt()


def _places(shape: torch.Size, draws: torch.Generator) -> Tensor:
    """Corners of patches, rows and columns: [2, images, patches]."""
    reach = shape[-1] - PATCH + 1
    count = min(PATCHES, math.ceil(reach**2 / 2))
    return torch.randint(0, reach, (2, shape[0], count), generator=draws)


def _patches(images: Tensor, places: Tensor) -> Tensor:
    """Squares of the images at these places: [images · patches, channel · side²]."""
    rows, columns = (start[..., None] + torch.arange(PATCH) for start in places)
    each = torch.arange(len(images))[:, None, None, None]
    squares = images.permute(0, 2, 3, 1)[each, rows[..., :, None], columns[..., None, :]]
    return squares.flatten(2).flatten(0, 1)
