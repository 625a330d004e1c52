"""The header: what is written comes back, and whatever else comes is refused in one line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from genrestore.errors import WeightsError
from genrestore.weights.header import FIELDS, KEY, MAX_HEADER, Header, canonical, parse, read_header
from tests.damage import damages
from tests.weights import samples

SHA = "0" * 64
FIELDS_OF_A_FILE: dict[str, Any] = json.loads(samples.header(sha256=SHA).to_text())


def framed(text: bytes, rest: bytes = b"") -> bytes:
    """A safetensors frame around any header."""
    return len(text).to_bytes(8, "little") + text + rest


def about(changes: dict[str, Any]) -> bytes:
    """A safetensors file without tensors and with our header, some fields changed; None takes one out."""
    fields = {name: value for name, value in {**FIELDS_OF_A_FILE, **changes}.items() if value != "gone"}
    return framed(json.dumps({"__metadata__": {KEY: json.dumps(fields)}}).encode())


def test_what_is_written_comes_back(sound: Path) -> None:
    found = read_header(sound)
    assert re.fullmatch("[0-9a-f]{64}", found.sha256)
    assert found == samples.header(sha256=found.sha256)
    assert parse(found.to_text()) == found


def test_the_text_is_canonical() -> None:
    other = samples.header(training={"nested": {"widths": (1, 2)}, "rate": 0.001, "steps": 10})
    assert other.to_text() == samples.header().to_text()
    assert samples.header().to_text().isascii()
    assert canonical({2: "b", "10": 1.0}) == '{"10":1.0,"2":"b"}'


def test_the_header_is_one_string_under_one_key(sound: Path) -> None:
    raw = sound.read_bytes()
    layout = json.loads(raw[8 : 8 + int.from_bytes(raw[:8], "little")])
    assert list(layout["__metadata__"]) == ["genrestore"]
    assert json.loads(layout["__metadata__"]["genrestore"])["kind"] == "denoiser"


PICKLES = {
    "zip": (b"PK\x03\x04\x00\x00\x08\x08" + bytes(100), "a zip archive .* may hold a pickle"),
    "protocol 2": (b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.", "a pickle .* never loaded"),
    "protocol 4": (b"\x80\x04\x95\x01\x00\x00\x00\x00\x00\x00\x00N.", "a pickle"),
    "short": (b"\x80\x04N.", "a pickle"),
}
OTHERS = {
    "empty": (b"", "is empty"),
    "short": (b"abc", "no safetensors file"),
    "text": (b"just some text, no weights\n" * 9, "no safetensors file"),
    "huge length": (b"\xff" * 8 + b"{}", "no safetensors file, or its header is damaged"),
    "long header": (
        (MAX_HEADER + 1).to_bytes(8, "little") + b"{" * (MAX_HEADER + 1),
        "its header is damaged",
    ),
    "no json": (framed(b"not json"), "not a safetensors file, or damaged"),
    "utf-16": (framed("{}".encode("utf-16")), "not a safetensors file, or damaged"),
    "deep": (framed(b"[" * 100_000), "not a safetensors file, or damaged"),
    "array": (framed(b"[]"), "without a header of genrestore"),
    "metadata is no object": (framed(b'{"__metadata__":3}'), "without a header of genrestore"),
    "plain": (
        samples.unsigned(None, {"a": torch.zeros(2)}),
        "not genrestore weights: a safetensors file without",
    ),
    "other metadata": (
        samples.unsigned({"format": "pt"}, {"a": torch.zeros(2)}),
        "without a header of genrestore",
    ),
    "header cut off": (samples.raw()[:100], r"cut off: 92 of \d+ bytes"),
    "tensors cut off": (samples.raw()[:-1], "damaged weights file: .*get the file again"),
    "more bytes": (samples.raw() + b"x", "damaged weights file"),
}


@pytest.mark.parametrize(
    ("content", "message"), [*PICKLES.values(), *OTHERS.values()], ids=[*PICKLES, *OTHERS]
)
def test_other_files_are_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "some.safetensors"
    path.write_bytes(content)
    with pytest.raises(WeightsError, match=message) as caught:
        read_header(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert len(str(caught.value).splitlines()) == 1


def layout_of(**tensors: dict[str, Any]) -> bytes:
    return framed(
        json.dumps({"__metadata__": {KEY: json.dumps(FIELDS_OF_A_FILE)}, **tensors}).encode(), bytes(16)
    )


LAYOUTS = {
    "overlap": [[0, 12], [4, 16]],
    "beyond the end": [[0, 8], [8, 24]],
    "a hole": [[0, 4], [12, 16]],
    "backwards": [[8, 0], [8, 16]],
    "negative": [[-8, 0], [0, 16]],
    "endless": [[0, 2**64], [8, 16]],
}


@pytest.mark.parametrize("offsets", LAYOUTS.values(), ids=LAYOUTS)
def test_offsets_that_do_not_fit_are_refused(tmp_path: Path, offsets: list[list[int]]) -> None:
    first, second = ({"dtype": "F32", "shape": [2], "data_offsets": pair} for pair in offsets)
    path = tmp_path / "offsets.safetensors"
    path.write_bytes(layout_of(first=first, second=second))
    with pytest.raises(WeightsError, match="damaged weights file"):
        read_header(path)


WRONG: list[tuple[dict[str, Any], str]] = [
    (
        {"kind": "magic"},
        "'kind' in its header is 'magic', not one of denoiser, denoiser-blind, inpainter",
    ),
    ({"kind": ["denoiser"]}, "'kind'"),
    ({"networks": {}}, "'networks'"),
    ({"networks": {"a.b": {"name": "tiny", "arguments": {}}}}, "'networks'"),
    ({"networks": {"a": {"name": "tiny"}}}, "'networks'"),
    ({"networks": {"a": {"name": 3, "arguments": {}}}}, "'networks'"),
    ({"networks": {"a": {"name": "tiny", "arguments": []}}}, "'networks'"),
    ({"channels": 4}, "'channels' in its header is 4, not 1 or 3"),
    ({"channels": True}, "'channels'"),
    ({"channels": 3.0}, "'channels'"),
    ({"size": 0}, "'size'"),
    ({"training": []}, "'training'"),
    ({"data": None}, "'data' in its header is None, not text"),
    ({"licence": 1}, "'licence'"),
    ({"source": {}}, "'source'"),
    ({"version": 1}, "'version'"),
    ({"format": 0}, "'format'"),
    ({"format": "1"}, "'format'"),
    ({"sha256": ""}, "'sha256'"),
    ({"sha256": SHA + "\n"}, "'sha256'"),
    ({"colour": "red"}, "unknown field 'colour'"),
    ({"x" * 10_000: "red"}, "unknown field 'xxx.{1,60}; get the file again$"),
    *[({name: "gone"}, f"has no '{name}'") for name in FIELDS],
]


@pytest.mark.parametrize(("changes", "message"), WRONG, ids=lambda value: str(value)[:40])
def test_wrong_fields_are_named(tmp_path: Path, changes: dict[str, Any], message: str) -> None:
    path = tmp_path / "fields.safetensors"
    path.write_bytes(about(changes))
    with pytest.raises(WeightsError, match=message):
        read_header(path)


def test_a_newer_format_asks_for_an_update(tmp_path: Path) -> None:
    path = tmp_path / "newer.safetensors"
    path.write_bytes(about({"format": 2, "colour": "red", "kind": "magic"}))
    message = r"written by a newer genrestore \(format 2, this one reads up to 1\); update genrestore$"
    with pytest.raises(WeightsError, match=message):
        read_header(path)


@pytest.mark.parametrize("text", ["", "[]", "nul", '{"a": NaN}', '{"a": 1e999}', "[" * 100_000, "9" * 5000])
def test_text_that_is_no_header(text: str) -> None:
    with pytest.raises(ValueError, match="its genrestore header is no JSON"):
        parse(text)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match=r"nowhere.safetensors: no such weights file"):
        read_header(tmp_path / "nowhere.safetensors")
    with pytest.raises(WeightsError, match="cannot be read"):
        read_header(tmp_path)
    with pytest.raises(WeightsError, match="cannot be read"):
        read_header(Path("null\0byte"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=150, deadline=None, derandomize=True, database=None)
@given(st.sampled_from([*FIELDS, "other"]), JSON)
def test_any_value_of_a_field_gives_a_header_or_a_value_error(name: str, value: object) -> None:
    text = json.dumps({**FIELDS_OF_A_FILE, name: value})
    try:
        found = parse(text)
    except ValueError:
        return
    assert json.loads(found.to_text()) == json.loads(text)


RAW = samples.raw()
DAMAGES = damages(RAW, 8 + int.from_bytes(RAW[:8], "little"))


@settings(
    max_examples=150, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
@given(DAMAGES)
def test_a_damaged_file_gives_a_header_or_a_weights_error(tmp_path: Path, damaged: bytes) -> None:
    path = tmp_path / "damaged.safetensors"
    path.write_bytes(damaged)
    try:
        found = read_header(path)
    except WeightsError:
        return
    assert isinstance(found, Header)


def test_headers_are_read_without_torch(sound: Path) -> None:
    code = (
        "import sys, pathlib; from genrestore.weights import content, header, store; "
        f"store.entries(); content.read(pathlib.Path({str(sound)!r})); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=600)
    assert (done.stdout, done.stderr) == ("False\n", "")
