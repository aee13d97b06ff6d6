"""What a suite brings in from outside, resolved before anything is planned: so that data enters by content."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from harness import suite as suites
from harness.artifact import Json
from harness.data.content import DigestCache
from harness.data.hub import Source
from harness.data.resolve import fetch, pin
from harness.data.resolve import resolve as resolve_source
from harness.errors import SuiteError, UsageError
from harness.store import Store
from harness.suite import Suite


def resolve(
    suite: Suite, *, mirror: Path | None, store: Store, download: bool
) -> tuple[Suite, list[dict[str, Json]]]:
    """The suite with every source looked up, and what the record says of each.

    Args:
        suite: as loaded.
        mirror: looked in first.
        store: keeps the digests of files that have not changed.
        download: fetch what is not here (else it stays unresolved, for planning).

    Raises:
        UsageError: something is missing, unpinned, or not what the suite pins.
    """
    cache = DigestCache(store.root / "digests.jsonl")
    done: dict[Source, Source] = {}

    def look_up(source: Source) -> Source:
        if source not in done:
            done[source] = resolve_source(source, mirror=mirror, cache=cache, download=download)
        return done[source]

    resolved = _replaced(suite, look_up)
    return resolved, [source.facts() for source in done.values()]


def pin_all(files: Sequence[Path]) -> Iterator[str]:
    """Write the hub's current commit in place of every ``@unpinned``; a line for each."""
    for file in files:
        yield from pin(file, named(file))


def fetch_all(files: Sequence[Path], to: Path) -> Iterator[str]:
    """Fill a mirror with what the suites name; a line for each repository."""
    yield from fetch([source for file in files for source in named(file)], to)


def named(file: Path) -> list[Source]:
    """Every source that a suite names, once."""
    seen: dict[Source, None] = {}

    def note(source: Source) -> Source:
        seen[source] = None
        return source

    _replaced(suites.load(file), note)
    return list(seen)


def _replaced(suite: Suite, change: Callable[[Source], Source]) -> Suite:
    nodes = {}
    for name, node in suite.nodes.items():
        try:
            nodes[name] = replace(node, parameters={p: _value(v, change) for p, v in node.parameters.items()})
        except UsageError as e:
            raise SuiteError(node.where, f"{name}: {e}") from None
    matrix = tuple(replace(a, values=tuple(_value(v, change) for v in a.values)) for a in suite.matrix)
    exclude = tuple({n: _value(v, change) for n, v in e.items()} for e in suite.exclude)
    reference = {n: _value(v, change) for n, v in suite.reference.items()}
    return replace(suite, nodes=nodes, matrix=matrix, exclude=exclude, reference=reference)


def _value(value: Any, change: Callable[[Source], Source]) -> Any:
    """A parameter's value with the sources in it changed: itself, a tuple of them, or a field of a dataclass."""
    if isinstance(value, Source):
        return change(value)
    if isinstance(value, tuple) and any(isinstance(v, Source) for v in value):
        return tuple(_value(v, change) for v in value)
    if is_dataclass(value) and not isinstance(value, type):
        inner = {
            f.name: getattr(value, f.name)
            for f in fields(value)
            if isinstance(getattr(value, f.name), Source)
        }
        return replace(value, **{name: change(source) for name, source in inner.items()}) if inner else value
    return value
