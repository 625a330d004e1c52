from __future__ import annotations

import pytest
import torch

from genrestore.restore.turns import COUNTS, TURNS, mean_over


@pytest.mark.parametrize("turns", COUNTS)
def test_what_does_not_care_for_turns_stays(turns: int) -> None:
    image = torch.rand(1, 3, 4, 6)
    torch.testing.assert_close(mean_over(turns, lambda seen: seen + 1, image), image + 1)


def test_all_eight_ways_are_seen_with_what_belongs_to_them() -> None:
    image = torch.arange(4.0).reshape(1, 1, 2, 2)
    seen = set()

    def network(turned: torch.Tensor, level: torch.Tensor, nothing: None) -> torch.Tensor:
        assert torch.equal(turned, level / 10)
        assert nothing is None
        seen.add(tuple(turned.flatten().tolist()))
        return turned

    mean_over(8, network, image, image * 10, None)
    assert len(seen) == len(TURNS) == 8


def test_the_mean_is_that_of_estimates_turned_back() -> None:
    image = torch.rand(1, 1, 4, 4)

    def first_column(seen: torch.Tensor) -> torch.Tensor:
        return torch.cat([seen[..., :1], torch.zeros_like(seen[..., 1:])], dim=3)

    expected = torch.zeros_like(image)
    expected[..., 0] += image[..., 0]
    expected[..., -1] += image[..., -1]
    expected[..., 0, :] += image[..., 0, :]
    expected[..., -1, :] += image[..., -1, :]
    torch.testing.assert_close(mean_over(8, first_column, image), expected / 4)
