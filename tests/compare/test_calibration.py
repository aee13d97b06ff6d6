from __future__ import annotations

import math
import random
from dataclasses import replace
from pathlib import Path

import pytest
from compare.runs import BASE, FIELDS, gate, itemised, metric, repeats, score, seeded, side, single
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as reference

from harness.compare import Verdict
from harness.compare.calibration import calibrate, proposed_margin, round_up
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.errors import UsageError
from harness.store.record import MetricInfo, Subject

A, B = [0.80, 0.82, 0.81, 0.79, 0.83], [0.811, 0.80, 0.84, 0.82, 0.804]


def later(values: list[float | None], **changes: object) -> Side:
    """The same subject with other seeds."""
    made = [replace(r, seeds={"train.seed": r.seeds["train.seed"] + 100}) for r in repeats(values)]
    return side(score(tuple(made)), **changes)  # type: ignore[arg-type]


def test_a_row_says_how_far_equal_subjects_differ() -> None:
    (row,) = calibrate(seeded(A), later(B), (gate(0.02),))
    sd = math.sqrt((reference.tstd(A) ** 2 + reference.tstd(B) ** 2) / 2)
    low, high = reference.ttest_ind(B, A, equal_var=False).confidence_interval(0.90)
    assert (row.unit, row.repeats, row.mean) == ("seeds", 5, pytest.approx(0.8125))
    assert row.sd == pytest.approx(sd)
    assert (row.change, row.low, row.high) == (pytest.approx(0.005), pytest.approx(low), pytest.approx(high))
    assert row.proposed == pytest.approx(round_up(2 * reference.t.ppf(0.95, 4) * math.sqrt(2 / 5) * sd))
    assert not row.is_wide_enough
    assert row.repeats_needed
    assert row.repeats_needed > 5


@pytest.mark.parametrize(("sd", "gates", "margin"), [(0.01, 1, 0.027), (0.01, 4, 0.036), (0.0, 3, 0.0)])
def test_the_proposal_grows_with_the_number_of_gates(sd: float, gates: int, margin: float) -> None:
    assert proposed_margin(sd, 5, gates) == margin


def test_a_proposal_is_never_below_two_deviations() -> None:
    assert proposed_margin(0.01, 1000, 1) == 0.02


@given(st.floats(1e-12, 1e12))
def test_rounding_goes_up_to_two_digits(value: float) -> None:
    rounded = round_up(value)
    assert value * (1 - 1e-9) <= rounded <= value * 1.1 * (1 + 1e-9)
    assert float(f"{rounded:.1e}") == rounded


def test_a_relative_gate_gets_its_fraction() -> None:
    (row,) = calibrate(seeded(A), later(B), (gate(0.5, relative=True),))
    assert row.margin == pytest.approx(0.40625)
    assert row.proposed
    assert row.proposed_fraction == round_up(row.proposed / row.mean)
    assert row.is_wide_enough


