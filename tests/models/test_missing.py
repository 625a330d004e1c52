"""What a denoiser is shown of a picture with a hole."""

from __future__ import annotations

import torch

from genrestore.models.missing import shown


def test_missing_pixels_are_filled_from_around_and_have_all_the_noise_there_is() -> None:
    known = torch.ones(1, 1, 8, 8)
    known[..., 3:5, 3:5] = 0
    image = torch.full((1, 3, 8, 8), 0.25)
    damaged = torch.where(known > 0, image, 1.0)
    filled, level = shown(damaged, known, torch.tensor(0.1))
    assert torch.allclose(filled, image)
    assert torch.equal(level, torch.where(known > 0, 0.1, 1.0))


def test_each_picture_of_a_batch_has_its_own_noise_level() -> None:
    known = torch.ones(2, 1, 4, 4)
    known[..., 0, 0] = 0
    _, level = shown(torch.zeros(2, 3, 4, 4), known, torch.tensor([0.0, 0.2]))
    assert level[:, 0, 3, 3].tolist() == [0.0, torch.tensor(0.2).item()]
    assert level[:, 0, 0, 0].tolist() == [1.0, 1.0]
