"""Find the files of sources on this machine, fill a mirror, and write commits into a suite.

A source is searched in the mirror (a folder laid out like the hub), then in the hub's local cache, then on the hub.
What is found is pinned by its content.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from harness.errors import UsageError, nearest
from harness.formats.files import put, write
from harness.sources import snapshots
from harness.sources.content import DigestCache, content_digest, files_of, refuse_outside, without_card
from harness.sources.hub import COMMIT, Found, Origin, Source

REVISION = ".revision"
"""A file in a mirror's repository folder with the commit that the folder holds."""


def resolve(source: Source, *, mirror: Path | None, cache: DigestCache, download: bool) -> Source:
    """Find a source on this machine, or download it.

    Args:
        source: a source; a ``path:`` is relative to the working folder, unless ``relative_to`` was called.
        mirror: a folder laid out like the hub.
        cache: cache of file digests.
        download: whether to use the network; if not, a source that is only on the hub is returned unresolved.

    Raises:
        UsageError: it is not found, differs from what the suite pins, or could not be downloaded.
    """
    if source.place is not None:
        found = _found(source, source.place, "path", None, cache)
        if source.pin is not None and found.to_key() != f"sha256:{source.pin}":
            raise UsageError(
                f"{source.text}: its content is not what the suite pins; it has {found.to_key()}"
            )
        return found
    folder = mirror / source.repo if mirror else None
    if folder is not None and folder.is_dir():
        held = _revision(folder)
        if held and source.commit and held != source.commit:
            raise UsageError(
                f"{source.text}: the mirror's {folder} holds commit {held}, the suite wants {source.commit}"
            )
        if source.commit is None or (folder / source.inside).exists():
            return _found(source, folder, "mirror", held, cache)
    if source.commit is None:
        raise UsageError(
            f"{source.text}: {_missing(mirror)}, and the hub needs a commit; "
            "'harness fetch SUITE --pin' looks it up and writes it into the suite"
        )
    return _from_hub(source, source.commit, mirror, cache, download)


def _from_hub(source: Source, commit: str, mirror: Path | None, cache: DigestCache, download: bool) -> Source:
    cached = snapshots.cached(source.repo, commit, source.inside)
    if cached is not None:
        return _found(source, cached, "hub cache", commit, cache)
    if not download:
        return source
    try:
        held = snapshots.listing(source.repo, commit)
        folder = snapshots.download(held, snapshots.wanted(held, source.inside))
    except snapshots.UnreachableError as e:
        raise UsageError(
            f"{source.text}: {_missing(mirror)} nor in the hub's cache, and the hub cannot be reached ({e}); "
            "'harness fetch SUITE --to DIR' fills a mirror where there is a network"
        ) from None
    return _found(source, folder, "hub", commit, cache)


def _missing(mirror: Path | None) -> str:
    return f"not in the mirror {mirror}" if mirror else "not in a mirror (none is given: --mirror DIR)"


def _revision(folder: Path) -> str | None:
    """The commit in a mirror's repository folder."""
    try:
        text = (folder / REVISION).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as e:
        raise UsageError(f"{folder / REVISION}: cannot be read ({e})") from None
    if not COMMIT.fullmatch(text):
        raise UsageError(f"{folder / REVISION}: {text[:60]!r} is not a commit of 40 hex digits")
    return text


def _normal(place: Path) -> Path:
    """The absolute path without ``..``: in a container the folders on the way need not be there."""
    plain = Path(os.path.abspath(place))
    return plain if plain.exists() and plain.samefile(place) else place.resolve()


def _found(source: Source, root: Path, origin: Origin, commit: str | None, cache: DigestCache) -> Source:
    """``source`` with its path below ``root`` and the digest of its content."""
    place = root / source.inside if source.inside else root
    if not place.exists():
        beside = place.parent if place.parent.is_dir() else root
        names = [p.name for p in beside.iterdir()] if beside.is_dir() else []
        raise UsageError(f"{source.text}: no {place}{nearest(place.name, names)}")
    digest = _digest(source, place, root if origin == "mirror" else None, origin, cache)
    return replace(source, found=Found(_normal(place), digest, origin, commit))


def read_again(source: Source, cache: DigestCache) -> Source:
    """A resolved source with the digest of its present content.

    Raises:
        UsageError: something is missing or cannot be read.
    """
    found = source.found
    assert found is not None, f"{source.text} is not resolved"
    root = found.path.parents[len(PurePosixPath(source.inside).parts) - 1] if source.inside else found.path
    digest = _digest(source, found.path, root if found.origin == "mirror" else None, found.origin, cache)
    return replace(source, found=replace(found, digest=digest))


def _digest(source: Source, place: Path, within: Path | None, origin: Origin, cache: DigestCache) -> str:
    """The digest of what is at ``place``; links are followed, but not out of ``within``."""
    if within and not place.resolve().is_relative_to(within.resolve()):
        raise UsageError(f"{source.text}: {place} leads out of {within}")
    if place.is_file():
        return content_digest(place, cache)
    if not place.is_dir():
        raise UsageError(f"{source.text}: {place} is neither a file nor a folder")
    files = files_of(place, within=within)
    if origin != "path" and not source.inside:
        files = without_card(files)
    if not files:
        raise UsageError(f"{source.text}: {place} holds no files")
    refuse_outside(place, files)
    return content_digest(files, cache)


