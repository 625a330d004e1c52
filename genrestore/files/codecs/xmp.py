"""XMP packets as bytes: reads and replaces single values where they stand, and touches nothing else."""

from __future__ import annotations

import re
import struct
from functools import partial
from itertools import islice

_TIFF, _EXIF = "http://ns.adobe.com/tiff/1.0/", "http://ns.adobe.com/exif/1.0/"
_XMP, _GAIN_MAP = "http://ns.adobe.com/xap/1.0/", "http://ns.adobe.com/hdr-gain-map/1.0/"
_PHOTOS = "http://ns.google.com/photos/1.0/"
_CAMERA = f"{_PHOTOS}camera/"
_CONTAINERS = (f"{_PHOTOS}container/item/", "http://ns.google.com/photos/dd/1.0/item/")
_USUAL = {_TIFF: "tiff", _EXIF: "exif", _XMP: "xmp", _GAIN_MAP: "hdrgm", _CAMERA: "GCamera"}
_FILM = tuple(
    f"{kind}{of}"
    for kind in ("MotionPhoto", "MicroVideo")
    for of in ("", "Version", "Offset", "PresentationTimestampUs")
)
EXTENSION = b"http://ns.adobe.com/xmp/extension/\0"
_PART = 65000
MAX_BYTES = 2**25
"""Larger packets are carried as they are, without a look inside."""
_MAX_PREFIXES = 8
_ITEM = re.compile(r"<rdf:li\b[^<>]*/>|<rdf:li\b(?:(?!</?rdf:li\b).)*</rdf:li\s*>", re.DOTALL)
_SIDES = (
    (_TIFF, "ImageWidth", "ImageLength"),
    (_EXIF, "PixelXDimension", "PixelYDimension"),
    (_TIFF, "XResolution", "YResolution"),
    (_EXIF, "FocalPlaneXResolution", "FocalPlaneYResolution"),
)
Span = tuple[int, int]


def orientation(packet: bytes) -> int | None:
    """Return the Orientation that a packet states, 1 to 8; None where it states none."""
    text, _ = _decoded(packet)
    values = [text[begin:end] for begin, end in _values(text, _TIFF, "Orientation")]
    return int(values[0]) if values and values[0] in tuple("12345678") else None


def upright(packet: bytes, quarter_turned: bool) -> bytes:
    """Return a packet whose Orientation is 1, without thumbnails.

    With `quarter_turned`, width and height, and the resolutions along them, change places.
    """
    text, encoding = _decoded(packet)
    at, pieces = 0, []
    for begin, end in _values(text, _TIFF, "Orientation"):
        pieces += [text[at:begin], "1"]
        at = end
    text = "".join((*pieces, text[at:]))
    for namespace, across, down in _SIDES if quarter_turned else ():
        both = _values(text, namespace, across)[:1] + _values(text, namespace, down)[:1]
        if len(both) == 2:
            (begin, end), (start, stop) = sorted(both)
            text = text[:begin] + text[start:stop] + text[end:start] + text[begin:end] + text[stop:]
    return packet if len(packet) > MAX_BYTES else without_thumbnails(text.encode(encoding, "surrogatepass"))


def _decoded(packet: bytes) -> tuple[str, str]:
    """Return a packet as text ("": too large), and the encoding that gives the very bytes back."""
    if len(packet) > MAX_BYTES:
        return "", "latin-1"
    zeros = [value == 0 for value in packet[:2].ljust(2, b"-")]
    encoding = "latin-1"
    if zeros[0] != zeros[1] or packet[:2] in (b"\xff\xfe", b"\xfe\xff"):
        encoding = "utf-16-be" if zeros[0] or packet[:2] == b"\xfe\xff" else "utf-16-le"
    try:
        return packet.decode(encoding, "surrogatepass"), encoding
    except UnicodeDecodeError:
        return packet.decode("latin-1"), "latin-1"


def _prefixes(text: str, namespace: str) -> str:
    """Return the prefixes of a namespace in a packet, as a part of a regular expression."""
    declared = re.finditer(rf"""xmlns:([\w.-]+)\s*=\s*["']{re.escape(namespace)}["']""", text)
    some = {match[1] for match in islice(declared, _MAX_PREFIXES)}
    return "|".join(map(re.escape, sorted({*some, _USUAL.get(namespace, "Item")})))


