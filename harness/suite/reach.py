"""What reaches what: it is a mistake if something in a suite has no effect, and a seed reaches only what it decides.

Repeats of a seed that a stage does not use would be one repeat, listed several times. And a verdict can be about a
*recipe* only if every random stage of the recipe was repeated: a suite that sweeps only the seed of the sampling shows
nothing about the variation of the one training before it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from harness.artifact import (
    Artifact,
    Classifier,
    Extractor,
    ImageTextModel,
    LanguageModel,
    Pipeline,
    TextEmbedder,
)
from harness.errors import SuiteError, Where
from harness.stage import Mark
from harness.store.record import Subject
from harness.suite.located_yaml import Entry, List, Map, Problems, Scalar, Tree
from harness.suite.model import Node, Suite
from harness.suite.nodes import Fields

LEAST = 3
"""Fewer seeds than this give no verdict: see ``harness.compare.sample``."""

LEARNT: tuple[type[Artifact], ...] = (
    Classifier,
    Extractor,
    ImageTextModel,
    LanguageModel,
    Pipeline,
    TextEmbedder,
)
"""Kinds of artifact that a training produces."""


def subject(entry: Entry | None, fields: Fields, problems: Problems) -> tuple[str, ...]:
    """The stages or ``stage.field``s under test: one or a list."""
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
    """Check that stages, axes, seeds and subject reach a metric or a picture, and gates depend on subject and axes."""
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


def check_effects(suite: Suite, tree: Map, problems: Problems) -> None:
    """Check that every parameter that is set, and every swept seed, has an effect at each point of the matrix."""
    swept = {seed.field for seed in suite.seeds}
    for name, node in suite.nodes.items():
        told: set[str] = set()
        for parameters in settings(suite, name):
            for parameter, why in node.stage.idle(parameters).items():
                field = f"{name}.{parameter}"
                changed = parameters[parameter] != node.stage.parameters[parameter].default
                if parameter in told or not (field in swept or (changed and _is_set(suite, node, parameter))):
                    continue
                told.add(parameter)
                what = f"seeds: {field} is swept and" if field in swept else f"{field}: {parameter}"
                problems.add(
                    _place(tree, node, parameter, field in swept), f"{what} has no effect, for {why}"
                )


def settings(suite: Suite, name: str) -> Iterator[Mapping[str, Any]]:
    """The parameters of a node at each point of the matrix that is not excluded."""
    node = suite.nodes[name]
    axes = [a for a in suite.matrix if a.node == node.name and a.name in node.stage.parameters]
    for values in product(*(a.values for a in axes)):
        at = {a.field: value for a, value in zip(axes, values, strict=True)}
        if not any(e.items() <= at.items() for e in suite.exclude):
            yield {**node.parameters, **{a.name: at[a.field] for a in axes}}


def _is_set(suite: Suite, node: Node, parameter: str) -> bool:
    """Whether the suite sets a parameter. A seed counts as set wherever it is swept; otherwise it is 0."""
    return parameter in node.given or any(a.field == f"{node.name}.{parameter}" for a in suite.matrix)


def _place(tree: Map, node: Node, parameter: str, is_swept: bool) -> Where:
    """The place of a field in the file: under ``seeds`` or ``matrix``, otherwise at its stage."""
    for section in ("seeds", "matrix") if is_swept else ("matrix",):
        held = tree.entries[section].value if section in tree.entries else None
        if isinstance(held, Map) and f"{node.name}.{parameter}" in held.entries:
            return held.entries[f"{node.name}.{parameter}"].key_where
    for section in ("stages", "metrics"):
        held = tree.entries[section].value
        said = held.entries[node.name].value if isinstance(held, Map) and node.name in held.entries else None
        if isinstance(said, Map) and parameter in said.entries:
            return said.entries[parameter].key_where
    return node.where


def subject_of(suite: Suite, metric: str, seeds: Mapping[str, Sequence[int]]) -> Subject:
    """The random stages between the subject and a metric, and which of them are repeated.

    A stage is repeated if its own seed is swept. With its own seed fixed it takes the same draw in every repeat. A seed
    with fewer than ``LEAST`` values repeats nothing where another one has as many.

    Args:
        suite: the suite, with all its values bound.
        metric: name of a metric of the suite.
        seeds: node → the swept seeds upstream of it or on it.
    """
    way = list(_way(suite, metric))
    drawn = [name for name in way if draws(suite, name)]
    kinds = {name: _is_learnt(suite.nodes[name]) for name in way}
    values = {axis.node: len(set(axis.values)) for axis in suite.seeds}
    reached = {suite.seeds[j].node for name in (*drawn, metric) for j in seeds[name]}
    enough = any(values[node] >= LEAST for node in reached)
    repeated = tuple(n for n in drawn if values.get(n, 0) >= (LEAST if enough else 1))
    once = {name: _seed(suite.nodes[name]) for name in drawn if name not in repeated}
    learnt = tuple(name for name in once if kinds[name])
    few = tuple(name for name in once if seeds[name])
    subject = [name for name in way if name in _tested(suite)]
    fixed = "this checkpoint" if any(kinds[name] for name in subject) else "these files"
    return Subject(repeated, once, learnt, few, fixed)


def draws(suite: Suite, name: str) -> bool:
    """Whether a node's seed affects its output, at any point of the matrix."""
    return any(suite.nodes[name].stage.draws(parameters) for parameters in settings(suite, name))


def _way(suite: Suite, metric: str) -> Iterator[str]:
    """The stages from the subject to a metric, without the metric itself, in the suite's order."""
    subject = _tested(suite)
    above = suite.upstream(metric)
    for name in suite.nodes:
        if name in above and (name in subject or subject & suite.upstream(name)):
            yield name


def _seed(node: Node) -> str:
    return next(f"{node.name}.{n}" for n, spec in node.stage.parameters.items() if spec.mark is Mark.SEED)


def _is_learnt(node: Node) -> bool:
    return any(issubclass(kind, LEARNT) for kind in node.stage.outputs.values())
