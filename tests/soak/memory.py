"""48 megapixels within 1.5 GB of memory, and tiles that show no seam."""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import imagecodecs
import numpy as np

from tests.soak.checks import Checks

GIGABYTE = 10**9
ROWS = 256


def photograph(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Soft shapes and edges with noise of 15 grey levels, uint8 [height, width, 3]; made in strips."""
    random = np.random.default_rng(seed)
    result = np.empty((height, width, 3), np.uint8)
    x = np.arange(width, dtype=np.float32)
    for top in range(0, height, ROWS):
        y = np.arange(top, min(top + ROWS, height), dtype=np.float32)[:, None]
        soft = 60 * np.sin(x / 97) * np.cos(y / 71) + 40 * np.sin((x + 2 * y) / 13)
        edges = 30.0 * ((x // 64 + y // 48) % 2)
        planes = np.stack([110 + soft + edges, 120 + 0.7 * soft - edges, 130 - 0.5 * soft + edges], axis=-1)
        noisy = planes + random.normal(0, 15, planes.shape)
        result[top : top + ROWS] = np.clip(np.rint(noisy), 0, 255)
    return result


def peak_of(words: list[str]) -> tuple[int, float]:
    """Exit code of a command, and its largest memory in bytes."""
    process = subprocess.Popen(words)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def check_memory(checks: Checks, megapixels: float, limit: float, weights: str) -> None:
    """The whole command on one large picture."""
    height = 2 * round(math.sqrt(megapixels * 10**6 / 1.5) / 2)
    width = height * 3 // 2
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder) / "large.png", Path(folder) / "result.png"
        source.write_bytes(imagecodecs.png_encode(photograph(height, width), level=1))
        command = [sys.executable, "-m", "genrestore", "denoise", str(source), "-o", str(target)]
        code, peak = peak_of([*command, "--weights", weights, "--device", "cpu", "--json"])
        checks.holds(code == 0, f"{width} x {height} pixels are denoised (exit code {code})")
        said = f"in {peak / GIGABYTE:.2f} GB of memory, at most {limit / GIGABYTE:g}"
        checks.holds(peak <= limit, said)


def check_seams(checks: Checks, side: int, weights: str) -> None:
    """The same picture in tiles and as one, in float32 on the CPU."""
    from genrestore.restore.pictures import Restore
    from genrestore.restore.task import DENOISE, Request, Task
    from genrestore.restore.tiling import Tiling
    from genrestore.runtime import Runtime

    runtime = Runtime.create("cpu", "fp32")
    pixels = photograph(side, side * 3 // 2)[None].transpose(0, 3, 1, 2)
    for level in (None, 15 / 255):
        task = Task.of(DENOISE, weights, Request(level))
        whole = Restore(task, runtime, tiling=Tiling(size=64 * side))(pixels)
        tiles = Restore(task, runtime)(pixels)
        difference = np.abs(whole.pixels.astype(int) - tiles.pixels).max()
        how = "estimated" if level is None else "given"
        said = f"noise level {how}: tiles and the whole differ by {difference}/255, at most 1/255"
        checks.holds(bool(difference <= 1), said)


def main() -> None:
    """Parse the words and run."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--megapixels", type=float, default=48, help="of the large picture (48)")
    words.add_argument("--limit", type=float, default=1.5, help="gigabytes of memory (1.5)")
    words.add_argument("--side", type=int, default=1200, help="height of the picture that is compared (1200)")
    words.add_argument("--weights", default="photo", help="the prior (photo)")
    asked = words.parse_args()
    checks = Checks()
    check_memory(checks, asked.megapixels, asked.limit * GIGABYTE, asked.weights)
    check_seams(checks, asked.side, asked.weights)
    checks.end()


if __name__ == "__main__":
    main()
