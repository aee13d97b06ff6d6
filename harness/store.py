"""The store: artifacts and scores by key. Atomic, checksummed, one writer per key.

    objects/<2 hex>/<key>/entry.json     what was made, how long it took, and a checksum of every file
    objects/<2 hex>/<key>/<output>/…     the artifacts' folders ("out" where a stage has one output)
    work/<key>/                          being made: outputs, log, and the scratch that survives a kill
    claims/<key>.lock                    held while a key is being made; freed by the kernel with its holder
    pictures/<digest>.<ext>              what reports have drawn, by what was drawn and how; a cache, free to delete
    timings.jsonl                        what executions took, for ``harness plan``

An entry appears by one rename of a finished, checksummed and synced folder, so a reader sees all of it or
nothing. A file that went missing or changed its size makes the entry invalid at look-up; checksums are
verified before a stage reads an artifact.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from hashlib import file_digest, sha256
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from harness.artifact import Json
from harness.canonical import canonical
from harness.errors import StoreError, UsageError

ENTRY = "entry.json"
ITEMS = "items.parquet"
ONLY = "out"
"""The folder of the artifact of a stage that has one unnamed output."""


@dataclass(frozen=True)
class Output:
    """An artifact of an entry, by its folder's name."""

    kind: str
    facts: Mapping[str, Json] = field(default_factory=dict)
    conditions: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """What a metric's task leaves; ``items`` says that ``items.parquet`` lies beside."""

    values: Mapping[str, float]
    conditions: Mapping[str, Json]
    details: Mapping[str, Json]
    items: bool


@dataclass(frozen=True)
class Entry:
    """A finished task."""

    key: str
    use: str
    outputs: Mapping[str, Output]
    result: Result | None
    wall_s: float
    environment: Mapping[str, Json]
    files: Mapping[str, tuple[int, str]]
    """Relative path → size in bytes and sha256."""


