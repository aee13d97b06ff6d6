from __future__ import annotations

import math
import statistics
from dataclasses import replace

import pytest
from compare.runs import (
    BASE,
    FIELDS,
    HERE,
    compared,
    gate,
    metric,
    only,
    repeats,
    score,
    seeded,
    side,
)

from harness.compare import Verdict, stats
from harness.compare.differences import Fields
from harness.compare.sample import Side
from harness.compare.verdict import compare, within
from harness.errors import Exit
from harness.store.record import MetricInfo

ELSEWHERE = {"here": {**HERE, "torch": "2.14.0"}}


def test_a_gate_judges_the_seed_wise_mean_over_points_and_a_named_point_by_itself() -> None:
    def two(a: float, b: float, **changes: object) -> Side:
        points = [score(repeats([v + x for v in BASE]), {"m.k": k}) for k, x in enumerate((a, b))]
        return side(*points, **changes)  # type: ignore[arg-type]

    mean = only(compared(two(-0.1, 0.1), two(0.0, 0.0)))
    assert (mean.verdict, mean.points, mean.at) == (Verdict.UNCHANGED, 2, {})
    gates = (gate(0.02, at={"m.k": 0}), gate(0.02, at={"m.k": 1}))
    first, second, whole = compared(two(-0.1, 0.1, gates=gates), two(0.0, 0.0)).findings
    assert (first.verdict, first.at, first.points) == (Verdict.REGRESSED, {"m.k": 0}, 1)
    assert (second.verdict, second.at) == (Verdict.IMPROVED, {"m.k": 1})
    assert (whole.verdict, whole.gated, whole.points) == (None, False, 2)


def test_differing_protocols_are_incomparable_and_named() -> None:
    changed = side(score(repeats(BASE), protocol={"m.use": "m@1", "real.n": 500}), defaults={})
    comparison = compared(changed, side(score(repeats(BASE), protocol={"m.use": "m@1", "real.n": 250})))
    found = only(comparison)
    assert found.verdict is Verdict.INCOMPARABLE
    assert found.reason == "the protocols differ in real.n"
    assert [str(d) for d in found.differences] == ["real.n: 250 → 500"]
    assert found.estimate, "both values are still shown"
    assert comparison.exit() is Exit.INCOMPARABLE
    ungated = only(compare(changed, seeded(BASE), ()))
    assert (ungated.verdict, ungated.gated) == (Verdict.INCOMPARABLE, False)


