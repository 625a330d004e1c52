"""Measure what file formats cost: other colours and linear light, camera RAW, reading and writing.

python benchmarks/formats.py --data FOLDER [--section NAME ...] [--quick]
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import imagecodecs
import numpy as np
import tifffile
from bench import Bench, cli, interleaved, main, mean, ratio
from pictures import Pixels, gaussian, large_picture, psnr
from tables import Row, Section

from genrestore.files.codecs import formats, icc, images
from genrestore.files.codecs.metadata import Metadata

sys.path.insert(0, str(Path(__file__).parents[1]))
from tests.files import make

SIGMA, FULL = 15, 65535
D65, D50 = (0.3127, 0.3290), (0.3457, 0.3585)
SRGB = (((0.64, 0.33), (0.30, 0.60), (0.15, 0.06)), D65, None)
SPACES: dict[str, tuple[Any, tuple[float, float], float | None]] = {
    "Display P3": (((0.680, 0.320), (0.265, 0.690), (0.150, 0.060)), D65, None),
    "Adobe RGB": (((0.64, 0.33), (0.21, 0.71), (0.15, 0.06)), D65, 563 / 256),
    "ProPhoto": (((0.7347, 0.2653), (0.1596, 0.8404), (0.0366, 0.0001)), D50, 1.8),
    "linear": (SRGB[0], D65, 1.0),
}
"""Primaries, white, and the power of the curve; None is sRGB's curve."""
GAIN, READ = {"ISO 12800": 0.016, "ISO 3200": 0.004}, 0.004
"""Noise of a sensor's values in [0, 1]: variance gain · value + read²."""


def moved(rgb: Pixels, source: tuple[Any, ...], target: tuple[Any, ...]) -> Pixels:
    """Colours [height, width, 3] of one space in another, clipped, by the matrices of their profiles."""
    (there, _), (here, _) = (icc.adapted(*space[:2]) for space in (source, target))
    light = icc.linear(rgb) if source[2] is None else rgb ** source[2]
    light = (light @ (np.linalg.inv(here) @ there).T).clip(0, 1)
    return icc.on_curve(light) if target[2] is None else light ** (1 / target[2])


