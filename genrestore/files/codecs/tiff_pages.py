"""Which of a TIFF's pages is the picture, what is said of the others, and the fields of a page."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

from genrestore.errors import InputError
from genrestore.files.codecs import bigtiff, exif
from genrestore.files.codecs.appended import view
from genrestore.files.codecs.formats import SEVERAL_PICTURES

if TYPE_CHECKING:
    import tifffile

Fields = tuple[exif.Field, ...]
SUBFILE_TYPE, SUB_IFDS = 254, 330
_REDUCED, _MASK = 1, 4
_MAX_PAGES = 1000
_COPIES = "smaller copies of the picture inside the TIFF are left out"
_OTHERS = "further pictures and masks inside the TIFF are left out"


def choose(
    file: tifffile.TiffFile, stream: BinaryIO
) -> tuple[tifffile.TiffPage, tuple[str, ...], tuple[str, ...]]:
    """The one page that is no smaller copy of another and no mask, wherever it stands.

    Returns:
        The page; what is said of copies that are left out; what is said of others that are.

    Raises:
        InputError: There are several, or none.
    """
    import tifffile

    count = len(file.pages)
    if count > _MAX_PAGES:
        raise InputError(SEVERAL_PICTURES)
    pages = [page for page in file.pages if isinstance(page, tifffile.TiffPage)]
    whole = [page for page in pages if not int(page.subfiletype) & (_REDUCED | _MASK)] if count > 1 else pages
    if len(whole) != 1 or len(pages) != count:
        raise InputError(SEVERAL_PICTURES)
    page = whole[0]
    kinds = [int(other.subfiletype) for other in pages if other is not page]
    kinds += _kinds_below(stream, page.subifds or ())
    copies = (_COPIES,) if any(kind & _REDUCED for kind in kinds) else ()
    others = (_OTHERS,) if any(not kind & _REDUCED for kind in kinds) else ()
    return page, copies, others


def fields(stream: BinaryIO, page_at: int | None = None) -> tuple[exif.ByteOrder, Fields]:
    """The raw fields of a page, and of the first page those that it has not itself (EXIF, the camera's name).

    Args:
        stream: The whole file.
        page_at: Where the page's IFD stands; None: it is the first.

    Returns:
        Byte order and fields; none where they cannot be read.
    """
    try:
        with view(stream) as data:
            order, own = _read(data, page_at)
            if page_at is None:
                return order, own
            there = {field.tag for field in own}
            return order, (*own, *(field for field in _read(data, None)[1] if field.tag not in there))
    except (OSError, ValueError):
        return "<", ()


def _read(
    data: exif.Block, start: int | None, only: frozenset[int] | None = None
) -> tuple[exif.ByteOrder, Fields]:
    """Raises BadBlock, a ValueError, where there is no IFD."""
    try:
        order = exif.byte_order(data)
    except exif.BadBlock:
        return bigtiff.byte_order(data), bigtiff.read_fields(data, start, only)
    return order, exif.read_fields(data, start, only)


def _kinds_below(stream: BinaryIO, starts: tuple[int, ...]) -> list[int]:
    """The kinds of the pages that a page leads to; one that cannot be read is no copy."""
    with view(stream) as data:
        return [_kind(data, start) for start in starts[:_MAX_PAGES]]


def _kind(data: exif.Block, start: int) -> int:
    try:
        order, found = _read(data, start, frozenset((SUBFILE_TYPE,)))
    except exif.BadBlock:
        return 0
    raw = found[0].raw if found else b""
    return int.from_bytes(raw, "little" if order == "<" else "big")
