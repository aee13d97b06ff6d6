"""What an exception that nobody expected leaves: one line on the screen, and its traceback in a file."""

from __future__ import annotations

import tempfile
import traceback


def describe(error: Exception) -> str:
    """One line for a person; the traceback goes into a new file of the system's temporary folder."""
    first = f"{type(error).__name__}: {error}".strip().splitlines()[0]
    try:
        with tempfile.NamedTemporaryFile(
            "w", prefix="harness-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.writelines(traceback.format_exception(error))
    except OSError as e:
        return f"internal error: {first} (its traceback could not be written: {e.strerror})"
    return f"internal error: {first}; please report it with the traceback in {file.name}"
