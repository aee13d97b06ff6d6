from __future__ import annotations

from pathlib import Path

from report.html.contexts import context, tables, texts
from report.test_golden import HOSTILE, NASTY, NO_BASELINE

from harness.report.html.sections.commands import commands
from harness.report.html.sections.failures import failures
from harness.report.html.sections.record import details, record
from harness.report.html.sections.verdicts import reasons, verdicts


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
