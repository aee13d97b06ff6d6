"""``action.yml``, step by step, as a runner does it: on pull requests, pushes, and with each of its inputs."""

from __future__ import annotations

import json
from pathlib import Path

import fake_docker
import pytest
from ci.hosted import ACTION, TEXT, WORSE, Hosted

from harness.cli import gate_file
from harness.report.comment import render

USUAL = {"suite": "suites/gates/one.yaml", "version": "none"}


def test_an_unchanged_model_passes_and_all_outputs_are_set(hosted: Hosted) -> None:
    runner = hosted.pull_request()
    ended = runner.run(ACTION, **USUAL)
    assert ended.ok, ended.log
    assert ended.outputs["verdict"] == "unchanged"
    assert Path(ended.outputs["report"]).name == "report.html"
    assert Path(ended.outputs["report"]).is_file()
    assert (Path(ended.outputs["run"]) / "run.json").is_file()
    assert ended.outputs["artifact-url"].endswith("/harness-gate")
    [(action, given)] = ended.used
    assert (action, given["path"]) == ("actions/upload-artifact", ended.outputs["runs"])
    assert {p.name for p in runner.artifacts.glob("harness-gate/01-suites-gates-one/*")} >= {
        "run.json",
        "report.html",
        "report.md",
        "junit.xml",
    }
    record = json.loads((Path(ended.outputs["run"]) / "run.json").read_text())
    command = ["harness", "run", "suites/gates/one.yaml", "--baseline-ref", "refs/remotes/origin/main"]
    assert record["provenance"]["command"] == command


def test_a_regression_is_blocked_with_its_report_and_an_annotation_at_the_gate(hosted: Hosted) -> None:
    hosted.write("one", WORSE)
    ended = hosted.pull_request().run(ACTION, **USUAL)
    assert not ended.ok
    assert ended.outputs["verdict"] == "regressed"
    assert Path(ended.outputs["report"]).is_file()
    assert [action for action, _ in ended.used] == ["actions/upload-artifact"], "also where it fails"
    line = WORSE.split("\n").index("  fit.error: 0.1") + 1
    assert f"::error file=suites/gates/one.yaml,line={line},title=regressed" in ended.log
    assert "blocks: suites/gates/one.yaml: regressed: 1 gated: 1 regressed" in ended.log


@pytest.mark.slow
def test_the_change_cannot_loosen_its_own_gate(hosted: Hosted) -> None:
    hosted.write("one", WORSE.replace("fit.error: 0.1", "fit.error: 100"))
    assert hosted.pull_request().run(ACTION, **USUAL).outputs["verdict"] == "regressed"


@pytest.mark.slow
def test_a_proposed_baseline_passes_unless_proposals_for_the_worse_fail(hosted: Hosted) -> None:
    hosted.write("one", WORSE)
    hosted.propose("one", "the other numbers are right")
    ended = hosted.pull_request().run(ACTION, **USUAL)
    assert ended.ok, ended.log
    assert ended.outputs["verdict"] == "worse"
    assert "by Ada Lovelace" in ended.log
    assert not hosted.pull_request().run(ACTION, **USUAL, fail_on="regressed, worse").ok


def test_a_proposal_of_a_new_suite_is_called_proposed(hosted: Hosted) -> None:
    hosted.write("three", TEXT)
    hosted.propose("three", "first figures")
    ended = hosted.pull_request().run(ACTION, suite="suites/gates/three.yaml", version="none")
    assert (ended.ok, ended.outputs["verdict"]) == (True, "proposed"), ended.log


@pytest.mark.slow
def test_a_new_suite_without_baseline_fails_unless_that_is_allowed(hosted: Hosted) -> None:
    hosted.write("three", TEXT)
    runner = hosted.pull_request()
    suite = "suites/gates/three.yaml"
    ended = runner.run(ACTION, suite=suite, version="none")
    assert (ended.ok, ended.outputs["verdict"]) == (False, "no baseline yet"), ended.log
    allowed = runner.run(ACTION, suite=suite, version="none", fail_on="regressed")
    assert (allowed.ok, allowed.outputs["verdict"]) == (True, "no baseline yet")


def test_suites_of_a_pattern_all_run_and_the_worst_is_the_verdict(hosted: Hosted) -> None:
    hosted.write("two", WORSE)
    ended = hosted.pull_request().run(ACTION, suite="suites/gates/*.yaml", version="none")
    assert not ended.ok
    assert ended.outputs["verdict"] == "regressed"
    assert Path(ended.outputs["run"]).name == "02-suites-gates-two"
    body = json.loads((Path(ended.outputs["runs"]) / "gate.json").read_text())
    assert [(r["suite"], r["word"]) for r in body["runs"]] == [
        ("suites/gates/one.yaml", "unchanged"),
        ("suites/gates/two.yaml", "regressed"),
    ]
    assert ended.summary.count("## ⚪ unchanged: toy/one") == 1
    assert ended.summary.count("## 🔴 regressed: toy/two") == 1
    assert "2 suites" in ended.log


