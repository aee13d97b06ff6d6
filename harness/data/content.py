"""The content digest of files from outside, and a cache of it, so that a warm run reads no gigabytes."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from functools import cached_property
from hashlib import file_digest, sha256
from pathlib import Path

from harness.errors import UsageError

CARD = "README.md"

_SETTLED_NS = 2_000_000_000
"""A file younger than this is not remembered: a file system's clock may be too coarse for its next edit."""


class DigestCache:
    """sha256 of files, remembered by path, size, modification time and inode.

    One JSON line per file, appended in one write: several processes may share it, a torn line is ignored,
    and where nothing can be written it is a cache for this process.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def of(self, file: Path) -> str:
        """sha256 of a file's bytes, as 64 hex digits.

        Raises:
            UsageError: the file cannot be read.
        """
        try:
            stat = file.stat()
            identity = json.dumps([str(file.resolve()), stat.st_size, stat.st_mtime_ns, stat.st_ino])
            if identity not in self._known:
                with file.open("rb") as content:
                    self._known[identity] = file_digest(content, "sha256").hexdigest()
                if time.time_ns() - stat.st_mtime_ns > _SETTLED_NS:
                    self._remember(identity)
        except OSError as e:
            raise UsageError(f"{file}: cannot be read ({e.strerror})") from None
        return self._known[identity]

    @cached_property
    def _known(self) -> dict[str, str]:
        known: dict[str, str] = {}
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return known
        for line in lines:
            try:
                identity, digest = json.loads(line)
            except ValueError:
                continue
            if isinstance(identity, str) and isinstance(digest, str) and len(digest) == 64:
                known[identity] = digest
        return known

    def _remember(self, identity: str) -> None:
        # The newline in front ends whatever a killed process left unfinished.
        line = f"\n{json.dumps([identity, self._known[identity]])}\n".encode()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError:
            return
        try:
            os.write(descriptor, line)
        except OSError:
            return
        finally:
            os.close(descriptor)


def files_of(folder: Path, *, within: Path | None = None) -> dict[str, Path]:
    """The files below ``folder`` that are not hidden, by relative path with ``/``, sorted.

    Symbolic links are followed (a snapshot of the hub's cache is made of them).

    Args:
        folder: may be a link itself.
        within: where given, a link that leads out of this folder is an error: what a mirror serves must
            be in the mirror.

    Raises:
        UsageError: a link that leads out, nowhere or in a circle; a folder that cannot be listed.
    """
    found: dict[str, Path] = {}
    bound = within.resolve() if within else None
    waiting = [(folder, frozenset[Path]())]
    while waiting:
        current, above = waiting.pop()
        try:
            here = current.resolve(strict=True)
            entries = sorted(current.iterdir())
        except OSError as e:
            raise UsageError(f"{current}: cannot be listed ({e.strerror})") from None
        if here in above:
            raise UsageError(f"{current}: a link to a folder that it is in")
        for entry in entries:
            if entry.name.startswith("."):
                continue
            target = entry.resolve()
            if bound and not target.is_relative_to(bound):
                raise UsageError(f"{entry}: a link that leads out of {within}")
            if entry.is_dir():
                waiting.append((entry, above | {here}))
            elif entry.is_file():
                found[entry.relative_to(folder).as_posix()] = entry
            else:
                raise UsageError(f"{entry}: neither a file nor a folder")
    return dict(sorted(found.items()))


def content_digest(files: Mapping[str, Path] | Path, cache: DigestCache) -> str:
    """What a file or a set of files holds, as ``sha256:`` and 64 hex digits.

    Args:
        files: one file, whose name does not count; or files by relative path, whose paths do.
        cache: of the single files' digests.
    """
    if isinstance(files, Path):
        return f"sha256:{cache.of(files)}"
    body = json.dumps([[name, cache.of(path)] for name, path in sorted(files.items())])
    return f"sha256:{sha256(f'harness/content/1:{body}'.encode()).hexdigest()}"


def without_card(files: Mapping[str, Path]) -> dict[str, Path]:
    """A repository's files without its card: prose that its owner edits at will, and that a mirror may lack.

    Where the card is all there is, it is the content.
    """
    return {name: path for name, path in files.items() if name != CARD} or dict(files)
