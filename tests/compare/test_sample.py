"""The repeats of one side: equal bytes over a swept seed are one repeat, and that is reported; and the mean alone."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from compare.runs import (
    BASE,
    FIELDS,
    compared,
    itemised,
    metric,
    only,
    read,
    repeats,
    score,
    seeded,
    side,
    single,
)

from harness.compare import Finding, Verdict, stats
from harness.compare.sample import (
    Figure,
    Side,
    alone,
    alone_over,
    distinct,
    is_same,
    known_over_seeds,
    lacks_timing,
    mean_of,
    outputs,
    read_the_same,
    repeating,
    rows_of,
)
from harness.store.record import Repeat


def holding(values: Sequence[float], contents: Sequence[object], first: int = 0) -> Side:
    """A value and what it was read from per seed."""
    made = [
        replace(r, seeds={"train.seed": first + i}, read=read(c))
        for i, (r, c) in enumerate(zip(repeats(values), contents, strict=True))
    ]
    return side(score(tuple(made)))


def against(ours: Side, theirs: Side) -> Finding:
    return only(compared(ours, theirs))


def test_five_seeds_that_gave_the_same_bytes_are_one_repeat_and_no_claim() -> None:
    found = against(holding([0.5] * 5, ["a"] * 5), holding([0.8] * 5, ["b"] * 5))
    assert (found.verdict, found.p) == (Verdict.INCONCLUSIVE, None)
    assert "5 seeds gave the same bytes: one repeat" in found.reason
    assert "5 seeds gave the same bytes: one repeat" in found.beside
    assert found.estimate
    assert (found.estimate.unit, found.estimate.repeats, found.estimate.low) == ("one", 1, None)


def test_five_seeds_that_gave_the_same_bytes_on_both_sides_are_exact() -> None:
    found = against(holding([0.5] * 5, ["a"] * 5), holding([0.5] * 5, ["a"] * 5))
    assert (found.verdict, found.p) == (Verdict.UNCHANGED, 0)
    assert "5 seeds gave the same bytes: one repeat" in found.beside
    elsewhere = against(holding([0.5] * 5, ["a"] * 5), holding([0.5] * 5, ["a"] * 5, first=9))
    assert (elsewhere.verdict, elsewhere.estimate and elsewhere.estimate.unit) == ("unchanged", "exact")


def test_equal_outputs_are_one_repeat_and_count_as_often_in_the_mean() -> None:
    contents = [0, 1, 2, 0, 1]
    values = [0.7, 0.75, 0.72, 0.7, 0.75]
    base = [0.8, 0.82, 0.81, 0.8, 0.82]
    found = against(holding(values, contents), holding(base, [f"b{c}" for c in contents]))
    assert "5 seeds gave 3 different outputs: 3 repeats" in found.beside
    assert found.estimate
    changes = [v - b for v, b in zip(values[:3], base[:3], strict=True)]
    expected = stats.floored(stats.weighted(changes, [2, 2, 1]), 0.001)
    assert (found.estimate.repeats, found.estimate.paired) == (3, True)
    assert (found.estimate.low, found.estimate.high) == pytest.approx(expected.interval())
    assert found.estimate.baseline == pytest.approx(sum(base) / 5)
    assert found.estimate.candidate == pytest.approx(sum(values) / 5)


def test_outputs_that_are_equal_on_one_side_only_are_one_repeat_too() -> None:
    values = [0.7, 0.75, 0.72, 0.71, 0.69]
    found = against(holding(values, range(5)), holding([0.8, 0.8, 0.82, 0.81, 0.8], [0, 0, 1, 2, 0]))
    assert found.estimate
    assert found.estimate.repeats == 3
    assert "5 seeds gave 3 different outputs: 3 repeats in the baseline" in found.beside


def test_a_side_that_gave_one_output_for_all_seeds_allows_no_claim() -> None:
    values = [0.5, 0.52, 0.51, 0.49, 0.53]
    one = holding([0.8] * 5, ["same"] * 5)
    for found in (against(holding(values, range(5)), one), against(one, holding(values, range(5)))):
        assert found.verdict is Verdict.INCONCLUSIVE
        assert "5 seeds gave the same bytes: one repeat" in found.reason
    apart = against(holding(values, range(5), first=9), one)
    assert apart.verdict is Verdict.INCONCLUSIVE
    both = against(holding([0.5] * 5, ["other"] * 5, first=9), one)
    assert both.verdict is Verdict.INCONCLUSIVE
    two = against(holding([0.5, 0.6] * 2, [0, 1] * 2, first=9), holding(BASE, list("abcde")))
    assert two.verdict is Verdict.INCONCLUSIVE
    assert "4 seeds gave 2 different outputs" in two.reason


@pytest.mark.parametrize(
    ("outer", "inner", "by"),
    [
        ([0, 1, 2, 3], [0, 0, 0, 0], "a"),
        ([0, 0, 0, 0], [0, 1, 2, 3], "b"),
        ([0, 1, 2, 3, 4, 5], [0, 0, 1, 1, 2, 2], "b"),
        ([0, 0, 1, 1, 2, 2], [0, 1, 2, 3, 4, 5], "a"),
        ([0, 1, 2, 3, 4, 5], [0, 0, 0, 1, 1, 1], "a"),
        ([0, 1, 2], [2, 1, 0], "a"),
        ([0, 1], [0, 0], "a"),
        ([0, 0], [0, 1], "b"),
    ],
)
def test_there_are_as_many_repeats_as_the_seed_with_the_fewest_values_has(
    outer: list[int], inner: list[int], by: str
) -> None:
    seeds = [(("a", x), ("b", y)) for x, y in zip(outer, inner, strict=True)]
    assert repeating(seeds, ["a", "b"]) == by
    assert repeating(seeds, []) is None


def test_equal_bytes_of_which_the_metric_made_different_values_are_repeats() -> None:
    """A metric may have a swept seed of its own."""
    found = against(holding([b - 0.1 for b in BASE[:4]] + [0.7], ["a"] * 5), holding(BASE, ["b"] * 5))
    assert found.estimate
    assert (found.estimate.unit, found.estimate.repeats) == ("seeds", 5)


def test_what_is_not_known_is_never_taken_for_the_same() -> None:
    unknown = tuple(replace(r, read=None) for r in repeats([0.5] * 3))
    others = tuple(replace(r, seeds={"train.seed": i + 9}) for i, r in enumerate(unknown))
    for ours, theirs in ((unknown, unknown), (unknown, others)):
        found = against(side(score(ours)), side(score(theirs)))
        assert (found.verdict, found.estimate and found.estimate.unit) == (Verdict.INCONCLUSIVE, "one")
        assert not is_same([score(theirs)], [score(ours)])
    assert len(set(outputs([score(unknown)]).values())) == 1, "nor for repeats, where the values are equal"
    nothing = tuple(replace(r, read=replace(read(0), files="")) for r in repeats([0.5] * 3))
    assert not is_same([score(nothing)], [score(nothing)]), "a metric without inputs reads something else"
    assert len(set(outputs([score(nothing)]).values())) == 3


def test_nested_repeats_count_once_where_all_of_their_inner_ones_are_the_same() -> None:
    def nested(values: Sequence[float]) -> Side:
        made = tuple(
            Repeat({"train.seed": i // 2, "sample.seed": i % 2}, "k", {"score": v}, read=read(v))
            for i, v in enumerate(values)
        )
        return side(score(made), metrics={"m": metric(("train.seed", "sample.seed"))})

    ignored = nested([0.5, 0.6] * 4), nested([0.8, 0.9] * 4)
    found = against(*ignored)
    assert found.verdict is Verdict.INCONCLUSIVE
    assert "4 seeds gave the same bytes: one repeat" in found.reason
    inner = nested([0.5, 0.5, 0.6, 0.6, 0.55, 0.55]), nested([0.8, 0.8, 0.9, 0.9, 0.86, 0.86])
    told = against(*inner)
    assert told.verdict is Verdict.REGRESSED
    assert "no claim about the recipe of it; to repeat: seeds: {sample.seed" in told.beside[0], (
        "two are too few"
    )
    assert told.estimate
    assert told.estimate.repeats == 3


def test_where_the_seeds_repeat_nothing_the_items_take_over(tmp_path: Path) -> None:
    rows = {f"i{n}": n / 40 for n in range(40)}
    moved = {name: v - 0.1 + 0.01 * (n % 3) for n, (name, v) in enumerate(rows.items())}
    found = against(itemised(tmp_path / "a", [moved], seeds=3), itemised(tmp_path / "b", [rows], seeds=3))
    assert found.verdict is Verdict.REGRESSED
    assert "3 seeds gave the same bytes: one repeat" in found.beside
    assert found.estimate
    assert (found.estimate.unit, found.estimate.repeats) == ("items", 40)
    once = against(itemised(tmp_path / "c", [moved]), itemised(tmp_path / "d", [rows]))
    assert once.estimate
    assert (found.estimate.low, found.estimate.high) == pytest.approx((once.estimate.low, once.estimate.high))


def test_equal_groups_are_put_together_whatever_their_order_within() -> None:
    groups = {"a": [1, 2], "b": [2, 1], "c": [1, 1], "d": [1]}
    assert distinct(groups) == [["a", "b"], ["c"], ["d"]]
    assert distinct({}) == []


def test_scores_are_the_same_only_if_all_are() -> None:
    one, other = seeded(BASE).run.scores[0], seeded(BASE[::-1]).run.scores[0]
    assert is_same([one, other], [one, other])
    assert not is_same([one, other], [one, one])
    assert FIELDS["score"]


def test_repeated_seeds_give_a_mean_with_its_interval() -> None:
    given = side(score(repeats([1.0, 2.0, 3.0])))
    figure = Figure.of(given.run.scores, "score", given)
    assert figure is not None
    assert (figure.mean, figure.repeats, figure.unit) == (2.0, 3, "seeds")
    assert figure.low == pytest.approx(2.0 - 2.919986 * 3**-0.5, abs=1e-5)  # t(0.95, 2) = 2.919986
    assert figure.high == pytest.approx(2.0 + 2.919986 * 3**-0.5, abs=1e-5)


def test_items_stand_in_for_seeds(tmp_path: Path) -> None:
    given = itemised(tmp_path / "run", [{f"i{n}": n / 10 for n in range(10)}])
    figure = Figure.of(given.run.scores, "score", given)
    assert figure is not None
    assert (figure.repeats, figure.unit) == (10, "items")
    assert figure.low is not None
    assert figure.low < figure.mean == pytest.approx(0.45)


def test_one_value_has_no_interval_and_neither_have_two_seeds() -> None:
    for scores, unit, n in ((score(single(0.4)), "one", 1), (score(repeats([0.3, 0.5])), "seeds", 2)):
        given = side(scores)
        assert Figure.of(given.run.scores, "score", given) == Figure(0.4, None, None, n, unit)


@pytest.mark.parametrize("timed", [True, False])
def test_a_time_from_the_store_is_no_figure_and_no_estimate(timed: bool) -> None:
    made = repeats([0.3, 0.4, 0.5])
    partly = (*made[:2], replace(made[2], clocked=False))
    for given, known in ((made, True), (partly, not timed)):
        found = side(score(given), metrics={"m": metric(timed=timed)})
        assert (Figure.of(found.run.scores, "score", found) is not None) is known
        assert (alone(found.run.scores, "score", found) is not None) is known
        assert lacks_timing(found.run.scores, found) is not known
    assert not lacks_timing([], found)


def test_a_failed_repeat_is_no_figure_rather_than_the_mean_of_the_rest() -> None:
    given = side(score(repeats([1.0, None, 3.0])))
    assert Figure.of(given.run.scores, "score", given) is None
    assert Figure.of([], "score", given) is None


def of_one(given: Side, field: str = "score") -> tuple[stats.Estimate, str] | None:
    found = alone_over(given.run.scores, field, given)
    figure = Figure.of(given.run.scores, field, given)
    assert figure
    assert (figure.low is None) == (found is None), "the figure has the interval of the estimate"
    return found


def nested_twice(values: Sequence[float], step: float) -> Side:
    made = tuple(
        Repeat(
            {"train.seed": i // 2, "sample.seed": i % 2},
            "k",
            {"score": v},
            read=read(i),
            steps={"score": step},
        )
        for i, v in enumerate(values)
    )
    return side(score(made), metrics={"m": metric(("train.seed", "sample.seed"))})


def test_seeds_of_one_side_are_no_surer_than_the_step_of_the_metric() -> None:
    values = [0.50, 0.51, 0.52]
    assert of_one(side(score(repeats(values, step=0.25)))) == (
        stats.floored(stats.clustered(values), 0.25), "seeds"
    )  # fmt: skip
    twice = nested_twice([0.50, 0.52, 0.51, 0.53, 0.52, 0.54], 0.25)
    found = of_one(twice)
    assert found
    assert found[0].sd == pytest.approx(1.5 * 0.25 / 2), "the mean of two moves by half a step"
    coinciding = holding([0.5] * 3, "abc").run.scores[0]
    unknown = tuple(replace(r, steps={}) for r in coinciding.repeats)
    assert of_one(side(score(unknown))) is None


def test_of_values_that_differ_by_rounding_alone_nothing_is_known() -> None:
    eps = sys.float_info.epsilon
    for se, known in ((8.9 * eps, False), (9.2 * eps, True)):
        found = known_over_seeds(stats.Estimate(1.0, se, 2.0, 3), [-1.0, 0.5], 0.0)
        assert (found is not None) is known


def test_items_show_how_sure_one_side_is_where_its_seeds_gave_one_output(tmp_path: Path) -> None:
    rows = {"a": 0.25, "b": 0.5, "c": 1.0}
    swept = itemised(tmp_path / "swept", [rows], seeds=3)
    found = of_one(swept)
    assert found
    assert (found[1], found[0].n, found[0].se) == (
        "items",
        3,
        pytest.approx(stats.clustered(list(rows.values())).se),
    )
    (given,) = swept.run.scores
    other = replace(given.repeats[2], read=read("other"))
    two = replace(given, repeats=(*given.repeats[:2], other))
    assert of_one(replace(swept, run=replace(swept.run, scores=(two,)))) is None, (
        "two vary, by nobody knows how much"
    )


def test_items_of_one_side_count_by_their_clusters(tmp_path: Path) -> None:
    rows = {f"i{n}": float(n % 5) for n in range(12)}
    for many in (2, 3):
        clusters = {name: f"document-{n % many}" for n, name in enumerate(rows)}
        found = of_one(itemised(tmp_path / str(many), [rows], clusters))
        if many == 2:
            assert found is None
        else:
            assert found
            expected = stats.clustered(list(rows.values()), list(clusters.values()))
            assert (found[0].n, found[0].se) == (3, pytest.approx(expected.se))


def test_items_of_one_side_that_are_all_alike_are_no_surer_than_the_step(tmp_path: Path) -> None:
    given = itemised(tmp_path / "run", [{f"i{n}": 0.5 for n in range(4)}])
    assert of_one(given) is None
    (of,) = given.run.scores
    told = replace(of, repeats=tuple(replace(r, steps={"score": 0.125}) for r in of.repeats))
    found = of_one(replace(given, run=replace(given.run, scores=(told,))))
    assert found
    assert found[0].se == pytest.approx(stats.COARSE * 0.125 * 4**0.5), (
        "the step moves the mean of four items"
    )


def test_rows_are_known_only_if_every_repeat_has_them(tmp_path: Path) -> None:
    given = itemised(tmp_path / "run", [{"a": 0.5, "b": 1.0}], seeds=2)
    (of,) = given.run.scores
    assert rows_of([of], "score", given.items)
    assert rows_of([of], "other", given.items) is None
    assert rows_of([of], "score", None) is None
    partly = replace(of, repeats=(of.repeats[0], replace(of.repeats[1], items=False)))
    assert rows_of([partly], "score", given.items) is None


def test_what_is_known_of_one_repeat_alone_is_not_known_to_be_the_same() -> None:
    known, unknown = repeats([0.5])[0], replace(repeats([0.5])[0], read=None)
    assert read_the_same(known, known)
    assert not read_the_same(known, unknown)
    assert not read_the_same(unknown, known)


def test_each_score_has_its_counterpart() -> None:
    one, other = seeded(BASE).run.scores[0], seeded(BASE[::-1]).run.scores[0]
    for sides in (([one], [one, other]), ([one, other], [one])):
        with pytest.raises(ValueError, match="zip"):
            is_same(*sides)


def test_a_side_that_no_seed_reaches_is_one_repeat() -> None:
    found = against(seeded(BASE), side(score(single(0.5))))
    assert found.reason.startswith("1 repeat in the baseline; where a seed reaches the metric")


def test_the_mean_of_equal_values_is_that_value_to_the_last_bit() -> None:
    assert sum([0.1] * 3) / 3 != 0.1
    assert mean_of([0.1] * 3) == 0.1
    assert mean_of([0.25, 0.5, 1.5]) == 0.75
