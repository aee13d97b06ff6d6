"""What a row is called: on the board by what sets it apart, on the command line by its run and point."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from harness.artifact import Json
from harness.canonical import canonical
from harness.errors import UsageError, nearest
from harness.leaderboard.rows import Row, settings_of, varying
from harness.report.numbers import point

FIELDS = 3
"""A name says at most so many fields; the run has the others."""
LONGEST = 32
"""Longer values, digests above all, are cut in a name."""


def key_of(row: Row) -> str:
    """``"<run id>"`` or ``"<run id>: scheduler=pndm, steps=50"``, for a baseline with its suite and label."""
    run = row.entry.run
    told = run.id if run.accepted is None else f"{run.suite}/{run.accepted.label}"
    return f"{told}: {point(row.point)}" if row.point else told


def names_of(rows: Sequence[Row]) -> dict[int, str]:
    """By ``id`` of the row what distinguishes it from the others; what nothing distinguishes has its run's id."""
    settings = [settings_of(row) for row in rows]
    fields: list[str] = []
    names = [""] * len(rows)
    for field in varying(rows):
        told = [_told(s, [*fields, field]) for s in settings]
        if len(set(told)) > len(set(names)):
            fields, names = [*fields, field], told
        if len(set(names)) == len(rows) or len(fields) == FIELDS:
            break
    names = [n or point(row.point) or row.entry.run.suite for n, row in zip(names, rows, strict=True)]
    often = Counter(names)
    return {
        id(row): name if often[name] == 1 else f"{name} ({key_of(row).partition(':')[0]})"
        for name, row in zip(names, rows, strict=True)
    }


def _told(settings: Mapping[str, Json], fields: Sequence[str]) -> str:
    return point({f: _shortened(settings[f]) for f in fields if f in settings})


def named(text: str, rows: Sequence[Row], names: Mapping[int, str]) -> Row:
    """The one row that is meant: by its key, its name, its point, or its run where that has but one row.

    Raises:
        UsageError: none, or several.
    """
    calls = [(_calls(row, names[id(row)]), row) for row in rows]
    found = [row for called, row in calls if text in called]
    if len(found) == 1:
        return found[0]
    if found:
        several = ", ".join(repr(key_of(row)) for row in found[:3])
        raise UsageError(f"--paired {text!r}: {len(found)} rows are called so; say one of {several} …")
    close = nearest(text, {name for called, _ in calls for name in called})
    raise UsageError(f"--paired {text!r}: no such row{close or f' (one is {key_of(rows[0])!r})'}")


def _calls(row: Row, name: str) -> set[str]:
    run = row.entry.run
    at = point(row.point)
    called = {key_of(row), name, run.id, run.suite, str(row.entry.path), f"{run.id}: {at}", at}
    if run.accepted is not None:
        called.add(f"{run.suite}/{run.accepted.label}")
    return called - {""}


def _shortened(value: Json) -> Json:
    text = value if isinstance(value, str) else canonical(value)
    return text[: LONGEST - 1] + "…" if len(text) > LONGEST else value