def colours(bench: Bench) -> Section:
    """CBSD68 with noise as 16-bit TIFF in other spaces: PSNR in sRGB less that of the sRGB file."""
    chosen = bench.pictures("CBSD68")[:: max(1, 5 // bench.every)]
    noisy = {one.name: gaussian(one.clean, SIGMA, one.index).clip(0, 1) for one in chosen}
    found = {}
    for name, space in {"sRGB": SRGB, **SPACES}.items():
        folder = bench.folder(f"colours-{name}")
        profile = None if name == "sRGB" else icc.matrix_profile(*space[:2], icc.power(space[2]), name)
        for one, values in noisy.items():
            stored = np.rint(moved(values, SRGB, space) * FULL).astype(np.uint16)
            tifffile.imwrite(folder / f"{one}.tif", stored, photometric="rgb", iccprofile=profile)
        cli("denoise", folder, "-o", folder / "out", "--weights", bench.weights)
        results = {one.name: tifffile.imread(folder / "out" / f"{one.name}.tif") / FULL for one in chosen}
        found[name] = [psnr(moved(results[one.name], space, SRGB), one.clean) for one in chosen]
    rows = [Row(f"{name}, against sRGB", mean(found[name]) - mean(found["sRGB"]), -0.1) for name in SPACES]
    return Section(
        f"Colours: CBSD68 at σ {SIGMA} in 16-bit TIFF, PSNR in sRGB",
        [Row("sRGB", mean(found["sRGB"])), *rows],
        details=[found],
    )


def mosaics(bench: Bench) -> Section:
    """CBSD68 through a mosaic with noise as DNG: PSNR against the photograph, less LibRaw's rendering's.

    LibRaw's rendering of the mosaic without noise is the other truth: what it fills in wrong is in it.
    """
    chosen = bench.pictures("CBSD68")[:: max(1, 5 // bench.every)]
    rows, details = [], []
    for name, gain in GAIN.items():
        folder, plain = bench.folder(f"mosaics-{name}"), bench.folder(f"renderings-{name}")
        rendered, smooth = {}, {}
        for one in chosen:
            grid = make.mosaic(icc.linear((one.clean / 255).astype(np.float32))).astype(np.float64)
            span = make.WHITE - make.BLACK
            value = ((grid - make.BLACK) / span).clip(0, 1)
            draw = np.random.default_rng(one.index).standard_normal(grid.shape)
            noisy = make.BLACK + span * (value + np.sqrt(gain * value + READ**2) * draw)
            files = [make.dng(each.clip(0, make.WHITE).round().astype(np.uint16)) for each in (grid, noisy)]
            (folder / f"{one.name}.dng").write_bytes(files[1])
            smooth[one.name], rendered[one.name] = (developed(file) for file in files)
            stored = np.rint(rendered[one.name] * FULL).astype(np.uint16)
            tifffile.imwrite(plain / f"{one.name}.tif", stored, photometric="rgb")
        cli("denoise", folder, "-o", folder / "out", "--raw-brightness", 1, "--weights", bench.weights)
        cli("denoise", plain, "-o", plain / "out", "--weights", bench.weights)
        found: dict[str, list[float]] = {"RAW": [], "rendering": [], "smooth": []}
        for one in chosen:
            ours, theirs = (
                tifffile.imread(each / "out" / f"{one.name}.tif") / FULL for each in (folder, plain)
            )
            before, clean = rendered[one.name], smooth[one.name]
            found["RAW"].append(psnr(ours, one.clean) - psnr(before, one.clean))
            found["rendering"].append(psnr(theirs, one.clean) - psnr(before, one.clean))
            found["smooth"].append(psnr(ours, clean) - psnr(before, clean))
        rows += [
            Row(f"{name}: gain over LibRaw's rendering", mean(found["RAW"]), 4.0),
            Row(f"{name}: that rendering as TIFF", mean(found["rendering"])),
            Row(f"{name}: against LibRaw's rendering without noise", mean(found["smooth"])),
        ]
        details.append({"section": "mosaics", "iso": name, **found})
    exact = [psnr(one.clean, smooth[one.name]) - psnr(rendered[one.name], smooth[one.name]) for one in chosen]
    rows.append(Row(f"{name}: the photograph itself against that", mean(exact)))
    return Section("Camera RAW: CBSD68 through a mosaic, as DNG", rows, details=details)


def developed(content: bytes) -> Pixels:
    """A RAW file as it is developed, in [0, 1]."""
    image = images.read(io.BytesIO(content), develop=images.Develop(1.0))
    return image.pixels[0].transpose(1, 2, 0) / FULL


def speed(bench: Bench) -> Section:
    """Reading and writing of 12 megapixels, against the library alone, in turn."""
    import OpenEXR
    import pillow_heif
    import rawpy

    eight = large_picture(bench.megapixels[0], SIGMA)
    deep, floats = eight.astype(np.uint16) * 257, (eight / 255).astype(np.float32)
    raw = make.dng(make.mosaic(icc.linear(floats)))

    def tiff(array: Pixels) -> bytes:
        stream = io.BytesIO()
        tifffile.imwrite(stream, array, photometric="rgb", compression="zlib", predictor=True)
        return stream.getvalue()

    def develop(data: bytes) -> Pixels:
        with rawpy.imread(io.BytesIO(data)) as opened:
            return opened.postprocess(use_camera_wb=True, output_bps=16, gamma=(2.4, 12.92))

    def exr(array: Pixels) -> bytes:
        stream = io.BytesIO()
        OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"RGB": array}).write(stream)
        return stream.getvalue()

    avif = partial(imagecodecs.avif_encode, level=90, speed=8, pixelformat="444")
    jxl = partial(imagecodecs.jpegxl_encode, lossless=True, effort=3)
    cases: dict[str, tuple[Pixels, Callable[[Pixels], Any], Callable[[bytes], Any]]] = {
        "TIFF": (floats, tiff, lambda data: tifffile.imread(io.BytesIO(data))),
        "OpenEXR": (floats, exr, lambda data: OpenEXR.File(io.BytesIO(data), separate_channels=True)),
        "AVIF": (eight, avif, imagecodecs.avif_decode),
        "JPEG XL": (deep, jxl, imagecodecs.jpegxl_decode),
        "HEIC": (eight, make.heic, lambda data: np.asarray(pillow_heif.open_heif(data))),
        "camera RAW": (eight, lambda _: raw, develop),
    }
    rows = []
    for name, (array, write, read) in cases.items():
        data = bytes(write(array))
        image = images.from_buffer(array, Metadata(name, "", lossless=name != "AVIF"))
        runs: dict[str, dict[str, Callable[[], object]]] = {
            "reading": {
                "ours": lambda data=data: images.read(io.BytesIO(data)),
                "theirs": partial(read, data),
            }
        }
        if name in formats.WRITABLE:
            runs["writing"] = {
                "ours": lambda image=image, name=name: images.encode(image, io.BytesIO(), name),
                "theirs": partial(write, array),
            }
        for what, both in runs.items():
            times = ratio(interleaved(both, bench.rounds)[1], "ours", "theirs")
            rows.append(Row(f"{name}: {what}", times, 1.3, unit="×", more=False))
    return Section(f"Reading and writing {bench.megapixels[0]} megapixels, of the library's own time", rows)


if __name__ == "__main__":
    main("formats", {"colours": colours, "mosaics": mosaics, "speed": speed}, "photo", ["speed"])
