"""What is settled for this machine, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from genrestore import runtime
from genrestore.errors import DeviceError, UsageError
from genrestore.runtime import MAX_SEED, Runtime, usable_cores


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


class TestCores:
    """Cores that may be used, on a made machine of sixteen."""

    @pytest.fixture(autouse=True)
    def sixteen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(runtime, "allowed_cores", lambda: 16)

    @staticmethod
    def cores(folder: Path, own: str, files: dict[str, str]) -> int:
        """`usable_cores` of a process in the control group `own`, whose folders hold these files."""
        (folder / "cgroup").write_text(own)
        for name, text in files.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        return usable_cores(folder, folder / "cgroup")

    @pytest.mark.parametrize(
        ("own", "files", "cores"),
        [
            ("0::/\n", {}, 16),
            ("0::/\n", {"cpu.max": "max 100000\n"}, 16),
            ("0::/\n", {"cpu.max": "200000 100000\n"}, 2),
            ("0::/\n", {"cpu.max": "150000 100000\n"}, 2),
            ("0::/\n", {"cpu.max": "5000 100000\n"}, 1),
            ("0::/\n", {"cpu.max": "6400000 100000\n"}, 16),
            ("0::/\n", {"cpu.max": "nonsense"}, 16),
            ("0::/jobs/one\n", {"jobs/cpu.max": "400000 100000", "jobs/one/cpu.max": "max 100000"}, 4),
            ("0::/not/seen/here\n", {"cpu.max": "300000 100000"}, 3),
            (
                "4:memory:/m\n2:cpuacct,cpu:/a\n0::/\n",
                {"cpu/a/cpu.cfs_quota_us": "300000\n", "cpu/a/cpu.cfs_period_us": "100000\n"},
                3,
            ),
            ("1:cpu:/\n", {"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 16),
        ],
    )
    def test_a_containers_quota_counts(
        self, tmp_path: Path, own: str, files: dict[str, str], cores: int
    ) -> None:
        assert self.cores(tmp_path, own, files) == cores

    def test_without_control_groups_the_affinity_counts(self, tmp_path: Path) -> None:
        assert usable_cores(tmp_path, tmp_path / "none") == 16


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs an affinity")
def test_the_affinity_counts() -> None:
    code = "import os; os.sched_setaffinity(0, {min(os.sched_getaffinity(0))}); " + (
        "from genrestore.runtime import usable_cores; print(usable_cores())"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "1\n"


@pytest.mark.parametrize(
    ("own", "policy"),
    [({}, "PASSIVE"), ({"OMP_WAIT_POLICY": "ACTIVE"}, "ACTIVE"), ({"GOMP_SPINCOUNT": "9"}, "None")],
)
def test_threads_that_wait_sleep_unless_the_user_says_otherwise(own: dict[str, str], policy: str) -> None:
    """The console script settles it before torch is loaded."""
    code = (
        "import os, sys; sys.argv = ['genrestore', '--version']; from genrestore.cli import app, main\n"
        "app.main = lambda: print(os.environ.get('OMP_WAIT_POLICY'), 'torch' in sys.modules)\nmain()"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("OMP_WAIT", "GOMP", "KMP"))
    }
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment | own, capture_output=True, text=True, timeout=300
    )
    assert (done.stdout, done.stderr) == (f"{policy} False\n", "")


def test_a_quota_below_the_affinity_sets_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    from genrestore import runtime

    for name, value in (("allowed_cores", 16), ("usable_cores", 3)):
        monkeypatch.setattr(runtime, name, lambda value=value: value)
    monkeypatch.setenv("OMP_WAIT_POLICY", "PASSIVE")
    monkeypatch.setenv("OMP_NUM_THREADS", "5")
    runtime.settle_threads()
    assert os.environ["OMP_NUM_THREADS"] == "5"
    monkeypatch.delenv("OMP_NUM_THREADS")
    runtime.settle_threads()
    assert os.environ.pop("OMP_NUM_THREADS") == "3"
