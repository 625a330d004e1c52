"""A rectangle of a picture, as the command line writes it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from genrestore.errors import InputError, UsageError

if TYPE_CHECKING:
    from genrestore.files.codecs.pixels import Array

MAX_PIXELS = 2**22
"""A larger part would make a sheet that no screen shows."""


@dataclass(frozen=True)
class Part:
    """A rectangle of the upright picture, in pixels.

    Attributes:
        x: Of its left edge, from 0.
        y: Of its upper edge, from 0.
        width: From 1.
        height: From 1.
    """

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def parse(cls, value: str, word: str = "--preview", largest: int | None = MAX_PIXELS) -> Part:
        """A rectangle as an option has it.

        Args:
            value: What was written.
            word: The option, for messages.
            largest: Pixels that it may have; None: any number.

        Raises:
            UsageError: Not x,y,width,height, of no size, or too large.
        """
        numbers = value.split(",")
        if len(numbers) != 4 or not all(re.fullmatch(r"\s*[0-9]{1,9}\s*", number) for number in numbers):
            raise UsageError(f"{word} {value}: must be x,y,width,height in pixels, such as 40,30,256,192")
        part = cls(*map(int, numbers))
        if part.width * part.height == 0:
            raise UsageError(f"{word} {value}: width and height must be at least 1 pixel")
        if largest is not None and part.width * part.height > largest:
            raise UsageError(
                f"{word} {value}: the part may have {largest} pixels, since it is shown "
                "once a strength; take a smaller one"
            )
        return part

    def __str__(self) -> str:
        return f"{self.x},{self.y},{self.width},{self.height}"

    @property
    def region(self) -> tuple[slice, slice]:
        """Its rows and columns."""
        return slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)

    def of(self, pixels: Array, word: str = "--preview") -> Array:
        """The part of a picture, [1, channel, height, width], as a view.

        Args:
            pixels: The picture.
            word: The option that named the part, for the message.

        Raises:
            InputError: It reaches outside the picture.
        """
        height, width = pixels.shape[-2:]
        if self.x + self.width > width or self.y + self.height > height:
            raise InputError(f"{word} {self} reaches outside the picture of {width} x {height} pixels")
        rows, columns = self.region
        return pixels[..., rows, columns]
