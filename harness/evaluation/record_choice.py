"""Which record is meant: a run by its folder, its id or its suite; a baseline by ``SUITE/LABEL`` or its file."""

from __future__ import annotations

import os
from pathlib import Path

from harness.compare import baseline as baselines
from harness.errors import UsageError
from harness.evaluation.suite_choice import is_spelled_as_file, suite_name
from harness.store import project as places


def run_folder(given: str, project: Path) -> Path:
    """Return the folder of a run: as ``harness.store.project.find_run``; a suite's file stands for its latest run.

    Raises:
        UsageError: there is no such run.
    """
    if is_spelled_as_file(given):
        return places.find_run(suite_name(given)[1], project)
    return places.find_run(given, project)


def record(given: str, project: Path) -> Path:
    """Return the folder of a run or the file of a baseline; a baseline ``SUITE/LABEL`` is looked for first.

    Raises:
        UsageError: there is neither.
    """
    accepted = project / baselines.FOLDER / f"{given}.json"
    try:
        return accepted if os.path.isfile(accepted) else run_folder(given, project)
    except UsageError as e:
        suite = given.rpartition("/")[0]
        labels = baselines.labels(project, suite) if baselines.SUITE.fullmatch(suite) else []
        known = f"; baselines: {', '.join(f'{suite}/{label}' for label in labels)}" if labels else ""
        raise UsageError(f"{e}{known}") from None
