"""Which columns of a table have the output of the classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from harness.errors import StageError, nearest
from harness.formats.tables import Row

CLASS = "{class}"
"""What stands for the name of a class in the name of a column."""
KINDS = ("prediction", "logits", "probabilities")


@dataclass(frozen=True)
class Form:
    """The output of a classifier, in a table."""

    kind: str
    """One of ``KINDS``."""
    column: str
    """The column, as named by the suite; with ``{class}``, one for each class."""
    by_class: Mapping[str, str] = field(default_factory=dict)
    """Class → column; empty if there is one column for all."""


def form_of(first: Row, named: Mapping[str, str], classes: Sequence[str] | None) -> Form:
    """The columns with the output.

    Args:
        first: the first row of the table.
        named: kind → its column as named by the suite, for the kinds that it names.
        classes: the classes that the suite names.

    Raises:
        StageError: several kinds; none; a missing column; columns of classes that are none.
    """
    if len(named) > 1:
        raise StageError(f"{' and '.join(named)} are both set; one of them is read")
    kind, column = next(iter(named.items())) if named else _default(first)
    if CLASS not in column:
        first[column]  # refused here, with the columns that there are
        return Form(kind, column)
    if kind == "prediction":
        raise StageError(f"prediction: {column!r}: a prediction is one column, without {CLASS}")
    return Form(kind, column, _by_class(first, column, classes))


def _default(first: Row) -> tuple[str, str]:
    """The kind and column of a table whose columns have the names that are expected."""
    held = first.cells
    found = {kind: kind for kind in KINDS if kind in held}
    for kind in KINDS[1:]:
        if any(name.startswith(f"{kind}.") for name in held):
            found.setdefault(kind, f"{kind}.{CLASS}")
    if not found:
        raise StageError(
            f"{first.where}: none of {', '.join(KINDS)}, only {', '.join(held)}; name the column, as in "
            "prediction: COLUMN"
        )
    if len(found) > 1:
        kind = next(iter(found))
        raise StageError(f"{first.where}: {' and '.join(found)}; name the one to read, as in {kind}: {kind}")
    return next(iter(found.items()))


def _by_class(first: Row, column: str, classes: Sequence[str] | None) -> dict[str, str]:
    before, _, after = column.partition(CLASS)
    if classes is not None:
        found = {name: f"{before}{name}{after}" for name in classes}
        for each in found.values():
            first[each]
    else:
        if not before + after:
            raise StageError(f"{column!r} could be any column; name the classes")
        found = {}
    for name in first.cells:
        inner = name[len(before) : len(name) - len(after)]
        if not inner or not (name.startswith(before) and name.endswith(after)):
            continue
        if classes is None:
            found[inner] = name
        elif before + after and inner not in found:
            told = f"the column {name!r} is of none of the classes{nearest(inner, classes)}"
            raise StageError(f"{first.where}: {told}")
    if not found:
        raise StageError(f"{first.where}: no column like {column!r}, only {', '.join(first.cells)}")
    return found
