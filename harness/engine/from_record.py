"""Rebuild a suite from the declaration in a record, and find the keys that its tasks had, without the suite file.

So an accepted baseline can be run with more seeds, or have its metrics computed anew. What has changed since is found
by comparing keys and is listed by name.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness import suite as suites
from harness.artifact import Json
from harness.engine.keys import task_key
from harness.engine.plan import Plan, Task, TaskId
from harness.engine.recording import declaration
from harness.engine.suite_sources import resolve
from harness.errors import SuiteError, UsageError, Where
from harness.formats.strict_json import canonical
from harness.sources.by_seed import SEED
from harness.stage import Mark
from harness.store.artifacts import Store
from harness.store.record import Run, axis_values, chosen
from harness.suite import Suite, located_yaml
from harness.suite.located_yaml import Entry, List, Map, Scalar, Tree


def suite_of(
    run: Run,
    project: Path,
    where: str,
    *,
    mirror: Path | None,
    store: Store,
    download: bool,
    repeats: int | None = None,
) -> tuple[Suite, list[dict[str, Json]]]:
    """The suite that a record declares, with its sources resolved, and what to record about the sources.

    It has no gates and no reference point: those are in the record.

    Args:
        run: a run or a baseline.
        project: the project folder. Relative sources are resolved against the folder of the suite's file in it.
        where: name of the record in error messages.
        mirror, store, download: as for ``harness.engine.suite_sources.resolve``.
        repeats: number of repeats, if there are to be more than in the record.

    Raises:
        UsageError: this version has no such stage, parameter or value; a source is not there.
    """
    place = Where(str(_folder(run.suite, project) / "declaration"), 1)
    references = {s["digest"]: s["reference"] for s in run.sources if s.get("digest")}
    body: Mapping[str, Any] = run.declaration
    sections: dict[str, dict[str, Json]] = {"stages": {}, "metrics": {}}
    try:
        for name, node in _stages(run).items():
            inputs = {n: refs[0] if len(refs) == 1 else refs for n, refs in node["inputs"].items()}
            parameters = {n: _referred(v, references) for n, v in node["parameters"].items()}
            section = "metrics" if name in run.metrics else "stages"
            image = {"image": node["image"]} if "image" in node else {}
            sections[section][name] = {"use": node["use"], **image, **inputs, **parameters}
        matrix = {n: _named(n, body, references) for n in dict(body["matrix"])}
        exclude = _referred(body["exclude"], references)
        parts = {"matrix": matrix, "exclude": exclude, "subject": body["subject"], "seeds": body["seeds"]}
    except (KeyError, TypeError, AttributeError, ValueError):
        raise UsageError(f"{where}: its declaration does not say what was run") from None
    whole = {"suite": run.suite, "about": run.about, **sections, **parts}
    tree = _tree({name: value for name, value in whole.items() if value}, place)
    assert isinstance(tree, Map)
    try:
        suite = suites.build(tree, Path(place.file))
        suite = suite if repeats is None else suites.continued(suite, repeats)
        return resolve(suite, mirror=mirror, store=store, download=download)
    except SuiteError as e:
        problem = str(e).replace(f"{place}: ", "").replace("\n", "; ")
        raise UsageError(f"{where}: this version cannot run what it declares ({problem})") from None


def keys_then(run: Run, plan: Plan, where: str) -> dict[TaskId, str]:
    """The keys that the tasks of a plan had when the record was made, by the task's present id.

    Args:
        run: the record.
        plan: plan of the suite that the record declares.
        where: name of the record in error messages.

    Raises:
        UsageError: the record does not note the code of its stages, or its scores have other keys.
    """
    if not notes_code(run):
        raise UsageError(
            f"{where}: accepted by a version that did not note the code of its stages; accept a run anew"
        )
    then: dict[TaskId, str] = {}
    for task in plan.tasks.values():
        node, identity = _stages(run)[task.node], _code(run)[task.node]
        point = {n: _spelled(run, n, v) for n, v in task.point.items()}
        swept = {**point, **task.seeds}
        spelled = {p: swept.get(f"{task.node}.{p}", value) for p, value in node["parameters"].items()}
        spelled = {p: _of_seed(value, task, spelled) for p, value in spelled.items()}
        taken = {n: [[then[t], output] for t, output in refs] for n, refs in task.inputs.items()}
        then[task.id] = task_key(identity, spelled, taken)
    for scored in recorded(run, plan):
        if scored.task is None or then[scored.task.id] != scored.key:
            raise UsageError(f"{where}: what it declares does not lead to its scores ({scored.metric})")
    return then


def _spelled(run: Run, axis: str, shown: Json) -> Json:
    """The plain form of a value that a point names."""
    return next((value for name, value in axis_values(run.declaration, axis) if name == shown), shown)


def _of_seed(value: Json, task: Task, spelled: Mapping[str, Json]) -> Json:
    """The value of one repeat of a source by seed; any other value as it is."""
    members = _members(value)
    if not members:
        return value
    seed = next(p for p, spec in task.stage.parameters.items() if spec.mark is Mark.SEED)
    return members.get(str(spelled[seed]))


def notes_code(run: Run) -> bool:
    """Whether a record has the code and software of its stages; older records do not."""
    return _stages(run).keys() <= run.code.keys()


@dataclass(frozen=True)
class Recorded:
    """A repeat of a record, and the task of a plan that would compute it today, or None if there is no such task."""

    metric: str
    key: str
    task: Task | None


def recorded(run: Run, plan: Plan) -> Iterator[Recorded]:
    """Every repeat of a record with its task in a plan."""
    planned = {
        (s.metric, canonical(s.point), canonical(r.seeds)): r.task for s in plan.scores for r in s.repeats
    }
    for score in run.scores:
        for repeat in score.repeats:
            task = planned.get((score.metric, canonical(score.point), canonical(repeat.seeds)))
            yield Recorded(score.metric, repeat.key, None if task is None else plan.tasks[task])


def changes(run: Run, plan: Plan) -> dict[str, list[str]]:
    """Node → what has changed since the record was made, in words. Unchanged nodes are left out."""
    stages: Any = declaration(plan.suite)["stages"]
    here: Any = plan.code
    found: dict[str, list[str]] = {}
    for name, node in _stages(run).items():
        then = _code(run).get(name)
        values = _values(run, name)
        told = [*_code_changes(then, here[name]), *_choice_changes(then, here[name], values)]
        told += _changes(node, stages[name])
        if told:
            found[name] = told
    return found


def _code_changes(then: Mapping[str, Any] | None, now: Mapping[str, Any]) -> Iterator[str]:
    if then is None:
        return
    if then["version"] != now["version"]:
        yield f"version {then['version']} → {now['version']} of {now['function']}"
    elif then["source"] != now["source"]:
        yield f"the code of {now['function']}"
    for package in sorted({*then["software"], *now["software"]}):
        before, after = then["software"].get(package), now["software"].get(package)
        if before != after:
            yield f"{package} {before or 'not declared'} → {after or 'not declared'}"


def _choice_changes(
    then: Mapping[str, Any] | None, now: Mapping[str, Any], values: Mapping[str, list[Json]]
) -> Iterator[str]:
    """Table entries that the record chose and that are different today."""
    for name, entries in (then or {}).get("choices", {}).items():
        today = now.get("choices", {}).get(name, {})
        for value in values.get(name, []):
            if chosen(entries, value) != chosen(today, value):
                yield f"the code of {name} {value}"


def _values(run: Run, node: str) -> Mapping[str, list[Json]]:
    """Parameter → its values in the record, including those of the matrix."""
    matrix: Any = run.declaration.get("matrix") or {}
    return {
        name: list(matrix.get(f"{node}.{name}", [value]))
        for name, value in _stages(run)[node]["parameters"].items()
    }


def _changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    for name in sorted({*then["parameters"], *now["parameters"]}):
        if name not in then["parameters"]:
            yield f"a new parameter {name!r}"
        elif (seeds := _other_seeds(then["parameters"][name], now["parameters"].get(name))) is not None:
            yield from (f"the {name} of seed {seed}" for seed in seeds)
        elif then["parameters"][name] != now["parameters"].get(name):
            old, new = (located_yaml.shorten(canonical(n["parameters"].get(name)), 40) for n in (then, now))
            yield f"{name} {old} → {new}"


def _other_seeds(then: Json, now: Json) -> list[str] | None:
    """The seeds that both have and whose source has changed; None unless both are one source by seed."""
    before, after = _members(then), _members(now)
    if not before or not after or [*_mapping(then)] != [*_mapping(now)]:
        return None
    return [seed for seed in before if seed in after and before[seed] != after[seed]]


def _members(value: Json) -> Mapping[str, Json]:
    """Seed → the content of the source of that repeat; empty for a value that is no source by seed."""
    whole = _mapping(value)
    if len(whole) != 1:
        return {}
    [(text, members)] = whole.items()
    return members if SEED in text and isinstance(members, Mapping) else {}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _stages(run: Run) -> Mapping[str, Any]:
    stages = run.declaration.get("stages")
    return stages if isinstance(stages, Mapping) else {}


def _code(run: Run) -> Mapping[str, Any]:
    return run.code


def _folder(suite: str, project: Path) -> Path:
    """The folder of a suite's file, which relative paths start from; the project folder if the file is gone."""
    for file in sorted((project / "suites").rglob("*.y*ml")):
        try:
            named = located_yaml.load(file).entries.get("suite")
        except UsageError:
            continue
        if named is not None and isinstance(named.value, Scalar) and named.value.text.strip() == suite:
            return file.parent
    return project


def _referred(value: Json, references: Mapping[Json, Json]) -> Json:
    """The value, with each source given by its name in the suite instead of by its content as in the record."""
    if isinstance(value, str):
        return references.get(value, value)
    if isinstance(value, list):
        return [_referred(v, references) for v in value]
    if isinstance(value, dict):
        if _members(value):
            return str(next(iter(value)))
        return {n: _referred(v, references) for n, v in value.items()}
    return value


def _named(axis: str, declaration: Mapping[str, Any], references: Mapping[Json, Json]) -> Json:
    """The values of an axis as a suite has them, with the names that it gives them."""
    found: list[Json] = []
    for name, value in axis_values(declaration, axis):
        written = _referred(value, references)
        found.append({name: written} if isinstance(name, str) and name not in (written, value) else written)
    return found


def _tree(value: Json, where: Where) -> Tree:
    """Converts plain JSON to a tree as read from a suite's text."""
    if isinstance(value, Mapping):
        return Map(where, {str(n): Entry(where, _tree(v, where)) for n, v in value.items()})
    if isinstance(value, list | tuple):
        return List(where, tuple(_tree(v, where) for v in value))
    if isinstance(value, str):
        return Scalar(where, value, quoted=True)
    return Scalar(where, json.dumps(value))
