"""An entry of the store: the output of a finished task, with its ``entry.json``.

Reading is strict: a folder that was not written by this version of the harness, was edited, or has paths that lead out
of it is not an entry. So a task with a damaged entry runs again, and the run does not stop.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from hashlib import sha256
from pathlib import PurePosixPath
from typing import Any

from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import strict_json
from harness.formats.strict_json import canonical
from harness.store.record import Read

ENTRY = "entry.json"
ITEMS = "items.parquet"
ONLY = "out"
"""The folder of the artifact of a stage that has one unnamed output."""

CONTENT_DIGITS = 16
"""Hexadecimal digits of the content digests in a record: 64 bits."""

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
    read: Read | None = None
    """What the metric read. It is kept here because its inputs may be removed or damaged later; None if not known."""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Result:
        """Read a result.

        Raises:
            TypeError: it has other fields.
        """
        read = body.get("read")
        return cls(**{**body, "read": None if read is None else Read(**read)})


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
    made_from: Mapping[str, str] = field(default_factory=dict)
    """Key of each task whose output was an input → the content of that task's outputs then. It may be made again."""

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
                "result": Result.from_json(body["result"]) if body["result"] else None,
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
    mappings = [
        entry.environment,
        entry.made_from,
        *(m for o in entry.outputs.values() for m in (o.facts, o.conditions)),
    ]
    numbers: list[Any] = [entry.wall_s]
    if entry.result is not None:
        result = entry.result
        mappings += [result.values, result.conditions, result.details, result.steps]
        numbers += [*result.values.values(), *result.steps.values()]
        texts += [] if result.read is None else [result.read.files, result.read.facts]
    return (
        all(isinstance(text, str) for text in texts)
        and all(isinstance(mapping, dict) for mapping in mappings)
        and all(type(n) in (int, float) and math.isfinite(n) for n in numbers)
        and (entry.result is None or type(entry.result.items) is bool)
        and all(isinstance(content, str) for content in entry.made_from.values())
        and all(_is_inside(name) and name.isprintable() and "/" not in name for name in entry.outputs)
        and all(
            _is_inside(name) and type(size) is int and _SHA256.fullmatch(digest) is not None
            for name, (size, digest) in entry.files.items()
        )
    )


def read_of(inputs: Mapping[str, Sequence[tuple[Entry | None, str]]]) -> Read | None:
    """Digests of what a metric reads; None if one of the entries is not there.

    Args:
        inputs: input → the entries that it is given, each with the name of the output.
    """
    files: dict[str, Json] = {}
    facts: dict[str, Json] = {}
    for name, given in inputs.items():
        there = [(entry, output) for entry, output in given if entry is not None]
        if len(there) < len(given):
            return None
        files[name] = [files_of(entry, output) for entry, output in there]
        outputs = [entry.outputs[output] for entry, output in there]
        facts[name] = [[o.facts, o.conditions] for o in outputs]
    return Read(content_digest("files", files) if files else "", content_digest("facts", facts))


def files_of(entry: Entry, output: str) -> Json:
    """The checksums of an artifact's files, by path in its folder."""
    inside = f"{output}/"
    return {n.removeprefix(inside): digest for n, (_, digest) in entry.files.items() if n.startswith(inside)}


def content_of(entry: Entry) -> str:
    """A digest of the files of all outputs."""
    return content_digest("files", [files_of(entry, name) for name in sorted(entry.outputs)])


def content_digest(tag: str, value: Json) -> str:
    """A digest for a record, used only to test equality."""
    return sha256(f"harness/{tag}/1:{canonical(value)}".encode()).hexdigest()[:CONTENT_DIGITS]


def _is_inside(name: str) -> bool:
    """Whether a relative path stays inside its folder."""
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\0" not in name
