"""Suites that a change takes out of a gate: files that a pattern finds at the merge base and no longer now.

Without them a change could pass a gate by removing it. A suite that was moved is found by its name.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from harness.compare.baseline import Commit
from harness.formats.files import read_text

_NAME = re.compile(r"^suite:[ \t]*([^#\n]+)", re.MULTILINE)


def removed(patterns: Sequence[str], suites: Sequence[str], project: Path, ref: str) -> Iterator[str]:
    """Yield the files at the merge base that patterns match, whose suite is not among ``suites`` any more.

    Raises:
        UsageError: git knows no such reference, or a suite cannot be read.
    """
    base = Commit.merge_base(project, ref)
    wanted = [
        re.compile(_regex(os.path.normpath(line.strip())))
        for text in patterns
        for line in text.splitlines()
        if line.strip()
    ]
    here = {os.path.normpath(suite) for suite in suites}
    names: set[str] | None = None
    for path in base.files(".yaml", ".yml"):
        file = os.path.relpath(project / path)
        if file in here or not any(pattern.fullmatch(file) for pattern in wanted):
            continue
        if names is None:
            names = {_name(read_text(Path(suite))) for suite in suites}
        name = _name((base.read(path) or b"").decode(errors="replace"))
        if name and name not in names:  # another YAML file is no suite
            yield file


def _name(text: str) -> str:
    found = _NAME.search(text)
    return " ".join(found[1].split()).strip("\"'") if found else ""


def _regex(pattern: str) -> str:
    """A pattern of ``glob`` as a regular expression: ``**/`` is any number of folders, ``*`` and ``?`` no ``/``."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^\]]+\])", pattern)
    known = {"**/": "(?:[^/]+/)*", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return "".join(
        known.get(part) or (part.replace("[!", "[^") if part.startswith("[") else re.escape(part))
        for part in parts
    )
