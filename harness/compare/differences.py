"""In which fields the protocols, declarations, code and environments of two sides differ."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from harness.artifact import Json
from harness.compare import Difference
from harness.compare.match import Pair, value_at
from harness.formats.strict_json import canonical
from harness.store.environment import DISTRIBUTIONS, INSTRUCTIONS, OBSERVED
from harness.store.record import Run, Score, chosen

NAMED = 20
"""At most this many differing distributions are named."""

Fields = Mapping[str, Mapping[str, Any] | None]
"""Field → its direction, as in ``MetricInfo.fields``."""


def differences(
    candidate: Score,
    baseline: Score,
    candidate_defaults: Mapping[str, Json],
    baseline_defaults: Mapping[str, Json],
    masked: Collection[str] = (),
) -> tuple[Difference, ...]:
    """The fields in which two protocols differ, observed conditions included, by name.

    A field that the code of one side does not have equals the other side's default. A field that a side has and keeps
    out of its protocol, since it is under test or a swept seed there, equals nothing. Fields in ``masked`` are ignored:
    they are the axes of a reference point within one run.
    """
    ours = _Meaning(candidate.whole_protocol(), candidate, candidate_defaults)
    theirs = _Meaning(baseline.whole_protocol(), baseline, baseline_defaults)
    if ours.protocol == theirs.protocol:
        return ()
    return tuple(
        Difference(name, theirs.said(name), ours.said(name))
        for name in sorted(ours.protocol.keys() | theirs.protocol.keys())
        if name not in masked and not ours.agrees(theirs, name)
    )


@dataclass(frozen=True)
class _Meaning:
    """What one side says of the fields of a protocol."""

    protocol: Mapping[str, Json]
    score: Score
    defaults: Mapping[str, Json]

    def agrees(self, other: _Meaning, name: str) -> bool:
        """Whether both sides have one value of a field that at least one has."""
        if name in self.protocol and name in other.protocol:
            return self.protocol[name] == other.protocol[name]
        has, lacks = (self, other) if name in self.protocol else (other, self)
        return not lacks.kept_out(name) and name in has.defaults and has.defaults[name] == has.protocol[name]

    def kept_out(self, name: str) -> Json:
        """Why a field that the code has is not in the protocol; None if the code does not have it."""
        if any(name in repeat.seeds for repeat in self.score.repeats):
            return "swept"
        return "not in the protocol" if name in self.score.settings else None

    def said(self, name: str) -> Json:
        return self.protocol[name] if name in self.protocol else self.kept_out(name)


def declared_differences(
    metric: str, candidate: Fields, baseline: Fields, only: str | None = None
) -> tuple[Difference, ...]:
    """How the directions, ranges and floors differ that two sides declare for the fields that both have.

    They decide what a change of the value means, so that they are part of the protocol.

    Args:
        metric: name of the metric.
        candidate: the metric's fields on one side.
        baseline: those on the other side.
        only: the one field to look at; by default all.
    """
    return tuple(
        Difference(f"{metric}.{name}.{part}", then[part], now[part])
        for name in candidate
        if name in baseline and only in (None, name)
        for now, then in [(_declared(candidate[name]), _declared(baseline[name]))]
        for part in now
        if now[part] != then[part]
    )


def _declared(direction: Mapping[str, Any] | None) -> dict[str, Json]:
    given = direction or {}
    floor = given.get("floor", 0.0)
    return {"better": given.get("better"), "floor": floor, "low": given.get("low"), "high": given.get("high")}


def run_differences(candidate: Run, baseline: Run, pairs: Iterable[Pair]) -> tuple[Difference, ...]:
    """What differs in the meaning of some scores of two runs, without duplicates: protocols and declarations."""
    pairs = list(pairs)
    metrics = dict.fromkeys(p.candidate.metric for p in pairs)
    found = [
        *(
            d
            for p in pairs
            for d in differences(p.candidate, p.baseline, candidate.defaults, baseline.defaults)
        ),
        *(
            d
            for m in metrics
            if m in candidate.metrics and m in baseline.metrics
            for d in declared_differences(m, candidate.metrics[m].fields, baseline.metrics[m].fields)
        ),
    ]
    return tuple({str(d): d for d in found}.values())


def measuring_changes(candidate: Run, baseline: Run, pairs: Iterable[Pair]) -> tuple[Difference, ...]:
    """The stages that measure and whose code differs, as far as both records have it: the metric, what it reads with.

    They are those whose ``use`` is in the protocol. A new version of one is a difference of protocol already.
    """
    found: dict[str, Difference] = {}
    for pair in pairs:
        for name in pair.candidate.protocol.keys() & pair.baseline.protocol.keys():
            node = name.removesuffix(".use")
            if node != name and node not in found:
                then, now = _codes_of(pair, node, baseline.code.get(node), candidate.code.get(node))
                if then is not None and now is not None and then != now:
                    field = f"{node} (code of {pair.candidate.protocol[name]})"
                    found[node] = Difference(field, *(_short(code) for code in (then, now)))
    return tuple(found[node] for node in sorted(found))


def _codes_of(pair: Pair, node: str, then: Json, now: Json) -> tuple[Json, Json]:
    """The digests of a stage's code on both sides, with the entries that they chose from tables; None if unknown.

    Entries for different values are left out: there the sides differ in a setting, which is a difference of its own or
    what is compared.
    """
    if not all(isinstance(code, Mapping) and "source" in code for code in (then, now)):
        return None, None
    assert isinstance(then, Mapping)
    assert isinstance(now, Mapping)
    tables: list[tuple[str, Mapping[str, Json], Mapping[str, Json]]] = []
    for name in sorted({*_tables_of(then), *_tables_of(now)}):
        tables.append((name, _tables_of(then).get(name, {}), _tables_of(now).get(name, {})))
    taken = [
        (chosen(before, value), chosen(after, value))
        for name, before, after in tables
        if (value := value_at(pair.baseline, f"{node}.{name}")) == value_at(pair.candidate, f"{node}.{name}")
    ]
    if not taken:
        return then["source"], now["source"]
    return [then["source"], *(b for b, _ in taken)], [now["source"], *(a for _, a in taken)]


def _tables_of(code: Mapping[str, Json]) -> Mapping[str, Mapping[str, Json]]:
    tables = code.get("choices")
    if not isinstance(tables, Mapping):
        return {}
    return {name: entries for name, entries in tables.items() if isinstance(entries, Mapping)}


def _short(code: Json) -> str:
    return (code if isinstance(code, str) else sha256(canonical(code).encode()).hexdigest())[:CODE]


def environment_differences(
    candidate: Iterable[Mapping[str, Json]],
    baseline: Iterable[Mapping[str, Json]],
    distributions: Mapping[str, Mapping[str, Json]],
) -> tuple[Difference, ...]:
    """The fields in which the environments of two sides differ; several values are given as a list.

    What a library reports about itself is compared if both sides have loaded it. For the processor's instructions, the
    result has those that the other side lacks; for the installed distributions, those that differ.

    Args:
        candidate: environments of one side.
        baseline: environments of the other side.
        distributions: digest → distribution → version, for both sides.
    """
    ours, theirs = merged(candidate), merged(baseline)
    found: list[Difference] = []
    for name in sorted(ours.keys() | theirs.keys()):
        then, now = theirs.get(name), ours.get(name)
        if then == now or (name in OBSERVED and (then is None or now is None)):
            continue
        if name == DISTRIBUTIONS:
            found += _installed(then, now, distributions, ours.keys() | theirs.keys())
        elif name == INSTRUCTIONS and isinstance(then, str) and isinstance(now, str):
            found.append(_instructions(then.split(), now.split()))
        else:
            found.append(Difference(name, then, now))
    return tuple(found)


def _instructions(then: Sequence[str], now: Sequence[str]) -> Difference:
    only = (" ".join(f for f in a if f not in b) or None for a, b in ((then, now), (now, then)))
    return Difference(INSTRUCTIONS, *only)


def _installed(
    then: Json, now: Json, known: Mapping[str, Mapping[str, Json]], told: Collection[str]
) -> list[Difference]:
    """The distributions that differ and have no field of their own; also the digests, if not all can be named."""
    sides = [value if isinstance(value, list) else [value] for value in (then, now)]
    whole = Difference(DISTRIBUTIONS, then, now)
    if not all(digest in known for side in sides for digest in side):
        return [whole]
    before, after = (merged(known[str(digest)] for digest in side) for side in sides)
    names = [
        n for n in sorted(before.keys() | after.keys()) if before.get(n) != after.get(n) and n not in told
    ]
    named = [Difference(n, before.get(n), after.get(n)) for n in names[:NAMED]]
    return [*named, whole] if len(names) > NAMED else named


def merged(environments: Iterable[Mapping[str, Json]]) -> dict[str, Json]:
    """Merge environments into one table: a field with different values has a sorted list of them."""
    values: dict[str, list[Json]] = {}
    for environment in environments:
        for name, value in environment.items():
            if value not in values.setdefault(name, []):
                values[name].append(value)
    return {n: v[0] if len(v) == 1 else sorted(v, key=canonical) for n, v in values.items()}


ID = 12
"""Hexadecimal digits of a suite or protocol id."""

CODE = 8
"""Hexadecimal digits shown of the digest of a stage's code."""


