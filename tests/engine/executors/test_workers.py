"""Workers that fail to answer, answer nonsense, or are started by another package's launcher."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from queue import SimpleQueue

import pytest
from command_line import environment, finish, start
from toy_suites import changed, write_suite

from harness import suite as suites
from harness.engine import call as calls
from harness.engine import outcome as outcomes
from harness.engine.call import Call
from harness.engine.executors import Ended, Message
from harness.engine.executors.workers import Launch, WorkerSlot, died
from harness.engine.keys import identity
from harness.engine.outcome import CallOutcome
from harness.engine.plan import make


@pytest.fixture
def call(tmp_path: Path) -> Call:
    plan = make(suites.load(write_suite(tmp_path)))
    task = next(t for t in plan.tasks.values() if t.node == "numbers")
    work = tmp_path / "work"
    (work / "entry").mkdir(parents=True)
    (work / "scratch").mkdir()
    made = Call("numbers", task.key, task.stage, identity(task.stage), task.parameters, {}, "cpu", work)
    calls.write(made)
    return made


def ended(slot: WorkerSlot, call: Call) -> CallOutcome:
    """What a call ends in; other messages are dropped."""
    messages: SimpleQueue[Message] = SimpleQueue()
    slot.start(call, messages.put)
    while not isinstance(message := messages.get(timeout=300), Ended):
        pass
    return message.outcome


def slot(script: str, silent_s: float = 300.0) -> WorkerSlot:
    """A slot whose worker is a Python script."""
    return WorkerSlot(frozenset(), Launch([sys.executable, "-c", script], environment(), died), silent_s)


def test_a_silent_worker_is_ended_and_another_one_takes_over(call: Call) -> None:
    mute = slot("import time; time.sleep(600)", silent_s=0.5)
    assert ended(mute, call).error == "the worker said nothing for 0.5 s and was ended"
    assert ended(mute, call).error == "the worker said nothing for 0.5 s and was ended"
    mute.stop()


def test_stray_bytes_on_the_stream_lose_no_result(call: Call) -> None:
    script = f"""
import json, sys
sys.stdout.buffer.write(b"\\xff\\x00 stray\\n[1]\\n{{broken\\n")
sys.stdin.readline()
from pathlib import Path
from harness.engine.outcome import CallOutcome, write
write(CallOutcome({call.key!r}, wall_s=1.5), Path({str(call.work)!r}))
print(json.dumps({{"event": "finished", "key": ""}}), flush=True)
sys.stdin.readline()
"""
    talking = slot(script)
    assert ended(talking, call) == CallOutcome(call.key, wall_s=1.5)
    talking.ask_to_stop()
    talking.stop()


def test_a_result_that_was_written_before_the_worker_died_counts(call: Call) -> None:
    outcomes.write(CallOutcome(call.key, wall_s=2.0), call.work)
    assert ended(slot("import os; os.kill(os.getpid(), 9)"), call).wall_s == 2.0


def test_why_a_worker_ended_is_told_with_its_last_line(call: Call) -> None:
    told = ended(slot("import sys; print('first\\nlast \\x1b[2J', file=sys.stderr); sys.exit(3)"), call)
    assert told.error == "the worker ended with exit code 3: last \\x1b[2J"
    assert told.cause == "stage"


def test_a_command_that_is_not_there(call: Call) -> None:
    missing = WorkerSlot(frozenset(), Launch(["/nowhere/worker"], dict(os.environ), died))
    assert "/nowhere/worker: cannot be started (No such file or directory)" in str(ended(missing, call).error)


def test_an_outcome_that_is_damaged_fails_the_task(call: Call) -> None:
    for text, says in (("{}", "not an outcome"), ('{"schema": 1, "key": 3}', "damaged"), ("", "empty")):
        (call.work / outcomes.OUTCOME).write_text(text)
        told = ended(slot('import sys; sys.stdin.readline(); print(\'{"event": "finished"}\')'), call)
        assert says in str(told.error)


PREFIX = '''
"""Workers behind a prefix of the command line, as with ssh or a batch system's client."""
import os, sys
from harness.engine.executors import Options
from harness.engine.executors.workers import Launch, WorkerExecutor, WorkerSlot, died

def executor(options: Options) -> WorkerExecutor:
    command = [*os.environ["PREFIX"].split(), sys.executable, "-m", "harness", "worker"]
    launch = Launch(command, os.environ, died)
    return WorkerExecutor([WorkerSlot(frozenset(), launch) for _ in range(options.jobs or 1)])
'''


def test_a_launcher_of_another_package_is_one_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    site = tmp_path / "site"
    info = site / "prefixed-1.0.dist-info"
    info.mkdir(parents=True)
    (site / "prefixed.py").write_text(PREFIX)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: prefixed\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[harness.executors]\nprefix = prefixed\n")
    monkeypatch.setenv("PREFIX", f"env HARNESS_TOLD={tmp_path / 'told'} sh {tmp_path / 'prefix.sh'}")
    (tmp_path / "prefix.sh").write_text('echo started >> "$HARNESS_TOLD"\nexec "$@"\n')
    file = write_suite(tmp_path, changed(("[square, absolute]", "[square]")))
    said = finish(
        start(tmp_path, "run", file, "--executor", "prefix", "--jobs", "2", "--out", "out", packages=(site,))
    )
    assert said.code == 4, said.err
    assert (tmp_path / "told").read_text().splitlines() == ["started", "started"]
    tasks = json.loads((tmp_path / "out" / "run.json").read_text())["tasks"]
    assert {t["state"] for t in tasks} == {"executed"}
