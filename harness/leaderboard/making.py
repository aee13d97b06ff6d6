"""Makes the tables of a leaderboard from runs, and names their rows."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

from harness.artifact import Json
from harness.compare.sample import NO_TIMING, Figure, lacks_timing
from harness.compare.wording import point
from harness.errors import UsageError, nearest
from harness.formats.strict_json import canonical
from harness.leaderboard import Column, Line, Origin, Table
from harness.leaderboard.groups import (
    Entry,
    Name,
    Row,
    RowGroup,
    apart,
    better_of,
    grouped,
    paired_with,
    rows_of,
    settings_of,
    varying,
)
from harness.leaderboard.ranks import ranked

FIELDS = 3
"""Maximum number of fields in a name; the run has the others."""
LONGEST = 32
"""Maximum number of characters of a value in a name; longer ones, mostly digests, are cut."""


def key_of(row: Row) -> str:
    """Return ``"<run id>"`` or ``"<run id>: scheduler=pndm, steps=50"``; a baseline has suite and label for the id."""
    run = row.entry.run
    told = run.id if run.accepted is None else f"{run.suite}/{run.accepted.label}"
    return f"{told}: {point(row.point)}" if row.point else told


def names_of(rows: Sequence[Row]) -> dict[int, str]:
    """Return ``id`` of the row → what distinguishes it from the others, or its run's id if nothing does."""
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
    """Return the row that ``text`` identifies: by key, name or point, or by its run if the run has only one row.

    Raises:
        UsageError: no row matches, or several do.
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


def tables(
    entries: Sequence[Entry], *, compared: Collection[str] = (), by: str = "", paired: str | None = None
) -> list[Table]:
    """Make tables of comparable lines from runs.

    Args:
        entries: runs, each once.
        compared: axes whose points are compared, besides those that a suite's ``reference`` names.
        by: ``metric`` or ``metric.field`` to order by, in tables that have it; by default the first gated field.
        paired: the line that all others of its table are compared with; see ``named``.

    Raises:
        UsageError: an axis, a metric or a line does not exist; there are no scores at all.
    """
    _check_axes(entries, compared)
    rows = [row for entry in entries for row in rows_of(entry, compared)]
    if not rows:
        raise UsageError("leaderboard: none of these runs has a score")
    groups = grouped(rows, _field(entries, by) if by else None)
    names = [names_of(group.rows) for group in groups]
    called = {row: name for of in names for row, name in of.items()}
    reference = None if paired is None else named(paired, rows, called)
    made = []
    for n, group in enumerate(groups):
        table = _table(group, names[n], reference if reference in group.rows else None)
        following = groups[n + 1 : n + 2]
        made.append(replace(table, apart=tuple(d for g in following for d in apart(group, g))))
    return made


def _table(group: RowGroup, names: dict[int, str], reference: Row | None) -> Table:
    columns = _columns(group)
    figures = {id(row): tuple(_figure(row, c) for c in columns) for row in group.rows}
    ranks, method = ranked(group)
    findings = {} if reference is None else paired_with(group, reference, columns)
    lines = tuple(
        Line(
            key_of(row),
            names[id(row)],
            _origin(row.entry),
            row.point,
            figures[id(row)],
            ranks.get(id(row)),
            tuple(findings.get(id(row), ())),
            _missing(row),
        )
        for row in group.rows
    )
    protocol: dict[str, Json] = {}
    for score, _ in group.known.values():
        protocol |= score.whole_protocol()
    return Table(
        title=", ".join(dict.fromkeys(row.entry.run.suite for row in group.rows)),
        kind="runs",
        columns=columns,
        lines=tuple(sorted(lines, key=lambda line: _order(line, columns))),
        method=method,
        protocol={name: protocol[name] for name in sorted(protocol.keys() - group.axes)},
        conditions=_conditions(group),
        compared=tuple(sorted(group.axes & protocol.keys())),
        reference="" if reference is None else key_of(reference),
    )


def _conditions(group: RowGroup) -> dict[str, Json]:
    if group.by is None:
        return {}
    score = group.known[group.by[0]][0]
    seen = {name for repeat in score.repeats for name in repeat.conditions}
    return {name: value for name, value in score.whole_protocol().items() if name in seen}


def _columns(group: RowGroup) -> tuple[Column, ...]:
    """Return the field that ranks the group, then the other gated fields, then all other fields with a direction."""
    gated: dict[Name, None] = {}
    others: dict[Name, None] = {}
    for entry in {id(r.entry): r.entry for r in group.rows}.values():
        gated |= {(g.metric, g.field): None for g in entry.run.gates}
        for metric, info in entry.run.metrics.items():
            others |= {(metric, f): None for f, direction in info.fields.items() if direction}
    wanted = [*([group.by] if group.by else []), *gated, *others]
    return tuple(
        Column(m, f, better_of(group, m, f), (m, f) in gated)
        for m, f in dict.fromkeys(wanted)
        if m in group.known and (m, f) in others
    )


def _figure(row: Row, column: Column) -> Figure | None:
    score = row.scores.get(column.metric)
    known = column.field in row.entry.run.metrics[column.metric].fields if score else False
    return Figure.of([score], column.field, row.entry.side) if score and known else None


def _order(line: Line, columns: Sequence[Column]) -> tuple[float, int, str]:
    """Sort key: best first; lines without a value last."""
    figure = line.figures[0] if columns else None
    value = math.inf if figure is None else figure.mean * (1 if columns[0].better == "lower" else -1)
    return value, line.ranks.best if line.ranks else 0, line.key


def _origin(entry: Entry) -> Origin:
    run = entry.run
    label, date = (run.accepted.label, run.accepted.at) if run.accepted else ("", run.started)
    return Origin(run.id, run.suite, label, date, entry.path)


def _missing(row: Row) -> str:
    """Explain why values are missing: the metrics without timings; the failed ones, and the message of the first."""
    side = row.entry.side
    untimed = [m for m, s in row.scores.items() if s.complete and lacks_timing([s], side)]
    parts = [f"{', '.join(untimed)}: {NO_TIMING}"] if untimed else []
    failed = {m: s for m, s in row.scores.items() if not (s.complete and s.repeats)}
    if not failed:
        return "; ".join(parts)
    errors = (r.error for s in failed.values() for r in s.repeats if r.error)
    first = next(errors, "").strip().partition("\n")[0]
    parts.append(f"failed: {', '.join(failed)}" + (f" ({first})" if first else ""))
    return "; ".join(parts)


def _check_axes(entries: Sequence[Entry], compared: Collection[str]) -> None:
    known = {axis for entry in entries for score in entry.run.scores for axis in score.point}
    for axis in compared:
        if axis not in known:
            raise UsageError(f"--rows {axis}: no run sweeps such an axis{nearest(axis, known)}")


def _field(entries: Sequence[Entry], by: str) -> Name:
    """Resolve ``by`` to a field: ``metric.field``, or a metric's first field that has a direction."""
    fields: dict[str, Name] = {}
    for entry in entries:
        for metric, info in entry.run.metrics.items():
            for name in (f for f, direction in info.fields.items() if direction):
                fields.setdefault(metric, (metric, name))
                fields.setdefault(f"{metric}.{name}", (metric, name))
    if by not in fields:
        raise UsageError(f"--by {by}: no run has such a metric with a direction{nearest(by, fields)}")
    return fields[by]
