"""The main job: a suite is prepared, run, recorded, compared with its baseline, and reported."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from rich.console import Console

from harness import record, text
from harness import suite as suites
from harness.artifact import Json
from harness.assemble import Invocation, failure_logs, gates, item_rows
from harness.assemble import record as assemble
from harness.compare import baseline as baselines
from harness.compare.comparison import Comparison
from harness.compare.verdict import compare, within
from harness.environment import device_class
from harness.errors import Exit, UsageError, nearest
from harness.executors.local import LocalExecutor
from harness.items import ItemsReader, write_items
from harness.plan import Plan, make
from harness.record import GateInfo, Run
from harness.report import junit, markdown
from harness.report.progress import RunProgress
from harness.report.terminal import print_comparison
from harness.run import Runner
from harness.sources import resolve
from harness.store import Store


@dataclass(frozen=True)
class Request:
    """Which suite, changed how."""

    suite: Path
    set: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    mirror: Path | None = None
    store: Path | None = None


@dataclass(frozen=True)
class Against:
    """What to compare with: a label, file or run, or the default label; possibly as of a git ref."""

    baseline: str | None = None
    ref: str | None = None


@dataclass(frozen=True)
class Prepared:
    plan: Plan
    store: Store
    sources: list[dict[str, Json]]


def prepare(request: Request, *, download: bool) -> Prepared:
    """Load, resolve and plan: every mistake in the suite is found here, before anything runs."""
    suite = suites.load(request.suite, set_=request.set)
    only = suites.parse_only(suite, request.only)
    store = Store(store_root(request.store, suite.project))
    mirror = request.mirror or (Path(os.environ["HARNESS_MIRROR"]) if os.environ.get("HARNESS_MIRROR") else None)
    if mirror is not None and not mirror.is_dir():
        raise UsageError(f"mirror {mirror}: no such folder")
    suite, sources = resolve(suite, mirror=mirror, store=store, download=download)
    return Prepared(make(suite, only=only), store, sources)


def store_root(given: Path | None, project: Path) -> Path:
    if given is not None:
        return given
    named = os.environ.get("HARNESS_STORE")
    return Path(named) if named else project / ".harness"
