"""Margins from runs of one declaration in several environments."""

from __future__ import annotations

from dataclasses import replace

import pytest
from compare.runs import gate, metric, repeats, score, seeded, side, single
from scipy import stats as reference

from harness.compare import Verdict
from harness.compare.calibration import across, round_up
from harness.compare.verdict import compare
from harness.errors import UsageError

RUNS = [[0.80, 0.82, 0.81], [0.79, 0.83, 0.81], [0.78, 0.80, 0.82]]


def test_the_proposal_is_the_widest_bound_of_any_two_runs() -> None:
    (row,) = across([seeded(values) for values in RUNS], (gate(0.02),))
    bounds = []
    for i, a in enumerate(RUNS):
        for b in RUNS[i + 1 :]:
            low, high = reference.ttest_rel(b, a).confidence_interval(0.90)
            bounds.append(max(high, -low))
    assert row.proposed == round_up(max(bounds))
    assert row.largest == pytest.approx(0.01)
    assert (row.low, row.high) == (pytest.approx(0.80), pytest.approx(0.81))
    assert not row.is_wide_enough


def test_at_the_proposed_margin_every_two_runs_are_unchanged_either_way() -> None:
    sides = [seeded(values) for values in RUNS]
    (row,) = across(sides, (gate(0.02),))
    for a in sides:
        for b in sides:
            if a is not b:
                (finding,) = compare(a, b, (gate(row.proposed),)).findings
                assert finding.verdict is Verdict.UNCHANGED


def test_more_gates_ask_for_wider_margins() -> None:
    sides = [seeded(values) for values in RUNS]
    (one,) = across(sides, (gate(0.02),))
    two, _ = across(sides, (gate(0.02), gate(0.02)))
    assert two.proposed > one.proposed


def test_a_relative_margin_is_taken_of_the_smallest_baseline() -> None:
    (row,) = across([seeded(values) for values in RUNS], (gate(0.5, relative=True),))
    assert row.margin == pytest.approx(0.40)
    assert row.is_wide_enough


def test_what_says_nothing_of_a_margin_gives_no_proposal() -> None:
    timed = {"m": metric(timed=True)}
    stored = score(tuple(replace(r, clocked=False) for r in repeats(RUNS[0])))
    for sides, told in (
        ([side(score(single(0.8))), side(score(single(0.9)))], "one value a side"),
        ([side(stored, metrics=timed), seeded(RUNS[1], metrics=timed)], "no timing (from the store)"),
    ):
        (row,) = across(sides, (gate(5.0),))
        assert (row.proposed, row.is_wide_enough) == (None, None)
        assert told in row.silent


def test_one_run_is_refused() -> None:
    with pytest.raises(UsageError, match="two environments"):
        across([seeded(RUNS[0])], (gate(0.02),))


def test_runs_of_other_declarations_are_refused() -> None:
    with pytest.raises(UsageError, match="not of one declaration"):
        across([seeded(RUNS[0]), seeded(RUNS[1], declaration={"stages": {}})], (gate(0.02),))


def test_a_metric_without_values_is_refused() -> None:
    with pytest.raises(UsageError, match="no complete score"):
        across([seeded(RUNS[0]), seeded([0.8, None, 0.8])], (gate(0.02),))
