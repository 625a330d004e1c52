"""The header of a JPEG XL codestream, bit by bit (ISO/IEC 18181-1:2024, annexes D and E).

imagecodecs tells neither the colours of a file nor its size before it is decoded, and writes sRGB only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from genrestore.errors import InputError
from genrestore.files.codecs import icc

SRGB = (1, 13)
_RATIOS = ((1, 1), (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
_PRIMARIES = {1: 1, 9: 9, 11: 12}
"""Primaries by JPEG XL's number: that of ITU-T H.273, with the white of D65."""
_D65, _DCI = 1, 11
_WHITES = {_D65: icc.PRIMARIES[1][1], 10: (1 / 3, 1 / 3), _DCI: icc.PRIMARIES[11][1]}
"""x and y by number."""
_CUSTOM, _DCI_CURVE = 2, 17
_TRANSFERS = (1, 4, 5, 8, 13, 16, 18)
_ALPHA, _SPOT, _CFA = 0, 2, 5
_COLOUR, _GREY, _XYB = 0, 1, 2
_MOST = 64
"""Channels besides colours of a picture that is read."""


class Space(NamedTuple):
    """Colours that are said by numbers.

    Attributes:
        primaries: x and y of red, green and blue.
        white: x and y.
        transfer: Number of ITU-T H.273, or 0.
        power: Of the tone curve, where there is no such number.
        grey: It is of grey, which has no primaries.
    """

    primaries: tuple[tuple[float, float], ...]
    white: tuple[float, float]
    transfer: int
    power: float
    grey: bool


@dataclass
class Header:
    """Header of a codestream.

    Attributes:
        width: In pixels, as the picture lies.
        height: In pixels.
        orientation: EXIF's number.
        bits: Of a sample.
        floating: Samples are floating point.
        extra: Kinds of the channels besides colours: 0 is alpha.
        animated: It is an animation.
        lossy: The colours are stored as XYB, which only lossy files do.
        profile: It has a colour profile, which is compressed.
        cicp: Numbers of primaries and transfer (ITU-T H.273); None: others, or a profile.
        space: The colours where `cicp` is None; None: a profile, or nothing that is known.
        colours: The first bit of what says the colours, and the first behind it.
        words: What says the colours: its bits as a number, and how many.
        end: The first bit behind the header.
    """

    width: int = 0
    height: int = 0
    orientation: int = 1
    bits: int = 8
    floating: bool = False
    extra: tuple[int, ...] = ()
    animated: bool = False
    lossy: bool = True
    profile: bool = False
    cicp: tuple[int, int] | None = SRGB
    space: Space | None = None
    colours: tuple[int, int] = (0, 0)
    words: tuple[int, int] = (0, 0)
    end: int = 0


class _Bits:
    """A reader of bits, the least first."""

    def __init__(self, data: bytes, at: int = 0) -> None:
        self.number, self.size, self.at = int.from_bytes(data, "little"), 8 * len(data), at

    def take(self, count: int) -> int:
        if self.at + count > self.size:
            raise InputError("truncated or damaged JPEG XL (its header ends early)")
        value = self.number >> self.at & ((1 << count) - 1)
        self.at += count
        return value

    def choose(self, *ways: tuple[int, int]) -> int:
        """A number told in one of four ways, each an offset and a count of bits."""
        offset, count = ways[self.take(2)]
        return offset + self.take(count)

    def enum(self) -> int:
        return self.choose((0, 0), (1, 0), (2, 4), (18, 6))


def read(data: bytes) -> Header:
    """Read the header of a codestream, of which a few kilobytes are enough.

    Raises:
        InputError: It ends early, or is none; with the format's name and without the file's.
    """
    if data[:2] != b"\xff\x0a":
        raise InputError("truncated or damaged JPEG XL (no codestream)")
    bits, found = _Bits(data[:4096], 16), Header()
    found.width, found.height = _size(bits)
    if bits.take(1):
        found.colours, found.end = (-1, -1), bits.at
        return found
    more = bits.take(1)
    if more:
        found.orientation = 1 + bits.take(3)
        if bits.take(1):
            _size(bits)
        if bits.take(1):
            _preview(bits)
        if bits.take(1):
            found.animated = True
            return found  # which is refused
    found.bits, found.floating = _depth(bits)
    bits.take(1)
    count = bits.choose((0, 0), (1, 0), (2, 4), (1, 12))
    if count > _MOST:
        raise InputError(
            f"JPEG XL of {count} further channels; grey and RGB are restored, with or without alpha"
        )
    found.extra = tuple(_extra(bits) for _ in range(count))
    found.lossy = bool(bits.take(1))
    start = bits.at
    found.profile, found.cicp, found.space = _colours(bits)
    found.colours, found.end = (start, bits.at), bits.at
    found.words = _Bits(data[:4096], start).take(bits.at - start), bits.at - start
    return found


