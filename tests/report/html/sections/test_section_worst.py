"""Worst items: what hurt most, with the pictures of both sides where the items are images."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from compare.runs import compared, gate, itemised, repeats, run, score
from painted import GALLERY, ran

from harness.artifact import Images
from harness.compare import Comparison
from harness.compare.sample import Side
from harness.formats.image_folder import rows
from harness.report.html.context import Context
from harness.report.html.parts import Listing, Section, Table, thumbnail
from harness.report.html.sections.worst import ROWS, SIDE, worst
from harness.stage import Items
from harness.store.artifacts import Store
from harness.store.items import ItemRows, ItemsReader, write_items
from harness.store.record import Run

REPEATED = GALLERY + "seeds:\n  images.seed: [0, 1, 2]\n"
CHANGED = REPEATED.replace("prompts: drawn, learnt", "prompts: drawn, steps: 50, learnt")


def context(
    candidate: Side, baseline: Side | None, store: Store, comparison: Comparison | None = None
) -> Context:
    found = comparison or compared(candidate, baseline)
    return Context(candidate.run, found, Path("nowhere"), candidate, baseline, store, ())


def table(section: Section | None) -> Table:
    assert section is not None
    (block,) = section.blocks
    assert isinstance(block, Table)
    return block


def lines(section: Section | None) -> tuple[str, ...]:
    assert section is not None
    last = section.blocks[-1]
    assert isinstance(last, Listing)
    return last.lines


def images_of(made: Run, store: Store, seed: int) -> Path:
    task = next(t for t in made.tasks if t.node == "images" and t.seeds["images.seed"] == seed)
    return store.folder(task.key) / "out"


def scored(folder: Path, made: Run, store: Store, value: Callable[[int, str], float]) -> Side:
    """A run of the painter whose likeness has per-item rows, one for each image of each repeat."""
    folder.mkdir()
    (like,) = (s for s in made.scores if s.metric == "like")
    found, tables = [], []
    for repeat in like.repeats:
        seed = repeat.seeds["images.seed"]
        names = [row.name for row in rows(Images(images_of(made, store, seed)))]
        values = [value(seed, name) for name in names]
        mean = sum(values) / len(values)
        found.append(replace(repeat, values={**repeat.values, "distance": mean}, items=True))
        tables.append(ItemRows("like", {}, repeat.seeds, Items(names, {"distance": values})))
    write_items(folder / "items.parquet", tables)
    gates = (gate(0.01, metric="like", field="distance"),)
    scores = (replace(like, repeats=tuple(found)),)
    return Side(replace(made, scores=scores, gates=gates), ItemsReader(folder / "items.parquet"))


@pytest.fixture(scope="module")
def painted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Run, Store]:
    """The painter before and after a change, in one store."""
    folder = tmp_path_factory.mktemp("painted")
    before, store = ran(folder, REPEATED)
    after, _ = ran(folder, CHANGED)
    return before, after, store


def test_both_sides_pictures_stand_beside_their_values(
    painted: tuple[Run, Run, Store], tmp_path: Path
) -> None:
    before, after, store = painted
    theirs = scored(tmp_path / "a", before, store, lambda seed, name: 0.5)
    ours = scored(
        tmp_path / "b", after, store, lambda seed, name: 0.9 if (seed, name) == (1, "003.png") else 0.5
    )
    made = table(worst(context(ours, theirs, store)))
    ((item, was, now, adds, share),) = made.rows
    assert item.text == "003.png (seed=1)"
    assert "seen from above" in item.note
    assert (was.text, now.text, adds.text, share.text) == ("0.500", "0.900", "+0.0148", "100 %")
    for cell, place in ((was, images_of(before, store, 1)), (now, images_of(after, store, 1))):
        expected = thumbnail(place / "003.png", "", side=SIDE)
        assert cell.picture
        assert expected
        assert cell.picture.source == expected.source
    assert item.picture is None
    assert "like.distance, regressed" in made.caption or "like.distance, inconclusive" in made.caption


def test_one_picture_is_shown_where_both_sides_have_the_same(
    painted: tuple[Run, Run, Store], tmp_path: Path
) -> None:
    before, _, store = painted
    theirs = scored(tmp_path / "a", before, store, lambda seed, name: 0.5)
    ours = scored(tmp_path / "b", before, store, lambda seed, name: 0.5 + 0.1 * (name == "003.png"))
    made = table(worst(context(ours, theirs, store)))
    assert len(made.rows) == 3
    for item, was, now, *_ in made.rows:
        assert item.picture
        assert (was.picture, now.picture) == (None, None)


@pytest.mark.parametrize("has_baseline", [True, False])
def test_without_a_store_there_are_figures_without_pictures(
    painted: tuple[Run, Run, Store], tmp_path: Path, has_baseline: bool
) -> None:
    before, after, store = painted
    theirs = scored(tmp_path / "a", before, store, lambda seed, name: 0.5)
    ours = scored(tmp_path / "b", after, store, lambda seed, name: 0.9 if name == "003.png" else 0.5)
    made = table(worst(context(ours, theirs if has_baseline else None, Store(tmp_path / "gone"))))
    assert made.rows[0][0].text == "003.png"
    assert all(cell.picture is None for row in made.rows for cell in row)


def test_without_a_baseline_the_worst_values_are_shown(
    painted: tuple[Run, Run, Store], tmp_path: Path
) -> None:
    before, _, store = painted
    names = itertools.count()
    ours = scored(tmp_path / "a", before, store, lambda seed, name: float(next(names)))
    made = table(worst(context(ours, None, store)))
    assert made.columns == ("item", "value")
    assert [row[1].text for row in made.rows] == [str(26 - i) for i in range(ROWS)]
    assert made.rows[0][0].text == "008.png (seed=2)"
    assert made.rows[0][0].picture
    assert made.caption == "like.distance: the worst of 27 items, with nothing to compare them with"


def test_what_did_not_change_is_a_line_and_what_has_no_items_is_nothing(tmp_path: Path) -> None:
    same = itemised(tmp_path / "a", [{"a": 0.9, "b": 0.8, "c": 0.7}])
    assert lines(worst(context(same, same, Store(tmp_path)))) == ("m.score: None of 3 items changed.",)
    bare = Side(run(score(repeats([0.8, 0.8, 0.8]))))
    assert worst(context(bare, bare, Store(tmp_path))) is None


def test_shares_of_a_change_that_cancels_out_have_no_column(tmp_path: Path) -> None:
    before = itemised(tmp_path / "a", [dict.fromkeys("abcd", 0.5)])
    after = itemised(tmp_path / "b", [{"a": 0.1, "b": 0.9, "c": 0.3, "d": 0.7}])
    made = table(worst(context(after, before, Store(tmp_path))))
    assert made.columns == ("item", "before", "after", "adds to the change")
    assert [tuple(cell.text for cell in row) for row in made.rows] == [
        ("a", "0.500", "0.100", "-0.100"),
        ("c", "0.500", "0.300", "-0.050"),
    ]


def test_rows_that_cannot_be_read_are_told(tmp_path: Path) -> None:
    before = itemised(tmp_path / "a", [{"a": 0.9, "b": 0.8, "c": 0.7}])
    after = itemised(tmp_path / "b", [{"a": 0.9, "b": 0.8, "c": 0.1}])
    comparison = compared(after, before)
    (tmp_path / "b" / "items.parquet").write_bytes(b"no parquet")
    broken = Side(after.run, ItemsReader(tmp_path / "b" / "items.parquet"))
    (line,) = lines(worst(context(broken, before, Store(tmp_path), comparison)))
    assert "not a parquet file of per-item rows" in line


def test_thousands_of_items_in_any_script_are_a_few_rows(tmp_path: Path) -> None:
    names = [f"<b>غابة</b>\u202e🛰️ {i}" for i in range(3000)]
    before = itemised(tmp_path / "a", [dict.fromkeys(names, 0.9)])
    after = itemised(tmp_path / "b", [{n: 0.9 - i / 1e4 for i, n in enumerate(names)}])
    made = table(worst(context(after, before, Store(tmp_path))))
    assert len(made.rows) == ROWS
    assert made.rows[0][0].text == r"<b>غابة</b>\u202e🛰️ 2999"
    assert f"(shown: {ROWS} of 3,000 items)" in made.caption
