"""What a gate can see; margins that cannot fail; which margin was used."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from statistics import NormalDist

import numpy as np
import pytest
from compare.runs import BASE, compared, gate, metric, only, repeats, score, seeded, shifted, side, stored
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import Verdict, stats
from harness.compare.decide import decide, sees, too_wide
from harness.compare.evidence import Evidence
from harness.compare.planning import MOST_SEEDS, advised, declare, is_open, outlooks, told, useful
from harness.compare.verdict import compare
from harness.errors import UsageError
from harness.store.record import Looks, MetricInfo, Subject, TaskInfo
from harness.store.record_file import from_json, load, to_json

SHARE = {"better": "higher", "low": 0.0, "high": 1.0}
DISTANCE = {"better": "lower", "low": None, "high": None}


def test_a_gate_sees_what_two_independent_runs_of_the_baselines_spread_show() -> None:
    spread = stats.clustered(BASE)
    expected = stats.detectable(math.sqrt(2) * spread.sd, 5, 0.05 / 3)
    assert sees(spread, 3, 0.05) == pytest.approx(expected)
    assert sees(spread, 3, 0.05, 9) == pytest.approx(stats.detectable(math.sqrt(2) * spread.sd, 9, 0.05 / 3))
    assert sees(None, 3, 0.05) is None
    assert sees(spread, 3, 0.05, 2) == pytest.approx(stats.detectable(math.sqrt(2) * spread.sd, 2, 0.05 / 3))
    assert sees(spread, 3, 0.05, 1) is None
    assert sees(spread, 0, 0.05) is None
    found = only(compared(seeded(shifted([0.001, 0, 0, 0, 0])), seeded(BASE)))
    assert found.sees == pytest.approx(sees(spread, 1, 0.05))


@pytest.mark.parametrize(
    ("margin", "value", "direction", "visible", "said"),
    [
        (1.1, 0.5, SHARE, 0.1, "more than the whole range (0 to 1): the gate cannot fail"),
        (1.1, None, SHARE, None, "more than the whole range"),
        (1.0, None, SHARE, None, ""),
        (1.5, None, {**SHARE, "low": -1.0}, None, ""),
        (2.5, None, {**SHARE, "low": -1.0}, None, "more than the whole range (-1 to 1)"),
        (0.3, 0.2, SHARE, 0.1, "from 0.2 it cannot get worse by that"),
        (0.3, 0.2, {**SHARE, "better": "lower"}, 0.1, ""),
        (0.3, 0.8, {**SHARE, "better": "lower"}, 0.1, "from 0.8 it cannot get worse by that"),
        (0.3, 0.8, SHARE, 0.1, ""),
        (0.6, 0.5, SHARE, 0.1, "from 0.5 it cannot get worse by that"),
        (0.5, 0.5, SHARE, 0.1, ""),
        (0.6, 0.5, {**SHARE, "better": "lower"}, 0.1, "cannot get worse by that"),
        (0.1, 0.0005, DISTANCE, 0.001, "200 times the baseline's value, 0.0005"),
        (0.1, 0.0005, DISTANCE, None, "200 times the baseline's value"),
        (0.1, -0.0005, DISTANCE, 0.02, "200 times the baseline's value"),
        (0.1, 0.0005, DISTANCE, 0.2, ""),
        (0.1, 0.0005, DISTANCE, 0.1, ""),
        (5.0, 0.5, DISTANCE, None, ""),
        (0.1, 0.02, DISTANCE, 0.02, ""),
        (0.1, 1.0, DISTANCE, 0.001, "100 times the smallest change that it can see, 0.001"),
        (0.1, 1.0, DISTANCE, 0.02, ""),
        (0.5, 1.0, DISTANCE, 0.05, ""),
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


NOISY = [0.05, -0.05, 0.04, -0.06, 0.03]


@pytest.mark.parametrize(
    ("own", "most", "seeds"),
    [
        (5, 5, (5,)),
        (5, 6, (5, 6)),
        (5, 10, (5, 10)),
        (5, 20, (5, 10, 20)),
        (5, 30, (5, 9, 17, 30)),
        (3, 50, (3, 5, 9, 16, 28, 50)),
        (1, 8, (3, 5, 8)),  # fewer than three seeds give no verdict
        (1, 2, (2,)),
    ],
)
def test_the_looks_are_fixed_by_the_first_and_the_last(own: int, most: int, seeds: tuple[int, ...]) -> None:
    assert declare(own, most).seeds == seeds


@given(st.integers(1, 200).flatmap(lambda own: st.tuples(st.just(own), st.integers(own, MOST_SEEDS))))
def test_looks_grow_at_most_by_two_and_share_the_usual_level(asked: tuple[int, int]) -> None:
    own, most = asked
    looks = declare(own, most)
    assert looks.seeds[-1] == most
    assert looks.seeds[0] >= min(own, most)
    assert all(a < b <= 2 * a + 1 for a, b in zip(looks.seeds, looks.seeds[1:], strict=False))
    assert looks.alpha * len(looks.seeds) == pytest.approx(stats.ALPHA)
    assert looks.confidence == pytest.approx(1 - 2 * looks.alpha)


def test_a_single_look_is_the_plain_verdict() -> None:
    plain = seeded(shifted(NOISY))
    looked = replace(plain, run=replace(plain.run, looks=declare(5, 5)))
    assert compared(looked, seeded(BASE)).findings == compared(plain, seeded(BASE)).findings


def test_the_same_evidence_at_one_of_several_looks_has_to_be_stronger() -> None:
    by = [-0.02, -0.06, -0.03, -0.05, -0.01]
    plain = seeded(shifted(by))
    looked = replace(plain, run=replace(plain.run, looks=declare(5, 320)))
    once, often = only(compared(plain, seeded(BASE))), only(compared(looked, seeded(BASE)))
    assert once.verdict is Verdict.REGRESSED
    assert often.verdict is Verdict.INCONCLUSIVE
    assert once.estimate
    assert often.estimate
    assert once.estimate.confidence == 0.9
    assert often.estimate.confidence == pytest.approx(1 - 0.1 / 7)
    assert often.estimate.low < once.estimate.low < once.estimate.high < often.estimate.high
    assert "(98.6 % interval" in often.reason


def sequentially(changes: np.ndarray, looks: Looks, margin: float, alpha: float) -> tuple[Verdict, int]:
    """The verdict of the first look that has one, and its seeds."""
    verdict, n = Verdict.INCONCLUSIVE, 0
    for n in looks.seeds:
        spread = stats.clustered(changes[:n].tolist())
        evidence = Evidence(0.0, spread.mean, "seeds", True, n, spread)
        verdict = decide(evidence, "lower", margin, same_environment=True, alpha=alpha).verdict
        if verdict is not Verdict.INCONCLUSIVE:
            break
    return verdict, n


def rate(
    verdict: Verdict, worse_by: float, looks: Looks, margin: float, alpha: float, trials: int = 2500
) -> tuple[float, float]:
    """How often a change of ``worse_by`` standard deviations ends in ``verdict``, and after how many seeds."""
    rng = np.random.default_rng(20)
    ended = [
        sequentially(rng.normal(worse_by, 1.0, looks.seeds[-1]), looks, margin, alpha) for _ in range(trials)
    ]
    return sum(v is verdict for v, _ in ended) / trials, sum(n for _, n in ended) / trials


def test_adding_seeds_until_it_is_conclusive_raises_no_more_false_alarms_than_one_look() -> None:
    looks = declare(3, 24)
    assert looks.seeds == (3, 6, 12, 24)
    false_alarms, _ = rate(Verdict.REGRESSED, 0.0, looks, 1e-9, looks.alpha)
    assert 0.01 < false_alarms < stats.ALPHA
    peeking, _ = rate(Verdict.REGRESSED, 0.0, looks, 1e-9, stats.ALPHA)
    assert peeking > 1.5 * stats.ALPHA


def test_nor_does_it_call_a_change_of_the_margin_unchanged_more_often() -> None:
    looks, margin = declare(3, 24), 0.8
    false_comfort, _ = rate(Verdict.UNCHANGED, margin, looks, margin, looks.alpha)
    assert 0.005 < false_comfort < stats.ALPHA


def test_a_large_effect_is_found_with_few_of_the_seeds() -> None:
    looks = declare(3, 24)
    found, seeds = rate(Verdict.REGRESSED, 3.0, looks, 0.5, looks.alpha, trials=400)
    assert found > 0.99
    assert seeds < 24 / 3


SEEDS = {"train.seed": range(10), "draw.seed": [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]}


def reach(fields: Sequence[str], baseline: int | None, *, against_reference: bool = False) -> int:
    metrics = {"m": MetricInfo("m@1", {"score": {"better": "higher", "floor": 0.0}}, tuple(fields))}
    there = None if baseline is None else seeded([0.8] * baseline).run
    return useful(SEEDS, metrics, [replace(gate(0.02), against_reference=against_reference)], there)


def test_seeds_beyond_those_of_the_baseline_pair_with_nothing() -> None:
    assert reach(["train.seed"], 5) == 5
    assert reach(["train.seed"], 40) == 10


def test_a_baseline_without_three_of_the_seeds_is_not_paired_and_every_seed_tells() -> None:
    assert reach(["train.seed"], 2) == 10
    assert reach(["draw.seed", "train.seed"], 5) == 10  # it has no such repeats at all


def test_within_a_run_every_seed_pairs() -> None:
    assert reach(["train.seed"], 5, against_reference=True) == 10


def test_no_seed_helps_what_no_seed_reaches_or_what_has_no_baseline() -> None:
    assert reach([], 5) == 0
    assert reach(["train.seed"], None) == 0


def test_more_seeds_may_decide_what_is_inconclusive_or_has_too_few() -> None:
    assert is_open(compared(seeded(shifted(NOISY)), seeded(BASE)))
    assert is_open(compared(seeded(BASE[:2]), seeded(BASE)))
    assert not is_open(compared(seeded(BASE), seeded(BASE)))


def test_more_seeds_do_not_mend_a_failure_or_another_protocol() -> None:
    failed = TaskInfo("train", "k", {}, {}, "failed", 1.0, error="out of luck")
    assert not is_open(compared(seeded(shifted(NOISY), tasks=(failed,)), seeded(BASE)))
    other = side(score(repeats(shifted(NOISY)), protocol={"m.use": "m@2"}))
    assert not is_open(compared(other, seeded(BASE)))


def test_what_is_not_gated_asks_for_no_seeds() -> None:
    assert not is_open(compared(seeded(shifted(NOISY), gates=()), seeded(BASE)))


@given(st.integers(3, 30), st.integers(3, 500))
def test_the_advised_number_makes_up_for_the_levels_of_its_looks(own: int, needed: int) -> None:
    most = advised(own, needed)
    assert most is not None
    assert most >= max(own, needed)
    alpha = declare(own, most).alpha
    factor = (_z(alpha) + _z(0.2)) / (_z(stats.ALPHA) + _z(0.2))
    assert most >= math.floor(needed * factor**2)


def _z(tail: float) -> float:
    return NormalDist().inv_cdf(1 - tail)


def test_nothing_is_advised_where_ten_thousand_seeds_would_not_do() -> None:
    assert advised(5, 9_000) is None


def test_looks_are_told_in_a_sentence() -> None:
    looks = replace(declare(5, 20), taken=2)
    assert told(looks) == "look 2 of 3 (declared: 5, 10, 20 seeds), every claim at 1.67 % instead of 5 %"
    assert told(replace(declare(5, 5), taken=1)) == ""
    assert told(replace(declare(5, 5, limit="the baseline has 5"), taken=1)) == "the baseline has 5"


def test_looks_are_kept_in_the_record(tmp_path: Path) -> None:
    made = seeded(
        BASE, looks=replace(declare(5, 20, limit="no more"), taken=2), code={"m": {"version": 1}}
    ).run
    assert load(stored(tmp_path, made)) == made
    older = to_json(made)
    del older["looks"], older["code"]
    assert from_json(older, "run.json") == replace(made, looks=None, code={})


@pytest.mark.parametrize("damage", [{"alpha": 0.0}, {"alpha": 0.7}, {"seeds": None}, {"unknown": 1}])
def test_damaged_looks_are_refused(damage: dict[str, object]) -> None:
    body = to_json(seeded(BASE, looks=declare(5, 20)).run)
    with pytest.raises(UsageError, match="damaged record"):
        from_json({**body, "looks": {**body["looks"], **damage}}, "run.json")
