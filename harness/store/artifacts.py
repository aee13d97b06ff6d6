"""The store: artifacts and scores by key. Atomic, checksummed, one writer per key.

    objects/<2 hex>/<key>/entry.json     what was made, how long it took, and a checksum of every file
    objects/<2 hex>/<key>/<output>/…     the artifacts' folders ("out" where a stage has one output)
    work/<key>.<8 hex>/                  work in progress: call, outputs, log, and the scratch that survives a kill
    images/<digest>.json                 code and software of the stages in a container image
    claims/<key>.lock                    lock while a key is being made, with its holder's name; freed with the holder
    running/<id>.keys, <id>.lock         what a running command needs; ``harness store gc`` leaves it alone
    projects/<digest>                    the folder of a project that uses the store and whose records are kept
    distributions/<digest>.json          installed distributions by digest, for the environments of entries
    timings.jsonl                        durations of executions, for ``harness plan``

An entry appears by one rename of a finished, checksummed and synced folder, so a reader sees all of it or nothing. A
missing file or a changed file size makes the entry invalid at look-up. Checksums are verified before a stage reads an
artifact. Reading writes nothing, so a store may be read-only.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import file_digest
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.errors import StageError, StoreError, UsageError
from harness.formats import strict_json
from harness.formats.files import opened, put, read_text, sync, write
from harness.formats.strict_json import canonical
from harness.store import entries, locks
from harness.store.entries import ENTRY, Entry
from harness.store.environment import keep_installed
from harness.store.remote import Remote


class Store:
    """The store below one folder, which is created on the first write.

    Raises (every method):
        StoreError: the folder cannot be read or written.
    """

    def __init__(self, root: Path, remote: Remote | None = None) -> None:
        self.root = root
        self.remote = remote
        """A second tier that other machines share: asked for what is not here, and given what was made here."""
        self.not_pushed: list[str] = []
        """Why entries that were made here could not be copied to the second tier."""
        self._verified: set[str] = set()
        self._begun: dict[str, Path] = {}

    def folder(self, key: str) -> Path:
        return self.root / "objects" / key[:2] / key

    def check_writable(self) -> None:
        """Check that the store can be written, to fail now rather than after an hour of training.

        Raises:
            UsageError: nothing can be written below the root.
        """
        try:
            with self.errors():
                self.root.mkdir(parents=True, exist_ok=True)
                probe = self.root / ".probe"
                write(probe, bytes(4096))
                probe.unlink(missing_ok=True)
        except StoreError as e:
            raise UsageError(str(e)) from None

    def has(self, key: str) -> bool:
        """Whether there is an entry, valid or not."""
        return (self.folder(key) / ENTRY).exists() or (
            self.remote is not None and self.remote.get(key) is not None
        )

    def get(self, key: str) -> Entry | None:
        """The entry, or None if there is none or it is damaged (edited, truncated, files missing).

        The files of an entry of the second tier are brought by ``is_intact``.
        """
        entry = self._local(key)
        return self.remote.get(key) if entry is None and self.remote is not None else entry

    def _local(self, key: str) -> Entry | None:
        folder = self.folder(key)
        try:
            with opened(folder / ENTRY) as file:
                text = file.read().decode()
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, UnicodeDecodeError):
            return None
        except OSError as e:
            if e.errno == errno.EINVAL:  # not a file
                return None
            raise StoreError(self.root, _problem(e)) from None
        entry = entries.loads(text)
        if entry is None or entry.key != key:
            return None
        for name, (size, _) in entry.files.items():
            try:
                found = os.lstat(folder / name)
            except OSError:
                return None
            if found.st_size != size or not stat.S_ISREG(found.st_mode):
                return None
        return entry

    def is_intact(self, entry: Entry) -> bool:
        """Whether the entry has its files with their checksums, and no others. Checked once per process.

        If they are in the second tier only, they are brought here.
        """
        if entry.key not in self._verified:
            if self.remote is not None and self._local(entry.key) is None:
                self.pull(entry.key)
            folder = self.folder(entry.key)
            try:
                intact = set(_files(folder)) == {*entry.files, ENTRY} and all(
                    _sha256(folder / name) == digest for name, (_, digest) in entry.files.items()
                )
            except (OSError, StageError):
                intact = False
            if not intact:
                return False
            self._verified.add(entry.key)
        return True

    def pull(self, key: str) -> bool:
        """Bring an entry from the second tier. Returns whether it is here now."""
        if self._local(key) is not None:
            return True
        if self.remote is None:
            return False
        with self.errors():
            place = self.root / "work" / f".pull-{uuid.uuid4().hex}"
            place.mkdir(parents=True)
            try:
                folder = self.remote.fetch(key, place)
                return folder is not None and self.adopt(folder)
            finally:
                shutil.rmtree(place, ignore_errors=True)

    def adopt(self, folder: Path) -> bool:
        """Make a checked folder, named by its key, an entry, unless there is one. Returns whether there is one now."""
        target = self.folder(folder.name)
        if self._local(folder.name) is None:
            with self.errors():
                for path in folder.rglob("*"):
                    if path.is_file():
                        sync(path)
                target.parent.mkdir(parents=True, exist_ok=True)
                put(folder, target)
                sync(target.parent)
        return self._local(folder.name) is not None

    def push(self, key: str) -> None:
        """Copy an entry to the second tier; a failure is noted in ``not_pushed``, since the entry itself is safe."""
        if self.remote is not None:
            try:
                self.remote.offer(self.folder(key))
            except StoreError as e:
                self.not_pushed.append(str(e))

    def stored(self) -> Iterator[str]:
        """The keys of all entries, valid or not."""
        with self.errors():
            for folder in sorted((self.root / "objects").glob("*/*")):
                if folder.is_dir():
                    yield folder.name

    def discard(self, key: str) -> None:
        """Remove an entry. A process that reads it keeps its open files."""
        self._verified.discard(key)
        trash = self.take(key)
        if trash is not None:
            shutil.rmtree(trash, ignore_errors=True)

    def take(self, key: str) -> Path | None:
        """Move an entry out of the store by one rename. Returns its new path, or None if there was none."""
        with self.errors():
            trash = self.root / "work" / f".trash-{uuid.uuid4().hex}"
            trash.parent.mkdir(parents=True, exist_ok=True)
            try:
                self.folder(key).rename(trash)
            except FileNotFoundError:
                return None
        return trash

    @contextmanager
    def claim(self, key: str) -> Iterator[str | None]:
        """Hold the key, so that only one process at a time makes it.

        Yields None, or the holder's name if another process holds the key.
        """
        with self.errors():
            lock = self.claims() / f"{key}.lock"
            release = locks.try_hold(lock)
            holder = locks.holder(lock) if release is None else None
        try:
            yield holder
        finally:
            if release is not None:
                release()

    def begin(self, key: str, *, resume: bool = True) -> Path:
        """A work folder for a claimed key: ``scratch`` is taken over from a killed try, all else is new.

        A try that lost its claim, because its host was taken for dead, also loses its folder.
        """
        work = self.root / "work" / f"{key}.{uuid.uuid4().hex[:8]}"
        with self.errors():
            earlier = self._works(key)
            (work / "entry").mkdir(parents=True)
            for other in earlier:
                if resume and not (work / "scratch").exists():
                    with suppress(FileNotFoundError):
                        (other / "scratch").rename(work / "scratch")
                shutil.rmtree(other, ignore_errors=True)
            (work / "scratch").mkdir(exist_ok=True)
        self._begun[key] = work
        return work

    def commit(self, entry: Entry) -> Entry:
        """Turn the finished ``entry`` folder of ``begin`` into the entry, with its files' checksums filled in.

        Raises:
            StageError: the folder has something other than files and folders with UTF-8 names.
        """
        work = self._begun.pop(entry.key)
        made = work / "entry"
        if not made.is_dir():
            raise StoreError(
                self.root,
                "another process has taken this work over, since this one did not answer; run it again",
            )
        with self.errors():
            files = {}
            for name in _files(made):
                path = made / name
                files[name] = (path.stat().st_size, _sha256(path))
                sync(path)
            entry = replace(entry, files=files)
            (made / ENTRY).write_bytes(entries.dumps(entry).encode())
            sync(made / ENTRY)
            target = self.folder(entry.key)
            target.parent.mkdir(parents=True, exist_ok=True)
            # An old entry is moved into the work folder, which is removed at the end.
            put(made, target)
            sync(target.parent)
            shutil.rmtree(work, ignore_errors=True)
        self._verified.add(entry.key)
        self.push(entry.key)
        return entry

    def note_timing(self, use: str, settings: Mapping[str, Json], device: str, wall_s: float) -> None:
        """Append the duration of an execution."""
        line = canonical({"use": use, "settings": settings, "device": device, "wall_s": round(wall_s, 3)})
        with self.errors(), (self.root / "timings.jsonl").open("ab") as f:
            f.write(line.encode() + b"\n")

    def keep_distributions(self, listed: Mapping[str, Json]) -> None:
        """Store what was installed during an execution: environments refer to it by digest."""
        with self.errors():
            keep_installed(self.root, listed)

    def timings(self) -> list[dict[str, Any]]:
        """Recorded executions, oldest first; a torn last line (after a kill) is left out."""
        try:
            lines = read_text(self.root / "timings.jsonl").splitlines()
        except UsageError:
            return []
        return [t for line in lines if _is_timing(t := _json_or_none(line))]

    @contextmanager
    def errors(self) -> Iterator[None]:
        """Turn the system's errors on the store's files into one line."""
        try:
            yield
        except OSError as e:
            raise StoreError(self.root, _problem(e)) from None

    def claims(self) -> Path:
        """The folder of locks, which is created here."""
        claims = self.root / "claims"
        claims.mkdir(parents=True, exist_ok=True)
        return claims

    def _works(self, key: str) -> list[Path]:
        """The work folders of earlier tries, newest first."""
        found = [p for p in listed(self.root / "work") if p.name.startswith(f"{key}.")]
        return sorted(found, key=lambda p: p.stat().st_mtime_ns, reverse=True)


def check_tree(folder: Path) -> None:
    """Refuse what an entry cannot contain.

    Raises:
        StageError: a link (its target may change), a pipe or similar, or a name that is not UTF-8.
    """
    for _ in _files(folder):
        pass


def _files(folder: Path) -> Iterator[str]:
    """The files below a folder, by relative path with ``/``."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        mode = os.lstat(path).st_mode
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):
            raise StageError(f"{name}: a stage may leave files and folders, not links or pipes")
        try:
            name.encode()
        except UnicodeEncodeError:
            raise StageError(
                f"{name.encode('utf-8', 'backslashreplace').decode()}: not a name in UTF-8"
            ) from None
        if stat.S_ISREG(mode):
            yield name


def listed(folder: Path) -> list[Path]:
    """The paths in a folder, by name; empty if there is no such folder."""
    try:
        return sorted(folder.iterdir())
    except FileNotFoundError:
        return []


def _problem(e: OSError) -> str:
    hint = {
        errno.ENOSPC: "no space left on the device; free some, or set HARNESS_STORE to a larger place",
        errno.EROFS: "read-only; set HARNESS_STORE to a place that can be written",
        errno.EACCES: "no permission; set HARNESS_STORE to a place that can be written",
    }
    return hint.get(e.errno or 0, e.strerror or str(e))


def _json_or_none(text: str) -> Any:
    try:
        return strict_json.loads(text, "")
    except UsageError:
        return None


def _is_timing(body: Any) -> bool:
    return (
        isinstance(body, dict)
        and isinstance(body.get("settings"), dict)
        and type(body.get("wall_s")) in (int, float)
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as f:
        return file_digest(f, "sha256").hexdigest()
