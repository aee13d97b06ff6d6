"""Records on disk: one versioned JSON schema for runs and baselines, described in ``docs/run-json.md``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.errors import UsageError
from harness.formats import strict_json
from harness.formats.files import opened, read_text
from harness.formats.strict_json import canonical, checked
from harness.stage import LARGEST
from harness.store.record import (
    Accepted,
    GateInfo,
    Looks,
    Made,
    MetricInfo,
    Read,
    Repeat,
    Run,
    Score,
    Subject,
    TaskInfo,
)

SCHEMA = "harness.run/2"
LABEL = re.compile(r"(?!.*\.(?:json|parquet)$)[a-z0-9][a-z0-9._-]{0,63}")
"""Form of a baseline's label: a plain file name."""
_SHA256 = re.compile(r"[0-9a-f]{64}")


def to_json(run: Run) -> dict[str, Any]:
    """The run as JSON. Settings and protocols repeat over thousands of scores, so each is stored once, by id."""
    tables: dict[str, dict[str, Mapping[str, Json]]] = {"settings": {}, "protocols": {}, "drawn": {}}

    def interned(table: str, value: Mapping[str, Json]) -> str:
        name = sha256(canonical(value).encode()).hexdigest()[:12]
        tables[table][name] = value
        return name

    # `asdict` copies every leaf, which takes ten times as long as the rest for thousands of scores.
    body = {
        **vars(run),
        "metrics": {
            name: {**vars(info), "subject": dict(vars(info.subject))} for name, info in run.metrics.items()
        },
        "gates": tuple(dict(vars(gate)) for gate in run.gates),
        "tasks": tuple(dict(vars(task)) for task in run.tasks),
        "accepted": None if run.accepted is None else dict(vars(run.accepted)),
        "looks": None if run.looks is None else dict(vars(run.looks)),
    }
    body["scores"] = [
        {
            **vars(s),
            "settings": interned("settings", s.settings),
            "protocol": interned("protocols", s.protocol),
            "repeats": tuple(
                {
                    **vars(r),
                    "read": None if r.read is None else dict(vars(r.read)),
                    "drawn": interned("drawn", {n: dict(vars(made)) for n, made in r.drawn.items()}),
                }
                for r in s.repeats
            ),
        }
        for s in run.scores
    ]
    return {"schema": SCHEMA, **body, **tables}


def sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a run with a digest of it, so that `harness accept` refuses values that were edited by hand."""
    return {**body, "digest": _seal(body)}


def is_sealed(file: Path) -> bool:
    """Whether a run's file is as the harness wrote it."""
    body = strict_json.read(file / "run.json" if file.is_dir() else file)
    return isinstance(body, dict) and body.get("digest") == _seal(body)


def _seal(body: Mapping[str, Any]) -> str:
    """Digest of the record alone: the comparison can be computed again from it."""
    record = {name: value for name, value in body.items() if name not in ("digest", "comparison")}
    return sha256(f"harness/run/1:{canonical(record)}".encode("utf-8", "surrogatepass")).hexdigest()


def from_json(body: Mapping[str, Any], where: str) -> Run:
    """The inverse of ``to_json``.

    Raises:
        UsageError: not a record, a newer schema, or a hand-edited and inconsistent record.
    """
    schema = body.get("schema") if isinstance(body, Mapping) else None
    if not isinstance(schema, str) or not schema.startswith("harness.run/"):
        raise UsageError(f"{where}: not a run or a baseline (no schema {SCHEMA!r})")
    if schema != SCHEMA:
        raise UsageError(
            f"{where}: written by another version ({schema}); this one reads {SCHEMA}: "
            "run the suite and accept that run anew (harness accept --new-protocol)"
        )
    try:
        fields = {
            k: v
            for k, v in body.items()
            if k not in ("schema", "settings", "protocols", "drawn", "comparison", "digest")
        }
        run = Run(
            **{
                **fields,
                "metrics": {n: _metric(m) for n, m in body["metrics"].items()},
                "gates": tuple(GateInfo(**g) for g in body["gates"]),
                "scores": tuple(_score(s, body) for s in body["scores"]),
                "tasks": tuple(TaskInfo(**t) for t in body["tasks"]),
                "sources": tuple(body["sources"]),
                "accepted": Accepted(**body["accepted"]) if body["accepted"] else None,
                "looks": _looks(body["looks"]) if body.get("looks") else None,
            }
        )
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise UsageError(f"{where}: damaged record ({type(e).__name__}: {e})") from None
    _check_shape(run, where)
    for score in run.scores:
        _check(score, run, where)
    return run


