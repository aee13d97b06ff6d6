"""The matrix: values of every metric at every point, and against the reference point."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from harness.artifact import Json
from harness.compare import Finding, Verdict, wording
from harness.formats.strict_json import canonical
from harness.report.html.context import TONES, Context
from harness.report.html.parts import Block, Cell, Section, Table
from harness.store.record import Run, Score

ROWS = 200
"""Maximum number of points in a table: the worst ones by its first field."""
FIELDS = 8
"""Maximum number of fields with a column: gated ones first, then the first of each metric."""
SIDE = 24
"""Maximum number of values of an axis in a table of two axes."""
TINT = 0.6
"""The strongest tint of a cell at which its text is still legible."""
TABLES = 4
"""Maximum number of fields with a table of two axes."""


def matrix(context: Context) -> Section | None:
    """Show a row per point and a column per field; None if the suite has no matrix."""
    run = context.run
    points = _points(run.scores)
    axes = list(dict.fromkeys(axis for point in points for axis in point))
    fields = _fields(run)[:FIELDS]
    if not axes or not fields:
        return None
    scores = _Scores.of(run, points)
    found = {
        (f.name, canonical(f.at)): f for f in context.comparison.findings if f.at and f.verdict is not None
    }
    columns = [_column(run, name, scores, points, found) for name in fields]
    judged = (f.against for f in context.comparison.findings if f.against)
    reference = next(judged, run.reference)  # under --baseline-ref that of the merge base
    blocks: list[Block] = [_table(reference, points, axes, fields, columns)]
    varying = [axis for axis in axes if len({canonical(p.get(axis)) for p in points}) > 1]
    if len(varying) == 2:
        gated = {(g.metric, g.field) for g in run.gates}
        squares = [
            (n, c) for n, c in zip(fields, columns, strict=True) if n in gated or gated.isdisjoint(fields)
        ]
        blocks += [t for name, column in squares[:TABLES] if (t := _square(name, points, varying, column))]
    against = f" Marked: what is not unchanged against {wording.point(reference)}." if reference else ""
    lead = f"Means over the repeats; the better a figure is in its column, the stronger its tint.{against}"
    return Section("matrix", "Matrix", tuple(blocks), lead)


def _points(scores: Sequence[Score]) -> list[Mapping[str, Json]]:
    """Return the distinct points, without those contained in another: a metric may have fewer axes than others."""
    different = {canonical(s.point): s.point for s in scores if s.point}
    names = {frozenset(p) for p in different.values()}
    widest = [n for n in names if not any(n < other for other in names)]
    return [p for p in different.values() if frozenset(p) in widest]


def _fields(run: Run) -> list[tuple[str, str]]:
    """Return the gated fields, then the first field with a direction of each metric."""
    gated = [(g.metric, g.field) for g in run.gates]
    main = [
        (metric, next(f for f, direction in info.fields.items() if direction))
        for metric, info in run.metrics.items()
        if any(info.fields.values())
    ]
    known = [(m, f) for m, f in (*gated, *main) if m in run.metrics and run.metrics[m].fields.get(f)]
    swept = {s.metric for s in run.scores if s.point}
    return [name for name in dict.fromkeys(known) if name[0] in swept]


@dataclass(frozen=True)
class _Scores:
    """Scores by metric and by the part of a point that concerns the metric."""

    axes: Mapping[str, tuple[str, ...]]
    by_place: Mapping[tuple[str, str], Score]

    @classmethod
    def of(cls, run: Run, points: Sequence[Mapping[str, Json]]) -> _Scores:
        axes = {s.metric: tuple(s.point) for s in run.scores}
        return cls(axes, {(s.metric, canonical(s.point)): s for s in run.scores})

    def at(self, metric: str, point: Mapping[str, Json]) -> Score | None:
        """Return the score at a point; None if the metric has none: another metric's axes, or an excluded point."""
        own = self.axes.get(metric, ())
        if not set(own) <= point.keys():
            return None
        return self.by_place.get((metric, canonical({axis: point[axis] for axis in own})))


@dataclass(frozen=True)
class _Column:
    """One field at every point; sorting puts better values first."""

    better: str
    cells: tuple[Cell, ...]
    """One cell per point, with a sort value if there is a figure."""


