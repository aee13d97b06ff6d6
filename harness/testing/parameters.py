"""The proof that no parameter of a stage does nothing, and that an ``Execution`` parameter changes nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from harness.artifact import Artifact
from harness.stage import REQUIRED, Mark, Stage
from harness.testing.jobs import FolderJob
from harness.testing.results import content

Input = Artifact | Sequence[Artifact] | None


@dataclass(frozen=True)
class Changed:
    """Another value of a parameter that acts only together with others."""

    value: Any
    given: Mapping[str, Any] = field(default_factory=dict)
    """Parameters that have these values on both sides: ``Changed("nearest", {"size": 6})``."""


def check_parameters(
    function: Callable[..., Any],
    inputs: Sequence[Input] = (),
    *,
    settings: Mapping[str, Any] | None = None,
    changes: Mapping[str, Any],
    folder: Path,
    result: Callable[[Any], object] = content,
) -> None:
    """Check that each parameter of a stage or a metric changes what it returns, and that nothing else does.

    The stage is called twice with ``settings``: both results must be equal. Then it is called once for each entry of
    ``changes``: the result must be another one. For an ``Execution`` parameter it must be the same.

        check_parameters(blur, [images], settings={"sigma": 1.0}, changes={"sigma": 3.0}, folder=tmp_path)

    Args:
        function: a function with ``@stage``.
        inputs: its artifacts, in their order.
        settings: parameters that have no default, and any others; read as the function gets them, not as YAML.
        changes: for each parameter another value, or a ``Changed``.
        folder: an empty folder, or one that is not there, for the jobs.
        result: what to compare of that which the function returns, by ``==``.

    Raises:
        AssertionError: a parameter that changes nothing, or an ``Execution`` parameter that changes something; results
            that differ at equal settings; a parameter without an entry in ``changes``, or an entry without a parameter.
        TypeError: ``function`` is not a stage.
    """
    stage = getattr(function, "__stage__", None)
    if not isinstance(stage, Stage):
        raise TypeError(f"{getattr(function, '__name__', function)!r} is not a stage: it has no @stage(…)")
    _check_names(stage, settings or {}, changes)
    calls = _Calls(function, stage, inputs, folder, result)
    plain = calls.result(settings or {})
    if calls.result(settings or {}) != plain:
        raise AssertionError(f"{stage.name}: two calls with the same inputs and parameters differ")
    for name, given in changes.items():
        change = given if isinstance(given, Changed) else Changed(given)
        around = {**(settings or {}), **change.given}
        before = calls.result(around) if change.given else plain
        same = calls.result({**around, name: change.value}) == before
        executes = stage.parameters[name].mark is Mark.EXECUTION
        if same and not executes:
            raise AssertionError(f"{stage.name}: {name}={change.value!r} changes nothing")
        if executes and not same:
            raise AssertionError(f"{stage.name}: {name}={change.value!r} changes the result of an Execution")


def _check_names(stage: Stage, settings: Mapping[str, Any], changes: Mapping[str, Any]) -> None:
    given = [*settings, *(n for c in changes.values() if isinstance(c, Changed) for n in c.given), *changes]
    for name in given:
        if name not in stage.parameters:
            raise AssertionError(f"{stage.name}: no parameter {name!r}, only {', '.join(stage.parameters)}")
    for name, parameter in stage.parameters.items():
        if name not in changes:
            raise AssertionError(f"{stage.name}: no other value of {name!r} is tried")
        if parameter.default is REQUIRED and name not in settings:
            raise AssertionError(f"{stage.name}: {name!r} has no default; give it in settings")


@dataclass
class _Calls:
    """Calls of one stage, each with a job of its own."""

    function: Callable[..., Any]
    stage: Stage
    inputs: Sequence[Input]
    folder: Path
    compared: Callable[[Any], object]
    done: int = 0

    def result(self, settings: Mapping[str, Any]) -> object:
        self.done += 1
        job = {"job": FolderJob(self.folder / f"call-{self.done}")} if self.stage.takes_job else {}
        return self.compared(self.function(*self.inputs, **settings, **job))
