"""What a store must keep: what running commands have registered, and what the records of its projects refer to."""

from __future__ import annotations

import json
import os
import re
import uuid
import weakref
from collections.abc import Collection, Iterable, Iterator
from contextlib import ExitStack, suppress
from hashlib import sha256
from itertools import chain
from pathlib import Path

from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import strict_json
from harness.formats.files import Failed, files_below, is_torn, read_bytes, write
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
            file.write_bytes(json.dumps(sorted(keys)).encode())


def running(store: Store) -> set[str]:
    """The keys that running commands have registered; those of killed commands are removed."""
    keys: set[str] = set()
    with store.errors():
        for file in {path.with_suffix(".keys") for path in map(locks.of, listed(store.root / "running"))}:
            free = locks.try_hold(file.with_suffix(".lock"))
            if free is not None:
                file.unlink(missing_ok=True)
                free()
                continue
            with suppress(UsageError):  # the command ended just now, and its record has what it needed
                said = strict_json.read(file)
                keys.update(key for key in said if isinstance(key, str))
    return keys


PROJECTS = "projects"
"""Folder of the store with the projects that use it: a file each, which holds the project's path."""
RUNS = "runs"
"""The same for the folders of runs that lie outside of a project's ``reports/``."""


def note_project(store: Store, project: Path) -> None:
    """Register a project whose records refer to entries, so that another project's clean-up keeps them.

    As for ``need``, a store that cannot be written needs no registration.
    """
    _note(store, PROJECTS, project)


def note_run(store: Store, folder: Path, project: Path) -> None:
    """Register the folder of a run, unless it lies in the project's ``reports/``, where it is found anyway."""
    if not folder.resolve().is_relative_to((project / "reports").resolve()):
        _note(store, RUNS, folder)


def projects(store: Store) -> list[Path]:
    """The folders of the registered projects."""
    return list(_noted(store, PROJECTS).values())


def runs(
    store: Store, forgotten: Collection[Path] = (), failed: Failed | None = None, *, tidy: bool = False
) -> list[Path]:
    """The records of the registered runs that are still there.

    Args:
        store: where they are registered.
        forgotten: folders of runs that no longer count.
        failed: called for each folder that cannot be looked at.
        tidy: whether to remove the registrations of those that are not there.

    Raises:
        UsageError: without ``failed``, if a folder cannot be looked at.
    """
    found = []
    for file, folder in _noted(store, RUNS).items():
        if any(is_at(folder, place) for place in forgotten):
            continue
        record = folder / "run.json"
        try:
            record.stat()
            found.append(record)
        except (FileNotFoundError, NotADirectoryError):
            if tidy:
                file.unlink(missing_ok=True)
        except OSError as e:
            (failed or _stop)(e)
    return found


def forget(store: Store, place: Path) -> None:
    """Remove the registrations of a folder, as a project and as a run."""
    with store.errors():
        for what in (PROJECTS, RUNS):
            for file, noted in _noted(store, what).items():
                if is_at(noted, place):
                    file.unlink(missing_ok=True)


def is_at(noted: Path, place: Path) -> bool:
    """Whether ``place`` is a registered folder, even if there were other links on the way when it was registered."""
    return noted in (place.resolve(), Path(os.path.abspath(place)))


def _note(store: Store, what: str, place: Path) -> None:
    path = os.fsencode(place.resolve())
    file = store.root / what / sha256(path).hexdigest()[:16]
    with suppress(OSError):
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write(file, path)


def _noted(store: Store, what: str) -> dict[Path, Path]:
    """File of the registration → the folder that it names."""
    with store.errors():
        files = [file for file in listed(store.root / what) if not is_torn(Path(file.name))]
    found = {}
    for file in files:
        text = os.fsdecode(read_bytes(file))
        if not os.path.isabs(text) or "\0" in text:
            raise UsageError(f"{file}: damaged, it should hold the path of a folder; remove this file")
        found[file] = Path(text)
    return found


def by_suite(
    projects: Iterable[Path],
    runs: Iterable[Path] = (),
    keep: Iterable[Path] = (),
    failed: Failed | None = None,
) -> dict[str, set[str]]:
    """Suite → the keys of the tasks behind its baselines and its kept runs.

    Args:
        projects: project folders whose ``baselines/`` and ``reports/`` are read.
        runs: records of runs that lie elsewhere.
        keep: further records, or folders with records.
        failed: called for each folder that cannot be listed and each link that cannot be followed.

    Raises:
        UsageError: a record cannot be read, so its needs are unknown; or ``keep`` does not exist. Without ``failed``
            also if a folder cannot be listed.
    """
    found: dict[str, set[str]] = {}
    for file in chain(runs, _records(projects, keep, failed or _stop)):
        try:
            body = strict_json.read(file)
        except UsageError as e:
            if _is_gone(file):  # the run is just being replaced
                continue
            raise UsageError(f"{e}; a record that cannot be read: mend or remove it first") from None
        suite = str(body.get("suite", "")) if isinstance(body, dict) else ""
        found.setdefault(suite, set()).update(_keys(body))
    return found


def _records(projects: Iterable[Path], keep: Iterable[Path], failed: Failed) -> Iterator[Path]:
    for project in projects:
        yield from _below(project / "baselines", ".json", failed)
        yield from _below(project / "reports", "run.json", failed)
    for place in keep:
        if os.path.isdir(place):
            yield from _below(place, ".json", failed)
        elif _is_gone(place):
            raise UsageError(f"--keep {place}: no such file or folder")
        else:
            yield place


def _below(folder: Path, ending: str, failed: Failed) -> Iterator[Path]:
    if not os.path.lexists(folder):
        return
    for file in files_below(folder, failed):
        named = file.name == ending if ending == "run.json" else file.name.endswith(ending)
        if named and not is_torn(file.relative_to(folder)):
            yield file


def _stop(error: OSError) -> None:
    """Stop if a folder may hold records that cannot be seen; one that was removed meanwhile holds none."""
    path = Path(os.fsdecode(error.filename))
    if not (isinstance(error, FileNotFoundError) and _is_gone(path)):
        raise UsageError(
            f"{path}: cannot be looked at ({error.strerror}), so nobody knows what the records there need"
        )


def _is_gone(path: Path) -> bool:
    try:
        path.lstat()
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return False


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