def _check_shape(run: Run, where: str) -> None:
    """Check the types of values: JSON with the right names may still have wrong ones."""
    checked(run, where)
    wrong = [] if run.environment in run.environments else ["environment"]
    if run.items is not None and not _SHA256.fullmatch(run.items):
        wrong.append("items")
    if run.accepted is not None and not LABEL.fullmatch(run.accepted.label):
        wrong.append("accepted.label")
    for name, table in run.environments.items():
        wrong += [f"environments.{name}.{n}" for n, v in table.items() if isinstance(v, dict | list)]
    for section in ("matrix", "seeds"):
        swept = run.declaration.get(section, {})
        if not isinstance(swept, dict) or not all(isinstance(values, list) for values in swept.values()):
            wrong.append(f"declaration.{section}")
    wrong += [f"gates[{i}].margin" for i, g in enumerate(run.gates) if not 0.0 <= g.margin <= LARGEST]
    for name, info in run.metrics.items():
        wrong += [f"metrics.{name}.fields.{f}" for f, d in info.fields.items() if d and not _is_direction(d)]
    if wrong:
        raise UsageError(f"{where}: damaged record ({wrong[0]} is not what it should be)")


def _is_direction(body: Mapping[str, Any]) -> bool:
    numbers = {"floor": 0.0, **{name: v for name, v in body.items() if name != "better" and v is not None}}
    return (
        body.get("better") in ("higher", "lower")
        and all(type(v) in (int, float) and abs(v) <= LARGEST for v in numbers.values())
        and numbers["floor"] >= 0.0
    )


def _looks(body: Mapping[str, Any]) -> Looks:
    looks = Looks(**{**body, "seeds": tuple(body["seeds"])})
    if not 0.0 < looks.alpha < 0.5:
        raise ValueError(f"looks: alpha {looks.alpha}")
    return looks


def _metric(body: Mapping[str, Any]) -> MetricInfo:
    subject = body.get("subject") or {}
    lists = {name: tuple(subject.get(name, ())) for name in ("repeated", "learnt", "few")}
    subject = Subject(**{**subject, **lists})
    if not isinstance(subject.once, dict):
        raise TypeError("subject.once")
    return MetricInfo(**{**body, "seeds": tuple(body["seeds"]), "subject": subject})


def _repeat(body: Mapping[str, Any], drawn: Mapping[str, Any]) -> Repeat:
    read = body.get("read")
    given = {
        **body,
        "environments": tuple(body["environments"]),
        "read": None if read is None else Read(**read),
        "drawn": {n: Made(**made) for n, made in drawn[body["drawn"]].items()} if "drawn" in body else {},
    }
    return Repeat(**given)


def _score(body: Mapping[str, Any], tables: Mapping[str, Any]) -> Score:
    repeats = tuple(_repeat(r, tables.get("drawn", {})) for r in body["repeats"])
    if not repeats:
        raise ValueError(f"{body['metric']}: no repeats")
    tabled = {
        "settings": tables["settings"][body["settings"]],
        "protocol": tables["protocols"][body["protocol"]],
    }
    return Score(**{**body, **tabled, "repeats": repeats})


def _check(score: Score, run: Run, where: str) -> None:
    info = run.metrics.get(score.metric)
    if info is None:
        raise UsageError(f"{where}: score of a metric {score.metric!r} that is not declared")
    for repeat in score.repeats:
        if repeat.values and set(repeat.values) != set(info.fields):
            raise UsageError(
                f"{where}: {score.metric}: fields {sorted(repeat.values)}, not {sorted(info.fields)}"
            )
        if not all(abs(v) <= LARGEST for v in repeat.values.values()):
            raise UsageError(f"{where}: {score.metric}: a value is too large to be compared with anything")
        if not all(0.0 < v <= LARGEST for v in repeat.steps.values()):
            raise UsageError(f"{where}: {score.metric}: a step is not a positive number")


def load(path: Path) -> Run:
    """Read a run folder, its ``run.json``, or a baseline's JSON file.

    Raises:
        UsageError: missing, unreadable, or not a record.
    """
    file = path / "run.json" if path.is_dir() else path
    return loads(read_text(file), str(file))


def loads(text: str, where: str) -> Run:
    return from_json(strict_json.loads(text, where), where)


def has_items(run: Run) -> bool:
    return any(r.items for s in run.scores for r in s.repeats)


def items_file(record: Path, run: Run) -> Path:
    """The file with the per-item rows of a record, in the same folder.

    It is ``items.parquet`` for a run. For a baseline it is ``<label>.<12 hex of their digest>.items.parquet``, so that
    the rows of an earlier baseline are never taken for those of a later one. A baseline that is older than
    ``Run.items`` has them in ``<label>.items.parquet``.
    """
    if run.accepted is None:
        return record / "items.parquet" if record.is_dir() else record.with_name("items.parquet")
    if run.items is None:
        return record.with_name(f"{record.stem}.items.parquet")
    return record.with_name(f"{run.accepted.label}.{run.items[:12]}.items.parquet")


def read_items(record: Path, run: Run) -> bytes | None:
    """The per-item rows of a record, checked against the digest in the record; None if it has none.

    Raises:
        UsageError: they are missing, or do not match the digest.
    """
    if not has_items(run):
        return None
    file = items_file(record, run)
    try:
        with opened(file) as rows:
            content = rows.read()
    except OSError as e:
        raise UsageError(f"{file}: the items of this record cannot be read ({e.strerror})") from None
    if run.items is not None and sha256(content).hexdigest() != run.items:
        raise UsageError(f"{file}: damaged, or the items of another record; run the suite again")
    return content