def _values(text: str, namespace: str, name: str) -> list[Span]:
    """Find the values of a property: attributes or elements, with any prefix of its namespace."""
    if f":{name}" not in text:
        return []
    prefixes = _prefixes(text, namespace)
    found = re.compile(
        rf"""(?<![\w:.-])(?:{prefixes}):{name}\s*=\s*["']([^"'<]*)["']"""
        rf"""|<(?:{prefixes}):{name}(?:\s[^<>]*)?>([^<]*)</"""
    )
    spans: list[Span] = []
    for match in found.finditer(text):
        value, begin = match[match.lastindex or 0], match.start(match.lastindex or 0)
        begin += len(value) - len(value.lstrip())
        spans.append((begin, begin + len(value.strip())))
    return [(begin, end) for begin, end in spans if end > begin]


def without_thumbnails_in_extension(payloads: list[bytes]) -> list[bytes]:
    """Return the segments of a JPEG's extended XMP, in any order, without the thumbnails in it.

    The extension keeps the name that the packet knows it by: readers compare names, and not the sum that it
    was once made of. Segments stay the same if there are no thumbnails, or if parts are missing.
    """
    parts: dict[bytes, dict[int, bytes]] = {}
    for payload in payloads:
        head, data = payload[len(EXTENSION) : len(EXTENSION) + 40], payload[len(EXTENSION) + 40 :]
        parts.setdefault(head[:32], {})[int.from_bytes(head[36:40], "big")] = data
    found: list[bytes] = []
    for name, pieces in parts.items():
        whole = b"".join(pieces[at] for at in sorted(pieces))
        clean = without_thumbnails(whole)
        if clean == whole:
            return payloads
        for at in range(0, len(clean), _PART):
            head = name + struct.pack(">II", len(clean), at)
            found.append(EXTENSION + head + clean[at : at + _PART])
    return found


def without_thumbnails(packet: bytes) -> bytes:
    """Return a packet without thumbnails, which would show the old picture."""
    text, encoding = _decoded(packet)
    clean = _without(text, _XMP, ("Thumbnails",))  # of a packet that is too large nothing, so it stays
    return packet if clean == text else clean.encode(encoding, "surrogatepass")


def without_claims(packet: bytes, *, pictures: bool, film: bool) -> bytes:
    """Return a packet without its claims about parts of the file that are left out.

    Args:
        packet: In any of Unicode's encodings.
        pictures: A gain map or other further pictures are left out.
        film: A film is left out.
    """
    text, encoding = _decoded(packet)
    clean = _without(text, _GAIN_MAP, ("Version",)) if pictures else text
    if film:
        clean = _without(clean, _CAMERA, _FILM)
    for namespace in _CONTAINERS:
        if ":Semantic" in clean:
            clean = _ITEM.sub(partial(_item_or_nothing, pictures, film), clean)
        stated = [clean[begin:end] for begin, end in _values(clean, namespace, "Semantic")]
        is_film = any("MotionPhoto" in value for value in stated)
        if "<rdf:li" not in clean and (film if is_film else pictures):
            clean = _without(clean, namespace, ("Semantic", "Mime", "Length", "Padding"))
    return packet if clean == text else clean.encode(encoding, "surrogatepass")


def _item_or_nothing(pictures: bool, film: bool, item: re.Match[str]) -> str:
    """Return an item of a container, or nothing if it is of a part that is left out."""
    is_film, is_primary = "MotionPhoto" in item[0], "Primary" in item[0]
    left_out = "Semantic" in item[0] and not is_primary and (film if is_film else pictures)
    return "" if left_out else item[0]


def _without(text: str, namespace: str, names: tuple[str, ...]) -> str:
    """Return a packet without some properties of a namespace, attributes or elements."""
    if not any(f":{name}" in text for name in names):
        return text
    prefixes, either = _prefixes(text, namespace), "|".join(names)
    text = re.sub(rf"""(?<=\s)(?:{prefixes}):(?:{either})\s*=\s*(?:"[^"]*"|'[^']*')""", "", text)
    start = re.compile(rf"<((?:{prefixes}):(?:{either}))(?:\s[^<>]*?)?(/?)>")
    kept, at = [], 0
    while found := start.search(text, at):
        close = f"</{found[1]}"
        end = found.end() if found[2] else text.find(close, found.end())
        if end < 0:
            break
        kept.append(text[at : found.start()])
        at = end if found[2] else text.find(">", end) + 1 or len(text)
    return "".join((*kept, text[at:]))
