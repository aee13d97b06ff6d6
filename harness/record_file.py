"""Records on disk: one versioned JSON schema for runs and baselines, described in ``docs/run-json.md``."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from harness.artifact import Json
from harness.canonical import canonical
from harness.errors import UsageError
from harness.record import Accepted, GateInfo, Looks, MetricInfo, Repeat, Run, Score, TaskInfo

SCHEMA = "harness.run/1"


def to_json(run: Run) -> dict[str, Any]:
    """The run as JSON. Settings and protocols repeat over thousands of scores, so each stands once, by id."""
    tables: dict[str, dict[str, Mapping[str, Json]]] = {"settings": {}, "protocols": {}}

    def interned(table: str, value: Mapping[str, Json]) -> str:
        name = sha256(canonical(value).encode()).hexdigest()[:12]
        tables[table][name] = value
        return name

    # `asdict` copies every leaf, which costs ten times the rest over thousands of scores.
    body = {
        **vars(run),
        "metrics": {name: dict(vars(info)) for name, info in run.metrics.items()},
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
            "repeats": tuple(dict(vars(r)) for r in s.repeats),
        }
        for s in run.scores
    ]
    return {"schema": SCHEMA, **body, **tables}


def sealed(body: Mapping[str, Any]) -> dict[str, Any]:
    """The JSON of a run with a digest of it, so that `harness accept` takes no figures that somebody typed."""
    return {**body, "digest": _seal(body)}


def is_sealed(file: Path) -> bool:
    """Whether a run's file is as the harness wrote it."""
    body = json.loads(read_text(file / "run.json" if file.is_dir() else file))
    return isinstance(body, dict) and body.get("digest") == _seal(body)


def _seal(body: Mapping[str, Any]) -> str:
    """Of the record alone: the comparison is what can be made again from it."""
    record = {name: value for name, value in body.items() if name not in ("digest", "comparison")}
    return sha256(f"harness/run/1:{canonical(record)}".encode()).hexdigest()


def from_json(body: Mapping[str, Any], where: str) -> Run:
    """The inverse of ``to_json``.

    Raises:
        UsageError: not a record, a newer schema, or edited by hand into something inconsistent.
    """
    schema = body.get("schema") if isinstance(body, Mapping) else None
    if not isinstance(schema, str) or not schema.startswith("harness.run/"):
        raise UsageError(f"{where}: not a run or a baseline (no schema {SCHEMA!r})")
    if schema != SCHEMA:
        raise UsageError(f"{where}: written by another version ({schema}); this one reads {SCHEMA}")
    try:
        fields = {
            k: v
            for k, v in body.items()
            if k not in ("schema", "settings", "protocols", "comparison", "digest")
        }
        run = Run(
            **{
                **fields,
                "metrics": {
                    n: MetricInfo(**{**m, "seeds": tuple(m["seeds"])}) for n, m in body["metrics"].items()
                },
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
    """JSON of the right names may still hold anything."""
    texts = {name: getattr(run, name) for name in ("id", "suite", "about", "started", "environment")}
    names = ("declaration", "reference", "defaults", "environments", "only", "provenance", "code")
    mappings = {name: getattr(run, name) for name in names}
    for i, score in enumerate(run.scores):
        mappings |= {
            f"scores[{i}].{name}": getattr(score, name) for name in ("point", "settings", "protocol")
        }
        for repeat in score.repeats:
            inner = ("seeds", "values", "conditions", "details")
            mappings |= {f"scores[{i}].repeats.{name}": getattr(repeat, name) for name in inner}
    wrong = [n for n, v in texts.items() if not isinstance(v, str)]
    wrong += [n for n, v in mappings.items() if not isinstance(v, dict)]
    if not wrong and not isinstance(run.environments.get(run.environment), dict):
        wrong = ["environment"]
    if wrong:
        raise UsageError(f"{where}: damaged record ({wrong[0]} is not what it should be)")


def _looks(body: Mapping[str, Any]) -> Looks:
    looks = Looks(**{**body, "seeds": tuple(body["seeds"])})
    if not 0.0 < looks.alpha < 0.5:
        raise ValueError(f"looks: alpha {looks.alpha}")
    return looks


def _score(body: Mapping[str, Any], tables: Mapping[str, Any]) -> Score:
    repeats = tuple(Repeat(**{**r, "environments": tuple(r["environments"])}) for r in body["repeats"])
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
        if not all(isinstance(v, int | float) and math.isfinite(v) for v in repeat.values.values()):
            raise UsageError(f"{where}: {score.metric}: a value is not a finite number")


def load(path: Path) -> Run:
    """Read a run folder, its ``run.json``, or a baseline's JSON file.

    Raises:
        UsageError: missing, unreadable, or no record.
    """
    file = path / "run.json" if path.is_dir() else path
    return loads(read_text(file), str(file))


def loads(text: str, where: str) -> Run:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise UsageError(f"{where}: not JSON ({e})") from None
    return from_json(body, where)


def read_text(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not UTF-8 text"
        raise UsageError(f"{file}: cannot be read ({reason})") from None


def items_file(record: Path) -> Path:
    """The per-item rows of a record: ``items.parquet`` beside ``run.json``, else ``<label>.items.parquet``."""
    if record.is_dir():
        return record / "items.parquet"
    return record.with_name("items.parquet" if record.name == "run.json" else f"{record.stem}.items.parquet")
