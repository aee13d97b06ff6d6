"""Runs for leaderboards: a sweep of schedulers and steps, and runs of one subject each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from compare.runs import gate, repeats, run, score

from harness.artifact import Json
from harness.compare.sample import Side
from harness.leaderboard.groups import Entry
from harness.store.record import Run, Score

HOSTILE = 'שלום | <script>alert("1")</script> =1+1, 🛰️'


def at(value: float, metric: str = "m", n: int = 10, spread: float = 0.01, **point: Json) -> Score:
    """A score of three seeds around ``value``, whose axes and settings are fields of ``images``."""
    axes = {f"images.{name}": v for name, v in point.items()}
    fields: dict[str, Json] = {f"{metric}.use": "m@1", f"{metric}.n": n, **axes}
    values = [value, value + spread, value - spread]
    return score(repeats(values, "images.seed"), axes, metric, settings=fields, protocol=fields)


def sweep(values: Sequence[float] = (0.5, 0.6, 0.9), **changes: Any) -> Run:
    """Points of one axis, ``images.scheduler``, that are compared with the first of them."""
    names = ["pndm", "ddim", "euler", "unipc"][: len(values)]
    scores = [at(v, scheduler=name) for v, name in zip(values, names, strict=True)]
    return run(*scores, **{"reference": {"images.scheduler": "pndm"}, **changes})


def subject(value: float, lr: Json, *, n: int = 10, **changes: Any) -> Run:
    """One score, whose subject is ``model``; its protocol has the field ``m.n``."""
    one = at(value, n=n)
    fields = {**one.settings, "model.lr": lr, "images.scheduler": "pndm"}
    protocol = {**one.protocol, "images.scheduler": "pndm"}
    scores = score(one.repeats, {}, settings=fields, protocol=protocol)
    return run(scores, **{"id": f"run-{lr}", **changes})


def entry(made: Run) -> Entry:
    return Entry(Side(made), Path("runs") / made.id)


def entries(*made: Run) -> list[Entry]:
    return [entry(m) for m in made]


def gated(*margins: float) -> tuple[Any, ...]:
    return tuple(gate(m) for m in margins)
