"""Confusion matrices as tables or drawings, and per-class results of both sides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from markupsafe import Markup

from harness.artifact import Json
from harness.compare import wording
from harness.compare.match import in_point
from harness.report.html.context import Context, Shown, details, shown
from harness.report.html.parts import REFERENCE, Block, Cell, Chart, Section, Table
from harness.report.html.svg import ACCENT, QUIET, RULE, drawing, element, fitted, percent, text
from harness.store.artifacts import Store
from harness.store.record import Run, Score

MOST_CLASSES = 1500
"""Maximum number of squares drawn, those with the largest shares."""
PAIRS = 30
"""Maximum number of confused pairs in the table."""
LEFT, RIGHT, TOP, ROW = 0.32, 0.99, 18.0, 15.0
NAME = 17
"""Maximum number of characters shown of a class name."""
EVERY = 5
"""Every ``EVERY``-th column is numbered."""
SHADES = 8
"""Number of steps from no colour to full colour."""


def confusion_squares(
    title: str, caption: str, classes: Sequence[str], counts: Sequence[Sequence[float]]
) -> Chart:
    """Draw a confusion matrix: labels in rows, predictions in columns, both as class numbers.

    The stronger the colour, the larger the share of the label.

    Args:
        title: title of the chart.
        caption: whose matrix it is.
        classes: C names.
        counts: C × C; rows are labels.
    """
    shares = [
        (share, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if (share := _share(n, row))
    ]
    shown = sorted(shares, reverse=True)[:MOST_CLASSES]
    height = TOP + ROW * len(classes) + 4
    frame = element(
        "rect", x=percent(LEFT), y=TOP, width=percent(RIGHT - LEFT), height=ROW * len(classes), fill="none",
        stroke=RULE,
    )  # fmt: skip
    told = f"{len(classes):,} classes. The table lists the pairs that are confused most often."
    svg = drawing(title, told, height, frame, *_names(classes), _squares(shown, len(classes)))
    cut = f" The {MOST_CLASSES:,} largest shares are drawn." if len(shown) < len(shares) else ""
    caption = (
        f"{caption} Rows are labels, columns predictions by the number of the class; the stronger the colour, the "
        f"larger the share of the label.{cut}"
    )
    return Chart(title, svg, caption, pairs(f"{title}: confused most often", classes, counts))


def pairs(caption: str, classes: Sequence[str], counts: Sequence[Sequence[float]]) -> Table:
    """Make a table of the pairs that are confused most often, by share of the label."""
    wrong = sorted(
        (
            (_share(n, row), n, label, prediction)
            for label, row in zip(classes, counts, strict=True)
            for prediction, n in zip(classes, row, strict=True)
            if n and label != prediction
        ),
        key=lambda found: (-found[0], found[2], found[3]),
    )
    rows = tuple(
        (Cell(label), Cell(prediction), Cell(f"{n:g}", sort=n), Cell(f"{share:.0%}", sort=share, heat=share))
        for share, n, label, prediction in wrong[:PAIRS]
    )
    heads = ("label", "taken for", "items", "share of the label")
    return Table(caption, heads, rows, frozenset({2, 3}), max(len(wrong) - PAIRS, 0))


def _share(n: float, row: Sequence[float]) -> float:
    return n / sum(row) if sum(row) else 0.0


def _names(classes: Sequence[str]) -> list[Markup]:
    marks = []
    for i, name in enumerate(classes):
        number = element("tspan", str(i + 1), fill=QUIET)
        y = TOP + ROW * i + 11
        label = element(
            "text", f"{fitted(name, NAME)} · ", number, x=percent(LEFT - 0.01), y=y, text_anchor="end"
        )
        marks.append(label)
        if (i + 1) % EVERY == 0:
            x = percent(LEFT + (RIGHT - LEFT) * (i + 0.5) / len(classes))
            marks.append(text(str(i + 1), x, TOP - 5, text_anchor="middle", fill=QUIET))
    return marks


def _squares(shares: Sequence[tuple[float, int, int]], of: int) -> Markup:
    """Draw one SVG path per shade, at one unit per class, stretched to size. Keeps a hundred classes small."""
    shades: dict[int, list[str]] = {}
    for share, i, j in shares:
        shades.setdefault(max(round(share * SHADES), 1), []).append(f"M{j} {i}h1v1h-1z")
    paths = [
        element("path", d="".join(squares), fill=ACCENT, fill_opacity=shade / SHADES)
        for shade, squares in sorted(shades.items())
    ]
    return element(
        "svg", *paths, x=percent(LEFT), y=TOP, width=percent(RIGHT - LEFT), height=ROW * of, viewBox=f"0 0 {of} {of}",
        preserveAspectRatio="none", shape_rendering="crispEdges",
    )  # fmt: skip


MOST = 4
"""Maximum number of metrics shown."""
IN_TABLE = 12
"""Maximum number of classes of a matrix shown as numbers; larger ones are drawn."""
DRAWN = 64
"""Maximum number of classes of a drawing; for more, only the confused pairs are listed."""
COLUMNS = ("recall", "precision", "f1")
POINTS = 8
"""Maximum number of points of the matrix whose classes are shown side by side."""


def confusion(context: Context) -> Section | None:
    """Show the confusion matrices; None if no metric has one."""
    found = list(shown(context, "confusion"))
    blocks = [b for s in found[:MOST] for b in _blocks(context, s)]
    rest = [s.candidate.metric for s in found[MOST:]]
    told = []
    if any(s.points > 1 for s in found[:MOST]):
        told.append("Of several points the one that regressed most is shown in full, else the reference.")
    if rest:
        told.append(f"Not shown, no worse than these: {wording.listed(rest, 5)}; the record has them.")
    return (
        Section("confusion", "Confusion matrices and classes", tuple(blocks), " ".join(told))
        if blocks
        else None
    )


def _blocks(context: Context, found: Shown) -> list[Block]:
    matrix = _Matrix.of(found.candidate, context.store)
    if matrix is None:
        return []
    name, place = found.candidate.metric, wording.point(found.candidate.point)
    repeats = len(found.candidate.repeats)
    where = f"{name}{f' ({place})' if place else ''}"
    over = f", summed over {wording.counted(repeats, 'repeat')}" if repeats > 1 else ""
    return [_drawn(where, over, matrix), *_per_class(context, found, where), *_at_points(context, found)]


@dataclass(frozen=True)
class _Matrix:
    classes: tuple[str, ...]
    counts: tuple[tuple[float, ...], ...]
    """C × C, rows are labels; summed over the repeats."""

    @classmethod
    def of(cls, score: Score, store: Store) -> _Matrix | None:
        """Sum the matrices of a score's repeats; None if one is not a matrix, or if their classes differ."""
        found = [_read(details(r, store).get("confusion")) for r in score.repeats]
        known = [m for m in found if m is not None]
        if not known or len(known) < len(found) or len({m.classes for m in known}) > 1:
            return None
        rows = zip(*(m.counts for m in known), strict=True)
        return cls(known[0].classes, tuple(tuple(map(sum, zip(*row, strict=True))) for row in rows))


