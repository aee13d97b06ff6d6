"""The commands, end to end on toy suites: what they do, say and exit with."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from command_line import Project, environment, finish, start
from copies import Copies
from git_repository import git
from toy_suites import TOY, changed, write_suite

from harness import __version__

SUITE = "suites/suite.yaml"

# The subject may learn from numbers that lie elsewhere, which makes it worse whatever its seed.
WITH_OTHERS = changed(
    ("  model: ", "  others:  {use: toy.draw, count: 30, mean: 6}\n  model: "),
    ("metrics:\n", "metrics:\n  many: {use: toy.size, data: others}\n"),
)
WORSE = ("--set", "model.data=others")


def accept_toy(project: Project) -> None:
    write_suite(project.folder, WITH_OTHERS)
    assert project.harness("run", SUITE).code == 4
    project.accept()


@pytest.fixture
def accepted(project: Project, copies: Copies) -> Project:
    """A project whose toy suite has run once and been accepted."""
    copies.fill(project, accept_toy)
    return project


@pytest.fixture
def in_git(accepted: Project) -> Project:
    """The same, committed on ``main``, with a branch checked out."""
    commit(accepted.folder)
    return accepted


def commit(folder: Path) -> None:
    (folder / ".gitignore").write_text("reports/\n.harness/\n")
    git(folder, "init", "-q", "-b", "main")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "Accept the toy")
    git(folder, "switch", "-qc", "change")


def verdicts(project: Project) -> dict[str, str]:
    """Gated field → verdict, of the newest run."""
    findings = project.latest["comparison"]["findings"]
    return {f"{f['metric']}.{f['field']}": f["verdict"] for f in findings if f["gated"]}


def test_a_first_run_ends_in_4_and_says_how_to_accept_it(project: Project) -> None:
    write_suite(project.folder)
    said = project.harness("run", SUITE)
    run = project.latest["id"]
    assert said.code == 4
    assert f'If these figures are right: harness accept {run} --reason "…"' in said.out
    assert "exit 4)" in said.out
    again = project.harness("accept", run, "--reason", "they are right")
    assert (again.code, again.out) == (0, f"accepted: {project.folder}/baselines/toy/centre/cpu.json\n")


def test_a_run_elsewhere_is_named_by_its_folder(project: Project) -> None:
    write_suite(project.folder)
    said = project.harness("run", SUITE, "--out", "elsewhere")
    assert "harness accept elsewhere --reason" in said.out
    assert (project.folder / "elsewhere" / "report.md").exists()
    assert project.harness("accept", "elsewhere", "--reason", "right").code == 0


def test_a_rerun_does_no_work_and_says_so(accepted: Project) -> None:
    said = accepted.harness("run", SUITE)
    assert said.code == 0, said.err
    assert verdicts(accepted) == {"fit.error": "unchanged", "fit.within": "unchanged"}
    assert accepted.states() == {
        n: {"cached"} for n in ("numbers", "parts", "others", "model", "many", "fit")
    }
    assert said.err == "28 of 28 tasks came from the store\n"
    assert "not re-executed" in said.out
    assert "28 tasks, 28 cached" in said.out


def test_a_worse_subject_regresses(accepted: Project) -> None:
    said = accepted.harness("run", SUITE, *WORSE)
    assert said.code == 6
    assert verdicts(accepted)["fit.error"] == "regressed"
    assert accepted.states() == {
        "numbers": {"cached"},
        "parts": {"cached"},
        "others": {"cached"},
        "many": {"cached"},
        "model": {"executed"},
        "fit": {"executed"},
    }
    assert "exit 6)" in said.out


@pytest.mark.parametrize(
    ("field", "told"),
    [
        ("numbers.count=44", "numbers.count: 40 → 44"),
        ("parts.held_out=0.5", "parts.held_out: 0.25 → 0.5"),
        ("fit.power=2", "fit.power: 1 → 2"),
    ],
)
def test_another_protocol_is_incomparable_and_named(accepted: Project, field: str, told: str) -> None:
    said = accepted.harness("run", SUITE, "--set", field)
    assert said.code == 4
    assert set(verdicts(accepted).values()) == {"incomparable"}
    assert told in said.out
    refused = accepted.harness("accept", "toy/centre", "--reason", "new")
    assert refused.code == 2
    assert "the protocol differs" in refused.error
    accepted.accept("toy/centre", "--new-protocol")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        (
            ("subject: [model]", "subject: [model, numbers.spread]"),
            "numbers.spread: 1.0 → not in the protocol",
        ),
        (("  model.seed: [0, 1, 2]\n", "  model.seed: [0, 1, 2]\n  numbers.seed: [7, 8, 9]\n"), "swept"),
    ],
)
def test_what_a_suite_takes_out_of_its_protocol_is_not_at_its_default(
    accepted: Project, lines: tuple[str, str], told: str
) -> None:
    write_suite(accepted.folder, changed(lines, text=WITH_OTHERS))
    said = accepted.harness("run", SUITE, "--set", "numbers.spread=0.1")
    assert said.code == 4
    assert set(verdicts(accepted).values()) == {"incomparable"}
    assert told in said.out
    refused = accepted.harness("accept", "toy/centre", "--reason", "new")
    assert refused.code == 2
    assert told in refused.error


def test_what_was_deselected_is_not_run_and_cannot_be_accepted(accepted: Project) -> None:
    said = accepted.harness("run", SUITE, "--only", "model.rate=0.1")
    assert said.code == 0, said.out
    assert "2 not run (deselected): " in said.out
    refused = accepted.harness("accept", "toy/centre", "--reason", "no")
    assert refused.code == 2
    assert "partial (--only model.rate)" in refused.error


def test_a_smaller_matrix_is_missing_scores(accepted: Project) -> None:
    said = accepted.harness("run", SUITE, "--set", "model.loss=square")
    assert said.code == 4
    assert "2 missing (only in the baseline)" in said.out


def test_a_larger_matrix_has_new_scores(accepted: Project) -> None:
    write_suite(accepted.folder, changed(("rate: [0.1, 0.2]", "rate: [0.1, 0.2, 0.3]"), text=WITH_OTHERS))
    said = accepted.harness("run", SUITE)
    assert said.code == 0, said.out
    assert "2 new (not in the baseline)" in said.out


def test_fresh_executes_a_stage_again_and_what_follows(accepted: Project) -> None:
    said = accepted.harness("run", SUITE, "--fresh", "model")
    assert said.code == 0, said.err
    assert accepted.states() == {
        "numbers": {"cached"},
        "parts": {"cached"},
        "others": {"cached"},
        "many": {"cached"},
        "model": {"executed"},
        "fit": {"executed"},
    }
    gated = [f for f in accepted.latest["comparison"]["findings"] if f["gated"]]
    assert [f["executed"] for f in gated] == [True, True]


@pytest.mark.parametrize(("option", "code"), [([], 0), (["--strict"], 3)])
def test_inconclusive_ends_in_3_only_where_asked(accepted: Project, option: list[str], code: int) -> None:
    change = ("--set", "model.epochs=1")
    said = accepted.harness("run", SUITE, *change, *option)
    assert "inconclusive" in verdicts(accepted).values()
    assert said.code == code
    assert f"exit {code})" in said.out
    compared = accepted.harness("compare", "toy/centre", *option)
    assert compared.code == code
    assert f"exit {code})" in compared.out


def test_a_failed_task_ends_in_5_while_the_others_go_on(project: Project) -> None:
    """The limit stands between the model and one of two metrics; the other metric keeps its verdict."""
    text = changed(
        ("metrics:\n", "  small:   {use: toy.limit, numbers: parts.test, at_most: 99}\n\nmetrics:\n"),
        ("matrix:", "  size: {use: toy.measure, model: model, data: small}\n\nmatrix:"),
        ("  fit.within: 5%", "  fit.within: 5%\n  size.error: 0.1"),
    )
    write_suite(project.folder, text)
    assert project.harness("run", SUITE).code == 4
    project.accept()
    said = project.harness("run", SUITE, "--set", "small.at_most=0")
    assert said.code == 5
    assert "is larger than 0" in said.out
    assert "exit 5)" in said.out
    assert project.states()["small"] == {"failed"}
    assert project.states()["size"] == {"skipped"}
    found = verdicts(project)
    assert (found["fit.error"], found["fit.within"]) == ("unchanged", "unchanged")
    [log] = (project.runs[-1] / "logs").iterdir()
    assert log.name.startswith("small-")
    assert "is larger than 0" in log.read_text()
    refused = project.harness("accept", "toy/centre", "--reason", "no")
    assert refused.code == 2
    assert "tasks failed, first small: " in refused.error


def test_a_failed_task_is_tried_again(project: Project) -> None:
    text = changed(
        ("data: parts.train", "data: own"),
        ("metrics:\n", "  own: {use: toy.read, source: 'path:n.json'}\n\nmetrics:\n"),
    )
    write_suite(project.folder, text)
    numbers = project.folder / "suites" / "n.json"
    numbers.write_text('["no number"]')
    said = project.harness("run", SUITE)
    assert said.code == 5
    assert "ValueError: could not convert string to float" in said.out
    assert "Traceback" not in said.out + said.err
    [log] = (project.runs[-1] / "logs").iterdir()
    assert "Traceback" in log.read_text(), "for whoever wrote the stage"
    numbers.write_text("[1, 2, 3]")
    assert project.harness("run", SUITE).code == 4


def test_a_run_is_found_by_suite_id_folder_and_file(accepted: Project) -> None:
    accepted.harness("run", SUITE, "--set", "model.epochs=6")
    first, second = accepted.runs
    by = {
        "suite": accepted.harness("compare", "toy/centre", "--json").json,
        "id": accepted.harness("compare", second.name, "--json").json,
        "folder": accepted.harness("compare", second, "--json").json,
        "file": accepted.harness("compare", second / "run.json", "--json").json,
    }
    assert {n: c["run"] for n, c in by.items()} == dict.fromkeys(by, second.name)
    assert by["suite"]["baseline"] == "cpu"
    assert accepted.harness("compare", first.name, "--json").json["run"] == first.name


@pytest.mark.parametrize("other", ["id", "folder", "file", "label", "baseline file"])
def test_a_run_is_compared_with_what_is_named(accepted: Project, other: str) -> None:
    accepted.harness("run", SUITE, "--set", "model.epochs=6")
    first, second = accepted.runs
    shutil.copy("baselines/toy/centre/cpu.json", "mine.json")
    [rows] = Path("baselines/toy/centre").glob("cpu.*.items.parquet")
    shutil.copy(rows, rows.name)
    names = {
        "id": first.name,
        "folder": str(first),
        "file": str(first / "run.json"),
        "label": "cpu",
        "baseline file": "mine.json",
    }
    said = accepted.harness("compare", second.name, names[other], "--json")
    assert said.json["baseline"] in (names[other], str(first))
    gated = [f["verdict"] for f in said.json["findings"] if f["gated"]]
    assert len(gated) == 2
    assert "incomparable" not in gated


def test_points_of_a_run_are_compared_with_one_of_its_own(accepted: Project) -> None:
    said = accepted.harness("compare", "toy/centre", "--against", "model.rate=0.2,model.loss=absolute")
    assert said.code == 0
    assert "within the run, against rate=0.2, loss=absolute" in said.out
    found = accepted.harness("compare", "toy/centre", "--against", "model.rate=0.2", "--json").json[
        "findings"
    ]
    assert {f["at"]["model.rate"] for f in found} == {0.1}
    assert {f["field"] for f in found} == {"error", "within"}
    for wrong, told in {
        "model.rat=1": "did you mean 'model.rate'?",
        "model.rate=7": "not in the run, which has 0.1, 0.2",
        "model.rate": "expected axis=value",
    }.items():
        refused = accepted.harness("compare", "toy/centre", "--against", wrong)
        assert refused.code == 2
        assert told in refused.error


def test_another_label_is_another_baseline(accepted: Project) -> None:
    first = accepted.runs[0].name
    accepted.harness("run", SUITE, *WORSE)
    accepted.accept("toy/centre", "--label", "worse")
    assert accepted.harness("run", SUITE, "--baseline", "cpu").code == 0
    said = accepted.harness("run", SUITE, "--baseline", "worse")
    assert "improved" in verdicts(accepted).values()
    assert "against worse, accepted" in said.out
    unknown = accepted.harness("compare", first, "none-such")
    assert unknown.code == 4
    assert "no baseline 'none-such' for toy/centre; there are: cpu, worse (--baseline LABEL" in unknown.out
    assert "--label none-such --reason" in unknown.out


def test_a_baselines_file_may_lie_anywhere_and_may_not_be_edited(accepted: Project) -> None:
    [rows] = Path("baselines/toy/centre").glob("cpu.*.items.parquet")
    shutil.copy(rows, rows.name)
    body = Path("baselines/toy/centre/cpu.json").read_text()
    Path("mine.json").write_text(body)
    assert accepted.harness("run", SUITE, "--baseline", "mine.json").code == 0
    Path("mine.json").write_text(body.replace("first figures", "my figures"))
    runs = len(accepted.runs)
    refused = accepted.harness("run", SUITE, "--baseline", "mine.json", "--set", "model.epochs=6")
    assert refused.code == 2
    assert refused.error.startswith("mine.json: it or its items changed after it was accepted")
    assert len(accepted.runs) == runs, "refused before anything ran"
    missing = accepted.harness("run", SUITE, "--baseline", "mien.json")
    assert missing.code == 2
    assert missing.error.startswith(
        "no baseline 'mien.json': not a label of toy/centre (whose labels are cpu)"
    )


def test_a_change_cannot_loosen_the_gate_that_judges_it(in_git: Project) -> None:
    """Gate and baseline are those of the merge base, whatever the working tree says."""
    loose = changed(("fit: 0.1", "fit: 100"), ("fit.within: 5%", "fit.within: 500%"), text=WITH_OTHERS)
    write_suite(in_git.folder, loose)
    assert in_git.harness("run", SUITE, *WORSE).code == 0, "by its own gate"
    assert in_git.harness("run", SUITE, *WORSE, "--baseline-ref", "main").code == 6
    in_git.accept()
    assert in_git.harness("run", SUITE, *WORSE).code == 0, "against its own baseline"
    assert in_git.harness("run", SUITE, *WORSE, "--baseline-ref", "main").code == 6


LOOSE = (("fit: 0.1", "fit: 100"), ("fit.within: 5%", "fit.within: 500%"))
UNGATED = (("gate:\n  fit: 0.1\n  fit.within: 5%\n", ""),)


@pytest.mark.parametrize("edits", [LOOSE, UNGATED], ids=["loose", "ungated"])
@pytest.mark.parametrize("place", ["suites/moved.yaml", "suites/below/suite.yml", "elsewhere.yaml"])
@pytest.mark.parametrize("keep", [True, False], ids=["beside", "moved"])
def test_the_gate_is_that_of_the_suites_name_wherever_its_file_is_now(
    in_git: Project, edits: tuple[tuple[str, str], ...], place: str, keep: bool
) -> None:
    moved = in_git.folder / place
    moved.parent.mkdir(exist_ok=True)
    moved.write_text(changed(*edits, text=WITH_OTHERS))
    if not keep:
        (in_git.folder / SUITE).unlink()
    said = in_git.harness("run", place, *WORSE, "--baseline-ref", "main")
    assert said.code == 6, said.out + said.err
    assert verdicts(in_git)["fit.error"] == "regressed"


@pytest.mark.parametrize("seeds", ["[0, 1, 3]", "[10, 11, 12, 13]"], ids=["one", "all"])
def test_a_change_cannot_choose_the_seeds_that_judge_it(in_git: Project, seeds: str) -> None:
    """Seeds that the baseline does not have are not paired with it: what its seeds show may not show."""
    write_suite(in_git.folder, changed(("[0, 1, 2]", seeds), text=WITH_OTHERS))
    said = in_git.harness("run", SUITE, "--baseline-ref", "main")
    assert said.code == 4, said.out
    told = " ".join(said.out.split())
    assert f"seeds.model.seed: [0, 1, 2] → {seeds}" in told
    assert in_git.harness("run", SUITE, *WORSE, "--baseline-ref", "main").code == 6, "that shows all the same"
    write_suite(in_git.folder, changed(("[0, 1, 2]", "[0, 1, 2, 3]"), text=WITH_OTHERS))
    assert in_git.harness("run", SUITE, "--baseline-ref", "main").code == 0, "more seeds do no harm"


def test_a_file_that_takes_the_name_of_another_suite_does_not_leave_its_gate(in_git: Project) -> None:
    git(in_git.folder, "switch", "-q", "main")
    other = changed(("toy/centre", "toy/loose"), *UNGATED, text=WITH_OTHERS)
    write_suite(in_git.folder, other, "loose.yaml")
    git(in_git.folder, "add", "-A")
    git(in_git.folder, "commit", "-qm", "Another suite")
    git(in_git.folder, "switch", "-qc", "taken")
    write_suite(in_git.folder, other)
    said = in_git.harness("run", SUITE, *WORSE, "--baseline-ref", "main")
    assert said.code == 2
    assert (
        "this file is the suite 'toy/centre', which has a baseline; as 'toy/loose' it would be" in said.error
    )


def test_a_change_cannot_choose_the_gates_that_seeds_are_added_for(in_git: Project) -> None:
    write_suite(in_git.folder, changed(*UNGATED, text=WITH_OTHERS))
    said = in_git.harness(
        "run", SUITE, *WORSE, "--baseline-ref", "main", "--until-conclusive", "--max-seeds", "3"
    )
    assert said.code == 6
    assert "nothing gated depends" not in said.out + said.err


def test_a_reference_that_two_refs_have_is_written_out(in_git: Project) -> None:
    git(in_git.folder, "tag", "main")
    said = in_git.harness("run", SUITE, "--baseline-ref", "main")
    assert said.error == "--baseline-ref main: may be refs/heads/main or refs/tags/main; write one of them"
    assert in_git.harness("run", SUITE, "--baseline-ref", "refs/heads/main").code == 0


def test_without_a_reference_of_git_a_run_may_have_other_seeds_than_the_baseline(in_git: Project) -> None:
    """What a change must not exchange is asked of changes only."""
    write_suite(in_git.folder, changed(("[0, 1, 2]", "[10, 11, 12]"), text=WITH_OTHERS))
    said = in_git.harness("run", SUITE)
    assert "incomparable" not in verdicts(in_git).values(), said.out
    assert "0 of the baseline's 3 seeds are shared" in said.out


def test_a_link_in_the_place_of_the_suite_does_not_lead_to_another_gate(in_git: Project) -> None:
    loose = write_suite(in_git.folder, changed(*LOOSE, text=WITH_OTHERS), "loose.yaml")
    (in_git.folder / SUITE).unlink()
    (in_git.folder / SUITE).symlink_to(loose)
    assert in_git.harness("run", SUITE, *WORSE, "--baseline-ref", "main").code == 6


AGAINST_REFERENCE = changed(
    ("  fit: 0.1\n  fit.within: 5%\n", "  fit: {margin: 0.1, against: reference}\n"),
    ("  model.loss: [square, absolute]\n  model.rate: [0.1, 0.2]\n", "  model.data: [parts.train, others]\n"),
    ("{model.loss: square, model.rate: 0.1}", "{model.data: parts.train}"),
    text=WITH_OTHERS,
)


FROM_FOLDERS = """\
suite: toy/folders
about: The data of a model are folders.
subject: [model, given]
stages:
  given:   {use: toy.gather, source: "path:../good"}
  model:   {use: toy.train, data: given, epochs: 20}
  numbers: {use: toy.draw, count: 10, mean: 2.5}
