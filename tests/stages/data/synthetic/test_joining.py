"""Real and generated images in one folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from generated_images import CLASSES, generated, structure
from image_files import class_folders, everything, source
from jobs import FolderJob
from toy_suites import write_suite

from harness.artifact import LabelledImages
from harness.engine.plan import make
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data.folders import images, split
from harness.stages.data.synthetic import filter, join
from harness.suite import load


@pytest.fixture
def parts(tmp_path: Path) -> tuple[LabelledImages, LabelledImages]:
    """Real ones of 16 pixels, and generated ones of 32."""
    root = class_folders(tmp_path / "real", CLASSES, each=2, size=16)
    real = images(source=source(root), job=FolderJob(tmp_path / "read"))
    return real, filter(generated(tmp_path / "made", seed=3), job=FolderJob(tmp_path / "filtered")).kept


def joined(
    root: Path, *parts: LabelledImages, origins: tuple[str, ...] = ("real", "synthetic")
) -> LabelledImages:
    return join(parts, origins=origins, job=FolderJob(root))


def test_every_image_is_there_once_under_a_name_of_its_own_with_its_origin(
    parts: tuple[LabelledImages, LabelledImages], tmp_path: Path
) -> None:
    made = joined(tmp_path / "job", *parts)
    before = [everything(part) for part in parts]
    after = {row.name: row for row in rows(made)}
    assert len(after) == sum(map(len, before)) == 15
    for origin, of_part in zip(("real", "synthetic"), before, strict=True):
        for name, (label, captions, _, content) in of_part.items():
            row = after[f"{origin}/{name}"]
            assert (row.label, row.captions, row.path.read_bytes()) == (label, captions, content)
            assert row.columns["origin"] == origin
    assert after["synthetic/00000.png"].columns["seed"] == 3


def test_facts_count_each_origin(parts: tuple[LabelledImages, LabelledImages], tmp_path: Path) -> None:
    facts: Any = joined(tmp_path / "job", *parts).facts
    assert facts["classes"] == list(CLASSES)
    assert facts["per_class"] == dict.fromkeys(CLASSES, 5)
    assert facts["origins"]["synthetic"] == {"count": 9, "per_class": dict.fromkeys(CLASSES, 3)}
    assert facts["origins"]["real"]["count"] == 6


@pytest.mark.proves("synthetic.join", "origins")
def test_other_origins_are_another_output(
    parts: tuple[LabelledImages, LabelledImages], tmp_path: Path
) -> None:
    one, other = (
        joined(tmp_path / name, *parts, origins=origins)
        for name, origins in (("a", ("real", "synthetic")), ("b", ("photographs", "drawings")))
    )
    assert everything(one) != everything(other)


def test_the_first_part_orders_the_classes(
    parts: tuple[LabelledImages, LabelledImages], tmp_path: Path
) -> None:
    real, synthetic = parts
    turned = LabelledImages(real.path, {**real.facts, "classes": list(CLASSES[::-1])})
    assert joined(tmp_path / "job", turned, synthetic).facts["classes"] == list(CLASSES[::-1])


def test_what_is_joined_can_be_held_out_from(
    parts: tuple[LabelledImages, LabelledImages], tmp_path: Path
) -> None:
    sides = split(joined(tmp_path / "job", *parts), held_out=3, job=FolderJob(tmp_path / "split"))
    assert sides.train.facts["count"] == 12
    assert {row.columns["origin"] for row in rows(sides.train)} == {"real", "synthetic"}


@pytest.mark.parametrize(
    ("origins", "message"),
    [
        (("real",), "origins: 1 names for 2 parts"),
        (("real", "real"), "origins: 'real' stands twice"),
        (("real", "../made"), r"origins: '\.\./made' cannot be a folder's name"),
        (("real", ""), "origins: '' cannot be a folder's name"),
    ],
)
def test_names_that_do_not_fit_are_refused(
    parts: tuple[LabelledImages, LabelledImages], tmp_path: Path, origins: tuple[str, ...], message: str
) -> None:
    with pytest.raises(StageError, match=message):
        joined(tmp_path / "job", *parts, origins=origins)


def test_other_classes_are_named_with_the_nearest(
    parts: tuple[LabelledImages, LabelledImages], tmp_path: Path
) -> None:
    crops = [(c.replace("Crop Land", "Crops Land"), np.asarray(structure(i))) for i, c in enumerate(CLASSES)]
    other = filter(generated(tmp_path / "other", crops), job=FolderJob(tmp_path / "kept")).kept
    with pytest.raises(
        StageError, match=r"synthetic: it lacks the class 'Crop Land'.*did you mean 'Crops Land'"
    ):
        joined(tmp_path / "job", parts[0], other)


DOWNSTREAM = """\
suite: toy/downstream
about: Learnt from generated, real and both; tested on real ones.
subject: [images]
stages:
  seen:    {use: scenes.draw, per_class: 2, seed: 1}
  unseen:  {use: scenes.draw, per_class: 2, seed: 2}
  images:  {use: text_to_image.folder, source: "path:made", label: label}
  judged:  {use: land_cover.predict, classifier: ceiling, images: images}
  kept:    {use: synthetic.filter, images: images, predictions: judged, min_confidence: 0.5}
  parts:   {use: folders.split, images: kept.kept, held_out: 0.25}
  both:    {use: synthetic.join, parts: [seen, parts.train], origins: [real, synthetic]}
  ceiling: {use: land_cover.train, train: seen, validation: seen, weights: null}
  learner: {use: land_cover.train, train: kept.kept, validation: parts.held_out, weights: null}
  set:     {use: synthetic.dataset, images: kept.kept, name: Scenes, licence: other}
  again:   {use: synthetic.read, data: set}
  answers: {use: land_cover.predict, classifier: learner, images: unseen}
metrics:
  accuracy: {use: classification.scores, predictions: answers}
matrix:
  learner.train: [kept.kept, parts.train, both, again, seen]
"""


def test_what_is_generated_is_wired_wherever_a_classifier_learns(tmp_path: Path) -> None:
    """The four trainings of a downstream suite, and a fifth, on the data set as it is downloaded."""
    plan = make(load(write_suite(tmp_path, DOWNSTREAM)))
    learners = [task for task in plan.tasks.values() if task.node == "learner"]
    assert len(learners) == len({task.key for task in learners}) == 5
    assert {task.node for task in plan.tasks.values()} >= {"kept", "both", "set", "again", "judged"}