def test_nested_repeats_count_once() -> None:
    def nested(first: int) -> Side:
        made = tuple(
            replace(r, seeds={"train.seed": first + i // 2, "sample.seed": i})
            for i, r in enumerate(repeats(A + B))
        )
        return side(score(made), metrics={"m": MetricInfo("m@1", FIELDS, ("train.seed", "sample.seed"))})

    assert [r.repeats for r in calibrate(nested(0), nested(100), (gate(0.1),))] == [5]


def test_what_says_nothing_of_a_margin_does_not_call_it_wide_enough() -> None:
    """One value a side, and times of which some were taken in another run."""
    one, other = side(score(single(0.8))), side(score(single(0.9)))
    (row,) = calibrate(one, other, (gate(5.0),))
    assert (row.proposed, row.is_wide_enough) == (None, None)
    assert "one value a side" in row.silent
    stored = tuple(replace(r, clocked=False) for r in repeats(A))
    timed = {"m": metric(timed=True)}
    (row,) = calibrate(side(score(stored), metrics=timed), seeded(B, metrics=timed), (gate(5.0),))
    assert (row.sd, row.proposed, row.is_wide_enough) == (None, None, None)
    assert row.silent.startswith("no timing (from the store)")
    assert calibrate(seeded(A, metrics=timed), later(B, metrics=timed), (gate(5.0),))[0].is_wide_enough


def test_what_is_never_repeated_gets_no_proposal() -> None:
    fixed = side(score(single(0.8)))
    (row,) = calibrate(fixed, fixed, (gate(0.0),))
    assert (row.unit, row.sd, row.proposed, row.repeats_needed, row.change) == ("exact", None, None, None, 0)
    assert (row.is_wide_enough, row.silent) == (
        None,
        "both sides are of equal bytes, so that nothing was repeated",
    )


def test_what_was_not_repeated_is_named_beside_the_margin() -> None:
    once = Subject(once={"painter": "painter.seed"}, learnt=("painter",))
    ours, theirs = (side(score(repeats(v)), metrics={"m": metric(subject=once)}) for v in (BASE, BASE[::-1]))
    (row,) = calibrate(theirs, ours, (gate(0.5),))
    assert row.once.startswith("`painter` runs once: no claim about the recipe of it")


def test_items_are_repeats_where_no_seed_is(tmp_path: Path) -> None:
    values = {f"i{n}": random.Random(n).random() for n in range(100)}
    again = {name: v + random.Random(name).gauss(0, 0.01) for name, v in values.items()}
    one, other = itemised(tmp_path / "a", [values]), itemised(tmp_path / "b", [again])
    (row,) = calibrate(one, one, (gate(0.1),))
    assert (row.unit, row.repeats, row.proposed, row.is_wide_enough) == ("exact", 100, None, None)
    assert row.silent == "both sides are of equal bytes, so that nothing was repeated"
    (row,) = calibrate(one, other, (gate(0.1),))
    assert (row.unit, row.repeats) == ("items", 100)
    deviations = [reference.tstd(list(side.values())) for side in (values, again)]
    assert row.sd == pytest.approx(math.hypot(*deviations) / math.sqrt(2))
    assert row.proposed
    assert row.proposed < row.sd, "an item is no repeat of the whole"


def test_a_gate_against_the_reference_is_calibrated_at_its_noisiest_point() -> None:
    def two(first: int) -> Side:
        numbers = random.Random(first)
        calm, wild = ([0.8 + numbers.gauss(0, s) for _ in A] for s in (0.001, 0.1))
        made = [later(list(v)).run.scores[0] for v in (calm, wild)]
        moved = [
            replace(
                s,
                point={"m.k": k},
                repeats=tuple(replace(r, seeds={"train.seed": first + i}) for i, r in enumerate(s.repeats)),
            )
            for k, s in enumerate(made)
        ]
        return side(*moved)

    (row,) = calibrate(two(0), two(100), (gate(0.1, against_reference=True),))
    assert row.sd
    assert row.sd > 0.03


@pytest.mark.parametrize("values", [[0.8, 0.8], [0.8, 0.8, None]])
def test_too_few_or_failed_repeats_cannot_calibrate(values: list[float | None]) -> None:
    with pytest.raises(UsageError, match="calibrate: m"):
        calibrate(seeded(values), later(values), (gate(0.1),))


def test_at_the_proposed_margin_an_unchanged_subject_ends_unchanged() -> None:
    """The promise of the formula, by simulation over three gates with five seeds."""
    numbers, sd, gates = random.Random(11), 0.01, 3
    declared = [gate(proposed_margin(sd, 5, gates), metric=f"m{i}") for i in range(gates)]

    def draw() -> Side:
        return side(*[score(repeats([numbers.gauss(0.8, sd) for _ in A]), metric=g.metric) for g in declared])

    verdicts = [f.verdict for _ in range(300) for f in compare(draw(), draw(), declared).findings]
    assert len(verdicts) == 900
    assert verdicts.count(Verdict.UNCHANGED) / len(verdicts) >= 0.95 - 0.015
    assert verdicts.count(Verdict.REGRESSED) == 0
