"""Time, memory and start-up. Times are compared within one round, since machines are shared."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import ours
import torch
from ffdnet import FFDNet
from noise import draw
from pictures import Pixels, read, to_bytes, unit, write
from report import Row, Section, watched
from settings import Bench

from genrestore.restore.tiling import Tiling, map_tiles
from genrestore.runtime import Runtime

EXAMPLE = Path(__file__).parents[1] / "examples" / "clean.png"
SIGMA = 15
"""Noise of the large pictures in grey levels."""
HEAVY = ("torch", "torchvision", "matplotlib", "numpy")
STARTS = 7


def mirrored(height: int, width: int) -> Pixels:
    """The example photograph, mirrored up to this size and cut to it; uint8 [height, width, 3]."""
    scene = read(EXAMPLE)
    missing = ((0, max(0, height - scene.shape[0])), (0, max(0, width - scene.shape[1])), (0, 0))
    return np.pad(scene, missing, mode="symmetric")[:height, :width]


def large_picture(megapixels: int) -> Pixels:
    """The example photograph, mirrored up to 4:3 of this size, with Gaussian noise; uint8."""
    width = 16 * round((megapixels * 4 / 3 * 1e6) ** 0.5 / 16)
    height = width * 3 // 4
    scene = mirrored(height, width)
    noisy = np.empty_like(scene)
    for top in range(0, height, 512):
        rows = scene[top : top + 512]
        noisy[top : top + 512] = to_bytes(unit(rows) + SIGMA / 255 * draw(rows.shape, top))
    return noisy


def speed_section(bench: Bench) -> Section:
    """Seconds a megapixel: ours, FFDNet's architecture, and the whole command, turn by turn."""
    megapixels = bench.megapixels[0]
    folder = bench.folder("speed")
    picture = large_picture(megapixels)
    write(folder / "large.png", picture)
    pixels = np.ascontiguousarray(picture.transpose(2, 0, 1))[None]
    runs = _competitors(bench, folder)
    for run in list(runs.values())[:3]:
        run(pixels[..., :768, :768])
    wall: dict[str, list[float]] = {name: [] for name in runs}
    cores: dict[str, list[float]] = {name: [] for name in runs}
    for _ in watched(range(bench.rounds), "speed"):
        for name, run in runs.items():
            start, used = time.perf_counter(), core_seconds()
            run(pixels)
            wall[name].append((time.perf_counter() - start) / (pixels.size / 3e6))
            cores[name].append((core_seconds() - used) / (pixels.size / 3e6))
    section = _speed_rows(megapixels, wall, cores)
    section.more = {"seconds a megapixel": wall, "core seconds a megapixel": cores}
    return section


def core_seconds() -> float:
    """Processor time of this process and of its finished children: hardly changed by other programs."""
    spent = os.times()
    return spent.user + spent.system + spent.children_user + spent.children_system


def _competitors(bench: Bench, folder: Path) -> dict[str, Callable[[Pixels], object]]:
    ffdnet = fastest_ffdnet()

    def whole_command(_: Pixels) -> None:
        words = ours.command("denoise", folder / "large.png", "-o", folder / "out.png")
        subprocess.run([*words, "--weights", bench.weights, "--overwrite", "--quiet"], check=True)

    return {
        "given": ours.task(bench.weights, SIGMA),
        "blind": ours.task(bench.weights, None),
        "ffdnet": lambda image: map_tiles(image, ffdnet, Tiling()),
        "command": whole_command,
    }


def fastest_ffdnet() -> Callable[[torch.Tensor], torch.Tensor]:
    """FFDNet's architecture in float32, in the memory format that is faster here."""
    device = Runtime.create().device
    network = FFDNet().eval().to(device)

    def runner(memory_format: torch.memory_format) -> Callable[[torch.Tensor], torch.Tensor]:
        @torch.inference_mode()
        def run(tile: torch.Tensor) -> torch.Tensor:
            network.to(memory_format=memory_format)
            moved = tile.to(device).contiguous(memory_format=memory_format)
            result: torch.Tensor = network(moved, SIGMA / 255)
            return result.cpu()

        return run

    def trial(run: Callable[[torch.Tensor], torch.Tensor]) -> float:
        tile = torch.zeros(1, 3, 384, 384)
        times = []
        for _ in range(3):
            start = time.perf_counter()
            run(tile)
            times.append(time.perf_counter() - start)
        return min(times)

    return min([runner(torch.contiguous_format), runner(torch.channels_last)], key=trial)


