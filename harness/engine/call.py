"""A call: one execution of one stage, as a file that a worker anywhere can run (``call.json`` in the work folder).

The file contains everything by value: parameters in plain form, inputs by folder, and what the key was made of. Nothing
is pickled. ``read`` finds the stage in the installation that reads the file, computes the key again, and refuses a call
whose key is another one there: that installation has other code or other software than the plan.
"""

from __future__ import annotations

import json
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin

from harness.artifact import Artifact, Json
from harness.engine.keys import identity, task_key
from harness.errors import UsageError
from harness.formats import files, strict_json
from harness.stage import Stage
from harness.store.record import chosen
from harness.suite import registry
from harness.suite.typed import to_json

CALL = "call.json"
SCHEMA = 2


@dataclass(frozen=True)
class Given:
    """An artifact that a call takes: the output of another task, in the store."""

    key: str
    output: str
    """Name of the output; empty if the stage has one."""
    artifact: Artifact


@dataclass(frozen=True)
class Call:
    """One execution of one stage."""

    node: str
    """Name of the stage in its suite, for messages."""
    key: str
    stage: Stage
    identity: Mapping[str, Json]
    """The stage's part of the key: function, version, digest of the code, versions of the software."""
    parameters: Mapping[str, Any]
    inputs: Mapping[str, tuple[Given, ...]]
    device: Literal["cpu", "cuda"]
    """The device of the computation. With ``cpu``, an accelerator is not used even if there is one."""
    work: Path
    """Work folder. It has ``scratch`` (kept from a killed attempt) and ``entry`` (empty; outputs go below it)."""
    threads: int | None = None
    """Threads that the libraries of its worker were given; None for as many as they take by themselves."""

    @property
    def artifacts(self) -> dict[str, Artifact | tuple[Artifact, ...]]:
        """The inputs as the stage function takes them."""
        taken = {name: tuple(given.artifact for given in all_) for name, all_ in self.inputs.items()}
        return {name: all_ if self.stage.inputs[name].many else all_[0] for name, all_ in taken.items()}


def write(call: Call) -> Path:
    """Write a call into its work folder.

    Raises:
        UsageError: a parameter has a type that cannot be written.
        OSError: the file cannot be written.
    """
    body = {
        "schema": SCHEMA,
        "node": call.node,
        "key": call.key,
        "identity": call.identity,
        "parameters": {name: _plain(name, value) for name, value in call.parameters.items()},
        "inputs": {
            name: [
                {
                    "key": given.key,
                    "output": given.output,
                    "kind": type(given.artifact).__name__,
                    "folder": str(given.artifact.path),
                    "facts": given.artifact.facts,
                    "conditions": given.artifact.conditions,
                }
                for given in all_
            ]
            for name, all_ in call.inputs.items()
        },
        "device": call.device,
        "threads": call.threads,
    }
    file = call.work / CALL
    files.write(file, json.dumps(body, indent=1, allow_nan=False))
    return file


def read(file: Path) -> Call:
    """Read a call and find its stage here.

    Raises:
        UsageError: the file is no call of this version; there is no such stage here; or the key computed here is
            another one, with what differs.
    """
    body = strict_json.read(file)
    if not isinstance(body, dict) or body.get("schema") != SCHEMA:
        raise UsageError(f"{file}: not a call of schema {SCHEMA}")
    try:
        then = body["identity"]
        stage = registry.find(then["function"])
        parameters = {n: _revived(stage, n, value) for n, value in body["parameters"].items()}
        inputs = {n: tuple(_given(one) for one in all_) for n, all_ in body["inputs"].items()}
        call = Call(
            body["node"],
            body["key"],
            stage,
            then,
            parameters,
            inputs,
            body["device"],
            file.absolute().parent,
            body["threads"],
        )
        if not _is_sound(call):
            raise ValueError("a value of another type than a call has")
        if stage.parameters.keys() != parameters.keys() or not inputs.keys() <= stage.inputs.keys():
            raise UsageError(f"{stage.name} has other parameters here than in the plan")
    except (KeyError, TypeError, AttributeError, ValueError) as e:
        raise UsageError(f"{file}: damaged call ({e})") from None
    check(call)
    return call


def _is_sound(call: Call) -> bool:
    """Whether what was read as it stands is of the types that a call has."""
    given = [one for all_ in call.inputs.values() for one in all_]
    records = [record for one in given for record in (one.artifact.facts, one.artifact.conditions)]
    return (
        isinstance(call.node, str)
        and call.device in ("cpu", "cuda")
        and (call.threads is None or (type(call.threads) is int and call.threads > 0))
        and all(isinstance(one.key, str) and isinstance(one.output, str) for one in given)
        and all(isinstance(record, dict) for record in records)
    )


def threads(file: Path) -> int | None:
    """The threads of a call in a file, before the module of its stage is imported.

    Raises:
        UsageError: the file cannot be read.
    """
    body = strict_json.read(file)
    count = body.get("threads") if isinstance(body, dict) else None
    return count if type(count) is int and count > 0 else None