def suite_changes(candidate: Run, baseline: Run) -> tuple[Difference, ...]:
    """The fields in which the bound suites differ, by name: stages, parameters, inputs, axes, seeds.

    Then the differences in the stages' code and software, if both records have them.
    """
    ours, theirs = dict(_flat(candidate)), dict(_flat(baseline))
    declared = (
        Difference(name, theirs.get(name), ours.get(name))
        for name in sorted(ours.keys() | theirs.keys())
        if ours.get(name) != theirs.get(name)
    )
    return (*declared, *_code_changes(candidate, baseline))


def _code_changes(candidate: Run, baseline: Run) -> Iterator[Difference]:
    """Differences by stage, then by package, without packages that the environments already name."""
    packages: dict[str, Difference] = {}
    tables = (t for r in (candidate, baseline) for t in (*r.environments.values(), *r.distributions.values()))
    told = {name for table in tables for name in table}
    for node, now in candidate.code.items():
        then = baseline.code.get(node)
        if not isinstance(now, Mapping) or not isinstance(then, Mapping):
            continue
        function = now.get("function")
        if function == then.get("function") and now.get("version") != then.get("version"):
            yield Difference(f"{node}.use", *(f"{function}@{c.get('version')}" for c in (then, now)))
        elif function == then.get("function") and now.get("source") != then.get("source"):
            field = f"{node} (code of {function})"
            yield Difference(field, *(str(c.get("source"))[:CODE] for c in (then, now)))
        ours, theirs = (c.get("software") for c in (now, then))
        if isinstance(ours, Mapping) and isinstance(theirs, Mapping):
            for name in ours.keys() & theirs.keys() - told:
                if ours[name] != theirs[name]:
                    packages[name] = Difference(name, theirs[name], ours[name])
    yield from (packages[name] for name in sorted(packages))


def suite_id(run: Run) -> str:
    """An id that is equal for runs with equal declarations, whatever the file looks like."""
    return _id("suite", run.declaration)


def protocol_id(run: Run) -> str:
    """An id that is equal for runs whose scores all have equal protocols."""
    return _id(
        "protocol",
        sorted(canonical([s.metric, s.point, s.whole_protocol()]) for s in run.scores if s.repeats),
    )


def _id(tag: str, value: Json) -> str:
    return sha256(f"harness/{tag}/1:{canonical(value)}".encode()).hexdigest()[:ID]


def _flat(run: Run) -> Iterator[tuple[str, Json]]:
    """``node.field`` → value; ``matrix.…`` and ``seeds.…`` for the axes."""
    for part, entries in run.declaration.items():
        if not isinstance(entries, Mapping):
            yield part, entries
            continue
        for name, entry in entries.items():
            if part != "stages" or not isinstance(entry, Mapping):
                yield f"{part}.{name}", entry
                continue
            yield f"{name}.use", entry.get("use")
            for kind in ("inputs", "parameters"):
                fields = entry.get(kind)
                yield from (
                    ((f"{name}.{k}", v) for k, v in fields.items()) if isinstance(fields, Mapping) else ()
                )
