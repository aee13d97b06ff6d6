"""The key of a task: the hash of what would have to run again (see ``docs/keys.md``)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import sha256
from importlib import metadata
from typing import Any

from harness.artifact import Json
from harness.engine import code_digest
from harness.errors import UsageError
from harness.formats.strict_json import canonical
from harness.stage import Stage


def task_key(
    identity: Mapping[str, Json],
    parameters: Mapping[str, Json],
    inputs: Mapping[str, Sequence[Sequence[str]]],
) -> str:
    """The key of a task.

    Args:
        identity: identity of the task's stage. A table of choices is reduced to the entries that the parameters choose.
        parameters: all parameters, in plain form.
        inputs: input → its (key, output) pairs, in order.
    """
    parts: dict[str, Any] = {**identity, "parameters": parameters, "inputs": inputs}
    if tables := parts.get("choices"):
        parts["choices"] = {name: chosen(entries, parameters.get(name)) for name, entries in tables.items()}
    body = canonical(parts)
    return sha256(f"harness/task/1:{body}".encode()).hexdigest()


def chosen(entries: Mapping[str, Json], value: Json) -> Json:
    """The table entry chosen by a value, or by its word before the colon; for a list, an entry for each element."""
    if isinstance(value, list | tuple):
        return [chosen(entries, one) for one in value]
    return entries.get(value, entries.get(value.partition(":")[0])) if isinstance(value, str) else None


def identity(stage: Stage) -> dict[str, Json]:
    """The stage function's own part of a key; ``choices`` is absent if it chooses from no table.

    Raises:
        UsageError: software that the stage declares is not installed.
    """
    tables = code_digest.choices(stage.function)
    return {
        "function": stage.name,
        "version": stage.version,
        "source": code_digest.digest(stage.function),
        "software": {name: _version(name, stage) for name in stage.software},
        **({"choices": {n: dict(e) for n, e in tables.items()}} if tables else {}),
    }


def remember(stage: Stage) -> None:
    """Read a stage's source now, while the files are still those that were imported; see ``code_digest.edited``.

    Raises:
        UsageError: a table that it chooses from is not written as one dictionary.
    """
    try:
        code_digest.digest(stage.function)
    except TypeError as e:
        raise UsageError(f"{stage.name}: {e}") from None


def _version(distribution: str, stage: Stage) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise UsageError(f"{stage.name} needs the package {distribution!r}, which is not installed") from None
