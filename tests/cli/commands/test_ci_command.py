"""``harness ci gate`` outside of any CI system, and the mistakes of its arguments."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest
from ci.hosted import WORSE, accepted, named
from command_line import TOYS, Project, finish, package, start
from copies import Copies
from toy_suites import write_suite

from harness.cli.commands.ci import found
from harness.errors import UsageError


@pytest.fixture
def gates(project: Project, copies: Copies, monkeypatch: pytest.MonkeyPatch) -> Project:
    """Two suites with baselines; processes that are started find the toys."""
    copies.fill(project, accepted)
    monkeypatch.setenv("PYTHONPATH", f"{TOYS}:{Path(__file__).parents[3]}")
    monkeypatch.delenv("GITHUB_OUTPUT", raising=False)
    return project


def test_a_plain_shell_gets_verdicts_exit_code_and_a_folder(gates: Project) -> None:
    write_suite(gates.folder, named("two", WORSE), "gates/two.yaml")
    said = finish(start(gates.folder, "ci", "gate", "suites/gates/*.yaml", "--out", "out"))
    assert said.code == 6, said.err
    assert "passes: suites/gates/one.yaml: unchanged: 1 gated: 1 unchanged\n" in said.out
    assert said.out.endswith(
        "gate: regressed; 1 of 2 suites blocking (--fail-on regressed,incomparable,missing,no-baseline, exit 6)\n"
    )
    assert sorted(p.name for p in (gates.folder / "out").iterdir()) == [
        "01-suites-gates-one",
        "02-suites-gates-two",
        "gate.json",
    ]
    again = gates.harness("ci", "gate", "suites/gates/one.yaml", "--out", "out")
    assert again.error == "--out out: holds files already; name a folder that is empty or not there"
    assert again.code == 2


def test_a_suite_that_is_killed_is_an_error_and_the_next_one_runs(gates: Project, tmp_path: Path) -> None:
    code = """
import os, signal
from dataclasses import dataclass
from harness.stage import Lower, Scores, stage
from toy import Numbers

@dataclass(frozen=True, kw_only=True)
class Dead(Scores):
    value: Lower

@stage(version=1)
def die(numbers: Numbers) -> Dead:
    os.kill(os.getpid(), signal.SIGKILL)
"""
    place = package(tmp_path / "killing", "killing", code)
    suite = (
        "suite: toy/dead\nabout: It dies.\nsubject: [numbers]\n"
        "stages: {numbers: {use: toy.draw, count: 4, mean: 1}}\n"
        "metrics: {dead: {use: killing.die, numbers: numbers}}\n"
    )
    write_suite(gates.folder, suite, "gates/dead.yaml")
    said = finish(start(gates.folder, "ci", "gate", "suites/gates/*.yaml", "--out", "o", packages=(place,)))
    body = json.loads((gates.folder / "o" / "gate.json").read_text())
    words = {run["suite"]: (run["word"], run["exit"]) for run in body["runs"]}
    assert words["suites/gates/dead.yaml"] == ("error", -signal.SIGKILL), said.err
    assert words["suites/gates/one.yaml"] == ("unchanged", 0)
    assert said.code == 70


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("nothing.yaml",), "nothing.yaml: no such suite file"),
        (("  \n ",), "argument SUITE: expected a value, not an empty one"),
        (("suites/gates/one.yaml", "--fail-on", "all"), "--fail-on: no outcome is called 'all'"),
        (("suites/gates/one.yaml", "--out", "suites/gates/one.yaml"), "no place for runs"),
    ],
)
def test_mistakes_are_one_line(gates: Project, arguments: tuple[str, ...], told: str) -> None:
    said = gates.harness("ci", "gate", *arguments)
    assert said.code == 2
    assert told in said.err.splitlines()[-1]


def test_a_second_tier_is_named_once(gates: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_STORE", f"{gates.folder}/s,file:///elsewhere")
    said = gates.harness("ci", "gate", "suites/gates/one.yaml", "--out", "o", "--shared-store", "/shared")
    assert said.error == "--shared-store: HARNESS_STORE names a second tier already"


def test_patterns_name_each_file_once_and_no_option(gates: Project) -> None:
    (gates.folder / "--strict.yaml").write_text("suite: x\n")
    both = ["suites/gates/one.yaml", "suites/gates/two.yaml"]
    assert list(found(["suites/**/*.yaml\nsuites/gates/one.yaml"])) == both
    assert list(found(["suites/gates/two.yaml", "suites/gates/*"])) == both[::-1]
    assert list(found(["*.yaml"])) == ["./--strict.yaml"]
    with pytest.raises(UsageError, match="no such suite file"):
        list(found(["suites/gates"]))
