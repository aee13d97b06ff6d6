"""Reads the suite as of the merge base of a branch, whose gates, reference and seeds a run is judged by.

A suite is known by its name, as its baselines are: its file may have been moved, or another file may now have its name.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from harness import suite
from harness.artifact import Json
from harness.compare import baseline as baselines
from harness.compare.baseline import Commit
from harness.engine.recording import gate_infos, reference_json
from harness.engine.suite_sources import with_absolute_paths
from harness.errors import SuiteError, UsageError
from harness.formats.files import text_of
from harness.store.record import GateInfo, Run, axis_values
from harness.suite import Suite
from harness.suite.located_yaml import Scalar, load

SUFFIXES = (".yaml", ".yml")


def suite_at(project: Path, ref: str, name: str, file: Path | None) -> Suite | None:
    """Return the suite of this name at the merge base with ``ref``; None if it is new since then.

    A change to the suite cannot loosen what it is judged by. A suite that was added since then has no baseline at the
    merge base either, so using its own gates changes nothing.

    Args:
        project: project folder.
        ref: git reference.
        name: name of the suite.
        file: its file now: where to look first.

    Raises:
        UsageError: git knows no such reference; several files have this name there; or none has, but a baseline does;
            no file is given.
    """
    if file is None:
        raise UsageError("--baseline-ref needs the suite's file: use it with harness run")
    base = Commit.merge_base(project, ref)
    here = _below(project, file)
    if here is None:
        raise UsageError(f"{file}: not in the project {project}, so not at {base}")
    return _Reader(project, base).find(name, here)


def gates_of(bound: Suite, ref: str | None, suite_file: Path) -> tuple[GateInfo, ...]:
    """The gates that will be judged: the suite's own, or under a reference those of the merge base."""
    if ref is None:
        return gate_infos(bound)
    approved = suite_at(bound.project, ref, bound.name, suite_file)
    return gate_infos(bound if approved is None else with_absolute_paths(approved))


def declared(approved: Suite, suite_file: Path, run: Run) -> tuple[tuple[GateInfo, ...], Mapping[str, Json]]:
    """Return gates and reference of a suite at the merge base, with their points in the values of the run.

    A run has the content of what its axes name. It lacks the axes that ``--set`` reduced to one value.
    """
    approved, now = (with_absolute_paths(s) for s in (approved, suite.load(suite_file)))
    swept = {axis.field: axis.values for axis in now.matrix}
    ran = {axis: [shown for shown, _ in axis_values(run.declaration, axis)] for axis in swept}

    def recorded(point: Mapping[str, Any], plain: Mapping[str, Json]) -> dict[str, Json]:
        found = dict(plain)
        for name, value in point.items():
            values, written = swept.get(name, ()), ran.get(name, [])
            if value in values and len(values) == len(written):
                found[name] = written[values.index(value)]
        return found

    infos = zip(approved.gates, gate_infos(approved), strict=True)
    gates = tuple(replace(info, at=recorded(gate.at, info.at)) for gate, info in infos)
    reference = recorded(approved.reference, reference_json(approved))
    return gates, {n: v for n, v in reference.items() if ran.get(n) or n not in swept}


class _Reader:
    """Reads suites of a project at the merge base."""

    def __init__(self, project: Path, base: Commit) -> None:
        self.project = project
        self.base = base

    def find(self, name: str, here: PurePosixPath) -> Suite | None:
        known = self.base.files(*{*SUFFIXES, here.suffix})
        for first in (p for p in known if p == here and self._name(p) == name):
            return self._load(first)
        named = [p for p in known if self._name(p) == name]
        was = self._name(here) if here in known else None
        if not named and was not in (None, name) and any(self._labels(str(was))):
            raise UsageError(
                f"{here}: at {self.base} this file is the suite {was!r}, which has a baseline; as {name!r} it would "
                "leave its gate: give it its name again, or write the new suite to a file of its own"
            )
        if len(named) > 1:
            several = ", ".join(map(str, named))
            raise UsageError(f"{here}: at {self.base} several files have the name {name!r}: {several}")
        if named:
            other = self._name(here) if here in known else None
            if other is not None and any(self._labels(other)):
                raise UsageError(
                    f"{here}: at {self.base} this file is the suite {other!r}, which has a baseline; as {name!r} it "
                    f"would be judged by the gates of {named[0]}: run that file, or give this one its name again"
                )
            return self._load(named[0])
        if labels := sorted(self._labels(name)):
            raise UsageError(
                f"{here}: at {self.base} no file is the suite {name!r}, although it has a baseline there "
                f"({', '.join(labels)}): its gate is not known"
            )
        return None

    def _load(self, path: PurePosixPath) -> Suite:
        return suite.load(self.project / path, read=self._text)

    def _name(self, path: PurePosixPath) -> str | None:
        """The name of the suite in a file; None if it is no suite."""
        try:
            entry = load(self.project / path, self._text).entries.get("suite")
        except (SuiteError, UsageError):
            return None
        return " ".join(entry.value.text.split()) if entry and isinstance(entry.value, Scalar) else None

    def _text(self, path: Path) -> str:
        inside = _below(self.project, path)
        if inside is None:
            raise UsageError(f"{path}: not in the project {self.project}, so not at {self.base}")
        content = self.base.read(inside)
        if content is None:
            raise FileNotFoundError(errno.ENOENT, f"not there at {self.base}")
        return text_of(content, f"{path} at {self.base}")

    def _labels(self, name: str) -> Iterator[str]:
        folder = baselines.path_of(name, "cpu").parent
        return (n.removesuffix(".json") for n in self.base.names(folder) if n.endswith(".json"))


def _below(project: Path, path: Path) -> PurePosixPath | None:
    """A path below the project as it is spelled: a link that the branch made must not lead to another file."""
    for spelled in (os.path.abspath(path), os.path.realpath(path)):
        for root in (os.path.abspath(project), os.path.realpath(project)):
            if Path(spelled).is_relative_to(root):
                return PurePosixPath(Path(spelled).relative_to(root))
    return None
