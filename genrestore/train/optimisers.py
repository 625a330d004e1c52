"""Optimisers of every training, AdamW from torch and Muon; and the moving average of the weights."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from genrestore.runtime import bf16_is_fast
from genrestore.train import distributed
from genrestore.train.settings import LoopSettings

STEPS = 5
COEFFICIENTS = (3.4445, -4.7750, 2.0315)
"""Of the quintic iteration that takes every singular value of at most 1 near 1 in five steps."""


def make(
    networks: Mapping[str, nn.Module], settings: LoopSettings, betas: tuple[float, float] = (0.9, 0.999)
) -> Optimizer:
    """The optimiser that the settings ask for, over all parameters of the networks.

    Args:
        networks: Each one's first and last weights stay with AdamW when "muon" is asked for.
        settings: Name, learning rate and weight decay.
        betas: AdamW's.
    """
    parameters = [parameter for network in networks.values() for parameter in network.parameters()]
    if settings.optimiser == "adamw":
        fused = parameters[0].device.type in ("cpu", "cuda")  # one pass over each parameter and its moments
        return AdamW(
            parameters, settings.learning_rate, betas, weight_decay=settings.weight_decay, fused=fused
        )
    matrices = [matrix for network in networks.values() for matrix in inner_matrices(network)]
    inner = {id(matrix) for matrix in matrices}
    others = [parameter for parameter in parameters if id(parameter) not in inner]
    rate = settings.learning_rate
    return Muon(matrices, others, rate, betas=betas, weight_decay=settings.weight_decay)


def inner_matrices(network: nn.Module) -> list[nn.Parameter]:
    """Weights of convolutions and linear layers, without the network's first and last one."""
    matrices = [parameter for parameter in network.parameters() if parameter.ndim >= 2]
    return matrices[1:-1]


