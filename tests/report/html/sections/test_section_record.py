from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from report.html.contexts import BASELINE, context, tables, texts, typed
from report.test_golden import HOSTILE, NASTY, NO_BASELINE, RUN

from harness.report.html.sections.record import commands, details, record
from harness.report.html.sections.tasks import failures
from harness.report.html.sections.verdicts import reasons, verdicts
from harness.store.record import Run


def test_the_record_has_facts_tasks_sources_and_both_environments(tmp_path: Path) -> None:
    facts, tasks, sources, environment = tables(record(context(tmp_path))).values()
    assert ("scenes", "count", "420") in texts(facts)
    assert texts(tasks)[0][:2] == ("images (scheduler=unipc, seed=2)", "failed")
    assert "arampacha/rsicd@unpinned" in texts(sources)[0]
    assert environment.columns == ("field", "baseline", "this run")
    differing = {row[0].text for row in environment.rows if row[0].note == "differs"}
    assert differing == {"commit", "dirty"}
    alone = tables(record(context(tmp_path, NO_BASELINE)))["Environment and provenance"]
    assert alone.columns == ("field", "this run")


def test_details_without_a_section_of_their_own_are_listed(tmp_path: Path) -> None:
    found = tables(details(context(tmp_path)))
    assert texts(found["scores (seed=0)"]) == [("averaging", "macro over the classes that occur")]
    worst = found["worst of scores (seed=0)"]
    assert texts(worst) == [(NASTY, "12.5")]
    assert worst.numeric == frozenset({1})


def test_hostile_names_reach_the_sections_whole(tmp_path: Path) -> None:
    given = context(tmp_path, HOSTILE)
    for make in (verdicts, reasons, failures, commands, record):
        assert make(given) is not None


def ran(*command: str) -> Run:
    return replace(
        RUN, tasks=(), provenance={"commit": "abc", "dirty": False, "command": ["harness", *command]}
    )


def test_the_command_that_reproduces_is_the_one_that_was_typed(tmp_path: Path) -> None:
    run = ran("run", "suites/a b.yaml", "--set", "train.classes=[x, y]")
    lines = typed(commands(context(tmp_path, run=run)))["Reproduce this run"]
    assert lines == (
        "git checkout abc",
        "# in the image sha256:0123456789abcdef",
        "harness run 'suites/a b.yaml' --set 'train.classes=[x, y]'",
    )


def test_an_inconclusive_verdict_has_the_commands_that_decide_it(tmp_path: Path) -> None:
    run = replace(ran("run", "suites/toy.yaml"), declaration={"seeds": {"train.seed": [0, 1, 2, 3, 4]}})
    found = typed(commands(context(tmp_path, run=run)))
    assert found["Decide what is inconclusive"] == (
        "harness extend smoke/land-cover/cpu --seeds 16",
        "harness run suites/toy.yaml --until-conclusive --max-seeds 16",
    )
    assert found["See what was committed since the baseline"] == (
        f"git log --oneline {BASELINE.provenance['commit']}..abc",
    )
    assert "harness explain" in found["See the items that moved a metric most"][0]


def test_a_run_in_the_reports_of_its_project_goes_by_its_id(tmp_path: Path) -> None:
    run = ran("run", "suites/toy.yaml")
    folder = tmp_path / "reports" / run.suite / run.id
    inside = typed(commands(context(folder, run=run)))["Accept it as the baseline"]
    assert inside == (f"harness accept {run.id} --reason '…'",)
    elsewhere = typed(commands(context(tmp_path, run=run)))["Accept it as the baseline"]
    assert str(tmp_path) in elsewhere[0]


def test_what_cannot_become_a_baseline_is_offered_no_command_to_make_it_one(tmp_path: Path) -> None:
    assert "Accept it as the baseline" not in typed(commands(context(tmp_path)))  # a task of it failed
