"""The bytes: one sha256 over header and tensors, and no value that is not a number."""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings

from genrestore.errors import WeightsError
from genrestore.weights.content import Stored, build, check, fingerprint, read
from tests.weights import samples
from tests.weights.test_header import DAMAGES

PATH = Path("some.safetensors")
SOUND = check(samples.raw(), PATH)


def test_a_file_is_read_as_it_was_built(sound: Path) -> None:
    built = build(PATH, samples.header(), samples.tensors(samples.network()), half=False)
    assert read(sound) == built
    assert set(built.tensors) == set(samples.tensors(samples.network()))


def test_equal_content_gives_equal_bytes_in_any_order() -> None:
    values = samples.tensors(samples.network())
    backwards = dict(reversed(values.items()))
    first, second = (build(PATH, samples.header(), order, half=False) for order in (values, backwards))
    assert first.raw == second.raw


def test_the_sha256_by_hand() -> None:
    header = samples.header(sha256="f" * 64)
    stored = [Stored("denoiser.b", "F32", (1,), b"\0\0\x80?"), Stored("denoiser.a", "U8", (2, 1), b"ab")]
    text = (
        r'{"channels":3,"data":"random numbers, \u03c3 = 25","format":1,"kind":"denoiser",'
        '"licence":"CC0-1.0",'
        '"networks":{"denoiser":{"arguments":{"channels":3,"width":4},"name":"tiny"}},"sha256":"","size":null,'
        '"source":"tests","training":{"nested":{"widths":[1,2]},"rate":0.001,"steps":10},"version":"0.1.0"}\n'
        '["denoiser.a","U8",[2,1]]\nab["denoiser.b","F32",[1]]\n\0\0\x80?'
    )
    assert fingerprint(header, stored) == hashlib.sha256(text.encode("latin-1")).hexdigest()


