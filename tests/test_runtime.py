"""What is settled for this machine, and what is refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from genrestore import runtime
from genrestore.errors import DeviceError, UsageError
from genrestore.runtime import MAX_SEED, Runtime


@pytest.fixture(autouse=True)
def same_threads_afterwards() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def pretend(monkeypatch: pytest.MonkeyPatch, *devices: str, fast: bool) -> None:
    """A machine of these devices, whose hardware multiplies in bfloat16 or not."""
    monkeypatch.setattr(runtime, "available_devices", lambda: list(devices))
    monkeypatch.setattr(runtime, "bf16_is_fast", lambda device: fast)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"device": "gpu"}, "device 'gpu' is not one of auto, cpu, cuda, mps"),
        ({"precision": "fp16"}, "precision 'fp16' is not one of auto, fp32, bf16"),
        ({"seed": -1}, "seed -1 is not between 0"),
        ({"seed": MAX_SEED + 1}, "is not between 0"),
        ({"threads": 0}, "threads 0 is not between 1 and 1024"),
        ({"threads": 2**31}, "threads 2147483648 is not between 1 and 1024"),
    ],
)
def test_values_that_cannot_be_meant_are_refused(words: dict[str, str | int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Runtime.create(**words)  # type: ignore[arg-type]


def test_auto_takes_the_best_device_and_bfloat16_only_in_hardware(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cuda", "cpu", fast=True)
    assert Runtime.create() == Runtime("cuda", "bf16", torch.get_num_threads(), 0)
    assert Runtime.create("cpu", "fp32", seed=3) == Runtime("cpu", "fp32", torch.get_num_threads(), 3)
    pretend(monkeypatch, "cpu", fast=False)
    assert Runtime.create().precision == "fp32"
    assert Runtime.create(precision="bf16").precision == "bf16"


def test_a_device_that_is_not_here_is_never_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, "cpu", fast=False)
    with pytest.raises(DeviceError, match="--device cuda: not available here; available: cpu"):
        Runtime.create("cuda")
    pretend(monkeypatch, "mps", "cpu", fast=False)
    with pytest.raises(DeviceError, match="--precision bf16: not available on mps"):
        Runtime.create(precision="bf16")


def test_threads_and_generators_are_what_was_asked_for() -> None:
    made = Runtime.create("cpu", "fp32", threads=1, seed=7)
    assert (made.threads, torch.get_num_threads()) == (1, 1)
    first, second = (torch.rand(3, generator=made.generator()) for _ in range(2))
    assert torch.equal(first, second)
    assert first.dtype == torch.float32


def test_autocast_follows_the_precision() -> None:
    for precision, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with Runtime.create("cpu", precision).autocast():
            assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == dtype
