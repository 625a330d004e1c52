from __future__ import annotations

from pathlib import Path

import pytest

from genrestore.models import NETWORKS
from genrestore.weights import store
from tests.weights import samples


@pytest.fixture(autouse=True)
def tiny_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The network "tiny" is known."""
    monkeypatch.setitem(NETWORKS, "tiny", samples.Tiny)


@pytest.fixture(autouse=True)
def shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in the place of the package's weights."""
    folder = tmp_path_factory.mktemp("shipped")
    monkeypatch.setattr(store, "SHIPPED", folder)
    return folder


@pytest.fixture
def sound(tmp_path: Path) -> Path:
    """A weights file that is as it should be."""
    path = tmp_path / "sound.safetensors"
    path.write_bytes(samples.raw())
    return path
