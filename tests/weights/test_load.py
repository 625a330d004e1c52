"""Networks from files: the same outputs to the bit, and no network that does not fit its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from genrestore.errors import WeightsError
from genrestore.models import NETWORKS
from genrestore.runtime import Runtime
from genrestore.weights import content, load, store
from genrestore.weights.header import NetworkSpec
from tests import tiny
from tests.weights import samples

CPU = Runtime("cpu", "fp32", 1, 0)
IMAGE = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def write(path: Path, changes: dict[str, Any], values: dict[str, torch.Tensor]) -> Path:
    path.write_bytes(samples.signed(samples.header(**changes), values))
    return path


def test_the_same_outputs_to_the_bit(sound: Path) -> None:
    loaded = load.load(str(sound), CPU)
    assert loaded.header == samples.header(sha256=loaded.header.sha256)
    with torch.inference_mode():
        assert torch.equal(loaded.networks["denoiser"](IMAGE), samples.network()(IMAGE))


def test_networks_are_ready_to_run(sound: Path) -> None:
    network = load.load(str(sound), CPU).networks["denoiser"]
    assert not network.training
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert {value.dtype for value in network.parameters()} == {torch.float32}
    assert {value.device.type for value in network.state_dict().values()} == {"cpu"}


def test_halves_become_float32_with_the_values_of_the_halves(tmp_path: Path) -> None:
    path, network = tmp_path / "half.safetensors", samples.network()
    store.save(path, samples.header(), samples.tensors(network), half=True)
    loaded = load.load(str(path), CPU).networks["denoiser"].state_dict()
    for key, value in network.state_dict().items():
        expected = value.half().float() if value.is_floating_point() else value
        assert torch.equal(loaded[key], expected)
        assert loaded[key].dtype == value.dtype


def test_bfloat16_is_read(tmp_path: Path) -> None:
    values = {
        name: value.bfloat16() if value.is_floating_point() else value
        for name, value in samples.tensors(samples.network()).items()
    }
    loaded = load.load_file(write(tmp_path / "bf16.safetensors", {}, values)).networks["denoiser"]
    assert torch.equal(loaded.state_dict()["first.bias"], values["denoiser.first.bias"].float())


def test_two_networks_in_one_file(tmp_path: Path) -> None:
    path = tmp_path / "two.safetensors"
    networks = {"denoiser": NetworkSpec("tiny", {"width": 4}), "estimator": NetworkSpec("tiny", {"width": 2})}
    values = samples.tensors(samples.network(1)) | samples.tensors(samples.network(2, width=2), "estimator")
    store.save(path, samples.header(networks=networks), values)
    loaded = load.load_file(path).networks
    with torch.inference_mode():
        assert torch.equal(loaded["denoiser"](IMAGE), samples.network(1)(IMAGE))
        assert torch.equal(loaded["estimator"](IMAGE), samples.network(2, width=2)(IMAGE))


def test_loading_draws_no_random_numbers(sound: Path) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    load.load_file(sound)
    assert torch.equal(torch.rand(3), expected)


def spec(**arguments: Any) -> dict[str, Any]:
    return {"networks": {"denoiser": NetworkSpec("tiny", arguments)}}


WHOLE = samples.tensors(samples.network())
UNFIT: dict[str, tuple[dict[str, Any], dict[str, torch.Tensor], str]] = {
    "unknown network": (
        {"networks": {"denoiser": NetworkSpec("huge", {})}},
        WHOLE,
        "needs a network 'huge', and this genrestore has only .*tiny; update genrestore",
    ),
    "unknown argument": (spec(depth=3), WHOLE, "tiny cannot be built from {'depth': 3}"),
    "argument of a wrong type": (spec(width="four"), WHOLE, "tiny cannot be built from"),
    "negative argument": (spec(width=-1), WHOLE, "tiny cannot be built from"),
    "endless argument": (spec(width=10**30), WHOLE, "tiny cannot be built from"),
    "more than the memory": (spec(width=10**12), WHOLE, "is of shape"),
    "endless blocks": (
        {"networks": {"denoiser": NetworkSpec("noise-estimator", {"blocks": 10**9})}},
        WHOLE,
        r"from \{'blocks': 1000000000\} \(more than 1007 tensors, which the file does not hold\)",
    ),
    "endless scales": (
        {"networks": {"denoiser": NetworkSpec("residual-unet", {"widths": [4] * 999, "blocks": [9] * 999})}},
        WHOLE,
        "which the file does not hold",
    ),
    "other width": (
        spec(width=5),
        WHOLE,
        r"tensor 'denoiser.first.weight' is of shape \[4, 3, 3, 3\], \[5, 3, 3, 3\]",
    ),
    "missing": (
        {},
        {name: value for name, value in WHOLE.items() if "norm" not in name},
        r"it lacks 5 tensors of its denoiser, the first is 'denoiser.norm.bias'",
    ),
    "unexpected": (
        {},
        {**WHOLE, "denoiser.second.weight": torch.zeros(2)},
        r"no place for 1 tensors, the first is 'denoiser.second.weight'",
    ),
    "integers for numbers": (
        {},
        {**WHOLE, "denoiser.first.bias": torch.zeros(4, dtype=torch.int64)},
        r"tensor 'denoiser.first.bias' holds torch.int64, torch.float32 expected",
    ),
    "numbers for integers": (
        {},
        {**WHOLE, "denoiser.norm.num_batches_tracked": torch.tensor(1.0)},
        r"'denoiser.norm.num_batches_tracked' holds torch.float32, torch.int64 expected",
    ),
}


@pytest.mark.parametrize(("changes", "values", "message"), UNFIT.values(), ids=UNFIT)
def test_what_does_not_fit_is_refused(
    tmp_path: Path, changes: dict[str, Any], values: dict[str, torch.Tensor], message: str
) -> None:
    path = write(tmp_path / "unfit.safetensors", changes, values)
    with pytest.raises(WeightsError, match=message) as caught:
        load.load(str(path), CPU)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize("changes", [{"size": 40_000}, {"size": None}, {"channels": 3}])
def test_what_is_said_of_images_must_be_what_the_network_takes(
    tmp_path: Path, changes: dict[str, Any]
) -> None:
    """A size that nothing checks is one that pictures are scaled to."""
    path = tmp_path / "images.safetensors"
    about = {"networks": {"autoencoder": NetworkSpec("autoencoder", tiny.AUTOENCODER)}, "kind": "autoencoder"}
    values = samples.tensors(tiny.block_autoencoder(), "autoencoder")
    write(path, {**about, "size": 28, "channels": 1}, values)
    assert load.load_file(path).header.size == 28
    write(path, {**about, "size": 28, "channels": 1, **changes}, values)
    with pytest.raises(WeightsError, match=r"its header says images of size .* is for size 28"):
        load.load_file(path)


def test_a_file_larger_than_the_memory_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "large.safetensors", {}, WHOLE)
    monkeypatch.setattr(content, "memory", lambda: 100.0)
    with pytest.raises(WeightsError, match="needs more memory than there is"):
        load.load_file(path)


def test_a_name_is_loaded_from_the_store(sound: Path) -> None:
    store.add(sound, "mine")
    assert load.load("mine", CPU).header.kind == "denoiser"
    with pytest.raises(WeightsError, match="no weights named 'yours'; known names: mine"):
        load.load("yours", CPU)


def test_every_network_of_this_version_can_be_stored_and_loaded(tmp_path: Path) -> None:
    """With the arguments it has by default or needs; building it twice, once without memory, must work."""
    needed = {"autoencoder": tiny.AUTOENCODER, "restorer": {"size": 28, "channels": 1, "latent": 3}}
    needed["mark-finder"] = {"kinds": ["dust"]}
    for name, kind in NETWORKS.items():
        arguments = needed.get(name, {})
        path, network = tmp_path / f"{name}.safetensors", kind(**arguments).eval()
        header = samples.header(networks={"denoiser": NetworkSpec(name, arguments)})
        store.save(path, header, samples.tensors(network))
        loaded = load.load_file(path).networks["denoiser"].state_dict()
        assert all(torch.equal(loaded[key], value) for key, value in network.state_dict().items())
