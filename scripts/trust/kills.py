"""Kill runs at random instants and check what is left: ``python scripts/trust/kills.py --kills 200``.

    python scripts/trust/kills.py [--kills N] [--seed N] [--executor NAME] [--of VICTIM]

A small suite whose run is a few dozen steps is started in an empty project and gets SIGINT, SIGTERM, SIGHUP or SIGKILL
at an instant drawn at random between the moment from which the harness catches signals (read from the kernel; before,
the interpreter decides what a signal does) and the end of an undisturbed run. Then it is run again to the end.
Checked each time: the exit code (130, 143, 129; a run that was faster than the signal ends as it would have), that no
traceback was printed and at most one line beside the progress, that no worker is left, that the second run ends as an
undisturbed one, and that every value of its record is bit-equal to the undisturbed one's.

With ``--of worker`` a worker gets SIGKILL in place of the driver. The run must then go on to its end. A task that the
worker was doing has failed (exit code 5); if it was doing none, nothing has. With ``--executor container --image NAME``
tasks run in an image that has the harness, with tests/toy_package on its PYTHONPATH. A worker is then the engine's
client, ``--of container`` kills a container, and after the second run no container may be left. With
``--executor ray --address A`` (a cluster of this machine) a worker or an actor is killed, and the run must end as if
none had been: the call is begun again.

Prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TOYS = ROOT / "tests" / "toy_package"
SUITE = TOYS / "toy.yaml"
NO_BASELINE = 4
FAILED = 5
OF_WORKERS = "name=^harness-[0-9a-f]{16}$"
"""The engine's filter for the containers of workers, without those that ask an image for its code."""
GONE_S = 15.0
"""Seconds after which no process of a killed driver may be left."""
ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -signal.SIGKILL}


