from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from genrestore.errors import InputError, NoInputError, UsageError
from genrestore.train.data import dataset, named
from genrestore.train.data.dataset import Folder, ImageSet, Reading, load_images
from genrestore.train.data.draws import mix, sample_generator
from tests.train import toy


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_any_format_and_depth_below_a_folder_is_read(tmp_path: Path) -> None:
    rgb = Image.fromarray(toy.pixels())
    (tmp_path / "deep" / "er").mkdir(parents=True)
    rgb.save(tmp_path / "a.JPG", quality=95)
    rgb.save(tmp_path / "deep" / "b.webp", lossless=True)
    rgb.convert("L").save(tmp_path / "deep" / "er" / "c.png")
    rgb.convert("RGBA").save(tmp_path / "d.png")
    rgb.convert("P").save(tmp_path / "e.gif")
    rgb.convert("CMYK").save(tmp_path / "f.tif")
    Image.fromarray(np.full((5, 7), 257 * 100, np.uint16)).save(tmp_path / "g.png")
    (tmp_path / ".hidden").mkdir()
    rgb.save(tmp_path / ".hidden" / "h.png")
    (tmp_path / "notes.txt").write_text("no image")
    found = load_images([Folder(tmp_path)])
    assert [path.name for path in found.paths] == [
        "a.JPG",
        "d.png",
        "b.webp",
        "c.png",
        "e.gif",
        "f.tif",
        "g.png",
    ]
    assert all(image.ndim == 3 and image.shape[2] == 3 and image.dtype == np.uint8 for image in found.images)
    assert np.array_equal(found.images[2], toy.pixels())
    assert found.images[-1].shape == (5, 7, 3)
    assert set(found.images[-1].ravel()) == {100}


def test_broken_files_are_listed_with_a_reason_and_the_rest_is_read(tmp_path: Path) -> None:
    toy.fill(tmp_path, 1)
    (tmp_path / "empty.png").touch()
    (tmp_path / "text.jpg").write_text("hello")
    whole = (tmp_path / "0.png").read_bytes()
    (tmp_path / "short.png").write_bytes(whole[: len(whole) // 2])
    found = load_images([Folder(tmp_path)])
    assert len(found) == 1
    assert [path.name for path, _ in found.broken] == ["empty.png", "short.png", "text.jpg"]
    assert all(reason for _, reason in found.broken)


def test_a_folder_that_cannot_be_read_is_broken_or_an_error_if_it_was_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toy.fill(tmp_path, 1)
    toy.fill(tmp_path / "dark", 1)
    list_folder = os.scandir

    def scandir(path: str) -> Any:
        if Path(path).name == "dark":
            raise PermissionError(13, "Permission denied", path)
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", scandir)
    found = load_images([Folder(tmp_path)])
    assert len(found) == 1
    assert found.broken == ((tmp_path / "dark", "the folder cannot be read: Permission denied"),)
    with pytest.raises(InputError, match=r"--data .*dark: the folder cannot be read \(Permission denied\)"):
        load_images([Folder(tmp_path / "dark")])


def test_links_to_folders_are_followed_once(tmp_path: Path) -> None:
    toy.fill(tmp_path / "data" / "own", 1)
    toy.fill(tmp_path / "elsewhere", 2)
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "data" / "again").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "up").symlink_to(tmp_path / "data")
    found = load_images([Folder(tmp_path / "data")])
    assert [str(path.relative_to(tmp_path / "data")) for path in found.paths] == [
        "again/0.png",
        "again/1.png",
        "own/0.png",
    ]


def test_whatever_a_decoder_raises_is_a_broken_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.fill(tmp_path, 2)
    opened = Image.open

    def failing(path: Path) -> Any:
        if path.name == "0.png":
            raise RuntimeError("Failed to decode image")
        return opened(path)

    monkeypatch.setattr(Image, "open", failing)
    assert load_images([Folder(tmp_path)]).broken == ((tmp_path / "0.png", "Failed to decode image"),)


def test_floating_point_is_not_taken_for_black(tmp_path: Path) -> None:
    toy.fill(tmp_path, 1)
    Image.fromarray(np.full((8, 8), 0.5, np.float32)).save(tmp_path / "float.tiff")
    found = load_images([Folder(tmp_path)])
    assert [path.name for path, _ in found.broken] == ["float.tiff"]
    assert "convert it" in found.broken[0][1]


def test_every_folder_that_is_named_has_images(tmp_path: Path) -> None:
    toy.fill(tmp_path / "some", 1)
    (tmp_path / "none").mkdir()
    with pytest.raises(NoInputError, match=r"--data .*none: no readable image found \(0 broken\)"):
        load_images([Folder(tmp_path / "some"), Folder(tmp_path / "none")])


