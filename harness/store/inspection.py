"""What is in a store: whether entries are as they were stored, and what takes the space."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from harness.errors import UsageError
from harness.store.artifacts import ENTRY, Store


@dataclass(frozen=True)
class Checked:
    """An entry, looked at in full."""

    key: str
    use: str
    """Its stage; empty where its ``entry.json`` does not say."""
    problem: str
    """Empty where it is sound."""


def check(store: Store) -> Iterator[Checked]:
    """Read every file of every entry, one entry after the other.

    Raises:
        StoreError: the store cannot be read.
    """
    for key in store.stored():
        entry = store.get(key)
        if entry is None:
            if store.folder(key).exists():  # not one that was taken meanwhile
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
    """``1.23 GB``: decimal units, three digits."""
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
    """``90s``, ``30m``, ``12h``, ``1d`` or ``0`` in seconds.

    Raises:
        UsageError: it is no age.
    """
    found = _AGE.fullmatch(text.strip())
    if found is None or (found[2] is None and float(found[1])):
        raise UsageError(f"--age {text}: expected a number with s, m, h or d, such as 12h, or 0")
    return float(found[1]) * _SECONDS[found[2] or "s"]


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
