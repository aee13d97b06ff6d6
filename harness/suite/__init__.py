"""Read a suite file into a ``Suite``, or raise one precise error that lists every mistake found.

The steps: text with places (``located_yaml``), inheritance and ``--set`` (``extends``), stage functions and the inputs
and parameters of their signatures, axes and points, gates, and what reaches what. May import the packages below it:
``store`` and ``formats``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import Where
from harness.store import project
from harness.suite import extends, nodes, points, reach
from harness.suite.located_yaml import Map, Problems, Read, Scalar, Tree, closed, read_file
from harness.suite.model import Axis, Gate, Margin, Node, Ref, Suite
from harness.suite.points import Points, continued, gates, parse_only

__all__ = ["Axis", "Gate", "Margin", "Node", "Ref", "Suite", "build", "continued", "load", "parse_only"]

KEYS = (
    "suite",
    "about",
    "extends",
    "image",
    "subject",
    "stages",
    "metrics",
    "matrix",
    "exclude",
    "seeds",
    "reference",
    "gate",
)
REQUIRED = ("suite", "stages", "metrics")

_SUITE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*(/[A-Za-z0-9][A-Za-z0-9_.-]*)*")


def load(path: Path, *, set_: Sequence[str] = (), read: Read = read_file) -> Suite:
    """Read and check a suite. No heavy library is imported, and only the suite's files are read.

    Args:
        path: the suite file; it and what it extends are YAML.
        set_: assignments ``node.field=value`` that change the file; see ``harness.suite.extends.assign``.
        read: function that reads a file's text, so that the text can come from a git reference.

    Raises:
        UsageError: the file cannot be read.
        SuiteError: mistakes in it, one line each with file:line and the nearest right name.
    """
    tree, collapsed = extends.assign(extends.load(path, read), set_)
    return build(tree, path, collapsed)


def build(tree: Map, path: Path, collapsed: Mapping[str, Tree] | None = None) -> Suite:
    """Make a suite from its tree, after inheritance and ``--set`` are applied.

    Args:
        tree: tree of the whole suite.
        path: its file, or a path used in its place: the project and relative paths follow from it.
        collapsed: the axes that ``--set`` has reduced to one value.
    """
    problems = Problems()
    closed(tree.entries, KEYS, "a suite", problems)
    for key in REQUIRED:
        if key not in tree.entries:
            problems.add(Where(str(path), 1), f"the suite has no {key!r}")
    name = _text(tree, "suite", problems)
    about = _text(tree, "about", problems)
    if name and not _SUITE_NAME.fullmatch(name):
        place = tree.entries["suite"].value.where
        problems.add(
            place, f"suite: {name!r} is no name: words of letters, digits, '_', '-', '.' with '/' between"
        )
    problems.stop()
    fixed = collapsed or {}
    suite = _assemble(tree, fixed, name, about, path)
    reach.check(suite, tree, problems, fixed)
    reach.check_effects(suite, tree, problems)
    problems.stop()
    return suite


def _assemble(tree: Map, collapsed: Mapping[str, Tree], name: str, about: str, path: Path) -> Suite:
    problems = Problems()
    declared: dict[str, nodes.Declared] = {}
    with problems.collect():
        declared = nodes.declared(tree, problems)
    problems.stop()
    fields = nodes.Fields({n: d.stage for n, d in declared.items()})
    bound = {n: nodes.bind(d, fields, problems) for n, d in declared.items()}
    subject = reach.subject(tree.entries.get("subject"), fields, problems)
    matrix = points.matrix(tree.entries.get("matrix"), fields, problems)
    seeds = points.seeds(tree.entries.get("seeds"), fields, problems)
    problems.stop()
    at = Points(matrix, collapsed, fields, problems)
    exclude = at.exclude(tree.entries.get("exclude"))
    reference = at.reference(tree.entries.get("reference"), exclude)
    judged = gates(tree.entries.get("gate"), bound, at, exclude, reference, problems)
    problems.stop()
    return Suite(
        name=name,
        about=about,
        file=path,
        project=project.of(path.parent),
        subject=subject,
        nodes=nodes.ordered(bound, matrix),
        metrics=tuple(n for n, d in declared.items() if d.stage.is_metric),
        matrix=matrix,
        exclude=exclude,
        seeds=seeds,
        reference=reference or {},
        gates=judged,
    )


def _text(tree: Map, key: str, problems: Problems) -> str:
    entry = tree.entries.get(key)
    if entry is None:
        return ""
    if isinstance(entry.value, Scalar) and not entry.value.is_null and entry.value.text.strip():
        return " ".join(entry.value.text.split())
    problems.add(entry.value.where, f"{key}: expected text, not {entry.value}")
    return ""