metrics:
  fit: {use: toy.measure, model: model, data: numbers}
matrix:
  given.source: ["path:../good", "path:../bad"]
seeds:
  model.seed: [0, 1, 2]
reference: {given.source: "path:../good"}
gate:
  fit: {margin: 0.1, against: reference}
"""
JUDGED = "judged against the reference model.data=parts.train of the merge base, not against "


@pytest.fixture
def against_reference(project: Project) -> Project:
    """A project on a branch, whose suite gates a point that is worse than its reference."""
    write_suite(project.folder, AGAINST_REFERENCE)
    assert project.harness("run", SUITE).code == 6
    project.accept()
    commit(project.folder)
    return project


@pytest.mark.parametrize(
    ("edits", "told"),
    [
        (
            (
                ("reference: {model.data: parts.train}\n", ""),
                ("  fit: {margin: 0.1, against: reference}\n", "  fit: 9\n"),
            ),
            f"{JUDGED}no reference of the file",
        ),
        (
            (
                ("reference: {model.data: parts.train}\n", ""),
                ("gate:\n  fit: {margin: 0.1, against: reference}\n", ""),
            ),
            f"{JUDGED}no reference of the file",
        ),
        (
            (("reference: {model.data: parts.train}", "reference: {model.data: others}"),),
            f"{JUDGED}the reference model.data=others of the file",
        ),
    ],
    ids=["gated otherwise", "ungated", "turned"],
)
def test_a_change_cannot_choose_the_reference_that_judges_it(
    against_reference: Project, edits: tuple[tuple[str, str], ...], told: str
) -> None:
    write_suite(against_reference.folder, changed(*edits, text=AGAINST_REFERENCE))
    assert against_reference.harness("run", SUITE).code == 0, "by its own reference"
    said = against_reference.harness("run", SUITE, "--baseline-ref", "main")
    assert said.code == 6, said.out
    assert told in " ".join(said.out.split())


def test_a_change_of_what_a_gate_against_the_reference_measures_is_incomparable(
    against_reference: Project,
) -> None:
    """Both points are of the change's own run, and equally blind; the baseline knows what the gate was about."""
    write_suite(
        against_reference.folder, changed(("data: parts.test}", "data: others}"), text=AGAINST_REFERENCE)
    )
    said = against_reference.harness("run", SUITE, "--baseline-ref", "main")
    assert said.code == 4
    assert verdicts(against_reference) == {"fit.error": "incomparable"}
    assert "fit.data: parts.test → others" in said.out


