"""Model libraries without their messages and progress bars."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def hushed(*loggings: Any) -> Iterator[None]:
    """Silence libraries inside the block.

    Args:
        loggings: ``transformers.utils.logging``, ``diffusers.utils.logging``; both have the same functions.
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
