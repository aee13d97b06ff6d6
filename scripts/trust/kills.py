"""Kill runs at random instants and check what is left: ``python scripts/trust/kills.py --kills 200``.

A small suite whose run is a few dozen steps is started in an empty project and gets SIGINT, SIGTERM, SIGHUP or SIGKILL
at an instant drawn at random between the moment from which the harness catches signals (read from the kernel; before,
the interpreter decides what a signal does) and the end of an undisturbed run. Then it is run again to the end.
Checked each time: the exit code (130, 143, 129; a run that was faster than the signal ends as it would have), that no
traceback was printed and at most one line beside the progress, that the second run ends as an undisturbed one, and
that every value of its record is bit-equal to the undisturbed one's. Prints one line of JSON.
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
from pathlib import Path
from typing import Any, NamedTuple

ROOT = Path(__file__).resolve().parents[2]
TOYS = ROOT / "tests" / "toy_package"
SUITE = TOYS / "toy.yaml"
NO_BASELINE = 4
ENDS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGKILL: -signal.SIGKILL}


class Ended(NamedTuple):
    """How a run ended."""

    code: int
    out: str
    err: str
    wall_s: float
    """From the moment at which signals were caught."""
    was_signalled: bool


def run(project: Path, number: signal.Signals | None = None, after_s: float = 0.0) -> Ended:
    """Run the suite; with a signal, send it so many seconds after signals are caught, unless the run has ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "harness", "run", "suites/suite.yaml"],
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
            process.send_signal(number)
            signalled = True
    out, err = process.communicate(timeout=300)
    return Ended(process.returncode, out, err, time.monotonic() - begun, signalled)


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


def problems(killed: Ended, number: signal.Signals, project: Path, whole: list[Any]) -> list[str]:
    """What is wrong after a kill and after the run that follows it."""
    found = []
    if killed.code not in ({ENDS[number], NO_BASELINE} if killed.was_signalled else {NO_BASELINE}):
        found.append(f"{number.name}: exit {killed.code}: {killed.err.strip()[-300:]}")
    if "Traceback" in killed.err + killed.out or "Exception ignored" in killed.err:
        found.append(f"{number.name}: a traceback: {killed.err.strip()[-300:]}")
    if sum(line.startswith("harness: ") for line in killed.err.splitlines()) > 1:
        found.append(f"{number.name}: more than one line")
    resumed = run(project)
    if resumed.code != NO_BASELINE:
        found.append(f"{number.name}: the next run ended in {resumed.code}: {resumed.err.strip()[-200:]}")
    elif values(project) != whole:
        found.append(f"{number.name}: other values after the kill")
    return found


def main() -> int:
    """Kill so many runs; 0 where nothing was found."""
    parser = argparse.ArgumentParser(description="Kill runs at random instants and check what is left.")
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    # A shell hands on to its background jobs that SIGINT is ignored, and nohup that SIGHUP is.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    draw = random.Random(options.seed)
    found: list[str] = []
    codes: Counter[str] = Counter()
    hit = 0
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        (project / "suites").mkdir(parents=True)
        shutil.copyfile(SUITE, project / "suites" / "suite.yaml")
        longest = min(fresh(project).wall_s for _ in range(3))
        whole = values(project)
        for _ in range(options.kills):
            for leftover in (".harness", "reports"):
                shutil.rmtree(project / leftover)
            number = draw.choice(list(ENDS))
            killed = run(project, number, draw.uniform(0.0, longest))
            codes[f"{number.name} {killed.code}"] += 1
            hit += killed.was_signalled
            for leftover in (".harness", "reports"):
                (project / leftover).mkdir(exist_ok=True)
            found += problems(killed, number, project, whole)
    print(
        json.dumps(
            {
                "runs": options.kills,
                "signalled": hit,
                "seed": options.seed,
                "ends": dict(sorted(codes.items())),
                "problems": found,
            }
        )
    )
    return 2 if found else 0


def fresh(project: Path) -> Ended:
    """An undisturbed run from nothing."""
    for leftover in (".harness", "reports"):
        shutil.rmtree(project / leftover, ignore_errors=True)
        (project / leftover).mkdir()
    ended = run(project)
    if ended.code != NO_BASELINE:
        sys.exit(f"the undisturbed run ended in {ended.code}: {ended.err}")
    return ended


if __name__ == "__main__":
    sys.exit(main())