def folders(project: Path) -> None:
    for name, value in (("good", 2.5), ("bad", 9.0)):
        (project / name).mkdir()
        (project / name / "a.json").write_text(f"[{value}, {value + 1}, {value - 1}]")


def test_a_reference_of_the_merge_base_may_be_a_source(project: Project) -> None:
    """A record has the content of a source, and the suite's file its name."""
    folders(project.folder)
    write_suite(project.folder, FROM_FOLDERS)
    assert project.harness("run", SUITE).code == 6
    project.accept("toy/folders")
    commit(project.folder)
    edits = ('reference: {given.source: "path:../good"}', 'reference: {given.source: "path:../bad"}')
    write_suite(project.folder, changed(edits, text=FROM_FOLDERS))
    assert project.harness("run", SUITE).code == 0
    assert project.harness("run", SUITE, "--baseline-ref", "main").code == 6
    assert verdicts(project) == {"fit.error": "regressed"}
    (project.folder / "suites" / "below").mkdir()
    moved = "suites/below/moved.yaml"
    write_suite(
        project.folder, changed(edits, text=FROM_FOLDERS).replace("path:..", "path:../.."), "below/moved.yaml"
    )
    (project.folder / SUITE).unlink()
    assert project.harness("run", moved, "--baseline-ref", "main").code == 6
    assert verdicts(project) == {"fit.error": "regressed"}


