"""The JSON files that a review keeps in the folder of its run: each says of which schema it is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from harness import strict_json
from harness.errors import UsageError


def read(file: Path, schema: str, what: str) -> dict[str, Any] | None:
    """What the file holds, save its schema; None where there is no such file.

    Args:
        file: to be read.
        schema: that it has to be of.
        what: it should be, for people.

    Raises:
        UsageError: it cannot be read, or is of another schema.
    """
    if not file.exists():
        return None
    body = strict_json.read(file)
    if not isinstance(body, dict) or body.pop("schema", None) != schema:
        raise UsageError(f"{file}: not {what} ({schema!r})")
    return body
