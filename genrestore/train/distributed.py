"""Data-parallel training under torchrun: every process takes a slice of the batch, gradients are averaged.

Without torchrun every function here is the trivial case of one process.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any, TypeVar

import torch
from torch import Tensor, distributed, nn

from genrestore.errors import UsageError

Value = TypeVar("Value")


def launched() -> bool:
    """Tell whether torchrun (or another launcher) started more than one process."""
    return int(os.environ.get("WORLD_SIZE", "1")) > 1


def rank() -> int:
    """Number of this process, from 0; known from the environment even before `session`."""
    return int(os.environ.get("RANK", "0")) if launched() else 0


def world_size() -> int:
    """Number of processes."""
    return distributed.get_world_size() if distributed.is_initialized() else 1


@contextmanager
def session(device: str) -> Iterator[None]:
    """Join the processes for the time of a training.

    Args:
        device: "cpu", "cuda" or "mps". Gradients on CUDA travel through NCCL, everything else through gloo,
            so that asking whether to stop does not wait for the GPU.

    Raises:
        UsageError: More than one process on a device that cannot share gradients.
    """
    if not launched() or distributed.is_initialized():
        yield
        return
    if device == "mps":
        raise UsageError("--device mps: cannot train with more than one process; use --device cpu")
    if device == "cuda":
        torch.cuda.set_device(int(os.environ.get("LOCAL_RANK", "0")))
    # Its functions take the group that is there at import as their default. Imported later they would keep
    # ours for good, and its threads abort the process where they outlive the interpreter.
    import_module("torch.distributed.nn.functional")
    distributed.init_process_group("cpu:gloo,cuda:nccl" if device == "cuda" else "gloo")
    try:
        yield
    finally:
        distributed.destroy_process_group()


def share(batch_size: int) -> range:
    """The sample indices of this process.

    Raises:
        UsageError: The batch cannot be divided evenly.
    """
    count = world_size()
    if batch_size % count:
        raise UsageError(f"--batch-size {batch_size}: must be a multiple of the {count} processes")
    slice_size = batch_size // count
    first = rank() * slice_size if count > 1 else 0
    return range(first, first + slice_size)


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes, in float32 and in one message.

    Convention: losses are means over the samples of a process and every process has equally many,
    so the mean of the gradients is the gradient of the whole batch.
    """
    if world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    buffer = torch.cat([gradient.reshape(-1).float() for gradient in gradients])
    distributed.all_reduce(buffer)
    buffer /= world_size()
    pieces = buffer.split([gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view(gradient.shape))


def divide(function: Callable[[Tensor], Tensor], stacks: Sequence[Tensor]) -> list[Tensor]:
    """Apply a function to every item of every stack, each process to its share of them.

    Args:
        function: Takes [items, ...] and gives the same shape, each item a function of that item alone.
        stacks: The same in every process, each [items, ...].

    Returns:
        What the function gives for each stack; the same in every process.
    """
    if world_size() == 1:
        return [function(stack) for stack in stacks]
    results = [torch.zeros_like(stack) for stack in stacks]
    for number, (stack, result) in enumerate(zip(stacks, results, strict=True)):
        mine = slice((rank() + number) % world_size(), None, world_size())
        if len(stack[mine]):
            result[mine] = function(stack[mine])
    buffer = torch.cat([result.reshape(-1) for result in results])
    distributed.all_reduce(buffer)
    pieces = buffer.split([stack.numel() for stack in stacks])
    return [piece.view(stack.shape) for piece, stack in zip(pieces, stacks, strict=True)]


def gather(rows: Tensor) -> Tensor:
    """The rows of all processes, for a loss of the whole batch that every process computes alike.

    The gradient of a process's own rows is multiplied by the number of processes, since
    `average_gradients` divides by it.

    Args:
        rows: [rows, ...], equally many in every process.

    Returns:
        [processes · rows, ...], in the order of the processes.
    """
    if world_size() == 1:
        return rows
    gathered: Tensor = _Gather.apply(rows)
    return gathered


class _Gather(torch.autograd.Function):
    @staticmethod
    def forward(_: Any, rows: Tensor) -> Tensor:
        pieces = [torch.empty_like(rows) for _ in range(world_size())]
        distributed.all_gather(pieces, rows.contiguous())
        return torch.cat(pieces)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        return world_size() * gradient.chunk(world_size())[rank()]


def mean(numbers: Mapping[str, float]) -> dict[str, float]:
    """Mean of every number over all processes."""
    if world_size() == 1 or not numbers:
        return dict(numbers)
    values = torch.tensor(list(numbers.values()), dtype=torch.float64)
    distributed.all_reduce(values)
    return dict(zip(numbers, (values / world_size()).tolist(), strict=True))


def any_rank(*flags: bool) -> tuple[bool, ...]:
    """Flags in union: whether each is set in any process; the same answer everywhere."""
    if world_size() == 1:
        return flags
    values = torch.tensor(flags, dtype=torch.int32)
    distributed.all_reduce(values, distributed.ReduceOp.MAX)
    return tuple(bool(value) for value in values.tolist())


def broadcast(tensors: Iterable[Tensor]) -> None:
    """Overwrite tensors with those of process 0."""
    if world_size() > 1:
        for tensor in tensors:
            distributed.broadcast(tensor.detach(), 0)


def barrier() -> None:
    """Wait until every process is here."""
    any_rank(False)
