"""The comparison that a run ended in, as ``run.json`` keeps it: what a report is written anew from."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.compare.comparison import Comparison, Difference, Estimate, Finding, Point, Verdict
from harness.errors import UsageError
from harness.record import Accepted, Run, TaskInfo


def stored(folder: Path, run: Run) -> Comparison | None:
    """The inverse of ``Comparison.to_json``; None where the run in ``folder`` was compared with nothing yet.

    Raises:
        UsageError: the comparison is damaged.
    """
    body = json.loads((folder / "run.json").read_text(encoding="utf-8")).get("comparison")
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
        return Comparison(**{**fields, **points, **own, "looks": run.looks})
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        raise UsageError(f"{folder / 'run.json'}: damaged comparison ({type(e).__name__}: {e})") from None


def _finding(body: Mapping[str, Any]) -> Finding:
    differences = {name: tuple(Difference(**d) for d in body[name]) for name in ("differences", "causes")}
    own = {
        "verdict": None if body["verdict"] is None else Verdict(body["verdict"]),
        "estimate": None if body["estimate"] is None else Estimate(**body["estimate"]),
    }
    return Finding(**{**body, **differences, **own})
