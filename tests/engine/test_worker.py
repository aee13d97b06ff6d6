"""A worker answers calls by events, keeps everything else off their stream, and ends when nobody asks any more."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import environment, package
from toy_suites import write_suite

from harness import suite as suites
from harness.engine import call as calls
from harness.engine import outcome as outcomes
from harness.engine.call import Call
from harness.engine.keys import identity
from harness.engine.plan import make

SLOW = """
import os, subprocess, sys, time, warnings, logging
from harness.stage import Job, stage
from toy import Numbers, _write
@stage(version=1)
def noisy(*, job: Job) -> Numbers:
    print('{"event": "finished"}')
    sys.stderr.write("to stderr")
    os.write(1, b'{"event": "failed"}\\n')
    subprocess.run(["echo", '{"event": "failed"}'])
    warnings.warn("careful")
    job.log("a line")
    job.progress(1, 1, "steps")
    return Numbers(_write(job.folder(), [1.0]))
@stage(version=1)
def wait(*, job: Job) -> Numbers:
    (job.scratch / "begun").touch()
    time.sleep(600)
"""


class Worker:
    """A worker process, as an executor drives it."""

    def __init__(self, *packages: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "harness", "worker"],
            env=environment(*packages),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def ask(self, file: Path) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(str(file)) + "\n")
        self.process.stdin.flush()

    def events(self, last: tuple[str, ...] = ("finished", "failed")) -> list[dict[str, Any]]:
        assert self.process.stdout is not None
        found: list[dict[str, Any]] = []
        while not found or found[-1]["event"] not in last:
            event = json.loads(self.process.stdout.readline())
            if event["event"] != "alive":
                found.append(event)
        return found


def call_for(folder: Path, use: str, name: str) -> Call:
    """A call of a stage without inputs, with its work folder ready."""
    text = f"suite: x\nstages:\n  it: {{use: {use}}}\nmetrics:\n  n: {{use: toy.size, data: it}}\n"
    plan = make(suites.load(write_suite(folder, text)))
    task = next(t for t in plan.tasks.values() if t.node == "it")
    work = folder / name
    (work / "entry").mkdir(parents=True)
    (work / "scratch").mkdir()
    return Call("it", task.key, task.stage, identity(task.stage), task.parameters, {}, "cpu", work)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with another author's package, which this process finds, too."""
    package(tmp_path / "site", "of_a_worker", SLOW)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return tmp_path / "site"


def test_events_are_the_only_lines_and_the_outcome_lies_beside_the_call(tmp_path: Path, own: Path) -> None:
    worker = Worker(own)
    call = call_for(tmp_path, "of_a_worker.noisy", "first")
    worker.ask(calls.write(call))
    assert worker.events() == [
        {"event": "ready"},
        {"event": "started", "key": call.key},
        {"event": "log", "key": call.key, "line": "a line"},
        {"event": "progress", "key": call.key, "done": 1, "total": 1, "what": "steps"},
        {"event": "finished", "key": call.key},
    ]
    outcome = outcomes.read(call.work)
    assert outcome.error is None
    assert outcome.outputs.keys() == {"out"}
    assert outcome.environment["python"]
    assert outcome.distributions
    assert "careful" in (call.work / "log.txt").read_text()
    second = call_for(tmp_path, "of_a_worker.noisy", "second")
    worker.ask(calls.write(second))
    assert worker.events()[-1] == {"event": "finished", "key": call.key}
    out, err = worker.process.communicate()
    assert (out, worker.process.returncode) == ("", 0)
    assert err.count('{"event": "failed"}') == 4


def test_what_is_no_call_is_answered_and_nothing_is_written_beside_it(tmp_path: Path, own: Path) -> None:
    worker = Worker(own)
    (tmp_path / "other").mkdir()
    for asked in (tmp_path / "other" / "suite.yaml", Path("3"), tmp_path / "nowhere" / "call.json"):
        worker.ask(asked)
        last = worker.events()[-1]
        assert (last["event"], str(asked.parent) in last["error"]) == ("failed", True)
    assert list((tmp_path / "other").iterdir()) == []
    call = call_for(tmp_path, "of_a_worker.noisy", "first")
    worker.ask(calls.write(call))
    assert worker.events()[-1] == {"event": "finished", "key": call.key}


def test_a_worker_with_other_code_than_the_plan_refuses(tmp_path: Path, own: Path) -> None:
    call = call_for(tmp_path, "of_a_worker.noisy", "work")
    other = package(tmp_path / "other", "of_a_worker", SLOW.replace("[1.0]", "[2.0]"))
    worker = Worker(other)
    worker.ask(calls.write(call))
    told = worker.events()[-1]
    assert told["event"] == "failed"
    assert "other code or software than the plan: code" in told["error"]
    assert outcomes.read(call.work).error == told["error"]
    assert list((call.work / "entry").iterdir()) == []
    worker.process.communicate()


def test_a_worker_that_nobody_asks_any_more_ends_in_the_middle_of_a_call(tmp_path: Path, own: Path) -> None:
    """Its driver was killed: the pipe closes. What the stage has in its scratch folder stays."""
    worker = Worker(own)
    call = call_for(tmp_path, "of_a_worker.wait", "work")
    worker.ask(calls.write(call))
    worker.events(("started",))
    worker.process.communicate(timeout=60)  # closes its input
    assert worker.process.returncode == 143
    assert not (call.work / outcomes.OUTCOME).exists()
