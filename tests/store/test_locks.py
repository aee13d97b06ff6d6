"""One holder at a time; nobody waits for the dead, and everybody knows for whom he waits."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import harness
from harness.store import locks

WITHOUT = [errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP]
FAULT = """
import errno, fcntl, os, sys
code = int(sys.argv[2])
def flock(handle, operation):
    raise OSError(code, os.strerror(code))
if code:
    fcntl.flock = flock
"""
HOLD = """
from pathlib import Path
from harness.store import locks
with locks.held(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def without_locks(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def flock(handle: int, operation: int) -> None:
        raise OSError(code, os.strerror(code))

    if code:
        monkeypatch.setattr("fcntl.flock", flock)


def holding(file: Path, code: int) -> subprocess.Popen[str]:
    """Another process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(FAULT + HOLD), str(file), str(code)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(Path(harness.__file__).parents[1])},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    return process


def finish(process: subprocess.Popen[str]) -> None:
    process.communicate("")


@pytest.mark.parametrize("code", [0, *WITHOUT], ids=lambda c: os.strerror(c) if c else "flock")
def test_a_lock_is_held_by_one_and_nothing_of_it_stays(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch, code)
    file = tmp_path / "key.lock"
    with locks.held(file):
        assert locks.is_held(file)
        assert locks.try_hold(file) is None
        assert locks.holder(file) == f"pid {os.getpid()} on {socket.gethostname()}"
    assert not locks.is_held(file)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [0, *WITHOUT], ids=lambda c: os.strerror(c) if c else "flock")
def test_who_waits_says_for_whom_and_goes_on_when_he_is_killed(
    tmp_path: Path, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_locks(monkeypatch, code)
    file = tmp_path / "key.lock"
    other = holding(file, code)
    told = []

    def waiting(holder: str) -> None:
        told.append(holder)
        other.send_signal(signal.SIGKILL)
        other.wait()

    with locks.held(file, waiting):
        assert told == [f"pid {other.pid} on {socket.gethostname()}"]
    finish(other)
    assert list(tmp_path.iterdir()) == []


def test_a_holder_on_a_host_that_went_down_loses_its_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a host that lost its power leaves: a lease in its name that nobody renews."""
    without_locks(monkeypatch, errno.ENOSYS)
    monkeypatch.setattr(locks, "LEASE_S", 0.3)
    file = tmp_path / "key.lock"
    text = "filelock/2\npid=1\nhost=gone.example\nmode=lease\ntoken=88eb62624fdacd63ea7a2942e32a8bc7\nduration=0.3\n"
    file.with_name("key.lock.lease").write_text(text)
    told: list[str] = []
    with locks.held(file, told.append):
        assert locks.holder(file).startswith(f"pid {os.getpid()} on ")
    assert told == ["pid 1 on gone.example"]


def test_what_a_killed_holder_left_is_no_obstacle(tmp_path: Path) -> None:
    file = tmp_path / "key.lock"
    other = holding(file, 0)
    other.send_signal(signal.SIGKILL)
    finish(other)
    assert json.loads(file.read_text())["pid"] == other.pid
    with locks.held(file, lambda holder: pytest.fail("nobody holds it")):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_whose_file_goes_with_its_release_still_lets_in_one_at_a_time(tmp_path: Path) -> None:
    code = """
        import sys
        from pathlib import Path
        from harness.store import locks
        folder = Path(sys.argv[1])
        for _ in range(40):
            with locks.held(folder / "lock"):
                count = int((folder / "count").read_text())
                (folder / "count").write_text(str(count + 1))
    """
    (tmp_path / "count").write_text("0")
    command = [sys.executable, "-c", textwrap.dedent(code), str(tmp_path)]
    processes = [
        subprocess.Popen(command, env={**os.environ, "PYTHONPATH": str(Path(harness.__file__).parents[1])})
        for _ in range(3)
    ]
    assert [p.wait() for p in processes] == [0, 0, 0]
    assert (tmp_path / "count").read_text() == "120"
    assert [p.name for p in tmp_path.iterdir()] == ["count"]


def test_a_place_that_cannot_be_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"exists|Not a directory"):
        locks.try_hold(tmp_path / "file" / "key.lock")
