"""Charts, read back: their elements, texts and places."""

from __future__ import annotations

from xml.etree import ElementTree as ET

from harness.report.html.parts import Chart


def parsed(chart: Chart) -> ET.Element:
    """The drawing, which has to be well-formed and to say to a screen reader what it is."""
    root = ET.fromstring(str(chart.svg))
    assert root.get("role") == "img"
    assert [child.tag for child in root[:2]] == ["title", "desc"]
    assert root.get("aria-label") == root[0].text
    assert chart.caption
    assert chart.table.caption
    return root


def texts(root: ET.Element) -> list[str]:
    """Every line of text that is seen."""
    return ["".join(e.itertext()) for e in root.iter("text")]


def marks(root: ET.Element) -> list[ET.Element]:
    """What stands at places: nested drawings with a path of their own."""
    return [
        e for e in root.iter("svg") if e.get("x") and e.find("path") is not None and e.get("viewBox") is None
    ]


def across(element: ET.Element, name: str = "x") -> float:
    """A place in percent of the width."""
    place = element.get(name, "")
    assert place.endswith("%"), place
    return float(place.removesuffix("%"))


def tips(root: ET.Element) -> list[str]:
    """What a pointer over each mark shows."""
    return [e.findtext("title", "") for e in marks(root)]


def is_filled(mark: ET.Element) -> bool:
    path = mark.find("path")
    assert path is not None
    return path.get("fill") != "var(--paper)"
