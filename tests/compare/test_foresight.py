"""What a gate can see; margins that cannot fail; which margin was used."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from compare.runs import BASE, compared, gate, metric, only, repeats, score, seeded, shifted, side

from harness.compare import stats
from harness.compare.decide import sees, too_wide
from harness.compare.foresight import outlooks
from harness.compare.verdict import compare
from harness.store.record import Subject

SHARE = {"better": "higher", "low": 0.0, "high": 1.0}
DISTANCE = {"better": "lower", "low": None, "high": None}


def test_a_gate_sees_what_two_independent_runs_of_the_baselines_spread_show() -> None:
    spread = stats.clustered(BASE)
    expected = stats.detectable(math.sqrt(2) * spread.sd, 5, 0.05 / 3)
    assert sees(spread, 3, 0.05) == pytest.approx(expected)
    assert sees(spread, 3, 0.05, 9) == pytest.approx(stats.detectable(math.sqrt(2) * spread.sd, 9, 0.05 / 3))
    assert sees(None, 3, 0.05) is None
    assert sees(spread, 3, 0.05, 1) is None
    found = only(compared(seeded(shifted([0.001, 0, 0, 0, 0])), seeded(BASE)))
    assert found.sees == pytest.approx(sees(spread, 1, 0.05))


@pytest.mark.parametrize(
    ("margin", "value", "direction", "visible", "said"),
    [
        (1.1, 0.5, SHARE, 0.1, "more than the whole range (0 to 1): the gate cannot fail"),
        (1.1, None, SHARE, None, "more than the whole range"),
        (1.0, None, SHARE, None, ""),
        (0.6, 0.5, SHARE, 0.1, "from 0.5 it cannot get worse by that"),
        (0.5, 0.5, SHARE, 0.1, ""),
        (0.6, 0.5, {**SHARE, "better": "lower"}, 0.1, "cannot get worse by that"),
        (0.1, 0.0005, DISTANCE, 0.001, "200 times the baseline's value, 0.0005"),
        (0.1, 0.0005, DISTANCE, None, "200 times the baseline's value"),
        (0.1, -0.0005, DISTANCE, 0.02, "200 times the baseline's value"),
        (0.1, 0.0005, DISTANCE, 0.2, ""),
        (0.1, 0.02, DISTANCE, 0.02, ""),
        (0.1, 1.0, DISTANCE, 0.001, "100 times the smallest change that it can see, 0.001"),
        (0.1, 1.0, DISTANCE, 0.02, ""),
        (0.1, 0.0, DISTANCE, None, ""),
        (0.1, 0.0, DISTANCE, 0.001, "100 times the smallest change"),
    ],
)
def test_a_margin_that_makes_no_sense_is_said(
    margin: float, value: float | None, direction: dict[str, object], visible: float | None, said: str
) -> None:
    found = too_wide(margin, value, direction, visible)
    assert said in found
    assert bool(found) == bool(said)


def test_a_finding_says_so_beside_its_verdict() -> None:
    fields = {"score": {**SHARE, "floor": 0.0}}
    run = {"metrics": {"m": metric(fields=fields)}, "gates": (gate(0.9),)}
    found = only(compared(seeded(shifted([0.001, 0, 0, 0, 0]), **run), seeded(BASE, **run)))
    assert any("cannot get worse by that" in sentence for sentence in found.beside)


def test_a_margin_other_than_the_files_or_the_accepted_one_is_said() -> None:
    ours, theirs = seeded(BASE, gates=(gate(0.5),)), seeded(BASE, gates=(gate(0.02),))
    merge_base = only(compare(ours, theirs, (gate(0.02),)))
    assert (
        "judged with the margin 0.02 of the merge base, not with the margin 0.5 of the file"
        in merge_base.beside
    )
    own = only(compared(ours, theirs))
    assert "judged with the margin 0.5; the baseline was accepted with the margin 0.02" in own.beside
    assert not any("judged with" in s for s in only(compared(theirs, theirs)).beside)
    relative = seeded(BASE, gates=(gate(0.02, relative=True),))
    assert any(
        "the margin 2 % of the file" in s for s in only(compare(relative, theirs, (gate(0.02),))).beside
    )
    dropped = only(compare(ours, theirs, ()))
    assert "judged with no margin of the merge base, not with the margin 0.5 of the file" in dropped.beside
    added = only(compare(seeded(BASE, gates=()), theirs, (gate(0.02),)))
    assert "judged with the margin 0.02 of the merge base, not with no margin of the file" in added.beside


@pytest.mark.parametrize("relative", [True, False])
def test_a_plan_sees_nothing_in_times_from_the_store(relative: bool) -> None:
    info = {"m": metric(timed=True)}
    stored = score(tuple(replace(r, clocked=False) for r in repeats(BASE)))
    given = (gate(0.02, relative=relative),)
    (found,) = outlooks(given, info, {"m": 5}, side(stored, metrics=info))
    assert (found.visible, found.margin) == (None, None if relative else 0.02)
    assert found.warnings == (
        "no timing (from the store) in the baseline, so that nothing can be compared with it",
    )
    (found,) = outlooks(given, info, {"m": 5}, seeded(BASE, metrics=info))
    assert found.visible
    assert not found.warnings


def test_a_plan_looks_ahead() -> None:
    once = Subject(once={"train": "train.seed"}, learnt=("train",))
    info = {"m": metric(fields={"score": {**SHARE, "floor": 0.5}}, subject=once)}
    gates = (gate(0.02), gate(2.0), gate(0.5, relative=True))
    fine, wide, share = outlooks(gates, info, {"m": 5}, seeded(BASE))
    assert fine.visible == pytest.approx(sees(stats.clustered(BASE), 3, 0.05))
    assert (fine.name, fine.margin) == ("m.score", 0.02)
    assert fine.warnings == (
        "`train` runs once: no claim about the recipe of it; to repeat: seeds: {train.seed: [0, 1, 2]}",
    )
    assert "the whole range" in wide.warnings[1]
    assert share.margin == pytest.approx(0.405)
    (alone, _, unknown) = outlooks(gates, info, {"m": 2}, None)
    assert (alone.visible, unknown.margin) == (None, None)
    assert "2 seeds; fewer than 3 give no verdict" in alone.warnings
    (more, *_) = outlooks(gates, info, {"m": 9}, seeded(BASE))
    assert more.visible is not None
    assert fine.visible is not None
    assert more.visible < fine.visible
