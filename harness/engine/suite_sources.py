"""The outside sources of a suite, resolved before planning, so that data enters the keys by content."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from harness import suite as suites
from harness.artifact import Json
from harness.engine import keys
from harness.engine.repeat_sources import expanded
from harness.errors import StageError, SuiteError, UsageError
from harness.sources.content import DigestCache
from harness.sources.hub import Source
from harness.sources.resolve import Fetched, Pinned, fetch, pin, read_again
from harness.sources.resolve import resolve as resolve_source
from harness.store.artifacts import Store
from harness.suite import Suite
from harness.suite.typed import to_json


def resolve(
    suite: Suite, *, mirror: Path | None, store: Store, download: bool
) -> tuple[Suite, list[dict[str, Json]]]:
    """Look up every source of the suite, and read the code of its stages.

    Returns the suite with its sources resolved, and the facts for the record about each source.

    Args:
        suite: the suite as loaded.
        mirror: folder that is searched first.
        store: store that keeps the digests of unchanged files.
        download: whether to fetch missing sources; otherwise they stay unresolved, which is enough for planning.

    Raises:
        UsageError: a source is missing, is not pinned, or differs from what the suite pins.
    """
    for node in suite.nodes.values():
        keys.remember(node.stage)
    cache = digest_cache(store)
    done: dict[Source, Source] = {}

    def look_up(source: Source) -> Source:
        if source not in done:
            done[source] = resolve_source(source, mirror=mirror, cache=cache, download=download)
        return done[source]

    resolved = _replaced(expanded(suite), look_up)
    return resolved, [source.facts() for source in done.values()]


def digest_cache(store: Store) -> DigestCache:
    """The cache of digests of large files, kept in the store."""
    return DigestCache(store.root / "digests.jsonl")


def check_unchanged(
    parameters: Mapping[str, Any], keyed: Mapping[str, Json], cache: DigestCache, *, when: str
) -> None:
    """Check that what a task reads is what its key was made of.

    Args:
        parameters: parameters of the task, with their sources resolved.
        keyed: the same parameters as used in the key.
        cache: cache of file digests.
        when: time of the check for the message, as in ``"while it was read"``.

    Raises:
        StageError: a source has changed since, or no longer exists.
    """

    def read(source: Source) -> Source:
        if source.found is None:
            return source
        try:
            now = read_again(source, cache)
        except UsageError as e:
            raise StageError(f"{source.text} changed {when} ({e}); run again") from None
        if now.to_key() != source.to_key():
            raise StageError(f"{source.text} changed {when}; run again")
        return now

    for name, value in parameters.items():
        if to_json(_value(value, read)) != keyed[name]:
            raise StageError(f"{name} changed {when}; run again")


def pin_all(files: Sequence[Path]) -> Iterator[Pinned]:
    """Replace every ``@unpinned`` by the hub's current commit; yields each."""
    for file in files:
        yield from pin(file, named(file))


def fetch_all(files: Sequence[Path], to: Path) -> Iterator[Fetched]:
    """Download into a mirror what the suites name; yields each repository."""
    yield from fetch([source for file in files for source in named(file)], to)


def named(file: Path) -> list[Source]:
    """Every source that a suite names, without duplicates."""
    seen: dict[Source, None] = {}

    def note(source: Source) -> Source:
        seen[source] = None
        return source

    _replaced(suites.load(file), note)
    return list(seen)


def found_sources(suite: Suite) -> list[Path]:
    """The paths of all sources of a suite that are on this machine."""
    paths: dict[Path, None] = {}

    def note(source: Source) -> Source:
        if source.found is not None:
            paths[source.found.path] = None
        return source

    _replaced(suite, note)
    return list(paths)


def with_absolute_paths(suite: Suite) -> Suite:
    """The suite with every ``path:`` spelled as an absolute path, so that those of two suites can be compared."""
    return _replaced(
        suite, lambda s: s if s.place is None else replace(s, place=Path(os.path.abspath(s.place)))
    )


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
    gates = tuple(replace(g, at={n: _value(v, change) for n, v in g.at.items()}) for g in suite.gates)
    return replace(suite, nodes=nodes, matrix=matrix, exclude=exclude, reference=reference, gates=gates)


def _value(value: Any, change: Callable[[Source], Source]) -> Any:
    """The value of a parameter with every source in it changed, also inside tuples, mappings and dataclasses.

    A value that contains no source is returned as it is.
    """
    if isinstance(value, Source):
        return change(value)
    if type(value) is tuple:
        new = tuple(_value(v, change) for v in value)
        return new if any(n is not v for n, v in zip(new, value, strict=True)) else value
    if isinstance(value, Mapping):
        table = {k: _value(v, change) for k, v in value.items()}
        return table if any(table[k] is not v for k, v in value.items()) else value
    if is_dataclass(value) and not isinstance(value, type):
        inner = {f.name: getattr(value, f.name) for f in fields(value) if f.init}
        changed = {name: new for name, v in inner.items() if (new := _value(v, change)) is not v}
        return replace(value, **changed) if changed else value
    return value