class Store:
    """The store below one folder, which is made when something is written.

    Raises (every method):
        StoreError: the folder cannot be read or written.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._verified: set[str] = set()

    def folder(self, key: str) -> Path:
        return self.root / "objects" / key[:2] / key

    def work(self, key: str) -> Path:
        return self.root / "work" / key

    def check_writable(self) -> None:
        """Fail now rather than after an hour of training.

        Raises:
            UsageError: nothing can be written below the root.
        """
        try:
            with self._errors():
                self.root.mkdir(parents=True, exist_ok=True)
                probe = self.root / f".probe-{uuid.uuid4().hex}"
                probe.write_bytes(b"x" * 4096)
                probe.unlink()
        except StoreError as e:
            raise UsageError(str(e)) from None

    def get(self, key: str) -> Entry | None:
        """The entry, or None where there is none or it is damaged (edited, truncated, files missing)."""
        folder = self.folder(key)
        try:
            text = (folder / ENTRY).read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as e:
            raise StoreError(self.root, _problem(e)) from None
        except UnicodeDecodeError:
            return None
        entry = _parse(text)
        if entry is None or entry.key != key:
            return None
        for name, (size, _) in entry.files.items():
            try:
                if os.stat(folder / name).st_size != size:
                    return None
            except OSError:
                return None
        return entry

    def is_intact(self, entry: Entry) -> bool:
        """Whether every file of the entry has its checksum. Looked at once per process."""
        if entry.key not in self._verified:
            folder = self.folder(entry.key)
            try:
                intact = all(_sha256(folder / name) == digest for name, (_, digest) in entry.files.items())
            except OSError:
                intact = False
            if not intact:
                return False
            self._verified.add(entry.key)
        return True

    def discard(self, key: str) -> None:
        """Remove an entry. What reads it now keeps its open files."""
        folder = self.folder(key)
        if folder.exists():
            with self._errors():
                trash = self.root / "work" / f".trash-{uuid.uuid4().hex}"
                trash.parent.mkdir(parents=True, exist_ok=True)
                folder.rename(trash)
                shutil.rmtree(trash)
        self._verified.discard(key)

    @contextmanager
    def claim(self, key: str, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
        """Hold the key: one process at a time makes it. ``waiting`` is called once if another one holds it."""
        with self._errors():
            claims = self.root / "claims"
            claims.mkdir(parents=True, exist_ok=True)
            lock = FileLock(claims / f"{key}.lock")
            try:
                lock.acquire(timeout=0)
            except Timeout:
                waiting()
                lock.acquire()
        try:
            yield
        finally:
            lock.release()

    def begin(self, key: str, *, resume: bool = True) -> Path:
        """The work folder of a claimed key: ``scratch`` is kept from a killed try, all else is new."""
        work = self.work(key)
        with self._errors():
            if work.exists():
                for child in work.iterdir():
                    if child.name != "scratch" or not resume:
                        shutil.rmtree(child) if child.is_dir() else child.unlink()
            (work / "scratch").mkdir(parents=True, exist_ok=True)
            (work / "entry").mkdir()
        return work

    def commit(self, entry: Entry) -> Entry:
        """Make the finished ``work/<key>/entry`` folder the entry, with its files' checksums filled in."""
        made = self.work(entry.key) / "entry"
        with self._errors():
            files = {}
            for path in sorted(p for p in made.rglob("*") if p.is_file()):
                files[path.relative_to(made).as_posix()] = (path.stat().st_size, _sha256(path))
                _sync(path)
            entry = Entry(**{**_shallow(entry), "files": files})
            body = _body(entry)
            (made / ENTRY).write_text(
                json.dumps({**body, "digest": _digest(body)}, indent=1), encoding="utf-8"
            )
            _sync(made / ENTRY)
            self.discard(entry.key)
            target = self.folder(entry.key)
            target.parent.mkdir(parents=True, exist_ok=True)
            made.rename(target)
            _sync(target.parent)
            shutil.rmtree(self.work(entry.key))
        self._verified.add(entry.key)
        return entry

    def note_timing(self, use: str, settings: Mapping[str, Json], device: str, wall_s: float) -> None:
        """Remember what an execution took."""
        line = canonical({"use": use, "settings": settings, "device": device, "wall_s": round(wall_s, 3)})
        with self._errors(), (self.root / "timings.jsonl").open("a", encoding="utf-8") as f:
            f.write(line + "\n")

    def timings(self) -> list[dict[str, Any]]:
        """Remembered executions, oldest first; a torn last line (a kill) is left out."""
        try:
            lines = (self.root / "timings.jsonl").read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        return [t for line in lines if isinstance(t := _json_or_none(line), dict)]

    @contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as e:
            raise StoreError(self.root, _problem(e)) from None


def _problem(e: OSError) -> str:
    hint = {
        errno.ENOSPC: "no space left on the device; free some, or set HARNESS_STORE to a larger place",
        errno.EROFS: "read-only; set HARNESS_STORE to a place that can be written",
        errno.EACCES: "no permission; set HARNESS_STORE to a place that can be written",
    }
    return hint.get(e.errno or 0, e.strerror or str(e))


def _parse(text: str) -> Entry | None:
    body = _json_or_none(text)
    if not isinstance(body, dict) or body.pop("digest", None) != _digest(body):
        return None
    outputs = {name: Output(**o) for name, o in body["outputs"].items()}
    result = Result(**body["result"]) if body["result"] else None
    files = {name: (size, digest) for name, (size, digest) in body["files"].items()}
    return Entry(**{**body, "outputs": outputs, "result": result, "files": files})


def _json_or_none(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _shallow(entry: Entry) -> dict[str, Any]:
    return dict(vars(entry))


def _body(entry: Entry) -> dict[str, Any]:
    return json.loads(canonical(asdict(entry)))  # type: ignore[no-any-return]


def _digest(body: Mapping[str, Any]) -> str:
    return sha256(f"harness/entry/1:{canonical(body)}".encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as f:
        return file_digest(f, "sha256").hexdigest()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
