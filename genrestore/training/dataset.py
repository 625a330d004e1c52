"""Folders of images, of any size and format, kept in memory as bytes."""

from __future__ import annotations

import bisect
import hashlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from genrestore.errors import NoInputError, UsageError

MAX_BYTES = 8 * 2**30
"""Memory that the decoded images of one training may take."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Folder:
    """A folder of training images and how often its images are drawn.

    Attributes:
        path: Searched with its sub-folders.
        weight: Share of the draws, relative to the other folders; None for its share of the pixels.
    """

    path: Path
    weight: float | None = None

    @classmethod
    def parse(cls, words: str) -> Folder:
        """Read FOLDER or FOLDER:WEIGHT, as `--data` has it; a folder of that very name comes first.

        Raises:
            UsageError: The weight is not a number above 0.
        """
        path, colon, weight = words.rpartition(":")
        if not colon or Path(words).expanduser().exists() or "/" in weight:
            return cls(Path(words).expanduser())
        try:
            value = float(weight)
        except ValueError:
            return cls(Path(words).expanduser())
        if not 0 < value < math.inf:
            raise UsageError(f"--data {words}: the weight after the colon must be a number above 0")
        return cls(Path(path).expanduser(), value)


@dataclass(frozen=True)
class ImageSet:
    """Images in memory.

    Attributes:
        images: RGB, each [height, width, 3], uint8.
        paths: Where each came from.
        weights: How often each is drawn, relative to the others.
        broken: Files with an image's name that could not be read, with the reason.
    """

    images: tuple[Pixels, ...]
    paths: tuple[Path, ...]
    weights: tuple[float, ...]
    broken: tuple[tuple[Path, str], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "_sums", list(accumulate(self.weights)))

    def __len__(self) -> int:
        return len(self.images)

    @property
    def pixels(self) -> int:
        """Pixels of all images together."""
        return sum(image.shape[0] * image.shape[1] for image in self.images)

    @property
    def sha256(self) -> str:
        """Of all pixels in order: two sets that train alike have the same."""
        digest = hashlib.sha256()
        for image, weight in zip(self.images, self.weights, strict=True):
            digest.update(repr((image.shape, weight)).encode())
            digest.update(np.ascontiguousarray(image).data)
        return digest.hexdigest()

    def draw(self, generator: torch.Generator) -> int:
        """Index of a random image, by weight."""
        sums: list[float] = self._sums  # type: ignore[attr-defined]
        position = float(torch.rand((), generator=generator, dtype=torch.float64)) * sums[-1]
        return min(bisect.bisect_right(sums, position), len(sums) - 1)

    def patch(self, generator: torch.Generator, size: int) -> Tensor:
        """A random crop of a random image, flipped and turned by quarter turns at random.

        Args:
            generator: Source of every random draw.
            size: Side in pixels; an image that is smaller is continued by reflection.

        Returns:
            [3, size, size] in [0, 1].
        """
        image = at_least(self.images[self.draw(generator)], size)
        top, left = _below(image.shape[0] - size + 1, generator), _below(image.shape[1] - size + 1, generator)
        crop = np.rot90(image[top : top + size, left : left + size], _below(4, generator))
        if _below(2, generator):
            crop = crop[:, ::-1]
        return torch.from_numpy(np.ascontiguousarray(crop.transpose(2, 0, 1))).float() / 255

    def split(self, every: int) -> tuple[ImageSet, ImageSet]:
        """Keep every `every`-th image out of training.

        Returns:
            The images to train on, and the ones kept out (the last of each `every`).
        """
        kept = [index for index in range(len(self)) if (index + 1) % every]
        out = [index for index in range(len(self)) if (index + 1) % every == 0]
        return self.select(kept), self.select(out)

    def select(self, indices: Sequence[int]) -> ImageSet:
        """The images of these indices."""
        return replace(
            self,
            images=tuple(self.images[index] for index in indices),
            paths=tuple(self.paths[index] for index in indices),
            weights=tuple(self.weights[index] for index in indices),
        )


def sample_generator(seed: int, step: int, index: int) -> torch.Generator:
    """The random generator of one sample: the same whoever asks for it, and whenever."""
    return torch.Generator().manual_seed(mix(seed, step, index))


def mix(*numbers: int) -> int:
    """One 63-bit seed from several numbers, so that neighbours have nothing in common."""
    words = ",".join(map(str, numbers)).encode()
    return int.from_bytes(hashlib.blake2b(words, digest_size=8).digest(), "little") >> 1


def load_images(folders: Sequence[Folder], *, max_side: int | None = None) -> ImageSet:
    """Read every image of the folders and their sub-folders, in the order of their paths.

    Args:
        folders: Where to look, and how often to draw from each.
        max_side: Images with a longer side are halved until they fit, in pixels.

    Returns:
        RGB images; files that could not be read are in `broken`. Within a folder an image is drawn
        as often as its pixels are many, so that every patch of the folder is equally likely.

    Raises:
        UsageError: A folder is missing, or the images do not fit in memory.
        NoInputError: No image was found.
    """
    images: list[Pixels] = []
    paths: list[Path] = []
    weights: list[float] = []
    broken: list[tuple[Path, str]] = []
    for folder in folders:
        read = _read_folder(folder.path, max_side, MAX_BYTES - sum(image.nbytes for image in images))
        good = [(path, image) for path, image in read if not isinstance(image, str)]
        broken += [(path, image) for path, image in read if isinstance(image, str)]
        total = sum(image.size for _, image in good)
        for path, image in good:
            images.append(image)
            paths.append(path)
            weights.append(image.size * (1.0 if folder.weight is None else folder.weight / total))
    if any(folder.weight is None for folder in folders) and any(folder.weight for folder in folders):
        raise UsageError("--data: give every folder a weight (FOLDER:WEIGHT), or none")
    if not images:
        named = ", ".join(str(folder.path) for folder in folders)
        raise NoInputError(f"--data {named}: no readable image found ({len(broken)} broken)")
    return ImageSet(tuple(images), tuple(paths), tuple(weights), tuple(broken))


def _read_folder(folder: Path, max_side: int | None, max_bytes: int) -> list[tuple[Path, Pixels | str]]:
    if not folder.is_dir():
        raise UsageError(f"--data {folder}: not a folder")
    suffixes = Image.registered_extensions()
    paths = sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in suffixes and _is_visible_file(path, folder)
    )
    found: list[tuple[Path, Pixels | str]] = []
    used = 0
    with ThreadPoolExecutor() as pool:
        for path, image in zip(paths, pool.map(lambda path: _read(path, max_side), paths), strict=True):
            used += 0 if isinstance(image, str) else image.nbytes
            if used > max_bytes:
                pool.shutdown(wait=False, cancel_futures=True)
                raise UsageError(
                    f"--data {folder}: the images take more than {MAX_BYTES / 2**30:.0f} GiB of memory; "
                    "shrink them with --max-side"
                )
            found.append((path, image))
    return found


def _is_visible_file(path: Path, folder: Path) -> bool:
    return path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)


def _read(path: Path, max_side: int | None) -> Pixels | str:
    """An image [height, width, 3], or why it cannot be read."""
    try:
        with Image.open(path) as image:
            turned = ImageOps.exif_transpose(image)
            if turned.mode.startswith("I"):
                grey = np.clip(np.asarray(turned, dtype=np.float32) / 257, 0, 255)
                turned = Image.fromarray(np.round(grey).astype(np.uint8))
            turned = turned.convert("RGB")
            factor = math.ceil(max(turned.size) / max_side) if max_side else 1
            halvings = 2 ** math.ceil(math.log2(factor)) if factor > 1 else 1
            return np.asarray(turned.reduce(halvings) if halvings > 1 else turned)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return str(error) or type(error).__name__


def at_least(image: Pixels, size: int) -> Pixels:
    """An image [height, width, 3], continued by reflection until no side is below `size`."""
    height, width = image.shape[:2]
    if height >= size and width >= size:
        return image
    return np.pad(image, ((0, max(0, size - height)), (0, max(0, size - width)), (0, 0)), mode="reflect")


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))
