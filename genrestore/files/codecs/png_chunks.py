"""The chunks of a PNG beside its pixels: what they say, and which of them are carried over."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence

from genrestore.files.codecs import metadata, orientation, photoshop

Chunk = tuple[bytes, bytes]
_ELSEWHERE = frozenset(b"eXIf pHYs sBIT bKGD tEXt zTXt iTXt".split())
MAX_TEXT = 64 * 2**20
PROVENANCE_KEY = metadata.PROVENANCE_KEY.encode()

_XMP_KEY, _XMP_MARK = b"XML:com.adobe.xmp", b"http://ns.adobe.com/xap/1.0/\0"
_RAW_EXIF, _RAW_XMP, _RAW_EITHER = (b"Raw profile type " + name for name in (b"exif", b"xmp", b"APP1"))
_CREDENTIALS = b"caBX"
_RAW_RESOURCES = (b"Raw profile type 8bim", b"Raw profile type iptc")
_MAX_TRIED = 4
"""Of many chunks that may hold EXIF or XMP, so many are unpacked."""
# Chunks that PNG calls unsafe to copy, but that hold true: the colour space, and the time of the last change.
_TRUE = frozenset(b"gAMA cHRM sRGB iCCP cICP mDCV cLLI mDCv cLLi tIME".split())
_OF_THE_PIXELS = frozenset(b"IHDR PLTE IDAT IEND tRNS hIST sBIT bKGD acTL fcTL fdAT iDOT".split())


def text(key: bytes, value: bytes) -> Chunk:
    """An iTXt chunk, not compressed."""
    return b"iTXt", key + b"\0\0\0\0\0" + value


def text_value(chunk: Chunk) -> bytes | None:
    """The text of a tEXt, zTXt or iTXt chunk as bytes; None if it is damaged or unreasonably large."""
    kind, payload = chunk
    _, _, rest = payload.partition(b"\0")
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return inflate(rest[1:])
    value = rest[2:].split(b"\0", 2)[-1]
    return inflate(value) if rest[:1] == b"\1" else value


def inflate(data: bytes) -> bytes | None:
    """Decompressed text or profile; None if it is damaged or unreasonably large."""
    packed = zlib.decompressobj()
    try:
        plain = packed.decompress(data, MAX_TEXT)
    except zlib.error:
        return None
    return None if packed.unconsumed_tail else plain


def describe(chunks: Sequence[Chunk], *, plain: bool) -> tuple[metadata.Metadata, int]:
    """What the chunks say of the picture, once it is upright.

    Args:
        chunks: All of the file, the pixels' left empty.
        plain: Whether the pixels keep the colour type that the file had.

    Returns:
        Metadata without mode and notes, and EXIF's number of how the picture is turned.
    """
    exif_at, block = _first(chunks, (b"eXIf", _RAW_EXIF, _RAW_EITHER), _exif_of)
    xmp_at, packet = _first(chunks, (_XMP_KEY, _RAW_XMP, _RAW_EITHER), _xmp_of)
    turned = orientation.of(block, packet)
    block, packet = orientation.without(block, packet, turned)
    carried: list[Chunk] = []
    lost: list[str] = []
    for at, (kind, payload) in enumerate(chunks):
        if at == exif_at and block is not None:
            carried.append((b"eXIf", block))
        elif at == xmp_at and packet is not None:
            same = kind == b"iTXt" and text_value((kind, payload)) == packet
            carried.append((kind, payload) if same else text(_XMP_KEY, packet))
        elif _place(kind, payload) in (b"eXIf", _RAW_EXIF, _RAW_EITHER, _XMP_KEY, _RAW_XMP, PROVENANCE_KEY):
            continue
        elif kind == b"pHYs" and len(payload) == 9 and turned in orientation.QUARTER_TURNS:
            carried.append((kind, payload[4:8] + payload[:4] + payload[8:]))
        elif kind in _TRUE or (kind in (b"sBIT", b"bKGD") and plain) or _is_safe(kind):
            carried.append(_without_thumbnails((kind, payload)))
        elif kind not in _OF_THE_PIXELS | {_CREDENTIALS}:
            lost.append(name(kind))
    found = dict(carried)
    icc = found[b"iCCP"].partition(b"\0")[2][1:] if b"iCCP" in found else None
    described = metadata.Metadata(
        format="PNG",
        mode="",
        exif=block,
        icc=None if icc is None else inflate(icc),
        xmp=packet,
        dpi=_sides(found.get(b"pHYs", b""), 1, 0.0254),
        aspect=_sides(found.get(b"pHYs", b""), 0, 1.0),
        notes=(metadata.CREDENTIALS,) if any(kind == _CREDENTIALS for kind, _ in chunks) else (),
        chunks=tuple(carried),
        lost=(f"{', '.join(dict.fromkeys(lost))}: left out, may not hold true any more",) if lost else (),
    )
    return described, turned


def new(found: metadata.Metadata) -> Iterator[Chunk]:
    """The chunks for metadata that came from another format."""
    if found.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(found.icc)
    sides = [round(value / 0.0254) for value in found.dpi] if found.dpi else metadata.whole(found.aspect)
    if sides and all(0 < value < 2**31 for value in sides):
        yield b"pHYs", struct.pack(">IIB", *sides, 1 if found.dpi else 0)
    if found.exif:
        yield b"eXIf", found.exif
    if found.xmp:
        yield text(_XMP_KEY, found.xmp)


def only_in_png(chunks: Sequence[Chunk]) -> Iterator[str]:
    """What chunks hold that no other format is given, in words.

    sRGB and the gamma that goes with it are what other formats are taken for without a word.
    """
    kinds = dict(chunks)
    told = b"iCCP" in kinds or b"sRGB" in kinds
    for kind, payload in kinds.items():
        if kind in (b"cICP", b"mDCV", b"cLLI", b"mDCv", b"cLLi"):
            yield f"{name(kind)} (how bright it is meant)"
        elif kind == b"gAMA" and not told and abs(int.from_bytes(payload[:4], "big") - 45455) > 100:
            yield "gAMA"
        elif kind == b"cHRM" and not told:
            yield "cHRM"
        elif kind not in _TRUE | _ELSEWHERE and _place(kind, payload) != _XMP_KEY:
            yield name(kind)
    keys = [_place(*chunk) for chunk in chunks if chunk[0] in (b"tEXt", b"zTXt", b"iTXt")]
    texts = [key.decode("latin-1") for key in dict.fromkeys(keys) if key != _XMP_KEY]
    if texts:
        yield f"text ({', '.join(texts)})"


def name(kind: bytes) -> str:
    """A chunk's four letters, or where they are none, in hexadecimal."""
    return kind.decode("ascii") if kind.isalpha() else f"0x{kind.hex()}"


