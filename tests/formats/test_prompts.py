"""Prompts in files: read back as they were, and refused where a row is none."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.artifact import Prompts
from harness.errors import StageError
from harness.formats import prompts
from harness.formats.image_folder import rows
from harness.formats.prompts import Passage, Prompt

LAKE = Prompt(
    "water-body-000",
    "a lake in a forest",
    "Water Body",
    "by hand",
    (Passage("p1", "a.pdf", 3, "Lakes are dark."),),
)
FIELD = Prompt("crop-land-000", "fields, \u201cseen\u201d from above", "Crop Land", "by hand")


def test_prompts_are_read_as_they_were_written(tmp_path):
    prompts.write(tmp_path, [LAKE, FIELD])
    assert prompts.read(Prompts(tmp_path)) == [LAKE, FIELD]


def test_prompts_are_captions_with_a_name_and_a_label(tmp_path):
    prompts.write(tmp_path, [LAKE, FIELD])
    first, second = rows(Prompts(tmp_path))
    assert (first.name, first.label, first.captions) == (
        "water-body-000",
        "Water Body",
        ("a lake in a forest",),
    )
    assert second.columns == {"writer": "by hand", "passages": []}


def written(tmp_path, **columns):
    row = {
        "file_name": "a",
        "captions": ["a lake"],
        "label": "Water Body",
        "writer": "x",
        "passages": [],
        **columns,
    }
    lines = json.dumps({name: value for name, value in row.items() if value is not None}) + "\n"
    (tmp_path / "metadata.jsonl").write_text(lines)
    return Prompts(tmp_path)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"captions": []}, "a: not a prompt; expected one caption"),
        ({"captions": ["one", "two"]}, "not a prompt"),
        ({"label": None}, "not a prompt"),
        ({"writer": None}, "not a prompt"),
        ({"passages": "some"}, "passages must be a list"),
        ({"passages": [{"id": "1", "document": "d", "text": "t"}]}, "passages must be a list"),
        ({"passages": [{"id": "1", "document": "d", "page": -1, "text": "t"}]}, "passages must be a list"),
        ({"passages": [{"id": 1, "document": "d", "page": 1, "text": "t"}]}, "passages must be a list"),
    ],
)
def test_a_row_that_is_no_prompt_is_refused_by_name(tmp_path, columns, message):
    with pytest.raises(StageError, match=message):
        prompts.read(written(tmp_path, **columns))


def test_two_prompts_of_one_name_are_refused(tmp_path):
    artifact = written(tmp_path)
    file = tmp_path / "metadata.jsonl"
    file.write_text(file.read_text() * 2)
    with pytest.raises(StageError, match="two prompts are called a"):
        prompts.read(artifact)


def test_facts_count_prompts_by_class_in_their_order():
    assert prompts.count([LAKE, FIELD, LAKE]) == {
        "count": 3,
        "classes": ["Water Body", "Crop Land"],
        "per_class": {"Water Body": 2, "Crop Land": 1},
    }


@given(st.lists(st.text(max_size=8), min_size=1, max_size=4), st.integers(1, 1200))
def test_names_of_classes_that_are_accepted_never_meet(labels, per_class):
    try:
        prompts.check_classes(labels)
    except StageError:
        return
    names = [prompts.name(label, index) for label in labels for index in (0, per_class // 2, per_class)]
    distinct = {0, per_class // 2, per_class}
    assert len(set(names)) == len(labels) * len(distinct)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ([], "classes: none"),
        (["Crop Land", " "], "one of them is blank"),
        (["Crop Land", "Crop Land"], "'Crop Land' is named twice"),
        (["Crop Land", "crop-land"], "'Crop Land' and 'crop-land' would give their prompts the same names"),
    ],
)
def test_classes_that_cannot_be_told_apart_are_refused(classes, message):
    with pytest.raises(StageError, match=message):
        prompts.check_classes(classes)
