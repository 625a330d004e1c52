from __future__ import annotations

import pytest
import torch
from torch import nn

from genrestore.train import optimisers
from genrestore.train.optimisers import Muon, inner_matrices, orthogonalise
from genrestore.train.settings import LoopSettings


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.Conv2d(4, 6, 3), nn.Conv2d(6, 4, 3), nn.Flatten(), nn.Linear(16, 2)
    )


@pytest.mark.parametrize("shape", [(2, 5, 9), (1, 9, 5), (3, 6, 6)])
def test_orthogonalised_matrices_keep_their_singular_vectors(shape: tuple[int, ...]) -> None:
    matrices = torch.randn(shape, generator=torch.Generator().manual_seed(1))
    found = orthogonalise(matrices)
    u, _, vh = torch.linalg.svd(matrices, full_matrices=False)
    inside = u.mT @ found @ vh.mT
    values = torch.diagonal(inside, dim1=1, dim2=2)
    assert found.shape == matrices.shape
    assert (inside - torch.diag_embed(values)).abs().max() < 0.06  # bfloat16 where the processor has it
    assert values.min() > 0.3
    assert values.max() < 1.3


def test_the_size_of_a_matrix_does_not_change_its_direction() -> None:
    matrix = torch.randn(1, 4, 7, generator=torch.Generator().manual_seed(2))
    assert torch.allclose(orthogonalise(matrix), orthogonalise(1024 * matrix), atol=0.03)


def test_other_parameters_move_as_torch_s_adamw_moves_them() -> None:
    mine, theirs = nn.Parameter(torch.ones(5)), nn.Parameter(torch.ones(5))
    muon = Muon([], [mine], lr=0.1, weight_decay=0.01)
    adamw = torch.optim.AdamW([theirs], lr=0.1, weight_decay=0.01)
    generator = torch.Generator().manual_seed(0)
    for _ in range(5):
        mine.grad = torch.randn(5, generator=generator)
        theirs.grad = mine.grad.clone()
        muon.step()
        adamw.step()
    assert torch.allclose(mine, theirs, atol=1e-6)


@pytest.mark.parametrize("shape", [(6, 4), (5, 3, 2, 2)])
def test_matrices_follow_orthogonalised_nesterov_momentum(shape: tuple[int, ...]) -> None:
    """m ← μ m + g;  w ← (1 − η λ) w − 0.2 η √max(rows, columns) · orthogonal(g + μ m), over three steps."""
    generator = torch.Generator().manual_seed(0)
    weight = nn.Parameter(torch.randn(shape, generator=generator))
    muon = Muon([weight], [], lr=0.1, momentum=0.9, weight_decay=0.05)
    expected, momentum = weight.detach().flatten(1).clone(), torch.zeros(shape).flatten(1)
    for _ in range(3):
        slope = torch.randn(shape, generator=generator)
        weight.grad = slope.clone()
        muon.step()
        momentum = 0.9 * momentum + slope.flatten(1)
        update = orthogonalise((slope.flatten(1) + 0.9 * momentum)[None])[0]
        expected = (1 - 0.1 * 0.05) * expected - 0.2 * 0.1 * max(expected.shape) ** 0.5 * update
        assert torch.allclose(weight.detach().flatten(1), expected, atol=1e-5)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_settings_and_betas_reach_the_optimiser(name: str) -> None:
    chosen = LoopSettings(optimiser=name, learning_rate=0.02, weight_decay=0.3)
    for group in optimisers.make({"a": network()}, chosen, (0.5, 0.99)).param_groups:
        assert (group["lr"], group["weight_decay"], tuple(group["betas"])) == (0.02, 0.3, (0.5, 0.99))


def test_a_matrix_moves_about_as_far_as_adamw_would_move_it() -> None:
    weight = nn.Parameter(torch.zeros(32, 16, 3, 3))
    weight.grad = torch.randn(weight.shape, generator=torch.Generator().manual_seed(0))
    Muon([weight], [], lr=0.1).step()
    assert 0.1 * 0.1 < float(weight.detach().square().mean().sqrt()) < 0.1 * 0.3


def test_the_first_and_the_last_weight_are_not_inner() -> None:
    subject = network()
    assert [id(matrix) for matrix in inner_matrices(subject)] == [
        id(subject[1].weight),
        id(subject[2].weight),
    ]


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_every_parameter_is_trained_and_the_loss_falls(name: str) -> None:
    subject = network()
    optimiser = optimisers.make({"a": subject}, LoopSettings(optimiser=name, learning_rate=0.01))
    parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    assert {id(parameter) for parameter in parameters} == {
        id(parameter) for parameter in subject.parameters()
    }
    x = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(3))
    losses = []
    for _ in range(30):
        loss = (subject(x) - 1).square().mean()
        losses.append(float(loss.detach()))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    assert losses[-1] < 0.1 * losses[0]
