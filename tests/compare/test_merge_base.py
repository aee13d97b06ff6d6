"""A change under review cannot exchange what the gates of its merge base are judged on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from compare.runs import (
    BASE,
    gate,
    itemised,
    metric,
    only,
    repeats,
    score,
    seeded,
    side,
)

from harness.compare import Finding, Verdict
from harness.compare.sample import Side
from harness.compare.verdict import compare


def swept(values: list[float], code: str) -> Side:
    """A run with a reference point, whose metric has this code, and whose two points have the same values."""
    use = {"m.use": "toy.m@1"}
    points = [score(repeats(values), {"m.k": k}, settings={**use, "m.k": k}, protocol=use) for k in (0, 1)]
    entry = {"function": "toy.m", "version": 1, "source": code, "software": {}}
    seeds = {"train.seed": list(range(len(values)))}
    return side(*points, reference={"m.k": 0}, code={"m": entry}, declaration={"seeds": seeds})


def test_a_gate_of_the_merge_base_against_a_reference_is_incomparable_where_the_metrics_code_changed() -> (
    None
):
    """Both of its sides are of the run under review: new code that gives one value always would pass."""
    gates = (gate(0.02, against_reference=True),)

    others = [b + 0.5 for b in BASE]
    for values, code, verdict in (
        (others, "old", Verdict.UNCHANGED),
        (others, "new", Verdict.INCOMPARABLE),
        (BASE, "new", Verdict.UNCHANGED),
    ):
        judged = compare(swept(values, code), swept(BASE, "old"), gates, reference={"m.k": 0})
        (found,) = [f for f in judged.findings if f.gated]
        assert found.verdict is verdict, code


def with_seeds(values: list[float], *rows: dict[str, int], swept: tuple[str, ...] = ("train.seed",)) -> Side:
    """A run whose repeats have these seeds."""
    made = tuple(replace(r, seeds=row) for r, row in zip(repeats(values), rows, strict=True))
    declared = {n: [row[n] for row in rows] for n in swept}
    return side(score(made), metrics={"m": metric(swept)}, declaration={"seeds": declared})


def test_a_gate_does_not_pass_without_the_seeds_of_the_merge_base() -> None:
    def judged(ran: Side, margin: float, seeds: dict[str, list[int]]) -> Finding:
        return only(compare(ran, seeded(BASE), (gate(margin),), reference={}, seeds=seeds))

    ran = with_seeds(BASE, *({"train.seed": i + 2} for i in range(5)))
    found = judged(ran, 0.02, {"train.seed": [0, 1, 2], "more.seed": [7, 8, 9]})
    assert (found.verdict, found.p) == (Verdict.INCOMPARABLE, None)
    assert found.reason == "the run lacks repeats of the merge base's suite: seeds.train.seed"
    assert [str(d) for d in found.differences] == ["seeds.train.seed: [0, 1, 2] → [2, 3, 4, 5, 6]"]
    assert judged(ran, 0.5, {"train.seed": [4, 3]}).verdict is Verdict.UNCHANGED
    assert judged(ran, 0.5, {"other.seed": [0, 1]}).verdict is Verdict.UNCHANGED, (
        "it does not reach the metric"
    )
    worse = with_seeds([b - 0.5 for b in BASE], *({"train.seed": i + 2} for i in range(5)))
    assert judged(worse, 0.02, {"train.seed": [0]}).verdict is Verdict.REGRESSED, "that shows all the same"
    better = with_seeds([b + 0.5 for b in BASE], *({"train.seed": i + 2} for i in range(5)))
    assert judged(better, 0.02, {"train.seed": [0]}).verdict is Verdict.INCOMPARABLE
    ungated = only(compare(ran, seeded(BASE), (), reference={}, seeds={"train.seed": [0]}))
    assert ungated.verdict is None


def test_a_gate_does_not_pass_with_another_seed_swept_nor_with_seeds_in_another_order() -> None:
    both = ("paint.seed", "train.seed")
    rows = [{"paint.seed": i, "train.seed": i} for i in range(5)]
    accepted = {"train.seed": [0, 1, 2, 3, 4]}
    other = with_seeds(BASE, *({"paint.seed": i} for i in range(5)), swept=("paint.seed",))
    found = only(compare(other, seeded(BASE), (gate(0.5),), reference={}, seeds=accepted))
    assert found.verdict is Verdict.INCOMPARABLE
    assert "seeds.train.seed: [0, 1, 2, 3, 4] → absent" in map(str, found.differences)
    base = with_seeds(BASE, *rows, swept=both)
    turned = with_seeds(BASE, *({**r, "paint.seed": (r["paint.seed"] + 1) % 5} for r in rows), swept=both)
    for ran, verdict in ((base, Verdict.UNCHANGED), (turned, Verdict.INCOMPARABLE)):
        judged = compare(ran, base, (gate(0.5),), reference={}, seeds={n: [0, 1, 2, 3, 4] for n in both})
        assert only(judged).verdict is verdict
    more = with_seeds(BASE, *rows, swept=both)
    found = only(compare(more, seeded(BASE), (gate(0.5),), reference={}, seeds=accepted))
    assert found.verdict is Verdict.INCOMPARABLE, (
        "with a further seed none of the repeats is the accepted one"
    )


OTHER = "the run has other items, or in other clusters, than the baseline"


def test_a_gate_does_not_pass_with_other_items_than_the_baseline_has(tmp_path: Path) -> None:
    values = {f"i{n}": 0.5 + 0.01 * (n % 7) for n in range(40)}
    base = itemised(tmp_path / "base", [values])
    renamed = itemised(tmp_path / "new", [{f"j{n}": v for n, v in values.items()}], content="other")
    note = "0 of the baseline's 40 items are shared"
    plain = only(compare(renamed, base, (gate(0.5),)))
    assert (plain.verdict, plain.beside[0]) == (Verdict.UNCHANGED, note)
    found = only(compare(renamed, base, (gate(0.5),), reference={}))
    assert (found.verdict, found.reason) == (
        Verdict.INCOMPARABLE,
        OTHER,
    )
    worse = itemised(tmp_path / "worse", [{f"j{n}": v - 0.4 for n, v in values.items()}], content="worse")
    assert only(compare(worse, base, (gate(0.1),), reference={})).verdict is Verdict.REGRESSED


def test_points_that_a_change_adds_do_not_weaken_a_gate_against_the_reference() -> None:
    """Worse by what is sure enough for one comparison, and not among many."""
    gates = (gate(0.001, against_reference=True),)
    worse = [b - d for b, d in zip(BASE, (0.004, 0.013, 0.002, 0.011, 0.009), strict=True)]

    def swept(points: int) -> Side:
        values = [BASE, worse, *([b + 0.0002 * (-1) ** n for n, b in enumerate(BASE)] for _ in range(points))]
        scores = [score(repeats(v), {"m.k": k}) for k, v in enumerate(values)]
        return side(*scores, reference={"m.k": 0}, gates=gates)

    def at_one(ran: Side, **more: object) -> Verdict | None:
        findings = compare(ran, swept(0), gates, **more).findings  # type: ignore[arg-type]
        return next(f.verdict for f in findings if f.gated and f.at == {"m.k": 1})

    assert at_one(swept(0)) is Verdict.REGRESSED
    assert at_one(swept(30)) is Verdict.INCONCLUSIVE, "all of these are gates of the run's own suite"
    assert at_one(swept(30), reference={"m.k": 0}) is Verdict.REGRESSED


def test_a_gate_does_not_pass_with_its_items_in_other_clusters(tmp_path: Path) -> None:
    values = {f"i{n}": 0.5 + 0.01 * (n % 7) for n in range(40)}
    close = {name: v + 0.001 * (n % 3) for n, (name, v) in enumerate(values.items())}
    base = itemised(tmp_path / "base", [values], {name: name for name in values})
    two = itemised(tmp_path / "two", [close], {name: name[-1] for name in values}, content="two")
    plain = only(compare(two, base, (gate(0.5),)))
    assert (plain.verdict, plain.beside[0]) == (Verdict.UNCHANGED, "the items are in other clusters")
    found = only(compare(two, base, (gate(0.5),), reference={}))
    assert (found.verdict, found.reason) == (Verdict.INCOMPARABLE, OTHER)


def test_nor_does_a_gate_against_the_reference_if_its_items_were_the_same_before(tmp_path: Path) -> None:
    gates = (gate(0.5, against_reference=True),)
    values = {f"i{n}": 0.5 + 0.01 * (n % 7) for n in range(40)}
    close = {name: v + 0.001 * (n % 3) for n, (name, v) in enumerate(values.items())}
    apart = {name.replace("i", "j"): v for name, v in close.items()}

    def ran(name: str, second: dict[str, float]) -> Side:
        return itemised(tmp_path / name, [values, second], reference={"m.k": 0}, gates=gates)

    for first, then, verdict in (
        (close, close, Verdict.UNCHANGED),
        (close, apart, Verdict.INCOMPARABLE),
        (apart, apart, Verdict.UNCHANGED),
    ):
        judged = compare(ran("new", then), ran("base", first), gates, reference={"m.k": 0})
        assert [f.verdict for f in judged.findings if f.gated] == [verdict]


def test_one_more_seed_and_other_code_of_the_metric_on_equal_bytes_do_no_harm() -> None:
    gates = (gate(0.02, against_reference=True),)

    judged = compare(
        swept([*BASE, 0.84], "new"),
        swept(BASE, "old"),
        gates,
        reference={"m.k": 0},
        seeds={"train.seed": [0, 1, 2, 3, 4]},
    )
    assert [f.verdict for f in judged.findings if f.gated] == [Verdict.UNCHANGED]