def _read(detail: Json) -> _Matrix | None:
    if not isinstance(detail, Mapping):
        return None
    classes, rows = detail.get("classes"), detail.get("matrix")
    if (
        not isinstance(classes, list | tuple)
        or not isinstance(rows, list | tuple)
        or len(rows) != len(classes)
    ):
        return None
    counts = tuple(_floats(row) for row in rows)
    return _Matrix(tuple(map(str, classes)), counts) if all(len(c) == len(classes) for c in counts) else None


def _floats(row: Json) -> tuple[float, ...]:
    """Return a row as floats; empty if a member is not a number."""
    members = row if isinstance(row, list | tuple) else ()
    values = tuple(float(n) for n in members if isinstance(n, int | float))
    return values if len(values) == len(members) else ()


def _drawn(where: str, over: str, matrix: _Matrix) -> Chart | Table:
    """Show a matrix as the number of classes allows: as numbers, drawn, or only the confused pairs."""
    title = f"Confusion of {where}"
    if len(matrix.classes) > DRAWN:
        return pairs(f"{title}{over}: confused most often", matrix.classes, matrix.counts)
    if len(matrix.classes) > IN_TABLE:
        return confusion_squares(title, f"Items{over}.", matrix.classes, matrix.counts)
    rows = tuple(
        (Cell(label), *(_count(n, sum(row)) for n in row), Cell(f"{sum(row):g}", sort=sum(row), tone="quiet"))
        for label, row in zip(matrix.classes, matrix.counts, strict=True)
    )
    caption = f"{title}{over}: items, tinted by their share of the label"
    numeric = frozenset(range(1, len(matrix.classes) + 2))
    return Table(caption, ("label \\ prediction", *matrix.classes, "items"), rows, numeric)


