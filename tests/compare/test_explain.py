"""What moved a metric: the parts add up to the change of which the verdict is, whatever they are."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from compare.runs import FIELDS, compared, itemised, only, repeats, run, score, seeded, side
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st

from harness.compare import Finding
from harness.compare.evidence import gather
from harness.compare.explain import Explanation, Part, explain, pairs_of, worst_values
from harness.compare.match import match
from harness.compare.sample import Side
from harness.stage import Items
from harness.store.items import ItemRows, ItemsReader, write_items
from harness.store.record import MetricInfo, Repeat


def explained(candidate: Side, baseline: Side) -> Explanation:
    pairs = match(candidate.run, baseline.run).pairs
    return explain(pairs, "score", candidate, baseline, "higher")


def drawn(folder: Path, values: Mapping[tuple[int, int, int], Mapping[str, float]]) -> Side:
    """A run with two seeds, the outer one first, and per-item rows: (point, outer, inner) → item → value."""
    folder.mkdir(exist_ok=True)
    info = MetricInfo("m@1", FIELDS, ("train.seed", "images.seed"))
    scores, rows = [], []
    for k in sorted({point for point, _, _ in values}):
        found = []
        for (point, outer, inner), items in values.items():
            if point == k:
                seeds = {"train.seed": outer, "images.seed": inner}
                mean = math.fsum(items.values()) / len(items)
                found.append(
                    Repeat(seeds, f"k{k}{outer}{inner}", {"score": mean}, environments=("here",), items=True)
                )
                rows.append(
                    ItemRows("m", {"m.k": k}, seeds, Items(list(items), {"score": list(items.values())}))
                )
        scores.append(score(tuple(found), {"m.k": k}))
    write_items(folder / "items.parquet", rows)
    return Side(run(*scores, metrics={"m": info}), ItemsReader(folder / "items.parquet"))


def contributions(parts: list[Part]) -> dict[str, float]:
    return {p.place.item or p.place.cluster or "": p.contribution for p in parts}


def test_the_item_that_fell_furthest_comes_first_with_its_part_of_the_change(tmp_path: Path) -> None:
    before = itemised(tmp_path / "a", [{"a": 1.0, "b": 1.0, "c": 0.0, "d": 0.5}])
    after = itemised(tmp_path / "b", [{"a": 0.8, "b": 0.2, "c": 0.4, "d": 0.5}])
    found = explained(after, before)
    parts = found.by_item()
    assert [p.place.item for p in parts] == ["b", "a", "d", "c"]
    assert (parts[0].before, parts[0].after) == (1.0, 0.2)
    assert [p.contribution for p in parts] == pytest.approx([-0.2, -0.05, 0, 0.1])
    assert found.change == pytest.approx(-0.15)
    assert not found.helped


def test_the_parts_of_clusters_are_the_sums_of_their_items(tmp_path: Path) -> None:
    clusters = {"a": "lake", "b": "lake", "c": "town", "d": "farm"}
    before = itemised(tmp_path / "a", [dict.fromkeys("abcd", 1.0)], clusters)
    after = itemised(tmp_path / "b", [{"a": 0.0, "b": 0.5, "c": 0.8, "d": 1.0}], clusters)
    found = explained(after, before)
    assert contributions(found.by_cluster()) == pytest.approx({"lake": -0.375, "town": -0.05, "farm": 0.0})
    assert [p.place.cluster for p in found.by_item()] == ["lake", "lake", "town", "farm"]


def test_without_items_there_are_repeats_and_points(tmp_path: Path) -> None:
    before = side(score(repeats([0.8, 0.8, 0.8]), {"m.k": 0}), score(repeats([0.6, 0.6, 0.6]), {"m.k": 1}))
    after = side(score(repeats([0.8, 0.7, 0.8]), {"m.k": 0}), score(repeats([0.6, 0.6, 0.3]), {"m.k": 1}))
    found = explained(after, before)
    assert (found.by_item(), found.by_cluster()) == ([], [])
    repeated, points = found.by_repeat(), found.by_point()
    assert [p.place.seeds for p in repeated] == [(("train.seed", n),) for n in (2, 1, 0)]
    assert [p.contribution for p in repeated] == pytest.approx([-0.05, -1 / 60, 0])
    assert [p.place.point for p in points] == ['{"m.k":1}', '{"m.k":0}']
    assert [p.contribution for p in points] == pytest.approx([-0.05, -1 / 60])


def test_an_item_that_only_one_side_has_adds_what_sets_it_off_from_the_rest(tmp_path: Path) -> None:
    before = drawn(tmp_path / "a", {(0, s, 0): {"a": 0.5, "b": 0.5} for s in range(3)})
    after = drawn(tmp_path / "b", {(0, s, 0): {"a": 0.5, "new": 0.1} for s in range(3)})
    found = explained(after, before)
    parts = {p.place.item: p for p in found.by_item()}
    assert parts["new"].before is None
    assert parts["b"].after is None
    assert contributions(found.by_item()) == pytest.approx({"new": -0.2, "a": 0.0, "b": 0.0})


def test_items_drawn_anew_in_each_repeat_are_not_averaged(tmp_path: Path) -> None:
    before = drawn(tmp_path / "a", {(0, s, 0): {"a": 0.5, "b": 0.5} for s in range(3)})
    after = drawn(tmp_path / "b", {(0, s, 0): {"a": s / 2, "b": 0.5} for s in range(3)})
    found = explained(after, before)
    assert {p.contribution for p in found.by_item()} == {0.0}
    apart = found.by_item(apart=True)
    assert len(apart) == 6
    assert dict(apart[0].place.seeds or ()) == {"train.seed": 0, "images.seed": 0}
    assert apart[0].contribution == pytest.approx(-1 / 12)


def test_shares_of_a_change_that_largely_cancels_out_are_not_told(tmp_path: Path) -> None:
    before = itemised(tmp_path / "a", [dict.fromkeys("abc", 0.5)])
    clear = explained(itemised(tmp_path / "b", [{"a": 0.1, "b": 0.4, "c": 0.5}]), before)
    parts = clear.by_item()
    assert [clear.share(p, parts) for p in parts] == pytest.approx([0.8, 0.2, 0])
    noise = explained(itemised(tmp_path / "c", [{"a": 0.1, "b": 0.91, "c": 0.5}]), before)
    assert {noise.share(p, noise.by_item()) for p in noise.by_item()} == {None}


values = st.floats(-10, 10).map(lambda v: round(v, 3))
some_items = st.dictionaries(st.sampled_from("abcdef"), values, min_size=1)
a_side = st.fixed_dictionaries(
    dict.fromkeys(itertools.product((0, 1), range(3), (0,)), some_items),
    optional=dict.fromkeys(
        [*itertools.product((0, 1), range(3), (1,)), *itertools.product((0, 1), (3,), (0, 1))], some_items
    ),
)
"""Three repeats that every point has; a fourth, and second ones within these, that perhaps only some have."""


@draws(60)
@given(before=a_side, after=a_side)
def test_parts_of_every_sort_add_up_to_the_change_of_the_verdict(
    before: dict[tuple[int, int, int], dict[str, float]], after: dict[tuple[int, int, int], dict[str, float]]
) -> None:
    """With seeds, points and items that only one side has, nested seeds, and points that lack a repeat."""
    with TemporaryDirectory() as folder:
        ours, theirs = drawn(Path(folder) / "b", after), drawn(Path(folder) / "a", before)
        pairs = match(ours.run, theirs.run).pairs
        evidence = gather(pairs, "score", ours, theirs)
        assert not evidence.lacking
        found = explain(pairs, "score", ours, theirs, "lower")
        assert found.change == pytest.approx(evidence.change, abs=1e-9)
        ways = [found.by_item(), found.by_item(apart=True), found.by_repeat(), found.by_point()]
        assert ways[0]
        for parts in filter(None, ways):
            assert math.fsum(p.contribution for p in parts) == pytest.approx(found.change, abs=1e-9)
            assert parts == sorted(parts, key=lambda p: -p.contribution)


@given(
    before=st.dictionaries(st.sampled_from("abcdefgh"), values, min_size=3),
    after=st.dictionaries(st.sampled_from("abcdefgh"), values, min_size=3),
)
def test_items_without_seeds_add_up_likewise(before: dict[str, float], after: dict[str, float]) -> None:
    with TemporaryDirectory() as folder:
        ours, theirs = (itemised(Path(folder) / n, [v], content=n) for n, v in (("b", after), ("a", before)))
        pairs = match(ours.run, theirs.run).pairs
        evidence = gather(pairs, "score", ours, theirs)
        found = explain(pairs, "score", ours, theirs, "lower")
        assert evidence.unit == ("exact" if before == after else "items") or evidence.silent
        assert found.change == pytest.approx(evidence.change, abs=1e-9)
        assert math.fsum(p.contribution for p in found.by_item()) == pytest.approx(found.change, abs=1e-9)


def test_a_finding_within_the_run_is_about_the_point_and_its_reference(tmp_path: Path) -> None:
    made = itemised(tmp_path / "a", [{"a": 1.0, "b": 0.5, "c": 0.5}, {"a": 0.4, "b": 0.5, "c": 0.5}])
    inner: Finding = next(
        f
        for f in compared(Side(run(*made.run.scores, reference={"m.k": 0}), made.items), None).findings
        if f.against
    )
    (pair,) = pairs_of(inner, made.run, made.run)
    assert (pair.candidate.point, pair.baseline.point) == ({"m.k": 1}, {"m.k": 0})
    (first, *_) = explain([pair], "score", made, made, "higher").by_item()
    assert (first.place.item, first.before, first.after) == ("a", 1.0, 0.4)
    assert explain([pair], "score", made, made, "higher").by_point() == []
    assert len(explain([pair], "score", made, made, "higher").by_item(apart=True)) == 3


def test_a_finding_over_points_is_about_the_complete_ones() -> None:
    before = side(score(repeats([0.8, 0.8, 0.8]), {"m.k": 0}), score(repeats([0.6, 0.6, 0.6]), {"m.k": 1}))
    after = side(score(repeats([0.8, 0.8, 0.8]), {"m.k": 0}), score(repeats([0.6, None, 0.6]), {"m.k": 1}))
    finding = only(compared(after, before))
    assert [p.candidate.point for p in pairs_of(finding, after.run, before.run)] == [{"m.k": 0}]


def test_the_worst_values_of_one_side_come_first(tmp_path: Path) -> None:
    made = itemised(tmp_path / "a", [{"a": 0.9, "b": 0.1, "c": 0.5}])
    for better, order in (("higher", "bca"), ("lower", "acb")):
        parts = worst_values(made.run.scores, "score", made, better)  # type: ignore[arg-type]
        assert "".join(p.place.item or "" for p in parts) == order
    bare = seeded([0.8, 0.8, 0.8])
    assert worst_values(bare.run.scores, "score", bare, "higher") == []
    assert worst_values([], "score", bare, "higher") == []
