"""Prompts drawn: real captions of each class as people wrote them, and so many prompts of each class as are wanted."""

import json
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob

from harness.artifact import Captions, Prompts
from harness.errors import StageError
from harness.formats import prompts as table
from harness.formats.prompts import read
from harness.stages.data.scenes.world import CLASSES
from harness.stages.systems.prompt_writer.selecting import from_captions, select


def captions(folder, rows):
    folder.mkdir()
    lines = [
        json.dumps({"file_name": f"{i}.png", "captions": said, **({"label": label} if label else {})})
        for i, (label, said) in enumerate(rows)
    ]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return Captions(folder)


@pytest.fixture
def captioned(tmp_path):
    crops = [("Crop Land", [f"field {i}", f"field {i} from above"]) for i in range(6)]
    lakes = [("Water Body", [f"lake {i}"]) for i in range(4)]
    return captions(tmp_path / "captions", [*crops, *lakes, (None, ["a thing"])])


def texts(captioned, root, **parameters):
    made = from_captions(captioned, job=FolderJob(root), **{"per_class": 3, **parameters})
    return [(p.label, p.text) for p in read(made)]


def test_each_class_gets_captions_of_its_own_rows(captioned, tmp_path):
    found = texts(captioned, tmp_path)
    assert [label for label, _ in found] == ["Crop Land"] * 3 + ["Water Body"] * 3
    assert all(text.startswith("field" if label == "Crop Land" else "lake") for label, text in found)
    assert len(set(found)) == 6


@pytest.mark.proves("prompt_writer.from_captions", "classes per_class seed")
def test_every_parameter_of_captions_changes_the_prompts(captioned, tmp_path):
    first = texts(captioned, tmp_path / "first")
    assert texts(captioned, tmp_path / "again") == first
    for name, value in {"classes": ("Water Body",), "per_class": 2, "seed": 1}.items():
        assert texts(captioned, tmp_path / name, **{name: value}) != first, name
    more = texts(captioned, tmp_path / "more", per_class=4)
    assert (more[:3], more[4:7]) == (first[:3], first[3:])


def test_classes_of_another_scheme_take_in_the_rows_of_several(tmp_path):
    rows = [("pond", ["a pond"]), ("river", ["a river"]), ("farmland", ["a field"]), ("airport", ["a plane"])]
    captioned = captions(tmp_path / "captions", rows)
    scheme = {"Water Body": ("pond", "river"), "Crop Land": ("farmland",)}
    prompts = from_captions(captioned, classes=scheme, per_class=1, job=FolderJob(tmp_path / "one"))
    assert prompts.facts["classes"] == ["Water Body", "Crop Land"]
    assert prompts.facts["rows"] == {"Water Body": 2, "Crop Land": 1}
    both = texts(captioned, tmp_path / "both", classes={"Water Body": ("pond", "river")}, per_class=2)
    assert sorted(both) == [("Water Body", "a pond"), ("Water Body", "a river")]
    with pytest.raises(StageError, match="no caption is of 'rivers'; did you mean 'river'"):
        texts(captioned, tmp_path / "unknown", classes={"Water Body": ("rivers",)})
    with pytest.raises(StageError, match="classes: 'pond' is taken twice"):
        texts(captioned, tmp_path / "twice", classes={"Water Body": ("pond",), "Crop Land": ("pond",)})


def test_captions_that_say_the_same_count_once(tmp_path):
    same = captions(
        tmp_path / "captions", [("Crop Land", [text]) for text in ("A field .", "a field", "rows\tof vines")]
    )
    assert sorted(text for _, text in texts(same, tmp_path / "two", per_class=2)) in (
        ["A field .", "rows of vines"],
        ["a field", "rows of vines"],
    )
    with pytest.raises(StageError, match="the 3 rows of Crop Land have 2 different captions"):
        texts(same, tmp_path / "three")


@pytest.mark.parametrize(
    ("rows", "classes", "message"),
    [
        ([(None, ["a field"])], None, "no row has a label"),
        (
            [("Crop Land", ["a field"])],
            ("Crops Land",),
            "no caption is of 'Crops Land'; did you mean 'Crop Land'",
        ),
        ([("Crop Land", [])], None, "the 1 rows of Crop Land have 0 different captions"),
        ([("Crop Land", [" ", "..."])], None, "have 0 different captions"),
    ],
)
def test_a_class_without_captions_is_refused(tmp_path, rows, classes, message):
    with pytest.raises(StageError, match=message):
        texts(captions(tmp_path / "captions", rows), tmp_path, classes=classes, per_class=1)


