"""What is in the wheel, and that it runs as it was built."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tarfile
import zipfile
from importlib.metadata import entry_points, version
from pathlib import Path
from typing import Any

import pytest
import torch

import genrestore
from genrestore.runtime import Runtime
from genrestore.study.latents import sampler
from genrestore.weights import store
from genrestore.weights.header import read_header
from genrestore.weights.load import load_file

ROOT = Path(__file__).parents[1]
LARGEST_SHIPPED = 12_000_000
"""Bytes of one weights file in the wheel."""


GRAFTED = (".ci", "benchmarks", "docs", "examples", "genrestore", "tests")
"""Folders that an archive has all of, and files beside them."""
BESIDE = (".dockerignore", "CHANGELOG.md", "CONTRIBUTING.md", "Dockerfile", "LICENSE", "MANIFEST.in")
BESIDE += ("README.md", "mkdocs.yml", "pyproject.toml")


def built(what: str, folder: Path) -> Path:
    """The one file that setuptools builds of a folder: an "sdist" or a "wheel"."""
    code = f"from setuptools import build_meta; print(build_meta.build_{what}('out'))"
    words = [sys.executable, "-c", code]
    done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True, timeout=300)
    return folder / "out" / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source archive of a copy of the tree, unpacked."""
    copy, there = tmp_path_factory.mktemp("tree"), tmp_path_factory.mktemp("archive")
    for name in BESIDE:
        shutil.copy(ROOT / name, copy)
    for name in GRAFTED:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    with tarfile.open(built("sdist", copy)) as packed:
        packed.extractall(there, filter="data")
    (whole,) = there.iterdir()
    return whole


@pytest.fixture(scope="module")
def wheel(archive: Path) -> Path:
    """A wheel that is built from the archive."""
    return built("wheel", archive)


@pytest.mark.slow
def test_the_archive_is_the_tree_so_that_its_tests_are_those_that_run_here(archive: Path) -> None:
    found = [file for name in GRAFTED for file in (ROOT / name).rglob("*") if file.is_file()]
    files = [ROOT / name for name in BESIDE] + [file for file in found if "__pycache__" not in file.parts]
    assert len(files) > 400
    assert [
        str(file.relative_to(ROOT))
        for file in files
        if not (archive / file.relative_to(ROOT)).is_file()
        or file.read_bytes() != (archive / file.relative_to(ROOT)).read_bytes()
    ] == []


def test_the_installed_version_is_the_packages() -> None:
    assert version("genrestore") == genrestore.__version__


def test_the_console_script_is_there() -> None:
    found = [script.value for script in entry_points(group="console_scripts", name="genrestore")]
    assert found[0] == "genrestore.cli:main"


def test_the_default_prior_ships_and_says_what_it_is() -> None:
    header = read_header(store.SHIPPED / "photo.safetensors")
    assert header.kind == "denoiser"
    assert header.channels == 3
    assert header.size is None
    assert header.training
    assert header.data
    assert header.licence


@pytest.mark.parametrize(
    ("name", "latent", "cover"), [("mnist-ae", 10, "mmd"), ("mnist-ae-100", 100, "none")]
)
def test_the_digits_autoencoders_ship_sound_and_small(name: str, latent: int, cover: str) -> None:
    path = store.SHIPPED / f"{name}.safetensors"
    loaded = load_file(path)
    assert (loaded.header.kind, loaded.header.channels, loaded.header.size) == ("autoencoder", 1, 28)
    training = loaded.header.training
    assert training.get("autoencoder", training)["cover"] == cover
    assert sampler(loaded, name, Runtime("cpu", "fp32", 1, 0)).covers == (cover != "none")
    assert "MNIST" in loaded.header.data
    assert loaded.header.licence
    assert path.stat().st_size < 3_000_000
    network: Any = loaded.networks["autoencoder"]
    assert network.latent == latent
    assert not torch.equal(network.centre, torch.zeros(latent))  # its latents were measured


@pytest.mark.parametrize(
    ("name", "channels", "size", "data"),
    [
        ("mnist-gan", 1, 28, "MNIST"),
        ("faces-gan", 1, 64, "face crops"),
        ("faces-rgb-gan", 3, 64, "face crops"),
    ],
)
def test_the_generators_ship_sound_with_their_encoders(
    name: str, channels: int, size: int, data: str
) -> None:
    loaded = load_file(store.SHIPPED / f"{name}.safetensors")
    assert (loaded.header.kind, loaded.header.channels, loaded.header.size) == ("generator", channels, size)
    assert data in loaded.header.data
    assert loaded.header.licence
    assert set(loaded.networks) == {"generator", "encoder"}
    torch.manual_seed(0)
    latent = torch.randn(8, loaded.header.networks["generator"].arguments["latent"])
    with torch.no_grad():
        images = loaded.networks["generator"].eval()(latent)
        again = loaded.networks["generator"](loaded.networks["encoder"].eval()(images))
    assert images.std() > 0.1
    assert (again - images).square().mean() < 0.5 * images.var(0).mean()


def test_the_finder_of_marks_ships_sound_and_small() -> None:
    path = store.SHIPPED / "photo-marks.safetensors"
    header = load_file(path).header
    assert (header.kind, header.channels, header.size) == ("finder", 3, None)
    assert header.networks["finder"].arguments["kinds"] == ["dust", "scratches", "hot"]
    assert header.data
    assert header.licence
    assert path.stat().st_size < 2_000_000


def test_shipped_weights_are_small() -> None:
    shipped = {path.name: path.stat().st_size for path in store.SHIPPED.glob("[!.]*")}
    assert not [name for name in shipped if not name.endswith(".safetensors")]
    assert not [name for name, size in shipped.items() if size > LARGEST_SHIPPED]


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    names = {Path(name) for name in zipfile.ZipFile(wheel).namelist()}
    package = {name for name in names if name.parts[0] == "genrestore"}
    wanted = [
        path
        for path in (ROOT / "genrestore").rglob("*")
        if path.suffix in (".py", ".png", ".safetensors", ".typed", ".html", ".css", ".js")
    ]
    assert package == {path.relative_to(ROOT) for path in wanted}
    assert {name.parts[0] for name in names - package} == {f"genrestore-{genrestore.__version__}.dist-info"}
    assert any(name.name == "LICENSE" for name in names)


@pytest.mark.slow
def test_the_wheel_runs_where_it_is_unpacked(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    code = (
        "import sys; sys.path.insert(0, sys.argv.pop(1)); import genrestore; "
        "assert genrestore.__file__.startswith(sys.path[0]); from genrestore.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path), "--version"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.stdout, done.stderr, done.returncode) == (f"genrestore {genrestore.__version__}\n", "", 0)
