"""A wide confusion matrix as a drawing."""

from __future__ import annotations

from report.html.charts.drawn import parsed, texts

from harness.report.html.sections.confusion import MOST_CLASSES, PAIRS, confusion_squares, pairs

CLASSES = ["airport", "<b>bare</b>", "قرية"]
COUNTS = [[8.0, 2.0, 0.0], [1.0, 4.0, 5.0], [0.0, 0.0, 0.0]]


def squares(svg: str) -> int:
    return svg.count("h1v1h-1z")


def test_every_pair_that_occurs_is_a_square_as_strong_as_its_share() -> None:
    chart = confusion_squares("Confusion of m", "Items.", CLASSES, COUNTS)
    root = parsed(chart)
    assert squares(chart.svg) == 5
    shades = {e.get("d"): float(e.get("fill-opacity", "0")) for e in root.iter("path")}
    assert shades["M0 0h1v1h-1z"] == 0.75  # eight of ten, to the next eighth
    assert "<b>" not in chart.svg
    assert "قرية · 3" in texts(root)


def test_the_table_lists_what_is_confused_most() -> None:
    table = pairs("Confused", CLASSES, COUNTS)
    assert [[c.text for c in row] for row in table.rows] == [
        ["<b>bare</b>", "قرية", "5", "50%"],
        ["airport", "<b>bare</b>", "2", "20%"],
        ["<b>bare</b>", "airport", "1", "10%"],
    ]


def test_a_hundred_classes_stay_small() -> None:
    names = [f"class {i}" for i in range(100)]
    chart = confusion_squares("Confusion", "Items.", names, [[1.0] * 100] * 100)
    parsed(chart)
    assert squares(chart.svg) == MOST_CLASSES
    assert "1,500 largest shares" in chart.caption
    assert (len(chart.table.rows), chart.table.left_out) == (PAIRS, 9900 - PAIRS)
    assert len(chart.svg) < 60_000
