"""What mask files of every kind say is missing, and which of them say nothing."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image as Pillow
from PIL import ImageDraw

from genrestore.errors import InputError
from genrestore.files.codecs import images
from genrestore.files.codecs.images import Image
from genrestore.files.work import mask_meaning
from tests.cli.conftest import noisy_pixels

HEIGHT, WIDTH = 40, 60
COLOURS = {"red": (255, 0, 0), "magenta": (255, 0, 255), "blue": (0, 0, 255), "teal": (0, 128, 128)}


def smoothed() -> np.ndarray:
    """A stroke whose edges are smoothed, uint8 [height, width]: 0 is untouched."""
    large = Pillow.new("L", (8 * WIDTH, 8 * HEIGHT))
    ImageDraw.Draw(large).line((80, 60, 380, 250), fill=255, width=44)
    return np.asarray(large.resize((WIDTH, HEIGHT), Pillow.Resampling.BOX))


SMOOTH = smoothed()
TOUCHED, INSIDE = SMOOTH > 0, SMOOTH == 255


def decoded(pixels: np.ndarray, format: str = "PNG", **options: object) -> Image:
    stream = io.BytesIO()
    Pillow.fromarray(pixels).save(stream, format, **options)
    stream.seek(0)
    return images.read(stream)


def blended(stroke: tuple[int, int, int], ground: tuple[int, int, int]) -> np.ndarray:
    """The stroke in a colour on a ground, uint8 [height, width, 3]."""
    share = SMOOTH[..., None] / 255
    return (share * np.array(stroke) + (1 - share) * np.array(ground)).round().astype(np.uint8)


def missing(image: Image, *, invert: bool = False) -> np.ndarray:
    return mask_meaning.of(image, invert=invert).pixels


def grey_of_two(low: int, high: int, kind: type = np.uint8) -> np.ndarray:
    return np.where(TOUCHED, high, low).astype(kind)


TWO = [(0, 255, np.uint8), (0, 1, np.uint8), (0, 128, np.uint8), (100, 255, np.uint8), (0, 65535, np.uint16)]
TWO += [(0, 255, np.uint16), (0, 1, np.uint16), (254, 255, np.uint8)]


@pytest.mark.parametrize(("low", "high", "kind"), TWO)
def test_of_two_greys_the_brighter_one_is_missing(low: int, high: int, kind: type) -> None:
    image = decoded(grey_of_two(low, high, kind))
    assert np.array_equal(missing(image), TOUCHED)
    assert np.array_equal(missing(image, invert=True), ~TOUCHED)
    note = mask_meaning.of(image, invert=False).note
    usual = (low, high) in ((0, 255), (0, 65535)) and high == np.iinfo(kind).max
    assert note == (None if usual else f"the mask holds {low} and {high}: {high} is missing")


def test_every_pixel_that_is_touched_is_missing() -> None:
    image = decoded(SMOOTH)
    assert np.array_equal(missing(image), TOUCHED)
    assert np.array_equal(missing(image, invert=True), ~INSIDE)
    assert mask_meaning.of(image, invert=False).note == (
        "the mask has greys: every pixel that is not black is missing"
    )
    deep = decoded(SMOOTH.astype(np.uint16) * 257)
    assert np.array_equal(missing(deep), TOUCHED)
    assert np.array_equal(missing(decoded(255 - SMOOTH), invert=True), TOUCHED)


def test_a_lossy_file_may_say_black_with_greys_of_its_own() -> None:
    hard = np.where(INSIDE, 255, 0).astype(np.uint8)
    for quality in (75, 95):
        found = missing(decoded(hard, "JPEG", quality=quality))
        assert found[INSIDE].all()
        assert found.sum() < 2 * INSIDE.sum()
    assert np.array_equal(missing(decoded(hard, "WEBP", lossless=True)), INSIDE)


@pytest.mark.parametrize("ground", [(0, 0, 0), (255, 255, 255), (128, 128, 128)])
@pytest.mark.parametrize("colour", COLOURS.values(), ids=COLOURS)
def test_what_is_painted_with_a_colour_is_missing(
    colour: tuple[int, int, int], ground: tuple[int, int, int]
) -> None:
    image = decoded(blended(colour, ground))
    assert missing(image)[SMOOTH > 4].all(), "a share below one level cannot be seen"
    assert not missing(image)[~TOUCHED].any()
    assert np.array_equal(missing(image, invert=True), ~missing(image))
    assert mask_meaning.of(image, invert=False).note == (
        "the mask's colours say what is missing: what is painted with them"
    )
    lossy = decoded(blended(colour, ground), "JPEG", quality=95, subsampling=0)
    assert missing(lossy)[INSIDE].all()


def test_two_pens_on_one_ground() -> None:
    pixels = blended((255, 0, 0), (0, 0, 0))
    pixels[:4] = (0, 200, 0)
    found = missing(decoded(pixels))
    assert found[:4].all()
    assert found[INSIDE].all()


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (255, 0, 0), (90, 90, 90)])
def test_what_is_painted_on_a_transparent_ground_is_missing(colour: tuple[int, int, int]) -> None:
    layer = np.empty((HEIGHT, WIDTH, 4), np.uint8)
    layer[..., :3], layer[..., 3] = colour, SMOOTH
    assert np.array_equal(missing(decoded(layer)), TOUCHED)
    assert np.array_equal(missing(decoded(layer), invert=True), ~INSIDE)
    assert "alpha" in (mask_meaning.of(decoded(layer), invert=False).note or "")


def test_an_alpha_that_says_nothing_is_passed_over() -> None:
    layer = np.empty((HEIGHT, WIDTH, 4), np.uint8)
    for alpha in (0, 128, 255):
        layer[..., :3], layer[..., 3] = grey_of_two(0, 255)[..., None], alpha
        assert np.array_equal(missing(decoded(layer)), TOUCHED)
    layer[:5, :, 3] = 0
    layer[5:, :, 3] = 255
    assert np.array_equal(missing(decoded(layer))[5:], TOUCHED[5:]), "white on black, both seen"
    layer[:] = (255, 255, 255, 0)
    assert not missing(decoded(layer)).any(), "nothing was painted"


@pytest.mark.parametrize(("value", "all_missing"), [(0, False), (255, True)])
def test_black_alone_and_white_alone_say_nothing_and_everything(value: int, all_missing: bool) -> None:
    plain = decoded(np.full((HEIGHT, WIDTH), value, np.uint8))
    assert missing(plain).all() == missing(plain).any() == all_missing
    assert missing(plain, invert=True).all() != all_missing


def cut_out() -> np.ndarray:
    return np.concatenate([noisy_pixels(HEIGHT, WIDTH), SMOOTH[..., None]], axis=2)


CANNOT_BE_TOLD = {
    "one grey": (np.full((HEIGHT, WIDTH), 7, np.uint8), "holds 7 of 255, so it cannot be told"),
    "two greys": (grey_of_two(100, 101), "holds 100 and 101 of 255, so it cannot be told"),
    "three greys": (
        np.where(np.arange(WIDTH) < 9, 40, grey_of_two(60, 80)).astype(np.uint8),
        "holds 40 and 60 and 80 of 255",
    ),
    "a grey photograph": (noisy_pixels(HEIGHT, WIDTH)[..., 0], "greys from [0-9]+ to [0-9]+ of 255"),
    "a photograph": (noisy_pixels(HEIGHT, WIDTH), "the mask has colours, and not one or a few of them"),
    "a cut-out": (cut_out(), "a picture of many colours that is transparent in places"),
    "colours on black and white": (
        np.where(np.arange(WIDTH)[:, None] < 9, (255, 255, 255), blended((255, 0, 0), (0, 0, 0))).astype(
            np.uint8
        ),
        "the mask has colours, and not one or a few of them painted on one ground",
    ),
}


@pytest.mark.parametrize(("pixels", "said"), CANNOT_BE_TOLD.values(), ids=CANNOT_BE_TOLD)
@pytest.mark.parametrize("invert", [False, True])
def test_what_cannot_be_told_is_refused_with_what_was_found(
    pixels: np.ndarray, said: str, invert: bool
) -> None:
    with pytest.raises(InputError, match=said):
        mask_meaning.of(decoded(pixels), invert=invert)


def test_black_that_a_lossy_file_has_blurred_is_not_an_empty_mask() -> None:
    with pytest.raises(InputError, match="cannot be told"):
        mask_meaning.of(decoded(grey_of_two(0, 12), "JPEG", quality=95), invert=False)
