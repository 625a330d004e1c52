"""What goes missing from training patches: some of every patch, never all, and the same for the same seed."""

from __future__ import annotations

import torch

from genrestore.train.data import holes


def drawn(count: int = 150, size: int = 64, scattered: float = holes.SCATTERED) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.stack([holes.draw(size, generator, scattered) for _ in range(count)])


def surrounded(known: torch.Tensor) -> torch.Tensor:
    """Share of the missing pixels of each patch that have a known one beside them."""
    missing = 1 - known
    beside = torch.nn.functional.max_pool2d(known, 3, stride=1, padding=1)
    return (missing * beside).sum((1, 2, 3)) / missing.sum((1, 2, 3))


def test_something_is_known_and_something_is_missing() -> None:
    known = drawn()
    assert known.shape == (150, 1, 64, 64)
    assert set(known.unique().tolist()) == {0.0, 1.0}
    shares = known.mean((1, 2, 3))
    assert 0 < float(shares.min()) < 0.15
    assert 0.9 < float(shares.max()) < 1


def test_some_holes_are_scattered_and_some_are_wide() -> None:
    edge = surrounded(drawn())
    assert 0.3 < float((edge > 0.9).float().mean()) < 0.8
    assert float((edge < 0.3).float().mean()) > 0.05


def test_how_many_are_scattered_can_be_said() -> None:
    shares = [float((surrounded(drawn(scattered=share)) < 0.5).float().mean()) for share in (0.0, 0.5, 1.0)]
    assert shares[0] > 1.3 * shares[1] > 1.3 * shares[2]


def test_the_same_seed_draws_the_same_holes() -> None:
    assert torch.equal(drawn(40), drawn(40))


def test_writing_goes_all_over_the_patch() -> None:
    known = holes.writing(64, torch.Generator().manual_seed(3))
    assert 0.02 < float(1 - known.mean()) < 0.9
    assert all(float(part.min()) == 0 for part in known.split(32, 1))
