"""Several commands at once: each must find and leave whole baselines, whole runs and a whole store.

    python scripts/trust/races.py --rounds 40

Prints one JSON line. ``accepts``: rounds of four acceptances under one label, with somebody who reads on all the while.
``runs``: rounds of three runs of one suite on one new store, while ``store gc --age 0`` goes round. Everything under
``wrong`` must be 0.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
from pathlib import Path

from baseline_kills import accepted, leftovers
from bench import BASELINE, SUITE, ended, expect, forked, harness, project, say, silently

RUNS = 4
STOP = "stop"
"""A file that ends the clean-up."""


def accepting(rounds: int) -> dict[str, int]:
    """Four acceptances at once."""
    for n in range(RUNS):
        expect(0, "run", SUITE, "--set", f"model.epochs={6 + n}", "--out", f"reports/{n}")
    counts = {"rounds": 0, "accepts": 0, "failed": 0, "refused": 0, "left": 0, "unreadable": 0}
    for _ in range(rounds):
        reader = forked(reading)
        writers = [forked(silently("accept", f"reports/{n}", "--reason", f"run {n}")) for n in range(RUNS)]
        codes = [ended(writer) for writer in writers]
        os.kill(reader, signal.SIGTERM)
        counts["unreadable"] += ended(reader) != 0
        counts["rounds"] += 1
        counts["accepts"] += len(codes)
        counts["failed"] += sum(code != 0 for code in codes)
        counts["refused"] += not accepted().startswith("run ")
        counts["left"] += bool(leftovers())
    return counts


def reading() -> int:
    """Read until told to stop; 1 where a reading failed."""
    stopped = []
    signal.signal(signal.SIGTERM, lambda *_: stopped.append(True))
    while not stopped:
        if not accepted():
            return 1
    return 0


def running(rounds: int) -> dict[str, int]:
    """Three runs at once on a new store, beside a clean-up that keeps nothing for its age."""
    command = ("run", SUITE, "--set", "model.epochs=20")  # of which no record in the project needs anything
    harness(*command, "--out", "elsewhere/alone")
    expected = values(Path("elsewhere/alone"))
    counts = {"rounds": 0, "runs": 0, "failed": 0, "other values": 0, "damaged": 0}
    for number in range(rounds):
        store = f"store-{number}"
        Path(store).mkdir()
        cleaner = forked(lambda store=store: cleaning(store))  # type: ignore[misc]
        outs = [f"elsewhere/{n}" for n in range(3)]
        runs = [forked(silently(*command, "--store", store, "--out", out)) for out in outs]
        codes = [ended(run) for run in runs]
        (Path(store) / STOP).touch()
        counts["failed"] += ended(cleaner) != 0
        counts["rounds"] += 1
        counts["runs"] += len(codes)
        counts["failed"] += sum(code not in (0, 1, 3, 6) for code in codes)
        counts["other values"] += sum(values(Path(out)) != expected for out in outs)
        counts["damaged"] += harness("store", "verify", "--store", store)[0] != 0
        for out in (*outs, store):
            shutil.rmtree(out)
    return counts


def cleaning(store: str) -> int:
    while not (Path(store) / STOP).exists():
        if harness("store", "gc", "--store", store, "--age", "0")[0] != 0:
            return 1
    return 0


def values(run: Path) -> object:
    """What a run's scores are."""
    try:
        body = json.loads((run / "run.json").read_text())
    except (OSError, ValueError):
        return None
    return [r["values"] for s in body["scores"] for r in s["repeats"]]


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--rounds", type=int, default=40)
    rounds = arguments.parse_args().rounds
    with project():
        accepts = accepting(rounds)
        assert BASELINE.exists()
        runs = running(max(1, rounds // 4))
    say(script="races", accepts=accepts, runs=runs)


if __name__ == "__main__":
    main()
