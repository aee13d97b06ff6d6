"""How the declarations of two runs of a suite differ, and ids that are equal if they do not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256

from harness.artifact import Json
from harness.compare.comparison import Difference
from harness.formats.strict_json import canonical
from harness.store.record import Run

ID = 12
"""Hexadecimal digits of a suite or protocol id."""

CODE = 8
"""Hexadecimal digits shown of the digest of a stage's code."""


def suite_changes(candidate: Run, baseline: Run) -> tuple[Difference, ...]:
    """The fields in which the bound suites differ, by name: stages, parameters, inputs, axes, seeds.

    Then the differences in the stages' code and software, if both records have them.
    """
    ours, theirs = dict(_flat(candidate)), dict(_flat(baseline))
    declared = (
        Difference(name, theirs.get(name), ours.get(name))
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    )
    return (*declared, *_code_changes(candidate, baseline))


def _code_changes(candidate: Run, baseline: Run) -> Iterator[Difference]:
    """Differences by stage, then by package, without packages that the environments already name."""
    packages: dict[str, Difference] = {}
    tables = (t for r in (candidate, baseline) for t in (*r.environments.values(), *r.distributions.values()))
    told = {name for table in tables for name in table}
    for node, now in candidate.code.items():
        then = baseline.code.get(node)
        if not isinstance(now, Mapping) or not isinstance(then, Mapping):
            continue
        function = now.get("function")
        if function == then.get("function") and now.get("version") != then.get("version"):
            yield Difference(f"{node}.use", *(f"{function}@{c.get('version')}" for c in (then, now)))
        elif function == then.get("function") and now.get("source") != then.get("source"):
            field = f"{node} (code of {function})"
            yield Difference(field, *(str(c.get("source"))[:CODE] for c in (then, now)))
        ours, theirs = (c.get("software") for c in (now, then))
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            for name in ours.keys() & theirs.keys() - told:
                if ours[name] != theirs[name]:
                    packages[name] = Difference(name, theirs[name], ours[name])
    yield from (packages[name] for name in sorted(packages))


def suite_id(run: Run) -> str:
    """An id that is equal for runs with equal declarations, whatever the file looks like."""
    return _id("suite", run.declaration)


def protocol_id(run: Run) -> str:
    """An id that is equal for runs whose scores all have equal protocols."""
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
