"""Entries of a store in a tar file for other machines: packed the same every time, unpacked only if sound.

An archive contains ``<key>/entry.json`` and the entry's files. Nothing in it leads out of its folder: links, devices,
absolute paths and ``..`` are refused, and every file must have the size and checksum that ``entry.json`` gives.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Iterable, Iterator
from hashlib import file_digest
from pathlib import Path, PurePosixPath

from harness.errors import UsageError
from harness.store import entries
from harness.store.entries import ENTRY, Entry

_KEY = re.compile(r"[0-9a-f]{64}")


def pack(folders: Iterable[Path], file: Path) -> int:
    """Write entries into an archive.

    Args:
        folders: the entries' folders, each named by its key.
        file: the archive, which is written in place.

    Returns:
        Number of entries.

    Raises:
        OSError: an entry cannot be read, or the archive cannot be written.
    """
    count = 0
    with tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as archive:
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                if path.is_file():
                    with path.open("rb") as content:
                        info = tarfile.TarInfo(f"{folder.name}/{path.relative_to(folder).as_posix()}")
                        info.size = path.stat().st_size
                        archive.addfile(info, content)
            count += 1
    return count


def unpack(file: Path, to: Path) -> Iterator[tuple[Entry, Path]]:
    """Unpack an archive entry by entry, and yield each with its folder below ``to``, checked.

    Raises:
        UsageError: the file is no archive of entries, or something in it is not what it says.
        OSError: it cannot be read, or there is no space.
    """
    try:
        with tarfile.open(file, "r:") as archive:
            keys: dict[str, None] = {}
            for member in archive:
                keys[_checked(member, str(file))] = None
                archive.extract(member, to, filter="data")
    except (tarfile.TarError, EOFError) as e:
        raise UsageError(f"{file}: not an archive of entries ({e})") from None
    if not keys:
        raise UsageError(f"{file}: not an archive of entries (it is empty)")
    for key in keys:
        yield _entry(to / key, str(file)), to / key


def _checked(member: tarfile.TarInfo, where: str) -> str:
    """The key that a member belongs to."""
    path = PurePosixPath(member.name)
    inside = not path.is_absolute() and ".." not in path.parts and len(path.parts) > 1
    if not member.isreg() or not inside or not _KEY.fullmatch(path.parts[0]):
        raise UsageError(f"{where}: {member.name!r} is no file of an entry")
    return path.parts[0]


def _entry(folder: Path, where: str) -> Entry:
    try:
        entry = entries.loads((folder / ENTRY).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        entry = None
    if entry is None or entry.key != folder.name:
        raise UsageError(f"{where}: {folder.name[:12]}… has no sound {ENTRY}")
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file()} - {ENTRY}
    if found != set(entry.files):
        raise UsageError(f"{where}: {folder.name[:12]}… has other files than its {ENTRY} lists")
    for name, (size, digest) in entry.files.items():
        path = folder / name
        with path.open("rb") as content:
            if path.stat().st_size != size or file_digest(content, "sha256").hexdigest() != digest:
                raise UsageError(f"{where}: {folder.name[:12]}…: {name} differs from its checksum")
    return entry
