"""Runtime: device, precision, threads and seed, made once and handed down."""

from __future__ import annotations

import gc
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from genrestore.errors import DeviceError, UsageError

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
PRECISIONS = ("auto", "fp32", "bf16")
MAX_SEED = 2**63 - 1
MAX_THREADS = 1024
"""More than any machine has, and few enough that torch does not die of them."""

_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "KMP_BLOCKTIME")
"""Variables by which users say what threads do while they wait."""


@dataclass(frozen=True)
class Runtime:
    """The shared layer for device, precision, threads and seed.

    Attributes:
        device: "cpu", "cuda" or "mps"; never "auto".
        precision: "fp32" or "bf16"; never "auto".
        threads: CPU threads of torch.
        seed: every random draw comes from a generator made from it.
    """

    device: str
    precision: Literal["fp32", "bf16"]
    threads: int
    seed: int

    @classmethod
    def create(
        cls, device: str = "auto", precision: str = "auto", threads: int | None = None, seed: int = 0
    ) -> Runtime:
        """Settle the open choices for this machine; imports torch.

        Args:
            device: One of `DEVICES`; "auto" takes CUDA, then MPS, then the CPU.
            precision: One of `PRECISIONS`; "auto" takes bfloat16 where the hardware multiplies in it.
            threads: CPU threads, up to `MAX_THREADS`; None for torch's own choice (OMP_NUM_THREADS, or all
                cores that the process may run on).
            seed: From 0 to 2**63 - 1.

        Raises:
            UsageError: A value that is not one of the choices.
            DeviceError: The device or precision is not available here.
        """
        import torch

        if device not in DEVICES:
            raise UsageError(f"device '{device}' is not one of {', '.join(DEVICES)}")
        if precision not in PRECISIONS:
            raise UsageError(f"precision '{precision}' is not one of {', '.join(PRECISIONS)}")
        if not 0 <= seed <= MAX_SEED:
            raise UsageError(f"seed {seed} is not between 0 and 2**63 - 1")
        if threads is not None:
            if not 1 <= threads <= MAX_THREADS:
                raise UsageError(f"threads {threads} is not between 1 and {MAX_THREADS}")
            torch.set_num_threads(threads)
        chosen = _settle_device(device)
        return cls(chosen, _settle_precision(precision, chosen), torch.get_num_threads(), seed)

    @property
    def workers(self) -> int:
        """Threads that calls of a network may be spread over: the processor's own, or 1 for a GPU."""
        return self.threads if self.device == "cpu" else 1

    def generator(self) -> torch.Generator:
        """A fresh CPU random generator at the start of the seed's sequence."""
        import torch

        return torch.Generator().manual_seed(self.seed)

    def autocast(self) -> AbstractContextManager[object]:
        """The context in which a network runs in this precision."""
        import torch

        return torch.autocast(self.device, torch.bfloat16, enabled=self.precision == "bf16")


def available_devices() -> list[str]:
    """The devices that torch can use here, best first; imports torch."""
    import torch

    found = ["cuda"] if torch.cuda.is_available() else []
    if torch.backends.mps.is_available():
        found.append("mps")
    return [*found, "cpu"]


def allowed_cores() -> int:
    """Cores that the process may run on: those that exist, or those that its affinity names."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def usable_cores(cgroups: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> int:
    """Cores that the process can keep busy: `allowed_cores`, or what Linux' control groups leave of them.

    A container that may use one and a half cores has two, so that none is lost.

    Args:
        cgroups: Where the control groups are mounted, of version 1 or 2.
        own: Which of them the process is in.
    """
    try:
        lines = own.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return allowed_cores()
    shares = [math.inf]
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, place = rest.partition(":")
        if controllers and "cpu" not in controllers.split(","):
            continue
        root = cgroups / "cpu" if controllers else cgroups
        inside = Path(place.lstrip("/"))
        shares += [_quota(root / group) for group in (inside, *inside.parents)]
    return max(1, math.ceil(min(allowed_cores(), *shares)))


def _quota(group: Path) -> float:
    """Cores whose time a control group may use; infinity where it does not say."""
    try:
        if (limit := group / "cpu.max").exists():
            quota, period = limit.read_text(encoding="ascii").split()
        else:
            quota = (group / "cpu.cfs_quota_us").read_text(encoding="ascii")
            period = (group / "cpu.cfs_period_us").read_text(encoding="ascii")
        return int(quota) / int(period) if int(quota) > 0 else math.inf
    except (OSError, ValueError, ZeroDivisionError):  # not there, or "max"
        return math.inf


def bf16_is_fast(device: str) -> bool:
    """True if the hardware of `device` multiplies in bfloat16 (AVX512-bf16, AMX, Ampere and later)."""
    import torch

    if device == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    if device == "cpu":
        return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
    return False


def _settle_device(device: str) -> str:
    found = available_devices()
    if device == "auto":
        return found[0]
    if device not in found:
        raise DeviceError(f"--device {device}: not available here; available: {', '.join(found)}")
    return device


def _settle_precision(precision: str, device: str) -> Literal["fp32", "bf16"]:
    fast = bf16_is_fast(device)
    if precision == "bf16" and device == "mps":
        raise DeviceError("--precision bf16: not available on mps; use --precision fp32")
    if precision == "fp32" or (precision == "auto" and not fast):
        return "fp32"
    return "bf16"


def settle_threads() -> None:
    """Say to OpenMP how many threads there may be and how they wait; before torch is loaded, which reads it.

    A thread that spins while it waits burns the core that the awaited one needs: on cores that others used
    too, small pictures took six times the processor seconds. So threads sleep. OpenMP counts the cores that
    an affinity leaves, but not what a container's quota does. What the user has set stays.
    """
    if not any(name in os.environ for name in _WAITING):
        os.environ["OMP_WAIT_POLICY"] = "PASSIVE"
    cores = usable_cores()
    if cores < allowed_cores():
        os.environ.setdefault("OMP_NUM_THREADS", str(cores))


def load_torch() -> None:
    """Import torch, in little more than half of the time that `import torch` takes.

    What it makes stays to the end, so the collector looks through its objects for garbage in vain: again and
    again while they are made, and once more when the process ends. It rests until they are there, and leaves
    them alone from then on. Does nothing where torch is loaded.
    """
    if "torch" in sys.modules:
        return
    collecting = gc.isenabled()
    gc.disable()
    try:
        import torch  # noqa: F401
    finally:
        gc.freeze()
        if collecting:
            gc.enable()
