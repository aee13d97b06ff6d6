"""What the readers of other tools' tables share: which file, which rows, names of items."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from harness.errors import StageError
from harness.formats.names import spelled
from harness.formats.tables import SUFFIXES, Row, rows
from harness.sources.by_seed import idle_without_pattern
from harness.sources.content import files_of


def idle_without_repeats(parameters: Mapping[str, Any]) -> Mapping[str, str]:
    """The parameter ``seed``, with the reason, if neither the source nor a column of the table follows it."""
    if parameters["seed_column"] is not None:
        return {}
    return {name: f"{why}; or name its seed_column" for name, why in idle_without_pattern(parameters).items()}


def table_of(place: Path, suffixes: Sequence[str] = SUFFIXES) -> Path:
    """The table at ``place``: the file itself, or the only table in the folder.

    Raises:
        StageError: there is none, or several.
    """
    if place.is_file():
        if place.suffix.lower() not in suffixes:
            raise StageError(f"{place}: no table; its name must end in {', '.join(suffixes)}")
        return place
    found = [file for file in files_of(place).values() if file.suffix.lower() in suffixes]
    if len(found) != 1:
        named = f"{len(found)} tables ({', '.join(f.name for f in found[:3])}, …)" if found else "no table"
        raise StageError(f"{place}: {named}; name one file that ends in {', '.join(suffixes)}")
    return found[0]


def rows_of(file: Path, seed_column: str | None = None, seed: int = 0) -> list[Row]:
    """The rows of a table, or those of a seed.

    Raises:
        StageError: no rows; no row of that seed; a seed that is no whole number.
    """
    every = list(rows(file))
    if not every:
        raise StageError(f"{file}: no rows")
    if seed_column is None:
        return every
    seeds = [_seed(row, seed_column) for row in every]
    kept = [row for row, own in zip(every, seeds, strict=True) if own == seed]
    if not kept:
        held = ", ".join(map(str, sorted(set(seeds))[:20]))
        raise StageError(f"{file}: no row with {seed_column} {seed}, only {held}")
    return kept


def _seed(row: Row, column: str) -> int:
    value = row[column]
    if isinstance(value, str) and value.strip().isdecimal():
        return int(value)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise StageError(f"{row.where}: {column} is {value!r:.40}, expected a seed (a whole number)")
    return value


def name_of(row: Row, column: str, what: str) -> str:
    """A name in a column: a text that is not blank, or a whole number.

    Raises:
        StageError: the value is missing or of another type.
    """
    value = row[column]
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not value.strip():
        raise StageError(f"{row.where}: {column} is {value!r:.40}, expected the name of the {what}")
    return value


def unique(read: Sequence[Row], column: str) -> list[str]:
    """The names of the items, as they are written.

    Raises:
        StageError: a missing name, or one that occurs twice, be it as ``./0.png``, in another Unicode form or with
            space around it.
    """
    first: dict[str, str] = {}
    names = []
    for row in read:
        name = name_of(row, column, "item")
        names.append(name)
        if (where := first.setdefault(spelled(name.strip()), row.where)) != row.where:
            raise StageError(f"{row.where}: the item {name[:80]!r} a second time, first at {where}")
    return names


def number(value: Any, where: str, what: str) -> float:
    """A finite number, from a number or its text.

    Raises:
        StageError: anything else.
    """
    try:
        is_number = isinstance(value, str | int | float | Decimal) and not isinstance(value, bool)
        found = float(value) if is_number else None
    except (ValueError, OverflowError):
        found = None
    if found is None or (isinstance(value, str) and "_" in value):
        raise StageError(f"{where}: {what} is {value!r:.40}, expected a number")
    if not math.isfinite(found):
        raise StageError(f"{where}: {what} is {found}, expected a finite number")
    return found
