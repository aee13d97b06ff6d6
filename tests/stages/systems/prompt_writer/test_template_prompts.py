"""Prompts from fixed words: all different, each of its class, and sensible whatever is combined."""

import pytest
from jobs import FolderJob

from harness.errors import StageError
from harness.formats.prompts import read
from harness.stages.data.scenes.world import CLASSES
from harness.stages.metrics.prompts.content import (
    class_named,
    from_above,
    naming,
    not_from_ground,
    patterns,
    vocabulary,
)
from harness.stages.metrics.prompts.language import no_echo, runs, unambiguous, varied
from harness.stages.metrics.prompts.words import Context
from harness.stages.systems.prompt_writer.drafting import INSTRUCT, Phrase, spoken, words
from harness.stages.systems.prompt_writer.templates import LAND_COVER, VIEWS, from_templates


def texts(root, **parameters):
    given = {"classes": ("Crop Land", "Snow Ice"), "per_class": 5, **parameters}
    return [(p.label, p.text) for p in read(from_templates(job=FolderJob(root), **given))]


def test_every_class_of_the_paper_has_words_of_its_own():
    assert set(LAND_COVER.names) == set(CLASSES)


def test_curated_prompts_are_different_seen_from_above_and_name_their_class(tmp_path):
    prompts = from_templates(classes=CLASSES, per_class=800, job=FolderJob(tmp_path))
    rows = read(prompts)
    assert len({words(row.text) for row in rows}) == len(rows) == 7 * 800
    for row in rows:
        assert row.text.startswith(VIEWS)
        assert all(word in words(row.text).split() for word in spoken(row.label).split())
        assert sum(other in row.text for other in map(spoken, CLASSES)) <= 1
        assert len(row.text) < 200  # about 40 of the 77 tokens that CLIP reads
        assert " with with " not in row.text
        assert "{" not in row.text
    assert prompts.facts["generic"] == []
    assert {row.writer for row in rows} == {"templates"}


def test_whatever_is_combined_reads_as_land_from_above_and_as_nothing_else(tmp_path):
    rows = read(from_templates(classes=(*CLASSES, "AnnualCrop"), per_class=100, job=FolderJob(tmp_path)))
    context = Context(
        positive=(), negative=(), named=patterns(naming((*CLASSES, "AnnualCrop"), {})),
        instructed=frozenset(runs(INSTRUCT.text)),
        spans=lambda text: (), tokens=77, cosines={}, resting={}, twins_within={}, twins_across={},
    )  # fmt: skip
    assert len(rows) == 800
    for row in rows:
        for wanted in (class_named, from_above, vocabulary):
            assert wanted(row, context).score >= 1, row.text
        for unwanted in (no_echo, not_from_ground, unambiguous):
            assert unwanted(row, context).score == 0, row.text
        assert varied(row, context).score <= 0.5, row.text


def test_another_class_gets_generic_ones(tmp_path):
    prompts = from_templates(classes=("AnnualCrop",), per_class=20, job=FolderJob(tmp_path))
    rows = read(prompts)
    assert len({row.text for row in rows}) == 20
    assert all("annual crop" in row.text for row in rows)
    assert prompts.facts["generic"] == ["AnnualCrop"]


@pytest.mark.proves("prompt_writer.from_templates", "classes per_class templates seed")
def test_every_parameter_of_templates_changes_the_prompts(tmp_path):
    first = texts(tmp_path / "first")
    assert texts(tmp_path / "again") == first
    others = {
        "classes": ("Crop Land",),
        "per_class": 4,
        "templates": tuple(Phrase(f"{{class}} number {i}") for i in range(9)),
        "seed": 1,
    }
    for name, value in others.items():
        assert texts(tmp_path / name, **{name: value}) != first, name


def test_more_prompts_and_other_classes_leave_a_prompt_as_it_is(tmp_path):
    many = texts(tmp_path / "many", classes=("Snow Ice",), per_class=9)
    assert many[:5] == texts(tmp_path / "few")[5:]


def test_templates_of_ones_own_are_used_once_each(tmp_path):
    own = (Phrase("snowy {class}"), Phrase("dry {class}"), Phrase("dry {class}"))
    found = texts(tmp_path / "own", classes=("Bare Land",), per_class=2, templates=own)
    assert sorted(found) == [("Bare Land", "dry bare land"), ("Bare Land", "snowy bare land")]
    with pytest.raises(StageError, match="per_class: 3, but there are 2 different prompts of Bare Land"):
        texts(tmp_path / "more", classes=("Bare Land",), per_class=3, templates=own)


def test_no_class_is_refused(tmp_path):
    with pytest.raises(StageError, match="classes: none"):
        texts(tmp_path, classes=())
