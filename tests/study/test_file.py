"""Latent files: what is written comes back, and nothing else is taken for one."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save as to_safetensors

from genrestore.errors import InputError, UsageError
from genrestore.study import file

OURS, OTHERS = "a" * 64, "b" * 64


def write(folder: Path, content: bytes) -> Path:
    path = folder / "one.latent.safetensors"
    path.write_bytes(content)
    return path


def test_latents_come_back_to_the_bit(tmp_path: Path) -> None:
    latent = torch.randn(3, 5)
    path = write(tmp_path, file.to_bytes(latent.requires_grad_(), OURS))
    assert torch.equal(file.read(path, OURS, "faces", 5), latent.detach())


def test_the_same_latents_give_the_same_bytes() -> None:
    latent = torch.randn(3, 5)
    assert file.to_bytes(latent, OURS) == file.to_bytes(latent.clone(), OURS)


def test_latents_of_other_weights_are_refused_with_both_names(tmp_path: Path) -> None:
    path = write(tmp_path, file.to_bytes(torch.zeros(1, 2), OTHERS))
    with pytest.raises(UsageError, match=r"one\.latent.*sha256 b{12}\), not of faces \(sha256 a{12}\)"):
        file.read(path, OURS, "faces", 2)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none: no such file"):
        file.read(tmp_path / "none", OURS, "faces", 2)


def about(sha256: object = OURS) -> dict[str, str]:
    return {file.KEY: json.dumps({"sha256": sha256})}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a latent file, or damaged"),
        (b"text", "not a latent file, or damaged"),
        (file.to_bytes(torch.zeros(1, 2), OURS)[:-3], "not a latent file, or damaged"),
        (to_safetensors({"latent": torch.zeros(1, 2)}), "holds no latents of genrestore"),
        (to_safetensors({"latent": torch.zeros(1, 2)}, {file.KEY: "[]"}), "holds no latents"),
        (to_safetensors({"other": torch.zeros(1, 2)}, about()), "holds no latents"),
        (file.to_bytes(torch.zeros(1, 3), OURS), "its latents have 3 numbers, .*those of faces have 2"),
        (file.to_bytes(torch.zeros(0, 2), OURS), "holds no latent; one at least is needed"),
        (to_safetensors({"latent": torch.zeros(2)}, about()), r"shape \[2\]"),
        (to_safetensors({"latent": torch.zeros(1, 2).half()}, about()), "torch.float16"),
        (to_safetensors({"latent": torch.full((1, 2), torch.nan)}, about()), "not finite"),
    ],
)
def test_what_is_no_latent_file(tmp_path: Path, content: bytes, message: str) -> None:
    with pytest.raises(InputError, match=message):
        file.read(write(tmp_path, content), OURS, "faces", 2)


def test_a_sha256_that_is_no_text_is_another_s(tmp_path: Path) -> None:
    path = write(tmp_path, to_safetensors({"latent": torch.zeros(1, 2)}, about(7)))
    with pytest.raises(UsageError, match="of other weights"):
        file.read(path, OURS, "faces", 2)
