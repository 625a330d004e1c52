"""Names: where they lead, what hides what, and that nothing is replaced or left half written."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from genrestore.errors import InputError, UsageError, WeightsError
from genrestore.weights import store
from genrestore.weights.header import read_header
from tests.weights import samples


@pytest.fixture
def own(genrestore_home: Path) -> Path:
    """The user's store."""
    folder = genrestore_home / "weights"
    folder.mkdir()
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def put(source: Path, folder: Path, name: str) -> Path:
    return Path(shutil.copy(source, folder / f"{name}.safetensors"))


def test_home_is_where_the_environment_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GENRESTORE_HOME", str(tmp_path))
    assert store.home() == tmp_path
    monkeypatch.setenv("GENRESTORE_HOME", "~/somewhere")
    assert store.home() == Path.home() / "somewhere"
    monkeypatch.setenv("GENRESTORE_HOME", "")
    assert store.home().name == "genrestore"


@pytest.mark.parametrize("weights", ["./photo", "photo.safetensors", "a/b", "/a", f"x{os.sep}y"])
def test_paths(weights: str) -> None:
    assert store.is_path(weights)


@pytest.mark.parametrize("weights", ["photo", "photo.pt", "v1.2", "", "..", "photo.safetensors.bak"])
def test_names(weights: str) -> None:
    assert not store.is_path(weights)


def test_a_path_is_not_looked_up(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sound.parent)
    assert store.resolve("sound.safetensors") == Path("sound.safetensors")
    assert store.resolve(str(sound)) == sound
    with pytest.raises(WeightsError, match=r"^photo: no such weights file$"):
        store.resolve("./photo")
    with pytest.raises(WeightsError, match="is a folder; give a weights file"):
        store.resolve("./")
    with pytest.raises(WeightsError, match="cannot be read"):
        store.resolve("/" + "x" * 10_000)
    with pytest.raises(WeightsError, match="cannot be read"):
        store.resolve("null\0/byte")


def test_a_path_stays_one_however_it_is_written(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(sound.parent)
    sound.rename("photo")
    found = store.resolve("./photo")
    assert found.samefile("photo")
    assert store.resolve(str(found)) == found


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_pipe_is_refused_before_it_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    with pytest.raises(WeightsError, match="is no plain file"):
        store.resolve(str(tmp_path / "pipe.safetensors"))


def test_the_users_store_comes_before_what_ships(sound: Path, own: Path, shipped: Path) -> None:
    theirs = put(sound, shipped, "photo")
    assert store.resolve("photo") == theirs
    assert store.entries() == [store.Entry("photo", theirs, "shipped")]
    mine, other = put(sound, own, "photo"), put(sound, own, "a.b-c_9")
    assert store.resolve("photo") == mine
    assert store.entries() == [
        store.Entry("a.b-c_9", other, "store"),
        store.Entry("photo", mine, "store", hides=theirs),
    ]


def test_an_unknown_name_is_answered_with_the_known(
    sound: Path, own: Path, shipped: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(WeightsError, match=r"^no weights named 'x'; known names: none$"):
        store.resolve("x")
    put(sound, own, "mine")
    put(sound, shipped, "photo")
    for name in ("x", "", ".", "..", "photo ", "PHOTO2", "mine.pt"):
        with pytest.raises(WeightsError, match=f"^no weights named '{name}'; known names: mine, photo"):
            store.resolve(name)
    Path("model.pt").touch()
    with pytest.raises(WeightsError, match=r"for the file of that name give \./model\.pt"):
        store.resolve("model.pt")


def test_other_files_of_the_store_have_no_name(sound: Path, own: Path) -> None:
    put(sound, own, ".hidden")
    put(sound, own, "with space")
    (own / "folder.safetensors").mkdir()
    (own / "gone.safetensors").symlink_to(own / "nowhere")
    (own / "notes.txt").touch()
    assert store.entries() == []


def test_add_copies_what_it_checked(sound: Path, genrestore_home: Path) -> None:
    target = store.add(sound, "mine")
    assert target == genrestore_home / "weights" / "mine.safetensors"
    assert target.read_bytes() == sound.read_bytes()
    assert names(target.parent) == ["mine.safetensors"]


def test_add_replaces_only_when_asked(sound: Path, own: Path) -> None:
    (own / "mine.safetensors").write_bytes(b"before")
    with pytest.raises(UsageError, match=r"mine.safetensors: exists; replace it with --overwrite"):
        store.add(sound, "mine")
    assert (own / "mine.safetensors").read_bytes() == b"before"
    store.add(sound, "mine", overwrite=True)
    assert (own / "mine.safetensors").read_bytes() == sound.read_bytes()
    store.add(own / "mine.safetensors", "mine", overwrite=True)
    assert (own / "mine.safetensors").read_bytes() == sound.read_bytes()


def test_add_takes_nothing_that_is_damaged(sound: Path, own: Path) -> None:
    sound.write_bytes(sound.read_bytes()[:-1] + b"\x7f")
    with pytest.raises(WeightsError, match="its sha256 is"):
        store.add(sound, "mine")
    with pytest.raises(WeightsError, match="no such weights file"):
        store.add(sound.with_name("nowhere.safetensors"), "mine")
    with pytest.raises(WeightsError, match="is a folder"):
        store.add(sound.parent, "mine")
    assert names(own) == []


TRICKS = [
    "",
    ".",
    "..",
    "../up",
    "a/b",
    "a\\b",
    "/abs",
    ".hidden",
    "-o",
    "a b",
    "ä",
    "a\n",
    "a\0b",
    "x" * 101,
]


@pytest.mark.parametrize("name", [*TRICKS, "photo.safetensors"], ids=repr)
def test_names_play_no_tricks(sound: Path, genrestore_home: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be the name of weights"):
        store.add(sound, name)
    assert names(genrestore_home) == []


def test_remove(sound: Path, own: Path, shipped: Path) -> None:
    theirs, mine = put(sound, shipped, "photo"), put(sound, own, "photo")
    assert store.remove("photo") == mine
    assert store.resolve("photo") == theirs
    with pytest.raises(UsageError, match="'photo' ships with genrestore and cannot be removed"):
        store.remove("photo")
    with pytest.raises(WeightsError, match="no weights named 'mine'; known names: photo"):
        store.remove("mine")
    with pytest.raises(UsageError, match="is a path; give the name"):
        store.remove(str(theirs))
    assert theirs.exists()


def test_a_damaged_file_can_be_removed(own: Path) -> None:
    (own / "bad.safetensors").write_bytes(b"junk")
    store.remove("bad")
    assert names(own) == []


def test_save_gives_the_header_as_written(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "mine.safetensors"
    header = store.save(path, samples.header(), samples.tensors(samples.network()))
    assert read_header(path) == header
    assert len(header.sha256) == 64
    before = path.read_bytes()
    with pytest.raises(UsageError, match="exists; replace it with --overwrite"):
        store.save(path, samples.header(licence="other"), samples.tensors(samples.network()))
    assert path.read_bytes() == before
    store.save(path, samples.header(licence="other"), samples.tensors(samples.network()), overwrite=True)
    assert read_header(path).licence == "other"
    assert names(path.parent) == ["mine.safetensors"]


def test_a_folder_that_is_a_file_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="cannot be written"):
        store.save(
            tmp_path / "file" / "in" / "x.safetensors", samples.header(), samples.tensors(samples.network())
        )
