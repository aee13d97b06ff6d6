"""Inspect a store: whether entries are as they were stored, and what takes the space."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.store.artifacts import ENTRY, Store


@dataclass(frozen=True)
class Checked:
    """An entry whose files were all read and checked."""

    key: str
    use: str
    """Its stage; empty if ``entry.json`` does not have it."""
    problem: str
    """What is wrong; empty if the entry is valid."""


def check(store: Store) -> Iterator[Checked]:
    """Read every file of every entry, one entry after the other.

    Raises:
        StoreError: the store cannot be read.
    """
    for key in store.stored():
        entry = store.get(key)
        if entry is None:
            if store.folder(key).exists():  # skip an entry that was removed meanwhile
                there = (
                    "is not as it was written, or does not fit its files" if store.has(key) else "is missing"
                )
                yield Checked(key, "", f"{ENTRY} {there}")
        elif not store.is_intact(entry):
            if store.has(key):
                yield Checked(key, entry.use, "its files are not those that were stored")
        else:
            yield Checked(key, entry.use, "")


_AGE = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def size(count: int) -> str:
    """A size in decimal units with three digits: ``1.23 GB``."""
    if count < 1000:
        return f"{count} B"
    value = float(count)
    for unit in ("kB", "MB", "GB", "TB"):
        value /= 1000
        if value < 999.5 or unit == "TB":
            break
    digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
    return f"{value:.{digits}f} {unit}"


def age_s(text: str) -> float:
    """An age in seconds, from ``90s``, ``30m``, ``12h``, ``1d`` or ``0``.

    Raises:
        UsageError: the text is not an age.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None or (found[2] is None and float(found[1])):
        raise UsageError(f"--age {text}: expected a number with s, m, h or d, such as 12h, or 0")
    return float(found[1]) * _SECONDS[found[2] or "s"]


@dataclass(frozen=True)
class Usage:
    """The space used by entries with the same suite, stage and kind."""

    suite: str
    """The suites whose records refer to them, separated by commas; empty if there is none."""
    use: str
    kind: str
    entries: int
    size: int


def usage(store: Store, suites: Mapping[str, Iterable[str]]) -> list[Usage]:
    """The space used by the store's entries, the largest groups first.

    Args:
        store: store to look at.
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
