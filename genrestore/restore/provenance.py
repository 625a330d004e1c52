"""What a result says of how it was made. Needs no torch, so that what is done already can be told without."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from genrestore.restore.settings import DenoiseSettings
from genrestore.weights import store
from genrestore.weights.header import Header, read_header


def of_denoising(weights: str, settings: DenoiseSettings) -> dict[str, Any]:
    """What `Denoise` of these arguments makes its results say, as JSON values.

    Args:
        weights: A name in the store or a path; only its header is read.
        settings: What is asked for.

    Raises:
        WeightsError: The weights are missing, or their header cannot be read.
    """
    path = store.resolve(weights)
    return describe_denoising(path, read_header(path), settings)


def describe_denoising(path: Path, header: Header, settings: DenoiseSettings) -> dict[str, Any]:
    """`of_denoising` for weights whose header was read."""
    return {"weights": path.stem, "weights_sha256": header.sha256, **settings.provenance}


def of_inpainting(weights: str, noise_level: float, feather: int) -> dict[str, Any]:
    """What `Inpaint` of these arguments makes its results say, as JSON values.

    Args:
        weights: A name in the store or a path; only its header is read.
        noise_level: σ of the known pixels on the [0, 1] scale.
        feather: Pixels over which the result is blended in.

    Raises:
        WeightsError: The weights are missing, or their header cannot be read.
    """
    path = store.resolve(weights)
    return describe_inpainting(path, read_header(path), noise_level, feather)


def describe_inpainting(path: Path, header: Header, noise_level: float, feather: int) -> dict[str, Any]:
    """`of_inpainting` for weights whose header was read; sigma is in 8-bit grey levels."""
    return {
        "weights": path.stem,
        "weights_sha256": header.sha256,
        "sigma": round(noise_level * 255, 4),
        "feather": feather,
    }


def of_untrained(steps: int, strength: float = 1.0, feather: int = 0) -> dict[str, Any]:
    """What `Untrained` of these arguments makes its results say, as JSON values."""
    return {"prior": "dip", "steps": steps, "strength": strength, "feather": feather}
