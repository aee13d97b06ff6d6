"""The code of a library that ends the process never comes out: it would be taken for a verdict."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from command_line import environment

START = (
    "import ctypes, os, resource, sys, threading; from harness.cli import crash; crash.watch_libraries()\n"
)
LIMITED = START + (
    "size = int(open('/proc/self/statm').read().split()[0]) * resource.getpagesize()\n"
    "resource.setrlimit(resource.RLIMIT_AS, (size + (420 << 20), resource.RLIM_INFINITY))\n"
)
LEAVING = (
    "import atexit; from harness.cli import signals; atexit.register(signals.end_with_left_code); "
    "atexit.register({}, 6); signals.leave(3)"
)
"""The harness has decided on a code, and then an exit handler of a library ends the process."""


def ended(code: str, **variables: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**environment(), **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc tells how a process ends")
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ctypes.CDLL(None).exit(1)", 5),
        ("t = threading.Thread(target=ctypes.CDLL(None).exit, args=(1,)); t.start(); t.join()", 5),
        ("ctypes.CDLL(None).exit(0)", 5),
        ("ctypes.CDLL(None).exit(3)", 5),
        ("ctypes.CDLL(None).exit(6)", 5),
        ("os._exit(0)", 5),
        ("t = threading.Thread(target=os._exit, args=(0,)); t.start(); t.join()", 5),
        (
            "p = os.fork() or ctypes.CDLL(None).exit(1); sys.exit(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) + 6)",
            7,
        ),
        (
            "p = os.fork() or os._exit(1); sys.exit(os.waitstatus_to_exitcode(os.waitpid(p, 0)[1]) + 6)",
            7,
        ),
        (LEAVING.format("ctypes.CDLL(None).exit"), 3),
        (LEAVING.format("os._exit"), 3),
        ("pass", 0),
        ("sys.exit(4)", 4),
    ],
    ids=[
        "gives up",
        "in a thread",
        "ends well",
        "another code",
        "the code of a verdict",
        "from Python",
        "from Python in a thread",
        "a forked child",
        "a forked child from Python",
        "while the process is leaving",
        "while the process is leaving, from Python",
        "nothing does",
        "the interpreter",
    ],
)
def test_a_library_that_ends_the_process(code: str, status: int) -> None:
    done = ended(START + code)
    assert done.returncode == status
    told = "harness: a library gave up and ended the process; what is finished is kept\n"
    assert done.stderr == (told if status == 5 else "")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs Linux")
def test_openblas_does_with_one_thread_where_it_cannot_have_more() -> None:
    tell = "import numpy; print(os.environ.get(crash.THREADS), numpy.eye(3).sum())"
    short = ended(LIMITED + tell, OPENBLAS_NUM_THREADS="32")
    assert (short.stdout, short.stderr, short.returncode) == ("1 3.0\n", "", 0)
    enough = ended(START + tell, OPENBLAS_NUM_THREADS="3")
    assert (enough.stdout, enough.stderr, enough.returncode) == ("3 3.0\n", "", 0)
