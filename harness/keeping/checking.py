"""Whether entries are as they were stored."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.store import ENTRY, Store


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