def test_a_gate_may_be_at_a_source(project: Project) -> None:
    text = changed(
        ('reference: {given.source: "path:../good"}\n', ""),
        ("against: reference", 'at: {given.source: "path:../good"}'),
        text=FROM_FOLDERS,
    )
    folders(project.folder)
    write_suite(project.folder, text)
    assert project.harness("run", SUITE).code == 4
    project.accept("toy/folders")
    commit(project.folder)
    for reference in ((), ("--baseline-ref", "main")):
        assert project.harness("run", SUITE, *reference).code == 0
        assert verdicts(project) == {"fit.error": "unchanged"}


def test_a_reference_whose_point_is_gone_is_incomparable(against_reference: Project) -> None:
    edits = (
        ("model.data: [parts.train, others]", "model.data: [others]"),
        ("reference: {model.data: parts.train}\n", ""),
    )
    ungated = ("gate:\n  fit: {margin: 0.1, against: reference}\n", "")
    write_suite(against_reference.folder, changed(*edits, ungated, text=AGAINST_REFERENCE))
    said = against_reference.harness("run", SUITE, "--baseline-ref", "main")
    assert said.code == 4
    assert verdicts(against_reference) == {"fit.error": "incomparable"}


def test_a_suite_that_is_new_since_the_merge_base_has_no_baseline_there(in_git: Project) -> None:
    write_suite(in_git.folder, changed(("toy/centre", "toy/new")), "new.yaml")
    said = in_git.harness("run", "suites/new.yaml", "--baseline-ref", "main")
    assert said.code == 4
    assert "no baseline 'cpu' for toy/new at the merge base with main" in said.out