class Fetched(NamedTuple):
    """A repository in a mirror."""

    repo: str
    commit: str
    files: int
    """How many files were fetched; 0 if all were there."""

    def __str__(self) -> str:
        return (
            f"{self.repo}@{self.commit}: {f'{self.files} files fetched' if self.files else 'already there'}"
        )


class Pinned(NamedTuple):
    """A repository whose commit was written into a suite's file."""

    file: Path
    repo: str
    commit: str

    def __str__(self) -> str:
        return f"{self.file}: {self.repo}@unpinned → {self.repo}@{self.commit}"


def fetch(sources: Iterable[Source], to: Path) -> Iterator[Fetched]:
    """Fill a mirror, one repository after the other; yields each.

    A repository is downloaded into a folder next to its place and appears by one rename, with its ``.revision``. Files
    that were downloaded before an interruption are kept. ``path:`` sources need no mirror.

    Raises:
        UsageError: a source without a commit, two commits of one repository (a mirror holds one), another
            commit already in the mirror, nothing of that name on the hub, no network.
    """
    for repo, wanted in _by_repository(sources).items():
        commit = wanted[0].commit
        assert commit is not None
        folder = to / repo
        held = _revision(folder) if folder.is_dir() else None
        if folder.is_dir() and held != commit:
            holds = f"commit {held}" if held else "no known commit"
            raise UsageError(
                f"{folder} holds {holds}, the suite wants {commit}; move it away or fetch into another folder"
            )
        count = _complete(folder, repo, commit, wanted)
        yield Fetched(repo, commit, count)


def _link(file: str, name: str) -> None:
    """Hard-link a file to another name, or copy it if the file system has no hard links."""
    with contextlib.suppress(FileExistsError):  # left by a try that was killed
        try:
            os.link(file, name)
        except PermissionError:
            shutil.copy2(file, name)


def _by_repository(sources: Iterable[Source]) -> dict[str, list[Source]]:
    found: dict[str, list[Source]] = {}
    for source in sources:
        if source.place is not None:
            continue
        if source.commit is None:
            raise UsageError(f"{source.text}: the hub needs a commit; 'harness fetch SUITE --pin' writes it")
        others = found.setdefault(source.repo, [])
        if others and others[0].commit != source.commit:
            raise UsageError(f"a mirror holds one commit of a repository: {others[0].text}, {source.text}")
        others.append(source)
    return found


def _complete(folder: Path, repo: str, commit: str, wanted: list[Source]) -> int:
    """Download the files that ``folder`` lacks; returns their number."""
    part = folder.parent / f".{folder.name}.{commit[:12]}.part"
    try:
        held = snapshots.listing(repo, commit)
        missing = {
            name
            for source in wanted
            for name in snapshots.wanted(held, source.inside)
            if not (folder / name).is_file()
        }
        if not missing:
            return 0
        part.mkdir(parents=True, exist_ok=True)
        snapshots.download(held, sorted(missing), to=part)
        shutil.rmtree(part / ".cache", ignore_errors=True)
        if folder.is_dir():
            # By hard links and one exchange: a partly linked larger data set would be read as complete.
            shutil.copytree(folder, part, copy_function=_link, symlinks=True, dirs_exist_ok=True)
        else:
            write(part / REVISION, f"{commit}\n")
        put(part, folder)
        shutil.rmtree(part, ignore_errors=True)
    except snapshots.UnreachableError as e:
        raise UsageError(
            f"{repo}@{commit}: the hub cannot be reached ({e}); the same command goes on"
        ) from None
    except OSError as e:
        raise UsageError(f"mirror {folder.parent.parent}: cannot be written ({e.strerror or e})") from None
    return len(missing)


def pin(suite_file: Path, sources: Iterable[Source]) -> list[Pinned]:
    """Write the current commit of each unpinned repository into a suite file; returns each.

    Only the word ``unpinned`` changes; comments and layout stay. The file is replaced by one rename.

    Raises:
        UsageError: the file does not name the source itself (it extends one that does), the hub has no such
            repository, no network, the file cannot be written.
    """
    repos = list(dict.fromkeys(s.repo for s in sources if s.place is None and s.commit is None))
    try:
        text = suite_file.read_bytes().decode("utf-8")
        lines = []
        for repo in repos:
            if not _mentions(text, repo):
                raise UsageError(
                    f"{suite_file}: {repo}@unpinned is in the file that it extends; pin that one"
                )
            commit = snapshots.current_commit(repo)
            text = _pinned(text, repo, commit)
            lines.append(Pinned(suite_file, repo, commit))
        if lines:
            write(suite_file, text)
    except snapshots.UnreachableError as e:
        raise UsageError(f"{suite_file}: nothing pinned, the hub cannot be reached ({e})") from None
    except OSError as e:
        raise UsageError(f"{suite_file}: cannot be rewritten ({e.strerror or e})") from None
    return lines


def _unpinned(repo: str) -> re.Pattern[str]:
    # Comments are not changed: a comment may explain why something was unpinned.
    return re.compile(
        rf"^((?:(?!(?:^|\s)#).)*?(?<![\w./-]){re.escape(repo)}@)unpinned(?![\w-])", re.MULTILINE
    )


def _mentions(text: str, repo: str) -> bool:
    return _unpinned(repo).search(text) is not None


def _pinned(text: str, repo: str, commit: str) -> str:
    while _mentions(text, repo):  # a line may name it more than once
        text = _unpinned(repo).sub(rf"\g<1>{commit}", text)
    return text
