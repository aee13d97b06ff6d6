"""Repeats that were made elsewhere: each repeat reads its own file, by a pattern with the seed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import fake_docker
import pytest
from command_line import Project, finish, package, start
from own_outputs import CLASSES, logits
from toy_suites import write_suite

from harness import suite as suites
from harness.engine.plan import Plan, make
from harness.engine.repeat_sources import used
from harness.engine.suite_sources import found_sources, resolve
from harness.errors import UsageError
from harness.sources.by_seed import BySeed, Member, by_seed, has_seed
from harness.sources.hub import Source
from harness.store.artifacts import Store

SUITE = f"""\
suite: own/outputs
about: Logits of a classifier that was trained elsewhere, three times.
subject: [predictions]
stages:
  predictions:
    use: predictions.read
    source: "path:../../out/seed-{{seed}}.jsonl"
    classes: [{", ".join(CLASSES)}]
metrics:
  score: {{use: toy_classes.score, predictions: predictions}}
seeds:
  predictions.seed: [0, 1, 2]
gate:
  score.overall_accuracy: 0.3
"""
TWO = SUITE.replace(
    "seeds:\n",
    "matrix:\n"
    '  predictions.source: [{tool-a: "path:../../out/seed-{seed}.jsonl"}, {tool-b: "path:../../b/seed-{seed}.jsonl"}]\n'
    "reference: {predictions.source: tool-a}\n"
    "seeds:\n",
).replace("0.3", "{margin: 0.3, at: {predictions.source: tool-b}, against: reference}")


@pytest.fixture
def own(project: Project) -> Project:
    for seed in range(3):
        logits(project.folder / "out" / f"seed-{seed}.jsonl", seed)
    write_suite(project.folder, SUITE, "own/outputs.yaml")
    return project


@pytest.fixture
def two(own: Project) -> Project:
    for seed in range(3):
        logits(own.folder / "b" / f"seed-{seed}.jsonl", seed)
    write_suite(own.folder, TWO, "own/outputs.yaml")
    return own


def values(run: dict[str, Any]) -> list[float]:
    return [r["values"]["overall_accuracy"] for s in run["scores"] for r in s["repeats"]]


def planned(project: Project) -> Plan:
    loaded = suites.load(project.folder / "suites" / "own" / "outputs.yaml")
    store = Store(project.folder / ".harness")
    return make(resolve(loaded, mirror=None, store=store, download=False)[0])


def test_each_repeat_reads_its_own_file_and_the_verdict_is_about_the_recipe(own: Project) -> None:
    assert own.harness("run", "own/outputs").code == 4
    first = own.latest
    assert len(set(values(first))) == 3
    assert {s["reference"] for s in first["sources"]} == {
        f"path:../../out/seed-{seed}.jsonl" for seed in range(3)
    }
    own.accept("own/outputs")
    for seed in range(3):
        logits(own.folder / "out" / f"seed-{seed}.jsonl", seed, error=0.9)
    said = own.harness("run", "own/outputs")
    assert said.code == 6
    assert "verdicts are about the recipe of `predictions`" in said.out
    assert own.states() == {"predictions": {"executed"}, "score": {"executed"}}


def test_only_the_repeat_whose_file_has_changed_runs_again(own: Project) -> None:
    before = {t.seeds["predictions.seed"]: t.key for t in planned(own).tasks.values() if t.node != "score"}
    assert len(set(before.values())) == 3
    logits(own.folder / "out" / "seed-1.jsonl", 7)
    after = {t.seeds["predictions.seed"]: t.key for t in planned(own).tasks.values() if t.node != "score"}
    assert [seed for seed in before if before[seed] != after[seed]] == [1]


def test_a_missing_file_is_refused_before_anything_runs(own: Project) -> None:
    (own.folder / "out" / "seed-2.jsonl").unlink()
    for command in (["plan"], ["run"]):
        said = own.harness(*command, "own/outputs")
        assert said.code == 2
        assert "path:../../out/seed-2.jsonl: no " in said.error
        assert "did you mean 'seed-0.jsonl'?" in said.error or "did you mean 'seed-1.jsonl'?" in said.error
    assert own.runs == []


def test_a_seed_that_is_not_swept_takes_its_file(own: Project) -> None:
    text = SUITE.replace("seeds:\n  predictions.seed: [0, 1, 2]\n", "")
    write_suite(own.folder, text.replace("classes:", "seed: 2\n    classes:"), "own/outputs.yaml")
    (task,) = (t for t in planned(own).tasks.values() if t.node == "predictions")
    assert task.parameters["source"].path.name == "seed-2.jsonl"


def test_a_swept_seed_on_one_file_is_refused(own: Project) -> None:
    text = SUITE.replace("seed-{seed}", "seed-0")
    write_suite(own.folder, text, "own/outputs.yaml")
    said = own.harness("run", "own/outputs")
    assert said.code == 2
    assert "predictions.seed is swept and has no effect, for all seeds would read the same" in said.error
    assert "seed_column" in said.error


def test_a_pattern_at_a_stage_without_a_seed_is_refused(own: Project) -> None:
    text = SUITE.replace(
        "stages:\n",
        'stages:\n  seen: {use: folders.images, source: "path:../../img/{seed}"}\n',
    ).replace(
        "metrics:\n",
        "metrics:\n  spread: {use: toy_classes.spread, features: described}\n",
    )
    text = text.replace("  seen:", "  described: {use: toy_classes.describe, images: seen}\n  seen:")
    write_suite(own.folder, text, "own/outputs.yaml")
    said = own.harness("plan", "own/outputs")
    assert said.code == 2
    assert "seen: path:../../img/{seed}: folders.images has no seed" in said.error


def test_a_pinned_pattern_is_refused(own: Project) -> None:
    text = SUITE.replace("{seed}.jsonl", "{seed}.jsonl@sha256:" + "0" * 64)
    write_suite(own.folder, text, "own/outputs.yaml")
    said = own.harness("plan", "own/outputs")
    assert said.code == 2
    assert "one digest cannot pin the files of several repeats" in said.error


def test_only_the_end_of_a_path_is_the_pattern(tmp_path: Path) -> None:
    source = Source.from_text("path:out/{seed}/a-{seed}.csv").relative_to(tmp_path / "{seed}")
    member = by_seed(source, [3]).members[3]
    assert member.place == tmp_path / "{seed}" / "out" / "3" / "a-3.csv"
    assert member.text == "path:out/3/a-3.csv"
    assert [has_seed(s) for s in (source, member, by_seed(source, [3]))] == [True, True, True]
    assert not has_seed(Source.from_text("path:a.csv"))
    assert not has_seed(None)


def test_a_baseline_is_extended_by_one_more_file(own: Project) -> None:
    assert own.harness("run", "own/outputs").code == 4
    own.accept("own/outputs")
    said = own.harness("extend", "own/outputs/cpu", "--seeds", "4")
    assert said.code == 2
    assert "path:../../out/seed-3.jsonl: no " in said.error
    logits(own.folder / "out" / "seed-3.jsonl", 3)
    assert own.harness("extend", "own/outputs/cpu", "--seeds", "4").code == 0
    assert own.harness("run", "own/outputs").code == 0
    write_suite(own.folder, SUITE.replace("[0, 1, 2]", "[0, 1, 2, 3]"), "own/outputs.yaml")
    said = own.harness("run", "own/outputs")
    assert said.code == 0
    assert own.states() == {"predictions": {"cached"}, "score": {"cached"}}


def test_another_file_is_named_when_a_baseline_cannot_be_extended(own: Project) -> None:
    assert own.harness("run", "own/outputs").code == 4
    own.accept("own/outputs")
    logits(own.folder / "out" / "seed-1.jsonl", 9)
    logits(own.folder / "out" / "seed-3.jsonl", 3)
    said = own.harness("extend", "own/outputs/cpu", "--seeds", "4")
    assert said.code == 2
    assert "predictions: the source of seed 1" in said.error


def test_a_metric_is_computed_anew_from_the_files_of_each_repeat(
    own: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = (Path(__file__).parents[1] / "toy_package" / "toy_classes.py").read_text()
    site = package(own.folder / "site", "judge", code)
    monkeypatch.syspath_prepend(site)
    write_suite(own.folder, SUITE.replace("toy_classes", "judge"), "own/outputs.yaml")
    assert own.harness("run", "own/outputs").code == 4
    own.accept("own/outputs")
    assert "nothing to rescore" in own.harness("rescore", "own/outputs/cpu").out
    (before,) = own.latest["scores"]
    wrong = code.replace("float(right.mean())", "float(1 - right.mean())").replace(
        "right.tolist()", "(1 - right).tolist()"
    )
    (site / "judge_stages.py").write_text(wrong)
    ran = finish(start(own.folder, "rescore", "own/outputs/cpu", packages=(site,)))
    assert "nothing to rescore" not in ran.out, ran.err
    mean = sum(r["values"]["overall_accuracy"] for r in before["repeats"]) / 3
    assert f"{mean:.3f}" in ran.out
    assert f"{1 - mean:.3f}" in ran.out


def test_runs_that_may_add_repeats_look_up_their_files_first(own: Project) -> None:
    assert own.harness("run", "own/outputs").code == 4
    said = own.harness("run", "own/outputs", "--until-conclusive", "--max-seeds", "5")
    assert said.code == 2
    assert "path:../../out/seed-3.jsonl: no " in said.error
    for seed in (3, 4):
        logits(own.folder / "out" / f"seed-{seed}.jsonl", seed)
    assert own.harness("run", "own/outputs", "--until-conclusive", "--max-seeds", "5").code == 4
    source = own.latest["declaration"]["stages"]["predictions"]["parameters"]["source"]
    seeds = own.latest["declaration"]["seeds"]["predictions.seed"]
    assert list(source["path:../../out/seed-{seed}.jsonl"]) == list(map(str, seeds))


def test_a_plan_of_more_repeats_than_were_looked_up_is_refused(own: Project) -> None:
    with pytest.raises(UsageError, match=r"predictions: path:.*: the file of seed=3 was not looked up"):
        make(suites.continued(planned(own).suite, 4))


def test_only_the_members_of_the_repeats_are_recorded(own: Project) -> None:
    plan = planned(own)
    fewer = replace(plan.suite, seeds=(replace(plan.suite.seeds[0], values=(2,)),))
    source = used(fewer).nodes["predictions"].parameters["source"]
    assert isinstance(source, BySeed)
    assert list(source.members) == [2]
    assert isinstance(source.members[2], Member)


def test_two_tools_in_a_matrix_are_compared_under_their_names(two: Project) -> None:
    said = two.harness("run", "own/outputs")
    assert "source=tool-b" in said.out
    assert len({t["key"] for t in two.latest["tasks"] if t["node"] == "predictions"}) == 6
    two.accept("own/outputs")
    assert two.harness("run", "own/outputs").code == 0
    only = two.harness("run", "own/outputs", "--only", "predictions.source=tool-b")
    assert "deselected" in only.out, only.err
    assert [s["point"] for s in two.latest["scores"]] == [{"predictions.source": "tool-b"}]
    for folder in ("out", "b"):
        logits(two.folder / folder / "seed-3.jsonl", 3)
    assert two.harness("extend", "own/outputs/cpu", "--seeds", "4").code == 0


def test_containers_see_the_file_of_every_repeat(own: Project, tmp_path: Path) -> None:
    assert sorted(p.name for p in found_sources(planned(own).suite)) == [f"seed-{s}.jsonl" for s in range(3)]
    image = f"h.io/a@sha256:{'a' * 64}"
    text = SUITE.replace("stages:\n", f"image: '{image}'\nstages:\n", 1)
    write_suite(own.folder, text, "own/outputs.yaml")
    docker = fake_docker.install(tmp_path / "docker", {image: ["sha256:" + "1" * 64, image]}, {})
    command = ["run", "own/outputs", "--executor", "container", "--jobs", "1"]
    said = finish(start(own.folder, *command, **docker))
    assert said.code == 4, said.err
    asked = (tmp_path / "docker" / "asked.jsonl").read_text()
    assert all(f"out/seed-{seed}.jsonl" in asked for seed in range(3))
