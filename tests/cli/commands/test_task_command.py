"""``harness task`` does one task again from its call, in a folder of its own."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command_line import Project, finish, package, start
from toy_suites import write_suite

TEXT = """suite: x
stages:
  numbers: {use: toy.draw, count: 5, seed: 1}
  few: {use: toy.limit, numbers: numbers, at_most: AT_MOST}
metrics:
  n: {use: toy.size, data: few}
"""


def test_a_failed_task_fails_again_by_hand(project: Project) -> None:
    project.harness("run", write_suite(project.folder, TEXT.replace("AT_MOST", "-100")))
    [call] = (project.folder / ".harness" / "work").glob("*/call.json")
    before = sorted(p for p in call.parent.rglob("*"))
    said = project.harness("task", call)
    assert said.code == 5
    assert "few (toy.limit): " in said.error
    assert "is larger than -100; log: " in said.error
    assert sorted(p for p in call.parent.rglob("*")) == before


def test_a_task_that_works_prints_its_outcome(project: Project) -> None:
    project.harness("run", write_suite(project.folder, TEXT.replace("AT_MOST", "-100")))
    [call] = (project.folder / ".harness" / "work").glob("*/call.json")
    body = json.loads(call.read_text())
    # The inputs are still in the store, so that the task of another limit can be written by hand, with its own key.
    project.harness("run", write_suite(project.folder, TEXT.replace("AT_MOST", "100")))
    good = next(t for t in project.latest["tasks"] if t["node"] == "few")
    body["parameters"]["at_most"], body["key"] = 100.0, good["key"]
    other = project.folder / "other.json"
    other.write_text(json.dumps(body))
    said = project.harness("task", other, "--to", project.folder / "again")
    assert said.code == 0, said.err
    assert said.json["error"] is None
    assert said.json["outputs"].keys() == {"out"}
    assert (project.folder / "again" / "entry" / "out" / "numbers.json").exists()
    refused = project.harness("task", other, "--to", project.folder / "again")
    assert (refused.code, "it exists already" in refused.error) == (2, True)


STAGES = """
import os
import numpy
from harness.artifact import Artifact
from harness.stage import Job, stage
from threadpoolctl import threadpool_info
from toy import Numbers


@stage(version=1)
def threads(*, job: Job) -> Numbers:
    raise ValueError(f"{os.environ.get('OMP_NUM_THREADS')} {[p['num_threads'] for p in threadpool_info()]}")
"""
THREADS = "suite: x\nstages:\n  t: {use: counted.threads}\nmetrics:\n  n: {use: toy.size, data: t}\n"


def test_a_task_by_hand_has_the_threads_that_its_worker_had(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    site = package(tmp_path_factory.mktemp("site"), "counted", STAGES)
    file = write_suite(project.folder, THREADS)
    ran = start(project.folder, "run", file, "--executor", "local", packages=(site,), OMP_NUM_THREADS="1")
    there = finish(ran)
    assert (there.code, "ValueError: 1 [1]" in there.err) == (5, True), there
    [call] = (project.folder / ".harness" / "work").glob("*/call.json")
    assert json.loads(call.read_text())["threads"] == 1
    again = finish(start(project.folder, "task", call, packages=(site,)))
    assert "ValueError: 1 [1]" in again.err, again


def test_what_is_no_call_is_refused(project: Project) -> None:
    said = project.harness("task", Path("nothing.json"))
    assert (said.code, "nothing.json: cannot be read" in said.error) == (2, True)