@pytest.mark.parametrize(
    "changes",
    [
        {"licence": "other"},
        {"training": {}},
        {"channels": 1},
        {"size": 64},
        {"version": "2"},
        {"kind": "generator"},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_every_field_is_under_the_sha256(changes: dict[str, object]) -> None:
    sound = check(samples.raw(), PATH)
    changed = replace(sound.header, **changes)  # type: ignore[arg-type]
    forged = samples.unsigned({"genrestore": changed.to_text()}, samples.tensors(samples.network()))
    with pytest.raises(WeightsError, match=r"its sha256 is [0-9a-f]{12}…, but its header says"):
        check(forged, PATH)


def test_one_flipped_byte_is_refused(sound: Path) -> None:
    raw = bytearray(sound.read_bytes())
    raw[-5] ^= 1
    sound.write_bytes(raw)
    with pytest.raises(
        WeightsError, match=r"sound.safetensors: damaged weights file: its sha256 is .*get the file"
    ):
        read(sound)


def test_every_single_byte_counts() -> None:
    raw = bytearray(samples.raw())
    for place in range(len(raw)):
        raw[place] ^= 0x10
        with pytest.raises(WeightsError):
            check(bytes(raw), PATH)
        raw[place] ^= 0x10
    check(bytes(raw), PATH)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(DAMAGES)
def test_a_damaged_file_is_refused_or_has_equal_content(damaged: bytes) -> None:
    try:
        found = check(damaged, PATH)
    except WeightsError:
        return
    assert (found.header, found.tensors) == (SOUND.header, SOUND.tensors)


DTYPES = [torch.float32, torch.float16, torch.bfloat16]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_values_that_are_no_numbers_are_refused(value: float, dtype: torch.dtype) -> None:
    tensor = torch.tensor([1.0, value, 2.0]).to(dtype)
    forged = samples.signed(samples.header(), {"denoiser.a": tensor})
    with pytest.raises(WeightsError, match=r"tensor 'denoiser.a' holds NaN or infinite values"):
        check(forged, PATH)
    with pytest.raises(WeightsError, match=r"not saved: tensor 'denoiser.a' holds NaN or infinite values"):
        build(PATH, samples.header(), {"denoiser.a": tensor}, half=False)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_the_largest_numbers_are_numbers(dtype: torch.dtype) -> None:
    largest = torch.finfo(dtype)
    tensor = torch.tensor([largest.max, largest.min, largest.tiny, 0.0], dtype=dtype)
    check(samples.signed(samples.header(), {"denoiser.a": tensor}), PATH)


def test_half_stores_float16_and_leaves_integers() -> None:
    built = build(PATH, samples.header(), samples.tensors(samples.network()), half=True)
    kinds = {name: tensor.dtype for name, tensor in built.tensors.items()}
    assert kinds.pop("denoiser.norm.num_batches_tracked") == "I64"
    assert set(kinds.values()) == {"F16"}


def test_what_float16_cannot_hold_is_refused() -> None:
    with pytest.raises(WeightsError, match=r"not saved: tensor 'denoiser.a' holds NaN or infinite"):
        build(PATH, samples.header(), {"denoiser.a": np.array([1e6], np.float32)}, half=True)


def test_layout_in_memory_does_not_matter() -> None:
    value = torch.arange(24.0).reshape(1, 2, 3, 4)
    last = value.contiguous(memory_format=torch.channels_last)
    big_endian = value.numpy().astype(">f4")
    plain, *others = (
        build(PATH, samples.header(), {"denoiser.a": same}, half=False)
        for same in (value, last, last.numpy(), big_endian, value.requires_grad_(True))
    )
    assert all(other.raw == plain.raw for other in others)
    assert plain.tensors["denoiser.a"].data == np.arange(24, dtype="<f4").tobytes()


def test_scalars_and_empty_tensors_keep_their_shape() -> None:
    values = {"denoiser.a": np.array(3), "denoiser.b": np.zeros((0, 2), np.float32)}
    found = check(build(PATH, samples.header(), values, half=False).raw, PATH).tensors
    assert {name: tensor.shape for name, tensor in found.items()} == {"denoiser.a": (), "denoiser.b": (0, 2)}


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("other.a", np.zeros(1), "'other.a' belongs to none of the networks"),
        ("denoiser", np.zeros(1), "'denoiser' belongs to none of the networks"),
        ("denoiser.a", np.zeros(1, np.float64), "'denoiser.a' is of type F64, not one of F16, BF16, F32"),
        ("denoiser.a", np.zeros(1, np.complex64), "not saved"),
        ("denoiser.a", np.array(["text"]), "not saved"),
        ("denoiser.a", np.array([None]), "not saved"),
    ],
)
def test_tensors_that_do_not_belong_are_not_saved(name: str, value: np.ndarray, message: str) -> None:
    with pytest.raises(WeightsError, match=message):
        build(PATH, samples.header(), {name: value}, half=False)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"kind": "magic"}, "'kind'"),
        ({"training": {"rate": float("nan")}}, "not JSON compliant"),
        ({"training": {"path": Path()}}, "not JSON serializable"),
        ({"data": "x" * 2**20}, "its header is longer than 1048576 bytes"),
    ],
    ids=["kind", "nan", "path", "long"],
)
def test_headers_that_could_not_be_read_are_not_saved(changes: dict[str, object], message: str) -> None:
    with pytest.raises(WeightsError, match=f"some.safetensors: not saved: .*{message}"):
        build(PATH, samples.header(**changes), samples.tensors(samples.network()), half=False)


def test_a_real_pickle_of_torch_is_refused(tmp_path: Path) -> None:
    for number, zipped in enumerate((True, False)):
        stream = io.BytesIO()
        torch.save({"a": torch.zeros(3)}, stream, _use_new_zipfile_serialization=zipped)  # noqa: TID251
        path = tmp_path / f"{number}.safetensors"
        path.write_bytes(stream.getvalue())
        with pytest.raises(WeightsError, match=r"not genrestore weights: a (zip archive|pickle)"):
            read(path)
