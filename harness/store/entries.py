"""An entry of the store: the output of a finished task, with its ``entry.json``.

Reading is strict: a folder that was not written by this version of the harness, was edited, or has paths that lead out
of it is not an entry. So a task with a damaged entry runs again, and the run does not stop.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import strict_json
from harness.formats.strict_json import canonical

ENTRY = "entry.json"
ITEMS = "items.parquet"
ONLY = "out"
"""The folder of the artifact of a stage that has one unnamed output."""

_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Output:
    """An artifact of an entry; its folder's name is its key."""

    kind: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    conditions: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """The result of a metric's task; ``items`` is whether there is an ``items.parquet`` with it."""

    values: Mapping[str, float]
    conditions: Mapping[str, Json]
    details: Mapping[str, Json]
    items: bool
    steps: Mapping[str, float] = field(default_factory=dict)
    """See ``stage.Scores.steps``."""


@dataclass(frozen=True)
class Entry:
    """A finished task."""

    key: str
    use: str
    outputs: Mapping[str, Output]
    result: Result | None
    wall_s: float
    environment: Mapping[str, Json]
    files: Mapping[str, tuple[int, str]]
    """Relative path → size in bytes and sha256."""

    @property
    def size(self) -> int:
        """Total size of its files in bytes."""
        return sum(size for size, _ in self.files.values())


def dumps(entry: Entry) -> str:
    body: dict[str, Any] = json.loads(canonical(asdict(entry)))
    return json.dumps({**body, "digest": _digest(body)}, indent=1)


def loads(text: str) -> Entry | None:
    """The entry, or None if the text is not as ``dumps`` wrote it."""
    try:
        body = strict_json.loads(text, ENTRY)
        if not isinstance(body, dict) or body.pop("digest", None) != _digest(body):
            return None
        entry = Entry(
            **{
                **body,
                "outputs": {name: Output(**o) for name, o in body["outputs"].items()},
                "result": Result(**body["result"]) if body["result"] else None,
                "files": {name: (size, digest) for name, (size, digest) in body["files"].items()},
            }
        )
        return entry if _is_sound(entry) else None
    except (UsageError, ValueError, TypeError, KeyError, AttributeError):
        return None


def _digest(body: Mapping[str, Any]) -> str:
    return sha256(f"harness/entry/1:{canonical(body)}".encode()).hexdigest()


def _is_sound(entry: Entry) -> bool:
    """Check every type: the digest only shows that someone computed it."""
    texts = [entry.key, entry.use, *(o.kind for o in entry.outputs.values())]
    mappings = [entry.environment, *(m for o in entry.outputs.values() for m in (o.facts, o.conditions))]
    numbers: list[Any] = [entry.wall_s]
    if entry.result is not None:
        result = entry.result
        mappings += [result.values, result.conditions, result.details, result.steps]
        numbers += [*result.values.values(), *result.steps.values()]
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(mapping, dict) for mapping in mappings)
        and all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
        and (entry.result is None or type(entry.result.items) is bool)
        and all(_is_inside(name) and name.isprintable() and "/" not in name for name in entry.outputs)
        and all(
            _is_inside(name) and type(size) is int and _SHA256.fullmatch(digest) is not None
            for name, (size, digest) in entry.files.items()
        )
    )


def _is_inside(name: str) -> bool:
    """Whether a relative path stays inside its folder."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
