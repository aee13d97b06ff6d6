"""Plans of toy suites (``toy_suites.py``), and how tests look into them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from toy_suites import changed, write_suite

from harness.engine.plan import Plan, Task, make
from harness.stage import Stage
from harness.suite import Suite, load, parse_only


def planned(
    folder: Path, *replacements: tuple[str, str], set_: tuple[str, ...] = (), only: tuple[str, ...] = ()
) -> Plan:
    """The plan of the toy suite with pieces of its text replaced."""
    suite = load(write_suite(folder, changed(*replacements)), set_=set_)
    return make(suite, only=parse_only(suite, only))


def tasks_of(plan: Plan, node: str) -> list[Task]:
    """The tasks of a node; there must be some."""
    found = [t for t in plan.tasks.values() if t.node == node]
    assert found, node
    return found


def keys_of(plan: Plan, node: str) -> list[str]:
    return [t.key for t in tasks_of(plan, node)]


def all_keys(plan: Plan) -> set[str]:
    """The distinct keys of a plan; there must be some."""
    assert plan.keys
    return set(plan.keys)


def with_stage(suite: Suite, node: str, **changes: Any) -> Suite:
    """The suite with a node's stage function declared otherwise."""
    old = suite.nodes[node]
    return replace(suite, nodes={**suite.nodes, node: replace(old, stage=replace(old.stage, **changes))})


def declared(function: Callable[..., Any]) -> Stage:
    """What the signature of a stage function says."""
    found = function.__stage__  # type: ignore[attr-defined]
    assert isinstance(found, Stage)
    return found