def test_a_reference_that_git_does_not_know_is_met_before_anything_runs(in_git: Project) -> None:
    runs = len(in_git.runs)
    said = in_git.harness("run", SUITE, "--set", "model.epochs=7", "--baseline-ref", "mian")
    assert said.code == 2
    assert said.error.startswith("--baseline-ref mian: git knows no such")
    assert len(in_git.runs) == runs
    assert not said.err.startswith("✓")


def test_a_run_leaves_its_record_and_its_reports(accepted: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = accepted.folder / "summary.md"
    summary.write_text("what was there\n")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    said = accepted.harness("run", SUITE)
    folder = accepted.runs[-1]
    assert f"report: {folder}/report.html" in said.out
    reports = {"report.html", "report.md", "junit.xml"}
    assert {f.name for f in folder.iterdir()} == {"run.json", "items.parquet", *reports}
    assert accepted.latest["schema"] == "harness.run/2"
    assert accepted.latest["comparison"]["exit"] == 0
    suites = list(ElementTree.parse(folder / "junit.xml").iter("testcase"))
    assert len(suites) >= 2
    report = (folder / "report.md").read_text()
    assert "fit.error" in report
    assert summary.read_text().startswith("what was there\n")
    assert summary.read_text().rstrip().endswith(report.rstrip())


def test_the_json_of_a_comparison_is_what_the_record_holds(accepted: Project) -> None:
    accepted.harness("run", SUITE)
    said = accepted.harness("compare", "toy/centre", "--json")
    assert said.json["findings"] == accepted.latest["comparison"]["findings"]
    assert (said.code, said.json["exit"]) == (0, 0)


def test_the_plan_says_what_would_run_and_runs_nothing(accepted: Project) -> None:
    runs = len(accepted.runs)
    said = accepted.harness("plan", SUITE, "--set", "model.epochs=9")
    assert said.code == 0, said.err
    assert "28 tasks" in said.out
    assert len(accepted.runs) == runs


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("plan", "suites"), "suites: a folder; harness run takes folders"),
        (("run", "reports"), "reports: no suite in this folder"),
        (("run", "suites/none.yaml"), "suites/none.yaml: cannot be read (No such file"),
        (("run", SUITE, "--fresh", "mdel"), "--fresh mdel: no such stage; did you mean 'model'?"),
        (("run", SUITE, "--set", "model.epoch=1"), "did you mean 'epochs'?"),
        (("run", SUITE, "--only", "model.rat=1"), "did you mean 'model.rate'?"),
        (("run", SUITE, "--only", "model.rate=0.7"), "model.rate: '0.7' is no value of the axis (0.1, 0.2)"),
        (("run", SUITE, "--mirror", "none"), "mirror none: no such folder"),
        (("run", SUITE, "--out", "file/x"), "file/x: no place for a run (Not a directory)"),
        (("run", SUITE, "--store", "file/x"), "store file/x: Not a directory"),
        (("run", SUITE, "--baseline-ref", "main"), "--baseline-ref main: "),
        (("run", SUITE, "--baseline", "no/such.json"), "no baseline 'no/such.json': not a label"),
        (("compare", "none"), "no run 'none': not a run's folder, an id or a suite with runs"),
        (("compare", "toy/centre", "cpu", "--against", "model.rate=1"), "either a BASELINE or --against"),
        (("accept", "toy/centre", "--reason", " "), "argument --reason: expected a value, not an empty one"),
        (("accept", "toy/centre", "--reason", "x", "--label", "My GPU"), "did you mean 'my-gpu'?"),
        (("stages", "toy.trian"), "did you mean 'toy.train'?"),
        (("fetch", SUITE), "fetch: say --to DIR"),
    ],
)
def test_a_mistake_is_one_line_and_2(accepted: Project, arguments: tuple[str, ...], told: str) -> None:
    (accepted.folder / "file").write_text("")
    runs = len(accepted.runs)
    said = accepted.harness(*arguments)
    assert said.code == 2, said
    assert told in said.error
    assert said.out == ""
    assert len(accepted.runs) == runs


