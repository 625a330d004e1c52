"""Small JPEGs of pictures for a page: thumbnails, and previews of what browsers do not show."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from pathlib import Path

    from PIL import Image as Pillow

    from genrestore.files.codecs.images import Image

THUMBNAIL, PREVIEW = 320, 2048
"""Longest sides, in pixels."""
QUALITY = 82
IN_BROWSERS = frozenset({"PNG", "JPEG", "WEBP", "GIF", "BMP", "AVIF"})
MOST_PROFILE = 32_768
"""Bytes of a colour profile that is worth its place in a small picture."""
_GROUND = 128
"""The grey that is seen through transparency."""


def is_shown_by_browsers(path: Path) -> bool:
    """True if the format of a file is one of the web's, told by its content.

    Raises:
        OSError: It cannot be read.
    """
    from genrestore.files.codecs import formats

    with path.open("rb") as stream:
        return formats.of_content(stream.read(formats.HEADER_BYTES)) in IN_BROWSERS


def save(picture: Image, path: Path, side: int, source: Path) -> tuple[int, int]:
    """Write a small JPEG, which is never open to more readers than the file that it shows.

    Args:
        picture: [1, channel, height, width] as `images.read` gives it, with its alpha.
        path: Where it goes; nothing may be there.
        side: Its longest side at most.
        source: The file that the picture is of.

    Returns:
        Its width and height.

    Raises:
        OSError: It cannot be written.
    """
    from genrestore.files.codecs import metadata
    from genrestore.files.codecs.jpeg import Unnumbered
    from genrestore.files.work.scale import Scale

    if (scale := Scale.of(picture)) is not None:
        icc = None if scale.is_linear else picture.metadata.icc
        picture = replace(
            picture, pixels=scale.scaled(picture.pixels), metadata=replace(picture.metadata, icc=icc)
        )
    small, profile = _drawn(picture, side), picture.metadata.icc
    comment = (
        metadata.PROVENANCE_KEY + b" " + metadata.pack_provenance({"tool": "genrestore", "command": "report"})
    )
    readers = source.stat().st_mode & 0o666
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, readers), "w+b") as stream:
        small.save(
            cast(BinaryIO, Unnumbered(stream)),
            "JPEG",
            quality=QUALITY,
            comment=comment,
            icc_profile=profile if profile and len(profile) <= MOST_PROFILE else b"",
        )
    return small.size


def _drawn(picture: Image, side: int) -> Pillow.Image:
    """[1, channel, height, width] in 8 bits on a plain ground, no side longer than `side`."""
    from PIL import Image as Pillow

    from genrestore.files.codecs import images

    height, width = picture.pixels.shape[2:]
    step = max(1, max(height, width) // (8 * side))  # no eye misses these rows, and memory stays small
    buffer = images.interleaved(replace(picture, extra=None))[::step, ::step]
    drawn = Pillow.fromarray(images.to_8_bit(buffer))
    drawn.thumbnail((side, side), Pillow.Resampling.BOX)
    if drawn.mode in ("L", "RGB"):
        return drawn
    grey = drawn.mode == "LA"
    ground = Pillow.new("L" if grey else "RGB", drawn.size, _GROUND if grey else (_GROUND,) * 3)
    ground.paste(drawn.convert(ground.mode), mask=drawn.getchannel("A"))
    return ground
