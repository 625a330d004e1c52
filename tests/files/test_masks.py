"""Every way to say what is missing, how masks are found, and what is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image as Pillow

from genrestore.errors import InputError, UsageError
from genrestore.files.codecs.images import Image
from genrestore.files.codecs.metadata import Metadata
from genrestore.files.plan.jobs import Job, Part
from genrestore.files.work import masks
from genrestore.files.work.masks import Mask, MaskOptions, Masks

HEIGHT, WIDTH = 6, 8


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def hole() -> np.ndarray:
    """Two missing pixels, bool [height, width]."""
    missing = np.zeros((HEIGHT, WIDTH), bool)
    missing[2, 3:5] = True
    return missing


def save(name: str, grey: np.ndarray) -> Path:
    path = Path(name)
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(grey).save(path)
    return path


def mask_file(name: str = "mask.png", missing: np.ndarray | None = None) -> Path:
    return save(name, ((hole() if missing is None else missing) * 255).astype(np.uint8))


def picture(channels: int = 3, dtype: type = np.uint8, alpha: np.ndarray | None = None) -> Image:
    shape = (1, channels, HEIGHT, WIDTH)
    return Image(np.full(shape, 9, dtype), alpha, Metadata("PNG", "RGB"))


def job(source: str = "photo.png", mask: Path | None = None) -> Job:
    return Job(Path(source), Path("out") / source, None, mask=mask)


def below(source: str) -> Job:
    """An input that was found in the folder "album", or in one below it."""
    inside = Path(source).parent.relative_to("album")
    return Job(Path(source), Path("out") / inside / Path(source).name, inside=inside)


def missing_of(options: MaskOptions, image: Image | None = None, mask: Path | None = None) -> np.ndarray:
    """What is missing, bool [height, width], of the only input of a batch."""
    one = job(mask=mask)
    found: np.ndarray = ~Masks(options, [one]).of(one, image or picture()).known[0, 0]
    return found


class TestAFile:
    def test_white_is_missing(self) -> None:
        assert np.array_equal(missing_of(MaskOptions(Path("x")), mask=mask_file()), hole())

    def test_inverted_black_is_missing(self) -> None:
        options = MaskOptions(Path("x"), invert=True)
        assert np.array_equal(missing_of(options, mask=mask_file(missing=~hole())), hole())

    def test_16_bits_colours_palettes_and_bits_are_read_as_greys(self) -> None:
        deep = save("deep.png", hole().astype(np.uint16) * 65535)
        colour = save("colour.png", np.where(hole()[..., None], (255, 255, 255), (0, 0, 0)).astype(np.uint8))
        Pillow.fromarray(hole()).save("bits.png")
        Pillow.open("colour.png").convert("P").save("palette.png")
        for path in (deep, colour, Path("bits.png"), Path("palette.png")):
            assert np.array_equal(missing_of(MaskOptions(Path("x")), mask=path), hole()), path

    def test_of_another_size_is_wrong_use_of_one_and_a_failure_of_several(self) -> None:
        mask = save("mask.png", np.zeros((3, 4), np.uint8))
        message = "^mask.png: the mask is 4 x 3 pixels, the picture 8 x 6$"
        with pytest.raises(UsageError, match=message):
            missing_of(MaskOptions(Path("x")), mask=mask)
        several = [job("a.png", mask), job("b.png", mask)]
        with pytest.raises(InputError, match=message):
            Masks(MaskOptions(Path("x")), several).of(several[0], picture())

    def test_that_is_no_picture_is_named(self) -> None:
        Path("mask.png").write_bytes(b"white")
        with pytest.raises(UsageError, match=r"^mask.png: not a picture"):
            missing_of(MaskOptions(Path("x")), mask=Path("mask.png"))

    def test_nothing_to_invert_is_wrong_use(self) -> None:
        with pytest.raises(UsageError, match="--invert-mask turns a mask file round; name it with --mask"):
            MaskOptions(invert=True)


class TestWithoutAFile:
    @pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
    def test_the_pictures_alpha(self, dtype: type) -> None:
        white = np.iinfo(dtype).max
        alpha = np.where(hole(), white // 3, white).astype(dtype)[None, None]
        image = picture(dtype=dtype, alpha=alpha)
        one = job()
        found = Masks(MaskOptions(), [one]).of(one, image)
        assert np.array_equal(~found.known[0, 0], hole())
        assert found.notes == ("its alpha was the mask; what was filled is opaque now",)
        found.show_filled(image)
        assert image.alpha is not None
        assert image.alpha.dtype == dtype
        assert (image.alpha == white).all()

    def test_no_alpha_and_nothing_named_is_wrong_use(self) -> None:
        with pytest.raises(UsageError, match="picture has no alpha; give --mask, --mask-color or --box"):
            missing_of(MaskOptions())

    def test_a_given_mask_leaves_alpha_alone(self) -> None:
        alpha = np.zeros((1, 1, HEIGHT, WIDTH), np.uint8)
        image = picture(alpha=alpha)
        assert np.array_equal(missing_of(MaskOptions(Path("x")), image, mask_file()), hole())
        Mask(~hole()[None, None]).show_filled(image)
        assert image.alpha is alpha

    @pytest.mark.parametrize(("dtype", "scale"), [(np.uint8, 1), (np.uint16, 257)])
    def test_exactly_this_colour(self, dtype: type, scale: int) -> None:
        image = picture(dtype=dtype)
        image.pixels[0, :, 2, 3:5] = np.array([[255], [0], [255]]) * scale
        image.pixels[0, :, 0, 0] = np.array([255, 1, 255]) * scale
        assert np.array_equal(missing_of(MaskOptions(colour=(255, 0, 255)), image), hole())

    def test_a_grey_picture_has_no_other_colours(self) -> None:
        with pytest.raises(UsageError, match="--mask-color: the picture is grey; give a grey"):
            missing_of(MaskOptions(colour=(255, 0, 255)), picture(1))
        assert missing_of(MaskOptions(colour=(9, 9, 9)), picture(1)).all()

    def test_boxes(self) -> None:
        boxes = (Part(3, 2, 2, 1), Part(0, 0, 1, 1))
        found = missing_of(MaskOptions(boxes=boxes))
        assert found[0, 0]
        found[0, 0] = False
        assert np.array_equal(found, hole())

    def test_a_box_outside_is_named(self) -> None:
        with pytest.raises(UsageError, match="--box 7,0,2,1 reaches outside the picture of 8 x 6 pixels"):
            missing_of(MaskOptions(boxes=(Part(7, 0, 2, 1),)))

    def test_what_several_name_is_missing_together(self) -> None:
        path = mask_file()
        found = missing_of(MaskOptions(path, boxes=(Part(0, 5, 8, 1),)), mask=path)
        assert found.sum() == 2 + 8
        assert np.array_equal(missing_of(MaskOptions(path), mask=path), hole()), (
            "the cached file is unchanged"
        )


@pytest.mark.parametrize("by", [0, 1, 3, 20])
def test_grown_against_a_search(by: int) -> None:
    missing = np.random.default_rng(0).random((9, 13)) > 0.95
    expected = np.zeros_like(missing)
    for y, x in zip(*np.nonzero(missing), strict=True):
        expected[max(0, y - by) : y + by + 1, max(0, x - by) : x + by + 1] = True
    assert np.array_equal(masks.grown(missing, by), expected)


def test_a_mask_is_white_beside_its_picture() -> None:
    pixels = picture(dtype=np.uint16).pixels
    both = Mask(~hole()[None, None]).beside(pixels)
    assert np.array_equal(both[..., :WIDTH], pixels)
    assert np.array_equal(both[0, 1, :, WIDTH:], hole() * np.uint16(65535))


class TestWhatTextureIsCopiedFrom:
    @staticmethod
    def of(options: MaskOptions, source: str = "photo.png", mask: Path | None = None) -> np.ndarray | None:
        (one,) = masks.assign([job(source, mask)], replace(options, place=None))
        copyable = Masks(options, [one]).of(one, picture()).copyable
        return None if copyable is None else copyable[0, 0]

    def test_all_that_is_known_where_nothing_is_said(self) -> None:
        assert self.of(MaskOptions(Path("x")), mask=mask_file()) is None

    def test_the_rectangle_without_what_is_missing(self) -> None:
        found = self.of(MaskOptions(Path("x"), source=Part(3, 1, 4, 3)), mask=mask_file())
        expected = np.zeros((HEIGHT, WIDTH), bool)
        expected[1:4, 3:7] = True
        assert np.array_equal(found, expected & ~hole())

    def test_nothing_that_is_white_in_the_mask_of_what_to_avoid(self) -> None:
        ignored = np.zeros((HEIGHT, WIDTH), bool)
        ignored[:, :3] = True
        avoid = mask_file("avoid.png", ignored)
        assert np.array_equal(
            self.of(MaskOptions(Path("x"), avoid=avoid), mask=mask_file()), ~ignored & ~hole()
        )
        both = self.of(MaskOptions(Path("x"), source=Part(1, 0, 4, 6), avoid=avoid), mask=mask_file())
        expected = np.zeros((HEIGHT, WIDTH), bool)
        expected[:, 3:5] = True
        assert np.array_equal(both, expected & ~hole())

    def test_one_file_may_be_the_mask_turned_round_and_what_to_avoid(self) -> None:
        file = mask_file()
        one = job(mask=file)
        found = Masks(MaskOptions(file, invert=True, avoid=file), [replace(one, avoid=file)])
        with pytest.raises(UsageError, match="nothing is left to copy from"):
            found.of(replace(one, avoid=file), picture())

    def test_a_folder_has_one_for_each_by_its_name(self) -> None:
        for name, column in (("a.png", 0), ("b.png", 7)):
            ignored = np.zeros((HEIGHT, WIDTH), bool)
            ignored[:, column] = True
            mask_file(f"avoid/{name}", ignored)
        options = MaskOptions(Path("x"), avoid=Path("avoid"))
        for name, column in (("a.png", 0), ("b.png", 7)):
            found = self.of(options, name, mask_file())
            assert found is not None
            assert found.all(0).tolist() == [place not in (column, 3, 4) for place in range(WIDTH)]
        with pytest.raises(UsageError, match=r"--avoid avoid: no mask in it named like c\.png"):
            self.of(options, "c.png", mask_file())

    def test_a_rectangle_in_the_hole_leaves_nothing(self) -> None:
        with pytest.raises(UsageError, match="nothing is left to copy from"):
            self.of(MaskOptions(Path("x"), source=Part(3, 2, 2, 1)), mask=mask_file())


class TestFindingThem:
    def test_one_for_all(self) -> None:
        found = masks.assign([job("a.png"), job("b.jpg")], MaskOptions(mask_file()))
        assert [one.mask for one in found] == [Path("mask.png")] * 2

    def test_a_folder_by_stem(self) -> None:
        mask_file("masks/a.png")
        mask_file("masks/b.png")
        found = masks.assign([job("b.jpg"), job("a.tif")], MaskOptions(Path("masks")))
        assert [one.mask for one in found] == [Path("masks/b.png"), Path("masks/a.png")]

    def test_folders_of_masks_mirror_those_of_the_pictures(self) -> None:
        jobs = [below(f"album/{name}") for name in ("1.jpg", "x/1.jpg", "y/1.jpg")]
        for name in ("1.png", "x/1.png"):
            mask_file(f"masks/{name}")
        for options in (MaskOptions(Path("masks")), MaskOptions(avoid=Path("masks"))):
            first, second, third = masks.assign(jobs, options)
            word = "mask" if options.place else "avoid"
            assert [getattr(first, word), getattr(second, word)] == [
                Path("masks/1.png"),
                Path("masks/x/1.png"),
            ]
            assert third.problem == f"--{word} masks: no mask in it named like album/y/1.jpg"

    def test_a_folder_of_masks_without_folders_goes_by_name_alone(self) -> None:
        mask_file("masks/1.png")
        Path("masks/x").mkdir()
        found = masks.assign([below("album/1.jpg"), below("album/x/1.jpg")], MaskOptions(Path("masks")))
        assert [one.mask for one in found] == [Path("masks/1.png")] * 2

    def test_inputs_without_one_have_failed_already(self) -> None:
        mask_file("masks/a.png")
        first, second = masks.assign([job("a.jpg"), job("b.jpg")], MaskOptions(Path("masks")))
        assert first.is_open
        assert second.problem == "--mask masks: no mask in it named like b.jpg"

    def test_none_for_any_is_wrong_use(self) -> None:
        Path("masks").mkdir()
        with pytest.raises(
            UsageError, match=r"^--mask masks: no mask in it named like a.jpg, and none for 1"
        ):
            masks.assign([job("a.jpg"), job("b.jpg")], MaskOptions(Path("masks")))

    def test_two_of_one_stem_are_named(self) -> None:
        mask_file("masks/a.png")
        mask_file("masks/a.tif")
        with pytest.raises(UsageError, match=r"several pictures are named like a.jpg: a.png, a.tif"):
            masks.assign([job("a.jpg")], MaskOptions(Path("masks")))

    def test_a_mask_that_is_not_there_is_named(self) -> None:
        with pytest.raises(UsageError, match=r"^--mask nothing.png: no such file or folder$"):
            masks.assign([job()], MaskOptions(Path("nothing.png")))

    def test_a_mask_is_never_the_output(self) -> None:
        mask = mask_file("out/photo.png")
        with pytest.raises(UsageError, match=r"^out/photo.png: the output of photo.png is a mask"):
            masks.assign([job()], MaskOptions(mask))


def test_a_mask_that_another_thread_reads_meanwhile_is_not_taken_for_it() -> None:
    jobs = [
        job(name, mask=save(f"masks/{name}", grey)) for name, grey in (("a.png", hole()), ("b.png", ~hole()))
    ]

    class Crossed(Masks):
        """The second picture's turn comes while the first one's mask is put away."""

        def __setattr__(self, name: str, value: object) -> None:
            super().__setattr__(name, value)
            if isinstance(value, tuple) and value[0] == jobs[0].mask:
                self.of(jobs[1], picture())

    found = Crossed(MaskOptions(Path("masks")), jobs).of(jobs[0], picture()).known
    assert np.array_equal(~found[0, 0], hole())


class TestShowingThem:
    def test_into_a_file(self) -> None:
        one = job(mask=mask_file())
        Masks(MaskOptions(one.mask, grow=1, show=Path("shown/used.png")), [one]).of(one, picture())
        with Pillow.open("shown/used.png") as shown:
            assert np.array_equal(np.asarray(shown), masks.grown(hole(), 1) * 255)

    def test_into_a_folder_by_stem(self) -> None:
        jobs = [job("a.png"), job("b.png")]
        options = MaskOptions(boxes=(Part(0, 0, 1, 1),), show=Path("shown"))
        assert masks.assign(jobs, options) == jobs
        for one in jobs:
            Masks(options, jobs).of(one, picture())
        assert sorted(path.name for path in Path("shown").iterdir()) == ["a.mask.png", "b.mask.png"]

    def test_into_a_folder_that_mirrors_those_of_the_pictures(self) -> None:
        Path("masks.v2").mkdir()
        jobs = [below("album/x/1.png"), below("album/y/1.png")]
        options = MaskOptions(boxes=(Part(0, 0, 1, 1),), show=Path("masks.v2"))
        masks.assign(jobs, options)
        for one in jobs:
            Masks(options, jobs).of(one, picture())
        paths = [Path("masks.v2/x/1.mask.png"), Path("masks.v2/y/1.mask.png")]
        assert masks.shown_paths(jobs, options) == paths
        assert all(path.is_file() for path in paths)

    @pytest.mark.parametrize("provenance", [{"tool": "genrestore"}, None])
    def test_a_batch_that_goes_on_replaces_what_it_showed_and_nothing_else(
        self, provenance: dict[str, str] | None
    ) -> None:
        one, shown = job(), Path("shown/photo.mask.png")
        options = MaskOptions(boxes=(Part(0, 0, 1, 1),), show=Path("shown"), noted=provenance is not None)
        Masks(options, [one], provenance).of(one, picture())
        with pytest.raises(UsageError, match="exists already; --overwrite replaces it"):
            masks.assign([one], options)
        with pytest.raises(InputError):
            Masks(options, [one], provenance).of(one, picture())
        goes_on = replace(options, skip_existing=True, grow=1)
        masks.assign([one], goes_on)
        Masks(goes_on, [one], provenance).of(one, picture())
        with Pillow.open(shown) as image:
            assert np.asarray(image).sum() == 4 * 255
        shown.write_bytes(b"mine")
        with pytest.raises(UsageError, match="exists already, and genrestore did not note that it made it"):
            masks.assign([one], goes_on)

    @pytest.mark.parametrize(
        ("names", "show", "message"),
        [
            (["a.png", "a.jpg"], "shown", "the masks of a.png and a.jpg would both go there"),
            (["a.png", "b.png"], "all.png", "a file, and several inputs need a folder"),
            (["a.png"], "mask.jpg", r"a mask is written as PNG; end it in \.png"),
            (["a.png"], "a.png", "an input, a mask or a result is there"),
            (["a.png"], "out/a.png", "an input, a mask or a result is there"),
            (["a.png"], "there.png", "exists already; --overwrite replaces it"),
        ],
    )
    def test_where_they_cannot_go(self, names: list[str], show: str, message: str) -> None:
        Path("there.png").write_bytes(b"mine")
        with pytest.raises(UsageError, match=f"^--show-mask {show}.*: {message}"):
            masks.assign([job(name) for name in names], MaskOptions(show=Path(show)))
        assert Path("there.png").read_bytes() == b"mine"
