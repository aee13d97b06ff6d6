"""``harness explain``: what moved a metric, told on the command line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from command_line import Project
from compare.runs import accepted, gate, itemised, repeats, run, score, single, stored

from harness.compare import acceptance
from harness.store.record import Run

CLUSTERS = {"a": "lake", "b": "lake", "c": "town", "d": "farm"}


def with_items(project: Project) -> Path:
    """A run whose items fell, and the baseline of it."""
    before = itemised(project.folder / "before", [dict.fromkeys("abcd", 0.9)], CLUSTERS).run
    stored(project.folder / "before", before)
    acceptance.accept(before, project.folder / "before", project.folder, "cpu", "first figures")
    after = itemised(project.folder / "after", [{"a": 0.1, "b": 0.9, "c": 0.7, "d": 0.9}], CLUSTERS).run
    return stored(project.folder / "after", after)


def bare(project: Project, before: Run, after: Run) -> Path:
    accepted(project.folder, before)
    return stored(project.folder / "after", after)


def test_the_items_come_with_before_after_and_what_they_add(project: Project) -> None:
    said = project.harness("explain", with_items(project), "m")
    assert said.code == 0, said.err
    lines = [" ".join(line.split()) for line in said.out.splitlines()]
    assert "0.900 0.100 -0.200 80 % a" in lines
    assert "0.900 0.700 -0.050 20 % c" in lines
    assert "0.900 0.500 -0.200 80 % lake" in lines
    assert lines[-2] == (
        "These add up to -0.250 of the change of -0.250 (shown: 2 of 4 items); "
        "2 items made it worse, by -0.250 together; 2 items left it as it was."
    )
    assert lines.index("0.900 0.100 -0.200 80 % a") < lines.index("0.900 0.700 -0.050 20 % c")


def test_only_so_many_are_shown_and_what_is_left_is_told(project: Project) -> None:
    said = project.harness("explain", with_items(project), "m.score", "--most", "1")
    assert "These add up to -0.200 of the change of -0.250 (shown: 1 of 4 items)" in said.out
    assert "0.700" not in said.out


def test_a_metric_without_items_is_told_repeat_by_repeat(project: Project) -> None:
    after = bare(project, run(score(repeats([0.8, 0.8, 0.8]))), run(score(repeats([0.8, 0.8, 0.5]))))
    said = project.harness("explain", after, "m")
    assert said.code == 0, said.err
    assert "by repeat, what hurt most first" in said.out
    assert "seed=2" in said.out
    assert "seed=1" not in said.out
    assert "m.score has no per-item rows" in said.out


def test_a_mean_over_points_is_told_point_by_point(project: Project) -> None:
    def at(k: int, values: list[float]) -> Run:
        return run(score(repeats(values), {"m.k": k}))

    before = run(*(at(k, [0.8, 0.8, 0.8]).scores[0] for k in (0, 1)))
    after = run(at(0, [0.9, 0.9, 0.9]).scores[0], at(1, [0.8, 0.8, 0.8]).scores[0])
    said = project.harness("explain", bare(project, before, after), "m")
    assert "by point, what helped most first" in said.out
    assert "k=0" in said.out
    assert "k=1" not in said.out


def test_nothing_moved_is_one_line(project: Project) -> None:
    same = run(score(repeats([0.8, 0.8, 0.8])))
    said = project.harness("explain", bare(project, same, same), "m")
    assert "None of 3 repeats changed." in said.out
    assert "before" not in said.out


@pytest.mark.parametrize(
    ("metric", "message"),
    [
        ("mm", "no metric 'mm' in smoke/toy; did you mean 'm'?"),
        ("m.scor", "metric 'm' has no field 'scor'; did you mean 'score'?"),
    ],
)
def test_an_unknown_metric_comes_with_the_nearest_name(project: Project, metric: str, message: str) -> None:
    said = project.harness("explain", with_items(project), metric)
    assert (said.code, said.error) == (2, message)


def test_so_many_items_must_be_some(project: Project) -> None:
    said = project.harness("explain", with_items(project), "m", "--most", "0")
    assert (said.code, said.error) == (2, "--most 0: at least 1")


def test_what_is_incomparable_is_not_explained(project: Project) -> None:
    before = run(score(repeats([0.8, 0.8, 0.8]), protocol={"real.n": 250}))
    after = run(score(repeats([0.5, 0.5, 0.5]), protocol={"real.n": 500}))
    said = project.harness("explain", bare(project, before, after), "m")
    assert said.code == 4
    assert said.out == "m.score: nothing to explain: the protocols differ in real.n\n"


def test_without_a_baseline_there_is_nothing_to_explain(project: Project) -> None:
    made = stored(project.folder / "after", run(score(single(0.8))))
    said = project.harness("explain", made, "m")
    assert said.code == 4
    assert said.out.startswith("m: nothing to explain: no baseline")
    assert "harness accept" in said.out


def test_escape_codes_and_markup_in_names_are_harmless(project: Project) -> None:
    name = "\x1b[31m[bold]<b>\u202e"
    before = itemised(project.folder / "before", [{name: 0.9, "b": 0.9, "c": 0.9}]).run
    stored(project.folder / "before", before)
    after = itemised(project.folder / "after", [{name: 0.1, "b": 0.9, "c": 0.9}]).run
    made = stored(project.folder / "after", replace(after, gates=(gate(0.02),)))
    said = project.harness("explain", made, "m", "--baseline", "before")
    assert said.code == 0, said.err
    assert "[31m[bold]<b>" in said.out
    assert "\x1b" not in said.out
    assert "\u202e" not in said.out
