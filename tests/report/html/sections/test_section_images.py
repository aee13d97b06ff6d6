"""Sample strips: the right picture in the right place, beside the baseline's of the same noise."""

from __future__ import annotations

import base64
import io
import json
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from painted import GALLERY, SWEEP, ran
from PIL import Image

from harness.artifact import Images
from harness.compare import acceptance
from harness.compare import baseline as baselines
from harness.compare.sample import Side
from harness.compare.verdict import compare
from harness.formats.image_folder import rows
from harness.report.html.context import Context
from harness.report.html.parts import Listing, Section, Strip, Thumbnail, thumbnail
from harness.report.html.sections.images import memorised, strips
from harness.store.artifacts import Store
from harness.store.record import Run, TaskInfo

Painted = tuple[Run, Store]


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return ran(tmp_path_factory.mktemp("sweep"), SWEEP)


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return ran(tmp_path_factory.mktemp("gallery"))


def context(run: Run, store: Store, baseline: Run | None = None) -> Context:
    candidate, other = Side(run), None if baseline is None else Side(baseline)
    return Context(run, compare(candidate, other, run.gates), Path("nowhere"), candidate, other, store, ())


def only(section: Section | None) -> Strip:
    assert section is not None
    (block,) = section.blocks
    assert isinstance(block, Strip)
    return block


def pixels(picture: Thumbnail | None) -> NDArray[np.int16]:
    assert picture is not None
    content = base64.b64decode(picture.source.partition(",")[2])
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(np.int16)


def shows(picture: Thumbnail | None, file: Path) -> bool:
    """Whether it is the thumbnail of an image file: equal images are equal bytes."""
    made = thumbnail(file, "")
    assert made is not None
    return picture is not None and picture.source == made.source


def folder(store: Store, run: Run, node: str, **at: object) -> Path:
    def fits(task: TaskInfo) -> bool:
        place = {**task.point, **task.seeds}
        return all(place[f"{node}.{name}"] == value for name, value in at.items())

    task = next(t for t in run.tasks if t.node == node and fits(t))
    return store.folder(task.key) / "out"


def test_a_row_is_an_item_and_a_column_a_point_after_the_real_image(sweep: Painted) -> None:
    run, store = sweep
    strip = only(strips(context(run, store)))
    assert strip.heads == ("real", "pndm · 10", "★ pndm · 50", "dpmsolver++ · 10", "dpmsolver++ · 50")
    assert len(strip.rows) == len(strip.labels) == 7
    names = [row.name for row in rows(Images(folder(store, run, "images")))]
    prompts = [": ".join((str(r.label), *r.captions)) for r in rows(Images(folder(store, run, "images")))]
    for label, line in zip(strip.labels, strip.rows, strict=True):
        name = names[prompts.index(label)]
        for head, picture in list(zip(strip.heads, line, strict=True))[1:]:
            scheduler, steps = head.removeprefix("★ ").split(" · ")
            place = folder(store, run, "images", scheduler=scheduler, steps=int(steps), seed=0)
            assert shows(picture, place / name)
    assert "drawn.seed=0, images.seed=0" in strip.caption


def test_the_baselines_images_stand_below_ours_where_they_differ(tmp_path: Path) -> None:
    """Two runs in one store; the subject changed at every point."""
    before, store = ran(tmp_path, SWEEP)
    after, _ = ran(tmp_path, SWEEP.replace("prompts: drawn, learnt", "prompts: drawn, size: 32, learnt"))
    strip = only(strips(context(after, store, before)))
    assert strip.labels[1::2] == ("baseline",) * 7
    ours, theirs = strip.rows[0], strip.rows[1]
    assert theirs[0] is None
    assert [pixels(p).shape[0] for p in ours[1:]] == [32] * 4
    assert [pixels(p).shape[0] for p in theirs[1:]] == [64] * 4


def test_an_accepted_baseline_still_finds_its_images(tmp_path: Path) -> None:
    before, store = ran(tmp_path)
    (tmp_path / "run").mkdir()
    file = acceptance.accept(before, tmp_path / "run", tmp_path, "cpu", "first figures")
    after, _ = ran(tmp_path, GALLERY.replace("prompts: drawn, learnt", "prompts: drawn, steps: 50, learnt"))
    strip = only(strips(context(after, store, baselines.read_file(file).run)))
    assert strip.labels == ("real", "baseline", "candidate")
    names = {row.captions[0]: row.name for row in rows(Images(folder(store, after, "images")))}
    assert len(names) == len(strip.rows[2]) == 9
    for theirs, ours in zip(strip.rows[1], strip.rows[2], strict=True):
        assert ours is not None
        name = names[ours.note]
        assert shows(theirs, folder(store, before, "images") / name)
        assert shows(ours, folder(store, after, "images") / name)


