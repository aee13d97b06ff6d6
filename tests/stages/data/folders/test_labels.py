"""Other classes, and a held-out part."""

from collections import Counter

import pytest
from drawing import draws
from hypothesis import given
from hypothesis import strategies as st
from image_files import class_folders, colour, everything, source
from jobs import FolderJob

from harness.artifact import CaptionedImages
from harness.errors import StageError
from harness.formats.image_folder import Writer, rows
from harness.stages.data.folders import images, relabel, split

LABELS = ["pond", "lake", "town", "airport", None, "pond"]


@pytest.fixture
def labelled(tmp_path):
    folder = tmp_path / "labelled"
    folder.mkdir()
    with Writer(folder) as out:
        for i, label in enumerate(LABELS):
            columns = {"label": label} if label else {}
            out.add(colour(i), f"{i}.png", captions=[f"scene {i}"], region="north", **columns)
    return CaptionedImages(folder)


def test_classes_are_mapped_and_what_is_left_out_is_counted(labelled, tmp_path):
    classes = {"Water Body": ("pond", "lake"), "Built": ("town",)}
    made = relabel(labelled, classes=classes, job=FolderJob(tmp_path / "job"))
    assert made.facts["classes"] == ["Water Body", "Built"]
    assert made.facts["per_class"] == {"Water Body": 3, "Built": 1}
    assert made.facts["unmapped"] == {"airport": 1}
    assert made.facts["unlabelled"] == 1
    found = {row.name: row for row in rows(made)}
    assert {name: row.label for name, row in found.items()} == {
        "0.png": "Water Body",
        "1.png": "Water Body",
        "2.png": "Built",
        "5.png": "Water Body",
    }
    assert found["0.png"].captions == ("scene 0",)
    assert found["0.png"].columns == {"region": "north", "label_before": "pond"}
    assert found["0.png"].path.read_bytes() == (labelled.path / "0.png").read_bytes()


@pytest.mark.proves("folders.relabel", "classes")
def test_another_mapping_is_another_output(labelled, tmp_path):
    mappings = [{"a": ("pond",), "b": ("town",)}, {"a": ("pond",), "b": ("lake",)}]
    made = [relabel(labelled, classes=m, job=FolderJob(tmp_path / str(i))) for i, m in enumerate(mappings)]
    assert everything(made[0]) != everything(made[1])


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({"a": ("pnd",), "b": ("town",)}, "no image has the class 'pnd' .for 'a'.; did you mean 'pond'"),
        ({"a": ("pond",), "b": ("pond",)}, "'pond' is listed twice, under 'a' and 'b'"),
        ({"a": ("pond", "pond"), "b": ("town",)}, "'pond' is listed twice"),
        ({"a": ("pond", "town")}, "one class only"),
        ({"a": ("pond", "town"), "b": ()}, "no image of class 'b'"),
    ],
)
def test_a_mapping_that_does_not_fit_is_refused(labelled, tmp_path, classes, message):
    with pytest.raises(StageError, match=message):
        relabel(labelled, classes=classes, job=FolderJob(tmp_path / "job"))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    root = tmp_path_factory.mktemp("scenes")
    class_folders(root / "own", ("lake", "snow", "town"), each=10, size=4)
    return images(source=source(root / "own"), job=FolderJob(root / "job"))


def cut(scenes, folder, **parameters):
    return split(scenes, **parameters, job=FolderJob(folder))


def per_class(images):
    return Counter(row.label for row in rows(images))


def test_every_class_gives_its_share(scenes, tmp_path):
    made = cut(scenes, tmp_path / "job", held_out=0.2)
    assert per_class(made.held_out) == {"lake": 2, "snow": 2, "town": 2}
    assert per_class(made.train) == {"lake": 8, "snow": 8, "town": 8}
    assert made.train.facts["classes"] == scenes.facts["classes"]
    assert made.held_out.facts["count"] == 6


def test_a_number_is_met_exactly_though_it_does_not_divide(scenes, tmp_path):
    made = cut(scenes, tmp_path / "job", held_out=8)
    assert sorted(per_class(made.held_out).values()) == [2, 3, 3]


@draws(10)
@given(held_out=st.integers(6, 24), seed=st.integers(0, 3))
def test_both_sides_together_are_the_whole(scenes, tmp_path_factory, held_out, seed):
    made = cut(scenes, tmp_path_factory.mktemp("job"), held_out=held_out, seed=seed)
    assert made.held_out.facts["count"] == held_out
    both = everything(made.train) | everything(made.held_out)
    assert both == everything(scenes)


@pytest.mark.proves("folders.split", "held_out stratified seed")
@pytest.mark.parametrize("change", [{"held_out": 7}, {"stratified": False}, {"seed": 1}], ids=str)
def test_every_parameter_changes_the_output(scenes, tmp_path, change):
    base = {"held_out": 6, "stratified": True, "seed": 0}
    assert everything(cut(scenes, tmp_path / "a", **base).held_out) != everything(
        cut(scenes, tmp_path / "b", **{**base, **change}).held_out
    )


@pytest.mark.parametrize("held_out", [30, 0.0, 1.0, 0.01])
def test_an_empty_side_is_refused(scenes, tmp_path, held_out):
    with pytest.raises(StageError, match="leaves one side empty"):
        cut(scenes, tmp_path / "job", held_out=held_out)


def test_a_class_missing_on_one_side_is_refused(scenes, tmp_path):
    with pytest.raises(StageError, match="held_out: no image of class"):
        cut(scenes, tmp_path / "job", held_out=2)
