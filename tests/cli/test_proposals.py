"""A change that brings a baseline: the outcome is *proposed* if it is that of the run, and nothing else is excused."""

from __future__ import annotations

import json
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from cli.test_main import LOOSE, SUITE, WITH_OTHERS, commit, git, verdicts
from command_line import Project, Said
from copies import Copies
from toy_suites import changed, write_suite

AGAINST = ("run", SUITE, "--baseline-ref", "main")
AS = ("-c", "user.name=Ada Lovelace", "-c", "user.email=ada@example.org")


@pytest.fixture
def in_git(project: Project, copies: Copies) -> Project:
    """A project with an accepted suite on ``main``, with a branch checked out."""

    def accepted(fresh: Project) -> None:
        write_suite(fresh.folder, WITH_OTHERS)
        fresh.harness("run", SUITE)
        fresh.accept()
        commit(fresh.folder)

    copies.fill(project, accepted)
    return project


def worse(project: Project, *edits: tuple[str, str]) -> None:
    """The change: the model learns from the wrong numbers."""
    edits = (("data: parts.train", "data: others"), *edits)
    write_suite(project.folder, changed(*edits, text=WITH_OTHERS))


def propose(project: Project, reason: str = "the other numbers are the right ones", *more: str) -> None:
    project.harness("run", SUITE)
    said = project.harness("accept", "toy/centre", "--reason", reason, *more)
    assert said.code == 0, said.err
    git(project.folder, "add", "-A")
    git(project.folder, *AS, "commit", "-qm", "Another model")


def told(said: Said) -> str:
    return " ".join(said.out.split())


def test_a_change_that_brings_the_baseline_of_its_run_is_proposed(in_git: Project) -> None:
    worse(in_git)
    assert in_git.harness(*AGAINST).code == 6, "nothing is proposed yet"
    propose(in_git)
    said = in_git.harness(*AGAINST)
    assert said.code == 0, said.out
    assert verdicts(in_git)["fit.error"] == "regressed", "the run is judged as ever"
    last = " ".join(said.out.split("» worse: ")[1].split())
    assert last.startswith("proposed: fit.error 0.")
    assert 'reason "the other numbers are the right ones", by Ada Lovelace (' in last
    assert "merging this change accepts it" in told(said)


def test_one_for_the_better_is_proposed_and_not_called_worse(in_git: Project) -> None:
    git(in_git.folder, "switch", "-q", "main")
    worse(in_git)
    propose(in_git)
    git(in_git.folder, "switch", "-qC", "change")
    write_suite(in_git.folder, WITH_OTHERS)
    propose(in_git, "better")
    said = in_git.harness(*AGAINST)
    assert said.code == 0
    assert "improved" in verdicts(in_git).values()
    assert "» proposed: fit.error 3." in said.out


def test_without_proposals_the_merge_base_decides(in_git: Project) -> None:
    worse(in_git)
    propose(in_git)
    said = in_git.harness(*AGAINST, "--no-proposals")
    assert said.code == 6
    assert "does not count: --no-proposals was given" in told(said)
    assert (
        in_git.harness("run", SUITE, "--no-proposals").error == "run: --no-proposals goes with --baseline-ref"
    )


def test_a_baseline_of_another_run_excuses_nothing(in_git: Project) -> None:
    """Accepted, then the subject was changed once more: the figures in it are not those of the run."""
    worse(in_git)
    propose(in_git)
    worse(in_git, ("mean: 6", "mean: 7"))
    said = in_git.harness(*AGAINST)
    assert said.code == 6
    assert "does not count: it was made by other code, software, data or settings than this run (fit" in told(
        said
    )


def test_gates_that_were_loosened_after_it_was_accepted_excuse_nothing(in_git: Project) -> None:
    worse(in_git)
    propose(in_git)
    worse(in_git, *LOOSE)
    said = in_git.harness(*AGAINST)
    assert said.code == 6
    assert "does not count: it was accepted with other gates" in told(said)


def test_gates_that_it_was_accepted_with_are_listed(in_git: Project) -> None:
    worse(in_git, *LOOSE)
    propose(in_git)
    said = in_git.harness(*AGAINST)
    assert said.code == 0
    assert "margin of fit.error: 0.1 → 100" in told(said)
    page = re.sub("<[^>]*>", "", (in_git.runs[-1] / "report.html").read_text())
    assert "margin of fit.error: 0.1 → 100" in page
    assert "The change proposes" in page


def test_a_gate_that_is_removed_is_listed(in_git: Project) -> None:
    worse(in_git, ("  fit.within: 5%\n", ""))
    propose(in_git)
    said = in_git.harness(*AGAINST)
    assert said.code == 0
    assert "gate removed: fit.within (margin 5 %)" in told(said)


def test_what_is_accepted_but_not_committed_is_no_proposal(in_git: Project) -> None:
    worse(in_git)
    in_git.harness("run", SUITE)
    in_git.accept()
    said = in_git.harness(*AGAINST)
    assert said.code == 6
    assert "accepted but not committed" in said.err
    assert "the change proposes" not in said.out


