"""Which suite is meant: a file, or a name, which is that of a file below ``suites/`` in the project."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.errors import SuiteError, UsageError, nearest
from harness.formats.files import read_bytes
from harness.store import project as places
from harness.suite import extends
from harness.suite.located_yaml import Map, Scalar, load, shorten

SUFFIXES = (".yaml", ".yml")
FOLDER = "suites"


def suite_file(given: str | Path, project: Path | None = None) -> Path:
    """Return the file of a suite.

    Args:
        given: its file or its name. A file is taken first.
        project: the project in which a name is looked up; by default that of the working folder.

    Raises:
        UsageError: no suite has this name, several have it, or it is a folder.
    """
    path = Path(given)
    if not os.path.isdir(path) and os.path.lexists(path):
        return path
    if is_spelled_as_file(path):
        return _no_file(path)
    home = places.of(Path.cwd()) if project is None else project
    found = _named(str(given), home)
    if found is None and os.path.isdir(path):
        raise UsageError(
            f"{given}: a folder; harness run takes folders, and this takes a suite's file or name"
        )
    return _nothing(str(given), home) if found is None else found


def suite_files(given: Sequence[str | Path], project: Path | None = None) -> list[Path]:
    """Return the files of suites, each once, in the order in which they are given; those in a folder by name.

    Args:
        given: files, names, and folders; of a folder all suites below it.
        project: as for ``suite_file``.

    Raises:
        UsageError: as ``suite_file``; or a folder has no suite.
    """
    found: dict[str, Path] = {}
    for one in given:
        for file in _below(Path(one)) if os.path.isdir(one) else [suite_file(one, project)]:
            found.setdefault(os.path.realpath(file), file)
    return list(found.values())


def suite_name(given: str) -> tuple[Path, str]:
    """Return the project and the name of a suite that is given by its name or its file.

    A name is taken as it is: baselines and runs may outlive a suite's file.

    Raises:
        UsageError: the file cannot be read or names no suite.
    """
    file = Path(given)
    if not is_spelled_as_file(given):
        return places.of(Path.cwd()), given
    name = _name_in(extends.load(suite_file(given)))
    if not name:
        raise UsageError(f"{given}: names no suite")
    return places.of(file.parent), name


def names(project: Path) -> dict[str, list[Path]]:
    """The suites below ``suites/``: name → the files that have it. What cannot be read as a suite is left out."""
    found: dict[str, list[Path]] = {}
    for file in _yaml(project / FOLDER):
        if name := _own_name(file):
            found.setdefault(name, []).append(file)
    return found


def _named(name: str, project: Path) -> Path | None:
    """The file of a name. The one at the place that the name suggests is looked at first, and saves the search."""
    for suffix in SUFFIXES:
        there = project / FOLDER / f"{name}{suffix}"
        if os.path.isfile(there) and _own_name(there) == name:
            return _shown(there)
    files = names(project).get(name, [])
    if len(files) > 1:
        several = ", ".join(str(_shown(f)) for f in files)
        raise UsageError(f"several files have the name {name!r}: {several}; name one of them")
    return _shown(files[0]) if files else None


def _nothing(given: str, project: Path) -> Path:
    known = sorted(names(project))
    there = f"there are {', '.join(known[:8])}{', …' if len(known) > 8 else ''}" if known else "there is none"
    raise UsageError(
        f"no suite {shorten(given)!r}: neither a file nor a name in {project / FOLDER} ({there}){nearest(given, known)}"
    )


def _no_file(path: Path) -> Path:
    beside = [str(path.parent / file.name) for file in _yaml(path.parent, deep=False)]
    raise UsageError(f"{path}: cannot be read ({os.strerror(errno.ENOENT)}){nearest(str(path), beside)}")


def is_spelled_as_file(given: str | Path) -> bool:
    """Whether something is named as suites' files are."""
    return Path(given).suffix in SUFFIXES


def _below(folder: Path) -> list[Path]:
    """The suites below a folder: the files with the key ``suite``. One with mistakes is kept, so that it is refused."""
    found = [file for file in _yaml(folder) if _is_suite(file)]
    if not found:
        raise UsageError(f"{folder}: no suite in this folder")
    return found


def _is_suite(file: Path) -> bool:
    try:
        return "suite" in load(file).entries
    except (SuiteError, UsageError):
        try:
            return re.search(rb"(?m)^suite\s*:", read_bytes(file)) is not None
        except UsageError:
            return False


def _yaml(folder: Path, *, deep: bool = True) -> Iterable[Path]:
    listed = folder.rglob("*") if deep else folder.glob("*")
    return sorted(p for p in listed if p.suffix in SUFFIXES and p.is_file() and not _is_hidden(p, folder))


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def _own_name(file: Path) -> str:
    try:
        return _name_in(load(file))
    except (SuiteError, UsageError):
        return ""


def _name_in(tree: Map) -> str:
    entry = tree.entries.get("suite")
    return " ".join(entry.value.text.split()) if entry and isinstance(entry.value, Scalar) else ""


def _shown(file: Path) -> Path:
    """A file relative to the working folder, if it is below it."""
    here = Path.cwd()
    return file.relative_to(here) if file.is_relative_to(here) else file
