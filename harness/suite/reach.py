"""What reaches what: a suite in which something has no effect is a mistake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from harness.errors import SuiteError
from harness.suite.fields import Fields
from harness.suite.model import Suite
from harness.suite.problems import Problems
from harness.text import Entry, List, Map, Scalar, Tree


def subject(entry: Entry | None, fields: Fields, problems: Problems) -> tuple[str, ...]:
    """The stages, or ``stage.field``s, under test: one or a list."""
    found: list[str] = []
    if entry is None:
        return ()
    for item in entry.value.items if isinstance(entry.value, List) else (entry.value,):
        with problems.collect():
            if not isinstance(item, Scalar) or item.is_null:
                raise SuiteError(item.where, f"subject: expected a stage or stage.field, not {item}")
            node, dot, _ = item.text.partition(".")
            if fields.stage(node, item.where, "subject").is_metric:
                raise SuiteError(item.where, f"subject: {node!r} is a metric; it judges the subject")
            if dot:
                fields.find(item.text, item.where)
            if item.text in found:
                raise SuiteError(item.where, f"subject: {item} stands twice")
            found.append(item.text)
    if not found and not problems.found:
        problems.add(entry.key_where, "subject: the list is empty")
    return tuple(found)


def check(suite: Suite, tree: Map, problems: Problems, collapsed: Mapping[str, Tree]) -> None:
    """Stages, axes, seeds and subject reach a metric or a picture; gates depend on the subject and on their axes."""
    _check_use(suite, tree, problems)
    if problems.found:
        for axis, value in collapsed.items():
            text = value.text if isinstance(value, Scalar) else value
            what = (
                f"{axis} is an axis of the matrix; --only {axis}={text} runs that value and leaves the rest"
            )
            problems.add(value.where, what)
    _check_gates(suite, problems)


def _check_use(suite: Suite, tree: Map, problems: Problems) -> None:
    wanted = (*suite.metrics, *suite.pictures)
    used = set(wanted).union(*(suite.upstream(name) for name in wanted))
    for name, node in suite.nodes.items():
        if name not in used:
            problems.add(node.where, f"stage {name!r} reaches no metric")
    for section, axes in (("matrix", suite.matrix), ("seeds", suite.seeds)):
        for axis in axes:
            if axis.node not in used:
                where = _entries(tree, section)[axis.field].key_where
                problems.add(where, f"{section}: {axis.field} reaches no metric")
    for node_name in sorted(_tested(suite) - used):
        problems.add(tree.entries["subject"].key_where, f"subject: {node_name!r} reaches no metric")


def _tested(suite: Suite) -> set[str]:
    return {s.partition(".")[0] for s in suite.subject}


def _check_gates(suite: Suite, problems: Problems) -> None:
    tested = _tested(suite)
    for gate in suite.gates:
        above = suite.upstream(gate.metric)
        if not above & tested:
            what = (
                f"the subject ({', '.join(suite.subject)})"
                if suite.subject
                else "a subject: the suite names none"
            )
            problems.add(gate.where, f"gate {gate.metric}: the metric does not depend on {what}")
        foreign = _foreign(gate.at, {*above, gate.metric})
        if foreign:
            problems.add(gate.where, f"gate {gate.metric}: the axis {foreign[0]} does not reach the metric")


def _foreign(at: Mapping[str, object], nodes: set[str]) -> Sequence[str]:
    return [name for name in at if name.partition(".")[0] not in nodes]


def _entries(tree: Map, section: str) -> Mapping[str, Entry]:
    held = tree.entries[section].value
    assert isinstance(held, Map)
    return held.entries
