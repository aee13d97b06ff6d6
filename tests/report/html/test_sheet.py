"""The sheet of pictures that a gate leaves for comments: of the items behind a verdict, and only of pictures."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from command_line import Project, finish, package, start
from compare.runs import itemised
from painted import GALLERY
from PIL import Image
from report.html.sections.test_section_worst import context, painted, scored
from toy_suites import write_suite

from harness.report.html.sheet import FILE, GAP, LINE, SIDE, sheet
from harness.store.artifacts import Store
from harness.store.record import Run

__all__ = ["painted"]  # a fixture

CODE = """
from dataclasses import dataclass

import numpy as np
from PIL import Image

from harness.artifact import GeneratedImages
from harness.formats.image_folder import rows
from harness.stage import Items, Lower, Scores, stage

@dataclass(frozen=True, kw_only=True)
class Brightness(Scores):
    value: Lower

@stage(version=1)
def brightness(images: GeneratedImages) -> Brightness:
    found = {row.name: float(np.asarray(Image.open(row.path)).mean()) for row in rows(images)}
    values = list(found.values())
    return Brightness(value=sum(values) / len(values), items=Items(list(found), {"value": values}))
"""
SUITE = (
    GALLERY.partition("metrics:")[0]
    + "metrics:\n  bright: {use: glance.brightness, images: images}\ngate: {bright.value: 0.001}\n"
)


def opened(content: bytes | None) -> Image.Image:
    assert content is not None
    image = Image.open(io.BytesIO(content))
    assert image.format == "PNG"
    return image.convert("RGB")


def test_both_sides_stand_beside_each_other(painted: tuple[Run, Run, Store], tmp_path: Path) -> None:
    before, after, store = painted
    theirs = scored(tmp_path / "a", before, store, lambda seed, name: 0.5)
    ours = scored(tmp_path / "b", after, store, lambda seed, name: 0.9 if name == "003.png" else 0.5)
    found = context(ours, theirs, store)
    image = opened(sheet(found))
    assert image.size == (3 * 2 * (SIDE + GAP) + GAP, SIDE + LINE + 2 * GAP), "three repeats of one item"
    left = image.crop((GAP, GAP, GAP + SIDE, GAP + SIDE))
    right = image.crop((2 * GAP + SIDE, GAP, 2 * (GAP + SIDE), GAP + SIDE))
    assert left.tobytes() != right.tobytes()
    assert sheet(found) == sheet(found), "equal runs give equal bytes"


def test_items_that_are_no_pictures_have_no_sheet(tmp_path: Path) -> None:
    before = itemised(tmp_path / "a", [{"a": 0.9, "b": 0.8, "c": 0.7}])
    after = itemised(tmp_path / "b", [{"a": 0.9, "b": 0.8, "c": 0.1}])
    assert sheet(context(after, before, Store(tmp_path))) is None


def test_without_a_store_there_is_none(painted: tuple[Run, Run, Store], tmp_path: Path) -> None:
    before, after, _ = painted
    theirs = scored(tmp_path / "a", before, painted[2], lambda seed, name: 0.5)
    ours = scored(tmp_path / "b", after, painted[2], lambda seed, name: 0.9)
    assert sheet(context(ours, theirs, Store(tmp_path / "gone"))) is None


def test_a_gate_leaves_it_and_the_comment_shows_it_where_it_is_published(
    project: Project, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = package(tmp_path_factory.mktemp("glance") / "package", "glance", CODE)

    def harness(*arguments: str) -> None:
        said = finish(start(project.folder, *arguments, packages=(place,)))
        assert said.code in (0, 4, 6), said.err

    write_suite(project.folder, SUITE)
    harness("run", "suites/suite.yaml")
    harness("accept", "toy/gallery", "--reason", "first")
    write_suite(project.folder, SUITE.replace("prompts: drawn", "steps: 5, prompts: drawn"))
    harness("ci", "gate", "suites/suite.yaml", "--out", "out")
    [file] = (project.folder / "out").glob(f"*/{FILE}")
    assert opened(file.read_bytes()).width > 2 * SIDE
    at = "https://pages.example/gate/"
    shown = project.harness("ci", "comment", "out", "--pictures", at).out
    assert f"differ]({at}{file.parent.name}/{FILE})\n" in shown
    assert "![" not in project.harness("ci", "comment", "out").out