def _size(bits: _Bits) -> tuple[int, int]:
    small = bits.take(1)

    def side() -> int:
        return 8 * (1 + bits.take(5)) if small else bits.choose((1, 9), (1, 13), (1, 18), (1, 30))

    height = side()
    ratio = bits.take(3)
    across, down = _RATIOS[ratio]
    return (height * across // down if ratio else side()), height


def _preview(bits: _Bits) -> None:
    """Pass over the size of a preview."""
    by_8 = bits.take(1)

    def side() -> None:
        bits.choose((16, 0), (32, 0), (1, 5), (33, 9)) if by_8 else bits.choose(
            (1, 6), (65, 8), (321, 10), (1345, 12)
        )

    side()
    if bits.take(3) == 0:
        side()


def _depth(bits: _Bits) -> tuple[int, bool]:
    if bits.take(1):
        found = bits.choose((32, 0), (16, 0), (24, 0), (1, 6))
        bits.take(4)
        return found, True
    return bits.choose((8, 0), (10, 0), (12, 0), (1, 6)), False


def _extra(bits: _Bits) -> int:
    """The kind of a channel besides colours."""
    if bits.take(1):
        return _ALPHA
    kind = bits.enum()
    _depth(bits)
    bits.choose((0, 0), (3, 0), (4, 0), (1, 3))
    bits.take(8 * bits.choose((0, 0), (0, 4), (16, 5), (48, 10)))
    if kind == _ALPHA:
        bits.take(1)
    elif kind == _SPOT:
        bits.take(64)
    elif kind == _CFA:
        bits.choose((1, 0), (0, 2), (3, 4), (19, 8))
    return kind


def _colours(bits: _Bits) -> tuple[bool, tuple[int, int] | None, Space | None]:
    """If there is a profile; else the numbers of ITU-T H.273, or where they are others, the colours."""
    if bits.take(1):
        return False, SRGB, None
    profile, space = bool(bits.take(1)), bits.enum()
    if profile:
        return True, None, None
    white, primaries, transfer, power = _D65, 1, 0, 0.0
    light = _WHITES[_D65]
    places: tuple[tuple[float, float], ...] = icc.PRIMARIES[1][0]
    if space != _XYB:
        white = bits.enum()
        light = _places(bits, 1)[0] if white == _CUSTOM else _WHITES.get(white, (0.0, 0.0))
    if space not in (_XYB, _GREY):
        primaries = bits.enum()
        known = icc.PRIMARIES[_PRIMARIES.get(primaries, 1)][0]
        places = _places(bits, 3) if primaries == _CUSTOM else known
    if bits.take(1):
        gamma = bits.take(24)
        transfer = {4545455: 4, 3571429: 5, 10_000_000: 8}.get(gamma, 0)
        power = 1e7 / max(gamma, 1)
    else:
        transfer = bits.enum()
        power = 2.6 if transfer == _DCI_CURVE else 0.0
    bits.enum()
    transfer = transfer if transfer in _TRANSFERS else 0
    if transfer and primaries == 11 and white == _DCI:
        return False, (11, transfer), None
    if transfer and primaries in _PRIMARIES and white == _D65:
        return False, (_PRIMARIES[primaries], transfer), None
    if space not in (_COLOUR, _GREY) or primaries not in (*_PRIMARIES, _CUSTOM) or not (transfer or power):
        return False, None, None
    return False, None, Space(places, light, transfer, power, space == _GREY)


def _places(bits: _Bits, count: int) -> tuple[tuple[float, float], ...]:
    """So many custom x and y."""
    found = []
    for _ in range(2 * count):
        value = bits.choose((0, 19), (1 << 19, 19), (1 << 20, 20), (1 << 21, 21))
        found.append((-(value + 1) // 2 if value % 2 else value // 2) / 1e6)
    return tuple(zip(found[::2], found[1::2], strict=True))


def recoloured(data: bytes, words: tuple[int, int]) -> bytes:
    """Return a codestream with other words on its colours.

    Of a lossless one they say what the samples are; of one with loss, whose samples are XYB, what they are
    to be decoded to.

    Args:
        data: Of libjxl, without a profile and more than the plain header.
        words: Of another header, or made by `words_of`.
    """
    (start, stop), (number, size) = read(data).colours, words
    bits = _Bits(data[:4096], stop)
    if start < 0 or (bits.take(2), bits.take(1)) != (0, 1):  # no extensions, the usual transform
        raise InputError(
            "JPEG XL: the colours cannot be written by the libjxl that is here; write PNG or TIFF"
        )
    before = int.from_bytes(data[:4096], "little") & ((1 << start) - 1)
    header = before | number << start | 0b100 << (start + size)
    return header.to_bytes(-(-(start + size + 3) // 8), "little") + data[-(-bits.at // 8) :]


def words_of(cicp: tuple[int, int], *, grey: bool = False) -> tuple[int, int]:
    """Return what says colours in a header: its bits as a number, and how many.

    Args:
        cicp: Numbers of primaries and transfer, of those that JPEG XL knows: `can_say`.
        grey: The picture is grey.
    """
    number, size = 0, 0
    primaries = next(own for own, one in _PRIMARIES.items() if one == cicp[0])
    enums = [_GREY if grey else _COLOUR, _D65, *([] if grey else [primaries]), -1, cicp[1], 1]
    for value in (-2, *enums):
        if value < 0:  # one bit or two: not the usual colours and no profile; no gamma
            size -= value
            continue
        way = 0 if value == 0 else 1 if value == 1 else 2 if value < 18 else 3
        offset, count = ((0, 0), (1, 0), (2, 4), (18, 6))[way]
        number |= (way | (value - offset) << 2) << size
        size += 2 + count
    return number, size


def can_say(cicp: tuple[int, int]) -> bool:
    """Tell whether a codestream has numbers for these colours."""
    return cicp[0] in _PRIMARIES.values() and cicp[1] in (1, 8, 13, 16, 18)
