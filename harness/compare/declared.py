"""What the declarations of two runs of a suite differ in: the changes that somebody made."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from harness.artifact import Json
from harness.canonical import canonical
from harness.compare.comparison import Difference
from harness.record import Run

ID = 12
"""Hexadecimal digits of an identity."""


def suite_changes(candidate: Run, baseline: Run) -> tuple[Difference, ...]:
    """The fields in which the suites differ as they were bound, by name: stages, parameters, inputs, axes, seeds."""
    ours, theirs = dict(_flat(candidate)), dict(_flat(baseline))
    return tuple(
        Difference(name, theirs.get(name), ours.get(name))
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    )


def suite_id(run: Run) -> str:
    """Equal for runs of one declaration, whatever the file looks like."""
    return _id("suite", run.declaration)


def protocol_id(run: Run) -> str:
    """Equal for runs whose scores all have equal protocols."""
    return _id(
        "protocol",
        sorted(canonical([s.metric, s.point, s.whole_protocol()]) for s in run.scores if s.repeats),
    )


def _id(tag: str, value: Json) -> str:
    return sha256(f"harness/{tag}/1:{canonical(value)}".encode()).hexdigest()[:ID]


def _flat(run: Run) -> Iterator[tuple[str, Json]]:
    """``node.field`` → value; ``matrix.…`` and ``seeds.…`` for the axes."""
    for part, entries in run.declaration.items():
        if not isinstance(entries, Mapping):
            yield part, entries
            continue
        for name, entry in entries.items():
            if part != "stages" or not isinstance(entry, Mapping):
                yield f"{part}.{name}", entry
                continue
            yield f"{name}.use", entry.get("use")
            for kind in ("inputs", "parameters"):
                fields = entry.get(kind)
                yield from (
                    ((f"{name}.{k}", v) for k, v in fields.items()) if isinstance(fields, Mapping) else ()
                )
