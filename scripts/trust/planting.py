"""A project in a folder of its own, in which a situation is planted and asked about through the command line."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from harness.cli.commands import main

HERE = Path(__file__).parent
PLANTED = HERE / "planted"


class Said(NamedTuple):
    """What a command ended with."""

    code: int
    out: str
    err: str


@dataclass
class Bench:
    """A project; its folder is the working folder while a situation lasts."""

    folder: Path
    _files: int = field(default=0)

    def harness(self, *arguments: str | Path, **environment: str) -> Said:
        """One command, in this process."""
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), _set(environment):
            try:
                code = main([str(a) for a in arguments])
            except SystemExit as e:
                code = int(e.code or 0)
        return Said(code, out.getvalue(), err.getvalue())

    def start(self, *arguments: str | Path, **environment: str) -> subprocess.Popen[str]:
        """One command, in a process of its own."""
        own = environment.pop("PYTHONPATH", "")
        path = os.pathsep.join(filter(None, (own, str(PLANTED), os.environ.get("PYTHONPATH", ""))))
        return subprocess.Popen(
            [sys.executable, "-m", "harness", *map(str, arguments)],
            cwd=self.folder,
            env={**os.environ, **environment, "PYTHONPATH": path},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def suite(self, text: str) -> Path:
        """Write the project's suite."""
        path = self.folder / "suites" / "suite.yaml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def accept(self, text: str, **environment: str) -> None:
        """Run a suite and make the run the baseline.

        Raises:
            AssertionError: that did not work, so that the situation is not planted.
        """
        ran = self.harness("run", self.suite(text), "--out", "baseline-run", **environment)
        assert ran.code == 4, ran
        accepted = self.harness("accept", "baseline-run", "--reason", "planted")
        assert accepted.code == 0, accepted

    def compare(self, text: str, *arguments: str, store: str = "", **environment: str) -> Compared:
        """Run a suite and compare it with the baseline.

        Args:
            text: the suite as it is now.
            arguments: further options of ``harness run``.
            store: another store than the project's, as another machine has.
            environment: variables of the run.
        """
        self._files += 1
        out = self.folder / f"run-{self._files}"
        if store:
            environment["HARNESS_STORE"] = str(self.folder / store)
        ran = self.harness("run", self.suite(text), "--out", out, *arguments, **environment)
        assert (out / "run.json").exists(), ran
        told = self.harness("compare", out, "--json", **environment)
        return Compared(ran, json.loads(told.out), out)

    def artifact(self, stage: str, run: Path | None = None) -> Path:
        """The folder of what a stage without named outputs left, at its first task.

        Args:
            stage: its name in the suite.
            run: the run's folder; by default the baseline's.
        """
        record = json.loads(((run or self.folder / "baseline-run") / "run.json").read_text())
        key = next(t["key"] for t in record["tasks"] if t["node"] == stage)
        return self.folder / ".harness" / "objects" / key[:2] / key / "out"

    def forget(self) -> None:
        """Remove the baseline, so that another can be planted."""
        shutil.rmtree(self.folder / "baselines")
        shutil.rmtree(self.folder / "baseline-run")


@dataclass(frozen=True)
class Compared:
    """A run, and its comparison with the baseline."""

    ran: Said
    comparison: Mapping[str, Any]
    folder: Path

    def finding(self, name: str) -> Mapping[str, Any]:
        """Of ``metric.field``, which must be gated exactly once."""
        metric, _, value = name.partition(".")
        (found,) = [f for f in self.findings if (f["metric"], f["field"]) == (metric, value)]
        return found

    @property
    def findings(self) -> list[Mapping[str, Any]]:
        """Those of gates."""
        return [f for f in self.comparison["findings"] if f["gated"]]

    def verdict(self, name: str) -> str:
        return str(self.finding(name)["verdict"])

    def threshold(self, name: str) -> str:
        """What a threshold on the mean says: the change against the margin, whatever the noise."""
        found = self.finding(name)
        if found["estimate"] is None or found["margin"] is None:
            return "no answer"
        change = found["estimate"]["candidate"] - found["estimate"]["baseline"]
        return threshold(change, found["margin"], found["better"])


def threshold(change: float, margin: float, better: str = "higher") -> str:
    """*improved*, *unchanged* or *regressed* by the size of a change alone."""
    worse = -change if better == "higher" else change
    return "regressed" if worse > margin else "improved" if worse < -margin else "unchanged"


@contextlib.contextmanager
def _set(environment: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in environment}
    os.environ.update(environment)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


class Answer(NamedTuple):
    """What a situation brought to light."""

    harness: str
    """The harness's answer."""
    peer: str
    """Who else was asked, and the answer."""


@dataclass(frozen=True)
class Situation:
    """Something planted, and the right answer to it."""

    group: str
    planted: str
    right: tuple[str, ...]
    """Any of these is right."""
    ask: Callable[[Bench], Answer]


SITUATIONS: list[Situation] = []


def situation(planted: str, *right: str) -> Callable[[Callable[[Bench], Answer]], Callable[[Bench], Answer]]:
    """Declare a function as a situation; its module's first line names the group."""

    def declare(ask: Callable[[Bench], Answer]) -> Callable[[Bench], Answer]:
        group = (sys.modules[ask.__module__].__doc__ or "").strip().splitlines()[0].rstrip(".")
        SITUATIONS.append(Situation(group, planted, right, ask))
        return ask

    return declare
