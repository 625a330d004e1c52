"""What formats keep, tried out: a picture with everything is written in each of them, and read again."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from PIL import Image as Pillow

from genrestore.files.codecs import formats, icc, images
from genrestore.files.codecs.images import Image, Metadata

LOST = "LOST"
"""What no cell may say: neither kept nor said."""
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmlns:tiff="http://ns.adobe.com/tiff/1.0/" tiff:Make="Maker"/></rdf:RDF></x:xmpmeta>'
)
P3 = icc.of_cicp(12, 13)


def block(orientation: int | None = None) -> bytes:
    """An EXIF block without prefix."""
    made = Pillow.Exif()
    made[271] = "Maker"
    if orientation:
        made[274] = orientation
    return made.tobytes()[6:]


def picture(kind: str = "u1", channels: int = 3, *, alpha: bool = False, **known: Any) -> Image:
    """A smooth picture as if it had been read from a TIFF; `kind` is NumPy's name of its numbers."""
    y, x = np.mgrid[0:32, 0:48] / 50
    unit = np.stack([0.1 + 0.8 * x, 0.2 + 0.7 * y, 0.9 - x / 2 - y / 2, 0.5 + y / 2])
    full = 1 if kind.startswith("f") else np.iinfo(kind).max
    planes = (unit * full).round(0 if full > 1 else 5).astype(kind)[None]
    return Image(planes[:, :channels], planes[:, 3:] if alpha else None, Metadata("TIFF", "?", **known))


def said(notes: tuple[str, ...], *words: str) -> str:
    """The note in which one of the words stands, or that it is lost."""
    return next((note for note in notes if any(word in note for word in words)), LOST)


def again(image: Image, format: str) -> tuple[Image, tuple[str, ...]]:
    """A picture written and read, and what was said of it."""
    stream = io.BytesIO()
    notes = images.encode(image, stream, format)
    return images.read(io.BytesIO(stream.getvalue())), notes


def _depth(kind: str) -> Callable[[str], str]:
    def cell(format: str) -> str:
        found, notes = again(picture(kind), format)
        same = found.pixels.dtype == kind and not 0 < found.metadata.bits < 16
        return "kept" if same else said(notes, "bits")

    return cell


def _grey(format: str) -> str:
    found, notes = again(picture(channels=1), format)
    return "kept" if found.pixels.shape[1] == 1 else said(notes, "grey")


def _alpha(format: str) -> str:
    image = picture(alpha=True)
    found, notes = again(image, format)
    same = found.alpha is not None and np.array_equal(found.alpha, image.alpha)
    return "kept" if same else said(notes, "alpha")


def _metadata(name: str, value: Any, words: str) -> Callable[[str], str]:
    def cell(format: str) -> str:
        found, notes = again(picture(**{name: value}), format)
        kept = getattr(found.metadata, name)
        if name == "dpi" and kept is not None:
            kept = tuple(round(side) for side in kept)
        if name == "exif" and kept is not None:  # TIFF has its fields among its own
            kept = value if b"Maker" in kept else kept
        return "kept" if kept == value else said(notes, words)

    return cell


def _turned(format: str) -> str:
    """A file by Pillow that lies on a side is upright after reading, and its result says nothing of it."""
    stream = io.BytesIO()
    try:
        options = {"exif": b"Exif\0\0" + block(6), "quality": 95}
        Pillow.fromarray(picture().pixels[0].transpose(1, 2, 0)).save(stream, format, **options)
    except KeyError:
        return "–"
    image = images.read(io.BytesIO(stream.getvalue()))
    found, _ = again(image, format)
    turned = found.metadata.exif is not None and b"\x01\x12" in found.metadata.exif
    return "made upright" if found.pixels.shape[2:] == (48, 32) and not turned else LOST


ASPECTS: dict[str, Callable[[str], str]] = {
    "8 bit": _depth("u1"),
    "16 bit": _depth("u2"),
    "16-bit float": _depth("f2"),
    "32-bit float": _depth("f4"),
    "grey": _grey,
    "alpha": _alpha,
    "EXIF": _metadata("exif", block(), "EXIF"),
    "profile (Display P3)": _metadata("icc", P3, "profile"),
    "XMP": _metadata("xmp", XMP, "XMP"),
    "resolution": _metadata("dpi", (300, 300), "resolution"),
    "turned": _turned,
}


def cells() -> Iterator[tuple[str, str, str]]:
    """Yield aspect, format, and what becomes of it there: "kept", a note, or `LOST`."""
    for name, cell in ASPECTS.items():
        yield from ((name, format, cell(format)) for format in formats.WRITABLE)


def table() -> str:
    """What formats keep, as Markdown; notes stand below it by number."""
    notes: list[str] = []
    lines = ["| | " + " | ".join(formats.BY_NAME[format].label for format in formats.WRITABLE) + " |"]
    lines.append("|---" * (1 + len(formats.WRITABLE)) + "|")
    rows: dict[str, list[str]] = {}
    for name, _, text in cells():
        short = {"kept": "✔", "made upright": "upright", "–": "–", LOST: LOST}.get(text)
        if short is None:
            if text not in notes:
                notes.append(text)
            short = f"said ({notes.index(text) + 1})"
        rows.setdefault(name, []).append(short)
    lines += [f"| {name} | {' | '.join(row)} |" for name, row in rows.items()]
    return "\n".join([*lines, "", *(f"{at + 1}. {note}" for at, note in enumerate(notes))]) + "\n"


def list_of_formats() -> str:
    """The formats that are read, with their suffixes, and what brings those that need an extra."""
    lines = ["| format | suffixes | results | needs |", "|---|---|---|---|"]
    for name in formats.READABLE:
        known = formats.BY_NAME[name]
        suffixes = " ".join(f"`{one}`" for one in (known.suffixes + " " + known.read_suffixes).split())
        result = "the same" if known.written else known.result + (", TIFF above 8 bit" if known.deep else "")
        needs = f"`pip install 'genrestore[{known.extra}]'`" if known.extra else ""
        lines.append(f"| {known.label} | {suffixes} | {result} | {needs} |")
    return "\n".join(lines) + "\n"


def list_of_extras() -> str:
    """The extras, with what they bring."""
    from genrestore.cli.doctor import extras

    lines = ["| `pip install` | brings | for |", "|---|---|---|"]
    for name, (package, brings) in extras().items():
        lines.append(f"| `'genrestore[{name}]'` | {package} | {brings} |")
    return "\n".join(lines) + "\n"
