"""PNG: pixels of 8 and 16 bits through libpng, all other chunks carried over as they are.

Pillow has no 16-bit colour, so both depths go through imagecodecs. Level 4 writes 12 megapixels in 0.9 s
(Pillow's default: 3.3 s) into files 6 % larger than level 6 does (a mosaic of real photographs, one core).
Run lengths alone (zlib's RLE with Paeth's filter) take a third of that time and 92 to 105 % of the bytes on
photographs, but 113 % where a flat alpha channel lies between, and 20 times as many on a page of text.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, BinaryIO

import numpy as np

from genrestore.errors import InputError
from genrestore.files.codecs import containers, exif, metadata
from genrestore.files.codecs.formats import SEVERAL_PICTURES, check_size
from genrestore.files.codecs.images import Image, from_buffer, interleaved
from genrestore.files.codecs.metadata import QUARTER_TURNS, Metadata, Sides

Chunk = tuple[bytes, bytes]
LEVEL = 4
MAX_TEXT = 64 * 2**20
_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEY = metadata.PROVENANCE_KEY
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_MODES = {0: "L", 2: "RGB", 3: "P", 4: "LA", 6: "RGBA"}
_SMALL = 2**16
_MAX_TRIED = 4
"""Of many chunks that may hold EXIF or XMP, so many are unpacked."""

_ESSENTIAL = frozenset((b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"))
_CREDENTIALS = b"caBX"
_NOT_MISSED = _ESSENTIAL | frozenset((_CREDENTIALS, *b"hIST sBIT bKGD acTL fcTL fdAT iDOT".split()))
_BRIGHTNESS = frozenset(b"cICP mDCV cLLI mDCv cLLi".split())
# Chunks that PNG calls unsafe to copy, but that hold true: the colour space, and the time of the last change.
_TRUE = _BRIGHTNESS | frozenset(b"gAMA cHRM sRGB iCCP tIME".split())
_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_ELSEWHERE = frozenset((b"eXIf", b"pHYs", b"sBIT", b"bKGD", *_TEXTS))
_XMP, _XMP_MARK = b"XML:com.adobe.xmp", b"http://ns.adobe.com/xap/1.0/\0"
_RAW_EXIF, _RAW_XMP, _RAW_EITHER, *_RAW_RESOURCES = (
    b"Raw profile type " + name for name in (b"exif", b"xmp", b"APP1", b"8bim", b"iptc")
)


def size(header: bytes) -> tuple[int, int]:
    """Return width and height from the first 24 bytes; an InputError where they are no header."""
    if len(header) < 24 or header[12:16] != b"IHDR":
        raise InputError("truncated or damaged PNG (no header)")
    width, height = struct.unpack(">II", header[16:24])
    return width, height


def read(stream: BinaryIO, format: str, max_pixels: int) -> Image:
    """Decode a whole PNG file; see `formats.Codec`."""
    import imagecodecs

    check_size(*size(stream.read(24)), max_pixels)
    stream.seek(0)
    data = stream.read()
    chunks, essential, notes, end = _sift(memoryview(data))
    appended, lost = metadata.behind(data, end)
    bits, colour = data[24], data[25]
    _check_length(len(essential), *size(data), bits * _SAMPLES.get(colour, 4))
    del data
    if any(kind == b"acTL" and payload[:4] > b"\0\0\0\1" for kind, payload in chunks):
        raise InputError(SEVERAL_PICTURES)
    try:
        buffer = imagecodecs.png_decode(essential)
    except Exception as error:  # of several types, and the text of libpng's may be of freed memory
        raise InputError("truncated or damaged PNG (its pixels cannot be decoded)") from error
    see_through = any(kind == b"tRNS" for kind, _ in chunks)
    found, turned = _describe(chunks, plain=colour != 3 and not see_through and bits >= 8)
    mode = _MODES.get(colour, "?") + (";16" if bits == 16 else f";{bits}" if bits < 8 and colour == 0 else "")
    found = replace(
        found,
        format=format,
        mode=mode,
        appended=appended,
        lost=(*found.lost, *lost),
        notes=(*_notes(bits, colour, see_through), *notes, *found.notes),
    )
    return from_buffer(buffer, found, turned)


def write(image: Image, stream: BinaryIO, provenance: metadata.Provenance | None) -> tuple[str, ...]:
    """Encode to PNG with everything that the metadata holds; returns notes for the user (none)."""
    import imagecodecs

    buffer = interleaved(image)
    # The library's own room is too small for rows of one pixel, and is copied at the end.
    room: Any = np.empty(buffer.nbytes + buffer.nbytes // 64 + 16 * buffer.shape[0] + 4096, np.uint8)
    encoded = memoryview(imagecodecs.png_encode(buffer, level=LEVEL, out=room))
    pixels_at = len(_SIGNATURE) + 12 + 13
    stream.write(encoded[:pixels_at])
    chunks = _new(image.metadata) if image.metadata.chunks is None else image.metadata.chunks
    own = () if provenance is None else (_text(_KEY, metadata.pack_provenance(provenance)),)
    for kind, payload in (*chunks, *own):
        stream.write(struct.pack(">I", len(payload)) + kind + payload)
        stream.write(struct.pack(">I", zlib.crc32(payload, zlib.crc32(kind))))
    stream.write(encoded[pixels_at:])
    if image.metadata.format == "PNG":
        stream.write(image.metadata.appended)
    return ()


def read_provenance(stream: BinaryIO) -> bytes | None:
    """Return the provenance that `write` put before the pixels, packed; reads no pixels."""
    for kind, length in containers.parts(stream, containers.PNG):
        if kind in (b"IDAT", b"IEND"):
            return None
        if kind == b"iTXt" and length < metadata.MAX_PROVENANCE:
            payload = stream.read(length)
            if payload.startswith(_KEY + b"\0"):
                return _text_value((kind, payload))
    return None


def _sift(data: memoryview) -> tuple[list[Chunk], bytes, list[str], int]:
    """Chunks (the pixels' left empty), the file with the essential ones alone, notes, and where it ends.

    libpng writes to stderr what it thinks of the others, and they are carried over without it.
    """
    chunks: list[Chunk] = []
    essential, notes = [data[: len(_SIGNATURE)]], []
    at = len(_SIGNATURE)
    while at + 12 <= len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        end = at + 12 + length
        if end > len(data):
            break
        sound = zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big")
        if kind in _ESSENTIAL:
            if not sound:
                raise InputError(f"truncated or damaged PNG ({kind.decode()}: CRC error)")
            essential.append(data[at:end])
        if sound:
            chunks.append((kind, b"" if kind in (b"IDAT", b"fdAT") else bytes(data[at + 8 : end - 4])))
        else:
            notes.append(f"a damaged {_name(kind)} chunk is left out")
        if kind == b"IEND":
            return chunks, b"".join(essential), notes, end
        at = end
    raise InputError("truncated or damaged PNG (its end is missing)")


def _check_length(found: int, width: int, height: int, bits: int) -> None:
    """Refuse a file far larger than its pixels need: libpng would decompress all of it, for nothing."""
    plain = height * (1 + (width * bits + 7) // 8)
    if found > 2 * plain + _SMALL:
        raise InputError(f"damaged PNG ({found} bytes for {width} x {height} pixels)")


def _notes(bits: int, colour: int, see_through: bool) -> Iterator[str]:
    if colour == 3:
        yield f"palette converted to {'RGBA' if see_through else 'RGB'}"
    elif see_through:
        yield "the transparent colour became an alpha channel"
    if colour == 0 and bits < 8:
        yield f"{bits}-bit grey converted to 8-bit grey"


def _describe(chunks: Sequence[Chunk], *, plain: bool) -> tuple[Metadata, int]:
    """Metadata of all chunks once the picture is upright, and EXIF's number of how it is turned.

    With `plain`, the pixels keep the colour type that the file had.
    """
    exif_at, block = _first(chunks, (b"eXIf", _RAW_EXIF, _RAW_EITHER), _exif_of)
    xmp_at, packet = _first(chunks, (_XMP, _RAW_XMP, _RAW_EITHER), _xmp_of)
    turned = metadata.orientation(block, packet)
    found = metadata.upright(Metadata("PNG", "", exif=block, xmp=packet), turned)
    carried: list[Chunk] = []
    lost: list[str] = []
    for at, (kind, payload) in enumerate(chunks):
        place = _place((kind, payload))
        if at == exif_at and found.exif is not None:
            carried.append((b"eXIf", found.exif))
        elif at == xmp_at and found.xmp is not None:
            same = kind == b"iTXt" and _text_value((kind, payload)) == found.xmp
            carried.append((kind, payload) if same else _text(_XMP, found.xmp))
        elif place in (b"eXIf", _RAW_EXIF, _RAW_EITHER, _XMP, _RAW_XMP, _KEY):
            continue
        elif kind == b"pHYs" and len(payload) == 9 and turned in QUARTER_TURNS:
            carried.append((kind, payload[4:8] + payload[:4] + payload[8:]))
        elif kind in _TRUE or (kind in (b"sBIT", b"bKGD") and plain) or _is_safe(kind):
            carried.append(_without_thumbnails((kind, payload)))
        elif kind not in _NOT_MISSED:
            lost.append(_name(kind))
    kinds = dict(carried)
    profile = kinds[b"iCCP"].partition(b"\0")[2][1:] if b"iCCP" in kinds else None
    credentials = any(kind == _CREDENTIALS for kind, _ in chunks)
    found = replace(
        found,
        icc=None if profile is None else _inflated(profile),
        dpi=_sides(kinds.get(b"pHYs", b""), 1, 0.0254),
        aspect=_sides(kinds.get(b"pHYs", b""), 0, 1.0),
        notes=(metadata.CREDENTIALS,) if credentials else (),
        chunks=tuple(carried),
        only_here=tuple(_only_here(carried)),
        lost=(f"{', '.join(dict.fromkeys(lost))}: left out, may not hold true any more",) if lost else (),
    )
    return found, turned


def _only_here(chunks: Sequence[Chunk]) -> Iterator[str]:
    """Yield what chunks hold that no other format is given, in words.

    sRGB and the gamma that goes with it are what other formats are taken for without a word.
    """
    kinds = dict(chunks)
    has_colours = b"iCCP" in kinds or b"sRGB" in kinds
    for kind, payload in kinds.items():
        if kind in _BRIGHTNESS:
            yield f"{_name(kind)} (how bright it is meant)"
        elif kind == b"gAMA" and not has_colours and abs(int.from_bytes(payload[:4], "big") - 45455) > 100:
            yield "gAMA"
        elif kind == b"cHRM" and not has_colours:
            yield "cHRM"
        elif kind not in _TRUE | _ELSEWHERE and _place((kind, payload)) != _XMP:
            yield _name(kind)
    keys = [_place(chunk) for chunk in chunks if chunk[0] in _TEXTS]
    texts = [key.decode("latin-1") for key in dict.fromkeys(keys) if key != _XMP]
    if texts:
        yield f"text ({', '.join(texts)})"


def _new(found: Metadata) -> Iterator[Chunk]:
    """The chunks for metadata that came from another format."""
    if found.icc:
        yield b"iCCP", b"ICC Profile\0\0" + zlib.compress(found.icc)
    sides = [round(value / 0.0254) for value in found.dpi] if found.dpi else metadata.whole(found.aspect)
    if sides and all(0 < value < 2**31 for value in sides):
        yield b"pHYs", struct.pack(">IIB", *sides, 1 if found.dpi else 0)
    if found.exif:
        yield b"eXIf", found.exif
    if found.xmp:
        yield _text(_XMP, found.xmp)


def _text(key: bytes, value: bytes) -> Chunk:
    """An iTXt chunk, not compressed."""
    return b"iTXt", key + b"\0\0\0\0\0" + value


def _text_value(chunk: Chunk) -> bytes | None:
    """The text of a tEXt, zTXt or iTXt chunk as bytes; None if it is damaged or unreasonably large."""
    kind, payload = chunk
    _, _, rest = payload.partition(b"\0")
    if kind == b"tEXt":
        return rest
    if kind == b"zTXt":
        return _inflated(rest[1:])
    value = rest[2:].split(b"\0", 2)[-1]
    return _inflated(value) if rest[:1] == b"\1" else value


def _inflated(data: bytes) -> bytes | None:
    """Decompressed text or profile; None if it is damaged or unreasonably large."""
    packed = zlib.decompressobj()
    try:
        plain = packed.decompress(data, MAX_TEXT)
    except zlib.error:
        return None
    return None if packed.unconsumed_tail else plain


def _name(kind: bytes) -> str:
    """A chunk's four letters, or where they are none, in hexadecimal."""
    return kind.decode("ascii") if kind.isalpha() else f"0x{kind.hex()}"


def _place(chunk: Chunk) -> bytes:
    """Key of a text, type of any other chunk."""
    return chunk[1].partition(b"\0")[0] if chunk[0] in _TEXTS else chunk[0]


def _is_safe(kind: bytes) -> bool:
    """PNG's word that a chunk may be copied by who does not know it, whatever happens to the pixels."""
    return bool(kind[0] & 32 and kind[3] & 32)


def _first(
    chunks: Sequence[Chunk], places: Sequence[bytes], value_of: Callable[[Chunk], bytes | None]
) -> tuple[int, bytes | None]:
    """Index and value of the first chunk that has one, the best of `places` first; else -1 and None."""
    tried = [at for place in places for at, chunk in enumerate(chunks) if _place(chunk) == place]
    for at in tried[:_MAX_TRIED]:
        if value := value_of(chunks[at]):
            return at, value
    return -1, None


def _exif_of(chunk: Chunk) -> bytes | None:
    """The EXIF block of a chunk that may hold one; ImageMagick wrote it as text before PNG had eXIf."""
    profile = chunk[1] if chunk[0] == b"eXIf" else _raw_profile(chunk)
    return None if profile is None or profile.startswith(_XMP_MARK) else exif.without_prefix(profile)


def _xmp_of(chunk: Chunk) -> bytes | None:
    place = _place(chunk)
    if place == _XMP:
        return _text_value(chunk)
    profile = _raw_profile(chunk)
    if profile is None or (place == _RAW_EITHER and not profile.startswith(_XMP_MARK)):
        return None
    return profile.removeprefix(_XMP_MARK)


def _without_thumbnails(chunk: Chunk) -> Chunk:
    """A chunk without the thumbnails among Photoshop's resources, which ImageMagick writes as text."""
    key = _place(chunk)
    profile = _raw_profile(chunk) if key in _RAW_RESOURCES else None
    clean = None if profile is None else containers.without_thumbnails(profile)
    if clean is None or clean == profile:
        return chunk
    text = b"\n%s\n%8d\n%s\n" % (key.rsplit(b" ", 1)[-1], len(clean), clean.hex().encode())
    return b"zTXt", key + b"\0\0" + zlib.compress(text)


def _raw_profile(chunk: Chunk) -> bytes | None:
    """A profile that ImageMagick wrote as text: a name, a length, hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join((_text_value(chunk) or b"").split()[2:]).decode("ascii"))
    except ValueError:
        return None


def _sides(payload: bytes, unit: int, scale: float) -> Sides | None:
    """The resolution of a pHYs chunk in a unit: 1 is the metre, 0 none."""
    if len(payload) != 9 or payload[8] != unit:
        return None
    across, down = struct.unpack(">II", payload[:8])
    return (across * scale, down * scale) if across and down else None
