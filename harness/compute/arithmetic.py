"""The same numbers every time, what a device says when it is full, and model libraries kept quiet."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import torch

_FULL = ("can't allocate memory", "not enough memory", "std::bad_alloc", "CUBLAS_STATUS_ALLOC_FAILED")
_ONEDNN = "could not create a primitive"
"""All that oneDNN says. Of a primitive that it does not have it says more."""


def exact() -> AbstractContextManager[None]:
    """CuDNN without TF32 and without algorithms that add in another order every time; nothing on a CPU."""
    return torch.backends.cudnn.flags(  # type: ignore[no-any-return]
        enabled=True, benchmark=False, deterministic=True, allow_tf32=False
    )


def is_out_of_memory(e: Exception) -> bool:
    """Whether an exception means that a device is full; on a CPU torch has no class for it."""
    return isinstance(e, torch.OutOfMemoryError | MemoryError) or _says(str(e).strip())


def _says(text: str) -> bool:
    return text == _ONEDNN or any(words in text for words in _FULL)


@contextmanager
def hushed(*loggings: Any) -> Iterator[None]:
    """Within it, libraries say nothing.

    Args:
        loggings: ``transformers.utils.logging``, ``diffusers.utils.logging``: they have the same functions.
    """
    before = [(library, library.get_verbosity(), library.is_progress_bar_enabled()) for library in loggings]
    for library in loggings:
        library.set_verbosity(library.CRITICAL)
        library.disable_progress_bar()
    try:
        yield
    finally:
        for library, level, bar in before:
            library.set_verbosity(level)
            if bar:
                library.enable_progress_bar()
