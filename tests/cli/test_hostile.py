"""Names, links, weights and devices that go wrong: one line, the true exit code, nothing lost."""

from __future__ import annotations

import json
import os
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import Result

from tests import tiny
from tests.cli.conftest import Run, noisy_pixels, write

NAMES = {
    "spaces": b" a  b .png",
    "newline": b"a\nb.png",
    "carriage return": b"a\rb.png",
    "quotes": b"a'b\"c`d.png",
    "a dash": b"-x.png",
    "an option": b"--overwrite.png",
    "shell": b"$(touch x);&|<>*?[a]#~.png",
    "markup": b"[bold]a[red] [].png",
    "percent and braces": b"%s%d{0}{x}.png",
    "escape codes": b"\x1b[31mred\x07.png",
    "no UTF-8": b"a\xff\xfe.png",
    "right to left": "a\u202egnp.png".encode(),
    "backslash": b"a\\b.png",
    "as long as can be": b"x" * 242 + b".png",
    "several suffixes": b"a.tar.gz.png",
}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def names(folder: str) -> set[bytes]:
    return {os.fsencode(path.name) for path in Path(folder).iterdir()}


@pytest.mark.parametrize("name", NAMES.values(), ids=NAMES)
class TestNames:
    """In a folder, in a list, and as a word."""

    def check(self, result: Result, name: bytes, output: bytes) -> None:
        assert result.exit_code == 0, result.stderr
        (record,) = [json.loads(line) for line in result.stdout.splitlines()]
        assert os.fsencode(record["output"]) == output
        assert all(line.isprintable() for line in result.stderr.splitlines())
        assert result.stderr.count("\n") == 1
        assert Path(os.fsdecode(output)).exists()

    def test_in_a_folder(self, denoise: Run, name: bytes) -> None:
        write(Path("in", os.fsdecode(name)), noisy_pixels())
        self.check(denoise("in", "-o", "out", "--json"), name, b"out/" + name)
        assert names("in") == names("out") == {name}
        again = denoise("in", "-o", "out", "--skip-existing", "--json")
        assert json.loads(again.stdout)["status"] == "skipped"

    def test_in_a_list(self, denoise: Run, name: bytes) -> None:
        write(Path(os.fsdecode(name)), noisy_pixels())
        result = denoise("--files-from", "-", "-0", "-o", "out", "--json", stdin=name + b"\0")
        self.check(result, name, b"out/" + name)

    def test_as_a_word(self, denoise: Run, name: bytes) -> None:
        write(Path(os.fsdecode(name)), noisy_pixels())
        self.check(denoise("-o", "out/", "--json", "--", os.fsdecode(name)), name, b"out/" + name)

    def test_of_a_broken_file(self, denoise: Run, name: bytes) -> None:
        Path(os.fsdecode(name)).write_bytes(b"junk")
        result = denoise("-o", "out/", "--", os.fsdecode(name))
        assert result.exit_code == 1
        assert (result.stderr.count("\n"), result.stderr.rstrip("\n").isprintable()) == (1, True)


def test_a_file_that_looks_like_an_option_is_pointed_out(denoise: Run) -> None:
    write(Path("-x.png"), noisy_pixels())
    result = denoise("-x.png")
    assert result.stderr == (
        f"genrestore: error: No such option: -x; for the file of that name write .{os.sep}-x.png\n"
    )
    assert result.exit_code == 2
    assert denoise(f".{os.sep}-x.png").exit_code == 0
    assert "see genrestore denoise --help" in denoise("-y.png").stderr


def test_loops_of_links_end(denoise: Run) -> None:
    write(Path("in/a.png"), noisy_pixels())
    links = {"self.png": "self.png", "one.png": "two.png", "two.png": "one.png", "up": "..", "here": "."}
    for name, target in {**links, "dead.png": "nowhere.png"}.items():
        Path("in", name).symlink_to(target)
    Path("round").symlink_to("round")
    result = denoise("-r", "in", "round", "-o", "out", "--json")
    states = {record["input"]: record for record in map(json.loads, result.stdout.splitlines())}
    failed = {name for name, record in states.items() if record["status"] == "failed"}
    assert failed == {"in/self.png", "in/one.png", "in/two.png", "in/dead.png", "round"}
    assert states["in/dead.png"]["error"] == "in/dead.png: no such file"
    assert "Too many levels of symbolic links" in states["round"]["error"]
    assert (result.exit_code, names("out")) == (1, {b"a.png"})


def layout(raw: bytes) -> tuple[dict[str, Any], bytes]:
    """The header of a safetensors file, and its tensors."""
    end = 8 + int.from_bytes(raw[:8], "little")
    return json.loads(raw[8:end]), raw[end:]


