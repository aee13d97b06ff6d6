"""Collect several mistakes, so that they can be corrected together before the next try."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

from harness.errors import SuiteError, Where, nearest
from harness.suite.located_yaml import Entry, List, Map, Tree, shorten


class Problems:
    """Collects mistakes, in the order in which they are found."""

    def __init__(self) -> None:
        self.found: list[SuiteError] = []

    def add(self, where: Where, message: str) -> None:
        self.found.append(SuiteError(where, message))

    @contextmanager
    def collect(self) -> Iterator[None]:
        """Collect an error raised in the block; the rest of the block is skipped."""
        try:
            yield
        except SuiteError as e:
            self.found.append(e)

    def stop(self) -> None:
        """Raise the collected mistakes, one line each.

        Raises:
            SuiteError: there was at least one mistake; its place is that of the first.
        """
        if not self.found:
            return
        first, *rest = dict.fromkeys(str(e) for e in self.found)
        where = self.found[0].where
        raise SuiteError(where, first.removeprefix(f"{where}: "), *rest) from None


def mapping(entry: Entry, name: str) -> Map:
    """The entry's value; raises an error if it is not a mapping."""
    if not isinstance(entry.value, Map):
        raise SuiteError(entry.key_where, f"{name}: expected a mapping, not {entry.value}")
    return entry.value


def listed(tree: Tree, name: str) -> List:
    """The tree as a list; raises an error if it is not a list or is empty."""
    if not isinstance(tree, List):
        raise SuiteError(tree.where, f"{name}: expected a list, not {tree}")
    if not tree.items:
        raise SuiteError(tree.where, f"{name}: the list is empty")
    return tree


def closed(entries: Mapping[str, Entry], known: Iterable[str], name: str, problems: Problems) -> None:
    """Note every key that is not in ``known`` as a mistake."""
    words = list(known)
    for key, entry in entries.items():
        if key not in words:
            hint = nearest(key, words) or f"; it has {', '.join(words) or 'nothing'}"
            problems.add(entry.key_where, f"{name} has no {shorten(key)!r}{hint}")
