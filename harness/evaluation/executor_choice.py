"""Which executor an evaluation uses: its arguments, else the project's ``harness.toml``, else by the machine."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.engine.executors import Executor, Options, choose, engines
from harness.errors import UsageError, nearest
from harness.formats.files import read_text
from harness.store.environment import device_class, environment

FILE = "harness.toml"
WITHOUT_CLUSTER = ("inline", "local", "container")
"""Executors for which the address of a cluster means nothing. A key in the file is for those that it concerns."""
KEYS = ("executor", "jobs", "engine", "memory", "address", "inside")


@dataclass(frozen=True)
class Wanted:
    """What the arguments say about where tasks run; None where they say nothing."""

    executor: str | None = None
    jobs: int | None = None
    address: str | None = None
    inside: str | None = None
    is_stopped: Callable[[], bool] = lambda: False
    """Whether a signal has asked the process to stop."""


def executor(wanted: Wanted, project: Path) -> Executor:
    """The executor for a project.

    Without a choice tasks run in this process; with an accelerator or several jobs, in worker processes.

    Args:
        wanted: the arguments.
        project: the project's folder.

    Raises:
        UsageError: there is no such executor, it cannot be used here, or ``harness.toml`` has a mistake.
    """
    settings = read(project)
    jobs = wanted.jobs if wanted.jobs is not None else settings.get("jobs")
    name = wanted.executor or settings.get("executor")
    if name is None:
        several = jobs is not None and jobs > 1
        name = "local" if several or device_class(environment()) != "cpu" else "inline"
    if name in WITHOUT_CLUSTER:
        for argument, value in (("address", wanted.address), ("inside", wanted.inside)):
            if value is not None:
                raise UsageError(
                    f"--{argument} {value}: {name} runs on this machine; --executor ray takes it"
                )
    options = Options(
        jobs,
        settings.get("engine"),
        settings.get("memory"),
        wanted.address or settings.get("address"),
        wanted.inside or settings.get("inside"),
        wanted.is_stopped,
    )
    return choose(name, options)


def read(project: Path) -> dict[str, Any]:
    """The settings in the project's ``harness.toml``; empty if there is no such file.

    Raises:
        UsageError: the file is not TOML, or has an unknown key or a value of another type.
    """
    file = project / FILE
    if not os.path.lexists(file):
        return {}
    try:
        settings = tomllib.loads(read_text(file))
    except tomllib.TOMLDecodeError as e:
        raise UsageError(f"{file}: not TOML ({e})") from None
    for name, value in settings.items():
        if name not in KEYS:
            raise UsageError(f"{file}: unknown key {name!r}; expected {', '.join(KEYS)}{nearest(name, KEYS)}")
        if name != "jobs" and not (isinstance(value, str) and value):
            raise UsageError(f"{file}: {name}: expected a text, not {value!r}")
        if name == "engine" and value not in engines.NAMES:
            known = ", ".join(engines.NAMES)
            raise UsageError(f"{file}: engine {value!r}: none of {known}{nearest(value, engines.NAMES)}")
        if name == "memory" and not re.fullmatch(r"[1-9][0-9]*[bkmgBKMG]?", value):
            raise UsageError(f"{file}: memory: expected an amount such as 16g, not {value!r}")
        if name == "jobs" and not (type(value) is int and value >= 1):
            raise UsageError(f"{file}: jobs: expected a whole number, at least 1, not {value!r}")
    return settings
