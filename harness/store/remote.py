"""The second tier of a store: entries at a URL that other machines share (``s3://``, ``gs://``, ``file://``, …).

    <URL>/<2 hex>/<key>.tar     an archive of one entry (``store/archive.py``)
    <URL>/<2 hex>/<key>.json    its ``entry.json``, written last: an entry is there if this is

The first record wins: one that is there when another machine offers the same key is not replaced. If two machines
offer it at the same time, an archive of the one beside the record of the other counts as damaged. A URL needs the
package that fsspec names for it (s3fs, gcsfs).
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path

from harness.errors import StoreError, UsageError, described
from harness.store import archive, entries
from harness.store.entries import ENTRY, Entry

READ_ONLY = "ro:"


class Remote:
    """Entries at a URL.

    Args:
        url: the URL, after ``ro:`` if nothing may be written there.

    Raises:
        UsageError: the URL cannot be used.
    """

    def __init__(self, url: str) -> None:
        self.is_writable = not url.startswith(READ_ONLY)
        self.url = url.removeprefix(READ_ONLY)
        self._bad: set[str] = set()
        try:
            from fsspec.core import url_to_fs  # type: ignore[import-untyped]

            self._files, self._root = url_to_fs(self.url)
        except Exception as e:  # each file system has errors of its own
            raise UsageError(f"store {self.url}: cannot be used ({described(e)})") from None
        place = self.url.partition("://")[2]
        if "file" in self._files.protocol and not os.path.isabs(os.path.expanduser(place)):
            raise UsageError(f"store {self.url}: expected a whole path, as in file:///shared/store")

    @cached_property
    def _keys(self) -> set[str]:
        """The keys of all entries, read once."""
        with suppress(FileNotFoundError), self._errors():
            self._files.invalidate_cache()
            self._files.ls(self._root)  # `exists` and `find` take a lost connection for an empty folder
            found = self._files.find(self._root)
            return {Path(name).stem for name in found if str(name).endswith(".json")}
        return set()

    def get(self, key: str) -> Entry | None:
        """The entry, without its files; None if there is none, or it was found damaged.

        Raises:
            StoreError: the connection is lost, or nothing may be read.
        """
        if key in self._bad or key not in self._keys:
            return None
        try:
            with self._errors():
                content = self._files.cat_file(self._path(key, "json"))
            entry = entries.loads(content.decode("utf-8"))
        except (FileNotFoundError, UnicodeDecodeError):  # gone since, or damaged
            entry = None
        if entry is None or entry.key != key:
            self._bad.add(key)
            return None
        return entry

    def fetch(self, key: str, to: Path) -> Path | None:
        """Bring an entry's files into a folder below ``to``; None if they are not there or not what they should be."""
        if key in self._bad or key not in self._keys:
            return None
        file = to / f"{key}.tar"
        with suppress(FileNotFoundError, UsageError):  # gone since, or damaged: as none
            with self._errors():
                self._files.get_file(self._path(key, "tar"), str(file))
            found = list(archive.unpack(file, to))
            if [entry for entry, _ in found] == [self.get(key)]:  # not of two machines that made it at once
                return found[0][1]
        self._bad.add(key)
        return None

    def offer(self, folder: Path) -> None:
        """Copy an entry there, unless there is one with this key.

        Raises:
            StoreError: it cannot be written.
        """
        key = folder.name
        if not self.is_writable or key in self._keys or self._has(key):
            return
        try:
            with tempfile.TemporaryDirectory() as place:
                file = Path(place) / f"{key}.tar"
                archive.pack([folder], file)
                self._put(file, self._path(key, "tar"))
                self._put(folder / ENTRY, self._path(key, "json"))
        except Exception as e:
            raise StoreError(self.url, described(e)) from None
        self._keys.add(key)

    def _has(self, key: str) -> bool:
        """Whether there is an entry now: another machine may have made it since the keys were read."""
        with suppress(FileNotFoundError), self._errors():
            self._files.invalidate_cache()
            self._files.info(self._path(key, "json"))
            self._keys.add(key)
            return True
        return False

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what a file system raises into one line; each has errors of its own. A file that is gone stays that."""
        try:
            yield
        except FileNotFoundError:
            raise
        except Exception as e:
            raise StoreError(self.url, described(e)) from None

    def _put(self, file: Path, to: str) -> None:
        """Copy a file; on file systems whose copies are not atomic, by a rename."""
        self._files.makedirs(to.rpartition("/")[0], exist_ok=True)
        part = f"{to}.{os.getpid()}.part"
        self._files.put_file(str(file), part)
        self._files.mv(part, to)

    def _path(self, key: str, suffix: str) -> str:
        return f"{self._root.rstrip('/')}/{key[:2]}/{key}.{suffix}"


def of(named: str) -> tuple[str, Remote | None]:
    """The parts of ``HARNESS_STORE``: ``FOLDER`` or ``FOLDER,URL``; the second part is None or a ``Remote``.

    Raises:
        UsageError: the URL cannot be used.
    """
    folder, comma, url = named.partition(",")
    if comma and not all(url.removeprefix(READ_ONLY).partition("://")[1:]):
        raise UsageError(f"HARNESS_STORE={named}: expected FOLDER,URL, as in /store,s3://bucket/harness")
    return folder, Remote(url) if comma else None
