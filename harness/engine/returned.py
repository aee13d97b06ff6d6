"""What a stage function returned, checked against its signature, in the plain form of a store entry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.errors import StageError, described
from harness.formats.strict_json import canonical
from harness.stage import BESIDE_VALUES, LARGEST, Items, Scores, Stage
from harness.store.artifacts import check_tree
from harness.store.entries import ITEMS, ONLY, Output, Result


def storable(stage: Stage, returned: Any, work: Path) -> tuple[dict[str, Output], Result | None]:
    """The outputs and the result for what a stage returned.

    Rows per item are written into the work folder. What a stage returned may be of any type, and its attributes may
    raise.

    Raises:
        StageError: the stage returned another type, a value that is not a finite number, or something in it is not
            what its type says.
    """
    try:
        return _storable(stage, returned, work / "entry")
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as e:
        raise StageError(f"{stage.name} returned what cannot be stored ({described(e)})") from e


def _storable(stage: Stage, returned: Any, made: Path) -> tuple[dict[str, Output], Result | None]:
    check_tree(made)
    if isinstance(returned, Scores) and stage.is_metric:
        return {}, _result(returned, made)
    if stage.is_metric:
        raise StageError(f"{stage.name} returned a {type(returned).__name__}, not its scores")
    outputs: dict[str, Output] = {}
    for name, kind in stage.outputs.items():
        value = getattr(returned, name) if name else returned
        if not isinstance(value, kind) or value.path != made / (name or ONLY):
            raise StageError(f"{stage.name} did not return {kind.__name__} in job.folder({name!r})")
        if not value.path.is_dir():
            raise StageError(f"{stage.name} returned {kind.__name__}, but job.folder({name!r}) is gone")
        outputs[name or ONLY] = Output(kind.__name__, _safe(value.facts), _safe(value.conditions))
    return outputs, None


def _safe(value: Mapping[str, Json]) -> Mapping[str, Json]:
    try:
        canonical(value).encode()
    except (TypeError, ValueError, RecursionError) as e:
        raise StageError(f"facts, conditions and details must be plain JSON: {e}") from None
    return value


def _result(scores: Scores, made: Path) -> Result:
    values = {f.name: getattr(scores, f.name) for f in fields(scores) if f.name not in BESIDE_VALUES}
    for name, value in values.items():
        if not math.isfinite(value):
            raise StageError(f"{name} is {value}, not a finite number")
        if abs(value) > LARGEST:
            raise StageError(f"{name} is {value}, too large to be compared with anything")
    for name, step in scores.steps.items():
        if name not in values or not 0.0 < step <= LARGEST:
            raise StageError(f"steps: {name!r} is {step}; a step is a positive number and belongs to a field")
    if scores.items is not None:
        _check_items(scores.items, values)
        from harness.store.items import ItemRows, write_items

        write_items(made / ITEMS, [ItemRows("", {}, {}, scores.items)])
    values = {name: float(value) for name, value in values.items()}
    steps = {name: float(step) for name, step in scores.steps.items()}
    return Result(values, _safe(scores.conditions), _safe(scores.details), scores.items is not None, steps)


def _check_items(items: Items, values: Mapping[str, float]) -> None:
    """Check that a column's mean is its field's value: else an interval over items is for another quantity."""
    if len(set(items.item)) != len(items.item):
        raise StageError("items: two rows have the same name")
    for name, column in items.columns.items():
        if len(column) != len(items.item) or name not in values:
            raise StageError(f"items: column {name!r} does not fit the items or the fields")
        mean = math.fsum(column) / len(column)
        if not math.isclose(mean, values[name], rel_tol=1e-5, abs_tol=1e-7):
            raise StageError(f"items: column {name!r} has mean {mean}, its field is {values[name]}")
