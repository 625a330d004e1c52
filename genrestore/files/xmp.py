"""XMP packets as bytes: single values are read and replaced where they stand, the rest is not touched."""

from __future__ import annotations

import re

_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_USUAL = {_TIFF: "tiff", _EXIF: "exif"}
_SIDES = (
    (_TIFF, "ImageWidth", "ImageLength"),
    (_EXIF, "PixelXDimension", "PixelYDimension"),
    (_TIFF, "XResolution", "YResolution"),
    (_EXIF, "FocalPlaneXResolution", "FocalPlaneYResolution"),
)
Span = tuple[int, int]


def orientation(packet: bytes) -> int | None:
    """The Orientation that a packet states, 1 to 8; None where it states none."""
    text, _ = _decoded(packet)
    values = [text[begin:end] for begin, end in _values(text, _TIFF, "Orientation")]
    return int(values[0]) if values and values[0] in "12345678" else None


def upright(packet: bytes, quarter_turned: bool) -> bytes:
    """The packet of a picture that was turned upright: its Orientation is 1.

    Args:
        packet: In any of Unicode's encodings.
        quarter_turned: Width and height, and the resolutions along them, change places.
    """
    text, encoding = _decoded(packet)
    for begin, end in reversed(_values(text, _TIFF, "Orientation")):
        text = text[:begin] + "1" + text[end:]
    for namespace, across, down in _SIDES if quarter_turned else ():
        both = _values(text, namespace, across)[:1] + _values(text, namespace, down)[:1]
        if len(both) == 2:
            (begin, end), (start, stop) = sorted(both)
            text = text[:begin] + text[start:stop] + text[end:start] + text[begin:end] + text[stop:]
    return text.encode(encoding, "surrogatepass")


def _decoded(packet: bytes) -> tuple[str, str]:
    """A packet as text, and the encoding that gives the very bytes back; one of 8 bits is read as Latin-1."""
    zeros = [value == 0 for value in packet[:2].ljust(2, b"-")]
    encoding = "latin-1"
    if zeros[0] != zeros[1] or packet[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16-be" if zeros[0] or packet[:2] == b"\xfe\xff" else "utf-16-le"
    try:
        return packet.decode(encoding, "surrogatepass"), encoding
    except UnicodeDecodeError:
        return packet.decode("latin-1"), "latin-1"


def _values(text: str, namespace: str, name: str) -> list[Span]:
    """Where the values of a property stand: attributes or elements, with any prefix of its namespace."""
    declared = re.findall(rf"""xmlns:([\w.-]+)\s*=\s*["']{re.escape(namespace)}["']""", text)
    prefixes = "|".join(map(re.escape, {*declared, _USUAL[namespace]}))
    found = re.compile(
        rf"""(?<![\w:.-])(?:{prefixes}):{name}\s*=\s*["']\s*([^"'<]*?)\s*["']"""
        rf"""|<(?:{prefixes}):{name}(?:\s[^>]*)?>\s*([^<]*?)\s*</"""
    )
    spans = (match.span(1) if match[1] is not None else match.span(2) for match in found.finditer(text))
    return [(begin, end) for begin, end in spans if end > begin]
