"""Real captions as prompts: of the right class, different, as people wrote them."""

import json

import pytest
from jobs import FolderJob

from harness.artifact import Captions
from harness.errors import StageError
from harness.formats.prompts import read
from harness.stages.systems.prompt_writer.captioned import from_captions


def captions(folder, rows):
    folder.mkdir()
    lines = [
        json.dumps({"file_name": f"{i}.png", "captions": said, **({"label": label} if label else {})})
        for i, (label, said) in enumerate(rows)
    ]
    (folder / "metadata.jsonl").write_text("\n".join(lines) + "\n")
    return Captions(folder)


@pytest.fixture
def given(tmp_path):
    crops = [("Crop Land", [f"field {i}", f"field {i} from above"]) for i in range(6)]
    lakes = [("Water Body", [f"lake {i}"]) for i in range(4)]
    return captions(tmp_path / "captions", [*crops, *lakes, (None, ["a thing"])])


def texts(given, root, **parameters):
    made = from_captions(given, job=FolderJob(root), **{"per_class": 3, **parameters})
    return [(p.label, p.text) for p in read(made)]


def test_each_class_gets_captions_of_its_own_rows(given, tmp_path):
    found = texts(given, tmp_path)
    assert [label for label, _ in found] == ["Crop Land"] * 3 + ["Water Body"] * 3
    assert all(text.startswith("field" if label == "Crop Land" else "lake") for label, text in found)
    assert len(set(found)) == 6


@pytest.mark.proves("prompt_writer.from_captions", "classes per_class seed")
def test_every_parameter_of_captions_changes_the_prompts(given, tmp_path):
    first = texts(given, tmp_path / "first")
    assert texts(given, tmp_path / "again") == first
    for name, value in {"classes": ("Water Body",), "per_class": 2, "seed": 1}.items():
        assert texts(given, tmp_path / name, **{name: value}) != first, name
    more = texts(given, tmp_path / "more", per_class=4)
    assert (more[:3], more[4:7]) == (first[:3], first[3:])


def test_classes_of_another_scheme_take_in_the_rows_of_several(tmp_path):
    rows = [("pond", ["a pond"]), ("river", ["a river"]), ("farmland", ["a field"]), ("airport", ["a plane"])]
    given = captions(tmp_path / "captions", rows)
    scheme = {"Water Body": ("pond", "river"), "Crop Land": ("farmland",)}
    prompts = from_captions(given, classes=scheme, per_class=1, job=FolderJob(tmp_path / "one"))
    assert prompts.facts["classes"] == ["Water Body", "Crop Land"]
    assert prompts.facts["rows"] == {"Water Body": 2, "Crop Land": 1}
    both = texts(given, tmp_path / "both", classes={"Water Body": ("pond", "river")}, per_class=2)
    assert sorted(both) == [("Water Body", "a pond"), ("Water Body", "a river")]
    with pytest.raises(StageError, match="no caption is of 'rivers'; did you mean 'river'"):
        texts(given, tmp_path / "unknown", classes={"Water Body": ("rivers",)})
    with pytest.raises(StageError, match="classes: 'pond' is taken twice"):
        texts(given, tmp_path / "twice", classes={"Water Body": ("pond",), "Crop Land": ("pond",)})


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
