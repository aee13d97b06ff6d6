"""Sheets of samples: the right image stands in the right place, and what is missing or broken costs nothing else."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from painted import GALLERY, SWEEP, ran
from PIL import Image

from harness.artifact import Images
from harness.formats.image_folder import Writer, rows
from harness.report.figures.drawing import Drawing, UnreadableImageError
from harness.report.figures.sheets import sheets
from harness.report.selection import COLUMNS, words
from harness.store.artifacts import Store
from harness.store.record import Run, TaskInfo

Painted = tuple[Run, Store]


@pytest.fixture(scope="module")
def gallery(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return ran(tmp_path_factory.mktemp("gallery"))


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Painted:
    return ran(tmp_path_factory.mktemp("sweep"), SWEEP)


def pixels(png: bytes | Path) -> NDArray[np.uint8]:
    """Height × width × 3."""
    return np.asarray(Image.open(io.BytesIO(png) if isinstance(png, bytes) else png).convert("RGB"))


def places(sheet: NDArray[np.uint8], image: Path, scale: int) -> list[tuple[int, int]]:
    """Where on a sheet (top, left) an image stands, every pixel enlarged to a square."""
    wanted = pixels(image).repeat(scale, axis=0).repeat(scale, axis=1)
    height, width = wanted.shape[:2]
    corners = np.argwhere((sheet[: -height + 1, : -width + 1] == wanted[0, 0]).all(axis=2))
    return [(int(y), int(x)) for y, x in corners if (sheet[y : y + height, x : x + width] == wanted).all()]


def tasks(run: Run, node: str) -> list[TaskInfo]:
    return [t for t in run.tasks if t.node == node]


def folder(store: Store, task: TaskInfo) -> Images:
    return Images(store.folder(task.key) / "out")


def only(painted: Painted) -> Drawing:
    (drawing,) = sheets(*painted)
    return drawing


def test_a_row_is_an_item_and_a_column_a_point_beside_the_real_image(sweep: Painted) -> None:
    run, store = sweep
    drawing = only(sweep)
    sheet = pixels(drawing.draw())
    points = [t for t in tasks(run, "images") if t.seeds["images.seed"] == 0]
    assert len(points) == 4
    (drawn,) = [t for t in tasks(run, "drawn") if t.seeds["drawn.seed"] == 0]
    of = [str(row.columns["of"]) for row in rows(folder(store, drawn))]
    real = folder(store, tasks(run, "real")[0]).path
    found = 0
    for i, name in enumerate(of):
        line = [places(sheet, folder(store, t).path / f"{i:03d}.png", 2) for t in points]
        if not line[0]:
            continue
        found += 1
        (at,) = {tops[0][0] for tops in line}
        lefts = [tops[0][1] for tops in line]
        assert lefts == sorted(lefts)
        ((top, left),) = places(sheet, real / name, 2)
        assert top == at
        assert left < lefts[0]
    assert found == 7


def test_titles_and_words_beside_a_sheet_say_which_repeat_and_which_axes(sweep: Painted) -> None:
    drawing = only(sweep)
    assert drawing.file == "samples-images.png"
    assert drawing.title == "images along scheduler and steps"
    assert drawing.alt == (
        "One row per item, one column per scheduler and steps (drawn.seed=0, images.seed=0); ★ is the reference"
    )


def test_training_images_of_the_same_names_are_not_taken_for_the_prompts_own(gallery: Painted) -> None:
    run, store = gallery
    sheet = pixels(only(gallery).draw())
    names = {str(row.columns["of"]) for row in rows(folder(store, tasks(run, "drawn")[0]))}
    assert len(names) == 9
    for name in names:
        assert places(sheet, folder(store, tasks(run, "real")[0]).path / name, 2)
        assert not places(sheet, folder(store, tasks(run, "seen")[0]).path / name, 2)


def test_a_point_whose_images_are_gone_has_no_column(sweep: Painted) -> None:
    run, store = sweep
    gone = next(t for t in tasks(run, "images") if t.point["images.steps"] == 10)
    entry = store.folder(gone.key) / "entry.json"
    kept = entry.read_bytes()
    entry.unlink()
    try:
        lacking = only(sweep)
    finally:
        entry.write_bytes(kept)
    # The repeats that the store still has stand in for the first one.
    assert lacking.depends != only(sweep).depends
    bare = replace(run, tasks=tuple(t for t in run.tasks if t.point != gone.point))
    assert pixels(only((bare, store)).draw()).shape[1] == pixels(only(sweep).draw()).shape[1] - 134


def test_nothing_is_drawn_of_a_run_whose_store_is_empty(gallery: Painted, tmp_path: Path) -> None:
    assert list(sheets(gallery[0], Store(tmp_path))) == []


def test_a_broken_image_is_named(gallery: Painted) -> None:
    run, store = gallery
    file = folder(store, tasks(run, "images")[0]).path / "003.png"
    kept = file.read_bytes()
    file.write_bytes(kept[:100] + bytes(len(kept) - 100))  # of the size that the store knows
    try:
        with pytest.raises(UnreadableImageError, match=r"003\.png: "):
            only(gallery).draw()
    finally:
        file.write_bytes(kept)


def test_more_points_than_a_sheet_has_room_for_are_more_sheets_of_the_same_rows(tmp_path: Path) -> None:
    steps = list(range(10, 10 + COLUMNS + 2))
    text = GALLERY.replace("per_class: 6", "per_class: 1, size: 16").replace("count: 9", "count: 3")
    run, store = ran(tmp_path, text + f"matrix:\n  images.steps: {steps}\n")
    first, second = sheets(run, store)
    assert (first.file, second.file) == ("samples-images.png", "samples-images-2.png")
    assert second.title == "images along steps, 2 of 2"
    assert pixels(first.draw()).shape == pixels(second.draw()).shape


def test_prompts_that_differ_along_a_row_are_not_shown_as_one(tmp_path: Path) -> None:
    run, store = ran(tmp_path, GALLERY + "matrix:\n  real.per_class: [6, 7]\n")
    lines = list(zip(*(rows(folder(store, t)) for t in tasks(run, "images")), strict=True))
    differing = [i for i, (a, b) in enumerate(lines) if a.captions != b.captions]
    assert differing
    for i, line in enumerate(lines):
        _, prompt = words(i, line)
        assert prompt == (
            f"image {i + 1} of each point; the prompts differ" if i in differing else line[0].captions[0]
        )


def test_the_closest_pairs_have_a_sheet_of_their_own(tmp_path: Path) -> None:
    text = GALLERY.replace(
        "metrics:\n", "  near: {use: toy_images.closest, images: images, real: seen}\nmetrics:\n"
    )
    run, store = ran(tmp_path, text + "  copies: {use: toy_images.copies, pairs: near}\n")
    drawing = {d.file: d for d in sheets(run, store)}["pairs-near.png"]
    sheet = pixels(drawing.draw())
    pairs = [row.path for row in rows(folder(store, tasks(run, "near")[0]))]
    assert [len(places(sheet, pair, 3)) for pair in pairs] == [1, 1, 1]
    assert "nearest first" in drawing.alt


@pytest.mark.parametrize(("size", "shown"), [(16, 144), (64, 128), (200, 144), (512, 144)])
def test_small_images_are_enlarged_as_they_are_and_large_ones_reduced(
    tmp_path: Path, size: int, shown: int
) -> None:
    text = GALLERY.replace("drawn, learnt", f"drawn, size: {size}, learnt")
    sheet = pixels(only(ran(tmp_path, text)).draw())
    card = 2 * shown + 6  # two images and a gap
    per_row = {144: 3, 128: 4}[shown]
    assert sheet.shape[1] == 2 * 14 + per_row * card + (per_row - 1) * 18


def test_equal_runs_are_equal_bytes(gallery: Painted) -> None:
    assert only(gallery).draw() == only(gallery).draw()


def test_labels_in_any_script_and_of_any_length_stay_in_their_place(tmp_path: Path) -> None:
    """Text is cut or wrapped: no image is written over, and the page does not grow."""
    from harness.report.figures.pages import gallery as page

    written = tmp_path / "images"
    written.mkdir()
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    texts = ["صحراء " * 90, "x" * 4000, "\u202e\x1b[31m🛰️ $x^2$ <b>\n" * 20]
    with Writer(written) as out:
        for i, (colour, text) in enumerate(zip(colours, texts, strict=True)):
            picture = np.full((64, 64, 3), colour, dtype=np.uint8)
            out.add(picture, f"{i}.png", captions=[text], label=text)
    sheet = pixels(page(written, ()))
    for i, colour in enumerate(colours):
        assert (sheet == colour).all(axis=2).sum() == 192 * 192, i