def test_an_edited_baseline_is_no_proposal(in_git: Project) -> None:
    worse(in_git)
    propose(in_git)
    file = Path("baselines/toy/centre/cpu.json")
    file.write_text(file.read_text().replace("the other numbers", "my numbers"))
    git(in_git.folder, *AS, "commit", "-qam", "Edit it")
    said = in_git.harness(*AGAINST)
    assert said.code == 6
    assert (
        "the change proposes no baseline: baselines/toy/centre/cpu.json: it or its items changed" in said.err
    )


def test_a_suite_does_not_leave_its_gate_by_another_name(in_git: Project) -> None:
    worse(in_git, ("toy/centre", "toy/other"))
    in_git.harness("run", SUITE)
    in_git.accept("toy/other")
    git(in_git.folder, "add", "-A")
    git(in_git.folder, *AS, "commit", "-qm", "Another name")
    said = in_git.harness(*AGAINST)
    assert said.code == 2
    assert (
        "this file is the suite 'toy/centre', which has a baseline; as 'toy/other' it would leave"
        in said.error
    )


def test_old_and_new_figures_that_do_not_mean_the_same_are_said(in_git: Project) -> None:
    worse(in_git, ("mean: 2.5", "mean: 4.5"))
    propose(in_git, "other numbers", "--new-protocol")
    said = in_git.harness(*AGAINST)
    assert said.code == 0
    assert (
        "old and new are not comparable in fit.error, fit.within: the protocols differ in numbers.mean"
        in told(said)
    )


def test_a_baseline_is_not_written_through_a_link(
    in_git: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    mine = tmp_path_factory.mktemp("mine") / "precious.json"
    file = Path("baselines/toy/centre/cpu.json")
    mine.write_bytes(file.read_bytes())
    file.unlink()
    file.symlink_to(mine)
    before = mine.read_bytes()
    said = in_git.harness("accept", "toy/centre", "--reason", "through a link")
    assert (said.code, "a link, by which another file would be written" in said.error) == (2, True)
    assert mine.read_bytes() == before


def test_a_part_of_the_suite_proposes_nothing(in_git: Project) -> None:
    worse(in_git)
    propose(in_git)
    said = in_git.harness(*AGAINST, "--only", "model.rate=0.1")
    assert said.code == 6
    assert "does not count: only a part of the suite was run" in told(said)


def test_a_new_suite_with_its_baseline_is_proposed(in_git: Project) -> None:
    text = changed(("toy/centre", "toy/new"), text=WITH_OTHERS)
    file = write_suite(in_git.folder, text, "new.yaml")
    run = ("run", file, "--baseline-ref", "main")
    before = in_git.harness(*run)
    assert before.code == 4
    assert "accepted and committed on this branch is shown as a proposal" in told(before)
    in_git.accept("toy/new")
    git(in_git.folder, "add", "-A")
    git(in_git.folder, *AS, "commit", "-qm", "A new suite")
    said = in_git.harness(*run)
    assert said.code == 0, said.out
    assert "» proposed: fit.error" in said.out
    assert "(new)" in said.out


def test_every_report_says_the_same(
    in_git: Project, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    worse(in_git)
    propose(in_git)
    summary = tmp_path_factory.mktemp("step") / "summary.md"
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    said = in_git.harness(*AGAINST)
    folder = in_git.runs[-1]
    assert summary.read_text().startswith("## 🟠 worse: toy/centre\n\nproposed: fit.error")
    assert "### The change proposes" in summary.read_text()
    assert "::error" not in said.out
    assert "::warning title=worse%3A proposed baseline::" in said.out
    xml = ElementTree.parse(folder / "junit.xml").getroot()
    assert (xml.get("failures"), xml.get("errors")) == ("0", "0")
    [case] = [c for c in xml.iter("testcase") if c.get("name") == "proposed baseline"]
    assert "for the worse, by Ada Lovelace" in str(case.findtext("system-out"))
    outcome = next(p for p in xml.iter("property") if p.get("name") == "outcome")
    assert outcome.get("value") == "worse"
    page = (folder / "report.html").read_text()
    assert "<title>worse: toy/centre" in page
    body = json.loads((folder / "run.json").read_text())["comparison"]
    assert (body["exit"], body["proposal"]["by"].partition(" (")[0]) == (0, "Ada Lovelace")


def test_history_shows_it_after_the_merge(in_git: Project) -> None:
    worse(in_git)
    propose(in_git)
    git(in_git.folder, "switch", "-q", "main")
    git(in_git.folder, *AS, "merge", "-q", "--no-ff", "-m", "Merge it", "change")
    assert "the other numbers are the right ones" in told(in_git.harness("history", "toy/centre"))
    assert in_git.harness(*AGAINST).code == 0
    assert in_git.latest["comparison"]["proposal"] is None