@pytest.mark.parametrize(
    "content",
    ['{"schema": "harn', "[]", "{}", '{"schema": "harness.run/99"}', '{"schema": "harness.run/2", "id": 3}'],
)
def test_a_damaged_record_is_one_line(project: Project, content: str) -> None:
    (project.folder / "run").mkdir()
    (project.folder / "run" / "run.json").write_text(content)
    said = project.harness("compare", "run")
    assert said.code == 2
    assert said.error.startswith(("run/run.json: ", "run/run.json:1: "))


def test_the_version_is_said(project: Project) -> None:
    said = project.harness("--version")
    assert (said.code, said.out) == (0, f"harness {__version__}\n")


@pytest.mark.parametrize("arguments", [(), ("rum",), ("run",), ("accept", "x")])
def test_bad_usage_is_2(project: Project, arguments: tuple[str, ...]) -> None:
    assert project.harness(*arguments).code == 2


def test_a_reader_that_leaves_early_does_not_change_the_exit_code(accepted: Project) -> None:
    process = start(accepted.folder, "run", SUITE)
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    err = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 0
    assert err == "28 of 28 tasks came from the store\n"


def test_the_installed_command_runs_and_its_module_too(project: Project) -> None:
    write_suite(project.folder, TOY)
    assert finish(start(project.folder, "plan", SUITE)).code == 0
    command = Path(sys.executable).with_name("harness")
    said = subprocess.run(
        [command, "--version"], env=environment(), capture_output=True, text=True, check=True
    )
    assert said.stdout == f"harness {__version__}\n"


