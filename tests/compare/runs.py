"""Small records to compare: metric ``m``, whose field ``score`` (higher is better) is what most tests set."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.compare import Comparison, Finding, acceptance
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.stage import Items
from harness.store.items import ItemRows, ItemsReader, write_items
from harness.store.record import GateInfo, MetricInfo, Read, Repeat, Run, Score, Subject
from harness.store.record_file import sealed, to_json

FIELDS: Mapping[str, Mapping[str, Any] | None] = {"score": {"better": "higher", "floor": 0.0}}
CONTENTS = count()
HERE: Mapping[str, Json] = {"torch": "2.15.0", "cpu": "Example CPU"}


def repeats(
    values: Sequence[float | None],
    seed: str = "train.seed",
    field: str = "score",
    step: float | None = 0.001,
) -> tuple[Repeat, ...]:
    """One repeat per value, seeds from 0; None is one that failed. Equal values come of equal bytes.

    ``step``: how coarse the field is said to be; None: nothing is said.
    """
    return tuple(
        Repeat(
            {seed: i},
            f"k{i}",
            {} if v is None else {field: v},
            executed=True,
            environments=("here",),
            steps={} if step is None else {field: step},
            read=read(v),
            clocked=True,
        )
        for i, v in enumerate(values)
    )


def read(content: object) -> Read:
    """What a metric read: equal for equal contents."""
    return Read(f"files of {content!r}", "facts")


def apart(values: Sequence[float], step: float | None = 0.001) -> tuple[Repeat, ...]:
    """As ``repeats``, each of other bytes than any other repeat has."""
    given = repeats(values, step=step)
    return tuple(replace(r, read=read(next(CONTENTS))) for r in given)


def single(
    value: float, field: str = "score", *, items: bool = False, content: object = None
) -> tuple[Repeat, ...]:
    """What a metric has that no seed reaches; equal values come of equal bytes unless ``content`` says otherwise."""
    given = Repeat({}, "k", {field: value}, environments=("here",), items=items, executed=True)
    return (replace(given, read=read(value if content is None else content), clocked=True),)


def score(
    given: tuple[Repeat, ...], point: Mapping[str, Json] | None = None, metric: str = "m", **changes: Any
) -> Score:
    point = point or {}
    usual: dict[str, Any] = {"settings": {**point, "m.use": "m@1"}, "protocol": {"m.use": "m@1"}}
    return Score(**{"metric": metric, "point": point, "repeats": given, **usual, **changes})


def run(*scores: Score, **changes: Any) -> Run:
    """A run of these scores; every metric among them has the fields of ``FIELDS``."""
    seeds = {s.metric: tuple(n for r in s.repeats[:1] for n in r.seeds) for s in scores}
    usual: dict[str, Any] = {
        "id": "20260304-101500-ab12",
        "suite": "smoke/toy",
        "about": "A toy.",
        "started": "2026-03-04T10:15:00+00:00",
        "wall_s": 1.5,
        "declaration": {},
        "metrics": {name: metric(swept, use=f"{name}@1") for name, swept in seeds.items()},
        "gates": (gate(0.02),),
        "reference": {},
        "defaults": {},
        "tasks": (),
        "environments": {"here": HERE},
        "environment": "here",
    }
    return Run(**{**usual, "scores": scores, **changes})


def metric(
    seeds: tuple[str, ...] = ("train.seed",),
    fields: Mapping[str, Mapping[str, Any] | None] = FIELDS,
    use: str = "m@1",
    **changes: Any,
) -> MetricInfo:
    """With all that a seed decides repeated, where there is one."""
    repeated = tuple(dict.fromkeys(s.partition(".")[0] for s in seeds))
    return MetricInfo(use, fields, seeds, **{"subject": Subject(repeated), **changes})


def gate(margin: float, *, metric: str = "m", field: str = "score", **changes: Any) -> GateInfo:
    usual: dict[str, Any] = {"relative": False, "at": {}, "against_reference": False}
    return GateInfo(metric, field, margin, **{**usual, **changes})


def side(*scores: Score, **changes: Any) -> Side:
    return Side(run(*scores, **changes))


def seeded(values: Sequence[float | None], **changes: Any) -> Side:
    """A run whose one score has a value per seed."""
    return side(score(repeats(values)), **changes)


def itemised(
    folder: Path,
    columns: Sequence[Mapping[str, float]],
    clusters: Mapping[str, str] | None = None,
    content: object = None,
    seeds: int = 0,
    **changes: Any,
) -> Side:
    """Per point of an axis ``m.k`` the value of each item; without seeds, or equal under each of ``seeds``."""
    scores, rows = [], []
    for k, values in enumerate(columns):
        at = {"m.k": k} if len(columns) > 1 else {}
        mean = sum(values.values()) / len(values)
        swept = tuple(replace(r, items=True) for r in repeats([mean] * seeds))
        made = swept or single(mean, items=True, content=content)
        scores.append(score(made, at))
        cluster = [clusters[name] for name in values] if clusters else None
        items = Items(list(values), {"score": list(values.values())}, cluster)
        rows += [ItemRows("m", at, r.seeds, items) for r in made]
    folder.mkdir(exist_ok=True)
    write_items(folder / "items.parquet", rows)
    return Side(run(*scores, **changes), ItemsReader(folder / "items.parquet"))


BASE = [0.80, 0.82, 0.81, 0.79, 0.83]
"""What the baseline of most tests has, one value per seed."""


def compared(candidate: Side, baseline: Side | None) -> Comparison:
    """With the candidate's own gates."""
    return compare(candidate, baseline, candidate.run.gates)


def only(comparison: Comparison) -> Finding:
    """The one finding there is."""
    (finding,) = comparison.findings
    return finding


def shifted(by: list[float]) -> list[float]:
    """``BASE``, each value moved; none are equal, since equal values come of equal bytes."""
    return [b + d + i * 1e-9 for i, (b, d) in enumerate(zip(BASE, by, strict=True))]


def stored(folder: Path, made: Run) -> Path:
    """A run's folder."""
    folder.mkdir(exist_ok=True)
    (folder / "run.json").write_text(json.dumps(sealed(to_json(made))))
    return folder


def accepted(project: Path, made: Run, label: str = "cpu", **given: Any) -> Path:
    """Accept a run into a project; returns the baseline's file."""
    usual = {"reason": "first figures", **given}
    return acceptance.accept(made, stored(project / "run", made), project, label, **usual)