def _speed_rows(megapixels: int, wall: dict[str, list[float]], cores: dict[str, list[float]]) -> Section:
    def ratio(one: str, other: str, times: dict[str, list[float]] = wall) -> float:
        return statistics.median(a / b for a, b in zip(times[one], times[other], strict=True))

    median = {name: statistics.median(values) for name, values in wall.items()}
    section = Section("speed", f"Time at {megapixels} megapixels")
    section.notes.append(
        f"Medians of {len(wall['blind'])} interleaved rounds; {torch.get_num_threads()} threads; ours in "
        f"{Runtime.create().precision}, FFDNet's architecture (random weights) in fp32 on the same tiles."
    )
    beside = {"FFDNet": median["ffdnet"]}
    section.rows = [
        Row("network and tiling, σ not given", median["blind"], unit="s/MP", more=False, beside=beside),
        Row("network and tiling, σ given", median["given"], unit="s/MP", more=False),
        Row("whole command", median["command"], unit="s/MP", more=False),
        Row("σ not given, of FFDNet's time", ratio("blind", "ffdnet"), 0.5, 0.25, "×", more=False),
        Row("σ given, of FFDNet's time", ratio("given", "ffdnet"), 0.5, 0.25, "×", more=False),
        Row("whole command, of network and tiling", ratio("command", "blind"), 1.4, None, "×", more=False),
        *(
            Row(f"{what}, in core seconds", ratio(*pair, cores), unit="×", more=False)
            for what, pair in {
                "σ not given, of FFDNet's time": ("blind", "ffdnet"),
                "σ given, of FFDNet's time": ("given", "ffdnet"),
                "whole command, of network and tiling": ("command", "blind"),
            }.items()
        ),
    ]
    return section


def memory_section(bench: Bench) -> Section:
    """Peak resident memory of the whole command on large PNG files."""
    section = Section("memory", "Memory of the whole command, PNG to PNG, σ not given")
    folder = bench.folder("memory")
    for megapixels, must, aim in zip(bench.megapixels, (1.2, 1.8), (0.8, 1.2), strict=True):
        source = folder / f"{megapixels}.png"
        write(source, large_picture(megapixels))
        words = ours.command("denoise", source, "-o", folder / "out.png", "--weights", bench.weights)
        for _ in watched([megapixels], f"memory, {megapixels} megapixels"):
            spent = ours.cost([*words, "--overwrite", "--quiet"], folder)
        section.rows.append(
            Row(f"{megapixels} megapixels, peak", spent.peak / 1e9, must, aim, "GB", more=False)
        )
        section.more[f"{megapixels} megapixels"] = vars(spent)
    return section


def start_section(bench: Bench) -> Section:
    """`genrestore --help`: seconds and what it loads."""
    words = ours.command("--help")
    runs = [ours.cost(words, bench.folder(f"start-{number}")) for number in range(STARTS)]
    listing = subprocess.run(
        [sys.executable, "-X", "importtime", *words[1:]], capture_output=True, text=True, check=True
    ).stderr
    modules = {line.rpartition("|")[2].strip() for line in listing.splitlines() if "|" in line}
    heavy = sorted(modules & set(HEAVY))
    section = Section("start", "genrestore --help", more={"seconds": [run.seconds for run in runs]})
    section.rows = [
        Row("seconds", statistics.median(run.seconds for run in runs), 0.5, 0.3, "s", more=False),
        Row(
            "seconds of all cores",
            statistics.median(run.cpu_seconds for run in runs),
            unit="s",
            more=False,
        ),
        Row(f"loaded of {', '.join(HEAVY)}", len(heavy), 0, unit="", more=False),
        Row("modules loaded", len(modules), unit="", more=False),
    ]
    section.notes.append(f"Median of {STARTS} starts." + (f" Loaded: {', '.join(heavy)}." if heavy else ""))
    return section
