from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from report.html.contexts import context, tables, texts
from report.test_golden import EMPTY, RUN, many

from harness.report.html.parts import Chart
from harness.report.html.sections.verdicts import ROWS, others, reasons, verdicts, within


def test_gated_findings_are_drawn_and_ungated_ones_are_not(tmp_path: Path) -> None:
    section = verdicts(context(tmp_path))
    assert section is not None
    (chart,) = section.blocks
    assert isinstance(chart, Chart)
    assert "scores.overall_accuracy" in chart.svg
    assert "scores.loss" not in chart.svg
    assert verdicts(context(tmp_path, EMPTY)) is None


def test_why_has_reasons_protocol_and_environment(tmp_path: Path) -> None:
    why, _, protocol, environment = tables(reasons(context(tmp_path))).values()
    name, told = why.rows[0]
    assert (name.text, name.tone) == ("scores.overall_accuracy", "regressed")
    assert told.text.startswith("regressed: worse by 0.0310")
    assert not any(told.startswith("unchanged") for _, told in texts(why))
    assert not any("not re-executed" in row[1].note for row in why.rows), "said once, on the first screen"
    assert texts(protocol) == [
        ("fid.n_generated", "250", "500", "fid.distance"),
        ("real.resize", "bilinear", "absent", "fid.distance"),
    ]
    assert ("torch", "2.14.0", "2.15.0") in texts(environment)
    assert reasons(context(tmp_path, EMPTY)) is None


def test_what_somebody_changed_in_the_suite_is_listed_whole(tmp_path: Path) -> None:
    changed = replace(RUN, declaration={"matrix": {f"a.b{i}": [i] for i in range(5)}})
    table = tables(reasons(context(tmp_path, EMPTY, changed)))["The suite differs: what somebody changed"]
    assert texts(table) == [(f"matrix.a.b{i}", "absent", f"[{i}]") for i in range(5)]


def test_points_are_listed_against_their_reference(tmp_path: Path) -> None:
    (table,) = tables(within(context(tmp_path))).values()
    assert table.caption == "Against scheduler=pndm, steps=50, worst first"
    assert table.columns[2] == "reference"
    assert texts(table)[0][:2] == ("fid.distance", "regressed")


def test_what_is_not_gated_or_stands_alone_is_there_too(tmp_path: Path) -> None:
    found = tables(others(context(tmp_path)))
    assert [row[0] for row in texts(found["Compared, not gated"])] == ["scores.loss"]
    assert texts(found["Missing: only in the baseline"]) == [("memorisation", "")]
    assert len(found["Not run: deselected"].rows) == 2
    alone = texts(found["Values without a baseline"])
    assert ("scores.n_absent_classes", "", "0, 1") in alone


def test_long_lists_are_cut_and_say_so(tmp_path: Path) -> None:
    why = tables(reasons(context(tmp_path, many(5000))))["Reasons, worst first"]
    assert len(why.rows) == ROWS
    assert why.left_out == 500 - ROWS
