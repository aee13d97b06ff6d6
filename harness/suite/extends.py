"""Apply what a suite inherits (``extends``) and what the command line changes (``--set``), as trees.

Named things are merged by name. Lists and values are replaced. A stage that repeats ``use`` replaces the whole stage.
null removes a named thing; a parameter is a value, so its null stays and is checked against its type. Every node keeps
the place where it was written.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from harness.errors import SuiteError, Where, nearest
from harness.suite import located_yaml
from harness.suite.located_yaml import Entry, List, Map, Scalar, Tree

STAGES = ("stages", "metrics")
NAMED = (*STAGES, "matrix", "seeds", "reference", "gate")
"""Sections that map names to things."""
OWN = ("suite", "about")
"""Sections about the suite itself, which are not inherited."""
MAX_CHAIN = 16

_ASSIGNMENT = re.compile(r"\s*([^\s.=]+)\.([^\s.=]+)\s*=(.*)", re.DOTALL)


def load(path: Path, read: located_yaml.Read = located_yaml.read_file) -> Map:
    """A suite file with everything that it extends.

    Raises:
        UsageError: the file cannot be read.
        SuiteError: it, or a file that it extends, is not a suite; ``extends`` has a cycle; null removes something that
            does not exist.
    """
    return _load(path, read, None, ())


def _load(path: Path, read: located_yaml.Read, named_at: Where | None, above: tuple[str, ...]) -> Map:
    place = os.path.abspath(path)
    if named_at is not None and place in above:
        names = " → ".join(Path(p).name for p in (*above[above.index(place) :], place))
        raise SuiteError(named_at, f"extends goes in a circle: {names}")
    if named_at is not None and len(above) >= MAX_CHAIN:
        raise SuiteError(named_at, f"extends more than {MAX_CHAIN - 1} files in a chain")
    child = located_yaml.load(path, read, named_at=named_at)
    extends = child.entries.get("extends")
    if extends is None:
        return child
    named = extends.value
    if not isinstance(named, Scalar) or named.is_null or not named.text.strip("\0"):
        raise SuiteError(named.where, f"extends: expected a file, not {named}")
    if "\0" in named.text:
        raise SuiteError(named.where, "extends: not a file name")
    base = Path(os.path.normpath(path.parent / named.text))
    own = Map(child.where, {k: e for k, e in child.entries.items() if k != "extends"})
    return merge(_load(base, read, named.where, (*above, place)), own)


def merge(base: Map, child: Map) -> Map:
    """``child`` merged into ``base``.

    Raises:
        SuiteError: null removes something that ``base`` does not have.
    """
    entries = {k: e for k, e in base.entries.items() if k not in OWN}
    for key, entry in child.entries.items():
        if _is_null(entry.value):
            _remove(entries, key, entry, "the suite that this one extends")
        elif key in NAMED and isinstance(entry.value, Map):
            old = entries[key].value if key in entries else None
            inherited = old if isinstance(old, Map) else Map(entry.value.where, {})
            entries[key] = Entry(entry.key_where, _merge_named(inherited, entry.value, key))
        else:
            entries[key] = entry
    return Map(child.where, entries)


def _merge_named(base: Map, child: Map, section: str) -> Map:
    entries = dict(base.entries)
    for name, entry in child.entries.items():
        old = entries[name].value if name in entries else None
        if _is_null(entry.value):
            _remove(entries, name, entry, f"{section!r} of the suite that this one extends")
        elif section in STAGES and isinstance(entry.value, Map) and isinstance(old, Map):
            entries[name] = Entry(entry.key_where, _merge_stage(old, entry.value))
        else:
            entries[name] = entry
    return Map(child.where, entries)


def _merge_stage(base: Map, child: Map) -> Map:
    if "use" in child.entries:
        return child
    return Map(child.where, {**base.entries, **child.entries})


def _remove(entries: dict[str, Entry], name: str, entry: Entry, where: str) -> None:
    if name not in entries:
        raise SuiteError(
            entry.key_where,
            f"null removes {located_yaml.shorten(name)!r}, which is not in {where}{nearest(name, entries)}",
        )
    del entries[name]


def _is_null(tree: Tree) -> bool:
    return isinstance(tree, Scalar) and tree.is_null


def assign(tree: Map, assignments: Sequence[str]) -> tuple[Map, Mapping[str, Tree]]:
    """Apply ``--set node.field=value``, in order; the last one for a field is used.

    The value is YAML, so ``[1, 2]`` is a list; where the matrix gives its values names, a name stands for its value. A
    field that ``matrix`` or ``seeds`` sweep is set to the one value. Its axis is removed, with what ``reference`` says
    about it, and with the excluded points that have another value.

    Returns:
        The tree without the removed axes, and the value of each of them by ``node.field``.

    Raises:
        SuiteError: not of the form ``node.field=value``, or no such node. The loader finds unknown fields.
    """
    collapsed: dict[str, Tree] = {}
    for number, assignment in enumerate(assignments, start=1):
        where = Where("--set", number)
        match = _ASSIGNMENT.fullmatch(assignment)
        if match is None:
            raise SuiteError(where, f"expected node.field=value, not {located_yaml.shorten(assignment)!r}")
        node, field, spelled = match.groups()
        if not spelled.strip():
            raise SuiteError(where, f"{node}.{field} has no value (null says 'none')")
        value = located_yaml.parse(spelled, *where)
        if names := _names(tree, f"{node}.{field}"):
            value = names.get(value.text, value) if isinstance(value, Scalar) else value
            written = _spelled_out(tree, f"{node}.{field}", names)
            assert isinstance(written, Map)
            tree = written
        tree = _assign(tree, node, field, Entry(where, value))
        for section in ("matrix", "seeds"):
            swept = tree.entries.get(section)
            if (
                swept is not None
                and isinstance(swept.value, Map)
                and f"{node}.{field}" in swept.value.entries
            ):
                collapsed[f"{node}.{field}"] = value
                tree = _without(tree, section, f"{node}.{field}")
        if f"{node}.{field}" in collapsed:
            collapsed[f"{node}.{field}"] = value
    return tree, collapsed


def _names(tree: Map, field: str) -> dict[str, Tree]:
    """The names that the matrix gives the values of a field."""
    matrix = tree.entries.get("matrix")
    axis = matrix.value.entries.get(field) if matrix and isinstance(matrix.value, Map) else None
    if axis is None or not isinstance(axis.value, List):
        return {}
    named = [item.entries for item in axis.value.items if isinstance(item, Map) and len(item.entries) == 1]
    return {name: entry.value for entries in named for name, entry in entries.items()}


def _spelled_out(tree: Tree, field: str, names: Mapping[str, Tree]) -> Tree:
    """The tree in which every value of a field is written out that was a name."""
    if isinstance(tree, List):
        return List(tree.where, tuple(_spelled_out(item, field, names) for item in tree.items))
    if not isinstance(tree, Map):
        return tree
    entries = {
        key: Entry(e.key_where, names[e.value.text])
        if key == field and isinstance(e.value, Scalar) and e.value.text in names
        else Entry(e.key_where, _spelled_out(e.value, field, names))
        for key, e in tree.entries.items()
    }
    return Map(tree.where, entries)


def _assign(tree: Map, node: str, field: str, entry: Entry) -> Map:
    names: list[str] = []
    for section in STAGES:
        held = tree.entries.get(section)
        if held is None or not isinstance(held.value, Map):
            continue
        names += held.value.entries
        old = held.value.entries.get(node)
        if old is not None and isinstance(old.value, Map):
            stage = Map(old.value.where, {**old.value.entries, field: entry})
            stages = {**held.value.entries, node: Entry(old.key_where, stage)}
            return _with(tree, section, Map(held.value.where, stages))
    raise SuiteError(
        entry.key_where,
        f"no stage or metric {located_yaml.shorten(node)!r} in the suite{nearest(node, names)}",
    )


def _without(tree: Map, section: str, name: str) -> Map:
    held = tree.entries[section].value
    assert isinstance(held, Map)
    return _with(tree, section, Map(held.where, {k: e for k, e in held.entries.items() if k != name}))


def _with(tree: Map, section: str, value: Map) -> Map:
    entry = Entry(tree.entries[section].key_where, value)
    return Map(tree.where, {**tree.entries, section: entry})
