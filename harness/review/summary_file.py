"""``review.json``: a review's summary on disk, described in ``docs/expert-review.md``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from harness import atomic
from harness.errors import UsageError
from harness.review import json_file
from harness.review.agreement import Alpha, Consistency
from harness.review.correlation import Correlation
from harness.review.levels import Level
from harness.review.summary import Remark, Reviewer, Summary, SystemSummary
from harness.shape import checked

FILE = "review.json"
SCHEMA = "harness.review/1"


def write(folder: Path, summary: Summary) -> None:
    """Raise OSError where it cannot be written."""
    body = {"schema": SCHEMA, **asdict(summary)}
    text = json.dumps(body, indent=1, ensure_ascii=False, allow_nan=False)
    atomic.write(folder / FILE, f"{text}\n")


def read(folder: Path) -> Summary | None:
    """The review of the run in ``folder``; None where there is none.

    Raises:
        UsageError: the file is damaged or of another version.
    """
    file = folder / FILE
    body = json_file.read(file, SCHEMA, "a review that harness review collect wrote")
    if body is None:
        return None
    try:
        summary = Summary(
            **{
                **body,
                "scales": tuple(body["scales"]),
                "reviewers": tuple(
                    Reviewer(**{**r, "consistency": _maybe(Consistency, r["consistency"])})
                    for r in body["reviewers"]
                ),
                "systems": tuple(_read_system(s) for s in body["systems"]),
                "agreement": {n: _maybe(Alpha, a) for n, a in body["agreement"].items()},
                "consistency": {n: _maybe(Consistency, c) for n, c in body["consistency"].items()},
                "correlations": tuple(Correlation(**c) for c in body["correlations"]),
                "remarks": tuple(Remark(**r) for r in body["remarks"]),
            }
        )
    except (KeyError, TypeError, AttributeError) as e:
        raise UsageError(f"{file}: damaged ({type(e).__name__}: {e})") from None
    return checked(summary, str(file))


def _read_system(body: Mapping[str, Any]) -> SystemSummary:
    of_scales = {
        name: {scale: Level(**level) for scale, level in body[name].items()}
        for name in ("scores", "below_real")
    }
    return SystemSummary(**{**body, **of_scales})


def _maybe(kind: Any, body: Mapping[str, Any] | None) -> Any:
    return None if body is None else kind(**body)