def _column(
    run: Run,
    name: tuple[str, str],
    scores: _Scores,
    points: Sequence[Mapping[str, Json]],
    found: Mapping[tuple[str, str], Finding],
) -> _Column:
    metric, field = name
    at = [scores.at(metric, point) for point in points]
    means = [
        fmean(r.values[field] for r in s.repeats) if s and s.repeats and s.complete else None for s in at
    ]
    known = [m for m in means if m is not None]
    direction = run.metrics[metric].fields[field] or {}
    better = str(direction["better"])
    texts = iter(wording.together(known))
    low, high = min(known, default=0.0), max(known, default=0.0)
    cells = []
    for score, mean in zip(at, means, strict=True):
        if mean is None:
            failed = score is not None and not score.complete
            cells.append(Cell("failed", tone="regressed") if failed else Cell("", tone="quiet"))
            continue
        finding = None if score is None else found.get((f"{metric}.{field}", canonical(score.point)))
        share = (mean - low) / (high - low) if high > low else None
        heat = None if share is None else TINT * (1 - share if better == "lower" else share)
        word = finding.verdict if finding and finding.verdict is not Verdict.UNCHANGED else None
        cells.append(Cell(next(texts), mean, TONES[word] if word else "", str(word or ""), heat))
    return _Column(better, tuple(cells))


def _table(
    reference: Mapping[str, Json],
    points: Sequence[Mapping[str, Json]],
    axes: Sequence[str],
    fields: Sequence[tuple[str, str]],
    columns: Sequence[_Column],
) -> Table:
    """Make a table of points, worst first by the first field; points without a figure come before all others."""
    sign = 1 if columns[0].better == "higher" else -1

    def key(i: int) -> tuple[bool, float]:
        value = columns[0].cells[i].sort
        return (value is not None, sign * (value or 0.0))

    order = sorted(range(len(points)), key=key)
    rows = tuple(
        (*_place(reference, points[i], axes), *(column.cells[i] for column in columns)) for i in order[:ROWS]
    )
    heads = [axis.rpartition(".")[2] for axis in axes] if _short(axes) else list(axes)
    arrows = [
        f"{m}.{f} {'↑' if c.better == 'higher' else '↓'}" for (m, f), c in zip(fields, columns, strict=True)
    ]
    numeric = {i for i, axis in enumerate(axes) if all(type(p.get(axis)) in (int, float) for p in points)}
    numeric |= set(range(len(axes), len(axes) + len(columns)))
    first = ".".join(fields[0])
    caption = f"{wording.counted(len(points), 'point')}, worst {first} first (↑: higher is better, ↓: lower is better)"
    return Table(caption, (*heads, *arrows), rows, frozenset(numeric), max(len(points) - ROWS, 0))


def _short(axes: Sequence[str]) -> bool:
    return len({axis.rpartition(".")[2] for axis in axes}) == len(axes)


def _place(reference: Mapping[str, Json], point: Mapping[str, Json], axes: Sequence[str]) -> Iterator[Cell]:
    """Yield a cell per axis; the reference point is marked."""
    is_reference = bool(reference) and all(point.get(a) == v for a, v in reference.items())
    for i, axis in enumerate(axes):
        value = point.get(axis)
        text = "" if axis not in point else value if isinstance(value, str) else canonical(value)
        sort = float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None
        yield Cell(text, sort=sort, note="reference" if is_reference and i == 0 else "")


def _square(
    name: tuple[str, str], points: Sequence[Mapping[str, Json]], axes: Sequence[str], column: _Column
) -> Table | None:
    """Make a table of a field over two axes; None if one has too many values to be readable."""
    down, across = axes
    downs = list({canonical(p.get(down)): p.get(down) for p in points}.values())
    acrosses = list({canonical(p.get(across)): p.get(across) for p in points}.values())
    if max(len(downs), len(acrosses)) > SIDE:
        return None
    by_place = {canonical([p.get(down), p.get(across)]): c for p, c in zip(points, column.cells, strict=True)}
    rows = tuple(
        (Cell(_value(d)), *(by_place.get(canonical([d, a]), Cell("", tone="quiet")) for a in acrosses))
        for d in downs
    )
    heads = (f"{down.rpartition('.')[2]} \\ {across.rpartition('.')[2]}", *map(_value, acrosses))
    caption = f"{name[0]}.{name[1]} over both axes ({column.better} is better)"
    return Table(caption, heads, rows, frozenset(range(1, len(heads))))


def _value(value: Json) -> str:
    return value if isinstance(value, str) else canonical(value)
