"""`genrestore doctor`."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import pytest

from genrestore import __version__
from tests.cli.conftest import Run


@pytest.fixture
def doctor(run: Run, weights: str) -> Run:
    return lambda *words: run("doctor", "--weights", weights, *words)


def test_says_what_is_here_and_passes_its_self_test(doctor: Run, genrestore_home: Path) -> None:
    result = doctor("--device", "cpu")
    assert (result.stderr, result.exit_code) == ("", 0)
    for section in ("versions", "folders", "formats", "extras", "devices", "self-test"):
        assert f"\n{section}\n" in f"\n{result.stdout}"
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert ["genrestore", __version__] in lines
    assert str(genrestore_home) in result.stdout
    assert ["AVIF", "read and written"] in lines
    assert ["PNG", "read and written"] in lines
    assert "PSNR" in result.stdout


def test_json(doctor: Run) -> None:
    report = json.loads(doctor("--json").stdout)
    assert (report["schema"], report["exit_code"]) == (1, 0)
    found = {finding["name"]: finding for finding in report["findings"]}
    assert found["python"]["state"] == "ok"
    assert found["cpu"]["section"] == "devices"
    assert found["--device auto"]["detail"].startswith("takes ")


def test_quiet(doctor: Run) -> None:
    assert doctor("-q").output == ""


def test_a_missing_device_is_told_with_the_rest(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    result = doctor("--device", "cuda")
    assert result.exit_code == 4
    assert "FAILED: --device cuda: not available here" in result.stdout


def test_missing_weights_are_told_with_the_rest(run: Run) -> None:
    result = run("doctor", "--weights", "no-such-weights", "--json")
    assert result.exit_code == 5
    last = json.loads(result.stdout)["findings"][-1]
    assert (last["state"], last["section"]) == ("failed", "self-test")
    assert "no-such-weights" in last["detail"]


def test_a_prior_that_does_not_help_fails(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from genrestore.restore import pictures

    monkeypatch.setattr(
        pictures.Restore, "__call__", lambda self, pixels: pictures.Restored(noise_level=0.1, pixels=pixels)
    )
    result = doctor()
    assert (result.exit_code, "  FAILED: " in result.stdout) == (1, True)


def test_a_store_that_cannot_be_written_is_told(
    doctor: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("GENRESTORE_HOME", str(tmp_path / "file" / "home"))
    result = doctor()
    assert result.exit_code == 1
    assert "FAILED: " in result.stdout
    assert "not writable" in result.stdout


def test_a_missing_format_is_told_and_no_failure(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import features

    def check(feature: str) -> bool:
        if feature == "webp":
            warnings.warn(f"Unknown feature '{feature}'.", stacklevel=2)
        return feature != "webp"

    monkeypatch.setattr(features, "check", check)
    result = doctor()
    lines = [line.split(maxsplit=1) for line in result.stdout.splitlines()]
    assert ["WEBP", "MISSING: this Pillow was built without it"] in lines
    assert result.exit_code == 0


def test_every_extra_is_named_and_is_one_of_the_package(doctor: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from genrestore.cli import doctor as command

    tomllib = pytest.importorskip("tomllib")
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    offered = project["project"]["optional-dependencies"]
    assert command.extras().keys() == offered.keys() - {"test", "bench", "docs"}
    for name, (package, _) in command.extras().items():
        assert any(package.lower() in line.lower().replace("-", "_") for line in offered[name])
    monkeypatch.setattr(command, "_version", lambda name: None)
    found = {one["name"]: one for one in json.loads(doctor("--json").stdout)["findings"]}
    for name in command.extras():
        assert found[name]["state"] == "missing"
        assert found[name]["detail"].startswith(f"pip install 'genrestore[{name}]': ")
