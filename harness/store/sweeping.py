"""Clean a store: find the entries that no record needs, move them away by renames, then remove them.

A running command has registered what it needs (``Store.need``). The lock for that is held here while entries are chosen
and moved. So a concurrent run either finds an entry or does not, and never loses one that it has looked up.
"""

from __future__ import annotations

import os
import re
import shutil
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import files, strict_json
from harness.store import locks
from harness.store.artifacts import ENTRY, GC, Store

_KEY = re.compile(r"[0-9a-f]{64}")


def by_suite(projects: Iterable[Path], keep: Iterable[Path] = ()) -> dict[str, set[str]]:
    """Suite → the keys of the tasks behind its baselines and its kept runs.

    Args:
        projects: project folders whose ``baselines/`` and ``reports/`` are read.
        keep: further records, or folders with records.

    Raises:
        UsageError: a record cannot be read, so its needs are unknown; or ``keep`` does not exist.
    """
    found: dict[str, set[str]] = {}
    for file in _records(projects, keep):
        try:
            body = strict_json.read(file)
        except UsageError as e:
            if not file.exists():  # the run is just being replaced
                continue
            raise UsageError(f"{e}; a record that cannot be read: mend or remove it first") from None
        suite = str(body.get("suite", "")) if isinstance(body, dict) else ""
        found.setdefault(suite, set()).update(_keys(body))
    return found


def _records(projects: Iterable[Path], keep: Iterable[Path]) -> Iterator[Path]:
    for project in projects:
        yield from _below(project / "baselines", "*.json")
        yield from _below(project / "reports", "run.json")
    for place in keep:
        if place.is_file():
            yield place
        elif place.is_dir():
            yield from _below(place, "*.json")
        else:
            raise UsageError(f"--keep {place}: no such file or folder")


def _below(folder: Path, pattern: str) -> Iterator[Path]:
    for file in sorted(folder.rglob(pattern)):
        if not files.is_torn(file.relative_to(folder)) and file.is_file():
            yield file


def _keys(body: Json) -> Iterator[str]:
    """Every ``key`` in a record of any version."""
    waiting = [body]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            key = value.get("key")
            if isinstance(key, str) and _KEY.fullmatch(key):
                yield key
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)


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
        claims = store.root / "claims"
        claims.mkdir(parents=True, exist_ok=True)
        with locks.held(claims / GC):
            running, recorded = store.running(), set(needed())
            for key in store.stored():
                folder = store.folder(key)
                why = _why_kept(store, key, running, recorded, before)
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
            store.tidy()
    return Sweep(tuple(gone), counts["needed"], counts["running"], counts["young"], young_size)


def _why_kept(store: Store, key: str, running: set[str], needed: set[str], before: float) -> str:
    if key in needed:
        return "needed"
    if key in running or locks.is_held(store.root / "claims" / f"{key}.lock"):
        return "running"
    return "young" if _made_at(store.folder(key)) > before else ""


def _works(store: Store, before: float, dry_run: bool) -> list[Gone]:
    """Work folders that nobody continues: their key is finished, or they are too old."""
    gone = []
    for work in _listed(store.root / "work"):
        key = work.name.partition(".")[0]
        claimed = locks.is_held(store.root / "claims" / f"{key}.lock")
        if not key or claimed or not (store.has(key) or _made_at(work) <= before):
            continue
        size = _size(work)
        if dry_run or store.remove_work(work):
            gone.append(Gone("unfinished", f"work {key[:12]}", size))
    return gone


def _leftovers(store: Store, dry_run: bool) -> list[Gone]:
    """Trash and temporaries of killed processes."""
    gone = []
    for path in [*_listed(store.root), *_listed(store.root / "work")]:
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


def _listed(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []
