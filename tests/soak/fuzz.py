"""Damaged pictures and weights for some minutes: read or refused in one line, in bounded time and memory."""

from __future__ import annotations

import argparse
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from genrestore.errors import InputError, WeightsError
from genrestore.files.codecs import images
from genrestore.weights import content
from genrestore.weights.header import read_header
from tests import damage
from tests.soak.checks import Checks

SECONDS, MEGABYTES = 20, 600
"""Of the processor and of memory, that one damaged file may take at most."""
ROUND = 300
MAX_PIXELS = 10**6


def read_picture(data: bytes) -> None:
    """Read a picture; one line is all that may come of it.

    Raises:
        AssertionError: Several lines.
    """
    try:
        said = images.read(io.BytesIO(data), max_pixels=MAX_PIXELS).metadata.notes
    except InputError as error:
        said = (str(error),)
    assert all(line.isprintable() for line in said), said


def read_picture_and_provenance(data: bytes) -> None:
    """The same, also where a PNG's sums are true again, and what --skip-existing reads.

    Raises:
        AssertionError: Several lines.
    """
    read_picture(data)
    if data.startswith(damage.PNG_SIGNATURE):
        read_picture(damage.with_true_sums(data))
    with tempfile.NamedTemporaryFile(suffix=".png") as file:
        file.write(data)
        file.flush()
        images.read_provenance(Path(file.name))


def read_weights(data: bytes) -> None:
    """Read weights, header only and as a whole.

    Raises:
        AssertionError: Several lines.
    """
    with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        file.write(data)
        file.flush()
        said = [refusal(read, Path(file.name)) for read in (read_header, content.read)]
    assert all(len(text.splitlines()) <= 1 for text in said), said


def refusal(read: Callable[[Path], object], path: Path) -> str:
    """What is said of weights that are refused; nothing of those that are read."""
    try:
        read(path)
    except WeightsError as error:
        return str(error)
    return ""


def pictures() -> st.SearchStrategy[bytes]:
    """Damaged pictures of every format that is read, plain and with all metadata."""
    from tests.files.test_hostile import SOUND
    from tests.files.test_round_trip import CARRIES, DPI, EXIF, ICC, XMP, written

    full = [
        written(format, "RGB", (18, 24), {EXIF, ICC, XMP, DPI} & CARRIES[format], 0) for format in CARRIES
    ]
    return st.sampled_from([*SOUND, *full]).flatmap(lambda raw: damage.worse(raw, 1000))


def weights() -> st.SearchStrategy[bytes]:
    """Damaged weights of a tiny network."""
    from tests.weights import samples

    raw = samples.raw()
    return damage.worse(raw, 8 + int.from_bytes(raw[:8], "little"))


def fuzz(
    checks: Checks, name: str, files: st.SearchStrategy[bytes], use: Callable[[bytes], None], seconds: float
) -> None:
    """Rounds of hypothesis, each with another seed, until the time is up or something is found."""
    tried, slowest, until, round_number = 0, 0.0, time.monotonic() + seconds, 0

    def within_bounds(data: bytes) -> None:
        nonlocal tried, slowest
        started, before = time.process_time(), peak()
        use(data)
        tried += 1
        slowest = max(slowest, time.process_time() - started)
        assert time.process_time() - started <= SECONDS, "too slow"
        assert peak() - before <= MEGABYTES, "too much memory"

    while time.monotonic() < until:
        round_number += 1
        decorate = settings(
            max_examples=ROUND, deadline=None, database=None, suppress_health_check=list(HealthCheck),
            phases=[Phase.generate, Phase.shrink], report_multiple_bugs=False,
        )  # fmt: skip
        found: list[bytes] = []

        @seed(round_number)
        @decorate
        @given(files)
        def one_round(data: bytes) -> None:
            found[:] = [data]
            within_bounds(data)

        try:
            one_round()
        except Exception as error:
            checks.holds(False, f"{name}: {type(error).__name__}: {error}; bytes.fromhex('{found[0].hex()}')")
            return
    checks.holds(True, f"{name}: {tried} damaged files in {seconds:g} s, the slowest took {slowest:.2f} s")


def peak() -> float:
    """The largest memory of this process so far, in megabytes."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (
        1024 if sys.platform != "darwin" else 1024**2
    )


def main() -> None:
    """Parse the words and run."""
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--seconds", type=float, default=180, help="for each of the two (180)")
    words.add_argument("--only", choices=["pictures", "weights"], help="one of them")
    asked = words.parse_args()
    checks = Checks()
    if asked.only != "weights":
        fuzz(checks, "pictures", pictures(), read_picture_and_provenance, asked.seconds)
    if asked.only != "pictures":
        fuzz(checks, "weights", weights(), read_weights, asked.seconds)
    checks.end()


if __name__ == "__main__":
    main()
