"""Training the small CLIP model: every knob turns something, and it learns what it is shown."""

import json
import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jobs import FolderJob
from tiny_alignment import fields, pictures, same, train, weights_of
from tiny_pipeline import tiny_tokenizer

from harness.errors import StageError
from harness.stages.data import scenes
from harness.stages.metrics import alignment

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return fields(tmp_path_factory.mktemp("data") / "fields")


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return tiny_tokenizer(tmp_path_factory.mktemp("tokenizer"))


@pytest.fixture(scope="module")
def plain(data, tokenizer, tmp_path_factory):
    return train(data, tokenizer, tmp_path_factory.mktemp("plain"))


def test_the_same_seed_gives_the_same_weights_bit_for_bit(data, tokenizer, plain, tmp_path):
    again = train(data, tokenizer, tmp_path)
    assert same(weights_of(again), weights_of(plain))
    assert again.facts == plain.facts
    assert again.facts["images"] == 16
    assert again.facts["captions_cut"] == 0
    history = [json.loads(line) for line in (again.path / "history.jsonl").read_text().splitlines()]
    assert history == again.facts["history"]
    assert [row["epoch"] for row in history] == [1, 2]


KNOBS = [
    {"size": 48}, {"patch": 8}, {"width": 64}, {"layers": 2}, {"epochs": 3}, {"batch_size": 5}, {"lr": 1e-3},
    {"augment": None}, {"seed": 1},
]  # fmt: skip


@pytest.mark.proves("alignment.train", "size patch width layers epochs batch_size lr augment seed")
@pytest.mark.parametrize("knob", KNOBS, ids=[f"{k}={v}" for knob in KNOBS for k, v in knob.items()])
def test_every_knob_of_training_changes_the_weights(data, tokenizer, plain, tmp_path, knob):
    assert not same(weights_of(train(data, tokenizer, tmp_path, **knob)), weights_of(plain))


def test_a_batch_larger_than_the_data_is_all_of_it(data, tokenizer, tmp_path):
    sixteen = train(data, tokenizer, tmp_path / "a", batch_size=16)
    assert same(weights_of(train(data, tokenizer, tmp_path / "b", batch_size=99)), weights_of(sixteen))


@pytest.mark.slow
def test_it_tells_matching_from_other_captions_of_scenes_it_has_not_seen(tmp_path):
    drawn = scenes.draw(per_class=24, size=32, job=FolderJob(tmp_path / "seen"))
    unseen = scenes.draw(per_class=6, size=32, seed=1, job=FolderJob(tmp_path / "unseen"))
    tokenizer = tiny_tokenizer(tmp_path / "tokenizer")
    model = alignment.train(
        drawn, tokenizer, size=32, epochs=25, batch_size=42, job=FolderJob(tmp_path / "m")
    )
    scores = alignment.score(unseen, model, job=FolderJob(tmp_path / "score"))
    losses = [epoch["train_loss"] for epoch in model.facts["history"]]
    assert losses[-1] < losses[0] - 0.5
    assert scores.margin > 0.25
    assert np.mean(np.array(scores.items.columns["margin"]) > 0) > 0.85
    assert scores.retrieval > 3 / scores.details["different_captions"]


@given(
    rows=st.lists(st.lists(st.sampled_from("abcdef"), min_size=1, max_size=5), min_size=1, max_size=8),
    seed=st.integers(0, 99),
)
def test_a_sentence_comes_twice_in_a_batch_only_where_the_row_has_no_other(rows, seed):
    from harness.stages.metrics.alignment.contrastive import captions_for

    taken = captions_for(rows, random.Random(seed))
    assert len(taken) == len(rows)
    for i, (caption, captions) in enumerate(zip(taken, rows, strict=True)):
        assert caption in captions
        if caption in taken[:i]:
            assert set(captions) <= set(taken[:i])


def test_captions_over_77_tokens_are_counted(tokenizer, tmp_path):
    long = "red " * 100
    data = pictures(tmp_path / "data", [[long, "red land"], ["blue land", "blue"]])
    assert train(data, tokenizer, tmp_path / "job").facts["captions_cut"] == 1


@pytest.mark.parametrize(
    ("captions", "changed", "message"),
    [
        ([["red"], ["blue"]], {"patch": 7}, "size: 32 pixels are not a whole number of patches of 7"),
        ([["red"], ["blue"]], {"width": 40}, "width: 40 is no multiple of 32"),
        ([["red"]], {}, "1 training images; at least 2 are needed"),
        ([["red"], []], {}, r"training image 001\.png: no caption"),
        ([["red"], ["blue", " "]], {}, r"training image 001\.png: no caption, or a blank one"),
        (
            [["red"], ["blue"]],
            {"lr": 1e30},
            r"the training loss became nan at step \d \(epoch \d\); lower lr",
        ),
    ],
)
def test_what_cannot_be_trained_is_told_in_a_line(tokenizer, tmp_path, captions, changed, message):
    with pytest.raises(StageError, match=message):
        train(pictures(tmp_path / "data", captions), tokenizer, tmp_path / "job", **changed)


def test_an_unreadable_image_is_named(tokenizer, tmp_path):
    data = fields(tmp_path / "data", each=1)
    (data.path / "002.png").write_bytes(b"\x89PNG")
    with pytest.raises(StageError, match=r"002\.png: not a readable image"):
        train(data, tokenizer, tmp_path / "job")
