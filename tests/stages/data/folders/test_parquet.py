"""Image data sets of the hub, with a map of their columns."""

import io

import numpy as np
import pytest
from image_files import colour, everything, parquet, pixels, png, source
from jobs import FolderJob
from PIL import Image

from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.data.folders import hub, hub_captioned

FEATURES = {"label": {"names": ["Water", "Crops"], "_type": "ClassLabel"}}
COLUMNS = {"image": "picture", "label": "land"}


def numbered(root, labels=(1, 0, 1, 0), features=FEATURES):
    records = [
        {
            "image": {"bytes": png(colour(i)), "path": f"{i}.png"},
            "label": n,
            "text": f"scene {i}",
            "place": i / 2,
        }
        for i, n in enumerate(labels)
    ]
    parquet(root / "data" / "train-00000-of-00001-0a1b.parquet", records, features)
    return root


def read(root, job_root, stage=hub, **parameters):
    return stage(source=source(root), **parameters, job=FolderJob(job_root))


def test_numbers_get_the_names_that_the_data_set_declares_in_its_order(tmp_path):
    made = read(numbered(tmp_path / "set"), tmp_path / "job")
    assert made.facts["classes"] == ["Water", "Crops"]
    assert [row.label for row in rows(made)] == ["Crops", "Water", "Crops", "Water"]
    assert next(row.name for row in rows(made)).startswith("train_")
    assert (pixels(next(rows(made)).path) == colour(0)).all()


def test_columns_may_have_other_names_and_further_ones_are_kept(tmp_path):
    records = [{"picture": png(colour(i)), "land": n, "lon": 7.5} for i, n in enumerate(["b", "a"])]
    parquet(tmp_path / "set.parquet", records)
    made = read(tmp_path / "set.parquet", tmp_path / "job", columns={**COLUMNS, "longitude": "lon"})
    assert made.facts["classes"] == ["a", "b"]
    assert [row.columns for row in rows(made)] == [{"longitude": 7.5}] * 2


def test_sentences_and_a_kept_label(tmp_path):
    columns = {"image": "image", "captions": "text", "label": "label"}
    made = read(numbered(tmp_path / "set"), tmp_path / "job", hub_captioned, columns=columns)
    assert [(row.captions, row.label) for row in rows(made)][1] == (("scene 1",), 0)
    assert made.facts["count"] == 4


@pytest.mark.proves("folders.hub", "split columns size resize")
@pytest.mark.parametrize(
    "change",
    [
        {"split": "test"},
        {"columns": {"image": "image", "label": "label", "place": "place"}},
        {"size": 6},
        {"size": 6, "resize": "nearest"},
    ],
    ids=str,
)
def test_every_parameter_changes_the_output(tmp_path, change):
    root = numbered(tmp_path / "set")
    records = [
        {"image": {"bytes": png(colour(9)), "path": ""}, "label": n, "text": "", "place": 0.0} for n in (0, 1)
    ]
    parquet(root / "data" / "test-00000-of-00001.parquet", records, FEATURES)
    before = {"size": 6} if "resize" in change else {}
    assert everything(read(root, tmp_path / "a", **before)) != everything(
        read(root, tmp_path / "b", **change)
    )


@pytest.mark.proves("folders.hub", "scale")
def test_scale_changes_the_output(tmp_path):
    deep = png(np.arange(0, 6400, 100, dtype=np.uint16).reshape(8, 8))
    parquet(tmp_path / "set.parquet", [{"image": deep, "label": n} for n in "ab"])
    one, other = (
        read(tmp_path / "set.parquet", tmp_path / f"{high}", scale=(0.0, high)) for high in (6300.0, 5000.0)
    )
    assert everything(one) != everything(other)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"split": "tran"}, "no split 'tran', only train; did you mean 'train'"),
        ({"columns": {"image": "image", "label": "labels"}}, "no column 'labels'.*did you mean 'label'"),
        ({"columns": {"image": "image"}}, "columns: says nothing of 'label'"),
        ({"columns": {"image": "image", "label": "label", "file_name": "text"}}, "call it something else"),
        ({"columns": {"image": "image", "label": "place"}}, "row 0: the label is 0.0; expected a name"),
        ({"columns": {"image": "image", "label": "label", "raw": "image"}}, "column 'raw' holds dict"),
        ({"columns": {"image": "place", "label": "label"}}, "row 0: the image has no bytes"),
    ],
)
def test_what_does_not_fit_is_refused(tmp_path, parameters, message):
    with pytest.raises(StageError, match=message):
        read(numbered(tmp_path / "set"), tmp_path / "job", **parameters)


@pytest.mark.parametrize(
    ("labels", "features", "message"),
    [
        ((0, 1), None, "row 0: the label is 0; expected a name, or a number with names declared"),
        ((0, 2), FEATURES, "row 1: label 2, but there are 2 classes"),
        ((0, 0), FEATURES, "no image of class 'Crops'"),
        ((0, None), FEATURES, "row 1: the label is None"),
    ],
)
def test_labels_that_mean_nothing_are_refused(tmp_path, labels, features, message):
    with pytest.raises(StageError, match=message):
        read(numbered(tmp_path / "set", labels, features), tmp_path / "job")


def test_a_damaged_image_is_named_by_file_and_row(tmp_path):
    out = io.BytesIO()
    Image.fromarray(colour(1, 64)).save(out, format="JPEG")
    records = [{"image": png(colour(0)), "label": "a"}, {"image": out.getvalue()[:300], "label": "b"}]
    parquet(tmp_path / "set.parquet", records)
    with pytest.raises(StageError, match=r"set\.parquet row 1: not a readable image"):
        read(tmp_path / "set.parquet", tmp_path / "job")


def test_a_parquet_file_of_another_name_is_not_skipped(tmp_path):
    root = numbered(tmp_path / "set")
    parquet(root / "more.parquet", [{"a": 1}])
    with pytest.raises(
        StageError, match=r"more\.parquet: expected a name like train-00000-of-00001\.parquet"
    ):
        read(root, tmp_path / "job")


def test_a_row_without_a_sentence_is_refused(tmp_path):
    parquet(tmp_path / "set.parquet", [{"image": png(colour(0)), "captions": []}])
    with pytest.raises(StageError, match=r"row 0: captions must be sentences, not \[\]"):
        read(tmp_path / "set.parquet", tmp_path / "job", hub_captioned)
