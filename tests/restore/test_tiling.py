"""Tiles against the picture as a whole, with filters whose result is known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from genrestore.restore.tiling import Pixels, Tiling, map_tiles, spans, with_less_memory


def random_picture(height: int, width: int, dtype: type = np.uint8, channels: int = 3) -> Pixels:
    generator = np.random.default_rng(0)
    top = np.iinfo(dtype).max
    return generator.integers(0, top + 1, (1, channels, height, width), dtype=dtype)


def blur(tile: Tensor) -> Tensor:
    return functional.avg_pool2d(tile, 7, stride=1, padding=3, count_include_pad=False)


@given(st.integers(1, 500), st.integers(1, 20), st.integers(0, 20), st.integers(1, 8))
def test_the_kept_parts_cover_the_axis_once(length: int, inner: int, overlap: int, multiple: int) -> None:
    tiling = Tiling(inner * multiple + 2 * overlap, overlap, multiple)
    covered = [pixel for span in spans(length, tiling) for pixel in range(span.keep_start, span.keep_stop)]
    assert covered == list(range(length))


@given(st.integers(1, 500), st.integers(1, 20), st.integers(0, 20), st.integers(1, 8))
def test_what_is_kept_is_far_from_inner_edges(length: int, inner: int, overlap: int, multiple: int) -> None:
    tiling = Tiling(inner * multiple + 2 * overlap, overlap, multiple)
    for span in spans(length, tiling):
        assert span.stop - span.start <= tiling.size
        assert span.start % multiple == 0
        assert span.start == 0 or span.keep_start - span.start >= overlap
        assert span.stop == length or span.stop - span.keep_stop >= overlap


@pytest.mark.parametrize("size", [(10, 10), (64, 64), (65, 130), (200, 31)])
def test_tiles_give_what_the_whole_gives(size: tuple[int, int]) -> None:
    picture = random_picture(*size)
    whole = map_tiles(picture, blur, Tiling(1024, 0))
    assert np.array_equal(map_tiles(picture, blur, Tiling(64, 8)), whole)


def test_tiles_side_by_side_give_the_same_bits() -> None:
    picture, shares = random_picture(200, 300), []
    whole = map_tiles(picture, blur, Tiling(64, 8))
    assert np.array_equal(map_tiles(picture, blur, Tiling(64, 8), shares.append, threads=3), whole)
    assert shares == [number / len(shares) for number in range(1, len(shares) + 1)]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_doing_nothing_gives_the_same_bits(dtype: type) -> None:
    picture = random_picture(40, 50, dtype)
    result = map_tiles(picture, lambda tile: tile, Tiling(40, 4))
    assert result.dtype == dtype
    assert np.array_equal(result, picture)


@pytest.mark.parametrize("region", [(slice(70, 71), slice(3, 4)), (slice(40, 60), slice(0, 90))])
def test_a_region_is_what_it_is_in_the_whole_and_costs_its_tiles(region: tuple[slice, slice]) -> None:
    picture, calls = random_picture(200, 90), []

    def counted(tile: Tensor) -> Tensor:
        calls.append(tile.shape)
        return blur(tile)

    part = map_tiles(picture, counted, Tiling(64, 8), region=region)
    assert len(calls) == (1 if region[0].start == 70 else 4)
    whole = map_tiles(picture, blur, Tiling(64, 8))
    assert np.array_equal(part[(..., *region)], whole[(..., *region)])
    assert np.array_equal(part[..., -1, -1], picture[..., -1, -1])


def test_integers_arrive_as_0_to_1_and_are_clipped() -> None:
    seen = []

    def look(tile: Tensor) -> Tensor:
        seen.append((float(tile.min()), float(tile.max())))
        return tile * 3 - 1

    picture = np.array([0, 85, 170, 255], np.uint8).reshape(1, 1, 2, 2)
    assert map_tiles(picture, look, Tiling()).ravel().tolist() == [0, 0, 255, 255]
    assert seen == [(0.0, 1.0)]


def test_floating_point_is_neither_scaled_nor_clipped() -> None:
    picture = np.array([-2.0, 0.5, 7.0, 1.0], np.float32).reshape(1, 1, 2, 2)
    assert np.array_equal(map_tiles(picture, lambda tile: tile, Tiling()), picture)


def test_progress_ends_at_one() -> None:
    shares: list[float] = []
    map_tiles(random_picture(100, 100), lambda tile: tile, Tiling(64, 8), shares.append)
    assert shares == [0.25, 0.5, 0.75, 1.0]


def test_the_input_is_not_changed() -> None:
    picture = random_picture(20, 20)
    before = picture.copy()
    map_tiles(picture, torch.zeros_like, Tiling())
    assert np.array_equal(picture, before)


def test_tiles_have_about_one_length() -> None:
    lengths = [span.stop - span.start for span in spans(800, Tiling(768, 32))]
    assert lengths == [432, 432]


def test_a_size_off_the_network_s_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="multiple of 16"):
        Tiling(100, 8)


def test_an_overlap_that_leaves_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="tiles of 64 pixels cannot overlap by 32"):
        Tiling(64, 32)


def no_memory_beyond(size: int) -> Callable[[Tensor], Tensor]:
    """A blur that fails, in the words of torch's CPU allocator, on tiles with a longer side."""

    def limited(tile: Tensor) -> Tensor:
        if max(tile.shape[-2:]) > size:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return blur(tile)

    return limited


def test_without_memory_smaller_tiles_give_the_same_pixels() -> None:
    picture = random_picture(300, 500)
    whole = map_tiles(picture, blur, Tiling(1024, 0))
    result = with_less_memory(
        lambda tiling: map_tiles(picture, no_memory_beyond(150), tiling), Tiling(528, 8)
    )
    assert np.array_equal(result, whole)


def test_memory_that_no_tile_fits_into_is_said() -> None:
    picture = random_picture(300, 500)
    with pytest.raises(MemoryError, match="tiles of 80 pixels do not fit"):
        with_less_memory(lambda tiling: map_tiles(picture, no_memory_beyond(10), tiling), Tiling(528, 8))


def test_another_error_is_not_taken_for_a_lack_of_memory() -> None:
    def fail(tiling: Tiling) -> None:
        raise RuntimeError(f"shapes do not match in tiles of {tiling.size}")

    with pytest.raises(RuntimeError, match="tiles of 528"):
        with_less_memory(fail, Tiling(528, 8))
