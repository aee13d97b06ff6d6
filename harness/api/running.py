"""``harness.run`` and ``harness.load``."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TypeAlias

from harness.api.results import Result
from harness.artifact import Json
from harness.errors import UsageError
from harness.evaluation import record_choice
from harness.evaluation.baseline_choice import Against
from harness.evaluation.executor_choice import Wanted
from harness.evaluation.preparing import Request
from harness.evaluation.running import Goal, as_arguments, evaluate, ready
from harness.evaluation.suite_choice import suite_file
from harness.report import streams
from harness.report.console import ReportConsole
from harness.store import project as places

Changes: TypeAlias = Mapping[str, Json] | Sequence[str]
"""``{"node.field": value}``, or ``["node.field=value"]`` as on the command line."""

_PLAIN = re.compile(r"[\w.][\w./:@+-]*")
"""Texts that mean the same with and without quotes, unless they are a number, a stage or ``null``."""


def run(
    suite: str | os.PathLike[str],
    *,
    set: Changes = (),
    only: Changes = (),
    fresh: Iterable[str] = (),
    out: str | os.PathLike[str] | None = None,
    baseline: str | os.PathLike[str] | None = None,
    baseline_ref: str | None = None,
    proposals: bool = True,
    max_seeds: int | None = None,
    store: str | os.PathLike[str] | None = None,
    mirror: str | os.PathLike[str] | None = None,
    executor: str | None = None,
    jobs: int | None = None,
    progress: bool = False,
) -> Result:
    """Run a suite to its verdict, as ``harness run`` does: the record and the reports are written.

    Args:
        suite: the suite's file, or its name in the project of the working folder.
        set: fields of the suite to change, ``{"classifier.epochs": 4}``. A text is read as if it were written in the
            suite: ``"null"`` is none, ``"4"`` a number.
        only: axes of the matrix → the value, or a list of the values, to keep; such a run cannot be accepted.
        fresh: stages to execute again, even if the store has their results.
        out: the run's folder; by default a new one below ``reports/`` in the project.
        baseline: label, file or run to compare with; by default the label of this device class.
        baseline_ref: git reference: baseline, gate and reference are taken from the merge base with it.
        proposals: with ``baseline_ref``: whether a baseline that the change brings may count as a proposal.
        max_seeds: add seeds while a gate is inconclusive, up to this number; by default only the suite's own.
        store: folder of the artifacts; by default ``HARNESS_STORE``, else ``.harness/`` in the project.
        mirror: folder laid out like the model hub; by default ``HARNESS_MIRROR``.
        executor: where tasks run: ``inline``, ``local``, ``container``, ``ray``, or another package's.
        jobs: how many tasks run at the same time on the processor.
        progress: show the progress on standard error.

    Returns:
        The run. A verdict is no exception: see ``Result.outcome`` and ``Result.exit``. Nor is a task that failed.

    Raises:
        UsageError: the suite, a change to it, or an argument has a mistake (``SuiteError`` names file and line);
            nothing has run then.
        StoreError, ReportError: the store or the run's folder cannot be written.
    """
    for name, number in (("jobs", jobs), ("max_seeds", max_seeds)):
        if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
            raise UsageError(f"run: {name}={number!r}: expected an integer")
    for name, word in (("baseline_ref", baseline_ref), ("executor", executor)):
        if word is not None and not isinstance(word, str):
            raise UsageError(f"run: {name}={word!r}: expected a text")
    request = Request(
        suite_file(_text(suite, "suite")),
        _assignments(set),
        _selections(only),
        _path(mirror, "mirror"),
        _path(store, "store"),
        Wanted(executor, jobs),
    )
    if proposals is False and baseline_ref is None:
        raise UsageError("run: proposals=False goes with baseline_ref")
    named = None if baseline is None else _text(baseline, "baseline")
    stages = _texts(fresh, "fresh", "a list of stages")
    goal = Goal(
        _path(out, "out"), stages, Against(named, baseline_ref, proposals=proposals), most_seeds=max_seeds
    )
    console = ReportConsole(streams.err())
    console.quiet = not progress
    with streams.keeping() as warnings:
        prepared = ready(request, goal)
        try:
            judged = evaluate(prepared, console, as_arguments(request, goal))
            judged.report()
        finally:
            prepared.close()
    project = prepared.suite.project
    return Result(
        judged.folder,
        project,
        judged.held.candidate,
        judged.comparison,
        prepared.prepared.store,
        tuple(warnings),
    )


def load(
    what: str | os.PathLike[str],
    *,
    project: str | os.PathLike[str] | None = None,
    store: str | os.PathLike[str] | None = None,
) -> Result:
    """Load a run or a baseline.

    Args:
        what: a run's folder, its id, a suite's name or file for its latest run, a baseline as ``SUITE/LABEL``, or a
            baseline's file.
        project: folder of the project; by default the one that a given path is in, else that of the working folder.
        store: folder of the artifacts; by default ``HARNESS_STORE``, else ``.harness/`` in the project.

    Raises:
        UsageError: there is no such record, it is damaged, or it is a baseline that was edited after it was accepted.
    """
    given = _text(what, "what")
    near = Path(given) if os.path.exists(given) else Path.cwd()
    home = places.of(near) if project is None else Path(_text(project, "project"))
    return Result.read(record_choice.record(given, home), home, _path(store, "store"))


def _path(given: str | os.PathLike[str] | None, name: str) -> Path | None:
    return None if given is None else Path(_text(given, name)).expanduser()


def _text(given: str | os.PathLike[str], name: str) -> str:
    text = os.fspath(given) if isinstance(given, str | os.PathLike) else given
    if not isinstance(text, str):
        raise UsageError(f"{name}={given!r}: expected a text or a path")
    return text


def _texts(given: Iterable[str], name: str, form: str) -> tuple[str, ...]:
    words = None if isinstance(given, str | bytes) or not isinstance(given, Iterable) else tuple(given)
    if words is None or not all(isinstance(word, str) for word in words):
        raise UsageError(f"run: {name}={given!r}: expected {form}")
    return words


def _assignments(changes: Changes) -> tuple[str, ...]:
    """The changes as ``node.field=value``."""
    if isinstance(changes, Mapping):
        return tuple(f"{name}={_spelled(value)}" for name, value in changes.items())
    return _texts(changes, "set", "{'node.field': value} or ['node.field=value']")


def _selections(only: Changes) -> tuple[str, ...]:
    if not isinstance(only, Mapping):
        return _texts(only, "only", "{'axis': value} or ['axis=value']")
    kept = {n: [v] if isinstance(v, str) or not isinstance(v, Sequence) else v for n, v in only.items()}
    return tuple(f"{name}={','.join(map(_spelled, values))}" for name, values in kept.items())


def _spelled(value: Json | os.PathLike[str]) -> str:
    """A value as it would be written in a suite."""
    if isinstance(value, os.PathLike):
        raise UsageError(f"run: {value!r}: a source is written as in a suite, such as 'path:../data'")
    if isinstance(value, str) and _PLAIN.fullmatch(value):
        return value
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (TypeError, ValueError) as e:
        raise UsageError(f"run: {value!r} cannot be written in a suite ({e})") from None
