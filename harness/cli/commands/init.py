"""``harness init``: writes a project of one's own, or a package of one's own stages, and overwrites nothing."""

from __future__ import annotations

import shlex
from argparse import Namespace
from pathlib import Path

from harness.cli.starting import package, projects
from harness.cli.starting.placing import place
from harness.errors import Exit, UsageError
from harness.report import streams


def main(o: Namespace) -> Exit:
    """``harness init``."""
    if o.package is not None:
        if o.kind is not None or o.folder is not None:
            raise UsageError(
                "init: --package DIR makes a package of stages; leave out --kind and the other DIR"
            )
        return _package(o.package)
    if o.kind is None:
        _list_kinds()
        if o.folder is None:
            return Exit.OK
        raise UsageError("init: say which with --kind KIND; nothing was written")
    return _project(o.folder or Path(), o.kind)


def _list_kinds() -> None:
    width = max(map(len, projects.KINDS))
    for name, kind in projects.KINDS.items():
        streams.say(f"{name:{width}}  {kind.about}")


def _project(folder: Path, kind: str) -> Exit:
    files = projects.files(kind)
    place(folder, files)
    samples = sum(path.startswith("data/") for path in files)
    for path in (p for p in files if not p.startswith("data/")):
        streams.say(f"  {folder / path}")
    if samples:
        streams.say(f"  {folder / 'data'}: a sample of {samples} file{'s' * (samples != 1)}, to be replaced")
    enter = "" if folder == Path() else f"cd {shlex.quote(str(folder))} && "
    streams.say(f"next: {enter}harness run {projects.suite_file(kind)}    (README.md has the rest)")
    root = _repository_above(folder)
    if root is not None:
        streams.note(f"{folder} is inside the repository {root}: move {projects.WORKFLOW} to its root")
    return Exit.OK


def _repository_above(folder: Path) -> Path | None:
    """The git repository that the folder lies in without being its root."""
    return next((above for above in folder.resolve().parents if (above / ".git").exists()), None)


def _package(folder: Path) -> Exit:
    files = package.files(folder)
    place(folder, files)
    for path in files:
        streams.say(f"  {folder / path}")
    streams.say(
        f"next: cd {shlex.quote(str(folder))} && pip install --editable . pytest && pytest    (README.md has the rest)"
    )
    return Exit.OK
