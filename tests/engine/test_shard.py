"""Shards are parts of a plan that do all of it together, and each point in one place."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from command_line import Project, finish, start
from hypothesis import given
from hypothesis import strategies as st
from toy_suites import TOY, write_suite

from harness import suite
from harness.engine.plan import Plan, make
from harness.engine.shard import Shard


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    return make(suite.load(write_suite(tmp_path_factory.mktemp("plan"))))


@given(of=st.integers(1, 20))
def test_every_score_is_in_one_shard(plan: Plan, of: int) -> None:
    parts = [Shard(number, of).part(plan) for number in range(1, of + 1)]
    tasks = Counter(r.task for part in parts for s in part.scores for r in s.repeats)
    assert tasks == Counter(r.task for s in plan.scores for r in s.repeats)
    sizes = [sum(len(s.repeats) for s in part.scores) for part in parts]
    assert max(sizes) - min(sizes) <= 1
    assert all(s.repeats for part in parts for s in part.scores)


@pytest.mark.parametrize(
    "text", ["", "1", "0/3", "4/3", "1/0", "1/3/5", "one/3", "01/3", "-1/3", "1/9999999"]
)
def test_what_is_no_shard(text: str, project: Project) -> None:
    with pytest.raises(ValueError, match="expected I/N"):
        Shard.from_text(text)
    said = project.harness("run", write_suite(project.folder), f"--shard={text}")
    assert (said.code, ("expected I/N" if text else "expected a value") in said.err) == (2, True)


def test_shards_beside_one_another_and_a_plain_run_give_the_verdict_of_one_machine(project: Project) -> None:
    file = write_suite(project.folder, TOY)
    assert project.harness("run", file, "--store", "alone", "--out", "one").code == 4
    project.accept("one")
    shards = [start(project.folder, "run", file, "--shard", f"{i}/3", "--store", "shared") for i in (1, 2, 3)]
    said = [finish(process) for process in shards]
    assert [s.code for s in said] == [0, 0, 0], [s.err for s in said]
    executed = [int(s.out.split(": ")[1].split()[0]) for s in said]
    whole = project.harness("run", file, "--store", "shared", "--out", "merged")
    assert whole.code == 0
    tasks = json.loads((project.folder / "merged" / "run.json").read_text())["tasks"]
    assert {t["state"] for t in tasks} == {"cached"}
    assert sum(executed) == len({t["key"] for t in tasks})  # no task was made twice


def test_a_shard_gives_no_verdict(project: Project) -> None:
    said = project.harness("run", write_suite(project.folder), "--shard", "1/2", "--strict")
    assert (said.code, "--shard gives no verdict" in said.error) == (2, True)
    said = project.harness("run", write_suite(project.folder), "--shard", "1/2")
    assert said.code == 0
    assert not list((project.folder / "reports").rglob("run.json"))


def test_a_shard_with_a_failed_task_says_so(project: Project) -> None:
    text = (
        "suite: x\nstages:\n  d: {use: toy.draw, count: 9}\n  few: {use: toy.limit, numbers: d, at_most: -99}\n"
        "metrics:\n  n: {use: toy.size, data: few}\n"
    )
    said = project.harness("run", write_suite(project.folder, text), "--shard", "1/1")
    assert said.code == 5
    assert "1 failed" in said.out
