from __future__ import annotations

import unicodedata
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from report.test_golden import COMPARISON, EMPTY, FINDINGS, NASTY, NO_BASELINE, RUN, estimate, finding

from harness.compare import Claim, Point, Verdict, wording
from harness.compare.outcome import Outcome, outcome
from harness.errors import Exit
from harness.store.record import Accepted

finite = st.floats(allow_nan=False, allow_infinity=False)


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.8123, 0.7811], ["0.812", "0.781"]),
        ([0.81234, 0.81231], ["0.81234", "0.81231"]),
        ([245.3629, 286.56], ["245", "287"]),
        ([250.0, 1093.0], ["250", "1093"]),
        ([0.0, 0.5], ["0.000", "0.500"]),
        ([3e-7, 3.00001e-7], ["3.00000e-07", "3.00001e-07"]),
        ([1e300, 1e-300], ["1.00e+300", "1.00e-300"]),
        ([1.0, 1e-9], ["1", "1e-09"]),
        ([-0.0, 0.25], ["0.000", "0.250"]),
        ([float("inf"), 0.5, float("-inf")], ["∞", "0.500", "-∞"]),
        ([], []),
    ],
)
def test_numbers_side_by_side_have_three_digits_or_as_many_as_tell_them_apart(
    values: list[float], shown: list[str]
) -> None:
    assert wording.together(values) == shown


@given(st.lists(finite, min_size=1, max_size=6))
def test_different_numbers_never_read_the_same(values: list[float]) -> None:
    shown = wording.together(values)
    assert len(set(shown)) == len({float(f"{v:.12g}") + 0.0 for v in values})
    assert all(float(text) != 0 for text, v in zip(shown, values, strict=True) if v)


@given(st.lists(finite, min_size=2, max_size=6))
def test_rounding_keeps_the_order(values: list[float]) -> None:
    shown = [float(text) for text in wording.together(sorted(values))]
    assert all(a <= b for a, b in pairwise(shown))


@given(st.floats(-1e300, 1e300))
def test_a_number_is_off_by_at_most_half_a_unit_of_its_third_digit(value: float) -> None:
    assert float(wording.number(value)) == pytest.approx(value, rel=0.00501, abs=0)


def test_an_interval_can_be_told_from_the_margin_that_it_just_misses() -> None:
    close = finding("kid.distance", Verdict.UNCHANGED, margin=0.02, estimate=estimate(0.5, 0.01, 0.009996))
    shown = wording.figures(close)
    assert shown.interval == "[0.000004, 0.019996]"
    assert shown.margin == "0.020000"


@pytest.mark.parametrize(
    ("change", "margin", "shown"),
    [
        (-1.4e-7, 0.1, "0.100"),
        (2e-5, 0.1, "0.100"),
        (2e-3, 0.1, "0.10000"),
        (0.0, 0.1, "0.100"),
        (0.0, 5.0, "5"),
    ],
)
def test_a_margin_far_from_the_change_is_written_by_itself(change: float, margin: float, shown: str) -> None:
    found = finding("a.b", Verdict.UNCHANGED, margin=margin, estimate=estimate(5.0, change, abs(change) / 2))
    assert wording.figures(found).margin == shown


def test_an_exact_change_has_no_interval() -> None:
    shown = wording.figures(finding("a.b", Verdict.IMPROVED, estimate=estimate(0.5, 0.08, 0.0)))
    assert (shown.change, shown.interval, shown.repeats) == ("+0.0800", "exact", "exact")


def test_a_finding_without_an_estimate_shows_its_margin_only() -> None:
    assert wording.figures(finding("a.b", Verdict.INCOMPARABLE)) == wording.Figures(margin="0.0200")


def test_repeats_say_what_was_repeated_and_whether_it_was_paired() -> None:
    assert wording.repeats(estimate(1, 1, 1)) == "5 paired seeds"
    assert wording.repeats(estimate(1, 1, 1, paired=False, unit="items", repeats=1)) == "1 item"


def test_a_point_names_the_node_only_where_two_fields_share_a_name() -> None:
    assert (
        wording.point({"images.steps": 50, "images.negative": ["a", "b"]}) == 'steps=50, negative=["a","b"]'
    )
    assert wording.point({"real.size": 64, "fake.size": 32}) == "real.size=64, fake.size=32"


def test_gated_findings_come_first_and_the_worst_of_them_on_top() -> None:
    order = [(f.gated, f.verdict) for f in wording.worst_first(reversed(FINDINGS))]
    assert order == [
        (True, Verdict.REGRESSED),
        (True, Verdict.INCOMPARABLE),
        (True, Verdict.INCONCLUSIVE),
        (True, Verdict.UNCHANGED),
        (True, Verdict.IMPROVED),
        (False, Verdict.REGRESSED),
        (False, None),
    ]


