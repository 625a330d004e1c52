"""The round trip of a photograph, and one clear line for everything that is none."""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from pathlib import Path

import imagecodecs
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image as Pillow

from genrestore.errors import InputError
from genrestore.files.codecs import images, metadata
from tests.files import make

LOSSLESS = ["PNG", "TIFF"]
SUFFIX = {"PNG": ".png", "TIFF": ".tif", "JPEG": ".jpg", "WEBP": ".webp"}


def foreign(path: Path, array: np.ndarray) -> Path:
    """A file of these pixels by a library that is not ours."""
    if path.suffix == ".png":
        path.write_bytes(imagecodecs.png_encode(array))
    else:
        colour = "rgb" if array.ndim == 3 and array.shape[2] >= 3 else "minisblack"
        extra = ["unassalpha"] if array.ndim == 3 and array.shape[2] in (2, 4) else None
        planar = "contig" if array.ndim == 3 else None
        tifffile.imwrite(path, array, photometric=colour, extrasamples=extra, planarconfig=planar)
    return path


def by_others(data: bytes, format: str) -> np.ndarray:
    """What a library that is not ours reads."""
    return imagecodecs.png_decode(data) if format == "PNG" else tifffile.imread(io.BytesIO(data))


class TestLosslessRoundTrip:
    @pytest.mark.parametrize("target", LOSSLESS)
    @pytest.mark.parametrize("source", LOSSLESS)
    @pytest.mark.parametrize("bits", [8, 16])
    @pytest.mark.parametrize("channels", [1, 2, 3, 4])
    def test_pixels_alpha_depth_and_mode(
        self, tmp_path: Path, channels: int, bits: int, source: str, target: str
    ) -> None:
        array = make.pixels(channels, bits)
        image = images.read(foreign(tmp_path / f"a{SUFFIX[source]}", array))
        assert image.pixels.shape == (1, 1 if channels < 3 else 3, 18, 24)
        assert image.pixels.dtype == array.dtype
        assert (image.alpha is None) == (channels in (1, 3))
        assert np.array_equal(make.interleaved(image), array)
        assert np.array_equal(by_others(make.encoded(image, target), target), array)
        assert image.metadata.notes == ()

    @pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (5000, 3)])
    @pytest.mark.parametrize("format", LOSSLESS)
    def test_odd_sizes(self, format: str, size: tuple[int, int]) -> None:
        array = make.pixels(3, 8, *size)
        assert np.array_equal(make.interleaved(make.again(make.plain(array), format)), array)

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
    def test_one_pixel(self, format: str) -> None:
        assert make.again(make.plain(make.pixels(3, 8, 1, 1)), format).pixels.shape == (1, 3, 1, 1)

    def test_pixels_are_writable_views_of_one_buffer(self, tmp_path: Path) -> None:
        image = images.read(foreign(tmp_path / "a.png", make.pixels(4)))
        assert image.alpha is not None
        assert image.pixels.base is image.alpha.base or image.pixels.base.base is image.alpha.base.base
        assert image.pixels.flags.writeable
        result = np.empty_like(image.pixels)
        assert result[0].transpose(1, 2, 0).flags.c_contiguous


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp"])
    def test_pixels_are_turned_as_pillow_turns_them(
        self, tmp_path: Path, suffix: str, orientation: int
    ) -> None:
        path = tmp_path / f"a{suffix}"
        exif = Pillow.Exif()
        exif[274] = orientation
        options = {"lossless": True} if suffix == ".webp" else {}
        make.save(path, make.smooth(3), exif=exif.tobytes(), **options)
        with Pillow.open(path) as opened:
            from PIL import ImageOps

            expected = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
        image = images.read(path)
        assert np.array_equal(make.interleaved(image), expected)
        written = Pillow.open(io.BytesIO(make.encoded(image, image.metadata.format)))
        assert written.getexif().get(274, 1) == 1

    def test_a_palette_tiff_is_turned_once(self, tmp_path: Path) -> None:
        path = tmp_path / "a.tif"
        picture = Pillow.fromarray(make.smooth(3)).quantize(16)
        exif = Pillow.Exif()
        exif[274] = 6
        picture.save(path, exif=exif.tobytes())
        expected = np.asarray(picture.transpose(Pillow.Transpose.ROTATE_270).convert("RGB"))
        assert np.array_equal(make.interleaved(images.read(path)), expected)