class Muon(Optimizer):
    """Orthogonalised momentum for matrices, AdamW for all other parameters.

        m  ←  μ m + g                          (momentum; Nesterov: the update is made of g + μ m)
        w  ←  (1 − η λ) w − 0.2 η √max(rows, columns) · UVᵀ,     g + μ m = U S Vᵀ

    UVᵀ is approximated by five Newton–Schulz steps; processes that train together divide the matrices. A
    convolution's weight is the matrix [out, in · height · width]. The factor gives the update the size of
    AdamW's, so both share η and λ.

    Sources: Jordan et al., "Muon: An optimizer for hidden layers in neural networks", 2024;
    the factor: Liu et al., "Muon is scalable for LLM training", 2025.

    Args:
        matrices: Parameters of two or more dimensions.
        others: The other parameters.
        lr: Learning rate η.
        momentum: μ.
        betas: AdamW's, for `others`.
        weight_decay: λ, for all.
    """

    def __init__(
        self,
        matrices: Iterable[nn.Parameter],
        others: Iterable[nn.Parameter],
        lr: float = 1e-3,
        momentum: float = 0.95,
        betas: tuple[float, float] = (0.9, 0.999),
        weight_decay: float = 0.0,
    ) -> None:
        groups = [
            {"params": list(matrices), "orthogonal": True},
            {"params": list(others), "orthogonal": False},
        ]
        groups = [group for group in groups if group["params"]]
        super().__init__(
            groups, {"lr": lr, "momentum": momentum, "betas": betas, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:  # type: ignore[override]
        """Update every parameter that has a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            parameters = [parameter for parameter in group["params"] if parameter.grad is not None]
            if not parameters:
                continue
            if group["weight_decay"]:
                torch._foreach_mul_(parameters, 1 - group["lr"] * group["weight_decay"])
            if group["orthogonal"]:
                self._orthogonal_step(parameters, group)
            else:
                self._adam_step(parameters, group)
        return loss

    def _orthogonal_step(self, parameters: list[Tensor], group: Mapping[str, Any]) -> None:
        gradients = _gradients(parameters)
        momenta = [self._moment(parameter, "momentum") for parameter in parameters]
        torch._foreach_mul_(momenta, group["momentum"])
        torch._foreach_add_(momenta, gradients)
        directions = torch._foreach_add(gradients, momenta, alpha=group["momentum"])
        same: dict[tuple[int, int], list[int]] = {}
        for index, parameter in enumerate(parameters):
            same.setdefault((parameter.shape[0], parameter[0].numel()), []).append(index)
        stacks = [
            torch.stack([directions[index].reshape(shape) for index in indices])
            for shape, indices in same.items()
        ]
        updates = distributed.divide(orthogonalise, stacks)
        for (shape, indices), stack in zip(same.items(), updates, strict=True):
            rate = 0.2 * group["lr"] * math.sqrt(max(shape))
            for index, update in zip(indices, stack, strict=True):
                parameters[index].sub_(update.view(parameters[index].shape), alpha=rate)

    def _adam_step(self, parameters: list[Tensor], group: Mapping[str, Any]) -> None:
        gradients = _gradients(parameters)
        first = [self._moment(parameter, "exp_avg") for parameter in parameters]
        second = [self._moment(parameter, "exp_avg_sq") for parameter in parameters]
        count = self.state[parameters[0]].setdefault("step", torch.zeros(()))
        count += 1
        beta1, beta2 = group["betas"]
        torch._foreach_lerp_(first, gradients, 1 - beta1)
        torch._foreach_mul_(second, beta2)
        torch._foreach_addcmul_(second, gradients, gradients, 1 - beta2)
        steps = float(count)
        scale = torch._foreach_sqrt(second)
        torch._foreach_div_(scale, math.sqrt(1 - beta2**steps))
        torch._foreach_add_(scale, 1e-8)
        torch._foreach_addcdiv_(parameters, first, scale, -group["lr"] / (1 - beta1**steps))

    def _moment(self, parameter: Tensor, name: str) -> Tensor:
        state = self.state[parameter]
        if name not in state:
            state[name] = torch.zeros_like(parameter)
        moment: Tensor = state[name]
        return moment


def _gradients(parameters: list[Tensor]) -> list[Tensor]:
    return [parameter.grad for parameter in parameters if parameter.grad is not None]


def orthogonalise(matrices: Tensor) -> Tensor:
    """The nearest matrices with singular values near 1: U S Vᵀ becomes about U Vᵀ.

        X  ←  a X + (b A + c A²) X,     A = X Xᵀ

    Source: Jordan et al., 2024 (Newton–Schulz iteration with tuned coefficients).

    Args:
        matrices: [count, rows, columns], float32.

    Returns:
        The same shape; singular values between about 0.7 and 1.2.
    """
    a, b, c = COEFFICIENTS
    tall = matrices.shape[1] > matrices.shape[2]
    x = matrices.mT if tall else matrices
    x = x / (x.flatten(1).norm(dim=1)[:, None, None] + 1e-7)
    if bf16_is_fast(matrices.device.type):
        x = x.bfloat16()
    for _ in range(STEPS):
        gram = x @ x.mT
        x = a * x + (b * gram + c * gram @ gram) @ x
    found: Tensor = x.mT if tall else x
    return found.to(matrices.dtype)


class Average:
    """Exponential moving average of networks.

        a  ←  d a + (1 − d) w,     d = min(decay, (1 + n) / (10 + n)) at step n

    so that the first steps are forgotten soon; running statistics of batch normalisation are averaged alike,
    and counters are copied. Source of the ramp: TensorFlow's ExponentialMovingAverage.

    Args:
        networks: The networks in training.
        decay: From 0 (no averaging) to below 1.

    Attributes:
        networks: The averaged networks, in evaluation mode, without gradients.
    """

    def __init__(self, networks: Mapping[str, nn.Module], decay: float) -> None:
        self.decay = decay
        self.networks = {name: copy.deepcopy(network) for name, network in networks.items()}
        for network in self.networks.values():
            network.requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, networks: Mapping[str, nn.Module], step: int) -> None:
        """Take in the weights after step number `step` (from 0) of those networks that are averaged."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step)) if self.decay else 1.0
        for name, network in self.networks.items():
            mine, theirs = network.state_dict(), networks[name].state_dict()
            real = [key for key, value in mine.items() if value.is_floating_point()]
            torch._foreach_lerp_([mine[key] for key in real], [theirs[key] for key in real], weight)
            for key in mine.keys() - set(real):
                mine[key].copy_(theirs[key])
