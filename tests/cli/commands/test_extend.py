from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from command_line import Project, start
from copies import Copies
from disks import content, read_only
from toy_evidence import SUITE, TEXT, Lucky
from toy_suites import write_suite

from harness.evaluation.baseline_choice import side
from harness.store import record_file


def accept_three(project: Project) -> None:
    write_suite(project.folder, TEXT)
    assert project.harness("run", SUITE).code == 4
    project.accept()


@pytest.fixture
def three(project: Project, copies: Copies) -> Project:
    """A suite of three seeds with its baseline."""
    copies.fill(project, accept_three)
    return project


def baseline(project: Project) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(file_of(project).read_text())
    return body


def file_of(project: Project) -> Path:
    return project.folder / "baselines" / "toy" / "centre" / "cpu.json"


def test_a_baseline_grows_by_the_seeds_that_a_run_would_add(three: Project) -> None:
    before = record_file.load(file_of(three))
    said = three.harness("extend", "toy/centre/cpu", "--seeds", "8")
    assert said.code == 0, said.err
    assert said.out == f"extended: {file_of(three)} from 3 to 8 seeds\n"
    assert "✓ 12/12 fit (model.seed=7)" in said.err
    assert "2 of 12 tasks came from the store" in said.err  # models and scores of five seeds, and their data
    after = record_file.load(file_of(three))
    (old,), (new,) = before.scores, after.scores
    assert new.repeats[:3] == old.repeats
    assert [r.seeds["model.seed"] for r in new.repeats] == list(range(8))
    assert (new.settings, new.protocol, after.gates) == (old.settings, old.protocol, before.gates)
    assert before.accepted
    assert after.accepted
    assert after.accepted.reason == "first figures; extended to 8 seeds"
    assert (after.accepted.at, after.accepted.label) == (before.accepted.at, "cpu")
    held = side(file_of(three))
    assert held.items
    for repeat in new.repeats:
        rows = held.items.items("fit", {}, repeat.seeds, "error")
        assert rows is not None
        assert sum(rows.values) / len(rows.values) == pytest.approx(repeat.values["error"])


def test_what_had_to_be_made_again_is_said(three: Project) -> None:
    shutil.rmtree(three.folder / ".harness")
    said = three.harness("extend", "toy/centre/cpu", "--seeds", "4")
    assert said.code == 0, said.err
    assert said.out.splitlines()[1:] == ["  made again, since the store no longer had them: numbers, parts"]


def test_a_run_with_as_many_seeds_then_pairs_with_all_of_them(three: Project) -> None:
    three.harness("extend", "toy/centre/cpu", "--seeds", "8")
    changed = ("--set", "model.window=[2, 1.0]")
    said = three.harness("run", SUITE, "--until-conclusive", "--max-seeds", "8", *changed)
    assert said.code == 0, said.err
    (finding,) = (f for f in three.latest["comparison"]["findings"] if f["gated"])
    assert (finding["estimate"]["repeats"], finding["estimate"]["paired"]) == (8, True)


def test_extending_in_two_steps_is_extending_in_one(three: Project) -> None:
    text = file_of(three).read_bytes()
    three.harness("extend", "toy/centre/cpu", "--seeds", "6")
    once = baseline(three)
    file_of(three).write_bytes(text)
    [rows] = file_of(three).parent.glob("cpu.*.items.parquet")
    refused = three.harness("extend", "toy/centre/cpu", "--seeds", "5")
    assert "changed after it was accepted" in refused.error  # the items are those of six seeds
    assert list(file_of(three).parent.glob("cpu.*.items.parquet")) == [rows]
    three.accept("toy/centre", "--new-protocol")
    three.harness("extend", "toy/centre/cpu", "--seeds", "5")
    three.harness("extend", str(file_of(three)), "--seeds", "6")
    twice = baseline(three)
    assert twice["scores"][0]["repeats"][:3] == once["scores"][0]["repeats"][:3]
    assert [r["values"] for r in twice["scores"][0]["repeats"]] == [
        r["values"] for r in once["scores"][0]["repeats"]
    ]
    assert twice["accepted"]["reason"] == "first figures; extended to 5 seeds; extended to 6 seeds"


