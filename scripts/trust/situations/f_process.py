"""Files, commands and mishaps."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time

from planting import Answer, Bench, situation

from situations.b_repeats import ACCURACY, recipe

BROKEN = """\
suite: planted/broken
about: A score that is not a number.
subject: [model]
stages:
  model: {use: planted.load, skill: 0.5}
metrics:
  worth: {use: planted.broken, model: model}
gate:
  worth.value: 0.1
"""


@situation("a score is NaN", "exit code 5")
def _(bench: Bench) -> Answer:
    ran = bench.harness("run", bench.suite(BROKEN), "--out", "run")
    return Answer(f"exit code {ran.code}", "a threshold: unchanged (NaN compares with nothing)")


@situation("a value of the baseline's file is edited", "exit code 2")
def _(bench: Bench) -> Answer:
    bench.accept(recipe(0.8))
    (file,) = (bench.folder / "baselines").rglob("*.json")
    body = json.loads(file.read_text())
    body["scores"][0]["repeats"][0]["values"]["overall_accuracy"] = 0.1
    file.write_text(json.dumps(body))
    ran = bench.harness("run", bench.suite(recipe(0.8)), "--out", "run")
    return Answer(f"exit code {ran.code}", "a threshold on the file's figures: improved")


@situation("a value of a run's record is edited, and the run accepted", "exit code 2")
def _(bench: Bench) -> Answer:
    bench.harness("run", bench.suite(recipe(0.8)), "--out", "run")
    file = bench.folder / "run" / "run.json"
    body = json.loads(file.read_text())
    body["scores"][0]["repeats"][0]["values"]["overall_accuracy"] = 1.0
    file.write_text(json.dumps(body))
    return Answer(f"exit code {bench.harness('accept', 'run', '--reason', 'better').code}", "")


@situation("a partial run (`--only`) is accepted", "exit code 2")
def _(bench: Bench) -> Answer:
    text = recipe(0.8).replace("seeds:\n", "matrix:\n  model.skill: [0.8, 0.6]\nseeds:\n", 1)
    bench.harness("run", bench.suite(text), "--only", "model.skill=0.8", "--out", "run")
    return Answer(f"exit code {bench.harness('accept', 'run', '--reason', 'half of it').code}", "")


AT_THE_MERGE_BASE = "regressed, the margin of the merge base"


@situation(
    "a change makes the model worse and widens its own gate; judged at the merge base", AT_THE_MERGE_BASE
)
def _(bench: Bench) -> Answer:
    return _approves_itself(bench, "suite.yaml")


@situation("the same, and the change renames the suite's file", AT_THE_MERGE_BASE)
def _(bench: Bench) -> Answer:
    return _approves_itself(bench, "renamed.yaml")


def _on_a_branch(bench: Bench) -> None:
    """A repository whose main branch has an accepted baseline of skill 0.8, and a branch for a change."""
    _git(bench, "init", "--initial-branch=trunk")
    bench.accept(recipe(0.8))
    _git(bench, "add", "suites", "baselines")
    _git(bench, "commit", "-m", "before")
    _git(bench, "switch", "-c", "change")


def _git(bench: Bench, *arguments: str) -> None:
    who = ("-c", "user.name=A", "-c", "user.email=a@b.c")
    subprocess.run(["git", *who, *arguments], cwd=bench.folder, check=True, capture_output=True)


def _approves_itself(bench: Bench, name: str) -> Answer:
    _on_a_branch(bench)
    path = bench.suite(recipe(0.5, margin=0.9))
    path = path.rename(path.with_name(name))
    _git(bench, "add", "--all", "suites")
    _git(bench, "commit", "-m", "worse, and a wider gate")
    ran = bench.harness("run", path, "--baseline-ref", "trunk", "--out", "run")
    comparison = json.loads((bench.folder / "run" / "run.json").read_text())["comparison"]
    (found,) = [f for f in comparison["findings"] if f["gated"]]
    told = (
        f"{found['verdict']}, the margin {'of the merge base' if found['margin'] == 0.1 else found['margin']}"
    )
    return Answer(
        told if "0.9" in ran.out + ran.err else f"{told}, unsaid",
        "a threshold in the change's own file: unchanged",
    )


@situation("a change makes the model worse and keeps the good one as a point of a sweep", "incomparable")
def _(bench: Bench) -> Answer:
    _on_a_branch(bench)
    path = bench.suite(recipe(0.5) + "matrix:\n  model.skill: [0.5, 0.8]\n")
    bench.harness("run", path, "--baseline-ref", "trunk", "--out", "run")
    comparison = json.loads((bench.folder / "run" / "run.json").read_text())["comparison"]
    (found,) = [f for f in comparison["findings"] if f["gated"]]
    return Answer(str(found["verdict"]), "a threshold on the old point: unchanged")


@situation("the suite is calibrated after a run, and its newest run is accepted", "the seeds of the suite")
def _(bench: Bench) -> Answer:
    path = bench.suite(recipe(0.8, seeds=[0, 1, 2]))
    assert bench.harness("run", path).code == 4
    assert bench.harness("calibrate", path).code == 0
    bench.harness("accept", "planted/recipe", "--reason", "newest")
    (file,) = (bench.folder / "baselines").rglob("*.json")
    (score,) = json.loads(file.read_text())["scores"]
    seeds = [r["seeds"]["model.seed"] for r in score["repeats"]]
    return Answer("the seeds of the suite" if seeds == [0, 1, 2] else f"seeds {seeds}", "")


@situation("a run is killed at its second task, and run again", "the values of an undisturbed run")
def _(bench: Bench) -> Answer:
    text = recipe(0.8, luck=0.05)
    path = bench.suite(text)
    whole = bench.harness("run", path, "--out", "whole", HARNESS_STORE=str(bench.folder / "other"))
    assert whole.code == 4, whole
    process = bench.start("run", path, "--out", "killed")
    store = bench.folder / ".harness" / "objects"
    while process.poll() is None and len(list(store.glob("*/*/entry.json"))) < 2:
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    bench.harness("run", path, "--out", "again")
    values = [
        [
            r["values"]
            for r in json.loads((bench.folder / out / "run.json").read_text())["scores"][0]["repeats"]
        ]
        for out in ("whole", "again")
    ]
    same = values[0] == values[1]
    return Answer("the values of an undisturbed run" if same else "other values", "")


@situation("a file of a stored training is truncated", "made again, unchanged")
def _(bench: Bench) -> Answer:
    bench.accept(recipe(0.8))
    for file in (bench.folder / ".harness" / "objects").rglob("skill.json"):
        file.write_text("{")
    shutil.rmtree(bench.folder / "baseline-run")
    compared = bench.compare(recipe(0.8), "--fresh", "said")
    states = {
        t["state"]
        for t in json.loads((compared.folder / "run.json").read_text())["tasks"]
        if t["node"] == "model"
    }
    told = "made again" if states == {"executed"} else f"{states}"
    return Answer(f"{told}, {compared.verdict(ACCURACY)}", "a cache without checksums: served")


@situation(
    "the clock is set back an hour between two runs; the newest is accepted by the suite's name",
    "the newest run",
)
def _(bench: Bench) -> Answer:
    path = bench.suite(recipe(0.8))
    for skill, moment in ((0.8, "2030-01-01T12:00:00"), (0.6, "2030-01-01T11:00:00")):
        path = bench.suite(recipe(skill))
        _at(bench, moment, "run", path)
    bench.harness("accept", "planted/recipe", "--reason", "newest")
    (file,) = (bench.folder / "baselines").rglob("*.json")
    declared = json.loads(file.read_text())["declaration"]["stages"]["model"]["parameters"]["skill"]
    return Answer(
        "the newest run" if declared == 0.6 else "the older run", "the newest by file name: the older run"
    )


def _at(bench: Bench, moment: str, *arguments: object) -> None:
    """A command in a process whose clock says another time."""
    import os
    import sys
    from pathlib import Path

    code = (
        "import datetime, sys\n"
        "real = datetime.datetime\n"
        f"shift = real.fromisoformat('{moment}+00:00') - real.now(datetime.UTC)\n"
        "class Moved(real):\n"
        "    @classmethod\n"
        "    def now(cls, tz=None):\n"
        "        return real.now(tz) + shift\n"
        "import harness.engine.recording\n"
        "harness.engine.recording.datetime = Moved\n"
        "from harness.cli.commands import main\n"
        "sys.exit(main(sys.argv[1:]))\n"
    )
    planted = str(Path(sys.modules["planting"].__file__ or "").parent / "planted")
    path = os.pathsep.join(filter(None, (planted, os.environ.get("PYTHONPATH", ""))))
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        cwd=bench.folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 4, done
