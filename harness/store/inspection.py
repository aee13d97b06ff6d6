"""What takes the space in a store: per suite, stage and kind."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.store import Store


@dataclass(frozen=True)
class Usage:
    """Entries that have suite, stage and kind in common."""

    suite: str
    """Whose records name them; several between commas, empty where none does."""
    use: str
    kind: str
    entries: int
    size: int


def usage(store: Store, suites: Mapping[str, Iterable[str]]) -> list[Usage]:
    """The largest first.

    Args:
        store: to look at.
        suites: suite → keys behind its records.

    Raises:
        StoreError: the store cannot be read.
    """
    named: dict[str, list[str]] = {}
    for suite, keys in sorted(suites.items()):
        for key in keys:
            named.setdefault(key, []).append(suite)
    found: dict[tuple[str, str, str], tuple[int, int]] = {}
    for key in store.stored():
        entry = store.get(key)
        if entry is None:
            row = "", "damaged", ""
        else:
            kinds = ", ".join(sorted({o.kind for o in entry.outputs.values()})) or "scores"
            row = ", ".join(named.get(key, ())), entry.use, kinds
        count, size = found.get(row, (0, 0))
        found[row] = count + 1, size + (entry.size if entry else 0)
    rows = [Usage(*row, *sums) for row, sums in found.items()]
    return sorted(rows, key=lambda r: (-r.size, r.use, r.suite))
