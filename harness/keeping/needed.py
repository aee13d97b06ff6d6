"""Which entries records need: those of baselines, and of the runs that a project has kept."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from harness import atomic, strict_json
from harness.artifact import Json
from harness.errors import UsageError

_KEY = re.compile(r"[0-9a-f]{64}")


def by_suite(projects: Iterable[Path], keep: Iterable[Path] = ()) -> dict[str, set[str]]:
    """Suite → the keys of the tasks behind its baselines and its kept runs.

    Args:
        projects: their ``baselines/`` and ``reports/`` are read.
        keep: further records, or folders that hold some.

    Raises:
        UsageError: a record cannot be read, so that nobody knows what it needs; ``keep`` is not there.
    """
    found: dict[str, set[str]] = {}
    for file in _records(projects, keep):
        try:
            body = strict_json.read(file)
        except UsageError as e:
            if not file.exists():  # a run that is just being replaced
                continue
            raise UsageError(f"{e}; a record that cannot be read: mend or remove it first") from None
        suite = str(body.get("suite", "")) if isinstance(body, dict) else ""
        found.setdefault(suite, set()).update(_keys(body))
    return found


def _records(projects: Iterable[Path], keep: Iterable[Path]) -> Iterator[Path]:
    for project in projects:
        yield from _below(project / "baselines", "*.json")
        yield from _below(project / "reports", "run.json")
    for place in keep:
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from _below(place, "*.json")
        else:
            raise UsageError(f"--keep {place}: no such file or folder")


def _below(folder: Path, pattern: str) -> Iterator[Path]:
    for file in sorted(folder.rglob(pattern)):
        if not atomic.is_torn(file.relative_to(folder)) and file.is_file():
            yield file


def _keys(body: Json) -> Iterator[str]:
    """Every ``key`` in a record of any version."""
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            key = value.get("key")
            if isinstance(key, str) and _KEY.fullmatch(key):
                yield key
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
