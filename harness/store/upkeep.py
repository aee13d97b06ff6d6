"""The upkeep of a store: check its entries, measure what takes the space, and remove what nothing needs.

A running command has registered what it needs (``needs.need``). The lock for that is held here while entries are chosen
and moved away, by renames. So a concurrent run either finds an entry or does not, and never loses one that it has
looked up.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.formats import files
from harness.store import locks
from harness.store.artifacts import Store, listed
from harness.store.entries import ENTRY
from harness.store.needs import GC, running

_AGE = re.compile(r"(\d+(?:\.\d+)?)(s|m|h|d)?")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


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


@dataclass(frozen=True)
class Gone:
    """Something that is removed, or would be in a dry run."""

    what: str
    name: str
    size: int


@dataclass(frozen=True)
class Sweep:
    """What is removed, and why the other entries stay."""

    gone: tuple[Gone, ...]
    needed: int
    running: int
    young: int
    young_size: int


def sweep(store: Store, needed: Callable[[], Iterable[str]], *, age_s: float, dry_run: bool) -> Sweep:
    """Remove from a store what nothing needs.

    Args:
        store: store to clean.
        needed: function that returns the keys behind the kept records. It is called after the needs of running commands
            were read, so that a run that ends meanwhile is in one of the two.
        age_s: entries younger than this (in seconds) stay, needed or not: someone may continue from them.
        dry_run: only report what would be removed.

    Raises:
        StoreError: the store cannot be written.
    """
    before = time.time() - age_s
    trash: list[Path] = []
    gone: list[Gone] = []
    counts = {"needed": 0, "running": 0, "young": 0}
    young_size = 0
    with store.errors():
        with locks.held(store.claims() / GC):
            registered, recorded = running(store), set(needed())
            for key in store.stored():
                folder = store.folder(key)
                why = _why_kept(store, key, registered, recorded, before)
                if why:
                    counts[why] += 1
                    young_size += _size(folder) if why == "young" else 0
                    continue
                gone.append(Gone("entry", f"{_use(store, key)} {key[:12]}", _size(folder)))
                if not dry_run and (taken := store.take(key)) is not None:
                    trash.append(taken)
        for path in trash:
            shutil.rmtree(path, ignore_errors=True)
        gone += _works(store, before, dry_run)
        gone += _leftovers(store, dry_run)
        if not dry_run:
            tidy(store)
    return Sweep(tuple(gone), counts["needed"], counts["running"], counts["young"], young_size)


def _why_kept(store: Store, key: str, registered: set[str], needed: set[str], before: float) -> str:
    if key in needed:
        return "needed"
    if key in registered or locks.is_held(store.root / "claims" / f"{key}.lock"):
        return "running"
    return "young" if _made_at(store.folder(key)) > before else ""


def _works(store: Store, before: float, dry_run: bool) -> list[Gone]:
    """Work folders that nobody continues: their key is finished, or they are too old."""
    gone = []
    for work in listed(store.root / "work"):
        key = work.name.partition(".")[0]
        claimed = locks.is_held(store.root / "claims" / f"{key}.lock")
        if not key or claimed or not (store.has(key) or _made_at(work) <= before):
            continue
        size = _size(work)
        if dry_run or remove_work(store, work):
            gone.append(Gone("unfinished", f"work {key[:12]}", size))
    return gone


def _leftovers(store: Store, dry_run: bool) -> list[Gone]:
    """Trash and temporaries of killed processes."""
    gone = []
    for path in [*listed(store.root), *listed(store.root / "work")]:
        size = _size(path)
        if path.name.startswith(".trash-"):
            if not dry_run:
                shutil.rmtree(path, ignore_errors=True)
        elif files.is_torn(Path(path.name)):
            if not dry_run and not files.remove_abandoned(path):
                continue
        else:
            continue
        gone.append(Gone("leftover", path.name[:20], size))
    return gone


def tidy(store: Store) -> None:
    """Remove what killed processes left and nobody resumes: work folders of finished keys, locks, trash."""
    with store.errors():
        for path in listed(store.root / "work"):
            key, _, part = path.name.partition(".")
            if not key:
                shutil.rmtree(path, ignore_errors=True)
            elif part and store.has(key):
                remove_work(store, path)
        for path in listed(store.root / "claims"):
            if (free := locks.try_hold(locks.of(path))) is not None:
                free()
        running(store)


def remove_work(store: Store, work: Path) -> bool:
    """Remove a work folder unless its key is being made; returns whether it is gone."""
    with store.errors():
        free = locks.try_hold(store.claims() / f"{work.name.partition('.')[0]}.lock")
        if free is None:
            return False
        try:
            shutil.rmtree(work, ignore_errors=True)
        finally:
            free()
    return True


def _use(store: Store, key: str) -> str:
    entry = store.get(key)
    return "damaged" if entry is None else entry.use


def _made_at(folder: Path) -> float:
    for path in (folder / ENTRY, folder):
        try:
            return path.stat().st_mtime
        except OSError:
            continue
    return 0.0


def _size(path: Path) -> int:
    """Bytes of a file, or of the files below a folder; files that disappear meanwhile count as 0."""
    if not path.is_dir():
        return path.lstat().st_size if path.exists() else 0
    total = 0
    for folder, _, names in os.walk(path):
        for name in names:
            try:
                total += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return total


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
