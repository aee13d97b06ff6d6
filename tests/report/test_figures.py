"""The pictures of a run as files: what is written, listed, kept, and what a failure costs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from command_line import Project
from painted import GALLERY, SWEEP, ran, written
from test_imports import imported
from toy_suites import changed, write_suite

from harness.report.figures import FOLDER, INDEX, draw, drawn
from harness.report.files import write_run
from harness.store.artifacts import Store

SUITE = "suites/suite.yaml"
ENTRY = {"file": "figures/x.png", "section": "samples", "title": "x", "alt": "x"}


def names(folder: Path) -> set[str]:
    return {f.name for f in (folder / FOLDER).iterdir()}


def test_a_run_ends_with_pictures_that_its_report_shows(project: Project) -> None:
    write_suite(project.folder, SWEEP)
    project.harness("run", SUITE)
    folder = project.runs[-1]
    expected = {"cost-like.distance.svg", "samples-images.png", "loss-painter.svg"}
    assert names(folder) == {*expected, INDEX}
    report = (folder / "report.md").read_text()
    shown = [line for line in report.splitlines() if line.startswith("![")]
    assert {line.rpartition("(figures/")[2].rstrip(")") for line in shown} == expected
    assert all(line.partition("](")[0].removeprefix("![") for line in shown)
    assert report.index("### Quality against cost") < report.index("### Samples")
    assert "| painter | history | 12 rows: step, train_loss, validation_loss, lr |" in report


def test_a_step_summary_has_no_pictures_since_they_are_not_beside_it(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.folder / "summary.md"))
    write_suite(project.folder, GALLERY)
    project.harness("run", SUITE)
    text = (project.folder / "summary.md").read_text()
    assert "toy/gallery" in text
    assert "figures/" not in text


def test_a_warm_run_has_the_same_pictures_and_draws_none(project: Project) -> None:
    write_suite(project.folder, SWEEP)
    project.harness("run", SUITE)
    project.accept("toy/sweep")
    first = project.runs[-1]
    code, packages = imported(project.folder, "run", SUITE)
    assert code == 0
    assert packages & {"matplotlib", "pandas", "torch"} == set()
    second = project.runs[-1]
    assert first != second
    for name in names(first):
        assert (first / FOLDER / name).read_bytes() == (second / FOLDER / name).read_bytes()


def test_a_comparison_of_a_stored_run_needs_no_artifacts_and_touches_no_pictures(project: Project) -> None:
    write_suite(project.folder, GALLERY)
    project.harness("run", SUITE)
    project.accept("toy/gallery")
    before = names(project.runs[-1])
    shutil.rmtree(project.folder / ".harness")
    assert project.harness("compare", "toy/gallery").code == 0
    assert names(project.runs[-1]) == before
    assert len(drawn(project.runs[-1])) == 2


def test_a_picture_that_was_deleted_is_not_listed_any_more(tmp_path: Path) -> None:
    _, _, folder = written(tmp_path)
    (folder / FOLDER / "samples-images.png").unlink()
    assert [p.file for p in drawn(folder)] == ["figures/loss-painter.svg"]


@pytest.mark.parametrize("index", [None, 1, {}, [1], [{"file": "figures/x.png"}], [ENTRY | {"file": 3}]])
def test_an_index_that_is_not_ours_lists_nothing(tmp_path: Path, index: object) -> None:
    (tmp_path / FOLDER).mkdir()
    (tmp_path / FOLDER / INDEX).write_text("" if index is None else json.dumps(index))
    assert drawn(tmp_path) == []


def test_a_broken_image_costs_its_sheet_and_no_verdict(project: Project) -> None:
    write_suite(project.folder, GALLERY)
    project.harness("run", SUITE)
    project.accept("toy/gallery")
    task = next(t for t in project.latest["tasks"] if t["node"] == "images")
    store = Store(project.folder / ".harness")
    image = store.folder(task["key"]) / "out" / "002.png"
    image.write_bytes(bytes(image.stat().st_size))
    shutil.rmtree(store.root / "pictures")
    said = project.harness("run", SUITE)
    assert said.code == 0
    assert "samples-images.png: not drawn" in said.error
    assert "002.png" in said.error
    assert names(project.runs[-1]) == {"loss-painter.svg", INDEX}


def test_pictures_of_an_earlier_run_in_the_same_folder_go_and_files_of_others_stay(tmp_path: Path) -> None:
    _, _, folder = written(tmp_path)
    own = folder / FOLDER / "own.png"
    own.write_bytes(b"somebody's")
    plain = tmp_path / "plain"
    plain.mkdir()
    other, other_store = ran(plain, changed())
    assert len(drawn(folder)) == 2
    write_run(other, folder, other_store, {})
    assert names(folder) == {"own.png"}
    assert drawn(folder) == []


def test_an_index_cannot_point_outside_of_the_folder(tmp_path: Path) -> None:
    run, store, folder = written(tmp_path)
    outside = tmp_path / "mine.png"
    outside.write_bytes(b"mine")
    listed = json.loads((folder / FOLDER / INDEX).read_text())
    listed[0]["file"] = "../mine.png"
    (folder / FOLDER / INDEX).write_text(json.dumps(listed))
    assert draw(run, folder, store) == []
    assert outside.read_bytes() == b"mine"


def test_a_run_without_anything_to_draw_has_no_folder_of_pictures(tmp_path: Path) -> None:
    _, _, folder = written(tmp_path, changed())
    assert not (folder / FOLDER).exists()


def test_a_folder_that_cannot_be_made_costs_one_line_a_picture(tmp_path: Path) -> None:
    run, store = ran(tmp_path)
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / FOLDER).write_text("a file where the folder should be")
    problems = draw(run, folder, store)
    assert [p.partition(": not drawn (")[0] for p in problems] == [
        str(folder / FOLDER / name) for name in ("samples-images.png", "loss-painter.svg")
    ]