PAPER = dict(zip(CLASSES, (52, 57, 54, 54, 58, 52, 61), strict=True))


def prompts(folder, of):
    folder.mkdir(parents=True)
    rows = [
        table.Prompt(table.name(label, i), f"{label} {i}", label, "by hand")
        for label, count in of.items()
        for i in range(count)
    ]
    table.write(folder, rows)
    return Prompts(folder)


def selected(given, root, counts, seed=0):
    return select(given, counts=counts, seed=seed, job=FolderJob(root))


def test_the_papers_data_set_has_388_prompts_in_seven_classes(tmp_path):
    found = selected(prompts(tmp_path / "all", dict.fromkeys(CLASSES, 60)), tmp_path, PAPER)
    rows = table.read(found)
    assert len(rows) == len({row.name for row in rows}) == 388
    assert found.facts["per_class"] == PAPER
    assert found.facts["taken_again"] == {"Woody Vegetation": 1}
    assert Counter(Counter(row.text for row in rows).values()) == {1: 386, 2: 1}


@pytest.fixture(scope="module")
def eight(tmp_path_factory):
    return prompts(tmp_path_factory.mktemp("eight") / "prompts", {"Crop Land": 5, "Water Body": 3})


@given(crops=st.integers(1, 23), lakes=st.integers(1, 23), seed=st.integers(0, 3))
def test_prompts_are_used_evenly_and_named_apart(eight, tmp_path_factory, crops, lakes, seed):
    counts = {"Crop Land": crops, "Water Body": lakes}
    rows = table.read(selected(eight, tmp_path_factory.mktemp("selected"), counts, seed))
    assert len({row.name for row in rows}) == len(rows) == crops + lakes
    for label, there in (("Crop Land", 5), ("Water Body", 3)):
        used = Counter(row.text for row in rows if row.label == label)
        assert used.total() == counts[label]
        assert len(used) == min(there, counts[label])
        assert max(used.values()) - min(used.values()) <= 1


@pytest.mark.proves("prompt_writer.select", "counts seed")
def test_every_parameter_of_selecting_changes_the_prompts(eight, tmp_path):
    def names(name, counts=2, seed=0):
        return [row.name for row in table.read(selected(eight, tmp_path / name, counts, seed))]

    first = names("first")
    assert names("again") == first
    assert names("counts", counts={"Crop Land": 2, "Water Body": 1}) == first[:3]
    assert names("seed", seed=1) != first
    assert names("order", counts={"Water Body": 2, "Crop Land": 2}) == first


def test_a_class_that_is_not_named_is_left_out_and_noted(eight, tmp_path):
    found = selected(eight, tmp_path, {"Water Body": 2})
    assert found.facts["left_out"] == ["Crop Land"]
    assert found.facts["classes"] == ["Water Body"]


def test_a_selection_can_be_selected_from(eight, tmp_path):
    once = selected(eight, tmp_path / "once", 7)
    twice = table.read(selected(once, tmp_path / "twice", 30))
    assert len({row.name for row in twice}) == len(twice) == 60


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (
            {"Crops Land": 2},
            "no prompt of 'Crops Land', only of Crop Land, Water Body; did you mean 'Crop Land'",
        ),
        ({}, "counts: no class is named"),
    ],
)
def test_a_class_without_prompts_is_refused(eight, tmp_path, counts, message):
    with pytest.raises(StageError, match=message):
        selected(eight, tmp_path, counts)


def test_no_prompts_at_all_are_refused(tmp_path):
    with pytest.raises(StageError, match="prompts: there are none"):
        selected(prompts(tmp_path / "none", {}), tmp_path, 1)


def test_blank_prompts_are_left_out_and_a_class_of_nothing_else_refused(tmp_path):
    (tmp_path / "prompts").mkdir()
    texts = {"Crop Land": ["a field", "", "..."], "Water Body": [" "]}
    rows = [
        table.Prompt(table.name(label, i), text, label, "a model")
        for label, said in texts.items()
        for i, text in enumerate(said)
    ]
    table.write(tmp_path / "prompts", rows)
    given = Prompts(tmp_path / "prompts")
    found = selected(given, tmp_path / "crops", {"Crop Land": 2})
    assert [row.text for row in table.read(found)] == ["a field"] * 2
    assert found.facts["blank"] == 3
    with pytest.raises(StageError, match="prompts: all of 'Water Body' are blank"):
        selected(given, tmp_path / "all", 1)