def test_a_suite_cannot_be_removed_from_the_gate_but_moved(hosted: Hosted) -> None:
    gates = hosted.author.folder / "suites" / "gates"
    (gates / "labels.yaml").write_text("not: a suite\n")
    hosted.push()
    (gates / "labels.yaml").unlink()
    (gates / "two.yaml").unlink()
    (gates / "one.yaml").rename(gates / "first.yaml")
    inputs = {"suite": "suites/gates/*.yaml", "version": "none"}
    ended = hosted.pull_request().run(ACTION, **inputs)
    assert (ended.ok, ended.outputs["verdict"]) == (False, "missing"), ended.log
    assert "blocks: suites/gates/two.yaml: missing: the change removes this suite" in ended.log
    assert "passes: suites/gates/first.yaml: unchanged" in ended.log
    [shown] = [w for w in gate_file.read(Path(ended.outputs["runs"])) if w.word == "missing"]
    assert "missing: suites/gates/two.yaml" in render([shown])


@pytest.mark.slow
def test_a_bad_suite_fails_whatever_may_fail_and_the_others_run(hosted: Hosted) -> None:
    hosted.write("one", TEXT.replace("toy.train", "toy.trian"))
    ended = hosted.pull_request().run(ACTION, suite="suites/gates/*.yaml", version="none", fail_on="none")
    assert not ended.ok
    assert ended.outputs["verdict"] == "error"
    assert ended.outputs["report"] == ""
    assert "did you mean 'toy.train'" in ended.log
    assert "passes: suites/gates/two.yaml: unchanged" in ended.log


@pytest.mark.slow
def test_nothing_fails_on_none_but_the_verdict_is_told(hosted: Hosted) -> None:
    hosted.write("one", WORSE)
    ended = hosted.pull_request().run(ACTION, **USUAL, fail_on="none")
    assert (ended.ok, ended.outputs["verdict"]) == (True, "regressed")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("inputs", "told"),
    [
        ({"suite": "suites/*.yml"}, "harness: suites/*.yml: no such suite file"),
        (
            {"fail_on": "regresed"},
            "harness: --fail-on: no outcome is called 'regresed'; did you mean 'regressed'?",
        ),
        ({"suite": "$(touch pwned); `touch pwned`"}, "no such suite file"),
        ({"label": "$(touch pwned)"}, "harness: label '$(touch pwned)': use small letters"),
    ],
)
def test_a_mistake_is_one_line_and_no_input_is_a_command(
    hosted: Hosted, inputs: dict[str, str], told: str
) -> None:
    runner = hosted.pull_request()
    ended = runner.run(ACTION, **{**USUAL, **inputs})
    assert not ended.ok
    assert told in ended.log
    assert "Traceback" not in ended.log
    assert not list(runner.workspace.rglob("pwned"))


@pytest.mark.slow
def test_a_shallow_checkout_is_deepened(hosted: Hosted) -> None:
    hosted.push()
    runner = hosted.pull_request(shallow=True)
    assert (runner.workspace / ".git" / "shallow").exists()
    ended = runner.run(ACTION, **USUAL)
    assert ended.ok, ended.log


def test_only_the_default_branch_writes_the_store_and_pull_requests_read_it(hosted: Hosted) -> None:
    store = hosted.place / "shared"
    shared = {**USUAL, "store": str(store)}
    first = hosted.pull_request().run(ACTION, **shared)
    assert first.ok, first.log
    assert not store.exists(), "a pull request writes nothing"
    pushed = hosted.push().run(ACTION, **shared)
    assert pushed.ok, pushed.log
    made = {p.name for p in store.rglob("*.json")}
    assert made
    hosted.write("one", TEXT.replace("epochs: 5", "epochs: 6"))
    changed = hosted.pull_request().run(ACTION, **shared, fail_on="none")
    states = {t["node"]: t["state"] for t in _record(changed.outputs["run"])["tasks"]}
    assert (states["numbers"], states["model"]) == ("cached", "executed")
    assert {p.name for p in store.rglob("*.json")} == made


@pytest.mark.slow
def test_a_push_is_compared_with_the_baselines_it_has(hosted: Hosted) -> None:
    hosted.write("one", WORSE)
    hosted.propose("one", "merged by a reviewer")
    ended = hosted.push().run(ACTION, **USUAL)
    assert (ended.ok, ended.outputs["verdict"]) == (True, "unchanged"), ended.log
    assert "--baseline-ref" not in _record(ended.outputs["run"])["provenance"]["command"]


def test_the_images_of_a_container_are_pinned_and_pulled(
    hosted: Hosted, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("engine") / "docker"
    docker = fake_docker.install(folder, {})
    reference = f"registry.example/box@sha256:{'c' * 64}"
    hosted.write("one", TEXT.replace("subject:", "image: box\nsubject:"))
    runner = hosted.pull_request()
    runner.variables |= {**docker, "PATH": f"{folder}:{runner.variables['PATH']}", "HOME": str(folder)}
    ended = runner.run(ACTION, **USUAL, executor="container", image=f"box={reference}")
    assert (ended.ok, ended.outputs["verdict"]) == (True, "unchanged"), ended.log
    assert f"box: {reference}" in ended.log
    asked = [json.loads(line) for line in (folder / "asked.jsonl").read_text().splitlines()]
    assert ["pull", "--quiet", reference] in asked
    environments = _record(ended.outputs["run"])["environments"].values()  # type: ignore[attr-defined]
    assert any(e.get("image") == f"sha256:{'c' * 64}" for e in environments)


def _record(folder: str) -> dict[str, list[dict[str, str]]]:
    body: dict[str, list[dict[str, str]]] = json.loads((Path(folder) / "run.json").read_text())
    return body
