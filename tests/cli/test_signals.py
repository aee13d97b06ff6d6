"""A signal at each step that changes a file: its own exit code, nothing torn, and the same command goes on.

Code that heeds no signal is ended nevertheless, with the signal's code and one line.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from command_line import Project, environment
from toy_suites import changed, write_suite

SMALL = changed(("[square, absolute]", "[square]"), ("[0.1, 0.2]", "[0.1]"))
AT_EVERY_STEP = """
import contextlib, json, os, shutil, signal, sys
from pathlib import Path
from imported_ahead import import_ahead
import harness.cli.commands.run, harness.compare.baseline
from harness.cli import signals
from harness.cli.commands import main
from harness.store.environment import environment
from harness.suite.registry import find

command, below, stride = json.loads(sys.argv[1]), os.path.realpath(sys.argv[2]), int(sys.argv[3])
CHANGES = {"open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "shutil.rmtree", "os.chmod"}
environment()
find("toy.size")
begin = Path("begin")


def begin_again():
    shutil.rmtree(below, ignore_errors=True)
    if begin.exists():
        shutil.copytree(begin, below)


begin_again()
import_ahead(lambda: main(command))
signals.catch()


def run(stop_at, number=signal.SIGTERM):
    seen = 0

    def hook(event, arguments):
        nonlocal seen
        if event in CHANGES and str(arguments[0]).startswith(below):
            seen += 1
            if seen == stop_at:
                os.kill(os.getpid(), number)
                while True:  # the handler raises here, and not later in a callback that would swallow it
                    pass

    child = os.fork()
    if child == 0:
        sys.addaudithook(hook)
        nowhere = open(os.devnull, "w")
        os.dup2(nowhere.fileno(), 2)
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
            try:
                signals.start_watchdog()
                code = main(command)
            except KeyboardInterrupt:
                code = 128 + signals.received[0]
        os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


stop_at, told = 1 - stride, []
while True:
    stop_at += stride
    begin_again()
    number = signals.NUMBERS[len(told) % 3]
    code = run(stop_at, number)
    left = {str(f.relative_to(below)): f.read_bytes().hex() for f in Path(below).rglob("*.json") if f.is_file()}
    again = run(0)
    torn = [f.name for f in Path(below).rglob("*") if ".torn" in f.name]
    stopped = code == 128 + number
    told.append([stopped, code, {n: t for n, t in left.items() if ".torn" not in n}, again, torn])
    if not stopped:
        break
print(json.dumps(told))
"""


def at_every_step(command: tuple[str, ...], below: str, stride: int = 1) -> Any:
    answer = subprocess.run(
        [sys.executable, "-c", AT_EVERY_STEP, json.dumps(command), below, str(stride)],
        env=environment(Path(__file__).parents[1]),
        capture_output=True,
        text=True,
        check=True,
    )
    return json.loads(answer.stdout)


def test_a_signal_while_a_baseline_is_accepted_leaves_the_old_or_the_new_one(project: Project) -> None:
    write_suite(project.folder, SMALL)
    assert project.harness("run", "suites/suite.yaml").code == 4
    project.accept()
    (project.folder / "baselines").rename(project.folder / "begin")
    [old] = (project.folder / "begin").rglob("*.json")
    *stops, whole = at_every_step(("accept", "toy/centre", "--reason", "again"), "baselines")
    assert whole[1] == 0
    assert len(stops) > 10
    reasons = set()
    for stopped, code, left, again, torn in stops:
        assert (stopped, again, torn) == (True, 0, []), code
        [text] = left.values()
        reasons.add(json.loads(bytes.fromhex(text))["accepted"]["reason"])
    assert json.loads(old.read_text())["accepted"]["reason"] == "first figures"
    assert reasons == {"first figures", "again"}


@pytest.mark.slow
def test_a_signal_while_a_task_is_stored_leaves_whole_entries(project: Project) -> None:
    """At every seventh step, of which a task has a few dozen: a run is long."""
    write_suite(project.folder, SMALL)
    *stops, whole = at_every_step(("run", "suites/suite.yaml"), ".harness", stride=7)
    assert whole[1] == 4
    assert len(stops) > 10
    for stopped, code, left, again, torn in stops:
        assert (stopped, again, torn) == (True, 4, []), code
        for name, text in left.items():
            if name.endswith("/entry.json") and name.startswith("objects/"):
                assert json.loads(bytes.fromhex(text))["digest"], "no entry is half written"


START = """
import os, signal, sys, time
from harness.cli import signals
signals.catch()
signals.GRACE_S, signals.ECHO_S = {grace}, 0.0
{before}
signals.start_watchdog()
"""
# os.write: a signal inside of print() may leave its text in the buffer, to be written twice.
DEAF = """
while True:
    try:
        os.write(1, b"ready\\n")
        time.sleep(60)
    except KeyboardInterrupt:
        os.write(1, b"heard\\n")
"""
FOREIGN = """
signal.signal(signal.SIGTERM, lambda *_: os.write(1, b"heard\\n"))
os.write(1, b"ready\\n")
while True:
    time.sleep(60)
"""
MANY_FILES = """
import resource
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (min(2048, hard), hard))
opened = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
"""
FORKED = """
print("ready", flush=True)
child = os.fork()
if child == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def begin(code: str, grace: float, before: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", START.format(grace=grace, before=before) + code],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP], ids=lambda n: n.name)
def test_what_swallows_the_exception_ends_when_its_time_is_over(number: signal.Signals) -> None:
    process = begin(DEAF, grace=0.2)
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert len(err.splitlines()) == 1
    assert err.endswith("; what is finished is kept, the same command goes on from there\n")


def test_a_second_signal_ends_it_at_once() -> None:
    """The time that the first one leaves would be longer than this test waits."""
    process = begin(DEAF, grace=3600.0)
    process.send_signal(signal.SIGTERM)
    assert process.stdout is not None
    assert process.stdout.readline() == "heard\n"
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM, "the first one is what ended it"
    assert err.startswith("harness: terminated; ")


def test_a_library_with_a_handler_of_its_own_is_ended_too() -> None:
    process = begin(FOREIGN, grace=0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM


def test_a_process_with_thousands_of_open_files_is_ended_too() -> None:
    process = begin(DEAF, grace=0.2, before=MANY_FILES)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + signal.SIGTERM
    assert err.startswith("harness: terminated; ")
    assert "Traceback" not in err


def test_a_forked_child_answers_as_any_process_does() -> None:
    process = begin(FORKED, grace=60.0)
    assert process.stdout is not None
    subprocess.run(["kill", "-TERM", process.stdout.readline().strip()], check=True)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, f"{-signal.SIGTERM}\n", "")
