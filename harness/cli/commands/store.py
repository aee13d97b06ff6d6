"""``harness store``: removes unneeded entries, checks entries, shows disk usage, and copies entries elsewhere."""

from __future__ import annotations

import os
import shlex
import shutil
import uuid
from argparse import Namespace
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from harness.artifact import Json
from harness.compare.wording import counted
from harness.errors import Exit, UsageError
from harness.evaluation.record_choice import record
from harness.formats.files import new_file
from harness.report import streams
from harness.report.console import ReportConsole
from harness.store import archive, needs
from harness.store import project as places
from harness.store.artifacts import Store
from harness.store.tiers import open_store
from harness.store.upkeep import age_s, check, size, sweep, usage

_SHOWN = 40
"""Number of removed entries that are listed one by one, the largest first."""


def main(o: Namespace) -> Exit:
    """``harness store`` with its steps."""
    if o.command == "store gc":
        return gc(store=o.store, keep=o.keep, forget=o.forget, age=o.age, dry_run=o.dry_run, as_json=o.json)
    if o.command == "store verify":
        return verify(store=o.store, remove=o.remove, as_json=o.json)
    if o.command in ("store push", "store pull"):
        return transfer(o.records, store=_shared(), is_push=o.command == "store push")
    if o.command == "store export":
        return export(o.records, to=o.to, store=o.store)
    if o.command == "store import":
        return import_(o.archive, store=o.store)
    return du(store=o.store, as_json=o.json)


def gc(
    *,
    store: Path | None,
    keep: Sequence[Path],
    forget: Sequence[Path],
    age: str,
    dry_run: bool,
    as_json: bool = False,
) -> Exit:
    """Remove the entries that no baseline, no kept run and no running command needs.

    Args:
        store: folder of the store; by default as for ``run``.
        keep: records to keep, or folders of records, in addition to those in the projects that use the store.
        forget: projects whose records no longer count.
        age: younger entries are kept.
        dry_run: only print what would be removed.
        as_json: print it as JSON, for programs.

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
    if as_json:
        streams.document(
            {"schema": "harness.store-gc/1", "store": str(kept.root), "dry_run": dry_run, **asdict(found)}
        )
        return Exit.OK
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


def verify(*, store: Path | None, remove: bool, as_json: bool = False) -> Exit:
    """Check every file of every entry; exit code 5 if a damaged one is kept.

    Raises:
        UsageError: the store does not exist.
    """
    _, kept = _opened(store)
    console = ReportConsole()
    sound, damaged, left = 0, 0, 0
    problems: list[dict[str, Json]] = []
    for checked in check(kept):
        if not checked.problem:
            sound += 1
            continue
        damaged += 1
        if remove:
            kept.discard(checked.key)
        else:
            left += 1
        problems.append({**vars(checked), "removed": remove})
        done = "; removed" if remove else ""
        if not as_json:
            console.out(f"{checked.use or 'entry'} {checked.key}: {checked.problem}{done}", highlight=False)
    if as_json:
        body: dict[str, Json] = {
            "schema": "harness.store-verify/1",
            "store": str(kept.root),
            "sound": sound,
            "damaged": problems,
        }
        streams.document(body)
        return Exit.FAILED if left else Exit.OK
    again = (
        "; `harness store verify --remove` removes what is damaged; a run makes what it needs again"
        if left
        else ""
    )
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
        streams.document([vars(row) for row in rows])
        return Exit.OK
    for row in rows:
        suite = row.suite or "(no record)"
        console.out(
            f"{size(row.size):>9}  {row.entries:>5}  {suite:<28}  {row.use:<32}  {row.kind}", highlight=False
        )
    entries, total = sum(r.entries for r in rows), sum(r.size for r in rows)
    console.out(f"{size(total):>9}  {entries:>5}  in all, {kept.root}", highlight=False)
    return Exit.OK


def transfer(records: Sequence[str], *, store: Store, is_push: bool) -> Exit:
    """Copy what records need to the second tier, or from it.

    Raises:
        UsageError: there is no second tier, or no such record.
        StoreError: the second tier cannot be written.
    """
    keys = _needed(records)
    here = [key for key in keys if (store.get(key) if is_push else store.pull(key))]
    if is_push:
        for key in here:
            store.push(key)
        if store.not_pushed:
            raise UsageError(store.not_pushed[0])
    console = ReportConsole()
    where = "pushed to" if is_push else "here from"
    url = store.remote.url if store.remote else ""
    console.out(f"{_entries(len(here))} {where} {url}{_lacking(keys, here)}", highlight=False)
    return Exit.OK


def export(records: Sequence[str], *, to: Path, store: Path | None) -> Exit:
    """Write what records need into one archive.

    Raises:
        UsageError: no such record; the archive exists or cannot be written.
    """
    _, kept = _opened(store)
    if to.exists():
        raise UsageError(f"--to {to}: it exists already")
    keys = _needed(records)
    sound = [key for key in keys if (entry := kept.get(key)) is not None and kept.is_intact(entry)]
    try:
        with new_file(to.absolute()) as file:
            archive.pack([kept.folder(key) for key in sound], file)
    except OSError as e:
        raise UsageError(f"--to {to}: cannot be written ({e.strerror or e})") from None
    told = f"{_entries(len(sound))} in {to}, {size(to.stat().st_size)}"
    ReportConsole().out(f"{told}{_lacking(keys, sound)}", highlight=False)
    return Exit.OK


def import_(file: Path, *, store: Path | None) -> Exit:
    """Put the entries of an archive into the store.

    Raises:
        UsageError: the archive cannot be read, or something in it is not what it says; nothing of it is kept then.
    """
    kept = Store(places.store_root(store, places.of(Path.cwd())))
    kept.check_writable()
    with kept.errors():
        place = kept.root / "work" / f".import-{uuid.uuid4().hex}"
        place.mkdir(parents=True)
        try:
            try:
                found = list(archive.unpack(file, place))
            except OSError as e:
                raise UsageError(f"{file}: cannot be read ({e.strerror or e})") from None
            for _, folder in found:
                kept.adopt(folder)
        finally:
            shutil.rmtree(place, ignore_errors=True)
    ReportConsole().out(f"{_entries(len(found))} from {file}", highlight=False)
    return Exit.OK


def _needed(records: Sequence[str]) -> list[str]:
    """The keys behind runs and baselines."""
    project = places.of(Path.cwd())
    files = []
    for text in records:
        path = record(text, project)
        files.append(path / "run.json" if path.is_dir() else path)
    return sorted(set().union(*needs.by_suite([], files).values()))


def _entries(count: int) -> str:
    return f"{count:,} {'entry' if count == 1 else 'entries'}"


def _lacking(keys: Sequence[str], here: Sequence[str]) -> str:
    gone = len(keys) - len(here)
    return f"; {_entries(gone)} not found" if gone else ""


def _shared() -> Store:
    store = open_store(None, places.of(Path.cwd()))
    if store.remote is None:
        raise UsageError(
            "no second tier: HARNESS_STORE=FOLDER,URL names one, as in /store,s3://bucket/harness"
        )
    return store


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
