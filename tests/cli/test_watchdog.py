"""Code that heeds no signal is ended nevertheless, with the signal's code and one line."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from command_line import environment

START = """
import os, signal, sys, time
from harness.cli import signals
signals.catch()
from harness.cli import watchdog
watchdog.GRACE_S, watchdog.ECHO_S = {grace}, 0.0
watchdog.start()
"""
DEAF = """
while True:
    try:
        print("ready", flush=True)
        time.sleep(60)
    except KeyboardInterrupt:
        print("heard", flush=True)
"""
FOREIGN = """
signal.signal(signal.SIGTERM, lambda *_: print("heard", flush=True))
print("ready", flush=True)
while True:
    time.sleep(60)
"""
FORKED = """
print("ready", flush=True)
child = os.fork()
if child == 0:
    print(os.getpid(), flush=True)
    time.sleep(60)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def begin(code: str, grace: float) -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", START.format(grace=grace) + code],
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


def test_a_forked_child_answers_as_any_process_does() -> None:
    process = begin(FORKED, grace=60.0)
    assert process.stdout is not None
    subprocess.run(["kill", "-TERM", process.stdout.readline().strip()], check=True)
    out, err = process.communicate(timeout=60)
    assert (process.returncode, out, err) == (0, f"{-signal.SIGTERM}\n", "")