def coded(values: list[float], code: str, node: str = "m", **changes: object) -> Side:
    """A run that measures with this code of a stage; equal values come of equal bytes."""
    protocol = {"m.use": "toy.m@1", "read.use": "toy.read@1"}
    at = score(repeats(values), settings=protocol, protocol=protocol)
    entry = {"function": f"toy.{node}", "version": 1, "source": code, "software": {}}
    return side(at, **{"code": {node: entry}, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("moved", [-0.1, 0.001, 0.1])
@pytest.mark.parametrize(
    ("node", "advice"),
    [
        ("m", "harness rescore computes the baseline's values anew"),
        ("read", "a baseline of this code can show what changed"),
    ],
)
def test_a_change_measured_with_other_code_is_incomparable_and_the_code_is_named(
    node: str, advice: str, moved: float
) -> None:
    values = [b + moved + 0.0001 * i for i, b in enumerate(BASE)]
    comparison = compared(coded(values, "new", node), coded(BASE, "old", node))
    found = only(comparison)
    assert (found.verdict, found.p) == (Verdict.INCOMPARABLE, None)
    named = f"{node} (code of toy.{node}@1)"
    assert found.reason == (
        f"the code that measures differs in {named}, which may be why the values differ; {advice}"
    )
    assert [str(d) for d in found.differences] == [f"{named}: old → new"]
    assert comparison.exit() is Exit.INCOMPARABLE
    assert only(compared(coded(values, "old", node), coded(BASE, "old", node))).verdict is not found.verdict


@pytest.mark.parametrize("node", ["m", "read"])
def test_other_code_that_gives_equal_values_of_equal_bytes_changes_nothing(node: str) -> None:
    found = only(compared(coded(BASE, "new", node), coded(BASE, "old", node)))
    assert (found.verdict, found.differences) == (Verdict.UNCHANGED, ())


@pytest.mark.parametrize(
    "change",
    [{"better": "lower"}, {"floor": 50.0}, {"low": 0.0, "high": 1.0}],
    ids=lambda change: next(iter(change)),
)
def test_a_field_that_is_declared_otherwise_is_incomparable_and_says_so(change: dict[str, object]) -> None:
    fields = {"score": {**FIELDS["score"], **change}}  # type: ignore[dict-item]
    anew = seeded([b - 0.1 for b in BASE], metrics={"m": metric(fields=fields)})
    for ours, theirs in ((anew, seeded(BASE)), (seeded(BASE), anew)):
        for given in (gate(0.02), gate(0.05, relative=True)):
            comparison = compare(ours, theirs, (given,))
            found = only(comparison)
            assert found.verdict is Verdict.INCOMPARABLE
            assert found.reason.startswith(f"the protocols differ in m.score.{next(iter(change))}")
            assert comparison.exit() is Exit.INCOMPARABLE
    assert only(compare(anew, anew, (gate(0.02),))).verdict is Verdict.UNCHANGED


def test_the_declaration_of_another_field_is_its_own() -> None:
    fields = {**FIELDS, "other": {"better": "higher"}}
    turned = {**FIELDS, "other": {"better": "lower"}}

    def of(fields: Fields) -> Side:
        values = tuple(replace(r, values={**r.values, "other": 1.0}) for r in repeats(BASE))
        return side(score(values), metrics={"m": metric(fields=fields)})

    found = {f.field: f.verdict for f in compared(of(turned), of(fields)).findings}
    assert found == {"score": Verdict.UNCHANGED, "other": Verdict.INCOMPARABLE}


def test_a_gate_against_a_reference_that_is_gone_is_incomparable() -> None:
    gates = (gate(0.02, against_reference=True),)
    for reference in ({}, {"m.k": 5}):
        points = [score(repeats(BASE), {"m.k": k}) for k in (0, 1)]
        both = side(*points, reference={"m.k": 0})
        assert compare(both, both, gates).exit() is Exit.OK
        comparison = compare(both, both, gates, reference=reference)
        (found,) = (f for f in comparison.findings if f.gated)
        assert (found.verdict, comparison.exit()) == (Verdict.INCOMPARABLE, Exit.INCOMPARABLE)
        assert "reference point" in found.reason
    assert compare(side(*points), None, gates).findings[0].verdict is Verdict.INCOMPARABLE


def test_another_environment_is_a_cause_and_never_a_reason_not_to_compare() -> None:
    found = only(compared(seeded(BASE), seeded(BASE, environments=ELSEWHERE)))
    assert found.verdict is Verdict.UNCHANGED
    assert [c.field for c in found.causes] == ["torch"]


def test_without_a_baseline_each_gate_says_what_it_measured_and_could_see() -> None:
    comparison = compare(seeded(BASE), None, (gate(0.02), gate(0.1, metric="kid")), note="accept one")
    assert [(f.metric, f.verdict) for f in comparison.findings] == [(m, None) for m in ("m", "kid")]
    assert (comparison.exit(), comparison.note) == (Exit.INCOMPARABLE, "accept one")
    measured = comparison.findings[0].measured
    assert measured
    assert (measured.mean, measured.repeats, measured.unit) == (pytest.approx(0.81), 5, "seeds")
    assert measured.deviation == pytest.approx(statistics.stdev(BASE))
    expected = stats.detectable(math.sqrt(2) * statistics.stdev(BASE), 5, stats.ALPHA / 2)
    assert comparison.findings[0].sees == pytest.approx(expected)
    assert comparison.findings[1].measured is None, "the run has no such score"


def test_a_suite_with_a_reference_and_no_gate_of_a_baseline_ends_by_its_reference() -> None:
    ours = side(score(repeats(BASE), {"p": 1}), score(repeats([b - 0.2 for b in BASE]), {"p": 2}))
    for margin, code in ((0.5, Exit.OK), (0.02, Exit.REGRESSED)):
        against = gate(margin, against_reference=True)
        found = compare(ours, None, (against,), reference={"p": 1})
        assert (found.exit(), found.lacks_baseline) == (code, False)
        both = compare(ours, None, (against, gate(0.1)), reference={"p": 1})
        assert both.exit() is (code if code is Exit.REGRESSED else Exit.INCOMPARABLE), "one gate waits"


def test_fields_without_a_gate_are_reported_and_those_without_a_direction_are_not_compared() -> None:
    fields = {**FIELDS, "loss": {"better": "lower", "floor": 0.0}, "count": None}
    values = {"loss": 1.0, "count": 7.0}
    full = side(
        score(tuple(replace(r, values={**r.values, **values}) for r in repeats(BASE))),
        metrics={"m": MetricInfo("m@1", fields, ("train.seed",))},
    )
    found = {f.name: f for f in compared(full, full).findings}
    assert found.keys() == {"m.score", "m.loss"}
    assert (found["m.loss"].verdict, found["m.loss"].gated) == (None, False)
    assert found["m.loss"].estimate


def test_a_gated_score_that_is_gone_is_incomparable_and_a_new_one_is_no_finding() -> None:
    both = side(score(repeats(BASE)), score(repeats(BASE), metric="kid"))
    gates = (gate(0.02), gate(0.1, metric="kid"))
    gone = compare(seeded(BASE), both, gates)
    assert [(f.metric, f.verdict) for f in gone.findings] == [("m", "unchanged"), ("kid", "incomparable")]
    assert ([p.metric for p in gone.missing], gone.exit()) == (["kid"], Exit.INCOMPARABLE)
    new = compare(both, seeded(BASE), gates)
    assert [(f.metric, f.verdict) for f in new.findings] == [("m", "unchanged")]
    assert ([p.metric for p in new.new], new.exit()) == (["kid"], Exit.OK)
    absent = compare(seeded(BASE), seeded(BASE), (gate(0.1, metric="never"),))
    assert [f.verdict for f in absent.findings if f.gated] == [Verdict.INCOMPARABLE]


def test_what_was_deselected_has_no_verdict() -> None:
    points = [score(repeats(BASE), {"m.k": k}) for k in (0, 1)]
    gates = (gate(0.02, at={"m.k": 0}), gate(0.02, at={"m.k": 1}))
    comparison = compare(side(points[0], only={"m.k": [0]}), side(*points), gates)
    assert [f.at for f in comparison.findings if f.gated] == [{"m.k": 0}]
    assert ([p.point for p in comparison.not_run], comparison.exit()) == ([{"m.k": 1}], Exit.OK)


def test_a_field_that_one_side_lacks_is_incomparable_by_name() -> None:
    lacking = {"m": MetricInfo("m@1", {"other": {"better": "higher"}}, ("train.seed",))}
    old = side(score(repeats(BASE, field="other")), metrics=lacking)
    assert [f.reason for f in compared(seeded(BASE), old).findings if f.gated] == [
        "the baseline has no m.score"
    ]
    assert [f.reason for f in compare(old, seeded(BASE), (gate(0.1),)).findings if f.gated] == [
        "the run has no m.score"
    ]


def test_a_score_with_failed_repeats_is_left_out_and_the_others_are_judged() -> None:
    whole, torn = score(repeats(BASE), {"m.k": 0}), score(repeats([*BASE[:4], None]), {"m.k": 1})
    base = side(score(repeats(BASE), {"m.k": 0}), score(repeats(BASE), {"m.k": 1}))
    found = only(compared(side(whole, torn), base))
    assert (found.verdict, found.points) == (Verdict.UNCHANGED, 1)
    nothing = only(compared(side(torn), base))
    assert (nothing.verdict, nothing.reason) == (
        Verdict.INCOMPARABLE,
        "no score without failed repeats on both sides",
    )


def test_a_verdict_from_the_cache_alone_says_so() -> None:
    cached = score(tuple(replace(r, executed=False) for r in repeats(BASE)))
    assert not only(compared(side(cached), seeded(BASE))).executed
    assert only(compared(seeded(BASE), side(cached))).executed


def sweep(changes: dict[str, float], **given: object) -> Side:
    return side(
        *[
            score(repeats([v + d for v in BASE]), {"m.kind": k}, protocol={"m.kind": k, "m.use": "m@1"})
            for k, d in changes.items()
        ],
        reference={"m.kind": "pndm"},
        **given,  # type: ignore[arg-type]
    )


def test_within_a_run_the_other_points_are_compared_with_the_reference() -> None:
    swept = sweep({"pndm": 0.0, "ddim": -0.1, "euler": 0.001})
    found = {f.at["m.kind"]: f for f in within(swept, {"m.kind": "pndm"}, swept.run.gates)}
    assert {k: f.verdict for k, f in found.items()} == {"ddim": Verdict.REGRESSED, "euler": Verdict.UNCHANGED}
    assert not any(f.gated for f in found.values()), "no gate is declared against the reference"
    assert found["ddim"].against == {"m.kind": "pndm"}
    assert {f.verdict for f in within(swept, {"m.kind": "ddim"})} == {None}, "no gate, so no margin"


def test_within_a_run_other_axes_stay_where_they_are_and_other_fields_still_count() -> None:
    scores = [
        score(
            repeats([0.5 + k + n for _ in BASE]),
            {"m.kind": k, "m.n": n},
            protocol={"m.kind": k, "m.size": k * n},
        )
        for k in (0, 1)
        for n in (0, 1)
    ]
    found = within(side(*scores), {"m.kind": 0})
    assert [f.at for f in found] == [{"m.kind": 1, "m.n": 0}, {"m.kind": 1, "m.n": 1}]
    assert [f.verdict for f in found] == [None, Verdict.INCOMPARABLE]
    assert [d.field for d in found[1].differences] == ["m.size"]


@pytest.mark.parametrize(("at", "gated"), [({}, {"ddim", "euler"}), ({"m.kind": "ddim"}, {"ddim"})])
def test_a_gate_against_the_reference_counts_where_it_names_the_point_or_none(
    at: dict[str, str], gated: set[str]
) -> None:
    swept = sweep(
        {"pndm": 0.0, "ddim": -0.1, "euler": 0.001}, gates=(gate(0.02, at=at, against_reference=True),)
    )
    comparison = compared(swept, swept)
    assert {f.at["m.kind"] for f in comparison.findings if f.gated} == gated
    assert comparison.exit() is Exit.REGRESSED
    assert not any(f.gated for f in within(swept, {"m.kind": "euler"}, swept.run.gates))


def test_a_gate_against_a_reference_point_that_never_ran_is_incomparable() -> None:
    swept = sweep({"ddim": 0.0}, gates=(gate(0.02, against_reference=True),))
    found = [f for f in compared(swept, swept).findings if f.gated]
    assert [f.verdict for f in found] == [Verdict.INCOMPARABLE]


def test_comparing_imports_nothing_heavy() -> None:
    import subprocess
    import sys

    code = "import sys, harness.compare.verdict, harness.compare.calibration, harness.compare.baseline\n"
    code += "print(*sorted({'torch', 'pandas', 'scipy', 'numpy', 'pyarrow'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