def check(call: Call) -> None:
    """Check that the key of a call is the one that this installation computes.

    Raises:
        UsageError: it is another one; the message has what differs.
    """
    here = identity(call.stage)
    keyed = {name: to_json(value) for name, value in call.parameters.items()}
    taken = {name: [[given.key, given.output] for given in all_] for name, all_ in call.inputs.items()}
    if task_key(here, keyed, taken) == call.key:
        return
    told = ", ".join(_differences(call.identity, here, keyed)) or "its parameters or inputs"
    raise UsageError(f"{call.stage.name}: this installation has other code or software than the plan: {told}")


def _differences(then: Mapping[str, Any], here: Mapping[str, Any], keyed: Mapping[str, Json]) -> list[str]:
    told = []
    if then["version"] != here["version"]:
        told.append(f"version {then['version']} planned, {here['version']} here")
    if then["source"] != here["source"]:
        told.append(f"code {then['source'][:8]} planned, {here['source'][:8]} here")
    for package in sorted({*then["software"], *here["software"]}):
        before, now = then["software"].get(package), here["software"].get(package)
        if before != now:
            told.append(f"{package} {before or 'not declared'} planned, {now or 'not declared'} here")
    for name, value in keyed.items():
        tables = [of.get("choices", {}).get(name) for of in (then, here)]
        if all(tables) and chosen(tables[0], value) != chosen(tables[1], value):
            told.append(f"the code of {name} {value}")
    return told


def _given(body: Mapping[str, Any]) -> Given:
    kind = artifact_kind(body["kind"])
    return Given(body["key"], body["output"], kind(Path(body["folder"]), body["facts"], body["conditions"]))


def artifact_kind(name: str) -> type[Artifact]:
    """The class of artifact with this name; the modules that define it are imported with their stages.

    Raises:
        UsageError: there is no such class.
    """
    waiting: list[type[Artifact]] = [Artifact]
    while waiting:
        kind = waiting.pop()
        if kind.__name__ == name:
            return kind
        waiting += kind.__subclasses__()
    raise UsageError(f"no kind of artifact is named {name!r} here")


def _plain(name: str, value: Any) -> Json:
    """A parameter's value as JSON from which ``_revived`` makes an equal value."""
    if isinstance(value, Enum):
        return _plain(name, value.value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: _plain(name, getattr(value, f.name)) for f in fields(value) if f.init}
    if isinstance(value, Mapping):
        return {str(key): _plain(name, inner) for key, inner in value.items()}
    if isinstance(value, Sequence):
        return [_plain(name, inner) for inner in value]
    if hasattr(value, "from_text") and isinstance(text := to_json(value), str):
        return text
    raise UsageError(f"{name}: a {type(value).__name__} cannot be written into a call; make it a dataclass")


def _revived(stage: Stage, name: str, body: Json) -> Any:
    if name not in stage.parameters:
        raise UsageError(f"{stage.name} has no parameter {name!r} here")
    try:
        return _typed(stage.parameters[name].type, body)
    except _MisfitError:
        raise UsageError(f"{stage.name}: {name} cannot be {json.dumps(body)[:60]}") from None


class _MisfitError(Exception):
    """The JSON is not of the type."""


_PLAIN = {bool: (bool,), int: (int,), float: (float, int), str: (str,), type(None): (type(None),)}


def _typed(hint: Any, body: Any) -> Any:
    """The value of type ``hint`` that ``_plain`` wrote."""
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return _typed(args[0], body)
    if origin in (typing.Union, types.UnionType):
        for member in args:
            try:
                return _typed(member, body)
            except _MisfitError:
                continue
        raise _MisfitError
    if hint in _PLAIN:
        if type(body) not in _PLAIN[hint]:
            raise _MisfitError
        return float(body) if hint is float else body
    if origin is Literal:
        return _member(args, body)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return hint(_member([m.value for m in hint], body))
    if hint is Path and isinstance(body, str):
        return Path(body)
    if is_dataclass(hint):
        return _record(hint, body)
    if isinstance(origin, type) and issubclass(origin, Mapping) and isinstance(body, dict):
        return {name: _typed(args[1], inner) for name, inner in body.items()}
    if isinstance(origin, type) and issubclass(origin, Sequence) and isinstance(body, list):
        if origin is not tuple or args[-1] is Ellipsis:
            return (tuple if origin is tuple else list)(_typed(args[0], inner) for inner in body)
        if len(args) == len(body):
            return tuple(_typed(a, inner) for a, inner in zip(args, body, strict=True))
    if hasattr(hint, "from_text") and isinstance(body, str):
        return hint.from_text(body)
    raise _MisfitError


def _member(values: Sequence[Any], body: Any) -> Any:
    for value in values:
        if type(value) is type(body) and value == body:
            return value
    raise _MisfitError


def _record(kind: Any, body: Any) -> Any:
    names = [f.name for f in fields(kind) if f.init]
    if not isinstance(body, dict) or body.keys() != set(names):
        raise _MisfitError
    hints = typing.get_type_hints(kind, include_extras=True)
    return kind(**{name: _typed(hints[name], body[name]) for name in names})
