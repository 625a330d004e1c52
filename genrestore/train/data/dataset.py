"""Folders of images, of any size and format, kept in memory as bytes."""

from __future__ import annotations

import bisect
import hashlib
import math
import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from genrestore.errors import InputError, NoInputError, UsageError
from genrestore.train.data import named
from genrestore.train.data.draws import mix

MAX_BYTES = 8 * 2**30
"""Memory that the decoded images of one training may take."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Reading:
    """Format that images are read into.

    Attributes:
        channels: 1 (grey) or 3 (RGB).
        size: Side in pixels: the middle square of every image, scaled to it; None keeps size and shape.
        max_side: Images with a longer side are halved until they fit, in pixels; None for no limit.
    """

    channels: int = 3
    size: int | None = None
    max_side: int | None = None


@dataclass(frozen=True)
class Folder:
    """A folder of images, or a named data set, and how often its images are drawn.

    Attributes:
        path: Searched with its sub-folders, which are the classes of their images.
        weight: Share of the draws, relative to the other folders; None for its share of the pixels.
        named: Whether the path is the name of a data set in `named.DATASETS`.
        option: How it was given, for messages.
    """

    path: Path
    weight: float | None = None
    named: bool = False
    option: str = "--data"

    @classmethod
    def parse(cls, words: str, option: str = "--data") -> Folder:
        """Read FOLDER or FOLDER:WEIGHT, as `--data` has it; a folder of that very name comes first.

        Convention: `mnist` is the data set, `./mnist` a folder.

        Raises:
            UsageError: The weight is not a number above 0.
        """
        path, colon, weight = words.rpartition(":")
        if words in named.DATASETS:
            return cls(Path(words), named=True, option=option)
        if not colon or Path(words).expanduser().exists() or "/" in weight:
            return cls(Path(words).expanduser(), option=option)
        try:
            value = float(weight)
        except ValueError:
            return cls(Path(words).expanduser(), option=option)
        if not 0 < value < math.inf:
            raise UsageError(f"{option} {words}: the weight after the colon must be a number above 0")
        return cls(Path(path).expanduser(), value, path in named.DATASETS, option)


@dataclass(frozen=True)
class ImageSet:
    """Images in memory.

    Attributes:
        images: Each [height, width, channel], uint8.
        paths: Where each came from.
        weights: How often each is drawn, relative to the others.
        broken: Files with an image's name that could not be read, with the reason.
        labels: The class of each image, an index into `classes`; empty where nothing tells classes apart.
        classes: Names of the classes.
    """

    images: tuple[Pixels, ...]
    paths: tuple[Path, ...]
    weights: tuple[float, ...]
    broken: tuple[tuple[Path, str], ...] = ()
    labels: tuple[int, ...] = ()
    classes: tuple[str, ...] = ()

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
        """Hash of all pixels in order: two sets that train alike have the same."""
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
        """Crop a random image, flipped and rotated at random: [channel, size, size] in [0, 1].

        An image that is smaller is continued by reflection.
        """
        image = at_least(self.images[self.draw(generator)], size)
        top, left = _below(image.shape[0] - size + 1, generator), _below(image.shape[1] - size + 1, generator)
        crop = np.rot90(image[top : top + size, left : left + size], _below(4, generator))
        if _below(2, generator):
            crop = crop[:, ::-1]
        return _to_tensor(crop)

    def whole(self, generator: torch.Generator) -> Tensor:
        """A random image as it is, [channel, height, width] in [0, 1]."""
        return _to_tensor(self.images[self.draw(generator)])

    def stack(self) -> Tensor:
        """Stack the images as one tensor [image, channel, height, width], uint8; they must be of one size."""
        return torch.from_numpy(np.stack(self.images).transpose(0, 3, 1, 2).copy())

    def split(self, every: int) -> tuple[ImageSet, ImageSet]:
        """Split into images to train on and images kept out, the last of each `every`."""
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
            labels=tuple(self.labels[index] for index in indices) if self.labels else (),
        )


class Epochs:
    """Images to train on, epoch after epoch without end: each is taken once an epoch, in a random order.

    Args:
        images: All of one size and number of channels.
        batch_size: Images a step.
        seed: Of the orders.

    Attributes:
        pixels: [images, channel, height, width], uint8.

    Raises:
        UsageError: Fewer images than a batch.
    """

    def __init__(self, images: ImageSet, batch_size: int, seed: int) -> None:
        if len(images) < batch_size:
            raise UsageError(
                f"--data: {len(images)} images to train on are fewer than a batch; "
                f"give more, or a --batch-size below {batch_size}"
            )
        self.pixels = images.stack()
        self._seed = seed

    def take(self, places: Iterable[int]) -> Tensor:
        """Images at places of all epochs in a row, [places, channel, height, width] in [0, 1]."""
        count = len(self.pixels)
        chosen = [_order(self._seed, place // count, count)[place % count] for place in places]
        return self.pixels[chosen].float() / 255


@lru_cache(maxsize=2)
def _order(seed: int, epoch: int, count: int) -> list[int]:
    """Order of the images in an epoch."""
    draws = torch.Generator().manual_seed(mix(seed, -2, epoch))
    order: list[int] = torch.randperm(count, generator=draws).tolist()
    return order


def load_images(
    folders: Sequence[Folder], reading: Reading | None = None, library: named.Library | None = None
) -> ImageSet:
    """Read every image of the folders and their sub-folders, in the order of their paths.

    Args:
        folders: Where to look, and how often to draw from each.
        reading: Channels and size; None for RGB of any size.
        library: Where named data sets are, and which part of them is wanted.

    Returns:
        The images; files that could not be read are in `broken`. Within a folder an image is drawn
        as often as its pixels are many, so that every patch of the folder is equally likely. They have
        classes where the images of every folder lie in sub-folders, or the data set has classes.

    Raises:
        UsageError: A folder or data set is missing, or the images do not fit in memory.
        NoInputError: No image was found in one of them.
    """
    reading, library = reading or Reading(), library or named.Library()
    if any(folder.weight is None for folder in folders) and any(folder.weight for folder in folders):
        raise UsageError(f"{folders[0].option}: give every folder a weight (FOLDER:WEIGHT), or none")
    found: list[_Found] = []
    broken: list[tuple[Path, str]] = []
    for folder in folders:
        room = MAX_BYTES - sum(one.image.nbytes for one in found)
        read = _read_named(folder, reading, library) if folder.named else _read_folder(folder, reading, room)
        good = [one for one in read if not isinstance(one.image, str)]
        unread = [(one.path, one.image) for one in read if isinstance(one.image, str)]
        if not good:
            why = f", such as {unread[0][0]}: {unread[0][1]}" if unread else ""
            raise NoInputError(
                f"{folder.option} {folder.path}: no readable image found ({len(unread)} broken{why})"
            )
        broken += unread
        total = sum(one.image.size for one in good)
        found += [
            replace(one, weight=one.image.size * (1.0 if folder.weight is None else folder.weight / total))
            for one in good
        ]
    labelled = all(one.label is not None for one in found)
    classes = sorted({str(one.label) for one in found}) if labelled else []
    places = {name: index for index, name in enumerate(classes)}
    return ImageSet(
        tuple(one.image for one in found),
        tuple(one.path for one in found),
        tuple(one.weight for one in found),
        tuple(broken),
        tuple(places[str(one.label)] for one in found) if labelled else (),
        tuple(classes),
    )


@dataclass(frozen=True)
class _Found:
    """An image [height, width, channel], or why it cannot be read; its class, if anything tells it."""

    path: Path
    image: Any
    label: str | None
    weight: float = 1.0


def _read_named(folder: Folder, reading: Reading, library: named.Library) -> list[_Found]:
    """The images of a data set of torchvision, scaled to the size that is asked for."""
    return [
        _Found(Path(f"{folder.path}/{index}"), _fit(image, reading), label)
        for index, (image, label) in enumerate(named.images(str(folder.path), library))
    ]


def _read_folder(folder: Folder, reading: Reading, max_bytes: int) -> list[_Found]:
    if not folder.path.is_dir():
        raise UsageError(f"{folder.option} {folder.path}: not a folder")
    paths, unread = _list(folder)
    found = [_Found(path, f"the folder cannot be read: {reason}", None) for path, reason in unread]
    used = 0
    with ThreadPoolExecutor() as pool:
        for path, image in zip(paths, pool.map(lambda path: _read(path, reading), paths), strict=True):
            used += 0 if isinstance(image, str) else image.nbytes
            if used > max_bytes:
                pool.shutdown(wait=False, cancel_futures=True)
                raise UsageError(
                    f"{folder.option} {folder.path}: images take more than {MAX_BYTES / 2**30:.0f} GiB of "
                    "memory; shrink them with --max-side"
                )
            inside = path.relative_to(folder.path).parts[:-1]
            found.append(_Found(path, image, inside[0] if inside else None))
    return found


def _list(folder: Folder) -> tuple[list[Path], list[tuple[Path, str]]]:
    """List the visible images below a folder, sorted, and the folders there that cannot be read, with why.

    Links to folders are followed, but into no folder twice.

    Raises:
        InputError: The folder itself cannot be read.
    """
    paths: list[Path] = []
    failed: list[OSError] = []
    suffixes, seen = Image.registered_extensions(), {os.path.realpath(folder.path)}
    for place, inside, names in os.walk(folder.path, onerror=failed.append, followlinks=True):
        shown = sorted((name for name in inside if not name.startswith(".")), reverse=True)
        real = {os.path.realpath(Path(place, name)): name for name in shown}
        inside[:] = sorted(name for path, name in real.items() if path not in seen)
        seen.update(real)
        visible = (Path(place, name) for name in names if not name.startswith("."))
        paths += [path for path in visible if path.suffix.lower() in suffixes and path.is_file()]
    unread = [(Path(error.filename), error.strerror or str(error)) for error in failed]
    for path, reason in unread:
        if path == folder.path:
            raise InputError(f"{folder.option} {path}: the folder cannot be read ({reason})")
    return sorted(paths), sorted(unread)


def _read(path: Path, reading: Reading) -> Pixels | str:
    """An image [height, width, channel], or why it cannot be read."""
    try:
        with Image.open(path) as image:
            return _fit(image, reading)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 decoders of damaged files raise what they like
        return str(error) or type(error).__name__


def read_image(path: Path, reading: Reading) -> Pixels:
    """One image, [height, width, channel].

    Raises:
        InputError: It cannot be read.
    """
    pixels = _read(path, reading)
    if isinstance(pixels, str):
        raise InputError(f"{path}: not read ({pixels})")
    return pixels


def _fit(image: Image.Image, reading: Reading) -> Pixels:
    """An opened image as [height, width, channel], upright, in the channels and size asked for."""
    upright = ImageOps.exif_transpose(image)
    if upright.mode == "F":
        raise ValueError("floating point, whose range nothing tells; convert it to 8 or 16 bits")
    if upright.mode.startswith("I"):
        grey = np.clip(np.asarray(upright, dtype=np.float32) / 257, 0, 255)
        upright = Image.fromarray(np.round(grey).astype(np.uint8))
    upright = upright.convert("L" if reading.channels == 1 else "RGB")
    factor = math.ceil(max(upright.size) / reading.max_side) if reading.max_side else 1
    halvings = 2 ** math.ceil(math.log2(factor)) if factor > 1 else 1
    if halvings > 1:
        upright = upright.reduce(halvings)
    if reading.size is not None and upright.size != (reading.size, reading.size):
        upright = ImageOps.fit(upright, (reading.size, reading.size), Image.Resampling.LANCZOS)
    pixels = np.asarray(upright)
    return pixels[..., None] if reading.channels == 1 else pixels


def at_least(image: Pixels, size: int) -> Pixels:
    """An image [height, width, channel], continued by reflection until no side is below `size`."""
    height, width = image.shape[:2]
    if height >= size and width >= size:
        return image
    return np.pad(image, ((0, max(0, size - height)), (0, max(0, size - width)), (0, 0)), mode="reflect")


def _to_tensor(image: Pixels) -> Tensor:
    return torch.from_numpy(image.transpose(2, 0, 1).copy()).float() / 255


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(limit, (), generator=generator))
