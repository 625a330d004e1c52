"""``genrestore doctor``: what is here, what works, and one picture as a proof."""

from __future__ import annotations

import os
import platform
import sys
import warnings
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Literal

import typer

from genrestore import __version__
from genrestore.cli import options, report
from genrestore.cli.commands import Record
from genrestore.cli.options import SCREEN, Machine
from genrestore.errors import GenrestoreError
from genrestore.settings import setting

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np

    from genrestore.runtime import Runtime

SCHEMA = 1
LIBRARIES = (
    "torch",
    "torchvision",
    "numpy",
    "pillow",
    "tifffile",
    "imagecodecs",
    "safetensors",
    "typer",
    "rich",
)
EXTRAS = {
    "onnx": ("onnxscript", "weights export --onnx"),
    "community": ("spandrel", "other people's networks for weights add"),
}
"""Packages that extras bring besides formats, with their use."""
PILLOW_FEATURES = {"JPEG": "jpg", "WEBP": "webp"}
"""Formats that a Pillow may be built without."""
NOISE = 25.0
"""Grey levels of the self-test's noise."""


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        section: Where it stands.
        name: What was looked at.
        state: "failed" means that genrestore will not work as asked for.
        detail: What was found.
    """

    section: str
    name: str
    state: Literal["ok", "missing", "failed"]
    detail: str


@dataclass(frozen=True, kw_only=True)
class Doctor(Machine, Record):
    """Show versions, devices, folders and formats, and denoise a small picture as a self-test.

    Examples:
        genrestore doctor
        genrestore doctor --device cuda
        genrestore doctor --json
    """

    weights: str = "photo"
    precision: str = "auto"
    json: bool = setting(False, "The same as one JSON object, on stdout.", panel=SCREEN)
    quiet: bool = False

    def run(self, context: typer.Context) -> int:  # noqa: ARG002
        """Look at everything, and say it."""
        findings, code = [*_versions(), *_folders(), *_formats(), *_extras(), *_devices()], 0
        try:
            findings += [_taken(self.runtime, self.device), self_test(self.weights, self.runtime)]
        except GenrestoreError as error:
            findings.append(Finding("self-test", "denoise", "failed", report.one_line(str(error))))
            code = error.exit_code
        code = code or int(any(finding.state == "failed" for finding in findings))
        _show(findings, as_json=self.json, quiet=self.quiet, code=code)
        return code


def self_test(weights: str, runtime: Runtime) -> Finding:
    """Denoise a small synthetic picture; the result must be nearer to the clean one than the input.

    Raises:
        WeightsError: The weights are missing, corrupted or of a wrong kind.
    """
    from genrestore import metrics
    from genrestore.restore.pictures import Restore
    from genrestore.restore.task import DENOISE, Request, Task

    clean, noisy = _pictures(runtime)
    restore = Restore(Task.of(DENOISE, weights, Request(options.to_unit(NOISE))), runtime)
    restored = restore(noisy).pixels
    before, after = (metrics.psnr(picture.astype("float32"), clean, 255.0) for picture in (noisy, restored))
    state: Literal["ok", "failed"] = "ok" if after > before else "failed"
    return Finding("self-test", "denoise", state, f"{weights}: PSNR {before:.2f} dB -> {after:.2f} dB")


def _pictures(runtime: Runtime) -> tuple[np.ndarray, np.ndarray]:
    """A clean picture, float32, and the same with noise, uint8; [1, 3, 96, 96] in 0 to 255."""
    import numpy as np

    y, x = np.mgrid[0:96, 0:96].astype(np.float32) / 95
    disc = ((x - 0.6) ** 2 + (y - 0.4) ** 2 < 0.06).astype(np.float32)
    clean = 60 + 120 * np.stack([x, y, 1 - x * y])[None] * (1 - 0.5 * disc)
    random = np.random.default_rng(runtime.seed)
    noisy = clean + random.normal(0, NOISE, clean.shape)
    return clean.astype(np.float32), np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def _versions() -> Iterator[Finding]:
    yield Finding("versions", "genrestore", "ok", __version__)
    yield Finding("versions", "python", "ok", f"{platform.python_version()} ({sys.executable})")
    yield Finding("versions", "system", "ok", platform.platform())
    for name in LIBRARIES:
        found = _version(name)
        yield Finding("versions", name, "ok" if found else "missing", found or "not installed")


def _version(name: str) -> str | None:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _folders() -> Iterator[Finding]:
    from genrestore.weights import store

    home = store.home()
    place = next((path for path in (home, *home.parents) if path.exists()), home)
    writable = place.is_dir() and os.access(place, os.W_OK | os.X_OK)
    state = "writable" if writable else "not writable"
    when = "" if home.exists() else ", made when needed"
    yield Finding("folders", "weights store", "ok" if writable else "failed", f"{home} ({state}{when})")
    names = ", ".join(entry.name for entry in store.entries()) or "none"
    yield Finding("folders", "weights", "ok" if names != "none" else "missing", names)


def _formats() -> Iterator[Finding]:
    from PIL import features

    from genrestore.files.codecs import formats

    for name in formats.READABLE:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # an older Pillow warns of features that it has not heard of
            there = name not in PILLOW_FEATURES or features.check(PILLOW_FEATURES[name])
        if not there:
            yield Finding("formats", name, "missing", "this Pillow was built without it")
        elif not formats.has_library(name):
            yield Finding("formats", name, "missing", formats.BY_NAME[name].refusal)
        else:
            yield Finding("formats", name, "ok", f"read{' and written' if name in formats.WRITABLE else ''}")


def extras() -> dict[str, tuple[str, str]]:
    """Extras of genrestore, each with a package that it brings, and what that is for."""
    from genrestore.files.codecs import formats

    of_formats = {
        one.extra: (one.library, f"{one.name}, {'read and written' if one.written else 'read'}")
        for one in formats.FORMATS
        if one.extra
    }
    return {**of_formats, **EXTRAS}


def _extras() -> Iterator[Finding]:
    for name, (package, brings) in extras().items():
        found = _version(package)
        how = f"{package} {found}" if found else f"pip install 'genrestore[{name}]'"
        yield Finding("extras", name, "ok" if found else "missing", f"{how}: {brings}")


def _devices() -> Iterator[Finding]:
    from genrestore.runtime import available_devices, bf16_is_fast

    for name in available_devices():
        bf16 = "bf16 in hardware" if bf16_is_fast(name) else "no bf16 in hardware"
        yield Finding("devices", name, "ok", f"{_device_name(name)}; fp32, {bf16}")


def _taken(runtime: Runtime, asked: str) -> Finding:
    from genrestore.runtime import usable_cores

    threads = f"{runtime.threads} {'thread' if runtime.threads == 1 else 'threads'}"
    detail = (
        f"{runtime.device} in {runtime.precision} with {threads}, cores that may be used: {usable_cores()}"
    )
    return Finding("devices", f"--device {asked}", "ok", f"takes {detail}")


def _device_name(device: str) -> str:
    import torch

    if device == "cuda":
        memory = torch.cuda.get_device_properties(0).total_memory / 2**30
        return f"{torch.cuda.get_device_name(0)}, {memory:.1f} GiB, CUDA {torch.version.cuda}"
    return platform.processor() or platform.machine()


def _show(findings: list[Finding], *, as_json: bool, quiet: bool, code: int) -> None:
    if as_json:
        found = [asdict(finding) for finding in findings]
        report.say_json({"schema": SCHEMA, "exit_code": code, "findings": found})
        return
    wide = max(len(finding.name) for finding in findings)
    section = ""
    for finding in findings:
        state = "" if finding.state == "ok" else f"{finding.state.upper()}: "
        text = report.one_line(f"{finding.name:<{wide}}  {state}{finding.detail}")
        if quiet:
            typer.echo(text, err=True) if finding.state == "failed" else None
            continue
        if finding.section != section:
            section = finding.section
            typer.echo(section)
        typer.echo(f"  {text}")
