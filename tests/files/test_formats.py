"""The table of formats: its lines do not contradict each other, and each codec has what its line says."""

from __future__ import annotations

import io
import sys
from collections import Counter

import pytest

from genrestore.errors import InputError
from genrestore.files.codecs import formats, images
from genrestore.files.codecs.formats import FORMATS, Format
from tests.files import make
from tests.files.test_hostile import WRITTEN


def suffixes(one: Format) -> list[str]:
    return [*one.suffixes.split(), *one.read_suffixes.split()]


def test_a_suffix_names_one_format() -> None:
    times = Counter(suffix for one in FORMATS for suffix in suffixes(one))
    assert {suffix: count for suffix, count in times.items() if count > 1} == {}
    assert all(suffix.startswith(".") and suffix == suffix.lower() for suffix in times)


@pytest.mark.parametrize("format", [one for one in formats.READABLE if one != formats.RAW])
def test_a_file_is_known_by_its_first_bytes_and_by_no_other_line(format: str) -> None:
    header = WRITTEN[format][: formats.HEADER_BYTES]
    assert [one.name for one in FORMATS if one.begins(header)] == [format]
    assert formats.of_content(header) == format
    assert not any(one.begins(header[:1]) for one in FORMATS)


@pytest.mark.parametrize("format", formats.READABLE)
def test_a_codec_has_what_its_line_says(format: str) -> None:
    codec = formats.codec(format)
    assert callable(codec.read)
    written = [name for name in ("write", "read_provenance") if hasattr(codec, name)]
    assert len(written) == (2 if format in formats.WRITABLE else 0)


@pytest.mark.parametrize("format", formats.WRITABLE)
def test_a_line_says_what_its_codec_can_hold(format: str) -> None:
    """Grey of 16 bits with alpha, written and read again: what is lost is what the line has no place for."""
    known = formats.BY_NAME[format]
    found = make.again(make.plain(make.pixels(2, 16)), format)
    assert (found.alpha is not None) == known.alpha
    assert (found.metadata.bits or found.pixels.dtype.itemsize * 8) == known.bits
    assert (found.pixels.shape[1] == 1) == known.grey


def test_camera_raw_is_known_by_its_suffix_where_it_begins_as_a_tiff() -> None:
    header = WRITTEN["camera RAW"][: formats.HEADER_BYTES]
    assert formats.of_content(header) == "TIFF"
    assert formats.of_content(header, ".DNG") == formats.RAW
    assert formats.of_content(WRITTEN["JPEG"], ".dng") == "JPEG"
    assert formats.of_content(b"FUJIFILMCCD-RAW 0201") == formats.RAW


@pytest.mark.parametrize(
    ("format", "header", "expected"),
    [
        ("PNG", b"", "PNG"),
        ("GIF", b"", "PNG"),
        ("HEIC", b"\0\0\0\x18ftypheic", "JPEG"),
        ("HEIC", b"\0\0\0\x18ftypheix", "TIFF"),
        (formats.RAW, b"", "TIFF"),
    ],
)
def test_results_have_a_format_that_is_written(format: str, header: bytes, expected: str) -> None:
    assert formats.result_of(format, header) == expected


@pytest.mark.parametrize(
    ("format", "module", "extra"),
    [("HEIC", "pillow_heif", "heic"), (formats.RAW, "rawpy", "raw"), ("OpenEXR", "OpenEXR", "exr")],
)
def test_without_its_extra_a_format_is_refused_with_what_installs_it(
    format: str, module: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(
        InputError, match=rf"is read( and written)? with an extra: pip install 'genrestore\[{extra}\]'"
    ):
        images.read(io.BytesIO(WRITTEN[format]))


def test_the_help_names_every_format_that_is_written() -> None:
    from genrestore.cli.words import Words

    *words, last = formats.WORDS
    assert f"{', '.join(words)} or {last}" in (Words.__doc__ or "")
    assert {formats.SUFFIXES[f".{word}"] for word in formats.WORDS} == {*formats.WRITABLE}
