"""The same numbers every time, and what a device says when it is full."""

from __future__ import annotations

from contextlib import AbstractContextManager

import torch

_FULL = ("can't allocate memory", "not enough memory")


def exact() -> AbstractContextManager[None]:
    """CuDNN without TF32 and without algorithms that add in another order every time; nothing on a CPU."""
    return torch.backends.cudnn.flags(  # type: ignore[no-any-return]
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )


def is_out_of_memory(e: Exception) -> bool:
    """Whether an exception means that a device is full; on a CPU torch has no class for it."""
    return isinstance(e, torch.OutOfMemoryError | MemoryError) or any(words in str(e) for words in _FULL)
