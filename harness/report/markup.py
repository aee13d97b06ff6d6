"""Safe Markdown of limited size: escaped text, tables, and sections that can be cut from their end."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from harness.artifact import Json
from harness.compare import wording
from harness.formats.strict_json import canonical

CELL = 300
"""Maximum number of characters of a value; ``run.json`` has the full value."""


def escape(text: str, most: int = CELL) -> str:
    """Escape external text for inline Markdown, so that it is no markup, HTML, mention or new cell."""
    text = wording.clean(text, most=most)
    isolate = any(unicodedata.bidirectional(c) in ("R", "AL") for c in text)
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    text = re.sub(r"([\\`*\[\]|~])", r"\\\1", text)
    text = re.sub(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])", r"\\_", text)
    text = text.replace("$", "<span>$</span>")
    text = re.sub(r"(?<![\w/])@(?=\w)", "@<!-- -->", text)
    # An isolate keeps right-to-left text from reordering the numbers next to it.
    return f"\u2068{text}\u2069" if isolate else text


@dataclass(frozen=True)
class Section:
    """Rows between a head and a tail. If it is too long, rows are dropped from its end."""

    title: str
    rows: Sequence[str]
    columns: Sequence[str] = ()
    """Columns of the table; without any, the section is a list."""
    folded: bool = False
    right: int = 0
    """Number of columns, counted from the last, that hold numbers and are right-aligned."""

    def fit(self, room: int) -> str:
        """Return the section in at most ``room`` bytes; empty if not even one row fits."""
        head = f"\n<details><summary>{self.title}</summary>\n\n" if self.folded else f"\n### {self.title}\n\n"
        if self.columns:
            left = len(self.columns) - self.right
            head += table_row(self.columns) + table_row([":--"] * left + ["--:"] * self.right)
        tail = "\n</details>\n" if self.folded else ""
        room -= len((head + tail).encode()) + 128  # for the line that counts what was cut
        kept: list[str] = []
        for row in self.rows:
            room -= len(row.encode())
            if room < 0:
                break
            kept.append(row)
        if not kept:
            return ""
        cut = len(self.rows) - len(kept)
        what = f"{wording.counted(cut, 'row')} more, cut for size; worst first"
        note = f"\n_{what}. `run.json` has all._\n" if cut else ""
        return head + "".join(kept) + note + tail


def table_row(cells: Iterable[str]) -> str:
    """Make a line of a table from escaped cells."""
    return f"| {' | '.join(cells)} |\n"


def detail_table(value: Json) -> tuple[list[str], list[list[Json]]]:
    """Turn a detail into columns and rows.

    A mapping or list of mappings becomes a table; ``{"classes": [C names], "matrix": C × C}`` becomes a matrix with
    names; anything else has one row per entry.
    """
    if isinstance(value, Mapping):
        matrix, classes = _members(value.get("matrix"), _LISTS), _members(value.get("classes"), str)
        if matrix and len(matrix) == len(classes):
            return ["label \\ prediction", *classes], [[c, *r] for c, r in zip(classes, matrix, strict=True)]
        if rows := _members(list(value.values()), Mapping):
            columns, cells = detail_table(rows)
            return ["", *columns], [[k, *row] for k, row in zip(value, cells, strict=True)]
        return ["", "value"], [[k, v] for k, v in value.items()]
    if rows := _members(value, Mapping):
        columns = list(dict.fromkeys(k for row in rows for k in row))
        return columns, [[row.get(c, "") for c in columns] for row in rows]
    if lists := _members(value, _LISTS):
        return [""] * max(map(len, lists)), [list(row) for row in lists]
    return ["value"], [[v] for v in _members(value, object) or [value]]


_LISTS = (list, tuple)


def _members(value: Json, kind: type | tuple[type, ...]) -> list[Any]:
    """Return the members of a list if all are of one type; else an empty list."""
    members = list(value) if isinstance(value, _LISTS) else []
    return members if all(isinstance(m, kind) for m in members) else []


def cell_text(value: Json) -> str:
    """Return the text of a table's cell, not yet escaped."""
    if isinstance(value, float):
        return wording.number(value)
    return value if isinstance(value, str) else canonical(value)
