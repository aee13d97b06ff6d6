"""The classes of a table of predictions, and its labels and predictions as indices into them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.errors import StageError, nearest
from harness.formats.names import folded, refuse_alike
from harness.formats.tables import Row
from harness.sources.parquet_set import class_names
from harness.stages.data.predictions.columns import Form
from harness.stages.data.predictions.values import PREDICTED, listed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_WHOLE = re.compile(r"-?[0-9]{1,18}")
MOST = 100_000
"""Largest index of a class that is not named."""


@dataclass(frozen=True)
class Named:
    """Classes in order, and how they are written in the table."""

    classes: tuple[str, ...]
    digits_are_indices: bool
    """Whether a text of digits is an index: in CSV, where numbers are texts."""

    @cached_property
    def order(self) -> dict[str, int]:
        return {name: index for index, name in enumerate(self.classes)}

    @classmethod
    def derived(cls, rows: Sequence[Row], label: str, form: Form, text: bool) -> Named:
        """The classes of a table that does not name them.

        Raises:
            StageError: names for the values of a list, whose order they do not give; names and numbers mixed.
        """
        if form.kind == PREDICTED:
            values = [(row.where, _value(row, c, text)) for row in rows for c in (label, form.column)]
            names = sorted({v for _, v in values if isinstance(v, str)})
            numbers = [(where, v) for where, v in values if isinstance(v, int)]
            if names and numbers:
                where, index = numbers[0]
                raise StageError(
                    f"{where}: the class is {index}, others are names ({names[0]!r}); name the classes"
                )
            if names:
                refuse_alike(names, f"{rows[0].where.rpartition(':')[0] or rows[0].where}: {label}")
                return cls(tuple(names), False)
            return cls(_numbered(max(v for _, v in numbers) + 1, rows[0].where), text)
        where, value = next(
            ((r.where, v) for r in rows if isinstance(v := _value(r, label, text), str)), ("", "")
        )
        if where:
            raise StageError(
                f"{where}: {label} is {value!r:.40}; the order of the values in {form.column!r} is not in the "
                "file: name the classes, in that order"
            )
        return cls(_numbered(len(listed(rows[0], form.column)), rows[0].where), text)


def _numbered(count: int, where: str) -> tuple[str, ...]:
    if count > MOST:
        raise StageError(f"{where}: {count:,} classes; name them, or is the column another one?")
    return tuple(map(str, range(count)))


def chosen(classes: tuple[str, ...], text: bool, what: str) -> Named:
    """Classes that are named.

    Raises:
        StageError: none, a blank one, or one that occurs twice.
    """
    if not classes or not all(name.strip() for name in classes):
        raise StageError(f"{what}: expected the names of the classes, not {list(classes)!r:.80}")
    if twice := [name for name in classes if classes.count(name) > 1]:
        raise StageError(f"{what}: the class {twice[0]!r} stands twice")
    refuse_alike(classes, what)
    return Named(classes, text and not any(name.isdecimal() for name in classes))


def declared(file: Path, label: str) -> list[str] | None:
    """The names of an integer column of classes, if ``datasets`` wrote them into a parquet file."""
    return class_names(file, label) if file.suffix.lower() == ".parquet" else None


def indices(rows: Iterable[Row], column: str, named: Named) -> NDArray[np.int64]:
    """The classes in a column, as indices.

    Raises:
        StageError: a value that is missing, or none of the classes.
    """
    import numpy as np

    found = [_index(row, column, named) for row in rows]
    return np.array(found, dtype=np.int64)


def _index(row: Row, column: str, named: Named) -> int:
    value = _value(row, column, named.digits_are_indices)
    if isinstance(value, int):
        if value >= len(named.classes):
            raise StageError(f"{row.where}: {column} is {value}, but there are {len(named.classes)} classes")
        return value
    if value not in named.order:
        alike = [name for name in named.classes if folded(name.strip()) == folded(value.strip())]
        told = f"{column} is {value!r:.60}, which is none of the classes{nearest(value, named.classes)}"
        if alike:
            told = f"{column} is {value!a:.60}, and the class is {alike[0]!a}: write both in one way"
        raise StageError(f"{row.where}: {told}")
    return named.order[value]


def _value(row: Row, column: str, digits_are_indices: bool) -> str | int:
    """A class as it is written: its name, or its index."""
    value: Any = row[column]
    found = value
    if isinstance(found, float) and found.is_integer():  # a column that a tool has turned into floats
        found = int(found)
    if isinstance(found, str) and digits_are_indices and _WHOLE.fullmatch(found.strip()):
        found = int(found)
    if isinstance(found, str) and found.strip() and found.strip().lower() != "nan":
        return found
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        told = f"{column} is {value!r:.40}, expected a class: its name, or its index from 0"
        raise StageError(f"{row.where}: {told}")
    return found
