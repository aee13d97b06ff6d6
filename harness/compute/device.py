"""A device: reproducible arithmetic on it, how it reports that it is full, and what work on it costs."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import torch

from harness.artifact import Json
from harness.errors import ResourceError
from harness.store.environment import cpu_name

_FULL = ("can't allocate memory", "not enough memory", "std::bad_alloc", "CUBLAS_STATUS_ALLOC_FAILED")
_ONEDNN = "could not create a primitive"
"""The whole message of oneDNN when memory is full. For a primitive that it does not support, the message is longer."""


def exact() -> AbstractContextManager[None]:
    """Switch off TF32 and nondeterministic algorithms in cuDNN; no effect on a CPU."""
    return torch.backends.cudnn.flags(  # type: ignore[no-any-return]
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )


def is_out_of_memory(e: Exception) -> bool:
    """Whether an exception means that the device is out of memory; on a CPU torch has no class for it."""
    return isinstance(e, torch.OutOfMemoryError | MemoryError) or _says(str(e).strip())


@contextmanager
def enough_memory(otherwise: str) -> Iterator[None]:
    """Turn a full device inside the block into an error that says what to change.

    Raises:
        ResourceError: out of memory, followed by ``otherwise``.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as e:
        if not is_out_of_memory(e):
            raise
        raise ResourceError(f"out of memory {otherwise}") from None


def _says(text: str) -> bool:
    return text == _ONEDNN or any(words in text for words in _FULL)


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
