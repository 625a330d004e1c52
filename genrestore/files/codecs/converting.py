"""What a picture's metadata become when it is written in another format than it was read from."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from genrestore.files.codecs import exif, jpeg_parts, png_chunks, xmp
from genrestore.files.codecs.metadata import Metadata

_SEGMENTS = {jpeg_parts.COMMENT: "comments", jpeg_parts.APP13: "IPTC and other resources of Photoshop"}


def for_format(
    found: Metadata, format: str, *, grey: bool, has_extra: bool
) -> tuple[Metadata, tuple[str, ...]]:
    """The metadata as they can be written in a format, and what is left out, one note each.

    Args:
        found: Of the picture.
        format: One of `formats.WRITABLE`.
        grey: Whether the picture is grey.
        has_extra: Whether it has a channel that is no colour and no alpha.
    """
    notes: list[str] = []
    if format == found.format:
        notes.extend(jpeg_parts.kept(found.appended))
    else:
        missing = [*_of_a_jpeg(found), *png_chunks.only_in_png(found.chunks or ())]
        if found.appended.strip(b"\0"):
            missing.append(f"what stands behind the picture in its file ({len(found.appended)} bytes)")
            if found.xmp is not None:
                found = replace(found, xmp=xmp.without_claims(found.xmp, pictures=True, film=True))
        if found.format == "TIFF" and found.exif is not None:
            found = replace(found, exif=exif.without_resolution(found.exif))
        if missing:
            notes.append(f"{format} has no place for {', '.join(missing)}: left out")
    in_exif = found.exif is not None and exif.resolution(found.exif) is not None
    if format == "WEBP" and (found.dpi or found.aspect) and not in_exif:
        notes.append("WebP has no place for the resolution: left out")
    if has_extra and format != "TIFF":
        notes.append("the channel that the TIFF does not call alpha is left out")
    if format == "WEBP" and grey and found.icc is not None and found.icc[16:20] == b"GRAY":
        found = replace(found, icc=None)
        notes.append("the profile of grey is left out, since WebP has no grey mode")
    return found, tuple(notes)


def _of_a_jpeg(found: Metadata) -> Iterator[str]:
    """The segments of a JPEG that are no EXIF, no profile and no XMP packet, in words."""
    words = []
    for marker, payload in () if found.jpeg is None else found.jpeg.segments:
        if marker == jpeg_parts.APP1 and payload.startswith(xmp.EXTENSION):
            words.append("the extended XMP")
        elif not jpeg_parts.is_about_appended(marker, payload):
            words.append(_SEGMENTS.get(marker, f"segments APP{marker - 0xE0}"))
    yield from dict.fromkeys(words)
