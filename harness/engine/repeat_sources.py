"""The sources of a suite of which each repeat reads its own (``path:../out/seed-{seed}.csv``), one for each seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from harness.errors import SuiteError, UsageError
from harness.sources.by_seed import SEED, BySeed, by_seed, is_by_seed
from harness.sources.hub import Source
from harness.stage import Mark
from harness.suite import Suite

Change = Callable[[str, Any], Any]
"""Takes a node's name and a value of one of its parameters; returns the value to put in its place."""


def expanded(suite: Suite) -> Suite:
    """The suite in which each source by seed has a member for each seed of the stage that reads it.

    Raises:
        SuiteError: the stage has no seed, or the source is pinned.
    """

    def members(name: str, value: Any) -> Any:
        if not isinstance(value, Source) or not is_by_seed(value):
            return value
        node = suite.nodes[name]
        if seed_of(suite, name) is None:
            told = f"{name}: {value.text}: {node.stage.name} has no seed, by which a file could be taken"
            raise SuiteError(node.where, told)
        try:
            return by_seed(value, _seeds(suite, name))
        except UsageError as e:
            raise SuiteError(node.where, f"{name}: {e}") from None

    return _changed(suite, members)


def used(suite: Suite) -> Suite:
    """The suite in which sources by seed have only the members of its own repeats.

    More are looked up for a run that may add repeats. What is recorded must not depend on that.
    """

    def members(name: str, value: Any) -> Any:
        if not isinstance(value, BySeed):
            return value
        own = frozenset(_seeds(suite, name))
        return replace(value, members={s: m for s, m in value.members.items() if s in own})

    return _changed(suite, members)


def kept(only: Mapping[str, tuple[Any, ...]], suite: Suite) -> dict[str, tuple[Any, ...]]:
    """The values of axes to keep, as the suite has them now that its sources are looked up."""
    axes = {axis.field: axis.values for axis in suite.matrix}
    return {
        field: tuple(v for v in axes[field] if v in values or _written(v) in map(_written, values))
        for field, values in only.items()
    }


def _written(value: Any) -> str | object:
    """A source by seed as it is written; another value is equal to none by that."""
    return value.text if isinstance(value, BySeed | Source) and SEED in value.text else object()


def seed_of(suite: Suite, name: str) -> str | None:
    """The parameter of a node that is its seed; None if it has none."""
    specs = suite.nodes[name].stage.parameters
    return next((p for p, spec in specs.items() if spec.mark is Mark.SEED), None)


def _seeds(suite: Suite, name: str) -> tuple[int, ...]:
    """The values of a node's seed over the repeats of the suite."""
    seed = seed_of(suite, name)
    swept = {axis.field: axis.values for axis in suite.seeds}
    return swept.get(f"{name}.{seed}") or (suite.nodes[name].parameters[str(seed)],)


def _changed(suite: Suite, change: Change) -> Suite:
    nodes = {
        name: replace(node, parameters={p: change(name, v) for p, v in node.parameters.items()})
        for name, node in suite.nodes.items()
    }

    def point(values: Mapping[str, Any]) -> dict[str, Any]:
        return {field: change(field.partition(".")[0], v) for field, v in values.items()}

    matrix = tuple(replace(a, values=tuple(change(a.node, v) for v in a.values)) for a in suite.matrix)
    return replace(
        suite,
        nodes=nodes,
        matrix=matrix,
        exclude=tuple(map(point, suite.exclude)),
        reference=point(suite.reference),
        gates=tuple(replace(g, at=point(g.at)) for g in suite.gates),
    )
