"""A call's file says all that a worker needs, and a worker with other code or software refuses it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from toy_suites import write_suite

from harness import suite as suites
from harness.engine import call as calls
from harness.engine.call import CALL, Call, Given
from harness.engine.keys import identity
from harness.engine.plan import Plan, Task, make
from harness.engine.suite_sources import resolve
from harness.errors import UsageError
from harness.store.artifacts import Store

PROJECT = Path(__file__).parents[2]
MIRROR = Path(os.environ["HARNESS_MIRROR"]) if os.environ.get("HARNESS_MIRROR") else None
SUITES = sorted(
    file.relative_to(PROJECT).as_posix()
    for folder in ("smoke", "local", "micro")
    for file in (PROJECT / "suites" / folder).glob("*.yaml")
    if folder == "smoke" or MIRROR
)


def call_of(plan: Plan, task: Task, work: Path) -> Call:
    work.mkdir(parents=True)
    inputs = {
        name: tuple(
            Given(key, output, plan.tasks[node, key].stage.outputs[output](work, {"n": 1}, {}))
            for (node, key), output in taken
        )
        for name, taken in task.inputs.items()
    }
    return Call(
        task.node, task.key, task.stage, identity(task.stage), task.parameters, inputs, "cpu", work.absolute()
    )


@pytest.fixture
def call(tmp_path: Path) -> Call:
    plan = make(suites.load(write_suite(tmp_path)))
    task = next(t for t in plan.tasks.values() if t.node == "model")
    return call_of(plan, task, tmp_path / "work")


def rewritten(call: Call, *path: str, value: object) -> Path:
    """The call's file with one value in it replaced."""
    file = calls.write(call)
    body = json.loads(file.read_text())
    inner = body
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    file.write_text(json.dumps(body))
    return file


@pytest.mark.parametrize("name", SUITES)
def test_every_task_of_our_suites_can_be_read_again(tmp_path: Path, name: str) -> None:
    suite, _ = resolve(
        suites.load(PROJECT / name), mirror=MIRROR, store=Store(tmp_path / "store"), download=False
    )
    plan = make(suite)
    one_of_each: dict[tuple[str, str], Task] = {}
    for task in plan.tasks.values():
        one_of_each.setdefault((task.node, json.dumps(task.point)), task)
    for number, task in enumerate(one_of_each.values()):
        call = call_of(plan, task, tmp_path / str(number))
        again = calls.read(calls.write(call))
        assert again == call
        for value, other in zip(call.parameters.values(), again.parameters.values(), strict=True):
            assert repr(value) == repr(
                other
            )  # also what equality leaves out, such as where a source was found


def test_other_parameters_are_another_key(call: Call) -> None:
    with pytest.raises(UsageError, match="other code or software than the plan: its parameters or inputs"):
        calls.read(rewritten(call, "parameters", "epochs", value=6))


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("parameters", "epochs"), "six", "epochs cannot be"),
        (("parameters", "new"), 1, "no parameter 'new'"),
        (("parameters",), {}, "other parameters"),
        (("inputs", "more"), [], "other parameters"),
        (("schema",), 99, "not a call of schema"),
        (("identity",), {"function": "toy.nothing"}, "no stage 'toy.nothing'"),
        (("identity", "function"), None, "damaged call"),
        (("device",), "::error::x", "damaged call"),
        (("threads",), "x", "damaged call"),
        (("threads",), 0, "damaged call"),
        (("node",), 3, "damaged call"),
    ],
)
def test_a_call_that_does_not_fit_is_refused_in_a_line(
    call: Call, path: tuple[str, ...], value: object, says: str
) -> None:
    with pytest.raises(UsageError, match=says) as refused:
        calls.read(rewritten(call, *path, value=value))
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("part", ["facts", "conditions"])
def test_what_is_said_of_an_input_is_a_record(call: Call, part: str) -> None:
    file = calls.write(call)
    body = json.loads(file.read_text())
    body["inputs"]["data"][0][part] = 3
    file.write_text(json.dumps(body))
    with pytest.raises(UsageError, match="damaged call"):
        calls.read(file)


def test_the_message_names_what_differs_in_code_and_software(call: Call) -> None:
    """The key is right for the plan's code; the identity here is another."""
    for changed, says in (
        ({"version": 9}, "version 9 planned, 1 here"),
        ({"source": "f" * 64}, "code ffffffff planned, .* here"),
        ({"software": {"torch": "1.0"}}, "torch 1.0 planned, not declared here"),
    ):
        then: Mapping[str, Any] = {**call.identity, **changed}
        with pytest.raises(UsageError, match=says):
            calls.check(replace(call, identity=then, key="0" * 64))


def test_a_value_without_a_plain_form_is_refused(call: Call) -> None:
    with pytest.raises(UsageError, match="epochs: a object cannot be written into a call"):
        calls.write(replace(call, parameters={"epochs": object()}))


def test_a_file_that_is_no_call(tmp_path: Path) -> None:
    (tmp_path / CALL).write_text("[]")
    with pytest.raises(UsageError, match="not a call"):
        calls.read(tmp_path / CALL)


@dataclass(frozen=True)
class Range:
    low: float
    high: int | None = None


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (int | float, 3),
        (int | float, 3.0),
        (float, 3.0),
        (bool | int, True),
        (str | None, None),
        (tuple[int, str], (1, "a")),
        (tuple[Range, ...], (Range(1.0), Range(2.0, 3))),
        (list[float], [0.1]),
        (Mapping[str, Range], {"a": Range(0.5)}),
        (Range | str, "text"),
        (Range | str, Range(1e-300)),
    ],
)
def test_a_value_keeps_its_type(hint: Any, value: object) -> None:
    plain = json.loads(json.dumps(calls._plain("x", value)))
    again = calls._typed(hint, plain)
    assert again == value
    assert repr(again) == repr(value)
