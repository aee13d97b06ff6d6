"""What forked children would import one by one, imported once in their parent."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
from collections.abc import Callable


def import_ahead(work: Callable[[], object]) -> None:
    """Import here all that ``work`` imports; the work itself is done, silently, in a child."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with (
                open(os.devnull, "w") as nowhere,
                contextlib.redirect_stdout(nowhere),
                contextlib.redirect_stderr(nowhere),
            ):
                work()
            os.write(writing, "\n".join(sys.modules).encode())
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as told:
        names = told.read().split()
    os.waitpid(child, 0)
    for name in names:
        with contextlib.suppress(ImportError):  # made by the child, such as the module of a template
            importlib.import_module(name)