def test_the_baselines_prompt_is_told_where_it_is_another(tmp_path: Path) -> None:
    before, store = ran(tmp_path)
    after, _ = ran(tmp_path, GALLERY.replace("captions: real, count: 9", "captions: real, count: 9, seed: 5"))
    strip = only(strips(context(after, store, before)))
    notes = [p.note for p in strip.rows[strip.labels.index("baseline")] if p]
    assert any(note.startswith("another prompt: ") for note in notes)


def test_the_baselines_very_images_are_not_shown_twice(gallery: Painted) -> None:
    run, store = gallery
    strip = only(strips(context(run, store, run)))
    assert strip.labels == ("real", "generated")
    assert "The baseline's are these very images" in strip.caption


def test_it_is_said_when_the_baselines_images_are_gone(gallery: Painted) -> None:
    run, store = gallery
    strip = only(strips(context(run, store, replace(run, tasks=()))))
    assert "The baseline's images are no longer in the store." in strip.caption


MORE = SWEEP.replace("dpmsolver++]", "dpmsolver++, heun]")


def test_a_point_that_the_baseline_never_had_is_not_called_gone(tmp_path: Path) -> None:
    before, store = ran(tmp_path, SWEEP)
    after, _ = ran(tmp_path, MORE)
    strip = only(strips(context(after, store, before)))
    assert (
        "★ is the reference. heun is not in the baseline. Of the others the baseline's are" in strip.caption
    )
    assert "store" not in strip.caption
    nothing_left = context(after, Store(tmp_path / "store"), replace(before, tasks=tuple(renamed(before))))
    assert (
        "heun is not in the baseline. Of the others the baseline's images are no longer in"
        in only(strips(nothing_left)).caption
    )


def renamed(run: Run) -> list[TaskInfo]:
    """The tasks under keys that no store knows."""
    return [replace(task, key="0" * 60 + task.key[:4]) for task in run.tasks]


def test_what_the_baseline_lacks_is_told_of_the_points_of_which_it_is_true(tmp_path: Path) -> None:
    run, store = ran(tmp_path, MORE)

    def told(kept: Callable[[TaskInfo], bool], **changes: object) -> str:
        tasks = [replace(t, seeds={**t.seeds, **changes}) if changes else t for t in run.tasks if kept(t)]
        if changes:
            tasks = renamed(replace(run, tasks=tuple(tasks)))
        return only(strips(context(run, store, replace(run, tasks=tuple(tasks))))).caption

    def point(task: TaskInfo) -> tuple[object, ...]:
        return tuple(task.point.values())

    assert "steps=50 is not in the baseline." in told(lambda t: 50 not in point(t))
    two = told(lambda t: point(t) not in (("heun", 10), ("pndm", 50)))
    assert "pndm · 50, heun · 10 are not in the baseline. Of the others" in two
    assert "The baseline has no such images." in told(lambda t: t.node != "images")
    other_seeds = told(lambda t: "heun" not in point(t), **{"images.seed": 9})
    assert (
        "heun is not in the baseline. Of the others the baseline's images are of other seeds." in other_seeds
    )


def test_a_second_part_has_the_reference_too_and_a_scheduler_is_not_split(tmp_path: Path) -> None:
    schedulers = ["pndm", "ddim", "heun", "euler", "dpmsolver++"]
    text = SWEEP.replace("[pndm, dpmsolver++]", f"[{', '.join(schedulers)}]")
    text = text.replace("10, 50]", "10, 20, 30, 50]")
    text = text.replace("seed: [0, 1, 2]", "seed: [0]").replace("per_class: 6", "per_class: 1, size: 16")
    run, store = ran(tmp_path, text.replace("count: 9", "count: 2"))
    section = strips(context(run, store))
    assert section is not None
    first, second = (block for block in section.blocks if isinstance(block, Strip))
    points = [f"{name} · {steps}" for name in schedulers for steps in (10, 20, 30, 50)]
    points[3] = "★ " + points[3]
    assert first.heads == ("real", *points[:12])
    assert second.heads == ("real", "★ pndm · 50", *points[12:])
    for line, again in zip(first.rows, second.rows, strict=True):
        assert (pixels(line[4]) == pixels(again[1])).all()