def test_a_photograph_is_turned_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(toy.pixels(height=20, width=30)).save(tmp_path / "a.png", exif=exif)
    assert load_images([Folder(tmp_path)]).images[0].shape == (30, 20, 3)


def test_no_image_and_no_folder_are_clear(tmp_path: Path) -> None:
    with pytest.raises(NoInputError, match="no readable image found"):
        load_images([Folder(tmp_path)])
    with pytest.raises(UsageError, match=r"--data .*missing: not a folder"):
        load_images([Folder(tmp_path / "missing")])


def test_large_images_are_halved_until_they_fit(tmp_path: Path) -> None:
    Image.fromarray(toy.pixels(height=40, width=100)).save(tmp_path / "a.png")
    assert load_images([Folder(tmp_path)], Reading(max_side=50)).images[0].shape == (20, 50, 3)
    assert load_images([Folder(tmp_path)], Reading(max_side=49)).images[0].shape == (10, 25, 3)


def test_images_of_one_size_are_the_middle_squares_scaled(tmp_path: Path) -> None:
    wide = np.zeros((20, 60, 3), np.uint8)
    wide[:, 20:40] = 255
    Image.fromarray(wide).save(tmp_path / "a.png")
    Image.fromarray(wide[:, 20:40]).convert("RGBA").save(tmp_path / "b.png")
    found = load_images([Folder(tmp_path)], Reading(channels=1, size=8))
    assert [image.shape for image in found.images] == [(8, 8, 1), (8, 8, 1)]
    assert all((image[:, 1:-1] > 250).all() for image in found.images)
    assert found.stack().shape == (2, 1, 8, 8)
    assert found.weights == (64.0, 64.0)


def test_an_image_of_the_right_size_is_not_touched(tmp_path: Path) -> None:
    pixels = toy.pixels(height=28, width=28)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert np.array_equal(load_images([Folder(tmp_path)], Reading(size=28)).images[0], pixels)


def test_sub_folders_are_classes_and_survive_a_split(tmp_path: Path) -> None:
    toy.fill(tmp_path / "dogs" / "old", 2)
    toy.fill(tmp_path / "cats", 3)
    found = load_images([Folder(tmp_path)])
    assert (found.classes, found.labels) == (("cats", "dogs"), (0, 0, 0, 1, 1))
    kept, out = found.split(2)
    assert (kept.labels, out.labels, out.classes) == ((0, 0, 1), (0, 1), ("cats", "dogs"))


def test_images_beside_the_sub_folders_leave_no_classes(tmp_path: Path) -> None:
    toy.fill(tmp_path / "dogs", 2)
    toy.fill(tmp_path, 1)
    found = load_images([Folder(tmp_path)])
    assert (found.classes, found.labels) == ((), ())


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_named_data_sets_are_read_from_torchvision_s_layout(tmp_path: Path, name: str) -> None:
    digits = toy.write_digits(tmp_path, name, train=6, test=4)
    found = load_images([Folder.parse(name)], Reading(1, 28), named.Library(tmp_path))
    assert np.array_equal(np.stack(found.images)[..., 0], digits["train"])
    held = load_images([Folder.parse(name)], Reading(3, 32), named.Library(tmp_path, "test"))
    assert held.images[0].shape == (32, 32, 3)
    assert len(held) == 4
    labels = {"mnist": ["0", "1", "2", "3", "4", "5"], "fashion-mnist": ["T-shirt/top", "Trouser"]}[name]
    assert [found.classes[label] for label in found.labels][: len(labels)] == labels


def test_a_name_is_a_data_set_and_a_path_a_folder() -> None:
    assert Folder.parse("mnist") == Folder(Path("mnist"), named=True)
    assert Folder.parse("mnist:2") == Folder(Path("mnist"), 2.0, named=True)
    assert not Folder.parse("./mnist").named


@pytest.mark.parametrize("name", sorted(named.DATASETS))
def test_a_data_set_that_is_not_there_says_how_to_have_it(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=rf"--data {name}: not found in .*--data-root, or get it with"):
        load_images([Folder.parse(name)], library=named.Library(tmp_path))


def test_a_download_that_fails_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(library: named.Library) -> None:
        raise OSError("no way out\nand more")

    monkeypatch.setitem(named.DATASETS, "mnist", offline)
    with pytest.raises(InputError, match=r"^--data mnist: cannot be had \(no way out\)$"):
        load_images([Folder.parse("mnist")], library=named.Library(tmp_path, download=True))


