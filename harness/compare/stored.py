"""Reads back the comparison that ``run.json`` keeps, from which a report is written again."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.compare.comparison import Claim, Comparison, Difference, Estimate, Finding, Point, Verdict
from harness.errors import UsageError
from harness.formats import strict_json
from harness.formats.strict_json import checked
from harness.store.record import Accepted, Run, TaskInfo


def stored(folder: Path, run: Run) -> Comparison | None:
    """The inverse of ``Comparison.to_json``; None if the run in ``folder`` was not compared with anything yet.

    Raises:
        UsageError: the comparison is damaged.
    """
    body = strict_json.read(folder / "run.json").get("comparison")
    if body is None:
        return None
    try:
        fields = {name: value for name, value in body.items() if name not in ("exit", "looks")}
        points = {name: tuple(Point(**p) for p in body[name]) for name in ("new", "missing", "not_run")}
        own = {
            "accepted": None if body["accepted"] is None else Accepted(**body["accepted"]),
            "findings": tuple(_finding(f) for f in body["findings"]),
            "failures": tuple(TaskInfo(**t) for t in body["failures"]),
        }
        comparison = Comparison(**{**fields, **points, **own, "looks": run.looks})
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise UsageError(f"{folder / 'run.json'}: damaged comparison ({type(e).__name__}: {e})") from None
    return checked(comparison, f"{folder / 'run.json'}: comparison")


def _claim(body: Mapping[str, Any]) -> Claim:
    return Claim(**{**body, **{name: tuple(body[name]) for name in ("repeated", "anew")}})


def _finding(body: Mapping[str, Any]) -> Finding:
    differences = {name: tuple(Difference(**d) for d in body[name]) for name in ("differences", "causes")}
    own = {
        "verdict": None if body["verdict"] is None else Verdict(body["verdict"]),
        "estimate": None if body["estimate"] is None else Estimate(**body["estimate"]),
        "claim": None if body["claim"] is None else _claim(body["claim"]),
        "beside": tuple(body["beside"]),
    }
    return Finding(**{**body, **differences, **own})
