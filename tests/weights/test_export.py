"""ONNX of a denoiser against torch, its model card, and what is refused before anything is written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from genrestore.errors import UsageError, WeightsError
from genrestore.models import NETWORKS
from genrestore.weights import export, header, store
from genrestore.weights.load import load_file
from tests import tiny

DENOISER = {"widths": [8, 8, 8], "blocks": [1, 1, 1], "levels": 2}
ESTIMATOR = {"fine_width": 4, "width": 8, "blocks": 1, "levels": 2}
SIZES = [(1, 24, 40), (3, 17, 9), (2, 5, 31)]
"""Pictures, height and width: multiples of what the networks fold and halve, and not."""


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of random numbers, so that every layer counts."""
    about = header.Header(
        kind="denoiser",
        networks={
            "denoiser": header.NetworkSpec("residual-unet", DENOISER),
            "estimator": header.NetworkSpec("noise-estimator", ESTIMATOR),
        },
        channels=3,
        size=None,
        training={"steps": 7},
        data="none\nat all",
        licence="CC0-1.0",
        source="tests",
        version="0",
    )
    tensors = {}
    generator = torch.Generator().manual_seed(0)
    for role, spec in about.networks.items():
        for name, value in NETWORKS[spec.name](**spec.arguments).state_dict().items():
            fan = max(1, value[0].numel())
            tensors[f"{role}.{name}"] = torch.randn(value.shape, generator=generator) / fan**0.5
    path = tmp_path_factory.mktemp("drawn") / "drawn.safetensors"
    store.save(path, about, tensors)
    return path


@pytest.fixture(scope="module", params=[False, True], ids=["float32", "float16"])
def exported(request: Any, drawn: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[bool, list[Path]]:
    """Whether in half precision, and the files that were written."""
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    path = tmp_path_factory.mktemp("exported") / "made" / "drawn.onnx"
    return request.param, export.export(str(drawn), path, half=request.param)


def run(path: Path, **inputs: torch.Tensor) -> torch.Tensor:
    import onnxruntime

    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {name: value.numpy() for name, value in inputs.items()})
    return torch.from_numpy(found)


@pytest.mark.slow
def test_as_torch_at_any_size(exported: tuple[bool, list[Path]], drawn: Path) -> None:
    half, (denoiser, estimator, _) = exported
    networks = load_file(drawn).networks
    generator = torch.Generator().manual_seed(1)
    for count, *sides in SIZES:
        image = torch.rand(count, 3, *sides, generator=generator)
        level = torch.rand(count, 2, *sides, generator=generator) / 5
        wanted = networks["denoiser"](image, level)
        taken = float((wanted - image).abs().max())
        assert taken > 0.1
        error = (run(denoiser, image=image, noise_level=level) - wanted).abs().max()
        assert error < (5e-3 * taken if half else 1e-4)
        wanted = networks["estimator"](image)
        error = (run(estimator, image=image) / wanted - 1).abs().max()
        assert error < (5e-3 if half else 1e-4)


@pytest.mark.slow
def test_the_files_say_whose_they_are(
    exported: tuple[bool, list[Path]], drawn: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx

    half, files = exported
    assert [file.name for file in files] == ["drawn.onnx", "drawn.estimator.onnx", "drawn.md"]
    sha256 = header.read_header(drawn).sha256
    for file in files[:2]:
        model = onnx.load(file)
        about = {one.key: one.value for one in model.metadata_props}
        assert (about["licence"], about["sha256"], about["data"]) == ("CC0-1.0", sha256, "none\\nat all")
        ends = [*model.graph.input, *model.graph.output]
        axes = [[axis.dim_param for axis in end.type.tensor_type.shape.dim] for end in ends]
        assert axes == [["batch", "", "height", "width"]] * len(ends)
        assert {end.type.tensor_type.elem_type for end in ends} == {onnx.TensorProto.FLOAT}
        types = {one.data_type for one in model.graph.initializer if len(one.dims) == 4}
        assert types == {onnx.TensorProto.FLOAT16 if half else onnx.TensorProto.FLOAT}
    card = files[2].read_text()
    assert all(part in card for part in (sha256, "| terms | CC0-1.0 |", "none\\nat all", "- steps: 7"))
    assert ("float16" in card) == half
    monkeypatch.chdir(files[0].parent)
    names: dict[str, Any] = {}
    exec(card.split("```python\n")[1].split("```")[0], names)
    assert np.shape(names["denoised"]) == (1, 3, 480, 320)


def test_without_the_extra_one_line_says_what_brings_it(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(export, "LIBRARIES", ("no_such_library",))
    with pytest.raises(UsageError, match=r"^ONNX is .* an extra: pip install 'genrestore\[onnx\]'$"):
        export.export(str(drawn), tmp_path / "drawn.onnx")


class TestRefused:
    """Before torch converts anything; nothing is written."""

    @pytest.fixture(autouse=True)
    def extra(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(export, "LIBRARIES", ())
        monkeypatch.setattr(export, "_converted", lambda *_: pytest.fail("converted"))

    def test_another_suffix(self, drawn: Path, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"drawn\.bin: an ONNX file ends in \.onnx$"):
            export.export(str(drawn), tmp_path / "drawn.bin")

    @pytest.mark.parametrize("there", ["drawn.onnx", "drawn.estimator.onnx", "drawn.md"])
    def test_what_exists(self, there: str, drawn: Path, tmp_path: Path) -> None:
        (tmp_path / there).write_text("mine")
        with pytest.raises(UsageError, match=rf"{there}: exists; replace it with --overwrite"):
            export.export(str(drawn), tmp_path / "drawn.onnx")
        assert [(one.name, one.read_text()) for one in tmp_path.iterdir()] == [(there, "mine")]

    def test_another_kind(self, tmp_path: Path) -> None:
        inpainter = tiny.save_inpainter(tmp_path)
        with pytest.raises(WeightsError, match="of the kind inpainter; ONNX is made of a denoiser"):
            export.export(str(inpainter), tmp_path / "drawn.onnx")

    def test_no_such_weights(self, tmp_path: Path) -> None:
        with pytest.raises(WeightsError, match="no such"):
            export.export(str(tmp_path / "none.safetensors"), tmp_path / "drawn.onnx")
