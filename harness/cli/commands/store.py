"""``harness store``: removes unneeded entries, checks entries, and shows disk usage."""

from __future__ import annotations

import json
import os
import shlex
from argparse import Namespace
from collections.abc import Sequence
from pathlib import Path

from harness.compare.wording import counted
from harness.errors import Exit, UsageError
from harness.report.console import ReportConsole
from harness.store import needs
from harness.store import project as places
from harness.store.artifacts import Store
from harness.store.upkeep import age_s, check, size, sweep, usage

_SHOWN = 40
"""Number of removed entries that are listed one by one, the largest first."""


def main(o: Namespace) -> Exit:
    """``harness store gc``, ``verify`` and ``du``."""
    if o.command == "store gc":
        return gc(store=o.store, keep=o.keep, forget=o.forget, age=o.age, dry_run=o.dry_run)
    if o.command == "store verify":
        return verify(store=o.store, remove=o.remove)
    return du(store=o.store, as_json=o.json)


def gc(*, store: Path | None, keep: Sequence[Path], forget: Sequence[Path], age: str, dry_run: bool) -> Exit:
    """Remove the entries that no baseline, no kept run and no running command needs.

    Args:
        store: folder of the store; by default as for ``run``.
        keep: records to keep, or folders of records, in addition to those in the projects that use the store.
        forget: projects whose records no longer count.
        age: younger entries are kept.
        dry_run: only print what would be removed.

    Raises:
        UsageError: the store does not exist; a project that uses it, or a record, cannot be read, so that its needs
            are unknown.
    """
    project, kept = _opened(store)
    young = age_s(age)
    _projects(kept, project, forget)
    if not dry_run:
        kept.check_writable()
        for gone in forget:
            needs.forget(kept, gone)

    def needed() -> set[str]:
        projects = _projects(kept, project, forget)  # again: one that began meanwhile may have ended, too
        runs = needs.runs(kept, forget, tidy=not dry_run)
        return set().union(*needs.by_suite(projects, runs, keep).values())

    found = sweep(kept, needed, age_s=young, dry_run=dry_run)
    console = ReportConsole()
    for item in sorted(found.gone, key=lambda g: -g.size)[:_SHOWN]:
        console.out(f"  {size(item.size):>9}  {item.what:<10}  {item.name}", highlight=False)
    if len(found.gone) > _SHOWN:
        console.out(f"  and {len(found.gone) - _SHOWN} more", highlight=False)
    total = size(sum(item.size for item in found.gone))
    would = "would free" if dry_run else "freed"
    console.out(f"{would} {total} in {counted(len(found.gone), 'place')}", highlight=False)
    kept_entries = [f"{found.needed} that records need", f"{found.running} that running commands need"]
    if found.young:
        kept_entries.append(
            f"{found.young} younger than {age} ({size(found.young_size)}; --age 0 takes them, too)"
        )
    console.out(f"entries kept: {', '.join(kept_entries)}", highlight=False)
    return Exit.OK


def verify(*, store: Path | None, remove: bool) -> Exit:
    """Check every file of every entry; exit code 5 if a damaged one is kept.

    Raises:
        UsageError: the store does not exist.
    """
    _, kept = _opened(store)
    console = ReportConsole()
    sound, damaged, left = 0, 0, 0
    for checked in check(kept):
        if not checked.problem:
            sound += 1
            continue
        damaged += 1
        if remove:
            kept.discard(checked.key)
        else:
            left += 1
        done = "; removed" if remove else ""
        console.out(f"{checked.use or 'entry'} {checked.key}: {checked.problem}{done}", highlight=False)
    again = "; `harness store verify --remove` removes what is damaged, a run makes it again" if left else ""
    console.out(f"{sound} sound, {damaged} damaged{again}", highlight=False)
    return Exit.FAILED if left else Exit.OK


def du(*, store: Path | None, as_json: bool) -> Exit:
    """Show disk usage per suite, stage and kind.

    Raises:
        UsageError: the store does not exist, or a record cannot be read.
    """
    project, kept = _opened(store)
    there = [place for place in dict.fromkeys([*needs.projects(kept), project]) if os.path.isdir(place)]

    def skip(_: OSError) -> None:
        """What cannot be seen is shown without a suite."""

    rows = usage(kept, needs.by_suite(there, needs.runs(kept, failed=skip), failed=skip))
    console = ReportConsole()
    if as_json:
        console.out(json.dumps([vars(row) for row in rows], indent=1, ensure_ascii=False), highlight=False)
        return Exit.OK
    for row in rows:
        suite = row.suite or "(no record)"
        console.out(
            f"{size(row.size):>9}  {row.entries:>5}  {suite:<28}  {row.use:<32}  {row.kind}", highlight=False
        )
    entries, total = sum(r.entries for r in rows), sum(r.size for r in rows)
    console.out(f"{size(total):>9}  {entries:>5}  in all, {kept.root}", highlight=False)
    return Exit.OK


def _opened(store: Path | None) -> tuple[Path, Store]:
    project = places.of(Path.cwd())
    root = places.store_root(store, project)
    if not root.is_dir():
        raise UsageError(f"store {root}: no such folder")
    return project, Store(root)


def _projects(store: Store, project: Path, forget: Sequence[Path]) -> list[Path]:
    """Return the projects whose records count: this one, and every other that has used the store."""
    found = [
        place
        for place in dict.fromkeys([project.resolve(), *needs.projects(store)])
        if not any(needs.is_at(place, forgotten) for forgotten in forget)
    ]
    for place in found:
        try:
            os.scandir(place).close()
        except OSError as e:
            is_gone = isinstance(e, FileNotFoundError | NotADirectoryError)
            why = "is not here" if is_gone else f"cannot be listed ({e.strerror})"
            raise UsageError(
                f"store {store.root}: {place} has used it and {why}, so nobody knows what its baselines need; "
                f"--forget {shlex.quote(str(place))} leaves it out"
            ) from None
    return found
