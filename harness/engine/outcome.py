"""What a call ended in, as a file that the driver reads (``outcome.json`` in the work folder)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from harness.artifact import Json
from harness.errors import StageError, UsageError
from harness.formats import files, strict_json
from harness.formats.strict_json import checked
from harness.stage import Stage
from harness.store.entries import ONLY, Output, Result

OUTCOME = "outcome.json"
SCHEMA = 1

Cause = Literal["stage", "resources", "system", "storage"]
"""Why a call failed: the work itself; a lack of memory or another resource; a file that could not be read or written;
or a full disk, which every further call would meet, too."""


@dataclass(frozen=True)
class CallOutcome:
    """The end of one call, by the process that executed it. The files are in ``entry`` of the work folder."""

    key: str
    outputs: Mapping[str, Output] = field(default_factory=dict)
    result: Result | None = None
    wall_s: float = 0.0
    environment: Mapping[str, Json] = field(default_factory=dict)
    """The environment of the computation."""
    distributions: Mapping[str, str] = field(default_factory=dict)
    """What is installed there: distribution → version."""
    error: str | None = None
    """One line; None if the call succeeded."""
    cause: Cause | None = None

    @property
    def keeps_progress(self) -> bool:
        """Whether a failed call's scratch folder is kept for another attempt: the work was not at fault."""
        return self.cause not in (None, "stage")


def write(outcome: CallOutcome, work: Path) -> None:
    """Write an outcome into a work folder by one rename.

    Raises:
        OSError: it cannot be written.
    """
    body = {"schema": SCHEMA, **asdict(outcome)}
    files.write(work / OUTCOME, json.dumps(body, allow_nan=False))


def read(work: Path) -> CallOutcome:
    """Read the outcome in a work folder.

    Raises:
        UsageError: there is none, or it is damaged.
    """
    body: Any = strict_json.read(work / OUTCOME)
    if not isinstance(body, dict) or body.pop("schema", None) != SCHEMA:
        raise UsageError(f"{work / OUTCOME}: not an outcome of schema {SCHEMA}")
    try:
        outcome = CallOutcome(
            **{
                **body,
                "outputs": {name: Output(**o) for name, o in body["outputs"].items()},
                "result": Result.from_json(body["result"]) if body["result"] else None,
            }
        )
    except (TypeError, KeyError, AttributeError):
        raise UsageError(f"{work / OUTCOME}: damaged") from None
    return checked(outcome, str(work / OUTCOME))


def check_kinds(outcome: CallOutcome, stage: Stage) -> None:
    """Check that an outcome has what the stage's signature promises.

    Raises:
        StageError: other outputs, or scores in place of outputs.
    """
    wanted = {name or ONLY: kind.__name__ for name, kind in stage.outputs.items()}
    made = {name: output.kind for name, output in outcome.outputs.items()}
    if made != wanted or (outcome.result is None) == stage.is_metric:
        raise StageError(f"{stage.name}: the worker returned other outputs than its signature promises")
    if (
        outcome.result is not None
        and stage.scores is not None
        and outcome.result.values.keys() != stage.scores.keys()
    ):
        raise StageError(f"{stage.name}: the worker returned other fields than its signature promises")
