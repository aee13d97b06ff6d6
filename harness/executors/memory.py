"""Memory that a task has left behind, handed back to the system."""

from __future__ import annotations

import ctypes
import gc


def release() -> None:
    """Collect what refers to itself, as trainers and networks do, and return freed memory to the system.

    glibc keeps what lies between blocks that are still in use: after a few trainings more than the trainings needed.
    Other C libraries have no ``malloc_trim``, and keep less.
    """
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)
