"""Data sets that are known by name: torchvision reads them, and gets them where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from PIL import Image

from genrestore.errors import InputError, UsageError
from genrestore.weights import store

Split = Literal["train", "test"]


@dataclass(frozen=True)
class Library:
    """Place of named data sets.

    Attributes:
        root: The folder that torchvision's data sets lie in, each in its own layout; None for `data` in the
            user's folder.
        split: The part to read.
        download: Get a data set that is not there, through the network.
    """

    root: Path | None = None
    split: Split = "train"
    download: bool = False

    @property
    def folder(self) -> Path:
        """The root, settled."""
        return store.home() / "data" if self.root is None else self.root


def images(name: str, library: Library) -> Iterator[tuple[Image.Image, str | None]]:
    """The images of a data set with their class, where it has classes.

    Args:
        name: A key of `DATASETS`.
        library: Where it is, and which part is wanted.

    Raises:
        UsageError: It is not there, and a download was not asked for.
        InputError: The download failed, or the files are damaged.
    """
    try:
        found = DATASETS[name](library)
        yield from found
    except MemoryError:
        raise
    except Exception as error:  # of files that are not what their names say it raises whatever comes
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        if library.download and isinstance(error, (RuntimeError, OSError)):
            raise InputError(f"--data {name}: cannot be had ({reason})") from error
        if isinstance(error, (RuntimeError, FileNotFoundError)):
            raise UsageError(
                f"--data {name}: not found in {library.folder} ({reason}); name its folder with "
                "--data-root, or get it with --download"
            ) from error
        raise InputError(
            f"--data {name}: its files in {library.folder} are damaged, or something else ({reason}); "
            "remove them, and get them with --download"
        ) from error


def _digits(dataset: Any) -> Callable[[Library], Iterator[tuple[Image.Image, str | None]]]:
    """A data set of MNIST's layout."""

    def read(library: Library) -> Iterator[tuple[Image.Image, str | None]]:
        import torchvision

        images = getattr(torchvision.datasets, dataset)(
            library.folder, train=library.split == "train", download=library.download
        )
        for pixels, label in zip(images.data.numpy(), images.targets.tolist(), strict=True):
            name = str(label) if dataset == "MNIST" else images.classes[label]
            yield Image.fromarray(pixels), name

    return read


def _celeba(library: Library) -> Iterator[tuple[Image.Image, str | None]]:
    """CelebA's aligned faces; attributes are no classes."""
    from torchvision.datasets import CelebA

    images = CelebA(library.folder, split=library.split, target_type=[], download=library.download)
    for image, _ in images:
        yield image, None


DATASETS: dict[str, Callable[[Library], Iterator[tuple[Image.Image, str | None]]]] = {
    "mnist": _digits("MNIST"),
    "fashion-mnist": _digits("FashionMNIST"),
    "celeba": _celeba,
}
"""Name, as `--data` takes it, and what reads it."""