class TestMetadata:
    @pytest.mark.parametrize("target", ["PNG", "JPEG", "TIFF", "WEBP"])
    @pytest.mark.parametrize("source", ["PNG", "JPEG", "TIFF", "WEBP"])
    def test_survives_from_every_format_into_every_other(
        self, tmp_path: Path, source: str, target: str
    ) -> None:
        path = tmp_path / f"a{SUFFIX[source]}"
        options = {"xmp": make.XMP} if source in ("JPEG", "WEBP") else {}
        if source == "TIFF":
            options = {"tiffinfo": {700: make.XMP}}
        make.save(path, make.smooth(3), icc_profile=make.ICC, dpi=(300, 300), **options)
        if source == "PNG":
            text = b"XML:com.adobe.xmp\0\0\0\0\0" + make.XMP
            path.write_bytes(make.with_chunks(path.read_bytes(), (b"iTXt", text), (b"eXIf", make.exif())))
        elif source != "TIFF":
            exif = b"Exif\0\0" + make.exif()
            make.save(path, make.smooth(3), icc_profile=make.ICC, dpi=(300, 300), xmp=make.XMP, exif=exif)
        written = Pillow.open(io.BytesIO(make.encoded(images.read(path), target)))
        written.load()
        xmp = written.info.get("xmp") or written.getexif().get(700)
        assert written.info["icc_profile"] == make.ICC
        assert (xmp.encode() if isinstance(xmp, str) else xmp) == make.XMP
        if "WEBP" not in (source, target):
            assert written.info["dpi"] == pytest.approx((300, 300), abs=0.01)
        if source != "TIFF":
            exif = written.getexif()
            assert exif[271] == "Maker"
            assert exif.get_ifd(34665)[34855] == 3200
            assert exif.get_ifd(34665)[37500] == b"note" * 10
            assert exif.get_ifd(34853)[2] == (52.0, 31.0, 12.0)

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP"])
    def test_exif_bytes_are_equal(self, tmp_path: Path, format: str) -> None:
        path = make.save(tmp_path / f"a{SUFFIX[format]}", make.smooth(3), exif=b"Exif\0\0" + make.exif())
        written = Pillow.open(io.BytesIO(make.encoded(images.read(path), format)))
        assert written.info["exif"].removeprefix(b"Exif\0\0") == make.exif()

    @pytest.mark.parametrize("bits", [8, 16])
    def test_of_a_tiff_with_exif_and_place(self, tmp_path: Path, bits: int) -> None:
        first = make.plain(make.pixels(3, bits))
        source = tmp_path / "a.tif"
        described = images.Metadata("JPEG", "RGB", exif=make.exif(6), icc=make.ICC, dpi=(72.0, 144.0))
        source.write_bytes(make.encoded(images.Image(first.pixels, None, described), "TIFF"))
        image = images.read(source)
        assert np.array_equal(image.pixels, first.pixels), "an orientation in metadata is not written"
        written = Pillow.open(io.BytesIO(make.encoded(image, "TIFF")))
        assert written.getexif().get_ifd(34665)[33434] == pytest.approx(1 / 125)
        assert written.getexif().get_ifd(34853)[1] == "N"
        assert written.getexif()[305] == "Software of the camera"
        assert written.info["icc_profile"] == make.ICC
        assert written.info["dpi"] == (72.0, 144.0)

    @pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "WEBP"])
    @pytest.mark.parametrize(
        "record", [{"tool": "genrestore", "σ": 2.5, "nested": {"a": [1, None]}, "x": "<&>"}]
    )
    def test_provenance(self, tmp_path: Path, format: str, record: dict[str, object]) -> None:
        path = tmp_path / f"a{SUFFIX[format]}"
        path.write_bytes(make.encoded(make.plain(make.smooth(3)), format, record))
        assert images.read_provenance(path) == record
        newer = make.encoded(images.read(path), format, {"tool": "newer"})
        path.write_bytes(newer)
        assert images.read_provenance(path) == {"tool": "newer"}
        assert newer.count(b'"tool"') == 1
        path.write_bytes(make.encoded(images.read(path), format))
        assert images.read_provenance(path) is None

    @pytest.mark.parametrize(
        "content", [b"", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0\0", b"II*\0\xff\xff\xff\xff"]
    )
    def test_provenance_of_junk_is_none(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(content)
        assert images.read_provenance(path) is None
        assert images.read_provenance(tmp_path) is None
        assert images.read_provenance(tmp_path / "missing") is None


def bmp(mode: str, profile: bytes, kind: bytes = b"DEBM") -> bytes:
    """A BMP with a header of version 5 and a profile at its end; Pillow's has the first 40 bytes of it."""
    stream = io.BytesIO()
    Pillow.fromarray(make.smooth(3)).convert(mode).save(stream, "BMP")
    plain = stream.getvalue()
    end = len(plain) + 84
    more = bytes(16) + kind + bytes(48) + struct.pack("<IIII", 4, end - 14, len(profile), 0)
    head = struct.pack("<4I", end + len(profile), 0, int.from_bytes(plain[10:14], "little") + 84, 124)
    return plain[:2] + head + plain[18:54] + more + plain[54:] + profile


class TestConversions:
    @pytest.mark.parametrize(
        ("mode", "suffix", "shape", "note"),
        [
            ("P", ".png", (1, 3, 32, 48), "palette converted to RGB"),
            ("P", ".gif", (1, 3, 32, 48), "palette converted to RGB"),
            ("P", ".bmp", (1, 3, 32, 48), "palette converted to RGB"),
            ("P", ".tif", (1, 3, 32, 48), "palette converted to RGB"),
            ("1", ".png", (1, 1, 32, 48), "1-bit grey converted to 8-bit grey"),
            ("1", ".tif", (1, 1, 32, 48), "1-bit grey converted to 8-bit grey"),
            ("CMYK", ".jpg", (1, 3, 32, 48), "CMYK converted to RGB"),
            ("CMYK", ".tif", (1, 3, 32, 48), "CMYK converted to RGB"),
            ("YCbCr", ".tif", (1, 3, 32, 48), None),
        ],
    )
    def test_are_said(
        self, tmp_path: Path, mode: str, suffix: str, shape: tuple[int, ...], note: str | None
    ) -> None:
        path = tmp_path / f"a{suffix}"
        picture = Pillow.fromarray(make.smooth(3)).convert(mode)
        picture.save(path)
        image = images.read(path)
        assert image.pixels.shape == shape
        assert " ".join(image.metadata.notes).startswith(note or "")
        with Pillow.open(path) as opened:
            expected = np.asarray(opened.convert("RGB" if shape[1] == 3 else "L")).astype(int)
        assert np.abs(make.interleaved(image) - expected).max() <= 1

    def test_a_profile_of_cmyk_gives_way_to_srgb(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        Pillow.fromarray(make.smooth(3)).convert("CMYK").save(path, icc_profile=make.ICC)
        image = images.read(path)  # the profile is of RGB, and cannot be used
        assert "without a profile" in image.metadata.notes[0]
        assert image.metadata.icc is None

    def test_transparent_palette(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        Pillow.fromarray(make.smooth(3)).quantize(8).save(path, transparency=2)
        image = images.read(path)
        assert image.metadata.notes == ("palette converted to RGBA",)
        assert image.alpha is not None
        assert set(np.unique(image.alpha)) == {0, 255}

    def test_transparent_grey_gif(self, tmp_path: Path) -> None:
        path, array = tmp_path / "a.gif", (np.arange(512) % 256).astype(np.uint8).reshape(16, 32)
        Pillow.fromarray(array).save(path, transparency=7)
        image = images.read(path)
        assert image.metadata.notes == ("palette converted to LA",)
        assert image.alpha is not None
        assert np.array_equal(image.alpha[0, 0] == 0, array == 7)
        assert np.array_equal(image.pixels[0, 0], array)

    def test_a_comment_of_a_gif_is_said(self, tmp_path: Path) -> None:
        path = make.save(tmp_path / "a.gif", make.pixels(1), comment=b"of the photograph")
        assert images.read(path).metadata.lost == ("its comment is left out",)

    @pytest.mark.parametrize("mode", ["RGB", "P"])
    def test_the_profile_of_a_bmp_comes_along(self, mode: str) -> None:
        image = images.read(io.BytesIO(bmp(mode, make.ICC)))
        assert image.metadata.lost == ()
        assert image.metadata.icc == make.ICC
        expected = Pillow.fromarray(make.smooth(3)).convert(mode).convert("RGB")
        assert np.array_equal(make.interleaved(image), np.asarray(expected))
        assert make.again(image, "PNG").metadata.icc == make.ICC

    @pytest.mark.parametrize(("kind", "cut"), [(b"DEBM", 1), (b"KNIL", 0)])
    def test_a_profile_that_a_bmp_does_not_hold_is_said(self, kind: bytes, cut: int) -> None:
        content = bmp("RGB", make.ICC, kind)
        found = images.read(io.BytesIO(content[: len(content) - cut])).metadata
        assert (found.icc, found.lost) == (None, (metadata.PROFILE_LOST,))

    @pytest.mark.parametrize("format", ["JPEG", "WEBP"])
    def test_16_bits_into_8_are_rounded_and_said(self, format: str) -> None:
        stream = io.BytesIO()
        wide = make.plain(make.smooth(3).astype(np.uint16) * 257)
        notes = images.encode(wide, stream, format)
        assert any("16-bit values are rounded" in note for note in notes)
        read = make.interleaved(images.read(io.BytesIO(stream.getvalue()))).astype(int)
        assert np.abs(read - make.smooth(3)).max() <= 12

    def test_alpha_into_jpeg_is_said(self) -> None:
        assert images.encode(make.plain(make.smooth(4)), io.BytesIO(), "JPEG") == (
            "JPEG has no alpha channel: transparency is left out",
        )

    def test_grey_into_webp_is_said(self) -> None:
        assert "WebP has no grey mode: written as RGB" in images.encode(
            make.plain(make.smooth(1)), io.BytesIO(), "WEBP"
        )

    def test_webp_keeps_lossless_and_alpha(self, tmp_path: Path) -> None:
        array = make.pixels(4)
        array[:6, :, 3] = 0
        path = make.save(tmp_path / "a.webp", array, lossless=True, exact=True)
        assert np.array_equal(make.interleaved(make.again(images.read(path), "WEBP")), array)
        lossy = images.read(make.save(tmp_path / "b.webp", array, lossless=False))
        written = make.again(lossy, "WEBP")
        assert written.alpha is not None
        assert np.array_equal(written.alpha, array[None, None, :, :, 3])
        assert not written.metadata.lossless

    def test_grey_pgm_of_16_bits(self, tmp_path: Path) -> None:
        array = make.pixels(1, 16)
        path = tmp_path / "a.pgm"
        path.write_bytes(b"P5\n24 18\n65535\n" + array.astype(">u2").tobytes())
        assert np.array_equal(make.interleaved(images.read(path)), array)


def animation(suffix: str) -> bytes:
    frames = [Pillow.fromarray(make.smooth(3) // (k + 1)) for k in range(3)]
    stream = io.BytesIO()
    name = {".gif": "GIF", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF"}[suffix]
    frames[0].save(stream, name, save_all=True, append_images=frames[1:])
    return stream.getvalue()


def picture(suffix: str) -> bytes:
    stream = io.BytesIO()
    name = {**SUFFIX, "GIF": ".gif", "BMP": ".bmp", "PPM": ".ppm", "AVIF": ".avif"}
    format = next(key for key, value in name.items() if value == suffix)
    Pillow.fromarray(make.pixels(3, 8, 64, 64)).save(stream, format)
    return stream.getvalue()


def wide() -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, np.zeros((4, 4, 3), np.uint32), photometric="rgb")
    return stream.getvalue()


def five_channels() -> bytes:
    stream = io.BytesIO()
    array = np.zeros((4, 4, 5), np.uint8)
    tifffile.imwrite(stream, array, photometric="rgb", planarconfig="contig")
    return stream.getvalue()


BAD: list[tuple[str, bytes, str]] = [
    ("a.png", b"", r"a\.png: empty, 0 bytes"),
    ("a.png", b"these are words\n" * 20, r"a\.png: not a picture that genrestore reads \(PNG, JPEG"),
    ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", r"a\.svg: not a picture"),
    (
        "a.heic",
        b"\0\0\0\x18ftypheic" + bytes(40),
        r"a\.heic: truncated or damaged HEIC",
    ),
    ("photo.jpg", b"\0\0\0\x18ftypmif1" + bytes(40), r"photo\.jpg: truncated or damaged HEIC"),
    (
        "a.NEF",
        b"MM\0*\0\0\0\x08" + bytes(40),
        r"a\.NEF: (truncated or damaged )?camera RAW",
    ),
    (
        "a.cr3",
        b"\0\0\0\x18ftypcrx " + bytes(40),
        r"a\.cr3: (truncated or damaged )?camera RAW",
    ),
    ("a.jxl", b"\xff\x0a" + bytes(40), r"a\.jxl: truncated or damaged JPEG XL"),
    ("a.jpg", b"\0\0\0\x0cJXL \r\n\x87\n" + bytes(40), r"a\.jpg: truncated or damaged JPEG XL"),
    ("a.jp2", b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(40), r"a\.jp2: JPEG 2000 is not read.*in\.jp2 out\.png"),
    ("a.psd", b"8BPS\0\1" + bytes(40), r"a\.psd: Photoshop is not read"),
    (
        "a.xyz",
        b"FUJIFILMCCD-RAW " + bytes(40),
        r"a\.xyz: (truncated or damaged )?camera RAW",
    ),
    ("a.exr", b"v/1\x01" + bytes(40), r"a\.exr: truncated or damaged OpenEXR"),
    ("a.tga", b"damaged", r"a\.tga: Targa is not read"),
    ("a.hdr", b"ENVI\nsamples = 3\n", r"a\.hdr: not a picture"),
    ("a.gif", animation(".gif"), r"a\.gif: more than one picture"),
    ("a.png", animation(".png"), r"a\.png: more than one picture.*split it first"),
    ("a.webp", animation(".webp"), r"a\.webp: more than one picture"),
    ("a.tif", animation(".tif"), r"a\.tif: more than one picture"),
    ("a.tif", wide(), r"a\.tif: 32-bit unsigned pixels \(RGB\) cannot be kept; convert to 16-bit"),
    ("a.tif", five_channels(), r"a\.tif: 5 channels; grey and RGB are restored"),
    ("a.ppm", b"P6\n2 2\n65535\n" + bytes(24), r"a\.ppm: 16-bit colour PPM is not read"),
    ("a.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(17), r"a\.png: 0 x 0 pixels: nothing to restore"),
    ("a.png", picture(".png")[:20], r"a\.png: truncated or damaged PNG"),
]


class TestBadInput:
    @pytest.mark.parametrize(("name", "content", "message"), BAD)
    def test_gets_one_line(self, tmp_path: Path, name: str, content: bytes, message: str) -> None:
        path = tmp_path / name
        path.write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            images.read(path)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("share", [0.03, 0.5, 0.9, 0.99])
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp", ".gif", ".ppm", ".avif"])
    def test_truncated(self, tmp_path: Path, suffix: str, share: float) -> None:
        content = picture(suffix)
        path = tmp_path / f"a{suffix}"
        path.write_bytes(content[: int(len(content) * share)])
        with pytest.raises(InputError, match=rf"a\{suffix}: "):
            images.read(path)

    def test_truncated_says_so(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jpg"
        path.write_bytes(picture(".jpg")[:2000])
        with pytest.raises(InputError, match=r"a\.jpg: truncated or damaged JPEG"):
            images.read(path)

    def test_a_flipped_bit_in_a_png(self, tmp_path: Path) -> None:
        content = bytearray(picture(".png"))
        content[len(content) // 2] ^= 1
        path = tmp_path / "a.png"
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"truncated or damaged PNG \(IDAT: CRC error\)"):
            images.read(path)

    def test_pixels_that_end_early(self, tmp_path: Path) -> None:
        chunks = make.png_chunks(picture(".png"))
        short = [(kind, zlib.compress(b"\0") if kind == b"IDAT" else payload) for kind, payload in chunks]
        path = tmp_path / "a.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(make.chunk(*each) for each in short))
        with pytest.raises(InputError, match=r"truncated or damaged PNG \(its pixels cannot be decoded\)"):
            images.read(path)

    def test_a_png_without_its_end(self, tmp_path: Path) -> None:
        path = tmp_path / "a.png"
        path.write_bytes(picture(".png")[:-12])
        with pytest.raises(InputError, match="its end is missing"):
            images.read(path)

    def test_missing(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"gone\.png: no such file"):
            images.read(tmp_path / "gone.png")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match="a folder is given where a picture is needed"):
            images.read(tmp_path)

    def test_not_allowed(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = make.save(tmp_path / "a.png", make.smooth(3))

        def refuse(*_: object, **__: object) -> None:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refuse)
        with pytest.raises(InputError, match=r"a\.png: permission denied"):
            images.read(path)

    def test_a_loop_of_links(self, tmp_path: Path) -> None:
        (tmp_path / "a.png").symlink_to("b.png")
        (tmp_path / "b.png").symlink_to("a.png")
        with pytest.raises(InputError, match=r"a\.png: cannot be read"):
            images.read(tmp_path / "a.png")

    def test_a_device(self) -> None:
        with pytest.raises(InputError, match="/dev/null: not a regular file"):
            images.read(Path("/dev/null"))

    def test_an_empty_stream(self) -> None:
        with pytest.raises(InputError, match="standard input: empty"):
            images.read(io.BytesIO())

    def test_a_name_with_a_newline_stays_one_line(self, tmp_path: Path) -> None:
        path = tmp_path / "a\nb.png"
        path.write_bytes(b"")
        with pytest.raises(InputError, match=r"a\\nb\.png: empty"):
            images.read(path)

    def test_a_name_that_is_no_text(self, tmp_path: Path) -> None:
        path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.png"))
        path.write_bytes(b"")
        with pytest.raises(InputError, match=r"\\udcff\.png: empty") as caught:
            images.read(path)
        str(caught.value).encode()

    def test_a_format_that_is_not_written(self) -> None:
        with pytest.raises(InputError, match="BMP is not written; written are PNG, JPEG, TIFF, WEBP"):
            images.encode(make.plain(make.smooth(3)), io.BytesIO(), "BMP")

    @pytest.mark.parametrize(("format", "side"), [("JPEG", 65501), ("WEBP", 16384)])
    def test_too_large_for_the_format(self, format: str, side: int) -> None:
        with pytest.raises(InputError, match=rf"{side} x 1: .* holds at most {side - 1} pixels a side"):
            images.encode(make.plain(np.zeros((1, side, 3), np.uint8)), io.BytesIO(), format)


class TestLargePictures:
    @pytest.mark.parametrize("suffix", [".png", ".jpg", ".tif", ".webp", ".bmp", ".gif"])
    def test_are_refused_by_their_header(self, tmp_path: Path, suffix: str) -> None:
        path = make.save(tmp_path / f"a{suffix}", make.smooth(3))
        with pytest.raises(InputError, match=r"48 x 32 pixels are more than --max-pixels 1535; raise"):
            images.read(path, max_pixels=1535)
        assert images.read(path, max_pixels=1536).pixels.shape == (1, 3, 32, 48)

    def test_pillow_does_not_warn(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(Pillow, "MAX_IMAGE_PIXELS", 100)  # it would warn above and refuse at twice that
        path = make.save(tmp_path / "a.jpg", make.smooth(3))
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert images.read(path).pixels.shape == (1, 3, 32, 48)

    def test_a_bomb_allocates_nothing(self, tmp_path: Path) -> None:
        header = b"\0\0\xea\x60\0\0\xea\x60\x08\x02\0\0\0"
        bomb = b"\x89PNG\r\n\x1a\n" + make.chunk(b"IHDR", header) + make.chunk(b"IEND", b"")
        path = tmp_path / "bomb.png"
        path.write_bytes(bomb)
        with pytest.raises(InputError, match="60000 x 60000 pixels are more than --max-pixels 250000000"):
            images.read(path)


def test_a_pipe_is_read_like_a_file(tmp_path: Path) -> None:
    import threading

    content = picture(".png")
    pipe = tmp_path / "pipe.png"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(content))
    writer.start()
    assert images.read(pipe).pixels.shape == (1, 3, 64, 64)
    writer.join()


SEEDS = [picture(suffix) for suffix in (".png", ".jpg", ".webp", ".bmp", ".gif", ".ppm", ".tif")]


@given(st.sampled_from(SEEDS), st.integers(0, 2**32 - 1))
@settings(max_examples=150, deadline=None)
def test_a_damaged_file_is_read_or_refused_in_one_line(seed: bytes, state: int) -> None:
    draw = np.random.default_rng(state)
    content = np.frombuffer(seed, np.uint8).copy()
    places = np.minimum(draw.exponential(150, draw.integers(1, 9)).astype(int), len(content) - 1)
    content[places] = draw.integers(0, 256, len(places))
    try:
        said = images.read(io.BytesIO(content.tobytes()), max_pixels=10**6).metadata.notes
    except InputError as error:
        said = (str(error),)
    assert all(line.isprintable() for line in said)