def _place(kind: bytes, payload: bytes) -> bytes:
    """What tells what a chunk holds: the key of a text, the type of any other."""
    return payload.partition(b"\0")[0] if kind in (b"tEXt", b"zTXt", b"iTXt") else kind


def _is_safe(kind: bytes) -> bool:
    """Whether a chunk of this kind may be copied by who does not know it, whatever happens to the pixels."""
    return bool(kind[0] & 32 and kind[3] & 32)


def _first(
    chunks: Sequence[Chunk], places: Sequence[bytes], value_of: Callable[[Chunk], bytes | None]
) -> tuple[int, bytes | None]:
    """Where the first chunk stands that has a value, and its value; -1 if none has.

    Args:
        chunks: Of the file.
        places: Where a value may be, the best first.
        value_of: Gives it.
    """
    tried = [at for place in places for at, chunk in enumerate(chunks) if _place(*chunk) == place]
    for at in tried[:_MAX_TRIED]:
        if value := value_of(chunks[at]):
            return at, value
    return -1, None


def _exif_of(chunk: Chunk) -> bytes | None:
    """The EXIF block of a chunk that may hold one; ImageMagick wrote it as text before PNG had eXIf."""
    kind, payload = chunk
    profile = payload if kind == b"eXIf" else _raw_profile(chunk)
    return None if profile is None or profile.startswith(_XMP_MARK) else metadata.exif_block(profile)


def _xmp_of(chunk: Chunk) -> bytes | None:
    place = _place(*chunk)
    if place == _XMP_KEY:
        return text_value(chunk)
    profile = _raw_profile(chunk)
    if profile is None or (place == _RAW_EITHER and not profile.startswith(_XMP_MARK)):
        return None
    return profile.removeprefix(_XMP_MARK)


def _without_thumbnails(chunk: Chunk) -> Chunk:
    """A chunk without the thumbnails among Photoshop's resources, which ImageMagick writes as text."""
    key = _place(*chunk)
    profile = _raw_profile(chunk) if key in _RAW_RESOURCES else None
    clean = None if profile is None else photoshop.without_thumbnails(profile)
    if clean is None or clean == profile:
        return chunk
    text = b"\n%s\n%8d\n%s\n" % (key.rsplit(b" ", 1)[-1], len(clean), clean.hex().encode())
    return b"zTXt", key + b"\0\0" + zlib.compress(text)


def _raw_profile(chunk: Chunk) -> bytes | None:
    """What ImageMagick wrote as text: a name, a length, hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join((text_value(chunk) or b"").split()[2:]).decode("ascii"))
    except ValueError:
        return None


def _sides(payload: bytes, unit: int, scale: float) -> tuple[float, float] | None:
    """What a pHYs chunk says in a unit: 1 is the metre, 0 none."""
    if len(payload) != 9 or payload[8] != unit:
        return None
    across, down = struct.unpack(">II", payload[:8])
    return (across * scale, down * scale) if across and down else None
