"""Records as pandas tables in long form."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Any

from harness.artifact import Json
from harness.compare import Finding
from harness.engine import extras
from harness.errors import UsageError
from harness.formats.strict_json import canonical
from harness.store.items import ItemsReader
from harness.store.record import Run

if TYPE_CHECKING:
    import pandas as pd

ESTIMATE = ("baseline", "candidate", "change", "low", "high")


def needed(package: str) -> ModuleType:
    """Import a package that only some uses of the Python interface need.

    Raises:
        UsageError: it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(package)
    except ImportError:
        raise UsageError(f"this needs the package {package}{extras.hint([package])}") from None


def scores(run: Run) -> pd.DataFrame:
    """A row for each field, point and repeat; see ``harness.api.results.Result.to_frame``."""
    rows = [
        {
            "metric": score.metric,
            "field": name,
            **cells(score.point),
            **repeat.seeds,
            "value": repeat.values.get(name),
        }
        for score in run.scores
        for repeat in score.repeats
        for name in run.metrics[score.metric].fields
    ]
    return _frame(rows, ("metric", "field", *_axes(run), *_seeds(run), "value"), run)


def items(run: Run, reader: ItemsReader | None) -> pd.DataFrame:
    """A row for each item and field; see ``harness.api.results.Result.items``."""
    rows: list[dict[str, Any]] = []
    for metric, point, seeds, name in reader.names() if reader else ():
        column = reader.column(metric, point, seeds, name) if reader else None
        assert column is not None
        same = {"metric": metric, "field": name, **cells(json.loads(point)), **json.loads(seeds)}
        clusters: Sequence[str | None] = column.clusters or [None] * len(column.items)
        for item, cluster, value in zip(column.items, clusters, column.values, strict=True):
            rows.append({**same, "item": item, "cluster": cluster, "value": value})
    names = ("metric", "field", *_axes(run), *_seeds(run), "item", "cluster", "value")
    return _frame(rows, names, run)


def findings(found: Sequence[Finding]) -> pd.DataFrame:
    """A row for each finding; see ``harness.api.results.Comparison.to_frame``."""
    pandas = needed("pandas")
    rows = []
    for finding in found:
        estimate = finding.estimate
        rows.append(
            {
                "metric": finding.metric,
                "field": finding.field,
                **cells(finding.at),
                "against": None if finding.against is None else canonical(finding.against),
                "gated": finding.gated,
                "verdict": None if finding.verdict is None else str(finding.verdict),
                **{name: getattr(estimate, name, None) for name in ESTIMATE},
                "margin": finding.margin,
                "p": finding.p,
                "unit": estimate.unit if estimate else None,
                "repeats": estimate.repeats if estimate else None,
                "reason": finding.reason,
            }
        )
    axes = dict.fromkeys(name for finding in found for name in finding.at)
    last = ("against", "gated", "verdict", *ESTIMATE, "margin", "p", "unit", "repeats", "reason")
    frame = pandas.DataFrame(rows, columns=["metric", "field", *axes, *last])
    numbers = dict.fromkeys((*ESTIMATE, "margin", "p"), "float64")
    typed: pd.DataFrame = frame.astype({**numbers, "gated": "bool", "repeats": "Int64"})
    return typed


def cells(point: Mapping[str, Json]) -> dict[str, Json]:
    """The values of axes as cells of a table: a list or a mapping, which cannot be grouped by, as canonical JSON."""
    return {name: canonical(v) if isinstance(v, Mapping | list | tuple) else v for name, v in point.items()}


def _axes(run: Run) -> list[str]:
    return list(dict.fromkeys(name for score in run.scores for name in score.point))


def _seeds(run: Run) -> list[str]:
    return list(dict.fromkeys(name for s in run.scores for repeat in s.repeats for name in repeat.seeds))


def _frame(rows: Iterable[Mapping[str, Any]], columns: Sequence[str], run: Run) -> pd.DataFrame:
    pandas = needed("pandas")
    frame = pandas.DataFrame(list(rows), columns=list(columns))
    typed: pd.DataFrame = frame.astype({**dict.fromkeys(_seeds(run), "Int64"), "value": "float64"})
    return typed
