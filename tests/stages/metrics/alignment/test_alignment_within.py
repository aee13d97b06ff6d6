"""The margin within classes on a real, small CLIP model: by hand, and what must move it."""

import json

import numpy as np
import pytest
from jobs import FolderJob
from tiny_alignment import COLOURS, fields, pictures, train
from tiny_pipeline import tiny_tokenizer

from harness.errors import StageError
from harness.stages.metrics import alignment

WARM = {"red": "warm", "white": "warm", "green": "cold", "blue": "cold"}


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Has learnt the four colours."""
    root = tmp_path_factory.mktemp("model")
    return train(
        fields(root / "fields"), tiny_tokenizer(root / "tokenizer"), root / "model", epochs=30, batch_size=8
    )


def labelled(path, colours, classes=None):
    """One picture of each colour, with its class."""
    images = pictures(path, [[f"{colour} land"] for colour in colours])
    rows = [json.loads(line) for line in (path / "metadata.jsonl").read_text().splitlines()]
    for row, colour in zip(rows, colours, strict=True):
        row["label"] = (classes or WARM)[colour]
    (path / "metadata.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return images


def within(images, model, root, **settings):
    return alignment.within_class(images, model, **settings, job=FolderJob(root))


def test_it_is_the_margin_of_each_class_by_itself(model, tmp_path):
    names = ["red", "green", "white", "blue", "red"]
    scores = within(labelled(tmp_path / "all", names), model, tmp_path / "job")
    margins = {}
    for label in ("warm", "cold"):
        kept = [name for name in names if WARM[name] == label]
        alone = alignment.score(
            labelled(tmp_path / label, kept), model, job=FolderJob(tmp_path / f"{label}.job")
        )
        margins[label] = iter(alone.items.columns["margin"])
    # Noise is drawn in order, so that pictures of the same place differ; the colours decide.
    expected = [next(margins[WARM[name]]) for name in names]
    np.testing.assert_allclose(scores.items.columns["margin"], expected, atol=0.1)
    assert scores.margin == pytest.approx(np.mean(scores.items.columns["margin"]))
    assert scores.margin > 0.3
    assert scores.retrieval == 1
    assert scores.items.cluster == ["000.png", "001.png", "002.png", "003.png", "000.png"]


@pytest.mark.proves("alignment.within_class", "batch_size")
def test_scores_do_not_depend_on_batch_size(model, tmp_path):
    images = labelled(tmp_path / "images", list(COLOURS) * 2)
    one, many = (within(images, model, tmp_path / str(n), batch_size=n) for n in (1, 32))
    assert one.margin == pytest.approx(many.margin, abs=1e-5)


def test_an_image_whose_class_says_one_thing_moves_nothing_and_is_counted(model, tmp_path):
    classes = {**WARM, "blue": "sea", "green": "wood"}
    scores = within(labelled(tmp_path / "images", list(COLOURS), classes), model, tmp_path / "job")
    assert scores.details["images_with_another_caption_in_their_class"] == 2
    column = dict(zip(scores.items.item, scores.items.columns["margin"], strict=True))
    assert column["001.png"] == column["002.png"] == pytest.approx(scores.margin)
    assert column["000.png"] != column["003.png"]
    assert scores.steps == {"retrieval": 1 / 2}


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ({**WARM, "blue": None}, r"image 002\.png: no class, so that captions cannot be shuffled"),
        ({name: name for name in COLOURS}, "no class has two images with different captions"),
    ],
)
def test_what_has_no_null_within_classes_is_told(model, tmp_path, classes, message):
    with pytest.raises(StageError, match=message):
        within(labelled(tmp_path / "images", list(COLOURS), classes), model, tmp_path / "job")
