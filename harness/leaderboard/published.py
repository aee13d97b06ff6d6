"""Published results (``baselines/published.yaml``) as separate tables."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from harness.artifact import Json
from harness.compare.sample import Figure
from harness.errors import SuiteError, UsageError, nearest
from harness.leaderboard import Column, Line, Origin, Table
from harness.suite.located_yaml import Entry, List, Map, Scalar, Tree, parse, read_file

FIELDS = ("about", "source", "data", "definition", "protocol", "metrics", "rows")
NEEDED = ("source", "protocol", "metrics", "rows")
UNVERIFIED = "unverified: what was computed is not known, or can no longer be computed"


def published(path: Path) -> list[Table]:
    """Return a table per entry of a file, in its order. Lines are sorted best first by the first metric, without ranks.

    Raises:
        UsageError: the file cannot be read.
        SuiteError: its content is invalid; the message has file and line.
    """
    try:
        tree = parse(read_file(path), str(path))
    except OSError as e:
        raise UsageError(f"{path}: cannot be read ({e.strerror})") from None
    return [_table(name, entry) for name, entry in _mapping(tree, "published rows").entries.items()]


def _table(name: str, entry: Entry) -> Table:
    body = _mapping(entry.value, f"{name!r}")
    for key, inner in body.entries.items():
        if key not in FIELDS:
            raise SuiteError(inner.key_where, f"{name!r} has no {key!r}{nearest(key, FIELDS)}")
    for key in NEEDED:
        if key not in body.entries:
            raise SuiteError(entry.key_where, f"{name!r} has no {key!r}, which every entry needs")
    texts = {key: _text(body.entries[key].value, key) for key in ("about", "source") if key in body.entries}
    columns = tuple(
        Column(metric, "", _better(inner.value, metric))
        for metric, inner in _mapping(body.entries["metrics"].value, "'metrics'").entries.items()
    )
    doubt = _definition(body)
    lines = [
        Line(
            f"{name}: {system}",
            system,
            Origin("", name, "", "", None),
            {},
            _figures(system, inner.value, columns),
            None,
            note=doubt,
        )
        for system, inner in _mapping(body.entries["rows"].value, "'rows'").entries.items()
    ]
    return Table(
        title=name,
        kind="published",
        columns=columns,
        lines=tuple(sorted(lines, key=lambda line: _order(line, columns[0]))),
        method="",
        protocol=_protocol(_mapping(body.entries["protocol"].value, "'protocol'")),
        about=texts.get("about", ""),
        source=texts["source"],
        data=_data(body),
    )


def _data(body: Map) -> tuple[str, ...]:
    """The data sets that an entry is about."""
    entry = body.entries.get("data")
    if entry is None:
        return ()
    if not isinstance(entry.value, List):
        raise SuiteError(entry.key_where, f"data: expected a list of org/name, not {entry.value}")
    return tuple(_text(item, "data") for item in entry.value.items)


def _figures(system: str, value: Tree, columns: tuple[Column, ...]) -> tuple[Figure | None, ...]:
    row = _mapping(value, f"row {system!r}")
    names = [c.metric for c in columns]
    for metric, inner in row.entries.items():
        if metric not in names:
            problem = f"row {system!r}: no metric {metric!r} under 'metrics'{nearest(metric, names)}"
            raise SuiteError(inner.key_where, problem)
    for metric in names:
        if metric not in row.entries:
            raise SuiteError(
                row.where, f"row {system!r} says nothing of {metric!r}; null says that there is none"
            )
    return tuple(_figure(row.entries[metric].value, metric) for metric in names)


def _figure(value: Tree, metric: str) -> Figure | None:
    if isinstance(value, Scalar) and value.is_null:
        return None
    try:
        number = float(value.text) if isinstance(value, Scalar) and not value.quoted else math.nan
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise SuiteError(value.where, f"{metric}: expected a finite number or null, not {value}")
    return Figure(number, None, None, 1, "one")


def _better(value: Tree, metric: str) -> Literal["higher", "lower"]:
    match value:
        case Scalar(text="higher"):
            return "higher"
        case Scalar(text="lower"):
            return "lower"
    raise SuiteError(
        value.where, f"metric {metric!r}: expected higher or lower, whichever is better, not {value}"
    )


def _definition(body: Map) -> str:
    if "definition" not in body.entries:
        return ""
    value = body.entries["definition"].value
    if not isinstance(value, Scalar) or value.text != "unverified":
        raise SuiteError(value.where, f"definition: expected unverified, or no such line, not {value}")
    return UNVERIFIED


def _protocol(fields: Map) -> Mapping[str, Json]:
    return {name: _text(inner.value, name) for name, inner in fields.entries.items()}


def _mapping(value: Tree, what: str) -> Map:
    if not isinstance(value, Map) or not value.entries:
        raise SuiteError(value.where, f"{what}: expected a mapping that is not empty, not {value}")
    return value


def _text(value: Tree, what: str) -> str:
    if not isinstance(value, Scalar) or value.is_null:
        raise SuiteError(value.where, f"{what}: expected a text, not {value}")
    return value.text


def _order(line: Line, by: Column) -> float:
    figure = line.figures[0]
    return math.inf if figure is None else figure.mean * (1 if by.better == "lower" else -1)