def test_what_the_suite_says_today_does_not_matter(three: Project) -> None:
    write_suite(three.folder, TEXT.replace("epochs: 5", "epochs: 9").replace("fit: 0.05", "fit: 7%"))
    assert three.harness("extend", "toy/centre/cpu", "--seeds", "4").code == 0
    (three.folder / "suites/suite.yaml").unlink()
    assert three.harness("extend", "toy/centre/cpu", "--seeds", "5").code == 0
    assert baseline(three)["declaration"]["stages"]["model"]["parameters"]["epochs"] == 5
    assert baseline(three)["gates"][0]["margin"] == 0.05


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["toy/centre/cpu", "--seeds", "3"], "has 3 already; a baseline only grows"),
        (["toy/centre/cpu", "--seeds", "2"], "has 3 already; a baseline only grows"),
        (["toy/centre/cpu", "--seeds", "10001"], "at most 10,000"),
        (["toy/centre/cup", "--seeds", "5"], "did you mean 'toy/centre/cpu'?"),
        (["toy", "--seeds", "5"], "expected SUITE/LABEL or a file; there are toy/centre/cpu"),
    ],
)
def test_what_cannot_be_extended_is_refused(three: Project, arguments: list[str], told: str) -> None:
    before = file_of(three).read_bytes()
    said = three.harness("extend", *arguments)
    assert (said.code, told in said.error) == (2, True), said.err
    assert file_of(three).read_bytes() == before


def test_a_run_is_no_baseline(three: Project) -> None:
    said = three.harness("extend", str(three.runs[-1] / "run.json"), "--seeds", "5")
    assert (said.code, "a run, not a baseline" in said.error) == (2, True)


def test_a_baseline_without_swept_seeds_has_none_to_add(project: Project) -> None:
    write_suite(project.folder, TEXT)
    project.harness("run", SUITE, "--set", "model.seed=0")
    project.accept()
    said = project.harness("extend", "toy/centre/cpu", "--seeds", "5")
    assert (said.code, "sweeps no seed" in said.error) == (2, True)


def test_seeds_of_changed_code_are_refused_and_the_stage_is_named(project: Project) -> None:
    lucky = Lucky(project)
    lucky.make()
    before = lucky.baseline.read_bytes()
    lucky.edit(".random() * count", ".random() + count")
    said = lucky.harness("extend", "lucky/cpu", "--seeds", "5")
    assert said.code == 2
    assert "drawn: the code of lucky.draw" in said.error
    assert "found" not in said.error.partition(")")[0]
    assert lucky.baseline.read_bytes() == before
    lucky.edit(".random() + count", ".random() * count")
    lucky.edit("count: int = 5,", "count: int = 5, offset: float = 0.0,")
    assert "a new parameter 'offset'" in lucky.harness("extend", "lucky/cpu", "--seeds", "5").error
    lucky.edit("def draw(", "def drawn(")
    assert "cannot run what it declares" in lucky.harness("extend", "lucky/cpu", "--seeds", "5").error


def test_seeds_of_a_metric_that_is_declared_otherwise_are_refused(project: Project) -> None:
    lucky = Lucky(project)
    lucky.make()
    before = lucky.baseline.read_bytes()
    lucky.edit("import Items", "import Higher, Items")
    lucky.edit("size: Lower", "size: Higher")
    said = lucky.harness("extend", "lucky/cpu", "--seeds", "5")
    assert said.code == 2
    assert "found.size.better: lower → higher" in said.error
    assert lucky.baseline.read_bytes() == before


def test_a_failing_seed_leaves_the_baseline_as_it_was(project: Project) -> None:
    lucky = Lucky(project)
    lucky.make("assert seed < 4, 'out of luck'")
    before = lucky.baseline.read_bytes()
    said = lucky.harness("extend", "lucky/cpu", "--seeds", "5")
    assert said.code == 5
    assert "1 task failed, first drawn: AssertionError: out of luck" in said.err
    assert "lucky/cpu stays as it was" in said.err
    assert lucky.baseline.read_bytes() == before
    assert lucky.harness("extend", "lucky/cpu", "--seeds", "4").code == 0


@pytest.mark.parametrize(("folder", "says"), [(".harness", "HARNESS_STORE"), ("baselines", "cpu.json")])
def test_what_cannot_be_written_is_met_before_anything_runs(three: Project, folder: str, says: str) -> None:
    before = content(three.folder)
    with read_only(three.folder / folder):
        said = three.harness("extend", "toy/centre/cpu", "--seeds", "4")
    assert (said.code, says in said.error) == (2, True), said
    after = content(three.folder)
    assert {n: t for n, t in after.items() if ".numbers" not in n} == {
        n: t for n, t in before.items() if ".numbers" not in n
    }


def test_a_kill_in_the_middle_leaves_the_baseline_as_it_was(project: Project) -> None:
    lucky = Lucky(project)
    lucky.make("seed == 4 and open('gate').close()")
    before = lucky.baseline.read_bytes()
    gate = project.folder / "gate"
    os.mkfifo(gate)
    process = start(project.folder, "extend", "lucky/cpu", "--seeds", "5", packages=(lucky.place,))
    with gate.open("w"):  # opens when the stage has opened the other end
        process.send_signal(signal.SIGKILL)
    process.communicate()
    assert lucky.baseline.read_bytes() == before
    assert lucky.harness("compare", "lucky").code == 0
