"""A confusion matrix that is too wide for a table: a square per pair of classes."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup

from harness.report.html.charts.svg import ACCENT, QUIET, RULE, drawing, element, fitted, percent, text
from harness.report.html.parts import Cell, Chart, Table

MOST = 1500
"""Squares that are drawn, the largest shares."""
PAIRS = 30
"""Confused pairs that the table lists."""
LEFT, RIGHT, TOP, ROW = 0.32, 0.99, 18.0, 15.0
NAME = 17
"""Letters of a class."""
EVERY = 5
"""Each so many-th column has its number."""
SHADES = 8
"""Steps from no colour to full colour."""


def confusion(title: str, caption: str, classes: Sequence[str], counts: Sequence[Sequence[float]]) -> Chart:
    """Labels down, predictions across, as numbers of the same classes; the stronger
    the colour, the larger the label's share.

    Args:
        title: of the chart.
        caption: whose matrix it is.
        classes: C names.
        counts: C × C; rows are labels.
    """
    shares = [
        (share, i, j) for i, row in enumerate(counts) for j, n in enumerate(row) if (share := _share(n, row))
    ]
    shown = sorted(shares, reverse=True)[:MOST]
    height = TOP + ROW * len(classes) + 4
    frame = element(
        "rect", x=percent(LEFT), y=TOP, width=percent(RIGHT - LEFT), height=ROW * len(classes), fill="none",
        stroke=RULE,
    )  # fmt: skip
    told = f"{len(classes):,} classes. The table lists the pairs that are confused most often."
    svg = drawing(title, told, height, frame, *_names(classes), _squares(shown, len(classes)))
    cut = f" The {MOST:,} largest shares are drawn." if len(shown) < len(shares) else ""
    caption = (
        f"{caption} Rows are labels, columns predictions by the number of the class; the stronger the colour, the "
        f"larger the share of the label.{cut}"
    )
    return Chart(title, svg, caption, pairs(f"{title}: confused most often", classes, counts))


def pairs(caption: str, classes: Sequence[str], counts: Sequence[Sequence[float]]) -> Table:
    """The pairs that are confused most often, by the label's share."""
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
    """A path for each shade, one unit per class, stretched to its place: a hundred classes stay small."""
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
