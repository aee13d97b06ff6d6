"""What a store must keep: what running commands have registered, and what the records of its projects refer to."""

from __future__ import annotations

import json
import os
import re
import uuid
import weakref
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from pathlib import Path

from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import strict_json
from harness.formats.files import is_torn, read_bytes, write
from harness.store import locks
from harness.store.artifacts import Store, listed

GC = "gc.lock"
"""Lock that is held while entries are chosen and moved away, and briefly when a command registers what it needs."""

_KEY = re.compile(r"[0-9a-f]{64}")


def need(store: Store, keys: Iterable[str]) -> None:
    """Protect entries from ``harness store gc`` as long as ``store`` lives, or until the process is killed.

    If the store cannot be written, it cannot be cleaned from here and needs no protection.
    """
    folder, name = store.root / "running", uuid.uuid4().hex
    held = ExitStack()
    weakref.finalize(store, held.close)
    with suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        with locks.held(store.claims() / GC):
            file = folder / f"{name}.keys"
            held.enter_context(locks.held(folder / f"{name}.lock"))
            held.callback(file.unlink, missing_ok=True)
            file.write_text(json.dumps(sorted(keys)), encoding="utf-8")


def running(store: Store) -> set[str]:
    """The keys that running commands have registered; those of killed commands are removed."""
    keys: set[str] = set()
    with store.errors():
        for file in listed(store.root / "running"):
            if file.suffix != ".keys":
                continue
            free = locks.try_hold(file.with_suffix(".lock"))
            if free is not None:
                file.unlink(missing_ok=True)
                free()
                continue
            with suppress(UsageError):  # the command ended just now, and its record has what it needed
                said = strict_json.read(file)
                keys.update(key for key in said if isinstance(key, str))
    return keys


def note_project(store: Store, project: Path) -> None:
    """Register a project whose records refer to entries, so that another project's clean-up keeps them."""
    place = str(project.resolve())
    file = _project_file(store, project)
    with store.errors():
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, os.fsencode(place))


def projects(store: Store) -> list[Path]:
    """The folders of the registered projects."""
    with store.errors():
        found = listed(store.root / "projects")
        return [Path(os.fsdecode(read_bytes(f))) for f in found if not is_torn(Path(f.name))]


def forget_project(store: Store, project: Path) -> None:
    with store.errors():
        _project_file(store, project).unlink(missing_ok=True)


def _project_file(store: Store, project: Path) -> Path:
    return (
        store.root
        / "projects"
        / sha256(str(project.resolve()).encode(errors="surrogateescape")).hexdigest()[:16]
    )


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
        if not is_torn(file.relative_to(folder)) and file.is_file():
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
