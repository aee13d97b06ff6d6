"""Alignment scores on a real, small CLIP model: the library's own cosines, and what must move them."""

import numpy as np
import pytest
from jobs import FolderJob
from PIL import Image
from rounding import rounded
from tiny_alignment import COLOURS, fields, pictures, train
from tiny_pipeline import tiny_tokenizer

from harness.artifact import CaptionedImages
from harness.errors import StageError
from harness.formats.image_folder import rows
from harness.stages.metrics import alignment

pytestmark = pytest.mark.numeric

NEAR = rounded(terms=3 * 16 * 16, layers=8)
"""Of cosines of the tiny CLIP, whose widest sum is over a patch of 16 by 16 pixels."""

NAMES = list(COLOURS)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """Has learnt the four colours."""
    root = tmp_path_factory.mktemp("model")
    tokenizer = tiny_tokenizer(root / "tokenizer")
    return train(fields(root / "fields"), tokenizer, root / "model", epochs=30, batch_size=8)


def score(images, model, root, **settings):
    return alignment.score(images, model, **settings, job=FolderJob(root))


def test_it_is_the_cosine_of_the_library_itself(model, tmp_path):
    import torch
    from transformers import CLIPModel, CLIPProcessor

    captions = [["red land"], ["green ground"], ["a field that is blue"], ["white"], ["a lake"]]
    images = pictures(tmp_path / "images", captions)
    network, processor = CLIPModel.from_pretrained(model.path), CLIPProcessor.from_pretrained(model.path)
    opened = [Image.open(row.path) for row in rows(images)]
    texts = [sentences[0] for sentences in captions]
    with torch.inference_mode():
        made = network(**processor(text=texts, images=opened, padding=True, return_tensors="pt"))
        cosines = (made.logits_per_image / network.logit_scale.exp()).double().numpy()

    scores = score(images, model, tmp_path / "job")

    np.testing.assert_allclose(scores.items.columns["alignment"], np.diag(cosines), atol=NEAR)
    others = (cosines.sum(axis=1) - np.diag(cosines)) / 4
    np.testing.assert_allclose(scores.items.columns["shuffled"], others, atol=NEAR)
    assert scores.items.item == [f"{i:03d}.png" for i in range(5)]
    assert scores.conditions == {"n": 5}
    assert scores.details == {"different_captions": 5, "captions_cut": 0, "tokens": 77}


@pytest.mark.proves("alignment.score", "batch_size")
def test_scores_do_not_depend_on_batch_size(model, tmp_path):
    images = fields(tmp_path / "images", each=2)
    columns = [
        score(images, model, tmp_path / str(size), batch_size=size).items.columns for size in (1, 3, 32)
    ]
    assert columns[0].keys() == {"alignment", "shuffled", "margin", "retrieval"}
    for name, expected in columns[2].items():
        assert np.isfinite(expected).all()
        for other in columns[:2]:
            np.testing.assert_allclose(other[name], expected, atol=NEAR)


def test_a_generator_that_ignores_its_prompts_falls_to_the_null(model, tmp_path):
    """Right captions clearly beat it; captions that were passed round do not."""
    captions = [[f"{name} land"] for name in NAMES] * 4
    right = pictures(tmp_path / "right", captions)
    lines = (right.path / "metadata.jsonl").read_text().splitlines()
    wrong = CaptionedImages(tmp_path / "wrong")
    wrong.path.mkdir()
    moved = [line.split('"captions"')[0] for line in lines[1:] + lines[:1]]
    names = [line.split('"captions"')[1] for line in lines]
    (wrong.path / "metadata.jsonl").write_text(
        "".join(f'{a}"captions"{b}\n' for a, b in zip(moved, names, strict=True))
    )
    for picture in right.path.glob("*.png"):
        (wrong.path / picture.name).symlink_to(picture)

    fitting, shuffled = score(right, model, tmp_path / "a"), score(wrong, model, tmp_path / "b")

    assert fitting.margin > 0.3
    assert fitting.retrieval == 1
    assert shuffled.margin < 0.1
    assert shuffled.retrieval == 0
    assert fitting.alignment - shuffled.alignment > 0.3


def test_every_field_is_the_mean_of_its_items(model, tmp_path):
    scores = score(fields(tmp_path / "images"), model, tmp_path / "job")
    assert len(scores.items.item) == 16
    for name, column in scores.items.columns.items():
        assert np.mean(column) == pytest.approx(getattr(scores, name), abs=1e-12)
    assert scores.margin == pytest.approx(scores.alignment - scores.shuffled, abs=1e-12)


def test_captions_that_the_model_reads_alike_are_no_mismatch(model, tmp_path):
    """Case and spaces are nothing to CLIP's tokenizer: two captions here, not three."""
    images = pictures(tmp_path / "images", [["red land"], ["RED  land"], ["blue land"]])
    scores = score(images, model, tmp_path / "job")
    assert scores.details["different_captions"] == 2
    assert scores.items.cluster == ["000.png", "000.png", "002.png"]
    alone = pictures(tmp_path / "alone", [["red land"], ["blue land"]])
    without = score(alone, model, tmp_path / "without")
    assert without.items.cluster is None
    assert scores.items.columns["shuffled"][0] == pytest.approx(
        without.items.columns["shuffled"][0], abs=NEAR
    )


def test_a_caption_over_77_tokens_is_cut_and_counted(model, tmp_path):
    long = ["red " * 80 + end for end in ("land", "water")]
    images = pictures(tmp_path / "images", [[long[0]], [long[1]], ["blue land"]])
    scores = score(images, model, tmp_path / "job")
    assert scores.details == {"different_captions": 2, "captions_cut": 2, "tokens": 77}


@pytest.mark.parametrize(
    ("captions", "message"),
    [
        ([["red"]], "1 scored images; at least 2 are needed"),
        ([["red"], []], r"scored image 001\.png: no caption"),
        ([["red"], ["Red"]], r"000\.png: no other image has a caption that this one has not"),
    ],
)
def test_what_cannot_be_scored_is_told_in_a_line(model, tmp_path, captions, message):
    with pytest.raises(StageError, match=message):
        score(pictures(tmp_path / "images", captions), model, tmp_path / "job")


def test_an_unreadable_scored_image_is_named(model, tmp_path):
    images = fields(tmp_path / "images", each=1)
    (images.path / "003.png").write_bytes(b"GIF89a")
    with pytest.raises(StageError, match=r"003\.png: not a readable image"):
        score(images, model, tmp_path / "job")