def _count(n: float, of: float) -> Cell:
    return Cell(f"{n:g}", sort=n, heat=n / of) if n and of else Cell("·", sort=0.0, tone="quiet")


def _per_class(context: Context, found: Shown, where: str) -> list[Table]:
    ours = _means(found.candidate, context.store)
    theirs = _means(found.baseline, context.store) if found.baseline else {}
    if not ours:
        return []
    names = [c for c in COLUMNS if any(c in row for row in ours.values())]

    def key(label: str) -> float:
        mine, other = ours[label].get(names[0], 0.0), theirs.get(label, {}).get(names[0])
        return mine if other is None else mine - other

    rows = tuple(_row(label, names, ours[label], theirs.get(label)) for label in sorted(ours, key=key))
    heads = ("class", "items", *(c for n in names for c in ([n, "baseline"] if theirs else [n])))
    order = "largest loss of recall first" if theirs else "lowest recall first"
    missing = "" if theirs or context.baseline is None else "; the store no longer has the baseline's"
    caption = f"{where} by class, mean over the repeats, {order}{missing}"
    return [Table(caption, heads, rows, frozenset(range(1, len(heads))))]


def _at_points(context: Context, found: Shown) -> list[Table]:
    """Make tables of classes × points, so that points can be compared by class; none if there is only one point."""
    run, metric = context.run, found.candidate.metric
    points = [_Point.of(s, run, context.store) for s in run.scores if s.metric == metric and s.complete]
    points = [p for p in points if p.shares]
    if len(points) < 2:
        return []
    lowest = sorted(points, key=lambda p: (not p.is_reference, fmean(p.shares.values())))[:POINTS]
    kept = [p for p in points if p in lowest]
    by_class: dict[str, list[float]] = {}
    for point in kept:
        for label, share in point.shares.items():
            by_class.setdefault(label, []).append(share)
    labels = sorted(by_class, key=lambda label: fmean(by_class[label]))
    rows = tuple((Cell(label), *(_recalled(p.shares.get(label)) for p in kept)) for label in labels)
    least = "the reference and the lowest" if any(p.is_reference for p in kept) else "the lowest"
    which = "each point" if len(kept) == len(points) else f"{len(kept)} of {len(points):,} points, {least}"
    caption = f"{metric}: {COLUMNS[0]} by class at {which}, mean over the repeats, worst class first"
    if any(p.is_reference for p in kept):
        caption += f"; {REFERENCE} is the reference"
    return [Table(caption, ("class", *(p.head for p in kept)), rows, frozenset(range(1, len(kept) + 1)))]


@dataclass(frozen=True)
class _Point:
    """Results per class at a point of the matrix."""

    head: str
    shares: Mapping[str, float]
    """Class → recall, as a mean over the repeats; classes without recall are left out."""
    is_reference: bool

    @classmethod
    def of(cls, score: Score, run: Run, store: Store) -> _Point:
        is_reference = bool(run.reference) and in_point(score, run.reference)
        head = f"{REFERENCE} {wording.point(score.point)}" if is_reference else wording.point(score.point)
        found = _means(score, store)
        shares = {label: row[COLUMNS[0]] for label, row in found.items() if COLUMNS[0] in row}
        return cls(head, shares, is_reference)


def _recalled(value: float | None) -> Cell:
    cell = _number(value)
    return cell if value is None or value >= 1 else replace(cell, heat=1 - max(value, 0.0))


def _row(
    label: str, names: Sequence[str], ours: Mapping[str, float], theirs: Mapping[str, float] | None
) -> tuple[Cell, ...]:
    cells = [Cell(label), _number(ours.get("support"))]
    for name in names:
        cells.append(_number(ours.get(name)))
        if theirs is not None:
            cells.append(_number(theirs.get(name)))
    return tuple(cells)


def _number(value: float | None) -> Cell:
    return Cell("", tone="quiet") if value is None else Cell(wording.number(value), sort=value)


def _means(score: Score, store: Store) -> dict[str, dict[str, float]]:
    """Return class → column → mean over the repeats that have it."""
    found: dict[str, dict[str, list[float]]] = {}
    for repeat in score.repeats:
        rows = details(repeat, store).get("per_class")
        for row in rows if isinstance(rows, list | tuple) else ():
            if isinstance(row, Mapping):
                columns = found.setdefault(str(row.get("class")), {})
                for name, value in row.items():
                    if isinstance(value, int | float):
                        columns.setdefault(name, []).append(float(value))
    return {label: {n: fmean(v) for n, v in columns.items()} for label, columns in found.items()}
