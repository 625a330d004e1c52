"""What real and made images go through before the discriminator."""

from __future__ import annotations

import pytest
import torch

from genrestore.train.kinds import gan as augment


def images(count: int = 200, size: int = 16, channels: int = 3) -> torch.Tensor:
    torch.manual_seed(0)
    return torch.rand(count, channels, size, size)


@pytest.mark.parametrize("name", sorted(augment.AUGMENTATIONS))
@pytest.mark.parametrize("channels", [1, 3])
def test_every_one_keeps_the_shape_follows_the_seed_and_has_a_gradient(name: str, channels: int) -> None:
    change, given = augment.AUGMENTATIONS[name], images(4, channels=channels).requires_grad_()
    torch.manual_seed(1)
    result = change(given)
    torch.manual_seed(1)
    assert torch.equal(result, change(given))
    assert result.shape == given.shape
    assert not torch.equal(result, given)
    result.sum().backward()
    assert given.grad is not None
    assert (given.grad != 0).flatten(1).any(1).all()


def test_translation_moves_by_up_to_an_eighth_and_fills_with_black() -> None:
    dot = torch.zeros(400, 1, 16, 16)
    dot[:, :, 8, 5] = 1
    moved = augment.translate(dot)
    places = moved.flatten(1).argmax(1)
    assert torch.equal(moved.flatten(1).sum(1), torch.ones(400))
    assert {int(place) // 16 - 8 for place in places} == {-2, -1, 0, 1, 2}
    assert {int(place) % 16 - 5 for place in places} == {-2, -1, 0, 1, 2}
    assert (augment.translate(torch.ones(50, 1, 16, 16)).sum((1, 2, 3)) < 256).any()


def test_a_cut_is_a_grey_square_of_half_the_side_at_most() -> None:
    given = images()
    result = augment.cut_out(given)
    cut = (result != given).any(1)
    assert (result.transpose(0, 1)[:, cut] == 0.5).all()
    assert int(cut.sum((1, 2)).max()) == 64
    assert torch.equal(cut, cut.any(2, keepdim=True) & cut.any(1, keepdim=True)), "a rectangle"


def test_recolouring_changes_each_image_as_a_whole() -> None:
    given = images(50, channels=1)
    result = augment.recolour(given)
    factor = result.flatten(1).std(1) / given.flatten(1).std(1)
    assert 0.5 <= float(factor.min()) < float(factor.max()) <= 1.5
    shift = (result.flatten(1).mean(1) - given.flatten(1).mean(1)).abs()
    assert 0.3 < float(shift.max()) <= 0.5
    grey = given.expand(-1, 3, -1, -1)
    coloured = augment.recolour(grey)
    assert torch.allclose(coloured[:, 0], coloured[:, 2], atol=1e-5), "grey stays grey"
