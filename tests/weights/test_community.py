"""Other people's weights: what is recognised, what is measured of it, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from genrestore.errors import UsageError, WeightsError
from genrestore.models.community import CommunityNetwork
from genrestore.restore import api
from genrestore.restore.pictures import Restore
from genrestore.restore.task import DENOISE, Request, Task
from genrestore.runtime import Runtime
from genrestore.weights import community, load, reach, store
from tests import networks, tiny

pytest.importorskip("spandrel", reason="the extra community is not installed")
CPU = Runtime("cpu", "fp32", 1, 0)


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A weights file of ours for each architecture."""
    folder, made = tmp_path_factory.mktemp("community"), {}
    for name, make in networks.RESTORING.items():
        file = networks.save(networks.randomised(make), folder / f"{name}.theirs.safetensors")
        found = community.adopt(file, "MIT")
        made[name] = folder / f"{name}.safetensors"
        store.save(made[name], found.header, found.tensors)
    return made


@pytest.fixture(autouse=True)
def shipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The estimator of noise levels is the tiny one."""
    tiny.save_denoiser(tmp_path, "photo")
    monkeypatch.setattr(store, "SHIPPED", tmp_path)


def picture(height: int, width: int) -> torch.Tensor:
    """Not what was measured: another texture, brightness and draw."""
    draw = torch.Generator().manual_seed(7)
    y, x = torch.linspace(0, 9, height)[:, None], torch.linspace(0, 12, width)
    smooth = 0.5 + 0.3 * torch.sin(x + y) * torch.cos(y)
    return (smooth + 0.1 * torch.randn(1, 3, height, width, generator=draw)).clamp(0, 1)


@pytest.mark.parametrize("name", networks.RESTORING)
class TestEach:
    def test_its_header_says_what_it_is(self, name: str, adopted: dict[str, Path]) -> None:
        header = load.load_file(adopted[name]).header
        assert header.networks["denoiser"].name == f"spandrel/{name}"
        assert header.kind == ("denoiser" if name == "DRUNet" else "denoiser-blind")
        assert (header.licence, header.size) == ("MIT", None)
        assert header.source.startswith(f"{name}.theirs.safetensors, sha256 ")

    def test_tiles_are_what_the_whole_is_or_there_are_none(self, name: str, adopted: dict[str, Path]) -> None:
        network = load.load_file(adopted[name]).networks["denoiser"]
        assert isinstance(network, CommunityNetwork)
        assert (network.overlap is None) == (name == "NAFNet")
        pixels = (picture(64, 448) * 65535).round().to(torch.uint16).numpy()
        prior = api.load_prior(str(adopted[name]), CPU)
        task = Task.of(
            DENOISE, str(adopted[name]), Request(25 / 255 if network.takes_level else None), turns=1
        )
        wide = 2 * network.multiple
        whole = Restore(task, CPU, tiling=replace(prior.tilings[0], size=wide * 64 + 4096))(pixels).pixels
        if prior.whole:
            assert prior.tilings[0].size > 4000
            return
        kept = replace(prior.tilings[0], size=network.multiple + 2 * prior.tilings[0].overlap)
        tiled = Restore(task, CPU, tiling=kept)(pixels).pixels
        apart = abs(tiled.astype(int) - whole.astype(int)).max() / 65535
        assert apart <= 1 / 255
        assert whole.std() > 0.01 * 65535  # it says something of the picture


def test_what_is_too_large_for_memory_is_restored_in_parts_and_that_is_said(
    adopted: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    pixels = (picture(64, 448) * 65535).round().to(torch.uint16).numpy()
    task = Task.of(DENOISE, str(adopted["NAFNet"]), turns=1)
    whole = Restore(task, CPU)(pixels)
    assert whole.notes == ()
    monkeypatch.setattr("genrestore.weights.content.memory", lambda: 300 * 256 * 256 / 0.4)
    parts = Restore(task, CPU)(pixels)
    assert parts.notes == (
        "these weights look at a picture as a whole, for which memory is short: restored in parts",
    )
    tiling = api.load_prior(str(adopted["NAFNet"]), CPU).tilings[0]
    assert tiling.overlap == 64
    assert 200 < tiling.size <= 270
    assert (parts.pixels != whole.pixels).any()


def test_a_mean_over_the_whole_picture_is_seen() -> None:
    """Not by the parts of the network, which are one way to know it, but by what comes out of it."""

    def brightened(image: torch.Tensor) -> torch.Tensor:
        return image + 0.1 * (0.5 - image.mean((-2, -1), keepdim=True))

    assert reach.overlap(CommunityNetwork(nn.Identity(), brightened, channels=3), 64) is None


def test_a_network_that_looks_far_gets_a_wide_overlap() -> None:
    blur = nn.Conv2d(1, 1, (1, 129), padding=(0, 64), padding_mode="replicate", bias=False)
    nn.init.constant_(blur.weight, 1 / 129)
    network = CommunityNetwork(blur, blur, channels=1)
    assert reach.overlap(network, 16) is None
    assert reach.overlap(network, 64) == 64
    assert reach.overlap(network, 128) == 64


def test_windows_that_do_not_begin_with_a_tile_are_seen() -> None:
    def cells(image: torch.Tensor) -> torch.Tensor:
        return nn.functional.avg_pool2d(image, (1, 48), ceil_mode=True).repeat_interleave(48, -1)[
            ..., : image.shape[-1]
        ]

    network = CommunityNetwork(nn.Identity(), cells, channels=3)
    assert reach.overlap(network, 64) is None
    assert reach.overlap(network, 96) == 48


def test_memory_is_about_what_is_held() -> None:
    wide = nn.Sequential(nn.Conv2d(3, 64, 1), nn.Conv2d(64, 64, 1), nn.Conv2d(64, 3, 1))
    found = reach.memory(CommunityNetwork(wide, wide, channels=3), 64)
    assert 2 * 64 * 4 <= found <= 3 * 64 * 4


def test_sides_that_a_network_asks_for() -> None:
    seen = []

    def call(image: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(image.shape))
        return image

    network = CommunityNetwork(nn.Identity(), call, channels=3, sides=(32, 8, False))
    image = picture(20, 41)
    assert torch.equal(network(image), image)
    network.sides = (1, 16, True)
    assert torch.equal(network(image[:, :1]), image[:, :1].expand(-1, 3, -1, -1).mean(1, keepdim=True))
    assert seen == [(1, 3, 32, 48), (1, 3, 48, 48)]


class TestRefused:
    def test_no_licence(self, tmp_path: Path) -> None:
        file = networks.save(networks.compact(), tmp_path / "x.safetensors")
        for licence in (None, " "):
            with pytest.raises(UsageError, match=r"--licence MIT, or --licence unknown"):
                community.adopt(file, licence)

    def test_a_network_that_enlarges(self, tmp_path: Path) -> None:
        file = networks.save(networks.enlarging(), tmp_path / "x.safetensors")
        with pytest.raises(WeightsError, match=r"makes pictures 2 times as large \(super-resolution\); genr"):
            community.adopt(file, "MIT")

    @pytest.mark.parametrize(
        "tensors",
        [
            {},
            {"a": torch.zeros(3)},
            {"body.0.weight": torch.zeros(3), "body.1.weight": torch.zeros(0, 10**9)},
            {"body.0.weight": torch.zeros(1), "body.1.weight": torch.zeros(1)},
            {"m_head.0.weight": torch.zeros(64, 3, 3, 3), "m_tail.0.weight": torch.zeros(1)},
            {"body.0.weight": torch.zeros(3, dtype=torch.complex64), "body.1.weight": torch.zeros(3)},
        ],
        ids=["none", "another", "empty", "scalars", "half", "complex"],
    )
    def test_tensors_of_nothing(self, tensors: dict[str, torch.Tensor], tmp_path: Path) -> None:
        save_file(tensors, tmp_path / "x.safetensors")
        with pytest.raises(WeightsError, match=r"tensors of no architecture that spandrel knows|damaged"):
            community.adopt(tmp_path / "x.safetensors", "MIT")

    def test_a_file_that_is_cut_off(self, tmp_path: Path) -> None:
        file = networks.save(networks.compact(), tmp_path / "x.safetensors")
        whole = file.read_bytes()
        for length in (0, 7, 100, len(whole) - 1):
            file.write_bytes(whole[:length])
            with pytest.raises(WeightsError, match="not a safetensors file, or damaged"):
                community.adopt(file, "MIT")

    def test_nan(self, tmp_path: Path) -> None:
        bad = {"body.0.bias": torch.full((4,), torch.nan)}
        found = community.adopt(networks.save(networks.compact(), tmp_path / "x.safetensors", **bad), "MIT")
        with pytest.raises(WeightsError, match="NaN"):
            store.save(tmp_path / "y.safetensors", found.header, found.tensors)

    @pytest.mark.parametrize(
        "arguments",
        [
            {"overlap": -1, "multiple": 8, "memory": 9},
            {"overlap": 8, "multiple": 0, "memory": 9},
            {"overlap": 8.0, "multiple": 8, "memory": 9},
            {"overlap": 8, "multiple": 8, "memory": 2**50},
            {"overlap": 8, "multiple": 8},
            {},
        ],
    )
    def test_numbers_of_a_header_that_cannot_be(self, arguments: dict[str, int], tmp_path: Path) -> None:
        found = community.adopt(networks.save(networks.compact(), tmp_path / "x.safetensors"), "MIT")
        spec = replace(found.header.networks["denoiser"], arguments=arguments)
        file = tmp_path / "y.safetensors"
        store.save(file, replace(found.header, networks={"denoiser": spec}), found.tensors)
        with pytest.raises(WeightsError, match="cannot be built of its tensors"):
            load.load_file(file)

    def test_a_kind_that_its_network_is_not(self, tmp_path: Path) -> None:
        found = community.adopt(networks.save(networks.compact(), tmp_path / "x.safetensors"), "MIT")
        for kind, why in {"denoiser": "told no noise level", "inpainter-blind": "not for holes"}.items():
            store.save(tmp_path / f"{kind}.safetensors", replace(found.header, kind=kind), found.tensors)
            with pytest.raises(WeightsError, match=f"cannot be used as a {kind}: its network is {why}"):
                api.load_prior(str(tmp_path / f"{kind}.safetensors"), CPU)

    def test_an_architecture_of_tomorrow(self, tmp_path: Path) -> None:
        found = community.adopt(networks.save(networks.compact(), tmp_path / "x.safetensors"), "MIT")
        spec = replace(found.header.networks["denoiser"], name="spandrel/Tomorrow")
        store.save(
            tmp_path / "y.safetensors", replace(found.header, networks={"denoiser": spec}), found.tensors
        )
        with pytest.raises(WeightsError, match="needs a network 'Tomorrow', which this spandrel does not"):
            load.load_file(tmp_path / "y.safetensors")
