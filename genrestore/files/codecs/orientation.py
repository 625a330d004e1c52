"""How a picture is turned, whatever says so, and its metadata once it is upright."""

from __future__ import annotations

from genrestore.files.codecs import exif, xmp

QUARTER_TURNS = frozenset((5, 6, 7, 8))


def of(block: bytes | None, packet: bytes | None) -> int:
    """The Orientation of a picture, EXIF's number, 1 to 8.

    Convention: what EXIF states counts; where it states none, what XMP states; else 1.

    Args:
        block: EXIF, or a TIFF's first IFD as such a block; None: there is none.
        packet: XMP; None: there is none.
    """
    stated = None if block is None else exif.orientation(block)
    if stated is None and packet is not None:
        stated = xmp.orientation(packet)
    return stated or 1


def without(block: bytes | None, packet: bytes | None, turned: int) -> tuple[bytes | None, bytes | None]:
    """EXIF and XMP of a picture whose pixels were turned upright.

    Args:
        block: EXIF; it comes back without its thumbnail.
        packet: XMP.
        turned: What `of` said.

    Returns:
        Both as they were, but that neither says any more that the picture is turned, and that width and
        height in them have changed places if it was by a quarter.
    """
    quarter = turned in QUARTER_TURNS
    return (
        None if block is None else exif.upright(block, quarter),
        None if packet is None else xmp.upright(packet, quarter),
    )


def turned_sides(sides: tuple[float, float] | None, turned: int) -> tuple[float, float] | None:
    """A pair of numbers, across and down, of a picture that was turned upright."""
    return sides[::-1] if sides is not None and turned in QUARTER_TURNS else sides
