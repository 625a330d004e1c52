"""Values of --preview, the part they mean, and where the sheet goes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from genrestore.errors import InputError, UsageError
from genrestore.files.codecs.images import Image
from genrestore.files.codecs.metadata import Metadata
from genrestore.files.plan.jobs import OutputOptions, Part
from genrestore.files.work import preview
from genrestore.files.work.batch import BatchOptions
from genrestore.files.work.contact_sheet import STRENGTHS, Panel, mixed
from genrestore.restore.task import Restored
from tests.files.test_contact_sheet import occurrences

WRONG = {
    "1,2": "must be x,y,width,height in pixels, such as 40,30,256,192",
    "": "must be x,y,width,height",
    "1,2,3,4,5": "must be x,y,width,height",
    "a,b,c,d": "must be x,y,width,height",
    "-1,0,5,5": "must be x,y,width,height",
    "0,0,1.5,2": "must be x,y,width,height",
    "0,0,²,2": "must be x,y,width,height",
    "0,0,0,5": "width and height must be at least 1 pixel",
    "0,0,5,0": "width and height must be at least 1 pixel",
    "0,0,2049,2048": "the part may have 4194304 pixels, since it is shown once a strength; take",
}


@pytest.mark.parametrize(("value", "message"), WRONG.items())
def test_a_wrong_value_is_named(value: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^--preview {value}: {message}"):
        Part.parse(value)


def test_a_value_is_a_rectangle() -> None:
    part = Part.parse(" 3, 1,2,4")
    assert (part, str(part)) == (Part(3, 1, 2, 4), "3,1,2,4")
    picture = np.arange(7 * 5).reshape(1, 1, 5, 7)
    assert np.array_equal(part.of(picture), picture[..., 1:5, 3:5])


@pytest.mark.parametrize("value", ["0,0,8,5", "0,0,7,6", "7,0,1,1", "0,5,1,1"])
def test_a_part_outside_the_picture_fails(value: str) -> None:
    with pytest.raises(InputError, match=f"^--preview {value} reaches outside the picture of 7 x 5 pixels$"):
        Part.parse(value).of(np.zeros((1, 3, 5, 7), np.uint8))
    assert Part.parse("0,0,7,5").of(np.zeros((1, 3, 5, 7), np.uint8)).shape == (1, 3, 5, 7)


def test_nothing_is_restored_for_a_part_outside() -> None:
    def never(*_: Any) -> Any:
        raise AssertionError

    make, _ = preview.instead(Part(9, 9, 1, 1), never, BatchOptions())
    picture: Any = SimpleNamespace(pixels=np.zeros((1, 3, 5, 7), np.uint8))
    with pytest.raises(InputError, match="outside"):
        make()([picture], lambda _: None)


def test_the_sheet_keeps_type_and_profile_and_says_that_alpha_is_out() -> None:
    pixels = np.full((1, 3, 20, 30), 40000, np.uint16)
    image = Image(pixels, pixels[:, :1], Metadata("TIFF", "RGBA;16", icc=b"profile", notes=("said",)))
    levels = [Panel("sigma 12", pixels[..., 2:11, 1:11])]
    found = preview.sheet(Part(1, 2, 10, 9), image, levels, pixels)
    assert (found.pixels.dtype, found.alpha) == (np.uint16, None)
    assert found.metadata.icc == b"profile"
    assert found.metadata.notes == ("said", "the sheet is without alpha")


def test_a_row_of_noise_levels_stands_over_a_row_of_strengths() -> None:
    """Each level where its factor is; the strengths go from the input to the restoration at its own level."""
    draw = np.random.default_rng(0)
    pixels, *restored = draw.integers(128, 256, (1 + len(preview.FACTORS), 1, 3, 50, 60), dtype=np.uint8)
    part, told = Part(5, 7, 40, 30), []

    picture: Any = SimpleNamespace(pixels=pixels)

    def at_levels(seen: Any, factors: Any, on_progress: Any) -> Iterator[tuple[str, Restored]]:
        assert seen is picture
        told.append(on_progress)
        for factor, result in zip(factors, restored, strict=True):
            yield f"sigma {factor}", Restored(noise_level=0.1 * factor, pixels=result)

    make, options = preview.instead(part, at_levels, BatchOptions())
    (found,) = make()([picture], print)
    assert isinstance(found, Restored)
    assert (found.noise_level, told) == (0.1, [print])
    assert np.array_equal(found.pixels, restored[preview.FACTORS.index(1)])
    assert options.finish is not None
    sheet = options.finish(Image(pixels, None, Metadata("PNG", "RGB")), found.pixels).pixels
    levels = [occurrences(part.of(one), sheet) for one in restored]
    mixtures = [mixed(part.of(pixels), part.of(found.pixels), strength) for strength in STRENGTHS]
    strengths = [occurrences(one, sheet) for one in mixtures]
    assert [len(place) for place in levels] == [1, 2, 1, 1, 1]  # its own level is strength 1 too
    assert [len(place) for place in strengths] == [1, 1, 1, 1, 2]
    row = [place[0] for place in levels]
    assert row == sorted(row)
    assert max(row) < strengths[0][0] < strengths[1][0] < strengths[2][0] < strengths[3][0]


PLACES = {
    None: "photo.preview.png",
    "out/": "out/photo.preview.png",
    "there": "there/photo.preview.png",
    "sub/result.jpg": "sub/result.preview.png",
}


@pytest.mark.parametrize(("output", "expected"), PLACES.items())
def test_the_sheet_goes_beside_where_the_result_would(
    output: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from genrestore.files.plan.outputs import plan

    monkeypatch.chdir(tmp_path)
    Path("there").mkdir()
    Path("photo.jpg").touch()
    Path("photo.denoised.jpg").touch()
    (job,) = plan(["photo.jpg"], preview.words(["photo.jpg"], OutputOptions(output)))
    assert (str(job.target), job.format) == (expected, "PNG")


REFUSED: dict[str, tuple[list[str], dict[str, Any]]] = {
    "--preview shows a part of one picture; name one file": (["a.png", "b.png"], {}),
    "--preview shows a part of one picture; name one": (["."], {}),
    "--preview writes a file, not to standard output; give -o a file": (["a.png"], {"output": "-"}),
    "--preview writes a file, not to standard output": (["-"], {}),
    "--preview and --in-place contradict each other; give one": (["a.png"], {"in_place": True}),
    "--preview and --compare contradict each other": (["a.png"], {"compare": True}),
    "--preview and --skip-existing contradict each other": (["a.png"], {"skip_existing": True}),
    "--preview and --suffix contradict each other": (["a.png"], {"suffix": "small"}),
    "--preview and --format contradict each other": (["a.png"], {"format": "PNG"}),
}


@pytest.mark.parametrize(("message", "given"), REFUSED.items())
def test_words_that_cannot_be_meant(message: str, given: tuple[list[str], dict[str, Any]]) -> None:
    inputs, words = given
    with pytest.raises(UsageError, match=f"^{message}"):
        preview.words(inputs, replace(OutputOptions(), **words))


def test_other_words_are_refused_if_given() -> None:
    with pytest.raises(UsageError, match=r"^--preview and --reference contradict each other; give one$"):
        preview.words(["a.png"], OutputOptions(), {"--strength": False, "--reference": True})
    assert preview.words(["a.png"], OutputOptions(), {"--strength": False}).suffix == "preview"