def test_a_place_that_the_terminal_cannot_spell_is_told_in_its_letters(tmp_path: Path) -> None:
    folder = tmp_path / "fjord-\u00f8"
    folder.mkdir()
    write_suite(folder)
    ran = subprocess.run(
        [sys.executable, "-m", "harness", "run", SUITE],
        cwd=folder,
        env={**environment(), "PYTHONIOENCODING": "ascii"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 4  # no baseline yet
    assert "harness: " not in ran.stderr
    assert "fjord-\\xf8" in ran.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("run", SUITE, "--store", ""),
        ("run", SUITE, "--store="),
        ("run", SUITE, "--executor", " "),
        ("run", SUITE, "--baseline", ""),
        ("run", ""),
        ("compare", "toy/centre", ""),
        ("plan", SUITE, "--mirror", "\t"),
        ("plan", SUITE, "--set", ""),
        ("accept", "toy/centre", "--reason", ""),
        ("store", "gc", "--keep", ""),
    ],
    ids=" ".join,
)
def test_an_empty_value_is_refused_and_means_nothing(accepted: Project, arguments: tuple[str, ...]) -> None:
    before = set(accepted.folder.rglob("*"))
    said = accepted.harness(*arguments)
    assert (said.code, said.error.endswith("expected a value, not an empty one")) == (2, True), said.err
    assert set(accepted.folder.rglob("*")) == before