def test_of_two_regressions_the_one_by_more_margins_comes_first_whatever_its_direction() -> None:
    accuracy = finding("a.acc", Verdict.REGRESSED, margin=0.01, estimate=estimate(0.9, -0.05, 0.01))
    loss = finding("a.loss", Verdict.REGRESSED, better="lower", margin=1.0, estimate=estimate(2.0, 2.0, 0.5))
    assert wording.worst_first([loss, accuracy]) == [accuracy, loss]


def test_the_claim_is_named_once_or_by_metric_where_claims_differ() -> None:
    assert wording.claims(FINDINGS) == "about the recipe of `train`"
    mixed = [*FINDINGS[1:3], replace(FINDINGS[1], field="f1", claim=Claim("this checkpoint"))]
    assert wording.claims(mixed) == (
        "about the recipe of `train`: scores.average_accuracy, scores.overall_accuracy; "
        "about this checkpoint: scores.f1"
    )
    assert wording.claims([]) == ""


def gated(*verdicts: Verdict) -> Outcome:
    findings = tuple(finding(f"m{i}.x", v) for i, v in enumerate(verdicts))
    return outcome(replace(EMPTY, findings=findings))


@pytest.mark.parametrize(
    ("verdicts", "word", "code"),
    [
        ((Verdict.UNCHANGED, Verdict.REGRESSED, Verdict.INCOMPARABLE), "regressed", Exit.REGRESSED),
        ((Verdict.UNCHANGED, Verdict.INCOMPARABLE), "incomparable", Exit.INCOMPARABLE),
        ((Verdict.INCONCLUSIVE, Verdict.IMPROVED), "inconclusive", Exit.OK),
        ((Verdict.IMPROVED, Verdict.UNCHANGED), "improved", Exit.OK),
        ((Verdict.UNCHANGED,), "unchanged", Exit.OK),
        ((), "not gated", Exit.OK),
    ],
)
def test_the_outcome_follows_the_exit_code(verdicts: tuple[Verdict, ...], word: str, code: Exit) -> None:
    assert (gated(*verdicts).word, gated(*verdicts).exit) == (word, code)


def test_the_outcome_says_failed_missing_and_no_baseline() -> None:
    assert outcome(COMPARISON).word == "failed"
    assert outcome(NO_BASELINE).word == "no baseline yet"
    assert outcome(replace(EMPTY, missing=(Point("fid", {}),))).word == "missing"


@pytest.mark.parametrize(
    ("at", "told"),
    [
        ("2026-02-02T10:00:00Z", "30 days before this run"),
        ("2026-03-03T10:00:00", "1 day before this run"),
        ("2026-03-04T09:00:00+00:00", "2026-03-04"),
        ("last week", "last week"),
    ],
)
def test_the_age_of_a_baseline_counts_up_to_the_run(at: str, told: str) -> None:
    accepted = Accepted("h100", "new data", at)
    text = wording.against(RUN, replace(COMPARISON, baseline="h100", accepted=accepted))
    assert text == f"h100, accepted {told} (new data)"


def test_cleaning_shows_what_could_act() -> None:
    text = wording.clean(f"{NASTY}\ud800\ufffe\n\x00end\ta\rb")
    assert text == (
        r"<script>alert('|')</script> \u202e\x1b[31m @team 🛰️ **صحراء** | ]]>\ud800\ufffe \x00end a\x0db"
    )


@given(st.text(st.characters(exclude_categories=[])), st.booleans())
def test_cleaned_text_has_no_control_character_and_can_be_written_anywhere(text: str, lines: bool) -> None:
    cleaned = wording.clean(text, lines=lines, most=20)
    assert len(cleaned) <= 20
    assert not any(unicodedata.category(c) in ("Cc", "Cs") for c in cleaned if not (lines and c == "\n"))
    assert lines or len(cleaned.splitlines()) <= 1
    assert cleaned.encode().decode() == cleaned
    assert wording.clean(cleaned, lines=lines, most=20) == cleaned


def test_long_text_is_cut_visibly() -> None:
    assert wording.clean("a" * 600) == "a" * 499 + "…"


def test_values_that_nothing_is_compared_with_are_found() -> None:
    assert [name for name, _, _ in wording.uncompared(RUN, COMPARISON)] == ["scores.n_absent_classes"]
    assert len(wording.uncompared(RUN, NO_BASELINE)) == 4
    assert len(wording.uncompared(RUN, replace(COMPARISON, new=(Point("scores", {}),)))) == 4
