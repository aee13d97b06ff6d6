"""Cost of a computation: time, memory, and energy where the device counts it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import torch

from harness.artifact import Json
from harness.store.environment import cpu_name


@dataclass(frozen=True)
class Usage:
    """The cost of the work inside one ``with`` block."""

    wall_s: float
    peak_bytes: int
    """Largest memory in use: allocated on the device; on a CPU, resident in this process."""
    host_bytes: int
    """Largest memory resident in this process."""
    energy_j: float | None
    """Energy used by the accelerator in joules, by its own counter (NVML); None if it has no counter."""
    device: str
    """Name of the hardware."""
    threads: int | None
    """Number of threads that torch may use; None on an accelerator, where they hardly change the time."""


def total(usages: Sequence[Usage]) -> dict[str, Json]:
    """The usage of work done in parts: times and energies are summed, for memory the largest value is taken."""
    energies = [u.energy_j for u in usages]
    return {
        "wall_s": sum(u.wall_s for u in usages),
        "peak_bytes": max(u.peak_bytes for u in usages),
        "host_bytes": max(u.host_bytes for u in usages),
        "energy_j": None if None in energies else sum(e for e in energies if e is not None),
        "device": ", ".join(sorted({u.device for u in usages})),
        "threads": max((u.threads for u in usages if u.threads is not None), default=None),
    }


class Meter:
    """Measures a block: ``with Meter(job.device) as meter: ...`` and then ``meter.usage``.

    Args:
        device: a torch device string; the device is synchronised at the start and at the end.
    """

    usage: Usage
    """Set when the block ends."""

    def __init__(self, device: str) -> None:
        self._device = device

    def __enter__(self) -> Meter:
        if self._device != "cpu":
            torch.cuda.synchronize()
            torch.cuda.reset_peak_memory_stats()
        with suppress(OSError):  # Linux only; elsewhere the peak is that of the process so far
            Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
        self._energy = _energy_j(self._device)
        self._started = time.perf_counter()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if kind is not None:
            return  # after an error the device may not even synchronise
        if self._device != "cpu":
            torch.cuda.synchronize()
        wall_s = time.perf_counter() - self._started
        energy = _energy_j(self._device)
        host = _host_peak()
        self.usage = Usage(
            wall_s=wall_s,
            peak_bytes=host if self._device == "cpu" else int(torch.cuda.max_memory_allocated()),
            host_bytes=host,
            energy_j=None if energy is None or self._energy is None else energy - self._energy,
            device=cpu_name() if self._device == "cpu" else torch.cuda.get_device_name(),
            threads=torch.get_num_threads() if self._device == "cpu" else None,
        )


def _host_peak() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return 1024 * int(status.partition("VmHWM:")[2].split()[0])
    except (OSError, IndexError):
        import resource
        import sys

        unit = 1 if sys.platform == "darwin" else 1024
        return unit * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def _energy_j(device: str) -> float | None:
    """Joules since the driver was loaded, by the accelerator's own counter (Volta and later)."""
    if device == "cpu":
        return None
    import pynvml

    try:
        pynvml.nvmlInit()
        handle = pynvml.nvmlDeviceGetHandleByUUID(f"GPU-{torch.cuda.get_device_properties(0).uuid}")
        return float(pynvml.nvmlDeviceGetTotalEnergyConsumption(handle)) / 1000
    except pynvml.NVMLError:
        return None
