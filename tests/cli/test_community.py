"""Other people's networks on the command line: added, and used as ours are."""

from __future__ import annotations

import json
import re
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from genrestore.weights import community, store
from tests import networks, tiny
from tests.cli.conftest import Run, noisy_pixels, write

DOCS = Path(__file__).parents[2] / "docs" / "networks.md"
MACHINE = ("--device", "cpu", "--turns", "1", "--json")


@pytest.fixture(autouse=True)
def shipped(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tiny denoiser in the place of photo."""
    folder = tmp_path_factory.mktemp("shipped")
    tiny.save_denoiser(folder, "photo")
    monkeypatch.setattr(store, "SHIPPED", folder)


@pytest.fixture
def added(run: Run, photo: Path) -> dict[str, torch.nn.Module]:
    """Names in the store, and the networks that they are of."""
    pytest.importorskip("spandrel", reason="the extra community is not installed")
    made = {}
    for name, make in {"blind": networks.compact, "told": networks.drunet, "grey": networks.dncnn}.items():
        made[name] = networks.randomised(make)
        file = networks.save(made[name], Path(f"{name}.safetensors"))
        done = run("weights", "add", file, "--name", name, "--licence", "MIT", "--json")
        assert done.exit_code == 0, done.stderr
        file.unlink()
    return made


def unit(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.astype(np.float32)).permute(2, 0, 1)[None] / np.iinfo(pixels.dtype).max


def read(path: str | Path) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image)


def expected(network: torch.nn.Module, *inputs: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        return network(*inputs)[0].clamp(0, 1).permute(1, 2, 0).numpy()


class TestDenoise:
    def test_a_blind_network_gets_the_picture(self, run: Run, added: dict[str, torch.nn.Module]) -> None:
        done = run("denoise", "photo.png", "--weights", "blind", *MACHINE)
        record = json.loads(done.stdout)
        assert (done.exit_code, record["status"], record["sigma"]) == (0, "done", None)
        made = 255 * expected(added["blind"], unit(noisy_pixels()))
        assert np.abs(read("photo.denoised.png") - made).max() <= 0.51
        assert made.std() > 5

    def test_a_told_network_gets_the_level_that_is_given(
        self, run: Run, added: dict[str, torch.nn.Module]
    ) -> None:
        image = unit(noisy_pixels())
        for sigma in (10, 50):
            done = run("denoise", "photo.png", "--weights", "told", "--sigma", sigma, "--overwrite", *MACHINE)
            assert done.exit_code == 0, done.stderr
            level = torch.full_like(image[:, :1], sigma / 255)
            made = 255 * expected(added["told"], torch.cat([image, level], 1))
            assert np.abs(read("photo.denoised.png") - made).max() <= 0.51

    def test_without_a_level_that_of_photo_is_told(self, run: Run, added: dict[str, torch.nn.Module]) -> None:
        ours, theirs = (
            json.loads(
                run("denoise", "photo.png", "--weights", name, "-o", f"of-{name}.png", *MACHINE).stdout
            )
            for name in ("photo", "told")
        )
        assert theirs["sigma"] == pytest.approx(ours["sigma"], rel=1e-5)

    @pytest.mark.parametrize("name", ["blind", "told", "grey"])
    def test_all_that_a_file_has(self, name: str, run: Run, added: dict[str, torch.nn.Module]) -> None:
        alpha = np.arange(24 * 32, dtype=np.uint8).reshape(24, 32)
        write(Path("in/alpha.png"), np.dstack([noisy_pixels(), alpha]))
        write(Path("in/grey.png"), noisy_pixels()[..., 0])
        deep = noisy_pixels()[..., 1].astype(np.uint16) * 257 + 100
        Image.fromarray(deep).save("in/deep.png")
        done = run("denoise", "in", "-o", "out", "--weights", name, *MACHINE)
        assert done.exit_code == 0, done.stderr
        assert np.array_equal(read("out/alpha.png")[..., 3], alpha)
        assert read("out/grey.png").shape == (24, 32)
        found = read("out/deep.png")
        assert (found % 257 != 0).any()
        assert np.abs(found.astype(int) - deep).max() > 257
        half = run("denoise", "photo.png", "-o", "half.png", "--strength", "0.5", "--weights", name, *MACHINE)
        full = run("denoise", "photo.png", "-o", "full.png", "--weights", name, *MACHINE)
        assert half.exit_code == full.exit_code == 0
        whole = read("full.png")
        inside = (whole > 0) & (whole < 255)  # a network may leave the range, and a file is clipped
        mean = (noisy_pixels().astype(float) + whole) / 2
        assert np.abs(read("half.png") - mean)[inside].max() <= 1.01
        luma = run("denoise", "photo.png", "-o", "luma.png", "--luma", "0", "--weights", name, *MACHINE)
        assert luma.exit_code == 0
        weights = np.array([0.299, 0.587, 0.114])
        assert np.abs(read("luma.png") @ weights - noisy_pixels() @ weights).mean() < 2

    def test_a_grey_network_sees_each_colour_alone(self, run: Run, added: dict[str, torch.nn.Module]) -> None:
        run("denoise", "photo.png", "--weights", "grey", *MACHINE)
        image = unit(noisy_pixels()).transpose(0, 1)
        with torch.no_grad():
            made = 255 * added["grey"](image)[:, 0].clamp(0, 1).permute(1, 2, 0).numpy()
        assert np.abs(read("photo.denoised.png") - made).max() <= 0.51

    def test_a_pipe(self, run: Run, added: dict[str, torch.nn.Module]) -> None:
        Path("x.png").write_bytes(Path("photo.png").read_bytes())
        run("denoise", "x.png", "--weights", "blind", *MACHINE)
        piped = run(
            "denoise", "-", "-o", "-", "--weights", "blind", "--turns", "1", stdin=Path("x.png").read_bytes()
        )
        Path("piped.png").write_bytes(piped.stdout_bytes)
        assert np.array_equal(read("piped.png"), read("x.denoised.png"))

    def test_what_a_blind_network_cannot_be_told(self, run: Run, added: dict[str, torch.nn.Module]) -> None:
        for words in (("--sigma", "25"), ("--sigma", "2x"), ("--sigma", "0")):
            done = run("denoise", "photo.png", "--weights", "blind", *words)
            assert done.exit_code == 2
            assert done.stderr.startswith(
                "genrestore: error: weights 'blind' are of kind 'denoiser-blind', which is told no noise"
            )

    def test_no_levels_are_shown_of_a_blind_network(
        self, run: Run, added: dict[str, torch.nn.Module]
    ) -> None:
        done = run("denoise", "photo.png", "--weights", "blind", "--preview", "0,0,16,16")
        assert (done.exit_code, "--preview: shows several noise levels" in done.stderr) == (2, True)

    def test_dejpeg(self, run: Run, added: dict[str, torch.nn.Module]) -> None:
        Image.fromarray(noisy_pixels()).save("photo.jpg", quality=30)
        for name in ("blind", "told"):
            done = run("dejpeg", "photo.jpg", "-o", f"{name}.png", "--weights", name, *MACHINE)
            assert done.exit_code == 0, done.stderr
            assert not np.array_equal(read(f"{name}.png"), read("photo.jpg"))


class TestInpaint:
    @pytest.fixture(autouse=True)
    def mask(self, photo: Path) -> np.ndarray:
        missing = np.zeros((24, 32), np.uint8)
        missing[8:14, 10:20] = 255
        write(Path("mask.png"), missing)
        return missing > 0

    def test_by_plug_and_play(self, run: Run, added: dict[str, torch.nn.Module], mask: np.ndarray) -> None:
        done = run("inpaint", "photo.png", "--mask", "mask.png", "--weights", "told", "--device", "cpu")
        assert done.exit_code == 0, done.stderr
        found = read("photo.inpainted.png")
        assert np.array_equal(found[~mask], noisy_pixels()[~mask])

    def test_by_a_network_for_holes(
        self, run: Run, photo: Path, mask: np.ndarray, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spandrel = pytest.importorskip("spandrel")
        monkeypatch.setattr(spandrel, "MAIN_REGISTRY", networks.with_filler())
        networks.save(networks.filler(), Path("filler.safetensors"))
        done = run("weights", "add", "filler.safetensors", "--name", "filler", "--licence", "MIT")
        assert done.exit_code == 0, done.stderr
        assert "inpainter-blind" in done.stderr
        words = ("inpaint", "photo.png", "--mask", "mask.png", "--weights", "filler", "--device", "cpu")
        done = run(*words)
        assert done.exit_code == 0, done.stderr
        found = read("photo.inpainted.png")
        assert np.array_equal(found[~mask], noisy_pixels()[~mask])
        assert (found[mask] == 191).all()  # three quarters, where it is told that a pixel is missing
        assert run(*words, "--sigma", "9", "--overwrite").exit_code == 2
        refused = run("denoise", "photo.png", "--weights", "filler")
        assert (refused.exit_code, "are of no denoiser" in refused.stderr) == (5, True)

    def test_a_blind_denoiser_fills_nothing(self, run: Run, added: dict[str, torch.nn.Module]) -> None:
        done = run("inpaint", "photo.png", "--mask", "mask.png", "--weights", "blind")
        assert done.exit_code == 5
        assert "of kind 'denoiser-blind', which cannot fill holes; photo-inpaint can" in done.stderr


class TestAdd:
    def test_what_is_said_and_what_the_header_says(self, run: Run, photo: Path) -> None:
        pytest.importorskip("spandrel")
        file = networks.save(networks.randomised(networks.drunet), Path("drunet.safetensors"))
        done = run("weights", "add", file, "--name", "d", "--licence", "MIT")
        assert done.stderr == (
            f"added 'd' (DRUNet for RGB, denoiser, sees pictures in tiles): {store.place('d')}\n"
        )
        header = json.loads(run("weights", "show", "d", "--json").stdout)
        assert (header["licence"], header["networks"]["denoiser"]["name"]) == ("MIT", "spandrel/DRUNet")
        assert run("weights", "verify", "d").exit_code == 0
        assert "denoiser" in run("weights", "list").stdout
        exported = run("weights", "export", "d", "--onnx", "d.onnx")
        assert exported.exit_code == 5

    def test_the_licence_is_asked_for(self, run: Run, photo: Path) -> None:
        pytest.importorskip("spandrel")
        file = networks.save(networks.compact(), Path("x.safetensors"))
        done = run("weights", "add", file, "--name", "x")
        assert (done.exit_code, done.stderr.count("\n")) == (2, 1)
        assert "say under which terms they are, such as --licence MIT, or --licence unknown" in done.stderr
        assert not store.place("x").exists()

    def test_ours_say_it_themselves(self, run: Run, tmp_path: Path) -> None:
        done = run("weights", "add", tiny.save_denoiser(tmp_path), "--name", "x", "--licence", "MIT")
        assert (done.exit_code, "leave it out" in done.stderr) == (2, True)

    def test_without_the_extra(self, run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from safetensors.torch import save_file

        save_file({"body.0.weight": torch.zeros(1)}, "x.safetensors")
        monkeypatch.setattr(community, "find_spec", lambda name: None)
        done = run("weights", "add", "x.safetensors", "--name", "x", "--licence", "MIT")
        assert done.exit_code == 5
        assert done.stderr == (
            "genrestore: error: x.safetensors: other people's weights are taken with an extra: "
            "pip install 'genrestore[community]'\n"
        )

    def test_what_was_added_and_lost_its_extra(
        self, run: Run, added: dict[str, torch.nn.Module], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(community, "find_spec", lambda name: None)
        done = run("denoise", "photo.png", "--weights", "blind")
        assert done.exit_code == 5
        assert "pip install 'genrestore[community]'" in done.stderr
        assert not Path("photo.denoised.png").exists()

    def test_a_network_for_another_task(self, run: Run, photo: Path) -> None:
        pytest.importorskip("spandrel")
        file = networks.save(networks.enlarging(), Path("x.safetensors"))
        done = run("weights", "add", file, "--name", "x", "--licence", "MIT")
        assert (done.exit_code, done.stderr.count("\n")) == (5, 1)
        assert "super-resolution" in done.stderr
        direct = run("denoise", "photo.png", "--weights", file)
        assert (direct.exit_code, "genrestore weights add" in direct.stderr) == (5, True)

    def test_a_name_that_is_there_stays(self, run: Run, added: dict[str, torch.nn.Module]) -> None:
        before = store.place("blind").read_bytes()
        file = networks.save(networks.drunet(), Path("x.safetensors"))
        done = run("weights", "add", file, "--name", "blind", "--licence", "MIT")
        assert (done.exit_code, "--overwrite" in done.stderr) == (2, True)
        assert store.place("blind").read_bytes() == before


class TestPickles:
    @pytest.mark.parametrize("old", [True, False])
    @pytest.mark.parametrize("nested", [True, False])
    def test_they_are_converted_as_the_page_says(
        self, old: bool, nested: bool, run: Run, photo: Path
    ) -> None:
        """The page's own lines, on a file as torch writes it; ours never opens it."""
        pytest.importorskip("spandrel")
        network = networks.randomised(networks.compact)
        state = network.state_dict()
        content = {"params": state} if nested else state
        torch.save(content, "scunet.pth", _use_new_zipfile_serialization=not old)  # noqa: TID251
        done = run("weights", "add", "scunet.pth", "--name", "x", "--licence", "MIT")
        assert (done.exit_code, done.stderr.count("\n")) == (5, 1)
        assert "torch.load(..., weights_only=True)" in done.stderr
        assert "docs/networks.md" in done.stderr
        (code,) = re.findall(r"```text\n(import torch.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
        with warnings.catch_warnings():
            exec(code, {})
        done = run("weights", "add", "scunet.safetensors", "--name", "x", "--licence", "MIT")
        assert done.exit_code == 0, done.stderr
