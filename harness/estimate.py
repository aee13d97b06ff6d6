"""How long the rest of a plan will take, from what earlier executions took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from harness.artifact import Json
from harness.plan import Task
from harness.typed import to_json


def expected_s(task: Task, timings: Sequence[Mapping[str, Any]], device: str) -> float | None:
    """Seconds that ``task`` will take: the median over the executions of its stage on this device class
    whose parameters agree with it the most. None where it was never timed.
    """
    known = [t for t in timings if t.get("use") == task.stage.name and t.get("device") == device]
    if not known:
        return None
    wanted = {name: to_json(v) for name, v in task.parameters.items()}
    agreement = [_agreement(wanted, t.get("settings", {})) for t in known]
    best = max(agreement)
    return float(median(t["wall_s"] for t, a in zip(known, agreement, strict=True) if a == best))


def _agreement(wanted: Mapping[str, Json], settings: Mapping[str, Json]) -> int:
    return sum(name in settings and settings[name] == value for name, value in wanted.items())