def test_there_is_no_section_where_the_store_is_gone(gallery: Painted, tmp_path: Path) -> None:
    assert strips(context(gallery[0], Store(tmp_path / "gone"))) is None
    assert memorised(context(gallery[0], Store(tmp_path / "gone"))) is None


def rewritten(painted: Painted, target: Path, lines: Sequence[dict[str, object]]) -> Context:
    """The gallery with other rows in its image folder, in a copy of the store."""
    run, store = painted
    shutil.copytree(store.root, target)
    copy = Store(target)
    task = next(t for t in run.tasks if t.node == "images")
    entry = copy.folder(task.key) / "entry.json"
    text = "".join(json.dumps(line) + "\n" for line in lines)
    (entry.parent / "out" / "metadata.jsonl").write_text(text, encoding="utf-8")
    found = copy.folder(task.key)
    made = store.get(task.key)
    assert made is not None
    sizes = {
        **made.files,
        "out/metadata.jsonl": ((found / "out" / "metadata.jsonl").stat().st_size, "0" * 64),
    }
    shutil.copytree(found / "out", copy.begin(task.key) / "entry" / "out")
    copy.commit(replace(made, files=sizes))
    unknown = [
        replace(s, repeats=tuple(replace(r, drawn={}, tested={}) for r in s.repeats)) for s in run.scores
    ]
    return context(replace(run, scores=tuple(unknown)), copy)


HOSTILE = "<script>alert(1)</script> \u202eغابة 🛰️\x00"


def test_a_prompt_is_text_and_a_missing_image_is_counted(gallery: Painted, tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"file_name": "000.png", "captions": [HOSTILE], "label": HOSTILE, "of": "none.png"},
        {"file_name": "missing.png", "captions": ["x" * 4000], "label": None},
    ]
    strip = only(strips(rewritten(gallery, tmp_path / "store", lines)))
    (pictures,) = strip.rows
    shown = [p for p in pictures if p]
    assert len(shown) == 1
    assert "\u202e" not in shown[0].note + shown[0].label + shown[0].alt
    assert "<script>" in shown[0].note  # escaped by the page, not here
    assert "1 image cannot be read." in strip.caption


def test_a_gallery_tells_why_an_image_was_taken_out(gallery: Painted, tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [
        {"file_name": "000.png", "captions": ["a"], "label": "x", "removed_by": "confidence", "value": 0.125},
        {
            "file_name": "001.png",
            "captions": ["b"],
            "label": "x",
            "removed_by": "duplicate",
            "value": 3,
            "like": "7.png",
        },
        {"file_name": "002.png", "captions": ["c"], "label": "x", "confidence": 0.9},
    ]
    (pictures,) = only(strips(rewritten(gallery, tmp_path / "store", lines))).rows
    assert [p.note for p in pictures if p] == [
        "removed by confidence: 0.125 — a",
        "removed as duplicate of 7.png: 3 bits differ — b",
        "confidence 0.900 — c",
    ]


def test_thousands_of_rows_are_a_page_of_them(gallery: Painted, tmp_path: Path) -> None:
    lines: list[dict[str, object]] = [{"file_name": "000.png", "captions": [f"{i}"]} for i in range(5000)]
    strip = only(strips(rewritten(gallery, tmp_path / "store", lines)))
    assert len(strip.rows[0]) == 24
    assert "5,000 images" in strip.caption


def test_a_folder_without_images_and_a_broken_one_say_so(gallery: Painted, tmp_path: Path) -> None:
    section = strips(rewritten(gallery, tmp_path / "empty", []))
    assert section
    assert section.blocks == (Listing("images", ("No images.",)),)
    section = strips(rewritten(gallery, tmp_path / "broken", [{"no": "name"}]))
    assert section
    (block,) = section.blocks
    assert isinstance(block, Listing)
    assert "not an image row" in block.lines[0]


def test_the_closest_pairs_come_with_their_distance(tmp_path: Path) -> None:
    text = GALLERY.replace(
        "metrics:\n", "  near: {use: toy_images.closest, images: images, real: seen}\nmetrics:\n"
    )
    run, store = ran(tmp_path, text + "  copies: {use: toy_images.copies, pairs: near}\n")
    (pictures,) = only(memorised(context(run, store))).rows
    assert [p.label for p in pictures if p] == ["distance 0.250", "distance 0.500", "distance 0.750"]
    found = list(rows(Images(folder(store, run, "near"))))
    assert all(shows(p, row.path) for p, row in zip(pictures, found, strict=True))
    assert pictures[0] is not None
    assert pictures[0].note == f"{found[0].columns['generated']} | {found[0].columns['training']}"
