"""Reproducible arithmetic on a device, and how the device reports that it is full."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager

import torch

from harness.errors import ResourceError

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