class Ended(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str
    wall_s: float
    """From the moment at which signals were caught."""
    was_signalled: bool


class Way(NamedTuple):
    """How runs are made, and which process is killed."""

    executor: tuple[str, ...] = ()
    """Arguments of ``harness run``."""
    of: str = "driver"
    engine: str | None = None
    """The command of the container engine, if tasks run in containers."""


def run(way: Way, project: Path, number: signal.Signals | None = None, after_s: float = 0.0) -> Ended:
    """Run the suite; with a signal, send it so many seconds after signals are caught, unless the run has ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "suites/suite.yaml", *way.executor],
        cwd=project,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), str(TOYS)])},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while process.poll() is None and not catches_signals(process.pid):
        time.sleep(0.0005)
    begun = time.monotonic()
    signalled = False
    if number is not None:
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            signalled = hit(process, number, way)
    out, err = process.communicate(timeout=300)
    return Ended(process.returncode, out, err, time.monotonic() - begun, signalled)


def hit(process: subprocess.Popen[str], number: signal.Signals, way: Way) -> bool:
    """Send the signal to the driver, or kill one of its workers or containers as soon as it has one."""
    if way.of == "driver":
        process.send_signal(number)
        return True
    draw = random.Random(process.pid)
    while process.poll() is None:
        if way.of == "container":
            if (boxes := containers(way, "--filter", OF_WORKERS)) and engine(
                way, "kill", draw.choice(boxes)
            ).returncode == 0:
                return True
        elif there := victims(process.pid, way):
            with suppress(ProcessLookupError):
                os.kill(draw.choice(there), signal.SIGKILL)
                return True
        time.sleep(0.001)
    return False


def victims(driver: int, way: Way) -> list[int]:
    """The processes of which one is to be killed; those on a Ray cluster are no children of the driver."""
    if way.of == "actor":
        return [p for p in processes() if command_of(p)[:1] and command_of(p)[0].startswith(b"ray::Holder")]
    if "ray" in way.executor:
        return [p for p in processes() if command_of(p)[1:] == [b"-m", b"harness", b"worker", b""]]
    return [p for p in children(driver) if b"worker" in command_of(p)]


def processes() -> list[int]:
    """All processes of this machine."""
    return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()]


def command_of(process: int) -> list[bytes]:
    """The words of a process's command line; none if it has ended."""
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return []


def engine(way: Way, *arguments: str) -> subprocess.CompletedProcess[str]:
    """One command of the container engine."""
    assert way.engine is not None
    return subprocess.run([way.engine, *arguments], capture_output=True, text=True, check=False)


def is_there(name: str) -> bool:
    """Whether a container engine answers."""
    return subprocess.run([name, "info"], capture_output=True, check=False).returncode == 0


def containers(way: Way, *options: str) -> list[str]:
    """The containers of the harness that run; with ``--all`` those that have ended, too."""
    return engine(way, "ps", "--quiet", "--filter", "label=harness.driver", *options).stdout.split()


def children(process: int) -> list[int]:
    """The living child processes of a process."""
    try:
        text = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii")
        # Workers are started by threads, too.
        for thread in Path(f"/proc/{process}/task").iterdir():
            text += " " + (thread / "children").read_text(encoding="ascii")
    except OSError:
        return []
    return sorted({int(number) for number in text.split()})


def left(project: Path) -> list[int]:
    """Worker processes of the project that are there when they should have ended."""
    until = time.monotonic() + GONE_S
    while True:
        there = [p for p in processes() if is_worker(p, project)]
        if not there or time.monotonic() > until:
            return there
        time.sleep(0.05)


def is_worker(process: int, project: Path) -> bool:
    """Whether a process is a worker that was started in the project."""
    try:
        return (
            b"worker" in command_of(process) and Path(f"/proc/{process}/cwd").resolve() == project.resolve()
        )
    except OSError:
        return False


def catches_signals(process: int) -> bool:
    """Whether a process has handlers for all that it should have: SIGHUP's is installed last."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="ascii")
    except OSError:
        return False
    caught = next((line.split()[1] for line in status.splitlines() if line.startswith("SigCgt:")), "0")
    return bool(int(caught, 16) >> (signal.SIGHUP - 1) & 1)


def values(project: Path) -> list[Any]:
    """Every value of the newest record, as it is written there."""
    newest = max((project / "reports").glob("**/run.json"), key=lambda file: file.stat().st_mtime_ns)
    scores = json.loads(newest.read_text(encoding="utf-8"))["scores"]
    return [[s["metric"], s["point"], [r["values"] for r in s["repeats"]]] for s in scores]


def problems(way: Way, killed: Ended, number: signal.Signals, project: Path, whole: list[Any]) -> list[str]:
    """What is wrong after a kill and after the run that follows it."""
    found = []
    ends = {ENDS[number] if way.of == "driver" else FAILED, NO_BASELINE}
    if way.of != "driver" and "ray" in way.executor:  # the call is begun again
        ends = {NO_BASELINE}
    if killed.code not in (ends if killed.was_signalled else {NO_BASELINE}):
        found.append(f"{number.name}: exit {killed.code}: {killed.err.strip()[-300:]}")
    if "Traceback" in killed.err + killed.out or "Exception ignored" in killed.err:
        found.append(f"{number.name}: a traceback: {killed.err.strip()[-300:]}")
    if sum(line.startswith("harness: ") for line in killed.err.splitlines()) > 1:
        found.append(f"{number.name}: more than one line")
    if there := left(project):
        found.append(f"{number.name}: {len(there)} workers are left")
    resumed = run(way, project)
    if resumed.code != NO_BASELINE:
        found.append(f"{number.name}: the next run ended in {resumed.code}: {resumed.err.strip()[-200:]}")
    elif values(project) != whole:
        found.append(f"{number.name}: other values after the kill")
    if way.engine is not None and (boxes := containers(way, "--all")):
        found.append(f"{number.name}: {len(boxes)} containers are left")
    return found


def main() -> int:
    """Kill so many runs; 0 where nothing was found."""
    parser = argparse.ArgumentParser(description="Kill runs at random instants and check what is left.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--executor", choices=["inline", "local", "container", "ray"], default="inline")
    parser.add_argument("--of", choices=["driver", "worker", "container", "actor"], default="driver")
    parser.add_argument("--address", help="of a Ray cluster of this machine, for --executor ray")
    parser.add_argument("--image", help="the image of the tasks, for --executor container")
    options = parser.parse_args()
    # A shell hands on to its background jobs that SIGINT is ignored, and nohup that SIGHUP is.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    several = () if options.executor == "inline" else ("--jobs", "2")
    several += ("--address", options.address) if options.address else ()
    answers = (name for name in ("docker", "podman") if shutil.which(name) and is_there(name))
    way = Way(
        ("--executor", options.executor, *several),
        options.of,
        next(answers) if options.executor == "container" else None,
    )
    draw = random.Random(options.seed)
    found: list[str] = []
    codes: Counter[str] = Counter()
    signalled = 0
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        (project / "suites").mkdir(parents=True)
        text = SUITE.read_text(encoding="utf-8")
        if options.image is not None:
            text = text.replace("\nstages:", "\nimage: tasks\nstages:")
            lock = [sys.executable, "-m", "harness", "image", "lock", f"tasks={options.image}"]
            subprocess.run(
                lock, cwd=project, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=True, stdout=2
            )
        (project / "suites" / "suite.yaml").write_text(text, encoding="utf-8")
        longest = min(fresh(way, project).wall_s for _ in range(3))
        whole = values(project)
        for _ in range(options.kills):
            for leftover in (".harness", "reports"):
                shutil.rmtree(project / leftover)
            number = draw.choice(list(ENDS)) if way.of == "driver" else signal.SIGKILL
            killed = run(way, project, number, draw.uniform(0.0, longest))
            codes[f"{number.name} {killed.code}"] += 1
            signalled += killed.was_signalled
            for leftover in (".harness", "reports"):
                (project / leftover).mkdir(exist_ok=True)
            found += problems(way, killed, number, project, whole)
    print(
        json.dumps(
            {
                "runs": options.kills,
                "signalled": signalled,
                "executor": options.executor,
                "of": options.of,
                "seed": options.seed,
                "ends": dict(sorted(codes.items())),
                "problems": found,
            }
        )
    )
    return 2 if found else 0


def fresh(way: Way, project: Path) -> Ended:
    """An undisturbed run from nothing."""
    for leftover in (".harness", "reports"):
        shutil.rmtree(project / leftover, ignore_errors=True)
        (project / leftover).mkdir()
    ended = run(way, project)
    if ended.code != NO_BASELINE:
        sys.exit(f"the undisturbed run ended in {ended.code}: {ended.err}")
    return ended


if __name__ == "__main__":
    sys.exit(main())