def test_more_images_than_memory_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    toy.fill(tmp_path)
    monkeypatch.setattr(dataset, "MAX_BYTES", 10_000)
    with pytest.raises(UsageError, match=r"more than .* of memory; shrink them with --max-side"):
        load_images([Folder(tmp_path)])


def test_a_weight_follows_the_last_colon(tmp_path: Path) -> None:
    assert Folder.parse("a/b:2.5") == Folder(Path("a/b"), 2.5)
    assert Folder.parse("a/b") == Folder(Path("a/b"))
    assert Folder.parse("a:b") == Folder(Path("a:b"))
    odd = tmp_path / "x:3"
    odd.mkdir()
    assert Folder.parse(str(odd)) == Folder(odd)
    with pytest.raises(UsageError, match="--data a:0: the weight"):
        Folder.parse("a:0")


def test_folders_are_drawn_from_by_weight_and_images_by_pixels(tmp_path: Path) -> None:
    first, second = toy.fill(tmp_path / "a", 1), tmp_path / "b"
    second.mkdir()
    for name, width in (("b", 10), ("c", 30)):
        Image.fromarray(toy.pixels(width=width)).save(second / f"{name}.png")
    found = load_images([Folder(first, 1.0), Folder(second, 3.0)])
    assert found.weights == pytest.approx([1.0, 0.75, 2.25])
    source = generator()
    counts = Counter(found.draw(source) for _ in range(4000))
    assert [counts[index] / 4000 for index in range(3)] == pytest.approx([0.25, 0.1875, 0.5625], abs=0.03)


def test_all_folders_have_a_weight_or_none(tmp_path: Path) -> None:
    toy.fill(tmp_path, 1)
    with pytest.raises(UsageError, match="give every folder a weight"):
        load_images([Folder(tmp_path, 1.0), Folder(tmp_path)])


def test_a_patch_is_a_piece_of_the_image_and_depends_on_the_generator_alone() -> None:
    image = np.arange(40 * 48 * 3, dtype=np.uint32).reshape(40, 48, 3) % 251
    images = ImageSet((image.astype(np.uint8),), (Path("a"),), (1.0,))
    patch = images.patch(generator(5), 16)
    assert patch.shape == (3, 16, 16)
    assert torch.equal(patch, images.patch(generator(5), 16))
    assert not torch.equal(patch, images.patch(generator(6), 16))
    bytes_ = (patch * 255).round().byte().numpy().transpose(1, 2, 0)
    turned = [np.rot90(side, turns) for side in (bytes_, bytes_[:, ::-1]) for turns in range(4)]
    corners = [(top, left) for top in range(25) for left in range(33)]
    views = {images.images[0][top : top + 16, left : left + 16].tobytes() for top, left in corners}
    assert any(np.ascontiguousarray(one).tobytes() in views for one in turned)


def test_every_turn_and_flip_comes_up() -> None:
    image = np.zeros((2, 2, 3), np.uint8)
    image[0, 0], image[0, 1], image[1, 0] = 10, 20, 30
    images = ImageSet((image,), (Path("a"),), (1.0,))
    source = generator()
    assert len({images.patch(source, 2).numpy().tobytes() for _ in range(100)}) == 8


@pytest.mark.parametrize("shape", [(1, 1), (3, 50), (15, 16)])
def test_an_image_smaller_than_the_patch_is_continued(shape: tuple[int, int]) -> None:
    images = ImageSet((toy.pixels(0, *shape),), (Path("a"),), (1.0,))
    patch = images.patch(generator(), 16)
    assert patch.shape == (3, 16, 16)
    assert set((patch * 255).round().byte().unique().tolist()) <= set(images.images[0].ravel().tolist())


def test_a_split_keeps_every_nth_out() -> None:
    kept, out = toy.image_set(7).split(3)
    assert [path.stem for path in kept.paths] == ["0", "1", "3", "4", "6"]
    assert [path.stem for path in out.paths] == ["2", "5"]


def test_the_sha256_tells_pixels_and_weights_apart() -> None:
    first, second = toy.image_set(2), toy.image_set(2)
    assert first.sha256 == second.sha256
    assert first.sha256 != first.select([1, 0]).sha256
    assert first.sha256 != ImageSet(first.images, first.paths, (1.0, 2.0)).sha256


def test_neighbouring_samples_have_nothing_in_common() -> None:
    seeds = {mix(seed, step, index) for seed in range(3) for step in range(20) for index in range(20)}
    assert len(seeds) == 1200
    assert all(0 <= seed < 2**63 for seed in seeds)
    draws = torch.stack([torch.randn(100, generator=sample_generator(0, 0, index)) for index in range(50)])
    assert torch.corrcoef(draws).fill_diagonal_(0).abs().max() < 0.5
