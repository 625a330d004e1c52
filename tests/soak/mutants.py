"""Damaged pictures of every format and damaged weights, each by its number: read, or refused in one line."""

from __future__ import annotations

import faulthandler
import io
import random
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from genrestore.errors import GenrestoreError
from genrestore.files.codecs import images, metadata
from genrestore.weights import load
from tests import damage
from tests.soak.checks import Checks
from tests.soak.fuzz import peak

SECONDS, MEGABYTES = 60, 1500
"""That one file may take at most."""
MAX_PIXELS = 10**7
HEAD = 600
"""Bytes at the begin of a file, most of which mean something: half of all damage is done there."""


def mutant(raw: bytes, draw: random.Random) -> bytes:
    """A copy with one to four bytes, numbers or parts changed, lost, doubled or cut off."""
    found = bytearray(raw)
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(min(HEAD, len(found)) if draw.random() < 0.5 else len(found))
        way = draw.randrange(6)
        if way == 0:
            found[at] = draw.randrange(256)
        elif way == 1:
            found[at] ^= 1 << draw.randrange(8)
        elif way == 2:
            size, order = draw.choice((2, 4)), draw.choice(("little", "big"))
            value = draw.choice(damage.EDGES) & (256**size - 1)
            found[at : at + size] = value.to_bytes(size, order)  # type: ignore[arg-type]
        elif way == 3:
            del found[at : at + draw.randint(1, 40)]
        elif way == 4:
            found[at:at] = found[at : at + draw.randint(1, 80)]
        elif draw.random() < 0.3:
            del found[max(at, 1) :]
        if not found:
            return b"\0"
    return bytes(found)


def sound_pictures() -> dict[str, list[bytes]]:
    """Small files of every format that is read, plain and with all metadata."""
    from genrestore.files.codecs import formats
    from tests.files.test_hostile import SOUND
    from tests.files.test_round_trip import CARRIES, DPI, EXIF, ICC, XMP, written

    found: dict[str, list[bytes]] = {}
    full = [written(name, "RGB", (18, 24), {EXIF, ICC, XMP, DPI} & CARRIES[name], 0) for name in CARRIES]
    for raw in [*SOUND, *full]:
        name = formats.of_content(raw[: formats.HEADER_BYTES])
        if name is not None:
            found.setdefault(name, []).append(raw)
    return found


def read_picture(data: bytes, folder: Path) -> None:
    """Read a picture and what it says of how it was made, also with true sums where it is a PNG."""
    path = folder / "mutant"
    both = [data, damage.with_true_sums(data)] if data.startswith(damage.PNG_SIGNATURE) else [data]
    for one in both:
        path.write_bytes(one)
        metadata.read_provenance(path)
        images.read(io.BytesIO(one), max_pixels=MAX_PIXELS)


NUMBERS = [-1, 0, 1, 2, 3, 28, 64, 10**5, 10**9, 10**18, 1.5, "4", None, [], [4, 8], [10**6] * 3, True]
SHIPPED = ("mnist-ae", "mnist-gan", "photo")


def signed_weights(draw: random.Random) -> bytes:
    """Weights with a right sum whose header asks for anything; a third has the tensors of shipped ones."""
    from genrestore.models import NETWORKS
    from genrestore.weights.header import NetworkSpec
    from tests.weights import samples

    if draw.random() < 0.3:
        return _shipped_with_another_header(draw)
    names = ["blocks", "widths", "width", "channels", "size", "latent", "hidden", "inputs", "skips", "depth"]
    arguments = {draw.choice(names): draw.choice(NUMBERS) for _ in range(draw.randint(0, 4))}
    network = NetworkSpec(draw.choice(sorted(NETWORKS)), arguments)
    size = draw.choice([None, 28, 40_000])
    kind = draw.choice(["denoiser", "inpainter", "finder", "autoencoder", "generator"])
    about = samples.header(networks={"denoiser": network}, size=size, kind=kind)
    return samples.signed(about, samples.tensors(samples.network()))


def _shipped_with_another_header(draw: random.Random) -> bytes:
    from safetensors.torch import load_file

    from genrestore.weights import store
    from genrestore.weights.header import read_header
    from tests.weights import samples

    path = store.resolve(draw.choice(SHIPPED))
    about = read_header(path)
    role = draw.choice(sorted(about.networks))
    network = about.networks[role]
    changed = {draw.choice(sorted(network.arguments)): draw.choice(NUMBERS)}
    network = replace(network, arguments={**network.arguments, **changed})
    about = replace(
        about, networks={**about.networks, role: network}, size=draw.choice([about.size, 28, 40_000])
    )
    return samples.signed(about, load_file(path))


def read_weights(data: bytes, folder: Path) -> None:
    """Read weights and build their networks."""
    path = folder / "mutant.safetensors"
    path.write_bytes(data)
    load.load_file(path)


def try_all(
    checks: Checks,
    name: str,
    count: int,
    make: Callable[[random.Random], bytes],
    use: Callable[[bytes, Path], None],
    seed: int,
) -> None:
    """Use files, each made of the seed, its kind and its number; anything but one line is a failure."""
    slowest, refused, failed = 0.0, 0, 0
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            data = make(random.Random(f"{seed} {name} {number}"))
            started, before = time.process_time(), peak()
            faulthandler.dump_traceback_later(10 * SECONDS, exit=True)
            try:
                use(data, Path(folder))
                problem = ""
            except GenrestoreError as error:
                refused += 1
                problem = "" if str(error).isprintable() else f"says {error!r}"
            except Exception as error:
                problem = f"{type(error).__name__}: {error}"
            faulthandler.cancel_dump_traceback_later()
            took, more = time.process_time() - started, peak() - before
            slowest = max(slowest, took)
            if took > SECONDS or more > MEGABYTES:
                problem = problem or f"takes {took:.0f} s and {more:.0f} MB"
            if problem:
                failed += 1
                checks.holds(False, f"{name} {number} of seed {seed}: {problem}")
    said = f"{name}: {count} files, {refused} refused, the slowest took {slowest:.2f} s"
    checks.holds(failed == 0, f"{said}, {failed} failed" if failed else said)


def run(checks: Checks, seed: int, pictures: int, weights: int) -> None:
    """So many damaged pictures of each format, and so many damaged weights of each way of damage."""
    from tests.weights import samples

    sound: Mapping[str, list[bytes]] = sound_pictures()
    for name, files in sorted(sound.items()):

        def make(draw: random.Random, files: list[bytes] = files) -> bytes:
            return mutant(draw.choice(files), draw)

        try_all(checks, name, pictures, make, read_picture, seed)
    raw: Any = samples.raw()
    try_all(checks, "damaged weights", weights, lambda draw: mutant(raw, draw), read_weights, seed)
    try_all(checks, "weights that ask for anything", weights, signed_weights, read_weights, seed)