def joined(header: dict[str, Any], tensors: bytes) -> bytes:
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + tensors


def overlapping(raw: bytes) -> bytes:
    header, tensors = layout(raw)
    first, second = [entry for name, entry in header.items() if name != "__metadata__"][:2]
    second["data_offsets"] = first["data_offsets"]
    return joined(header, tensors)


def beyond_the_end(raw: bytes) -> bytes:
    header, tensors = layout(raw)
    entry = next(entry for name, entry in header.items() if name != "__metadata__")
    entry["data_offsets"] = [2**62, 2**62 + 4]
    return joined(header, tensors)


def other_shape(raw: bytes) -> bytes:
    header, tensors = layout(raw)
    entry = next(entry for name, entry in header.items() if len(entry.get("shape", ())) > 1)
    entry["shape"] = [*entry["shape"][1:], entry["shape"][0]]
    return joined(header, tensors)


def with_nan(raw: bytes) -> bytes:
    header, tensors = layout(raw)
    return joined(header, np.float32(np.nan).tobytes() + tensors[4:])


HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "a header of 2**63 bytes": lambda raw: struct.pack("<Q", 2**63) + raw[8:],
    "a header longer than the file": lambda raw: struct.pack("<Q", len(raw)) + raw[8:],
    "overlapping offsets": overlapping,
    "offsets beyond the end": beyond_the_end,
    "wrong shapes": other_shape,
    "NaNs": with_nan,
    "more bytes than tensors": lambda raw: raw + b"\0",
    "cut off": lambda raw: raw[: len(raw) // 2],
    "nothing": lambda raw: b"",
}
COMMANDS = {
    "denoise": ["denoise", "photo.png", "--weights", "./bad.safetensors", "--device", "cpu"],
    "verify": ["weights", "verify", "./bad.safetensors"],
    "add": ["weights", "add", "./bad.safetensors", "--name", "mine"],
}


@pytest.mark.parametrize("words", COMMANDS.values(), ids=COMMANDS)
@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE)
def test_hostile_weights_are_refused_everywhere(
    run: Run, genrestore_home: Path, spoil: Callable[[bytes], bytes], words: list[str]
) -> None:
    write(Path("photo.png"), noisy_pixels())
    bad = Path("bad.safetensors")
    bad.write_bytes(spoil(tiny.save_denoiser(Path("sound"), "sound").read_bytes()))
    result = run(*words)
    assert (result.stdout, result.stderr.count("\n"), result.exit_code) == ("", 1, 5)
    assert "bad.safetensors: " in result.stderr
    assert names(".") == {b"bad.safetensors", b"photo.png", b"sound"}
    assert not list(genrestore_home.rglob("*.safetensors"))


def test_weights_larger_than_the_memory(run: Run, weights: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: Path) -> bytes:
        raise MemoryError

    monkeypatch.setattr(Path, "read_bytes", exhausted)
    result = run("weights", "verify", weights)
    assert result.stderr == f"genrestore: error: {weights}: needs more memory than there is\n"
    assert result.exit_code == 5


class TestDevices:
    """A device that is not here is told before any input, and only where there is something to do."""

    @pytest.fixture(autouse=True)
    def no_cuda(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        monkeypatch.setattr(torch.cuda, "is_available", lambda: False)

    @pytest.mark.parametrize(
        "words", [[], ["--skip-existing"], ["--fail-fast"], ["-o", "out/"]], ids=" ".join
    )
    def test_comes_before_inputs_that_cannot_be_read(self, denoise: Run, words: list[str]) -> None:
        Path("junk.png").write_bytes(b"junk")
        result = denoise("junk.png", "gone.png", "--device", "cuda", *words)
        assert result.stderr.startswith("genrestore: error: --device cuda: not available here; available: ")
        assert (result.stderr.count("\n"), result.exit_code, names(".")) == (1, 4, {b"junk.png"})

    def test_of_what_is_done_already_is_not_asked(
        self, denoise: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        write(Path("photo.png"), noisy_pixels())
        assert denoise("photo.png").exit_code == 0

        def never(*_: object) -> None:
            raise AssertionError("torch was loaded")

        monkeypatch.setattr("genrestore.runtime.Runtime.create", never)
        result = denoise("photo.png", "--skip-existing", "--device", "cuda")
        assert (result.exit_code, "skipped: done before" in result.stderr) == (0, True)

    def test_wrong_use_still_comes_first(self, denoise: Run) -> None:
        write(Path("photo.png"), noisy_pixels())
        assert denoise("photo.png", "--device", "cuda", "-o", "photo.png").exit_code == 2
        Path("empty").mkdir()
        assert denoise("empty", "--device", "cuda").exit_code == 3
